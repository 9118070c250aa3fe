"""What watching costs, and how late the page is. Not a test: minutes each.

::

    python -m tests.watch.measure latency            # event to pixel, of real calls
    python -m tests.watch.measure cpu                # of a worker, with 0, 1 and 5 viewers
    python -m tests.watch.measure hour               # one call of an hour, sixty times as fast
    python -m tests.watch.measure restart            # a worker, and again, below the same page
    python -m tests.watch.measure crowd --minutes 10 # 200 sources at real speed

Each prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp

from realtime_fsm.simulator import Failed, Message, RealtimeServer, Reply, Script
from realtime_fsm.testing import run_virtual
from realtime_fsm.trace import record
from realtime_fsm.watch._link import Link
from realtime_fsm.watch._place import HUB, address
from realtime_fsm.watch._player import play
from realtime_fsm.watch._source import Watching
from realtime_fsm.watch._wire import control, of_call

from ..report.browser import Page, browser
from ..report.test_browser import long_trace
from ..trace.calls import everything
from .hubs import HEADER

SEEN = """
window.seen = [];
new MutationObserver((all) => {
  const now = Date.now();
  for (const each of all) window.seen.push([each.target.dataset.call, Number(each.target.dataset.line), now]);
}).observe(document.getElementById("stage"), { subtree: true, attributes: true, attributeFilter: ["data-line"] });
"""


# --- a hub in a process of its own


@contextlib.asynccontextmanager
async def a_hub() -> AsyncIterator[tuple[Path, str, int]]:
    """Its socket, the address of its page, its process."""
    with tempfile.TemporaryDirectory(prefix="rf") as folder:
        os.chmod(folder, 0o700)
        os.environ["REALTIME_FSM_WATCH_DIR"] = folder
        command = [sys.executable, "-m", "realtime_fsm.watch"]
        process = await asyncio.create_subprocess_exec(*command)
        try:
            while not (url := address()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            yield Path(folder) / HUB, url, process.pid
        finally:
            with contextlib.suppress(ProcessLookupError):  # nobody came
                process.kill()
            await process.wait()


def memory_of(pid: int) -> float:
    """Resident, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_of(pid: int) -> float:
    """Seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def heap_of(page: Page) -> float:
    """Of the page's script, in MB, after a collection."""
    await page.send("HeapProfiler.collectGarbage")
    found = await page.send("Performance.getMetrics")
    return next(m["value"] for m in found["metrics"] if m["name"] == "JSHeapUsedSize") / 1e6


async def opened(page: Page, url: str) -> None:
    await page.send("Performance.enable")
    await page.send("Page.navigate", url=url)
    await page.until("document.getElementById('state')?.textContent.startsWith('Connected')")
    await page.run(SEEN)


def quantiles(values: list[float]) -> dict[str, float]:
    found = sorted(values)
    return {
        "count": len(found),
        "median": round(statistics.median(found), 1),
        "p95": round(found[int(len(found) * 0.95)], 1),
        "max": round(found[-1], 1),
    }


# --- how late


async def latency(seconds: float) -> dict[str, Any]:
    """Real calls with their recorders here, the hub in another process, the page in a third."""
    sent: dict[tuple[str, int], float] = {}
    counts: dict[str, int] = {}
    plain_send = Link.send

    def send(self: Link, call: str, t: float, line: str) -> None:
        counts[call] = counts.get(call, 0) + 1
        sent[call, counts[call]] = time.time() * 1000
        plain_send(self, call, t, line)

    Link.send = send  # type: ignore[method-assign]
    async with a_hub() as (path, url, _), browser() as page:
        await opened(page, url)
        await asyncio.sleep(0.5)
        end = time.monotonic() + seconds
        link = Link(path, start=False)
        while time.monotonic() < end:
            await one_call(link)
        await asyncio.sleep(1)
        seen = await page.run("window.seen")
        late = []
        last: dict[str, int] = {}
        for call, number, at in seen:  # each shows all lines up to that one
            new = range(last.get(call, 0) + 1, number + 1)
            late += [at - sent[call, each] for each in new if (call, each) in sent]
            last[call] = number
        return {"milliseconds": quantiles(late), "problems": page.problems[:5]}


async def one_call(link: Link | None, turns: int = 3, *, recorded: bool = False) -> None:
    """A few turns on the simulator, at real speed; one of them is retried."""
    from livekit.agents import Agent
    from livekit.plugins import openai

    from realtime_fsm.livekit import ControlledRealtimeModel
    from realtime_fsm.livekit._features import AgentSession
    from realtime_fsm.testing import PacedAudioOutput

    replies = [Reply(end=Failed("server_error"))]
    replies += [Reply([Message("Good morning to you all.", seconds=2.0)]) for _ in range(turns)]
    async with RealtimeServer(Script(replies)) as server:
        model = ControlledRealtimeModel(
            openai.realtime.RealtimeModel(api_key="x", base_url=server.url, turn_detection=None)
        )
        session: AgentSession[Any] = AgentSession(llm=model, vad=None)
        if link is not None:
            Watching(model, link, transcripts=False, label="", group="").attach(session)
        if recorded:
            record(model, os.devnull).attach(session)
        model.attach(session)
        sink = PacedAudioOutput()
        session.output.audio = sink
        await session.start(Agent(instructions="Be brief."))
        for _ in range(turns):
            await session.generate_reply(user_input="Hello?")
        await session.aclose()
        await model.aclose()
        await sink.aclose()


# --- what it costs the worker


async def cpu(calls: int, rounds: int) -> dict[str, Any]:
    """CPU seconds of a process with so many calls at once, as ratios to one that is not watched."""
    found: dict[str, list[float]] = {"no watch": [], "recorded": [], "0": [], "1": [], "5": []}
    for _ in range(rounds):
        for name in found:
            async with a_hub() as (path, url, _):
                found[name].append(await _cpu_of_worker(path, url, name, calls))
    # The least of each: what else runs on the machine only adds.
    plain = min(found["no watch"])
    return {
        "seconds": found,
        "ratio": {name: round(min(s) / plain, 3) for name, s in found.items()},
    }


async def _cpu_of_worker(path: Path, url: str, viewers: str, calls: int) -> float:
    command = [sys.executable, "-m", "tests.watch.measure", "worker", "--calls", str(calls)]
    if viewers == "recorded":  # to a file: what a viewer costs has this in it
        command += ["--record"]
    elif viewers != "no watch":
        command += ["--hub", str(path)]
    async with contextlib.AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession())
        for _ in range(int(viewers) if viewers.isdigit() else 0):
            task = asyncio.ensure_future(_viewer(http, url))
            stack.callback(task.cancel)
        await asyncio.sleep(0.5)
        process = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        out, _ = await process.communicate()
        return float(json.loads(out.splitlines()[-1])["cpu"])


async def _viewer(http: aiohttp.ClientSession, url: str) -> None:
    """What a page does: it looks at the newest call."""
    async with http.ws_connect(url.replace("/?", "/live?")) as socket:
        async for message in socket:
            told = json.loads(message.data)
            if told.get("rows"):
                await socket.send_json({"watch": [told["rows"][-1]["id"]]})


async def worker(calls: int, hub: str | None, recorded: bool) -> dict[str, Any]:
    link = None if hub is None else Link(Path(hub), start=False)
    await one_call(link, recorded=recorded)  # everything is imported
    before = resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(one_call(link, turns=6, recorded=recorded) for _ in range(calls)))
    after = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3)}


async def recorded(path: Path) -> None:
    """A call to play, of virtual time: on a loop of its own."""
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, lambda: run_virtual(lambda: everything(path, controlled=True)))


# --- a long call


async def hour(speed: float) -> dict[str, Any]:
    """One call of an hour, and a viewer who comes at its end."""
    with tempfile.TemporaryDirectory() as folder:
        one, trace = Path(folder) / "one.jsonl", Path(folder) / "hour.jsonl"
        await recorded(one)
        length = json.loads(one.read_text().splitlines()[-1])["t"] + 1
        long_trace(trace, one, int(3600 / length) * 7)
        last = json.loads(trace.read_text().splitlines()[-1])["t"]
        async with a_hub() as (path, url, pid), browser() as page:
            await opened(page, url)
            before = memory_of(pid), await heap_of(page)
            problems = list(page.problems)
            film = asyncio.ensure_future(play(trace, path, speed=speed, label="an hour"))
            marks = []
            while not film.done():
                await asyncio.sleep(10)
                marks.append([round(memory_of(pid), 1), round(await heap_of(page), 1)])
            await page.settled()
            lines = await page.run("document.querySelector('.call').dataset.line")
            draw = await page.run(DRAW)
            after = memory_of(pid), await heap_of(page)
            start = time.monotonic()
            await page.send("Page.reload")
            await page.until(f"document.querySelector('.call')?.dataset.line === '{lines}'")
            late = time.monotonic() - start
            return {
                "call seconds": round(last),
                "lines": int(lines),
                "trace MB": round(trace.stat().st_size / 1e6, 1),
                "hub MB": [round(before[0], 1), round(after[0], 1)],
                "page MB": [round(before[1], 1), round(after[1], 1)],
                "each ten seconds, hub and page": marks,
                "frame ms": draw,
                "late viewer has it all after s": round(late, 2),
                "problems": problems + page.problems[:5],
            }


#: How long the frames are while the call is followed, in milliseconds: median and longest of a second.
DRAW = """new Promise((done) => {
  const found = []; let last = performance.now();
  const next = () => {
    const now = performance.now(); found.push(now - last); last = now;
    if (found.length < 60) requestAnimationFrame(next);
    else { found.sort((a, b) => a - b); done([Math.round(found[30]), Math.round(found[59])]); }
  };
  requestAnimationFrame(next);
})"""


# --- a worker


async def restart() -> dict[str, Any]:
    """A real worker with a real call below ``run --watch``, and again: the page stays open meanwhile."""
    from ..run.test_run import ENVIRONMENT, WORKER

    with tempfile.TemporaryDirectory(prefix="rf") as folder, socket.socket() as free:
        os.chmod(folder, 0o700)
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        free.close()
        script = [Reply(end=Failed("server_error")), Reply([Message("Hello.", seconds=40.0)])]
        told: dict[str, Any] = {}
        async with browser() as page:
            for begin in ("first", "second"):
                async with RealtimeServer(Script(list(script))) as server:
                    extra = {"WHERE": "forkserver", "WHOSE": "session", "SIMULATED": server.url}
                    extra["REALTIME_FSM_WATCH_DIR"] = folder
                    command = [
                        "run",
                        "--watch",
                        "--watch-port",
                        str(port),
                        str(WORKER),
                        "--",
                        "start",
                    ]
                    process = await asyncio.create_subprocess_exec(
                        *(sys.executable, "-m", "realtime_fsm.cli", *command),
                        env={**os.environ, **ENVIRONMENT, **extra},
                        stdout=subprocess.DEVNULL,
                        stderr=subprocess.PIPE,
                    )
                    assert process.stderr is not None
                    url = b""
                    while b"watch at" not in url:
                        url = await process.stderr.readline()
                    rest = asyncio.ensure_future(process.stderr.read())
                    if begin == "first":
                        await opened(page, url.split()[-1].decode())
                    await page.until(
                        "document.querySelector('.now')?.textContent.includes('streaming')"
                    )
                    told[f"{begin} worker, seen"] = await page.run(
                        "[...document.querySelectorAll('.list tbody tr')].map(e => e.textContent)"
                    )
                    await process.wait()
                    await rest
                await page.until("!document.getElementById('trouble').hidden")
                told[f"{begin} worker, gone"] = await page.run(
                    "document.getElementById('trouble').textContent"
                )
            refused = [each for each in page.problems if "ERR_CONNECTION_REFUSED" in each]
            told["problems"] = [each for each in page.problems if each not in refused]
            return {**told, "connections refused meanwhile": len(refused)}


# --- many


async def crowd(sources: int, minutes: float) -> dict[str, Any]:
    """So many sources that replay a trace at real speed, again and again."""
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / "one.jsonl"
        await recorded(trace)
        async with a_hub() as (path, url, pid), browser() as page:
            await opened(page, f"{url}#call=probe")
            end = time.monotonic() + minutes * 60

            async def again(number: int) -> None:
                await asyncio.sleep(number * 20 / sources)
                while time.monotonic() < end:
                    await play(trace, path, label=f"source {number}")

            sent: dict[int, float] = {}
            playing = [asyncio.ensure_future(again(n)) for n in range(sources)]
            playing.append(asyncio.ensure_future(probe(path, sent)))
            marks, used, start = [], cpu_of(pid), time.monotonic()
            while time.monotonic() < end:
                await asyncio.sleep(min(30.0, max(1.0, end - time.monotonic())))
                listed = await page.run("document.querySelectorAll('.list tbody tr').length")
                marks.append([round(memory_of(pid), 1), round(await heap_of(page), 1), listed])
            share = (cpu_of(pid) - used) / (time.monotonic() - start)
            draw = await page.run(DRAW)
            late, last = [], 0
            for _, number, at in await page.run("window.seen"):
                late += [at - sent[n] for n in range(last + 1, number + 1) if n in sent]
                last = number
            for each in playing:
                each.cancel()
            await asyncio.gather(*playing, return_exceptions=True)
            return {
                "sources": sources,
                "minutes": minutes,
                "each half minute: hub MB, page MB, calls listed": marks,
                "hub's share of a core": round(share, 2),
                "frame ms": draw,
                "milliseconds to the pixel": quantiles(late),
                "problems": page.problems[:5],
            }


async def probe(hub: Path, sent: dict[int, float]) -> None:
    """One more source, whose lines are timed."""
    _, writer = await asyncio.open_unix_connection(str(hub))
    writer.write(control("call", call="probe", label="probe", mode="control"))
    writer.write(of_call("probe", HEADER))
    number, states = 1, ("requested", "created", "streaming", "done")
    try:
        while True:
            turn, at = divmod(number, 3)
            told = {"turn": f"turn_{turn}", "source": states[at], "dest": states[at + 1]}
            told = {"by": "turn", "type": "moved", "event": "X", "attempt": 1, **told}
            number += 1
            sent[number] = time.time() * 1000
            writer.write(of_call("probe", json.dumps({"t": number / 10, **told})))
            await asyncio.sleep(0.1)
    finally:
        writer.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=["latency", "cpu", "hour", "restart", "crowd", "worker"])
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--sources", type=int, default=200)
    parser.add_argument("--calls", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--speed", type=float, default=60.0)
    parser.add_argument("--hub")
    parser.add_argument("--record", action="store_true")
    given = parser.parse_args()
    runs = {
        "latency": lambda: latency(given.minutes * 60),
        "cpu": lambda: cpu(given.calls, given.rounds),
        "hour": lambda: hour(given.speed),
        "restart": restart,
        "crowd": lambda: crowd(given.sources, given.minutes),
        "worker": lambda: worker(given.calls, given.hub, given.record),
    }
    print(json.dumps(asyncio.run(runs[given.what]())))


if __name__ == "__main__":
    main()
