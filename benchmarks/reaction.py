"""From the failure of a response to the next ``response.create`` on the wire."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

from livekit.agents import llm

from realtime_fsm import RetryPolicy
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.testing import run_virtual

from .calls import model_for
from .canned import CannedServer, Recording

#: What the policy waits before the first retry, seconds.
BACKOFF = RetryPolicy().interval(0)


def reactions(recording: Recording) -> list[float]:
    """Milliseconds, for one failure before each reply of the recording; without the backoff.

    Waiting is counted by the loop's (virtual) clock and work in CPU time, so that neither a busy
    machine nor the resolution of a timer is in it.
    """
    return run_virtual(lambda: _reactions(recording))


async def _reactions(recording: Recording) -> list[float]:
    server = CannedServer(recording)
    plugin = model_for(server)
    session: llm.RealtimeSession[Any] = ControlledRealtimeModel(plugin).session()
    await server.drained()
    found = [await _reaction(server, session, n) for n in range(len(recording.replies))]
    await session.aclose()
    await plugin.aclose()
    return found


async def _reaction(server: CannedServer, session: llm.RealtimeSession[Any], n: int) -> float:
    """A turn whose first response fails before its output and whose second is healthy."""
    loop = asyncio.get_running_loop()
    again: asyncio.Future[tuple[str, float, float]] = loop.create_future()

    def acknowledge(create: str) -> None:
        server.feed(_failing(create, n, "response.created", {"status": "in_progress"}))

    def retried(create: str) -> None:
        again.set_result((create, loop.time(), time.process_time()))

    server.on_create = acknowledge
    asked = session.generate_reply()
    await server.drained()
    server.on_create = retried
    error = {"type": "server_error", "code": "server_error", "message": ""}
    why = {"status": "failed", "status_details": {"type": "failed", "error": error}}
    frame = _failing(server.sent[-1], n, "response.done", why)
    since, worked = loop.time(), time.process_time()
    server.feed(frame)
    create, until, done = await again
    server.reply(create)
    await asked
    await server.drained()
    return ((until - since - BACKOFF) + (done - worked)) * 1000


def _failing(create: str, n: int, kind: str, fields: dict[str, Any]) -> str:
    metadata = {"client_event_id": json.loads(create)["event_id"]}
    response = {"id": f"resp_failing_{n}", "object": "realtime.response", "output": [], **fields}
    return json.dumps(
        {"type": kind, "event_id": f"failing_{n}", "response": {**response, "metadata": metadata}}
    )
