"""Our simulator, as a server of Gemini Live on loopback."""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any, final

from ...simulator.config import ServerConfig
from ...simulator.conversation import ItemSnapshot
from ...simulator.core import ServerCore
from ...simulator.faulty import FaultyCore
from ...simulator.observed import Connection, ObservedServer, core_of
from ...simulator.script import Accept, Refuse, Script
from ...simulator.wire import Close, Drop, Frame, Ids, Send
from ._fake import need
from ._genai import without_tls
from .gemini_can import configured, modelled, playable
from .gemini_dialect import GeminiDialect, shown

__all__ = ["GeminiServer"]


@final
class GeminiServer(ObservedServer):
    """The simulator's server of the same script, which speaks Gemini Live.

    Its record, its answers and its conversation are in the simulator's own terms, whatever went
    over the wire: what asks Gemini for a reply is a ``response.create``, what such a request cuts
    short was cancelled first. ``messages`` is what went over the wire.

    Args:
        script: what it replies.
        config: its delays, handshakes and faults.
        like: see :class:`InMemoryServer`.

    Attributes:
        messages: what was sent to clients, with the time in seconds since the start; audio is its
            length in ms.
        violations: what clients sent that nobody understands.

    Raises:
        ValueError: Gemini Live has nothing for it; the message names the field and its value.
        PluginMissing: Its plugin is not installed.
    """

    provider = "google"

    def __init__(
        self,
        script: Script | None = None,
        *,
        config: ServerConfig | None = None,
        ids: Ids | None = None,
        like: ObservedServer | None = None,
    ) -> None:
        script, config = script or Script(), config or ServerConfig()
        playable(script)
        super().__init__(script, config=configured(config), ids=ids, like=like)
        self.messages: list[tuple[float, dict[str, Any]]] = []
        self.violations: list[str] = []
        self._plugin = need("livekit.plugins.google")
        self._types = need("google.genai.types")
        self._stack = contextlib.AsyncExitStack()
        self._openings: dict[int, tuple[int, Accept]] = {}
        self._lines: list[_Line] = []
        self._port = 0
        self._handles: dict[str, tuple[ItemSnapshot, ...]] = {}

    async def __aenter__(self) -> GeminiServer:
        await self.start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.aclose()

    async def start(self) -> None:
        """Listen. The SDK's own TLS is off in this process until :meth:`aclose`."""
        serving = need("websockets.asyncio.server")
        self._stack.enter_context(without_tls())
        server = await self._stack.enter_async_context(
            serving.serve(
                self._serve,
                "127.0.0.1",
                0,
                process_request=self._asked,
                max_size=None,
                ping_interval=None,
                close_timeout=1,
            )
        )
        self._port = server.sockets[0].getsockname()[1]
        self._started_at = asyncio.get_running_loop().time()

    async def aclose(self) -> None:
        """Break all connections and stop listening."""
        for line in self._lines:
            line.abort()
        await self._stack.aclose()

    @property
    def url(self) -> str:
        """The base URL for the SDK's ``HttpOptions(base_url=...)``."""
        return f"http://127.0.0.1:{self._port}"

    def model(self, **options: Any) -> Any:
        """The google plugin's ``RealtimeModel``, connected to this server.

        Raises ``ValueError`` for an option that says that it is another server, or that its turns
        are detected elsewhere.
        """
        modelled(options)
        http = self._types.HttpOptions(base_url=self.url, timeout=10_000)
        made = self._plugin.realtime.RealtimeModel(
            **{"api_key": "simulated", "http_options": http, **options}
        )
        make = made.session

        def session(*args: Any, **kwargs: Any) -> Any:
            begun = make(*args, **kwargs)
            begun.on("generation_created", self._named)
            return begun

        vars(made)["session"] = session
        return made

    def _named(self, event: Any) -> None:
        """The plugin has begun the oldest reply that the newest connection brought it."""
        generations = self._lines[-1].dialect.generations if self._lines else []
        unnamed = next((each for each in generations if each.name is None), None)
        if unnamed is not None:
            unnamed.name = event.response_id

    def known_as(self, item_id: str) -> str:
        """See :meth:`ObservedServer.known_as`."""
        for line in self._lines:
            for each in line.dialect.generations:
                if each.item == item_id and each.name is not None:
                    return each.name
        return item_id

    @property
    def active_response_id(self) -> str | None:
        """The response under way, if anything is to come of it: nothing ever cancels one that
        stalls."""
        goes_on = self._live and self._live[-1].core.next_deadline() is not None
        return super().active_response_id if goes_on else None

    def half_open(self) -> None:
        """See :meth:`ObservedServer.half_open`. Nor is a ping answered."""
        super().half_open()
        self._lines[-1].pause_if_lost()

    # --- connections

    def _asked(self, ws: Any, request: Any) -> Any:
        number, handshake = self._answer_handshake()
        if isinstance(handshake, Refuse):
            return ws.respond(handshake.status, handshake.body)
        self._openings[id(ws)] = number, handshake
        return None

    async def _serve(self, ws: Any) -> None:
        number, opening = self._openings.pop(id(ws))
        line = _Line(self, ws, number, opening)
        self._lines.append(line)
        await line.serve()

    def _known(self, core: ServerCore | FaultyCore, role: str, text: str) -> str | None:
        here = {item.id for item in core.conversation}
        for other in self._cores:
            for item in other.conversation:
                if (item.role, item.text) == (role, text) and item.id not in here:
                    return item.id
        return None

    def _handle(self, core: ServerCore | FaultyCore) -> str:
        handle = f"handle_{len(self._handles) + 1}"
        self._handles[handle] = core.conversation
        return handle

    def _restored(self, handle: str) -> list[dict[str, Any]]:
        events = []
        for item in self._handles.get(handle, ()):
            body: dict[str, Any] = {"id": item.id, "type": item.type}
            if item.type == "message":
                kind = "input_text" if item.role == "user" else "output_text"
                body |= {"role": item.role, "content": [{"type": kind, "text": item.text}]}
            elif item.type == "function_call":
                body |= {"call_id": item.call_id, "name": "restored", "arguments": "{}"}
            else:
                body |= {"call_id": item.call_id, "output": item.text}
            events.append({"type": "conversation.item.create", "item": body})
        return events


class _Line:
    """One connection: our server's core, the translation, and the socket."""

    def __init__(self, server: GeminiServer, ws: Any, number: int, opening: Accept) -> None:
        self._server = server
        self._ws = ws
        self._loop = asyncio.get_running_loop()
        self._connection = Connection(server, number, opening, self._put)
        core = core_of(self._connection)
        self.dialect = GeminiDialect(
            lambda: core.active_response_id is not None,
            lambda item_id: any(item.id == item_id for item in core.conversation),
            lambda role, text: server._known(core, role, text),
            server._restored,
            lambda: server._handle(core),
        )
        self._outbox: asyncio.Queue[Any] = asyncio.Queue()
        self._timer: asyncio.TimerHandle | None = None
        self._pumping = False

    async def serve(self) -> None:
        """Until the connection is over."""
        closed = need("websockets").ConnectionClosed
        writer = asyncio.create_task(self._write())
        try:
            self._connection.open()
            with contextlib.suppress(closed):
                async for text in self._ws:
                    if not self._connection.half_open:
                        self.dialect.receives(text)
                    self._pump()
        finally:
            if self._timer is not None:
                self._timer.cancel()
            writer.cancel()
            await asyncio.gather(writer, return_exceptions=True)
            self._connection.closed(self._ws.close_code)
            self._server.violations += self.dialect.violations

    def abort(self) -> None:
        """Break the TCP connection."""
        self._ws.transport.abort()

    def pause_if_lost(self) -> None:
        """Answer no ping on a connection that is half-open."""
        if self._connection.half_open:
            self._ws.transport.pause_reading()

    def _put(self, frame: Frame) -> None:
        """A frame of the simulator's."""
        if isinstance(frame, Send):
            self.dialect.says(frame.event, self._loop.time())
        else:
            self.dialect.hangs_up()
        self._pump()
        if not isinstance(frame, Send):
            self._outbox.put_nowait(frame)

    def _pump(self) -> None:
        """Pass on what was translated, to both sides."""
        if self._pumping:
            return
        self._pumping = True
        dialect, started = self.dialect, self._server.started_at
        while dialect.messages or dialect.events:
            while dialect.messages:
                message = dialect.messages.pop(0)
                self._server.messages.append((self._loop.time() - started, shown(message)))
                self._outbox.put_nowait(message)
            if dialect.events:
                self._connection.receive(json.dumps(dialect.events.pop(0)))
        self._pumping = False
        self.pause_if_lost()
        if self._timer is not None:
            self._timer.cancel()
        when = dialect.deadline
        self._timer = None if when is None else self._loop.call_at(when, self._tick)

    def _tick(self) -> None:
        self.dialect.advance(self._loop.time())
        self._pump()

    async def _write(self) -> None:
        with contextlib.suppress(need("websockets").ConnectionClosed):
            while True:
                out = await self._outbox.get()
                if isinstance(out, Close):
                    await self._ws.close(out.code, out.reason)
                elif isinstance(out, Drop):
                    self.abort()
                else:
                    body = out.model_dump(mode="json", by_alias=True, exclude_none=True)
                    await self._ws.send(json.dumps(body))
