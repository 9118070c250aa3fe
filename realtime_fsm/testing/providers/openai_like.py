"""The providers that speak OpenAI's protocol, each by its own plugin: our simulator answers them."""

from __future__ import annotations

import contextlib
import json
import os
from typing import Any, ClassVar
from unittest import mock

from ...simulator import script as sim
from ...simulator.config import ServerConfig
from ...simulator.websocket import RealtimeServer
from ._fake import CHUNK, Fake, need
from ._script import ARGUMENTS, Answer, Answers

__all__ = ["XAI", "Azure", "AzureBeta", "Inference", "OpenAI", "ThunderPhone"]

_SPEECH = 0.5
_KEPT = ("conversation.item.delete", "conversation.item.truncate", "response.cancel")


class OpenAI(Fake):
    """OpenAI, and the face of a `Fake` for our simulator of its protocol, which keeps its rules.

    Its audio bears no marks.
    """

    family = "openai"
    types = "`openai.types.beta.realtime` and `openai.types.realtime`, both ways"
    marked = False
    ignores_noise = False  # speech that stopped is committed, and answered
    config: ClassVar[dict[str, Any]] = {}
    key: ClassVar[str] = "fake"

    def __init__(self, answers: Answers) -> None:
        super().__init__(answers)
        self.server: Any = RealtimeServer(self.script(), config=ServerConfig(**self.config))
        self._make_core = self.server._new_core
        setattr(self.server, "_new_core", self._new_core)  # noqa: B010 - for the type checker

    def script(self) -> sim.Script:
        """What the simulator answers."""
        answers = self.answers
        calls = {a.call: question for question, all_ in answers.items() for a in all_ if a.call}
        after = {
            f"{question} > {tool}": answers.get("tool", ()) for tool, question in calls.items()
        }
        return sim.Script(
            answers={q: [_reply(a) for a in all_] for q, all_ in {**answers, **after}.items()},
            default=sim.Reply([sim.Message("And now everything is in good order.", seconds=0.6)]),
        )

    async def _start(self) -> None:
        self._plugin = need(f"livekit.plugins.{self.family.partition('-')[0]}")
        await self._stack.enter_async_context(self.server)
        self._http = await self._stack.enter_async_context(need("aiohttp").ClientSession())

    def model(self, **options: Any) -> Any:
        return self._plugin.realtime.RealtimeModel(
            api_key=self.key, base_url=self.server.url, http_session=self._http, **options
        )

    @property
    def ready(self) -> bool:
        return bool(self.server.received("session.created"))

    def _own_words(self, session: dict[str, Any]) -> None:
        """Put what the plugin says of a session as OpenAI has it, for our server knows no other."""

    def _new_core(self, number: int, opening: Any) -> Any:
        core: Any = self._make_core(number, opening)
        receive = core.receive

        def translated(text: str, now: float) -> None:
            event = json.loads(text)
            if event.get("type") == "session.update":
                with self.judging():
                    self._own_words(event["session"])
                text = json.dumps(event)
            receive(text, now)

        setattr(core, "receive", translated)  # noqa: B010
        return core

    async def __aexit__(self, *exc_info: object) -> None:
        self._keep_the_wire()
        await super().__aexit__(*exc_info)

    def _keep_the_wire(self) -> None:
        started = self.server._started_at
        for record in self.server.record:
            if record.direction == "client" and record.type == "response.create":
                self.wire.append((started + record.t, "asked"))
            elif record.direction == "client" and record.type in _KEPT:
                self.wire.append((started + record.t, record.type))
            elif record.direction == "net" and record.type == "accepted":
                self.wire.append((started + record.t, "connected"))

    async def user_says(self, text: str) -> None:
        self.note(f"user: {text}")
        with contextlib.suppress(RuntimeError):  # nobody is connected
            await self.server.user_speaks(text, seconds=_SPEECH)

    async def lose(self) -> None:
        self.note("lost")
        self.server.drop()

    # --- all of it is the simulator's

    async def _heard(self, text: str) -> None: ...
    async def _begin(self, text: str, *, spoken: bool) -> None: ...
    async def _say(self, words: str, audio: bytes) -> None: ...
    async def _finish(self, text: str) -> None: ...
    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None: ...
    async def _empty(self, *, spoken: bool) -> None: ...
    async def _call(self, name: str) -> None: ...
    async def _fail(self) -> None: ...
    async def _lose(self) -> None: ...


def _reply(answer: Answer) -> sim.Reply:
    items: list[sim.Message | sim.FunctionCall] = []
    if answer.call is not None:
        items.append(sim.FunctionCall(answer.call, ARGUMENTS, after=answer.after))
    elif answer.text:
        items.append(sim.Message(answer.text, seconds=answer.seconds, after=answer.after))
    pace = answer.pace / CHUNK * 0.1
    cut = sim.audio_ms(round(answer.seconds * 1000)) if answer.text else sim.CREATED
    ends: dict[str, sim.End] = {
        "done": sim.Completed(),
        "empty": sim.Completed(),
        "silent": sim.Completed(),
        "dropped": sim.DoneLost(),
        "stall": sim.Stalled(at=cut),
        "error": sim.Failed("server_error", at=cut),
        "lost": sim.Closed(1011, at=cut),
    }
    if answer.end == "silent":
        return sim.Reply(ack=sim.Unanswered())
    return sim.Reply(items, end=ends[answer.end], pace=pace)


class Azure(OpenAI):
    """Azure OpenAI, by the openai plugin."""

    family = "openai-azure"

    def model(self, **options: Any) -> Any:
        return self._plugin.realtime.RealtimeModel.with_azure(
            azure_deployment="deployment",
            azure_endpoint=self.server.url.removesuffix("/v1"),
            api_key="fake",
            http_session=self._http,
            **options,
        )


class AzureBeta(Azure):
    """The same with the names of the beta."""

    family = "openai-azure-beta"
    config: ClassVar[dict[str, Any]] = {"dialect": "beta"}

    def model(self, **options: Any) -> Any:
        return super().model(api_version="2024-10-01-preview", **options)


class XAI(OpenAI):
    """xAI, by its plugin."""

    family = "xai"

    def _own_words(self, session: dict[str, Any]) -> None:
        if session.pop("voice", None) is not None:
            session["audio"]["output"]["voice"] = "alloy"
        if "turn_detection" in session:
            session["audio"]["input"]["turn_detection"] = session.pop("turn_detection")


class ThunderPhone(OpenAI):
    """ThunderPhone, by its plugin."""

    family = "thunderphone"
    key = "sk_live_fake"

    def _own_words(self, session: dict[str, Any]) -> None:
        session.pop("config", None)
        if "audio" in session:  # not in one that changes nothing
            session["audio"]["output"]["voice"] = "alloy"
            session["audio"]["input"]["transcription"] = {"model": "gpt-4o-mini-transcribe"}


class Inference(OpenAI):
    """LiveKit Inference: models of several providers behind the openai engine."""

    family = "inference"
    vendor: ClassVar[str] = "openai/gpt-realtime"

    async def _start(self) -> None:
        await self._stack.enter_async_context(self.server)
        self._plugin = need("livekit.agents.inference")
        self._http = await self._stack.enter_async_context(need("aiohttp").ClientSession())
        keys = {"LIVEKIT_API_KEY": "fake", "LIVEKIT_API_SECRET": "fake" * 8}
        self._stack.enter_context(mock.patch.dict(os.environ, keys))

    def model(self, **options: Any) -> Any:
        return self._plugin.RealtimeModel(
            self.vendor, base_url=self.server.url, http_session=self._http, **options
        )
