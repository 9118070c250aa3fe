"""What can be judged of a GPT-Live call: the guarantees that carry over, as far as its frames show them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from ..facts import Fact, LossTold
from ..format import Line
from ..settings import Settings
from ..wire import body_of
from .story import LiveStory, text

__all__ = ["LIVE_RULES", "LiveRule"]

#: (rule, what happened, the lines it rests on)
Found = Callable[["LiveRule", str, list[Line]], None]


class LiveRule:
    """One guarantee. A new object for each call; it sees each fact before that takes effect."""

    id: ClassVar[str]
    name: ClassVar[str]

    def __init__(self, story: LiveStory, settings: Settings, found: Found) -> None:
        self.story = story
        self.settings = settings
        self._found = found

    def fact(self, fact: Fact) -> None:
        """Something that was told besides frames."""

    def sent(self, line: Line) -> None:
        """A frame of the client's."""

    def received(self, line: Line) -> None:
        """A frame of the service's."""

    def end(self, *, cut: bool) -> None:
        """There is no more; *cut*: here, or in the file."""

    def broken(self, what: str, *lines: Line) -> None:
        """Report a breach."""
        self._found(self, what, sorted(lines, key=lambda line: line.number))


def _inner(line: Line) -> str:
    """The kind of the event within an envelope."""
    return text(body_of(line.event.get("event")), "type") or ""


class OneContinuation(LiveRule):
    id, name = "G1", "single flight"

    def sent(self, line: Line) -> None:
        if line.type != "response.create":
            return
        story = self.story
        for other in story.creates.values():
            self.broken("a second continuation while one is not answered", other, line)
        for began in story.running():
            self.broken("a continuation while the backend runs", began, line)
        for call in story.owing():
            self.broken("a continuation while a call has no result", call.line, line)


class CreateSettles(LiveRule):
    id, name = "G2", "create settles"

    def end(self, *, cut: bool) -> None:
        if not cut and not self.story.closing:
            for line in self.story.creates.values():
                self.broken("a continuation that was neither begun nor refused", line)


class KnownIds(LiveRule):
    id, name = "G3", "id-scoped"

    def sent(self, line: Line) -> None:
        story = self.story
        if story.partial:
            return
        if line.type == "response.item.create":
            item = body_of(line.event.get("item"))
            call_id = text(item, "call_id")
            result = item.get("type") == "function_call_output"
            known = call_id is None or call_id in story.calls or call_id in story.gone
            if result and not known:
                self.broken("a result for a call that nobody asked for", line)
        named = text(line.event, "delegation_id")
        if named is not None and named not in story.works and named not in story.gone:
            self.broken("an append for a delegation that there is not", line)

    def received(self, line: Line) -> None:
        ends = _inner(line) in ("response.completed", "response.failed", "response.incomplete")
        if self.story.partial or line.type != "response.event" or not ends:
            return
        work = self.story.works.get(text(line.event, "delegation_id"))
        if work is None:
            self.broken("the end of a response that did not begin", line)


class VisibleFailure(LiveRule):
    """What failed is told: by who watches, or by words that the model is given to say."""

    id, name = "G8", "status-aware"

    def __init__(self, story: LiveStory, settings: Settings, found: Found) -> None:
        super().__init__(story, settings, found)
        #: The kind of loss that a watcher tells of it, what happened, and where.
        self._untold: list[tuple[str, str, Line]] = []

    def received(self, line: Line) -> None:
        kind = _inner(line)
        if kind in ("response.failed", "response.incomplete"):
            response = body_of(body_of(line.event.get("event")).get("response"))
            error = body_of(response.get("error"))
            details = body_of(response.get("incomplete_details"))
            code = text(error, "code") or text(error, "type") or text(details, "reason")
            how = "failed" if kind == "response.failed" else "was cut short"
            what = f"the backend {how}{f' ({code})' if code else ''}"
            self._untold.append(("backend_failed", what, line))
        elif line.type == "error":
            error = body_of(line.event.get("error"))
            named = text(error, "client_event_id") or text(line.event, "client_event_id") or ""
            code = text(error, "code") or text(error, "type") or "no code"
            story = self.story
            for what, sent in (
                ("the continuation", story.creates),
                ("a result", story.results),
                ("the answer to a delegation", story.answers),
            ):
                if named in sent:
                    told = f"{what} was refused ({code})"
                    self._untold.append(("continuation_refused", told, line))
        elif line.type == "session.closed" and self._expired(line):
            self._untold.append(("session_expired", "the session expired", line))

    def _expired(self, line: Line) -> bool:
        return line.event.get("reason") == "expired" and not self.story.closing

    def sent(self, line: Line) -> None:
        if line.type == "session.commentary.append":
            self._untold.clear()

    def fact(self, fact: Fact) -> None:
        told = [
            each for each in self._untold if isinstance(fact, LossTold) and each[0] == fact.kind
        ]
        if told:
            self._untold.remove(told[0])

    def end(self, *, cut: bool) -> None:
        for _, what, line in self._untold:
            self.broken(f"{what}, and nothing tells of it", line)


class Storm(LiveRule):
    id, name = "G11", "budget by progress"

    def __init__(self, story: LiveStory, settings: Settings, found: Found) -> None:
        super().__init__(story, settings, found)
        self._row: list[Line] = []

    def sent(self, line: Line) -> None:
        if line.type != "session.start":
            return
        if self._row and line.t - self._row[-1].t > 1.5:
            self._row.clear()
        self._row.append(line)
        if len(self._row) == self.settings.reconnects + 1:
            what = f"{len(self._row)} connections one after another without any progress"
            self.broken(what, self._row[0], line)


class CallOnce(LiveRule):
    id, name = "G17", "tool once"

    def received(self, line: Line) -> None:
        item = body_of(body_of(line.event.get("event")).get("item"))
        if _inner(line) == "response.output_item.done" and item.get("type") == "function_call":
            before = self.story.calls.get(text(item, "call_id") or "")
            if before is not None:
                self.broken("a call that came twice on one connection", before.line, line)

    def sent(self, line: Line) -> None:
        if line.type == "response.item.create":
            call_id = text(body_of(line.event.get("item")), "call_id")
            before = self.story.calls.get(call_id or "")
            if before is not None and before.answered is not None:
                self.broken("a second result for one call", before.answered, line)


class NothingLost(LiveRule):
    """Everything that was delegated comes to an end, or its loss is told."""

    id, name = "G18", "turn not lost"

    def __init__(self, story: LiveStory, settings: Settings, found: Found) -> None:
        super().__init__(story, settings, found)
        #: Lost with its connection, by id: whoever watches tells of it at that moment.
        self._lost: dict[str | None, Line] = {}
        self._told: set[str | None] = set()

    def sent(self, line: Line) -> None:
        if line.type == "session.start":
            self._over()
            self._told.clear()
        elif line.type == "session.commentary.append":
            self._lost.clear()

    def _over(self) -> None:
        """The connection is gone."""
        if not self.story.closing:
            open_ = self.story.open().items()
            self._lost |= {name: w.begun for name, w in open_ if name not in self._told}

    def fact(self, fact: Fact) -> None:
        if isinstance(fact, LossTold):
            self._lost.pop(fact.delegation, None)
            self._told.add(fact.delegation)

    def end(self, *, cut: bool) -> None:
        for begun in self._lost.values():
            self.broken("a delegation went with its connection, and nothing tells of it", begun)
        if cut or self.story.closing:
            return
        for name, work in self.story.open().items():
            if name in self._told:
                continue
            given = work.given
            if given is not None and not work.running:
                self.broken("a result with which nothing goes on", work.begun, given)
            else:
                self.broken("a delegation that has no end", work.begun)


class Epoch(LiveRule):
    id, name = "G19", "epoch"

    def sent(self, line: Line) -> None:
        story = self.story
        named = text(line.event, "delegation_id")
        if line.type == "response.item.create":
            named = text(body_of(line.event.get("item")), "call_id")
        if named in story.gone and named not in story.works and named not in story.calls:
            self.broken("it belongs to an earlier connection", line)


LIVE_RULES: tuple[type[LiveRule], ...] = (
    OneContinuation, CreateSettles, KnownIds, VisibleFailure, Storm, CallOnce, NothingLost, Epoch,
)  # fmt: skip
