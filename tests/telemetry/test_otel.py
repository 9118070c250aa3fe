"""Spans of real sessions, collected in memory."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from livekit.agents import telemetry
from opentelemetry import trace as trace_api
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

import realtime_fsm as rf
from realtime_fsm.livekit.telemetry import OpenTelemetryObserver
from realtime_fsm.simulator import Failed, Reply
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, VAD, call
from ..livekit.test_turns import QUICK


@pytest.fixture
def exporter() -> Iterator[InMemorySpanExporter]:
    """LiveKit's tracer, and so ours, writes here."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.set_tracer_provider(provider)
    yield exporter
    telemetry.set_tracer_provider(trace_api.NoOpTracerProvider())


def named(exporter: InMemorySpanExporter, name: str) -> list[ReadableSpan]:
    return [span for span in exporter.get_finished_spans() if span.name.split()[0] == name]


@pytest.mark.parametrize("voice", ["asked", "server vad"])
def test_spans_of_a_turn_that_recovers(exporter: InMemorySpanExporter, voice: str) -> None:
    @virtual_time
    async def recovered() -> str:
        vad = VAD if voice == "server vad" else None
        replies = [Reply(end=Failed("server_error")), HELLO]
        observers = [OpenTelemetryObserver()]
        async with call(replies, retry=QUICK, turn_detection=vad, observers=observers) as c:
            if vad is None:
                await c.session.generate_reply(user_input="Hello?")
            else:
                await c.server.user_speaks("Hello?", seconds=0.3)
                await c.until(lambda: c.ended)
            return c.inner.model

    model = recovered()
    (turn,) = named(exporter, "response_turn")
    first, second = named(exporter, "generate_content")
    assert turn.attributes is not None
    assert turn.status.status_code is StatusCode.UNSET
    expected = {
        "gen_ai.request.model": model,
        "realtime_fsm.turn.id": "turn_1",
        "realtime_fsm.turn.origin": "client" if voice == "asked" else "server_vad",
        "realtime_fsm.turn.outcome": "completed",
        "realtime_fsm.turn.recovered": True,
    }
    assert {key: turn.attributes[key] for key in expected} == expected
    assert isinstance(turn.attributes["realtime_fsm.turn.recovery_seconds"], float)

    moves = [e.attributes for e in turn.events if e.name == "turn_moved"]
    states = [m["realtime_fsm.state"] for m in moves if m is not None]
    assert list(dict.fromkeys(states)) == [
        *(["requested"] if voice == "asked" else []),
        "created",
        "retry_wait",
        *(["requested"] if voice != "asked" else []),
        "streaming message 1",
        "done",
    ]
    (recovering,) = [e.attributes for e in turn.events if e.name == "recovering"]
    assert recovering is not None
    assert recovering["error.type"] == "server_error"

    for span, number, outcome in ((first, 1, "failed"), (second, 2, "completed")):
        assert span.kind is SpanKind.CLIENT
        assert span.name == f"generate_content {model}"
        assert span.parent is not None
        assert span.parent.span_id == turn.context.span_id
        assert span.attributes is not None
        assert span.attributes["gen_ai.operation.name"] == "generate_content"
        assert span.attributes["realtime_fsm.attempt.number"] == number
        assert span.attributes["realtime_fsm.attempt.outcome"] == outcome
        assert str(span.attributes["gen_ai.response.id"]).startswith("resp_")
    assert first.attributes is not None
    assert first.attributes["error.type"] == "failed"
    assert first.status.status_code is StatusCode.ERROR
    assert second.attributes is not None
    assert "gen_ai.response.time_to_first_chunk" in second.attributes


def test_a_turn_is_linked_to_the_agent_turn_it_is_spoken_in(
    exporter: InMemorySpanExporter,
) -> None:
    @virtual_time
    async def two_turns() -> None:
        replies = [HELLO, Reply(end=Failed("server_error")), HELLO]
        async with call(replies, retry=QUICK, observers=[OpenTelemetryObserver()]) as c:
            await c.session.generate_reply(user_input="Hello?")
            await c.session.generate_reply(user_input="And?")

    two_turns()
    agent_turns = [s.context.span_id for s in named(exporter, "agent_turn")]
    turns = named(exporter, "response_turn")
    assert [[link.context.span_id for link in t.links] for t in turns] == [[a] for a in agent_turns]
    assert len(set(agent_turns)) == 2
    first, failed, spoke = named(exporter, "generate_content")
    assert [len(s.links) for s in (first, failed, spoke)] == [1, 0, 1]
    traces = {s.context.trace_id for s in (*turns, first, failed, spoke)}
    assert len(traces) == 1, "one trace with LiveKit's own spans"
    assert traces == {s.context.trace_id for s in named(exporter, "agent_turn")}


def test_a_turn_that_fails_is_an_error(exporter: InMemorySpanExporter) -> None:
    @virtual_time
    async def failed() -> None:
        policy = rf.RetryPolicy(max_retry=0)
        replies = [Reply(end=Failed("server_error"))]
        async with call(replies, retry=policy, observers=[OpenTelemetryObserver()]) as c:
            await c.session.generate_reply(user_input="Hello?")

    failed()
    (turn,) = named(exporter, "response_turn")
    assert turn.attributes is not None
    assert turn.status.status_code is StatusCode.ERROR
    assert turn.attributes["error.type"] == "server_error"
    assert turn.attributes["realtime_fsm.turn.outcome"] == "failed"
    assert not turn.links


def test_without_a_tracer_provider_nothing_is_kept() -> None:
    observer = OpenTelemetryObserver()

    @virtual_time
    async def one_turn() -> None:
        async with call([HELLO], observers=[observer]) as c:
            handle = c.session.generate_reply(user_input="Hello?")
            await c.until(lambda: c.turn.has_output)
            assert not vars(observer)["_turns"]
            await handle

    one_turn()
