"""The reply to a tool's output, where the model makes it unasked: asked for once it is overdue."""

from __future__ import annotations

import asyncio

from livekit.agents import llm

from .._core.policy import RetryPolicy
from .._core.states import Origin
from ._driver import Driver
from ._guard import Guard
from ._reply_request import ReplyRequest
from .providers import Family


class ToolReply:
    """The one of a session that is owed."""

    def __init__(self, driver: Driver, family: Family, policy: RetryPolicy, guard: Guard) -> None:
        self._driver = driver
        self._family = family
        self._policy = policy
        self._guard = guard
        #: A tool's output went out; until then the model is to answer it.
        self._owed_by: asyncio.TimerHandle | None = None
        #: It was asked for, and no words came since.
        self._asked = False
        #: A tool's output went out, and nothing began since.
        self._after_tool = False

    def pushed(self, chat_ctx: llm.ChatContext) -> None:
        """The host pushed its history. A tool's output in it is to be answered."""
        last = chat_ctx.items[-1] if chat_ctx.items else None
        if not isinstance(last, llm.FunctionCallOutput):
            return
        self._after_tool = True
        again, self._asked = self._asked, False
        if again or not self._family.owes_replies:
            return  # asked for its words, it called another tool
        if getattr(last, "reply_required", True):
            self.settle()
            ask = self._guard(self._ask)
            loop = asyncio.get_running_loop()
            self._owed_by = loop.call_later(self._policy.timeout, ask)

    def _ask(self) -> None:
        self.settle()
        if not self._driver.controller.turns:
            self._asked = True
            self._driver.ask(ReplyRequest(), Origin.APPLICATION)

    def settle(self) -> None:
        """It is not awaited any more."""
        if self._owed_by is not None:
            self._owed_by.cancel()
            self._owed_by = None

    def begins(self) -> bool:
        """A response begins. Returns whether it is the first since a tool's output."""
        after, self._after_tool = self._after_tool, False
        return after

    def spoke(self) -> None:
        """A response has words."""
        self._asked = False
