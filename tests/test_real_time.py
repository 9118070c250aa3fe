"""What real-time tests make of a machine that is slow."""

from __future__ import annotations

import asyncio

import pytest

from . import real_time
from .real_time import LateError, at_once, becomes, in_time, timed


@pytest.fixture(params=[True, False], ids=["in time", "late"])
def kept(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(real_time, "KEPT", 1e9 if request.param else -1.0)
    monkeypatch.setattr(real_time, "APART", 0.0)
    kept: bool = request.param
    return kept


async def test_what_fails_in_time_fails_and_what_fails_late_is_lived_again(kept: bool) -> None:
    lives: list[str] = []

    async def story(name: str) -> None:
        lives.append(name)
        async with timed():
            assert name != "wrong"

    with pytest.raises(AssertionError if kept else pytest.skip.Exception, match="wrong"):
        await at_once(story, ("right", "wrong"))
    assert lives.count("right") == 1
    assert lives.count("wrong") == (1 if kept else real_time.LIVES)


async def test_what_holds_the_second_time_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_time, "KEPT", -1.0)
    lives: list[int] = []

    @in_time
    async def test(of: int) -> None:
        async with timed():
            lives.append(of)
            assert len(lives) > 1

    await test(7)
    assert lives == [7, 7]


async def test_what_does_not_depend_on_the_time_fails_at_once(kept: bool) -> None:
    @in_time
    async def test() -> None:
        async with timed():
            pass
        raise ValueError

    with pytest.raises(AssertionError):
        await test()


async def test_how_late_it_was_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_time, "KEPT", -1.0)

    async def late() -> None:
        async with timed() as lag:
            await becomes(lambda: lag.seconds > 0)
            raise asyncio.TimeoutError("slow")

    with pytest.raises(LateError, match=r"s late: TimeoutError: slow"):
        await late()


async def test_what_becomes_so_is_waited_for_and_what_does_not_fails() -> None:
    seen: list[int] = []

    def third() -> None:
        seen.append(1)
        assert len(seen) == 3, f"{len(seen)} is not 3"

    await becomes(third)
    with pytest.raises(AssertionError, match="4 is not 3"):
        await becomes(third, within=0.0)
    with pytest.raises(AssertionError, match="not within 0 s"):
        await becomes(lambda: False, within=0.0)
