"""What the watcher costs: ``python -m tests.duplex.cost``. Needs four minutes.

The plugin runs in this process, with its audio both ways and twenty delegations, against a server in
another one. The CPU time that telling events takes with the watcher, and reading them, less what telling takes without, is
set against that of this process.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import time
from typing import Any

from livekit import rtc
from livekit.agents import llm
from livekit.plugins import openai

from realtime_fsm.livekit.duplex import watch
from realtime_fsm.simulator.gpt_live import Backend, Call, GPTLiveServer, LiveConfig

SECONDS = 120.0
DELEGATIONS = 20
#: As the service is reported to send: 74 frames of 7.4 s (Travizm/dsh-openai-live, w1).
FRAME_MS = 100
RAW = ("openai_server_event_received", "openai_client_event_queued")


def serve(port: Any) -> None:
    """The server's process: it delegates twenty times, each time with a call."""

    async def run() -> None:
        async with GPTLiveServer(LiveConfig(stream_ms=FRAME_MS)) as server:
            port.put(server.url)
            await server.wait_for("session.started", direction="server", timeout=60)
            for _ in range(DELEGATIONS):
                await asyncio.sleep((SECONDS - 2) / DELEGATIONS)
                server.delegate(Backend(calls=(Call("look_up"),), seconds=0.1))
            await asyncio.sleep(600)

    asyncio.run(run())


async def talk(url: str, watched: bool) -> tuple[float, float, int]:
    """CPU seconds of the plugin, seconds in raw events, and how many there were."""
    import aiohttp

    async with aiohttp.ClientSession() as http:
        model = openai.realtime.GPTLiveModel(api_key="k", base_url=url, http_session=http)
        watcher = watch(model) if watched else None
        session: Any = model.session()
        spent, count, emit = 0.0, 0, session.emit

        def timed(name: Any, *args: Any) -> None:
            nonlocal spent, count
            began = time.thread_time()
            emit(name, *args)
            spent += time.thread_time() - began
            count += name in RAW

        session.emit = timed
        if watcher is not None:  # what it reads later
            (followed,) = watcher._followed
            settle = followed._settle

            def settled() -> None:
                nonlocal spent
                began = time.thread_time()
                settle()
                spent += time.thread_time() - began

            followed._settle = settled  # type: ignore[method-assign]

        def answer(call: llm.FunctionCall) -> None:
            output = llm.FunctionCallOutput(
                call_id=call.call_id, name=call.name, output="x", is_error=False
            )
            asyncio.get_running_loop().create_task(session._append_items([output]))

        session.on("function_call", answer)
        await session._update_session(instructions="x", chat_ctx=llm.ChatContext.empty(), tools=[])

        async def listen() -> None:
            async for _ in session.audio_stream:
                pass

        listening = asyncio.create_task(listen())
        frame = rtc.AudioFrame(b"\0" * 960, 24000, 1, 480)
        began, until = time.process_time(), time.monotonic() + SECONDS
        while time.monotonic() < until:
            session.push_audio(frame)
            await asyncio.sleep(0.02)
        cpu = time.process_time() - began
        listening.cancel()
        await session.aclose()
        if watcher is not None:
            assert not watcher.losses, watcher.losses
            assert watcher._count == 1
        await model.aclose()
    return cpu, spent, count


def main() -> int:
    found = {}
    for watched in (False, True):
        port: Any = multiprocessing.get_context("spawn").Queue()
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(port,))
        process.start()
        try:
            found[watched] = asyncio.run(talk(port.get(timeout=60), watched))
        finally:
            process.terminate()
            process.join()
    (plain_cpu, plain, _), (cpu, spent, count) = found[False], found[True]
    cost = spent - plain
    print(f"{count} raw events, {DELEGATIONS} delegations in {SECONDS:g} s")
    print(f"plugin: {plain_cpu:.3f} s CPU without the watcher, {cpu:.3f} s with it")
    print(f"watcher: {cost * 1000:.2f} ms, {cost / count * 1e6:.1f} us an event")
    print(f"ratio: {cost / cpu:.2%} of the plugin's CPU")
    return 0 if cost / cpu < 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
