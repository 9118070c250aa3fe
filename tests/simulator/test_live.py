"""The prober, against the simulated server under both alternatives. It never asks the service."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime_fsm.simulator import RULES, Message, RealtimeServer, Reply, Script, ServerConfig, live

PROBED = (
    "slot-taken",
    "conflict-link",
    "cancel-before-created",
    "rate-limits",
    "truncate-bound",
    "known-call",
    "model-fixed",
)


@pytest.mark.parametrize("choice", [0, 1])
async def test_the_prober_finds_what_is_configured(
    choice: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_AFTERWARDS", 0.02)
    rules = [RULES[name] for name in PROBED]
    switches: dict[str, Any] = {str(rule.field): rule.alternatives[choice] for rule in rules}
    config = ServerConfig(pace=0.01, create_delay=0.02, cancel_delay=0.001, **switches)
    script = Script(default=Reply([Message("yes", seconds=0.2)]))
    async with RealtimeServer(script, config=config) as server:
        found = await live.probe(server.url, "key")
    assert found == {rule.id: rule.alternatives[choice] for rule in rules}


async def main() -> int:
    # In a thread, because it runs a loop of its own.
    return await asyncio.to_thread(live.main, ["--base-url", "http://127.0.0.1:1/v1"])


def test_the_prober_needs_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert live.main([]) == 2
    assert "OPENAI_API_KEY" in capsys.readouterr().err


async def test_the_prober_prints_what_held(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def probe(*_: Any) -> dict[str, object]:
        return {"slot-taken": "accepted", "truncate-bound": "clamp"}

    monkeypatch.setenv("OPENAI_API_KEY", "key")
    monkeypatch.setattr(live, "probe", probe)
    assert await main() == 0
    assert capsys.readouterr().out == (
        "slot-taken: slot_taken = 'accepted' (as by default)\n"
        "truncate-bound: truncate_beyond = 'clamp' (NOT the default)\n"
    )


async def test_a_service_that_is_not_there_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key")
    assert await main() == 1
    assert "cannot ask" in capsys.readouterr().err
