"""Where livekit-agents 1.7 to 2.0 differ, each found by what is there and not by a version number.

2.0 calls an ``AgentSession`` a ``LiveSession``, keeps the history in the session instead of the agent, and
lets only an agent's own hooks and tools reach both. ``tests/livekit/test_features.py`` has a canary for each.
"""

from __future__ import annotations

import functools
import inspect
from typing import TYPE_CHECKING, Any

from livekit.agents import Agent, llm, voice

if TYPE_CHECKING:
    from livekit.agents import AgentSession, AgentTask
else:
    # The name of 1.x is there in 2.0 too, and warns where it is exported.
    _defined = vars(getattr(voice, "agent_session", object))
    AgentSession = _defined.get("LiveSession") or _defined.get("AgentSession") or object

__all__ = [
    "AgentSession",
    "end_task",
    "given_history",
    "hand_over",
    "handed_on",
    "history_is_the_sessions",
    "history_of",
    "push_history",
    "push_instructions",
    "realtime_session_of",
]


def realtime_session_of(session: AgentSession[Any]) -> llm.RealtimeSession[Any]:
    """The realtime session of the agent that runs (``AgentSession._activity.realtime_llm_session``).

    ``Agent.realtime_llm_session`` is public, and in 2.0 tells an agent's own hooks and tools alone.

    Raises:
        RuntimeError: No agent runs, or it has none.
    """
    activity = _activity_of(session)
    found = getattr(activity, "realtime_llm_session", None)
    if found is None or activity.agent is not session.current_agent:
        raise RuntimeError("no realtime session: no agent runs, or it has no realtime model")
    return found  # type: ignore[no-any-return]


def history_of(session: AgentSession[Any]) -> llm.ChatContext:
    """The history that the running agent works on, itself and no copy: ``Agent._chat_ctx``, or
    ``AgentSession._activity._chat_ctx`` since 2.0.

    Raises:
        RuntimeError: No agent runs.
    """
    for holder in (_activity_of(session), session.current_agent):
        found = getattr(holder, "_chat_ctx", None)
        if isinstance(found, llm.ChatContext):
            return found
    raise RuntimeError("no agent runs")


async def push_history(session: AgentSession[Any], chat_ctx: llm.ChatContext) -> None:
    """``Agent.update_chat_ctx``, which is gone since 2.0 but for what it calls."""
    public = getattr(session.current_agent, "update_chat_ctx", None)
    await (public or _activity_of(session).update_chat_ctx)(chat_ctx)


async def push_instructions(session: AgentSession[Any], instructions: str) -> None:
    """``Agent.update_instructions``, which is gone since 2.0 but for what it calls."""
    public = getattr(session.current_agent, "update_instructions", None)
    await (public or realtime_session_of(session).update_instructions)(instructions)


@functools.cache
def history_is_the_sessions() -> bool:
    """Whether a session goes from agent to agent with one history (since 2.0), and ``update_agent`` takes
    another one; otherwise each agent is made with its own."""
    return "chat_ctx" in inspect.signature(AgentSession.update_agent).parameters


def given_history(chat_ctx: llm.ChatContext | None) -> dict[str, Any]:
    """How a new agent is given a history: ``Agent(chat_ctx=)``. Since 2.0 it continues the session's."""
    return {} if history_is_the_sessions() else {"chat_ctx": chat_ctx}


def hand_over(
    session: AgentSession[Any], agent: Agent, chat_ctx: llm.ChatContext | None = None
) -> None:
    """``update_agent`` to an agent made with `given_history`, which works on this history."""
    update: Any = session.update_agent
    if history_is_the_sessions():
        update(agent, chat_ctx=llm.ChatContext.empty() if chat_ctx is None else chat_ctx)
    else:
        update(agent)


def handed_on(session: AgentSession[Any], agent: Agent, **given: Any) -> llm.ChatContext:
    """The history that an agent works on which takes over by ``update_agent(agent, **given)``."""
    if not history_is_the_sessions():
        return agent.chat_ctx
    return given.get("chat_ctx") or history_of(session)


def end_task(task: AgentTask[Any], result: Any) -> None:
    """``AgentTask.complete``, which since 2.0 is for what a tool of the task returns."""
    complete: Any = getattr(task, "complete", None) or getattr(task, "_complete")  # noqa: B009
    complete(result)


def _activity_of(session: AgentSession[Any]) -> Any:
    """What runs the agent (``AgentSession._activity``), or None."""
    return getattr(session, "_activity", None)
