"""The rows: the same call for each provider. Plain first: what it does is the yardstick."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from ....testing.providers import Answer, Fake
from .call import TOOL, Call, Row

__all__ = ["ROWS", "ProviderRow"]

A = Answer("One two three four.", 0.8)
B = Answer("Five six seven.", 0.6)
LONG = Answer("Eight nine ten eleven twelve thirteen fourteen fifteen sixteen.", 4.0, pace=0.15)
FAST = Answer(" ".join(f"Word{number}" for number in range(1, 61)), 24.0, pace=0.02)
SILENT = Answer(end="silent")
LOST = Answer(end="lost")
ERROR = Answer(end="error")
DROPPED = Answer(end="dropped")
EMPTY = Answer(end="empty")
CALLS = Answer(call=TOOL)


@dataclass(frozen=True)
class ProviderRow:
    """A call. *answers* are in the order in which the questions are asked."""

    name: str
    what: str
    answers: dict[str, list[Answer]]
    row: Row
    tools: bool = False
    #: Whether the application asks for something: a full-duplex provider takes no requests.
    asks: bool = True
    says: bool = False
    noise: bool = False

    def for_(self, fake: type[Fake]) -> bool:
        """Whether this provider can have this call."""
        return (
            (fake.takes_requests or not self.asks)
            and (fake.can_say or not self.says)
            and (fake.ignores_noise or not self.noise)
        )


async def asked(call: Call) -> None:
    await call.done(call.ask("Hi"), 25)
    await asyncio.sleep(3)


async def spoken(call: Call) -> None:
    await call.user_says("Hello there")
    await call.quiet(12)
    await asyncio.sleep(1)


async def spoken_then_asked(call: Call) -> None:
    await spoken(call)
    await call.done(call.ask("Next"))


async def spoken_on_then_asked(call: Call) -> None:
    await call.user_says("Hello there")
    await asyncio.sleep(1.5)
    await call.user_says("Next")
    await call.quiet(12)
    await asyncio.sleep(0.5)
    await call.done(call.ask("More"), 25)
    await asyncio.sleep(1)


async def noise_then_asked(call: Call) -> None:
    await call.done(call.ask("Hi"))
    await call.fake.noise()
    await asyncio.sleep(0.3)
    await call.done(call.ask("Next"), 30)


async def asked_then_next(call: Call) -> None:
    await call.done(call.ask("Hi"), 25)
    await asyncio.sleep(1)
    await call.done(call.ask("Next"), 25)
    await asyncio.sleep(2)


async def spoken_and_waits(call: Call) -> None:
    await call.user_says("Hello there")
    await asyncio.sleep(25)
    await call.user_says("Next")
    await asyncio.sleep(3)


async def spoken_then_next(call: Call) -> None:
    await call.user_says("Hello there")
    await asyncio.sleep(9)
    await call.user_says("Next")
    await asyncio.sleep(3)


async def spoken_then_asked_lost(call: Call) -> None:
    await call.user_says("Hello there")
    await call.quiet(12)
    await asyncio.sleep(1)
    await call.done(call.ask("Next"), 25)
    await asyncio.sleep(2)


async def long(call: Call) -> None:
    await call.done(call.ask("Hi"), 40)
    await call.done(call.ask("Next"), 25)
    await asyncio.sleep(1)


async def slow(call: Call) -> None:
    await call.done(call.ask("Hi"), 25)
    await asyncio.sleep(9)


async def interrupted(call: Call) -> None:
    call.ask("Hi")
    await call.heard(0.6)
    await call.interrupt()
    await call.done(call.ask("Next"))
    await asyncio.sleep(2)


async def spoken_interrupted(call: Call) -> None:
    await call.user_says("Hello there")
    await call.heard(0.6)
    await call.interrupt()
    await asyncio.sleep(3)
    await call.user_says("Next")
    await asyncio.sleep(3)


async def withdrawn(call: Call) -> None:
    """Interrupted before anything of it came."""
    call.ask("Hi")
    await asyncio.sleep(0.5)
    await call.interrupt()
    await call.done(call.ask("Next"))
    await asyncio.sleep(3)


async def two(call: Call) -> None:
    first, second = call.ask("Hi"), call.ask("Next")
    await call.done(first)
    await call.done(second)
    await asyncio.sleep(2)


async def barge_in(call: Call) -> None:
    call.ask("Hi")
    await call.heard(0.6)
    await call.user_says("Next")
    await asyncio.sleep(4)


async def closes(call: Call) -> None:
    call.ask("Hi")
    await asyncio.sleep(1)


async def tool(call: Call) -> None:
    call.ask("Weather?")
    await call.quiet(12)
    await asyncio.sleep(9)


async def spoken_tool(call: Call) -> None:
    await call.user_says("Weather?")
    await call.quiet(12)
    await asyncio.sleep(9)


async def says(call: Call) -> None:
    await call.done(call.say("Welcome to the shop."), 12)
    await asyncio.sleep(1)


async def lost_in_tool(call: Call) -> None:
    call.ask("Weather?")
    await call.until(lambda: call.agent.ran > 0, 8)
    await call.fake.lose()
    await asyncio.sleep(12)


HI, HELLO, NEXT = "Hi", "Hello there", "Next"

ROWS: tuple[ProviderRow, ...] = (
    ProviderRow("asked", "a reply is asked for", {HI: [A]}, asked),
    ProviderRow("spoken", "the user speaks", {HELLO: [A]}, spoken, asks=False),
    ProviderRow(
        "spoken, asked",
        "the user speaks; then a reply is asked for",
        {HELLO: [A], NEXT: [B]},
        spoken_then_asked,
    ),
    ProviderRow(
        "noise, asked",
        "the user makes a noise; then a reply is asked for",
        {HI: [A], NEXT: [B]},
        noise_then_asked,
        noise=True,
    ),
    ProviderRow(
        "never",
        "the first attempt is never answered",
        {HI: [SILENT, A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow(
        "spoken, never",
        "the user is not answered, and waits",
        {HELLO: [SILENT, A], NEXT: [B]},
        spoken_and_waits,
        asks=False,
    ),
    ProviderRow(
        "dropped",
        "the user goes on, and the first answer is dropped without a word; then a reply is asked for",
        {HELLO: [DROPPED], NEXT: [A], "More": [B]},
        spoken_on_then_asked,
    ),
    ProviderRow(
        "slow", "the answer takes six seconds", {HI: [Answer(A.text, A.seconds, after=6)]}, slow
    ),
    ProviderRow(
        "long",
        "the answer comes ten times as fast as it plays; then another is asked for",
        {HI: [FAST], NEXT: [B]},
        long,
    ),
    ProviderRow(
        "lost before",
        "the connection is lost before the answer",
        {HI: [LOST, A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow(
        "spoken, lost before",
        "the same for what the user said",
        {HELLO: [LOST, A], NEXT: [B]},
        spoken_then_next,
        asks=False,
    ),
    ProviderRow(
        "lost later",
        "the connection is lost before a later answer",
        {HELLO: [A], NEXT: [LOST, B]},
        spoken_then_asked_lost,
    ),
    ProviderRow(
        "lost within",
        "the connection is lost within the answer",
        {HI: [Answer("One two three", 0.6, end="lost"), A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow(
        "lost in tool",
        "the connection is lost while a tool runs",
        {"Weather?": [CALLS, A], "tool": [B]},
        lost_in_tool,
        tools=True,
    ),
    ProviderRow(
        "error",
        "the provider reports an error before the answer",
        {HI: [ERROR, A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow(
        "spoken, error",
        "the same for what the user said",
        {HELLO: [ERROR, A], NEXT: [B]},
        spoken_then_next,
        asks=False,
    ),
    ProviderRow(
        "error within",
        "the provider reports an error within the answer",
        {HI: [Answer("One two three", 0.6, end="error"), A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow(
        "empty", "the turn is over without output", {HI: [EMPTY, A], NEXT: [B]}, asked_then_next
    ),
    ProviderRow(
        "spoken, empty",
        "the same for what the user said",
        {HELLO: [EMPTY, A], NEXT: [B]},
        spoken_then_next,
        asks=False,
    ),
    ProviderRow(
        "interrupted, asked",
        "interrupted; then another is asked for",
        {HI: [LONG], NEXT: [B]},
        interrupted,
    ),
    ProviderRow(
        "spoken, interrupted",
        "the answer to the user is interrupted",
        {HELLO: [LONG], NEXT: [B]},
        spoken_interrupted,
        asks=False,
    ),
    ProviderRow(
        "withdrawn",
        "interrupted before its first sound; then another is asked for",
        {HI: [Answer(A.text, A.seconds, after=2)], NEXT: [B]},
        withdrawn,
    ),
    ProviderRow("two at once", "two are asked for at once", {HI: [A], NEXT: [B]}, two),
    ProviderRow("barge-in", "the user speaks into the answer", {HI: [LONG], NEXT: [B]}, barge_in),
    ProviderRow("tool", "a tool is called", {"Weather?": [CALLS], "tool": [B]}, tool, tools=True),
    ProviderRow(
        "spoken, tool",
        "the same for what the user said",
        {"Weather?": [CALLS], "tool": [B]},
        spoken_tool,
        tools=True,
        asks=False,
    ),
    ProviderRow(
        "tool, never",
        "the reply to the tool's output never comes",
        {"Weather?": [CALLS], "tool": [SILENT, B]},
        tool,
        tools=True,
    ),
    ProviderRow(
        "tool, error",
        "the reply to the tool's output fails",
        {"Weather?": [CALLS], "tool": [ERROR, B]},
        tool,
        tools=True,
    ),
    ProviderRow(
        "stall",
        "the answer stops halfway",
        {HI: [Answer("One two three", 0.6, end="stall"), A], NEXT: [B]},
        asked_then_next,
    ),
    ProviderRow("closes", "the session closes while an answer is awaited", {HI: [SILENT]}, closes),
    ProviderRow(
        "say",
        "the application has something said",
        {"Welcome to the shop.": [Answer("Welcome to the shop.", 0.8)]},
        says,
        says=True,
    ),
)
