"""Facts come from headers and lines; what is of the wrong kind is as if it were not there."""

from __future__ import annotations

import ast
from pathlib import Path

import realtime_fsm
from realtime_fsm.trace import Header, Line, read
from realtime_fsm.trace.facts import (
    Asked,
    Begun,
    Frame,
    Link,
    Look,
    Recorded,
    Remembered,
    Segment,
    SpeechDone,
    facts_of,
)

SAMPLE = Path(__file__).parents[2] / "docs" / "sample" / "call.jsonl"


def line(by: str, what: str, /, t: float = 0.0, **event: object) -> Line:
    return Line(1, t, by, what, 0, event)


def test_a_recorded_call() -> None:
    with SAMPLE.open("rb") as file:
        facts = list(facts_of(read(file)))
    assert isinstance(facts[0], Begun)
    assert facts[0].header.mode == "control"
    assert isinstance(facts[-1], Recorded)
    assert sum(isinstance(each, Frame) for each in facts) > 100
    assert [each.line.type for each in facts if isinstance(each, Link)] == ["lost"]
    first = next(each for each in facts if isinstance(each, Segment))
    assert (first.position, first.begun, first.interrupted) == (1.3, 1.64, False)


def test_lines_of_an_unknown_kind_are_passed_over() -> None:
    header = Header(versions={}, retry={}, fields={})
    lines = [header, line("somebody", "spoke"), line("session", "of a later version"), "no line"]
    assert [type(each) for each in facts_of(lines)] == [Begun]


def test_a_field_of_the_wrong_kind_is_as_if_it_were_not_there() -> None:
    (done,) = facts_of([line("session", "speech_done", speech=7, interrupted="yes", code=[])])
    assert isinstance(done, SpeechDone)
    assert (done.speech, done.interrupted, done.code) == ("", False, None)
    (asked,) = facts_of([line("caller", "asked", key="a", begun=float("nan"), kind=True)])
    assert isinstance(asked, Asked)
    assert (asked.key, asked.begun, asked.kind) == ("a", None, "")


def test_a_segment_knows_when_it_began_on_its_own_sink() -> None:
    lines = [
        line("playback", "started", 1.0, sink=1),
        line("playback", "started", 2.0, sink=2),
        line("playback", "finished", 3.0, sink=1, position=500, pushed=900),
        line("playback", "finished", 4.0, sink=2, position=0),
        line("playback", "finished", 5.0, sink=2, position=0),
    ]
    found = [each for each in facts_of(lines) if isinstance(each, Segment)]
    assert [(each.sink, each.begun) for each in found] == [(1, 1.0), (2, 2.0), (2, None)]
    assert (found[0].position, found[0].pushed, found[1].pushed) == (0.5, 0.9, None)


def test_what_was_seen_at_one_moment() -> None:
    memory = [{"id": "item_1", "type": "message", "role": "user", "text": 12}, "no item"]
    (look,) = facts_of([line("watch", "look", rest=True, memory=memory, speeches=["a", 1])])
    assert isinstance(look, Look)
    assert look.memory == (Remembered("item_1", "message", "user", 12),)
    assert (look.rest, look.speeches, look.history) == (True, ("a",), None)


def test_the_judges_share_no_code_with_the_controller() -> None:
    """Of this package they import one another, and what says how to tell a value or a wrong input."""
    root = Path(realtime_fsm.__file__).parent
    seen, waiting = set(), [root / "trace" / "check.py", root / "compare" / "__init__.py"]
    while waiting:
        path = waiting.pop()
        seen.add(path.relative_to(root).as_posix())
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                at = path.parents[node.level - 1].joinpath(*(node.module or "").split("."))
                found = (
                    at.with_suffix(".py") if at.with_suffix(".py").exists() else at / "__init__.py"
                )
                waiting += [found] if found.relative_to(root).as_posix() not in seen else []
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in ("livekit", "realtime_fsm"), path
    assert len(seen) > 20
    assert {name.split("/")[0] for name in seen} == {
        "trace",
        "compare",
        "_redact.py",
        "_input.py",
        "_error.py",
    }
