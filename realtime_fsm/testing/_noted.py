"""An AgentSession that notes what the application asks of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from livekit.agents import Agent, llm
from livekit.agents.voice import SpeechHandle

from ..livekit._features import AgentSession, handed_on, history_of

__all__ = ["Handover", "WitnessedSession", "handed_over_to"]


@dataclass(frozen=True, slots=True, eq=False)
class Handover:
    """To an agent who knows these items; *how*, in words; *by* a tool call, None for the application
    itself; *moves*: that agent has another model, so LiveKit takes another connection."""

    t: float
    how: str
    by: str | None
    known: frozenset[str]
    moves: bool


def handed_over_to(
    history: llm.ChatContext, how: str, by: str | None = None, moves: bool = False
) -> Handover:
    # What is being said has no words yet in a copy; the next agent does not get to know it.
    known = frozenset(
        item.id
        for item in history.items
        if not isinstance(item, llm.ChatMessage) or item.text_content
    )
    return Handover(asyncio.get_running_loop().time(), how, by, known, moves)


def _running(session: AgentSession[Any]) -> Agent | None:
    try:
        return session.current_agent
    except RuntimeError:  # none runs yet
        return None


def _model_of(session: AgentSession[Any], agent: Agent) -> Any:
    return agent.llm or session.llm


class WitnessedSession(AgentSession[Any]):
    """Notes what the application asks of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        #: (when, the user's words or the instructions), of each reply that was asked for.
        self.asked: list[tuple[float, str]] = []
        #: those that instructions asked for.
        self.instructed: list[tuple[float, str]] = []
        #: when it asked for an answer to what was asked last, and when it ended the user's turn.
        self.asked_again: list[float] = []
        self.committed: list[float] = []
        #: when the application interrupted.
        self.cuts: list[float] = []
        #: the tool call that is about to hand over.
        self.hands_over: str | None = None
        #: the last handover to each agent, by its id.
        self.next_agents: dict[str, Handover] = {}

    def generate_reply(self, **arguments: Any) -> SpeechHandle:
        """See ``AgentSession``."""
        now = asyncio.get_running_loop().time()
        said = arguments.get("user_input") or arguments.get("instructions")
        handle = super().generate_reply(**arguments)
        if isinstance(said, str):
            self.asked.append((now, said))
            if not arguments.get("user_input"):
                self.instructed.append((now, said))
        elif said is None:
            self.asked_again.append(now)
        return handle

    def commit_user_turn(self, **options: Any) -> asyncio.Future[str]:
        """See ``AgentSession``."""
        future = super().commit_user_turn(**options)
        self.committed.append(asyncio.get_running_loop().time())
        return future

    def update_agent(self, agent: Agent, **given: Any) -> None:
        """See ``AgentSession``."""
        by, self.hands_over = self.hands_over, None
        history = handed_on(self, agent, **given)
        before = _running(self)
        kept_back = before and history_of(self).items and not history.items
        moves = before is not None and _model_of(self, before) is not _model_of(self, agent)
        super().update_agent(agent, **given)
        how = "handed over without a history" if kept_back else "handed over"
        self.next_agents[agent.id] = handed_over_to(history, how, by, moves)

    def interrupt(self, *, force: bool = False) -> asyncio.Future[None]:
        """See ``AgentSession``."""
        self.cuts.append(asyncio.get_running_loop().time())
        return super().interrupt(force=force)
