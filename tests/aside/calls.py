"""Two calls that touch everything: one in which all is well, and one in which much fails."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from livekit.agents import Agent, RunContext, function_tool, llm

from realtime_fsm import RetryPolicy
from realtime_fsm.simulator import (
    CREATED,
    Dropped,
    Failed,
    FunctionCall,
    Message,
    Rejected,
    Reply,
    audio_ms,
)
from realtime_fsm.testing import SimulatedCall, run_virtual, simulated_call

SHORT = Reply([Message("A short answer.", seconds=0.5)])
TWO = Reply([Message("First of two.", seconds=0.4), Message("Second of two.", seconds=0.3)])
LONG = Reply([Message("One two three four five six seven eight nine ten.", seconds=4.0)], pace=0.2)
CALL = Reply([FunctionCall("look_up", {"city": "Oslo"})])

HEALTHY = [TWO, CALL, SHORT, LONG, SHORT, SHORT, SHORT, SHORT]
FAILING = [
    Reply(end=Failed("server_error")),
    SHORT,
    Reply(ack=Rejected("server_error")),
    Reply([Message("It breaks off half way.", seconds=2.0)], end=Failed("x", at=audio_ms(600))),
    Reply([Message("Here the line drops.", seconds=2.0)], end=Dropped(at=audio_ms(600))),
    Reply(end=Dropped(at=CREATED)),
    *[SHORT] * 8,
]


class Tooled(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.ran = 0

    @function_tool
    async def look_up(self, context: RunContext[Any], city: str) -> str:
        """Look something up."""
        self.ran += 1
        return f"Sunny in {city}."


@dataclass
class Seen:
    """What became of a call.

    Attributes:
        heard: Seconds of the agent's words that the user heard.
        last: Whether the last question was answered in full.
        unheard: Speeches that ended without a word and without an exception, and were not interrupted.
        stuck: What is still under way.
        closed: Why the session closed before its end.
        ran: How often the tool ran.
        creates: How many responses were asked for.
        reports: How often we said that we step aside.
        noted: `TurnController.stepped_aside`'s code.
        raw: How many raw frames the application's listener saw.
        broken: What was raised through LiveKit, the loop, or the end of the call.
    """

    heard: float = 0.0
    last: bool = False
    stuck: int = 0
    closed: list[str] = field(default_factory=list)
    ran: int = 0
    creates: int = 0
    reports: int = 0
    noted: str | None = None
    raw: int = 0
    visible: int = 0
    broken: list[str] = field(default_factory=list)


class _Log(logging.Handler):
    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)


async def _asked(call: SimulatedCall, text: str) -> None:
    with contextlib.suppress(llm.RealtimeError):
        await asyncio.wait_for(
            asyncio.shield(call.session.generate_reply(user_input=text).wait_for_playout()), 30.0
        )


async def _healthy(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(3.0)
    await _asked(call, "What is the weather like?")
    await asyncio.sleep(2.0)
    long = call.session.generate_reply(user_input="Tell me a story.")
    await call.until(lambda: call.heard > 1.6, timeout=20.0)
    await asyncio.sleep(0.6)
    await call.session.interrupt()
    await long.wait_for_playout()
    one = call.session.generate_reply(instructions="One.")
    two = call.session.generate_reply(instructions="Two.")
    for handle in (one, two):
        await asyncio.wait_for(asyncio.shield(handle.wait_for_playout()), 30.0)
    call.session.update_agent(Tooled())
    await asyncio.sleep(1.0)


async def _failing(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(6.0)
    for text in ("And?", "And then?", "What?"):
        await _asked(call, text)
        await asyncio.sleep(3.0)
    await call.say("Still there?", seconds=0.5)
    await asyncio.sleep(10.0)


CALLS: dict[str, tuple[list[Reply], Callable[[SimulatedCall], Any]]] = {
    "healthy": (HEALTHY, _healthy),
    "failing": (FAILING, _failing),
}


def play(name: str, *, controlled: bool = True, attach: bool = True, family: Any = None) -> Seen:
    """One call, in virtual time, that ends with a question which has to be answered."""
    seen = Seen()
    script, course = CALLS[name]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        before = asyncio.all_tasks()
        loop.set_exception_handler(
            lambda _, c: seen.broken.append(f"{c.get('message')} {c.get('exception')!r}")
        )
        agent = Tooled()
        async with simulated_call(
            script,
            controlled=controlled,
            attach=attach,
            agent=agent,
            check=False,
            policy=RetryPolicy(retry_interval=0.3),
        ) as call:
            frames: list[Any] = []
            session = call.session.current_agent.realtime_llm_session
            session.on("openai_server_event_received", lambda frame: frames.append(frame["type"]))
            try:
                await course(call)
                before_last = call.heard
                await call.say("One last question.", seconds=0.5)
                await asyncio.sleep(6.0)
                seen.last = abs(call.heard - before_last - 0.5) < 0.02
            except Exception as e:
                seen.broken.append(repr(e))
            seen.heard = round(call.heard, 2)
            seen.stuck = sum(not handle.done() for handle in call.speeches)
            seen.closed = [event.reason.value for event in call.closed]
            seen.ran = agent.ran
            seen.creates = call.server.creates
            seen.raw = len(frames)
            done = [handle for handle in call.speeches if handle.done()]
            seen.visible = sum(h.exception() is not None for h in done) + len(call.errors)
            if call.model is not None and call.model.controller is not None:
                aside = call.model.controller.stepped_aside
                seen.noted = None if aside is None else aside.code
            try:
                await asyncio.wait_for(call.session.aclose(), 10.0)
            except Exception as e:
                if controlled:
                    seen.broken.append(f"aclose: {e!r}")
        await asyncio.sleep(0)
        left = [t.get_name() for t in asyncio.all_tasks() - before if not t.done()]
        seen.broken += [f"left: {name}" for name in left if name.startswith("realtime_fsm")]

    log = _Log()
    loggers = [
        logging.getLogger(n) for n in ("realtime_fsm", "livekit", "asyncio", "livekit.agents")
    ]
    levels = [(one, one.level, one.propagate) for one in loggers]
    for one in loggers:
        one.addHandler(log)
        one.propagate = False
    try:
        run_virtual(run)
    finally:
        for one, level, propagate in levels:
            one.removeHandler(log)
            one.setLevel(level)
            one.propagate = propagate
    for record in log.records:
        if record.name == "realtime_fsm" and record.getMessage().startswith("stepped aside"):
            seen.reports += 1
        elif record.name == "realtime_fsm" and record.levelno >= logging.ERROR:
            seen.broken.append(f"logged: {record.getMessage()}")
        elif (
            record.exc_info
            and record.exc_info[1] is not None
            and "planted" in str(record.exc_info[1])
        ):
            seen.broken.append(f"raised into {record.name}: {record.getMessage()[:80]}")
    return seen
