"""The recorder: what it writes, what it never writes, and that it stays out of the way."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import time
from pathlib import Path
from typing import Any, cast

import pytest
from livekit.agents import Agent
from livekit.plugins import openai

from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.simulator import InMemoryServer, Message, Reply, Script
from realtime_fsm.testing import (
    PacedAudioOutput,
    SimulatedCall,
    run_virtual,
    simulated_call,
    virtual_time,
)
from realtime_fsm.trace import check, record, redacted, write_record
from realtime_fsm.trace.redact import audio_ms
from realtime_fsm.trace.writer import TraceWriter

from .calls import HELLO, TWO, WEATHER, Weather, everything, play

SECRET = "sk-proj-0123456789abcdef"


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def kinds(path: Path) -> set[tuple[str, str]]:
    return {(line["by"], line["type"]) for line in lines_of(path)[1:]}


async def talk(path: Path, *, transcripts: bool = False, start_first: bool = False) -> None:
    """A call that an application makes by itself, with the two lines of the manual."""
    script = Script([WEATHER, Reply([Message("It rains in Oslo today.", seconds=1.0)])])
    async with InMemoryServer(script) as server:
        model = openai.realtime.RealtimeModel(
            api_key=SECRET, http_session=server.http_session, turn_detection=None
        )
        session: AgentSession[Any] = AgentSession(llm=model, vad=None)
        session.output.audio = PacedAudioOutput()
        if start_first:
            await session.start(Weather(instructions="Keep my password hunter2."))
            assert realtime_session_of(session) is not None
            recorder = record(realtime_session_of(session), path)
        else:
            recorder = record(model, path, transcripts=transcripts)
        recorder.attach(session)
        if not start_first:
            await session.start(Weather(instructions="Keep my password hunter2."))
        await session.generate_reply(user_input="The weather in Oslo, please?")
        await asyncio.sleep(2)
        await session.aclose()
        await model.aclose()
        assert "session" not in vars(model), "the model is as it was"


def test_a_plain_call_in_two_lines(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    run_virtual(lambda: talk(path))
    header, *lines = lines_of(path)
    assert (header["trace"], header["version"], header["mode"]) == ("realtime-fsm", 1, "plain")
    assert header["versions"]["livekit-agents"]
    assert {"response.created", "response.done"} <= {
        x["type"] for x in lines if x["by"] == "server"
    }
    expected = {
        ("playback", "started"), ("playback", "finished"), ("session", "speech_created"),
        ("session", "speech_done"), ("session", "agent_state"), ("session", "tool_executed"),
        ("session", "item_added"), ("session", "close"), ("session", "recorded"),
    }  # fmt: skip
    assert expected <= kinds(path)
    times = [line["t"] for line in lines]
    assert times == sorted(times)
    assert lines[-1]["type"] == "recorded"


def test_a_session_that_runs_already(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    run_virtual(lambda: talk(path, start_first=True))
    assert ("server", "response.done") in kinds(path)
    assert ("session", "close") in kinds(path)


def test_no_key_no_audio_and_no_words_by_default(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    run_virtual(lambda: talk(path))
    text = path.read_text("utf-8")
    for secret in (SECRET, "hunter2", "Oslo", "rains", "please", "AAAAAAAA"):
        assert secret not in text
    assert '"name":"get_weather"' in text, "names of tools are no words"
    run_virtual(lambda: talk(path, transcripts=True))
    text = path.read_text("utf-8")
    assert "It rains in Oslo today." in text
    for secret in (SECRET, "AAAAAAAA"):
        assert secret not in text
    assert json.loads(text.splitlines()[0])["transcripts"] is True


def test_what_a_frame_may_show() -> None:
    frame = {
        "type": "response.create",
        "event_id": "event_1",
        "response": {
            "instructions": "Tell nobody.",
            "metadata": {"client_event_id": "c_1", "who are you": "x", "note": "a b"},
            "tools": [{"name": "t", "description": "secret"}],
            "logprobs": [{"token": "secret", "bytes": [115]}],
            "temperature": 0.8,
            "voice": "two words",
            "status": SECRET,
        },
    }
    assert redacted(frame) == {
        "type": "response.create",
        "event_id": "event_1",
        "response": {
            "instructions": 12,
            "metadata": {"client_event_id": "c_1", "note": 3},
            "tools": 1,
            "temperature": 0.8,
            "voice": 9,
            "status": len(SECRET),
        },
    }
    message = "Conversation already has an active response in progress: resp_1."
    error = {"type": "error", "error": {"message": message, "code": None}}
    assert redacted(error) == error
    refused = {"type": "error", "error": {"message": f"Incorrect API key provided: {SECRET}."}}
    assert SECRET not in json.dumps(redacted(refused, transcripts=True))


def test_audio_is_measured_by_its_length() -> None:
    import base64

    for size in (0, 1, 2, 3, 4800, 4801, 4802):
        assert audio_ms(base64.b64encode(b"x" * size).decode()) == pytest.approx(size / 48)


def test_audio_deltas_share_a_line(tmp_path: Path) -> None:
    """And G15 counts them: what one line says is what the frames had together."""
    path = tmp_path / "call.jsonl"
    run_virtual(lambda: everything(path, controlled=True))
    deltas = [x for x in lines_of(path)[1:] if x["type"] == "response.output_audio.delta"]
    assert max(each["n"] for each in deltas) > 1
    ms: dict[str, float] = {}
    for each in deltas:
        item = each["event"]["item_id"]
        ms[item] = ms.get(item, 0.0) + each["event"]["delta"]
        assert each.get("until", each["t"]) >= each["t"]
    assert list(ms.values())[:2] == [pytest.approx(1000), pytest.approx(2000)]


def test_a_turns_lines_follow_what_moved_it(clean: list[dict[str, Any]]) -> None:
    at = next(n for n, line in enumerate(clean) if line.get("event") == "RESPONSE_CREATED")
    assert clean[at]["response"] == "resp_001"
    created = [n for n, line in enumerate(clean) if line.get("type") == "response.created"]
    assert created[0] == at - 1
    playing = [line["item_id"] for line in clean if line.get("by") == "playback"]
    assert playing[:4] == ["item_002", "item_002", "item_003", "item_003"]


def test_connections_are_counted(clean: list[dict[str, Any]]) -> None:
    numbers = [line["connection"] for line in clean if line.get("by") in ("client", "server")]
    assert set(numbers) == {1, 2}
    assert numbers == sorted(numbers)
    (lost,) = [line for line in clean if line.get("by") == "net"]
    assert (lost["type"], lost["connection"]) == ("lost", 1)


@virtual_time
async def test_it_leaves_no_task_timer_or_listener(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with simulated_call([HELLO]) as call:
        listeners = count_listeners(call)
        recorder = record(call.model or call.plugin, tmp_path / "late.jsonl")
        recorder.attach(call.session)
        assert asyncio.all_tasks() >= before
        assert not [t for t in asyncio.all_tasks() if "record" in repr(t.get_coro())]
        await call.say("Hello?")
        await call.idle()
        recorder.close()
        recorder.close()
        assert recorder._lines._timer is None
        size = (tmp_path / "late.jsonl").stat().st_size
        await call.say("Hello?")
        await call.idle()
        assert (tmp_path / "late.jsonl").stat().st_size == size
        assert count_listeners(call) == listeners


def count_listeners(call: SimulatedCall) -> int:
    """Of the session; a simulated call has a recorder of its own."""
    return sum(len(each) for each in call.session._events.values())


class Full:
    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")

    def flush(self) -> None:
        raise OSError(28, "No space left on device")

    def close(self) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_ends_the_recording_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("builtins.open", lambda *args, **kwargs: Full())
    writer = TraceWriter(tmp_path / "x.jsonl", {})
    for _ in range(3):
        writer.write({"t": 1.0})
        writer.flush()
    writer.close()
    assert not writer.open
    assert [r.levelno for r in caplog.records if r.name == "realtime_fsm"] == [logging.WARNING]
    assert "OSError" in caplog.text


@virtual_time
async def test_a_disk_that_fills_up_in_mid_call_is_no_matter_of_the_call(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One line in the log; the call, and what goes over its wire, as without a recorder."""
    wires, heard = [], []
    for recorded in (False, True):
        path = tmp_path / "call.jsonl"
        async with simulated_call([TWO, HELLO], trace=path if recorded else None) as call:
            await call.say("Hello?")
            await call.until(lambda: call.heard > 0.5)
            if recorded:
                size = path.stat().st_size
                writer = next(
                    each for each in gc.get_objects() if type(each) is TraceWriter and each.open
                )
                assert writer._file is not None
                writer._file.close()
                writer._file = cast(Any, Full())
            await call.idle()
            await call.say("Are you there?")
            await call.idle()
            heard.append(call.heard)
            wires.append([each.type for each in call.server.record])
    assert wires[0] == wires[1]
    assert heard[0] == heard[1]
    assert path.stat().st_size == size
    ours = [r for r in caplog.records if r.name == "realtime_fsm" and r.levelno >= logging.WARNING]
    assert [r.getMessage().rpartition(": ")[2] for r in ours] == ["No space left on device"]
    with path.open("rb") as file:
        report = check(file)
    assert report.cut_off
    assert report.broken == {}


@virtual_time
async def test_a_call_goes_on_without_its_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with simulated_call([HELLO], trace=tmp_path / "missing" / "call.jsonl") as call:
        await call.say("Hello?")
        await call.idle()
        assert call.heard == pytest.approx(1.0)
    assert len([r for r in caplog.records if "cannot be written" in r.message]) == 1


def test_lines_reach_the_file_while_the_call_goes_on(tmp_path: Path) -> None:
    """Also when nothing follows: plain LiveKit's session may die without a `close`."""
    path = tmp_path / "call.jsonl"

    async def drive(call: Any) -> None:
        await call.say("Hello?")
        await call.idle()
        await asyncio.sleep(3)
        assert ("session", "speech_done") in kinds(path)

    run_virtual(lambda: play(path, [HELLO], drive, controlled=True))


def test_wrong_arguments(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="source must be a realtime model or session, got 'x'"):
        record("x", tmp_path / "a.jsonl")  # type: ignore[arg-type]
    recorder = record(openai.realtime.RealtimeModel(api_key="x"), tmp_path / "a.jsonl")
    with pytest.raises(TypeError, match="session must be an AgentSession, got None"):
        recorder.attach(None)  # type: ignore[arg-type]
    recorder.close()


@virtual_time
async def test_a_connection_that_livekit_renews_counts_up(tmp_path: Path) -> None:
    path = tmp_path / "call.jsonl"
    async with simulated_call([HELLO, HELLO], trace=path, max_session_duration=20.0) as call:
        await call.say("Hello?")
        await call.idle()
        await asyncio.sleep(25)
        await call.say("Hello?")
        await call.idle()
    lines = lines_of(path)[1:]
    created = [x["connection"] for x in lines if x["type"] == "session.created"]
    assert created[:2] == [1, 2]
    assert ("session", "reconnected") in kinds(path)


@virtual_time
async def test_a_simulated_servers_record_as_a_trace(tmp_path: Path) -> None:
    path = tmp_path / "server.jsonl"
    async with simulated_call([TWO], agent=Agent(instructions="Be brief.")) as call:
        await call.say("Hello?")
        await call.idle()
        write_record(call.server.record, path)
        wire = len(call.server.record)
    with path.open("rb") as file:
        report = check(file)
    assert report.broken == {}
    assert sum(report.lines.values()) == wire
    assert report.not_judged["G8"] == "no session lines"
    assert "Hello" not in path.read_text("utf-8")
    with pytest.raises(OSError, match="missing"):
        write_record([], tmp_path / "missing" / "x.jsonl")


def test_an_audio_delta_costs_little(tmp_path: Path) -> None:
    """Next to the plugin's own 43 to 69 microseconds. The bound is loose: machines differ."""
    recorder = record(openai.realtime.RealtimeModel(api_key="x"), tmp_path / "a.jsonl")
    frame = {"type": "response.output_audio.delta", "item_id": "i", "response_id": "r"}
    frame["delta"] = "A" * 6400
    wire = recorder._wire()
    start = time.process_time()
    for _ in range(10_000):
        wire.server_event(frame)
    each = (time.process_time() - start) / 10_000
    recorder.close()
    assert each < 100e-6


@virtual_time
async def test_a_text_delta_is_written_as_it_came_though_its_line_is_made_later(
    tmp_path: Path,
) -> None:
    """The plugin parses the same dict next, and whoever listens may change it."""
    path = tmp_path / "a.jsonl"
    recorder = record(openai.realtime.RealtimeModel(api_key="x"), path)
    wire = recorder._wire()
    ids = {"item_id": "item_1", "response_id": "resp_1"}
    kind = "response.output_audio_transcript.delta"
    frame: dict[str, Any] = {"type": kind, **ids, "delta": f"my key is {SECRET}"}
    wire.server_event(frame)
    frame["type"], frame["delta"] = "changed", "later"
    wire.server_event({"type": kind, **ids, "delta": object()})  # no JSON: left out as before
    wire.server_event({"type": "response.output_audio.done", **ids})
    recorder.close()
    deltas = [line for line in lines_of(path)[1:] if line["by"] == "server"]
    assert [line["type"] for line in deltas] == [kind, kind, "response.output_audio.done"]
    assert deltas[0]["event"] == {**ids, "delta": len(f"my key is {SECRET}"), "words": 3}
    assert SECRET not in path.read_text("utf-8")


def test_what_raises_when_a_line_is_made_costs_that_line(tmp_path: Path) -> None:
    def raises() -> dict[str, Any]:
        raise AttributeError("nobody")

    writer = TraceWriter(tmp_path / "x.jsonl", {})
    writer.write({"t": 1.0})
    writer.write(raises)
    writer.write(lambda: {"t": 2.0})
    writer.close()
    assert [line["t"] for line in lines_of(tmp_path / "x.jsonl")[1:]] == [1.0, 2.0]
