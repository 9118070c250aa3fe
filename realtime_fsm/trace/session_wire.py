"""The wire of one realtime session, written down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from livekit.agents import APIConnectionError, llm

from .frame_lines import TextDelta, frame_line
from .lines import Lines
from .wire import AUDIO_DELTAS, TEXT_DELTAS

#: What the microphone sends, in either dialect.
_INPUT = ("input_audio_buffer.append", "session.input_audio.append")
_OUTPUT = (*AUDIO_DELTAS, "session.output_audio.delta")


class SessionWire:
    """Writes what it is told of the wire.

    Args:
        lines: Where.
        next_connection: The number of a new connection.
        transcripts: Whether to write what was said, too.
        on_sound: Called when sound of a message begins to come.
        on_delete: Called when an item is to be deleted.
    """

    def __init__(
        self,
        lines: Lines,
        next_connection: Callable[[], int],
        *,
        transcripts: bool,
        on_sound: Callable[[], None],
        on_delete: Callable[[], None],
    ) -> None:
        self._lines = lines
        self._next_connection = next_connection
        self._transcripts = transcripts
        self._on_sound = on_sound
        self._on_delete = on_delete
        self._connection = 0
        self._lost = True
        self._counted = False  # the new connection, after a loss

    def _number(self) -> int:
        if self._lost:
            self._counted = self._connection > 0
            self._connection = self._next_connection()
            self._lost = False
        return self._connection

    def server_event(self, frame: Any) -> None:
        if type(frame) is not dict and not isinstance(frame, Mapping):
            self._write("server", {"type": "unreadable"})
            return
        kind = frame.get("type")
        if kind in _OUTPUT and isinstance(frame.get("delta"), str):
            if self._lines.audio_delta(frame, self._number()):
                self._on_sound()
        elif kind in TEXT_DELTAS:
            # They have no parts that could change until they are written.
            seen = self._lines.now(), str(kind), self._number(), dict(frame)
            self._lines.put(TextDelta(*seen, self._transcripts))
        else:
            self._write("server", frame)

    def client_event(self, frame: Mapping[str, Any]) -> None:
        kind = frame.get("type")
        if kind in _INPUT and isinstance(frame.get("audio"), str):
            self._lines.audio_input(frame["audio"], self._number(), str(kind))
            return
        if str(kind).startswith("input_audio_buffer."):
            self._lines.flush_audio()
        self._write("client", frame)
        if kind == "conversation.item.delete":
            self._on_delete()

    def reconnected(self, _: object) -> None:
        # Without a loss before, LiveKit renewed the connection by itself, and nothing else tells.
        self._lost = self._lost or not self._counted
        self._counted = False
        self._lines.write("session", "reconnected", {"connection": self._connection})

    def error(self, report: llm.RealtimeModelError) -> None:
        if isinstance(report.error, APIConnectionError) and not self._lost:
            self._lines.write("net", "lost", {"connection": self._connection})
            self._lost = True

    def _write(self, by: str, frame: Mapping[str, Any]) -> None:
        t, kind, connection = self._lines.now(), str(frame.get("type")), self._number()
        self._lines.put(frame_line(t, by, kind, connection, frame, self._transcripts))
