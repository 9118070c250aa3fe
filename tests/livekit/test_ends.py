"""The end of a cancelled response at a server that may not tell it (livekit/agents#6729): G5, G6, G27, G31."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from realtime_fsm._traits import ServerTraits
from realtime_fsm.lab.scenarios import SCENARIOS, compare_scenario
from realtime_fsm.livekit._ends import Ends
from realtime_fsm.livekit._guard import Guard
from realtime_fsm.profiles import Fact, Profile
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, Lose, Schedule
from realtime_fsm.testing import SimulatedCall, check_all, run_virtual, simulated_call

MUTE = Profile(
    name="mute",
    title="No cancelled response ends",
    hosts=["127.0.0.1", "localhost"],
    facts={
        "done-always": Fact(rule="done-always", source="reported", reference="here", value=False)
    },
)
TELLS = replace(
    MUTE,
    name="tells",
    facts={"done-always": replace(MUTE.facts["done-always"], value=True)},
)
#: The cancelled response of the simulator ends without a word.
DROPS = {"cancelled_done": False}
LONG = Reply([Message("A long answer that goes on and on.", seconds=8.0)])
SHORT = Reply([Message("Good.", seconds=1.0)])


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Profile | None:
    """What is known of the server."""
    profile: Profile | None = request.param
    if profile is not None:
        monkeypatch.setattr("realtime_fsm.livekit._model.resolve", lambda *_: profile)
    return profile


known_or_not = pytest.mark.parametrize(
    "known", [None, MUTE], indirect=True, ids=["unknown", "known"]
)


def living(
    story: Callable[[SimulatedCall], Awaitable[None]], config: ServerConfig, **options: Any
) -> SimulatedCall:
    """A call over when its story is."""

    async def call() -> SimulatedCall:
        async with simulated_call(
            [LONG, SHORT, SHORT], config=config, turn_detection=None, **options
        ) as made:
            await story(made)
        return made

    return run_virtual(call)


async def cut_and_asked(call: SimulatedCall) -> None:
    first = call.session.generate_reply(user_input="one")
    await call.until(lambda: call.heard > 0.5)
    first.interrupt()
    second = call.session.generate_reply(user_input="two")
    await second
    assert second.exception() is None


@known_or_not
@pytest.mark.parametrize(
    "name", ["m3", "manual/m", "create_response=False/m", "i", "i/no early cancel"]
)
def test_g27_the_next_answer_is_as_early_as_on_plain_livekit(name: str, known: object) -> None:
    verdict = compare_scenario(SCENARIOS[name], **DROPS)
    assert verdict is not None
    assert not verdict.worse, "\n".join(map(str, verdict.worse))


@known_or_not
def test_g5_a_slow_cancel_is_waited_for(known: object) -> None:
    """The slot is taken for 0.3 s after the cancel, and nobody says when it is free."""
    call = living(cut_and_asked, ServerConfig(**DROPS, cancel_delay=0.3, pace=0.09))
    assert call.server.collisions == 0
    assert len(call.server.sent("response.create")) == 2
    cancels = [e["response_id"] for e in call.server.sent("response.cancel")]
    assert cancels == [cancels[0]] * 2, "cancelled, and asked after"
    check_all(call)


@pytest.mark.parametrize("known", [TELLS], indirect=True)
def test_g6_a_server_that_is_known_to_tell_is_not_asked(known: object) -> None:
    call = living(cut_and_asked, ServerConfig(cancel_delay=0.3))
    assert len(call.server.sent("response.cancel")) == 1


def test_g6_one_that_shows_to_tell_is_asked_no_more() -> None:
    async def twice(call: SimulatedCall) -> None:
        await cut_and_asked(call)
        again = call.session.generate_reply(user_input="three")
        await call.until(lambda: call.heard > 1.8)
        again.interrupt()
        await asyncio.sleep(1.0)

    call = living(twice, ServerConfig(cancel_delay=0.3, pace=0.09))
    cancels = [e["response_id"] for e in call.server.sent("response.cancel")]
    assert len(cancels) == 3
    assert cancels[0] == cancels[1] != cancels[2]
    check_all(call)


def test_g5_a_cancel_that_got_lost_holds_the_next_answer_for_a_moment() -> None:
    """The server has told of an end before. What takes longer than that is asked after."""
    lost = Schedule([Lose(At("response.cancel", number=3, side="client"))])

    async def call() -> SimulatedCall:
        config = ServerConfig(cancel_delay=0.2, pace=0.09, faults=lost)
        async with simulated_call(
            [LONG, LONG, SHORT], config=config, turn_detection=None, check=False
        ) as made:
            for words in ("one", "two"):
                heard = made.heard
                handle = made.session.generate_reply(user_input=words)
                await made.until(lambda before=heard: made.heard > before + 0.5)
                handle.interrupt()
                await asyncio.sleep(0.0 if words == "two" else 2.0)
            cut = made.now
            await made.session.generate_reply(user_input="three")
            assert made.now - cut < 2.0, "its answer lasts one second"
            assert len(made.server.sent("response.cancel")) == 4, "each was asked after"
        return made

    run_virtual(call)


@known_or_not
def test_g31_silence_after_a_cancel_is_not_taken_for_a_dead_connection(known: object) -> None:
    async def cut(call: SimulatedCall) -> None:
        first = call.session.generate_reply(user_input="one")
        await call.until(lambda: call.heard > 0.5)
        first.interrupt()
        await asyncio.sleep(8.0)
        assert call.model is not None
        assert call.model.controller is not None
        assert not call.model.controller.turns

    call = living(cut, ServerConfig(**DROPS))
    assert call.server.connections == 1
    assert not call.errors


@known_or_not
def test_what_was_heard_is_remembered(known: object) -> None:
    call = living(cut_and_asked, ServerConfig(**DROPS))
    assert call.model is not None
    assert call.model.controller is not None
    texts = [item.text_content for item in call.session.history.items if item.type == "message"]
    assert texts[0] == "one"
    assert texts[-1] == "Good."
    check_all(call)


# --- frame by frame


class Asked:
    """One connection's `Ends`, and what it sends and tells."""

    def __init__(self, *, cancelled: bool | None, dropped: bool | None = None) -> None:
        self.sent: list[dict[str, Any]] = []
        self.over: list[str] = []
        traits = ServerTraits(cancelled_ends=cancelled, dropped_ends=dropped)
        self.guard = Guard()
        self.ends = Ends(traits, self.sent.append, self.over.append, self.guard)

    def begun(self, response_id: str) -> Asked:
        self.ends.came({"type": "response.created", "response": {"id": response_id}})
        return self

    def cancel(self, response_id: str | None, event_id: str | None = "c1") -> Asked:
        frame = {"type": "response.cancel", "response_id": response_id, "event_id": event_id}
        self.ends.left({name: value for name, value in frame.items() if value is not None})
        return self

    def refused(
        self, event_id: str | None, code: str = "response_cancel_not_active"
    ) -> dict[str, Any]:
        error = {
            "type": "invalid_request_error",
            "code": code,
            "message": "no",
            "event_id": event_id,
        }
        frame = {"type": "error", "event_id": "e1", "error": error}
        self.ends.came(frame)
        return frame


def asking(story: Callable[[], Awaitable[None]]) -> None:
    run_virtual(story)


def test_the_answer_becomes_the_end() -> None:
    async def story() -> None:
        asked = Asked(cancelled=False).begun("r1").cancel("r1")
        (question,) = asked.sent
        assert question["response_id"] == "r1"
        frame = asked.refused(question["event_id"])
        assert frame["type"] == "response.done"
        assert frame["response"]["id"] == "r1"
        assert frame["response"]["status"] == "cancelled"
        await asyncio.sleep(2.0)
        assert asked.over == []
        assert len(asked.sent) == 1

    asking(story)


def test_one_that_answers_nothing_is_over_after_a_while() -> None:
    async def story() -> None:
        asked = Asked(cancelled=False).begun("r1").cancel("r1")
        for _ in range(4):  # it still comes
            await asyncio.sleep(0.3)
            asked.ends.came({"type": "response.output_audio.delta", "response_id": "r1"})
            assert asked.over == []
        await asyncio.sleep(0.6)
        assert asked.over == ["r1"]

    asking(story)


def test_where_nothing_is_known_silence_proves_nothing() -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).begun("r1").cancel("r1")
        await asyncio.sleep(10.0)
        assert asked.over == []
        assert len(asked.sent) == 1

    asking(story)


def test_g6_one_that_tells_is_asked_when_it_takes_longer_than_ever() -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).begun("r1").cancel("r1")
        await asyncio.sleep(0.05)
        asked.ends.came({"type": "response.done", "response": {"id": "r1", "status": "cancelled"}})
        asked.begun("r2").cancel("r2", "c2")
        await asyncio.sleep(0.09)
        assert asked.sent == []
        await asyncio.sleep(0.1)
        (question,) = asked.sent
        assert question["response_id"] == "r2"
        assert asked.refused(question["event_id"])["type"] == "response.done"
        told = Asked(cancelled=True).begun("r1").cancel("r1")
        await asyncio.sleep(0.9)
        assert told.sent == [], "it is said to tell"
        await asyncio.sleep(0.2)
        assert len(told.sent) == 1

    asking(story)


def test_an_end_that_crosses_the_cancel_leaves_nothing_to_ask() -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).begun("r1")
        asked.ends.came({"type": "response.done", "response": {"id": "r1", "status": "completed"}})
        asked.cancel("r1")
        await asyncio.sleep(1.0)
        assert asked.sent == []

    asking(story)


def test_nothing_to_cancel_may_mean_that_the_end_is_on_its_way() -> None:
    """Unless the server is known to drop what the user talks over."""

    async def story() -> None:
        speech = {"type": "input_audio_buffer.speech_started"}
        for dropped, becomes in ((None, "error"), (False, "response.done")):
            asked = Asked(cancelled=None, dropped=dropped).begun("r1")
            asked.ends.came(speech)
            asked.cancel("r1")
            assert asked.refused("c1")["type"] == becomes
            before = len(asked.sent)
            await asyncio.sleep(2.0)
            assert len(asked.sent) == before, "the server has said what it would be asked"

    asking(story)


def test_g6_an_end_in_the_instant_of_the_question_leaves_nothing_to_ask() -> None:
    """The timer is due before what the socket holds is read."""

    async def story() -> None:
        asked = Asked(cancelled=None).begun("r1").cancel("r1")
        await asyncio.sleep(0.1)
        asked.ends.came({"type": "response.done", "response": {"id": "r1", "status": "cancelled"}})
        await asyncio.sleep(1.0)
        assert asked.sent == []

    asking(story)


def test_no_question_can_reach_the_next_response() -> None:
    """Some servers cancel whatever runs, whichever response the cancel names."""

    async def story() -> None:
        for cancelled, over in ((None, []), (False, ["r1"])):
            asked = Asked(cancelled=cancelled).begun("r1").cancel("r1")
            before = len(asked.sent)
            asked.begun("r2")
            await asyncio.sleep(2.0)
            assert len(asked.sent) == before
            assert asked.over == over

    asking(story)


def test_a_probe_that_nothing_answers_is_repeated_once() -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).cancel(None, "probe")
        await asyncio.sleep(3.0)
        (question,) = asked.sent
        assert "response_id" not in question
        assert asked.refused(question["event_id"])["error"]["event_id"] == "probe"

    asking(story)


@pytest.mark.parametrize("frame", [
    {"type": "response.created", "response": {"id": "r1"}},
    {"type": "input_audio_buffer.speech_started"},
    {"type": "response.done", "response": {"id": "unannounced", "status": "cancelled"}},
    {"type": "error", "error": {"code": "response_cancel_not_active", "event_id": "probe"}},
])  # fmt: skip
def test_g6_a_probe_is_not_repeated_once_something_may_run(frame: dict[str, Any]) -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).cancel(None, "probe")
        asked.ends.came(frame)
        await asyncio.sleep(3.0)
        assert asked.sent == []

    asking(story)


def test_g19_nothing_is_asked_over_a_reconnect() -> None:
    async def story() -> None:
        asked = Asked(cancelled=None).begun("r1").cancel("r1").cancel(None, "probe")
        asked.ends.reset()
        await asyncio.sleep(3.0)
        assert asked.sent == asked.over == []

    asking(story)


@pytest.mark.parametrize("frame", [
    7, None, {}, {"type": []}, {"type": "response.created"}, {"type": "response.created", "response": 7},
    {"type": "response.done", "response": {"id": []}}, {"type": "response.done", "response": None},
    {"type": "error"}, {"type": "error", "error": 7}, {"type": "error", "error": {"code": [], "event_id": {}}},
    {"type": "error", "error": {"code": "response_cancel_not_active", "event_id": []}},
    {"type": "response.output_audio.delta", "response_id": []}, {"type": 7, "response_id": {}},
])  # fmt: skip
def test_g25_no_frame_is_too_odd(frame: Any) -> None:
    async def story() -> None:
        asked = Asked(cancelled=False).begun("r1").cancel("r1").cancel(None, "probe")
        asked.ends.came(frame)

    asking(story)


@pytest.mark.parametrize("named", [7, [], {}, None])
def test_g25_no_cancel_of_an_application_is_too_odd(named: Any) -> None:
    async def story() -> None:
        asked = Asked(cancelled=False).begun("r1")
        asked.ends.left({"type": "response.cancel", "response_id": named, "event_id": named})
        assert asked.sent == []

    asking(story)
