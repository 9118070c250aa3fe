"""One question for each rule: the simulator is graded right, whatever is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.conform.question import QUESTIONS
from realtime_fsm.conform.rules import ALL, EXTRA, KEPT_TOO
from realtime_fsm.conform.run import Options, chosen
from realtime_fsm.simulator import (
    RULES,
    At,
    Double,
    HangUp,
    InjectError,
    Lose,
    Message,
    Reorder,
    Reply,
    Schedule,
    ServerCall,
    directions,
)
from realtime_fsm.simulator.directions import DIRECTIONS

from .proof import OMITTED, SWITCHES, Wrong, faults_found
from .servers import ask_over_sockets, ask_simulator

#: What the first contact and the end of a run judge.
ALWAYS = {"first-event", "beta-names"}
#: What takes an MCP server, or a search, behind the server.
NEVER = {"mcp-lists", "search-events"}
#: What the simulator cannot be asked here.
UNASKED = {"session-expiry", *NEVER}


def test_every_rule_has_a_question() -> None:
    asked = {rule.id for question in QUESTIONS for rule in question.rules}
    assert set(ALL) - asked == ALWAYS | NEVER
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
        "failing", "reasoning", "several_messages", "expiry", "server_tool"
    }  # fmt: skip


@pytest.mark.real_time
async def test_a_server_that_keeps_every_rule_is_graded_so() -> None:
    result = await ask_over_sockets()
    wrong = [a for _, a in result if a.verdict != "kept" and a.rule not in UNASKED]
    assert wrong == []
    assert list(result.answers) == list(ALL)
    defaults = {r.id: r.alternatives[0] for r in RULES.values() if r.field}
    assert result.values == {**defaults, "server-tool": "asked for"}
    assert (result.ended, result.dialect) == (None, "ga")
    assert result.responses > 20
    assert result.tokens > 0
    assert all(a.frames for r, a in result if r.id not in UNASKED | {"beta-names"})


def test_a_server_of_the_beta_is_spoken_to_in_its_own_words() -> None:
    result = ask_simulator(dialect="beta")
    deviating = {answer.rule: answer.value for _, answer in result if answer.verdict == "deviates"}
    assert deviating == {"beta-names": "beta"}
    unjudged = {answer.rule for _, answer in result if answer.verdict == "not judged"}
    assert unjudged == {"session-type", *UNASKED}
    assert result.dialect == "beta"


@pytest.mark.parametrize("wrong", [*SWITCHES, *OMITTED], ids=str)
def test_what_is_wrong_is_found(wrong: Wrong) -> None:
    assert list(faults_found(wrong, 7, *filter(None, [wrong.rule]))) == []


@pytest.mark.parametrize("wrong", [None, *SWITCHES[::8]], ids=str)
def test_nothing_else_is_found(wrong: Wrong | None) -> None:
    """Some of them asked everything; all of them: ``make conform-proof``."""
    assert list(faults_found(wrong, seed=7)) == []


def test_every_switch_and_omission_of_the_simulator_is_tried() -> None:
    assert {wrong.field for wrong in SWITCHES} == {rule.field for rule in RULES.values()} - {None}
    assert len(SWITCHES) == sum(len(r.alternatives[1:]) for r in RULES.values())


def test_without_directions_nothing_is_claimed_of_what_cannot_be_asked() -> None:
    rules = ("failed-item", "unbilled", "reasoning", "several-messages")
    result = ask_simulator(*rules, directed=False)
    assert {answer.verdict for _, answer in result} == {"not judged"}
    assert "--directed" in result.answers["failed-item"].how


def test_the_end_of_a_session_is_waited_for_on_request() -> None:
    result = ask_simulator("session-expiry", expiry=3700.0, max_session_duration=3600.0)
    assert result.answers["session-expiry"].verdict == "kept"
    result = ask_simulator("session-expiry", expiry=60.0, max_session_duration=3600.0)
    assert result.answers["session-expiry"].verdict == "not judged"


def test_what_is_not_asked_says_how_it_could_be() -> None:
    asked = ("session-expiry", "server-tool", "failed-item")
    result = ask_simulator(*asked, directed=False)
    for name, option in zip(asked, ("--expiry", "--mcp", "--directed"), strict=True):
        assert option in result.answers[name].how


def test_a_response_that_goes_on_after_a_tool_of_the_server(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    goes_on = Reply([ServerCall("lookup", seconds=0.1), Message("It is noon.", seconds=0.3)])
    monkeypatch.setattr(directions, "DIRECTIONS", {**DIRECTIONS, "server tool": goes_on})
    found = (ask_simulator("server-tool")).answers["server-tool"]
    assert (found.verdict, found.value) == ("deviates", "goes on")


def test_a_tool_that_is_not_called_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directions, "DIRECTIONS", {})
    found = (ask_simulator("server-tool")).answers["server-tool"]
    assert (found.verdict, found.how) == ("not judged", "no tool of the server's was called")


def test_a_refusal_that_says_something_else_of_the_audio() -> None:
    wrong = InjectError(At(TRUNCATE, side="client"), "invalid_value", linked=True, instead=True)
    result = ask_simulator("truncate-message", "truncate-bound", faults=Schedule([wrong]))
    assert result.answers["truncate-bound"].verdict == "kept"
    assert result.answers["truncate-message"].verdict == "deviates"
    assert "received were 1000 ms" in result.answers["truncate-message"].how


TRUNCATE, DELETE = "conversation.item.truncate", "conversation.item.delete"


def refusing(event: str) -> Schedule:
    """Every event of that type is answered by an error."""
    return Schedule(
        [
            InjectError(At(event, n, side="client"), "invalid_value", linked=True, instead=True)
            for n in range(1, 40)
        ]
    )


@pytest.mark.parametrize(
    ("event", "rules"),
    [
        (TRUNCATE, ("truncate-bound", "truncate-type", "truncate-integer", "truncate-text")),
        (TRUNCATE, ("after-truncate",)),
        (DELETE, ("unknown-item",)),
        ("session.update", ("value-ranges", "voice-locked", "tracing-fixed", "vad-commits")),
        ("conversation.item.create", ("duplicate-item", "known-call", "assistant-audio")),
    ],
)
def test_a_refusal_of_everything_is_no_rule_that_is_kept(
    event: str, rules: tuple[str, ...]
) -> None:
    result = ask_simulator(*rules, faults=refusing(event))
    assert {name: result.answers[name].verdict for name in rules} == dict.fromkeys(
        rules, "not judged"
    )


@pytest.mark.parametrize(
    ("fault", "rule", "says"),
    [
        (Lose(At("response.content_part.added")), "event-order", "no response.content_part.added"),
        (Lose(At("conversation.item.added")), "event-order", "no conversation.item.added"),
        (Double(At("response.done")), "event-order", "response.done came twice"),
        (Reorder(At("response.created")), "event-order", "before response.created"),
        (Reorder(At("response.output_text.done")), "event-order", "came before"),
        (Lose(At("response.done")), "done-always", "no response.done within"),
        (Lose(At("conversation.item.done")), "item-confirmed", "never conversation.item.done"),
        (Lose(At("conversation.item.added")), "item-confirmed", "is kept, and not confirmed"),
        (Lose(At("input_audio_buffer.speech_stopped")), "vad-commits", "no input_audio_buffer"),
        (Lose(At("response.output_item.done")), "cut-item", "never got response.output_item.done"),
        (HangUp(At("response.cancel", side="client")), "cancel-nothing", "closed the connection"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_goes_wrong_otherwise_is_seen(fault: Any, rule: str, says: str) -> None:
    result = ask_simulator(rule, faults=Schedule([fault]))
    assert result.answers[rule].verdict == "deviates"
    assert says in result.answers[rule].how


def test_what_comes_at_once_cannot_be_told_apart() -> None:
    rules = ("slot-taken", "cancel-before-created")
    result = ask_simulator(
        *rules, create_delay=0.0, slot_taken="created", cancel_before_created=True
    )
    assert {result.answers[name].verdict for name in rules} == {"not judged"}
    assert "at once" in result.answers["slot-taken"].how
