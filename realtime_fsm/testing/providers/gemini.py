"""Gemini Live: ``BidiGenerateContent`` over a WebSocket, as the google plugin speaks it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any

from ._fake import CHUNK, Fake, need
from ._genai import PLACEHOLDER, instructions_in, texts_of, without_tls
from ._script import ARGUMENTS

__all__ = ["GeminiLive"]


class GeminiLive(Fake):
    """A Gemini Live server; see `Fake`."""

    family = "google"
    types = "`google.genai.types`, both ways"

    async def _start(self) -> None:
        self._plugin = need("livekit.plugins.google")
        self._types = need("google.genai.types")
        serving = need("websockets.asyncio.server")
        self._stack.enter_context(without_tls())
        server = await self._stack.enter_async_context(
            serving.serve(self._serve, "127.0.0.1", 0, max_size=None, close_timeout=1)
        )
        self._port = server.sockets[0].getsockname()[1]
        self._ws: Any = None
        self._said: list[str] = []
        self._plays_until = 0.0
        #: What was asked last when a handle was given: what a connection with it remembers.
        self._restored: dict[str, str] = {}

    def model(self, **options: Any) -> Any:
        http = self._types.HttpOptions(base_url=f"http://127.0.0.1:{self._port}", timeout=10000)
        return self._plugin.realtime.RealtimeModel(api_key="fake", http_options=http, **options)

    @property
    def ready(self) -> bool:
        return self._ws is not None

    async def _serve(self, ws: Any) -> None:
        closed = need("websockets").ConnectionClosed
        with contextlib.suppress(closed):
            with self.judging():
                first = self._types.LiveClientMessage.model_validate_json(await ws.recv())
                resumption = first.setup.session_resumption
                handle = resumption.handle if resumption is not None else None
                self._question = self._restored.get(handle or "", "")
                self._said = []
            self.note("connected")
            self._ws = ws
            await self._send(setup_complete=self._types.LiveServerSetupComplete())
            async for raw in ws:
                with self.judging():
                    await self._received(self._types.LiveClientMessage.model_validate_json(raw))

    async def _received(self, message: Any) -> None:
        if content := message.client_content:
            self._said += _texts(content, "user")
            if content.turn_complete:
                texts = self._said or _texts(content, "model")  # instructions
                self._said = []
                await self.asked((instructions_in(texts[-1]) or texts[-1]) if texts else None)
        elif message.tool_response:
            await self.asked("tool")

    async def _send(self, **fields: Any) -> None:
        message = self._types.LiveServerMessage(**fields)
        text = json.dumps(message.model_dump(mode="json", by_alias=True, exclude_none=True))
        with contextlib.suppress(need("websockets").ConnectionClosed):
            await self._ws.send(text)

    async def _content(self, **fields: Any) -> None:
        await self._send(server_content=self._types.LiveServerContent(**fields))

    async def _heard(self, text: str) -> None:
        self._said = []  # what was written before is answered, or is not any more
        await self._content(input_transcription=self._types.Transcription(text=text))

    async def _begin(self, text: str, *, spoken: bool) -> None:
        pass  # the first output says so

    async def _say(self, words: str, audio: bytes) -> None:
        blob = self._types.Blob(data=audio, mime_type="audio/pcm;rate=24000")
        turn = self._types.Content(parts=[self._types.Part(inline_data=blob)], role="model")
        now = asyncio.get_running_loop().time()
        self._plays_until = max(self._plays_until, now) + CHUNK
        await self._content(model_turn=turn)
        if words:
            await self._content(output_transcription=self._types.Transcription(text=words))

    async def _finish(self, text: str) -> None:
        """Its turn is complete when it believes that it was heard."""
        await self._content(generation_complete=True)
        await asyncio.sleep(self._plays_until - asyncio.get_running_loop().time())
        await self._content(turn_complete=True)
        handle = f"handle_{len(self._restored) + 1}"
        self._restored[handle] = self._question
        await self._send(
            session_resumption_update=self._types.LiveServerSessionResumptionUpdate(
                new_handle=handle, resumable=True
            )
        )

    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        self._plays_until = 0.0
        await self._content(interrupted=True)
        await self._content(turn_complete=True)

    async def _empty(self, *, spoken: bool) -> None:
        await self._content(turn_complete=True)

    async def _call(self, name: str) -> None:
        call = self._types.FunctionCall(id=f"call_{len(self.marks)}", name=name, args=ARGUMENTS)
        await self._send(tool_call=self._types.LiveServerToolCall(function_calls=[call]))

    async def _fail(self) -> None:
        await self._ws.close(1011, "Internal error encountered.")

    async def _lose(self) -> None:
        await self._ws.close(1011, "The service is currently unavailable.")


def _texts(content: Any, role: str) -> list[str]:
    return [text for of, text in texts_of(content) if of == role and text != PLACEHOLDER]
