"""Policy, classification, wire parsing and errors: plain data and total functions."""

from __future__ import annotations

import pickle
from dataclasses import FrozenInstanceError, asdict, fields, replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import realtime_fsm as rf
from realtime_fsm._core.error_kinds import active_response_id
from realtime_fsm._core.frames import is_out_of_band

# --- policy


def test_defaults_are_the_designs() -> None:
    policy = rf.RetryPolicy()
    assert (policy.max_retry, policy.retry_interval) == (3, 2.0)
    assert (policy.timeout, policy.recovery_deadline) == (10.0, 8.0)
    assert (policy.doubt_after, policy.first_doubt) == (5.0, 5.0)
    assert rf.RetryPolicy(timeout=2.0).first_doubt == 2.0
    assert policy.playback_grace == 2.0
    assert (policy.after_exposure, policy.on_exhausted) == ("stop", "fail_turn")


NUMBERS = [one.name for one in fields(rf.RetryPolicy) if one.type == "int"]
SECONDS = [one.name for one in fields(rf.RetryPolicy) if str(one.type).startswith("float")]
NAN, INFINITE, HUGE = float("nan"), float("inf"), 10**400
NO_SECONDS = [-1, -0.001, NAN, INFINITE, -INFINITE, HUGE, "5", b"5", True, (5,), 5j]
WRONG: list[tuple[str, Any]] = [
    *[(name, v) for name in NUMBERS for v in (-1, 1.0, NAN, INFINITE, True, "3", None, [3])],
    *[(name, value) for name in SECONDS for value in NO_SECONDS],
    *[(name, None) for name in SECONDS if name != "alive_interval"],  # None: never ask
    *[(name, zero) for name in SECONDS if name != "retry_interval" for zero in (0, 0.0)],
    *[("after_exposure", value) for value in ("restart", "", None, True, ["stop"])],
    *[("on_exhausted", value) for value in ("panic", "", None, 0, ["fail_turn"])],
    *[("kinds", value) for value in (None, ["a"], {"a": "fatal"}, {1: rf.ErrorKind.FATAL})],
]


@pytest.mark.parametrize(("field", "value"), WRONG, ids=lambda v: str(v)[:20])
def test_a_wrong_policy_value_names_field_and_value(field: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"^{field} must ") as e:
        rf.RetryPolicy(**{field: value})
    shown = value if field != "kinds" or not isinstance(value, dict) else next(iter(value))
    assert repr(shown) in str(e.value)


def test_every_number_of_a_policy_is_in_the_table() -> None:
    """So that a new field is refused its impossible values as well."""
    others = {"after_exposure", "on_exhausted", "kinds"}
    assert {*NUMBERS, *SECONDS, *others} == {one.name for one in fields(rf.RetryPolicy)}


#: What was given, of which the first must not be above the second, and who is told.
UNORDERED: list[tuple[dict[str, Any], str, str]] = [
    ({"doubt_after": 10.5}, "doubt_after", "timeout"),
    ({"timeout": 4.0, "doubt_after": 5.0}, "doubt_after", "timeout"),
    ({"timeout": 4.0, "doubt_after": 5}, "doubt_after", "timeout"),
    ({"timeout": 0.2, "doubt_after": 0.3}, "doubt_after", "timeout"),
    ({"vad_answer_timeout": 10.5}, "vad_answer_timeout", "timeout"),
    ({"timeout": 1.0, "vad_answer_timeout": 2.0}, "vad_answer_timeout", "timeout"),
    ({"retry_interval": 9.0}, "recovery_deadline", "retry_interval"),
    ({"retry_interval": 2.0, "recovery_deadline": 1.0}, "recovery_deadline", "retry_interval"),
    ({"retry_interval": 2, "recovery_deadline": 1}, "recovery_deadline", "retry_interval"),
    ({"retry_interval": 3.0, "recovery_deadline": 2.9}, "recovery_deadline", "retry_interval"),
    ({"recovery_deadline": 0.05}, "recovery_deadline", "the first retry"),
    ({"recovery_deadline": 0.05, "max_retry": 1}, "recovery_deadline", "the first retry"),
]


@pytest.mark.parametrize(("given", "field", "bound"), UNORDERED, ids=str)
def test_fields_that_must_be_ordered_are_named_with_their_values(
    given: dict[str, Any], field: str, bound: str
) -> None:
    with pytest.raises(ValueError, match=f"^{field} must not be .* {bound}") as e:
        rf.RetryPolicy(**given)
    for value in (given[name] for name in given if name != "max_retry"):
        assert repr(value) in str(e.value)
    with pytest.raises(ValueError, match=f"^{field} must not be .* {bound}"):
        replace(rf.RetryPolicy(), **given)


def test_defaults_give_way_to_a_shorter_bound() -> None:
    """Who shortens one field need not know of the other, whichever way the policy is made."""
    made = rf.RetryPolicy(timeout=3.0, recovery_deadline=1.0)
    assert (made.first_doubt, made.retry_interval) == (3.0, 2.0)
    assert rf.RetryPolicy(timeout=1.0).vad_answer_timeout == 2.0
    assert replace(rf.RetryPolicy(), timeout=3.0, recovery_deadline=1.0) == made
    assert rf.RetryPolicy(**asdict(made)) == made
    assert replace(pickle.loads(pickle.dumps(made)), timeout=2.0).first_doubt == 2.0
    assert repr(made.doubt_after) == "5.0"


def test_what_livekit_is_asked_for_fits_in() -> None:
    class Slow:
        max_retry, retry_interval, timeout = 3, 12.0, 10.0

    assert rf.RetryPolicy.from_conn_options(Slow).recovery_deadline == 12.0
    assert rf.RetryPolicy(max_retry=1, retry_interval=9.0).recovery_deadline == 8.0
    assert rf.RetryPolicy(recovery_deadline=1.0).retry_interval == 2.0
    assert rf.RetryPolicy(timeout=3.0, doubt_after=3.0).doubt_after == 3.0
    with pytest.raises(ValueError, match="retry_interval"):
        rf.RetryPolicy(max_retry=2, retry_interval=9.0)


@pytest.mark.parametrize("how", ["fail_turn", "pipeline", "escalate"])
def test_what_may_follow_once_retries_are_spent(how: Any) -> None:
    assert rf.RetryPolicy(on_exhausted=how).on_exhausted == how
    assert rf.RetryPolicy(max_retry=0, recovery_deadline=0.05).max_retry == 0


def test_a_policy_cannot_change() -> None:
    with pytest.raises(FrozenInstanceError):
        rf.RetryPolicy().max_retry = 1  # type: ignore[misc]


def test_from_conn_options() -> None:
    options = SimpleNamespace(max_retry=1, retry_interval=0.5, timeout=30.0)
    policy = rf.RetryPolicy.from_conn_options(options, recovery_deadline=3.0)
    assert policy == rf.RetryPolicy(
        max_retry=1, retry_interval=0.5, timeout=10.0, recovery_deadline=3.0
    )
    with pytest.raises(TypeError, match="APIConnectOptions"):
        rf.RetryPolicy.from_conn_options(object())


@pytest.mark.parametrize("value", ["3", None, True, NAN, INFINITE, HUGE, -1, [3]], ids=str)
@pytest.mark.parametrize("field", ["max_retry", "retry_interval", "timeout"])
def test_wrong_conn_options_name_field_and_value(field: str, value: Any) -> None:
    if field == "max_retry" and value is HUGE:
        return  # as often as you like
    options = SimpleNamespace(max_retry=1, retry_interval=0.5, timeout=3.0)
    setattr(options, field, value)
    with pytest.raises(ValueError, match=f"^{field} must ") as e:
        rf.RetryPolicy.from_conn_options(options)
    assert repr(value) in str(e.value)


def test_intervals_are_livekits() -> None:
    policy = rf.RetryPolicy(retry_interval=2.0)
    assert [policy.interval(n) for n in range(3)] == [0.1, 2.0, 2.0]
    assert rf.RetryPolicy(retry_interval=0.05).interval(0) == 0.05


# --- classification: by code, then type, then message

K = rf.ErrorKind
CLASSIFIED: list[tuple[str | None, str | None, str, rf.ErrorKind]] = [
    ("server_error", None, "", K.TRANSIENT),
    ("inference_rate_limit_exceeded", "invalid_request_error", "", K.TRANSIENT),
    ("rate_limit_exceeded", None, "", K.TRANSIENT),
    (None, "server_error", "", K.TRANSIENT),
    (None, None, "The server had an error while processing your request", K.TRANSIENT),
    ("insufficient_quota", None, "", K.FATAL),
    (None, "insufficient_quota", "", K.FATAL),
    ("credit_balance_exhausted", "insufficient_quota", "", K.FATAL),
    ("server_error", "insufficient_quota", "", K.FATAL),
    ("invalid_api_key", None, "", K.FATAL),
    ("conversation_already_has_active_response", None, "", K.CONFLICT),
    (None, None, "Conversation already has an active response", K.CONFLICT),
    ("response_cancel_not_active", None, "", K.CONFLICT),
    (None, None, "Cancellation failed: no active response found", K.CONFLICT),
    ("session_expired", "invalid_request_error", "", K.SESSION_END),
    ("invalid_value", "invalid_request_error", "", K.CLIENT_BUG),
    (None, "invalid_request_error", "whatever", K.CLIENT_BUG),
    ("brand_new", "invalid_request_error", "", K.CLIENT_BUG),
    ("brand_new", None, "", K.UNKNOWN),
    (None, None, "", K.UNKNOWN),
]


@pytest.mark.parametrize(("code", "type_", "message", "kind"), CLASSIFIED)
def test_classify(code: str | None, type_: str | None, message: str, kind: rf.ErrorKind) -> None:
    assert rf.classify(code, type_, message) is kind


@pytest.mark.parametrize(
    ("message", "seconds"),
    [
        ("Please try again in 2s.", 2.0),
        ("try again in 350ms", 0.35),
        ("Try again in 1.5s", 1.5),
        ("try again in 2m", 120.0),
        ("try again later", None),
        ("", None),
    ],
)
def test_retry_hints(message: str, seconds: float | None) -> None:
    assert rf.retry_hint(message) == (None if seconds is None else pytest.approx(seconds))


def test_the_conflicts_message_names_who_holds_the_lane() -> None:
    text = "Conversation already has an active response in progress: resp_Ab12_x. Wait until"
    assert active_response_id(text) == "resp_Ab12_x"
    assert active_response_id("an active response") is None


# --- wire


def test_ga_and_beta_names_mean_the_same() -> None:
    pairs = [
        ("response.output_audio.delta", "response.audio.delta"),
        ("response.output_audio_transcript.delta", "response.audio_transcript.delta"),
        ("response.output_text.delta", "response.text.delta"),
    ]
    for ga, beta in pairs:
        frame = {"response_id": "r", "item_id": "i", "delta": "AAAA" * 16}
        event = rf.parse({"type": ga, **frame})
        assert event == rf.parse({"type": beta, **frame})
        assert isinstance(event, rf.OutputReceived)
        assert event.audio_ms == (1.0 if "transcript" not in ga and "text" not in ga else 0.0)


def test_who_creates_responses() -> None:
    def read(session: Any) -> rf.Event | None:
        return rf.parse({"type": "session.updated", "session": session})

    vad = {"type": "server_vad"}
    both = rf.SessionConfigured(server_creates=True, server_interrupts=True)
    nobody = rf.SessionConfigured(server_creates=False, server_interrupts=False)
    assert read({"audio": {"input": {"turn_detection": vad}}}) == both
    assert read({"turn_detection": vad}) == both
    assert read({"audio": {"input": {"turn_detection": None}}}) == nobody
    half = {**vad, "create_response": False}
    assert read({"turn_detection": half}) == rf.SessionConfigured(
        server_creates=False, server_interrupts=True
    )
    assert read({"instructions": "x"}) is None


def test_why_a_response_did_not_complete() -> None:
    def why(details: Any) -> rf.ErrorInfo | None:
        response = {"id": "r", "status": "failed", "status_details": details}
        event = rf.parse({"type": "response.done", "response": response})
        assert isinstance(event, rf.ResponseDone)
        return event.error

    error = {"type": "invalid_request_error", "code": "inference_rate_limit_exceeded"}
    assert why({"type": "failed", "error": error}) == rf.ErrorInfo(
        kind=K.TRANSIENT, code="inference_rate_limit_exceeded", type="invalid_request_error"
    )
    assert why({"type": "incomplete", "reason": "content_filter"}) == rf.ErrorInfo(
        kind=K.NORMAL, code="content_filter"
    )
    text = why("The server had an error while processing your request")
    assert text is not None
    assert text.kind is K.TRANSIENT
    assert why(None) is None
    assert why(17) is None


def test_g25_what_cannot_be_read_is_counted_and_what_is_no_concern_is_not() -> None:
    controller = rf.TurnController()
    for frame in (None, [], {}, {"type": 3}, {"type": "response.done"}, {"type": "brand.new"}):
        event = rf.parse(frame)
        assert isinstance(event, rf.Unreadable)
        assert not controller.receive(event, 0.0)
    assert controller.ignored == {"malformed frame": 5, "unknown event type": 1}
    for kind in ("conversation.item.done", "session.updated"):
        assert rf.parse({"type": kind, "session": {}}) is None


def test_out_of_band() -> None:
    assert is_out_of_band({"response": {"conversation": "none"}})
    assert not is_out_of_band({"response": {}})
    created = {"type": "response.created", "response": {"id": "r", "conversation_id": None}}
    event = rf.parse(created)
    assert isinstance(event, rf.ResponseCreated)
    assert event.out_of_band


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=5) | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
TYPES = [
    "session.created",
    "session.updated",
    "response.created",
    "response.done",
    "response.output_item.added",
    "response.output_item.done",
    "response.output_audio.delta",
    "response.output_text.delta",
    "response.content_part.added",
    "error",
    "input_audio_buffer.speech_started",
]
FIELDS = [
    "response",
    "response_id",
    "item",
    "item_id",
    "session",
    "error",
    "delta",
    "status",
    "status_details",
    "metadata",
    "id",
    "type",
]
BODY = st.recursive(
    JSON, lambda inner: st.dictionaries(st.sampled_from(FIELDS), inner), max_leaves=6
)


@given(st.one_of(JSON, st.dictionaries(st.sampled_from(FIELDS), BODY)), st.sampled_from(TYPES))
def test_g25_any_frame_gives_an_event_or_nothing_and_the_controller_takes_it(
    body: Any, kind: str
) -> None:
    controller = rf.TurnController()
    controller.request(0.0)
    frames = [body, {**body, "type": kind} if isinstance(body, dict) else {"type": kind}]
    for frame in frames:
        event = rf.parse(frame)
        if event is not None:
            controller.receive(event, 0.0)
    controller.close(0.0)


# --- errors


def test_error_texts() -> None:
    error = rf.LocalProtocolError("advance", field="now", value=1.0, expected="a time")
    assert str(error) == "advance: now is 1.0, expected a time"
    assert isinstance(error, rf.RealtimeFSMError)
    assert str(rf.TableError(("a", "b"))) == "bad transition table: a; b"
    assert str(rf.ErrorInfo(kind=K.UNKNOWN)) == "unknown"
    assert str(rf.ErrorInfo(kind=K.UNKNOWN, code="c", message="m")) == "c: m"


def test_events_and_commands_are_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        rf.ResponseActivity(response_id="r").response_id = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        rf.CancelResponse("r", "e")  # type: ignore[misc]


# --- events and commands


def test_events_and_commands_share_what_a_data_class_has() -> None:
    one = rf.CreateSent(turn_id="t", attempt=1, event_id="e")
    assert one == replace(one)
    assert hash(one) == hash(replace(one))
    assert one != replace(one, attempt=2)
    assert one != rf.CreateResponse(turn_id="t", attempt=1)
    assert rf.InputIdle() == rf.InputIdle()
    assert rf.InputIdle() != rf.InputCleared()
    assert repr(one) == "CreateSent(turn_id='t', attempt=1, event_id='e')"
    assert pickle.loads(pickle.dumps(one)) == one
    with pytest.raises(FrozenInstanceError):
        one.attempt = 2  # type: ignore[misc]
