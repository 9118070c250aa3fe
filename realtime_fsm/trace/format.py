"""The format of a trace: its version, its header and its lines. See ``docs/trace.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol, get_args

__all__ = ["BY", "NAME", "VERSION", "By", "Header", "Line", "Seen", "dumps"]

NAME = "realtime-fsm"
VERSION = 1

By = Literal[
    "server", "client", "net", "playback", "user", "turn", "session", "caller", "watch"
]  # fmt: skip
#: Who did what a line tells. Lines of anybody else are kept, and ignored.
BY: tuple[str, ...] = get_args(By)


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a trace.

    Attributes:
        version: the format's.
        started: wall-clock time of t = 0, ISO 8601 with an offset, or empty.
        mode: ``control``, ``observe``, ``off``, ``plain``, ``server`` (a record of the simulated server), or
            ``raw`` (a log that is no trace).
        model: the model's label.
        versions: of the libraries, by name.
        transcripts: whether the lines have words; their lengths otherwise.
        timed: whether ``t`` is known. Only a raw log may lack it.
        partial: the beginning of the call is missing.
        retry: the controller's policy, if there is one.
        fields: the line as it was written.
    """

    version: int = VERSION
    started: str = ""
    mode: str = ""
    model: str = ""
    versions: Mapping[str, str]
    transcripts: bool = False
    timed: bool = True
    partial: bool = False
    retry: Mapping[str, Any]
    fields: Mapping[str, Any]


class Seen(Protocol):
    """One event, of a trace or of a simulated server's record."""

    @property
    def t(self) -> float: ...
    @property
    def connection(self) -> int: ...
    @property
    def direction(self) -> str: ...
    @property
    def event(self) -> dict[str, Any]: ...
    @property
    def type(self) -> str: ...


@dataclass(slots=True, eq=False)  # not frozen: that would take three times as long to make
class Line:
    """One line of a trace. Nobody changes one that was read.

    Attributes:
        number: the line in the file, from 1.
        t: seconds since the start.
        by: who did it, see :data:`BY`.
        type: what happened.
        connection: for lines of the wire: the connection's number, from 1; 0 for others.
        event: for lines of the wire: the frame, without audio; for others: the other fields.
        until: of audio deltas that are one line: the time of the last; else None.
    """

    number: int
    t: float
    by: str
    type: str
    connection: int
    event: dict[str, Any]
    until: float | None = None

    @property
    def direction(self) -> str:
        """``by``, under the name that the simulator's records have for it."""
        return self.by

    def body(self, name: str) -> dict[str, Any]:
        """An object in the frame; an empty one if there is none of that name."""
        value = self.event.get(name)
        return value if isinstance(value, dict) else {}

    def fields(self) -> dict[str, Any]:
        """The line as it stands in a trace."""
        head: dict[str, Any] = {"t": round(self.t, 6), "by": self.by, "type": self.type}
        if self.by in ("server", "client", "net"):
            head["connection"] = self.connection
            body = {k: v for k, v in self.event.items() if k != "type"}
            return {**head, "event": body} if self.by != "net" else {**head, **body}
        return {**head, **self.event}


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str, check_circular=False)


def dumps(fields: Mapping[str, Any]) -> str:
    """One line of a trace, without its end."""
    return _ENCODER.encode(fields)
