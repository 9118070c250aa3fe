"""Metrics of real sessions."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from livekit.agents.telemetry import http_server
from prometheus_client import REGISTRY, CollectorRegistry

import realtime_fsm as rf
from realtime_fsm.livekit.telemetry import AttemptOutcome, Correction, PrometheusObserver
from realtime_fsm.simulator import Created, Failed, Message, Reply, ServerConfig, Unanswered
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, TWO, call
from ..livekit.test_connection import frame
from ..livekit.test_turns import QUICK


def value(registry: CollectorRegistry, c: Any, name: str, **labels: str) -> float | None:
    who = {"provider": c.inner.provider, "model": c.inner.model}
    return registry.get_sample_value(f"realtime_fsm_{name}", {**who, **labels})


@virtual_time
async def test_turns_attempts_recovery_and_states() -> None:
    registry = CollectorRegistry()
    replies = [Reply(end=Failed("server_error")), HELLO, Reply(ack=Unanswered()), HELLO]
    observers = [PrometheusObserver(registry)]
    async with call(replies, retry=QUICK, observers=observers) as c:
        await c.session.generate_reply(user_input="Hello?")
        await c.session.generate_reply(user_input="And?")
        assert value(registry, c, "turns_total", origin="client", outcome="completed") == 2
        assert value(registry, c, "attempts_total", outcome="completed") == 2
        assert value(registry, c, "attempts_total", outcome="failed") == 1
        assert value(registry, c, "attempts_total", outcome="timed_out") == 1
        assert value(registry, c, "orphans_total") == 1
        assert value(registry, c, "recovery_seconds_count", outcome="recovered") == 2
        recovery = value(registry, c, "recovery_seconds_sum", outcome="recovered")
        assert recovery is not None
        assert 0.1 < recovery < 2
        assert value(registry, c, "state_seconds_count", state="retry_wait") == 2
        streamed = value(registry, c, "state_seconds_sum", state="streaming")
        assert streamed is not None
        assert streamed > 2 * 0.6 / 5  # the sink is five times as fast
        assert value(registry, c, "state_seconds_count", state="done") is None


@virtual_time
async def test_a_failed_turn_was_not_recovered() -> None:
    registry = CollectorRegistry()
    failed = Reply(end=Failed("server_error"))
    policy = rf.RetryPolicy(max_retry=1, retry_interval=0.05)
    async with call([failed] * 2, retry=policy, observers=[PrometheusObserver(registry)]) as c:
        await c.session.generate_reply(user_input="Hello?")
        assert value(registry, c, "turns_total", origin="client", outcome="failed") == 1
        assert value(registry, c, "recovery_seconds_count", outcome="given_up") == 1


@virtual_time
async def test_conflicts_ignored_events_and_corrections() -> None:
    registry = CollectorRegistry()
    late = Reply([Message("late", seconds=0.3)], ack=Created(after=0.6))
    config = ServerConfig(cancel_before_created=False, pace=0.002)
    observers = [PrometheusObserver(registry)]
    async with call([late, TWO, HELLO], retry=QUICK, config=config, observers=observers) as c:
        await c.session.generate_reply(user_input="Hello?")
        assert value(registry, c, "conflicts_total") == 1
        handle = c.session.generate_reply(user_input="And?")
        await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
        await asyncio.sleep(0.05)
        await c.session.interrupt()
        await handle
        await c.until(lambda: len(c.server.sent("conversation.item.delete")) == 1)
        for kind, event in (("deleted", "delete"), ("truncated", "truncate")):
            sent = len(c.server.sent(f"conversation.item.{event}"))
            assert value(registry, c, "history_corrections_total", kind=kind) == sent > 0
        c.controller.receive(rf.MessagePulled(item_id="unknown"), asyncio.get_running_loop().time())
        await c.session.generate_reply(user_input="Again?")
        assert value(registry, c, "ignored_events_total", reason="stale message") == 1


@virtual_time
async def test_the_default_is_what_livekits_worker_exports() -> None:
    async with call([HELLO], observers=[PrometheusObserver(), PrometheusObserver()]) as c:
        await c.session.generate_reply(user_input="Hello?")
        found = value(REGISTRY, c, "turns_total", origin="client", outcome="completed")
        assert found is not None
        assert found >= 2, "two observers in one registry count twice, and do not clash"
    page = (await http_server.metrics(None)).body  # type: ignore[arg-type]
    assert b"realtime_fsm_turns_total" in bytes(page)  # type: ignore[arg-type]


@virtual_time
async def test_no_label_has_more_values_than_are_known_beforehand() -> None:
    """Whatever a server writes: labels are ours, but for the provider and the model."""
    registry = CollectorRegistry()
    odd = [f"odd_code_{n}" for n in range(6)]
    replies = [reply for code in odd for reply in (Reply(end=Failed(code)), HELLO)]
    async with call(replies, retry=QUICK, observers=[PrometheusObserver(registry)]) as c:
        for code in odd:
            await frame(c, json.dumps({"type": code, "response_id": code, "item": {"id": code}}))
            await frame(c, json.dumps({"type": "response.done", "response": {"id": code}}))
            await c.session.generate_reply(instructions="Answer.")
        known = {
            "provider": {c.inner.provider},
            "model": {c.inner.model},
            "origin": {origin.value for origin in rf.Origin},
            "outcome": {x.value for x in (*rf.TurnOutcome, *AttemptOutcome)}
            | {"recovered", "given_up"},
            "state": {state.value for state in rf.TurnState},
            "reason": {"malformed frame", "stale response", "unknown event type"},
            "kind": {correction.value for correction in Correction},
        }
    found: dict[str, set[str]] = {}
    for metric in registry.collect():
        for sample in metric.samples:
            for label, text in sample.labels.items():
                if label != "le":
                    found.setdefault(label, set()).add(text)
    assert {"outcome", "reason", "state"} <= found.keys()
    assert {label: texts - known[label] for label, texts in found.items()} == {
        label: set() for label in found
    }
