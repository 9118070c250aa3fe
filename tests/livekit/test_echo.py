"""Whose a response is at a server that leaves the metadata out (G3): told only where it can be."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime_fsm._core import events as ev
from realtime_fsm._core.frames import parse
from realtime_fsm._traits import ServerTraits
from realtime_fsm.lab.scenarios import SCENARIOS, compare_scenario
from realtime_fsm.livekit._echo import Echo
from realtime_fsm.profiles import shipped
from realtime_fsm.simulator import Created, Message, Reply, Script, ServerConfig
from realtime_fsm.simulator.profiled import switches
from realtime_fsm.testing import run_virtual, simulated_call

VAD = {"type": "realtime", "audio": {"input": {"turn_detection": {"type": "server_vad"}}}}


def create(event_id: str) -> dict[str, Any]:
    return {
        "type": "response.create",
        "event_id": event_id,
        "response": {"metadata": {"client_event_id": event_id}},
    }


def of(kind: str, response_id: str, **fields: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}", "response": {"id": response_id, **fields}}


def tell(echo: Echo, *frames: Any) -> list[str | None]:
    """Let frames come; whose each response is, as the controller reads it."""
    whose = []
    for frame in frames:
        if frame["type"] in ("response.create", "response.cancel"):
            echo.left(frame)
            continue
        echo.came(frame)
        event = parse(frame)
        echo.heard(event)
        if isinstance(event, (ev.ResponseCreated, ev.ResponseDone)):
            whose.append(event.client_event_id)
    return whose


def fresh(*, may_answer: bool = False, **traits: bool) -> Echo:
    return Echo(ServerTraits(**traits), lambda: may_answer)


def test_g3_the_only_create_is_answered_by_the_only_response() -> None:
    done = of("done", "r1", status="completed", metadata=None)
    assert tell(fresh(), create("a"), of("created", "r1"), done) == ["a", "a"]
    assert done["response"]["metadata"] == {"client_event_id": "a"}


def test_g3_where_metadata_come_back_a_response_without_is_somebody_elses() -> None:
    assert tell(fresh(metadata_echo=True), create("a"), of("created", "r1")) == [None]
    known = {"metadata": {"client_event_id": "a"}}
    assert tell(fresh(), create("a"), of("created", "r1", **known), create("b"), of("created", "r2")) == [
        "a", None,
    ]  # fmt: skip


ERROR = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": None}}
CONFLICT: dict[str, Any] = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "code": "conversation_already_has_active_response",
        "message": "Conversation already has an active response.",
        "event_id": "another",
    },
}
STOPPED = {"type": "input_audio_buffer.speech_stopped", "item_id": "i"}
COMMITTED = {"type": "input_audio_buffer.committed", "item_id": "i"}
SPEECH = {"type": "input_audio_buffer.speech_started", "item_id": "i"}
CONFIGURED = {"type": "session.updated", "session": VAD}
IDLE = {"type": "input_audio_buffer.timeout_triggered", "item_id": "i"}
BESIDE = {"type": "response.create", "response": {"conversation": "none"}}


@pytest.mark.parametrize(
    "between",
    [
        pytest.param([create("b")], id="two creates"),
        pytest.param([create("b"), ERROR], id="an error that names nothing, and two creates"),
        pytest.param([SPEECH, ERROR], id="an error that names nothing, and the user's speech"),
        pytest.param([CONFLICT], id="an error that names what nobody sent"),
        pytest.param([CONFIGURED, SPEECH], id="server VAD may answer"),
        pytest.param([SPEECH], id="nothing is known of server VAD"),
        pytest.param([COMMITTED], id="the user's words are a turn"),
        pytest.param([IDLE], id="the server asks whether anybody is there"),
        pytest.param([BESIDE], id="a create that has no name"),
    ],
)
def test_g3_what_cannot_be_told_is_left_open_and_so_is_what_follows(between: list[Any]) -> None:
    echo = fresh(may_answer=SPEECH in between)
    assert tell(echo, create("a"), *between, of("created", "r1"), of("created", "r2")) == [
        None, None,
    ]  # fmt: skip


def test_g24_server_vad_may_answer_what_was_said_while_another_response_began() -> None:
    spoken = [CONFIGURED, SPEECH, create("a"), of("created", "r1"), STOPPED, COMMITTED]
    assert tell(fresh(may_answer=True), *spoken, create("b"), of("created", "r2")) == [None, None]


def test_g24_where_server_vad_cannot_answer_any_more_the_create_is_answered() -> None:
    spoken = [CONFIGURED, SPEECH, STOPPED, COMMITTED]
    assert tell(fresh(may_answer=False), *spoken, create("a"), of("created", "r1")) == ["a"]


def test_g3_a_response_that_ends_without_response_created_answers_the_create_too() -> None:
    failed = [of("done", "r1", status="failed") for _ in range(2)]  # told twice
    asked = [create("a"), *failed, create("b"), of("created", "r2")]
    assert tell(fresh(), *asked) == ["a", "a", "b"]
    begun = [of("created", "r1"), create("a"), of("done", "r1", status="failed")]
    assert tell(fresh(), *begun, of("created", "r2")) == [None, None, "a"]


def test_g3_what_has_metadata_of_somebody_else_is_somebody_elses() -> None:
    theirs = of("created", "r1", metadata={"topic": "moderation"})
    assert tell(fresh(), create("a"), theirs, of("created", "r2")) == [None, None]


def test_g24_a_create_that_shows_another_response_has_the_one_that_went_to_it_by_mistake() -> None:
    """Server VAD's late answer was taken for the create's: both are heard, under each other's handle."""
    both = [
        create("a"),
        of("created", "r1"),
        of("created", "r2", metadata={"client_event_id": "a"}),
    ]
    assert tell(fresh(), *both) == ["a", None]
    done = of("done", "r1", status="completed", metadata={"client_event_id": "a"})
    assert tell(fresh(), create("a"), of("created", "r1"), done) == ["a", "a"]


def test_g18_an_answer_of_server_vad_that_comes_3_s_late_is_heard_and_so_is_what_was_asked() -> (
    None
):
    async def call() -> None:
        replies = [Reply([Message(words, seconds=1.0)]) for words in ("It is noon.", "Take keys.")]
        slow = ServerConfig(slot_taken="created", vad_create_delay=3.0, create_delay=2.0)
        async with simulated_call(replies, config=slow, check=False) as living:
            await living.say("What time is it?", seconds=1.0)
            handle = living.session.generate_reply(user_input="Remind me.")
            await asyncio.sleep(20.0)
            assert handle.exception() is None
            assert living.heard == pytest.approx(2.0, abs=0.01)
            assert len(living.server.sent("response.create")) == 1

    run_virtual(call)


@pytest.mark.parametrize("echo", [True, False])
def test_g18_an_answer_of_server_vad_that_is_refused_for_what_went_ahead_of_it_is_asked_for(
    echo: bool,
) -> None:
    async def call() -> None:
        answers = {
            "What time is it?": [Reply([Message("It is noon.", seconds=4.0)])],
            "Remind me.": [Reply([Message("Take your keys with you.", seconds=5.0)])],
        }
        late = ServerConfig(
            slot_taken="created", vad_create_delay=3.0, create_delay=0.1, metadata_echo=echo
        )
        async with simulated_call(Script(answers=answers), config=late, check=False) as living:
            await living.say("What time is it?", seconds=1.0)
            handle = living.session.generate_reply(instructions="Remind me.")
            await asyncio.sleep(25.0)
            assert handle.exception() is None
            assert living.heard == pytest.approx(9.0, abs=0.01)
            assert len(living.server.sent("response.create")) == 2

    run_virtual(call)


def test_g3_an_error_of_something_else_settles_no_create() -> None:
    cancel = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": "a cancel"}}
    cancelling = {"type": "response.cancel", "event_id": "a cancel"}
    assert tell(fresh(), create("a"), cancelling, cancel, of("created", "r1")) == ["a"]


def test_g3_what_was_refused_is_not_answered() -> None:
    refused = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": "a"}}
    assert tell(fresh(), create("a"), refused, of("created", "r1")) == [None]
    assert tell(fresh(), create("a"), refused, create("b"), of("created", "r1")) == ["b"]


NOTHING_RUNS = {
    "type": "error",
    "error": {
        "type": "invalid_request_error",
        "code": "response_cancel_not_active",
        "message": "Cancellation failed: no active response found",
        "event_id": "a probe",
    },
}
PROBE = {"type": "response.cancel", "event_id": "a probe"}


def test_g20_a_conflict_that_names_nothing_is_about_nothing_of_ours_where_conflicts_name_theirs() -> (
    None
):
    nameless = {**CONFLICT, "error": {**CONFLICT["error"], "event_id": None}}
    for conflict in (CONFLICT, nameless):
        asked = [create("a"), conflict, of("created", "r1")]
        assert tell(fresh(), *asked) == [None]
        assert tell(fresh(conflict_ids=True), *asked) == ["a"]


def test_g3_an_error_that_names_nothing_begins_no_response() -> None:
    """Whether it refused the create is not known; what comes before another one answers it."""
    assert tell(fresh(), create("a"), ERROR, of("created", "r1"), of("created", "r2")) == [
        "a",
        None,
    ]
    assert tell(fresh(), create("a"), ERROR, create("b"), of("created", "r1")) == ["b"]


def test_g3_an_id_that_is_used_again_is_another_response() -> None:
    one = [of("created", "r"), of("done", "r", status="completed")]
    again = [of("created", "r"), of("done", "r", status="completed")]
    assert tell(fresh(), create("a"), *one, *again) == ["a", "a", None, None]


def test_nothing_is_kept_where_metadata_come_back() -> None:
    known = {"metadata": {"client_event_id": "a"}}
    echo = fresh()
    tell(echo, create("a"), of("created", "r1", **known), *(create(str(n)) for n in range(9)))
    assert not echo._waiting


def test_g4_a_create_after_a_probe_is_answered_before_what_the_probe_gave_up() -> None:
    given_up = [create("a"), PROBE, NOTHING_RUNS, create("b")]
    assert tell(fresh(), *given_up, of("created", "r1")) == ["b"]
    refused = {"type": "error", "error": {"type": "x", "message": "No.", "event_id": "b"}}
    assert tell(fresh(), *given_up, refused, of("created", "r1")) == ["a"]


def test_g5_an_error_for_an_old_cancel_settles_no_create_that_follows() -> None:
    assert tell(fresh(), PROBE, create("a"), NOTHING_RUNS, of("created", "r1")) == ["a"]


def test_g19_nothing_is_awaited_over_a_reconnect() -> None:
    echo = fresh()
    tell(echo, create("a"))
    echo.reset()
    assert tell(echo, of("created", "r1")) == [None]


def test_speech_without_server_vad_starts_no_response() -> None:
    session = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
    configured = {"type": "session.updated", "session": session}
    assert tell(fresh(), configured, create("a"), SPEECH, of("created", "r1")) == ["a"]


def test_a_response_beside_the_conversation_is_none_of_them() -> None:
    beside = of("created", "r1", conversation_id=None)
    assert tell(fresh(), create("a"), beside, of("created", "r2", conversation_id="c")) == [
        None, "a",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "response", [None, 7, {}, {"metadata": 7}, {"metadata": {"client_event_id": 7}}]
)
def test_g25_no_create_of_an_application_is_too_odd(response: Any) -> None:
    echo = fresh()
    echo.left({"type": "response.create", "event_id": "x", "response": response})
    assert tell(echo, create("a"), of("created", "r1", metadata=7)) == [None]


@pytest.mark.parametrize("frame", [7, None, {"type": "response.created"}, of("created", 5)])  # type: ignore[arg-type]
def test_g25_no_frame_is_too_odd(frame: Any) -> None:
    fresh().came(frame)


def test_g3_an_asked_reply_is_spoken_once_and_its_handle_knows() -> None:
    async def call() -> None:
        replies = [Reply([Message(f"Answer {n}.", seconds=1.0)]) for n in range(4)]
        config = ServerConfig(metadata_echo=False)
        async with simulated_call(replies, config=config, turn_detection=None) as living:
            for words in ("one", "two"):
                handle = living.session.generate_reply(user_input=words)
                await asyncio.sleep(20.0)
                assert handle.done()
                assert handle.exception() is None
            assert living.heard == pytest.approx(2.0, abs=0.01)
            assert len(living.server.sent("response.create")) == 2

    run_virtual(call)


def test_g9_an_error_about_something_else_has_nothing_said_twice() -> None:
    async def call() -> None:
        slow = Reply([Message("Once.", seconds=1.0)], ack=Created(after=0.5))
        config = ServerConfig(metadata_echo=False)
        async with simulated_call([slow, slow], config=config, turn_detection=None) as living:
            handle = living.session.generate_reply(user_input="one")
            await asyncio.sleep(0.2)
            living.server.send_text(
                '{"type": "error", "event_id": "x", "error": {"type": "server_error", "code": "other",'
                ' "message": "Something else.", "param": null, "event_id": null}}'
            )
            await asyncio.sleep(20.0)
            assert handle.exception() is None
            assert living.heard == pytest.approx(1.0, abs=0.01)
            assert len(living.server.sent("response.create")) == 1

    run_virtual(call)


@pytest.mark.parametrize("name", [
    "a", "h", "i", "i2", "p", "s", "t", "server_vad/g", "server_vad/o2", "i/no early cancel",
])  # fmt: skip
def test_g27_a_scenario_without_metadata_is_not_worse(name: str) -> None:
    verdict = compare_scenario(SCENARIOS[name], metadata_echo=False)
    assert verdict is not None
    assert not verdict.worse, "\n".join(map(str, verdict.worse))


@pytest.mark.parametrize("name", ["i", "i2", "server_vad/t", "semantic_vad/t"])
def test_g27_at_a_server_that_only_resembles_the_service_too(name: str) -> None:
    verdict = compare_scenario(SCENARIOS[name], **switches(shipped()["compat"]))
    assert verdict is not None
    assert not verdict.worse, "\n".join(map(str, verdict.worse))
