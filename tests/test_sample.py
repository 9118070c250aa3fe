"""What of a test with many cases stays in `make test`."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

CASES = """
import pytest

few = pytest.mark.sampled(8)

@few
@pytest.mark.parametrize("one", range(3))
@pytest.mark.parametrize("other", "abcdef")
def test_values(one, other): ...

@few
@pytest.mark.parametrize("each", range(80))
def test_unique(each): ...

@few
@pytest.mark.parametrize("each", range(80))
def test_the_same(each): ...

@pytest.mark.sampled(8, kind=lambda each: each // 5)
@pytest.mark.parametrize("each", range(80))
def test_kinds(each): ...

@pytest.mark.long
def test_long(): ...

def test_other(): ...
"""


@pytest.fixture
def chosen(pytester: pytest.Pytester) -> dict[str, list[str]]:
    tests = Path(__file__).parent
    for name in ("sample", "real_time", "conftest"):
        text = (tests / f"{name}.py").read_text("utf-8").replace("from .", "from ")
        pytester.makepyfile(**{name: text})
    pytester.makepyfile(CASES)
    pytester.makeini("[pytest]\nmarkers = \n  real_time\n  sampled\n  long\npythonpath = .")

    def collected(*options: str) -> list[str]:
        done = pytester.runpytest_inprocess(
            *("-p", "no:realtime_fsm", "-p", "no:asyncio"), "--co", "-q", *options
        )
        return [line.partition("::")[2] for line in done.outlines if "::" in line]

    return {
        "all": collected(),
        "test": collected("-m", "not long"),
        "long": collected("-m", "long"),
    }


def test_one_in_so_many_stays_and_each_value_and_kind(chosen: dict[str, list[str]]) -> None:
    def stay(test: str) -> list[list[str]]:
        return [
            each[:-1].partition("[")[2].split("-")
            for each in chosen["test"]
            if each.startswith(f"{test}[")
        ]

    values = stay("test_values")
    assert {value for case in values for value in case} == {*"abcdef", *"012"}
    assert len(values) < 18 / 2
    assert len(stay("test_unique")) == 10
    assert stay("test_unique") == stay("test_the_same")
    assert sorted(int(each) // 5 for (each,) in stay("test_kinds")) == list(range(16))


def test_the_others_are_long_and_none_is_lost(chosen: dict[str, list[str]]) -> None:
    assert not set(chosen["test"]) & set(chosen["long"])
    assert sorted(chosen["test"] + chosen["long"]) == sorted(chosen["all"])
    assert "test_long" in chosen["long"]
    assert "test_other" in chosen["test"]


def test_ci_runs_both() -> None:
    root = Path(__file__).parents[1]
    makefile = (root / "Makefile").read_text("utf-8")
    assert '\ntest: $(READY)\n\t$(BIN)/python -m pytest $(BOTH) -m "not long"\n' in makefile
    assert '-m pytest $(BOTH) -m "long or hypothesis"\n' in makefile.partition("\ntest-long:")[2]
    lines = (root / ".ci" / "run").read_text("utf-8").splitlines()
    assert lines.index("make test-long") < lines.index("make test") == len(lines) - 1
