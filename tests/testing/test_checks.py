"""Each check holds in a healthy call, and fails where its guarantee does not hold: in calls of plain
LiveKit, and in records made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import Agent, function_tool
from livekit.agents.voice import SpeechHandle

from realtime_fsm.simulator import (
    DoneLost,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Record,
    Reply,
    ServerConfig,
    Unanswered,
    audio_ms,
)
from realtime_fsm.testing import (
    Segment,
    SimulatedCall,
    check_all,
    check_benign_cancel,
    check_cancel_barrier,
    check_creates_settle,
    check_failures_visible,
    check_heard_is_history,
    check_message_order,
    check_single_flight,
    check_tools_once,
    check_truncate_bounds,
    check_turns_end,
    simulated_call,
    virtual_time,
)

HELLO = Reply([Message("Good morning to you.", seconds=1.0)])
SLOW = Reply([Message("A long answer that goes on and on.", seconds=8.0)])
TWO = Reply([Message("One moment please.", seconds=1.0), Message("It rains.", seconds=2.0)])
WEATHER = Reply([FunctionCall("get_weather", {"city": "Oslo"})])


class Weather(Agent):
    @function_tool
    async def get_weather(self, city: str) -> str:
        """Say how the weather is."""
        await asyncio.sleep(0.5)
        return f"It rains in {city}."


def listen(call: SimulatedCall) -> list[SpeechHandle]:
    speeches: list[SpeechHandle] = []
    call.session.on("speech_created", lambda event: speeches.append(event.speech_handle))
    return speeches


# --- calls


@pytest.mark.parametrize("controlled", [False, True], ids=["plain", "controlled"])
@virtual_time
async def test_all_hold_in_a_healthy_call(controlled: bool) -> None:
    agent = Weather(instructions="Be brief.")
    script = [HELLO, TWO, WEATHER, HELLO]
    async with simulated_call(script, agent=agent, controlled=controlled) as call:
        speeches = listen(call)
        for text in ("Hello?", "And the weather?", "In Oslo?"):
            await call.say(text)
            await call.idle()
        assert call.heard == pytest.approx(5.0)
        check_all(call, speeches=speeches)


@virtual_time
async def test_all_hold_where_a_controlled_call_recovers() -> None:
    script = [Reply(end=Failed("server_error")), HELLO, Reply(ack=Unanswered()), HELLO]
    async with simulated_call(script, turn_detection=None) as call:
        speeches = listen(call)
        for text in ("Hello?", "Still there?"):
            await call.session.generate_reply(user_input=text)
            await call.idle()
        check_all(call, speeches=speeches)


async def reply_after_interrupt(controlled: bool) -> SimulatedCall:
    """livekit/agents#2064."""
    config = ServerConfig(cancel_delay=0.3)
    options: dict[str, Any] = {"config": config, "turn_detection": None, "check": False}
    async with simulated_call([SLOW, HELLO], controlled=controlled, **options) as call:
        call.session.generate_reply(user_input="Tell me everything.")
        await call.until(lambda: call.heard > 0.5)
        await call.session.interrupt()
        call.session.generate_reply(user_input="Stop. What time is it?")
        await call.idle()
        return call


@pytest.mark.parametrize(
    ("check", "words"),
    [
        (check_single_flight, "G1 single flight: a create left while resp_001 was alive"),
        (check_cancel_barrier, "G5 cancel barrier: a create left between the cancel of resp_001"),
        (check_benign_cancel, "G6 benign cancel: a cancel that names no response, while resp_001"),
    ],
)
@virtual_time
async def test_a_reply_after_an_interrupt(check: Callable[[Any], None], words: str) -> None:
    check(await reply_after_interrupt(controlled=True))
    plain = await reply_after_interrupt(controlled=False)
    with pytest.raises(AssertionError, match=words) as caught:
        check(plain)
    assert "client  response.c" in str(caught.value), "with the events"
    for wire in (plain.server, plain.server.record):
        with pytest.raises(AssertionError, match=words):
            check(wire)


@virtual_time
async def test_a_done_that_is_lost() -> None:
    """G7; BASELINE t: plain LiveKit waits for ever."""
    script = [Reply([Message("Hello.", seconds=0.5)], end=DoneLost())]
    for controlled in (True, False):
        async with simulated_call(script, controlled=controlled, check=False) as call:
            speeches = listen(call)
            await call.say("Hello?")
            await asyncio.sleep(60)
            if controlled:
                check_turns_end(call, speeches=speeches)
                continue
            with pytest.raises(AssertionError, match="G7 one terminal: a speech is still under"):
                check_turns_end(call)
            with pytest.raises(AssertionError, match=r"G7 one terminal: speech .* is not done"):
                check_turns_end(call, speeches=speeches)


@virtual_time
async def test_a_response_cut_short_by_the_provider() -> None:
    """G8; BASELINE q: plain LiveKit says nothing."""
    script = [Reply([Message("Hello.")], end=Incomplete("content_filter", at=audio_ms(500)))]
    for controlled in (True, False):
        async with simulated_call(script, controlled=controlled, turn_detection=None) as call:
            speeches = listen(call)
            await call.session.generate_reply(user_input="Hello?")
            await call.idle()
            if controlled:
                check_failures_visible(call, speeches=speeches)
                continue
            with pytest.raises(AssertionError, match=r"G8 .* had 0 error events"):
                check_failures_visible(call)


@virtual_time
async def test_a_failure_that_the_handle_does_not_tell() -> None:
    """G8; BASELINE c: there is an error event, and the handle knows of nothing."""
    script = [Reply(end=Failed("server_error"))]
    async with simulated_call(script, controlled=False, turn_detection=None) as call:
        speeches = listen(call)
        await call.session.generate_reply(user_input="Hello?")
        await call.idle()
        check_failures_visible(call, speeches=[])
        with pytest.raises(AssertionError, match=r"G8 .* 0 speeches have an exception"):
            check_failures_visible(call, speeches=speeches)
        await call.session.generate_reply(user_input="Again?")
        with pytest.raises(AssertionError, match=r"G8 .* 1 turns failed"):
            check_failures_visible(call, speeches=speeches)


@virtual_time
async def test_a_message_that_was_never_played() -> None:
    """G16; BASELINE l: plain LiveKit leaves it in both histories."""
    async with simulated_call([TWO], controlled=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 0.8)
        await call.session.interrupt()
        await call.idle()
        words = r"G16 heard = history: the server remembers 2\.0 s of item_002 .*0\.000 s were"
        with pytest.raises(AssertionError, match=words):
            check_heard_is_history(call)
        with pytest.raises(AssertionError, match=words):
            check_all(call)
        check_all(call, except_=("G16",))


@virtual_time
async def test_all_that_fail_are_told() -> None:
    plain = await reply_after_interrupt(controlled=False)
    with pytest.raises(AssertionError) as caught:
        check_all(plain)
    told = [line.split()[0] for line in str(caught.value).splitlines() if line[0] == "G"]
    assert dict.fromkeys(told) == dict.fromkeys(["G1", "G5", "G6"])
    with pytest.raises(AssertionError, match=r"\AG5"):
        check_all(plain, except_=("G1", "G6"))
    check_all(plain, except_=("G1", "G5", "G6"))


@virtual_time
async def test_g2_a_create_that_somebody_waits_for() -> None:
    script = [Reply(ack=Unanswered())]
    async with simulated_call(script, controlled=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(1)
        with pytest.raises(AssertionError, match="G2 create settles: a create never settled"):
            check_creates_settle(call)
        await call.idle()
        check_creates_settle(call)


@virtual_time
async def test_an_unknown_id_is_refused() -> None:
    async with simulated_call() as call:
        with pytest.raises(ValueError, match="no check for G99; there are G1, G2"):
            check_all(call, except_=("G99",))


# --- made by hand


def record(*lines: tuple[float, str, str, dict[str, Any]]) -> list[Record]:
    return [Record(t, 1, side, {"type": kind, **event}) for t, side, kind, event in lines]  # type: ignore[arg-type]


def create(t: float, name: str) -> tuple[float, str, str, dict[str, Any]]:
    return (t, "client", "response.create", {"event_id": name})


def created(t: float, response: str) -> tuple[float, str, str, dict[str, Any]]:
    return (t, "server", "response.created", {"response": {"id": response}})


def done(t: float, response: str, status: str = "completed") -> tuple[float, str, str, Any]:
    return (t, "server", "response.done", {"response": {"id": response, "status": status}})


def error(t: float, code: str, name: str | None) -> tuple[float, str, str, dict[str, Any]]:
    body = {"code": code, "event_id": name}
    return (t, "server", "error", {"event_id": f"e{t}", "error": body})


def cancel(t: float, response: str | None) -> tuple[float, str, str, dict[str, Any]]:
    named = {"response_id": response} if response else {}
    return (t, "client", "response.cancel", {"event_id": f"cancel{t}", **named})


def item(t: float, response: str, name: str, **more: Any) -> tuple[float, str, str, Any]:
    body = {"id": name, "type": "message", **more}
    return (t, "server", "response.output_item.added", {"response_id": response, "item": body})


def audio(t: float, name: str, ms: float) -> tuple[float, str, str, dict[str, Any]]:
    return (t, "server", "response.output_audio.delta", {"item_id": name, "delta": ms})


def truncate(t: float, name: str, ms: object) -> tuple[float, str, str, dict[str, Any]]:
    event = {"event_id": f"t{t}", "item_id": name, "audio_end_ms": ms}
    return (t, "client", "conversation.item.truncate", event)


LOST = (3.0, "net", "disconnected", {"code": 1006})
VOID = "response_cancel_not_active"
PROVEN = [create(1.0, "a"), cancel(2.0, None), error(2.1, VOID, "cancel2.0")]
RUNS = [create(1.0, "a"), created(1.1, "r1"), item(1.2, "r1", "i1"), audio(1.3, "i1", 900.0)]
CALL = item(1.2, "r1", "i1", type="function_call", call_id="c1")
CALLED = (
    1.3, "server", "response.output_item.done",
    {"item": {"id": "i1", "type": "function_call", "call_id": "c1", "status": "completed"}},
)  # fmt: skip


def output(t: float, name: str) -> tuple[float, str, str, dict[str, Any]]:
    body = {"id": name, "type": "function_call_output", "call_id": "c1"}
    return (t, "client", "conversation.item.create", {"item": body})


CHECKS = {
    "G1 unanswered": (check_single_flight, [create(1.0, "a"), create(2.0, "b")], "unanswered"),
    "G1 given up": (check_single_flight, [create(1.0, "a"), create(7.0, "b")], None),
    "G1 refused": (
        check_single_flight, [create(1.0, "a"), error(1.5, "server_error", "a"), create(2, "b")],
        None,
    ),
    "G1 proven void": (check_single_flight, [*PROVEN, create(2.2, "b")], None),
    "G1 not read yet": (check_single_flight, [created(1.0, "r1"), create(1.0, "b")], None),
    "G1 reconnected": (check_single_flight, [*RUNS, LOST, create(3.1, "b")], None),
    "G1 beside": (
        check_single_flight,
        [*RUNS, (2.0, "client", "response.create", {"response": {"conversation": "none"}})], None,
    ),
    "G1 alive": (check_single_flight, [*RUNS, create(2.0, "b")], "while r1 was alive"),
    "G2 open": (check_creates_settle, [create(1.0, "a")], "never settled"),
    "G2 lost": (check_creates_settle, [create(1.0, "a"), LOST], None),
    "G2 void": (check_creates_settle, PROVEN, None),
    "G2 the same id": (check_creates_settle, [*RUNS, LOST, create(4.0, "a")], "the same id"),
    "G5 cancelled": (check_cancel_barrier, [*RUNS, cancel(2, "r1"), create(2.1, "b")], "of r1"),
    "G5 ended": (
        check_cancel_barrier, [*RUNS, cancel(2.0, "r1"), done(2.1, "r1"), create(2.1, "b")], None,
    ),
    "G5 denied": (
        check_cancel_barrier,
        [*RUNS, cancel(2.0, "r1"), error(2.1, VOID, "cancel2.0"), create(2.2, "b")], None,
    ),
    "G6 probe": (check_benign_cancel, PROVEN, None),
    "G6 again": (check_benign_cancel, [*RUNS, cancel(2, "r1"), cancel(3, "r1")], "cancelled again"),
    "G6 bare": (check_benign_cancel, [*RUNS, cancel(2.0, None)], "while r1 was alive"),
    "G6 for nothing": (check_benign_cancel, [cancel(2.0, None)], "with nothing to cancel"),
    "G15 right": (check_truncate_bounds, [*RUNS, truncate(2.0, "i1", 900)], None),
    "G15 beyond": (check_truncate_bounds, [*RUNS, truncate(2.0, "i1", 901)], "of 900 ms received"),
    "G15 zero": (check_truncate_bounds, [*RUNS, truncate(2.0, "i1", 0)], "is 0, of 900"),
    "G15 a float": (check_truncate_bounds, [*RUNS, truncate(2, "i1", 1.5)], "not an integer"),
    "G15 twice": (
        check_truncate_bounds, [*RUNS, truncate(2.0, "i1", 500), truncate(3.0, "i1", 500)],
        "truncated again",
    ),
    "G17 once": (
        check_tools_once, [created(1, "r1"), CALL, CALLED, done(2, "r1"), output(3, "o")], None,
    ),
    "G17 replayed": (
        check_tools_once, [created(1, "r1"), CALL, CALLED, output(3, "o"), output(4, "o")], None,
    ),
    "G17 twice": (
        check_tools_once, [created(1, "r1"), CALL, CALLED, output(3, "o"), output(4, "p")],
        "got 2 outputs",
    ),
    "G17 never": (check_tools_once, [created(1, "r1"), CALL, CALLED, done(2, "r1")], "0 outputs"),
    "G17 cut off": (
        check_tools_once, [created(1, "r1"), CALL, CALLED, done(2, "r1", "cancelled")], None,
    ),
    "G17 too early": (
        check_tools_once, [created(1, "r1"), CALL, CALLED, output(3, "o"), create(4, "b")],
        "before the end of r1",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("check", "lines", "words"), CHECKS.values(), ids=CHECKS.keys())
def test_records(
    check: Callable[[Iterable[Record]], None], lines: list[Any], words: str | None
) -> None:
    if words is None:
        check(record(*lines))
        return
    with pytest.raises(AssertionError, match=words):
        check(record(*lines))


BOTH = [created(1, "r1"), item(1, "r1", "i1"), audio(1, "i1", 1000), item(1.5, "r1", "i2")]
BOTH += [audio(1.5, "i2", 2000), done(2.0, "r1")]
FIRST, SECOND = Segment(1.0, 2.0, 1.0, False), Segment(2.0, 4.0, 2.0, False)

ORDERS: dict[str, tuple[list[Any], list[Segment], str | None]] = {
    "in order": (BOTH, [FIRST, SECOND], None),
    "the first left out": (BOTH, [SECOND], "message 1 of r1 was left out"),
    "the second left out": (BOTH, [FIRST], "message 2 of r1 was left out"),
    "the second deleted": (
        [*BOTH, (3.0, "client", "conversation.item.delete", {"item_id": "i2"})], [FIRST], None,
    ),
    "the second truncated": ([*BOTH, truncate(3.0, "i2", 1500)], [FIRST], None),
    "interrupted": (BOTH, [FIRST, Segment(2.0, 2.5, 0.5, True)], None),
    "interrupted at once": (BOTH, [Segment(1.0, 1.3, 0.3, True)], None),
    "in the other order": (BOTH, [SECOND, Segment(4.0, 5.0, 1.0, False)], "no message in its turn"),
    "overlapping": (BOTH, [FIRST, Segment(1.5, 3.5, 2.0, False)], "overlap"),
    "something else": (BOTH, [FIRST, SECOND, Segment(4.0, 4.4, 0.4, False)], "0.400 s were heard"),
    "another speech first": (
        [*BOTH, created(2.1, "r2"), item(2.1, "r2", "i3"), audio(2.1, "i3", 500), done(3, "r2")],
        [Segment(0.5, 1.0, 0.5, False), FIRST, SECOND], None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "segments", "words"), ORDERS.values(), ids=ORDERS.keys())
def test_g13_messages(lines: list[Any], segments: list[Segment], words: str | None) -> None:
    call: Any = SimpleNamespace(
        server=SimpleNamespace(record=record(*lines)), sink=SimpleNamespace(segments=segments)
    )
    if words is None:
        check_message_order(call)
        return
    with pytest.raises(AssertionError, match=f"G13 message order: .*{words}"):
        check_message_order(call)


def test_g15_a_cut_at_another_place_than_was_heard() -> None:
    sink = SimpleNamespace(segments=[Segment(1.0, 1.5, 0.5, True)])
    for ms, right in ((500, True), (800, False)):
        wire = record(*RUNS, truncate(2.0, "i1", ms))
        call: Any = SimpleNamespace(server=SimpleNamespace(record=wire), sink=sink)
        if right:
            check_truncate_bounds(call)
        else:
            with pytest.raises(AssertionError, match=r"G15 .*no message was cut at 800 ms"):
                check_truncate_bounds(call)


def test_g6_nothing_to_cancel_as_an_error_event() -> None:
    event = SimpleNamespace(error=SimpleNamespace(error=SimpleNamespace(code=VOID)))
    call: Any = SimpleNamespace(server=SimpleNamespace(record=record(*PROVEN)), errors=[event])
    with pytest.raises(AssertionError, match="became an error event"):
        check_benign_cancel(call)


def test_g7_a_stuck_state_and_turns_that_do_not_end_once() -> None:
    call: Any = SimpleNamespace(
        server=SimpleNamespace(record=[]),
        session=SimpleNamespace(current_speech=None, agent_state="thinking"),
        sink=SimpleNamespace(idle=False),
        moves=[SimpleNamespace(turn_id="t1"), SimpleNamespace(turn_id="t2")],
        ended=[SimpleNamespace(turn_id="t1"), SimpleNamespace(turn_id="t1")],
    )
    with pytest.raises(AssertionError) as caught:
        check_turns_end(call)
    for words in ("is thinking", "still playing", "t1 ended 2 times", "t2 ended 0 times"):
        assert words in str(caught.value)
