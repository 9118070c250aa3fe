"""Where livekit-agents 1.7 to 2.0 differ: what is looked for is there, and where it is not, one warning
says so and calls go on.

A fact that moved fails here first, with the advice that a user sees too.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit import agents
from livekit.agents import Agent, llm

from realtime_fsm.livekit import _facts
from realtime_fsm.livekit import _features as features
from realtime_fsm.livekit._facts import FACTS, Fact
from realtime_fsm.livekit._pass_on import passes_on
from realtime_fsm.livekit._session import ControlledRealtimeSession
from realtime_fsm.simulator import BEFORE_CREATED, Dropped, Failed, Message, Reply
from realtime_fsm.testing import simulated_call, virtual_time

from .call import HELLO
from .test_canaries import plain, relied_on

ROOT = Path(__file__).parents[2]
LOST = Reply(end=Dropped(at=BEFORE_CREATED))
FAILED = Reply(end=Failed("server_error"))
ANSWER = Reply([Message("All is well.", seconds=1.0)])


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.relied_on.partition("(")[0])
def test_a_fact(fact: Fact) -> None:
    assert fact.holds(), f"LiveKit changed. {fact}"


def test_the_class_of_sessions_is_the_one_that_livekit_exports() -> None:
    exported: Any = getattr(agents, "LiveSession", None) or agents.AgentSession
    relied_on(
        features.AgentSession is exported,
        "voice.agent_session has the LiveSession, or AgentSession, that livekit.agents exports",
        "realtime_fsm/livekit/_features.py",
    )


@virtual_time
async def test_the_running_agents_session_and_history_are_within_reach() -> None:
    """Of code that is no hook and no tool of the agent: in 2.0 it is told of neither."""
    async with plain([HELLO]) as (c, session, _):
        look = "realtime_fsm/livekit/_features.py"
        relied_on(features.realtime_session_of(c.session) is session, "realtime_session_of()", look)
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Hello?", id="m1")
        await features.push_history(c.session, context)
        relied_on(
            features.history_of(c.session).get_by_id("m1") is not None
            and session.chat_ctx.get_by_id("m1") is not None,
            "push_history() changes the running agent's history, and the model's",
            look,
        )
        await features.push_instructions(c.session, "Be kind.")
        second = Agent(instructions="", **features.given_history(context))
        features.hand_over(c.session, second, context)
        await c.until(lambda: c.session.current_agent is second)
        relied_on(
            features.history_of(c.session).get_by_id("m1") is not None,
            "hand_over() gives the next agent a history",
            look,
        )


@virtual_time
async def test_the_engine_asks_again_under_the_same_event_id_or_not_at_all() -> None:
    async with plain([LOST, ANSWER]) as (c, _, seen):
        c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: seen.of("session_reconnected"))
        await asyncio.sleep(0.5)
        creates = seen.of("openai_client_event_queued", "response.create")
        relied_on(
            len({create["event_id"] for create in creates}) == 1,
            "what the engine asks again by itself (since 2.0) has the event id of the first time",
            "realtime_fsm/livekit/_creates.py, _observe.py: _asked",
        )
        relied_on(
            len(creates) == c.server.creates,
            "and it is seen leaving",
            "realtime_fsm/livekit/_creates.py",
        )


@virtual_time
async def test_the_engine_does_not_ask_again_for_a_future_that_is_done() -> None:
    async with plain([LOST, ANSWER]) as (c, session, seen):
        future = session.generate_reply()
        session.on("error", lambda _: future.done() or future.set_exception(llm.RealtimeError("")))
        await c.until(lambda: seen.of("session_reconnected"))
        await asyncio.sleep(0.5)
        relied_on(
            c.server.creates == 1,
            "a future that is done when the connection is lost is not asked for again",
            "realtime_fsm/livekit/_creates.py: take_back",
        )


@virtual_time
async def test_a_further_connection_begins_with_a_session_update_past_the_queue() -> None:
    async with plain([LOST, ANSWER]) as (c, session, seen):
        senders: list[tuple[str, object]] = []
        session.on(
            "openai_client_event_queued",
            lambda frame: senders.append((frame["type"], asyncio.current_task())),
        )
        session.generate_reply()
        await c.until(lambda: seen.of("session_reconnected"))
        before = next(sender for type_, sender in senders if type_ == "response.create")
        after = [sent for sent in senders if sent[1] is not before]
        relied_on(
            after and after[0][0] == "session.update",
            "a new connection's first frame is a session.update, not from the task that sent the"
            " frames before",
            "realtime_fsm/livekit/_creates.py: frame_left",
        )


# --- where something moved


@pytest.fixture
def looked_anew() -> Iterator[None]:
    for cached in (_facts.moved, _facts.unsafe):
        cached.cache_clear()
    yield
    for cached in (_facts.moved, _facts.unsafe):
        cached.cache_clear()
    assert not _facts.unsafe()  # looked at now: other tests wrap what it looks at


def _without_error(patch: pytest.MonkeyPatch) -> None:
    class Handle:
        def __init__(self) -> None:
            pass

    patch.setattr(_facts, "SpeechHandle", Handle)


def _without_segments(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_facts, "AudioOutput", type("Output", (), {}))


def _an_argument_more(patch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Any, *, response_id: str | None = None) -> None: ...

    patch.setattr(llm.RealtimeSession, "interrupt", interrupt)


def _no_session_class(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(features, "AgentSession", object)


MOVED: dict[str, tuple[Callable[[pytest.MonkeyPatch], None], str, bool]] = {
    "an attribute of handles": (_without_error, "_private.py: set_handle_error", False),
    "an output's methods": (_without_segments, "_guarded_output.py", True),
    "an argument of interrupt()": (_an_argument_more, "_session.py", True),
    "the class of sessions": (_no_session_class, "_features.py: AgentSession", True),
}


@pytest.mark.parametrize("what", MOVED)
@pytest.mark.usefixtures("looked_anew")
@virtual_time
async def test_g27_where_a_fact_moved_one_warning_says_so_and_the_call_goes_on(
    what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    move, look_at, passes_through = MOVED[what]
    move(monkeypatch)
    with caplog.at_level(logging.WARNING, "realtime_fsm"):
        for script, heard in (([ANSWER], 1.0), ([FAILED, ANSWER], 0.0 if passes_through else 1.0)):
            async with simulated_call(script, check=False, turn_detection=None) as c:
                await c.session.generate_reply(user_input="Hello?")
                assert c.heard == pytest.approx(heard)
    told = [r.getMessage() for r in caplog.records if "is not as it was" in r.getMessage()]
    assert len(told) == 1
    assert look_at in told[0]
    assert agents.__version__ in told[0]
    assert ("models pass through" in told[0]) is passes_through


def test_what_livekit_adds_to_the_interface_is_the_inner_ones() -> None:
    class Base(llm.RealtimeSession[str]):
        def warm_up(self) -> str:
            return "base"

    class Inner:
        model = "gpt"

        def warm_up(self) -> str:
            return "inner"

    @passes_on(Base)
    class Wrapper(ControlledRealtimeSession):
        def __init__(self) -> None:
            self._inner_session: Any = type("InnerSession", (), {"session": Inner()})

    wrapper: Any = Wrapper()
    assert wrapper.warm_up() == "inner"
    assert "realtime_model" not in vars(Wrapper)


# --- nothing here warns


def test_no_warning_comes_of_what_is_imported_or_called() -> None:
    """On neither side: livekit-agents 2.0 warns of the name ``AgentSession``."""
    script = """
import importlib, pkgutil, realtime_fsm
for module in pkgutil.walk_packages(realtime_fsm.__path__, "realtime_fsm."):
    if not module.name.endswith(("__main__", "sitecustomize")):
        importlib.import_module(module.name)
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import run_virtual, simulated_call
async def main():
    async with simulated_call([Reply([Message("Hi.", seconds=1.0)])]) as c:
        await c.say("Hello?", seconds=1.0)
        await c.idle()
        assert c.heard > 0.9
run_virtual(main)
"""
    command = [sys.executable, "-W", "error", "-c", script]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
