"""Reads traces and raw logs, line by line, whatever is wrong with them."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO, Any, TypeAlias

from .format import NAME, VERSION, Header, Line
from .raw import RawEvent, decode, find_event
from .redact import redacted

__all__ = ["Entry", "Issue", "read"]

_LONGEST = 16 * 1024 * 1024  # bytes of a line; a Realtime event has at most 15 MiB of audio
_CHUNK = 65_536
_TOO_LONG = "\0"
_BETWEEN = re.compile(r"[\s,\[\]]*")
_ORDER = 0.001  # seconds by which a clock may go back unnoticed


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that cannot be read. ``number`` is the line's, from 1."""

    number: int
    text: str


Entry: TypeAlias = "Header | Line | Issue"


def read(file: IO[bytes]) -> Iterator[Entry]:
    """Yield what is in a file, in its order, in constant memory.

    A trace begins with its header; of a file that does not, the Realtime events are read, one a
    line or as one JSON array, and a header is made up. What cannot be read is an :class:`Issue`,
    and reading goes on. Never raises for what is in the file.
    """
    head, plain = _head(file)
    if not plain:
        yield from _Raw().read(_values(head, file))
        return
    lines = _lines(head, file)
    first = next(lines, None)
    if first is None:
        return
    value = _loads(first[1])
    if isinstance(value, dict) and ("trace" in value or {"t", "by", "type"} <= value.keys()):
        yield from _Trace().read(chain([first], lines))
    else:
        yield from _Raw().read((n, _decoded(each)) for n, each in chain([first], lines))


# --- lines


def _head(file: IO[bytes]) -> tuple[bytes, bool]:
    """Return the beginning of a file, and whether it goes on line by line: unlike an array, or an
    object laid out over several lines."""
    head, shown = b"", ""
    while len(head) < _CHUNK and len(shown) < 2:
        more = file.read(1)
        if not more:
            break
        head += more
        shown += (
            ""
            if more in b" \t\r\xef\xbb\xbf" or (more == b"\n" and not shown)
            else more.decode("latin-1")
        )
    return head, shown not in ("[{", "[\n", "{\n")


def _lines(head: bytes, file: IO[bytes]) -> Iterator[tuple[int, str]]:
    number = 0
    head, _, begun = head.rpartition(b"\n")
    number = head.count(b"\n") + 1 if head or _ else 0
    while True:
        line = begun + file.readline(_LONGEST)
        begun = b""
        if not line:
            return
        number += 1
        if len(line) >= _LONGEST and not line.endswith(b"\n"):
            while more := file.readline(_CHUNK):
                if more.endswith(b"\n"):
                    break
            yield number, _TOO_LONG
            continue
        text = line.decode("utf-8", errors="replace").lstrip("\ufeff")
        if text.strip():
            # A line that was cut off has no end.
            yield number, text


def _loads(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _trouble(text: str) -> str:
    if text == _TOO_LONG:
        return f"longer than {_LONGEST // 1024 // 1024} MiB"
    return "not JSON" if text.endswith("\n") else "cut off in mid-line"


# --- traces


class _Trace:
    def __init__(self) -> None:
        self._header: Header | None = None
        self._skipping = False
        self._last = -math.inf

    def read(self, lines: Iterable[tuple[int, str]]) -> Iterator[Entry]:
        for number, text in lines:
            value = _loads(text)
            if not isinstance(value, dict):
                yield Issue(number, _trouble(text) if value is None else "not a JSON object")
            elif "trace" in value:
                yield self._begin(number, value)
            elif not self._skipping:
                yield from self._line(number, value)

    def _begin(self, number: int, value: dict[str, Any]) -> Header | Issue:
        version = value.get("version")
        self._skipping = True
        if value["trace"] != NAME:
            return Issue(number, f"a trace of {value['trace']!r}, not of {NAME!r}: lines skipped")
        if isinstance(version, bool) or not isinstance(version, int):
            return Issue(number, f"version is {version!r}, expected {VERSION}: lines skipped")
        if version != VERSION:
            text = f"version {version} is unknown, this is a reader of version {VERSION}"
            return Issue(number, f"{text}: lines skipped up to the next header")
        self._skipping, self._last = False, -math.inf
        self._header = _header(value)
        return self._header

    def _line(self, number: int, value: dict[str, Any]) -> Iterator[Entry]:
        if self._header is None:
            yield Issue(number, "no header: the beginning of the trace is missing")
            self._header = _header({})
            yield self._header
        t, by, kind = value.get("t"), value.get("by"), value.get("type")
        for name, given in (("by", by), ("type", kind)):
            if not isinstance(given, str):
                yield Issue(number, f"{name} is {_short(given)}, expected a string")
                return
        if isinstance(t, bool) or not isinstance(t, (int, float)) or not math.isfinite(t):
            yield Issue(number, f"t is {_short(t)}, expected seconds")
            return
        if t < self._last - _ORDER:
            yield Issue(number, f"out of order: {t:.3f} s after {self._last:.3f} s")
        self._last = max(self._last, t)
        line = _line(number, float(t), str(by), str(kind), value)
        yield line if isinstance(line, Line) else Issue(number, line)


def _line(number: int, t: float, by: str, kind: str, value: dict[str, Any]) -> Line | str:
    if by not in ("server", "client", "net"):
        rest = {k: v for k, v in value.items() if k not in ("t", "by", "type")}
        return Line(number, t, by, kind, 0, rest)
    connection = value.get("connection", 1)
    if isinstance(connection, bool) or not isinstance(connection, int):
        return f"connection is {_short(connection)}, expected a whole number"
    if by == "net":
        rest = {k: v for k, v in value.items() if k not in ("t", "by", "type", "connection")}
        return Line(number, t, by, kind, connection, rest)
    event = value.get("event", {})
    if not isinstance(event, dict):
        return f"event is {_short(event)}, expected an object"
    until = value.get("until")
    last = float(until) if isinstance(until, (int, float)) and t <= until < math.inf else None
    return Line(number, t, by, kind, connection, event, last)


def _header(value: dict[str, Any]) -> Header:
    versions, retry = value.get("versions"), value.get("retry")
    return Header(
        started=str(value.get("started", "")),
        mode=str(value.get("mode", "")),
        model=str(value.get("model", "")),
        versions=versions if isinstance(versions, dict) else {},
        transcripts=value.get("transcripts") is True,
        retry=retry if isinstance(retry, dict) else {},
        fields=value,
    )


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- raw logs


def _decoded(text: str) -> RawEvent | str | None:
    found = decode(text)
    if found is None:
        return _trouble(text) if "{" in text or not text.endswith("\n") else None
    value, stamp = found
    return find_event(value, stamp)


class _Raw:
    """Lines that hold no Realtime event are passed over: a log has many others."""

    def __init__(self) -> None:
        self._connection = 0
        self._last = -math.inf
        self._zero: float | None = None
        self._timed: bool | None = None

    def read(self, events: Iterable[tuple[int, RawEvent | str | None]]) -> Iterator[Entry]:
        for number, raw in events:
            if raw is None:
                continue
            if isinstance(raw, str):
                yield Issue(number, raw)
                continue
            if self._timed is None:
                self._timed, self._zero = raw.t is not None, raw.t
                yield self._made_up(raw)
            t = self._time(number, raw)
            if isinstance(t, Issue):
                yield t
                t = self._last
            if t < self._last - _ORDER:
                yield Issue(number, f"out of order: {t:.3f} s after {self._last:.3f} s")
            self._last = max(self._last, t)
            yield self._event(number, t, raw)

    def _made_up(self, raw: RawEvent) -> Header:
        return Header(mode="raw", versions={}, retry={}, fields={}, timed=bool(self._timed))

    def _time(self, number: int, raw: RawEvent) -> float | Issue:
        if not self._timed:
            return 0.0  # the order is all that is known
        if raw.t is None or self._zero is None:
            return Issue(number, "no time, unlike the lines before")
        return raw.t - self._zero

    def _event(self, number: int, t: float, raw: RawEvent) -> Line:
        kind = str(raw.event["type"])
        if kind == "session.created" or self._connection == 0:
            self._connection += 1
        event = redacted(raw.event)
        return Line(number, t, raw.by, kind, self._connection, event)


def _values(head: bytes, file: IO[bytes]) -> Iterator[tuple[int, RawEvent | str | None]]:
    """The elements of one JSON array, or one object after another, however they are laid out."""
    read = codecs.getincrementaldecoder("utf-8")("replace").decode
    decoder, text, at, number = json.JSONDecoder(), read(head).lstrip("\ufeff"), 0, 1
    more = True
    while True:
        start = _BETWEEN.match(text, at)
        begin = start.end() if start is not None else at
        number, at = number + text.count("\n", at, begin), begin
        try:
            if at == len(text):
                raise ValueError
            value, end = decoder.raw_decode(text, at)
        except RecursionError:
            yield number, "nested too deeply"
            return
        except ValueError:
            if len(text) - at > _LONGEST or (at < len(text) and text[at] not in "{["):
                yield number, "not JSON"
                return
            if not more:
                break
            chunk = file.read(max(_CHUNK, len(text) - at))
            more = bool(chunk)
            text, at = text[at:] + read(chunk, not more), 0
            continue
        yield number, find_event(value)
        number, at = number + text.count("\n", at, end), end
    if text[at:].strip():
        yield number, "cut off in mid-line"
