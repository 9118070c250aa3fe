"""Whose a response is, at a server that leaves the metadata of its create out.

Everything above, the plugin too, knows an asked response by ``metadata.client_event_id``. Where a server
is not known to send it back, and a response has none, it is put there if there is only one create that
it can answer: then all goes on as with any other server. Where it cannot be told, nothing is put there.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, MutableSequence
from typing import Any

from .._core import events as ev
from .._core.session import remember
from .._core.states import ErrorKind
from .._traits import ServerTraits

_ID = "client_event_id"
_MOST = 256  # creates that may be unanswered
_INPUT = (ev.SpeechStarted, ev.SpeechStopped, ev.InputCommitted)


class Echo:
    """One connection's.

    Args:
        traits: What is known of the server.
        may_answer: Whether server VAD may begin a response to the user now.
    """

    __slots__ = (
        "_certain",
        "_conflict_ids",
        "_doubt",
        "_given_up",
        "_may_answer",
        "_nameless",
        "_others",
        "_perhaps_refused",
        "_spoken",
        "_vad",
        "_waiting",
        "_whose",
    )

    def __init__(self, traits: ServerTraits, may_answer: Callable[[], bool]) -> None:
        self._certain = traits.metadata_echo
        self._conflict_ids = traits.conflict_ids
        self._may_answer = may_answer
        #: Creates that left and were not answered. Apart: those of which the server said that
        #: nothing runs, and those that have nothing to be known by, the server's own included.
        self._waiting: list[str] = []
        self._given_up: list[str] = []
        self._nameless: deque[str] = deque(maxlen=_MOST)
        #: Ids of whatever else was sent.
        self._others: OrderedDict[str, None] = OrderedDict()
        #: One that waits left when the server might have answered the user.
        self._doubt = False
        #: An error that names nothing came while one waited: it is refused, or the error is about
        #: something else. A response that comes before another create answers it all the same.
        self._perhaps_refused = False
        #: Response ids, with the create of each, None if it was not found.
        self._whose: OrderedDict[str, str | None] = OrderedDict()
        #: Whether server VAD creates responses, None until the server says so; and what the user
        #: did since the last response.
        self._vad: bool | None = None
        self._spoken = False

    @property
    def certain(self) -> bool:
        """Whether a response without metadata is known to be nobody's here."""
        return self._certain

    def reset(self) -> None:
        """Another connection: nothing of the old one is answered on it."""
        self._forget()
        self._nameless.clear()
        self._doubt = self._spoken = False

    def left(self, frame: Mapping[str, Any]) -> None:
        """A frame left."""
        if self._certain:
            return
        sent_id = str(frame.get("event_id", ""))
        if frame.get("type") != "response.create":
            if sent_id:
                remember(self._others, sent_id, None)
            return
        response = frame.get("response")
        metadata = response.get("metadata") if isinstance(response, Mapping) else None
        named = isinstance(metadata, Mapping) and metadata.get(_ID) == sent_id
        if not named:
            self._nameless.append(sent_id)
            return
        if self._perhaps_refused:
            self._forget()
        self._doubt = self._vad_may_answer() or (self._doubt and bool(self._waiting))
        self._waiting.append(sent_id)

    def came(self, frame: object) -> None:
        """A frame came: put back what is missing, if it can be told."""
        if self._certain or not isinstance(frame, dict):
            return
        kind, response = frame.get("type"), frame.get("response")
        if kind == "input_audio_buffer.timeout_triggered":
            self._nameless.append("")
        if kind not in ("response.created", "response.done") or not isinstance(response, dict):
            return
        response_id, metadata = response.get("id"), response.get("metadata")
        if not isinstance(response_id, str):
            return
        if isinstance(metadata, dict) and metadata:
            self._certain = True  # it sends back what a create had
            self.reset()
            create = metadata.get(_ID)
            if create and self._whose.get(response_id) != create in self._whose.values():
                # That was server VAD's answer, then, and went to whoever asked: so this one, which
                # they asked for, goes where that should have gone.
                response["metadata"] = None
            return
        if kind == "response.created" or response_id not in self._whose:
            # Some servers end without it what fails at once.
            self._created(response_id, outside=response.get("conversation_id", "") is None)
        if (found := self._whose[response_id]) is not None:
            response["metadata"] = {_ID: found}

    def _created(self, response_id: str, *, outside: bool) -> None:
        remember(self._whose, response_id, None)  # some servers use an id again
        nameless = bool(self._nameless)
        if nameless:
            self._nameless.popleft()
        if outside:
            return  # of those that are asked for beside the conversation, none is awaited here
        doubt = self._doubt or nameless or self._vad_may_answer()
        candidates = self._waiting or self._given_up
        if len(candidates) == 1 and not doubt:
            self._whose[response_id] = candidates[0]
        self._forget()  # what could not be told now cannot be told by the next one either
        self._spoken = False

    def _forget(self) -> None:
        self._perhaps_refused = False
        self._waiting.clear()
        self._given_up.clear()

    def _vad_may_answer(self) -> bool:
        return self._spoken if self._vad is None else self._vad and self._may_answer()

    def heard(self, event: ev.Event | None) -> None:
        """What a frame said, once it is read."""
        if isinstance(event, ev.SessionConfigured):
            self._vad = event.server_creates
        elif isinstance(event, _INPUT):
            self._spoken = True
        elif isinstance(event, ev.ErrorReceived):
            self._refused(event)

    def _refused(self, event: ev.ErrorReceived) -> None:
        creates: tuple[MutableSequence[str], ...] = (self._waiting, self._given_up, self._nameless)
        for known in creates:
            if event.event_id is not None and event.event_id in known:
                known.remove(event.event_id)
                return
        conflict = event.error.kind is ErrorKind.CONFLICT
        if event.event_id not in self._others:
            if event.event_id is None and not conflict and len(self._waiting) == 1:
                self._perhaps_refused = True
            elif not (conflict and self._conflict_ids):
                self._forget()  # it names nothing that is known: it may answer any of them
        elif conflict:
            self._given_up += self._waiting  # there is nothing to cancel
            self._waiting.clear()
