"""The GPT-Live server on its transports: in memory, and on a loopback WebSocket."""

from __future__ import annotations

import asyncio
from typing import Any, final

from ..memory import InMemory
from ..observed import Connection, Core, Observed
from ..record import Direction
from ..script import Accept, Refuse
from ..websocket import Loopback
from ..wire import Ids
from .core import LiveCore
from .script import Backend, CloseReason, LiveConfig, known_reason

__all__ = ["GPTLiveServer", "InMemoryGPTLiveServer"]

_AUDIO = {"session.output_audio.delta": "delta", "session.input_audio.append": "audio"}
_CHARS_PER_MS = 64


class _LiveServer(Observed):
    """What tests do with a GPT-Live server, whatever its transport."""

    def __init__(self, config: LiveConfig | None = None, *, ids: Ids | None = None) -> None:
        super().__init__()
        self._config = config or LiveConfig()
        self._ids = ids or Ids()
        self._cores: list[LiveCore] = []
        self._refusals: dict[str, list[str]] = {}

    def _handshake(self, number: int) -> Accept | Refuse:
        return self._config.handshake(number)

    def _new_core(self, number: int, opening: Accept) -> LiveCore:
        return LiveCore(self._config, ids=self._ids, number=number, refusals=self._refusals)

    def _opened(self, core: Core) -> None:
        assert isinstance(core, LiveCore)
        self._cores.append(core)

    def _note(self, connection: int, direction: Direction, event: dict[str, Any]) -> None:
        field = _AUDIO.get(str(event.get("type")))
        audio = event.get(field) if field is not None else None
        if field is not None and isinstance(audio, str):
            event = {**event, field: len(audio) / _CHARS_PER_MS}
        super()._note(connection, direction, event)

    # --- what a test does ---

    def delegate(self, *work: Backend) -> str:
        """Let the voice model hand work on, in the newest session: to the backend, whose responses are
        *work*, or under client delegation to the application. Returns the delegation's id. Raises
        ``RuntimeError`` when nobody is connected.
        """
        connection, core = self._current()
        name = core.delegate(*work)
        connection.pump()
        return name

    def say(self, words: str, *, seconds: float = 1.0) -> None:
        """Let the voice model speak. Raises ``RuntimeError`` when nobody is connected."""
        connection, core = self._current()
        core.voice.say(words, seconds=seconds)
        connection.pump()

    def hear(self, words: str) -> None:
        """Let the service understand words of the caller's. Raises ``RuntimeError`` when nobody is
        connected."""
        connection, core = self._current()
        core.voice.hear(words)
        connection.pump()

    def end(self, reason: CloseReason) -> None:
        """End the newest session. Raises ``RuntimeError`` when nobody is connected, ``ValueError`` for
        an unknown reason."""
        connection, core = self._current()
        core.end(known_reason(reason))
        connection.pump()

    def refuse(self, type: str, code: str) -> None:
        """Refuse the next client event of a type, such as ``response.create``."""
        self._refusals.setdefault(type, []).append(code)

    def _current(self) -> tuple[Connection, LiveCore]:
        connection = self._newest()
        connection.core.advance(asyncio.get_running_loop().time())
        assert isinstance(connection.core, LiveCore)
        return connection, connection.core

    # --- what a test looks at ---

    @property
    def connections(self) -> int:
        """How many connections were accepted."""
        return len(self._cores)


@final
class InMemoryGPTLiveServer(InMemory, _LiveServer):
    """The GPT-Live server without sockets, so that it runs in virtual time.

    ::

        async with InMemoryGPTLiveServer() as server:
            model = openai.realtime.GPTLiveModel(api_key="x", http_session=server.http_session)
            ...
            server.delegate(Backend(calls=(Call("look_up"),)))
    """


@final
class GPTLiveServer(Loopback, _LiveServer):
    """The GPT-Live server on a WebSocket: ``GPTLiveModel(base_url=server.url)``.

    Raises ``ValueError`` when *host* is not a loopback address and *allow_remote* is false.
    """

    _paths = ("/v1/live/sessions", "/live/sessions", "/openai/v1/live/sessions")

    def __init__(
        self,
        config: LiveConfig | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        ids: Ids | None = None,
        allow_remote: bool = False,
    ) -> None:
        self._listens(host, port, allow_remote=allow_remote)
        super().__init__(config, ids=ids)
