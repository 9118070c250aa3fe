"""Scripts as JSON: there and back, and what is wrong with the others."""

from __future__ import annotations

import json

import pytest
from hypothesis import given

from realtime_fsm import InputError
from realtime_fsm import simulator as sim
from realtime_fsm.simulator.script_json import dump, load
from realtime_fsm.testing.strategies import scripts

WRITTEN = """
[
  {"items": [{"message": "Good morning.", "seconds": 1.5}]},
  {"ack": {"rejected": "server_error", "linked": false}},
  {"items": [{"message": "Good morning.", "seconds": 2}],
   "end": {"failed": "server_error", "at": "500 ms"}},
  {"items": [{"reasoning": 2}, {"function_call": "weather", "arguments": {"city": "Oslo"}}]},
  {"ack": "unanswered"},
  {"ack": {"unanswered": true}, "pace": 0.1},
  {"ack": {"created": 11}, "items": [{"message": "Late."}], "end": {"stalled": "item 1"}},
  {"end": "dropped"},
  {"end": {"closed": 1011, "error": {"code": null, "type": "odd"}, "at": "before_created"}},
  {"end": {"closed": 1001, "error": "session_expired"}}
]
"""
READ = [
    sim.Reply([sim.Message("Good morning.", seconds=1.5)]),
    sim.Reply(ack=sim.Rejected("server_error", linked=False)),
    sim.Reply(
        [sim.Message("Good morning.", seconds=2)],
        end=sim.Failed("server_error", at=sim.audio_ms(500)),
    ),
    sim.Reply([sim.Reasoning(2), sim.FunctionCall("weather", {"city": "Oslo"})]),
    sim.Reply(ack=sim.Unanswered()),
    sim.Reply(ack=sim.Unanswered(holds_slot=True), pace=0.1),
    sim.Reply([sim.Message("Late.")], ack=sim.Created(11), end=sim.Stalled(at=sim.ITEM_ADDED)),
    sim.Reply(end=sim.Dropped()),
    sim.Reply(end=sim.Closed(1011, error=sim.ErrorInfo(None, type="odd"), at=sim.BEFORE_CREATED)),
    sim.Reply(end=sim.Closed(1001, error=sim.ErrorInfo("session_expired"))),
]


def test_a_list_is_the_replies() -> None:
    assert load(WRITTEN) == sim.Script(READ)


def test_an_object_has_a_default_as_well() -> None:
    text = '{"replies": [{}], "default": {"items": [{"message": "Bye."}]}}'
    assert load(text) == sim.Script([sim.Reply()], default=sim.Reply([sim.Message("Bye.")]))
    assert load('{"default": {}}') == sim.Script(default=sim.Reply())


def test_one_line_a_reply() -> None:
    assert dump(sim.Script(READ)).count("\n") == len(READ) + 5
    assert load(dump(sim.Script(READ))) == sim.Script(READ)
    assert load(dump(sim.Script())) == sim.Script()


@given(scripts())
def test_every_script_comes_back(script: sim.Script) -> None:
    assert load(dump(script)) == script


WRONG = {
    "no JSON": ("[", 1, "the text", "JSON"),
    "too deep": ("[" * 100_000, 1, "the text", "less deep"),
    "a number": ("\n3", 2, "the script", "a list of replies"),
    "unknown field": ('{"script": []}', 1, "script", "one of replies, default"),
    "replies": ('{\n"replies": 3}', 2, "replies", "a list"),
    "a reply": ('[{},\n3]', 2, "replies[1]", "an object"),
    "a reply's field": ('[{},\n{"itms": 1}]', 2, "replies[1].itms", "one of items, ack"),
    "the default's": ('{"default":\n{"x": 1}}', 2, "default.x", "one of items, ack"),
    "items": ('[{"items": {}}]', 1, "replies[0].items", "a list"),
    "an item": ('[{"items":\n["msg"]}]', 2, "replies[0].items[0]", "one of message, function"),
    "two items in one": (
        '[{"items": [{"message": "x", "reasoning": 1}]}]', 1, "replies[0].items[0]", "one of",
    ),
    "no text": ('[{"items": ["message"]}]', 1, "replies[0].items[0]", '{"message": text, ...}'),
    "seconds": (
        '[{"items": [\n{"message": "x",\n"seconds": -1}]}]', 3, "replies[0].items[0].seconds",
        "a number of at least 0",
    ),
    "no time at all": (
        '[{"items": [{"message": "x", "seconds": 0}]}]', 1, "replies[0].items[0].message", "1 ms",
    ),
    "infinite": ('[{"pace": Infinity}]', 1, "replies[0].pace", "a number"),
    "huge": ('[{"pace": 1%s}]' % ("0" * 400), 1, "replies[0].pace", "a number"),
    "an ack": ('[{"ack": null}]', 1, "replies[0].ack", "one of created, rejected, unanswered"),
    "an end as ack": ('[{"ack": "failed"}]', 1, "replies[0].ack", "one of created"),
    "an item's field": (
        '[{"items": [{"message": "x", "sconds": 1}]}]', 1, "replies[0].items[0].sconds",
        "one of message, seconds, after",
    ),
    "a point": ('[{"end": {"failed": "x",\n"at": 3}}]', 2, "replies[0].end.at", '"N ms"'),
    "a point that never comes": (
        '[{"items": [{"message": "x"}],\n"end": {"stalled": "2000 ms"}}]', 2, "replies[0].end",
        "never reaches 2000 ms",
    ),
    "a reason": ('[{"end": {"incomplete": "x"}}]', 1, "replies[0].end.incomplete", "one of max"),
    "an error": ('[{"end": {"closed": 1, "error": 3}}]', 1, "replies[0].end.error", "a code"),
    "an error's code": (
        '[{"end": {"closed": 1, "error": {"code": 3}}}]', 1, "replies[0].end.error.code", "text",
    ),
    "arguments": (
        '[{"items": [{"function_call": "f", "arguments": 3}]}]', 1,
        "replies[0].items[0].arguments", "an object or text",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "line", "field", "expected"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_is_said(text: str, line: int, field: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        load(text)
    error = caught.value
    assert (error.line, error.field) == (line, field)
    assert expected in error.expected
    assert str(error).startswith(f"line {line}: {field} is ")


def test_the_value_is_shown() -> None:
    with pytest.raises(InputError, match=r"replies\[0\]\.pace is 'fast', expected a number"):
        load(json.dumps([{"pace": "fast"}]))
