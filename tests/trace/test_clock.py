"""One clock of whatever times stand in a file."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_fsm.trace.clock import DAY, Clock, Moment

EPOCH = 1_777_630_000.0


def told(*times: float | None) -> list[tuple[float, bool]]:
    """The time of each, and whether it is unsure."""
    return [(round(each.t, 6), each.unsure) for each in settled(times)]


def settled(times: tuple[float | None, ...]) -> list[Moment[int]]:
    clock: Clock[int] = Clock()
    found = [each for n, t in enumerate(times) for each in clock.feed(Moment(t, n))]
    return [*found, *clock.end()]


def test_good_times_are_kept_as_they_are() -> None:
    assert told(0.0, 0.1, 0.1, 7.25, 3600.0) == [(t, False) for t in (0.0, 0.1, 0.1, 7.25, 3600.0)]
    assert not [each for each in settled((0.0, 1.0, 1.0, 2.0)) if each.trouble]
    assert told(300.0, 300.5) == [(300.0, False), (300.5, False)], "cut off at the beginning"


@pytest.mark.parametrize("wrong", [1e308, -1e308, -3.0, 0.5, 50.0, EPOCH, None])
def test_one_wrong_time_is_put_between_its_neighbours(wrong: float | None) -> None:
    found = settled((1.0, 1.1, wrong, 1.2, 1.3))
    assert [each.t for each in found] == [1.0, 1.1, 1.1, 1.2, 1.3]
    assert [bool(each.trouble) for each in found] == [False, False, True, False, False]
    assert not [each for each in found if each.unsure], "what passed around it is known"


def test_where_much_may_have_passed_around_it_that_is_said() -> None:
    assert told(1.0, None, 9.0) == [(1.0, False), (1.0, True), (9.0, False)]


def test_a_clock_that_changes_goes_on_from_where_it_was() -> None:
    """Relative to epoch, and back again."""
    found = told(1.0, 2.0, EPOCH, EPOCH + 0.5, EPOCH + 1, 6.0, 6.5)
    assert [t for t, _ in found] == [1.0, 2.0, 2.0, 2.5, 3.0, 3.0, 3.5]
    assert [unsure for _, unsure in found] == [False, False, True, False, False, True, False]


def test_two_clocks_in_turn() -> None:
    found = [t for t, _ in told(1.0, EPOCH, 1.5, EPOCH + 0.5, 2.0, EPOCH + 1, 2.5)]
    assert found == [1.0, 1.0, 1.5, 1.5, 2.0, 2.0, 2.5]


def test_the_first_may_be_the_wrong_one() -> None:
    assert [t for t, _ in told(1e308, 0.5, 0.6)] == [0.0, 0.0, 0.1]
    assert [t for t, _ in told(EPOCH, EPOCH + 1)] == [0.0, 1.0]
    assert [t for t, _ in told(None, None, 4.0)] == [0.0, 0.0, 4.0]


def test_what_has_no_time_keeps_its_place() -> None:
    clock: Clock[str] = Clock()
    given = [Moment(1.0, "a"), Moment(None, "x", timed=False), Moment(2.0, "b")]
    found = [each.what for moment in given for each in clock.feed(moment)]
    assert [*found, *(each.what for each in clock.end())] == ["a", "x", "b"]


def test_what_has_no_time_does_not_pile_up() -> None:
    clock: Clock[int] = Clock()
    held = [len(list(clock.feed(Moment(1.0, 0))))]
    held += [len(list(clock.feed(Moment(None, n, timed=False)))) for n in range(1_000)]
    assert sum(held) > 900


TIMES = st.one_of(
    st.none(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0, 100),
    st.sampled_from([EPOCH, EPOCH + 1, 1e308, -1e308, 5e-324, DAY, 2 * DAY]),
)


@given(st.lists(TIMES, max_size=20))
def test_it_never_goes_back_and_steps_are_bounded(times: list[float | None]) -> None:
    found = settled(tuple(times))
    assert [each.what for each in found] == list(range(len(times)))
    before = 0.0
    for each in found:
        assert math.isfinite(each.t)
        assert before <= each.t <= before + DAY * 1.001
        assert len(each.trouble) < 150
        before = each.t
