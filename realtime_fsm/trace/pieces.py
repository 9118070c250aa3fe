"""Cuts a trace of many calls between them, so that several can read it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

__all__ = ["HEADER", "Piece", "opened_piece", "pieces"]

#: How the header of a call begins.
HEADER = re.compile(rb'\s*\{\s*"trace"\s*:')
#: Bytes of one piece at least: a second's work or so.
_LEAST = 4_000_000


@dataclass(frozen=True, slots=True)
class Piece:
    """Some calls of a file.

    Attributes:
        path: the file.
        start: where they begin, in bytes.
        end: where they end; None: with the file.
        before: how many lines stand before it.
        calls: how many calls do.
    """

    path: Path
    start: int = 0
    end: int | None = None
    before: int = 0
    calls: int = 0


def pieces(path: Path, least: int = _LEAST) -> list[Piece]:
    """The pieces of a file, in its order; one if it is no trace that begins with a header, or cannot be
    read."""
    try:
        with path.open("rb") as file:
            cuts = _cuts(file, least)
    except OSError:
        cuts = []
    if not cuts:
        return [Piece(path)]
    ends = [*(start for start, *_ in cuts[1:]), None]
    return [Piece(path, cut[0], end, *cut[1:]) for cut, end in zip(cuts, ends, strict=True)]


def _cuts(file: IO[bytes], least: int) -> list[tuple[int, int, int]]:
    """Where pieces begin: the byte, and how many lines and calls stand before it."""
    found: list[tuple[int, int, int]] = []
    at = calls = 0
    for number, line in enumerate(file):
        if HEADER.match(line):
            if not found or at - found[-1][0] >= least:
                found.append((at, number, calls))
            calls += 1
        elif number == 0:
            return []
        at += len(line)
    return found


@contextlib.contextmanager
def opened_piece(piece: Piece) -> Iterator[IO[bytes]]:
    """The piece, open for reading bytes and lines. Raises OSError."""
    with piece.path.open("rb") as file:
        file.seek(piece.start)
        yield file if piece.end is None else cast("IO[bytes]", _Until(file, piece.end))


class _Until:
    """A file that ends earlier."""

    def __init__(self, file: IO[bytes], end: int) -> None:
        self._file = file
        self._left = end - file.tell()

    def read(self, size: int = -1) -> bytes:
        return self._taken(self._file.read(self._least(size)))

    def readline(self, size: int = -1) -> bytes:
        return self._taken(self._file.readline(self._least(size)))

    def _least(self, size: int) -> int:
        return self._left if size < 0 else min(size, self._left)

    def _taken(self, found: bytes) -> bytes:
        self._left -= len(found)
        return found
