"""What is not one call of one protocol is not judged: neither red nor "no violation"."""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.report import collect
from realtime_fsm.trace import check
from realtime_fsm.trace.check import Report

from ..judge.random_calls import play

Event = dict[str, Any]

#: A conversation with a delegation that fails.
GPT_LIVE: list[Event] = [
    {"type": "session.start", "session": {"model": "gpt-live-1"}},
    {"type": "session.started", "event_id": "e1", "session": {"id": "sess_l"}},
    {"type": "session.input_audio.append", "audio": ""},
    {"type": "session.output_audio.delta", "event_id": "e2", "delta": ""},
    {"type": "session.delegation.created", "event_id": "e3", "delegation": {"id": "dlg_1"}},
    {"type": "response.event", "event_id": "e4", "event": {"type": "response.created"}},
    {"type": "response.create", "event_id": "c1"},
    {"type": "response.create", "event_id": "c2"},
    {"type": "error", "event_id": "e5", "error": {"type": "invalid_request_error", "code": "x"}},
    {"type": "session.closed", "event_id": "e6", "reason": "expired"},
]
#: OpenAI's other API that has responses.
RESPONSES: list[Event] = [
    {"type": "response.created", "sequence_number": 0, "response": {"id": "resp_r"}},
    {"type": "response.in_progress", "sequence_number": 1, "response": {"id": "resp_r"}},
    {"type": "response.output_text.delta", "sequence_number": 2, "item_id": "msg_1", "delta": "Hi"},
    {"type": "response.completed", "sequence_number": 3, "response": {"id": "resp_r"}},
]


def checked(events: Iterable[tuple[float, Event]]) -> Report:
    rows = ({"t": t, "event": event} for t, event in events)
    return check(io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode()))


def every_second(events: Iterable[Event]) -> list[tuple[float, Event]]:
    return [(float(t), event) for t, event in enumerate(events)]


@pytest.fixture(scope="module", params=[3, 5])
def call(request: pytest.FixtureRequest, tmp_path_factory: Any) -> list[tuple[float, Event]]:
    """The raw events of a random call, as another library would log them."""
    path: Path = tmp_path_factory.mktemp("call") / "call.jsonl"
    play(request.param, path)
    found = []
    for line in map(json.loads, path.read_text("utf-8").splitlines()):
        if line.get("by") in ("server", "client"):
            event = {"type": line["type"], **line["event"]}
            if line["type"] == "response.output_audio.delta":
                event["delta"] = base64.b64encode(bytes(round(event["delta"]) * 48)).decode()
            found.append((line["t"], event))
    assert checked(found).broken == {}
    return found


def renamed(event: Event) -> Event:
    """The same of another call."""
    names = r'"(sess|resp|item|event|conv|call|response_create)_(?=[0-9a-f]+")'
    other: Event = json.loads(re.sub(names, r'"\1_b', json.dumps(event)))
    return other


def assert_not_judged(report: Report, why: str) -> None:
    assert (report.judged, report.broken, report.exit_code) == ([], {}, 2)
    assert report.not_judged["G1"].startswith(why)


def test_another_protocol() -> None:
    """GPT-Live's has a judge of its own: test_live.py."""
    assert_not_judged(checked(every_second(RESPONSES)), "events of another protocol")


@pytest.mark.parametrize("log", [GPT_LIVE, RESPONSES], ids=["GPT-Live", "Responses"])
def test_another_protocol_before_after_and_between(
    log: list[Event], call: list[tuple[float, Event]]
) -> None:
    other = every_second(log)
    later = [(t + 1000, event) for t, event in other]
    for both in (call + later, sorted(call + other, key=lambda each: each[0])):
        assert_not_judged(checked(both), "events of another protocol")
    assert checked(other + [(t + 1000, event) for t, event in call]).broken == {}


def test_two_calls_at_once(call: list[tuple[float, Event]]) -> None:
    other = [(t + 0.7, renamed(event)) for t, event in call]
    both = sorted(call + other, key=lambda each: each[0])
    assert_not_judged(checked(both), "events of several calls at once")
    assert checked(call + [(t + 1000, event) for t, event in other]).judged, "one after another"


def test_each_event_twice(call: list[tuple[float, Event]]) -> None:
    assert_not_judged(
        checked(e for each in call for e in (each, each)), "events that are told twice"
    )


@pytest.mark.parametrize(
    "model", ["livekit.agents.llm.duplex_adapter.DuplexRealtimeAdapter", "x.GPTLiveModel"]
)
def test_a_full_duplex_model(model: str) -> None:
    header = {"trace": "realtime-fsm", "version": 1, "mode": "control", "model": model}
    lines = [header, {"t": 1.0, "by": "session", "type": "close"}]
    data = "".join(json.dumps(line) + "\n" for line in lines).encode()
    assert_not_judged(check(io.BytesIO(data)), "a full-duplex model")
    (told,) = collect(io.BytesIO(data), "trace").calls
    assert not told.broken


#: Without them nobody can say what is alive.
VITAL = ("response.created", "response.done", "response.create", "error", "session.created")


def test_what_a_log_leaves_out_is_no_breach(call: list[tuple[float, Event]]) -> None:
    found = {}
    for kind in {event["type"] for _, event in call} - set(VITAL):
        report = checked(each for each in call if each[1]["type"] != kind)
        if report.broken:
            found[kind] = [str(each.text) for each in report.violations]
    assert found == {}
    deltas = checked(each for each in call if not each[1]["type"].endswith(".delta"))
    assert deltas.not_judged["G15"] == "no audio"
    assert "G1" in deltas.judged
