"""G18, G27: a question that went with its connection, before its words were known, is not answered by what
answered the one before."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    END,
    Failed,
    FunctionCall,
    Message,
    Reply,
    Script,
    ServerConfig,
)
from realtime_fsm.simulator.faults import At, Schedule, Silence
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

FIRST, SECOND = "Where is it?", "What does it cost?"
SCRIPT = Script(
    answers={
        FIRST: [Reply([Message("It is here.", seconds=0.5)], pace=0.05) for _ in range(3)],
        SECOND: [Reply([Message("It is free.", seconds=0.5)]) for _ in range(3)],
    }
)


def lost_of(call: SimulatedCall) -> list[str]:
    return [t.error.code or "" for t in call.controller.finished if t.error is not None]


async def answered_once(call: SimulatedCall) -> None:
    await call.say(FIRST)
    await call.idle()
    assert call.heard == pytest.approx(0.5)


@virtual_time
@pytest.mark.parametrize("after", [0.55, 0.65, 0.75])
async def test_g18_it_fails_with_its_reason(after: float) -> None:
    config = ServerConfig(vad_create_delay=0.3, transcription_delay=5.0)
    async with simulated_call(SCRIPT, config=config, check=False) as call:
        await answered_once(call)
        await asyncio.sleep(6.0)  # the first one's words are known
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(after)
        call.server.drop()
        await asyncio.sleep(20.0)
        assert call.heard == pytest.approx(0.5), "the first answer is not given again"
        assert lost_of(call) == ["question_lost"]
        assert not call.closed
        await call.say(SECOND)
        await call.idle()
        assert call.heard == pytest.approx(1.0)


@virtual_time
async def test_g19_one_whose_words_are_known_is_answered_on_the_next_connection() -> None:
    config = ServerConfig(vad_create_delay=0.5, transcription_delay=0.1)
    async with simulated_call(SCRIPT, config=config, check=False) as call:
        await answered_once(call)
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(0.8)
        call.server.drop()
        await call.idle()
        assert call.heard == pytest.approx(1.0)
        assert not lost_of(call)


@virtual_time
async def test_g19_what_is_asked_in_so_many_words_does_not_need_it() -> None:
    config = ServerConfig(transcription_delay=30.0, create_delay=0.5)
    script = Script(answers={"Say hello.": [Reply([Message("Hello.", seconds=0.5)])] * 2})
    options: dict[str, Any] = {"turn_detection": None, "check": False}
    async with simulated_call(script, config=config, **options) as call:
        handle = call.session.generate_reply(instructions="Say hello.")
        await asyncio.sleep(0.2)
        call.server.drop()
        await handle
        assert call.heard == pytest.approx(0.5)


class Looks(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "There."


@virtual_time
async def test_g19_a_tools_reply_is_asked_again_though_the_question_had_no_words() -> None:
    said = [Reply([Message("It is there.", seconds=0.5)], pace=0.05) for _ in range(3)]
    script = Script(answers={FIRST: [Reply([FunctionCall("look_up")])], f"{FIRST} > look_up": said})
    config = ServerConfig(transcription_delay=60.0, create_delay=0.5)
    async with simulated_call(script, agent=Looks(), config=config, check=False) as call:
        await call.say(FIRST)
        await call.until(lambda: len(call.server.sent("response.create")) == 1)
        await asyncio.sleep(0.2)
        call.server.drop()
        await asyncio.sleep(20.0)
        assert call.heard == pytest.approx(0.5)
        assert not lost_of(call)


@virtual_time
async def test_g18_what_a_tool_said_is_not_answered_again_either() -> None:
    said = [Reply([Message("It is there.", seconds=0.5)], pace=0.05) for _ in range(3)]
    script = Script(answers={FIRST: [Reply([FunctionCall("look_up")])], f"{FIRST} > look_up": said})
    config = ServerConfig(vad_create_delay=0.3, transcription_delay=60.0)
    async with simulated_call(script, agent=Looks(), config=config, check=False) as call:
        await answered_once(call)
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(0.65)
        call.server.drop()
        await asyncio.sleep(20.0)
        assert call.heard == pytest.approx(0.5), "the tool's reply is not given again"
        assert lost_of(call) == ["question_lost"]


@virtual_time
async def test_g18_it_fails_also_where_an_earlier_one_is_put_back_while_there_is_no_connection() -> (
    None
):
    """The mirror knows of none when the connection goes, nor when it is asked again."""
    config = ServerConfig(vad_create_delay=0.3, transcription_delay=5.0)
    async with simulated_call(SCRIPT, config=config, check=False) as call:
        await answered_once(call)
        await asyncio.sleep(6.0)
        session = realtime_session_of(call.session)
        known = session.chat_ctx.copy()
        await session.update_chat_ctx(llm.ChatContext.empty())
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(0.65)
        call.server.drop()
        await asyncio.sleep(0.05)
        await session.update_chat_ctx(known)
        await asyncio.sleep(20.0)
        assert call.heard == pytest.approx(0.5), "the first answer is not given again"
        assert lost_of(call) == ["question_lost"]


@virtual_time
async def test_g18_what_the_application_took_back_is_not_asked_again() -> None:
    """A copy of the history that is older than the question deletes it."""
    failing = Reply(end=Failed("server_error", at=END), done_delay=0.5)
    script = Script(answers={FIRST: SCRIPT.answers[FIRST], SECOND: [failing]})
    config = ServerConfig(transcription_delay=0.1)
    async with simulated_call(script, config=config, check=False) as call:
        await answered_once(call)
        session = realtime_session_of(call.session)
        before = session.chat_ctx.copy()
        await call.server.user_speaks(SECOND, seconds=0.5)
        await asyncio.sleep(0.6)
        await session.update_chat_ctx(before)
        await asyncio.sleep(10.0)
        assert call.heard == pytest.approx(0.5), "the first answer is not given again"
        assert lost_of(call) == ["question_lost"]


@virtual_time
@pytest.mark.parametrize("known", ["never committed", "committed, without words"])
async def test_g18_what_was_pushed_and_committed_is_not_answered_by_the_answer_before(
    known: str,
) -> None:
    """Push to talk: the connection goes after ``input_audio_buffer.commit`` left."""
    silent = Silence(At("input_audio_buffer.committed", number=2, when="before"), seconds=5.0)
    faults = Schedule([silent]) if known == "never committed" else None
    config = ServerConfig(transcription_delay=3.0, create_delay=1.0, faults=faults)
    async with simulated_call(SCRIPT, config=config, turn_detection=None, check=False) as call:
        await call.say(FIRST)
        await call.idle(quiet=5.0)
        assert call.heard == pytest.approx(0.5)
        await call.say(SECOND)
        await asyncio.sleep(0.5)
        call.server.drop()
        await call.idle(quiet=5.0)
        assert call.heard == pytest.approx(0.5), "the first answer is not given again"
        assert lost_of(call) == ["question_lost"]
        await call.say(SECOND)
        await call.idle(quiet=3.0)
        assert call.heard == pytest.approx(1.0)


@virtual_time
async def test_g18_nor_where_the_application_asks_for_something_else_between() -> None:
    """What it asked for before the commit answers nothing of it."""
    config = ServerConfig(transcription_delay=5.0, create_delay=0.5)
    hello = [Reply([Message("Hello.", seconds=0.5)], pace=0.05)] * 3
    script = Script(answers={**SCRIPT.answers, "Say first.": hello, "Say second.": hello})
    async with simulated_call(script, config=config, turn_detection=None, check=False) as call:
        await call.say(FIRST)
        await call.idle(quiet=6.0)
        saying = asyncio.create_task(call.say(SECOND))
        await asyncio.sleep(0.9)
        for instructions in ("Say first.", "Say second."):
            call.session.generate_reply(instructions=instructions)
        await saying
        await asyncio.sleep(0.3)
        call.server.drop()
        await call.idle(quiet=6.0)
        assert call.heard == pytest.approx(1.5), "the first answer is not given again"
        assert lost_of(call) == ["question_lost"]


@virtual_time
async def test_g18_what_is_asked_in_other_words_once_the_turn_was_committed_is_its_answer() -> None:
    """``commit_user_turn(skip_reply=True)``, and a reply with instructions."""
    said = {"Say hello.": [Reply([Message("Hello.", seconds=0.5)])]}
    async with simulated_call(Script(answers=said), turn_detection=None, check=False) as call:
        realtime_session_of(call.session).commit_audio()
        await call.session.generate_reply(instructions="Say hello.")
        assert [turn.of_user for turn in call.controller.finished] == [True]


@virtual_time
async def test_g18_a_commit_of_nothing_loses_no_question() -> None:
    """The server says so, and what is written next is asked again as ever."""
    config = ServerConfig(create_delay=1.0)
    script = Script(answers={FIRST: SCRIPT.answers[FIRST], SECOND: SCRIPT.answers[SECOND]})
    async with simulated_call(script, config=config, turn_detection=None, check=False) as call:
        await call.say(FIRST)
        await call.idle()
        session: Any = realtime_session_of(call.session)
        session.send_event({"type": "input_audio_buffer.commit"})
        await asyncio.sleep(0.5)
        call.session.generate_reply(user_input=SECOND)
        await asyncio.sleep(0.5)
        call.server.drop()
        await call.idle(quiet=3.0)
        assert call.heard == pytest.approx(1.0)


@virtual_time
@pytest.mark.parametrize("moved", [False, True], ids=["", "and the first question was told anew"])
async def test_g18_a_reply_that_waited_while_its_question_was_taken_back_is_not_asked_for(
    moved: bool,
) -> None:
    """The application commits what server VAD answers already, and its own reply waits for that answer."""
    config = ServerConfig(transcription_delay=0.1)
    async with simulated_call(SCRIPT, config=config, check=False) as call:
        await answered_once(call)
        session = realtime_session_of(call.session)
        before = session.chat_ctx.copy()
        await call.say(SECOND)
        await asyncio.sleep(0.1)
        reply = call.session.generate_reply()
        await asyncio.sleep(0.1)
        if moved:
            before.items.reverse()
        await session.update_chat_ctx(before)
        await reply
        await call.idle(quiet=2.0)
        assert call.heard == pytest.approx(1.0), "neither the first answer nor the second again"
        assert lost_of(call) == ["question_lost"]
        await call.session.generate_reply()  # asked since: about what is left
        assert call.heard == pytest.approx(1.5)


class Slow(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        await asyncio.sleep(1.0)
        return "There."


@virtual_time
@pytest.mark.parametrize("kept", [False, True], ids=["with its call", "but not its call"])
async def test_g18_a_tools_reply_whose_question_was_taken_back(kept: bool) -> None:
    """The server refuses the output of a call that is gone, and would answer the question before."""
    answers = {**SCRIPT.answers, SECOND: [Reply([FunctionCall("look_up")])]}
    answers[f"{SECOND} > look_up"] = [Reply([Message("It is there.", seconds=0.5)])]
    config = ServerConfig(transcription_delay=0.1)
    script = Script(answers=answers)
    async with simulated_call(script, agent=Slow(), config=config, check=False) as call:
        await answered_once(call)
        session = realtime_session_of(call.session)
        before = session.chat_ctx.copy()
        await call.say(SECOND)
        await asyncio.sleep(0.4)
        if kept:
            before.items.extend(i for i in session.chat_ctx.items if i.type == "function_call")
        await session.update_chat_ctx(before)
        await call.idle(quiet=2.0)
        assert call.heard == pytest.approx(1.0 if kept else 0.5)
        assert lost_of(call) == ([] if kept else ["question_lost"])


@virtual_time
async def test_g18_a_question_that_was_pushed_before_it_had_words_is_one() -> None:
    """A copy of the history that is older than the words makes the user's item again, without any."""
    config = ServerConfig(transcription_delay=3.0, create_delay=1.0)
    async with simulated_call(SCRIPT, config=config, turn_detection=None, check=False) as call:
        session = realtime_session_of(call.session)
        empty = llm.ChatContext([llm.ChatMessage(id="item_old", role="user", content=[""])])
        await session.update_chat_ctx(empty)
        await call.say(SECOND)
        await asyncio.sleep(0.5)
        call.server.drop()
        await call.idle(quiet=5.0)
        assert lost_of(call) == ["question_lost"]


@virtual_time
async def test_g18_g27_what_was_written_is_asked_again_though_what_was_said_before_had_no_words() -> (
    None
):
    """The line stands still: neither the words of what was said nor the item that was written since are
    confirmed when the connection is given up."""
    answers = {
        FIRST: [Reply([Message("It is here.", seconds=5.0)])],
        SECOND: SCRIPT.answers[SECOND],
    }
    silent = Silence(At("response.output_audio.delta", number=5), seconds=60.0)
    config = ServerConfig(transcription_delay=3.0, faults=Schedule([silent]))
    async with simulated_call(Script(answers=answers), config=config, check=False) as call:
        await call.say(FIRST)
        await call.until(lambda: call.heard > 0.2)
        await call.session.interrupt()
        await call.session.generate_reply(user_input=SECOND)
        await call.idle(quiet=2.0)
        assert [i.text for i in call.server.conversation if i.role == "assistant"] == [
            "It is free."
        ]
        assert not lost_of(call)
