"""The collector looks seldom while traces are read, and as before afterwards."""

from __future__ import annotations

import gc

import pytest

from realtime_fsm._collector import seldom_collected


@pytest.mark.parametrize("before", [(700, 10, 10), (90_000, 5, 5), (0, 10, 10)])
def test_it_is_as_before_whatever_happens(before: tuple[int, int, int]) -> None:
    usual = gc.get_threshold()
    gc.set_threshold(*before)
    within: list[int] = []

    def fail() -> None:
        with seldom_collected(), seldom_collected():
            within.append(gc.get_threshold()[0])
            raise ValueError("halfway")

    try:
        with pytest.raises(ValueError, match="halfway"):
            fail()
        assert gc.get_threshold() == before
        assert within == [max(50_000, before[0]) if before[0] else 0]  # 0: it never does
    finally:
        gc.set_threshold(*usual)
