"""What real-time tests make of a machine that is slow."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from . import real_time
from .real_time import LateError, at_once, becomes, timed

pytest_plugins = ["pytester"]


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

    async def story(of: int) -> None:
        async with timed():
            lives.append(of)
            assert len(lives) > 1

    await at_once(story, (7,))
    assert lives == [7, 7]


async def test_what_does_not_depend_on_the_time_fails_at_once(kept: bool) -> None:
    async def story() -> None:
        async with timed():
            pass
        raise ValueError

    with pytest.raises(AssertionError):
        await at_once(story)


WHOLE = """
import pytest

lives = []

@pytest.fixture
def fresh():
    yield lives.append(1)

@pytest.mark.real_time
@pytest.mark.parametrize("when", [1, 3, 100])
def test_it(fresh, when):
    assert len(lives) >= when
"""


@pytest.mark.parametrize(
    ("kept", "outcome"),
    [("1e9", {"passed": 1, "failed": 2}), ("-1.0", {"passed": 2, "skipped": 1})],
)
def test_a_test_that_is_marked_is_lived_again_as_a_whole(
    pytester: pytest.Pytester, kept: str, outcome: dict[str, int]
) -> None:
    tests = Path(__file__).parent
    conftest = (tests / "conftest.py").read_text("utf-8").replace("from .", "from ")
    mine = (tests / "real_time.py").read_text("utf-8")
    pytester.makepyfile(sample=(tests / "sample.py").read_text("utf-8"))
    pytester.makepyfile(real_time=f"{mine}\nKEPT = {kept}\n")
    pytester.makeconftest(conftest)
    pytester.makepyfile(WHOLE)
    pytester.makeini("[pytest]\nmarkers = real_time\npythonpath = .")
    pytester.runpytest_subprocess("-p", "no:realtime_fsm").assert_outcomes(**outcome)


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
