"""A call as the page draws it, while it runs: what the report reads, and which of it is new."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..report._call import CallReader
from ..report._encode import mark_json, span_json, turn_events, turn_json
from ..report._page import about
from ..report._story import Call, Turn
from ..report._values import text as clean
from ..report._values import whole
from ..trace import Header, Line
from ..trace.reader import running_header, running_line

__all__ = ["LiveStory"]

_SETTLED = 30.0  # seconds after its end a turn is what it is, unless the connection changes
_MOST = 20_000  # moves of machines that are kept
#: What only grows, and of which the last ones may still change.
_LISTS = ("marks", "user", "connections", "machines")


class LiveStory:
    """Takes the lines of one call, in order, and tells what is new since a version of it.

    Attributes:
        version: counts what was looked at; a viewer tells which it has.
        lines: how many it has taken.
    """

    def __init__(self) -> None:
        self.version = 1
        self.lines = 0
        self._header: Header | None = None
        self._headed = 0  # the version that has it
        self._reader: CallReader | None = None
        self._t = 0.0
        self._fresh = False
        self._turns: list[tuple[int, dict[str, Any]]] = []
        self._settled = 0  # turns before this one
        self._connection = 0
        self._lists: dict[str, list[tuple[int, Any]]] = {name: [] for name in _LISTS}
        self._machines: list[list[Any]] = []
        self._sounding: list[Any] | None = None
        self._missing: list[str] = []

    def feed(self, raw: bytes) -> None:
        """The next line."""
        self.lines += 1
        self._fresh = True
        text = raw.decode("utf-8", "replace")
        if raw.startswith(b'{"trace"'):
            self._begin(running_header(text))
            return
        if self._header is None or self._reader is None:
            return
        words = self._header.transcripts
        line = running_line(self.lines, text, transcripts=words, after=self._t)
        if line is None:
            return
        self._t = line.t
        if line.by == "machine":
            self._machine(line)
            return
        if line.by == "watch":
            if line.type == "missed":
                self._miss(
                    f"{whole(line.event.get('lines'))} lines are missing before {_at(line.t)}"
                )
            return
        if line.by == "playback":
            item = clean(line.event.get("item_id")) or None
            self._sounding = [line.t, item] if line.type == "started" else None
        self._reader.line(line)

    def _begin(self, header: Header | None) -> None:
        if header is None:
            return
        if self._reader is None:
            self._header, self._reader = header, CallReader(header)
            if header.partial:
                self._missing.append("The beginning is missing: nobody looked when the call began.")
        else:
            self._miss(f"Something is missing after {_at(self._t)}: nobody looked.")

    def _miss(self, told: str) -> None:
        if self._reader is not None:
            self._reader.gap()
        if len(self._missing) < 20:
            self._missing.append(told)

    def _machine(self, line: Line) -> None:
        event = line.event
        names = ("machine", "turn", "of", "source", "event", "dest")
        if line.type == "stands":
            event = {**event, "source": "", "event": "", "dest": event.get("state")}
        self._machines.append([round(line.t, 3), *(clean(event.get(name)) for name in names)])
        if len(self._machines) > _MOST:
            self._machines.pop()

    # --- what is new

    def refresh(self) -> int:
        """Look at what has changed, and return the version."""
        if not self._fresh or self._reader is None:
            return self.version
        self._fresh = False
        self.version += 1
        self._headed = self._headed or self.version
        call = self._reader.call
        self._refresh_turns(call)
        self._refresh_list("marks", call.marks, mark_json)
        self._refresh_list("user", call.user, span_json)
        self._refresh_list("connections", call.connections, lambda s: [*span_json(s), s.text])
        self._refresh_list("machines", self._machines, list)
        return self.version

    def _refresh_turns(self, call: Call) -> None:
        connection = max((int(span.text) for span in call.connections), default=1)
        if connection != self._connection:  # what is remembered of all of them
            self._connection, self._settled = connection, 0
        for number in range(self._settled, len(call.turns)):
            _put(self._turns, number, turn_json(call.turns[number], connection), self.version)
        while self._settled < len(call.turns) and self._is_settled(call.turns[self._settled]):
            self._settled += 1

    def _is_settled(self, turn: Turn) -> bool:
        return turn.end is not None and turn.end < self._t - _SETTLED

    def _refresh_list(self, name: str, found: Sequence[Any], as_json: Any) -> None:
        kept = self._lists[name]
        for number in range(max(0, len(kept) - 1), len(found)):
            _put(kept, number, as_json(found[number]), self.version)

    def since(self, version: int) -> dict[str, Any]:
        """What a viewer who has that version lacks. All of it for version 0."""
        call = None if self._reader is None else self._reader.call
        told: dict[str, Any] = {
            "version": self.version,
            "from": version,
            "lines": self.lines,
            "end": round(self._t, 3),
            "sounding": self._sounding,
            "missing": self._missing,
        }
        if call is not None:
            told["has"] = sorted(clean(each) for each in call.has)
            told["turns"] = _newer(self._turns, version)
            for name, kept in self._lists.items():
                told[name] = _newest(kept, version)
            if version < self._headed:
                header = call.header
                told["head"] = {
                    "mode": clean(header.mode),
                    "timed": header.timed,
                    "words": header.transcripts,
                    "begin": round(call.begin, 3),
                    "about": about(call),
                }
        return told

    def events(self, number: int) -> dict[str, Any] | None:
        """The events of a turn, by its number from 0; None: there is none."""
        turns = [] if self._reader is None else self._reader.call.turns
        return turn_events(turns[number]) if number < len(turns) else None


def _put(kept: list[tuple[int, Any]], number: int, value: Any, version: int) -> None:
    if number == len(kept):
        kept.append((version, value))
    elif kept[number][1] != value:
        kept[number] = (version, value)


def _newer(kept: list[tuple[int, Any]], version: int) -> list[list[Any]]:
    """Number and value of each that is newer."""
    return [[n, value] for n, (since, value) in enumerate(kept) if since > version]


def _newest(kept: list[tuple[int, Any]], version: int) -> list[list[Any]]:
    """The same where they are newer the later they stand."""
    start = len(kept)
    while start and kept[start - 1][0] > version:
        start -= 1
    return [[n, kept[n][1]] for n in range(start, len(kept))]


def _at(t: float) -> str:
    minutes, rest = divmod(max(0.0, t), 60)
    return f"{int(minutes)}:{rest:04.1f}"
