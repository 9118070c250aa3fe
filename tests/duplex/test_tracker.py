"""Delegations: where they stand by the frames that are seen, and what is told to be lost."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from realtime_fsm.duplex import DelegationTracker, LossKind, WatchPolicy

from .frames import (
    Story,
    append,
    appended,
    call,
    closed,
    create,
    created,
    delegated,
    ended,
    error,
    inner,
    result,
    start,
)


def begun(**policy: float) -> Story:
    story = Story(WatchPolicy(**policy) if policy else None)  # type: ignore[arg-type]
    return story.client(start()).server({"type": "session.started", "session": {"id": "s"}})


def answered(story: Story, name: str = "d") -> Story:
    story.server(delegated(name), created(name, f"r1{name}"), call(name, f"k{name}"))
    story.server(ended(name, f"r1{name}")).client(result(f"k{name}"), create(f"c{name}"))
    return story.server(created(name, f"r2{name}"), ended(name, f"r2{name}"))


def test_a_delegation_with_a_tool() -> None:
    """Created, running, owing calls, ready, create sent, running, completed: and nothing is lost."""
    story = answered(begun())
    assert story.path() == [
        "created", "running", "owing", "ready", "create_sent", "running", "completed"
    ]  # fmt: skip
    assert not story.losses
    assert not story.tracker.live
    assert story.tracker.next_deadline() is None
    assert not story.tracker.unknown
    assert not story.tracker.ignored


def test_twenty_of_them_and_nothing_is_told() -> None:
    story = begun()
    for n in range(20):
        answered(story, f"d{n}")
    assert not story.losses
    assert all(story.path(n)[-1] == "completed" for n in range(1, 21))


def test_results_that_come_before_the_response_ends() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k")).client(result("k"))
    story.server(ended("d", "r"))
    assert story.path()[-1] == "ready"
    story.client(create()).server(created("d", "r2"), ended("d", "r2"))
    assert story.path()[-1] == "completed"
    assert not story.losses


@pytest.mark.parametrize(
    ("how", "more", "code"),
    [
        ("failed", {"error": {"code": "server_error", "message": "secret"}}, "server_error"),
        (
            "incomplete",
            {"incomplete_details": {"reason": "max_output_tokens"}},
            "max_output_tokens",
        ),
        ("failed", {}, None),
    ],
)
def test_a_backend_that_fails(how: str, more: dict[str, object], code: str | None) -> None:
    story = begun().server(delegated("d"), created("d", "r"), ended("d", "r", how, **more))
    assert story.path()[-1] == how
    (loss,) = story.losses
    assert (loss.kind, loss.code) == (LossKind.BACKEND_FAILED, code)
    assert (loss.delegation, loss.target, loss.connection) == ("d", "responses", 1)
    story.server(ended("d", "r", how, **more))  # told twice by the service
    assert len(story.losses) == 1


def test_the_calls_of_a_failed_response_are_discarded_and_older_ones_are_not() -> None:
    """livekit/agents#7266: outputs for calls of a failed response are refused."""
    story = begun().server(delegated("d"), created("d", "r1"), call("d", "k1"), ended("d", "r1"))
    story.server(created("d", "r2"), call("d", "k2"), ended("d", "r2", "failed"))
    (work,) = story.tracker.live
    assert work.state.value == "owing calls"
    assert list(work.calls) == ["k1"]


def test_a_refused_continuation_is_told_with_its_code_and_once() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k"), create("c1")).server(error("c1", "some_code"), error("c1"))
    assert story.path()[-1] == "refused"
    (loss,) = story.losses
    assert (loss.kind, loss.code) == (LossKind.CONTINUATION_REFUSED, "some_code")
    # What follows of it is told already.
    story.wait(1000).server(closed("connection_lost"))
    assert story.path()[-1] == "lost"
    assert len(story.losses) == 1


def test_a_refused_continuation_that_is_asked_for_again() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k"), create("c1")).server(error("c1")).client(create("c2"))
    story.server(created("d", "r2"), ended("d", "r2"))
    assert story.path()[-1] == "completed"
    assert len(story.losses) == 1


def test_a_refusal_without_an_id_is_that_of_the_only_create() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k"), create("c1")).server(error(None))
    assert story.kinds == ["continuation_refused"]


def test_an_error_without_an_id_settles_nothing() -> None:
    """G3: what names nothing is nobody's."""
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k"), create("c1")).server(error(None, "server_error"))
    assert story.path()[-1] == "create_sent"
    assert not story.losses


def test_a_service_that_names_nothing() -> None:
    """No delegation ids, no response ids, no event ids: what can be one thing only is that."""
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k", ""), {"type": "response.create"})
    nameless = {"type": "response.event", "event": {"type": "response.created"}}
    story.server(nameless, {"type": "response.event", "event": {"type": "response.completed"}})
    assert story.path()[-1] == "completed"
    story.client({"type": "response.create"}).server(error(None))
    assert story.kinds == ["continuation_refused"]


def test_a_partial_batch_is_refused() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k1"), call("d", "k2"))
    story.server(ended("d", "r")).client(result("k1"), create("c1")).server(error("c1"))
    assert story.kinds == ["continuation_refused"]


def test_a_refused_result_and_its_refused_create_are_one_loss() -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    story.client(result("k", "i1"), create("c1")).server(
        error("i1", "string_too_long"), error("c1")
    )
    assert [(each.kind.value, each.code) for each in story.losses] == [
        ("continuation_refused", "string_too_long")
    ]


def test_one_create_for_two_delegations() -> None:
    """One create continues every answered call of the session, and one refusal is one loss."""
    story = begun()
    for name in ("a", "b"):
        story.server(delegated(name), created(name, f"r{name}"), call(name, f"k{name}"))
        story.server(ended(name, f"r{name}"))
    story.client(result("ka", "ia"), result("kb", "ib"), create("c"))
    story.server(error("c"))
    assert story.kinds == ["continuation_refused"]
    assert all(work.create_id is None for work in story.tracker.live)  # type: ignore[union-attr]
    story.client(create("c2")).server(created("a", "r2"))
    assert (story.path(1)[-1], story.path(2)[-1]) == ("running", "completed")
    assert len(story.losses) == 1


def test_a_call_that_stays_open() -> None:
    story = begun(call_after=30).server(delegated("d"), created("d", "r"), call("d", "k"))
    story.server(ended("d", "r")).wait(28)
    assert not story.losses
    story.wait(200)
    (loss,) = story.losses
    assert (loss.kind, loss.call_id, loss.seconds) == (LossKind.CALL_OPEN, "k", 30)
    story.client(result("k"), create()).server(created("d", "r2"), ended("d", "r2"))
    assert len(story.losses) == 1
    assert story.path()[-1] == "completed"


@pytest.mark.parametrize(
    "until",
    [
        lambda s: s.server(delegated("d")),
        lambda s: s.server(delegated("d"), created("d", "r")),
        lambda s: s.server(delegated("d"), created("d", "r"), call("d", "k")).client(result("k")).server(ended("d", "r")),
        lambda s: s.client(create()),
    ],
    ids=["created", "running", "ready", "create sent"],
)  # fmt: skip
def test_what_nobody_goes_on_with(until: Callable[[Story], Story]) -> None:
    story = until(begun(stall_after=50)).wait(49)
    assert not story.losses
    story.wait(500)
    assert story.kinds == ["stalled"]
    assert story.losses[0].code == story.path()[-1]


def test_what_waits_for_another_one_is_not_stalled_itself() -> None:
    story = begun(stall_after=50, call_after=20)
    story.server(delegated("a"), created("a", "ra"), call("a", "ka")).client(result("ka"))
    story.server(ended("a", "ra"), delegated("b"), created("b", "rb"), call("b", "kb"))
    story.server(ended("b", "rb")).wait(500)
    assert story.kinds == ["call_open"]


@pytest.mark.parametrize("how", ["told", "seen", "closed"])
def test_a_result_is_lost_with_its_connection(how: str) -> None:
    story = begun().server(delegated("d"), created("d", "r"), call("d", "k"), ended("d", "r"))
    if how == "told":
        story.reconnected().client(start())
    elif how == "seen":
        story.client(start())
    else:
        story.server(closed("connection_lost")).reconnected().client(start())
    story.client(result("k"))  # nobody's
    assert story.path()[-1] == "lost"
    (loss,) = story.losses
    assert (loss.kind, loss.delegation, loss.connection) == (LossKind.RESULT_LOST, "d", 1)
    assert story.tracker.connections.number == 2
    # An id of another connection is another delegation's.
    assert answered(story).path(2)[-1] == "completed"
    assert len(story.losses) == 1


def test_a_session_that_expires() -> None:
    story = begun().server(closed("expired"), closed("expired")).reconnected().client(start())
    assert story.kinds == ["session_expired"]


@pytest.mark.parametrize("reason", ["close_requested", "expired"])
def test_a_session_that_the_client_closes(reason: str) -> None:
    story = begun().client({"type": "session.close"}).server(closed(reason)).close()
    assert not story.losses


def test_a_storm_is_told_once_and_the_next_one_too() -> None:
    story = begun()
    for _ in range(2):
        for _ in range(50):
            story.server(closed("content"))
            story.now -= 0.9
            story.reconnected().client(start())
            story.now -= 0.9
        story.wait(60)
    first, second = story.losses
    assert first.kind is second.kind is LossKind.CONNECTION_STORM
    assert (first.code, first.connections) == ("content", 6)
    assert story.tracker.connections.closes["content"] == 100


def test_reconnects_as_they_happen_are_no_storm() -> None:
    story = begun()
    for _ in range(10):
        story.reconnected().client(start()).wait(9)
    assert not story.losses


def test_what_the_application_asks_for_itself() -> None:
    story = begun().client(create("c1")).server(created(None, "r"), ended(None, "r"))
    assert story.path() == ["create_sent", "running", "completed"]
    story.client(create("c2")).server(error("c2", "nothing_to_do"))
    assert story.kinds == ["continuation_refused"]


def test_two_of_them_do_not_take_each_others_end() -> None:
    story = begun().client(create("c1")).server(created(None, "r1")).client(create("c2"))
    story.server(ended(None, "r1"))
    assert (story.path(1)[-1], story.path(2)[-1]) == ("completed", "create_sent")
    story.server(created(None, "r2"), ended(None, "r2"))
    assert story.path(2)[-1] == "completed"
    assert not story.losses


# --- client delegations


def test_work_of_the_application() -> None:
    story = begun().server(delegated("d", "client")).client(append("d", "thinking", "t"))
    story.server(appended("t", "d", "thinking")).client(append("d", event_id="a"))
    assert story.path() == ["created", "working"]
    story.server(appended("a", "d"))
    assert story.path()[-1] == "answered"
    assert not story.losses
    story.client(append("d", event_id="more")).server(appended("more", "d"))
    assert not story.losses
    assert not story.tracker.ignored


def test_an_answer_is_confirmed_by_its_delegation_where_no_event_is_named() -> None:
    story = begun().server(delegated("d", "client")).client(append("d")).server(appended(None, "d"))
    assert story.path()[-1] == "answered"


def test_an_answer_that_is_refused() -> None:
    story = (
        begun().server(delegated("d", "client")).client(append("d")).server(error("a", "too_long"))
    )
    assert [(each.kind.value, each.code, each.target) for each in story.losses] == [
        ("continuation_refused", "too_long", "client")
    ]
    story.client(append("d", event_id="b")).server(appended("b"))
    assert story.path()[-1] == "answered"


def test_work_that_takes_too_long_and_is_answered_after_all() -> None:
    story = begun(call_after=10).server(delegated("d", "client")).wait(500)
    assert story.kinds == ["call_open"]
    assert story.path()[-1] == "overdue"
    story.client(append("d")).server(appended("a"))
    assert story.path()[-1] == "answered"
    assert len(story.losses) == 1


def test_work_whose_connection_is_gone() -> None:
    story = begun().server(delegated("d", "client")).reconnected().client(append("d"))
    assert story.kinds == ["result_lost"]
    assert story.losses[0].target == "client"


# --- bad input


@pytest.mark.parametrize(
    "frame",
    [
        None, 1, "x", [], {}, {"type": None}, {"type": 3}, {"type": ["a"]}, {"type": {}},
        {"type": "session.delegation.created"}, {"type": "session.delegation.created", "delegation": 7},
        {"type": "session.delegation.created", "delegation": {"id": 7, "target": []}},
        {"type": "response.event"}, {"type": "response.event", "event": []},
        {"type": "response.event", "delegation_id": {}, "event": {"type": 4}},
        inner("d", "response.created"), inner("d", "response.created", response=3),
        inner("d", "response.output_item.done"), inner("d", "response.output_item.done", item=[]),
        inner("d", "response.output_item.done", item={"type": "function_call", "status": "completed"}),
        inner("d", "response.completed"), inner("d", "response.failed", response={"error": "no"}),
        {"type": "error"}, {"type": "error", "error": 3}, {"type": "error", "error": {"code": 4}},
        {"type": "session.closed"}, {"type": "session.closed", "reason": 3},
        {"type": "session.commentary.appended", "client_event_id": {}},
        {"type": "response.create", "event_id": 3}, {"type": "response.item.create", "item": 3},
        {"type": "session.commentary.append", "delegation_id": 3}, {"type": "session.start", "session": 3},
    ],
    ids=repr,
)  # fmt: skip
def test_no_frame_raises(frame: object) -> None:
    """G25."""
    story = begun().server(delegated("d"), delegated("e", "client"), frame).client(frame)
    story.reconnected().server(frame).client(frame).wait(1000).close()


def test_what_the_service_has_that_we_do_not_know_is_counted() -> None:
    """G25: types, fields, targets and inner events of later versions."""
    story = begun().server(
        {"type": "session.mood.changed"}, {"type": "session.mood.changed"},
        {**delegated("d"), "urgency": 3}, delegated("x", "decisions"),
        inner("d", "thought.delta"), inner("d", "response.something.new"),
    ).client({"type": "session.whisper"})  # fmt: skip
    assert story.tracker.unknown == {
        "session.mood.changed": 2,
        "session.delegation.created: urgency": 1,
        "session.delegation.created: target decisions": 1,
        "response.event: thought.delta": 1,
        "session.whisper": 1,
    }
    assert not story.losses
    assert story.path() == ["created"]


def test_nothing_grows_with_what_a_server_invents() -> None:
    story = begun()
    for n in range(1500):
        story.server(delegated(f"d{n}"), {"type": f"session.t{n}"}, error(f"x{n}", f"c{n}"))
    assert len(story.tracker.live) == 1000
    assert len(story.tracker.unknown) <= 100
    assert len(story.tracker.ignored) <= 100


def test_after_the_end_nothing_moves() -> None:
    story = begun().server(delegated("d")).close()
    assert story.path()[-1] == "lost"
    assert not story.losses
    story.server(delegated("e")).reconnected().wait(1000)
    assert not story.losses
    assert not story.tracker.live


@pytest.mark.parametrize(
    "wrong", [{"call_after": 0}, {"stall_after": -1}, {"storm_connections": 1}, {"storm_window": 0}]
)
def test_a_policy_that_cannot_be_meant(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        WatchPolicy(**wrong)  # type: ignore[arg-type]


def test_a_tracker_that_looks_late() -> None:
    """What began before it looked is followed from where it is seen."""
    tracker = DelegationTracker()
    for frame in (call("d", "k"), ended("d", "r")):
        tracker.received(frame, 1.0)
    (work,) = tracker.live
    assert work.state.value == "owing calls"
    assert tracker.connections.number == 1
