"""Reads cases. What a line may say is in `_exact` and `_call`."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from ..._input import InputError
from ._case import Case, Gap, Line
from ._grammar import split, words_of

__all__ = ["ACTORS", "parse"]

ACTORS = "CSPUTN"
_HEADERS = (
    "title",
    "source",
    "guarantees",
    "level",
    "status",
    "skip",
    "note",
    "setup",
    "expect",
    "plain",
    "newer",
    "gap",
)
_LINES = ("setup", "expect", "plain", "newer")
_ID = re.compile(r"[A-Za-z][\w =-]*([./][\w -]+)?")
_GUARANTEE = re.compile(r"G([1-9]|[12]\d|3[0-2])")
_HEADER = re.compile(r"([a-z]+):\s*(.*)")


def parse(text: str) -> tuple[Case | Gap, ...]:
    """Return the cases and gaps that *text* holds, one after another.

    Raises:
        InputError: It is not in the notation; the message names line, field and value.
    """
    found: list[Case | Gap] = []
    ids: set[str] = set()
    for block in _blocks(text):
        item = _Reader(block).read()
        if item.id in ids:
            raise InputError("id", item.id, "an id that is not taken", line=block[0][0])
        ids.add(item.id)
        found.append(item)
    return tuple(found)


def _blocks(text: str) -> Iterator[list[tuple[int, str]]]:
    """The lines of each case, numbered; comments and empty lines are left out."""
    block: list[tuple[int, str]] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if line.startswith("id:"):
            if block:
                yield block
            block = []
        elif not block:
            raise InputError("the first line", line, 'a case, which begins with "id:"', line=number)
        block.append((number, line))
    if block:
        yield block


class _Reader:
    """One case."""

    def __init__(self, block: list[tuple[int, str]]) -> None:
        self._block = block
        self._first = block[0][0]
        self._headers: dict[str, tuple[int, str]] = {}
        self._lines: dict[str, list[Line]] = {name: [] for name in (*_LINES, "body")}

    def read(self) -> Case | Gap:
        name = self._block[0][1].partition(":")[2].strip()
        if not _ID.fullmatch(name):
            raise InputError("id", name, "an id such as A7 or A7.exact", line=self._first)
        for number, line in self._block[1:]:
            self._line(number, line)
        if "title" not in self._headers:
            raise InputError("title", None, f"a line title: in {name}", line=self._first)
        title, source = self._headers["title"][1], self._headers.get("source", (0, ""))[1]
        if "gap" in self._headers:
            if any(self._lines.values()):
                raise InputError("gap", name, "no events where there is a gap", line=self._first)
            return Gap(name, title, source, self._guarantees(), self._headers["gap"][1])
        if not self._lines["expect"]:
            raise InputError("expect", None, f"a line expect: in {name}", line=self._first)
        status, reason = self._status()
        return Case(
            id=name,
            title=title,
            source=source,
            guarantees=self._guarantees(),
            level="exact" if self._choice("level", "call", "exact") == "exact" else "call",
            status="open" if status == "open" else "holds",
            reason=reason,
            skip=self._skip(),
            note=self._headers.get("note", (0, ""))[1],
            setup=tuple(self._lines["setup"]),
            body=tuple(self._lines["body"]),
            expect=tuple(self._lines["expect"]),
            plain=tuple(self._lines["plain"]),
            newer=tuple(self._lines["newer"]),
            text="\n".join(line for _, line in self._block) + "\n",
        )

    def _line(self, number: int, line: str) -> None:
        actor, _, said = line.partition(" ")
        if len(actor) == 1 and actor in ACTORS:
            words = tuple(words_of(_uncommented(said), number, actor))
            self._lines["body"].append(Line(number, actor, words))
            return
        header = _HEADER.fullmatch(line)
        if header is None or header.group(1) not in _HEADERS:
            known = ", ".join(f"{name}:" for name in _HEADERS)
            what = f"an actor ({', '.join(ACTORS)}) or one of {known}"
            raise InputError("the line", line, what, line=number)
        name, value = header.group(1), header.group(2)
        if name in _LINES:
            for words_ in split(words_of(_uncommented(value), number, name), ";"):
                if words_:
                    self._lines[name].append(Line(number, name, tuple(words_)))
            return
        if name in self._headers:
            raise InputError(name, value, "one such line", line=number)
        if not value:
            raise InputError(name, value, "something after the colon", line=number)
        self._headers[name] = (number, value)

    def _guarantees(self) -> tuple[str, ...]:
        number, value = self._headers.get("guarantees", (0, ""))
        ids = tuple(value.split())
        for one in ids:
            if not _GUARANTEE.fullmatch(one):
                raise InputError("guarantees", one, "ids from G1 to G32", line=number)
        return ids

    def _skip(self) -> tuple[str, ...]:
        number, value = self._headers.get("skip", (0, ""))
        words = value.split()
        ids = tuple(itertools.takewhile(_GUARANTEE.fullmatch, words))
        if value and (not ids or len(ids) == len(words)):
            raise InputError("skip", value, "ids of guarantees, and the reason", line=number)
        return ids

    def _choice(self, name: str, *choices: str) -> str:
        number, value = self._headers.get(name, (0, choices[0]))
        if value not in choices:
            raise InputError(name, value, "one of " + ", ".join(choices), line=number)
        return value

    def _status(self) -> tuple[str, str]:
        number, value = self._headers.get("status", (0, "holds"))
        word, _, reason = value.partition(" ")
        if word not in ("holds", "open") or bool(reason.strip()) != (word == "open"):
            raise InputError("status", value, '"holds", or "open" and a reason', line=number)
        return word, reason.strip()


def _uncommented(text: str) -> str:
    """What stands before a `` # `` that is not within quotes."""
    found = re.match(r'(?:[^"#]|"(?:[^"\\]|\\.)*"|(?<!\s)#)*', text)
    return (
        text
        if found is None
        else text[: found.end()]
        + (text[found.end() :] if text[found.end() :].startswith('"') else "")
    )
