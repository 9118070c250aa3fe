"""Every scenario: the controlled call does what it must, and is not worse than plain LiveKit, which does what
is said of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from livekit.agents import __version__ as livekit_agents_version

from realtime_fsm.lab.scenarios import (
    GROUPS,
    MEASURED_WITH,
    SCENARIOS,
    judge,
    run_scenario,
    select,
    show,
)
from realtime_fsm.lab.scenarios.matrix import CORE, TURNS
from realtime_fsm.lab.scenarios.run import REST
from realtime_fsm.lab.scenarios.suite import NEWER
from realtime_fsm.testing.corpus import Case, Result, parse
from realtime_fsm.testing.corpus._forms import EXPECT
from realtime_fsm.testing.corpus._script import plan

#: What was measured of plain LiveKit before this project, one letter a cause.
BASELINE_IDS = (
    "a", "b", "c", "d", "e", "f", "f2", "g", "h", "h2", "i", "i2", "j", "j2", "j3", "j4", "k",
    "k2", "k3", "k4", "l", "l2", "l3", "l5", "m", "m2", "m3", "n", "n2", "o", "o2", "o3", "p",
    "p2", "p3", "p4", "q", "q2", "r", "s", "t", "u", "v", "w", "w2", "w3", "w4", "x", "y", "z",
    "bb", "bb2", "bb3", "bb4",
)  # fmt: skip

newest = pytest.mark.skipif(
    livekit_agents_version != MEASURED_WITH,
    reason=f"the page is measured with livekit-agents {MEASURED_WITH}, this is"
    f" {livekit_agents_version}",
)
stated = pytest.mark.skipif(
    livekit_agents_version not in (MEASURED_WITH, NEWER),
    reason=f"plain behaviour is stated of livekit-agents {MEASURED_WITH} and {NEWER}, this is"
    f" {livekit_agents_version}",
)


#: What livekit-agents 1.7.0 itself does otherwise, with a plain model as well.
_OLDER = {
    "client/t": "there a speech whose response.done is lost ends 5 s after it was interrupted",
}


#: Of each group some.
sampled = pytest.mark.sampled(6, kind=lambda scenario: scenario.rpartition("/")[0])


def _controlled() -> list[object]:
    return [pytest.param(each.id, marks=_marks(each)) for each in SCENARIOS.values()]


def _marks(scenario: Case) -> list[pytest.MarkDecorator]:
    if scenario.status == "open":
        return [pytest.mark.xfail(strict=True, reason=scenario.reason)]
    if scenario.id in _OLDER and livekit_agents_version.startswith("1.7."):
        return [pytest.mark.skip(reason=_OLDER[scenario.id])]
    return []


@sampled
@pytest.mark.parametrize("scenario", _controlled())
def test_controlled(scenario: str) -> None:
    """What a user wants, and each guarantee that ``check_all`` checks."""
    assert judge(scenario).problems == ()


@stated
@sampled
@pytest.mark.parametrize("scenario", [each.id for each in SCENARIOS.values() if each.plain])
def test_plain(scenario: str) -> None:
    assert judge(scenario).plain_problems == ()


@sampled
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_g27_a_scenario_is_not_worse(scenario: str) -> None:
    verdict = judge(scenario).verdict
    if verdict is not None:
        assert not verdict.worse, "\n".join(map(str, verdict.worse))


@pytest.mark.long
def test_nearly_all_can_be_compared() -> None:
    left_out = {name for name in SCENARIOS if judge(name).verdict is None}
    assert all("regenerate" in name or plan(SCENARIOS[name]).models for name in left_out)
    assert len(left_out) < len(SCENARIOS) / 5


PAGE = (Path(__file__).parents[2] / "docs" / "scenarios.md").read_text("utf-8")


@newest
@pytest.mark.long
def test_the_page_of_scenarios_is_fresh() -> None:
    """Run ``realtime-fsm scenarios --page > docs/scenarios.md``."""
    assert show.page() == PAGE


@newest
@sampled
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_its_lines_of_the_page_are_fresh(scenario: str) -> None:
    assert set(show._markdown([judge(scenario)]).splitlines()) <= set(PAGE.splitlines())


@sampled
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_g9_nothing_is_heard_twice(scenario: str) -> None:
    """Recovery repeats no words."""
    assert not judge(scenario).controlled.repeated


@sampled
@pytest.mark.parametrize(
    "scenario", [each.id for each in SCENARIOS.values() if each.status == "holds"]
)
def test_no_controlled_call_waits_longer_than_plain_livekit_without_an_end(scenario: str) -> None:
    """Recovery must not be worse than failure: a wait ends in an answer, or in word of it."""
    assert not judge(scenario).controlled.unanswered


# --- over real sockets


#: What is on its way when the message is cut differs from run to run: let it all be there.
_CUT = ("pace 0.09s", "pace 0.002s, done after 3s")


@pytest.mark.real_time
@pytest.mark.parametrize("scenario", ["a", "c", "g", "j3", "m", "n"])
def test_over_real_sockets(scenario: str) -> None:
    # A slow machine tells late that a retry is planned, and so it seems to come early.
    (case,) = parse(SCENARIOS[scenario].text.replace(*_CUT) + "skip: G9 the clock is real\n")
    # The clock is looked at each 10 ms, and real clocks are late.
    rest = replace(REST, after=1.0)
    assert run_scenario(case, sockets=True, speed=4.0, rest=rest, tolerance=0.3).problems == ()


# --- the suite itself


def test_every_row_of_the_baseline_is_there_once() -> None:
    assert tuple(each.id for each in GROUPS["baseline"]) == BASELINE_IDS
    assert len(BASELINE_IDS) == 54
    assert all(each.plain for each in GROUPS["baseline"])
    assert sum(map(len, GROUPS.values())) == len(SCENARIOS), "ids are unique"


def test_the_matrix_has_every_core_row_in_every_mode() -> None:
    assert [each.id for each in GROUPS["turns"]] == [f"{t}/{row}" for t in TURNS for row in CORE]


def test_each_message_is_told_apart_by_its_words() -> None:
    """Else a word heard twice could be an accident."""
    for each in SCENARIOS.values():
        texts = [message.text for message in plan(each).messages()]
        assert len(texts) == len(set(texts)), each.id


def test_a_selection_names_ids_groups_and_beginnings() -> None:
    assert select([]) == list(SCENARIOS)
    assert select(["c", "variants"])[:2] == ["c", "c/exhausted"]
    assert select(["manual"]) == [f"manual/{row}" for row in CORE]
    with pytest.raises(ValueError, match="the scenario is 'zz', expected one of "):
        select(["zz"])


def expecting(case: str, expect: str) -> Result:
    """The case, with something else expected."""
    lines = [line for line in SCENARIOS[case].text.splitlines() if not line.startswith("expect")]
    return run_scenario(*parse("\n".join([*lines, f"expect: {expect}"])))


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("hears 0.7s", "heard: 0.6 s"),
        ("hears", "heard: 0.6 s"),
        ("speeches server_error", "speeches: ok"),
        ("1 creates", "2 creates, not 1"),
        ("1 collisions", "0 collisions, not 1"),
        ("told server_error", "errors: none"),
        ("session ends", "`close` never fired"),
        ("remembers", "the server remembers 'Good morning to you my friend.'"),
        ("tool look_up ran 1", "look_up ran 0 times, not 1"),
        ("agent is speaking", "the agent is listening"),
        ("silence 3s to 4s", "silence: 0.13, not 3 to 4"),
        ("2 to 3 connections", "connections: 1, not 2 to 3"),
        ('results "1 messages"', "results: nothing"),
        ('refused "closing"', "refused: none"),
        ("3 words repeated", "0 words repeated, not 3"),
        ('shows "x"', "shown: nothing"),
        ('user said "x"', "user said 'Where is my parcel?'"),
        ("1 final reports", "0 final reports, not 1"),
        ("as usual", "heard: 0.6 s"),
    ],
)
def test_what_is_expected_otherwise_is_told(expect: str, found: str) -> None:
    """With the forms that cases of the corpus use, too: tests/corpus/test_notation.py."""
    assert found in expecting("c", expect).problems


def test_as_usual_is_what_no_other_words_are_about() -> None:
    problems = expecting("f", "as usual; whatever errors; whatever state").problems
    assert problems == ("speeches: insufficient_quota", "`close` fired")
    assert expecting("p", "as usual; hears 0.6s; speeches ok; 2 creates").problems == (
        "errors: server_error",
        "a tool ran",
    )


def test_every_form_of_what_is_expected_is_read_as_itself() -> None:
    """A name may be any word, so a form with a fixed first word goes before one that begins with a name."""
    names = [form.key for form in EXPECT if form.pattern.startswith("<name>")]
    assert EXPECT.index(next(f for f in EXPECT if f.key == "speeches")) < min(
        i for i, form in enumerate(EXPECT) if form.key in names
    )


def test_words_heard_twice_are_counted() -> None:
    text = SCENARIOS["a"].text.partition("S replies")[0]
    twice = 'says "It comes on Friday before noon." 600ms'
    text += f'S replies {twice}, {twice} after 100ms\nU asks B "Where?"\nexpect: 6 words repeated\n'
    assert run_scenario(*parse(text)).problems == ()


def test_words_remembered_that_nobody_heard_are_counted() -> None:
    assert judge("l").controlled.unheard == 0
    plain = judge("l").plain
    assert plain is not None
    assert plain.unheard == 8
