"""A GPT-Live call so far, as its frames show it: what its rules look at. Shares no code with the watcher."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..facts import Fact, Frame
from ..format import Line
from ..settings import Settings
from ..wire import body_of

__all__ = ["Call", "LiveStory", "Work", "text"]

_MOST = 10_000  # of anything that is remembered of one call
ENDS = ("response.completed", "response.failed", "response.incomplete")


def text(of: Mapping[str, Any], key: str) -> str | None:
    """A string that is not empty, or None."""
    value = of.get(key)
    return value if isinstance(value, str) and value else None


@dataclass(eq=False, slots=True)
class Call:
    """A function call of the backend. *discarded*: its response failed."""

    id: str
    line: Line
    work: str | None
    response: str | None
    answered: Line | None = None
    discarded: bool = False


@dataclass(eq=False, slots=True)
class Work:
    """A delegation, or a response that the client asked for.

    Attributes:
        begun: where it was told of first.
        ended: how its last response ended; None while one runs, or none has begun.
        running: its responses that run, by id: where they began.
        given: a result that was sent for one of its calls, with which nothing went on so far.
        answer: under client delegation, where the service took the answer.
    """

    begun: Line
    target: str
    ended: Line | None = None
    running: dict[str, Line] = field(default_factory=dict)
    given: Line | None = None
    answer: Line | None = None


@dataclass(eq=False)
class LiveStory:
    """Built up line by line; a line takes effect after the rules have seen it.

    Attributes:
        partial: the beginning of this connection was not seen.
        creates: of this connection, by event_id: those that are not answered.
        works: of this connection, by id; None: what the client asked for.
        calls: of this connection, by id.
        answers: appends that are not confirmed: event_id to the delegation's.
        results: results that were sent: event_id to the call's.
        gone: ids of delegations and calls of earlier connections.
        closing: the client asked to close.
    """

    settings: Settings
    partial: bool = False
    creates: dict[str, Line] = field(default_factory=dict)
    works: dict[str | None, Work] = field(default_factory=dict)
    calls: dict[str, Call] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    results: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    closing: bool = False

    def advance(self, t: float) -> None:
        """It is *t* now. Nothing waits for that."""

    def apply(self, fact: Fact) -> None:
        """It has happened."""
        if not isinstance(fact, Frame):
            return
        line, event = fact.line, fact.event
        if line.by == "client":
            self._sent(line, event)
        else:
            self._received(line, event)
        for kept in (self.creates, self.works, self.calls, self.answers, self.results):
            if len(kept) > _MOST:
                kept.clear()
                self.partial = True

    def owing(self) -> list[Call]:
        """Calls without a result that the service waits for."""
        return [c for c in self.calls.values() if c.answered is None and not c.discarded]

    def running(self) -> list[Line]:
        """Where the backend's responses that run began."""
        return [line for work in self.works.values() for line in work.running.values()]

    def open(self) -> dict[str | None, Work]:
        """Works that are not over: somebody owes something for them."""
        return {name: work for name, work in self.works.items() if not self.over(name, work)}

    def over(self, name: str | None, work: Work) -> bool:
        """Whether nothing more is owed for it. Of what failed another rule tells."""
        if work.target == "client":
            return work.answer is not None
        owing = any(call.work == name for call in self.owing())
        return not (work.ended is None or work.running or work.given or owing)

    # --- frames

    def _sent(self, line: Line, event: Mapping[str, Any]) -> None:
        kind, event_id = line.type, text(event, "event_id")
        if kind == "session.start":
            self._next()
        elif kind == "session.close":
            self.closing = True
        elif kind == "response.create":
            self.creates[event_id or f"line {line.number}"] = line
            if not self.works or all(self.over(n, w) for n, w in self.works.items()):
                self.works[None] = Work(line, "responses")
        elif kind == "response.item.create":
            call = self.calls.get(text(body_of(event.get("item")), "call_id") or "")
            if call is not None and call.answered is None:
                call.answered = line
                self.results[event_id or f"line {line.number}"] = call.id
                if (work := self.works.get(call.work)) is not None:
                    work.given = line
        elif kind == "session.commentary.append" and (named := text(event, "delegation_id")):
            self.answers[event_id or f"line {line.number}"] = named

    def _received(self, line: Line, event: Mapping[str, Any]) -> None:
        if line.type == "session.delegation.created":
            told = body_of(event.get("delegation"))
            if named := text(told, "id"):
                self.works.setdefault(named, Work(line, text(told, "target") or "responses"))
        elif line.type == "response.event":
            self._backend(line, event)
        elif line.type == "error":
            error = body_of(event.get("error"))
            named = text(error, "client_event_id") or text(event, "client_event_id") or ""
            self.creates.pop(named, None)
            self.answers.pop(named, None)
            refused = self.calls.get(self.results.pop(named, ""))
            if refused is not None:
                refused.answered = None
        elif line.type == "session.commentary.appended":
            named = text(event, "client_event_id") or ""
            work = self.works.get(self.answers.pop(named, "") or text(event, "delegation_id"))
            if work is not None:
                work.answer = work.answer or line

    def _backend(self, line: Line, event: Mapping[str, Any]) -> None:
        name, inner = text(event, "delegation_id"), body_of(event.get("event"))
        kind, response = text(inner, "type"), text(body_of(inner.get("response")), "id") or ""
        if kind == "response.created":
            work = self.works.setdefault(name, Work(line, "responses"))
            work.running[response] = line
            # One chain: what begins answers what was asked, with every result so far.
            self.creates.clear()
            for each in self.works.values():
                each.given = None
        elif kind == "response.output_item.done":
            item = body_of(inner.get("item"))
            call_id = text(item, "call_id")
            if item.get("type") == "function_call" and call_id is not None:
                work = self.works.setdefault(name, Work(line, "responses"))
                newest = next(reversed(work.running), None)
                self.calls.setdefault(call_id, Call(call_id, line, name, newest))
        elif kind in ENDS and (found := self.works.get(name)) is not None:
            ended = response if response in found.running else next(iter(found.running), "")
            found.running.pop(ended, None)
            found.ended = line
            if kind != "response.completed":
                for call in self.calls.values():
                    if call.work == name and call.response == ended:
                        call.discarded = True

    def _next(self) -> None:
        """Another session: it knows nothing of the one before."""
        names = {*self.calls, *(name for name in self.works if name is not None)}
        if len(self.gone) < _MOST:
            self.gone |= names
        self.partial = self.closing = False
        self.creates.clear()
        self.works.clear()
        self.calls.clear()
        self.answers.clear()
        self.results.clear()
