"""The end of the user's speech, at a server that does not tell of it.

The service says ``speech_stopped`` before it commits what server VAD heard. Where that is missing the user
would be taken to speak on, and whatever waits for silence would wait.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_STOPPED = "input_audio_buffer.speech_stopped"


class UnsaidEnd:
    """One connection's."""

    __slots__ = ("_asked", "_commits", "_speaks", "_tells")

    def __init__(self) -> None:
        self._speaks = False
        #: Our own commit, which ends no speech, is on its way; and so many creates.
        self._commits = False
        self._asked = 0
        #: The server tells of ends, or of commits.
        self._tells = False

    def left(self, frame: Mapping[str, Any]) -> None:
        """A client's frame left."""
        if frame.get("type") == "input_audio_buffer.commit":
            self._commits = True
        elif frame.get("type") == "response.create":
            self._asked += 1

    def before(self, frame: object) -> dict[str, Any] | None:
        """The frame that should have come before this one."""
        kind = frame.get("type") if isinstance(frame, dict) else None
        if kind == "input_audio_buffer.speech_started":
            self._speaks = True
        elif kind == _STOPPED:
            self._speaks, self._tells = False, True
        elif kind == "input_audio_buffer.committed":
            ours, self._commits, self._tells = self._commits, False, True
            return None if ours else self._ends()
        elif kind == "response.created":
            ours, self._asked = self._asked > 0, max(self._asked - 1, 0)
            return None if ours or self._tells else self._ends()
        return None

    def _ends(self) -> dict[str, Any] | None:
        ended, self._speaks = self._speaks, False
        return {"type": _STOPPED} if ended else None
