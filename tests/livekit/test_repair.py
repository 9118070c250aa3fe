"""Servers that only resemble the service: what they leave out is put back where it can be told (G3)."""

from __future__ import annotations

import asyncio
import copy
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm import TurnState
from realtime_fsm._core import events as ev
from realtime_fsm._core.frames import parse
from realtime_fsm.livekit._conversation import Conversation
from realtime_fsm.livekit._features import history_of, push_history, realtime_session_of
from realtime_fsm.livekit._history import History
from realtime_fsm.livekit._repair import Repair
from realtime_fsm.livekit._unsaid import UnsaidEnd
from realtime_fsm.simulator import (
    At,
    Created,
    Double,
    Failed,
    FunctionCall,
    Lose,
    Malform,
    Message,
    Reply,
    Schedule,
    ServerConfig,
)
from realtime_fsm.simulator.wire import Send
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

SPOKEN = {"type": "input_audio_buffer.committed", "item_id": "u"}
SPEAKS = {"type": "input_audio_buffer.speech_started", "item_id": "u"}
VAD = {
    "type": "session.updated",
    "session": {"audio": {"input": {"turn_detection": {"type": "server_vad"}}}},
}


def created(response_id: str, create: str | None = None) -> dict[str, Any]:
    metadata = None if create is None else {"client_event_id": create}
    return {"type": "response.created", "response": {"id": response_id, "metadata": metadata}}


def done(response_id: str | None, **fields: Any) -> dict[str, Any]:
    return {"type": "response.done", "response": {"id": response_id, **fields}}


def added(response_id: str, item_id: str) -> dict[str, Any]:
    item = {"id": item_id, "type": "message"}
    return {"type": "response.output_item.added", "response_id": response_id, "item": item}


def delta(item_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_audio.delta", "item_id": item_id, "delta": "AAAA", **fields}


def tell(repair: Repair, *frames: dict[str, Any]) -> list[Any]:
    """Let frames come: the response that each names then, and of an end its status too."""
    named: list[Any] = []
    for frame in frames:
        if frame["type"] in ("response.create", "response.cancel"):
            repair.left(frame)
            continue
        repair.came(frame)
        repair.heard(parse(frame))
        response = frame.get("response", {})
        name = frame.get("response_id", response.get("id"))
        named.append((name, response["status"]) if "status" in response else name)
    return named


def fresh(*, unique: bool = False) -> Repair:
    return Repair(unique=unique)


def test_g3_a_frame_that_lacks_nothing_passes_as_it_came() -> None:
    frames = [
        created("r1", "a"),
        added("r1", "m1"),
        delta("m1", response_id="r1"),
        done("r1", status="completed"),
    ]
    before = copy.deepcopy(frames)
    tell(fresh(), *frames)
    assert frames == before


def test_g3_the_newest_owner_of_an_id_has_it() -> None:
    repair = fresh()
    end = {"status": "completed"}
    first = tell(repair, created("r", "a"), delta("m1", response_id="r"), done("r", **end))
    second = tell(repair, created("r", "b"), delta("m2", response_id="r"), done("r", **end))
    assert first == ["r", "r", ("r", "completed")]
    assert second == ["r~2", "r~2", ("r~2", "completed")]
    assert repair.original("r~2") == "r"
    assert repair.original("r") == "r"


def test_g3_one_that_failed_without_created_had_its_id_too() -> None:
    repair = fresh()
    assert tell(repair, SPOKEN, done("r", status="failed"), created("r", "c1")) == [
        None,
        ("r", "failed"),
        "r~2",
    ]
    late = fresh()
    end = done("r", status="failed", metadata={"client_event_id": "c1"})
    assert tell(late, end, created("r", "c1")) == [("r", "failed"), "r"], "it came late"


def test_g3_without_metadata_an_id_is_used_again_only_if_something_was_asked() -> None:
    repair = fresh()
    end = done("r", status="completed")
    assert tell(repair, created("r"), end, created("r")) == ["r", ("r", "completed"), "r"]
    assert tell(repair, SPOKEN, created("r")) == [None, "r~2"]
    assert tell(repair, done("r", status="completed"), {"type": "response.create"}, created("r")) == [
        ("r~2", "completed"), "r~3",
    ]  # fmt: skip


def test_g3_one_that_was_stopped_without_a_word_gives_its_id_to_the_next() -> None:
    cancel = {"type": "response.cancel", "response_id": "r"}
    twice = tell(fresh(), created("r"), cancel, created("r"))
    assert twice == ["r", "r"], "nothing was asked since: it was said twice"
    assert tell(fresh(), created("r"), cancel, SPOKEN, created("r")) == ["r", None, "r~2"]


def test_g3_a_server_that_gave_two_ids_uses_none_of_them_again() -> None:
    """What it says late and twice of an ended response is no answer to the next question."""
    end = {"status": "completed"}
    repair = fresh()
    tell(repair, created("r1"), done("r1", **end), SPOKEN, created("r2"), done("r2", **end))
    assert tell(repair, SPOKEN, created("r2"), SPOKEN, created("r1")) == [None, "r2", None, "r1"]
    assert tell(repair, created("r1", "c1")) == ["r1~2"], "unless it says so"
    repair.reset()
    again = tell(repair, SPOKEN, created("r1"), done("r1", **end), SPOKEN, created("r2"))
    assert again == [None, "r1~3", ("r1~3", "completed"), None, "r2~2"], "it counts anew"


def test_g3_said_twice_is_no_other_response() -> None:
    repair = fresh()
    assert tell(repair, created("r", "a"), SPOKEN, created("r", "a"), created("r")) == [
        "r", None, "r", "r",
    ]  # fmt: skip
    known = fresh(unique=True)
    assert tell(known, created("r", "a"), done("r", status="failed"), created("r", "b"))[-1] == "r"


def test_g3_the_same_frame_is_no_other_response() -> None:
    """Late, and after a question: the first response of a server whose ways are not known yet."""
    repair = fresh()
    first = {**created("r"), "event_id": "e1"}
    end = done("r", status="completed")
    assert tell(repair, SPOKEN, copy.deepcopy(first), end, SPOKEN, first)[-1] == "r"
    assert tell(repair, {**created("r"), "event_id": "e2"}) == ["r~2"]


def test_g3_g19_another_connection_counts_anew() -> None:
    repair = fresh()
    tell(repair, created("r"))
    repair.reset()
    assert tell(repair, SPOKEN, created("r")) == [None, "r~2"]
    assert tell(repair, delta("m9"))[-1] == "r~2"


def test_g3_a_delta_without_an_id_is_of_its_items_response() -> None:
    repair = fresh()
    tell(repair, created("r1"), added("r1", "m1"), done("r1", status="completed"), created("r2"))
    assert tell(repair, delta("m1"), delta("m2"), delta("m2", response_id="r2")) == [
        "r1", "r2", "r2",
    ]  # fmt: skip
    tell(repair, done("r2", status="completed"))
    assert tell(repair, delta("m7")) == [None], "nobody's"


def test_g3_a_server_that_names_its_responses_right_is_believed() -> None:
    """A frame that names a stranger is a stranger's, unless its item is known."""
    repair = Repair(unique=False)
    tell(repair, created("r1"), added("r1", "m1"))
    assert tell(repair, added("r0", "m0"), delta("m1", response_id="r0")) == ["r0", "r1"]
    assert tell(repair, delta("m1", response_id="r1"), delta("m0", response_id="r0")) == [
        "r1",
        "r0",
    ]
    known = Repair(unique=True)
    tell(known, created("r1"), added("r1", "m1"))
    assert tell(known, delta("m1", response_id="r0")) == ["r0"]


def test_g3_a_server_that_names_none_right_means_the_one_that_runs() -> None:
    repair = Repair(unique=False)
    assert tell(repair, created("r1"), added("x", "m1"), delta("m1", response_id="y")) == ["r1"] * 3
    assert tell(repair, done("z", status="failed")) == [("z", "failed")], "it may be a stranger's"
    assert tell(repair, done("z", output=[{"id": "m1"}])) == [("r1", "completed")]
    tell(repair, created("r2"))
    assert tell(repair, done("z", status="failed")) == [("r2", "failed")]
    tell(repair, created("r3"), created("r4"))
    assert tell(repair, added("x", "m2")) == ["x"], "of two nobody can tell which"


def test_g3_an_end_nobody_knows_leaves_the_one_that_runs_in_doubt() -> None:
    """The first of a server of two names has no output, so that nothing tells whose the end is: what
    begins next in the conversation does."""
    end, outside = done("x1", status="failed"), {"conversation_id": None}
    repair = fresh()
    assert tell(repair, created("r1"), end, added("x", "m")) == ["r1", ("x1", "failed"), "r1"]
    tell(repair := fresh(), created("r1"), end, created("r2"))
    assert tell(repair, added("x2", "m2"), done("x2")) == ["r2", ("r2", "completed")]
    tell(repair := fresh(), created("r1"), end, created("r2"), added("r1", "m1"))
    assert tell(repair, added("x2", "m2")) == ["x2"], "it goes on: it was a stranger's"
    tell(repair := fresh(), created("r1"), created("r2"), end, created("r3"))
    assert tell(repair, added("x3", "m3")) == ["x3"], "of two nobody can tell which"
    aside = created("a1")
    aside["response"].update(outside)
    tell(repair := fresh(), created("r1"), end, aside)
    assert tell(repair, added("x2", "m2")) == ["x2"], "an aside takes nobody's slot"
    tell(repair := fresh(), created("r1"), aside, done("y1", **outside), end, created("r2"))
    assert tell(repair, added("x2", "m2")) == ["r2"], "of each kind the only one"


def test_g3_an_end_that_names_the_create_is_believed() -> None:
    echo = {"metadata": {"client_event_id": "c1"}}
    repair = fresh()
    assert tell(repair, created("r1", "c1"), done("x1", **echo)) == ["r1", ("r1", "completed")]
    tell(repair, created("r2"))
    assert tell(repair, done("x2")) == [("r2", "completed")]


def test_g3_an_end_is_of_what_bore_its_name() -> None:
    repair = fresh()
    assert tell(repair, created("r1"), added("x1", "m1"), done("x1"))[-1] == ("r1", "completed")


def test_g3_what_two_were_running_at_teaches_nothing() -> None:
    repair = fresh()
    tell(repair, created("r1"), created("r2"), added("x2", "m2"), added("x2", "m2"))
    tell(repair, done("r1"), done("r2"), created("r3"))
    assert tell(repair, added("x3", "m3")) == ["r3"]


STOPPED = {"type": "input_audio_buffer.speech_stopped"}


def test_g24_what_server_vad_commits_has_ended() -> None:
    unsaid = UnsaidEnd()
    assert unsaid.before(SPOKEN) is None
    assert unsaid.before(SPEAKS) is None
    assert unsaid.before(SPOKEN) == STOPPED
    assert unsaid.before(SPOKEN) is None


def test_g24_a_commit_of_ours_ends_no_speech() -> None:
    unsaid = UnsaidEnd()
    unsaid.before(SPEAKS)
    unsaid.left({"type": "input_audio_buffer.commit"})
    assert unsaid.before(SPOKEN) is None
    assert unsaid.before(SPOKEN) == STOPPED, "the server's own"


def test_g24_what_nobody_asked_for_answers_speech_that_ended() -> None:
    unsaid = UnsaidEnd()
    unsaid.before(SPEAKS)
    for _ in range(2):
        unsaid.left({"type": "response.create"})
    for n in range(2):
        assert unsaid.before(created(f"r{n}")) is None, "it may be ours"
    assert unsaid.before(created("r2")) == STOPPED
    unsaid.before(SPEAKS)
    unsaid.before(STOPPED)
    unsaid.before(SPEAKS)
    assert unsaid.before(created("r3")) is None, (
        "the server tells of ends: this answers the one before"
    )


@pytest.mark.parametrize(
    ("fields", "before", "status"),
    [
        ({}, [], "completed"),
        ({"status": None}, [], "completed"),
        ({"status": "success"}, [], "completed"),
        ({"status": "canceled"}, [], "cancelled"),
        ({"status": "error"}, [], "failed"),
        ({"status": ["failed"]}, [], "failed"),
        ({"status": {}}, [], "completed"),
        ({"status_details": {"error": {"code": "server_error"}}}, [], "failed"),
        ({}, [{"type": "response.cancel", "response_id": "r"}], "cancelled"),
        ({}, [{"type": "response.cancel"}], "cancelled"),
        ({}, [VAD, SPEAKS], "cancelled"),
        ({}, [SPEAKS], "completed"),
        ({"status": "completed"}, [VAD, SPEAKS], "completed"),
    ],
)
def test_g8_an_end_without_a_status_gets_one(
    fields: dict[str, Any], before: list[dict[str, Any]], status: str
) -> None:
    assert tell(fresh(), created("r"), *before, done("r", **fields))[-1] == ("r", status)


def test_g3_an_end_without_an_id_is_of_what_runs() -> None:
    frame = done(None, status="completed")
    assert tell(fresh(), created("r"), frame)[-1] == ("r", "completed")
    assert isinstance(parse(frame), ev.ResponseDone)


def test_g8_an_end_that_cannot_be_read_is_of_the_only_one_that_runs() -> None:
    unreadable = {"type": "response.done", "response": None}
    end = {"status": "completed"}
    frame = dict(unreadable)
    tell(fresh(), created("r1"), done("r1", **end), created("r2"), frame)
    assert frame["response"] == {"id": "r2", "status": "completed"}
    repair, frame = fresh(), dict(unreadable)
    tell(repair, created("r1"), created("r2"), done("r3", **end))
    repair.came(frame)
    assert frame == unreadable, "of two nobody can tell which"


@pytest.mark.parametrize(
    "frame",
    [7, None, {}, {"type": 5}, {"type": "response.created"}, {"type": "response.done"},
     {"type": "response.done", "response": []}, {"type": "response.created", "response": {"id": []}},
     {"type": "response.output_item.added", "item": 3, "response_id": {}},
     {"type": "response.text.delta", "item_id": []}],
)  # fmt: skip
def test_g25_no_frame_is_too_odd(frame: Any) -> None:
    repair = fresh()
    tell(repair, created("r"))
    repair.came(frame)


@virtual_time
async def test_g6_a_cancel_names_the_response_as_the_server_does() -> None:
    answers = [Reply([Message(f"Answer {n} is a long one.", seconds=3.0)], pace=0.1) for n in "123"]
    config = ServerConfig(one_response_id=True)
    async with simulated_call(answers, config=config, check=False, turn_detection=None) as call:
        await call.session.generate_reply(user_input="one")
        call.session.generate_reply(user_input="two")
        await call.until(lambda: call.heard > 3.5)
        call.session.interrupt()
        await call.idle()
        cancels = call.server.sent("response.cancel")
        assert [cancel["response_id"] for cancel in cancels] == ["resp_0"]
        call.session.generate_reply(user_input="three")
        await call.idle()
        assert call.heard > 6.0


@virtual_time
async def test_g3_a_session_that_takes_over_knows_that_ids_are_used_once() -> None:
    """What its server says late and twice of an ended response is no answer to the next question."""
    answers = [Reply([Message(f"Answer {n}.", seconds=2.0)], pace=0.01) for n in "1234"]
    twice = Double(At("response.created", 3), seconds=2.83)
    config = ServerConfig(faults=Schedule([twice]))
    async with simulated_call(answers, config=config, check=False) as call:
        await call.say("one")
        await call.idle()
        await call.say("two")
        await call.idle()
        driver = realtime_session_of(call.session).driver  # type: ignore[attr-defined]
        dead = rf.ErrorInfo(kind=rf.ErrorKind.SESSION_END, code="over", message="over")
        driver.receive(ev.ConnectionLost(error=dead, for_good=True))
        await call.until(lambda: call.server.connections == 2)
        await call.say("three", seconds=1.0)
        await call.until(lambda: call.heard > 4.5)
        await call.say("four", seconds=2.3)  # `created` of "three" comes behind it once more
        asked = asyncio.get_running_loop().time()
        await call.until(lambda: call.remembered[-1] == ("assistant", "Answer 4."))
        assert asyncio.get_running_loop().time() < asked + 3.0
        await call.idle()
        assert call.server.sent("response.create") == []


@virtual_time
async def test_g16_a_late_double_of_a_message_does_not_undo_that_it_was_deleted() -> None:
    """The plugin's mirror would have it again, without words, and the next connection with them."""
    twice = Double(At("conversation.item.added", 2), seconds=10.0)
    config = ServerConfig(faults=Schedule([twice]))
    script = [Reply([Message(words)]) for words in ("Answer 1.", "Answer 2.")]
    async with simulated_call(script, config=config, check=False) as call:
        await call.say("one")
        await call.idle()
        known = history_of(call.session).copy()
        await push_history(call.session, llm.ChatContext.empty())
        assert not call.server.conversation
        await asyncio.sleep(10.0)
        assert realtime_session_of(call.session).chat_ctx.messages() == []
        await call.say("two")
        await call.idle()
        call.server.drop()
        await call.until(lambda: call.server.connections == 2)
        await asyncio.sleep(1.0)
        assert [i.text for i in call.server.conversation] == ["two", "Answer 2."]
        await push_history(call.session, known)
        assert [i.text for i in call.server.conversation] == ["one", "Answer 1."]


def test_g16_an_item_that_a_new_response_has_is_no_late_double() -> None:
    """Some servers use an id again."""
    conversation, live = Conversation(list[dict[str, Any]]().append), set[str]()
    conversation.added("a")
    conversation.deleted("a")
    history: Any = SimpleNamespace(_conversation=conversation, _is_live=live.__contains__)
    again = {"type": "conversation.item.added", "item": {"id": "a"}}
    assert History.is_over(history, again)
    live.add("a")
    assert not History.is_over(history, again)


@virtual_time
async def test_g16_a_message_whose_end_got_lost_keeps_its_words_when_it_is_moved() -> None:
    """The plugin notes the words of a message with the `response.done`."""
    lost = Lose(At("response.done"))
    config = ServerConfig(faults=Schedule([lost]))
    script = [Reply([Message(words)]) for words in ("Answer 1.", "Answer 2.")]
    async with simulated_call(script, config=config, check=False) as call:
        await call.say("one")
        await asyncio.sleep(30.0)
        await call.say("two")
        await call.idle()
        first, answer, *rest = history_of(call.session).copy(exclude_config_update=True).items
        await push_history(call.session, llm.ChatContext([first, *rest, answer]))
        assert [i.text for i in call.server.conversation] == [
            "one",
            "two",
            "Answer 2.",
            "Answer 1.",
        ]


@virtual_time
async def test_g8_a_tools_reply_waits_for_no_end_that_cannot_be_read() -> None:
    class Desk(Agent):
        def __init__(self) -> None:
            super().__init__(instructions="Be brief.")

        @function_tool
        async def look_up(self) -> str:
            """Look it up."""
            return "Tuesday"

    answers = [Reply([FunctionCall("look_up")]), Reply([Message("Tuesday.", seconds=1.0)])]
    faults = Schedule([Malform(At("response.done"), "wrong_types")])
    config = ServerConfig(faults=faults)
    async with simulated_call(
        answers, agent=Desk(), config=config, check=False, turn_detection=None
    ) as call:
        await call.session.generate_reply(user_input="When?")
        assert call.heard == pytest.approx(1.0)
        assert call.now < 3.0


# --- an error that names nothing


def complain(call: SimulatedCall) -> None:
    error = {
        "type": "server_error",
        "code": None,
        "message": "Transcription failed.",
        "event_id": None,
    }
    call.server._newest().put(Send({"type": "error", "event_id": "event_x", "error": error}))


@virtual_time
async def test_g20_an_error_about_something_else_costs_nothing() -> None:
    answers = [Reply([Message(n, seconds=1.0)], ack=Created(after=0.9)) for n in ("One.", "More.")]
    async with simulated_call(answers, check=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="one")
        await call.until(lambda: call.server.sent("response.create"))
        complain(call)
        assert not call.errors
        await call.idle()
        assert len(call.server.sent("response.create")) == 1
        assert call.heard == pytest.approx(1.0)
        assert len(call.errors) == 1, "the application hears of it, as in plain LiveKit"


@virtual_time
async def test_g18_an_error_that_was_the_answer_is_one() -> None:
    slow = Reply([Message("Late.", seconds=1.0)], ack=Created(after=30.0))
    answers = [slow, Reply([Message("Again.", seconds=1.0)])]
    async with simulated_call(answers, check=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="one")
        await call.until(lambda: call.server.sent("response.create"))
        complain(call)
        await call.until(lambda: call.moves and call.moves[-1].dest is TurnState.RETRY_WAIT)
        assert not call.errors


@virtual_time
async def test_g7_nothing_waits_for_an_answer_when_the_call_is_over() -> None:
    slow = Reply(end=Failed("server_error"), ack=Created(after=30.0))
    async with simulated_call([slow], check=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="one")
        await call.until(lambda: call.server.sent("response.create"))
        complain(call)
        await call.session.aclose()
