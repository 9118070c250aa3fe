"""The kit with Gemini's plugin: `simulated_call(provider="google")`."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Any
from unittest import mock

import pytest
from livekit.agents import Agent, function_tool

from realtime_fsm import TurnOutcome
from realtime_fsm import simulator as sim
from realtime_fsm.simulator.errors import ErrorInfo
from realtime_fsm.simulator.faults import HalfOpen
from realtime_fsm.testing import (
    SimulatedCall,
    assert_not_worse,
    check_all,
    check_cancel_barrier,
    check_heard_is_history,
    check_single_flight,
    run_virtual,
    simulated_call,
)
from realtime_fsm.testing.providers import PluginMissing
from realtime_fsm.testing.providers.gemini_can import configured, modelled, playable

from .installed import need

HELLO = sim.Reply([sim.Message("Good morning to you.", seconds=1.5)])
AGAIN = sim.Reply([sim.Message("And here I am again.", seconds=1.5)])
LONG = sim.Reply(
    [sim.Message("Good morning to you and to all of your friends there.", seconds=6.0)]
)
HALF = [sim.Message("Good morning to you.", seconds=2.0)]
CALLS = sim.Reply([sim.FunctionCall("find_parcel", {"number": 7})])
TOMORROW = sim.Reply([sim.Message("It comes tomorrow.", seconds=1.0)])


class Parcels(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You help with parcels. Be brief.")
        self.asked: list[int] = []

    @function_tool
    async def find_parcel(self, number: int) -> str:
        """Say where the user's parcel is."""
        self.asked.append(number)
        await asyncio.sleep(0.3)
        return "Tomorrow at noon."


def call_with(
    live: Callable[[SimulatedCall], Awaitable[Any]], *script: sim.Reply, **options: Any
) -> Any:
    need("google")

    async def run() -> Any:
        options.setdefault("agent", Parcels())
        async with simulated_call(script, provider="google", **options) as call:
            return await live(call)

    return run_virtual(run)


# --- what the kit offers


def test_the_user_speaks_a_tool_runs_and_both_are_heard_and_remembered() -> None:
    async def live(call: SimulatedCall) -> None:
        await call.say("Good morning.", seconds=1.2)
        await call.idle()
        await call.say("Where is my parcel?")
        await call.idle()
        assert call.session.current_agent.asked == [7]  # type: ignore[attr-defined]
        assert call.heard == pytest.approx(2.5)
        said = [
            "Good morning.",
            "Good morning to you.",
            "Where is my parcel?",
            "It comes tomorrow.",
        ]
        assert [text for _, text in call.history] == said
        assert [text for _, text in call.remembered] == said
        assert [(a.question, a.attempt) for a in call.server.answers] == [
            ("Good morning.", 1),
            ("Where is my parcel?", 1),
            ("Where is my parcel? > find_parcel", 1),
        ]
        assert not call.errors
        assert call.server.violations == []  # type: ignore[union-attr]
        check_all(call)

    call_with(live, HELLO, CALLS, TOMORROW)


@pytest.mark.parametrize(
    ("broken", "wait"),
    [
        (sim.Reply(), 10.5),  # the plugin does not show it
        (sim.Reply(end=sim.Dropped()), 0.5),
        (sim.Reply(end=sim.Closed(1011)), 0.5),
        (sim.Reply(ack=sim.Unanswered()), 10.5),
        (sim.Reply(ack=sim.Unanswered(holds_slot=True)), 10.5),
        (sim.Reply([sim.Message("Good", seconds=1)], end=sim.Stalled(at=sim.CREATED)), 10.5),
    ],
    ids=["empty", "dropped", "closed", "unanswered", "held", "stalled"],
)
@pytest.mark.parametrize("spoken", [False, True], ids=["asked", "spoken"])
def test_what_fails_before_output_is_asked_again(
    broken: sim.Reply, wait: float, spoken: bool
) -> None:
    """G9: heard after all, in time, with nothing to see of it but that it recovered."""

    async def live(call: SimulatedCall) -> None:
        began = call.now
        if spoken:
            await call.say("Hello?")
            began = call.now
        else:
            await call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 1.4, timeout=60)
        took = call.now - began
        await call.idle()
        assert call.heard == pytest.approx(1.5)
        assert call.turn.outcome is TurnOutcome.COMPLETED
        assert call.recoveries
        assert [(a.question, a.attempt) for a in call.server.answers] == [
            ("Hello?", 1),
            ("Hello?", 2),
        ]
        assert not call.errors
        check_all(call)
        if not spoken:
            assert took < wait + 1.5

    call_with(live, broken, HELLO)


@pytest.mark.parametrize(
    "end",
    [
        sim.Closed(1011, at=sim.audio_ms(500)),
        sim.Dropped(at=sim.audio_ms(500)),
        sim.Stalled(at=sim.audio_ms(500)),
    ],
)
def test_g8_what_fails_in_the_middle_is_told_once(end: Any) -> None:
    async def live(call: SimulatedCall) -> None:
        handle = call.session.generate_reply(user_input="Hello?")
        await call.idle()
        assert call.heard == pytest.approx(0.5)
        assert handle.exception() is not None
        assert len(call.errors) == 1
        await call.session.generate_reply(user_input="Again?")
        assert call.heard == pytest.approx(2.0)
        check_all(call)

    call_with(live, sim.Reply(HALF, end=end), HELLO)


def test_a_long_answer_that_came_at_once_does_not_stall() -> None:
    """Gemini's turn is complete when it believes that it was heard: half a minute after the last of it."""

    async def live(call: SimulatedCall) -> None:
        handle = call.session.generate_reply(user_input="Tell me all.")
        await call.until(handle.done)
        assert call.heard == pytest.approx(40.0)
        assert handle.exception() is None
        assert call.turn.outcome is TurnOutcome.COMPLETED
        assert not call.errors
        complete = [t for t, m in call.server.messages if "turnComplete" in str(m)]  # type: ignore[union-attr]
        generated = [t for t, m in call.server.messages if "generationComplete" in str(m)]  # type: ignore[union-attr]
        assert complete[0] - generated[0] > 30

    call_with(live, sim.Reply([sim.Message("word " * 60, seconds=40.0)]))


def test_a_turn_that_never_completes_stalls_after_it_was_heard() -> None:
    async def live(call: SimulatedCall) -> None:
        handle = call.session.generate_reply(user_input="Tell me all.")
        await call.until(handle.done)
        assert call.heard == pytest.approx(20.0)
        assert handle.exception() is not None
        assert 20 < call.now < 40

    call_with(live, sim.Reply([sim.Message("word " * 30, seconds=20.0)], end=sim.DoneLost()))


def test_the_user_cuts_in_while_it_plays() -> None:
    """The answer came long ago; Gemini's turn is not complete, so it says that it was interrupted."""

    async def live(call: SimulatedCall) -> None:
        await call.say("Hello?")
        await call.until(lambda: call.heard > 2.0)
        await call.say("Stop!", seconds=0.5)
        await call.idle()
        assert [s.interrupted for s in call.sink.segments] == [True, False]
        assert call.sink.segments[0].position == pytest.approx(2.0, abs=0.1)
        assert ("assistant", "Good morning to") in [(r, t[:15]) for r, t in call.history]
        assert ("assistant", LONG.items[0].text) in call.remembered  # type: ignore[union-attr]
        check_all(call)

    call_with(live, LONG, HELLO)


def test_an_answer_that_the_server_itself_cuts() -> None:
    async def live(call: SimulatedCall) -> None:
        await call.say("Hello?")
        await call.idle()
        assert call.turn.outcome is TurnOutcome.INTERRUPTED
        await call.say("Hello?")
        await call.idle()
        assert call.turn.outcome is TurnOutcome.COMPLETED

    call_with(live, sim.Reply(HALF, end=sim.Cancelled(at=sim.audio_ms(500))), HELLO)


def test_a_new_request_ends_what_runs() -> None:
    """As Gemini does with content that completes a turn; nothing of it is heard twice."""

    async def live(call: SimulatedCall) -> None:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 0.5)
        await call.session.interrupt()
        await call.session.generate_reply(user_input="Again?")
        assert [q.key for q in call.life().questions] == ["Hello?", "Again?"]
        assert call.sink.segments[-1].position == pytest.approx(1.5)
        check_all(call)

    call_with(live, sim.Reply([sim.Message("Good morning to you.", seconds=6.0)], pace=0.1), AGAIN)


def test_instructions_thinking_two_tools_and_a_word_before_them() -> None:
    async def live(call: SimulatedCall) -> None:
        await call.session.generate_reply(instructions="Greet the user.")
        assert call.heard == pytest.approx(1.0)
        await call.session.generate_reply(user_input="Both parcels?")
        await call.idle()
        assert call.session.current_agent.asked == [1, 2]  # type: ignore[attr-defined]
        assert call.heard == pytest.approx(3.0)
        keys = [a.question for a in call.server.answers]
        assert keys == ["Greet the user.", "Both parcels?", "Both parcels? > find_parcel"]
        check_all(call)

    before = sim.Message("One moment.", seconds=1.0)
    both = [sim.FunctionCall("find_parcel", {"number": n}) for n in (1, 2)]
    call_with(
        live,
        sim.Reply([sim.Reasoning(3.0), TOMORROW.items[0]]),
        sim.Reply([before, *both]),
        TOMORROW,
    )


def test_every_model_of_the_plugin_is_understood() -> None:
    """Newer ones are given instructions as a model's turn, and a placeholder of the user."""

    async def live(call: SimulatedCall) -> None:
        await call.session.generate_reply(instructions="Greet the user.")
        await call.session.generate_reply(user_input="Hello?")
        assert [a.question for a in call.server.answers] == ["Greet the user.", "Hello?"]
        assert call.server.violations == []  # type: ignore[union-attr]

    for model in ("gemini-2.5-flash-native-audio-preview-12-2025", "gemini-3.8-live"):
        call_with(live, HELLO, AGAIN, model=model)


# --- connections


def test_handshakes_and_faults_on_the_way() -> None:
    async def live(call: SimulatedCall) -> None:
        before = call.server.connections
        await call.session.generate_reply(user_input="Hello?")
        assert call.heard == pytest.approx(1.5)
        assert call.server.connections == before + 1
        check_all(call)

    for fault in (
        sim.BreakConnection(sim.At("response.create", side="client")),
        sim.HangUp(sim.At("response.create", side="client"), 1011),
    ):
        config = sim.ServerConfig(create_delay=0.2, faults=sim.Schedule([fault]))
        call_with(live, HELLO, HELLO, config=config, agent=Agent(instructions="Be brief."))


def test_a_server_that_refuses_to_be_connected_ends_the_session_as_plain_livekit() -> None:
    async def live(call: SimulatedCall) -> list[str]:
        await asyncio.sleep(1)
        return [type(each.error).__name__ for each in call.closed]

    found = [
        call_with(
            live,
            config=sim.ServerConfig(default_handshake=sim.Refuse(403, "no")),
            controlled=controlled,
            check=False,
        )
        for controlled in (False, True)
    ]
    assert found[1] == found[0] or found[0] == []


def test_what_is_remembered_outlives_a_lost_connection() -> None:
    """By the handle that the server gave: the question after the loss is not the first of its memory."""

    async def live(call: SimulatedCall) -> None:
        await call.say("Good morning.")
        await call.idle()
        await call.session.generate_reply(user_input="Still there?")
        await call.idle()
        assert [text for _, text in call.remembered] == [
            "Good morning.",
            "Good morning to you.",
            "Still there?",
            "And here I am again.",
        ]

    call_with(
        live, HELLO, sim.Reply(end=sim.Dropped()), AGAIN, agent=Agent(instructions="Be brief.")
    )


def test_a_half_open_connection_is_noticed_by_the_sdk_alone() -> None:
    """G31 cannot be kept: nothing but its own pings, 20 s apart, asks whether the peer is there."""

    async def live(call: SimulatedCall) -> float:
        await call.session.generate_reply(user_input="Hello?")
        call.server.half_open()
        before = call.server.connections
        await call.until(lambda: call.server.connections > before, timeout=120)
        return call.now

    took = call_with(live, HELLO, agent=Agent(instructions="Be brief."))
    assert 15 < took < 70


# --- never worse


def test_g27_assert_not_worse() -> None:
    need("google")

    async def live(living: Any) -> None:
        script = [sim.Reply(), HELLO, LONG, AGAIN]
        async with living(script, agent=Parcels(), provider="google") as call:
            await call.say("Hello?")
            await call.idle()
            heard = call.heard
            await call.say("Tell me more.")
            await call.until(lambda: call.heard > heard + 1.0)
            await call.say("Thank you.")
            await call.idle()

    verdict = assert_not_worse(live)
    assert verdict.word == "better"
    assert [each.clause for each in verdict.better] == ["unheard", "memory"]


# --- what is judged, and what is not


def test_the_checks_find_what_plain_livekit_breaks() -> None:
    async def cut(call: SimulatedCall) -> str:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 1.5)
        await call.session.interrupt()
        await asyncio.sleep(2)
        return breach(call)

    async def lost(call: SimulatedCall) -> str:
        await call.session.generate_reply(user_input="Hello?")
        await call.session.generate_reply(user_input="Again?")
        await call.idle()
        return breach(call)

    def breach(call: SimulatedCall) -> str:
        try:
            check_all(call)
        except AssertionError as e:
            return str(e)[:3]
        return ""

    closed = sim.Reply(HALF, end=sim.Closed(1011, at=sim.audio_ms(500)))
    for live, script, of_plain in ((cut, [LONG], "G16"), (lost, [closed, HELLO], "G8 ")):
        assert call_with(live, *script, controlled=False, check=False) == of_plain
        assert call_with(live, *script) == ""


def test_what_the_plugin_lets_nobody_keep_is_not_judged() -> None:
    async def live(call: SimulatedCall) -> None:
        await call.session.generate_reply(user_input="Hello?")
        with pytest.raises(ValueError, match=r"^G5 is not judged of this provider: nothing can be"):
            check_cancel_barrier(call)
        with pytest.raises(ValueError, match=r"^G1 is not judged"):
            check_single_flight(call.server)
        check_heard_is_history(call)

    call_with(live, HELLO)


# --- what cannot be expressed


CANNOT: list[tuple[sim.Reply, str]] = [
    (sim.Reply(ack=sim.Rejected("server_error")), r"replies\[0\]\.ack is Rejected\("),
    (sim.Reply(end=sim.Failed("server_error")), r"replies\[0\]\.end is Failed\(.*Closed\(1011\)"),
    (sim.Reply(end=sim.Incomplete("content_filter")), r"replies\[0\]\.end is Incomplete"),
    (
        sim.Reply(end=sim.Cancelled("client_cancelled")),
        r"replies\[0\]\.end\.reason is 'client_cancelled'",
    ),
    (sim.Reply(end=sim.Closed(error=ErrorInfo("x"))), r"replies\[0\]\.end\.error is ErrorInfo"),
    (sim.Reply(status_details="odd"), r"replies\[0\]\.status_details is 'odd'"),
    (sim.Reply([*HALF, *HALF]), r"replies\[0\]\.items\[1\] is Message.*one message"),
    (sim.Reply([sim.FunctionCall("a"), *HALF]), r"replies\[0\]\.items\[1\] is Message.*tool calls"),
    (sim.Reply([sim.ServerCall("search")]), r"replies\[0\]\.items\[0\] is ServerCall"),
    (sim.Reply([sim.FunctionCall("a", "[1]")]), r"replies\[0\]\.items\[0\]\.arguments is '\[1\]'"),
    (sim.Reply([sim.FunctionCall("a", "{")]), r"replies\[0\]\.items\[0\]\.arguments is '{'"),
    (sim.Reply([sim.FunctionCall("a")], end=sim.DoneLost()), r"replies\[0\]\.end is DoneLost"),
    (
        sim.Reply([sim.FunctionCall("a")], end=sim.Stalled(at=sim.END)),
        r"replies\[0\]\.end is Stalled",
    ),
]


@pytest.mark.parametrize(("reply", "named"), CANNOT)
def test_a_reply_that_gemini_cannot_give_is_named(reply: sim.Reply, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        playable(sim.Script([reply]))
    with pytest.raises(ValueError, match=r"^answers\['Hi'\]\[1\]\."):
        playable(sim.Script(answers={"Hi": [HELLO, reply]}))
    with pytest.raises(ValueError, match=r"^default\."):
        playable(sim.Script(default=reply))


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (sim.ServerConfig(metadata_echo=False), "config.metadata_echo is False"),
        (sim.ServerConfig(dialect="beta"), "config.dialect is 'beta'"),
        (sim.ServerConfig(hears_above=500.0), "config.hears_above is 500.0"),
        (
            sim.ServerConfig(handshakes=[sim.Accept(sim.Closed(error=ErrorInfo("x")))]),
            r"config.handshakes\[0\].then.error is",
        ),
        (
            sim.ServerConfig(default_handshake=sim.Accept(sim.Dropped(), on="response.cancel")),
            "config.default_handshake.on is 'response.cancel'",
        ),
        (
            sim.ServerConfig(faults=sim.Schedule([sim.InjectError(sim.At("response.done"))])),
            r"config.faults\[0\] is InjectError",
        ),
        (
            sim.ServerConfig(faults=sim.Schedule([sim.HangUp(sim.At("response.done"), error="x")])),
            r"config.faults\[0\].error is 'x'",
        ),
        (
            sim.ServerConfig(faults=sim.Schedule([HalfOpen(sim.At("response.created"))])),
            r"config.faults\[0\].at.event is 'response.created'",
        ),
    ],
)
def test_a_server_that_gemini_cannot_be_is_named(config: sim.ServerConfig, named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        configured(config)


@pytest.mark.parametrize("option", ["vertexai", "http_options", "realtime_input_config"])
def test_an_option_of_the_model_that_is_the_servers_is_named(option: str) -> None:
    with pytest.raises(ValueError, match=f"^{option} is"):
        modelled({option: True})


def test_a_provider_without_a_simulator() -> None:
    async def run() -> None:
        async with simulated_call(provider="aws"):  # type: ignore[arg-type]
            pass

    with pytest.raises(ValueError, match="no simulator of provider 'aws', but of openai, google"):
        run_virtual(run)


def test_a_plugin_that_is_missing_names_the_extra() -> None:
    async def run() -> None:
        async with simulated_call([HELLO], provider="google"):
            pass

    with (
        mock.patch.dict(sys.modules, {"livekit.plugins.google": None}),
        pytest.raises(PluginMissing, match=r"pip install 'realtime-fsm\[providers\]'"),
    ):
        run_virtual(run)
