"""G32: what becomes of what is under way when a session steps aside. Plain LiveKit is the yardstick."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._driver import Driver
from realtime_fsm.livekit._features import AgentSession, realtime_session_of
from realtime_fsm.livekit._gate import Gate
from realtime_fsm.livekit._history import History
from realtime_fsm.livekit._session import ControlledRealtimeSession
from realtime_fsm.livekit._turn_output import TurnOutput
from realtime_fsm.simulator import (
    Created,
    Failed,
    FunctionCall,
    Message,
    Reply,
    Script,
    ServerConfig,
)
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time
from realtime_fsm.trace import read

SECRET = "words of the user"


def says(text: str, seconds: float, **options: Any) -> Reply:
    return Reply([Message(text, seconds=seconds)], **options)


ANSWERS = {
    "Hello?": [Reply([Message("One of two.", seconds=1.0), Message("Two of two.", seconds=0.5)])],
    "More": [says("More of it.", 0.7)],
    "Last?": [says("That is all.", 0.4)],
}


def step(call: SimulatedCall) -> None:
    """Something of ours raises."""
    session = realtime_session_of(call.session)
    session._guard.run(None, _raise)


def _raise() -> None:
    raise RuntimeError(SECRET)


def said(call: SimulatedCall) -> list[str]:
    return [text for role, text in call.history if role == "assistant"]


async def last_question(call: SimulatedCall) -> None:
    """Whatever was before, the session answers on; nothing is left open."""
    heard = call.heard
    await call.say("Last?", seconds=0.5)
    await call.until(lambda: call.heard - heard > 0.39, timeout=10.0)
    await asyncio.sleep(1.0)
    assert said(call)[-1] == "That is all."
    assert all(handle.done() for handle in call.speeches)
    assert call.closed == []
    aside = call.controller.stepped_aside
    assert aside is not None
    assert (aside.code, aside.message) == ("internal_error", "RuntimeError")


# --- what is under way


@virtual_time
async def test_what_is_being_spoken_is_spoken_to_its_end() -> None:
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.4)
        step(call)
        await asyncio.sleep(4.0)
        assert call.heard == pytest.approx(1.5, abs=0.02)
        assert said(call) == ["One of two.", "Two of two."]
        await last_question(call)


@pytest.mark.parametrize("seconds", [0.05, 0.2, 0.35, 0.45])
@virtual_time
async def test_what_was_asked_for_is_answered_by_the_inner_session(seconds: float) -> None:
    """Before the create left, before `response.created`, before the first item, before its sound."""
    slow = Reply([Message("More of it.", seconds=0.7, after=0.2)], ack=Created(after=0.2))
    answers = {**ANSWERS, "More": [slow]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        handle = call.session.generate_reply(user_input="More")
        await asyncio.sleep(seconds)
        step(call)
        await handle
        assert handle.exception() is None
        assert call.heard == pytest.approx(0.7, abs=0.02)
        assert call.server.creates == 1
        await last_question(call)


@virtual_time
async def test_what_waits_for_another_is_asked_for_after_it() -> None:
    """Plain LiveKit would send it at once, and have it refused."""
    answers = {**ANSWERS, "Hello?": [says("It takes its time.", 2.0, pace=0.5)]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.2)
        handle = call.session.generate_reply(instructions="More")
        await asyncio.sleep(0.1)
        step(call)
        await handle
        await asyncio.sleep(0.5)
        assert said(call) == ["It takes its time.", "More of it."]
        assert call.server.collisions == 0
        await last_question(call)


@virtual_time
async def test_the_applications_own_create_that_waits_is_sent() -> None:
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.2)
        session = realtime_session_of(call.session)
        create = {
            "type": "response.create",
            "event_id": "own",
            "response": {"instructions": "More"},
        }
        call.controller._session.lane.holders.append(call.turn.attempt)  # it waits, whatever comes
        session.send_event(create)
        assert call.server.creates == 0
        await asyncio.sleep(2.0)
        step(call)
        await asyncio.sleep(3.0)
        assert call.server.creates == 1
        assert said(call)[-1] == "More of it."


@pytest.mark.parametrize("by_voice", [False, True])
@virtual_time
async def test_what_waits_for_its_retry_is_asked_again(by_voice: bool) -> None:
    answers = {**ANSWERS, "More": [Reply(end=Failed("server_error")), says("More of it.", 0.7)]}
    policy = rf.RetryPolicy(retry_interval=5.0)
    async with simulated_call(Script(answers=answers), policy=policy, check=False) as call:
        if by_voice:
            await call.say("More")
        else:
            call.session.generate_reply(user_input="More")
        await call.until(lambda: call.recoveries)
        step(call)
        await asyncio.sleep(3.0)
        assert said(call) == ["More of it."]
        await last_question(call)


@pytest.mark.parametrize("name", ["given_up", "push", "replayed"])
@virtual_time
async def test_what_is_pushed_while_another_session_takes_over_is_handed_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool's output: LiveKit pushes it in a copy of what the session has."""
    ran: list[str] = []

    @function_tool
    async def look() -> str:
        ran.append("look")
        return "There."

    works = getattr(History, name)

    def raises(history: History, *args: Any) -> Any:
        if history._moving or name == "given_up":
            raise RuntimeError(SECRET)
        return works(history, *args)

    monkeypatch.setattr(History, name, raises)
    answers = {
        **ANSWERS,
        "Where?": [Reply([Message("One moment.", seconds=1.0), FunctionCall("look")])],
        "Where? > look": [says("It is there.", 0.5)],
        "More": [Reply(end=Failed(code)) for code in ("server_error", "insufficient_quota")],
    }
    agent = Agent(instructions="Be brief.", tools=[look])
    async with simulated_call(Script(answers=answers), agent=agent, check=False) as call:
        call.session.generate_reply(user_input="Where?")
        call.session.generate_reply(instructions="More")
        await call.until(lambda: "It is there." in said(call))
        kinds = [item.type for item in call.server.conversation]
        assert kinds == ["message", "message", "function_call", "function_call_output", "message"]
        assert ran == ["look"]
        await last_question(call)


@virtual_time
async def test_what_is_interrupted_afterwards_is_cut_as_in_plain() -> None:
    long = says("One two three four five six seven eight.", 4.0, pace=0.3)
    async with simulated_call(Script(answers={**ANSWERS, "More": [long]}), check=False) as call:
        handle = call.session.generate_reply(user_input="More")
        await call.until(lambda: call.heard > 1.0)
        step(call)
        await call.session.interrupt()
        await asyncio.sleep(2.0)
        assert handle.interrupted
        assert call.heard == pytest.approx(1.0, abs=0.1)
        assert len(call.server.sent("response.cancel")) >= 1
        (cut,) = call.server.sent("conversation.item.truncate")
        assert cut["audio_end_ms"] == pytest.approx(1000, abs=100)
        await last_question(call)


@virtual_time
async def test_a_request_that_is_interrupted_while_it_waits_is_withdrawn() -> None:
    slow = says("More of it.", 0.7, ack=Created(after=2.0))
    async with simulated_call(Script(answers={**ANSWERS, "More": [slow]}), check=False) as call:
        handle = call.session.generate_reply(user_input="More")
        await asyncio.sleep(0.5)
        step(call)
        await call.session.interrupt()
        await asyncio.sleep(4.0)
        assert handle.done()
        assert call.heard == 0.0
        await last_question(call)


@virtual_time
async def test_what_is_hidden_from_the_plugin_stays_hidden() -> None:
    outside = says("opening hours", 1.0, pace=0.3)
    answers = {**ANSWERS, "aside: classify": [outside]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        session = realtime_session_of(call.session)
        session.send_event(
            {
                "type": "response.create",
                "response": {
                    "conversation": "none",
                    "output_modalities": ["text"],
                    "instructions": "classify",
                    "input": [],
                },
            }
        )
        await call.until(lambda: "response.created" in [r.type for r in call.server.record])
        step(call)
        await call.session.generate_reply(user_input="More")
        assert call.heard == pytest.approx(0.7, abs=0.02)
        assert said(call) == ["More of it."]
        await last_question(call)


@pytest.mark.parametrize("seconds", [0.05, 0.3, 1.5])
@virtual_time
async def test_a_session_that_closes_afterwards_leaves_nothing(seconds: float) -> None:
    slow = says("More of it.", 2.0, ack=Created(after=0.2), pace=0.5)
    before = asyncio.all_tasks()
    async with simulated_call(Script(answers={"More": [slow]}), check=False) as call:
        handle = call.session.generate_reply(user_input="More")
        await asyncio.sleep(seconds)
        step(call)
    assert handle.done()
    await asyncio.sleep(0)
    assert {task for task in asyncio.all_tasks() - before if not task.done()} == set()


# --- what is said of it


@virtual_time
async def test_there_is_one_report_and_no_words_in_it(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise RuntimeError(SECRET)

    told: list[Any] = []
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        assert call.model is not None
        call.model.on("stepped_aside", told.append)
        monkeypatch.setattr(Driver, "receive", broken)
        with caplog.at_level(logging.WARNING, "realtime_fsm"):
            await call.say("Hello?")
            await asyncio.sleep(4.0)
            await last_question(call)
        assert call.heard == pytest.approx(1.9, abs=0.02)
    ours = [r for r in caplog.records if r.name == "realtime_fsm"]
    assert [r.levelno for r in ours] == [logging.ERROR]
    assert vars(ours[0])["error"] == "RuntimeError"
    assert ours[0].exc_info is not None, "where it happened"
    assert SECRET not in caplog.text
    assert [info.code for info in told] == ["internal_error"]


@virtual_time
async def test_the_trace_says_so(tmp_path: Any) -> None:
    path = tmp_path / "call.jsonl"
    async with simulated_call(Script(answers=ANSWERS), check=False, trace=path) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.4)
        step(call)
        await asyncio.sleep(4.0)
    with path.open("rb") as file:
        lines = [line for line in read(file) if getattr(line, "type", "") == "stepped_aside"]
    (line,) = lines
    assert line.event["code"] == "internal_error"


@virtual_time
async def test_who_follows_the_turns_learns_that_they_are_over() -> None:
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.4)
        turn = call.turn
        step(call)
        assert [end.turn_id for end in call.ended] == [turn.id]
        assert call.controller.closed
        await asyncio.sleep(4.0)
        assert len(call.ended) == 1


@virtual_time
async def test_the_applications_listeners_stay() -> None:
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        session = realtime_session_of(call.session)
        heard: list[str] = []
        for name in ("openai_server_event_received", "openai_client_event_queued"):
            session.on(name, lambda frame: heard.append(frame["type"]))
        step(call)
        session.on("input_speech_started", lambda _: heard.append("speech"))
        await call.session.generate_reply(user_input="More")
        await last_question(call)
        assert heard.count("response.create") == 1
        assert heard.count("response.done") == 2
        assert heard.count("speech") == 1


# --- where there is no session yet


@virtual_time
async def test_a_session_that_cannot_be_built_is_the_inner_one(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(self: Any, *_: Any, **__: Any) -> None:
        raise TypeError(SECRET)

    monkeypatch.setattr(Driver, "__init__", broken)
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        session = realtime_session_of(call.session)
        assert not isinstance(session, ControlledRealtimeSession)
        assert call.model is not None
        assert call.model.controller is None
        await call.session.generate_reply(user_input="More")
        assert call.heard == pytest.approx(0.7, abs=0.02)
    assert caplog.text.count("stepped aside") == 1
    assert SECRET not in caplog.text


@virtual_time
async def test_a_session_that_cannot_be_attached_is_controlled_without(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from realtime_fsm.livekit import _speech

    def broken(*_: Any) -> bool:
        raise TypeError(SECRET)

    monkeypatch.setattr(_speech, "is_closed", broken)
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        await call.session.generate_reply(user_input="More")
        assert call.heard == pytest.approx(0.7, abs=0.02)
        assert call.controller.stepped_aside is None


def test_what_is_no_session_is_still_a_type_error() -> None:
    from livekit.plugins import openai

    model = ControlledRealtimeModel(openai.realtime.RealtimeModel(api_key="k"))
    for wrong in (None, AgentSession, llm.ChatContext.empty()):
        with pytest.raises(TypeError, match="AgentSession"):
            model.attach(wrong)  # type: ignore[arg-type]


# --- a turn that is completed was delivered


@virtual_time
async def test_a_completed_turn_that_was_not_delivered_steps_aside(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The plugin is shown everything again, so that a stranger's end cuts what is spoken short."""
    monkeypatch.setattr(Gate, "hides", lambda *_, **__: False)
    answers = {**ANSWERS, "Hello?": [says("It is cut short.", 1.5, pace=0.5)]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.4)
        call.server.send_text(
            '{"type": "response.done", "event_id": "x", "response": {"id": "stranger", '
            '"status": "cancelled", "output": [], "conversation_id": "conv_1"}}'
        )
        await asyncio.sleep(8.0)
        assert call.heard < 1.4, "it was cut short"
        assert call.controller.stepped_aside is not None
        assert call.controller.stepped_aside.message == "UndeliveredError"
        assert caplog.text.count("stepped aside") == 1


@virtual_time
async def test_an_item_that_never_came_steps_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    received = TurnOutput.received

    def loses(self: TurnOutput, item_id: str, item: Any) -> None:
        if not self.handed:
            received(self, item_id, item)

    monkeypatch.setattr(TurnOutput, "received", loses)
    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        await call.say("Hello?")
        await asyncio.sleep(9.0)
        assert call.controller.stepped_aside is not None
        assert call.controller.stepped_aside.message == "UndeliveredError"


@virtual_time
async def test_a_frame_that_the_plugin_cannot_read_is_no_reason() -> None:
    answers = {**ANSWERS, "Hello?": [says("It has a broken frame.", 1.0, pace=0.5)]}
    async with simulated_call(Script(answers=answers)) as call:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.2)
        turn = call.turn
        assert turn.attempt is not None
        call.server.send_text(
            '{"type": "response.output_audio.delta", "event_id": "x", "delta": "abc", '
            f'"response_id": "{turn.attempt.response_id}", "item_id": "{turn.messages[0].item_id}"}}'
        )
        await asyncio.sleep(4.0)
        assert call.heard == pytest.approx(1.0, abs=0.02)
        assert call.controller.stepped_aside is None


@pytest.mark.parametrize("by_voice", [False, True])
@pytest.mark.parametrize("echo", [False, True])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.25, 0.35])
@virtual_time
async def test_a_retry_that_is_in_flight_answers_its_turn(
    seconds: float, echo: bool, by_voice: bool
) -> None:
    """Before its create is read, before ``response.created``, before its first item, before its sound;
    also where the server does not say what a response answers."""
    slow = Reply([Message("More of it.", seconds=0.7, after=0.1)], ack=Created(after=0.2))
    answers = {**ANSWERS, "More": [Reply(end=Failed("server_error")), slow]}
    config = ServerConfig(metadata_echo=echo, pace=0.1)
    async with simulated_call(Script(answers=answers), config=config, check=False) as call:
        if by_voice:
            await call.say("More")
        else:
            call.session.generate_reply(user_input="More")
        await call.until(lambda: call.server.creates == (1 if by_voice else 2))
        await asyncio.sleep(seconds)
        step(call)
        await asyncio.sleep(2.0)
        assert said(call) == ["More of it."]
        assert call.heard == pytest.approx(0.7, abs=0.02)
        await call.say("Last?", seconds=0.5)
        asked = asyncio.get_running_loop().time()
        await call.until(lambda: call.heard > 0.71)
        assert asyncio.get_running_loop().time() - asked < 0.5
        await asyncio.sleep(12.0)
        assert said(call) == ["More of it.", "That is all."]
        assert all(handle.done() for handle in call.speeches)
