"""Which segment of audio a sink's report is about, and when one is overdue (G14, G30).

A sink reports without an id, once for each segment, in order. So the oldest segment that waits for its
report has it. But a sink may lose a report, or be so late that nobody waits any more; then it owes
one, and what it says is held against what each segment can have come to. Times are seconds of one
clock, positions seconds of audio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

#: Seconds by which a report may differ from what a clock says.
_SLACK = 0.3
#: Share of a segment's length by which two counts of it may differ.
_SHARE = 0.02
#: Reports that may come a second time.
_REPEATED = 8
#: Seconds after which nothing comes of a report that is owed.
_FORGOTTEN = 60.0


@dataclass(slots=True, eq=False)
class Segment:
    """What was handed to a sink between two flushes.

    Attributes:
        pushed: Seconds of audio handed to the sink.
        taken: The sink took its first frame.
        counted: The sink noted that a segment began, and so will report it.
        started: When its first frame sounded, or None: not yet, or the sink does not tell.
        progressed: Seconds that were played, as far as the sink told.
        over: When it was flushed, or cleared after that; None while more of it comes.
        cleared: The sink was told to drop the rest.
        halted: Seconds for which the sink was paused, or had nothing to play, since it started.
        due: When its report must be there.
    """

    pushed: float = 0.0
    taken: bool = False
    counted: bool = True
    started: float | None = None
    progressed: float = 0.0
    over: float | None = None
    cleared: bool = False
    halted: float = 0.0
    due: float = math.inf

    def push(self, seconds: float, now: float) -> None:
        """More of it comes, while the sink is not paused."""
        if self.started is not None:
            self.halted += max(0.0, now - self.started - self.halted - self.pushed)
        self.pushed += seconds

    def played(self, now: float) -> float:
        """Seconds that can have been played until then."""
        by_clock = 0.0 if self.started is None else now - self.started - self.halted
        return min(self.pushed, max(self.progressed, by_clock))


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a segment."""

    position: float
    interrupted: bool


@dataclass(slots=True)
class Segments:
    """The segments of one sink.

    Args:
        grace: Seconds that a report may come later than its audio ends.
    """

    grace: float
    #: Those that wait for their report, oldest first. The last one may still be growing.
    waiting: list[Segment] = field(default_factory=list)
    #: Those that wait no longer, and whose report may still come.
    unreported: list[Segment] = field(default_factory=list)
    #: The sink tells when a segment begins to sound.
    tells_starts: bool = False
    #: The last reports of segments that the sink was told to drop: it may make each once more.
    cuts: list[Outcome] = field(default_factory=list)

    def begin(self) -> Segment:
        segment = Segment()
        self.waiting.append(segment)
        return segment

    @property
    def head(self) -> Segment | None:
        """The segment that is reported next."""
        return self.waiting[0] if self.waiting else None

    def started(self, now: float) -> None:
        self.tells_starts = True
        first = next((s for s in self.waiting if s.started is None), None)
        if first is not None:
            first.started = now
            self._set_due(first, now)

    def progressed(self, until: float, now: float) -> None:
        if self.head is not None:
            self.head.progressed = max(self.head.progressed, until)
            self._set_due(self.head, now)

    def flushed(self, segment: Segment, now: float) -> None:
        segment.over = now
        self._set_due(segment, now)

    def cleared(self, now: float) -> None:
        for segment in self.waiting:
            segment.cleared = True
            segment.due = now + self.grace

    def halted(self, seconds: float, now: float) -> None:
        """The sink was paused for so long, until now."""
        for segment in self.waiting:
            if segment.started is not None:
                segment.halted += min(seconds, now - segment.started)
            self._set_due(segment, now)

    def _set_due(self, segment: Segment, now: float) -> None:
        if segment.over is not None and not segment.cleared:
            segment.due = now + segment.pushed - segment.played(now) + self.grace

    def owner(self, outcome: Outcome, now: float) -> Segment | None:
        """Whose report this is; None: nobody's, as a second one for the same segment."""
        self.unreported = [s for s in self.unreported if now - s.due < _FORGOTTEN]
        head = self.head
        if self.unreported:
            mine = head is not None and self._fits(head, outcome, now)
            return head if mine else self.unreported[0]
        if head is None or self._again(head, outcome) or not self._possible(head, outcome, now):
            return None
        return head

    def done(self, segment: Segment, outcome: Outcome) -> None:
        """Its report is there."""
        if segment.cleared:
            self.cuts = [*self.cuts[1 - _REPEATED :], outcome]
        for where in (self.waiting, self.unreported):
            if segment in where:
                where.remove(segment)

    def give_up(self, segment: Segment) -> Outcome:
        """Nobody waits for its report any more. Returns what is taken to be true of it."""
        self.waiting.remove(segment)
        if segment.counted:
            self.unreported.append(segment)
        if not segment.taken:
            return Outcome(0.0, True)
        if segment.cleared:
            return Outcome(segment.played(segment.due - self.grace), True)
        return Outcome(segment.pushed, False)

    def _again(self, segment: Segment, outcome: Outcome) -> bool:
        """The report of one that was cut before, to the sample, while nobody cut this one."""
        again = outcome.interrupted and not segment.cleared and outcome in self.cuts
        if again:
            self.cuts.remove(outcome)
        return again

    def _possible(self, segment: Segment, outcome: Outcome, now: float) -> bool:
        """A segment ends when it is flushed, or earlier if it is cut."""
        if segment.over is not None or segment.cleared:
            return True
        return outcome.interrupted and self._in_time(segment, outcome, now)

    def _fits(self, segment: Segment, outcome: Outcome, now: float) -> bool:
        if segment.over is None or outcome.interrupted is not segment.cleared:
            return False
        whole = abs(outcome.position - segment.pushed) < _SLACK + _SHARE * segment.pushed
        return (outcome.interrupted or whole) and self._in_time(segment, outcome, now)

    def _in_time(self, segment: Segment, outcome: Outcome, now: float) -> bool:
        """Whether so much of it can have been played."""
        if segment.started is None and self.tells_starts:
            return outcome.position <= 0.0
        limit = segment.played(now) if segment.started is not None else segment.pushed
        return outcome.position <= limit + _SLACK


def sane(position: object, segment: Segment) -> float | None:
    """A sink's position, within the segment; None if it is none (agents-js#1795 reports NaN)."""
    if isinstance(position, bool) or not isinstance(position, (int, float)):
        return None
    if not math.isfinite(position) or not -_SLACK <= position <= segment.pushed + 1.0:
        return None
    return max(0.0, float(position))
