"""What ``docs/upstream.md`` would have LiveKit change: each change that comes is noticed here, with what may go then.

A row of that page names the test that notices it: one of these, or a canary. Both run against each release
and the newest prerelease.
"""

from __future__ import annotations

import asyncio
import dataclasses
import inspect
import re
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent, AgentTask, function_tool, llm
from livekit.agents.voice.io import AudioOutput, PlaybackFinishedEvent
from livekit.plugins import openai

from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator import (
    Accept,
    Dropped,
    Failed,
    FunctionCall,
    Message,
    Reply,
    ServerConfig,
    Unanswered,
)
from realtime_fsm.testing import PacedAudioOutput, simulated_call, virtual_time

from .test_adapter import CALL, Tooled

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "upstream.md").read_text("utf-8")
ENGINE = Path(inspect.getfile(openai.realtime.RealtimeSession))
ONE = Reply([Message("One.", seconds=1.0)])


def still(so: object, workaround: str) -> None:
    assert so, (
        f"LiveKit has changed what docs/upstream.md asks for. Look whether this can go: {workaround}"
    )


def names(kind: Any) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


# --- the page


def rows() -> list[list[str]]:
    of_livekit = PAGE.partition("## In the protocol")[0]
    lines = [line for line in of_livekit.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return [row for row in cells if not row[0].startswith("today") and set(row[0]) - set("-| ")]


def test_each_row_says_who_notices_the_change() -> None:
    tests = "".join(path.read_text("utf-8") for path in Path(__file__).parent.glob("test_*.py"))
    known = set(re.findall(r"def (test_\w+)", tests))
    named = [re.findall(r"`(test_\w+)`", row[-1]) for row in rows()]
    assert len(named) > 18
    assert all(named), [row[0] for row in rows() if not re.search(r"`test_\w+`", row[-1])]
    assert {name for found in named for name in found} <= known


def test_each_workaround_is_where_the_page_says() -> None:
    package = ROOT / "realtime_fsm"
    code = "".join(path.read_text("utf-8") for path in package.rglob("*.py"))
    for *_, where, _ in rows():
        found = re.findall(r"`([^`]+)`", where)
        assert found or where == "none", where
        for name in found:
            if name.endswith(".py"):
                assert (package / name).exists(), name
            else:
                assert re.search(rf"\b(class|def) {name.rpartition('.')[2]}\b", code), name


# --- the engine


def test_no_heartbeat_on_the_websocket() -> None:
    still("heartbeat" not in ENGINE.read_text("utf-8"), "livekit/_http.py, _pulse.py")


def test_an_interrupt_names_no_response() -> None:
    parameters = set(inspect.signature(llm.RealtimeSession.interrupt).parameters)
    still(parameters == {"self"}, "Driver.interrupt, livekit/_host.py")


@virtual_time
async def test_a_failed_response_leaves_the_handle_of_a_spoken_answer_without_an_exception() -> (
    None
):
    broken = Reply([Message("To be broken off.", seconds=2.0)], end=Failed("server_error"))
    async with simulated_call([broken], controlled=False, check=False, turn_detection=None) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await call.idle()
        still(handle.exception() is None, "set_handle_error in livekit/_private.py")


@virtual_time
async def test_a_lost_connection_is_made_again_at_once_and_without_end() -> None:
    doomed = ServerConfig(handshakes=[Accept(Dropped(), on="session.update")] * 20)
    async with simulated_call(
        [ONE], controlled=False, check=False, turn_detection=None, config=doomed
    ) as call:
        await call.until(lambda: call.server.attempts == 20)
        still(not call.closed and call.now < 4.0, "drop_connection in _core/connection_events.py")


# --- the AgentSession and its outputs


def test_reports_of_a_sink_carry_no_id() -> None:
    known = {"playback_position", "interrupted", "synchronized_transcript"}
    still(names(PlaybackFinishedEvent) <= known, "livekit/_segments.py, _outcomes.py")


def test_a_sink_cannot_be_asked_whether_it_is_paused() -> None:
    asked = [name for name in dir(AudioOutput) if "paused" in name and not name.startswith("_")]
    still(not asked, "livekit/_outcomes.py: pauses")


def test_a_session_cannot_be_asked_whether_it_is_closed() -> None:
    asked = {name for name in dir(AgentSession) if name in ("closed", "is_closed", "closing")}
    still(not asked, "is_closed in livekit/_private.py")


@virtual_time
async def test_a_report_that_does_not_come_is_waited_for_without_end() -> None:
    async with simulated_call(
        [ONE, ONE],
        controlled=False,
        check=False,
        turn_detection=None,
        sink=PacedAudioOutput(report=False),
    ) as call:
        handle = call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(120.0)
        still(not handle.done(), "livekit/_guarded_output.py, _outcomes.py")


@virtual_time
async def test_what_is_ready_waits_behind_a_speech_that_has_nothing_to_say() -> None:
    slow = Reply([Message("Asked first.", seconds=1.0)], ack=Unanswered())
    async with simulated_call(
        [slow, ONE], controlled=False, check=False, turn_detection=None, config=ServerConfig()
    ) as call:
        call.session.generate_reply(instructions="a")
        second = call.session.generate_reply(instructions="b")
        await asyncio.sleep(5.0)
        still(not second.done() and not call.heard, "livekit/_order.py, put_back")


@virtual_time
async def test_a_tools_reply_that_never_speaks_leaves_the_agent_thinking() -> None:
    script = [Reply([CALL]), Reply(ack=Unanswered())]
    async with simulated_call(
        script, agent=Tooled(), controlled=False, check=False, turn_detection=None
    ) as call:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: len(call.server.sent("response.create")) == 2)
        call.session.interrupt()
        await asyncio.sleep(30.0)
        still(call.session.agent_state == "thinking", "listen_again in livekit/_private.py")


class Name(AgentTask[str]):
    def __init__(self) -> None:
        super().__init__(instructions="Ask for the name.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the name.")


class Asking(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up(self) -> str:
        """Look something up."""
        return "noon"

    @function_tool
    async def ask(self) -> str:
        """Ask for the name."""
        return await Name()


@pytest.mark.parametrize("controlled", [False, True])
@virtual_time
async def test_a_tools_reply_and_an_agent_task_may_wait_for_one_another(controlled: bool) -> None:
    asks = Reply([Message("One moment.", seconds=3.0), FunctionCall("ask")])
    script = [Reply([FunctionCall("look_up")]), asks, ONE, ONE]
    async with simulated_call(
        script, agent=Asking(), controlled=controlled, check=False, turn_detection=None
    ) as call:
        two = [call.session.generate_reply(instructions=name) for name in ("a", "b")]
        await asyncio.sleep(60.0)
        still(not any(handle.done() for handle in two), "the row itself")
