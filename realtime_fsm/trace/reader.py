"""Reads traces and raw logs, line by line, whatever is wrong with them."""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import IO, Any, TypeAlias

from .._redact import plain, shown, without_keys
from .clock import DAY, Clock, Moment
from .format import BY, NAME, VERSION, Header, Line
from .frame_lines import DELTA, delta_of
from .raw import RawEvent, decode, find_event
from .redact import redacted, told
from .source import cannot_be_read

__all__ = ["End", "Entry", "Issue", "follow", "read", "running_header", "running_line"]

_LONGEST = 16 * 1024 * 1024  # bytes of a line; a Realtime event has at most 15 MiB of audio
_CHUNK = 65_536
_DECODE = json.JSONDecoder().raw_decode
_TOO_LONG = "\0"
_BETWEEN = re.compile(r"[\s,\[\]]*")
#: With each of these a connection begins: the first event of the Realtime protocol, and of GPT-Live's.
_BEGINS = ("session.created", "session.start")
_MOST_CONNECTIONS = 10**15
_DAY_MS = DAY * 1000
#: Numbers that are reckoned with: least, most, and what they are.
_NUMBERS: dict[str, tuple[float, float, str]] = {
    "audio": (0, _DAY_MS, "milliseconds of audio"),
    "audio_end_ms": (-1e12, 1e12, "milliseconds"),
    "delta": (0, _DAY_MS, "milliseconds of audio"),
    "position": (0, _DAY_MS, "milliseconds"),
    "wait": (0, DAY, "seconds"),
}
_RECKONED = frozenset(_NUMBERS)

#: How the lines of other logs begin that may stand in between.
_FOREIGN = re.compile(
    r"(?i)[\s\[(<]*(\x1b\[[\d;]*m)?"
    r"(\d{4}[-/]\d\d[-/]\d\d|\d\d:\d\d:\d\d"
    r"|(trace|debug|info|notice|warn|warning|error|critical|fatal)\b|traceback )"
)


@dataclass(frozen=True, slots=True)
class Issue:
    """Something that cannot be read.

    Attributes:
        number: the line's, from 1; 0 for the file as a whole.
        text: what is wrong, and what was made of it.
        gap: something of the call is missing here, so that what was under way is not known.
    """

    number: int
    text: str
    gap: bool = False


@dataclass(frozen=True, slots=True)
class End:
    """The end of a call.

    Attributes:
        number: of its last line.
        complete: it was recorded to its end, as far as can be known: what a recorder writes has a
            last line, what the simulated server writes tells how many it has. A raw log goes on
            somewhere else.
    """

    number: int
    complete: bool


Entry: TypeAlias = "Header | Line | Issue"


def read(file: IO[bytes]) -> Iterator[Entry]:
    """Yield what is in a file, in its order, in constant memory.

    A trace begins with its header; of a file that does not, the Realtime events are read, one a
    line or as one JSON array, and a header is made up. What cannot be read is an :class:`Issue`,
    and reading goes on. Times never go back, and no step is longer than a day, see
    :class:`~realtime_fsm.trace.clock.Clock`. Never raises for what is in the file.
    """
    return (entry for entry in follow(file) if not isinstance(entry, End))


def follow(file: IO[bytes], *, before: int = 0) -> Iterator[Entry | End]:
    """What :func:`read` yields, and an :class:`End` after the last line of each call. *before*: how many
    lines stand before this piece of a trace."""
    source = _Source(file)
    yield from _follow(source, before)
    if source.trouble:
        yield Issue(0, source.trouble)


def _follow(file: _Source, before: int) -> Iterator[Entry | End]:
    head, plain = _head(file)
    if not plain:
        yield from _Raw().read(_values(head, file))
        return
    lines = _lines(head, file, before)
    first = next(lines, None)
    if first is None:
        return
    value = _loads(first[1])
    if isinstance(value, dict) and ("trace" in value or {"t", "by", "type"} <= value.keys()):
        yield from _Trace().read(chain([first], lines))
    else:
        yield from _Raw().read((n, _decoded(each)) for n, each in chain([first], lines))


# --- lines


class _Source:
    """A file that ends where it cannot be read."""

    def __init__(self, file: IO[bytes]) -> None:
        self.trouble = ""
        self.read = partial(self._try, file.read)
        self.readline = partial(self._try, file.readline)

    def _try(self, read: Callable[[int], bytes], size: int) -> bytes:
        if self.trouble:
            return b""
        try:
            return read(size)
        except OSError as error:
            self.trouble = cannot_be_read(error)
            return b""


def _head(file: _Source) -> tuple[bytes, bool]:
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


def _lines(head: bytes, file: _Source, before: int) -> Iterator[tuple[int, str]]:
    head, _, begun = head.rpartition(b"\n")
    number = before + (head.count(b"\n") + 1 if head or _ else 0)
    while True:
        line = file.readline(_LONGEST)
        if begun:
            line, begun = begun + line, b""
        if not line:
            return
        number += 1
        if len(line) >= _LONGEST and not line.endswith(b"\n"):
            while more := file.readline(_CHUNK):
                if more.endswith(b"\n"):
                    break
            yield number, _TOO_LONG
            continue
        text = line.decode("utf-8", errors="replace")
        if not text.startswith("{"):  # as nearly all do
            text = text.lstrip("\ufeff")
            if not text.strip():
                continue
        # A line that was cut off has no end.
        yield number, text


def _loads(text: str) -> Any:
    try:
        value, end = _DECODE(text)
        if end == len(text) - 1 and text[end] == "\n":
            return value
    except (ValueError, RecursionError):
        pass  # there may be spaces before it
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _trouble(text: str) -> str:
    if text == _TOO_LONG:
        return f"longer than {_LONGEST // 1024 // 1024} MiB"
    return "not JSON" if text.endswith("\n") else "cut off in mid-line"


class _Call:
    """The entries of one call, as they come and with the times of the file, made into a story."""

    def __init__(self, header: Header | None = None, number: int = 0) -> None:
        self._clock: Clock[Line | Issue] = Clock()
        self._header = header
        self.transcripts = header is not None and header.transcripts
        self._begun = number
        self._last = number
        self.recorded = False

    def line(self, line: Line, given: float | None) -> Sequence[Entry]:
        self.recorded = line.type == "recorded" and line.by == "session"
        if line.until is not None:  # how long it lasted, until it has its time
            line.until = 0.0 if given is None else line.until - given
        before = self._clock.step(given, line)
        if not isinstance(before, Line):
            return self._out(self._clock.feed(Moment(given, line)))
        self._place(before, self._clock.t)
        return (before,)

    def issue(self, issue: Issue) -> Sequence[Entry]:
        return self._out(self._clock.feed(Moment(None, issue, timed=False)))

    def end(self, *, cut: bool = False) -> Iterator[Entry | End]:
        yield from self._out(self._clock.end())
        yield End(self._last, not cut and self._complete())

    def _complete(self) -> bool:
        if self._header is None or self._header.partial:
            return self.recorded
        lines = self._header.fields.get("lines")
        if isinstance(lines, int):
            return self._last - self._begun >= lines
        # A recorder's header tells when it began; others are written by hand.
        return self.recorded or not self._header.started

    def _out(self, moments: Iterable[Moment[Line | Issue]]) -> list[Entry]:
        entries: list[Entry] = []
        for moment in moments:
            what = moment.what
            if isinstance(what, Line):
                if moment.trouble or moment.unsure:
                    entries.append(Issue(what.number, moment.trouble, gap=moment.unsure))
                self._place(what, moment.t)
            entries.append(what)
        return entries

    def _place(self, line: Line, t: float) -> None:
        self._last = line.number
        line.t = t
        if line.until is not None:
            line.until = t + line.until if 0 <= line.until <= DAY else None


# --- traces


class _Trace:
    def __init__(self) -> None:
        self._call: _Call | None = None
        self._skipping = False

    def read(self, lines: Iterable[tuple[int, str]]) -> Iterator[Entry | End]:
        cut = False
        for number, text in lines:
            call = self._call
            if call is not None and not call.recorded and (found := DELTA.fullmatch(text)):
                cut = False
                yield from call.line(*delta_of(number, found, call.transcripts))
                continue
            value = _loads(text)
            cut = value is None and not text.endswith("\n")
            if not isinstance(value, dict):
                yield from self._issue(_unreadable(number, text, value))
            elif "trace" in value:
                yield from self._end()
                yield self._begin(number, value)
            elif not self._skipping:
                yield from self._line(number, value)
        yield from self._end(cut=cut)

    def _begin(self, number: int, value: dict[str, Any]) -> Header | Issue:
        version = value.get("version")
        self._skipping = True
        if value["trace"] != NAME:
            what = _short(value["trace"])
            return Issue(number, f"a trace of {what}, not of {NAME!r}: lines skipped")
        if isinstance(version, bool) or not isinstance(version, int):
            return Issue(number, f"version is {_short(version)}, expected {VERSION}: lines skipped")
        if version != VERSION:
            text = f"version {_short(version)} is unknown, this is a reader of version {VERSION}"
            return Issue(number, f"{text}: lines skipped up to the next header")
        self._skipping = False
        header = _header(value)
        self._call = _Call(header, number)
        return header

    def _end(self, *, cut: bool = False) -> Iterator[Entry | End]:
        call, self._call = self._call, None
        if call is not None:
            yield from call.end(cut=cut)

    def _issue(self, issue: Issue) -> Sequence[Entry]:
        return [issue] if self._call is None else self._call.issue(issue)

    def _line(self, number: int, value: dict[str, Any]) -> Sequence[Entry | End]:
        call = self._call
        found: list[Entry | End] = []
        if call is None or call.recorded or not ("t" in value or "by" in value):
            if not value.keys() & {"t", "by"}:
                return self._issue(Issue(number, "neither t nor by: not a line of a trace"))
            # What comes after the recorder's last line is of another call.
            found += self._end()
            found.append(Issue(number, "no header: the beginning of the trace is missing"))
            found.append(replace(_header({}), partial=True))
            self._call = call = _Call()
        line, troubles = _line(number, value, call.transcripts)
        for text in troubles:
            found += call.issue(Issue(number, text, gap=True))
        if line is None:
            return found
        given, text = _time(value.get("t"))
        if text:
            found += call.issue(Issue(number, text))
        found += call.line(line, given)
        return found


def _unreadable(number: int, text: str, value: object) -> Issue:
    """Only of what is plainly another log's line nothing of the call is missing for it."""
    what = _trouble(text) if value is None else "not a JSON object"
    return Issue(number, what, gap=_FOREIGN.match(text) is None)


def _time(value: object) -> tuple[float | None, str]:
    """A time, or what is wrong with it."""
    if type(value) is float and 0.0 <= value < math.inf:
        return value, ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        try:
            found = float(value)
        except OverflowError:
            found = math.inf
        if math.isfinite(found):
            return found, ""
    return None, f"t is {_short(value)}, expected seconds"


_BY = frozenset(BY)
_FRAMES = ("server", "client")
_WIRE = frozenset((*_FRAMES, "net"))
#: Fields of a line that say nothing of what happened.
_OF_ALL = frozenset({"t", "by", "type"})
_OF_NET = _OF_ALL | {"connection"}


def _line(number: int, value: dict[str, Any], transcripts: bool) -> tuple[Line | None, list[str]]:
    """The line, if it is one, without its time, and what is missing of it."""
    by, kind = value.get("by"), value.get("type")
    if not (isinstance(by, str) and isinstance(kind, str)):
        name, given = ("type", kind) if isinstance(by, str) else ("by", by)
        return None, [f"{name} is {_short(given)}, expected a string: line left out"]
    safe = without_keys if transcripts else shown
    by = by if by in _BY else safe(by)
    kind, connection, last = safe(kind), 0, None
    if by in _WIRE:
        connection = value.get("connection", 1)
        right = type(connection) is int
        if not right or not 0 <= connection <= _MOST_CONNECTIONS:
            what = f"connection is {_short(connection)}, expected a whole number"
            return None, [f"{what}: line left out"]
    troubles: list[str] = []
    if by in _FRAMES:
        last = _time(value["until"])[0] if "until" in value else None
        rest = value.get("event", {})
        if not isinstance(rest, dict):
            return None, [f"event is {_short(rest)}, expected an object: line left out"]
        if not _RECKONED.isdisjoint(rest):
            rest, troubles = _reckonable(rest, "event.")
        rest = redacted(rest, transcripts=transcripts, kind=kind)
        rest.pop("type", None)
    else:
        if not _RECKONED.isdisjoint(value):
            value, troubles = _reckonable(value, "")
        left_out = _OF_NET if by == "net" else _OF_ALL
        rest = told(value, transcripts=transcripts, without=left_out)
    return Line(number, 0.0, by, kind, connection, rest, last), troubles


def _reckonable(fields: dict[str, Any], path: str) -> tuple[dict[str, Any], list[str]]:
    """The fields without numbers that nobody can reckon with, and which these were."""
    troubles: list[str] = []
    for name, (least, most, what) in _NUMBERS.items():
        value = fields.get(name)
        if value is None or not isinstance(value, (int, float)) or isinstance(value, bool):
            continue
        if not least <= value <= most:
            expected = f"expected {what}, {least:g} to {most:g}"
            troubles.append(f"{path}{name} is {_short(value)}, {expected}: left out")
            fields = {k: v for k, v in fields.items() if k != name}
    return fields, troubles


def _header(value: dict[str, Any]) -> Header:
    versions, retry = value.get("versions"), value.get("retry")
    return Header(
        started=_text(value.get("started")),
        mode=_text(value.get("mode")),
        model=_text(value.get("model")),
        versions=told(versions, transcripts=True) if isinstance(versions, dict) else {},
        transcripts=value.get("transcripts") is True,
        partial=value.get("partial") is True,
        retry=retry if isinstance(retry, dict) else {},
        fields=value,
    )


def _text(value: object) -> str:
    return without_keys(value) if isinstance(value, str) else ""


def _short(value: object) -> str:
    """A value in a few words, without what nobody should see."""
    if isinstance(value, (dict, list)):
        return "an object" if isinstance(value, dict) else "a list"
    if isinstance(value, str) and not plain(value):
        return f"a text of {len(value)} characters"
    text = repr(value)
    return text if len(text) <= 40 else text[:37] + "..."


# --- a call that runs


def running_header(text: str) -> Header | None:
    """The header of a call that runs, or None if this is none that can be read."""
    value = _loads(text)
    known = isinstance(value, dict) and value.get("trace") == NAME
    return _header(value) if known and value.get("version") == VERSION else None


def running_line(number: int, text: str, *, transcripts: bool, after: float) -> Line | None:
    """One line of a call that runs, at once: :func:`follow` waits for the next to know its time.

    Args:
        number: the line's.
        text: as it was written.
        transcripts: whether the header says that there are words.
        after: the time of the line before, in seconds. A line's time is never before it.

    Returns:
        The line, or None if this is none that can be read.
    """
    value = _loads(text)
    if not isinstance(value, dict):
        return None
    line, _ = _line(number, value, transcripts)
    if line is None:
        return None
    given, _ = _time(value.get("t"))
    t = given if given is not None and after <= given <= after + DAY else after
    return Line(number, t, line.by, line.type, line.connection, line.event, line.until)


# --- raw logs


def _decoded(text: str) -> RawEvent | Issue | None:
    found = decode(text)
    if found is None:
        if "{" not in text and text.endswith("\n"):
            return None
        lost = not text.endswith("\n") or '"type"' in text or "'type'" in text
        return Issue(0, _trouble(text), gap=lost)
    value, stamp = found
    return find_event(value, stamp)


class _Raw:
    """Lines that hold no Realtime event are passed over: a log has many others."""

    def __init__(self) -> None:
        self._call = _Call()
        self._connection = 0
        self._zero: float | None = None
        self._timed: bool | None = None

    def read(self, events: Iterable[tuple[int, RawEvent | Issue | None]]) -> Iterator[Entry | End]:
        for number, raw in events:
            if isinstance(raw, Issue):
                yield from self._call.issue(replace(raw, number=number))
            elif raw is not None:
                yield from self._event(number, raw)
        if self._timed is not None:
            yield from self._call.end(cut=True)

    def _event(self, number: int, raw: RawEvent) -> Iterator[Entry]:
        kind = str(raw.event["type"])
        if self._timed is None:
            self._timed, self._zero = raw.t is not None, raw.t
            yield Header(
                mode="raw",
                versions={},
                retry={},
                fields={},
                timed=self._timed,
                partial=kind not in _BEGINS,
            )
        if kind in _BEGINS or self._connection == 0:
            self._connection += 1
        event, troubles = _reckonable(raw.event, "")
        for text in troubles:
            yield from self._call.issue(Issue(number, text, gap=True))
        given: float | None = 0.0  # the order is all that is known
        if self._timed:
            given = None if raw.t is None or self._zero is None else raw.t - self._zero
            if given is None:
                yield from self._call.issue(Issue(number, "no time, unlike the lines before"))
        line = Line(number, 0.0, raw.by, shown(kind), self._connection, redacted(event))
        yield from self._call.line(line, given)


def _values(head: bytes, file: _Source) -> Iterator[tuple[int, RawEvent | Issue | None]]:
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
            yield number, Issue(0, "nested too deeply: the rest is left out", gap=True)
            return
        except ValueError:
            if len(text) - at > _LONGEST or (at < len(text) and text[at] not in "{["):
                yield number, Issue(0, "not JSON: the rest is left out", gap=True)
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
        yield number, Issue(0, "cut off in mid-line", gap=True)
