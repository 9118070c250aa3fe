"""The whole: what the three machines tell each other, and who else tells them something.

Read from the tables, so that nothing of it can be forgotten. Who the others are is described here.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from .._core.machine import (
    PLAYBACK_DEFINITION,
    RESPONSE_DEFINITION,
    TURN_DEFINITION,
    arrows,
)
from .._core.machine_events import (
    TOLD_BY,
    ConnectionEvent,
    PlaybackEvent,
    ResponseEvent,
    Source,
    TurnEvent,
)
from ._model import FAMILIES, Kind, words

_MOST_LINES = 5


@dataclass(frozen=True)
class Part:
    """A machine, or who tells the machines something.

    Attributes:
        lines: What it is, in short lines.
        code: Where it lives (``module.name`` below ``realtime_fsm``).
        outside: Not ours.
    """

    name: str
    text: str
    lines: tuple[str, ...]
    code: str
    kind: Kind = "normal"
    outside: bool = False


@dataclass(frozen=True)
class Relation:
    """What one part tells another one: the events, in the order of their machine."""

    source: str
    dest: str
    events: tuple[str, ...]
    kind: Kind = "normal"

    @property
    def lines(self) -> tuple[str, ...]:
        """A few of the events, for an arrow."""
        all_lines = tuple(dict.fromkeys(FAMILIES.get(e, words(e.lower())) for e in self.events))
        if len(all_lines) <= _MOST_LINES:
            return all_lines
        rest = len(all_lines) - _MOST_LINES + 1
        return (*all_lines[: _MOST_LINES - 1], f"and {rest} more")


TITLE = "The whole: what the machines tell each other"
CAPTION = (
    "Left out: how each machine moves, which has a picture of its own, and what is sent to the "
    "server. Each arrow is one or several events; there is no other coupling."
)

PARTS = (
    Part("HOST", "host", ("asks, interrupts,", "forwards messages"), "_core.controller.TurnController",
         outside=True),
    Part("SINK", "sink", ("plays; its reports", "carry no id"), "_core.playback_events.playback_finished",
         outside=True),
    Part("LANE", "lane", ("the server's single", "slot for a response"), "_core.lane.Lane"),
    Part("SPEECH", "user's speech", ("what server VAD", "owes an answer"),
         "_core.user_speech.UserSpeech"),
    Part("TIMER", "timers", ("deadlines,", "as data"), "_core.timers.timer_of"),
    Part("TURN", "turn", ("one thing to be said,", "in one or more attempts"),
         "_core.machine.TURN_DEFINITION"),
    Part("RESPONSE", "response", ("one response.create and", "what becomes of it"),
         "_core.machine.RESPONSE_DEFINITION"),
    Part("PLAYBACK", "playback", ("what was heard", "of one message"),
         "_core.machine.PLAYBACK_DEFINITION"),
    Part("CONNECTION", "connection", ("one is", "one epoch"), "_core.connection.Connection"),
    Part("DRIVER", "driver", ("what is between", "us and the socket"), "_core.commands.CreateResponse",
         outside=True),
    Part("SERVER", "server", ("its events,", "matched by id"), "_core.handlers.HANDLERS", outside=True),
)  # fmt: skip

_MACHINES: dict[type[Enum], str] = {
    TurnEvent: "TURN",
    ResponseEvent: "RESPONSE",
    PlaybackEvent: "PLAYBACK",
    ConnectionEvent: "CONNECTION",
}
_SOURCES: dict[Source, str] = {source: source.name for source in Source}
_TABLES = {
    "TURN": TURN_DEFINITION.table,
    "RESPONSE": RESPONSE_DEFINITION.table,
    "PLAYBACK": PLAYBACK_DEFINITION.table,
}
#: What one that gives up tells.
_ENDS = frozenset({ResponseEvent.ABANDONED, PlaybackEvent.SPEECH_OVER})


def _told() -> Iterator[tuple[str, Enum]]:
    """Each event with who tells it."""
    for source, events in TOLD_BY.items():
        for event in events:
            yield _SOURCES[source], event
    for machine, table in _TABLES.items():
        for row in arrows(table):
            if row.tells is not None:
                yield machine, row.tells


def _relations() -> tuple[Relation, ...]:
    found: dict[tuple[str, str], set[Enum]] = {}
    for source, event in _told():
        found.setdefault((source, _MACHINES[type(event)]), set()).add(event)
    out = []
    for (source, dest), events in found.items():
        ordered = [e for e in type(next(iter(events))) if e in events]
        kind: Kind = "cancel" if events <= _ENDS else "normal"
        out.append(Relation(source, dest, tuple(e.name for e in ordered), kind))
    return tuple(out)


RELATIONS = _relations()
