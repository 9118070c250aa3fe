"""Plays a recorded call to a hub, as if it ran now: a film of it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ._wire import control, of_call

__all__ = ["play", "play_all"]


async def play(
    trace: Path, hub: Path, *, speed: float = 1.0, label: str = "", group: str = ""
) -> None:
    """Play one trace.

    Args:
        trace: the file.
        hub: the socket of the hub.
        speed: in times real time.
        label, group: as for `realtime_fsm.watch.watch`.

    Raises:
        OSError: There is no such file or hub, or the hub went away.
    """
    _, writer = await asyncio.open_unix_connection(str(hub))
    name = f"film-{secrets.token_hex(6)}"
    try:
        with trace.open(encoding="utf-8", errors="replace") as file:
            header = _object(file.readline())
            mode, words = str(header.get("mode", "")), header.get("transcripts") is True
            told = {"label": label, "group": group, "mode": mode, "words": words, "speed": speed}
            writer.write(control("hello", program=trace.name, pid=0))
            writer.write(control("call", call=name, began=round(time.time(), 3), **told))
            writer.write(of_call(name, json.dumps(header, separators=(",", ":"))))
            await writer.drain()
            await _lines(file, writer, name, speed)
            writer.write(control("over", call=name, failed=False))
            await writer.drain()
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _lines(file: IO[str], writer: asyncio.StreamWriter, name: str, speed: float) -> None:
    zero = time.monotonic()
    for line in file:
        t = _object(line).get("t")
        if isinstance(t, (int, float)):
            wait = zero + t / speed - time.monotonic()
            if wait > 0:
                await asyncio.sleep(wait)
        writer.write(of_call(name, line.rstrip("\n")))
        await writer.drain()


async def play_all(
    traces: Sequence[tuple[str, Path]], hub: Path, *, speed: float = 1.0, group: str = ""
) -> None:
    """Play several at once, each with its label."""
    await asyncio.gather(
        *(play(each, hub, speed=speed, label=label, group=group) for label, each in traces)
    )


def _object(line: str) -> dict[str, object]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
