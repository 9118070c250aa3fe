"""Replies and faults by what is asked, and the how-many-th attempt at it that is."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from realtime_fsm import InputError
from realtime_fsm import simulator as sim
from realtime_fsm.simulator.script_json import dump, load
from realtime_fsm.testing import run_virtual


def said(text: str, **more: Any) -> sim.Reply:
    return sim.Reply([sim.Message(text, seconds=0.3)], **more)


FAILED = sim.Reply(end=sim.Failed("server_error"))
SCRIPT = sim.Script(
    [said("first of the others"), said("second of the others")],
    answers={
        "Where is it?": [FAILED, said("It is here.")],
        "What does it cost?": [said("It is free.")],
        "Look it up.": [sim.Reply([sim.FunctionCall("look_up")])],
        "Look it up. > look_up": [FAILED, said("I found it.")],
        "Greet the user.": [said("Hello."), said("Hello again.")],
    },
)


def connect(script: sim.Script = SCRIPT, **config: Any) -> sim.VirtualConnection:
    return sim.VirtualConnection(script, sim.ServerConfig(**config))


def write(connection: sim.VirtualConnection, words: str, item_id: str) -> None:
    content = [{"type": "input_text", "text": words}]
    item = {"id": item_id, "type": "message", "role": "user", "content": content}
    connection.send("conversation.item.create", item=item)


def create(connection: sim.VirtualConnection, **response: Any) -> None:
    connection.send("response.create", response=response)
    connection.run()


def asked(connection: sim.VirtualConnection) -> list[tuple[str, int]]:
    core: Any = connection.core
    core = getattr(core, "_core", core)
    return [(each.question, each.attempt) for each in core._replies.answers]


def words(connection: sim.VirtualConnection) -> list[str]:
    return [i.text for i in connection.core.conversation if i.role == "assistant" and i.text]


def test_a_retry_takes_the_next_reply_of_its_question_and_shifts_no_other() -> None:
    """G27: replies are keyed by question and attempt."""
    retried, given_up = connect(), connect()
    for connection in (retried, given_up):
        write(connection, "Where is it?", "item_a")
        create(connection)
    create(retried)
    for connection in (retried, given_up):
        write(connection, "What does it cost?", "item_b")
        create(connection)
    assert words(retried) == ["It is here.", "It is free."]
    assert words(given_up) == ["It is free."]
    assert asked(retried) == [
        ("Where is it?", 1),
        ("Where is it?", 2),
        ("What does it cost?", 1),
    ]


def test_after_the_last_reply_of_a_question_comes_the_last_again_and_others_take_their_own() -> (
    None
):
    connection = connect()
    write(connection, "What does it cost?", "item_a")
    for _ in range(2):
        create(connection)
    write(connection, "Something else", "item_b")
    create(connection)
    assert words(connection) == ["It is free.", "It is free.", "first of the others"]


def test_what_the_user_says_is_a_question_whoever_asks_for_the_answer() -> None:
    connection = connect()
    detection = {"type": "server_vad"}
    connection.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    )
    connection.speak("Where is it?", seconds=0.5)
    connection.run()
    assert words(connection) == []
    create(connection)
    assert words(connection) == ["It is here."], "the client's create is the second attempt"


def test_instructions_of_its_own_are_the_question_without_those_of_the_session() -> None:
    connection = connect()
    connection.send("session.update", session={"type": "realtime", "instructions": "Be brief."})
    write(connection, "Where is it?", "item_a")
    create(connection, instructions="Be brief.\nGreet the user.")
    create(connection, instructions="Greet the user.")
    create(connection)
    assert asked(connection)[-1] == ("Where is it?", 1), "nobody had answered it"
    assert words(connection) == ["Hello.", "Hello again."]


def test_a_tools_reply_is_a_question_whatever_attempt_called_it() -> None:
    connection = connect()
    write(connection, "Look it up.", "item_a")
    create(connection)
    (call,) = (i for i in connection.core.conversation if i.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    connection.send("conversation.item.create", item=output)
    create(connection)
    create(connection)
    assert words(connection) == ["I found it."]
    assert asked(connection)[1:] == [("Look it up. > look_up", 1), ("Look it up. > look_up", 2)]


def test_a_tools_output_is_told_of_although_the_user_was_answered_meanwhile() -> None:
    connection = connect()
    write(connection, "Look it up.", "item_a")
    create(connection)
    (call,) = (i for i in connection.core.conversation if i.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    connection.send("conversation.item.create", item=output)
    write(connection, "What does it cost?", "item_b")
    create(connection)
    create(connection)
    assert [question for question, _ in asked(connection)] == [
        "Look it up.",
        "What does it cost?",
        "Look it up. > look_up",
    ]


def test_an_unanswered_question_of_the_user_is_over_when_a_newer_one_was_answered() -> None:
    connection = connect()
    write(connection, "Where is it?", "item_a")
    create(connection)
    write(connection, "What does it cost?", "item_b")
    create(connection)
    create(connection)
    assert [question for question, _ in asked(connection)][-1] == "What does it cost?"


def test_a_question_that_nobody_tried_to_answer_yet_stays_open() -> None:
    """A client's create that waits for server VAD's answer to what was said later."""
    connection = connect()
    detection = {"type": "server_vad"}
    connection.send(
        "session.update",
        session={"type": "realtime", "audio": {"input": {"turn_detection": detection}}},
    )
    write(connection, "What does it cost?", "item_a")
    connection.speak("Hello?", seconds=0.5)
    connection.run()
    create(connection)
    assert [question for question, _ in asked(connection)] == ["Hello?", "What does it cost?"]


def test_the_same_words_again_are_another_question_and_a_replayed_item_is_none() -> None:
    connection = connect()
    write(connection, "What does it cost?", "item_a")
    create(connection)
    connection.send("conversation.item.delete", item_id="item_a")
    write(connection, "What does it cost?", "item_a")  # as after a reconnect
    create(connection)
    write(connection, "What does it cost?", "item_b")
    create(connection)
    assert asked(connection) == [
        ("What does it cost?", 1),
        ("What does it cost?", 2),
        ("What does it cost? #2", 1),
    ]


@pytest.mark.parametrize("replayed", [False, True])
def test_an_answer_that_went_with_its_connection_is_asked_for_again(replayed: bool) -> None:
    """What a model is asked is what stands last, though an older output was never told of."""
    replies, ids = sim.Replies(SCRIPT), sim.Ids()
    connection = sim.VirtualConnection(replies, ids=ids)
    write(connection, "Look it up.", "item_a")
    create(connection)
    (call,) = (i for i in connection.core.conversation if i.type == "function_call")
    output = {"type": "function_call_output", "id": "item_o", "call_id": call.call_id}
    connection.send("conversation.item.create", item={**output, "output": "42"})
    write(connection, "What does it cost?", "item_b")
    create(connection)
    *told, answer = (event["item"] for event in connection.events("conversation.item.done"))
    if replayed:
        told.append({**answer, "content": [{"type": "output_text", "text": "It is free."}]})
    connection = sim.VirtualConnection(replies, ids=ids)
    for item in told:
        connection.send("conversation.item.create", item=item)
    assert len(connection.core.conversation) == len(told)
    create(connection)
    last = ("Look it up. > look_up", 1) if replayed else ("What does it cost?", 2)
    assert asked(connection)[2:] == [last]


def test_outputs_that_stand_together_are_told_of_in_their_order() -> None:
    questions = ("Look it up.", "Look here.", "Look there.")
    look = [sim.Reply([sim.FunctionCall("look_up")])]
    connection = connect(sim.Script([said("Found.")] * 3, answers=dict.fromkeys(questions, look)))
    for number, question in enumerate(questions):
        write(connection, question, f"item_{number}")
        create(connection)
        if number == 0:
            put_out(connection, 0)
    put_out(connection, 1)
    put_out(connection, 2)
    for _ in range(4):
        create(connection)
    assert asked(connection)[3:] == [
        ("Look here. > look_up", 1),
        ("Look there. > look_up", 1),
        ("Look it up. > look_up", 1),
        ("Look there. > look_up", 2),
    ], "of the two that stand last the first one, then what stands further up"


def put_out(connection: sim.VirtualConnection, number: int) -> None:
    """Push the output of the call of this number."""
    calls = [i for i in connection.core.conversation if i.type == "function_call"]
    output = {"type": "function_call_output", "id": f"item_o{number}", "output": "42"}
    connection.send("conversation.item.create", item={**output, "call_id": calls[number].call_id})


def test_aside_takes_no_reply_of_a_question() -> None:
    connection = connect()
    write(connection, "Where is it?", "item_a")
    create(connection, conversation="none", metadata={"topic": "classify"})
    create(connection)
    assert asked(connection) == [("aside: classify", 1), ("Where is it?", 1)]


def test_refusals_and_silence_are_attempts_and_a_taken_slot_is_none() -> None:
    replies = [
        sim.Reply(ack=sim.Rejected("server_error")),
        sim.Reply(ack=sim.Unanswered()),
        said("At last."),
    ]
    connection = connect(sim.Script(answers={"Hello?": replies}))
    write(connection, "Hello?", "item_a")
    for _ in range(3):
        create(connection)
    assert words(connection) == ["At last."]
    connection.send("response.create")
    connection.send("response.create")
    assert asked(connection)[-2:] == [("Hello?", 4), ("Hello?", 0)]


def test_lists_in_order_are_taken_in_order_as_ever() -> None:
    connection = connect(sim.Script([said("one"), FAILED, said("three")]))
    for number in range(3):
        write(connection, "Hello?", f"item_{number}")
        create(connection)
    assert words(connection) == ["one", "three"]


def test_json() -> None:
    script = sim.Script(answers={"Hello?": [FAILED, said("Hello.")], "Who?": []}, default=FAILED)
    assert load(dump(script)) == script
    assert load(dump(SCRIPT)) == SCRIPT
    assert load('{"answers": {}}') == sim.Script()
    with pytest.raises(InputError, match=r"line 3: answers.Hello\?\[1\].ack is 7"):
        load('{"answers": {"Hello?": [\n{},\n{"ack": 7}\n]}}')
    with pytest.raises(InputError, match="answers is"):
        load('{"answers": []}')


# --- faults


def test_a_fault_at_a_question_strikes_it_whatever_came_before() -> None:
    at = sim.At("response.created", question="What does it cost?")
    for creates in (1, 2):
        connection = connect(faults=sim.Schedule([sim.Late(at, seconds=5.0)]))
        write(connection, "Where is it?", "item_a")
        for _ in range(creates):
            create(connection)
        write(connection, "What does it cost?", "item_b")
        begun = connection.now
        connection.send("response.create")
        connection.run_until("response.created", creates + 1)
        assert connection.now - begun == pytest.approx(5.005)


def test_a_fault_at_the_second_attempt_or_at_the_question_itself() -> None:
    at = sim.At("response.done", question="Where is it?", attempt=2)
    connection = connect(faults=sim.Schedule([sim.Lose(at)]))
    write(connection, "Where is it?", "item_a")
    create(connection)
    create(connection)
    assert len(connection.events("response.done")) == 1
    itself = sim.At("conversation.item.added", question="Where is it?", attempt=0)
    connection = connect(faults=sim.Schedule([sim.Lose(itself)]))
    write(connection, "What does it cost?", "item_b")
    write(connection, "Where is it?", "item_a")
    assert [e["item"]["id"] for e in connection.events("conversation.item.added")] == ["item_b"]


def test_a_create_that_is_lost_was_an_attempt() -> None:
    at = sim.At("response.create", side="client", question="Where is it?")
    connection = connect(faults=sim.Schedule([sim.Lose(at)]))
    write(connection, "Where is it?", "item_a")
    create(connection)
    create(connection)
    assert asked(connection) == [("Where is it?", 1), ("Where is it?", 2)]
    assert words(connection) == ["It is here."]


def test_inserted_events_come_as_they_are() -> None:
    done = {"type": "response.done", "response": {"id": "resp_old", "status": "cancelled"}}
    at = sim.At("response.output_item.added", question="What does it cost?")
    faults = sim.Schedule([sim.Insert(at, done)])
    connection = connect(faults=faults)
    write(connection, "What does it cost?", "item_a")
    create(connection)
    ended = [event["response"]["id"] for event in connection.events("response.done")]
    assert ended == ["resp_old", "resp_001"]
    assert sim.Schedule.from_json(faults.to_json()) == faults


def test_handshakes_are_refused_after_a_break() -> None:
    broken = sim.BreakConnection(sim.At("response.created"), refused=2, status=502)

    async def scenario() -> None:
        config = sim.ServerConfig(faults=sim.Schedule([broken]))
        async with sim.InMemoryServer(sim.Script(), config=config) as server:
            ws = await server.http_session.ws_connect("http://x")
            await ws.send_str(json.dumps({"type": "response.create"}))
            await asyncio.sleep(1.0)
            for _ in range(2):
                with pytest.raises(aiohttp.WSServerHandshakeError, match="502"):
                    await server.http_session.ws_connect("http://x")
            await (await server.http_session.ws_connect("http://x")).close()

    run_virtual(scenario)


def test_a_frozen_server_takes_what_its_buffers_hold_and_then_no_more() -> None:
    frozen = sim.Freeze(sim.At("response.created"), room=50)
    frame = json.dumps({"type": "response.create"})

    async def scenario() -> None:
        config = sim.ServerConfig(faults=sim.Schedule([frozen]))
        async with sim.InMemoryServer(sim.Script(), config=config) as server:
            ws = await server.http_session.ws_connect("http://x")
            await ws.send_str(frame)
            await asyncio.sleep(1.0)
            await ws.send_str(frame)
            await ws.send_str(frame)
            assert len(server.received("response.created")) == 1
            writing = asyncio.create_task(ws.send_str(frame))
            await asyncio.sleep(600.0)
            assert not writing.done()
            await ws.close()
            await asyncio.sleep(600.0)
            assert not writing.done(), "a transport that is closed flushes its buffer first"
        with pytest.raises(aiohttp.ClientConnectionResetError):
            await writing

    run_virtual(scenario)


# --- servers of another kind


def test_what_the_server_does_itself_is_on_record() -> None:
    call = sim.ServerCall("book", seconds=2.0)
    connection = connect(sim.Script(answers={"Book it.": [sim.Reply([call]), said("Done.")]}))
    write(connection, "Book it.", "item_a")
    create(connection)
    kinds = [t for t in connection.types() if t.startswith("response.mcp")]
    assert kinds == [
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        "response.mcp_call.in_progress",
        "response.mcp_call.completed",
    ]
    assert connection.now == pytest.approx(2.0, abs=0.1)
    assert connection.done["output"][0]["type"] == "mcp_call"
    core: Any = connection.core
    (action,) = core._replies.actions
    assert (action.question, action.kind, action.name) == ("Book it.", "mcp_call", "book")


def test_it_may_outlive_its_response_and_a_request_for_approval_runs_nothing() -> None:
    connection = connect(
        sim.Script([sim.Reply([sim.ServerCall("book", seconds=2.0, outlives=True)])])
    )
    create(connection)
    types = connection.types()
    assert types.index("response.done") < types.index("response.mcp_call.completed")
    request = sim.ServerCall("book", kind="mcp_approval_request")
    connection = connect(sim.Script([sim.Reply([request])]))
    create(connection)
    assert not [t for t in connection.types() if t.startswith("response.mcp_call.")]


def test_omissions() -> None:
    every = ("conversation_id", "usage", "output", "status", "response_id")
    connection = connect(leaves_out=(*every, "session_updated"), one_response_id=True)
    connection.send("session.update", session={"type": "realtime", "instructions": "x"})
    create(connection, metadata={"a": "b"})
    (created,) = connection.events("response.created")
    assert created["response"].keys().isdisjoint({"conversation_id", "usage"})
    assert (created["response"]["id"], created["response"]["status"]) == ("resp_0", "in_progress")
    assert "status" not in connection.done
    assert connection.done["output"] is None
    assert "response_id" not in connection.events("response.output_audio.delta")[0]
    assert connection.events("response.content_part.added")[0]["response_id"] == "resp_0"
    assert not connection.events("session.updated")
    with pytest.raises(ValueError, match="leaves_out has 'nothing'"):
        sim.ServerConfig(leaves_out=("nothing",))  # type: ignore[arg-type]


def test_a_connection_may_be_stuck_and_a_frame_too_large() -> None:
    connection = connect(stuck=(1,))
    create(connection)
    assert connection.done["status"] == "failed"
    connection = connect(largest_frame=100)
    connection.send_text(json.dumps({"type": "response.create", "event_id": "x" * 100}))
    assert connection.ending is not None
    assert getattr(connection.ending, "code", None) == 1009


def test_a_tools_output_that_was_tried_in_vain_is_over_when_the_user_was_answered_since() -> None:
    """A model does not go back to it in place of what the user asked last."""
    connection = connect()
    write(connection, "Look it up.", "item_a")
    create(connection)
    (call,) = (i for i in connection.core.conversation if i.type == "function_call")
    output = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    connection.send("conversation.item.create", item=output)
    create(connection)
    write(connection, "What does it cost?", "item_b")
    create(connection)
    create(connection)
    assert [question for question, _ in asked(connection)][-2:] == ["What does it cost?"] * 2


def test_an_empty_answer_answers_nothing() -> None:
    script = sim.Script(
        answers={"Where is it?": [sim.Reply(), sim.Reply([sim.Message("It is here.")])]}
    )
    connection = sim.VirtualConnection(script, sim.ServerConfig())
    connection.run()
    write(connection, "What does it cost?", "item_a")
    write(connection, "Where is it?", "item_b")
    create(connection)
    create(connection)
    assert [question for question, _ in asked(connection)] == ["Where is it?"] * 2
