"""Keeps each call of a run as a line of JSON, so that the run goes on where it was stopped."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any, Generic, TypeVar

from ..._input import CommandError
from .pairs import Difference, PairResult
from .run import CallResult
from .waiting import Waited

__all__ = ["Kept", "KeptError", "default_path"]

_R = TypeVar("_R", CallResult, PairResult)
_PAIR = ("worse", "better", "allowed")
_LIVES = ("plain", "controlled")


class KeptError(CommandError):
    """The file is no such file, or of another run. The message names it."""


def default_path(of: Mapping[str, Any]) -> Path:
    """Where a run is kept that was stopped and has no file."""
    shard = str(of["shard"]).replace("/", "of")
    return Path(f"simulate-{of['mode']}-{of['faults']}-{of['seed']}-{shard}.kept.jsonl")


class Kept(Generic[_R]):
    """A file of results.

    Args:
        path: Made if there is none.
        kind: The class of the results.
        of: What the run is, in JSON: results of another are not mixed in.

    Attributes:
        done: What is in it, by seed.

    Raises:
        KeptError: It is no such file, or of another run.
        OSError: It can be neither read nor written.
    """

    def __init__(self, path: Path, kind: type[_R], of: Mapping[str, Any]) -> None:
        self.path = path
        self.done: dict[int, _R] = {}
        self._kind: type[_R] = kind
        whole = self._read(of) if path.exists() else 0
        # A line that was cut off when the run was stopped is written again.
        self._file: IO[bytes] = path.open("r+b" if whole else "wb")
        self._file.truncate(whole)
        self._file.seek(whole)
        if not whole:
            self._write(dict(of))

    def add(self, result: _R) -> None:
        """Keep one more."""
        self.done[result.seed] = result
        self._write(dataclasses.asdict(result))

    def close(self) -> None:
        self._file.close()

    def _write(self, row: dict[str, Any]) -> None:
        self._file.write(json.dumps(row).encode() + b"\n")
        self._file.flush()

    def _read(self, of: Mapping[str, Any]) -> int:
        """How many bytes of it are whole lines."""
        whole = 0
        with self.path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    if not whole and not json.dumps(dict(of)).encode().startswith(line):
                        raise KeptError(f"{self.path} holds no calls of simulate --keep")
                    break
                try:
                    row = json.loads(line)
                    if whole:
                        self.done[row["seed"]] = self._result(row)
                except (ValueError, TypeError, KeyError):
                    raise KeptError(f"{self.path} holds no calls of simulate --keep") from None
                if not whole:
                    self._check(row, of)
                whole += len(line)
        return whole

    def _check(self, row: Any, of: Mapping[str, Any]) -> None:
        if not isinstance(row, dict) or row.keys() != of.keys():
            raise KeptError(f"{self.path} holds no calls of simulate --keep")
        for key, value in of.items():
            if row[key] != value:
                raise KeptError(
                    f"{self.path} is of another run: {key} is {row[key]!r}, not {value!r}"
                )

    def _result(self, row: dict[str, Any]) -> _R:
        for name, value in row.items():
            if self._kind is PairResult and name in _PAIR:
                row[name] = tuple(Difference(**each) for each in value)
            elif self._kind is PairResult and name in _LIVES:
                lists = {key: tuple(each) for key, each in value.items() if isinstance(each, list)}
                row[name] = Waited(**{**value, **lists})
            elif isinstance(value, list):
                row[name] = tuple(value)
        result: _R = self._kind(**row)
        return result
