"""The notation: what it means, and what is said of what it is not."""

from __future__ import annotations

from typing import get_args

import pytest

from realtime_fsm import InputError
from realtime_fsm.simulator import Unanswered
from realtime_fsm.simulator.fault_kinds import Fault
from realtime_fsm.testing.corpus import cases, parse, run
from realtime_fsm.testing.corpus._script import plan

HEAD = "id: X1\ntitle: something\nsource: somewhere/else#1\nguarantees: G1\n"
EXACT = HEAD + "level: exact\n"
ASKED = EXACT + "U asks B\nC response.create B\n"


def test_a_case_is_what_it_says() -> None:
    text = HEAD + 'setup: text; tool look_up takes 1.5s\nU asks B "a; b # c"  # not this\n'
    (case,) = parse(text + "expect: B answered; heard 0s\nexpect: 1 creates\n")
    assert (case.id, case.ordering, case.level, case.status) == ("X1", "X1", "call", "holds")
    assert case.guarantees == ("G1",)
    assert [line.number for line in case.setup] == [5, 5]
    assert str(case.body[0]) == 'U asks B "a; b # c"'
    assert [str(line) for line in case.expect] == [
        "expect B answered",
        "expect heard 0s",
        "expect 1 creates",
    ]


@pytest.mark.parametrize(
    ("text", "line", "field", "value"),
    [
        ("title: x\n", 1, "the first line", "title: x"),
        ("id: 7\n", 1, "id", "7"),
        ("id: X1\nsource: a/b#1\n", 1, "title", None),
        (HEAD, 1, "expect", None),
        (HEAD + "gap: none of ours\nU asks B\n", 1, "gap", "X1"),
        (HEAD + "title: again\n", 5, "title", "again"),
        (HEAD + "level: wire\nexpect: session lives\n", 5, "level", "wire"),
        (HEAD + "status: open\nexpect: session lives\n", 5, "status", "open"),
        (HEAD + "status: holds well\nexpect: session lives\n", 5, "status", "holds well"),
        (HEAD + "skip: G7\nexpect: session lives\n", 5, "skip", "G7"),
        (HEAD.replace("G1", "G33") + "expect: session lives\n", 4, "guarantees", "G33"),
        (HEAD + "X says\n", 5, "the line", "X says"),
        (HEAD + 'U asks B "Hello\nexpect: session lives\n', 5, "U", 'asks B "Hello'),
        (HEAD + "U asks\nexpect: session lives\n", 5, "U asks", None),
        (HEAD + "U asks B Hello\nexpect: session lives\n", 5, "U asks B", "Hello"),
        (HEAD + 'U says V "Hello" 1\nexpect: session lives\n', 5, "U says V Hello", "1"),
        (HEAD + "U dances\nexpect: session lives\n", 5, "U", "dances"),
        (HEAD + "C response.create B\nexpect: session lives\n", 5, "the actor", "C"),
        (HEAD + 'S says "Hi" 1s\nexpect: session lives\n', 5, "S", "says"),
        (HEAD + "S replies sings\nexpect: session lives\n", 5, "S replies", "sings"),
        (
            HEAD + 'S replies says "x" 1s, failed server_error at "2000 ms"\nexpect: 1 errors\n',
            5,
            "S replies",
            'says "x" 1s, failed server_error at "2000 ms"',
        ),
        (
            HEAD + "S replies failed server_error at noon\nexpect: 1 errors\n",
            5,
            "S replies at",
            "noon",
        ),
        (
            HEAD + "S replies unanswered holds\nexpect: 1 errors\n",
            5,
            "S replies unanswered holds",
            None,
        ),
        (HEAD + "N loses\nexpect: 1 errors\n", 5, "N loses", None),
        (HEAD + 'N sends "[]" at server error\nexpect: 1 errors\n', 5, "N sends", "[]"),
        (HEAD + "T soon\nexpect: 1 errors\n", 5, "T", "soon"),
        (HEAD + "setup: server.tempo 3s\nexpect: 1 errors\n", 5, "setup", "server.tempo"),
        (HEAD + "setup: server.dialect old\nexpect: 1 errors\n", 5, "setup server.dialect", "old"),
        (HEAD + "setup: retry.often 3\nexpect: 1 errors\n", 5, "setup", "retry.often 3"),
        (HEAD + "setup: retry.timeout 0s\nexpect: 1 errors\n", 5, "setup retry.timeout", 0.0),
        (HEAD + "setup: fast\nexpect: 1 errors\n", 5, "setup", "fast"),
        (HEAD + "expect: B is happy\n", 5, "expect B", "is"),
        (EXACT + "S response.done r1 finished\nexpect: 0 reports\n", 6, "S response.done r1", "finished"),
        (EXACT + "U asks B please\nexpect: 0 reports\n", 6, "U asks B", "please"),
        (EXACT + "expect: B ends\n", 6, "expect B", "ends"),
    ],
)  # fmt: skip
def test_bad_input_is_told_with_line_field_and_value(
    text: str, line: int, field: str, value: object
) -> None:
    with pytest.raises(InputError) as wrong:
        parse(text)
    assert (wrong.value.line, wrong.value.field, wrong.value.value) == (line, field, value)
    assert str(wrong.value).startswith(f"line {line}: {field} is ")
    assert wrong.value.expected


def test_every_fault_can_be_written() -> None:
    """A new one fails here until the notation has words for it."""
    lines = [
        "loses server x", "delays server x", "doubles server x", "reorders server x",
        "is silent after server x", "breaks at server x", "closes at server x",
        "is half-open after server x", "freezes after server x room 0", "malforms server x",
        "inserts server_error at server x", 'sends "{}" at server x', "refuses handshake 1",
        "accepts and closes 1",
    ]  # fmt: skip
    body = "".join(f"N {line}\n" for line in lines)
    (case,) = parse(HEAD + body + "expect: 1 errors\n")
    assert {type(fault) for fault in plan(case).faults} == set(get_args(Fault))


def test_the_same_id_twice() -> None:
    one = HEAD + "expect: session lives\n"
    with pytest.raises(InputError, match="line 6: id is 'X1', expected an id that is not"):
        parse(one + one)


def test_a_turn_that_nobody_named() -> None:
    (case,) = parse(EXACT + "U interrupts B\nexpect: 0 reports\n")
    with pytest.raises(InputError, match=r"line 6: turn is 'B'.*\(none yet\)"):
        run(case)


def test_plain_makes_no_sense_of_the_controller_alone() -> None:
    (case,) = parse(EXACT + "expect: 0 reports\n")
    with pytest.raises(ValueError, match="case X1 is of the level exact"):
        run(case, plain=True)


# --- the level exact says exactly what is sent


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("U asks B\n", "response.create B was sent, expected nothing before 'the end'"),
        ("U asks B\nT 1s\n", "response.create B was sent, expected nothing before 'T 1s'"),
        ("C response.cancel r1\n", "nothing was sent, expected cancel r1"),
        ("U asks B\nC item.delete m1\n", "response.create B was sent, expected delete m1"),
        ("U asks B\nU asks D\nC response.create D\n", "response.create B was sent"),
    ],
)
def test_other_frames_than_written_are_a_problem(body: str, problem: str) -> None:
    (case,) = parse(EXACT + body + "expect: 0 reports\n")
    (told,) = run(case).problems
    assert problem in told


def test_a_frame_at_the_end_is_a_problem() -> None:
    (case,) = parse(ASKED + "expect: 0 reports\n")
    assert "response.cancel was sent, expected nothing before 'the end'" in run(case).problems[0]


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("B failed server_error", "completed None"),
        ("B interrupted", "completed"),
        ("B takes 2 attempts", "1"),
        ("B hands out m2", "m1"),
        ("m1 heard 400ms", "500 ms"),
        ("m1 unheard", "MessageOutcome.FULL"),
        ("m7 heard 1s", "no such message"),
        ("1 reports", "0"),
        ("1 recoveries", "0"),
        ("1 ignored", "0: {}"),
        ("session ends", "0 such reports"),
    ],
)
def test_an_expectation_that_is_not_so_is_told(expect: str, found: str) -> None:
    body = "S response.created r1 for B\nS output_item.added r1 m1 message\nS delta r1 m1 500ms\n"
    done = "S response.done r1 completed\nP pulls m1\nP started\nP finished 500ms\n"
    text = ASKED.replace("level: exact", "level: exact\nsetup: playback")
    (case,) = parse(text + body + done + f"expect: {expect}\n")
    assert run(case).problems == (f"{expect}: {found}",)


# --- the level call


@pytest.mark.parametrize(
    ("expect", "found"),
    [
        ("B interrupted", "B ends without an exception"),
        ("B failed", "B ends without an exception"),
        ("V answered", "V has no speech"),
        ("heard 2s", "1 s heard, not 2 s"),
        ('remembers "Bye."', "the server remembers 'Hi.'"),
        ('history "Bye."', "the history is 'Hello?', 'Hi.'"),
        ('user said "Bye."', "user said 'Hello?'"),
        ("2 messages", "1 messages on the server, not 2"),
        ("2 creates", "1 creates, not 2"),
        ("1 collisions", "0 collisions, not 1"),
        ("1 cancels", "0 cancels, not 1"),
        ("1 truncates", "0 truncates, not 1"),
        ("1 deletes", "0 deletes, not 1"),
        ("1 errors", "0 error events, not 1"),
        ("1 final reports", "0 final reports, not 1"),
        ("2 connections", "1 connections, not 2"),
        ("at most 0 connections", "1 connections, at most 0"),
        ("tool look_up ran 1", "look_up ran 0 times, not 1"),
        ("1 outputs", "0 outputs, not 1"),
        ("session ends", "`close` never fired"),
        ("agent is thinking", "the agent is listening"),
        ("over within 1s", "it took 2 s"),
    ],
)
def test_an_expectation_of_a_call_that_is_not_so_is_told(expect: str, found: str) -> None:
    body = 'S replies says "Hi." 1s\nU asks B "Hello?"\n'
    (case,) = parse(HEAD + body + f"expect: {expect}\n")
    assert run(case).problems == (found,)


def test_a_call_that_hangs_is_told() -> None:
    body = 'setup: sink silent\nS replies says "Hi." 1s\nU asks B "Hello?"\nT until done B\n'
    (case,) = parse(HEAD + body + "expect: B answered\n")
    problems = run(case, plain=True).problems
    assert "hang: waited in vain: T until done B" in problems
    assert "B never ends" in problems


def test_a_call_fails_the_checks_named_after_the_guarantees() -> None:
    (case,) = (case for case in cases() if case.id == "E4")
    assert any(text.startswith("G16") for text in run(case, plain=True).problems)


@pytest.mark.parametrize("held", [False, True])
def test_an_unanswered_create_holds_the_slot_if_it_says_so(held: bool) -> None:
    holds = " holds the slot" if held else ""
    (case,) = parse(HEAD + f"S replies unanswered{holds}\nU asks B\nexpect: B answered\n")
    (reply,) = plan(case).script.replies
    assert reply.ack == Unanswered(holds_slot=held)
