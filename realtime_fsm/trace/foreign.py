"""Tells what is not one call of one protocol, Realtime or GPT-Live: nothing of it can be judged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .facts import Fact
from .format import Header, Line
from .live.dialect import LIVE_TYPES, is_live
from .raw import CLIENT_TYPES
from .wire import body_of

__all__ = ["Foreign"]

_MOST = 1000  # ids that are remembered
_SERVER_TYPES = frozenset(
    {
        "error", "session.created", "session.updated", "session.deleted",
        "transcription_session.created", "transcription_session.updated",
        "conversation.created", "conversation.item.added", "conversation.item.created",
        "conversation.item.done", "conversation.item.deleted", "conversation.item.retrieved",
        "conversation.item.truncated",
        "input_audio_buffer.cleared", "input_audio_buffer.committed",
        "input_audio_buffer.speech_started", "input_audio_buffer.speech_stopped",
        "input_audio_buffer.timeout_triggered", "input_audio_buffer.dtmf_event_received",
        "output_audio_buffer.started", "output_audio_buffer.stopped",
        "output_audio_buffer.cleared",
        "response.created", "response.done", "rate_limits.updated",
        "mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed",
    }
)  # fmt: skip
#: Of each of them a connection has one, which comes once.
_NAMED = {
    "session.created": ("session", "id"), "session.updated": ("session", "id"),
    "response.created": ("response", "conversation_id"),
    "response.done": ("response", "conversation_id"),
}  # fmt: skip


class Foreign:
    """Looks at a call, frame by frame.

    Attributes:
        why: what it is instead, in words; empty as long as it can be one call.
        live: it is one of GPT-Live.
    """

    def __init__(self) -> None:
        self.why = ""
        self.live = False
        self._begun = False  # a frame that only one of the protocols has
        self._raw = False
        self._now: dict[tuple[str, str], str] = {}  # the id of the session, and of the conversation
        self._gone: set[str] = set()
        self._last: tuple[str, Mapping[str, Any]] | None = None

    def begin(self, header: Header) -> None:
        """A call begins."""
        self._raw = header.mode == "raw"
        if "duplex" in header.model.lower() or "gptlive" in header.model.lower():
            self.why = "a full-duplex model: its turns are the server's"

    def feed(self, fact: Fact) -> None:
        """The next frame."""
        frame = fact.line
        if self._begun and (self.why or not (self.live or self._raw)):
            # What a recorder wrote came over one connection of this protocol; a server that only
            # resembles the service may have kinds of its own.
            if not self.why and frame.type in LIVE_TYPES:
                self.why = f"events of another protocol: {frame.type}"
            return
        live = is_live(frame.type)
        if live and not self._begun:
            self._begun = self.live = True
            self.why = ""
        self._begun = self._begun or live is False
        if self.why:
            return
        if self.live:
            if live is False:
                self.why = f"events of another protocol: {frame.type}"
            elif self._told_twice(frame):
                self.why = f"events that are told twice: {frame.type}"
            return
        if not self._raw:
            if frame.type in LIVE_TYPES:
                self.why = f"events of another protocol: {frame.type}"
            return
        if _is_foreign(frame.type, frame.event):
            self.why = f"events of another protocol: {frame.type}"
        elif frame.type in _NAMED and self._is_another(_NAMED[frame.type], frame.event):
            self.why = f"events of several calls at once: {frame.type}"
        elif self._told_twice(frame):
            self.why = f"events that are told twice: {frame.type}"

    def _told_twice(self, frame: Line) -> bool:
        """Whether a log tells an event as often as it is handed on."""
        again = self._last == (frame.type, frame.event) and bool(frame.event.get("event_id"))
        kinds = (".created", ".updated", ".done", ".started", "response.event")
        if frame.by == "server" and frame.type.endswith(kinds):
            self._last = (frame.type, frame.event)
        return again and self._raw

    def _is_another(self, at: tuple[str, str], event: Mapping[str, Any]) -> bool:
        """Whether an id comes again after another one of its kind: of one call the next connection
        has the next, and the one before is gone."""
        name = body_of(event.get(at[0])).get(at[1])
        before = self._now.get(at)
        if not isinstance(name, str) or name == before:
            return False
        if before is not None and len(self._gone) < _MOST:
            self._gone.add(f"{at[0]} {before}")
        self._now[at] = name
        return f"{at[0]} {name}" in self._gone


def _is_foreign(kind: str, event: Mapping[str, Any]) -> bool:
    """Whether an event is none of this protocol. What belongs to a response or an item may be of a
    kind that is new to us."""
    if kind in CLIENT_TYPES or kind in _SERVER_TYPES:
        return False
    named = "response_id" if kind.startswith("response.") else "item_id"
    return not (kind.startswith(("response.", "conversation.item.")) and named in event)
