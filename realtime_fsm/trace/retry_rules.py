"""Rules of what is asked for again."""

from __future__ import annotations

from typing import ClassVar

from .facts import Look, Moved, TurnOver, Waiting
from .kept import Kept
from .rule import Rule, on
from .wire import Response

__all__ = ["ActionsCount", "RetrySafe"]

_DOUBTS = ("slow", "stalling")  # what is told to wait for, and not asked for again


class _Attempts(Rule):
    """Knows the responses that were made for a turn, one after another."""

    def begin(self) -> None:
        self._attempts: Kept[str, dict[int, str]] = Kept()

    @on(Moved)
    def _moved(self, each: Moved) -> None:
        if each.response is not None and each.attempt > 0:
            self._attempts.setdefault(each.turn, {})[each.attempt] = each.response

    @on(TurnOver)
    def _over(self, each: TurnOver) -> None:
        self.story.later(each.t + self.settings.settle, lambda: self._look(each.turn))

    def rest(self, look: Look) -> None:
        self.end()

    def end(self) -> None:
        for turn in tuple(self._attempts):
            self._look(turn)

    def _look(self, turn: str) -> None:
        attempts = self._attempts.pop(turn, {})
        found = {n: self.wire.responses.get(name) for n, name in sorted(attempts.items())}
        for number, again in ((n, m) for n in found for m in found if m == n + 1):
            before, after = found[number], found[again]
            if before is not None and after is not None and before is not after:
                self.repeated(turn, before, after)

    def repeated(self, turn: str, before: Response, after: Response) -> None:
        """A response was asked for again."""


class RetrySafe(_Attempts):
    """G9: what was handed out, words that were heard or a call, is not asked for again, unless the
    policy says so; nothing is asked for again more often than that allows, nor before the wait that was
    told is over; and nothing is heard twice."""

    id, name = "G9", "retry-safe"
    needs: ClassVar[tuple[str, ...]] = ("server", "turn", "playback")

    def begin(self) -> None:
        super().begin()
        self._waits: Kept[str, list[Waiting]] = Kept()

    @on(Waiting)
    def _waited(self, each: Waiting) -> None:
        if each.code in _DOUBTS:
            return
        waits = self._waits.setdefault(each.turn, [])
        waits.append(each)
        header = self.story.header
        most = None if header is None else header.retry.get("max_retry")
        counted = [wait for wait in waits if wait.kind != "session_end"]
        if isinstance(most, int) and len(counted) == most + 1:
            self.broken(f"{each.turn} was asked for again more than {most} times", counted)

    def _moved(self, each: Moved) -> None:
        super()._moved(each)
        last = next(reversed(self._waits.get(each.turn, [])), None)
        if last is None or each.dest != "requested" or each.attempt <= last.attempt:
            return
        early = last.t + last.wait - each.t
        if self.story.timed and early > self.settings.unread:
            text = f"{each.turn} was asked for again {early:.2f} s before its wait was over"
            self.broken(text, [last, each])

    def _over(self, each: TurnOver) -> None:
        super()._over(each)
        self._waits.pop(each.turn, None)

    def repeated(self, turn: str, before: Response, after: Response) -> None:
        header = self.story.header
        if header is not None and header.retry.get("after_exposure") == "regenerate":
            return
        heard = [h for i in before.items for h in self.story.sound.of.get(i.id, ()) if h.seconds]
        calls = [item.done for item in before.calls]
        if heard or calls:
            what = "words of it were heard" if heard else "its call was handed out"
            text = f"{before.id} was asked for again by {turn}, although {what}"
            self.broken(text, [before.created, *calls, *(h.fact for h in heard), after.created])

    def rest(self, look: Look) -> None:
        super().rest(look)
        for question in self.story.questions.all if self.story.questions.asked else ():
            answer = self.story.questions.answer(question)
            if answer.repeated:
                self.broken(
                    "words were heard twice", [question.line, *(h.fact for h in answer.heard)]
                )


class ActionsCount(_Attempts):
    """G28: a response with an item that acts, of any kind but messages, calls and thoughts, is not
    asked for again."""

    id, name = "G28", "actions count"
    needs: ClassVar[tuple[str, ...]] = ("server", "turn")

    def repeated(self, turn: str, before: Response, after: Response) -> None:
        acts = [i for i in before.items if i.type not in ("message", "function_call", "reasoning")]
        if acts:
            text = f"{before.id} was asked for again by {turn}, although {acts[0].type} had begun"
            self.broken(text, [*(item.added for item in acts), after.created])
