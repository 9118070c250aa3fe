"""What lies in examples/ works as it is."""

from __future__ import annotations

import asyncio
import functools
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from livekit.agents import NOT_GIVEN, Agent, AgentServer, AgentSession
from livekit.plugins.openai.realtime import RealtimeModel
from prometheus_client import REGISTRY

from realtime_fsm.simulator import Failed, InMemoryServer, Message, Reply, Script
from realtime_fsm.simulator.gpt_live import Backend, Call, InMemoryGPTLiveServer
from realtime_fsm.testing import PacedAudioOutput, run_virtual, simulated_call, virtual_time

from ..duplex.live import needs_duplex
from ..livekit.fake_tts import FakeTTS

EXAMPLES = Path(__file__).parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py"))
LIMITED = Reply(end=Failed("rate_limit_exceeded", message="Please try again in 2s."))
ANSWER = Reply([Message("We open at nine.", seconds=1.2)])


@pytest.fixture(autouse=True)
def on_the_path(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An example imports another one as a script beside it does."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name in NAMES:
            del sys.modules[name]


def example(name: str) -> ModuleType:
    return importlib.import_module(name)


@pytest.mark.parametrize("name", NAMES)
def test_every_example_is_imported(name: str) -> None:
    """A worker has a server of its own, or it is a file of tests."""
    module = example(name)
    assert module.__doc__
    assert f"{name}.py" in module.__doc__
    if not name.startswith("test_"):
        assert isinstance(module.server, AgentServer)


@pytest.mark.parametrize(
    "name",
    [
        "test_the_caller_hears_the_opening_hours_although_the_server_fails",
        "test_what_the_model_did_as_livekit_tests_tell_it",
        "test_the_colleague_who_takes_over_greets_although_her_first_reply_fails",
        "test_a_failure_that_lasts_is_told",
    ],
)
def test_the_test_suite_of_the_example(name: str) -> None:
    getattr(example("test_my_agent"), name)()


def test_no_test_of_the_example_is_left_out() -> None:
    listed = Path(__file__).read_text("utf-8")
    found = [name for name in vars(example("test_my_agent")) if name.startswith("test_")]
    assert len(found) == 4
    assert all(f'"{name}"' in listed for name in found)


@virtual_time
async def _one_moment(say_one_moment: Any) -> tuple[list[tuple[str, str]], float]:
    """A turn that is retried three times, and one that is retried at once."""
    again = Reply(end=Failed("server_error"))
    script = [LIMITED, LIMITED, ANSWER, again, ANSWER]
    agent = Agent(instructions="Be brief.")
    async with simulated_call(script, agent=agent, session={"tts": FakeTTS()}) as call:
        assert call.model is not None
        say_one_moment(call.model, call.session)
        for _ in range(2):
            await call.say("When do you open?", 1.0)
            await call.idle(quiet=3.0)
        await asyncio.sleep(1)
        return call.history, call.heard


def test_one_moment_is_said_once_and_only_for_a_long_silence() -> None:
    history, heard = _one_moment(example("one_moment").say_one_moment)
    assert [text for role, text in history if role == "assistant"] == ["We open at nine."] * 2
    # Two answers, and three words of the phrase: once.
    assert heard == pytest.approx(2 * 1.2 + 0.18, abs=0.05)


#: It runs on another model, and has a test of its own.
WORKERS = [name for name in NAMES if not name.startswith(("test_", "gpt_live"))]


@pytest.mark.parametrize("name", WORKERS)
def test_a_worker_answers(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its entrypoint, as it stands, in a call without a room on the simulated server."""
    module = example(name)
    sessions: list[AgentSession[Any]] = []

    class Kept(AgentSession[Any]):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            sessions.append(self)

    async def call() -> list[str]:
        async with InMemoryServer(Script([LIMITED, ANSWER])) as server:
            given = {"base_url": server.url, "http_session": server.http_session}
            model = functools.partial(RealtimeModel, api_key="none", **given)
            monkeypatch.setattr(module.openai.realtime, "RealtimeModel", model)
            monkeypatch.setattr(module, "AgentSession", Kept)
            await module.entrypoint(SimpleNamespace(room=NOT_GIVEN))
            (session,) = sessions
            session.output.audio = sink = PacedAudioOutput()
            await server.wait_for("session.updated", direction="server")
            await session.generate_reply(user_input="When do you open?")
            await session.aclose()
            await sink.aclose()
            assert server.creates >= 2  # the first answer failed
            return [item.text for item in server.conversation if item.role == "assistant"]

    assert "We open at nine." in run_virtual(call)


def test_the_metrics_count_what_recovered(monkeypatch: pytest.MonkeyPatch) -> None:
    def turns() -> float:
        return sum(
            sample.value
            for metric in REGISTRY.collect()
            for sample in metric.samples
            if sample.name == "realtime_fsm_turns_total" and sample.labels["outcome"] == "completed"
        )

    before = turns()
    test_a_worker_answers("metrics", monkeypatch)
    assert turns() == before + 1


@needs_duplex
def test_the_gpt_live_worker_says_what_was_lost(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    module = example("gpt_live")
    sessions: list[AgentSession[Any]] = []

    class Kept(AgentSession[Any]):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            sessions.append(self)

    async def call() -> list[str]:
        async with InMemoryGPTLiveServer() as server:
            model = functools.partial(
                module.openai.realtime.GPTLiveModel,
                api_key="none",
                http_session=server.http_session,
            )
            monkeypatch.setattr(module.openai.realtime, "GPTLiveModel", model)
            monkeypatch.setattr(module, "AgentSession", Kept)
            await module.entrypoint(SimpleNamespace(room=NOT_GIVEN))
            (session,) = sessions
            session.output.audio = sink = PacedAudioOutput()
            await server.wait_for("session.started", direction="server")
            await asyncio.sleep(1)
            tool = Call("opening_hours", '{"day": "Monday"}')
            server.delegate(Backend(calls=(tool,)), Backend(ends="failed"))
            await asyncio.sleep(3)
            server.refuse("response.create", "some_code")
            server.delegate(Backend(calls=(tool,)))
            await asyncio.sleep(3)
            await session.aclose()
            await sink.aclose()
            assert "Monday" in server.sent("response.item.create")[0]["item"]["output"]
            return [e["content"] for e in server.sent("session.commentary.append")]

    (said,) = run_virtual(call)
    assert "offer to try again" in said
    assert "lost: backend_failed (server_error)" in caplog.text
    assert "lost: continuation_refused (some_code)" in caplog.text
