"""Two clients that were not written for the server hold a conversation with it."""

from __future__ import annotations

import asyncio
import base64
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from .serving import script_file, serving

pytest.importorskip("websockets", reason="both clients need the package websockets")
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the server is stopped by a signal")

_PATIENCE = 60.0  # seconds for a conversation of less than two
_BYTES_A_SECOND = 48_000

LONG = {"message": "A long answer that nobody hears to its end.", "seconds": 20.0}
HELLO = {"message": "Good morning to you.", "seconds": 0.6}
BYE = {"message": "Good bye.", "seconds": 0.2}
WEATHER = {"function_call": "get_weather", "arguments": {"city": "Oslo"}}


async def test_the_openai_sdk(tmp_path: Path) -> None:
    """Text in, audio out; an interrupt by id, with a truncation; a refusal; and on."""
    from openai import AsyncOpenAI

    replies = [{"items": [HELLO]}, {"items": [LONG]}, {"ack": {"rejected": "server_error"}}]
    script = script_file(tmp_path, [*replies, {"items": [BYE]}])
    with serving("--script", script, "--log") as server:
        client = AsyncOpenAI(
            api_key="none", base_url=server.url, websocket_base_url=server.socket_url
        )
        async with (
            _limit(),
            client,
            client.realtime.connect(model="gpt-realtime") as connection,
        ):
            await connection.session.update(
                session={"type": "realtime", "audio": {"input": {"turn_detection": None}}}
            )
            await _ask(connection, "Hello?")
            events = await _until(connection, "response.done")
            deltas = [e.delta for e in events if e.type == "response.output_audio.delta"]
            assert sum(len(base64.b64decode(d)) for d in deltas) == 0.6 * _BYTES_A_SECOND
            (said,) = [e for e in events if e.type == "response.output_audio_transcript.done"]
            assert said.transcript == HELLO["message"]

            await _ask(connection, "Tell me everything.")
            delta = (await _until(connection, "response.output_audio.delta"))[-1]
            await connection.response.cancel(response_id=delta.response_id)
            assert (await _until(connection, "response.done"))[-1].response.status == "cancelled"
            await connection.conversation.item.truncate(
                item_id=delta.item_id, content_index=0, audio_end_ms=50
            )
            events = await _until(connection, "conversation.item.truncated")
            assert "error" not in [e.type for e in events]

            await _ask(connection, "Are you there?")
            assert (await _until(connection, "error"))[-1].error.code == "server_error"
            await connection.response.create()
            assert (await _until(connection, "response.done"))[-1].response.status == "completed"
        assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    assert server.logged("client").count("response.create") == 4
    assert server.logged("server").count("error") == 1


async def _ask(connection: Any, text: str) -> None:
    await connection.conversation.item.create(
        item={
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": text}],
        }
    )
    await connection.response.create()


async def _until(connection: Any, type: str) -> list[Any]:
    """The events up to the next of that type, which is the last."""
    events = [await connection.recv()]
    while events[-1].type != type:
        events.append(await connection.recv())
    return events


async def test_openai_agents(tmp_path: Path) -> None:
    """Text in, audio out; an interrupt; a tool, and what is said of its result."""
    agents = pytest.importorskip("agents", reason="needs the package openai-agents")
    realtime = pytest.importorskip("agents.realtime", reason="needs the package openai-agents")
    asked: list[str] = []

    @agents.function_tool
    def get_weather(city: str) -> str:
        """Say how the weather is."""
        asked.append(city)
        return f"It rains in {city}."

    replies = [{"items": [item]} for item in (HELLO, LONG, WEATHER, BYE)]
    with serving("--script", script_file(tmp_path, replies), "--log") as server:
        agent = realtime.RealtimeAgent(name="guide", instructions="Be brief.", tools=[get_weather])
        runner = realtime.RealtimeRunner(
            agent, config={"model_settings": {"turn_detection": None}, "tracing_disabled": True}
        )
        model = {"api_key": "none", "url": f"{server.socket_url}/realtime?model=gpt-realtime"}
        async with _limit(), await runner.run(model_config=model) as session:
            events = aiter(session)
            await session.send_message("Hello?")
            assert await _heard(events) == 0.6 * _BYTES_A_SECOND

            await session.send_message("Tell me everything.")
            async for event in events:
                assert event.type != "error", event
                if event.type == "audio":
                    break
            await session.interrupt()
            async for event in events:
                assert event.type != "error", event
                if event.type == "audio_interrupted":
                    cut = event.item_id
                    break

            await session.send_message("How is the weather?")
            assert await _heard(events, but=cut) == 0.2 * _BYTES_A_SECOND
            assert asked == ["Oslo"]
        assert await asyncio.to_thread(server.stop) == 0
    sent = server.logged("client")
    assert sent.count("response.create") == 4
    assert sent.count("response.cancel") == 1
    assert "It rains in Oslo." in server.out


async def _heard(events: AsyncIterator[Any], but: str = "") -> int:
    """Bytes of the next message's audio; *but* names one that does not count."""
    heard = 0
    async for event in events:
        assert event.type != "error", event
        if getattr(event, "item_id", None) == but:
            continue
        if event.type == "audio":
            heard += len(event.audio.data)
        elif event.type == "audio_end":
            return heard
    raise AssertionError("the session ended")


class _limit:  # noqa: N801 - reads as a function
    """`asyncio.timeout()`, which Python 3.10 lacks."""

    async def __aenter__(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, task.cancel)

    async def __aexit__(self, *_: object) -> None:
        self._timer.cancel()
