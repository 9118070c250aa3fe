"""Nothing that was said, and no key, is in what we log, trace or count."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, telemetry
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit.telemetry import (
    OpenTelemetryObserver,
    PrometheusObserver,
    TurnInfo,
    TurnObserver,
)
from realtime_fsm.simulator import (
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Rejected,
    Reply,
    Unanswered,
    audio_ms,
)
from realtime_fsm.testing import virtual_time
from realtime_fsm.trace import record

from ..livekit.call import VAD, call
from ..livekit.test_connection import frame

KEY = "sk-secret"  # as in `call`
SAID = "xylophone"  # by the agent
ASKED = "marmalade"  # by the user
TOLD = "periwinkle"  # instructions
FOUND = "gooseberry"  # a tool's arguments and output
#: A provider may quote anything in its message, or in a code that is none.
QUOTED = f"invalid: {KEY} {SAID} {ASKED} {TOLD} {FOUND}"
WORDS = (KEY, SAID, ASKED, TOLD, FOUND)

SPOKEN = Reply([Message(f"The {SAID} is in tune.", seconds=0.5)])
CALLS: dict[str, list[Reply]] = {
    "healthy": [SPOKEN],
    "recovers": [Reply(end=Failed("server_error", message=QUOTED)), SPOKEN],
    "refused": [Reply(ack=Rejected("server_error", message=QUOTED)), SPOKEN],
    "no code": [Reply(end=Failed(QUOTED, message=QUOTED)), SPOKEN],
    "unanswered": [Reply(ack=Unanswered()), SPOKEN],
    "connection lost": [Reply(end=Dropped()), SPOKEN],
    "fails while heard": [
        Reply(SPOKEN.items, end=Failed("server_error", at=audio_ms(300), message=QUOTED))
    ],
    "client bug": [Reply(ack=Rejected("invalid_value", message=QUOTED))],
    "cut": [Reply(SPOKEN.items, end=Incomplete("max_output_tokens"))],
    "fatal": [Reply(end=Failed("insufficient_quota", message=QUOTED))],
    "tool": [Reply([FunctionCall("look_up", {"what": FOUND})]), SPOKEN],
}


class _Agent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=f"Speak of {TOLD}.")

    @function_tool
    async def look_up(self, what: str) -> str:
        """Look something up."""
        return f"{FOUND} {what}"


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.set_tracer_provider(provider)
    yield exporter
    telemetry.set_tracer_provider(trace_api.NoOpTracerProvider())


def our_logs(records: list[logging.LogRecord], level: int) -> str:
    ours = [r for r in records if r.name.split(".")[0] == "realtime_fsm" and r.levelno >= level]
    format_all = logging.Formatter()
    return "\n".join(f"{format_all.format(r)} {vars(r)}" for r in ours)


def our_spans(exporter: InMemorySpanExporter) -> str:
    ours = [
        span
        for span in exporter.get_finished_spans()
        if span.name == "response_turn" or span.name.startswith("generate_content")
    ]
    return "\n".join(json.dumps(json.loads(span.to_json())) for span in ours)


@pytest.mark.parametrize("level", [logging.INFO, logging.DEBUG], ids=["default", "debug"])
@pytest.mark.parametrize("name", CALLS)
def test_no_key_audio_or_words_leave(
    name: str,
    level: int,
    exporter: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    observers = [OpenTelemetryObserver(), PrometheusObserver(registry)]
    policy = rf.RetryPolicy(retry_interval=0.05, timeout=0.4)
    audio: set[str] = set()

    def hear(event: dict[str, Any]) -> None:
        if event["type"] == "response.output_audio.delta":
            audio.add(event["delta"][:64])

    @virtual_time
    async def live() -> None:
        options: dict[str, Any] = {"retry": policy, "observers": observers, "turn_detection": VAD}
        async with call(CALLS[name], agent=_Agent(), **options) as c:
            realtime = realtime_session_of(c.session)
            assert realtime is not None
            recorder = record(realtime, tmp_path / "call.jsonl")
            recorder.attach(c.session)
            realtime.on("openai_server_event_received", hear)
            c.session.generate_reply(user_input=f"Is there {ASKED}?", instructions=TOLD)
            await c.until(lambda: c.ended and not c.controller.turns)
            if name != "fatal":
                await c.server.user_speaks(f"More {ASKED}?", seconds=0.3)
                await c.until(lambda: len(c.ended) > 1 and not c.controller.turns)
        recorder.close()

    with caplog.at_level(level, "realtime_fsm"):
        live()
    logs, spans = our_logs(caplog.records, level), our_spans(exporter)
    metrics = generate_latest(registry).decode()
    assert "response_turn" in spans
    assert "realtime_fsm_turns_total{" in metrics
    assert name == "healthy" or level > logging.DEBUG or logs
    trace = (tmp_path / "call.jsonl").read_text("utf-8")
    assert '"response.create"' in trace
    assert name == "fatal" or (audio and all(len(text) == 64 for text in audio))
    for kind, text in (("logs", logs), ("spans", spans), ("metrics", metrics), ("trace", trace)):
        for word in (*WORDS, *audio):
            assert word not in text, f"{word[:20]!r} in {kind}"


class Quoting(TurnObserver):
    """Fails with words in its message, as a validator that quotes its input would."""

    def turn_started(self, turn: TurnInfo) -> None:
        raise ValueError(QUOTED)


@virtual_time
async def test_no_words_leave_with_a_traceback_or_the_type_of_a_frame(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG, "realtime_fsm"):
        async with call([SPOKEN], agent=_Agent(), observers=[Quoting()]) as c:
            await frame(c, json.dumps({"type": QUOTED}))
            await frame(c, json.dumps({"type": "something.new"}))
            await c.session.generate_reply(instructions=TOLD)
    (failed,) = [r for r in caplog.records if r.getMessage() == "observer failed"]
    printed = logging.Formatter().format(failed)
    assert "in turn_started" in printed
    assert printed.endswith("LoggedError: ValueError")
    ignored = [vars(r)["type"] for r in caplog.records if r.getMessage() == "frame ignored"]
    assert ignored == [None, "something.new"]
    logs = our_logs(caplog.records, logging.DEBUG)
    for word in WORDS:
        assert word not in logs


def test_livekits_own_spans_do_carry_words(exporter: InMemorySpanExporter) -> None:
    """So the search above would find them, and the page says what is not ours."""

    @virtual_time
    async def live() -> None:
        async with call([SPOKEN], agent=_Agent()) as c:
            await c.session.generate_reply(user_input=f"Is there {ASKED}?")

    live()
    assert SAID in "".join(span.to_json() for span in exporter.get_finished_spans())
