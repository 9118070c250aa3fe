"""G3, below the core: which frames the inner session sees. Each row is one short story."""

from __future__ import annotations

import pytest

from realtime_fsm.livekit._gate import Gate

#: What comes, and whether it is hidden: "created a", "item a" (anything in between), "done a"; "-" names
#: no response; "!" after a response: out of band; "~": the core says it is over.
STORIES = {
    "one after the other": "created a, item a, done a, created b, item b, done b",
    "no id is shown": "created a, item -, done -, item b, done b",
    "an unnamed response is shown": "created -, item -, item x, done -",
    "out of band first": "created x! H, item x H, created a, item a, item x H, done x H, done a",
    "out of band before the first item": "created a, created x! H, item x H, item a, done x! H, done a",
    "out of band that only ends": "created a, done x! H, item a, done a",
    "out of band and nothing else": "created x! H, item x H, done x! H",
    "its frames come late": "created x! H, done x! H, item x H, created a, item x H, done x H, item a",
    "another that overlaps": "created a, item a, created b H, item b H, done a, item b H, done b H",
    "then it is free": "created a, created b H, done b H, done a, created c, done c",
    "a late end of one before": "created a, item a, done a, created b, done a H, item a H, done b",
    "the end of a stranger": "created a, item a, done z H, item z H, item a, done a",
    "the end of a stranger first": "created a, done z H, item a, done a",
    "a stranger while nothing runs": "item z, done z, created a, item a",
    "a server of two names": "created a, item a2, done a2, created b, item b2, done b2",
    "said twice": "created a, created a H, item a, done a",
    "said again when it is over": "created a, item a, done a, created a~ H, item a H, done a H",
    "an id used again": "created a, item a, done a, created a, item a, done a",
    "hidden, then used again": "created x! H, done x! H, created x, item x, done x",
    "an end that got lost": "created a, item a, lost a, created b, item b, done a H, done b",
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES)
def test_it_is_shown_one_response_at_a_time(story: str) -> None:
    lost: set[str] = set()
    gate = Gate(lambda response_id: response_id not in lost)
    for step in story.split(", "):
        kind, name, *hidden = step.split()
        response_id = None if name == "-" else name.rstrip("!~")
        outside = name.endswith("!")
        if kind == "lost":
            lost.add(name)
            continue
        if kind == "created":
            found = gate.hides_created(response_id, outside=outside, stale=name.endswith("~"))
        else:
            found = gate.hides(response_id, outside=outside, done=kind == "done")
        assert found is (hidden == ["H"]), step


def test_it_knows_whose_end_was_shown() -> None:
    gate = Gate(lambda response_id: True)
    gate.hides_created("a", outside=False, stale=False)
    gate.hides_created("b", outside=False, stale=False)
    gate.hides("b", done=True)
    assert not gate.shown_to_its_end("a")
    gate.hides("a", done=True)
    assert gate.shown_to_its_end("a")
    assert not gate.shown_to_its_end("b")
    assert not gate.shown_to_its_end(None)
    assert gate.slot is None


def test_a_new_connection_begins_with_nothing_in_flight() -> None:
    gate = Gate(lambda response_id: True)
    gate.hides_created("a", outside=False, stale=False)
    gate.reset()
    assert not gate.hides_created("b", outside=False, stale=False)


def test_what_it_remembers_is_bounded() -> None:
    gate = Gate(lambda response_id: True)
    for n in range(1000):
        gate.hides_created(f"x{n}", outside=True, stale=False)
        gate.hides_created(f"a{n}", outside=False, stale=False)
        gate.hides(f"a{n}", done=True)
    assert len(gate._hidden) + len(gate._shown) <= 128
