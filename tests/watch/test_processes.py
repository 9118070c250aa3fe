"""Hubs and workers in processes of their own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.simulator import Failed, Message, RealtimeServer, Reply, Script
from realtime_fsm.watch import _serve as serve_module
from realtime_fsm.watch import address
from realtime_fsm.watch._link import Link
from realtime_fsm.watch._place import HUB
from realtime_fsm.watch._serve import run_hub
from realtime_fsm.watch.command import around

from ..real_time import LONG
from ..run.test_run import ENVIRONMENT, WORKER
from .hubs import until
from .test_source import a_call, kinds

RUN = [sys.executable, "-m", "realtime_fsm.cli", "run", "--watch", "--watch-port", "0"]


class Worker:
    """A worker below ``run --watch``, and its page."""

    def __init__(self, process: asyncio.subprocess.Process, url: str) -> None:
        self.process = process
        self._base, _, self._query = url.partition("/?")

    async def stream(self, http: aiohttp.ClientSession) -> AsyncIterator[dict[str, Any]]:
        """All lines of all calls, until the hub ends."""
        with contextlib.suppress(aiohttp.ClientError):
            async with http.get(f"{self._base}/stream?{self._query}") as answer:
                async for line in answer.content:
                    yield json.loads(line)

    async def calls(self, http: aiohttp.ClientSession) -> list[dict[str, Any]]:
        async with http.get(f"{self._base}/calls?{self._query}") as answer:
            found: list[dict[str, Any]] = (await answer.json())["calls"]
            return found


@contextlib.asynccontextmanager
async def worker_of(*command: str, **environment: str) -> AsyncIterator[Worker]:
    process = await asyncio.create_subprocess_exec(
        *RUN,
        *command,
        env={**os.environ, **ENVIRONMENT, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    assert process.stderr is not None
    reading: asyncio.Task[bytes] | None = None
    try:
        url = None
        while url is None:
            line = (await asyncio.wait_for(process.stderr.readline(), LONG)).decode()
            assert line, "it ended"
            url = re.search(r"watch at (\S+)", line)
        reading = asyncio.ensure_future(process.stderr.read())  # a full pipe would stop it
        yield Worker(process, url[1])
        await asyncio.wait_for(process.wait(), LONG)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        if reading is not None:
            await reading


async def test_the_calls_of_a_worker_are_watched(place: Path) -> None:
    """A worker that knows nothing of it; its call is in a process of its own."""
    script = Script([Reply(end=Failed("server_error")), Reply([Message("Hello.", seconds=0.4)])])
    async with RealtimeServer(script) as server, aiohttp.ClientSession() as http:
        told = {"WHERE": "forkserver", "WHOSE": "session", "SIMULATED": server.url}
        async with worker_of(str(WORKER), "--", "start", **told) as worker:
            lines = [line async for line in worker.stream(http)]
        assert worker.process.returncode == 0
    seen = kinds(lines)
    assert "partial" not in lines[0]
    assert ("turn", "recovering") in seen
    assert seen[-1] == ("session", "recorded")
    assert any(each.get("by") == "machine" for each in lines)
    assert sorted(os.listdir(place)) == ["token"]  # no socket is left


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
async def test_signals_reach_the_worker_and_its_status_is_passed_on(
    place: Path, tmp_path: Path, number: signal.Signals
) -> None:
    script, up = tmp_path / "waits.py", tmp_path / "up"
    script.write_text(
        "import os, signal, sys, time\n"
        f"signal.signal({int(number)}, lambda number, _: sys.exit(number + 100))\n"
        "open(os.environ['UP'], 'w')\ntime.sleep(50)\n"
    )
    running = asyncio.ensure_future(around([sys.executable, str(script)], of(up), port=0))
    await until(up.exists)
    os.kill(os.getpid(), number)
    assert await running == number + 100
    assert sorted(os.listdir(place)) == ["token"]


def of(up: Path) -> Callable[[Path], dict[str, str]]:
    return lambda hub: {**os.environ, "UP": str(up), "HUB": str(hub)}


async def test_a_worker_that_is_killed_ends_as_a_shell_says(place: Path, tmp_path: Path) -> None:
    kill = "import os; assert os.path.exists(os.environ['HUB']); os.kill(os.getpid(), 9)"
    assert await around([sys.executable, "-c", kill], of(tmp_path), port=0) == 128 + 9
    assert await around([sys.executable, "-c", "exit(7)"], of(tmp_path), port=0) == 7
    with pytest.raises(FileNotFoundError):
        await around([str(tmp_path / "none")], of(tmp_path), port=0)


async def test_a_call_process_that_is_killed_leaves_a_lost_call(place: Path) -> None:
    script = Script([Reply([Message("A long answer.", seconds=100.0)])])
    async with RealtimeServer(script) as server, aiohttp.ClientSession() as http:
        told = {"WHERE": "forkserver", "WHOSE": "session", "SIMULATED": server.url}
        async with worker_of(str(WORKER), "--", "start", **told) as worker:
            stream = worker.stream(http)
            while (await anext(stream)).get("type") != "started":
                pass
            (row,) = await worker.calls(http)
            assert row["state"] == "live"
            os.kill(row["pid"], signal.SIGKILL)
            while row["state"] == "live":
                await asyncio.sleep(0.05)
                (row,) = await worker.calls(http)
            assert row["state"] == "lost"
            worker.process.terminate()


def test_a_port_in_use_is_told_in_a_sentence_and_nothing_is_started(
    place: Path, tmp_path: Path
) -> None:
    script = tmp_path / "agent.py"
    script.write_text("print('started')")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*RUN[:-1], port, str(script)], capture_output=True, text=True, check=False
        )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        f"realtime-fsm: 127.0.0.1:{port} cannot be listened on: address already in use\n"
    )


# --- the hub of a user


def test_a_hub_does_without_livekit() -> None:
    """It is there in a second, and small."""
    look = (
        "import realtime_fsm.watch._serve, sys; print([m for m in sys.modules if 'livekit' in m])"
    )
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.real_time
async def test_the_users_hub_is_started_and_ends_by_itself(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_module, "_IDLE", 1e9)
    monkeypatch.setattr(serve_module, "_LOOK", 0.05)
    hub = asyncio.get_running_loop().run_in_executor(None, run_hub)
    await until(lambda: (place / f"{HUB}.url").exists() and address())
    assert oct(os.stat(place / f"{HUB}.url").st_mode)[-3:] == "600"
    run_hub()  # a second one is over at once
    shown = CliRunner().invoke(app, ["watch"])
    assert shown.stdout.strip() == address()
    async with a_call(place / HUB, Reply([Message("Hello.", seconds=1.0)])) as call:
        await call.ask()
        await until(lambda: call.link._connected)
        await asyncio.sleep(0.5)  # it has looked since
        monkeypatch.setattr(serve_module, "_IDLE", 0.3)
        await asyncio.sleep(0.5)
        assert not hub.done()
    await asyncio.wait_for(hub, LONG)
    assert address() is None
    shown = CliRunner().invoke(app, ["watch"])
    assert (shown.exit_code, shown.stderr) == (
        2,
        "realtime-fsm: no call is watched now; start one with `run --watch`, or in code\n",
    )


async def test_the_first_call_starts_the_users_hub(place: Path) -> None:
    first, second = Link(place / HUB, start=True), Link(place / HUB, start=True)

    class Idle:
        def __init__(self, name: str) -> None:
            self.id = name

        def announced(self) -> bytes:
            return b'{"say":"call","call":"' + self.id.encode() + b'"}\n'

        def look(self) -> None:
            pass

    calls = Idle("a"), Idle("b")
    first.add(calls[0])
    second.add(calls[1])
    try:
        await until(lambda: first._connected and second._connected and address(), 30)
        url = str(address())
        async with (
            aiohttp.ClientSession() as http,
            http.get(url.replace("/?", "/calls?")) as answer,
        ):
            assert {row["id"] for row in (await answer.json())["calls"]} == {"a", "b"}
    finally:
        first.remove(calls[0])
        second.remove(calls[1])
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as found:
            found.connect(str(place / HUB))
            told = found.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            os.kill(struct.unpack("3i", told)[0], signal.SIGKILL)
