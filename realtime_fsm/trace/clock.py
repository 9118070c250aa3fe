"""Makes one clock of the times in a file, whatever is in them.

What is made of it never goes back, and steps by a day at most, so that nobody after it has to mind
the clock, and no work depends on how large a time is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

__all__ = ["DAY", "Clock", "Moment", "seconds"]

DAY = 86_400.0  # seconds; no call stands still for longer
_ORDER = 0.001  # seconds by which a clock may go back unnoticed
_CLOSE = 1.0  # seconds; between times this close together any will do
_MOST = 64  # held at most

T = TypeVar("T")


@dataclass(slots=True)
class Moment(Generic[T]):
    """What happened, and when.

    Attributes:
        given: its time as it stands in the file; None if that is no time.
        what: what happened.
        timed: whether it has a time at all.
        t: its time, in seconds.
        trouble: what was wrong with *given*, in words; else empty.
        unsure: how much time passed around it is not known.
    """

    given: float | None
    what: T
    timed: bool = True
    t: float = 0.0
    trouble: str = ""
    unsure: bool = False


@dataclass(slots=True)
class Clock(Generic[T]):
    """Gives each moment its time. The next one may show that the one before was wrong, so each is
    held until then, and so is what has no time and stands between them.

    Attributes:
        t: the time of the last moment that was given out.
    """

    t: float = 0.0
    _base: float | None = None  # the last time of the file that was believed
    _shift: float = 0.0  # what makes `t` of it
    _held: list[Moment[T]] = field(default_factory=list)

    def step(self, given: float | None, what: T) -> T | None:
        """Take the next, if it is plain that the one before is right, as it nearly always is, and give
        that out; its time is *t* then. Otherwise None, and nothing is taken."""
        if given is None or len(self._held) != 1:
            return None
        held, base = self._held[0], self._base
        was = held.given
        if was is None or base is None or not base <= was <= base + DAY or given <= was - _CLOSE:
            return None
        self._base = was
        t = was + self._shift
        if t > self.t:
            self.t = t
        before = held.what
        held.given, held.what = given, what
        return before

    def feed(self, moment: Moment[T]) -> Sequence[Moment[T]]:
        """Take the next moment; give out what was before it."""
        held = self._held
        if moment.timed:
            self._settle(moment.given)
        elif not held:
            return (moment,)
        elif len(held) >= _MOST:
            self._settle(None)
        else:
            held.append(moment)
            return ()
        self._held = [moment]
        return held

    def end(self) -> Sequence[Moment[T]]:
        """There are no more: give out the rest."""
        self._settle(None)
        held, self._held = self._held, []
        return held

    def _settle(self, following: float | None) -> None:
        for moment in self._held:
            if moment.timed:
                self._place(moment, following)

    def _place(self, moment: Moment[T], following: float | None) -> None:
        given, base = moment.given, self._base
        if given is None:
            self._leave(moment, following)
        elif base is None:
            if 0 <= given <= DAY:
                self._believe(given)
            else:
                self._begin_anew(moment, given)
        elif self._goes_on(base, given):
            if following is not None and base - _ORDER <= following <= given - _CLOSE:
                # The next one is where this one should be.
                moment.trouble = f"t is {seconds(given)}, and {seconds(following)} in the next line"
                self._leave(moment, following)
            else:
                self._believe(given)
        elif base - _CLOSE < given < base:
            # Two clocks, or two threads: which came first does not matter.
            moment.trouble = f"out of order: {seconds(given)} after {seconds(base)}"
        else:
            back = f"out of order: {seconds(given)} after {seconds(base)}"
            far = f"t is {seconds(given)}, after {seconds(base)} in the line before"
            moment.trouble = back if given < base else far
            if (
                following is not None
                and not self._goes_on(base, following)
                and self._goes_on(given, following)
            ):
                self._begin_anew(moment, given)
            else:
                self._leave(moment, following)
        moment.t = self.t
        if moment.trouble:
            moment.trouble += f": taken as {seconds(self.t)}"

    def _goes_on(self, base: float, given: float) -> bool:
        return base - _ORDER <= given <= base + DAY

    def _believe(self, given: float) -> None:
        self._base = given if self._base is None else max(self._base, given)
        self.t = max(self.t, given + self._shift)

    def _leave(self, moment: Moment[T], following: float | None) -> None:
        """Leave it where the one before was; between near ones nothing is lost by it."""
        base = self._base
        near = base is not None and following is not None and following <= base + _CLOSE
        moment.unsure = not near
        if moment.given is None and not moment.trouble:
            moment.trouble = "t is no time"

    def _begin_anew(self, moment: Moment[T], given: float) -> None:
        """The clock is another one from here on."""
        moment.unsure = True
        moment.trouble = moment.trouble or f"t is {seconds(given)}, expected seconds of a call"
        self._base, self._shift = given, self.t - given


def seconds(value: float) -> str:
    """A time in words that are never long."""
    if abs(value) >= 1e11:
        return f"{value:g} s"
    return f"{value:.3f} s"
