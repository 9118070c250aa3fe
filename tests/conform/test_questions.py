"""One question for each rule: the simulator is graded right, whatever is wrong with it."""

from __future__ import annotations

import pytest

from realtime_fsm.conform.question import QUESTIONS, REASONS
from realtime_fsm.conform.rules import ALL, EXTRA, KEPT_TOO
from realtime_fsm.conform.run import Options, chosen
from realtime_fsm.simulator import RULES

from .servers import ask_simulator

SWITCHES = [(r.id, r.field, v) for r in RULES.values() if r.field for v in r.alternatives[1:]]
#: Judged from whatever was said, so that any question will do.
BY_THE_WAY = {"beta-names": "cancel-nothing"}
#: What the first contact and the end of a run judge.
ALWAYS = {"first-event", "beta-names"}
#: What the simulator cannot be asked here.
UNASKED = {"session-expiry", "server-tool"}


def test_every_rule_has_a_question_or_a_reason() -> None:
    asked = {rule.id for question in QUESTIONS for rule in question.rules}
    assert set(ALL) - asked - ALWAYS == set(REASONS)
    assert not set(REASONS) & asked
    assert len(RULES) + len(EXTRA) == len(ALL)
    assert set(KEPT_TOO) <= {rule.id for rule in RULES.values() if rule.field}


def test_questions_say_what_they_ask_and_cost() -> None:
    assert len({one.name for one in QUESTIONS}) == len(QUESTIONS)
    for one in QUESTIONS:
        assert (one.ask.__doc__ or "").strip().endswith("."), one.name
        assert one.spoken <= one.short + one.long
    assert QUESTIONS[0].name == "whole_response", "it shows whether there are responses at all"


def test_only_what_is_wanted_is_asked() -> None:
    assert [q.name for q in chosen(Options(url="ws://x", only=["pong"]))] == ["pong"]
    plain = {q.name for q in chosen(Options(url="ws://x"))}
    assert {q.name for q in QUESTIONS} - plain == {
        "failing", "reasoning", "several_messages", "expiry"
    }  # fmt: skip


async def test_a_server_that_keeps_every_rule_is_graded_so() -> None:
    result = await ask_simulator()
    wrong = [a for _, a in result if a.verdict != "kept" and a.rule not in UNASKED]
    assert wrong == []
    assert list(result.answers) == list(ALL)
    assert result.values == {r.id: r.alternatives[0] for r in RULES.values() if r.field}
    assert (result.ended, result.dialect) == (None, "ga")
    assert result.responses > 20
    assert result.tokens > 0
    assert all(a.frames for r, a in result if r.id not in UNASKED | {"beta-names"})


async def test_a_server_of_the_beta_is_spoken_to_in_its_own_words() -> None:
    result = await ask_simulator(dialect="beta")
    deviating = {answer.rule: answer.value for _, answer in result if answer.verdict == "deviates"}
    assert deviating == {"beta-names": "beta"}
    unjudged = {answer.rule for _, answer in result if answer.verdict == "not judged"}
    assert unjudged == {"session-type", *UNASKED}
    assert result.dialect == "beta"


@pytest.mark.parametrize(("rule", "field", "value"), SWITCHES)
async def test_each_switch_that_is_wrong_is_found(rule: str, field: str, value: object) -> None:
    result = await ask_simulator(BY_THE_WAY.get(rule, rule), rule, **{field: value})
    found = result.answers[rule]
    assert found.value == value, found.how
    assert found.verdict == ("kept" if value in KEPT_TOO.get(rule, ()) else "deviates")
    others = [a for _, a in result if a.verdict == "deviates" and a.rule != rule]
    assert others == []


async def test_without_directions_nothing_is_claimed_of_what_cannot_be_asked() -> None:
    rules = ("failed-item", "unbilled", "reasoning", "several-messages")
    result = await ask_simulator(*rules, directed=False)
    assert {answer.verdict for _, answer in result} == {"not judged"}
    assert "--directed" in result.answers["failed-item"].how


async def test_the_end_of_a_session_is_waited_for_on_request() -> None:
    from realtime_fsm.conform import Options, conform
    from realtime_fsm.simulator import RealtimeServer, ServerConfig

    from .servers import FAST

    config = ServerConfig(max_session_duration=0.3)
    async with RealtimeServer(config=config) as server:
        options = Options(url=server.url, only=["session-expiry"], expiry=5.0, pace=FAST)
        result = await conform(options)
    assert result.answers["session-expiry"].verdict == "kept"
