"""Servers that are no Realtime servers, or bad ones: one sentence, never a hang, nothing claimed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web

from realtime_fsm.conform import ConformError, Options, Pace, Result, Run, conform, wire

from .servers import FAST, HASTY, events, greet, listening, raw, talking

pytestmark = pytest.mark.real_time


async def ask(url: str, *only: str, pace: Pace = HASTY, **options: object) -> Result:
    made = Options(url=url, only=only, pace=pace, **options)  # type: ignore[arg-type]
    return await asyncio.wait_for(conform(made), 60)


def answering(status: int) -> AbstractAsyncContextManager[str]:
    async def handler(_: web.Request) -> web.StreamResponse:
        return web.Response(status=status, text="no")

    return listening(handler)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (200, "is no WebSocket: it answers the handshake with HTTP 200"),
        (302, "HTTP 302"),
        (401, "refuses the key (HTTP 401); --key-env"),
        (403, "refuses access"),
        (404, "nothing at that path (HTTP 404)"),
        (429, "too many requests, or no quota"),
        (503, "an error of its own (HTTP 503)"),
    ],
)
async def test_a_handshake_that_is_refused(status: int, says: str) -> None:
    async with answering(status) as url:
        with pytest.raises(ConformError) as raised:
            await ask(url)
    assert says in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ws://127.0.0.1:1/realtime", "cannot be reached"),
        ("wss://no-such-host.invalid/v1", "no such host"),
        ("ftp://127.0.0.1/", "begins with ws://"),
        ("nonsense", "begins with ws://"),
        ("ws://", "begins with ws://"),
        ("ws://127.0.0.1:99999/", "is no URL"),
        ("http://[::1/", "is no URL"),
    ],
)
async def test_a_wrong_url(url: str, says: str) -> None:
    with pytest.raises(ConformError, match=says):
        await ask(url, pace=FAST)


@pytest.mark.parametrize(
    ("greeting", "says"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak HTTP"),
        (b"\x00\xff" * 40, "does not speak HTTP"),
        (b"", "closes the connection without answering"),
        (None, "does not answer the handshake within 0.3 s"),
    ],
)
async def test_what_is_no_http(greeting: bytes | None, says: str) -> None:
    async with raw(greeting) as url:
        with pytest.raises(ConformError, match=says):
            await ask(url)


async def test_a_plain_server_where_tls_is_expected() -> None:
    async with answering(200) as url:
        with pytest.raises(ConformError, match="does not speak TLS"):
            await ask(url.replace("ws://", "wss://"))


async def silent(ws: web.WebSocketResponse) -> None:
    async for _ in ws:
        pass


async def closing(ws: web.WebSocketResponse) -> None:
    await ws.close(code=1008, message=b"no such model")


async def complaining(ws: web.WebSocketResponse) -> None:
    error = {"type": "x", "code": "insufficient_quota", "message": "You have no money."}
    await ws.send_json({"type": "error", "error": error})
    await ws.close()


async def chatting(ws: web.WebSocketResponse) -> None:
    await ws.send_json({"jsonrpc": "2.0", "method": "hello"})
    await silent(ws)


async def prose(ws: web.WebSocketResponse) -> None:
    await ws.send_str("Welcome to the echo server.")
    await silent(ws)


async def binary(ws: web.WebSocketResponse) -> None:
    await ws.send_bytes(b"\x00\x01\x02\xff" * 10)
    await silent(ws)


async def flooding(ws: web.WebSocketResponse) -> None:
    await greet(ws)
    while not ws.closed:
        await ws.send_json({"type": "rate_limits.updated", "rate_limits": []})


async def huge(ws: web.WebSocketResponse) -> None:
    await ws.send_str("x" * (33 * 1024 * 1024))
    await silent(ws)


@pytest.mark.parametrize(
    ("talk", "says"),
    [
        (silent, "says nothing for"),
        (closing, "closed the connection (1008 no such model)"),
        (complaining, "insufficient_quota: You have no money."),
        (chatting, "does not speak the Realtime protocol"),
        (prose, "Welcome to the echo server."),
        (binary, "its first binary frame"),
        (flooding, "floods the connection"),
        (huge, "more than 32 MiB"),
    ],
)
async def test_what_is_no_realtime_server(
    talk: Callable[[web.WebSocketResponse], Awaitable[None]],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(wire, "_MOST_FRAMES", 2000)
    async with talking(talk) as url:
        with pytest.raises(ConformError) as raised:
            await ask(url, pace=FAST if talk in (flooding, huge) else HASTY)
    assert says in str(raised.value)


async def deaf(ws: web.WebSocketResponse) -> None:
    await greet(ws)
    await silent(ws)


async def test_a_server_that_never_answers_is_claimed_nothing_of() -> None:
    async with talking(deaf) as url:
        result = await ask(url)
    kept = {answer.rule for _, answer in result if answer.verdict == "kept"}
    # These ask for silence, or for what the WebSocket itself does.
    assert kept == {"first-event", "append", "output-clear", "beta-names", "pong"}
    assert result.ended is None
    assert result.responses <= 3, "no more responses are asked for than it takes to see"
    assert any("absence is judged by time" in note for note in result.notes)


async def unknowing(ws: web.WebSocketResponse) -> None:
    await greet(ws)
    async for event in events(ws):
        if event.get("type") == "session.update":
            await ws.send_json({"type": "session.updated", "session": {"type": "realtime"}})
            continue
        message = f"Unknown event type: {event.get('type')}"
        error = {"type": "invalid_request_error", "code": None, "message": message}
        error["event_id"] = event.get("event_id")
        await ws.send_json({"type": "error", "error": error})


async def test_an_error_for_everything_is_no_rule_that_is_kept() -> None:
    async with talking(unknowing) as url:
        result = await ask(url)
    kept = {answer.rule for _, answer in result if answer.verdict == "kept"}
    assert kept <= {"first-event", "bad-event", "error-link", "beta-names", "pong", "known-call"}
    for name in ("cancel-nothing", "unknown-item", "commit-empty", "truncate-bound"):
        assert result.answers[name].verdict == "not judged", name


async def two_at_once(ws: web.WebSocketResponse) -> None:
    """Answers creates at once, each with a response that never ends."""
    await greet(ws)
    number = 0
    async for event in events(ws):
        if event.get("type") == "session.update":
            await ws.send_json({"type": "session.updated", "session": {"type": "realtime"}})
        elif event.get("type") == "response.create":
            number += 1
            await ws.send_json({"type": "response.created", "response": {"id": f"r{number}"}})


async def test_a_second_response_beside_the_first_is_seen() -> None:
    async with talking(two_at_once) as url:
        result = await ask(url, "one-active", "done-always")
    assert result.answers["one-active"].verdict == "deviates"
    assert result.answers["refused-create"].how if "refused-create" in result.answers else True
    assert "no response.done within" in result.answers["done-always"].how


async def eager(ws: web.WebSocketResponse) -> None:
    """Runs a tool of an MCP server, and answers with another response by itself."""
    await greet(ws)
    done = {"status": "completed", "output": [{"type": "mcp_call"}], "usage": {}}
    async for event in events(ws):
        if event.get("type") == "session.update":
            await ws.send_json({"type": "session.updated", "session": {"type": "realtime"}})
        elif event.get("type") == "response.create":
            asked.append(event["response"])
            await ws.send_json({"type": "response.created", "response": {"id": "r1"}})
            await ws.send_json({"type": "response.done", "response": {"id": "r1", **done}})
            await ws.send_json({"type": "response.mcp_call.completed", "item_id": "mcp_1"})
            await ws.send_json({"type": "response.created", "response": {"id": "r2"}})


asked: list[dict[str, object]] = []


async def test_a_response_that_follows_a_tool_of_the_server_by_itself() -> None:
    async with talking(eager) as url:
        result = await ask(url, "server-tool", mcp="https://mcp.example.com/")
    found = result.answers["server-tool"]
    assert (found.verdict, found.value) == ("deviates", "follows")
    (tool,) = asked[0]["tools"]  # type: ignore[misc]
    assert tool["server_url"] == "https://mcp.example.com/"  # type: ignore[has-type]


async def shapeless(ws: web.WebSocketResponse) -> None:
    """Frames of the right types, and of no right shape."""
    await greet(ws)
    async for event in events(ws):
        kind = event.get("type")
        if kind == "session.update":
            await ws.send_str('{"type": "session.updated", "session": 7}')
        elif kind == "response.create":
            await ws.send_str('{"type": "response.created", "response": {"id": "r"}}')
            await ws.send_str('{"type": "response.output_item.added", "item": null}')
            await ws.send_str('{"type": "response.done", "response": {"id": "r", "output": 3}}')
        else:
            await ws.send_str('{"type": "error", "error": "no"}')
            await ws.send_str("[" * 2000)
            await ws.send_str('{"type": ["x"], "delta": NaN}')


async def test_frames_without_shape_end_nothing() -> None:
    async with talking(shapeless) as url:
        result = await ask(url)
    assert result.ended is None
    assert result.to_json()
    assert Result.from_json(result.to_json()).answers.keys() == result.answers.keys()


async def test_a_server_that_dies_leaves_what_was_found() -> None:
    count = 0

    async def dying(ws: web.WebSocketResponse) -> None:
        nonlocal count
        count += 1
        if count > 4:
            await ws.close(code=1011)
            return
        await unknowing(ws)

    async with talking(dying) as url:
        result = await ask(url)
    assert result.answers["first-event"].verdict == "kept"
    assert "closed the connection (1011" in result.answers["pong"].how


async def test_a_server_that_is_gone_ends_the_run() -> None:
    count = 0

    async def handler(request: web.Request) -> web.StreamResponse:
        nonlocal count
        count += 1
        if count > 3:
            return web.Response(status=503)
        ws = web.WebSocketResponse(timeout=0.1)
        await ws.prepare(request)
        await unknowing(ws)
        return ws

    async with listening(handler) as url:
        result = await ask(url)
    assert result.ended is not None
    assert "can no longer be reached" in result.ended
    assert count == 6
    assert len(result.answers) > 50, "what was not asked says why"


async def test_a_full_server_is_tried_again() -> None:
    count = 0

    async def full(ws: web.WebSocketResponse) -> None:
        nonlocal count
        count += 1
        if count == 2:
            error = {"type": "session_limit_reached", "message": "No room."}
            await ws.send_json({"type": "error", "error": error})
            await ws.close(code=1008)
            return
        await unknowing(ws)

    async with talking(full) as url:
        result = await ask(url, "pong", pace=FAST)
    assert result.answers["pong"].verdict == "kept"
    assert any("No room." in note for note in result.notes)


async def test_the_time_of_a_run_is_bounded() -> None:
    began = time.monotonic()
    async with talking(deaf) as url:
        pace = Pace(patience=0.6, quiet=0.6, settle=0.1)
        result = await ask(url, pace=pace, time_limit=2.0)
    assert time.monotonic() - began < 120
    assert result.ended == "the time for the run is over"
    assert result.answers["pong"].how == result.ended


async def test_the_number_of_responses_is_bounded() -> None:
    async with talking(two_at_once) as url:
        result = await ask(url, response_limit=2)
    assert result.responses == 2
    assert any("limit of 2 responses" in answer.how for _, answer in result)


async def test_a_run_that_is_stopped_keeps_what_was_found() -> None:
    async with talking(deaf) as url:
        pace, begun = Pace(patience=0.2, quiet=0.05, settle=0.02), asyncio.Event()

        def asking(name: str) -> None:
            if name == "whole response":
                begun.set()

        run = Run(Options(url=url, pace=pace), asking)
        task = asyncio.create_task(run.go())
        await asyncio.wait_for(begun.wait(), 60)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert run.result.ended == "it was stopped"
    assert run.result.answers["first-event"].verdict == "kept"


async def test_nothing_is_left_running() -> None:
    async with talking(unknowing) as url:
        await ask(url, "pong", "cancel-nothing")
        await asyncio.sleep(0)
        mine = asyncio.current_task()
        left = [t for t in asyncio.all_tasks() if t is not mine and "Talk" in repr(t)]
    assert left == []


async def test_a_key_is_never_shown() -> None:
    key = "sk-very-secret-0123456789"

    async def tattling(ws: web.WebSocketResponse) -> None:
        await greet(ws)
        async for event in events(ws):
            error: dict[str, Any] = {"type": "x", "message": f"Incorrect API key provided: {key}."}
            error["event_id"] = event.get("event_id")
            await ws.send_json({"type": "error", "error": error})

    async with talking(tattling) as url:
        result = await ask(url.replace("ws://", "ws://user:pw@"), key=key)
    assert key not in result.to_json()
    assert "pw@" not in result.to_json()


async def test_a_key_is_not_in_the_reason_either() -> None:
    async def refusing(ws: web.WebSocketResponse) -> None:
        error = {"type": "x", "code": "invalid_api_key", "message": "sk-very-secret is wrong"}
        await ws.send_json({"type": "error", "error": error})

    async with talking(refusing) as url:
        with pytest.raises(ConformError, match=r"\*\*\* is wrong"):
            await ask(url, key="sk-very-secret")
