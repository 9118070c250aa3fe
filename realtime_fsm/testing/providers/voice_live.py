"""Azure Voice Live: OpenAI's beta protocol at another address, by the SDK of Azure."""

from __future__ import annotations

from typing import Any, ClassVar

from ._fake import need
from .openai_like import OpenAI

__all__ = ["VoiceLive"]

#: Our simulator is OpenAI's; the plugin passes over what the SDK does not know.
_OPENAI_ONLY = frozenset({"conversation.created"})


class VoiceLive(OpenAI):
    """Azure Voice Live; see `OpenAI`. What it sends is parsed by the SDK, and shows in
    ``violations`` where that does not know it."""

    family = "azure"
    types = "`azure.ai.voicelive.models` for what it sends, `openai.types.beta.realtime` both ways"
    config: ClassVar[dict[str, Any]] = {"dialect": "beta", "rate_limits": "off"}

    async def _start(self) -> None:
        self._realtime = need("livekit.plugins.azure.realtime")
        self._models = need("azure.ai.voicelive.models")
        await super()._start()

    def model(self, **options: Any) -> Any:
        model = self._realtime.RealtimeModel(
            endpoint=self.server.url.removesuffix("/v1"),
            api_key="fake",
            model="gpt-realtime",
            voice="alloy",  # our server knows the voices of OpenAI
            **options,
        )
        opened = model.session

        def session(**kwargs: Any) -> Any:
            made = opened(**kwargs)
            made.on("azure_server_event_received", self._check)
            return made

        model.session = session
        return model

    def _check(self, event: Any) -> None:
        if type(event) is self._models.ServerEvent and event.get("type") not in _OPENAI_ONLY:
            self.violations.append(f"the SDK does not know {event.get('type')}")
