"""Each guarantee that a trace can show: what is planted into the trace of a clean call is found, under
the right id and at the right line, and nothing else is."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

from realtime_fsm.trace import RULES, Report, check

Lines = list[dict[str, Any]]


def judge(lines: Lines, **options: Any) -> Report:
    text = "".join(json.dumps(line) + "\n" for line in lines)
    return check(io.BytesIO(text.encode()), source="planted", **options)


class Trace:
    """Lines that can be looked up and changed. Positions count from 0; line numbers are one more."""

    def __init__(self, lines: Lines) -> None:
        self.lines = copy.deepcopy(lines)

    def find(self, by: str, kind: str, nth: int = 0, **fields: Any) -> int:
        found = [
            n
            for n, line in enumerate(self.lines)
            if (line.get("by"), line.get("type")) == (by, kind) and fields.items() <= line.items()
        ]
        return found[nth]

    def plant(self, after: int, by: str, kind: str, *, later: float = 0.1, **fields: Any) -> int:
        """Insert a line *later* seconds after another; returns its number in the file."""
        t = self.lines[after]["t"] + later
        line: dict[str, Any] = {"t": t, "by": by, "type": kind}
        if by in ("client", "server"):
            connection = self.lines[after].get("connection") or self.connection(after)
            line |= {"connection": fields.pop("connection", connection), "event": fields}
        else:
            line |= fields
        at = next((n for n in range(after + 1, len(self.lines)) if self.lines[n]["t"] > t), None)
        at = len(self.lines) if at is None else at
        self.lines.insert(at, line)
        return at + 1

    def plant_before(self, at: int, by: str, kind: str, **fields: Any) -> int:
        """Insert a line 0.1 s before another; returns its number in the file."""
        t = self.lines[at]["t"] - 0.1
        after = max(n for n in range(1, at) if self.lines[n]["t"] <= t)
        return self.plant(after, by, kind, later=t - self.lines[after]["t"], **fields)

    def connection(self, before: int) -> int:
        return next(
            (line["connection"] for line in self.lines[before::-1] if "connection" in line), 1
        )

    def drop(self, *positions: int) -> None:
        self.lines = [line for n, line in enumerate(self.lines) if n not in positions]

    def response(self, nth: int) -> tuple[int, str]:
        at = self.find("server", "response.created", nth)
        return at, self.lines[at]["event"]["response"]["id"]


def single_flight(trace: Trace) -> int:
    at, _ = trace.response(0)
    return trace.plant(at, "client", "response.create", event_id="planted")


def settled_twice(trace: Trace) -> int:
    at = trace.find("client", "response.create")
    created = trace.find("server", "response.created", 2)
    name = trace.lines[at]["event"]["event_id"]
    body = {"code": "server_error", "event_id": name}
    return trace.plant(max(at, created), "server", "error", event_id="planted", error=body)


def same_id(trace: Trace) -> int:
    first = trace.find("client", "response.create", 0)
    second = trace.find("client", "response.create", 1)
    trace.lines[second]["event"]["event_id"] = trace.lines[first]["event"]["event_id"]
    return second + 1


def stolen_response(trace: Trace) -> int:
    _, other = trace.response(0)
    at = trace.find("turn", "moved", event="RESPONSE_CREATED", nth=1)
    trace.lines[at]["response"] = other
    return at + 1


def orphan(trace: Trace) -> int:
    """A create is given up by a probe, comes to life after all, and is let speak."""
    at = trace.find("client", "response.create")
    created = next(
        n
        for n in range(at, len(trace.lines))
        if (trace.lines[n].get("by"), trace.lines[n].get("type")) == ("server", "response.created")
    )
    for line in trace.lines[created:]:
        line["t"] += 2.0
    trace.plant(at, "client", "response.cancel", later=1.0, event_id="planted")
    done = trace.find("server", "response.done", 2)
    return done + 1


def barrier(trace: Trace) -> int:
    at, name = trace.response(0)
    cancel = trace.plant(at, "client", "response.cancel", later=0.02, response_id=name)
    return trace.plant(cancel - 1, "client", "response.create", later=0.02, event_id="planted")


def bare_cancel(trace: Trace) -> int:
    at, _ = trace.response(0)
    return trace.plant(at, "client", "response.cancel", later=0.02, event_id="planted")


def ended_twice(trace: Trace) -> int:
    at = trace.find("turn", "ended")
    return trace.plant(at, "turn", "ended", turn=trace.lines[at]["turn"], outcome="completed")


def never_ended(trace: Trace) -> int:
    at = trace.find("turn", "ended", -1)
    moved = trace.find("turn", "moved", turn=trace.lines[at]["turn"])
    trace.drop(at)
    return moved + 1


def silent_failure(trace: Trace) -> int:
    at = trace.find("server", "response.done", 0)
    body = trace.lines[at]["event"]["response"]
    body["status"] = "incomplete"
    for n, line in enumerate(trace.lines):  # the turn knows of it, so that it is not G3
        if line.get("event") == "RESPONSE_COMPLETED":
            trace.lines[n]["event"] = "RESPONSE_INCOMPLETE"
            break
    return at + 1


def failed_response(trace: Trace) -> int:
    """The end of a response that was asked for again."""
    return next(
        n
        for n, line in enumerate(trace.lines)
        if line.get("type") == "response.done" and line["event"]["response"]["status"] == "failed"
    )


def plant_item(trace: Trace, **item: Any) -> int:
    at = failed_response(trace)
    response = trace.lines[at]["event"]["response"]["id"]
    found = []
    for kind in ("done", "added"):
        event = {"response_id": response, "item": {"id": "planted", **item}}
        line = {"t": trace.lines[at]["t"], "by": "server", "type": f"response.output_item.{kind}"}
        trace.lines.insert(at, {**line, "connection": trace.connection(at), "event": event})
        found.append(at + 1)
    return found[0]


def call_asked_again(trace: Trace) -> int:
    return plant_item(trace, type="function_call", call_id="k1", status="completed") + 1


def action_asked_again(trace: Trace) -> int:
    return plant_item(trace, type="mcp_call", status="in_progress")


def asked_after_fatal(trace: Trace) -> int:
    at = trace.find("client", "response.create", 0)
    error = {"code": "insufficient_quota", "type": "insufficient_quota", "event_id": None}
    trace.plant_before(at, "server", "error", event_id="planted", error=error)
    return trace.find("client", "response.create", 0) + 1


def endless_connections(trace: Trace) -> int:
    at = trace.find("watch", "look")
    for line in trace.lines[at + 1 :]:
        line["t"] += 1.0
    for number in range(3, 15):
        line = trace.plant(at, "server", "session.created", later=0.01 * number, connection=number)
        if number == 12:
            found = line
    return found


def told_twice(trace: Trace) -> int:
    at = trace.find("server", "response.done", 0)
    body = {"type": "server_error", "code": "planted", "event_id": None}
    at = trace.plant(at, "server", "error", later=0.01, event_id="planted", error=body) - 1
    at = trace.plant(at, "session", "error", later=0.01, recoverable=True) - 1
    return trace.plant(at, "session", "error", later=0.01, recoverable=True)


def left_out(trace: Trace) -> int:
    """The first message of the first response is not heard."""
    item = trace.lines[trace.find("session", "item_added", role="assistant")]["item_id"]
    gone = [n for n, line in enumerate(trace.lines) if line.get("item_id") == item]
    gone += [trace.find("playback", "started"), trace.find("playback", "finished")]
    trace.drop(*gone)
    return 1 + next(
        n
        for n, line in enumerate(trace.lines)
        if line.get("type") == "response.output_item.added" and line["event"]["item"]["id"] == item
    )


def in_another_order(trace: Trace) -> int:
    """The messages of the first response are heard the other way round."""
    one, two = (trace.find("session", "item_added", n, role="assistant") for n in (0, 1))
    for name in ("item_id", "text"):
        trace.lines[one][name], trace.lines[two][name] = (
            trace.lines[two][name],
            trace.lines[one][name],
        )
    # What comes later was received before it was heard.
    second = trace.lines[one]["item_id"]
    for line in trace.lines:
        if line.get("type", "").startswith("response.") and second in str(line["event"]):
            line["t"] = min(line["t"], trace.lines[trace.find("playback", "started")]["t"])
    trace.lines[1:] = sorted(trace.lines[1:], key=lambda line: float(line["t"]))
    return trace.find("playback", "finished", 1) + 1


def longer_than_it_was(trace: Trace) -> int:
    at = trace.find("playback", "finished")
    trace.lines[at]["position"] += 700.0
    return at + 1


def truncate_beyond(trace: Trace) -> int:
    at = trace.find("client", "conversation.item.truncate")
    trace.lines[at]["event"]["audio_end_ms"] = 9000
    return at + 1


def truncate_elsewhere(trace: Trace) -> int:
    at = trace.find("client", "conversation.item.truncate")
    trace.lines[at]["event"]["audio_end_ms"] += 400
    return at + 1


def not_truncated(trace: Trace) -> int:
    at = trace.find("client", "conversation.item.truncate")
    item = trace.lines[at]["event"]["item_id"]
    trace.drop(at)
    added = [
        n
        for n, line in enumerate(trace.lines)
        if line.get("type") == "response.output_item.added" and line["event"]["item"]["id"] == item
    ]
    return added[0] + 1


def told_more(trace: Trace) -> int:
    """A new connection is told all words of a message that was cut."""
    cut = trace.lines[trace.find("client", "conversation.item.truncate")]["event"]["item_id"]
    at, parts = next(
        (n, line["event"]["item"]["content"])
        for n, line in enumerate(trace.lines)
        if line.get("type") == "conversation.item.create" and line["event"]["item"]["id"] == cut
    )
    parts[0].update(text=parts[0]["text"] * 3, words=parts[0]["words"] * 3)
    return at + 1


def tool_twice(trace: Trace) -> int:
    at = next(
        n
        for n, line in enumerate(trace.lines)
        if line.get("type") == "conversation.item.create"
        and line["event"]["item"]["type"] == "function_call_output"
    )
    item = {**trace.lines[at]["event"]["item"], "id": "planted"}
    return trace.plant(at, "client", "conversation.item.create", item=item)


def run_twice(trace: Trace) -> int:
    at = trace.find("session", "tool_executed")
    return trace.plant(at, "session", "tool_executed", call_id=trace.lines[at]["call_id"])


def lost_turn(trace: Trace) -> int:
    """The user says something that the server takes, and nothing comes of it."""
    at = trace.find("session", "speech_done", 0)
    for line in trace.lines[at + 1 :]:
        line["t"] += 60.0
    return trace.plant(at, "server", "input_audio_buffer.committed", later=3.0, item_id="planted")


def old_cancel(trace: Trace) -> int:
    _, name = trace.response(0)
    at = trace.find("server", "session.created", 1)
    return trace.plant(at, "client", "response.cancel", response_id=name, event_id="planted")


def conflict_ends_session(trace: Trace) -> int:
    at = trace.find("session", "close")
    trace.lines[at]["reason"] = "error"
    body = {"code": "response_cancel_not_active", "event_id": None}
    trace.plant_before(at, "server", "error", event_id="planted", error=body)
    return trace.find("session", "close") + 1


def conflict_forgotten(trace: Trace) -> int:
    """A create meets another response, and its request is not kept."""
    at = trace.find("turn", "ended", 1)
    for line in trace.lines[at + 1 :]:
        line["t"] += 60.0
    first = trace.plant(at, "client", "response.create", later=1.0, event_id="planted")
    body = {"code": "conversation_already_has_active_response", "event_id": "planted"}
    return trace.plant(first - 1, "server", "error", later=0.1, event_id="e", error=body)


def create_in_speech(trace: Trace) -> int:
    at = trace.find("server", "input_audio_buffer.speech_started")
    return trace.plant(at, "client", "response.create", later=0.3, event_id="planted")


def failure_ends_session(trace: Trace) -> int:
    at = trace.find("session", "close")
    trace.lines[at]["reason"] = "error"
    body = {"code": "server_error", "event_id": "planted"}
    trace.plant_before(at, "server", "error", event_id="planted", error=body)
    return trace.find("session", "close") + 1


#: Guarantee, what is planted, and what the same breach also is.
PLANTS: list[tuple[str, Callable[[Trace], int], set[str]]] = [
    ("G1", single_flight, {"G18"}),
    ("G2", settled_twice, set()),
    ("G2", same_id, set()),
    ("G3", stolen_response, set()),
    ("G4", orphan, set()),
    ("G5", barrier, {"G1", "G4"}),
    ("G6", bare_cancel, set()),
    ("G7", ended_twice, set()),
    ("G7", never_ended, set()),
    ("G8", silent_failure, set()),
    ("G9", call_asked_again, {"G17"}),
    ("G10", asked_after_fatal, set()),
    ("G11", endless_connections, set()),
    ("G12", told_twice, set()),
    ("G13", left_out, {"G16"}),
    ("G13", in_another_order, {"G16"}),
    ("G13", longer_than_it_was, {"G16"}),
    ("G15", truncate_beyond, {"G16"}),
    ("G15", truncate_elsewhere, {"G16"}),
    ("G16", not_truncated, set()),
    ("G16", told_more, set()),
    ("G17", tool_twice, set()),
    ("G17", run_twice, set()),
    ("G18", lost_turn, set()),
    ("G19", old_cancel, set()),
    ("G20", conflict_ends_session, set()),
    ("G20", conflict_forgotten, {"G18"}),
    ("G24", create_in_speech, {"G18"}),
    ("G26", failure_ends_session, set()),
    ("G28", action_asked_again, set()),
]


def test_the_call_is_clean(clean: Lines) -> None:
    report = judge(clean)
    assert report.broken == {}
    assert report.issues == []
    assert report.judged == [rule.id for rule in RULES]
    assert report.exit_code == 0
    # It has what the plants need: all that can be judged is judged for a reason.
    kinds = {(line.get("by"), line.get("type")) for line in clean}
    assert {
        ("client", "conversation.item.truncate"),
        ("turn", "recovering"),
        ("net", "lost"),
    } <= kinds


@pytest.mark.parametrize(
    ("id", "plant", "also"), PLANTS, ids=[f"{name}-{plant.__name__}" for name, plant, _ in PLANTS]
)
def test_what_is_planted_is_found(
    clean: Lines, id: str, plant: Callable[[Trace], int], also: set[str]
) -> None:
    trace = Trace(clean)
    number = plant(trace)
    report = judge(trace.lines)
    found = [each for each in report.violations if each.id == id]
    assert found, report.broken
    assert any(number in [line.number for line in each.lines] for each in found), found
    assert set(report.broken) - {id} <= also
    assert report.exit_code == 1
    assert set(judge(trace.lines, only=[id]).broken) == {id}


def test_every_rule_has_a_plant() -> None:
    assert {name for name, _, _ in PLANTS} == {rule.id for rule in RULES}


@pytest.mark.parametrize(
    ("without", "ids", "why"),
    [
        ("playback", {"G13"}, "no playback lines"),
        ("turn", {"G3", "G9", "G28"}, "no turn lines"),
        ("client", {"G1", "G2", "G4", "G5", "G6", "G15", "G16", "G17"}, "no client lines"),
    ],
)
def test_what_cannot_be_judged_is_said(clean: Lines, without: str, ids: set[str], why: str) -> None:
    report = judge([line for line in clean if line.get("by") != without])
    assert ids <= set(report.not_judged)
    assert {report.not_judged[each] for each in ids} == {why}
    assert not ids & set(report.broken)
    assert not ids & set(report.judged)


def test_g16_an_older_trace_that_counts_no_words_is_not_judged_by_them(clean: Lines) -> None:
    trace = Trace(clean)
    told_more(trace)
    for line in trace.lines:
        _without(line, "words")
    assert not judge(trace.lines).broken


def _without(value: Any, key: str) -> None:
    if isinstance(value, dict):
        value.pop(key, None)
    for each in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        _without(each, key)
