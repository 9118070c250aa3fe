"""A call and what must come of it, as data. All times are seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ...simulator.config import ServerConfig
from ...simulator.script import Message, Reply
from .steps import Step

__all__ = ["MODES", "Bounds", "Expect", "Mode", "Models", "Scenario", "Turns"]

Mode = Literal["plain", "controlled"]
MODES: tuple[Mode, ...] = ("plain", "controlled")

Turns = Literal[
    "manual", "server_vad", "semantic_vad", "create_response=False", "client", "no interruptions"
]
Models = Literal["one", "fallback", "around fallback"]
Bounds = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect:
    """What must be seen of a call.

    Attributes:
        heard: seconds heard of each message of which anything was heard, in order.
        handles: what became of each speech, in the order of their creation: ``ok``,
            ``interrupted``, ``never done``, or the code (or a part of the text) of its
            ``exception()``.
        creates: ``response.create`` that reached the server; None is any number.
        collisions: those that met a response still alive.
        errors: the session's ``error`` events, fatal ones as ``FATAL code``; None is any.
        closed: whether the session's ``close`` event came.
        remembered: what the model remembers of its own messages; None is anything.
        tools: how often a tool ran.
        state: the agent's state at the end; None is any.
        silence: the longest silence is within these.
        connections: so many connections were asked for, within these.
        runs: what ``session.run()`` came to: ``N messages`` or an exception; None is anything.
        refused: questions that LiveKit did not take, by its exception.
        repeated: words heard twice.
        shown: what was shown, in a call by text.
        fatals: how many of the ``error`` events are fatal; None is any number.
        questions: how many messages of the user the model remembers; None is any number.
    """

    heard: tuple[float, ...] = ()
    handles: tuple[str, ...] = ()
    creates: int | None = 1
    collisions: int = 0
    errors: tuple[str, ...] | None = ()
    closed: bool = False
    remembered: tuple[str, ...] | None = None
    tools: int = 0
    state: str | None = "listening"
    silence: Bounds | None = None
    connections: Bounds | None = None
    runs: tuple[str, ...] | None = None
    refused: tuple[str, ...] = ()
    repeated: int = 0
    shown: tuple[str, ...] | None = None
    questions: int | None = None
    fatals: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One call, the same for plain LiveKit and for the controlled model.

    Attributes:
        id: unique; rows of the baseline have the baseline's.
        title: what goes wrong.
        replies: what the server does with its responses, in order; later ones succeed.
        steps: what the user and the application do.
        plain: what plain LiveKit makes of it (livekit-agents 1.8.9).
        controlled: what must come of it with the controlled model.
        newer: what plain LiveKit makes of it with livekit-agents 2.0.0b1, where that is something else.
        config: the server's delays, connections and faults.
        turns: who ends the user's turns.
        models: ``one`` model; a ``fallback`` adapter around the model(s), each of them controlled;
            ``around fallback``: the controlled model is around the adapter.
        second: the second model's replies; None is no second model.
        policy: how turns recover, as arguments of ``RetryPolicy``.
        options: more arguments for the plugin's ``RealtimeModel``.
        greets: the agent asks for a greeting when it enters.
        tool_seconds: how long the agent's tool takes.
        output_delay: how long the sink takes until it plays.
        text: the model answers by text.
        seconds: the call goes on at least so long after the last step.
        patience: and at most so long, for what does not come to its end.
        unchecked: ids of guarantees that ``check_all`` leaves out, because the scenario breaks
            what that check counts on; *note* says why.
        note: what there is to know about the row.
        open: why the controlled call does not do what it must, yet. Empty: it does.
    """

    id: str
    title: str
    replies: tuple[Reply, ...]
    steps: tuple[Step, ...]
    plain: Expect | None
    controlled: Expect
    newer: Expect | None = None
    config: ServerConfig = field(default_factory=ServerConfig)
    turns: Turns = "manual"
    models: Models = "one"
    second: tuple[Reply, ...] | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    greets: bool = False
    tool_seconds: float = 0.2
    output_delay: float = 0.0
    text: bool = False
    seconds: float = 5.0
    patience: float = 20.0
    unchecked: tuple[str, ...] = ()
    note: str = ""
    open: str = ""

    def expected(self, mode: Mode) -> Expect | None:
        """What must be seen in this mode; None when nothing is said about it."""
        return self.plain if mode == "plain" else self.controlled

    def messages(self) -> list[Message]:
        """All messages that the server may say."""
        replies = [*self.replies, *(self.second or ())]
        return [item for reply in replies for item in reply.items if isinstance(item, Message)]
