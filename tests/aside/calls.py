"""Two calls that touch everything: one in which all is well, and one in which much fails."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal
from unittest import mock

from livekit.agents import Agent, RunContext, function_tool, llm

from realtime_fsm import RetryPolicy
from realtime_fsm.compare import Life
from realtime_fsm.livekit import ControlledRealtimeModel, TurnObserver
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    CREATED,
    Created,
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Rejected,
    Reply,
    Script,
    ServerCall,
    ServerConfig,
    Stalled,
    Unanswered,
    audio_ms,
)
from realtime_fsm.testing import PacedAudioOutput, SimulatedCall, run_virtual, simulated_call


def says(text: str, seconds: float, **options: Any) -> Reply:
    return Reply([Message(text, seconds=seconds)], **options)


LAST = [says("That is all.", 0.5)]
HEALTHY = {
    "Hello?": [Reply([Message("First of two.", seconds=0.4), Message("And two.", seconds=0.3)])],
    "The weather?": [Reply([FunctionCall("look_up", {"city": "Oslo"})])],
    "The weather? > look_up": [says("It is sunny.", 0.5)],
    "A story": [says("One two three four five six seven eight.", 4.0, pace=0.2)],
    "Write": [says("I did.", 0.5)],
    "Good?": [says("Very good.", 0.6)],
    "Last?": LAST,
}
#: Each fails once; plain LiveKit does not ask again.
FAILING = {
    "Hello?": [Reply(end=Failed("server_error")), says("Here I am.", 0.5)],
    "And?": [Reply(ack=Rejected("server_error")), says("And so on.", 0.5)],
    "Then?": [says("It breaks off half way.", 2.0, end=Failed("x", at=audio_ms(600)))],
    "Line?": [says("Here the line drops.", 2.0, end=Dropped(at=audio_ms(600)))],
    "Gone?": [Reply(end=Dropped(at=CREATED)), says("There again.", 0.5)],
    "Empty?": [Reply(), says("Not empty.", 0.5)],
    "Last?": LAST,
}


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
        heard: Seconds heard of the answers to each question.
        life: What the judge of G27 looks at.
        stuck: What is still under way.
        closed: Why the session closed before its end.
        ran: How often the tool ran.
        creates: How many responses were asked for.
        reports: How often we said that we step aside.
        noted: `TurnController.stepped_aside`'s code.
        early: It happened before there was a session that could step aside.
        raw: How many raw frames the application's listener saw.
        visible: How many failures could be seen, by error events and exceptions of speeches.
        broken: What was raised through LiveKit, the loop, or the end of the call.
    """

    heard: dict[str, float] = field(default_factory=dict)
    life: Life | None = field(default=None, repr=False)
    stuck: int = 0
    closed: list[str] = field(default_factory=list)
    ran: int = 0
    creates: int = 0
    reports: int = 0
    noted: str | None = None
    early: bool = False
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
    handle = call.session.generate_reply(user_input=text)
    with contextlib.suppress(llm.RealtimeError):
        await asyncio.wait_for(asyncio.shield(handle.wait_for_playout()), 40.0)


async def _healthy(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(3.0)
    await _asked(call, "The weather?")
    await asyncio.sleep(2.0)
    heard = call.heard
    long = call.session.generate_reply(user_input="A story")
    await call.until(lambda: call.heard > heard + 0.5, timeout=20.0)
    await call.session.interrupt()
    await long.wait_for_playout()
    await asyncio.sleep(1.0)
    realtime = realtime_session_of(call.session)
    realtime.send_event(
        {"type": "response.create", "event_id": "own", "response": {"instructions": "Write"}}
    )
    await asyncio.sleep(3.0)
    call.session.update_agent(Tooled())
    await asyncio.sleep(1.0)
    await call.say("Good?", seconds=0.5)
    await asyncio.sleep(3.0)


async def _failing(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(6.0)
    for text in ("And?", "Then?", "Line?"):
        await _asked(call, text)
        await asyncio.sleep(4.0)
    await call.say("Gone?", seconds=0.5)
    await asyncio.sleep(8.0)
    await call.say("Empty?", seconds=0.5)
    await asyncio.sleep(8.0)


class ListenerError(TypeError):
    """Raised by the application's listener."""


class Late(PacedAudioOutput):
    """Its fourth report comes three seconds late."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = 0

    def on_playback_finished(self, **report: Any) -> None:
        self.ends += 1
        tell = functools.partial(super().on_playback_finished, **report)
        if self.ends == 4:
            asyncio.get_running_loop().call_later(3.0, tell)
        else:
            tell()


class Silent(PacedAudioOutput):
    """Its second report never comes."""

    def __init__(self) -> None:
        super().__init__()
        self.ends = 0

    def on_playback_finished(self, **report: Any) -> None:
        self.ends += 1
        if self.ends != 2:
            super().on_playback_finished(**report)


async def _late(call: SimulatedCall) -> None:
    call.sink.on("playback_finished", _raise)
    call.session.output.audio.pause()
    call.session.output.audio.resume()
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(6.0)
    await _asked(call, "The weather?")
    heard = call.heard
    call.session.generate_reply(user_input="A story")
    await call.until(lambda: call.heard > heard + 0.5, timeout=9.0)
    call.session.output.audio.pause()
    await asyncio.sleep(0.2)
    call.session.output.audio.resume()
    await call.say("Good?", seconds=0.5)
    await asyncio.sleep(9.0)


async def _silent(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(6.0)
    await call.say("A story", seconds=0.5)
    await asyncio.sleep(2.0)
    await call.say("Good?", seconds=0.5)
    await asyncio.sleep(9.0)


def _raise(event: object) -> None:
    raise ListenerError


STRANGERS = {
    "Hello?": [Reply([Message("First of two.", seconds=1.0), Message("And two.", seconds=0.5)])],
    "Note": [Reply([Message("noted", seconds=0.2)])],
    "Aside": [Reply([Message("By the way.", seconds=0.4)])],
    "Much?": [says("Too much of it.", 0.6, end=Incomplete("content_filter"))],
    "Slow?": [says("It takes its time.", 0.5, ack=Created(after=0.5))],
    "Sorry?": [says("Never mind.", 0.5)],
    "Lost?": [Reply(ack=Unanswered()), says("I lost that.", 0.5)],
    "No": [Reply(end=Failed("server_error"))],
    "Last?": LAST,
}


def _out_of_band(call: SimulatedCall, text: str, kind: str) -> None:
    response = {"conversation": "none", "output_modalities": [kind], "instructions": text}
    call.session.current_agent.realtime_llm_session.send_event(
        {"type": "response.create", "event_id": text, "response": response}
    )


async def _strangers(call: SimulatedCall) -> None:
    _out_of_band(call, "Aside", "audio")
    await asyncio.sleep(3.0)
    heard = call.heard
    await call.say("Hello?", seconds=0.5)
    await call.until(lambda: call.heard > heard + 0.6)
    _out_of_band(call, "Note", "text")
    await asyncio.sleep(0.5)
    _out_of_band(call, "Aside", "audio")
    await asyncio.sleep(4.0)
    _out_of_band(call, "No", "text")
    await asyncio.sleep(1.0)
    await call.say("Much?", seconds=0.5)
    await asyncio.sleep(4.0)
    call.session.generate_reply(user_input="Slow?")
    await asyncio.sleep(0.3)
    await call.say("Sorry?", seconds=0.5)
    await asyncio.sleep(3.0)
    call.session.generate_reply(user_input="Lost?")
    await asyncio.sleep(15.0)


async def _raw(call: SimulatedCall, frame: str) -> None:
    call.server.send_text(frame)
    await asyncio.sleep(0.1)


#: What only resembles the service, and breaks off now and then.
DEVIATING = {
    "Hello?": [Reply(end=Failed("server_error")), says("Here I am.", 0.5)],
    "Cut?": [says("One two three four five six seven.", 3.0, pace=0.02)],
    "Search?": [Reply([ServerCall("find", seconds=1.0), Message("I have found it.", seconds=0.5)])],
    "Refused?": [Reply(ack=Rejected("server_error", linked=False)), says("Now then.", 0.5)],
    "Late?": [says("It came late.", 0.5, ack=Created(after=6.0))],
    "Hangs?": [Reply([Message("It hangs.", seconds=1.0)], end=Stalled(at=audio_ms(500)))],
    "Last?": LAST,
}


async def _deviating(call: SimulatedCall) -> None:
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(5.0)
    heard = call.heard
    await call.say("Cut?", seconds=0.5)
    await call.until(lambda: call.heard > heard + 0.5, timeout=9.0)
    await call.session.interrupt()
    await asyncio.sleep(1.0)
    await call.say("Search?", seconds=0.5)
    await asyncio.sleep(4.0)
    for text in ("Refused?", "Late?"):
        await _asked(call, text)
        await asyncio.sleep(1.0)
    call.session.generate_reply(user_input="Hangs?")
    await asyncio.sleep(30.0)


#: Each is given up, in one way or another.
GIVEN_UP = {
    "Never?": [Reply(ack=Rejected("server_error"))],
    "Odd?": [says("Not so odd.", 0.5, ack=Created(after=0.5))],
    "Cough?": [Reply(end=Failed("server_error")), says("As I said.", 0.5)],
    "Cut off?": [Reply(end=Failed("server_error")), says("Nobody hears this.", 0.5)],
    "Newer?": [Reply(end=Failed("server_error")), says("Nobody hears this.", 0.5)],
    "So?": [says("So it is.", 0.5)],
    "Tool?": [
        Reply([Message("One moment.", seconds=0.4), FunctionCall("look_up", {"city": "Rome"})])
    ],
    "Tool? > look_up": [Reply(end=Failed("server_error")), says("Rain.", 0.4)],
    "Last?": LAST,
}


async def _given_up(call: SimulatedCall) -> None:
    await _asked(call, "Never?")
    await asyncio.sleep(1.0)
    call.session.generate_reply(user_input="Odd?")
    await asyncio.sleep(0.2)
    await _raw(
        call,
        '{"type": "error", "event_id": "x", "error": {"type": "server_error", "code": "other", '
        '"message": "Something else.", "param": null, "event_id": null}}',
    )
    await asyncio.sleep(3.0)
    call.session.generate_reply(user_input="Cut off?")
    await asyncio.sleep(0.5)
    await call.session.interrupt()
    await asyncio.sleep(2.0)
    await call.say("Newer?", seconds=0.5)
    await asyncio.sleep(0.1)
    await call.say("So?", seconds=0.5)
    await asyncio.sleep(3.0)
    await call.say("Tool?", seconds=0.5)
    await asyncio.sleep(5.0)
    await call.say("Cough?", seconds=0.5)
    await asyncio.sleep(0.05)
    call.session.update_agent(Tooled())
    await asyncio.sleep(6.0)


@dataclass(frozen=True)
class Call:
    """A call that can be made.

    Attributes:
        answers: The server's.
        course: What happens in it.
        sink: What plays it.
        family: The plugin's, if not its own.
        mode: The model's.
        config: The server's.
    """

    answers: dict[str, list[Reply]]
    course: Callable[[SimulatedCall], Any]
    sink: type[PacedAudioOutput] = PacedAudioOutput
    family: str | None = None
    mode: Literal["control", "observe"] = "control"
    config: ServerConfig | None = None


CALLS = {
    "healthy": Call(HEALTHY, _healthy),
    "failing": Call(FAILING, _failing),
    "late report": Call(HEALTHY, _late, sink=Late),
    "lost report": Call(HEALTHY, _silent, sink=Silent),
    "out of band": Call(STRANGERS, _strangers),
    "deviating": Call(
        DEVIATING,
        _deviating,
        config=ServerConfig(leaves_out=("response_id", "status"), one_response_id=True),
    ),
    "given up": Call(GIVEN_UP, _given_up),
    "observed": Call(FAILING, _failing, mode="observe"),
    "healthy, observed": Call(HEALTHY, _healthy, mode="observe"),
    "healthy, by streams": Call(HEALTHY, _healthy, family="streams"),
    "failing, by streams": Call(FAILING, _failing, family="streams"),
}


def play(name: str, *, controlled: bool = True, attach: bool = True) -> Seen:
    """One call, in virtual time, that ends with a question which has to be answered."""
    seen = Seen()
    chosen = CALLS[name]

    async def run() -> None:
        loop = asyncio.get_running_loop()
        before = asyncio.all_tasks()
        loop.set_exception_handler(lambda _, context: _complained(seen, context))
        agent = Tooled()
        async with simulated_call(
            Script(answers=chosen.answers),
            controlled=controlled,
            attach=attach,
            agent=agent,
            check=False,
            sink=chosen.sink(),
            mode=chosen.mode,
            config=chosen.config,
            policy=RetryPolicy(retry_interval=0.3),
        ) as call:
            frames: list[Any] = []
            session = realtime_session_of(call.session)
            session.on("openai_server_event_received", lambda frame: frames.append(frame["type"]))
            try:
                await chosen.course(call)
                await call.say("Last?", seconds=0.5)
                await asyncio.sleep(6.0)
            except Exception as e:
                seen.broken.append(repr(e))
            seen.life = call.life()
            seen.heard = _heard(seen.life)
            seen.stuck = sum(not handle.done() for handle in call.speeches)
            seen.closed = [event.reason.value for event in call.closed]
            seen.ran = agent.ran
            seen.creates = call.server.creates
            seen.raw = len(frames)
            done = [handle for handle in call.speeches if handle.done()]
            seen.visible = sum(h.exception() is not None for h in done) + len(call.errors)
            try:
                await asyncio.wait_for(call.session.aclose(), 10.0)
            except Exception as e:
                seen.broken.append(f"aclose: {e!r}")
        # Behind the kit's own last look at the controller.
        if call.model is not None and call.model.controller is None:
            seen.early = True
        elif call.model is not None and call.model.controller is not None:
            aside = call.model.controller.stepped_aside
            seen.noted = None if aside is None else aside.code
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
    made = functools.partial(
        ControlledRealtimeModel, family=chosen.family, observers=[TurnObserver()]
    )
    try:
        with mock.patch("realtime_fsm.testing.call.ControlledRealtimeModel", made):
            run_virtual(run)
    finally:
        for one, level, propagate in levels:
            one.removeHandler(log)
            one.setLevel(level)
            one.propagate = propagate
    for record in log.records:
        if record.name == "realtime_fsm" and record.getMessage().startswith("stepped aside"):
            seen.reports += 1
        elif record.name == "realtime_fsm" and record.getMessage() == "internal error":
            seen.early = True
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


def _complained(seen: Seen, context: dict[str, Any]) -> None:
    message = str(context.get("message"))
    own = isinstance(context.get("exception"), ListenerError)
    task = context.get("task")
    theirs = isinstance(task, asyncio.Task) and not task.get_name().startswith("realtime_fsm")
    # LiveKit leaves a task behind when a generation never ends, the plugin a future that failed.
    if not own and not theirs and "never retrieved" not in message:
        seen.broken.append(f"{message} {context.get('exception')!r}")


def _heard(life: Life) -> dict[str, float]:
    heard: dict[str, float] = {}
    for message in life.messages:
        before = heard.get(message.question, 0.0)
        heard[message.question] = round(before + life.heard_of(message), 2)
    return heard
