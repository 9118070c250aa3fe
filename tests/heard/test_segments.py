"""G14: whose a report is that carries no id."""

from __future__ import annotations

import math

import pytest

from realtime_fsm.livekit._segments import Outcome, Segment, Segments, sane

GRACE = 2.0


def full(seconds: float) -> Outcome:
    return Outcome(seconds, interrupted=False)


def cut(seconds: float) -> Outcome:
    return Outcome(seconds, interrupted=True)


def played(
    of: Segments, seconds: float, *, at: float, starts: bool = True, flush: float | None = None
) -> Segment:
    """A segment that is handed over, and begins to sound, at this time."""
    segment = of.begin()
    segment.pushed, segment.taken = seconds, True
    if starts:
        of.started(at)
    if flush is not None:
        of.flushed(segment, flush)
    return segment


@pytest.fixture
def segments() -> Segments:
    return Segments(GRACE)


# --- when it is overdue


def test_what_is_left_of_the_audio_and_the_grace(segments: Segments) -> None:
    segment = played(segments, 5.0, at=10.0, flush=12.0)
    assert segment.due == 12.0 + 3.0 + GRACE


def test_no_end_before_the_flush(segments: Segments) -> None:
    assert played(segments, 5.0, at=10.0).due == math.inf


def test_a_sink_that_starts_late_has_longer(segments: Segments) -> None:
    segment = played(segments, 5.0, at=0.0, starts=False, flush=10.0)
    assert segment.due == 10.0 + 5.0 + GRACE
    segments.started(14.0)
    assert segment.due == 14.0 + 5.0 + GRACE


def test_a_sink_that_had_nothing_to_play_has_played_nothing_meanwhile(segments: Segments) -> None:
    segment = played(segments, 1.0, at=10.0)
    segment.push(1.0, 10.5)
    segment.push(1.0, 14.0)  # it was silent from 12.0 on
    assert segment.played(14.0) == 2.0
    assert segment.played(14.5) == 2.5
    segments.flushed(segment, 14.5)
    assert segment.due == 14.5 + 0.5 + GRACE


def test_progress_counts_where_the_clock_knows_less(segments: Segments) -> None:
    segment = played(segments, 5.0, at=0.0, starts=False, flush=10.0)
    segments.progressed(4.0, 11.0)
    assert segment.due == 11.0 + 1.0 + GRACE
    segments.progressed(2.0, 11.0)
    assert segment.played(11.0) == 4.0, "progress is never taken back"


def test_a_pause_stops_the_clock(segments: Segments) -> None:
    segment = played(segments, 5.0, at=10.0, flush=10.0)
    segments.halted(30.0, 42.0)
    assert segment.played(42.0) == 2.0
    assert segment.due == 42.0 + 3.0 + GRACE


def test_after_a_clear_only_the_grace_is_left(segments: Segments) -> None:
    segment = played(segments, 50.0, at=10.0, flush=10.0)
    segments.cleared(11.0)
    assert segment.due == 11.0 + GRACE
    assert segments.give_up(segment) == cut(1.0)


def test_what_is_given_up_is_taken_for_played_unless_the_sink_never_took_it(
    segments: Segments,
) -> None:
    assert segments.give_up(played(segments, 5.0, at=0.0, flush=0.0)) == full(5.0)
    refused = segments.begin()
    assert segments.give_up(refused) == cut(0.0)


# --- whose report it is


def test_alone_it_has_each_report_that_can_be_its(segments: Segments) -> None:
    segment = played(segments, 5.0, at=0.0, flush=1.0)
    for report in (full(5.0), full(0.0), full(99.0), full(math.nan), cut(1.0)):
        assert segments.owner(report, 6.0) is segment


def test_none_while_it_grows_but_for_a_cut_that_fits_the_clock(segments: Segments) -> None:
    segment = played(segments, 5.0, at=0.0)
    assert segments.owner(full(2.0), 1.0) is None, "a second one for the segment before"
    assert segments.owner(cut(3.0), 1.0) is None
    assert segments.owner(cut(1.0), 1.0) is segment, "the application cleared the sink itself"


def test_the_report_of_a_cut_that_comes_again_is_no_later_ones(segments: Segments) -> None:
    first = played(segments, 3.0, at=0.0, flush=0.0)
    segments.cleared(0.5)
    segments.done(first, cut(0.46))
    second = played(segments, 3.0, at=1.0, flush=1.0)
    assert segments.owner(cut(0.46), 1.5) is None
    assert segments.owner(cut(0.46), 1.5) is second, "it comes once more, not for ever"


def test_a_cut_at_the_same_place_has_its_report(segments: Segments) -> None:
    first = played(segments, 3.0, at=0.0, flush=0.0)
    segments.cleared(0.5)
    segments.done(first, cut(0.46))
    second = played(segments, 3.0, at=1.0, flush=1.0)
    segments.cleared(1.5)
    assert segments.owner(cut(0.46), 1.5) is second


def test_none_when_nothing_waits(segments: Segments) -> None:
    assert segments.owner(full(1.0), 0.0) is None


def test_a_late_report_belongs_to_what_was_given_up(segments: Segments) -> None:
    first = played(segments, 1.0, at=0.0, flush=0.0)
    segments.give_up(first)
    played(segments, 4.0, at=3.0, flush=3.0)
    assert segments.owner(full(1.0), 4.0) is first
    segments.done(first, full(1.0))
    assert segments.owner(full(4.0), 7.0) is segments.head


def test_a_report_that_fits_the_next_is_the_nexts(segments: Segments) -> None:
    """Or a report that never comes would put each later one off by a segment."""
    first = played(segments, 1.0, at=0.0, flush=0.0)
    segments.give_up(first)
    second = played(segments, 4.0, at=3.0, flush=3.0)
    assert segments.owner(full(4.0), 7.0) is second


@pytest.mark.parametrize(
    ("report", "at", "fits"),
    [
        (full(4.0), 7.0, True),
        (full(4.1), 7.0, True),
        (full(4.0), 5.0, False),  # it cannot have played so much
        (full(2.0), 7.0, False),  # it is longer
        (cut(4.0), 7.0, False),  # nobody cut it
        (full(math.nan), 7.0, False),
        (full(math.inf), 7.0, False),
    ],
)
def test_what_fits(segments: Segments, report: Outcome, at: float, fits: bool) -> None:
    first = played(segments, 1.0, at=0.0, flush=0.0)
    segments.give_up(first)
    second = played(segments, 4.0, at=3.0, flush=3.0)
    assert segments.owner(report, at) is (second if fits else first)


def test_what_was_cut_before_it_sounded_has_played_nothing(segments: Segments) -> None:
    first = played(segments, 1.0, at=0.0, flush=0.0)
    segments.give_up(first)
    second = played(segments, 4.0, at=3.0, starts=False, flush=3.0)
    segments.cleared(4.0)
    assert segments.owner(cut(0.5), 4.0) is first
    assert segments.owner(cut(0.0), 4.0) is second


def test_what_is_owed_is_forgotten(segments: Segments) -> None:
    first = played(segments, 1.0, at=0.0, flush=0.0)
    segments.give_up(first)
    second = played(segments, 4.0, at=100.0, flush=100.0)
    assert segments.owner(full(1.0), 101.0) is second
    assert segments.unreported == []


# --- positions


@pytest.mark.parametrize(
    ("position", "sound"),
    [
        (1, 1.0),
        (0.0, 0.0),
        (-0.1, 0.0),
        (5.4, 5.4),
        (-1.0, None),
        (99.0, None),
        (1e308, None),
        (math.nan, None),
        (math.inf, None),
        (None, None),
        ("1.0", None),
        (True, None),
    ],
)
def test_g15_positions_that_are_none(position: object, sound: float | None) -> None:
    assert sane(position, Segment(pushed=5.0)) == sound
