"""What servers that only resemble the service leave out of their frames, put back where it can be told.

Everything above, the plugin too, goes by the id of a response, which is its own, and by the status at its
end. Some compatible servers use an id again, leave it out of deltas, or end a response without a status.
A frame that lacks nothing passes as it came.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .._core import events as ev
from .._core.frames import is_outside
from .._core.session import remember

_INPUT = frozenset(
    {
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
        "input_audio_buffer.timeout_triggered",
    }
)
_STATUS = tuple(status.value for status in ev.ResponseStatus)  # a status may be no string
_DONE = "response.done"
#: Between an id and which use of it this is.
_USE = "~"


@dataclass(slots=True)
class _Use:
    """One response that bears an id.

    Attributes:
        name: What it is called here: the id, or the id and a number if that was used before.
        create: Its create, as far as its metadata tell.
        told: The event id of its ``response.created``.
        over: Its ``response.done`` came, or its connection is gone.
        gone: Its connection is gone.
        cut: Somebody stopped it: a cancel left, or the user spoke.
        outside: It is out of band.
        called: What the last frame in between named it.
        doubted: An end that may be its own came, under a name nobody knows.
    """

    name: str
    create: object
    told: object = None
    over: bool = False
    gone: bool = False
    cut: bool = False
    outside: bool = False
    called: str | None = None
    doubted: bool = False


class Repair:
    """One session's, over its connections: another one may count its responses anew.

    Args:
        unique: The server is known to use no id again.
    """

    __slots__ = (
        "_asked",
        "_distinct",
        "_items",
        "_names_right",
        "_names_wrong",
        "_newest",
        "_open",
        "_running",
        "_unique",
        "_uses",
        "_vad_cuts",
    )

    def __init__(self, *, unique: bool) -> None:
        self._unique = unique
        #: The newest response that bears each id; and the responses of items.
        self._uses: OrderedDict[str, tuple[int, _Use]] = OrderedDict()
        self._items: OrderedDict[str, str] = OrderedDict()
        #: Those that are not over, but for one that was in doubt when the next one began.
        self._open: OrderedDict[str, _Use] = OrderedDict()
        #: The id of the response that began last, until it is over.
        self._running: str | None = None
        #: The id of the response that began last on this connection; and whether any connection had
        #: two different ones: then none is used again on the same.
        self._newest: str | None = None
        self._distinct = False
        #: Something was asked since the last one began.
        self._asked = False
        self._vad_cuts = False
        #: The kinds of frames that named a response as its ``response.created`` did, and that did not.
        self._names_right: set[str] = set()
        self._names_wrong: set[str] = set()

    def reset(self) -> None:
        """Another connection: nothing of the old one goes on."""
        self._running = self._newest = None
        self._open.clear()
        for _, use in self._uses.values():
            use.over = use.gone = True

    def left(self, frame: Mapping[str, Any]) -> None:
        """A client's frame left."""
        if frame.get("type") == "response.create":
            self._asked = True
        elif frame.get("type") == "response.cancel":
            named = frame.get("response_id") or self._running
            if (known := self._uses.get(str(named))) is not None:
                known[1].cut = True

    def original(self, name: str) -> str:
        """What the server calls the response of this name."""
        return name.rpartition(_USE)[0] or name

    def name(self, original: str) -> str:
        """What the newest response that the server calls so is called here."""
        known = self._uses.get(original)
        return original if known is None else known[1].name

    def came(self, frame: object) -> None:
        """A frame came: put back what is missing."""
        if not isinstance(frame, dict) or not isinstance(kind := frame.get("type"), str):
            return
        if kind in _INPUT:
            self._asked = True
            if kind == "input_audio_buffer.speech_started" and self._vad_cuts:
                for use in self._open.values():
                    use.cut = True
        elif kind.startswith("response."):
            _as_text(frame, "response_id")
            _as_text(frame.get("response"), "id")
            if kind == "response.created":
                self._created(frame.get("response"), frame.get("event_id"))
            elif kind == _DONE:
                self._done(self._ended(frame))
            else:
                self._between(frame)

    def heard(self, event: ev.Event | None) -> None:
        """What a frame said, once it is read."""
        if isinstance(event, ev.SessionConfigured):
            self._vad_cuts = event.server_interrupts

    def _created(self, response: object, event_id: object) -> None:
        if not isinstance(response, dict) or not isinstance(named := response.get("id"), str):
            return
        create = _create_of(response)
        number, use = self._uses.get(named, (0, None))
        again = use is not None and event_id is not None and use.told == event_id
        if use is None or not (self._unique or again or not self._is_another(use, create)):
            name = named if use is None else f"{named}{_USE}{number + 1}"
            use = _Use(name, create, event_id, outside=is_outside(response))
            for old, other in list(self._open.items()):  # one slot, and more out of band
                if other.doubted and other.outside >= use.outside:
                    del self._open[old]
            remember(self._uses, named, (number + 1, use))
            remember(self._open, named, use)
            self._running, self._asked = named, False
            self._distinct = self._distinct or self._newest not in (None, named)
            self._newest = named
        response["id"] = use.name

    def _is_another(self, use: _Use, create: object) -> bool:
        """Whether a ``response.created`` is of another response than the last that bore its id; if
        not, it was said twice."""
        if create is not None:
            return create != use.create
        if self._distinct and not use.gone:
            return False
        # One that was stopped may have ended without a word.
        return (use.over or use.cut) and self._asked

    def _ended(self, frame: dict[str, Any]) -> object:
        """The response that a ``response.done`` tells of; if that cannot be read, the only one that runs."""
        running = self._only_running()
        if running is not None and not isinstance(frame.get("response"), dict):
            frame["response"] = {"id": running}
        return frame.get("response")

    def _done(self, response: object) -> None:
        if not isinstance(response, dict):
            return
        named = response.get("id")
        if not named and self._running is not None:
            named = response["id"] = self._running
        elif isinstance(named, str):
            output = response.get("output")
            first = output[0] if isinstance(output, list) and output else None
            item_id = first.get("id") if isinstance(first, dict) else None
            named = self._end_of(named, item_id, response)
        _, use = self._uses.get(str(named), (0, None))
        if response.get("status") not in _STATUS:
            response["status"] = _status_of(response, cut=use is not None and use.cut)
        if use is not None:
            response["id"], use.over = use.name, True
            self._open.pop(str(named), None)
        elif isinstance(named, str) and named:
            # One that failed without ``response.created``: what bears its id next is another.
            remember(self._uses, named, (1, _Use(named, _create_of(response), over=True)))
        if named == self._running:
            self._running = None

    def _between(self, frame: dict[str, Any]) -> None:
        item = frame.get("item")
        item_id = item.get("id") if isinstance(item, dict) else frame.get("item_id")
        named = frame.get("response_id")
        if not named and not isinstance(frame.get("response"), dict):
            named = self._items.get(str(item_id), self._running)
            if named is None:
                return
            frame["response_id"] = named
        elif isinstance(named, str):
            called, named = named, self._meant(named, item_id, frame["type"])
            frame["response_id"] = named
            if named in self._uses:
                self._goes_on(named, called)
            if isinstance(item_id, str) and item_id not in self._items:
                remember(self._items, item_id, named)
        if isinstance(named, str) and (known := self._uses.get(named)) is not None:
            frame["response_id"] = known[1].name

    def _goes_on(self, named: str, called: str) -> None:
        """A frame in between was of it, under that name; its own one leaves no doubt."""
        use = self._uses[named][1]
        use.called = called
        if called == named and not use.over:
            use.doubted = False
            remember(self._open, named, use)

    def _end_of(self, named: str, item_id: object, response: Mapping[str, Any]) -> str:
        """The response of an end. One under a name nobody knows is believed where that is what the one
        that runs was called, or names its create; else it leaves that one in doubt."""
        meant = self._meant(named, item_id, _DONE)
        if self._unique or meant in self._uses or _DONE in self._names_right:
            return meant
        running = self._only_running(outside=is_outside(response))
        if running is None:
            return meant
        use = self._open[running]
        if named == use.called or (use.create is not None and use.create == _create_of(response)):
            self._names_wrong.add(_DONE)
            return running
        use.doubted = use.called != running
        return meant

    def _meant(self, named: str, item_id: object, kind: str) -> str:
        """The response of a frame that names one which never began: its item's, or, at a server that
        names none right in such frames, the one that runs. An end is not believed at once."""
        if self._unique:
            return named
        owner = self._items.get(str(item_id))
        _, use = self._uses.get(named, (0, None))
        if use is not None and (named == owner or not use.over):
            self._names_right.add(kind)
        if named == owner or (use is not None and not use.over):
            return named
        if owner is not None and owner in self._uses:
            self._names_wrong.add(kind)
            return owner
        if kind in self._names_right or (kind == _DONE and kind not in self._names_wrong):
            return named
        return self._only_running() or named

    def _only_running(self, *, outside: bool | None = None) -> str | None:
        running = [name for name, use in self._open.items() if outside in (None, use.outside)]
        return running[0] if len(running) == 1 else None


def _as_text(frame: object, name: str) -> None:
    """Write an id as text that the server writes as a number."""
    if isinstance(frame, dict) and type(number := frame.get(name)) is int:
        frame[name] = str(number)


def _create_of(response: Mapping[str, Any]) -> object:
    metadata = response.get("metadata")
    return metadata.get("client_event_id") if isinstance(metadata, dict) else None


def _status_of(response: Mapping[str, Any], *, cut: bool) -> str:
    """How a response ended that does not say so."""
    said, details = str(response.get("status")).lower(), response.get("status_details")
    failed = isinstance(details, dict) and isinstance(details.get("error"), dict)
    if failed or "fail" in said or "error" in said:
        return "failed"
    return "cancelled" if cut or said == "canceled" else "completed"
