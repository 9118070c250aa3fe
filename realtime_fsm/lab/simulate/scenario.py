"""A call as plain data. All times are seconds unless they say otherwise."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

from ...simulator.config import ServerConfig
from ...simulator.script import Script
from ..options import PROFILES, Profile

__all__ = [
    "PROFILES",
    "TOOL",
    "Act",
    "ActKind",
    "Aside",
    "AsideKind",
    "Edit",
    "EditKind",
    "OutputFault",
    "OutputFaultKind",
    "Profile",
    "Scenario",
    "Turn",
    "call_seed",
]

TOOL = "look_up"
"""The name of the tool that is called most."""


ActKind = Literal[
    "transfer", "transfer_fresh", "ask", "filler", "end_call", "hand_over", "hand_over_fresh",
    "own_model", "queue", "prompt", "commit", "drain", "shutdown",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Act:
    """What the application does besides, as LiveKit's examples do.

    Attributes:
        kind: by a tool, which the answer calls: ``transfer`` to another agent with a copy of the
            history, ``transfer_fresh`` without, ``ask`` (an ``AgentTask`` takes over until it knows
            a name), ``filler`` (the tool has a reply spoken while it works), ``end_call`` (shutdown
            that drains). By the application: ``hand_over`` (``update_agent`` with a copy),
            ``hand_over_fresh``, ``own_model`` (to an agent with a model of its own), ``queue`` (two
            replies in a row), ``prompt`` (one reply), ``commit`` (``commit_user_turn``), ``drain``,
            ``shutdown`` (both wait for what is under way).
        after: of the application's: seconds after the turn was asked; below zero while the caller
            still speaks.
    """

    kind: ActKind
    after: float = 0.0


EditKind = Literal["push", "rebuild", "stale", "note", "trim", "forget"]


@dataclass(frozen=True, slots=True)
class Edit:
    """What the application does to its agent's history, with ``update_chat_ctx``.

    Attributes:
        turn: number of the turn, from 1, about which it does so.
        kind: ``push`` a copy as it is; ``rebuild`` it from its ``to_dict()``; ``stale`` a copy that
            is a second old; ``note`` of its own at the end; ``trim`` to the last eight items;
            ``forget`` the answer to the turn before.
        after: seconds after the turn was asked.
    """

    turn: int
    kind: EditKind
    after: float = 0.0


AsideKind = Literal["text", "audio"]


@dataclass(frozen=True, slots=True)
class Aside:
    """The application asks for a response out of band, with ``send_event``.

    Attributes:
        turn: number of the turn, from 1, about which it does so.
        kind: what it is answered with.
        after: seconds after the turn was asked; below zero while the caller still speaks.
    """

    turn: int
    kind: AsideKind
    after: float = 0.0

    @property
    def words(self) -> str:
        """Its instructions."""
        return f"{self.turn}. Classify"


OutputFaultKind = Literal["lost", "silent", "late", "replaced"]


@dataclass(frozen=True, slots=True)
class OutputFault:
    """What happens to the output.

    Attributes:
        turn: number of the turn, from 1, about which it happens.
        kind: the next report is ``lost``; from here on all are (``silent``); the next comes three
            seconds ``late``; another output is put in its place (``replaced``).
        after: seconds after the turn was asked.
    """

    turn: int
    kind: OutputFaultKind
    after: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One thing the caller, or the application, asks for.

    Attributes:
        kind: ``speech`` over the microphone; ``text`` is ``generate_reply(user_input=...)``;
            ``app`` is ``generate_reply(instructions=...)``.
        words: what is said, or the instructions.
        seconds: how long the speech takes.
        then: what the caller does with the answer. ``listens`` to its end; ``speaks_over`` it with
            the next turn; ``stops`` it (the application calls ``session.interrupt()``); ``coughs``
            (speech that server VAD hears and the application discards); ``hangs_up``.
        after: when the caller does so: after so many seconds of ``sound`` of the answer, or of
            ``waiting`` since the turn was asked. Without that much sound the caller listens.
        measure: which of the two.
        pause: silence before the next turn.
        act: what the application does besides.
    """

    kind: Literal["speech", "text", "app"] = "speech"
    words: str = "Hello?"
    seconds: float = 1.0
    then: Literal["listens", "speaks_over", "stops", "coughs", "hangs_up"] = "listens"
    after: float = 0.0
    measure: Literal["sound", "waiting"] = "sound"
    pause: float = 1.0
    act: Act | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One call.

    Attributes:
        turns: what is asked, one after another.
        script: what the server replies to what is asked.
        config: the server's delays, switches and faults on the way.
        voice: who ends the user's turns: the server's VAD, or the application that commits them.
        modality: what the model answers with.
        tool_seconds: how long the agent's tools take.
        edits: what the application does to the history meanwhile.
        asides: responses that are none of the conversation's.
        outputs: what happens to the output.
        seed: where it was drawn from; None for a written one.
    """

    turns: tuple[Turn, ...]
    script: Script = field(default_factory=Script)
    config: ServerConfig = field(default_factory=ServerConfig)
    voice: Literal["server_vad", "push_to_talk"] = "server_vad"
    modality: Literal["audio", "text"] = "audio"
    tool_seconds: float = 0.5
    edits: tuple[Edit, ...] = ()
    asides: tuple[Aside, ...] = ()
    outputs: tuple[OutputFault, ...] = ()
    seed: int | None = None


def call_seed(seed: int, index: int) -> int:
    """Return the seed of call number *index* (from 0) of a run."""
    return int.from_bytes(
        hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=6).digest(), "big"
    )
