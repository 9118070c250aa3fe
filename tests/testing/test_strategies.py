"""Strategies: they build what can be played, print as code, and shrink to a healthy call."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from livekit.agents import Agent, function_tool

import realtime_fsm.simulator as simulator
import realtime_fsm.testing.strategies as strategies
from realtime_fsm import simulator as sim
from realtime_fsm.testing import (
    PacedAudioOutput,
    SimulatedCall,
    check_all,
    run_virtual,
    simulated_call,
)
from realtime_fsm.testing.strategies import (
    Asks,
    HearsOut,
    Interrupts,
    Says,
    UserAction,
    Waits,
    ends,
    messages,
    perform,
    replies,
    schedules,
    scripts,
    sinks,
    user_actions,
)

GENERATE = [Phase.generate]
FEW = settings(
    max_examples=15, suppress_health_check=[HealthCheck.too_slow], derandomize=True, database=None
)


class Weather(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def get_weather(self) -> str:
        """Say how the weather is."""
        return "It rains."


@FEW
@given(scripts(tools=["get_weather"], failures=False), user_actions(), sinks())
def test_every_guarantee_holds_while_the_server_is_healthy(
    script: sim.Script, actions: list[UserAction], sink: PacedAudioOutput
) -> None:
    async def one_call() -> None:
        async with simulated_call(script, agent=Weather(), sink=sink) as call:
            await perform(call, actions)
            await call.idle(timeout=300)
            check_all(call)

    run_virtual(one_call)


@FEW
@given(scripts(max_seconds=1.0), schedules("rough"), user_actions(max_actions=3), sinks())
def test_every_call_can_be_played(
    script: sim.Script, faults: sim.Schedule, actions: list[UserAction], sink: PacedAudioOutput
) -> None:
    async def one_call() -> None:
        config = sim.ServerConfig(faults=faults)
        async with simulated_call(script, config=config, sink=sink) as call:
            await perform(call, actions)

    run_virtual(one_call)


@given(scripts(tools=["look_up"]), schedules("hostile"), user_actions())
def test_what_is_drawn_prints_as_the_code_that_makes_it(
    script: sim.Script, faults: sim.Schedule, actions: list[UserAction]
) -> None:
    names = {**vars(simulator), **vars(strategies)}
    assert eval(repr(script), names) == script
    assert eval(repr(faults), names) == faults
    assert eval(repr(actions), names) == actions


def simplest(strategy: Any) -> Any:
    # What everything shrinks to is tried first.
    return find(strategy, lambda _: True, settings=settings(FEW, max_examples=1, phases=GENERATE))


def test_they_shrink_to_a_short_healthy_call() -> None:
    short = sim.Message("Yes.", seconds=0.1)
    assert simplest(messages()) == short
    assert simplest(replies()) == sim.Reply([short])
    assert simplest(ends()) == sim.Completed()
    assert simplest(scripts()) == sim.Script()
    assert simplest(schedules("hostile")) == sim.Schedule()
    assert simplest(user_actions()) == [Says("Hello?", seconds=0.2)]
    assert simplest(sinks())._speed == 1.0


def test_a_failure_shrinks_to_what_causes_it() -> None:
    schedule = find(
        schedules("mild"),
        lambda s: any(isinstance(fault, sim.Late) for fault in s.faults),
        settings=settings(database=None),
    )
    assert schedule == sim.Schedule([sim.Late(sim.At("response.created"), seconds=0.1)])


def calls_a_tool(script: sim.Script) -> bool:
    return any(
        isinstance(item, sim.FunctionCall) for reply in script.replies for item in reply.items
    )


@given(scripts(failures=False))
def test_without_failures_all_creates_are_answered(script: sim.Script) -> None:
    for reply in script.replies:
        assert isinstance(reply.ack, sim.Created)
        assert reply.end == sim.Completed()


@given(scripts(tools=["look_up"], max_replies=9))
def test_no_more_tool_steps_than_livekit_takes(script: sim.Script) -> None:
    assert sum(calls_a_tool(sim.Script([reply])) for reply in script.replies) <= 2


@given(schedules("mild"))
def test_a_profile_has_its_kinds_only(schedule: sim.Schedule) -> None:
    assert not any(isinstance(fault, sim.Malform) for fault in schedule.faults)


def test_profiles() -> None:
    assert simplest(schedules("none")) == sim.Schedule()
    with pytest.raises(ValueError, match="one of none, mild, rough, hostile, not 'wild'"):
        schedules("wild")  # type: ignore[arg-type]


@given(user_actions(application=False))
def test_an_application_that_does_nothing(actions: list[UserAction]) -> None:
    assert not any(isinstance(action, (Asks, Interrupts)) for action in actions)


def test_actions_do_what_they_say() -> None:
    seen: list[tuple[float, int]] = []

    async def note(call: SimulatedCall) -> None:
        seen.append((round(call.heard, 1), call.server.creates))

    async def main() -> None:
        hello = sim.Reply([sim.Message("Good morning.", seconds=2.0)])
        async with simulated_call([hello] * 3) as call:
            for action in (Says("Hi.", 0.5), HearsOut(), Asks("Hm?"), Waits(0.5), Interrupts()):
                await perform(call, [action])
                await note(call)
            await call.server.aclose()
            await perform(call, [Says("Is anybody there?"), HearsOut(patience=1.0)])
        await perform(call, [Asks("And now?"), Interrupts()])

    run_virtual(main)
    assert [heard for heard, _ in seen][:3] == [0.0, 2.0, 2.0]
    assert 2.3 < seen[3][0] < 2.6
    assert seen[4] == seen[3], "silent at once"
    assert seen[4][1] == 1


def test_without_hypothesis_it_is_said_what_to_install() -> None:
    code = (
        "import sys; sys.modules['hypothesis'] = None\n"
        "import realtime_fsm.testing\n"
        "try: import realtime_fsm.testing.strategies\n"
        "except ModuleNotFoundError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "needs Hypothesis: pip install hypothesis" in done.stdout
