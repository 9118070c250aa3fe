"""What can be judged of a GPT-Live call: the guarantees that carry over, as far as its frames show them."""

from __future__ import annotations

from ..facts import LossTold
from ..format import Line
from ..rule import RuleOf, on
from ..wire import body_of
from .dialect import CLIENT_TYPES
from .story import ENDS, LiveStory, text

__all__ = ["LIVE_RULES"]

_SENT = tuple(f"client {kind}" for kind in (*CLIENT_TYPES, "response.create"))


def _inner(line: Line) -> str:
    """The kind of the event within an envelope."""
    return text(line.body("event"), "type") or ""


class OneContinuation(RuleOf[LiveStory]):
    id, name = "G1", "single flight"

    @on("client response.create")
    def _asked(self, line: Line) -> None:
        story = self.story
        for other in story.creates.values():
            self.broken("a second continuation while one is not answered", [other, line])
        for began in story.running():
            self.broken("a continuation while the backend runs", [began, line])
        for call in story.owing():
            self.broken("a continuation while a call has no result", [call.line, line])


class CreateSettles(RuleOf[LiveStory]):
    id, name = "G2", "create settles"

    def end(self) -> None:
        for line in self.story.creates.values() if not self.story.closing else ():
            self.broken("a continuation that was neither begun nor refused", [line])


class KnownIds(RuleOf[LiveStory]):
    id, name = "G3", "id-scoped"

    @on("client response.item.create")
    def _result(self, line: Line) -> None:
        story, item = self.story, line.body("item")
        call_id = text(item, "call_id")
        known = call_id is None or call_id in story.calls or call_id in story.gone
        if item.get("type") == "function_call_output" and not (known or story.partial):
            self.broken("a result for a call that nobody asked for", [line])

    @on(*_SENT)
    def _append(self, line: Line) -> None:
        story, named = self.story, text(line.event, "delegation_id")
        known = named is None or named in story.works or named in story.gone
        if not (known or story.partial):
            self.broken("an append for a delegation that there is not", [line])

    @on("server response.event")
    def _backend(self, line: Line) -> None:
        known = text(line.event, "delegation_id") in self.story.works
        if _inner(line) in ENDS and not (known or self.story.partial):
            self.broken("the end of a response that did not begin", [line])


class VisibleFailure(RuleOf[LiveStory]):
    """What failed is told: by who watches, or by words that the model is given to say."""

    id, name = "G8", "status-aware"

    def begin(self) -> None:
        #: The kind of loss that a watcher tells of it, what happened, and where.
        self._untold: list[tuple[str, str, Line]] = []

    @on("server response.event")
    def _backend(self, line: Line) -> None:
        kind = _inner(line)
        if kind not in ("response.failed", "response.incomplete"):
            return
        response = body_of(line.body("event").get("response"))
        error = body_of(response.get("error"))
        details = body_of(response.get("incomplete_details"))
        code = text(error, "code") or text(error, "type") or text(details, "reason")
        how = "failed" if kind == "response.failed" else "was cut short"
        what = f"the backend {how}{f' ({code})' if code else ''}"
        self._untold.append(("backend_failed", what, line))

    @on("server error")
    def _refused(self, line: Line) -> None:
        error, story = line.body("error"), self.story
        named = text(error, "client_event_id") or text(line.event, "client_event_id") or ""
        code = text(error, "code") or text(error, "type") or "no code"
        for what, sent in (
            ("the continuation", story.creates),
            ("a result", story.results),
            ("the answer to a delegation", story.answers),
        ):
            if named in sent:
                told = f"{what} was refused ({code})"
                self._untold.append(("continuation_refused", told, line))

    @on("server session.closed")
    def _closed(self, line: Line) -> None:
        if line.event.get("reason") == "expired" and not self.story.closing:
            self._untold.append(("session_expired", "the session expired", line))

    @on("client session.commentary.append")
    def _said(self, line: Line) -> None:
        self._untold.clear()

    @on(LossTold)
    def _told(self, loss: LossTold) -> None:
        told = [each for each in self._untold if each[0] == loss.kind]
        if told:
            self._untold.remove(told[0])

    def over(self, *, cut: bool) -> None:
        for _, what, line in self._untold:
            self.broken(f"{what}, and nothing tells of it", [line])


class Storm(RuleOf[LiveStory]):
    id, name = "G11", "budget by progress"

    def begin(self) -> None:
        self._row: list[Line] = []

    @on("client session.start")
    def _starts(self, line: Line) -> None:
        if self._row and line.t - self._row[-1].t > 1.5:
            self._row.clear()
        self._row.append(line)
        if len(self._row) == self.story.settings.reconnects + 1:
            what = f"{len(self._row)} connections one after another without any progress"
            self.broken(what, [self._row[0], line])


class CallOnce(RuleOf[LiveStory]):
    id, name = "G17", "tool once"

    @on("server response.event")
    def _called(self, line: Line) -> None:
        item = body_of(line.body("event").get("item"))
        if _inner(line) == "response.output_item.done" and item.get("type") == "function_call":
            before = self.story.calls.get(text(item, "call_id") or "")
            if before is not None:
                self.broken("a call that came twice on one connection", [before.line, line])

    @on("client response.item.create")
    def _result(self, line: Line) -> None:
        call_id = text(line.body("item"), "call_id")
        before = self.story.calls.get(call_id or "")
        if before is not None and before.answered is not None:
            self.broken("a second result for one call", [before.answered, line])


class NothingLost(RuleOf[LiveStory]):
    """Everything that was delegated comes to an end, or its loss is told."""

    id, name = "G18", "turn not lost"

    def begin(self) -> None:
        #: Lost with its connection, by id: whoever watches tells of it at that moment.
        self._lost: dict[str | None, Line] = {}
        self._told: set[str | None] = set()

    @on("client session.start")
    def _next(self, line: Line) -> None:
        if not self.story.closing:
            open_ = self.story.open().items()
            self._lost |= {name: w.begun for name, w in open_ if name not in self._told}
        self._told.clear()

    @on("client session.commentary.append")
    def _said(self, line: Line) -> None:
        self._lost.clear()

    @on(LossTold)
    def _loss(self, loss: LossTold) -> None:
        self._lost.pop(loss.delegation, None)
        self._told.add(loss.delegation)

    def over(self, *, cut: bool) -> None:
        for begun in self._lost.values():
            self.broken("a delegation went with its connection, and nothing tells of it", [begun])
        super().over(cut=cut)

    def end(self) -> None:
        for name, work in self.story.open().items() if not self.story.closing else ():
            if name in self._told:
                continue
            if work.given is not None and not work.running:
                self.broken("a result with which nothing goes on", [work.begun, work.given])
            else:
                self.broken("a delegation that has no end", [work.begun])


class Epoch(RuleOf[LiveStory]):
    id, name = "G19", "epoch"

    @on(*_SENT)
    def _sent(self, line: Line) -> None:
        story = self.story
        named = text(line.event, "delegation_id")
        if line.type == "response.item.create":
            named = text(line.body("item"), "call_id")
        if named in story.gone and named not in story.works and named not in story.calls:
            self.broken("it belongs to an earlier connection", [line])


LIVE_RULES: tuple[type[RuleOf[LiveStory]], ...] = (
    OneContinuation, CreateSettles, KnownIds, VisibleFailure, Storm, CallOnce, NothingLost, Epoch,
)  # fmt: skip
