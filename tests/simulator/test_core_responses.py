"""The rules of responses, in virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm import simulator as sim

HELLO = sim.Message("one two three four five six seven eight nine ten", seconds=1.0)
BYE = sim.Message("that is all", seconds=0.25)
CALL = sim.FunctionCall("get_weather", {"city": "Oslo"}, call_id="call_x")


def connect(*replies: sim.Reply, config: sim.ServerConfig | None = None) -> sim.VirtualConnection:
    return sim.VirtualConnection(sim.Script(replies), config)


def ask(reply: sim.Reply, **response: Any) -> sim.VirtualConnection:
    connection = connect(reply)
    connection.send(
        "response.create", event_id="c1", **({"response": response} if response else {})
    )
    connection.run()
    return connection


def test_the_events_of_a_spoken_response_come_in_the_documented_order() -> None:
    connection = ask(sim.Reply([BYE]))
    assert connection.types() == [
        "session.created",
        "response.created",
        "response.output_item.added",
        "conversation.item.added",
        "response.content_part.added",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
        "response.output_audio.delta",
        "response.output_audio.done",
        "response.output_audio_transcript.done",
        "response.content_part.done",
        "response.output_item.done",
        "conversation.item.done",
        "response.done",
        "rate_limits.updated",
    ]


def test_a_response_in_text_has_no_audio() -> None:
    connection = ask(sim.Reply([BYE]), output_modalities=["text"])
    assert not [t for t in connection.types() if "audio" in t]
    assert "".join(e["delta"] for e in connection.events("response.output_text.delta")) == BYE.text
    assert connection.done["output"][0]["content"] == [{"type": "output_text", "text": BYE.text}]
    assert connection.core.conversation[0].audio_ms == 0


def test_the_session_decides_the_modality_when_the_create_does_not() -> None:
    connection = connect(sim.Reply([BYE]))
    connection.send("session.update", session={"type": "realtime", "output_modalities": ["text"]})
    connection.send("response.create")
    connection.run()
    assert connection.events("response.output_text.done")


def test_a_function_call_carries_name_call_id_and_arguments() -> None:
    connection = ask(sim.Reply([CALL]))
    done = connection.events("response.function_call_arguments.done")[0]
    assert (done["name"], done["call_id"], done["arguments"]) == (
        "get_weather",
        "call_x",
        '{"city": "Oslo"}',
    )
    deltas = connection.events("response.function_call_arguments.delta")
    assert "".join(e["delta"] for e in deltas) == done["arguments"]
    assert connection.events("conversation.item.added")[0]["item"]["arguments"] == ""
    assert (
        connection.events("response.output_item.done")[0]["item"]["arguments"] == done["arguments"]
    )


def test_audio_is_paced_and_whole() -> None:
    connection = ask(sim.Reply([HELLO], pace=0.01))
    deltas = [
        t
        for t, f in connection.log
        if getattr(f, "event", {}).get("type") == "response.output_audio.delta"
    ]
    assert len(deltas) == 10
    assert deltas[-1] - deltas[0] == pytest.approx(0.09)
    assert connection.core.conversation[0].audio_ms == 1000


def test_thinking_and_late_done_are_waited_for() -> None:
    connection = ask(sim.Reply([sim.Message("a", seconds=0.1, after=2.0)], done_delay=1.0))
    assert (
        connection.time_of("response.output_item.added") - connection.time_of("response.created")
        == 2.0
    )
    assert connection.time_of("response.done") - connection.time_of(
        "response.output_item.done"
    ) == pytest.approx(1.0)


def test_messages_and_calls_of_one_response_follow_each_other() -> None:
    connection = ask(sim.Reply([HELLO, BYE, CALL]))
    assert [e["output_index"] for e in connection.events("response.output_item.added")] == [0, 1, 2]
    assert [e["previous_item_id"] for e in connection.events("conversation.item.added")] == [
        None,
        "item_001",
        "item_002",
    ]
    assert [item["status"] for item in connection.done["output"]] == ["completed"] * 3


def test_metadata_comes_back_in_created_and_done() -> None:
    connection = ask(sim.Reply([BYE]), metadata={"client_event_id": "c1"})
    assert connection.events("response.created")[0]["response"]["metadata"] == {
        "client_event_id": "c1"
    }
    assert connection.done["metadata"] == {"client_event_id": "c1"}


# --- the slot ---


def test_a_second_create_is_refused_even_before_the_first_is_created() -> None:
    connection = connect(sim.Reply([HELLO]))
    connection.send("response.create", event_id="c1")
    connection.send("response.create", event_id="c2")
    assert connection.types() == ["session.created", "error"]
    assert connection.error == {
        "type": "invalid_request_error",
        "code": "conversation_already_has_active_response",
        "message": "Conversation already has an active response in progress: resp_001. "
        "Wait until the response is finished before creating a new one.",
        "param": None,
        "event_id": "c2",
    }
    connection.run()
    assert connection.core.collisions == 1
    assert len(connection.events("response.created")) == 1


def test_the_slot_is_free_at_done() -> None:
    connection = connect(sim.Reply([BYE]), sim.Reply([HELLO]))
    connection.send("response.create")
    connection.run_until("response.done")
    connection.send("response.create")
    connection.run()
    assert [e["response"]["id"] for e in connection.events("response.done")] == [
        "resp_001",
        "resp_002",
    ]
    assert connection.core.collisions == 0


def test_an_out_of_band_response_runs_beside_and_is_not_remembered() -> None:
    connection = connect(sim.Reply([HELLO]), sim.Reply([BYE]))
    connection.send("response.create")
    connection.send("response.create", response={"conversation": "none"})
    connection.run()
    created = {
        e["response"]["id"]: e["response"]["conversation_id"]
        for e in connection.events("response.created")
    }
    assert created == {"resp_001": "conv_001", "resp_002": None}
    assert connection.core.collisions == 0
    assert [item.text for item in connection.core.conversation] == [HELLO.text]
    assert len(connection.events("conversation.item.added")) == 1


# --- answers to the create ---


def test_a_rejected_create_gets_an_error_and_nothing_else() -> None:
    connection = ask(sim.Reply(ack=sim.Rejected("rate_limit_exceeded", message="slow down")))
    assert connection.types() == ["session.created", "error"]
    assert (connection.error["event_id"], connection.error["code"]) == ("c1", "rate_limit_exceeded")
    assert connection.error["message"] == "slow down"
    assert connection.core.active_response_id is None


def test_a_rejection_may_be_unlinked() -> None:
    assert ask(sim.Reply(ack=sim.Rejected("server_error", linked=False))).error["event_id"] is None


@pytest.mark.parametrize(("holds_slot", "refused"), [(False, 0), (True, 1)])
def test_a_create_may_stay_unanswered(holds_slot: bool, refused: int) -> None:
    connection = connect(sim.Reply(ack=sim.Unanswered(holds_slot=holds_slot)))
    connection.send("response.create")
    connection.run(60)
    assert connection.types() == ["session.created"]
    connection.send("response.create")
    connection.run()
    assert connection.core.collisions == refused


def test_a_late_created_holds_the_slot_meanwhile() -> None:
    connection = connect(sim.Reply([BYE], ack=sim.Created(after=11.0)))
    connection.send("response.create", event_id="c1")
    connection.run(10.0)
    connection.send("response.create", event_id="c2")
    assert connection.error["event_id"] == "c2"
    connection.run()
    assert connection.time_of("response.created") == 11.0


# --- ends ---

FAILED = {"type": "failed", "error": sim.ErrorInfo("server_error").body()}


@pytest.mark.parametrize(
    ("reply", "status", "details", "items", "held"),
    [
        (sim.Reply(), "completed", None, [], []),
        (sim.Reply(end=sim.Failed("server_error")), "failed", FAILED, [], []),
        (sim.Reply([HELLO], end=sim.Failed("server_error")), "failed", FAILED, [], []),
        (sim.Reply([HELLO], end=sim.Failed("server_error", at=sim.ITEM_ADDED)), "failed", FAILED, ["incomplete"], [0]),
        (sim.Reply([HELLO], end=sim.Failed("server_error", at=sim.audio_ms(550))), "failed", FAILED, ["incomplete"], [550]),
        (sim.Reply([HELLO, BYE], end=sim.Failed("server_error", at=sim.item_added(2))), "failed", FAILED,
         ["completed", "incomplete"], [1000, 0]),
        (sim.Reply([HELLO, BYE], end=sim.Failed("server_error", at=sim.audio_ms(1100))), "failed", FAILED,
         ["completed", "incomplete"], [1000, 100]),
        (sim.Reply([CALL], end=sim.Failed("server_error", at=sim.ITEM_ADDED)), "failed", FAILED, ["incomplete"], [0]),
        (sim.Reply([CALL], end=sim.Failed("server_error", at=sim.END)), "failed", FAILED, ["completed"], [0]),
        (sim.Reply([HELLO], end=sim.Incomplete("max_output_tokens", at=sim.audio_ms(700))), "incomplete",
         {"type": "incomplete", "reason": "max_output_tokens"}, ["incomplete"], [700]),
        (sim.Reply(end=sim.Incomplete("content_filter")), "incomplete",
         {"type": "incomplete", "reason": "content_filter"}, [], []),
        (sim.Reply([HELLO], end=sim.Cancelled("turn_detected", at=sim.audio_ms(100))), "cancelled",
         {"type": "cancelled", "reason": "turn_detected"}, ["incomplete"], [100]),
    ],
)  # fmt: skip
def test_a_response_ends_as_its_reply_says(
    reply: sim.Reply, status: str, details: dict[str, Any] | None, items: list[str], held: list[int]
) -> None:
    connection = ask(reply)
    assert connection.types().count("response.created") == 1
    assert connection.done["status"] == status
    assert connection.done["status_details"] == details
    assert [item["status"] for item in connection.done["output"]] == items
    assert [item.audio_ms for item in connection.core.conversation] == held
    assert len(connection.events("response.output_item.done")) == len(items)
    assert connection.core.active_response_id is None


def test_a_cut_response_has_said_as_much_as_it_has_spoken() -> None:
    connection = ask(sim.Reply([HELLO], end=sim.Failed("server_error", at=sim.audio_ms(500))))
    assert connection.core.conversation[0].text == "one two three four five"
    done = connection.events("response.output_audio_transcript.done")[0]
    assert done["transcript"] == "one two three four five"


def test_done_may_come_without_created() -> None:
    connection = ask(
        sim.Reply(end=sim.Failed("server_error", at=sim.BEFORE_CREATED)), metadata={"k": "v"}
    )
    assert connection.types() == ["session.created", "response.done"]
    assert connection.done["output"] == []
    assert connection.done["usage"]["total_tokens"] == 0
    assert connection.done["metadata"] == {"k": "v"}


def test_status_details_may_be_a_string() -> None:
    connection = ask(sim.Reply(end=sim.Failed("server_error"), status_details="overloaded"))
    assert connection.done["status_details"] == "overloaded"


def test_a_stalled_response_lives_until_it_is_cancelled() -> None:
    connection = connect(sim.Reply([HELLO], end=sim.Stalled(at=sim.audio_ms(500))))
    connection.send("response.create")
    connection.run(3600)
    assert not connection.events("response.done")
    connection.send("response.cancel")
    connection.run()
    assert connection.done["status"] == "cancelled"
    assert connection.done["output"][0]["status"] == "incomplete"


@pytest.mark.parametrize(("frees_slot", "refused"), [(True, 0), (False, 1)])
def test_a_lost_done_leaves_all_else_complete(frees_slot: bool, refused: int) -> None:
    connection = connect(sim.Reply([BYE], end=sim.DoneLost(frees_slot=frees_slot)))
    connection.send("response.create")
    connection.run()
    assert connection.types()[-1] == "conversation.item.done"
    connection.send("response.create")
    assert connection.core.collisions == refused


@pytest.mark.parametrize(
    ("point", "last"),
    [
        (sim.BEFORE_CREATED, "session.created"),
        (sim.CREATED, "response.created"),
        (sim.ITEM_ADDED, "conversation.item.added"),
        (sim.audio_ms(300), "response.output_audio.delta"),
        (sim.END, "conversation.item.done"),
    ],
)
def test_the_connection_may_break_anywhere(point: Any, last: str) -> None:
    connection = ask(sim.Reply([HELLO], end=sim.Dropped(at=point)))
    assert connection.ending == sim.Drop()
    assert connection.types()[-1] == last
    connection.send("response.create")
    assert connection.types()[-1] == last, "nothing is answered after the end"
    assert connection.core.next_deadline() is None


def test_a_close_may_be_explained_by_an_error() -> None:
    connection = ask(
        sim.Reply(end=sim.Closed(1001, reason="bye", error=sim.ErrorInfo("session_expired")))
    )
    assert connection.ending == sim.Close(1001, "bye")
    assert (connection.error["code"], connection.error["event_id"]) == ("session_expired", None)


# --- cancellation ---


def test_a_cancel_takes_effect_after_its_delay() -> None:
    connection = connect(
        sim.Reply([HELLO]), config=sim.ServerConfig(cancel_delay=0.05, create_delay=0.0)
    )
    connection.send("response.create")
    connection.run(0.1)
    connection.send("response.cancel", event_id="x1")
    connection.run(0.049)
    assert not connection.events("response.done")
    connection.run()
    assert connection.done["status_details"] == {"type": "cancelled", "reason": "client_cancelled"}
    assert connection.core.conversation[0].status == "incomplete"
    assert not connection.events("error")


def test_a_natural_done_may_win_the_race_and_leaves_the_next_response_alone() -> None:
    connection = connect(
        sim.Reply([BYE]), sim.Reply([HELLO]), config=sim.ServerConfig(cancel_delay=5.0)
    )
    connection.send("response.create")
    connection.run_until("response.output_item.done")
    connection.send("response.cancel", event_id="x1")
    connection.run_until("response.done")
    connection.send("response.create")
    connection.run()
    assert [e["response"]["status"] for e in connection.events("response.done")] == [
        "completed",
        "completed",
    ]
    assert (connection.error["code"], connection.error["event_id"]) == (
        "response_cancel_not_active",
        "x1",
    )


def test_of_two_cancels_the_second_finds_nothing() -> None:
    connection = connect(sim.Reply([HELLO]))
    connection.send("response.create")
    connection.run_until("response.output_audio.delta")
    connection.send("response.cancel", event_id="x1")
    connection.send("response.cancel", event_id="x2")
    connection.run()
    assert connection.error["event_id"] == "x2"
    assert len(connection.events("response.done")) == 1


@pytest.mark.parametrize("fields", [{}, {"response_id": "resp_001"}, {"response_id": "resp_999"}])
def test_a_cancel_of_nothing_is_an_error(fields: dict[str, str]) -> None:
    connection = connect()
    connection.send("response.cancel", event_id="x1", **fields)
    assert connection.error == {
        "type": "invalid_request_error",
        "code": "response_cancel_not_active",
        "message": "Cancellation failed: no active response found",
        "param": None,
        "event_id": "x1",
    }


def test_a_cancel_of_another_id_does_not_touch_the_active_response() -> None:
    connection = connect(sim.Reply([BYE]))
    connection.send("response.create")
    connection.run_until("response.created")
    connection.send("response.cancel", response_id="resp_999")
    connection.run()
    assert connection.error["code"] == "response_cancel_not_active"
    assert connection.done["status"] == "completed"


@pytest.mark.parametrize(("reaches", "status"), [(False, "completed"), (True, "cancelled")])
def test_a_cancel_before_created_is_refused_unless_configured(reaches: bool, status: str) -> None:
    config = sim.ServerConfig(create_delay=1.0, cancel_before_created=reaches)
    connection = connect(sim.Reply([BYE]), config=config)
    connection.send("response.create")
    connection.send("response.cancel")
    connection.run()
    assert connection.done["status"] == status
    assert bool(connection.events("error")) is not reaches


def test_an_out_of_band_response_is_cancelled_by_id_only() -> None:
    connection = connect(sim.Reply([HELLO]))
    connection.send("response.create", response={"conversation": "none"})
    connection.run_until("response.created")
    connection.send("response.cancel", event_id="x1")
    assert connection.error["event_id"] == "x1"
    connection.send("response.cancel", response_id="resp_001")
    connection.run()
    assert connection.done["status"] == "cancelled"


# --- the script ---


def test_replies_are_taken_in_order_over_connections() -> None:
    replies, ids = sim.Replies(sim.Script([sim.Reply([HELLO]), sim.Reply([BYE])])), sim.Ids()
    first, second, third = (sim.VirtualConnection(replies, ids=ids) for _ in range(3))
    for connection in (first, second, third):
        connection.send("response.create")
        connection.run()
    texts = [c.core.conversation[0].text for c in (first, second, third)]
    assert texts == [HELLO.text, BYE.text, "All right."]
    assert third.done["id"] == "resp_003"


def test_a_refused_create_takes_no_reply() -> None:
    connection = connect(sim.Reply([BYE]), sim.Reply([HELLO]))
    for _ in range(3):
        connection.send("response.create")
    connection.run()
    connection.send("response.create")
    connection.run()
    assert [item.text for item in connection.core.conversation] == [BYE.text, HELLO.text]


@pytest.mark.parametrize(
    "point", [sim.audio_ms(1001), sim.audio_ms(0), sim.item_added(2), sim.item_added(0)]
)
def test_a_point_that_is_never_reached_is_a_mistake(point: Any) -> None:
    with pytest.raises(ValueError, match="the reply"):
        sim.Reply([HELLO], end=sim.Failed("server_error", at=point))


def test_a_message_lasts() -> None:
    with pytest.raises(ValueError, match="1 ms"):
        sim.Message("a", seconds=0)


# --- the types ---

EVERY_END = [
    end
    for at in (
        sim.BEFORE_CREATED,
        sim.CREATED,
        sim.ITEM_ADDED,
        sim.audio_ms(550),
        sim.item_added(3),
        sim.END,
    )
    for end in (
        sim.Failed("server_error", at=at),
        sim.Failed(None, at=at),
        sim.Incomplete("content_filter", at=at),
        sim.Cancelled(at=at),
        sim.Stalled(at=at),
        sim.Closed(error=sim.ErrorInfo("insufficient_quota"), at=at),
        sim.Dropped(at=at),
    )
] + [sim.DoneLost(), sim.Reply().end]


@pytest.mark.parametrize("end", EVERY_END, ids=repr)
@pytest.mark.parametrize(
    "response", [{}, {"output_modalities": ["text"]}, {"conversation": "none"}]
)
def test_every_event_of_every_reply_has_the_published_type(
    end: Any, response: dict[str, Any]
) -> None:
    connection = ask(sim.Reply([HELLO, BYE, CALL], end=end), **response)
    problems = {e["type"]: p for e in connection.events() if (p := sim.server_event_problems(e))}
    assert problems == {}


def test_a_string_for_status_details_is_the_departure_it_is_meant_to_be() -> None:
    connection = ask(sim.Reply(end=sim.Failed("server_error"), status_details="overloaded"))
    assert sim.server_event_problems(connection.events("response.done")[0])


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"type": "nonsense"},
        {"type": "response.created"},
        {"type": "error", "event_id": "e", "error": {}},
    ],
)
def test_the_check_finds_problems(event: dict[str, Any]) -> None:
    assert sim.server_event_problems(event)


def test_the_check_finds_unknown_fields() -> None:
    event = {"type": "input_audio_buffer.cleared", "event_id": "e", "surprise": 1}
    assert sim.server_event_problems(event) == [
        "input_audio_buffer.cleared.surprise: unknown field"
    ]
