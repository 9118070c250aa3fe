"""Ultravox: a REST call that gives a WebSocket of JSON events and PCM, as its plugin speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from typing import Any

from ._fake import WebFake, need
from ._script import ARGUMENTS

__all__ = ["Ultravox"]

_INSTRUCTIONS = re.compile(r"<instruction>(.*?)</instruction>", re.DOTALL)
#: Seconds within which an empty request only repeats the text before it. The plugin loses the field
#: that a text is not to be answered yet, so each is asked for twice.
_SAME = 0.1


class Ultravox(WebFake):
    """An Ultravox server; see `Fake`. There is no SDK: the plugin's own event types are used."""

    family = "ultravox"
    types = "the plugin's `events`, both ways: there is no SDK"
    can_say = True

    async def _start(self) -> None:
        self._plugin = need("livekit.plugins.ultravox")
        self._events = need("livekit.plugins.ultravox.realtime.events")
        await self._listen("/join", calls=self._serve_call)
        self._ordinal = 0
        self._asked_at = -1.0

    def model(self, **options: Any) -> Any:
        return self._plugin.realtime.RealtimeModel(
            api_key="fake",
            base_url=f"http://127.0.0.1:{self._port}",
            http_session=self._http,
            **options,
        )

    async def _serve_call(self, request: Any) -> Any:
        return self._web.json_response(
            {"callId": "call", "joinUrl": f"http://127.0.0.1:{self._port}/join"}
        )

    async def _serve(self, request: Any) -> Any:
        ws = self._web.WebSocketResponse(timeout=0.2)
        await ws.prepare(request)
        self.note("connected")
        self._ws = ws
        await self._send(self._events.CallStartedEvent(callId="call"))
        await self._state("idle")
        async for message in ws:
            if isinstance(message.data, str):
                with self.judging():
                    await self._received(json.loads(message.data))
        return ws

    async def _received(self, data: dict[str, Any]) -> None:
        event, now = self._events.parse_ultravox_event(data), asyncio.get_running_loop().time()
        if isinstance(event, self._events.UserTextMessageEvent):
            if event.defer_response:
                if event.urgency == "immediate":
                    self.note("barge-in by text")
                    await self._stop_running(barge_in=True)
                return
            found = _INSTRUCTIONS.search(event.text)
            again = not event.text and now - self._asked_at < _SAME
            self._asked_at = now
            await self.asked(found[1] if found else event.text or None, again=again)
        elif isinstance(event, self._events.ClientToolResultEvent):
            await self.asked("tool")
        elif event.type == "forced_agent_message":  # since 1.8
            await self.asked(event.content)

    async def _send(self, event: Any) -> None:
        data = event.model_dump(mode="json", by_alias=True, exclude_none=True)
        with contextlib.suppress(ConnectionError):
            await self._ws.send_str(json.dumps(data))

    async def _state(self, state: str) -> None:
        await self._send(self._events.StateEvent(state=state))

    async def _transcript(self, role: str, **fields: Any) -> None:
        await self._send(
            self._events.TranscriptEvent(role=role, medium="voice", ordinal=self._ordinal, **fields)
        )

    async def _heard(self, text: str) -> None:
        self._ordinal += 1
        await self._transcript("user", text=text, final=True)

    async def _begin(self, text: str, *, spoken: bool) -> None:
        await self._state("thinking")
        await self._state("speaking")
        self._ordinal += 1

    async def _say(self, words: str, audio: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(audio)
        if words:
            await self._transcript("agent", delta=words, final=False)

    async def _finish(self, text: str) -> None:
        await self._transcript("agent", text=text, final=True)
        await self._state("listening")

    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        if barge_in or begun:
            await self._send(self._events.PlaybackClearBufferEvent())
            await self._state("listening")

    async def _empty(self, *, spoken: bool) -> None:
        await self._state("thinking")
        await self._state("listening")

    async def _call(self, name: str) -> None:
        await self._state("thinking")
        await self._send(
            self._events.ClientToolInvocationEvent(
                toolName=name, invocationId=f"call_{len(self.marks)}", parameters=ARGUMENTS
            )
        )

    async def _fail(self) -> None:
        await self._lose()

    async def _lose(self) -> None:
        await self._ws.close(code=1011, message=b"gone")
