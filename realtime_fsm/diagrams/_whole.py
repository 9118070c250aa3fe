"""The whole: how turns, the lane, attempts, orphans, epochs and playback hang together.

The code has no table of this, so it is described here. Each part and each relation names the code
it speaks of (``module.name`` below ``realtime_fsm``); a test resolves every one of them.
"""

from __future__ import annotations

from dataclasses import dataclass

from ._model import Kind


@dataclass(frozen=True)
class Part:
    """Something that exists once, or once for each turn, attempt or message.

    Attributes:
        lines: What it is, in short lines.
        code: Where it lives.
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
    """What one part does to another one. ``lines`` are read along the arrow."""

    source: str
    dest: str
    lines: tuple[str, ...]
    code: str
    kind: Kind = "normal"


TITLE = "The whole: turns, the lane, attempts and playback"
CAPTION = (
    "Left out: how a turn moves (the turn machine), how a message plays (the playback machine), "
    "truncation and deletion of what was not heard. One connection is one epoch."
)

PARTS = (
    Part(
        "HOST",
        "host",
        ("asks, interrupts,", "forwards messages"),
        "_controller.TurnController",
        outside=True,
    ),
    Part(
        "SINK",
        "sink",
        ("plays; its reports", "carry no id"),
        "_hear.playback_finished",
        outside=True,
    ),
    Part(
        "QUEUE",
        "queue of turns",
        ("live turns, oldest first;", "each a turn machine"),
        "_machine.TURN_DEFINITION",
    ),
    Part(
        "MESSAGES",
        "messages 1..N",
        ("each a playback machine:", "full, partial or skipped"),
        "_machine.PLAYBACK_DEFINITION",
    ),
    Part("LANE", "lane", ("the server's single slot", "for a response"), "_lane.Lane"),
    Part("ATTEMPT", "attempt", ("one response.create", "and its response"), "_turn.Attempt"),
    Part(
        "ORPHAN",
        "orphan",
        ("an attempt given up;", "its output is swallowed"),
        "_rules.let_go",
        kind="cancel",
    ),
    Part("SERVER", "server", ("one connection", "is one epoch"), "_wire.parse", outside=True),
)

RELATIONS = (
    Relation("HOST", "QUEUE", ("request,", "interrupt"), "_controller.TurnController.request"),
    Relation("HOST", "MESSAGES", ("pulls one", "after another"), "_playback.Playback.pulled"),
    Relation(
        "SINK", "MESSAGES", ("reports, paired", "in serial order"), "_playback.Playback.happened"
    ),
    Relation(
        "QUEUE",
        "LANE",
        ("the oldest turn", "that is due,", "if the lane is free"),
        "_core.Core.grant",
    ),
    Relation("QUEUE", "MESSAGES", ("first delta:", "handed out"), "_rules.expose_message"),
    Relation(
        "MESSAGES", "QUEUE", ("all outcomes in:", "playback over"), "_core.Core.playback_moved"
    ),
    Relation("LANE", "ATTEMPT", ("is held by one",), "_lane.Lane.take"),
    Relation(
        "ATTEMPT",
        "QUEUE",
        ("its events, while", "it is the turn's", "current one"),
        "_core.Core.listens",
    ),
    Relation("ATTEMPT", "ORPHAN", ("the turn lets it go",), "_rules.let_go", kind="cancel"),
    Relation("ATTEMPT", "SERVER", ("response.create,", "cancel by id"), "_commands.CreateResponse"),
    Relation(
        "ORPHAN",
        "LANE",
        ("keeps it closed", "until its own", "terminal"),
        "_core.Core.settle",
        kind="cancel",
    ),
    Relation(
        "ORPHAN", "SERVER", ("cancelled by id", "when it appears"), "_rules.release", kind="cancel"
    ),
    Relation("SERVER", "LANE", ("user speech", "closes it"), "_lane.Lane.speech_started"),
    Relation("SERVER", "ATTEMPT", ("events, matched", "by id"), "_receive.HANDLERS"),
    Relation(
        "SERVER",
        "QUEUE",
        ("connection lost: the epoch's attempts are over, their turns ask again",),
        "_core.Core.drop_all",
        kind="recovery",
    ),
)
