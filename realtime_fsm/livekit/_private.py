"""Every private name of LiveKit that is relied on, with its reason. The whole list.

``tests/livekit/test_private_names.py`` fails loudly when one of them moves; each use here degrades to
"not known" rather than break a call.
"""

from __future__ import annotations

from typing import Any

from livekit.agents import AgentSession
from livekit.agents.voice import SpeechHandle


def set_handle_error(handle: SpeechHandle, error: BaseException) -> bool:
    """Make ``SpeechHandle.exception()`` tell the truth (``SpeechHandle._error``).

    Nothing public can: once the ``generate_reply`` future has resolved, an exception raised
    anywhere in the generation's streams leaves ``exception()`` at None.
    """
    if handle.done() or getattr(handle, "_error", error) is not None:
        return False
    handle._error = error
    return True


def leave_thinking(session: AgentSession[Any]) -> None:
    """Let an AgentSession that waits for nothing listen again (``_update_agent_state``).

    LiveKit enters "thinking" when a tool is called and leaves it when the reply begins. A reply
    that is interrupted, or fails, before its first output never begins.
    """
    update = getattr(session, "_update_agent_state", None)
    if session.agent_state == "thinking" and callable(update):
        update("listening")


def is_closed(session: AgentSession[Any]) -> bool:
    """Whether an AgentSession was closed (``_closing``, ``_started``).

    There is a ``close`` event but no public way to ask afterwards.
    """
    return bool(getattr(session, "_closing", False)) and not getattr(session, "_started", True)


def session_class() -> type:
    """``AgentSession`` (public), whose constructor ``realtime-fsm run`` is put around."""
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
