"""GPT-Live in `check` and `record`: the guarantees that carry over, and "not judged" for the rest."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.duplex import LossKind
from realtime_fsm.report import collect
from realtime_fsm.trace import RULES, UNSEEN, check, redacted
from realtime_fsm.trace.check import Report
from realtime_fsm.trace.live.dialect import MEANINGLESS
from realtime_fsm.trace.live.rules import LIVE_RULES

from ..duplex.frames import (
    append,
    appended,
    call,
    closed,
    create,
    created,
    delegated,
    ended,
    error,
    result,
    start,
)

Event = dict[str, Any]
STARTED: Event = {"type": "session.started", "event_id": "e", "session": {"id": "sess_1"}}
AUDIO: Event = {"type": "session.output_audio.delta", "event_id": "e", "delta": "AAAA"}
CLOSE: Event = {"type": "session.close", "event_id": "x"}
JUDGED = [rule.id for rule in LIVE_RULES]


def checked(events: Iterable[Event], *, every: float = 1.0) -> Report:
    """A log, one event a second; of events that are alike each has an id of its own."""
    rows = []
    for n, event in enumerate(events):
        known = "event_id" in event and event["event_id"] == "e"
        rows.append(
            {"t": n * every, "event": {**event, **({"event_id": f"e{n}"} if known else {})}}
        )
    return check(io.BytesIO("".join(json.dumps(row) + "\n" for row in rows).encode()))


def recorded(events: Iterable[Event], *more: tuple[str, Event]) -> Report:
    """The same as a recorder writes it, to its end; *more*: lines of the session."""
    lines: list[Event] = [
        {"trace": "realtime-fsm", "version": 1, "mode": "plain", "model": "x.GPTLiveModel",
         "started": "2026-11-29T12:00:00+00:00"}
    ]  # fmt: skip
    number = 0
    for n, event in enumerate(events):
        number += event["type"] == "session.start"
        by = "server" if event["type"] in SERVER else "client"
        rest = {k: v for k, v in event.items() if k != "type"}
        lines.append(
            {"t": float(n), "by": by, "type": event["type"], "connection": number, "event": rest}
        )
    lines += [{"t": 100.0, "by": "session", "type": kind, **fields} for kind, fields in more]
    lines.append({"t": 200.0, "by": "session", "type": "recorded"})
    return check(io.BytesIO("".join(json.dumps(line) + "\n" for line in lines).encode()))


SERVER = {
    "session.started", "session.closed", "session.delegation.created", "response.event", "error",
    "session.commentary.appended", "session.output_audio.delta",
}  # fmt: skip
#: A delegation with a call, to its end.
WHOLE = [
    delegated("d"), created("d", "r1"), call("d", "k"), ended("d", "r1"), result("k", "i1"),
    create("c1"), AUDIO, created("d", "r2"), ended("d", "r2"),
]  # fmt: skip
HEALTHY = [start(), STARTED, *WHOLE, CLOSE, closed("close_requested")]


def broken(report: Report) -> list[str]:
    return [f"{each.id} {each.text}" for each in report.violations]


def test_a_healthy_call() -> None:
    for report in (checked(HEALTHY), recorded(HEALTHY)):
        assert broken(report) == []
        assert report.judged == JUDGED
        assert report.exit_code == 0
        assert set(report.judged) | set(report.not_judged) == {r.id for r in RULES} | set(UNSEEN)
        assert all(report.not_judged[id_].startswith("GPT-Live: ") for id_ in MEANINGLESS)


def test_every_guarantee_is_judged_or_said_to_mean_nothing() -> None:
    known = {rule.id for rule in RULES}
    assert set(JUDGED) | set(MEANINGLESS) == known
    assert not set(JUDGED) & set(MEANINGLESS)


def test_a_refused_continuation_and_an_expiry() -> None:
    """`check` finds both, in a log and in a trace."""
    events = [
        start(), STARTED, *WHOLE[:6], error("c1", "function_call_outputs_required"), AUDIO,
        closed("expired"), start(), STARTED, AUDIO,
    ]  # fmt: skip
    for report in (checked(events), recorded(events)):
        assert "G8 the continuation was refused (function_call_outputs_required), and nothing tells of it" in broken(report)  # fmt: skip
        assert "G8 the session expired, and nothing tells of it" in broken(report)
        assert report.exit_code == 1


def test_what_is_told_is_no_breach() -> None:
    """By who watches, or by words that the model is given to say."""
    events = [start(), STARTED, *WHOLE[:6], error("c1"), AUDIO, closed("expired"), start(), STARTED]
    lost = ("loss", {"kind": "result_lost", "delegation": "d"})
    refused = ("loss", {"kind": "continuation_refused", "delegation": "d"})
    expired = ("loss", {"kind": "session_expired"})
    assert broken(recorded(events, lost, refused, expired)) == []
    assert broken(recorded(events, lost, refused)) == [
        "G8 the session expired, and nothing tells of it"
    ]
    assert broken(checked([*events, append(None, event_id="sorry"), appended("sorry")])) == []


#: What is wrong, and what is found of it.
PLANTED: dict[str, tuple[list[Event], str]] = {
    "two creates": ([*WHOLE[:6], create("c2")], "G1 a second continuation while one is not answered"),
    "a create while it runs": ([*WHOLE[:2], create()], "G1 a continuation while the backend runs"),
    "a partial batch": (
        [*WHOLE[:3], call("d", "k2"), ended("d", "r1"), result("k"), create()],
        "G1 a continuation while a call has no result",
    ),
    "an unanswered create": (WHOLE[:6], "G2 a continuation that was neither begun nor refused"),
    "a result for nobody": ([*WHOLE, result("k9")], "G3 a result for a call that nobody asked for"),
    "an append for nobody": ([append("d9")], "G3 an append for a delegation that there is not"),
    "an end without a beginning": (
        [ended("d", "r")], "G3 the end of a response that did not begin",
    ),
    "a failed backend": (
        [*WHOLE[:2], ended("d", "r1", "failed", error={"code": "server_error"})],
        "G8 the backend failed (server_error), and nothing tells of it",
    ),
    "a backend cut short": (
        [*WHOLE[:2], ended("d", "r1", "incomplete", incomplete_details={"reason": "x_long"})],
        "G8 the backend was cut short (x_long), and nothing tells of it",
    ),
    "a refused result": (
        [*WHOLE[:5], error("i1", "too_long")], "G8 a result was refused (too_long), and nothing tells of it",
    ),
    "a refused answer": (
        [delegated("d", "client"), append("d"), error("a", "too_long")],
        "G8 the answer to a delegation was refused (too_long), and nothing tells of it",
    ),
    "a call twice": ([*WHOLE[:3], *WHOLE[2:]], "G17 a call that came twice on one connection"),
    "a result twice": ([*WHOLE[:5], *WHOLE[4:]], "G17 a second result for one call"),
    "a result with which nothing goes on": (WHOLE[:5], "G18 a result with which nothing goes on"),
    "no answer": (WHOLE[:2], "G18 a delegation that has no end"),
    "no answer of the application": ([delegated("d", "client")], "G18 a delegation that has no end"),
    "lost with its connection": (
        [*WHOLE[:4], start(), STARTED], "G18 a delegation went with its connection, and nothing tells of it",
    ),
    "a late result": (
        [*WHOLE[:4], start(), STARTED, result("k")], "G19 it belongs to an earlier connection",
    ),
    "a late answer": (
        [delegated("d", "client"), start(), STARTED, append("d")], "G19 it belongs to an earlier connection",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANTED)
def test_each_breach_is_found(what: str) -> None:
    events, found = PLANTED[what]
    report = recorded([start(), STARTED, *events])
    assert found in broken(report)
    assert report.exit_code == 1
    others = {each.partition(" ")[0] for each in broken(report)} - {found.partition(" ")[0]}
    # What was planted has consequences: what was asked for is not answered, or was answered to nobody.
    assert others <= {"G1", "G2", "G18"}


def test_a_storm() -> None:
    """G11"""
    storm = [start(), STARTED, closed("content")] * 30
    assert broken(checked(storm, every=0.05)) == [
        "G11 11 connections one after another without any progress"
    ]
    assert broken(checked(storm, every=5.0)) == []


def test_a_log_that_is_cut_off_is_judged_as_far_as_it_goes() -> None:
    for n in range(1, len(HEALTHY)):
        assert broken(checked(HEALTHY[:n])) == [], n
        assert broken(checked(HEALTHY[n:])) == [], n


def test_what_a_log_leaves_out_is_no_breach() -> None:
    vital = {"session.start", "response.event", "response.create", "response.item.create"}
    for kind in {event["type"] for event in HEALTHY} - vital:
        assert broken(checked(e for e in HEALTHY if e["type"] != kind)) == [], kind


def test_events_of_a_later_version_are_no_breach() -> None:
    """Unknown types and fields are passed over; the call is judged."""
    new: list[Event] = [
        {"type": "session.mood.changed", "event_id": "e", "mood": "fine"},
        {**delegated("x", "decisions"), "urgency": 1},
    ]  # fmt: skip
    report = checked([*HEALTHY[:2], new[0], *HEALTHY[2:]])
    assert (broken(report), report.judged) == ([], JUDGED)


REALTIME: list[Event] = [
    {"type": "session.created", "event_id": "e", "session": {"id": "sess_r"}},
    {"type": "response.created", "event_id": "e", "response": {"id": "resp_r"}},
    {"type": "response.done", "event_id": "e", "response": {"id": "resp_r", "status": "completed"}},
]


@pytest.mark.parametrize(
    "events",
    [[*HEALTHY, *REALTIME], [*REALTIME, *HEALTHY], [*HEALTHY[:5], *REALTIME, *HEALTHY[5:]]],
    ids=["after", "before", "between"],
)
def test_a_mixed_log_is_not_judged(events: list[Event]) -> None:
    for report in (checked(events), recorded(events)):
        assert (report.judged, report.broken, report.exit_code) == ([], {}, 2)
        why = (
            "events of another protocol",
            "a full-duplex model",
        )  # by its header, with no frame of it
        assert report.not_judged["G1"].startswith(why)


def test_an_unknown_log_is_not_judged() -> None:
    events: list[Event] = [{"type": "session.hello"}, {"type": "session.goodbye"}]
    report = checked(events)
    assert (report.judged, report.exit_code) == ([], 2)


def test_each_event_twice_is_not_judged() -> None:
    report = checked([e for event in HEALTHY for e in (event, event)])
    assert report.judged == JUDGED, "each has an id of its own here"
    rows = [json.dumps({"event": event}) for event in HEALTHY for _ in range(2)]
    twice = check(io.BytesIO("\n".join(rows).encode()))
    assert twice.judged == []
    assert twice.not_judged["G1"].startswith("events that are told twice")


def test_lines_that_are_missing_are_waited_out() -> None:
    """After what cannot be read nothing is judged until the next session starts."""
    rows = [json.dumps({"t": float(n), "event": e}) for n, e in enumerate([*HEALTHY, *HEALTHY])]
    rows[4] = '{"t": 4.0, "event": {"type": "response.ev'
    report = check(io.BytesIO(("\n".join(rows) + "\n").encode()))
    assert broken(report) == []
    assert report.judged == JUDGED


def test_only_some_guarantees() -> None:
    events = [start(), STARTED, *WHOLE[:6], error("c1")]
    data = "".join(json.dumps({"event": e}) + "\n" for e in events).encode()
    assert check(io.BytesIO(data), only=["G2"]).broken == {}
    assert list(check(io.BytesIO(data), only=["G8"]).broken) == ["G8"]


def test_the_kinds_of_losses_are_those_of_the_watcher() -> None:
    """The judge shares no code with the watcher; the words of its lines are the same."""
    kinds = {"backend_failed", "continuation_refused", "session_expired", "result_lost"}
    assert kinds < {kind.value for kind in LossKind}


def test_the_command_says_it(tmp_path: Path) -> None:
    path = tmp_path / "live.jsonl"
    path.write_text("".join(json.dumps({"event": e}) + "\n" for e in HEALTHY), "utf-8")
    told = CliRunner().invoke(app, ["check", str(path)], env={"COLUMNS": "400"})
    assert told.exit_code == 0
    assert f"judged: {', '.join(JUDGED)}" in told.stdout
    assert "not judged: G5, G6: GPT-Live: no client event cancels" in told.stdout


def test_sound_is_told_by_its_length() -> None:
    sound = base64.b64encode(bytes(4800)).decode()
    for kind, field in (
        ("session.output_audio.delta", "delta"),
        ("session.input_audio.append", "audio"),
    ):
        assert redacted({"type": kind, field: sound})[field] == 100.0
    words = redacted(
        {"type": "session.commentary.append", "content": "a secret", "delegation_id": None}
    )
    assert words["content"] == 8


# --- the recorder, on the real plugin


def recording(path: Path, *, wrapped: bool, watched: bool, lose: bool) -> Report:
    from realtime_fsm.livekit import ControlledRealtimeModel
    from realtime_fsm.livekit.duplex import watch
    from realtime_fsm.simulator.gpt_live import Backend, LiveConfig
    from realtime_fsm.testing import run_virtual
    from realtime_fsm.trace import record

    from ..duplex.live import LOOKS_UP, live

    recorders: list[Any] = []

    def wrap(model: Any) -> Any:
        given = ControlledRealtimeModel(model) if wrapped else model
        recorders.append(record(given, path))
        return given

    async def run() -> None:
        async with live(LiveConfig(stream_ms=100), wrap=wrap) as call_:
            (recorder,) = recorders
            recorder.attach(call_.session)
            if watched:
                recorder.watch(watch(call_.duplex))
            call_.server.say("My secret words.")
            call_.server.delegate(LOOKS_UP, Backend(says="At nine."))
            await asyncio.sleep(3)
            if lose:
                call_.server.refuse("response.create", "some_code")
                call_.server.delegate(LOOKS_UP)
                await asyncio.sleep(3)
                call_.server.end("expired")
                await asyncio.sleep(3)

    run_virtual(run())
    with path.open("rb") as file:
        return check(file)


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_recorded_call(wrapped: bool, tmp_path: Path) -> None:
    pytest.importorskip("livekit.plugins.openai.realtime.gpt_live_model", reason="since 1.8.1")
    path = tmp_path / "call.jsonl"
    report = recording(path, wrapped=wrapped, watched=False, lose=True)
    assert broken(report) == [
        "G8 the continuation was refused (some_code), and nothing tells of it",
        "G8 the session expired, and nothing tells of it",
        "G18 a delegation went with its connection, and nothing tells of it",
    ]
    text = path.read_text("utf-8")
    assert "secret" not in text
    assert "nine" not in text
    assert '"dialect":"gpt-live"' in text
    sound = [json.loads(r)["event"]["delta"] for r in text.splitlines() if "output_audio" in r]
    assert 8_000 < sum(sound) < 13_000, "milliseconds, in a few lines"
    assert len(sound) < 60


@pytest.mark.parametrize("lose", [False, True])
def test_a_recorded_call_that_is_watched(lose: bool, tmp_path: Path) -> None:
    pytest.importorskip("livekit.plugins.openai.realtime.gpt_live_model", reason="since 1.8.1")
    path = tmp_path / "call.jsonl"
    report = recording(path, wrapped=True, watched=True, lose=lose)
    assert broken(report) == []
    assert report.judged == JUDGED
    kinds = [
        json.loads(r).get("kind") for r in path.read_text("utf-8").splitlines() if '"loss"' in r
    ]
    assert kinds == (["continuation_refused", "session_expired"] if lose else [])
    with path.open("rb") as file:
        (told,) = collect(file, "x").calls
    assert [turn.outcome for turn in told.turns][:1] == ["completed"]
