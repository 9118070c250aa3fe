"""Schedules of faults as data: JSON, errors, drawing."""

from __future__ import annotations

import json

import pytest

from realtime_fsm import InputError
from realtime_fsm import simulator as sim
from realtime_fsm.simulator.faults import Profile

EVERY_FAULT = [
    sim.InjectError(sim.At("response.create", 2, side="client"), "insufficient_quota", linked=True),
    sim.InjectError(sim.At("*"), None, instead=True),
    sim.Lose(sim.At("response.done", connection=3)),
    sim.Late(sim.At("response.created"), 0.25),
    sim.Double(sim.At("error", when="before")),
    sim.Reorder(sim.At("response.done"), 2, within=0.5),
    sim.Silence(sim.At("response.created"), 4),
    sim.BreakConnection(sim.At("session.created")),
    sim.HangUp(sim.At("session.updated"), 1001, reason="bye", error="session_expired"),
    sim.HalfOpen(sim.At("response.created")),
    sim.Malform(sim.At("response.created"), "wrong_types"),
    sim.RefuseHandshake(2, 429, "quota"),
    sim.AcceptThenClose(1, 1008, on="session.update"),
]


def test_a_schedule_survives_json() -> None:
    schedule = sim.Schedule(EVERY_FAULT, 7)
    text = schedule.to_json()
    assert sim.Schedule.from_json(text) == schedule
    assert sim.Schedule.from_json(json.dumps(json.loads(text))) == schedule
    assert len(text.splitlines()) == len(EVERY_FAULT) + 5, "one fault a line"
    assert sim.Schedule.from_json(sim.Schedule().to_json()) == sim.Schedule()


PROFILES: tuple[Profile, ...] = ("none", "mild", "rough", "hostile")


@pytest.mark.parametrize("profile", PROFILES)
def test_a_drawn_schedule_is_the_same_every_time(profile: Profile) -> None:
    drawn = [sim.Schedule.random(seed, profile) for seed in range(200)]
    assert drawn == [sim.Schedule.random(seed, profile) for seed in range(200)]
    assert all(sim.Schedule.from_json(one.to_json()) == one for one in drawn)
    assert len(set(map(repr, drawn))) > 150 or profile == "none"
    kinds = {type(fault).__name__ for one in drawn for fault in one.faults}
    assert len(kinds) == {"none": 0, "mild": 3, "rough": 7, "hostile": 12}[profile]


def test_there_is_no_other_profile() -> None:
    with pytest.raises(ValueError, match="none, mild, rough, hostile"):
        sim.Schedule.random(1, "gentle")  # type: ignore[arg-type]


def text(*faults: str) -> str:
    return '{"seed": 1,\n"faults": [\n' + ",\n".join(faults) + "\n]}"


GOOD = '{"fault": "lose", "event": "response.done"}'


@pytest.mark.parametrize(
    ("given", "line", "field", "value", "expected"),
    [
        ("{\n  nonsense", 2, "the text", "nonsense", "JSON"),
        ("[]", 1, "the schedule", [], "an object"),
        ('{"faults": [],\n "seeds": 1}', 2, "seeds", 1, '"seed" or "faults"'),
        ('{"seed": 1}', 1, "faults", None, "a list"),
        ('{"faults": [],\n "seed": "x"}', 2, "seed", "x", "an integer or null"),
        (text(GOOD, "7"), 4, "faults[1]", 7, "an object"),
        (text(GOOD, '{"fault": "loose"}'), 4, "faults[1].fault", "loose", "accept_then_close, "),
        (text(GOOD, '{\n"fault": "lose"}'), 4, "faults[1].event", None, "text"),
        (text(GOOD, '{"fault": "late", "event": "x",\n "seconds": "1"}'), 5, "faults[1].seconds", "1", "a number"),
        (text(GOOD, '{"fault": "late", "event": "x", "seconds": -1}'), 4, "faults[1].fault", "late", "below zero"),
        (text(GOOD, '{"fault": "late", "event": "x", "seconds": true}'), 4, "faults[1].seconds", True, "a number"),
        (text('{"fault": "lose", "event": "x", "seconds": 1}'), 3, "faults[0].seconds", 1, "event, number"),
        (text('{"fault": "lose", "event": "x", "side": "both"}'), 3, "faults[0].side", "both", "one of server, client"),
        (text('{"fault": "lose", "event": "x", "number": 0}'), 3, "faults[0].number", 0, "from 1"),
        (text('{"fault": "lose", "event": "x", "connection": "1"}'), 3, "faults[0].connection", "1", "an integer or null"),
        (text('{"fault": "reorder", "event": "x", "side": "client"}'), 3, "faults[0].fault", "reorder", "server's events"),
        (text('{"fault": "refuse_handshake", "attempt": 0}'), 3, "faults[0].fault", "refuse_handshake", "from 1"),
        (text('{"fault": "inject_error", "event": "x", "instead": 1}'), 3, "faults[0].instead", 1, "true or false"),
    ],
)  # fmt: skip
def test_a_bad_schedule_is_explained(
    given: str, line: int, field: str, value: object, expected: str
) -> None:
    with pytest.raises(InputError) as caught:
        sim.Schedule.from_json(given)
    error = caught.value
    assert (error.line, error.field, error.value) == (line, field, value)
    assert expected in error.expected
    assert str(error).startswith(f"line {line}: {field}")


def test_not_a_number_is_no_number() -> None:
    with pytest.raises(InputError, match="seconds"):
        sim.Schedule.from_json(text('{"fault": "late", "event": "x", "seconds": NaN}'))


@pytest.mark.parametrize("before", ['"seed": [1, {"a": "]"}], ', '"seed": "\\"faults\\": [", '])
def test_lines_are_found_behind_anything(before: str) -> None:
    with pytest.raises(InputError, match="seed"):
        sim.Schedule.from_json("{" + before + '"faults": []}')


def test_handshakes_are_taken_as_scheduled() -> None:
    faults = sim.Schedule(
        [sim.RefuseHandshake(2, 500), sim.AcceptThenClose(3, 1008, on="session.update")]
    )
    config = sim.ServerConfig(
        faults=faults, handshakes=[sim.Accept(), sim.Accept(), sim.Accept(), sim.Refuse(401)]
    )
    taken = [config.handshake(number) for number in range(1, 6)]
    assert taken == [
        sim.Accept(),
        sim.Refuse(500),
        sim.Accept(sim.Closed(1008), on="session.update"),
        sim.Refuse(401),
        sim.Accept(),
    ]


def test_every_class_of_error_has_known_codes() -> None:
    codes = [code for codes in sim.ERROR_CLASSES.values() for code in codes]
    assert len(codes) == len(set(codes))
    assert set(codes) - set(sim.KNOWN_ERRORS) == {"no_such_code_yet"}
    assert set(sim.KNOWN_ERRORS) <= set(codes)
