"""Sees a simulated call for the differential judge, while it goes on: what LiveKit tells of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import AgentTask, CloseReason, llm

from ..livekit._features import history_of
from ..trace.wire import body_of
from ._noted import Handover, WitnessedSession, handed_over_to
from ._seen import SeenCall
from ._waits import Waits

__all__ = ["Witness"]


@dataclass(eq=False)
class Witness:
    """Sees one call, from its beginning.

    Attributes:
        call: that call.
        tools: tools that ran: when, which call, and which tool.
        outputs: of tools: when LiveKit told of it, of which call, and whether a reply is to tell of it.
        called: tool calls that LiveKit told the end of, whether the tool ran or is unknown.
        tools_done: when each tool call came to its end.
        waits: what the controlled model waits for.
        ended: when an error ended the session, and which.
        handed_over: when another agent took over, and how that came.
        forgotten: items that the application has deleted.
        edited: when it pushed a history of its own.
        entered: when LiveKit entered messages of the agent's in its history, which, and their words.
    """

    call: SeenCall
    tools: list[tuple[float, str, str]] = field(default_factory=list)
    outputs: list[tuple[float, str, bool]] = field(default_factory=list)
    called: list[tuple[float, str, str]] = field(default_factory=list)
    tools_done: dict[str, float] = field(default_factory=dict)
    waits: Waits = field(init=False)
    ended: tuple[float, str, str] | None = None
    handed_over: list[tuple[float, Handover]] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    edited: list[float] = field(default_factory=list)
    entered: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.waits = Waits(self.call)
        self.call.session.on("function_tools_executed", self._tools_ran)
        self.call.session.on("tool_execution_updated", self._tool_updated)
        self.call.session.on("conversation_item_added", self._item_added)
        self.call.session.on("error", self._failed)
        self.call.session.on("close", self._closed)
        if self.call.model is not None:
            self.waits.watch(self.call.model)

    @property
    def session(self) -> WitnessedSession:
        """That of the call."""
        assert isinstance(self.call.session, WitnessedSession)
        return self.call.session

    def _tools_ran(self, event: Any) -> None:
        now = self._loop.time()
        for call, output in event.zipped():
            # Of a tool that only hands over, or ends something, nothing is to be said.
            owed = output is not None and getattr(output, "reply_required", event.has_tool_reply)
            self.outputs.append((now, call.call_id, owed))
            self.called.append((now, call.call_id, call.name))
            if event.has_agent_handoff:
                self.session.hands_over = call.call_id

    def _item_added(self, event: Any) -> None:
        if isinstance(event.item, llm.ChatMessage) and event.item.role == "assistant":
            text = event.item.text_content or ""
            self.entered.append((self._loop.time(), event.item.id, text))
        if isinstance(event.item, llm.AgentHandoff) and event.item.old_agent_id is not None:
            handover = self.session.next_agents.pop(event.item.new_agent_id, None)
            if handover is None:  # an AgentTask takes over, or is done
                task = isinstance(self.session.current_agent, AgentTask)
                how = "a task takes over" if task else "a task is over"
                handover = handed_over_to(history_of(self.session), how)
            self.handed_over.append((self._loop.time(), handover))

    def _tool_updated(self, event: Any) -> None:
        if event.update.type == "tool_call_started":
            call = event.update.function_call
            self.tools.append((self._loop.time(), call.call_id, call.name))
        elif event.update.type == "tool_call_ended":
            self.tools_done.setdefault(event.update.call_id, self._loop.time())

    def _failed(self, event: Any) -> None:
        # Of a realtime model LiveKit takes no such error, not even one: it begins to close.
        kind = getattr(event.error, "type", "")
        if kind == "realtime_model_error" and not event.error.recoverable:
            self._ended(event.error)

    def _closed(self, event: Any) -> None:
        if event.reason is CloseReason.ERROR:
            self._ended(event.error)

    def _ended(self, error: Any) -> None:
        if self.ended is None:
            error = getattr(error, "error", error)
            code = body_of(getattr(error, "body", None)).get("code")
            self.ended = (self._loop.time(), str(error), str(code or ""))
