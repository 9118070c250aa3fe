"""Phonic: a WebSocket of JSON messages, as its SDK speaks it."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
from typing import Any
from unittest import mock

from ._fake import Fake, need
from ._script import ARGUMENTS

__all__ = ["Phonic"]

#: What the plugin makes of a user's text (livekit-plugins-phonic 1.8).
_USER_TEXT = re.compile(r'text message: "(.*?)"', re.DOTALL)


class Phonic(Fake):
    """A Phonic server; see `Fake`."""

    family = "phonic"
    types = "the payloads of `phonic`, both ways"
    can_say = True

    async def _start(self) -> None:
        self._plugin = need("livekit.plugins.phonic")
        self._types = need("phonic")
        serving = need("websockets.asyncio.server")
        server = await self._stack.enter_async_context(
            serving.serve(self._serve, "127.0.0.1", 0, max_size=None, close_timeout=1)
        )
        port = server.sockets[0].getsockname()[1]
        # The model takes no address.
        environment = need("phonic.environment").PhonicEnvironment.DEFAULT
        self._stack.enter_context(
            mock.patch.object(environment, "production", f"ws://127.0.0.1:{port}")
        )
        self._ws: Any = None
        self._configured = False

    def model(self, **options: Any) -> Any:
        return self._plugin.realtime.RealtimeModel(api_key="fake", **options)

    @property
    def ready(self) -> bool:
        return self._configured

    async def _serve(self, ws: Any) -> None:
        self._ws = ws
        self.note("connected")
        with contextlib.suppress(need("websockets").ConnectionClosed):
            async for raw in ws:
                with self.judging():
                    await self._received(json.loads(raw))

    async def _received(self, message: dict[str, Any]) -> None:
        kind = message["type"]
        if kind == "audio_chunk":
            return
        payload = _REQUESTS.get(kind)
        assert payload is not None, f"no known message: {kind}"
        unknown = getattr(self._types, payload).model_validate(message).model_extra
        assert not unknown, f"no field of {kind}: {sorted(unknown)}"
        if kind == "config":
            await self._send("ConversationCreatedPayload", conversation_id="conversation")
            await self._send("ReadyToStartConversationPayload")
            self._configured = True
        elif kind == "generate_reply":
            text = message.get("system_message")
            found = _USER_TEXT.search(text or "")
            await self.asked(found[1] if found else text)
        elif kind == "say":
            await self.asked(message["text"])
        elif kind == "tool_call_output":
            await self.asked("tool")

    async def _send(self, payload: str, **fields: Any) -> None:
        message = getattr(self._types, payload)(**fields)
        with contextlib.suppress(need("websockets").ConnectionClosed):
            await self._ws.send(message.model_dump_json(by_alias=True, exclude_none=True))

    async def _heard(self, text: str) -> None:
        await self._send("UserStartedSpeakingPayload")
        await asyncio.sleep(0.05)
        await self._send("UserFinishedSpeakingPayload")
        await self._send("InputTextPayload", text=text, language="en")

    async def _begin(self, text: str, *, spoken: bool) -> None:
        await self._send("AssistantStartedSpeakingPayload")

    async def _say(self, words: str, audio: bytes) -> None:
        coded = base64.b64encode(audio).decode()
        await self._send("AudioChunkResponsePayload", audio=coded, text=words)

    async def _finish(self, text: str) -> None:
        await self._send("AssistantFinishedSpeakingPayload")

    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        if barge_in:
            await self._send("UserStartedSpeakingPayload")
            await self._send("UserFinishedSpeakingPayload")

    async def _empty(self, *, spoken: bool) -> None:
        await self._send("AssistantStartedSpeakingPayload")
        await self._send("AssistantFinishedSpeakingPayload")

    async def _call(self, name: str) -> None:
        await self._send(
            "ToolCallPayload",
            tool_call_id=f"call_{len(self.marks)}",
            tool_name=name,
            parameters=ARGUMENTS,
        )

    async def _fail(self) -> None:
        await self._send("ErrorPayload", error={"message": "internal error", "code": "internal"})

    async def _lose(self) -> None:
        await self._ws.close(1011, "gone")


_REQUESTS = {
    "add_system_message": "AddSystemMessagePayload",
    "config": "ConfigPayload",
    "generate_reply": "GenerateReplyPayload",
    "reset": "ResetPayload",
    "say": "SayPayload",
    "tool_call_output": "ToolCallOutputPayload",
}
