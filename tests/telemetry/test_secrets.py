"""Nothing that a server puts into a field, and no key, leaves: not in logs, spans, metrics, traces, or
what is made of these."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, function_tool
from livekit.agents.telemetry import set_tracer_provider
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry, generate_latest

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit.telemetry import OpenTelemetryObserver, PrometheusObserver
from realtime_fsm.report import Group, collect, page
from realtime_fsm.simulator import (
    Closed,
    ErrorInfo,
    Failed,
    FunctionCall,
    Message,
    Refuse,
    Rejected,
    Reply,
    ServerConfig,
)
from realtime_fsm.testing import virtual_time
from realtime_fsm.trace import check, record, redacted
from realtime_fsm.trace.show import show

from ..livekit.call import VAD, Call, call
from ..livekit.test_connection import frame
from .planted import CLIENT, SECRETS, SERVER, frames, leaks
from .test_redaction import our_logs, our_spans


def test_the_search_finds_what_is_there() -> None:
    for each in SECRETS:
        assert leaks(f"x {each} y")
    assert not leaks("item_BqX3J9kLmN0pQrStUvWxY conversation_already_has_active_response")


@pytest.mark.parametrize("everywhere", [False, True])
def test_no_field_of_any_event_shows_it(everywhere: bool) -> None:
    """At every level, keys too, for the server's and the client's events."""
    seen = set()
    for models in (SERVER, CLIENT):
        for name, sent in frames(models, everywhere=everywhere):
            assert len(leaks(json.dumps(sent))) >= 2
            assert not leaks(json.dumps(redacted(sent))), name
            seen.add(name)
    assert len(seen) == len(SERVER) + len(CLIENT) > 50


@pytest.mark.parametrize("everywhere", [False, True])
def test_what_was_recorded_before_or_by_others_is_shown_without_it(everywhere: bool) -> None:
    """A raw log, and a trace in which they stand: by check, its JSON, and the page."""
    raw, lines = [], [json.dumps({"trace": "realtime-fsm", "version": 1, "mode": "control"})]
    for n, (_, sent) in enumerate(frames(SERVER + CLIENT, everywhere=everywhere)):
        if n % 5:
            continue
        raw.append(json.dumps(sent))
        by = "server" if n % 2 else "client"
        line = {"t": n, "by": by, "type": sent["type"], "connection": 1, "event": sent}
        lines.append(json.dumps(line))
        own = {"t": n, "by": "session", "type": SECRETS[n % len(SECRETS)]}
        names = (
            "turn",
            "response",
            "code",
            "label",
            "text",
            "item_id",
            "call_id",
            "name",
            "reason",
        )
        own |= {name: SECRETS[(n + i) % len(SECRETS)] for i, name in enumerate(names)}
        lines += [json.dumps(own), json.dumps(own | {"by": "turn", "type": "moved", "attempt": 1})]
        lines.append(json.dumps(own | {"by": "turn", "type": "ended", SECRETS[0]: 1}))
    for text in ("\n".join(raw), "\n".join(lines)):
        told = look_at(text.encode())
        assert "response.done" in told
        assert not leaks(told)


def look_at(data: bytes) -> str:
    """What check and report make of a file."""
    report = check(io.BytesIO(data), source="x")
    told = io.StringIO()
    show([report], told)
    side = collect(io.BytesIO(data), "x")
    html = page("x", [Group("x", [side])])
    return told.getvalue() + json.dumps(report.as_json(), default=str) + html


# --- a running call

SPOKEN = Reply([Message("It is in tune.", seconds=0.4)])


class _Agent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=f"Say nothing of {SECRETS[12]}. Use {SECRETS[0]}.")

    @function_tool
    async def look_up(self, what: str) -> str:
        """Look something up."""
        raise ValueError(f"{SECRETS[1]} {what}")


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    set_tracer_provider(provider)
    yield exporter
    set_tracer_provider(trace_api.NoOpTracerProvider())


def faulty(n: int) -> ServerConfig:
    """Handshakes that fail, and what the server says when it closes."""
    refused = [Refuse(503, body=SECRETS[n])] if n % 2 else []
    return ServerConfig(handshakes=refused)


SCRIPT = [
    Reply(end=Failed(SECRETS[0], message=SECRETS[1])),
    SPOKEN,
    Reply(ack=Rejected(SECRETS[2], message=SECRETS[12])),
    SPOKEN,
    Reply([FunctionCall("look_up", {"what": SECRETS[3]})]),
    SPOKEN,
    Reply(end=Closed(1011, reason=SECRETS[4], error=ErrorInfo(SECRETS[5], message=SECRETS[6]))),
    SPOKEN,
    Reply(end=Closed(1011, error=ErrorInfo("session_expired", message=SECRETS[7]))),
    SPOKEN,
]


async def live(c: Call, everywhere: bool, part: int) -> None:
    """The call goes on while the server sends what it likes."""
    sent = list(frames(SERVER, everywhere=everywhere))
    for n, (_, each) in enumerate(sent[part :: len(SECRETS)]):
        if n % 8 == 0:
            with contextlib.suppress(Exception):
                c.session.generate_reply(user_input=SECRETS[12], instructions=SECRETS[n % 12])
                await asyncio.sleep(0.5)
                await c.until(lambda: not c.controller.turns, timeout=15.0)
        with contextlib.suppress(Exception):
            await frame(c, json.dumps(each))
            await asyncio.sleep(0.01)
            if n % 9 == 0:
                await frame(c, json.dumps({"type": SECRETS[n % len(SECRETS)]}))
                await frame(c, SECRETS[n % len(SECRETS)])
    with contextlib.suppress(Exception):
        await c.server.user_speaks(SECRETS[12], seconds=0.3)
        await c.until(lambda: not c.controller.turns, timeout=15.0)


@pytest.mark.parametrize(
    ("part", "everywhere", "transcripts"),
    [(0, False, False), (3, True, False), (6, False, True), (9, True, False), (12, False, False)],
)
def test_a_call_in_which_the_server_puts_it_everywhere(
    part: int,
    everywhere: bool,
    transcripts: bool,
    exporter: InMemorySpanExporter,
    caplog: pytest.LogCaptureFixture,
    tmp_path: Path,
) -> None:
    registry = CollectorRegistry()
    observers = [OpenTelemetryObserver(), PrometheusObserver(registry)]
    policy = rf.RetryPolicy(retry_interval=0.05, timeout=0.4)
    path = tmp_path / "call.jsonl"

    @virtual_time
    async def run() -> None:
        options: dict[str, Any] = {"retry": policy, "observers": observers, "turn_detection": VAD}
        # `hangs`: what died of a frame may still be closing.
        options |= {"config": faulty(part), "hangs": True}
        async with call(SCRIPT, agent=_Agent(), **options) as c:
            realtime = realtime_session_of(c.session)
            assert realtime is not None
            recorder = record(realtime, path, transcripts=transcripts)
            recorder.attach(c.session)
            await live(c, everywhere, part)
        recorder.close()

    with caplog.at_level(logging.DEBUG, "realtime_fsm"):
        run()
    told = {
        "logs": our_logs(caplog.records, logging.DEBUG),
        "spans": our_spans(exporter),
        "metrics": generate_latest(registry).decode(),
        "trace": path.read_text("utf-8"),
    }
    told["report"] = look_at(path.read_bytes())
    assert "response_turn" in told["spans"]
    assert "response_created" in told["logs"]
    assert told["trace"].count("\n") > 60
    for kind, text in told.items():
        # With words, what was said may stand there, and a number that was.
        words = [leak for each in SECRETS[-2:] for leak in leaks(each)] if transcripts else []
        assert [each for each in leaks(text) if each not in words] == [], kind
