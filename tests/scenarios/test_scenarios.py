"""Every scenario: the controlled call does what it must, plain LiveKit does what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from livekit.agents import __version__ as livekit_agents_version

from realtime_fsm.lab.scenarios import (
    GROUPS,
    MEASURED_WITH,
    SCENARIOS,
    Expect,
    Scenario,
    differences,
    judge,
    run_scenario,
    select,
)
from realtime_fsm.lab.scenarios.known_open import OPEN
from realtime_fsm.lab.scenarios.matrix import CORE, TURNS
from realtime_fsm.lab.scenarios.rows import BASELINE_IDS
from realtime_fsm.lab.scenarios.suite import NEWER
from realtime_fsm.lab.scenarios.words import long
from realtime_fsm.simulator import Message, Reply

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


def _controlled() -> list[object]:
    return [pytest.param(each.id, marks=_marks(each)) for each in SCENARIOS.values()]


def _marks(scenario: Scenario) -> list[pytest.MarkDecorator]:
    if scenario.open:
        return [pytest.mark.xfail(strict=True, reason=scenario.open)]
    if scenario.id in _OLDER and livekit_agents_version.startswith("1.7."):
        return [pytest.mark.skip(reason=_OLDER[scenario.id])]
    return []


@pytest.mark.parametrize("scenario", _controlled())
def test_controlled(scenario: str) -> None:
    """What a user wants, and each guarantee that ``check_all`` checks."""
    assert judge(scenario).problems == ()


@stated
@pytest.mark.parametrize("scenario", [each.id for each in SCENARIOS.values() if each.plain])
def test_plain(scenario: str) -> None:
    assert judge(scenario).plain_problems == ()


def test_nothing_is_heard_twice_unless_it_is_said_so() -> None:
    """G9: recovery repeats no words."""
    repeated = {each: judge(each).controlled.repeated for each in SCENARIOS}
    assert {each: count for each, count in repeated.items() if count} == {}


def test_no_controlled_call_waits_longer_than_plain_livekit_without_an_end() -> None:
    """Recovery must not be worse than failure: a wait ends in an answer, or in word of it."""
    open_ended = [
        each for each in SCENARIOS if judge(each).controlled.unanswered and not SCENARIOS[each].open
    ]
    assert open_ended == []


# --- over real sockets


@pytest.mark.parametrize("scenario", ["a", "c", "g", "j3", "m", "n"])
def test_over_real_sockets(scenario: str) -> None:
    row = replace(SCENARIOS[scenario], seconds=1.0)
    if scenario == "m":
        # What is on its way when the message is cut differs from run to run: let it all be there.
        cut = Reply([long(8.0)], pace=0.002, done_delay=3.0)
        row = replace(row, replies=(cut, *row.replies[1:]))
    seen = run_scenario(row, sockets=True, speed=4.0)
    # The clock is looked at each 10 ms, and real clocks are late.
    assert differences(row.controlled, seen, tolerance=0.3) == []
    assert seen.broken == ()


# --- the suite itself


def test_every_row_of_the_baseline_is_there_once() -> None:
    assert tuple(each.id for each in GROUPS["baseline"]) == BASELINE_IDS
    assert len(BASELINE_IDS) == 54
    assert all(each.plain is not None for each in GROUPS["baseline"])
    assert sum(map(len, GROUPS.values())) == len(SCENARIOS), "ids are unique"


def test_the_matrix_has_every_core_row_in_every_mode() -> None:
    assert [each.id for each in GROUPS["turns"]] == [f"{t}/{row}" for t in TURNS for row in CORE]


def test_what_is_open_is_known_and_has_a_reason() -> None:
    assert set(OPEN) <= set(SCENARIOS)
    assert all(OPEN.values())


def test_each_message_is_told_apart_by_its_words() -> None:
    """Else a word heard twice could be an accident."""
    for each in SCENARIOS.values():
        texts = [message.text for message in each.messages()]
        assert len(texts) == len(set(texts)), each.id


def test_a_selection_names_ids_groups_and_beginnings() -> None:
    assert select([]) == list(SCENARIOS)
    assert select(["c", "variants"])[:2] == ["c", "c/exhausted"]
    assert select(["manual"]) == [f"manual/{row}" for row in CORE]
    with pytest.raises(ValueError, match="the scenario is 'zz', expected one of "):
        select(["zz"])


def test_a_scenario_that_does_not_hold_is_noticed() -> None:
    """Each field that is expected otherwise is told."""
    row = SCENARIOS["c"]
    wrong = Expect(
        heard=(0.7,),
        handles=("server_error",),
        creates=1,
        collisions=1,
        errors=("server_error",),
        closed=True,
        remembered=(),
        tools=1,
        state="speaking",
        silence=(3.0, 4.0),
        connections=(2, 3),
        runs=("1 messages",),
        refused=("closing",),
        repeated=3,
        shown=("x",),
        questions=2,
        fatals=1,
    )
    seen = judge("c").controlled
    told = {text.partition(":")[0] for text in differences(wrong, seen)}
    assert told == set(Expect.__dataclass_fields__)
    assert differences(row.controlled, seen) == []


def test_words_heard_twice_are_counted() -> None:
    said = Message("It comes on Friday before noon.", seconds=0.6)
    twice: Scenario = replace(
        SCENARIOS["a"], id="twice", replies=(Reply([said, replace(said, after=0.1)]),)
    )
    assert run_scenario(twice).repeated == 6


def test_words_remembered_that_nobody_heard_are_counted() -> None:
    assert judge("l").controlled.unheard == 0
    plain = judge("l").plain
    assert plain is not None
    assert plain.unheard == 8
