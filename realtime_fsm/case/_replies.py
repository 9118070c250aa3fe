"""Reads what the server replied, and to what, out of the lines of a trace."""

from __future__ import annotations

from ..trace import Line
from ..trace.wire import ACTIVE, AUDIO_DELTAS, CONFLICTS, NOT_ACTIVE, body_of
from ._ordering import Ordering, Output, Response

__all__ = ["ReplyReader"]

_TEXT_DELTAS = (
    "response.output_audio_transcript.delta", "response.audio_transcript.delta",
    "response.output_text.delta", "response.text.delta",
)  # fmt: skip
_WRITTEN = ("response.output_text.delta", "response.text.delta")
_KINDS = ("message", "function_call", "reasoning")
_PAUSE = 1.0  # seconds between two deltas that are no pace any more
_OWED = 5.0  # seconds in which server VAD answers what was committed, if it does at all


class ReplyReader:
    """Takes the lines about responses, in order.

    Attributes:
        calls: function calls by id: when they were handed out, and their names.
    """

    def __init__(self, ordering: Ordering) -> None:
        self.calls: dict[str, tuple[float, str]] = {}
        self._ordering = ordering
        self._asked: dict[str, Response] = {}  # creates without an answer, by event id
        self._committed: Response | None = None  # what server VAD owes an answer
        self._by_id: dict[str, Response] = {}
        self._items: dict[str, tuple[Response, Output]] = {}
        self._cancels: list[float] = []  # that have no answer

    @property
    def under_way(self) -> bool:
        """Whether a response has no end yet."""
        return any(not each.status for each in self._by_id.values())

    def owed(self, line: Line) -> None:
        """The user's words were committed: server VAD answers them."""
        self._committed = Response(line.t, line.number, vad=True)

    def cancel(self, line: Line) -> None:
        """The client cancels what is under way."""
        self._cancels.append(line.t)
        for response in self._by_id.values():
            if not response.status and response.client_ended is None:
                response.client_ended = line.t
                response.silent = line.t - (response.ended or line.t)
                for output in response.outputs:
                    output.before = output.ms

    def create(self, line: Line) -> bool:
        """The client asks for a response. Return whether a case can have it."""
        asked = line.body("response")
        if asked.get("conversation") == "none":
            self._ordering.obstacles.append(
                (line.number, "a response outside of the conversation, which no case asks for")
            )
            return False
        made = Response(line.t, line.number)
        self._asked[str(line.event.get("event_id"))] = made
        self._ordering.responses.append(made)
        return True

    def created(self, line: Line) -> None:
        """A response began."""
        body = line.body("response")
        if "conversation_id" in body and body["conversation_id"] is None:
            return
        known = body_of(body.get("metadata")).get("client_event_id")
        made = self._asked.pop(str(known), None) if known else None
        if made is None and self._committed is not None:
            made, self._committed = self._committed, None
            self._ordering.responses.append(made)
        if made is None and self._asked:
            made = self._asked.pop(next(iter(self._asked)))
        if made is None:
            made = Response(line.t, line.number)
            self._ordering.responses.append(made)
        made.created = made.ended = line.t
        self._by_id[str(body.get("id"))] = made

    def added(self, line: Line) -> None:
        """An output item began."""
        response = self._by_id.get(str(line.event.get("response_id")))
        item = line.body("item")
        if response is None:
            return
        kind = str(item.get("type"))
        if kind not in _KINDS:
            told = f"the server acts by itself ({kind}), which no case has"
            self._ordering.obstacles.append((line.number, told))
        made = Output(kind, line.t, str(item.get("name") or ""))
        response.outputs.append(made)
        response.ended = line.t
        self._items[str(item.get("id"))] = (response, made)

    def delta(self, line: Line) -> None:
        """A piece of an item, or any other event of it."""
        found = self._items.get(str(line.event.get("item_id")))
        if found is None:
            return
        response, output = found
        last = line.t if line.until is None else line.until
        response.ended = last
        delta = line.event.get("delta")
        if line.type in AUDIO_DELTAS and isinstance(delta, (int, float)):
            output.ms += delta
        elif line.type in _TEXT_DELTAS:
            output.chars += delta if isinstance(delta, int) else len(str(delta))
            output.words += delta if isinstance(delta, str) else ""
            if line.type not in _WRITTEN:
                return
        else:
            return
        if output.last is not None and line.t - output.last < _PAUSE:
            output.flowing += last - output.last
        else:
            output.pauses += 1
            output.flowing += last - line.t
        output.first = line.t if output.first is None else output.first
        output.last = last

    def item_done(self, line: Line) -> None:
        """An item is there to its end."""
        item = line.body("item")
        found = self._items.get(str(item.get("id")))
        if found is None:
            return
        response, output = found
        response.ended = line.t
        output.done = line.t
        output.whole = item.get("status") != "incomplete"
        if output.kind == "function_call":
            output.name = str(item.get("name") or output.name)
            self.calls[str(item.get("call_id"))] = (line.t, output.name)

    def done(self, line: Line) -> None:
        """A response is over."""
        body = line.body("response")
        response = self._by_id.get(str(body.get("id")))
        if response is None:
            response = self._done_alone(line)
            if response is None:
                return
        details = body_of(body.get("status_details"))
        error = body_of(details.get("error"))
        if response.status:
            return
        response.status = str(body.get("status"))
        response.code = str(error.get("code") or "")
        response.type = str(error.get("type") or "")
        response.reason = str(details.get("reason") or "")
        response.ended = line.t
        if response.status == "cancelled" and response.client_ended is not None:
            self._ordering.cancels_took.append(line.t - response.client_ended)
            if response.client_ended in self._cancels:
                self._cancels.remove(response.client_ended)

    def _done_alone(self, line: Line) -> Response | None:
        """An end without a beginning."""
        if self._asked:
            return self._asked.pop(next(iter(self._asked)))
        made, self._committed = self._committed, None
        if made is not None:
            self._ordering.responses.append(made)
        return made

    def refused(self, line: Line) -> None:
        """An error event: it may answer a request."""
        error = line.body("error")
        code, named = str(error.get("code") or ""), error.get("event_id")
        if code == NOT_ACTIVE and self._cancels:
            self._ordering.denials_took.append(line.t - self._cancels.pop(0))
        if code == ACTIVE or code in CONFLICTS:
            # The simulated server refuses that by itself; what was refused takes no reply.
            refused = self._asked.pop(str(named), None)
            if code == ACTIVE and refused is not None:
                self._ordering.responses.remove(refused)
            if code == ACTIVE and not self.under_way:
                for each in self._asked.values():
                    each.held = True
            return
        made = self._asked.pop(str(named), None) if named else None
        if made is None and named is None:
            if self._committed is not None and not self._asked:
                made, self._committed = self._committed, None
                self._ordering.responses.append(made)
            elif len(self._asked) == 1:
                made = self._asked.pop(next(iter(self._asked)))
            if made is not None:
                made.linked = False
        if made is None:
            return
        made.status, made.code, made.refused = "refused", code, line.t
        made.type = str(error.get("type") or "")

    def lost(self, line: Line) -> bool:
        """The connection is lost. Return whether anything was under way on it."""
        open_ones = [r for r in self._by_id.values() if not r.status]
        if self._committed is not None and line.t - self._committed.asked < _OWED:
            self._ordering.responses.append(self._committed)
            open_ones.append(self._committed)
        open_ones += self._asked.values()
        for each in open_ones:
            each.status = "lost"
        self._asked.clear()
        self._committed = None
        return bool(open_ones)
