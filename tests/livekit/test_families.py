"""Families of plugins: which are controlled, which pass through, and what is said of it (G27)."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
from collections.abc import Callable
from typing import Any, Literal

import aiohttp
import pytest
from livekit.agents import Agent, llm
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel, Family
from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.livekit._session import ControlledRealtimeSession
from realtime_fsm.livekit.providers import declared_events, family_of
from realtime_fsm.simulator import InMemoryServer, Script
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import HELLO, call


def capabilities(**options: Any) -> llm.RealtimeCapabilities:
    return llm.RealtimeCapabilities(
        message_truncation=True,
        turn_detection=True,
        user_transcription=False,
        auto_tool_reply_generation=False,
        audio_output=True,
        manual_function_calls=True,
        **options,
    )


class Session(llm.RealtimeSession[Literal["some_event"]]):
    """A realtime session that does nothing."""

    chat_ctx = llm.ChatContext.empty()
    tools = llm.ToolContext.empty()

    async def update_instructions(self, instructions: str) -> None: ...
    async def update_chat_ctx(self, chat_ctx: llm.ChatContext) -> None: ...
    async def update_tools(self, tools: list[llm.Tool]) -> None: ...
    def update_options(self, **options: Any) -> None: ...
    def push_audio(self, frame: Any) -> None: ...
    def push_video(self, frame: Any) -> None: ...
    def generate_reply(self, **options: Any) -> asyncio.Future[llm.GenerationCreatedEvent]:
        return asyncio.get_running_loop().create_future()

    def commit_audio(self) -> None: ...
    def clear_audio(self) -> None: ...
    def interrupt(self) -> None: ...
    def truncate(self, **options: Any) -> None: ...
    async def aclose(self) -> None: ...


class Model(llm.RealtimeModel):
    """A model of a family that nobody knows."""

    def __init__(self, make: Callable[[llm.RealtimeModel], Any] = Session) -> None:
        super().__init__(capabilities=capabilities())
        self._make = make

    def session(self, *, turn_detection_disabled: bool = False) -> Any:
        return self._make(self)

    async def aclose(self) -> None: ...


def of_package(name: str) -> llm.RealtimeModel:
    """A model whose class is from a package of LiveKit's plugins."""
    cls = type("RealtimeModel", (Model,), {"__module__": f"livekit.plugins.{name}.realtime.api"})
    return cls()  # type: ignore[no-any-return]


# --- what is recognised


@virtual_time
async def test_the_openai_plugin_and_what_derives_from_it_is_controlled() -> None:
    class Derived(openai.realtime.RealtimeModel):
        def session(self, *, turn_detection_disabled: bool = False) -> Any:
            return DerivedSession(self)

    class DerivedSession(openai.realtime.RealtimeSession):
        """As xAI's, and LiveKit's hosted models'."""

    async with InMemoryServer(Script([])) as server:
        web: Any = server.http_session
        azure = openai.realtime.RealtimeModel.with_azure(
            azure_deployment="d",
            azure_endpoint="https://a.example",
            api_key="k",
            http_session=web,
        )
        own = openai.realtime.RealtimeModel(api_key="k", http_session=web)
        for model in (own, Derived(api_key="k", http_session=web), azure):
            session = model.session()
            assert family_of(model, session).name == "openai"
            await session.aclose()


async def test_it_is_what_the_session_shows_that_counts() -> None:
    class Shows(
        Session,
        llm.RealtimeSession[
            Literal["openai_server_event_received", "openai_client_event_queued", "more"]
        ],
    ):
        def send_event(self, event: Any) -> None: ...

    class Mute(Session, llm.RealtimeSession[Literal["openai_server_event_received"]]):
        def send_event(self, event: Any) -> None: ...

    assert "more" in declared_events(Shows)
    for kind, control in ((Shows, "full"), (Mute, "plain"), (Session, "plain")):
        session: Any = kind.__new__(kind)
        assert family_of(Model(), session).control == control


@pytest.mark.parametrize("package", ["nvidia"])
async def test_a_family_without_a_contract_passes_through(
    package: str, caplog: pytest.LogCaptureFixture
) -> None:
    """G27, with one warning that says why."""
    model = ControlledRealtimeModel(of_package(package))
    with caplog.at_level(logging.INFO, "realtime_fsm"):
        session = model.session()
        model.session()
    assert type(session) is Session
    assert model.controller is None
    (warning,) = [r for r in caplog.records if r.name == "realtime_fsm"]
    assert warning.levelno == logging.WARNING
    assert vars(warning)["family"] == package
    assert vars(warning)["why"] in warning.getMessage()
    assert len(vars(warning)["why"].split()) > 5


async def test_an_unknown_family_passes_through_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = ControlledRealtimeModel(Model())
    assert type(model.session()) is Session
    assert type(model.session()) is Session
    assert caplog.text.count("family=") == 1
    model.attach(AgentSession(vad=None))  # harms nothing


# --- what the user declares


async def test_an_unknown_family_is_controlled_where_it_is_declared() -> None:
    for family in ("streams", Family(name="mine", control="streams")):
        model = ControlledRealtimeModel(Model(), family=family)  # type: ignore[arg-type]
        session = model.session()
        assert isinstance(session, ControlledRealtimeSession)
        assert model.controller is not None
        await session.aclose()


async def test_what_is_declared_wrongly_passes_through(caplog: pytest.LogCaptureFixture) -> None:
    model = ControlledRealtimeModel(Model(), family="openai")
    assert type(model.session()) is Session
    assert "no send_event()" in caplog.text


@virtual_time
async def test_a_known_family_may_be_declared_plain() -> None:
    async with call([HELLO], family=Family(name="mine", control="plain", why="Just so.")) as c:
        await c.session.generate_reply(user_input="Hello?")
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.model is not None
        assert c.model.controller is None


@pytest.mark.parametrize("family", [1, object(), Session])
def test_a_family_that_is_none_is_a_type_error(family: Any) -> None:
    with pytest.raises(TypeError, match="family must be"):
        ControlledRealtimeModel(Model(), family=family)


def test_the_name_of_no_family_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="family must be"):
        ControlledRealtimeModel(Model(), family="gemini")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="control must be"):
        Family(name="mine", control="some")  # type: ignore[arg-type]


# --- LiveKit's own adapters


async def test_a_fallback_adapter_is_as_its_models_are() -> None:
    engine = openai.realtime.RealtimeModel(api_key="k")
    for models, control in (([engine], "streams"), ([engine, Model()], "plain")):
        model = llm.RealtimeModelFallbackAdapter(models)
        session: Any = Session(model)
        assert family_of(model, session).control == control


class FullDuplex:
    """A server of a full-duplex model, as an ``http_session``: it says two seconds."""

    def __init__(self) -> None:
        self.sent: list[str] = []
        self._queue: asyncio.Queue[aiohttp.WSMessage] = asyncio.Queue()

    async def ws_connect(self, *_: Any, **options: Any) -> FullDuplex:
        return self

    async def send_str(self, text: str, compress: Any = None) -> None:
        kind = json.loads(text)["type"]
        self.sent.append(kind)
        if kind == "session.start":
            self._push("session.started", session={"id": "s", "model": "gpt-live-1"})
            for level in (*[0] * 10, *[9000] * 20, *[0] * 10):
                sound = level.to_bytes(2, "little") * 2400
                self._push("session.output_audio.delta", delta=base64.b64encode(sound).decode())
        elif kind == "session.close":
            self._push("session.closed", reason="close_requested", session={"id": "s"}, usage={})

    def _push(self, kind: str, **fields: Any) -> None:
        text = json.dumps({"type": kind, "event_id": "e", **fields})
        self._queue.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.TEXT, text, None))

    async def receive(self, timeout: Any = None) -> aiohttp.WSMessage:
        return await self._queue.get()

    async def close(self, *_: Any, **options: Any) -> bool:
        self._queue.put_nowait(aiohttp.WSMessage(aiohttp.WSMsgType.CLOSED, None, None))
        return True


async def duplex_call(controlled: bool) -> tuple[float, Any, list[str]]:
    """A call with the real full-duplex model: seconds heard, the session's class, what was sent."""
    server = FullDuplex()
    inner = openai.realtime.GPTLiveModel(api_key="k", http_session=server)  # type: ignore[arg-type]
    model = ControlledRealtimeModel(inner) if controlled else None
    session: AgentSession[Any] = AgentSession(llm=model or inner, vad=None)
    sink = PacedAudioOutput()
    session.output.audio = sink
    if model is not None:
        model.attach(session)
        assert (model.model, model.provider) == (inner.model, inner.provider)
        assert model.audio_gate  # what it has more, it has here too
    await session.start(Agent(instructions="Be brief."))
    await asyncio.sleep(8.0)
    below: Any = realtime_session_of(session)
    made = type(below)
    assert below.duplex_session is not None
    await session.aclose()
    await sink.aclose()
    await (model or inner).aclose()
    return round(sink.heard_seconds, 2), made, server.sent


@virtual_time
async def test_a_full_duplex_model_passes_through(caplog: pytest.LogCaptureFixture) -> None:
    """G27: the real class, as LiveKit alone has it."""
    if not hasattr(openai.realtime, "GPTLiveModel"):
        pytest.skip("this livekit-agents has no full-duplex models")
    plain = await duplex_call(False)
    with caplog.at_level(logging.INFO, "realtime_fsm"):
        ours = await duplex_call(True)
    assert plain[0] > 1.5
    assert ours == plain
    assert [r.levelno for r in caplog.records if r.name == "realtime_fsm"] == [logging.INFO]
