"""Every private name of LiveKit that is relied on, with its reason. The whole list.

``tests/livekit/test_private_names.py`` fails loudly when one of them moves; each use here degrades to
"not known" rather than break a call.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Awaitable, Callable, Container
from typing import Any

from livekit import rtc
from livekit.agents import llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput

from ._features import AgentSession, history_of


def set_handle_error(handle: SpeechHandle, error: BaseException) -> bool:
    """Make ``SpeechHandle.exception()`` tell the truth (``SpeechHandle._error``).

    Nothing public can: once the ``generate_reply`` future has resolved, an exception raised
    anywhere in the generation's streams leaves ``exception()`` at None.
    """
    if handle.done() or getattr(handle, "_error", error) is not None:
        return False
    handle._error = error
    return True


def agent_history(session: AgentSession[Any]) -> llm.ChatContext | None:
    """The running agent's own history, if an agent runs.

    `Agent.chat_ctx` is a copy, and ``update_chat_ctx`` goes to the server.
    """
    with contextlib.suppress(RuntimeError):
        return history_of(session)
    return None


def drop_placeholder(session: AgentSession[Any], item_id: str) -> None:
    """Take a message that nobody heard out of the running agent's history.

    LiveKit puts it there when the server begins it, and takes it out never. An empty message is more
    than a model of text takes.
    """
    history = agent_history(session)
    if history is not None and (item := history.get_by_id(item_id)) is not None:
        history.items.remove(item)


def pending_segments(output: AudioOutput) -> int:
    """How many segments an output waits for (``AudioOutput._pending_playback_count``).

    An output that is taken out of its chain loses what it plays, and nothing public tells whether it
    plays something.
    """
    return int(getattr(output, "_pending_playback_count", 0))


def captured_segments(output: AudioOutput) -> int | None:
    """How many segments an output has counted; None if it does not tell.

    ``AudioOutput.captured_playout_segments`` says so since livekit-agents 1.8, before that nothing public.
    An output that is cancelled in its first frame counted none, and will report none.
    """
    public: int | None = getattr(output, "captured_playout_segments", None)
    if public is None:
        return getattr(output, "_AudioOutput__playback_segments_count", None)
    return public


def has_other_listeners(emitter: rtc.EventEmitter[Any], event: str) -> bool:
    """Whether more than one listens to an event (``EventEmitter._events``).

    One that raises a ``TypeError`` keeps the event from those behind it; to look out for that costs more
    than all else that a guard does.
    """
    events = getattr(emitter, "_events", None)
    return not isinstance(events, dict) or len(events.get(event, ())) > 1


def asks_for_itself(handle: SpeechHandle) -> bool:
    """Whether it is this speech's own task that runs (``SpeechHandle._tasks``).

    A tool, or an application, may ask for a reply below LiveKit while the speech is played.
    """
    return asyncio.current_task() in getattr(handle, "_tasks", ())


def is_reached(handle: SpeechHandle) -> bool:
    """Whether the queue of speeches has come to this one, in its present step
    (``SpeechHandle._generations``)."""
    reached = getattr(handle, "_generations", None)
    return reached is None or len(reached) >= handle.num_steps


def put_back(session: AgentSession[Any], handle: SpeechHandle) -> bool:
    """Let the speeches behind this one go first (``AgentActivity._schedule_speech``,
    ``SpeechHandle._clear_authorization``, ``_mark_generation_done``, ``_generations``).

    The queue waits for its first speech until it has been played. No public way leads around that, and
    its future cannot be answered with another's output (G21). Only for a speech that was reached, and
    waits in its own task for ``generate_reply``. Returns whether it could be done.
    """
    schedule = getattr(getattr(session, "_activity", None), "_schedule_speech", None)
    clear = getattr(handle, "_clear_authorization", None)
    mark_done = getattr(handle, "_mark_generation_done", None)
    reached = getattr(handle, "_generations", None)
    if not (callable(schedule) and callable(clear) and callable(mark_done) and reached):
        return False
    clear()
    mark_done()
    # Tools count the generations of their speech to wait until one was played: this one was none.
    reached.pop()
    schedule(handle, SpeechHandle.SPEECH_PRIORITY_NORMAL, force=True)
    return True


def bring_forward(
    session: AgentSession[Any], handle: SpeechHandle, waiting: Container[SpeechHandle]
) -> None:
    """Let a speech go before those directly in front of it that wait (``AgentActivity._speech_q``).

    Put back, they wait in the queue while another one is played, and the queue knows only when each
    came to it.
    """
    queue = getattr(getattr(session, "_activity", None), "_speech_q", None)
    if not isinstance(queue, list):
        return
    entries = sorted(queue, key=lambda entry: entry[:2])
    speeches = [speech for *_, speech in entries]
    if handle not in speeches:
        return
    at = place = speeches.index(handle)
    while place and speeches[place - 1] in waiting and entries[place - 1][0] == entries[at][0]:
        place -= 1
    speeches.insert(place, speeches.pop(at))
    # A sorted list is a heap, and the times stay different ones.
    queue[:] = [(*when, speech) for (*when, _), speech in zip(entries, speeches, strict=True)]


def listen_again(session: AgentSession[Any]) -> None:
    """Let an AgentSession that waits for nothing, and speaks nothing, listen again
    (``_update_agent_state``).

    LiveKit enters "thinking" when a tool is called and leaves it when the reply begins. A reply
    that is interrupted, or fails, before its first output never begins. And 1.7.0 and 2.0.0b1 stay at
    "speaking" after an answer by text, which 1.8.9 does not.
    """
    update = getattr(session, "_update_agent_state", None)
    if session.agent_state in ("thinking", "speaking") and callable(update):
        update("listening")


def is_closing(session: AgentSession[Any]) -> bool:
    """Whether an AgentSession is being closed (``_closing``): the ``close`` event comes at its end."""
    return bool(getattr(session, "_closing", False))


def is_closed(session: AgentSession[Any]) -> bool:
    """Whether an AgentSession was closed (``_closing``, ``_started``).

    There is a ``close`` event but no public way to ask afterwards.
    """
    return is_closing(session) and not getattr(session, "_started", True)


def models_of(adapter: llm.RealtimeModelFallbackAdapter) -> list[llm.RealtimeModel]:
    """The models inside LiveKit's fallback adapter (``_models``), or none if they do not show.

    Whether they may be asked again differs by family, and the adapter tells of none.
    """
    return list(getattr(adapter, "_models", ()))


def session_class() -> type:
    """``AgentSession`` or ``LiveSession``, whose constructor ``realtime-fsm run`` is put around."""
    return AgentSession


def activity_class() -> type | None:
    """What runs an agent within a session (``voice.agent_activity.AgentActivity(agent, session)``).

    ``realtime-fsm run`` attaches the model of an agent when the agent takes over. Nothing public
    tells of that before the agent's first words.
    """
    try:
        from livekit.agents.voice.agent_activity import AgentActivity
    except ImportError:
        return None
    return AgentActivity


def own_update(session: llm.RealtimeSession[Any]) -> Callable[..., Awaitable[None]] | None:
    """How a plugin takes what a start or a handoff changes, if in a way of its own
    (``RealtimeSession._update_session``).

    ThunderPhone freezes instructions and tools with the first frame, Phonic takes no instructions in
    mid-call but by it. LiveKit calls it on the session it has, which is ours.
    """
    own = getattr(type(session), "_update_session", None)
    if own is None or own is getattr(llm.RealtimeSession, "_update_session", own):
        return None
    return functools.partial(own, session)


def may_stay_silent(model: llm.RealtimeModel) -> bool:
    """Whether a Gemini model decides itself what to answer (``RealtimeModel._opts.proactivity``).

    Asked again, it would answer what it chose not to. Nothing public tells.
    """
    return getattr(getattr(model, "_opts", None), "proactivity", None) is True


def own_retries(model: llm.RealtimeModel) -> int | None:
    """How many connections in a row a plugin loses before it ends the call
    (``RealtimeModel._opts.conn_options``); None if it does not tell.

    Gemini's counts those that brought nothing, whoever asked: asked again on each, a service that fails
    would end a call that survives one failure. Nothing public tells.
    """
    options = getattr(getattr(model, "_opts", None), "conn_options", None)
    return getattr(options, "max_retry", None)


def sender_of(session: llm.RealtimeSession[Any]) -> Callable[[object], None] | None:
    """How a session sends an event of its provider's SDK (Voice Live: ``RealtimeSession._send``); None if
    that does not show.

    ``interrupt()`` sends a ``response.cancel`` that names nothing: it ends what runs when it arrives, which
    may be the answer to the user who cut in. And nothing public takes back what nobody heard.
    """
    send = getattr(session, "_send", None)
    return send if callable(send) else None


def bind_host(session: llm.RealtimeSession[Any], host: object) -> None:
    """Give a fallback adapter's session what stands for the AgentSession (``_agent_session``).

    AgentActivity sets it on a session whose class it knows; without it a swap does not generate the
    reply again, and replays what the server had instead of what was heard.
    """
    if hasattr(session, "_agent_session"):
        session._agent_session = host


#: What the engine's handler of an audio delta speaks of: the generation and its first token, the message and
#: its modalities, the sound, its channel.
_OF_AUDIO = frozenset(
    {
        *("isinstance", "_current_generation", "_DiscardedGeneration", "messages", "item_id"),
        *("_first_token_timestamp", "time", "modalities", "done", "set_result"),
        *(
            "base64",
            "b64decode",
            "delta",
            "rtc",
            "AudioFrame",
            "SAMPLE_RATE",
            "NUM_CHANNELS",
            "len",
        ),
        *("contextlib", "suppress", "utils", "aio", "channel", "ChanClosed"),
        *("audio_ch", "send_nowait"),
    }
)


def only_decodes_audio(session: llm.RealtimeSession[Any]) -> bool:
    """Whether the engine does nothing with a further audio delta of a message but put its sound into the
    message's channel (``RealtimeSession._handle_response_audio_delta``).

    Its pydantic model of a delta takes ten times as long as the sound. Where the handler speaks of anything
    else, as one that is overridden does, the engine is shown every delta.
    """
    handler = getattr(session, "_handle_response_audio_delta", None)
    code = getattr(handler, "__code__", None)
    return code is not None and set(code.co_names) <= _OF_AUDIO and not code.co_freevars
