"""What the watcher costs: ``python -m tests.duplex.cost``. Needs a minute.

The real plugin's session gets two minutes of a healthy conversation with twenty delegations, as fast as it
takes them: sound and words both ways, and a call in each delegation. The CPU time that telling events takes with the
watcher, less what it takes without, is set against the CPU time of the whole. No waiting, so that what
else runs on the machine counts little; the best of several runs.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import aiohttp
from livekit import rtc
from livekit.agents import llm
from livekit.plugins import openai

from realtime_fsm.livekit.duplex import watch

from .frames import call, created, delegated, ended

SECONDS = 120
DELEGATIONS = 20
#: As the service is reported to send: 74 frames of 7.4 s (Travizm/dsh-openai-live, w1).
FRAME_MS = 100
RUNS = 9
_SOUND = base64.b64encode(b"\x01\x02" * (24 * FRAME_MS)).decode()


def conversation() -> Iterator[dict[str, Any] | None]:
    """What the service sends; None: the plugin takes its time, and the microphone goes on for 20 ms."""
    yield {"type": "session.started", "event_id": "e", "session": {"id": "sess_1"}}
    every = SECONDS // DELEGATIONS
    for second in range(SECONDS):
        for n in range(1000 // FRAME_MS):
            yield {"type": "session.output_audio.delta", "event_id": "e", "delta": _SOUND}
            yield from [None] * (FRAME_MS // 20)
            if n % 5 == 0:
                at = second * 1000 + n * 100
                who = "output" if second % 4 < 2 else "input"
                span = {"start_ms": at, "end_ms": at + 400}
                yield {"type": f"session.{who}_transcript.delta", "event_id": "e", "delta": "a few words ", **span}  # fmt: skip
        if second % every == 1:
            name = f"dlg_{second}"
            yield from (delegated(name), None, created(name, f"resp_{second}a"), None)
            yield from (call(name, f"call_{second}"), None, ended(name, f"resp_{second}a"))
            yield from [None] * 20  # the result, and the create
            yield from (created(name, f"resp_{second}b"), None, ended(name, f"resp_{second}b"))


class Service:
    """As much of an ``aiohttp.ClientSession`` as the plugin uses: it says what it was given."""

    def __init__(self, frames: list[str | None], microphone: Any) -> None:
        self._frames = iter(frames)
        self._microphone = microphone
        self.creates = 0
        self.over = asyncio.Event()

    async def ws_connect(self, **_: Any) -> Service:
        return self

    async def send_str(self, text: str) -> None:
        self.creates += '"response.create"' in text

    async def receive(self) -> aiohttp.WSMessage:
        for frame in self._frames:
            if frame is not None:
                return aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, frame, None)
            self._microphone()
            await asyncio.sleep(0)
        self.over.set()
        await asyncio.sleep(3600)
        raise AssertionError

    async def close(self) -> bool:
        return True


async def talk(frames: list[str | None], watched: bool) -> tuple[float, float]:
    """CPU seconds of the plugin, and of telling events."""
    sound = rtc.AudioFrame(b"\0" * 960, 24000, 1, 480)
    service = Service(frames, lambda: session.push_audio(sound))
    model = openai.realtime.GPTLiveModel(api_key="k", http_session=service)  # type: ignore[arg-type]
    watcher = watch(model) if watched else None
    session: Any = model.session()
    spent, emit = 0.0, session.emit

    def timed(name: Any, *args: Any) -> None:
        nonlocal spent
        began = time.thread_time()
        emit(name, *args)
        spent += time.thread_time() - began

    session.emit = timed

    def answer(told: llm.FunctionCall) -> None:
        fields = {"call_id": told.call_id, "name": told.name, "output": "x", "is_error": False}
        asyncio.get_running_loop().create_task(
            session._append_items([llm.FunctionCallOutput(**fields)])
        )

    session.on("function_call", answer)
    began = time.thread_time()
    await session._update_session(instructions="x", chat_ctx=llm.ChatContext.empty(), tools=[])

    async def listen() -> None:
        async for _ in session.audio_stream:
            pass

    listening = asyncio.create_task(listen())
    await service.over.wait()
    cpu = time.thread_time() - began
    listening.cancel()
    assert service.creates == DELEGATIONS
    if watcher is not None:
        (tracker,) = watcher.trackers
        shown = (watcher.losses, tracker.live, tracker.unknown, tracker.ignored)
        assert not any(shown)
    session._main_atask.cancel()
    await asyncio.gather(session._main_atask, listening, return_exceptions=True)
    await session.aclose()
    return cpu, spent


def main() -> int:
    frames = [None if each is None else json.dumps(each) for each in conversation()]
    runs = [asyncio.run(talk(frames, n % 2 == 1)) for n in range(2 * RUNS)]
    plain = min(spent for _, spent in runs[::2])
    cpu, with_it = min(cpu for cpu, _ in runs[::2]), min(spent for _, spent in runs[1::2])
    cost = with_it - plain
    print(f"{SECONDS} s of conversation, {DELEGATIONS} delegations, best of {RUNS} runs")
    print(f"plugin: {cpu * 1000:.0f} ms of CPU; watcher: {cost * 1000:.2f} ms")
    print(f"ratio: {cost / cpu:.2%} of the plugin's CPU")
    return 0 if cost / cpu < 0.01 else 1


if __name__ == "__main__":
    sys.exit(main())
