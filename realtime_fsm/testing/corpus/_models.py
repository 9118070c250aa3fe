"""LiveKit's fallback adapter and our models, one around the other, and a server for each model."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from livekit.agents import llm
from livekit.plugins import openai

from ..._core.policy import RetryPolicy
from ...livekit import ControlledRealtimeModel
from ...livekit._features import AgentSession
from ...simulator.config import ServerConfig
from ...simulator.memory import InMemoryServer
from ...simulator.script import Script
from ...simulator.websocket import RealtimeServer
from ...simulator.wire import Ids
from ._script import Plan

__all__ = ["Models"]


class Models(contextlib.AsyncExitStack):
    """The models of a call that has more than one, or whose server is on a socket.

    Args:
        made: What the case says of them.
        config: Of each server.
        sockets: Whether the servers are on real sockets.
        faster: What a script becomes in a call that is played faster.
    """

    def __init__(
        self, made: Plan, config: ServerConfig, *, sockets: bool, faster: Callable[[Script], Script]
    ) -> None:
        super().__init__()
        self._made = made
        self._config = config
        self._sockets = sockets
        self._faster = faster
        self._own: list[ControlledRealtimeModel] = []
        self.servers: list[InMemoryServer | RealtimeServer] = []

    async def __aenter__(self) -> Models:
        await super().__aenter__()
        if not self._made.models and not self._sockets:
            return self  # the call makes its server itself
        ids = Ids()
        for script in (self._made.script, self._made.second):
            if script is not None:
                kind = RealtimeServer if self._sockets else InMemoryServer
                server = kind(self._faster(script), config=self._config, ids=ids)
                self.servers.append(await self.enter_async_context(server))
        return self

    @property
    def first(self) -> InMemoryServer | RealtimeServer | None:
        """The server of the first model; None: the call makes one."""
        return self.servers[0] if self.servers else None

    def composed(
        self, policy: RetryPolicy | None, options: dict[str, Any]
    ) -> llm.RealtimeModel | None:
        """The session's model, if it is more than one. *policy*: of our models; None: without them."""
        if not self._made.models:
            return None
        plugins = [self._plugin(server, options) for server in self.servers]
        if policy is None:
            return llm.RealtimeModelFallbackAdapter(list(plugins))
        if self._made.models == "fallback":
            self._own += [ControlledRealtimeModel(plugin, retry=policy) for plugin in plugins]
            return llm.RealtimeModelFallbackAdapter(list(self._own))
        adapter = llm.RealtimeModelFallbackAdapter(list(plugins))
        self._own.append(ControlledRealtimeModel(adapter, retry=policy))
        return self._own[0]

    def attach(self, session: AgentSession[Any]) -> None:
        """Attach our models to the session."""
        for model in self._own:
            model.attach(session)

    def _plugin(
        self, server: InMemoryServer | RealtimeServer, options: dict[str, Any]
    ) -> openai.realtime.RealtimeModel:
        over = {"http_session": server.http_session} if isinstance(server, InMemoryServer) else {}
        arguments = {"api_key": "simulated", "base_url": server.url, **over, **options}
        plugin = openai.realtime.RealtimeModel(**arguments)
        self.push_async_callback(plugin.aclose)
        return plugin
