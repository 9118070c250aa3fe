"""Asks the real service which alternative of an uncertain rule holds.

Opt-in, and never run by the tests against the service: it needs ``OPENAI_API_KEY`` and spends a
few short responses::

    python -m realtime_fsm.simulator.live [--base-url URL] [--model NAME]

What was found can then be set in :class:`ServerConfig`. Rules that need a failure of the service
cannot be asked this way and are not listed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from . import rules
from .rule import Rule

__all__ = ["main", "probe"]

_PATIENCE = 20.0  # seconds for one probe
_AFTERWARDS = 1.0  # seconds in which something may follow a response.done


class _Socket:
    """A connection and what came over it."""

    def __init__(self, ws: aiohttp.ClientWebSocketResponse[bool]) -> None:
        self._ws = ws
        self.events: list[dict[str, Any]] = []

    async def send(self, type: str, **fields: Any) -> None:
        await self._ws.send_json({"type": type, **fields})

    async def until(self, *types: str, count: int = 1) -> dict[str, Any]:
        """Read until *count* more events of these types came; return the last."""
        while True:
            event: dict[str, Any] = json.loads(await self._ws.receive_str())
            self.events.append(event)
            count -= event["type"] in types
            if count == 0:
                return event

    async def drain(self) -> None:
        """Read what comes within a moment."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self.until("never"), _AFTERWARDS)

    def index(self, type: str) -> int:
        """Return where the first event of that type is, or the end."""
        types = [event["type"] for event in self.events]
        return types.index(type) if type in types else len(types)

    def first(self, type: str) -> dict[str, Any]:
        return self.events[self.index(type)]

    async def ask(self, event_id: str = "ask", **params: Any) -> None:
        """Ask for a short response."""
        params = {"instructions": "Say the word yes, and nothing else.", **params}
        await self.send("response.create", event_id=event_id, response=params)


Answers = dict[Rule, object]


async def _two_creates(socket: _Socket) -> Answers:
    await socket.ask("first")
    await socket.ask("second")
    await socket.until("error", "response.done", count=2)
    if socket.index("error") == len(socket.events):
        return {}
    error = socket.first("error")["error"]
    early = socket.index("error") < socket.index("response.created")
    return {
        rules.SLOT_TAKEN: "accepted" if early else "created",
        rules.CONFLICT_LINK: "linked" if error.get("event_id") == "second" else "null",
    }


async def _early_cancel(socket: _Socket) -> Answers:
    await socket.ask()
    await socket.send("response.cancel", event_id="cancel")
    done = await socket.until("response.done")
    return {rules.CANCEL_BEFORE_CREATED: done["response"]["status"] == "cancelled"}


async def _whole_response(socket: _Socket) -> Answers:
    await socket.ask()
    await socket.until("response.done")
    await socket.drain()
    limits, done = socket.index("rate_limits.updated"), socket.index("response.done")
    after = "after_done" if limits < len(socket.events) else "off"
    return {rules.RATE_LIMITS: "after_created" if limits < done else after}


async def _long_truncate(socket: _Socket) -> Answers:
    await socket.ask(output_modalities=["audio"])
    item = (await socket.until("response.output_item.done"))["item"]
    await socket.until("response.done")
    await socket.send(
        "conversation.item.truncate", item_id=item["id"], content_index=0, audio_end_ms=3_600_000
    )
    answer = await socket.until("error", "conversation.item.truncated")
    return {rules.TRUNCATE_BOUND: "refuse" if answer["type"] == "error" else "clamp"}


async def _unknown_call(socket: _Socket) -> Answers:
    item = {"type": "function_call_output", "call_id": "call_nobody_made", "output": "{}"}
    await socket.send("conversation.item.create", item=item)
    answer = await socket.until("error", "conversation.item.added")
    return {rules.KNOWN_CALL: "refuse" if answer["type"] == "error" else "accept"}


async def _other_model(socket: _Socket) -> Answers:
    current = socket.first("session.created")["session"]["model"]
    for model in (current, "gpt-realtime-mini"):
        await socket.send("session.update", session={"type": "realtime", "model": model})
        answer = await socket.until("error", "session.updated")
    return {rules.MODEL_FIXED: "refuse" if answer["type"] == "error" else "ignore"}


_PROBES: tuple[Callable[[_Socket], Awaitable[Answers]], ...] = (
    _two_creates,
    _early_cancel,
    _whole_response,
    _long_truncate,
    _unknown_call,
    _other_model,
)


async def probe(base_url: str, api_key: str, model: str = "gpt-realtime") -> dict[str, object]:
    """Return rule id to the alternative that held, for the rules that gave an answer.

    Raises ``aiohttp.ClientError`` when the service cannot be reached or refuses the key.
    """
    found: dict[str, object] = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {api_key}"}) as http:
        for one in _PROBES:
            url = f"{base_url.rstrip('/')}/realtime"
            async with http.ws_connect(url, params={"model": model}) as ws:
                socket = _Socket(ws)
                session = {
                    "type": "realtime",
                    "output_modalities": ["text"],
                    "audio": {"input": {"turn_detection": None}},
                }
                await socket.send("session.update", session=session)
                try:
                    answers = await asyncio.wait_for(_ready_then(one, socket), _PATIENCE)
                except (asyncio.TimeoutError, TypeError):  # silence, or the socket was closed
                    continue
                found.update({rule.id: value for rule, value in answers.items()})
    return found


async def _ready_then(one: Callable[[_Socket], Awaitable[Answers]], socket: _Socket) -> Answers:
    await socket.until("session.updated")
    return await one(socket)


def main(argv: list[str] | None = None) -> int:
    """Probe the service and print what held. Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m realtime_fsm.simulator.live")
    parser.add_argument("--base-url", default="https://api.openai.com/v1")
    parser.add_argument("--model", default="gpt-realtime")
    options = parser.parse_args(argv)
    key = os.environ.get("OPENAI_API_KEY")
    if not key:
        sys.stderr.write("OPENAI_API_KEY is not set\n")
        return 2
    try:
        found = asyncio.run(probe(options.base_url, key, options.model))
    except aiohttp.ClientError as error:
        sys.stderr.write(f"cannot ask {options.base_url}: {error}\n")
        return 1
    for rule in rules.RULES.values():
        if rule.id in found:
            held = found[rule.id]
            note = "as by default" if held == rule.alternatives[0] else "NOT the default"
            sys.stdout.write(f"{rule.id}: {rule.field} = {held!r} ({note})\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
