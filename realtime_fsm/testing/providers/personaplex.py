"""PersonaPlex: a WebSocket of Opus audio and text tokens; full duplex, and takes no requests."""

from __future__ import annotations

import contextlib
from typing import Any

from ._fake import CHUNK, RATE, WebFake, need

__all__ = ["PersonaPlex"]

_HANDSHAKE, _AUDIO, _TEXT = b"\x00", b"\x01", b"\x02"
_FRAME = 1920  # samples, the 80 ms that Opus takes


class PersonaPlex(WebFake):
    """A PersonaPlex server; see `Fake`. Opus loses the marks of its audio."""

    family = "nvidia"
    types = "the three kinds of binary messages, by hand: nothing publishes types; Opus by `sphn`"
    takes_requests = False
    marked = False

    async def _start(self) -> None:
        self._module = need("livekit.plugins.nvidia.experimental.realtime.realtime_model")
        self._numpy, self._sphn = need("numpy"), need("sphn")
        await self._listen("/api/chat")

    def model(self, **options: Any) -> Any:
        return self._module.RealtimeModel(
            base_url=f"ws://127.0.0.1:{self._port}", http_session=self._http, **options
        )

    async def _serve(self, request: Any) -> Any:
        ws = self._web.WebSocketResponse(timeout=0.2)
        await ws.prepare(request)
        self.note("connected")
        self._ws, self._opus = ws, self._sphn.OpusStreamWriter(RATE)
        await self._send(_HANDSHAKE)
        async for message in ws:
            with self.judging():
                assert message.data[:1] == _AUDIO, f"no known kind: {message.data[:1]!r}"
        return ws

    async def _send(self, data: bytes) -> None:
        with contextlib.suppress(ConnectionError):
            await self._ws.send_bytes(data)

    async def _heard(self, text: str) -> None:
        pass  # it does not say

    async def _begin(self, text: str, *, spoken: bool) -> None:
        pass  # it speaks at any time

    async def _say(self, words: str, audio: bytes) -> None:
        tone = self._numpy.sin(self._numpy.arange(round(RATE * CHUNK)) / 9).astype("float32") / 3
        for start in range(0, len(tone) - _FRAME + 1, _FRAME):
            coded = self._opus.append_pcm(tone[start : start + _FRAME])
            if coded:
                await self._send(_AUDIO + bytes(coded))
        if words:
            await self._send(_TEXT + words.encode())

    async def _finish(self, text: str) -> None:
        pass  # silence says so

    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        pass

    async def _empty(self, *, spoken: bool) -> None:
        pass

    async def _call(self, name: str) -> None:
        raise NotImplementedError("PersonaPlex calls no tools")

    async def _fail(self) -> None:
        await self._lose()

    async def _lose(self) -> None:
        await self._ws.close(code=1011)
