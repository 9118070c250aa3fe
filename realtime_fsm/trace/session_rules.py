"""Rules of the session: permanent errors, reconnects, how often one thing is told."""

from __future__ import annotations

from collections import deque
from typing import ClassVar

from .facts import Closed, ErrorTold, Fact, SessionMade, SpeechDone, TurnOver, Waiting
from .format import Line
from .rule import GONE, Rule, on
from .wire import CONFLICTS, FATAL, Create, Response, body_of, text_of

__all__ = ["BudgetByProgress", "Epoch", "FatalStops", "OneReport", "TurnNotSession"]

_INCIDENT = 1.5  # seconds; frames, closes and reports of one cause come this close together
_HEALTHY = 60.0  # seconds of a connection that count as progress
_WALK = 1.5  # seconds between two connections that nobody is harmed by: most of a `retry_interval`
_UNSEEN = ("stalled", "create_timeout")  # what the client says of a server that says nothing
_IN_A_ROW = 3  # failures after which a session may end


def error_of(line: Line) -> dict[str, object] | None:
    """The error that a server's line tells, if it tells one."""
    if line.type == "error":
        return line.body("error")
    if line.type == "response.done":
        body = line.body("response")
        if body.get("status") == "failed":
            return body_of(body_of(body.get("status_details")).get("error"))
    return None


def _fatal(error: dict[str, object] | None) -> bool:
    return error is not None and any(text_of(error.get(k)) in FATAL for k in ("code", "type"))


class FatalStops(Rule):
    """G10: after a permanent error nothing is asked and nobody connects again, and it is reported
    once. One that a retry is told fails its turn alone: without us it was not asked for (G27)."""

    id, name = "G10", "fatal stops"
    needs: ClassVar[tuple[str, ...]] = ("server",)

    def begin(self) -> None:
        self._fatal: Line | None = None
        self._report: ErrorTold | None = None
        self._told = False
        self._retries = False
        self._model: object = None

    @on(Waiting)
    def _waits(self, each: Waiting) -> None:
        self._retries = True

    @on(TurnOver)
    def _over(self, each: TurnOver) -> None:
        self._retries = False

    @on("server error", "server response.done")
    def _error(self, each: Line) -> None:
        if _fatal(error_of(each)) and self._fatal is None and not self._retries:
            self._fatal = each

    @on("client response.create", "server session.created", "net accepted", "net refused")
    def _goes_on(self, each: Line) -> None:
        fatal = self._fatal
        if fatal is None or self._told or each.t - fatal.t <= self.settings.unread:
            return
        if each.type == "response.create" or each.connection > fatal.connection:
            self._told = True
            what = "asked" if each.type == "response.create" else "connected"
            self.broken(f"the client {what} again after a permanent error", [fatal, each])

    @on(ErrorTold)
    def _reported(self, each: ErrorTold) -> None:
        if self._fatal is None or each.recoverable is not False:
            return
        if self._report is not None:
            self.broken("a permanent error was reported again", [self._fatal, self._report, each])
        self._report = each

    @on(SessionMade)
    def _replaced(self, each: SessionMade) -> None:
        """Another model may take over; the same one may not try again."""
        if each.model != self._model:
            self._model = each.model
            self._fatal = self._report = None
            self._told = False


class BudgetByProgress(Rule):
    """G11: connections that bring nothing, no completed response and not a minute of health, are
    made at a walk."""

    id, name = "G11", "budget by progress"
    needs: ClassVar[tuple[str, ...]] = ("server", "time")

    def begin(self) -> None:
        self._starts: deque[Line] = deque(maxlen=4)
        self._count = 0
        self._connection = 0
        self._told = False

    @on("server session.created", "net accepted", "net refused")
    def _connected(self, each: Line) -> None:
        if each.connection <= self._connection:
            return
        self._connection = each.connection
        if self._starts and each.t - self._starts[-1].t >= _HEALTHY:
            self._progress()
        if not self._starts or each.t - self._starts[-1].t < _WALK:
            self._count += 1
        self._starts.append(each)
        if self._count > self.settings.reconnects and not self._told:
            self._told = True
            text = f"{self._count} connections in a row at once, without progress"
            self.broken(text, list(self._starts))

    @on("server response.done")
    def _done(self, each: Line) -> None:
        if each.body("response").get("status") == "completed":
            self._progress()

    def _progress(self) -> None:
        self._count, self._told = 0, False


class OneReport(Rule):
    """G12: one cause is one ``error`` event, however many frames and closes it has. Another one that
    ends the session may not follow the first of the same cause. Each handshake that fails after a
    lost connection, of which a trace shows no more than its report, is a cause of its own."""

    id, name = "G12", "one root, one report"
    needs: ClassVar[tuple[str, ...]] = ("server", "session", "time")

    def begin(self) -> None:
        self._roots: deque[tuple[object, Line]] = deque(maxlen=32)
        self._reports: deque[ErrorTold] = deque(maxlen=32)
        #: A connection that was lost, and the loss reported: nothing was received since.
        self._down: Line | None = None
        self._down_told = False
        self._with_it = False  # that connection broke because of the cause before
        self._served: float | None = None  # when a response began last
        self._new = False  # a session that is not connected yet

    @on(SessionMade)
    def _remade(self, each: SessionMade) -> None:
        """A session that died is replaced: the connection is to be made anew, as after a loss."""
        self._new = True

    @on("server session.created")
    def _connected(self, each: Line) -> None:
        self._new = False

    @on("server response.created")
    def _began(self, each: Line) -> None:
        self._served = each.t

    @on("server error", "server response.done")
    def _failed(self, each: Line) -> None:
        error = error_of(each)
        if error is None:
            body = each.body("response")
            empty = body.get("status") == "completed" and not body.get("output")
            if empty or body.get("status") == "incomplete":
                self._roots.append((body.get("id"), each))
            return
        # A failure may be told twice: by an error that names nothing, and by the response's end.
        code, answers = error.get("code"), error.get("event_id")
        body = each.body("response")
        if "conversation_id" in body and body["conversation_id"] is None:
            answers = body.get("id")  # out of band: nothing else fails because of it
        told = [root for key, root in self._roots if key == (code, None)]
        if answers is not None or not any(root.type != each.type for root in told):
            self._roots.append(((code, answers), each))

    @on("server unreadable")
    def _unreadable(self, each: Line) -> None:
        self._roots.append(("unreadable", each))

    @on(*GONE)
    def _lost(self, each: Line) -> None:
        self._down, self._down_told = each, False
        # A connection that breaks right after an error that answers nothing breaks because of it,
        # but not if it served on.
        key, last = self._roots[-1] if self._roots else (None, None)
        told = key == "unreadable" or (isinstance(key, tuple) and key[1] is None)
        self._with_it = (
            last is not None
            and told
            and last.connection == each.connection
            and each.t - last.t <= _INCIDENT
            and (self._served is None or self._served <= last.t)
        )
        if not self._with_it:
            self._roots.append(("lost", each))

    def _handshake(self, each: ErrorTold) -> bool:
        """Whether it reports that a connection could not be made again."""
        if self._new and each.error == "APIConnectionError":
            return True
        down = self._down
        if down is None or down.connection < self.wire.connection:
            return False
        told, self._down_told = self._down_told, True
        return told and each.error == "APIConnectionError"

    @on(ErrorTold)
    def _reported(self, each: ErrorTold) -> None:
        # A frame that is no JSON is not in a trace either.
        lost = self._with_it and each.error == "APIConnectionError" and each.recoverable
        if self._handshake(each) or lost or each.error == "JSONDecodeError":
            # LiveKit tells that the connection is gone, too, where it will come again.
            self._roots.append(("only told", each.line))
            self._with_it = self._with_it and not lost
        while self._roots and each.t - self._roots[0][1].t > _INCIDENT:
            self._roots.popleft()
        while self._reports and each.t - self._reports[0].t > _INCIDENT:
            self._reports.popleft()
        if each.code in _UNSEEN and not any(r.code == each.code for r in self._reports):
            self._roots.append(("silence", each.line))  # no frame tells of it
        self._reports.append(each)
        if self._roots and len(self._reports) > len(self._roots):
            events: list[Line | Fact] = [root for _, root in self._roots]
            self.broken("one cause was reported more than once", [*events, *self._reports])
            self._roots.clear()
            self._reports.clear()


class Epoch(Rule):
    """G19: nothing that is sent on a connection names a response of an older one; and what a
    reconnect discards, a create without an answer or a response that had not spoken, is retried
    or told to have failed."""

    id, name = "G19", "epoch"

    def begin(self) -> None:
        self._owed: list[tuple[Line, Line]] = []
        self._settled = -1.0

    @on("client response.cancel")
    def _cancel(self, each: Line) -> None:
        response = self.wire.responses.get(str(each.event.get("response_id")))
        created = None if response is None else response.created
        if created is not None and created.connection < each.connection:
            text = (
                f"{each.event.get('response_id')} of connection {created.connection} was cancelled"
            )
            self.broken(f"{text} on connection {each.connection}", [created, each])
        self._settle(each)

    @on("server session.created")
    def _connected(self, each: Line) -> None:
        if each.connection < 2:
            return
        lost = [
            create.sent
            for create in self.wire.creates
            if create.sent.connection == each.connection - 1
            and not create.outside
            and all(answer.by == "net" or answer.connection == each.connection
                    for answer in create.answers)
            and (not self.story.timed or each.t - create.sent.t < 60.0)
        ]  # fmt: skip
        lost += [
            response.created
            for response in self.wire.responses.values()
            if response.created is not None and _silent(response, each.connection - 1)
        ]
        lost = [each for each in lost if each.t > self._settled]
        if lost and not any(c.sent.connection == each.connection for c in self.wire.creates):
            owed = (lost[-1], each)
            self._owed = [owed]
            self.story.later(each.t + self.settings.answer, lambda: self._look(owed))

    def _look(self, owed: tuple[Line, Line]) -> None:
        if owed in self._owed:
            self._owed.remove(owed)
            self.broken("what a reconnect discarded was not retried", list(owed))

    @on("client response.create", "server input_audio_buffer.speech_started")
    def _settle(self, each: Line) -> None:
        if not (each.type == "response.create" and Create(each).outside):
            self._owed.clear()

    @on(SpeechDone)
    def _speech_done(self, each: SpeechDone) -> None:
        if each.exception is not None or each.interrupted:
            self._given_up(each)

    @on(Closed, TurnOver)
    def _given_up(self, each: Fact) -> None:
        """Nobody waits any more for what was asked so far."""
        self._owed.clear()
        self._settled = each.t


def _silent(response: Response, connection: int) -> bool:
    """Whether it went down with that connection before it spoke."""
    return (
        response.created is not None
        and response.created.connection == connection
        and response.done is None
        and response.denied is None
        and not response.outside
        and not response.cancels
        and not any(i.ms or i.chars or i.type == "function_call" for i in response.items)
    )


class TurnNotSession(Rule):
    """G26: a failed turn does not end the session: one that ends right after a failure that was not
    permanent, the first or second or third in a row, ended because of it."""

    id, name = "G26", "turn failure is not session failure"
    needs: ClassVar[tuple[str, ...]] = ("server", "session", "time")

    def begin(self) -> None:
        self._failure: Line | None = None
        self._in_a_row = 0
        self._told = False

    @on("server response.done")
    def _done(self, each: Line) -> None:
        status = each.body("response").get("status")
        if status == "completed":
            self._in_a_row, self._failure = 0, None
        elif status in ("failed", "incomplete"):
            self._in_a_row += 1
            self._failure = None if _fatal(error_of(each)) else each

    @on("server error")
    def _error(self, each: Line) -> None:
        error = error_of(each)
        if error is not None and text_of(error.get("code")) not in CONFLICTS:
            self._failure = None if _fatal(error) or error.get("event_id") is None else each

    @on(*GONE)
    def _lost(self, each: Line) -> None:
        self._failure = None

    @on(ErrorTold)
    def _error_told(self, each: ErrorTold) -> None:
        if each.recoverable is False:
            self._ended(each)

    @on(Closed)
    def _closed(self, each: Closed) -> None:
        if each.reason == "error":
            self._ended(each)

    def _ended(self, each: Fact) -> None:
        failure, header = self._failure, self.story.header
        escalates = header is not None and header.retry.get("on_exhausted") == "escalate"
        if failure is None or self._told or escalates:
            return
        if each.t - failure.t <= 2.0 and self._in_a_row <= _IN_A_ROW:
            self._told = True
            self.broken("the session ended because a turn failed", [failure, each])
