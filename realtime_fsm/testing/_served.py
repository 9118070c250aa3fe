"""What the simulated server knows of a life: for the differential judge. Its clock is the server's."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS

from ..compare import Attempt, Collision, Span
from ..simulator.observed import ObservedServer
from ..simulator.record import Record
from ..trace.wire import body_of

__all__ = ["MOMENT", "Served", "is_aside"]

#: Seconds after the user's words until the server has them.
MOMENT = 1.0
_AGAIN = DEFAULT_API_CONNECT_OPTIONS.retry_interval
_CREATE = "response.create"


class Served:
    """Read off the record of one server.

    Args:
        server: that server.
        now: seconds since it began.
    """

    def __init__(self, server: ObservedServer, now: float) -> None:
        self._server = server
        self._now = now

    def told_of(self, code: str, until: float) -> float | None:
        """When it told of an error of this code last, until then."""
        told = (each.t for each in self._server.record if each.t <= until and code in _codes(each))
        return max(told, default=None)

    def turns(self) -> Iterator[Span]:
        """When the server took the user to be speaking."""
        begun: float | None = None
        for frame in self._server.record:
            if frame.type == "input_audio_buffer.speech_started":
                begun = frame.t
            elif frame.type == "input_audio_buffer.speech_stopped" and begun is not None:
                yield Span(begun, frame.t)
                begun = None

    def calls_of_nobody(self) -> set[str]:
        """Tool calls that were not made to their end, or in answer to a request that allowed none."""
        server = self._server
        forbid = {
            each.t
            for each in server.record
            if each.type == _CREATE
            and body_of(each.event.get("response")).get("tool_choice") == "none"
        }
        without = {
            (a.question, a.attempt)
            for a in server.answers
            if any(abs(a.t - t) < 1e-6 for t in forbid)
        }
        calls = (
            body_of(each.event.get("item"))
            for each in server.record
            if each.type == "response.output_item.done"
        )
        return {
            call
            for item in calls
            if (call := str(item.get("call_id") or ""))
            and (
                item.get("status") == "incomplete"
                or server.answered_by(str(item.get("id"))) in without
            )
        }

    def made_together(self) -> dict[str, int]:
        """How many calls of its tool the response of each tool call made."""
        made = {
            str(item["call_id"]): (frame.event.get("response_id"), item.get("name"))
            for frame in self._server.record
            if frame.type == "response.output_item.done"
            and "call_id" in (item := body_of(frame.event.get("item")))
        }
        number = Counter(made.values())
        return {call: number[by] for call, by in made.items()}

    def attempts(self, done: Mapping[str, float], timeout: float) -> Iterator[Attempt]:
        """The responses of the conversation, as the server lived them, with the tools they called, which
        were *done* at these times: LiveKit lets what is queued wait for both. A create is given up after
        *timeout* seconds."""
        server = self._server
        over = {
            str(body_of(frame.event.get("response")).get("id")): frame.t
            for frame in server.record
            if frame.type == "response.done"
        }
        tools: dict[str, float] = {}
        for frame in server.record:
            call = str(body_of(frame.event.get("item")).get("call_id"))
            if frame.type == "response.output_item.done" and call in done:
                made_by = str(frame.event.get("response_id"))
                tools[made_by] = max(tools.get(made_by, 0.0), done[call])
        cancels: dict[str, float] = {}
        for frame in server.record:
            if frame.type == "response.cancel" and frame.event.get("response_id"):
                cancels.setdefault(str(frame.event["response_id"]), frame.t)
        unheard = self._ended_before()
        for each in server.answers:
            if each.attempt and not is_aside(each.question):
                known = str(each.response_id)
                gone, deaf = self._gone(each.t)
                if each.response_id is None:
                    gone = min(gone, self._refused(each.t), each.t + timeout)
                ended = max(each.t, over.get(known, gone))
                end = max(ended, tools.get(known, 0.0))
                yield Attempt(
                    each.question,
                    each.attempt,
                    Span(each.t, end),
                    told=known in over.keys() - unheard or not (known in over or deaf),
                    cancelled=cancels.get(known),
                    tools=end - ended,
                )

    def _refused(self, t: float) -> float:
        """When the create of a time was refused; never, if it was not."""
        record = self._server.record
        sent = {
            r.event.get("event_id") for r in record if r.type == _CREATE and abs(r.t - t) < 1e-6
        }
        errors = (r for r in record if r.type == "error" and r.t >= t)
        told = (
            r.t for r in errors if body_of(r.event.get("error")).get("event_id") in sent - {None}
        )
        return min(told, default=math.inf)

    def shut_out(self) -> Iterator[Span]:
        """From when the server's end of a connection went until it took another, if it refused some
        before; LiveKit's plugin tries as often."""
        since, refused = math.inf, False
        for frame in self._server.record:
            if frame.type in ("closed", "dropped"):
                since, refused = frame.t, False
            elif frame.type in ("refused", "accepted"):
                if frame.t > since and (refused or frame.type == "refused"):
                    yield Span(since, min(frame.t, since + _AGAIN))
                refused = frame.type == "refused"
                since = frame.t if refused and since < math.inf else math.inf

    def _net(self) -> list[Record]:
        """What became of the connections: few records of many, each asked for its type at a price."""
        return [each for each in self._server.record if each.direction == "net"]

    def _gone(self, t: float) -> tuple[float, bool]:
        """When the connection of a time was over, and whether nothing arrived on it any more."""
        net, record = self._net(), self._server.record
        at = max((f.connection for f in net if f.t <= t and f.type == "accepted"), default=0)
        since = [f for f in record if f.t >= t and f.connection == at]
        ends = ("closed", "dropped", "disconnected")
        over = (f.t for f in since if f.direction == "net" and f.type in ends)
        deaf = all(f.direction != "server" for f in since)
        return min(over, default=self._now), deaf

    def _ended_before(self) -> set[str]:
        """The responses that a ``response.done`` of none, which a fault put in, ended at the client
        before their own."""
        server, stray = self._server, False
        ids, found = {str(each.response_id) for each in server.answers}, set[str]()
        for frame in server.record:
            known = str(body_of(frame.event.get("response")).get("id"))
            if frame.type == "response.created":
                stray = False
            elif frame.type == "response.done":
                if stray:
                    found.add(known)
                stray = known not in ids
        return found

    def collisions(self) -> Iterator[Collision]:
        holder = ""
        for each in self._server.answers:
            if each.attempt:
                holder = each.question
            else:
                yield Collision(each.question, each.t, holder)

    def taken(self, begin: float, until: float) -> bool:
        return any(
            begin <= record.t <= until + MOMENT and record.type == "input_audio_buffer.committed"
            for record in self._server.record
        )

    def taken_back(self, done: Mapping[str, float], edited: Iterable[float]) -> set[str]:
        """The tool calls that the application deleted before the server had their outputs, which it
        refuses then: *done*, when each came to its end, and when it *edited* the history."""
        calls = {
            str(item.get("id")): str(item["call_id"])
            for each in self._server.record
            if "call_id" in (item := body_of(each.event.get("item")))
            and item.get("type") == "function_call"
        }
        deleted = (
            (each.t, calls[str(each.event.get("item_id"))])
            for each in self._server.record
            if each.type == "conversation.item.deleted" and each.event.get("item_id") in calls
        )
        return {
            call
            for t, call in deleted
            if t <= done.get(call, t) and any(0 <= t - at < MOMENT for at in edited)
        }

    def gone_at(self, until: float, words: str) -> tuple[str, int] | None:
        """At which attempt the server's end of the connection went while the user spoke; None if it did
        not, or the server had the words."""
        server = self._server
        said = (s for s in server.speech if (s.t + s.seconds, s.words) == (until, words))
        begin = min((s.t for s in said), default=until)
        ends = (f.t for f in self._net() if f.t >= begin and f.type in ("closed", "dropped"))
        end = min(ends, default=until)
        if end >= until or self.taken(begin, until):
            return None
        made = [(a.question, a.attempt) for a in server.answers if a.attempt and a.t <= end]
        return made[-1] if made else None


def is_aside(question: str) -> bool:
    """Whether nobody is to hear an answer to it; what is said of its tool's output is heard."""
    return question.startswith("aside:") and " > " not in question


def _codes(frame: Record) -> tuple[Any, Any]:
    """The code and the type of the error that a frame tells of."""
    details = body_of(body_of(frame.event.get("response")).get("status_details"))
    error = body_of(frame.event.get("error") or details.get("error"))
    return error.get("code"), error.get("type")
