"""What we rely on in LiveKit's full-duplex models, each fact with advice. See CONTRIBUTING.md.

The watcher reads the plugin's public raw events, and the pass-through is LiveKit's own adapter. Where a
fact is gone, `realtime_fsm.livekit.duplex` says once that it cannot watch, and calls go on.
"""

from __future__ import annotations

import asyncio
from typing import Any

from livekit.agents import llm
from livekit.plugins import openai

from realtime_fsm.livekit.providers import declared_events
from realtime_fsm.simulator.gpt_live import Backend
from realtime_fsm.testing import virtual_time

from .live import LOOKS_UP, live, needs_duplex

pytestmark = needs_duplex

RAW = {"openai_server_event_received", "openai_client_event_queued"}


def test_the_plugin_declares_its_raw_events() -> None:
    assert declared_events(openai.realtime.GPTLiveSession) >= RAW, (
        "the raw events were renamed: livekit/duplex/_watcher.py listens to them"
    )
    assert isinstance(openai.realtime.GPTLiveModel(api_key="k"), llm.DuplexModel)


@virtual_time
async def test_raw_events_are_whole_frames_in_the_order_of_the_wire() -> None:
    """Dicts with a ``type``; a server frame before the plugin acts on it, a client's before it is sent."""
    told: list[tuple[str, Any]] = []

    def listen(model: Any) -> None:
        make = model.session

        def session() -> Any:
            made = make()
            made.on("openai_server_event_received", lambda e: told.append(("server", e)))
            made.on("openai_client_event_queued", lambda e: told.append(("client", e)))
            made.on("session_reconnected", lambda e: told.append(("session", "reconnected")))
            made.on("function_call", lambda e: told.append(("session", "function_call")))
            return made

        model.session = session

    async with live(before=listen) as call:
        call.server.delegate(LOOKS_UP)
        await asyncio.sleep(3)
        call.server.drop()
        await asyncio.sleep(3)
    advice = "the order of raw events changed: duplex/tracker.py follows them"
    wire = [(r.direction, r.type) for r in call.server.record if r.direction != "net"]
    seen = [(by, e["type"]) for by, e in told if by != "session"]
    assert seen == wire, advice
    names = [e if by == "session" else e["type"] for by, e in told]
    assert names[0] == "session.start", advice
    at = names.index("reconnected")
    assert names[at + 1] == "session.start", "a reconnect is told before the next session.start"
    done = next(n for n, (by, e) in enumerate(told) if by == "server" and _is_call(e))
    assert names[done + 1] == "function_call", "the frame comes before what the plugin makes of it"


def _is_call(frame: Any) -> bool:
    return bool(frame["type"] == "response.event" and "item" in frame["event"])


@virtual_time
async def test_the_plugin_names_its_commands() -> None:
    """``event_id`` on what may be refused: without it a refusal is nobody's (duplex/tracker.py)."""
    async with live() as call:
        call.server.delegate(LOOKS_UP)
        await asyncio.sleep(3)
        for kind in ("response.item.create", "response.create"):
            (frame,) = call.server.sent(kind)
            assert frame["event_id"], kind
        call.duplex.append_commentary("x")
        await asyncio.sleep(1)
        assert call.server.sent("session.commentary.append")[0]["event_id"]


@virtual_time
async def test_the_plugin_does_not_tell_what_we_tell() -> None:
    """Should plain LiveKit begin to, the watcher may go: docs/gpt-live.md says that it does not."""
    async with live() as call:
        call.server.delegate(Backend(ends="failed"))
        await asyncio.sleep(2)
        call.server.end("expired")
        await asyncio.sleep(2)
        assert not call.errors, "LiveKit tells of a failed backend or an expiry now"


@virtual_time
async def test_the_adapter_closes_the_session_by_its_public_name() -> None:
    """The watcher ends with ``aclose()``; it would not see another way out."""
    closed: list[str] = []
    async with live() as call:
        duplex, aclose = call.duplex, call.duplex.aclose

        async def closing() -> None:
            closed.append("aclose")
            await aclose()

        duplex.aclose = closing
    assert closed == ["aclose"], "llm/duplex_adapter.py closes the session in another way"


def test_what_we_call_is_public() -> None:
    from livekit.agents import Agent

    assert isinstance(Agent.duplex_session, property)
    assert all(hasattr(llm.DuplexSession, name) for name in ("aclose", "on", "off", "duplex_model"))
    session = openai.realtime.GPTLiveSession
    assert callable(session.append_commentary), "an apology is said by it"
