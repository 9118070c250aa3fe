"""Whatever ends a turn ends its spans, and leaves nothing of it in an observer."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
from livekit.agents import Agent, function_tool, telemetry
from opentelemetry import trace as trace_api
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit.telemetry import OpenTelemetryObserver
from realtime_fsm.simulator import Dropped, Failed, FunctionCall, Reply, Unanswered, audio_ms
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, TWO, Call, call
from ..livekit.test_connection import frame
from ..livekit.test_turns import QUICK
from .notes import Notes

LATER = Reply(end=Failed("rate_limit_exceeded", message="try again in 3s"))


class Open(SpanProcessor):
    """Our spans that were started and have not ended; and those that have."""

    def __init__(self) -> None:
        self.open: set[str] = set()
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        if self._is_ours(span):
            self.open.add(_id_of(span))

    def on_end(self, span: ReadableSpan) -> None:
        if self._is_ours(span):
            self.open.remove(_id_of(span))
            self.ended.append(span)

    def _is_ours(self, span: ReadableSpan) -> bool:
        return span.name.split()[0] in ("response_turn", "generate_content")


def _id_of(span: ReadableSpan) -> str:
    return f"{span.context.trace_id}/{span.context.span_id}"


@pytest.fixture
def spans() -> Iterator[Open]:
    """LiveKit's tracer, and so ours, writes here."""
    spans, provider = Open(), TracerProvider()
    provider.add_span_processor(spans)
    telemetry.set_tracer_provider(provider)
    yield spans
    telemetry.set_tracer_provider(trace_api.NoOpTracerProvider())


async def _closed(c: Call) -> None:
    """The session closes while it waits for an answer, with others behind it."""
    for _ in range(3):
        c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.controller.turns)


async def _fails(c: Call) -> None:
    await c.session.generate_reply(instructions="Answer.")


async def _dies(c: Call) -> None:
    """A fatal error ends the session below, and what waits with it."""
    for _ in range(3):
        c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.closed, timeout=20)


async def _superseded(c: Call) -> None:
    c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.turn.state is rf.TurnState.RETRY_WAIT)
    session = realtime_session_of(c.session)
    session.commit_audio()
    await session.generate_reply()
    await c.until(lambda: len(c.ended) == 2)


async def _interrupted(c: Call) -> None:
    handle = c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.turn.messages and c.turn.messages[0].started)
    await c.session.interrupt()
    await handle


async def _swapped(c: Call) -> None:
    """The inner session dies of a frame in the middle of a turn; another takes its place."""
    handle = c.session.generate_reply(instructions="Answer.")
    await c.until(lambda: c.turn.on_wire)
    await frame(c, "null")
    await handle


async def _late(c: Call) -> None:
    await c.session.generate_reply(instructions="Answer.")
    await asyncio.sleep(5.0)


ENDINGS: dict[str, tuple[Callable[[Call], Awaitable[None]], list[Reply], list[str]]] = {
    "closed": (_closed, [Reply(ack=Unanswered())], ["interrupted"]),
    "fails": (_fails, [Reply(end=Failed("invalid_value"))], ["failed"]),
    "fails while heard": (
        _fails,
        [Reply(TWO.items, end=Failed("server_error", at=audio_ms(300)))],
        ["failed"],
    ),
    "dies": (_dies, [Reply(end=Failed("insufficient_quota"))], ["failed"] * 3),
    "superseded": (_superseded, [LATER, HELLO], ["completed", "superseded"]),
    "interrupted": (_interrupted, [TWO], ["interrupted"]),
    "swapped": (_swapped, [Reply(ack=Unanswered()), HELLO], ["completed"]),
    "connection lost": (_fails, [Reply(end=Dropped()), HELLO], ["completed"]),
    "given up, then acknowledged": (_late, [Reply(ack=Unanswered()), HELLO], ["completed"]),
}


@pytest.mark.parametrize("name", ENDINGS)
def test_every_span_is_ended(name: str, spans: Open) -> None:
    play, replies, outcomes = ENDINGS[name]
    observer, notes = OpenTelemetryObserver(), Notes()

    @virtual_time
    async def live() -> None:
        async with call(replies, retry=QUICK, observers=[observer, notes]) as c:
            await play(c)

    live()
    turns = [s for s in spans.ended if s.name == "response_turn"]
    found = sorted(str((s.attributes or {})["realtime_fsm.turn.outcome"]) for s in turns)
    assert sorted(set(found)) == sorted(set(outcomes)), found
    assert len(spans.ended) > len(turns), "with their attempts"
    assert not spans.open
    assert not vars(observer)["_turns"]
    assert not vars(observer)["_attempts"]
    for start, end in (("turn_started", "turn_ended"), ("attempt_started", "attempt_ended")):
        assert [told[0] for told in notes.of(start)]
        assert {told[0] for told in notes.of(start)} == {told[0] for told in notes.of(end)}
        assert len(notes.of(start)) == len(notes.of(end))


@pytest.mark.parametrize(("delay", "links"), [(0.2, [1, 1]), (0.0, [0, 1])])
def test_a_tools_call_and_its_reply_are_linked_to_their_agent_turn(
    delay: float, links: list[int], spans: Open
) -> None:
    """Unless the call's response is over before LiveKit has opened its span."""

    @function_tool
    async def look_up() -> str:
        """Look it up."""
        return "noon"

    @virtual_time
    async def live() -> None:
        agent = Agent(instructions="Be brief.", tools=[look_up])
        replies = [Reply([FunctionCall("look_up")], done_delay=delay), HELLO]
        async with call(replies, agent=agent, observers=[OpenTelemetryObserver()]) as c:
            await c.session.generate_reply(user_input="When does it come?")
            await c.until(lambda: len(c.ended) == 2)

    live()
    turns = [s for s in spans.ended if s.name == "response_turn"]
    assert [len(turn.links) for turn in turns] == links
    assert not spans.open


@virtual_time
async def test_more_turns_than_the_record_keeps_are_all_told_at_once() -> None:
    """They end in one step, when most of them have left `TurnController.finished` already."""
    notes = Notes()
    async with call([Reply(ack=Unanswered())], observers=[notes]) as c:
        realtime = realtime_session_of(c.session)
        assert realtime is not None
        futures = [realtime.generate_reply() for _ in range(40)]
        await asyncio.sleep(0.1)
        keep = c.controller.finished.maxlen
        assert keep is not None
        assert keep < len(futures)
    assert len(notes.of("turn_started")) == len(notes.of("turn_ended")) == 40
    assert all(future.done() and (future.cancelled() or future.exception()) for future in futures)
