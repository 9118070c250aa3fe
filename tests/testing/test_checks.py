"""Each check holds in a healthy call, and fails where its guarantee does not hold: in calls of plain
LiveKit, and in records made by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
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
from realtime_fsm.trace import Header, Line
from realtime_fsm.trace.facts import Fact, facts_of

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
    assert "client    response.c" in str(caught.value), "with the events"
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
            with pytest.raises(AssertionError, match=r"G7 one terminal: speech .* is not done"):
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
            with pytest.raises(AssertionError, match=r"G8 .* had no error event"):
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
        with pytest.raises(AssertionError, match=r"G8 .* no speech has an exception"):
            check_failures_visible(call, speeches=speeches)
        await call.session.generate_reply(user_input="Again?")
        await call.idle()
        with pytest.raises(AssertionError, match=r"G8 .* a response ended failed"):
            check_failures_visible(call, speeches=speeches)


@virtual_time
async def test_a_message_that_was_never_played() -> None:
    """G16; BASELINE l: plain LiveKit leaves it in both histories."""
    async with simulated_call([TWO], controlled=False, turn_detection=None) as call:
        call.session.generate_reply(user_input="Hello?")
        await call.until(lambda: call.heard > 0.8)
        await call.session.interrupt()
        await call.idle()
        words = r"G16 heard = history: the server remembers 2\.000 s of item_002, 0\.000 s were"
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
    assert list(dict.fromkeys(told)) == ["G1", "G5", "G6", "G16"]
    with pytest.raises(AssertionError, match=r"\AG5"):
        check_all(plain, except_=("G1", "G6"))
    check_all(plain, except_=("G1", "G5", "G6", "G16"))


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
        check_truncate_bounds, [*RUNS, truncate(2.0, "i1", 500), truncate(2.2, "i1", 500)],
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
Told = tuple[float, str, str, dict[str, Any]]


def sound(
    begun: float, seconds: float, item: str | None = None, *, cut: bool = False
) -> list[Told]:
    """A segment, and what LiveKit makes of it."""
    end = round(begun + seconds, 6)
    played: list[Told] = [
        (begun, "playback", "started", {}),
        (end, "playback", "finished", {"position": seconds * 1000, "interrupted": cut}),
    ]
    if item is None:
        return played
    body = {"item_id": item, "item": "message", "role": "assistant", "text": 9, "interrupted": cut}
    return [*played, (end, "session", "item_added", body)]


class Made:
    """A call made by hand."""

    def __init__(self, *lines: Told, **look: Any) -> None:
        self._lines = sorted(lines, key=lambda line: line[0])
        self._look = {"rest": True, "speeches": [], **look}

    def facts(self) -> list[Fact]:
        told = [
            Line(n, t, by, kind, 1 if by in ("client", "server", "net") else 0, event)
            for n, (t, by, kind, event) in enumerate(self._lines, 1)
        ]
        end = told[-1].t + 1.0 if told else 1.0
        header = Header(mode="server", versions={}, retry={}, fields={})
        return list(facts_of([header, *told, Line(99, end, "watch", "look", 0, self._look)]))


FIRST, SECOND = sound(1.0, 1.0, "i1"), sound(2.0, 2.0, "i2")
GONE: Told = (2.1, "client", "conversation.item.delete", {"item_id": "i2"})

ORDERS: dict[str, tuple[list[Any], str | None]] = {
    "in order": ([*BOTH, *FIRST, *SECOND], None),
    "the first left out": ([*BOTH, *SECOND], "message 1 of r1 was left out"),
    "the second left out": ([*BOTH, *FIRST], "message 2 of r1 was left out"),
    "the second deleted": ([*BOTH, *FIRST, GONE], None),
    "the second truncated": ([*BOTH, *FIRST, truncate(2.1, "i2", 1500)], None),
    "interrupted": ([*BOTH, *FIRST, *sound(2.0, 0.5, "i2", cut=True)], None),
    "interrupted at once": ([*BOTH, *sound(1.0, 0.3, "i1", cut=True)], None),
    "the other way round": (
        [*BOTH, *sound(2.0, 2.0, "i2"), *sound(4.0, 1.0, "i1")], "in another order",
    ),
    "longer than it was": ([*BOTH, *sound(1.0, 1.4, "i1"), *SECOND], "1.400 s were heard of i1"),
    "overlapping": ([*BOTH, *FIRST, *sound(1.5, 2.0, "i2")], "overlap"),
    "something else": ([*BOTH, *FIRST, *SECOND, *sound(4.5, 0.4)], "0.400 s were heard that are no"),
    "the application's own": ([*BOTH, *FIRST, *SECOND, *sound(4.5, 0.4, "own")], None),
    "another speech first": (
        [*BOTH, created(0.2, "r2"), item(0.2, "r2", "i3"), audio(0.2, "i3", 500), done(0.4, "r2"),
         *sound(0.5, 0.5, "i3"), *FIRST, *SECOND], None,
    ),
    "of the same length as the next": (
        [*BOTH, created(3.0, "r2"), item(3.0, "r2", "i3"), audio(3.0, "i3", 1000), done(3.2, "r2"),
         *sound(1.0, 0.9, "i1", cut=True), *sound(3.1, 1.0, "i3")], None,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("lines", "words"), ORDERS.values(), ids=ORDERS.keys())
def test_g13_messages(lines: list[Any], words: str | None) -> None:
    call: Any = Made(*lines)
    if words is None:
        check_message_order(call)
        return
    with pytest.raises(AssertionError, match=f"G13 message order: .*{words}"):
        check_message_order(call)


def test_g13_where_livekit_says_nothing_it_is_told_by_turn_and_time() -> None:
    check_message_order(Made(*BOTH, *sound(1.0, 1.0), *sound(2.0, 2.0)))  # type: ignore[arg-type]
    early = [*BOTH, *sound(0.5, 0.4), *sound(1.0, 1.0), *sound(2.0, 2.0)]
    with pytest.raises(AssertionError, match=r"0\.400 s were heard that are no message"):
        check_message_order(Made(*early))  # type: ignore[arg-type]


def test_g15_a_cut_at_another_place_than_was_heard() -> None:
    for ms, right in ((500, True), (800, False)):
        call: Any = Made(*RUNS, *sound(1.5, 0.5, "i1", cut=True), truncate(2.0, "i1", ms))
        if right:
            check_truncate_bounds(call)
        else:
            with pytest.raises(AssertionError, match=r"G15 .*i1 was cut at 800 ms, 0.500 s were"):
                check_truncate_bounds(call)


MEMORY = [
    {"id": name, "type": "message", "role": "assistant", "text": 9, "audio_ms": ms}
    for name, ms in (("i1", 1000.0), ("i2", 2000.0))
]
HEARD = [*BOTH, *FIRST, *SECOND]


@pytest.mark.parametrize(
    ("lines", "look", "words"),
    [
        (HEARD, {"memory": MEMORY, "history": MEMORY}, None),
        (HEARD, {"memory": MEMORY[:1], "history": MEMORY}, "i2 .* not remembered by the server"),
        (HEARD, {"memory": MEMORY[:1], "history": MEMORY, "context": MEMORY[:1]}, None),
        (HEARD, {"memory": MEMORY, "history": MEMORY[:1]}, "i2 .* not remembered by LiveKit"),
        (HEARD, {"memory": MEMORY[::-1]}, "the server remembers i2 before i1"),
        (HEARD, {"history": MEMORY[::-1]}, "LiveKit remembers i2 before i1"),
        (HEARD, {"memory": [MEMORY[0] | {"audio_ms": 400.0}]}, "remembers 0.400 s of i1, 1.000 s"),
        (HEARD, {"differences": ["i1"]}, "the controller says that i1 is not remembered as"),
        ([*BOTH, *FIRST], {"memory": MEMORY}, "2.000 s of i2, 0.000 s were heard"),
        ([*BOTH, *FIRST, GONE], {"memory": MEMORY[:1], "history": MEMORY}, "LiveKit .* i2, of which"),
        (BOTH, {"memory": MEMORY, "history": MEMORY[:1]}, "remembers i2, LiveKit does not"),
        (HEARD, {"memory": MEMORY[:1], "connected": False, "history": MEMORY}, None),
    ],
)  # fmt: skip
def test_g16_two_memories(lines: list[Told], look: dict[str, Any], words: str | None) -> None:
    call: Any = Made(*lines, **look)
    if words is None:
        check_heard_is_history(call)
        return
    with pytest.raises(AssertionError, match=f"G16 heard = history: .*{words}"):
        check_heard_is_history(call)


def test_g16_what_was_deleted_after_it_was_heard() -> None:
    """By the application, or against its wish."""
    for kept, right in (([], True), (MEMORY, False)):
        context: Told = (5.1, "session", "context", {"items": kept})
        call: Any = Made(*HEARD, (5.0, *GONE[1:]), context)
        if right:
            check_heard_is_history(call)
        else:
            with pytest.raises(AssertionError, match=r"2\.000 s of i2 were heard, and are not"):
                check_heard_is_history(call)


def test_g6_nothing_to_cancel_as_an_error_event() -> None:
    call: Any = Made(*PROVEN, (2.2, "session", "error", {"recoverable": True, "code": VOID}))
    with pytest.raises(AssertionError, match="became an error event"):
        check_benign_cancel(call)


def test_g7_a_stuck_state_and_turns_that_do_not_end_once() -> None:
    moved: list[Told] = [(1.0, "turn", "moved", {"turn": name}) for name in ("t1", "t2")]
    ended: list[Told] = [(t, "turn", "ended", {"turn": "t1"}) for t in (2.0, 2.1)]
    call: Any = Made(*moved, *ended, agent="thinking", playing=True)
    with pytest.raises(AssertionError) as caught:
        check_turns_end(call)
    for words in ("is thinking", "still playing", "t1 ended twice", "t2 never ended"):
        assert words in str(caught.value)


def test_g8_a_retry_that_an_interrupt_dropped() -> None:
    """The user went on before it: nobody waits for the answer any more."""
    lines: list[Told] = [
        (1.0, "session", "speech_created", {"speech": "s1", "source": "generate_reply"}),
        created(1.1, "r1"),
        done(1.2, "r1", "failed"),
        (2.0, "server", "input_audio_buffer.speech_started", {}),
        (2.0, "session", "speech_done", {"speech": "s1", "interrupted": True}),
    ]
    check_failures_visible(Made(*lines))  # type: ignore[arg-type]
    lines[-1] = (2.0, "session", "speech_done", {"speech": "s1", "interrupted": False})
    with pytest.raises(AssertionError, match="no speech has an exception"):
        check_failures_visible(Made(*lines))  # type: ignore[arg-type]
