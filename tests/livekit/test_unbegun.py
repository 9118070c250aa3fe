"""A response whose ``response.created`` got lost is known by its first item in the conversation."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.livekit._unbegun import Unbegun
from realtime_fsm.simulator import At, FunctionCall, Lose, Message, Reply, Schedule, ServerConfig
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

from .test_one_at_a_time import out_of_band

TWO = Reply(
    [Message("We open at eight.", seconds=1.0), Message("Every day.", seconds=0.5)], pace=0.05
)
SECOND = Reply([Message("Said again.", seconds=0.5)])
ASIDE = Reply([Message("opening hours", seconds=0.3)], pace=0.5)


# --- which frames tell it


def added(response_id: str, item_id: str, kind: str = "message") -> dict[str, Any]:
    item = {"id": item_id, "type": kind}
    return {"type": "response.output_item.added", "response_id": response_id, "item": item}


def placed(item_id: str) -> dict[str, Any]:
    return {"type": "conversation.item.added", "item": {"id": item_id}}


def delta(response_id: str, item_id: str) -> dict[str, Any]:
    named = {"response_id": response_id, "item_id": item_id, "delta": "a"}
    return {"type": "response.output_audio_transcript.delta", **named}


def response(kind: str, response_id: str) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"id": response_id}}


def tell(*frames: Any, answers: str | None = "") -> list[tuple[dict[str, Any], ...]]:
    unbegun = Unbegun(lambda: answers)
    return [found for frame in frames if (found := unbegun.before(frame))]


def test_g3_an_item_in_the_conversation_tells_that_its_response_began() -> None:
    message = added("r1", "m1")
    ((created, item),) = tell(added("r1", "x", "reasoning"), message, placed("m1"), placed("m1"))
    assert (created["type"], created["response"]["id"]) == ("response.created", "r1")
    assert created["response"]["metadata"] is None
    assert item == message
    assert item is not message, "what is told of it is not what the plugin is shown"
    ((created, _),) = tell(message, placed("m1"), answers="c1")
    assert created["response"]["metadata"] == {"client_event_id": "c1"}


@pytest.mark.parametrize(
    "frames",
    [
        [response("created", "r1"), added("r1", "m1"), placed("m1")],
        [response("done", "r1"), added("r1", "m1"), placed("m1")],
        [added("r1", "m1"), delta("r1", "m1"), placed("m1")],
        [added("r1", "m1"), placed("m2")],
        [delta("r1", "m1"), added("r1", "m2"), placed("m2")],
        [added("r1", "m1"), delta("r1", "m1"), added("r1", "m2"), placed("m2")],
        [
            added("r1", "f1", "function_call"),
            {**added("r1", "f1", "function_call"), "type": "response.output_item.done"},
            *(added("r1", "m2"), placed("m2")),
        ],
        [{**added("r1", "m1"), "response_id": ["r1"]}, placed("m1")],
        [{**added("r1", "m1"), "item": "m1"}, placed("m1")],
        [None, {"type": 7}, {"type": "conversation.item.added"}, placed("m1")],
    ],
    ids=[
        *(
            "it began",
            "it is over",
            "something came before",
            "another item",
            "its words were missed",
        ),
        *("its first message was missed", "its call was missed", "no id", "no item", "no frames"),
    ],
)
def test_g3_nothing_else_does(frames: list[Any]) -> None:
    assert tell(*frames) == []


def test_g3_what_cannot_be_told_at_first_is_not_told_later() -> None:
    """Its first message would be missing."""
    answers: list[str | None] = [None, ""]
    unbegun = Unbegun(lambda: answers.pop(0))
    frames = [added("r1", "m1"), placed("m1"), added("r1", "m2"), placed("m2")]
    assert [unbegun.before(frame) for frame in frames] == [()] * 4


# --- calls


def losing(*numbers: int, more: tuple[At, ...] = ()) -> ServerConfig:
    lost = [At("response.created", number) for number in numbers]
    return ServerConfig(faults=Schedule([Lose(each) for each in (*lost, *more)]))


def everything_heard(c: SimulatedCall, *, first: str) -> None:
    assert c.heard == pytest.approx(1.5, abs=0.05)
    said = [("assistant", "We open at eight."), ("assistant", "Every day.")]
    assert [each for each in c.history if each[0] == "assistant"] == said
    assert [each for each in c.remembered if each[0] == "assistant"] == said
    (turn,) = c.controller.finished
    assert turn.outcome is rf.TurnOutcome.COMPLETED
    assert turn.origin.value == first
    assert c.controller.differences() == {}
    assert c.errors == []


@pytest.mark.parametrize("lost", [(), (At("response.done"),)], ids=["", "and its end"])
@virtual_time
async def test_g18_server_vads_answer_that_never_began_is_heard(lost: tuple[At, ...]) -> None:
    async with simulated_call([TWO, SECOND], config=losing(1, more=lost)) as c:
        await c.say("When are you open?")
        await asyncio.sleep(40.0 if lost else 2.5)
        if not lost:
            everything_heard(c, first="server_vad")
        assert c.heard == pytest.approx(1.5, abs=0.05), "once"
        assert len(c.server.answers) == 1


@virtual_time
async def test_g27_it_is_not_read_into_an_open_out_of_band_response() -> None:
    """As on plain LiveKit, whose words then belong to a response that nobody hears."""
    async with simulated_call([ASIDE, TWO, SECOND], check=False, config=losing(2)) as c:
        speaking = asyncio.create_task(c.say("When are you open?", seconds=1.0))
        await asyncio.sleep(0.9)
        out_of_band(c, "text")
        await speaking
        await asyncio.sleep(2.5)
        everything_heard(c, first="server_vad")


@virtual_time
async def test_g4_what_was_asked_for_and_never_began_is_heard() -> None:
    """At a server that is known to send metadata back: so nobody else can have asked."""
    hello = Reply([Message("Hello.", seconds=0.5)])
    script = [hello, TWO, SECOND]
    async with simulated_call(script, turn_detection=None, config=losing(2)) as c:
        await c.session.generate_reply(user_input="hi")
        await c.session.generate_reply(user_input="When are you open?")
        assert c.heard == pytest.approx(2.0, abs=0.05)
        assert c.remembered[-1] == c.history[-1] == ("assistant", "Every day.")
        assert len(c.server.answers) == 2
        await asyncio.sleep(15.0)
        assert len(c.controller.finished) == 2
        assert c.errors == [], "nor does the plugin's own time-out do anything"


@virtual_time
async def test_g17_a_tool_that_it_calls_runs_once() -> None:
    ran = 0

    class Looks(Agent):
        @function_tool
        async def look_up(self) -> str:
            """Look something up."""
            nonlocal ran
            ran += 1
            return "Found."

    script = [Reply([FunctionCall("look_up")]), Reply([Message("Found it.", seconds=0.5)])]
    agent = Looks(instructions="Be brief.")
    async with simulated_call(script, agent=agent, config=losing(1)) as c:
        await c.say("Where is my parcel?")
        await asyncio.sleep(2.0)
        assert ran == 1
        assert c.remembered[-1] == ("assistant", "Found it.")


@virtual_time
async def test_g15_it_is_cut_to_what_was_heard() -> None:
    async with simulated_call([TWO, SECOND], config=losing(1)) as c:
        await c.say("When are you open?")
        await c.until(lambda: c.heard > 0.5)
        await c.say("Stop.", seconds=0.3)
        await asyncio.sleep(2.0)
        first = c.controller.finished[0]
        assert first.outcome is rf.TurnOutcome.INTERRUPTED
        assert c.controller.differences() == {}
        assert "Every day." not in str(c.remembered)
