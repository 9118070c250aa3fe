"""Runs one call: a real AgentSession, the provider's real plugin, and its fake server."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any

from livekit import rtc
from livekit.agents import Agent, RunContext, function_tool
from livekit.agents.voice import SpeechHandle, io

from .... import Recovering
from ....compare import Span, Wait
from ....livekit import ControlledRealtimeModel
from ....livekit._features import AgentSession
from ....testing.providers import Answer, Fake
from ....testing.sink import PacedAudioOutput
from ..run import collect_complaints
from .life import life_of
from .seen import TOOL_OUTPUT, Heard, Question, Seen, Speech

__all__ = ["TOOL", "Call", "play"]

TOOL = "look_up"
_CLOSING = 10.0
_LEAST = 0.1  # seconds of a sound that counts as an answer


class _Agent(Agent):
    def __init__(self, tools: bool) -> None:
        self.ran = 0
        self.over: list[float] = []

        @function_tool(name=TOOL)
        async def look_up(context: RunContext[Any], city: str) -> str:
            """Look up the weather in a city."""
            self.ran += 1
            await asyncio.sleep(0.5)
            self.over.append(asyncio.get_running_loop().time())
            return f"Sunny in {city}"

        super().__init__(instructions="Be brief.", tools=[look_up] if tools else [])


class _Sink(PacedAudioOutput):
    """Notes which marks it was given, segment by segment."""

    def __init__(self) -> None:
        super().__init__()
        self.marks: list[int] = []

    async def capture_frame(self, frame: rtc.AudioFrame) -> None:
        if not self._queue or self._queue[-1].flushed:
            data = bytes(frame.data)[:2]
            self.marks.append(struct.unpack("<h", data)[0] if len(data) == 2 else 0)
        await super().capture_frame(frame)


class _Words(io.TextOutput):
    """The words of each message, as LiveKit forwards them."""

    def __init__(self) -> None:
        super().__init__(label="words", next_in_chain=None)
        self.messages: list[str] = []
        self._text = ""

    async def capture_text(self, text: str) -> None:
        self._text += text

    def flush(self) -> None:
        if self._text:
            self.messages.append(self._text)
        self._text = ""


class Call:
    """What a row does with a call, and what it notes."""

    def __init__(
        self,
        fake: Fake,
        agent: _Agent,
        session: AgentSession[Any],
        sink: _Sink,
        words: _Words,
    ) -> None:
        self.fake = fake
        self.agent = agent
        self.session = session
        self.hangs: list[str] = []
        self.questions: list[tuple[str, float]] = []
        self.speeches: list[tuple[str, SpeechHandle, float]] = []
        self.ended: dict[str, float] = {}
        self.refused: list[str] = []
        self.cuts: list[float] = []
        self.spoke: list[Span] = []
        self.waits: list[Wait] = []
        self._sink, self._words = sink, words
        self._loop = asyncio.get_running_loop()
        self.began = self._loop.time()

    def ask(self, text: str) -> SpeechHandle | None:
        """The application asks for a reply to this. None: the session takes no more."""
        return self._note(text, lambda: self.session.generate_reply(user_input=text))

    def say(self, text: str) -> SpeechHandle | None:
        """The application has this said."""
        return self._note(text, lambda: self.session.say(text))

    def _note(self, text: str, start: Callable[[], SpeechHandle]) -> SpeechHandle | None:
        self.questions.append((text, self._loop.time()))
        try:
            handle = start()
        except RuntimeError:  # it is closed
            self.refused.append(text)
            return None
        self.speeches.append((text, handle, self._loop.time()))
        handle.add_done_callback(self._over)
        return handle

    def _over(self, handle: SpeechHandle) -> None:
        self.ended[handle.id] = self._loop.time()

    async def user_says(self, text: str) -> None:
        begun = self._loop.time()
        await self.fake.user_says(text)
        self.spoke.append(Span(begun - self.began, self._loop.time() - self.began))
        self.questions.append((text, self._loop.time()))

    async def done(self, handle: SpeechHandle | None, within: float = 15.0) -> None:
        """Wait until the speech is done, if there is one."""
        if handle is None:
            return
        await self.until(handle.done, within, f"the speech of {self._asked(handle)!r}")

    def _asked(self, handle: SpeechHandle) -> str:
        return next((text for text, h, _ in self.speeches if h is handle), "")

    async def heard(self, seconds: float, within: float = 15.0) -> None:
        """Wait until so many seconds more are heard."""
        upto = self._sink.heard_seconds + seconds
        await self.until(lambda: self._sink.heard_seconds >= upto, within)

    async def quiet(self, within: float = 15.0) -> None:
        """Wait until something was heard and all of it is over."""
        await self.until(lambda: bool(self._sink.segments) and self._sink.idle, within)

    async def until(
        self, what: Callable[[], bool], within: float = 15.0, named: str | None = None
    ) -> None:
        end = self._loop.time() + within
        while not what():
            if self._loop.time() > end:
                if named is not None:
                    self.hangs.append(named)
                return
            await asyncio.sleep(0.01)

    async def interrupt(self) -> None:
        self.cuts.append(self._loop.time() - self.began)
        with contextlib.suppress(RuntimeError):  # it is closed
            await self.session.interrupt()

    # --- afterwards

    def heard_pieces(self) -> list[Heard]:
        pieces = []
        for number, segment in enumerate(self._sink.segments):
            if segment.started_at is None:
                continue
            question, attempt = self._answered(number)
            began = segment.started_at - self.began
            pieces.append(Heard(question, attempt, began, segment.position, segment.interrupted))
        return pieces

    def _answered(self, number: int) -> tuple[str, int]:
        mark = self._sink.marks[number] if number < len(self._sink.marks) else 0
        if self.fake.marked and 0 < mark <= len(self.fake.marks):
            return self.fake.marks[mark - 1]
        if number < len(self._words.messages):  # the words say it where the audio does not
            said = self._words.messages[number].strip()
            for question, attempts in self.fake.answers.items():
                for attempt, answer in enumerate(attempts, start=1):
                    if answer.text and said and answer.text.startswith(said.split()[0]):
                        return question, attempt
        return "", 0


Row = Callable[[Call], Awaitable[None]]


async def play(
    kind: type[Fake],
    answers: Mapping[str, list[Answer]],
    row: Row,
    *,
    controlled: bool,
    tools: bool = False,
    options: Mapping[str, Any] | None = None,
) -> Seen:
    """Play the row and return what was seen."""
    before = asyncio.all_tasks()
    faults: list[str] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(
        lambda _, c: faults.append(f"{c.get('message')}: {c.get('exception')!r}")
    )
    with collect_complaints() as complaints:
        async with kind(answers) as fake:
            seen, call = await _play(fake, row, controlled, tools, options or {})
            violations = fake.violations
        await asyncio.sleep(0.1)
    left = [task.get_name() for task in asyncio.all_tasks() - before if not task.done()]
    faults += [f"task left over: {name}" for name in left] + complaints + violations
    wire = tuple((round(t - call.began, 3), what) for t, what in fake.wire)
    seen = replace(seen, faults=tuple(faults), wire=wire)
    life = life_of(seen, fake, spoke=call.spoke, cuts=call.cuts, waits=call.waits)
    return replace(seen, life=life)


async def _play(
    fake: Fake, row: Row, controlled: bool, tools: bool, options: Mapping[str, Any]
) -> tuple[Seen, Call]:
    loop = asyncio.get_running_loop()
    inner = fake.model()
    ours = ControlledRealtimeModel(inner, **options) if controlled else None
    model = inner if ours is None else ours
    session: AgentSession[Any] = AgentSession(llm=model, vad=None)
    sink, words = _Sink(), _Words()
    turns: list[str] = []
    waits: list[tuple[float, Recovering]] = []
    if ours is not None:
        ours.attach(session)
        ours.on("recovering", lambda plan: waits.append((loop.time(), plan)))
        ours.on("turn_ended", lambda e: turns.append(f"{e.turn_id} {e.outcome.value} {e.error}"))
    session.output.audio, session.output.transcription = sink, words
    errors: list[tuple[float, bool, str]] = []
    closed: list[float] = []
    agent = _Agent(tools)
    await session.start(agent)
    call = Call(fake, agent, session, sink, words)
    session.on(
        "error",
        lambda e: errors.append(
            (
                loop.time() - call.began,
                bool(getattr(e.error, "recoverable", False)),
                type(getattr(e.error, "error", e.error)).__name__,
            )
        ),
    )
    session.on("close", lambda e: closed.append(loop.time() - call.began))
    await call.until(lambda: fake.ready, 10, "the connection")
    await asyncio.sleep(1.0)  # plugins restart for the tools and the instructions
    call.began = loop.time()
    await row(call)
    call.questions += [(TOOL_OUTPUT, t) for t in agent.over]
    await call.until(lambda: sink.idle, 10)
    await asyncio.sleep(0.5)
    # A plugin that raises when it is closed keeps AgentSession from telling that it closed.
    fatal = [t for t, recoverable, _ in errors if not recoverable]
    over_by_itself = min([*closed, *fatal], default=None)
    history: list[tuple[str, str]] = [
        (item.role, item.text_content or "") if item.type == "message" else ("", item.type)
        for item in session.history.items
    ]
    speeches = [
        Speech(text, *_end(handle, started, call.ended)) for text, handle, started in call.speeches
    ] + [Speech(text, "refused", None) for text in call.refused]
    pieces = call.heard_pieces()
    try:
        await asyncio.wait_for(session.aclose(), _CLOSING)
    except asyncio.TimeoutError:
        call.hangs.append("AgentSession.aclose()")
    except Exception as e:
        call.hangs.append(f"AgentSession.aclose() raised {type(e).__name__}")
    with contextlib.suppress(Exception):
        await model.aclose()
    await sink.aclose()
    call.waits = [_wait(t - call.began, plan) for t, plan in waits]
    seen = Seen(
        questions=tuple(_question(text, t - call.began, pieces) for text, t in call.questions),
        heard=tuple(pieces),
        speeches=tuple(speeches),
        errors=tuple(errors),
        closed=over_by_itself,
        history=tuple(history),
        tools=agent.ran,
        wire=(),
        faults=(),
        hangs=tuple(call.hangs),
        turns=tuple(turns),
    )
    return seen, call


def _end(
    handle: SpeechHandle, started: float, ended: Mapping[str, float]
) -> tuple[str, float | None]:
    if not handle.done():
        return "never done", None
    took = ended.get(handle.id, started) - started
    error = handle.exception()
    if error is not None:
        return type(error).__name__, took
    return ("interrupted" if handle.interrupted else "ok"), took


def _question(text: str, t: float, pieces: list[Heard]) -> Question:
    mine = [p for p in pieces if p.question == text and p.began >= t]
    audible = [p for p in mine if p.seconds >= _LEAST]
    return Question(
        text,
        t,
        min((p.began for p in audible), default=None),
        sum(p.seconds for p in audible),
        len({p.attempt for p in audible}),
    )


def _wait(t: float, plan: Recovering) -> Wait:
    name = (
        f"{plan.turn_id} waits {plan.wait:.2f} s after {plan.reason.code or plan.reason.kind.value}"
    )
    return Wait(name, Span(t, t + plan.wait), plan.wait)
