"""Whose a response is, at a server that leaves the metadata of its create out.

Everything above, the plugin too, knows an asked response by ``metadata.client_event_id``. Where a server
is not known to send it back, and a response has none, it is put there if there is only one create that
it can answer: then all goes on as with any other server. Where it cannot be told, nothing is put there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from .. import _events as ev

_ID = "client_event_id"
_MOST = 256  # responses whose end may be to come


class Echo:
    """One connection's. *certain*: the server is known to send metadata back."""

    __slots__ = ("_certain", "_theirs", "_vad_creates", "_waiting", "_whose")

    def __init__(self, *, certain: bool) -> None:
        self._certain = certain
        #: Creates that left and were not answered.
        self._waiting: list[str] = []
        #: Response ids, with the create of each that was found.
        self._whose: OrderedDict[str, str] = OrderedDict()
        self._vad_creates = False
        #: The next response may be one that nobody here asked for.
        self._theirs = False

    def reset(self) -> None:
        """Another connection: nothing of the old one is answered on it."""
        self._waiting.clear()
        self._theirs = False

    def left(self, frame: Mapping[str, Any]) -> None:
        """A ``response.create`` left."""
        response = frame.get("response") or {}
        event_id = (response.get("metadata") or {}).get(_ID)
        if event_id and event_id == frame.get("event_id"):
            self._waiting.append(str(event_id))
        else:
            self._theirs = True  # one that has nothing to be known by

    def came(self, frame: object) -> None:
        """A frame came: put back what is missing, if it can be told."""
        if self._certain or not isinstance(frame, dict):
            return
        kind, response = frame.get("type"), frame.get("response")
        if kind == "input_audio_buffer.timeout_triggered":
            self._theirs = True
        if kind not in ("response.created", "response.done") or not isinstance(response, dict):
            return
        response_id, metadata = response.get("id"), response.get("metadata")
        if not isinstance(response_id, str):
            return
        if isinstance(metadata, dict) and _ID in metadata:
            self._certain = True
            return
        if kind == "response.created":
            self._created(response_id, outside=response.get("conversation_id", "") is None)
        if (event_id := self._whose.get(response_id)) is not None:
            response["metadata"] = {**(metadata or {}), _ID: event_id}

    def _created(self, response_id: str, *, outside: bool) -> None:
        if outside:
            return  # of those that are asked for beside the conversation, none is awaited here
        if len(self._waiting) == 1 and not self._theirs:
            self._whose[response_id] = self._waiting[0]
            while len(self._whose) > _MOST:
                self._whose.popitem(last=False)
        self._waiting.clear()  # what could not be told now cannot be told by the next one either
        self._theirs = False

    def heard(self, event: ev.Event | None) -> None:
        """What a frame said, once it is read."""
        if isinstance(event, ev.SessionConfigured):
            self._vad_creates = event.server_creates
        elif isinstance(event, ev.SpeechStarted):
            self._theirs = self._theirs or self._vad_creates
        elif isinstance(event, ev.ErrorReceived):
            if event.event_id in self._waiting:
                self._waiting.remove(event.event_id)
            elif event.event_id is None:
                self._waiting.clear()  # it may be the answer to any of them
