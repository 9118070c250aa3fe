"""One audio delta: the plugin's work on it, and ours on top."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from livekit.agents import llm

from realtime_fsm.livekit import ControlledRealtimeModel

from .calls import SERVER_FRAME, idle_listener, model_for
from .canned import CannedServer, Recording

AUDIO = "output_audio.delta"
TEXT = "output_audio_transcript.delta"
#: Frames of one kind fed at once.
BLOCK = 200


class Receiver:
    """A realtime session in the middle of a message; nobody plays what comes.

    Args:
        controlled: With us.
        listen: Without us, but with a listener to the server's frames that does nothing.
    """

    def __init__(
        self, recording: Recording, *, controlled: bool = False, listen: bool = False
    ) -> None:
        self._server = CannedServer(recording)
        self._plugin = model_for(self._server)
        self._model = ControlledRealtimeModel(self._plugin) if controlled else self._plugin
        self._listen = listen
        self._session: llm.RealtimeSession[Any]
        self._frames: dict[str, str] = {}
        reply = recording.replies[0]
        self._until_first = next(n for n, t in enumerate(reply) if "output_audio.delta" in t)
        for kind in (AUDIO, TEXT):
            self._frames[kind] = next(t for t in reply if f'"response.{kind}"' in t)
        self._streams: dict[str, AsyncIterator[object]] = {}
        self._pending: list[str] = []

    async def start(self) -> None:
        """Connect, ask, and receive up to the first audio delta."""
        server, reply = self._server, self._server.reply
        server.on_create = lambda create: reply(create, until=self._until_first + 1)
        self._session = self._model.session()
        if self._listen:
            frames: Any = self._session
            frames.on(SERVER_FRAME, idle_listener())
        await server.drained()
        asked = self._session.generate_reply()
        await server.drained()
        message = await (await asked).message_stream.__aiter__().__anext__()
        self._streams = {
            AUDIO: message.audio_stream.__aiter__(),
            TEXT: message.text_stream.__aiter__(),
        }

    async def feed(self, kind: str) -> None:
        self._server.feed(*[self._frames[kind]] * BLOCK)
        await self._server.drained()
        self._pending += [kind] * BLOCK

    async def empty(self) -> None:
        """Read what is in the streams."""
        for kind in self._pending:
            await self._streams[kind].__anext__()
        self._pending.clear()

    async def aclose(self) -> None:
        await self._session.aclose()
        await self._plugin.aclose()
