"""What LiveKit's fallback adapter inside ours needs of the AgentSession.

When it swaps its model it interrupts what is spoken, replays the agent's history as it was heard, and has the
reply generated again. LiveKit binds an AgentSession only to a session it knows as the adapter's; ours is
around it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from livekit.agents import llm

from ._driver import Driver
from ._guard import Guard
from ._private import agent_history
from ._speech import SpeechTracker


class Host:
    """Stands for the AgentSession, attached or not.

    A turn that was not heard yet is neither interrupted nor generated again by the adapter: ours asks
    again, on the model that the adapter swapped to, and the same handle speaks.
    """

    def __init__(
        self, speeches: SpeechTracker, driver: Driver, inner: llm.RealtimeSession[Any], guard: Guard
    ) -> None:
        self._speeches = speeches
        self._driver = driver
        self._inner = inner
        self._guard = guard

    @property
    def agent_state(self) -> str:
        session = self._speeches.session
        if session is None or not self._speaking:
            return "listening"
        return str(session.agent_state)

    @property
    def current_agent(self) -> Any:
        session = self._speeches.session
        if session is None:
            return SimpleNamespace(chat_ctx=self._inner.chat_ctx)
        return session.current_agent

    @property
    def _activity(self) -> Any:
        """What the adapter asks since 2.0 for the history as it was heard."""
        session = self._speeches.session
        history = None if session is None else agent_history(session)
        return SimpleNamespace(chat_ctx=self._inner.chat_ctx if history is None else history)

    async def interrupt(self, *, force: bool = False) -> None:
        session = self._speeches.session
        if session is not None and self._speaking:
            await session.interrupt(force=force)

    def generate_reply(self) -> None:
        session = self._speeches.session
        if session is not None:
            session.generate_reply()

    @property
    def _speaking(self) -> bool:
        """As far as the adapter is concerned; once we stepped aside, that is the AgentSession's to say."""
        return bool(self._guard.run(True, self._is_heard))

    def _is_heard(self) -> bool:
        turns = self._driver.controller.turns
        return any(turn.has_output and not turn.playback_over for turn in turns)
