"""What of LiveKit is relied on, each looked for by what is there, and what is done without it.

The tests for LiveKit's releases go through this list, and so does the first model that is made: where
something moved, one warning says what, and which file of ours answers for it. What cannot be done safely
is not done then: every model is a plain pass-through.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from livekit import agents, rtc
from livekit.agents import llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput

from . import _features as features
from . import _private as private
from ._log import get_logger
from ._session import ControlledRealtimeSession


@dataclass(frozen=True, slots=True)
class Fact:
    """One of them.

    Attributes:
        relied_on: What must be so, in words.
        look_at: The file of ours that answers for it.
        without: What is done if it is not: ``"plain"`` passes everything through, ``"less"`` goes on
            without what needs it.
        holds: Looks; may raise.
    """

    relied_on: str
    look_at: str
    without: Literal["plain", "less"]
    holds: Callable[[], bool]

    def __str__(self) -> str:
        return f"Relied on: {self.relied_on}. Look at {self.look_at}."


def _takes(function: Any, *names: str) -> bool:
    return set(names) <= set(inspect.signature(function).parameters)


def _sets(cls: Any, *names: str) -> bool:
    """Whether its constructor speaks of these attributes."""
    return set(names) <= set(inspect.unwrap(cls.__init__).__code__.co_names)


def _has_fields(kind: Any, *names: str) -> bool:
    return set(names) <= {field.name for field in dataclasses.fields(kind)}


def _handed_on() -> bool:
    return (
        _has_fields(
            llm.GenerationCreatedEvent,
            *("message_stream", "function_stream", "user_initiated", "response_id"),
        )
        and _has_fields(
            llm.MessageGeneration, "message_id", "text_stream", "audio_stream", "modalities"
        )
        and _has_fields(llm.RemoteItemAddedEvent, "previous_item_id", "item")
    )


def unknown_arguments() -> list[str]:
    """Arguments of the methods that our session overrides, which are new or gone."""
    found = []
    for name, ours in vars(ControlledRealtimeSession).items():
        theirs = vars(llm.RealtimeSession).get(name)
        if not inspect.isfunction(ours) or theirs is None or name.startswith("_"):
            continue
        wanted, given = (inspect.signature(f).parameters for f in (ours, theirs))
        any_other = any(p.kind is p.VAR_KEYWORD for p in (*wanted.values(), *given.values()))
        named = {p.name for p in wanted.values() if p.kind is not p.VAR_KEYWORD}
        different = named - set(given) if any_other else named ^ set(given)
        found += [f"{name}({argument})" for argument in sorted(different)]
    return found


FACTS: tuple[Fact, ...] = (
    Fact(
        "AgentSession, or LiveSession, in livekit.agents.voice.agent_session",
        "realtime_fsm/livekit/_features.py: AgentSession",
        "plain",
        lambda: features.AgentSession is not object,
    ),
    Fact(
        "RealtimeSession's methods take these arguments, and no others",
        "realtime_fsm/livekit/_session.py",
        "plain",
        lambda: not unknown_arguments(),
    ),
    Fact(
        "the fields of GenerationCreatedEvent, MessageGeneration and RemoteItemAddedEvent",
        "realtime_fsm/livekit/_turn_output.py, _raw.py",
        "plain",
        _handed_on,
    ),
    Fact(
        "AudioOutput.capture_frame, flush, clear_buffer and on_playback_started, _finished",
        "realtime_fsm/livekit/_guarded_output.py",
        "plain",
        lambda: all(
            callable(getattr(AudioOutput, name))
            for name in (
                *("capture_frame", "flush", "clear_buffer"),
                *("on_playback_started", "on_playback_finished"),
            )
        ),
    ),
    Fact(
        "SpeechHandle._error is what exception() returns",
        "realtime_fsm/livekit/_private.py: set_handle_error",
        "less",
        lambda: _sets(SpeechHandle, "_error"),
    ),
    Fact(
        "an AgentSession's _closing and _started",
        "realtime_fsm/livekit/_private.py: is_closed",
        "less",
        lambda: _sets(features.AgentSession, "_closing", "_started"),
    ),
    Fact(
        "AgentSession._update_agent_state(state)",
        "realtime_fsm/livekit/_private.py: listen_again",
        "less",
        lambda: callable(vars(features.AgentSession)["_update_agent_state"]),
    ),
    Fact(
        "AgentSession._activity, whose _chat_ctx is the running agent's history, or Agent._chat_ctx",
        "realtime_fsm/livekit/_features.py: history_of",
        "less",
        lambda: (
            _sets(features.AgentSession, "_activity")
            and (_sets(agents.Agent, "_chat_ctx") or _sets(private.activity_class(), "_chat_ctx"))
        ),
    ),
    Fact(
        "an output knows for how many segments it waits (_pending_playback_count)",
        "realtime_fsm/livekit/_private.py: pending_segments",
        "less",
        lambda: _knows(AudioOutput, "_pending_playback_count"),
    ),
    Fact(
        "an output knows how many segments it has counted (captured_playout_segments)",
        "realtime_fsm/livekit/_private.py: captured_segments",
        "less",
        lambda: (
            _knows(AudioOutput, "captured_playout_segments")
            or _knows(AudioOutput, "_AudioOutput__playback_segments_count")
        ),
    ),
    Fact(
        "EventEmitter._events is who listens",
        "realtime_fsm/livekit/_private.py: has_other_listeners",
        "less",
        lambda: _sets(rtc.EventEmitter, "_events"),
    ),
    Fact(
        "LiveKit hands a realtime session over by RealtimeSession._update_session",
        "realtime_fsm/livekit/_private.py: own_update",
        "less",
        lambda: callable(vars(llm.RealtimeSession)["_update_session"]),
    ),
    Fact(
        "an agent takes over by voice.agent_activity.AgentActivity(agent, session)",
        "realtime_fsm/livekit/_private.py: activity_class, and realtime_fsm/run/hook.py",
        "less",
        lambda: (
            [*inspect.signature(private.activity_class() or int).parameters][:2]
            == ["agent", "sess"]
        ),
    ),
    Fact(
        "a fallback adapter shows its models (_models), and its session its host (_agent_session)",
        "realtime_fsm/livekit/_private.py: models_of, bind_host",
        "less",
        lambda: _sets(llm.RealtimeModelFallbackAdapter, "_models"),
    ),
)


def _knows(cls: Any, name: str) -> bool:
    return hasattr(cls, name) or _sets(cls, name)


@functools.cache
def moved() -> tuple[Fact, ...]:
    """What is not so, with the LiveKit that is installed. Looked for once."""
    return tuple(fact for fact in FACTS if not _holds(fact))


def _holds(fact: Fact) -> bool:
    try:
        return bool(fact.holds())
    except Exception:
        return False


@functools.cache
def unsafe() -> bool:
    """Whether models must pass through. Says once what moved."""
    gone = moved()
    if not gone:
        return False
    plain = any(fact.without == "plain" for fact in gone)
    done = "models pass through" if plain else "what needs it is done without"
    get_logger().warning(
        f"livekit-agents {agents.__version__} is not as it was, and {done}. "
        + " ".join(map(str, gone))
    )
    return plain
