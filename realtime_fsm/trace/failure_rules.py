"""Failures are told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from .facts import ErrorTold, Look, Moved, SpeechCreated, SpeechDone, TurnOver, UserState
from .format import Line
from .kept import Kept
from .rule import GONE, Rule, on
from .wire import Create

__all__ = ["StatusAware"]

#: The steps of a turn with which a response fails.
_FAILS = ("RESPONSE_FAILED", "RESPONSE_INCOMPLETE", "CONNECTION_LOST")
_DROPPED = ("interrupted", "superseded")


@dataclass(eq=False, slots=True)
class _Failure:
    line: Line
    speeches: dict[str, bool]  # those it can be of; whether each was interrupted
    turn: str | None = None  # whose it is, where the turns are told
    certain: bool = True
    asked_again: Line | None = None
    reported: bool = False
    told: bool = False
    dropped: bool = False  # its turn ended without it
    went_on: bool = False  # the user did, or interrupted
    made_good: bool = False  # its turn was answered after all

    @property
    def excused(self) -> bool:
        """It was made good, or nobody waits for it: its speech was interrupted, or the user went on
        before a retry."""
        cut = bool(self.speeches) and all(self.speeches.values())
        return cut or (self.dropped and self.went_on) or self.made_good or not self.certain


class StatusAware(Rule):
    """G8: a response that failed, was cut short by the provider or lost after some of it was heard,
    and that no later one made good before the next question, is an ``error`` event of the session,
    and the exception of a speech if one was under way. Not if it was interrupted meanwhile."""

    id, name = "G8", "status-aware"
    needs: ClassVar[tuple[str, ...]] = ("server", "session")

    def begin(self) -> None:
        self._open: _Failure | None = None
        self._waiting: list[_Failure] = []
        self._items: Kept[str, None] = Kept()
        self._live: Kept[str, None] = Kept()  # turns
        self._completed_at = -1.0

    def _failures(self) -> list[_Failure]:
        """The newest first: what is told is told at once."""
        return [*([self._open] if self._open is not None else []), *reversed(self._waiting)]

    # --- what fails

    def _fail(self, line: Line, *, certain: bool = True) -> None:
        speeches = {
            name: False for name, each in self.story.speeches.items() if each.source != "say"
        }
        if self._open is not None:
            self._wait(line.t)
        self._open = _Failure(line, speeches, certain=certain)

    @on("server response.done")
    def _done(self, each: Line) -> None:
        body = each.body("response")
        status = body.get("status")
        known = self.wire.responses.get(str(body.get("id")))
        if known is not None and (known.done is not None or known.outside):
            return
        if status in ("failed", "incomplete") and not (known is not None and known.calls):
            self._again()
            self._fail(each)
        elif status in ("completed", "cancelled"):
            self._open, self._completed_at = None, each.t

    def _again(self) -> None:
        """Another attempt failed: only the last one counts."""
        if self._open is not None and self._open.asked_again is not None:
            self._open = None

    @on(*GONE)
    def _lost_with(self, each: Line) -> None:
        for response in self.wire.alive(each.connection):
            heard = any(item.ms for item in response.items)
            if heard and not response.cancels and not response.calls:
                assert isinstance(response.created, Line)
                self._fail(response.created, certain=False)

    @on("server session.created")
    def _connected(self, each: Line) -> None:
        """The client comes back: it did not hang up."""
        if self._open is not None:
            self._open.certain = True

    # --- what makes good, or excuses

    @on("client response.create")
    def _asked(self, each: Line) -> None:
        if self._open is not None and not Create(each).outside:
            self._open.asked_again = each

    @on(Moved)
    def _moved(self, each: Moved) -> None:
        self._live[each.turn] = None
        if self._open is not None and each.event in _FAILS:
            self._open.turn = each.turn
            self._waiting = [failure for failure in self._waiting if failure.turn != each.turn]

    @on(TurnOver)
    def _turn_over(self, each: TurnOver) -> None:
        self._live.pop(each.turn, None)
        for failure in self._failures():
            if failure.turn == each.turn:
                failure.dropped = each.outcome in _DROPPED
                spoke = self._completed_at > failure.line.t
                failure.made_good = each.outcome == "completed" and spoke

    @on(UserState)
    def _user(self, each: UserState) -> None:
        if each.new == "speaking":
            self._goes_on(each)

    @on("server input_audio_buffer.speech_started")
    def _goes_on(self, each: object) -> None:
        for failure in self._failures():
            failure.went_on = True

    @on(
        "server conversation.item.added",
        "server conversation.item.created",
        "client conversation.item.create",
    )
    def _item(self, each: Line) -> None:
        item = each.body("item")
        if item.get("role") != "user" or str(item.get("id")) in self._items:
            return  # items that are replayed after a reconnect are no news
        self._items[str(item.get("id"))] = None
        self._goes_on(each)
        self._wait(each.t)

    @on(SpeechCreated)
    def _speech(self, each: SpeechCreated) -> None:
        if each.user_initiated and each.source == "generate_reply":
            self._wait(each.t)

    def _wait(self, t: float) -> None:
        """The next question is asked: it may be told a moment later, and be made good no more, but
        where a controller says so."""
        failure, self._open = self._open, None
        if failure is not None:
            self._waiting.append(failure)
            self.story.later(t + self.settings.answer, lambda: self._judge(failure))

    # --- what is told

    @on(ErrorTold)
    def _error(self, each: ErrorTold) -> None:
        for failure in self._failures():
            if not failure.reported:
                failure.reported = True
                return

    @on(SpeechDone)
    def _speech_done(self, each: SpeechDone) -> None:
        for failure in self._failures():
            if each.speech in failure.speeches:
                failure.speeches[each.speech] = each.interrupted
                failure.went_on = failure.went_on or each.interrupted
                failure.told = failure.told or each.exception is not None
        if each.exception is not None and not any(f.told for f in self._failures()):
            for failure in self._failures()[:1]:
                failure.told = True

    def _judge(self, failure: _Failure) -> None:
        if failure not in self._waiting:
            return
        if failure.turn in self._live:  # it is asked again, and what comes of that is told
            later = self.story.now + self.settings.answer
            self.story.later(later, lambda: self._judge(failure))
        else:
            self._waiting.remove(failure)
            self._say(failure)

    def _say(self, failure: _Failure) -> None:
        if failure.excused:
            return
        status = failure.line.body("response").get("status")
        what = "was lost" if failure.line.type == "response.created" else f"ended {status}"
        if not failure.reported:
            self.broken(f"a response {what}, and the session had no error event", [failure.line])
        if (
            failure.speeches
            and not failure.told
            and not failure.speeches.keys() <= set(self.story.speeches)
        ):
            self.broken(f"a response {what}, and no speech has an exception", [failure.line])

    def rest(self, look: Look) -> None:
        failures, self._open, self._waiting = self._failures(), None, []
        for failure in failures:
            self._say(failure)

    def end(self) -> None:
        for failure in self._failures():
            again = failure.asked_again
            if again is None or not self.story.recent(again.t, self.settings.answer):
                self._say(failure)  # else the call ended over it
