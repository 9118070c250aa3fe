"""What looks like a breach of a guarantee and is none: each with the nearest thing that is one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from realtime_fsm.trace.facts import Segment
from realtime_fsm.trace.format import Line
from realtime_fsm.trace.sound import Sound
from realtime_fsm.trace.wire import Wire

from .test_planted import Lines, judge

HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}


def line(t: float, by: str, kind: str, /, **fields: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"t": t, "by": by, "type": kind}
    if by in ("client", "server"):
        return found | {"connection": fields.pop("connection", 1), "event": fields}
    if by == "net":
        found["connection"] = 1
    return found | fields


def response(t: float, kind: str, name: str, **body: Any) -> dict[str, Any]:
    return line(t, "server", f"response.{kind}", response={"id": name, **body})


def error(t: float, code: str, event_id: str | None, **fields: Any) -> dict[str, Any]:
    body = {"code": code, "event_id": event_id}
    return line(t, "server", "error", event_id=f"event_{t}", error=body, **fields)


def report(t: float, what: str = "APIError") -> dict[str, Any]:
    return line(t, "session", "error", recoverable=True, error=what)


def breaches(id: str, *lines: dict[str, Any]) -> int:
    return len([each for each in judge([HEADER, *lines, end(lines)]).violations if each.id == id])


def end(lines: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Without it the trace was cut off, and what was under way is not judged."""
    return line(float(lines[-1]["t"]), "session", "recorded")


CREATE = line(1.0, "client", "response.create", event_id="c1")
LOST = line(2.0, "net", "lost")
FAILED = response(
    2.1, "done", "r1", status="failed", status_details={"error": {"code": "server_error"}}
)
DONE = response(1.5, "done", "r1", status="completed", output=[{"id": "m1"}])


@pytest.mark.parametrize(
    ("last", "found"),
    [
        (line(2.1, "session", "error", recoverable=True, error="APIConnectionError"), 0),
        (report(2.1), 1),
    ],
    ids=["a handshake that fails", "the loss again"],
)
def test_g12_after_a_lost_connection(last: dict[str, Any], found: int) -> None:
    assert breaches("G12", DONE, LOST, report(2.0, "APIConnectionError"), last) == found


@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        (error(2.0, "invalid_value", None), error(2.1, "invalid_value", "c1"), 0),
        (error(2.0, "invalid_value", None), error(2.1, "invalid_value", None), 0),
        (error(2.0, "server_error", None), FAILED, 1),
        (error(2.0, "server_error", "c1"), FAILED, 0),
        (FAILED | {"t": 2.0}, error(2.1, "server_error", None), 1),
        (FAILED | {"t": 2.0}, FAILED, 0),
        (error(2.0, "invalid_value", "c1"), LOST, 0),
        (error(2.0, "session_expired", None), LOST, 1),
        (line(2.0, "server", "unreadable"), error(2.1, "session_expired", None), 0),
        (LOST, response(2.1, "done", "r1", status="completed", output=[]), 0),
        (LOST, response(2.1, "done", "r1", status="incomplete", output=[{"id": "m1"}]), 0),
        (LOST, DONE | {"t": 2.1}, 1),
    ],
)
def test_g12_two_causes(first: dict[str, Any], second: dict[str, Any], found: int) -> None:
    lines: Lines = [CREATE, first, second | {"t": max(2.05, second["t"])}]
    assert breaches("G12", *lines, report(2.2), report(2.3)) == found


@pytest.mark.parametrize(("served", "found"), [(True, 0), (False, 1)])
def test_g12_a_connection_that_served_on_is_lost_for_another_cause(
    served: bool, found: int
) -> None:
    failed = FAILED | {"t": 2.0}
    created = [response(2.1, "created", "r2")] if served else []
    lost = [LOST | {"t": 2.4}, report(2.4)]
    assert breaches("G12", CREATE, failed, report(2.0), *created, *lost) == found


@pytest.mark.parametrize(("code", "found"), [("stalling", 0), ("slow", 0), ("server_error", 1)])
def test_g9_a_doubt_is_no_retry(code: str, found: int) -> None:
    header = HEADER | {"retry": {"max_retry": 1}}
    waits = [
        line(t, "turn", "recovering", turn="t1", attempt=1, wait=0.1, code=each, kind="transient")
        for t, each in ((1.1, "server_error"), (9.0, code))
    ]
    played = line(10.0, "playback", "started")
    created = response(1.0, "created", "r1")
    lines = [header, CREATE, created, *waits, played, line(20.0, "session", "recorded")]
    assert [v.id for v in judge(lines).violations if v.id == "G9"] == ["G9"] * found


@pytest.mark.parametrize(("told", "found"), [(True, 0), (False, 1)])
def test_g8_what_is_asked_again_is_told_when_its_turn_is_over(told: bool, found: int) -> None:
    """However long that takes, and whatever the application asks meanwhile."""
    moved = {"turn": "t1", "attempt": 1, "response": "r1", "source": "created"}
    lines = [
        CREATE,
        response(1.5, "created", "r1"),
        FAILED,
        line(2.1, "turn", "moved", **moved, dest="retry_wait", event="RESPONSE_FAILED"),
        CREATE | {"t": 2.2},
        response(2.3, "created", "r2"),
        line(3.0, "session", "speech_created", speech="s2", source="generate_reply",
             user_initiated=True),
        line(30.0, "turn", "ended", turn="t1", outcome="failed", code="stalled", kind="transient"),
        *([report(30.0)] if told else []),
        line(60.0, "watch", "look"),
    ]  # fmt: skip
    assert breaches("G8", *lines) == found


def _message(t: float, name: str, item_id: str, ms: float) -> Lines:
    item = {"id": item_id, "type": "message", "role": "assistant", "status": "completed"}
    delta = {"response_id": name, "item_id": item_id, "delta": ms}
    return [
        response(t, "created", name),
        line(t, "server", "response.output_item.added", response_id=name, item=item),
        line(t, "server", "response.output_audio.delta", **delta),
        line(t, "server", "response.output_item.done", response_id=name, item=item),
        response(t, "done", name, status="completed", output=[item]),
    ]


@pytest.mark.parametrize(("sounds", "found"), [(2.0, 0), (0.5, 1)], ids=["to the cut", "half"])
def test_g18_an_answer_that_is_cut_by_the_next_question_after_a_long_wait(
    sounds: float, found: int
) -> None:
    """It was being heard when they went on. One that had stopped midway is lost all the same."""
    lines = [
        CREATE | {"t": 0.5},
        line(1.0, "server", "input_audio_buffer.committed", item_id="u1"),
        _asked(1.0, "q1", "u1"),
        *_message(40.0, "r1", "m1", 5000.0),
        line(40.0, "playback", "started", item_id="m1"),
        line(42.0, "caller", "let_go", key="q1"),
        line(42.0, "playback", "finished", item_id="m1", position=1000 * sounds, pushed=5000.0,
             interrupted=True),
        _asked(42.5, "q2", "u2"),
        line(42.5, "server", "input_audio_buffer.committed", item_id="u2"),
        *_message(43.0, "r2", "m2", 1000.0),
        line(43.0, "playback", "started", item_id="m2"),
        line(44.0, "playback", "finished", item_id="m2", position=1000.0, pushed=1000.0),
        line(90.0, "session", "user_state_changed", old="away", new="away"),
        line(90.0, "watch", "look", rest=True),
    ]  # fmt: skip
    assert breaches("G18", *lines) == found


@pytest.mark.parametrize(("stopped", "found"), [(True, 0), (False, 1)])
def test_g18_a_retry_may_be_heard_under_another_handle(stopped: bool, found: int) -> None:
    """If the first was interrupted before it: else it is the answer to what was asked before."""
    speech = {"source": "generate_reply", "user_initiated": True}
    cough = line(3.0, "session", "speech_done", speech="s2", interrupted=True)
    lines = [
        CREATE | {"t": 0.5},
        line(1.0, "server", "input_audio_buffer.committed", item_id="u1"),
        _asked(1.0, "q1", "u1"),
        *_message(1.1, "r1", "m1", 500.0),
        line(1.1, "playback", "started", item_id="m1"),
        line(1.6, "playback", "finished", item_id="m1", position=500.0, pushed=500.0),
        line(2.0, "caller", "let_go", key="q1"),
        _asked(2.0, "q2", None, "s2"),
        line(2.0, "session", "speech_created", speech="s2", **speech),
        *([cough] if stopped else []),
        line(4.0, "session", "speech_created", speech="s3", **(speech | {"user_initiated": False})),
        *_message(4.0, "r2", "m2", 500.0),
        line(4.0, "playback", "started", item_id="m2", speech="s3"),
        line(4.5, "playback", "finished", item_id="m2", speech="s3", position=500.0, pushed=500.0),
        *([] if stopped else [cough | {"t": 5.0}]),
        line(5.0, "session", "speech_done", speech="s3"),
        line(90.0, "watch", "look", rest=True),
    ]
    assert breaches("G18", *lines) == found


@pytest.mark.parametrize(
    ("between", "echoes", "found"),
    [
        ([], False, 0),
        ([], True, 1),
        ([line(1.1, "server", "input_audio_buffer.committed", item_id="u1")], False, 1),
        ([line(1.0, "client", "input_audio_buffer.commit"),
          line(1.1, "server", "input_audio_buffer.committed", item_id="u1")], False, 0),
        ([line(1.1, "server", "input_audio_buffer.timeout_triggered", item_id="u1")], False, 1),
    ],
    ids=["the only one", "a server that echoes", "VAD's", "committed by the client", "VAD's idle"],
)  # fmt: skip
def test_g1_a_server_that_sends_no_metadata_back_answers_the_only_create(
    between: Lines, echoes: bool, found: int
) -> None:
    """Unless server VAD owes a response, or the server has sent metadata back before."""

    def create(t: float, name: str) -> dict[str, Any]:
        metadata = {"client_event_id": name}
        return line(t, "client", "response.create", event_id=name, response={"metadata": metadata})

    known: Lines = [
        create(0.1, "c0"),
        response(0.2, "created", "r0", metadata={"client_event_id": "c0"}),
        response(0.3, "done", "r0", status="completed"),
    ]
    lines: Lines = [
        *(known if echoes else []),
        create(1.0, "c1"), *between,
        response(1.2, "created", "r1"), response(1.9, "done", "r1", status="completed"),
        create(2.0, "c2"),
    ]  # fmt: skip
    assert breaches("G1", *lines) == found


@pytest.mark.parametrize(
    ("kind", "status", "found"),
    [
        ("mcp_call", "completed", 0), ("mcp_approval_request", "completed", 0),
        ("web_search_call", "completed", 0), ("mcp_call", "failed", 1), ("reasoning", "completed", 1),
        ("message", "completed", 1),
    ],
)  # fmt: skip
def test_g18_what_the_server_did_by_itself_is_an_answer(kind: str, status: str, found: int) -> None:
    """Then nothing is sent and the agent listens, as on plain LiveKit (G28)."""
    item = {"id": "m1", "type": kind, "status": "completed"}
    lines: Lines = [
        _asked(1.0, "q1", "u1"),
        line(1.0, "server", "input_audio_buffer.committed", item_id="u1"),
        response(1.1, "created", "r1"),
        line(1.2, "server", "response.output_item.added", response_id="r1", item=item),
        line(1.3, "server", "response.output_item.done", response_id="r1", item=item),
        response(1.4, "done", "r1", status=status, output=[item]),
        CREATE | {"t": 50.0},
        line(50.0, "session", "user_state_changed", old="away", new="away"),
        line(50.0, "watch", "look", rest=True),
    ]
    assert breaches("G18", *lines) == found


def _asked(t: float, key: str, item: str | None, speech: str | None = None) -> dict[str, Any]:
    kind = "app" if item is None else "speech"
    return line(t, "caller", "asked") | {
        "key": key, "kind": kind, "begun": t - 0.5, "item_id": item, "speech": speech,
    }  # fmt: skip


@pytest.mark.parametrize(("of", "found"), [("u1", 0), ("u3", 1)], ids=["before", "a cough"])
def test_g18_speech_of_before_that_the_server_tells_late_interrupts(of: str, found: int) -> None:
    """LiveKit interrupts what is queued, whatever the speech was; a cough after it is none."""
    lines = [
        _asked(1.0, "q1", "u1"),
        line(1.4, "caller", "let_go", key="q1"),
        _asked(2.0, "q2", None, "s2"),
        line(2.0, "session", "speech_created", speech="s2", source="generate_reply",
             user_initiated=True),
        CREATE | {"t": 2.0},
        line(4.0, "server", "input_audio_buffer.speech_started", item_id=of),
        line(4.0, "session", "speech_done", speech="s2", interrupted=True),
        line(50.0, "watch", "look", rest=True),
    ]  # fmt: skip
    assert [v.text for v in judge([HEADER, *lines, end(lines)]).violations if "q2" in str(v)] == (
        ["a turn was lost: nothing was heard, and nobody was told"] * found
    )


def test_g12_a_frame_that_is_no_json_is_only_told() -> None:
    assert breaches("G12", CREATE, report(2.0, "JSONDecodeError"), FAILED, report(2.1)) == 0
    assert breaches("G12", CREATE, report(2.0), FAILED, report(2.1)) == 1


@pytest.mark.parametrize("kind", ["output_item.added", "created"])
def test_g24_a_response_of_which_the_beginning_was_lost_answers(kind: str) -> None:
    """The user's turn is over with its end."""
    vad = {"session": {"turn_detection": {"type": "server_vad"}}}
    lines = [
        line(0.0, "server", "session.updated", **vad),
        line(0.5, "server", "input_audio_buffer.speech_started"),
        line(0.6, "server", "input_audio_buffer.speech_stopped"),
        line(0.7, "server", f"response.{kind}", response_id="r1", item={}, response={"id": "r1"}),
    ]
    assert breaches("G24", *lines, FAILED | {"t": 0.9}, CREATE) == 0
    assert breaches("G24", *lines, CREATE) == (kind != "created")


COMMITTED = line(0.7, "server", "input_audio_buffer.committed", item_id="u1")


@pytest.mark.parametrize(
    ("before", "placed", "found"),
    [
        ([COMMITTED], "m1", 0),
        ([CREATE | {"t": 0.7}], "m1", 0),
        ([COMMITTED], "m2", 1),
        ([], "m1", 1),
        ([COMMITTED, CREATE | {"t": 0.7}], "m1", 1),
        ([COMMITTED, response(0.7, "created", "r0")], "m1", 1),
    ],
    ids=["VAD's", "asked for", "another item", "nobody's", "one of two", "the slot is taken"],
)
def test_g3_a_response_is_known_by_its_first_item_in_the_conversation(
    before: Lines, placed: str, found: int
) -> None:
    """Its ``response.created`` got lost."""
    lines = [
        *before,
        line(0.8, "server", "response.output_item.added", response_id="r1", item={"id": "m1"}),
        line(0.8, "server", "conversation.item.added", item={"id": placed}),
        line(
            0.8, "turn", "moved", turn="t1", event="RESPONSE_CREATED", dest="created", response="r1"
        ),
    ]
    assert breaches("G3", *lines) == found
    if not found:
        assert breaches("G1", *lines, CREATE) == 1, "it has the slot"


@pytest.mark.parametrize(
    ("code", "found"), [("conversation_already_has_active_response", 0), ("server_error", 1)]
)
@pytest.mark.parametrize("first", ["created", "error"])
def test_g2_a_create_whose_frame_arrived_twice(code: str, found: int, first: str) -> None:
    metadata = {"client_event_id": "c1"}
    create = line(1.0, "client", "response.create", event_id="c1", response={"metadata": metadata})
    answers = [response(1.1, "created", "r1", metadata=metadata), error(1.1, code, "c1")]
    assert breaches("G2", create, *(answers if first == "created" else answers[::-1])) == found


@pytest.mark.parametrize("body", [None, {}, {"id": None}, {"id": 3}])
def test_g1_a_response_that_cannot_be_named_holds_nothing(body: object) -> None:
    nothing = line(0.5, "server", "response.created", response=body)
    assert breaches("G1", nothing, CREATE) == 0
    assert breaches("G1", response(0.5, "created", "r1"), CREATE) == 1


@pytest.mark.parametrize(("settled", "found"), [(None, 0), ("c1", 1)])
def test_g6_an_error_that_names_nothing_may_not_be_the_creates(
    settled: str | None, found: int
) -> None:
    answer = error(1.1, "invalid_event", settled)
    assert breaches("G6", CREATE, answer, line(6.0, "client", "response.cancel")) == found


@pytest.mark.parametrize(("outcome", "found"), [("interrupted", 0), ("superseded", 0), ("x", 1)])
@pytest.mark.parametrize("at", [1.7, 2.5], ids=["before the next item", "after it"])
def test_g8_a_failure_that_nobody_waits_for(outcome: str, found: int, at: float) -> None:
    lines = [
        CREATE,
        response(1.2, "created", "r1"),
        response(1.5, "done", "r1", status="failed"),
        line(1.5, "turn", "moved", turn="t1", event="RESPONSE_FAILED", dest="retry_wait"),
        line(at, "turn", "ended", turn="t1", outcome=outcome),
        line(2.0, "client", "conversation.item.create", item={"id": "u2", "role": "user"}),
        line(40.0, "session", "agent_state", new="listening"),
    ]
    lines.sort(key=lambda each: float(each["t"]))
    assert breaches("G8", *lines) == found
    lines = [each | ({"turn": "t0"} if each["type"] == "ended" else {}) for each in lines]
    assert breaches("G8", *lines) == 1  # another turn's end explains nothing


def test_g8_a_report_is_of_the_newest_failure() -> None:
    lines = [
        response(1.0, "done", "r0", status="failed"),
        line(1.1, "client", "conversation.item.create", item={"id": "u1", "role": "user"}),
        FAILED,
        report(2.2),
    ]
    (found,) = judge([HEADER, *lines, end(lines)]).violations
    assert (found.id, [each.number for each in found.lines]) == ("G8", [2])


def test_g16_a_response_that_is_announced_twice_is_heard_once() -> None:
    item = {"id": "m1", "type": "message"}
    created = response(1.2, "created", "r1")
    delta = {"response_id": "r1", "item_id": "m1", "delta": 1000.0}
    lines = [
        CREATE,
        created,
        created,
        line(1.2, "server", "response.output_item.added", response_id="r1", item=item),
        line(1.3, "server", "response.output_audio.delta", **delta),
        line(1.3, "playback", "started"),
        DONE,
        line(2.3, "playback", "finished", position=1000.0, interrupted=False),
    ]
    assert breaches("G16", *lines) == 0
    short = lines[7] | {"position": 400.0}
    assert breaches("G16", *lines[:7], short) == 1


@pytest.mark.parametrize("came", [True, False])
def test_what_is_heard_is_no_message_of_which_nothing_came(came: bool) -> None:
    """Its connection was lost. What is spoken since was perhaps said out of band."""
    wire = Wire()
    sound = Sound(wire)
    item = {"id": "m1", "type": "message"}
    created = {"response": {"id": "r1", "conversation_id": "c"}}
    begun = Line(0, 0.9, "server", "response.created", 1, created)
    added = Line(
        1, 1.0, "server", "response.output_item.added", 1, {"response_id": "r1", "item": item}
    )
    delta = {"response_id": "r1", "item_id": "m1", "delta": "so"}
    words = Line(2, 1.1, "server", "response.output_audio_transcript.delta", 1, delta)
    for each in [begun, added, *([words] if came else []), Line(3, 2.0, "net", "lost", 1, {})]:
        wire.apply(each)
    end = Line(4, 3.0, "playback", "finished", 0, {})
    sound.apply(Segment(end, position=0.1, begun=2.9))
    sound.settle()
    assert ("m1" in sound.of) is came


@pytest.mark.parametrize(("told", "found"), [("m1", 0), ("m2", 1), (None, 1)])
def test_g16_what_the_application_forgot_before_livekit_entered_it(
    told: str | None, found: int
) -> None:
    """LiveKit enters it at the end of the speech, whatever the application left out meanwhile."""
    item = {"id": "m1", "type": "message", "role": "assistant"}
    delta = {"response_id": "r1", "item_id": "m1", "delta": 1000.0}
    forgot = [] if told is None else [line(2.5, "caller", "forgot", item_id=told)]
    gone = "conversation.item.deleted"
    lines = [
        CREATE,
        response(1.2, "created", "r1"),
        line(1.2, "server", "response.output_item.added", response_id="r1", item=item),
        line(1.3, "server", "response.output_audio.delta", **delta),
        line(1.3, "playback", "started"),
        DONE,
        line(2.3, "playback", "finished", position=1000.0, interrupted=False),
        *forgot,
        line(2.5, "client", "conversation.item.delete", item_id="m1", event_id="chat_ctx_1"),
        line(2.5, "server", gone, item_id="m1"),
        line(2.6, "session", "context", items=[]),
        line(2.7, "session", "item_added", item_id="m1", item="message", role="assistant", text=9),
    ]
    assert breaches("G16", *lines) == found


@pytest.mark.parametrize(("asked_at", "found"), [(2.0, 1), (7.0, 0)])
def test_g17_a_cancel_without_an_answer_is_believed_in_for_a_while(
    asked_at: float, found: int
) -> None:
    call = {"id": "f1", "type": "function_call", "call_id": "k1", "status": "completed"}
    output = {"id": "o1", "type": "function_call_output", "call_id": "k1"}
    lines = [
        response(0.1, "created", "r1"),
        line(0.2, "server", "response.output_item.added", response_id="r1", item=call),
        line(0.3, "server", "response.output_item.done", response_id="r1", item=call),
        line(1.0, "client", "response.cancel", response_id="r1"),
        line(1.1, "client", "conversation.item.create", item=output),
        CREATE | {"t": asked_at},
    ]
    assert breaches("G17", *lines) == found


@pytest.mark.parametrize(("code", "found"), [("stalled", 0), ("create_timeout", 0), (None, 1)])
def test_g12_what_the_client_says_of_a_server_that_says_nothing(
    code: str | None, found: int
) -> None:
    """No frame shows it; a failure right after it is another cause."""
    assert breaches("G12", CREATE, report(2.0) | {"code": code}, FAILED, report(2.1)) == found


@pytest.mark.parametrize(("again", "found"), [(18.0, 0), (21.2, 0), (22.0, 1), (None, 1)])
def test_g20_the_other_response_is_waited_for_and_cancelled_before(
    again: float | None, found: int
) -> None:
    """Not for longer than 20 s, in the last instant of which it is asked for."""
    conflict = error(1.1, "conversation_already_has_active_response", "c1")
    asked = [] if again is None else [line(again, "client", "response.create", event_id="c2")]
    last = line(30.0, "server", "rate_limits.updated")
    assert breaches("G20", CREATE, conflict, *asked, last) == found


@pytest.mark.parametrize(("connection", "found"), [(1, 1), (2, 0)])
def test_g20_what_was_refused_on_a_connection_that_was_replaced_is_not_owed(
    connection: int, found: int
) -> None:
    """We leave one without its end being told, if the slot is stuck."""
    conflict = error(1.1, "conversation_already_has_active_response", "c1")
    other = [line(1.2, "server", "session.created", connection=2)] if connection == 2 else []
    last = line(30.0, "server", "rate_limits.updated", connection=connection)
    assert breaches("G20", CREATE, conflict, *other, last) == found


def wait(t: float, attempt: int, seconds: float, **more: Any) -> dict[str, Any]:
    return line(t, "turn", "recovering", turn="t1", attempt=attempt, wait=seconds, **more)


def asked(t: float, attempt: int) -> dict[str, Any]:
    return line(t, "turn", "moved", turn="t1", dest="requested", attempt=attempt)


HEARD = line(0.5, "playback", "started")


@pytest.mark.parametrize(("at", "found"), [(3.0, 0), (2.9, 1)])
def test_g9_a_retry_waits_as_long_as_was_said(at: float, found: int) -> None:
    """What is only doubted is not asked for again."""
    doubted = wait(0.9, 1, 5.0, code="slow")
    lines = [HEARD, asked(0.8, 1), doubted, FAILED | {"t": 1.0}, wait(1.0, 1, 2.0), asked(at, 2)]
    assert breaches("G9", *lines) == found


@pytest.mark.parametrize(("more", "found"), [({}, 1), ({"kind": "session_end"}, 0)])
def test_g9_retries_are_counted_but_what_a_planned_end_costs(
    more: dict[str, Any], found: int
) -> None:
    waits = [wait(float(n), n, 0.1) for n in (1, 2)] + [wait(3.0, 3, 0.1, **more)]
    header = HEADER | {"retry": {"max_retry": 2}}
    lines = [header, HEARD, FAILED | {"t": 0.9}, *waits]
    found_now = [each for each in judge([*lines, end(lines)]).violations if each.id == "G9"]
    assert len(found_now) == found


def test_g18_of_what_comes_at_one_moment_the_order_tells_what_answers_what() -> None:
    """The call was for the question before, which the caller gave up."""
    call = {"id": "f1", "type": "function_call", "call_id": "k1", "status": "completed"}
    said = {"id": "m1", "type": "message", "role": "assistant", "status": "completed"}
    text = {"response_id": "r2", "item_id": "m1"}

    def took(t: float, item: str) -> dict[str, Any]:
        return line(t, "server", "input_audio_buffer.committed", item_id=item)

    def ask(t: float, key: str, item: str) -> dict[str, Any]:
        return line(t, "caller", "asked") | {
            "key": key, "kind": "speech", "begun": t - 0.5, "item_id": item,
        }  # fmt: skip

    made = [
        response(3.0, "created", "r1"),
        line(3.0, "server", "response.output_item.added", response_id="r1", item=call),
        line(3.0, "server", "response.output_item.done", response_id="r1", item=call),
        response(3.0, "done", "r1", status="completed", output=[call]),
    ]
    lines = [
        took(1.0, "u1"), ask(1.0, "q1", "u1"),
        line(1.5, "caller", "cut_in", key="q1", how="speaks_over"),
        line(1.5, "caller", "let_go", key="q1"),
        ask(2.0, "q2", "u2"), *made, took(3.0, "u2"),
        response(3.0, "created", "r2"),
        line(3.0, "server", "response.output_item.added", response_id="r2", item=said),
        line(3.0, "server", "response.output_audio.delta", delta=1000.0, **text),
        line(3.0, "server", "response.output_item.done", response_id="r2", item=said),
        response(3.0, "done", "r2", status="completed", output=[said]),
        line(3.0, "playback", "started"),
        line(4.0, "playback", "finished", position=1000.0),
        line(9.0, "watch", "look", rest=True),
        CREATE | {"t": 9.0},
    ]  # fmt: skip
    assert breaches("G18", *lines) == 0
    rest = [each for each in lines if each not in made]
    assert breaches("G18", *rest[:-4], *made, *rest[-4:]) == 1, "behind the answer it is owed one"


def cancelled(
    name: str, at: float, asked: float | None, done: float | None
) -> list[dict[str, Any]]:
    """A response that is cancelled, asked after, and ends."""
    cancel = {"response_id": name}
    lines = [
        response(at, "created", name),
        line(at + 1.0, "client", "response.cancel", event_id=f"c_{name}", **cancel),
    ]
    if asked is not None:
        question = {"event_id": f"rfsm_over_{name}", **cancel}
        lines.append(line(at + 1.0 + asked, "client", "response.cancel", **question))
    if done is not None:
        lines.append(response(at + 1.0 + done, "done", name, status="cancelled"))
    return sorted(lines, key=lambda each: float(each["t"]))


@pytest.mark.parametrize(
    ("asked", "done", "found"),
    [(0.35, 0.4, 0), (0.25, 0.4, 1), (0.35, 0.34, 1), (0.35, 0.348, 0)],
    ids=["longer than ever", "sooner than it may take", "it had ended", "in the same instant"],
)
def test_g6_whether_a_cancelled_response_is_over_may_be_asked_where_it_takes_longer_than_before(
    asked: float, done: float, found: int
) -> None:
    before = cancelled("r1", 1.0, None, 0.3)
    assert breaches("G6", *before, *cancelled("r2", 5.0, asked, done)) == found


@pytest.mark.parametrize(("responses", "found"), [(2, 0), (3, 1)])
def test_g2_two_creates_of_an_application_that_say_the_same(responses: int, found: int) -> None:
    """Neither metadata nor anything else tells which response is whose: there are as many as were asked."""
    same = {"metadata": {"topic": "category"}}
    creates = [
        line(1.0 + n / 100, "client", "response.create", event_id=f"app_{n}", response=same)
        for n in range(2)
    ]
    answers = [response(1.1 + n / 100, "created", f"r{n}", **same) for n in range(responses)]
    assert breaches("G2", *creates, *answers) == found


@pytest.mark.parametrize("retried", [True, False])
def test_g10_a_permanent_error_in_answer_to_a_retry_is_its_turns_alone(retried: bool) -> None:
    """Plain LiveKit never makes that request, and goes on (G27)."""
    waits = line(1.2, "turn", "recovering", turn="turn_1", attempt=1, wait=0.1)
    over = line(1.6, "turn", "ended", turn="turn_1", outcome="failed", code="insufficient_quota")
    quota = response(
        1.5, "done", "r2", status="failed", status_details={"error": {"code": "insufficient_quota"}}
    )
    later = line(9.0, "client", "response.create", event_id="c3")
    lines = [CREATE, *([waits] if retried else []), quota, over, later]
    assert breaches("G10", *lines) == (not retried)


@pytest.mark.parametrize("fatal", [False, True])
def test_g10_a_handshake_that_is_refused_is_made_again(fatal: bool) -> None:
    """The plugin's own retries, as in plain LiveKit (G27); but not after an error that is final."""
    quota = error(1.0, "insufficient_quota", None)
    first = quota if fatal else line(1.0, "server", "session.created")
    refused = [line(3.0 * n, "net", "refused", status=401) | {"connection": n} for n in (2, 3)]
    assert breaches("G10", first, *refused) == fatal
