"""Agents of the shapes that LiveKit's examples have, and a call of each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from livekit import rtc
from livekit.agents import (
    Agent,
    AgentTask,
    RunContext,
    StopResponse,
    ToolError,
    function_tool,
    llm,
)
from livekit.agents.beta.workflows import TaskGroup

from realtime_fsm.livekit._features import end_task, given_history, history_of, push_history
from realtime_fsm.simulator import FunctionCall, Message, Reply, Script
from realtime_fsm.testing import SimulatedCall

from ..livekit.fake_tts import FakeTTS

Drive = Callable[[SimulatedCall], Awaitable[None]]


@dataclass
class Play:
    """One call: who answers, with what, and what the user does."""

    agent: Callable[[], Agent]
    replies: list[Reply]
    drive: Drive
    options: dict[str, Any] = field(default_factory=dict)

    def script(self, at: int | None = None, instead: Reply | None = None) -> Script:
        """The replies; before the one *at* that place comes *instead*, which fails."""
        replies = list(self.replies)
        if at is not None and instead is not None:
            replies.insert(at, instead)
        return Script(replies)


def says(*texts: str, seconds: float = 1.2) -> Reply:
    return Reply([Message(text, seconds=seconds) for text in texts])


def calls(*names: str, say: str = "") -> Reply:
    said = [Message(say, seconds=0.9)] if say else []
    return Reply([*said, *(FunctionCall(name) for name in names)])


def asks(*texts: str, wait: float = 0.0) -> Drive:
    async def drive(call: SimulatedCall) -> None:
        await call.idle()
        for text in texts:
            await call.say(text, 0.8)
            await call.idle(quiet=1.5)
            await asyncio.sleep(wait)

    return drive


# --- one that greets


class Greeter(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You answer the telephone of a clinic.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Greet the caller.")


async def interrupts_the_greeting(call: SimulatedCall) -> None:
    await call.until(lambda: call.heard > 0.6)
    await call.say("Is the doctor in?", 0.8)
    await call.idle()


async def speaks_at_once(call: SimulatedCall) -> None:
    await call.say("Is the doctor in?", 0.8)
    await call.idle()


# --- a restaurant: agents that hand the guest on


class Table(Agent):
    """Knows what was said before, or not."""

    def __init__(self, *, chat_ctx: llm.ChatContext | None = None, greets: bool = True) -> None:
        super().__init__(instructions="You keep the tables.", **given_history(chat_ctx))
        self._greets = greets

    async def on_enter(self) -> None:
        if self._greets:
            self.session.generate_reply(instructions="Ask for the time.")

    @function_tool
    async def book_table(self) -> str:
        """Book it."""
        await asyncio.sleep(0.3)
        return "Booked."

    @function_tool
    async def to_host(self) -> tuple[Agent, str]:
        """Hand the guest back."""
        return Host(chat_ctx=self.chat_ctx.copy()), "Back to the host."


class Host(Greeter):
    def __init__(self, *, chat_ctx: llm.ChatContext | None = None) -> None:
        Agent.__init__(self, instructions="You receive guests.", **given_history(chat_ctx))

    @function_tool
    async def to_table(self) -> Agent:
        """Hand the guest on to somebody who knows nothing of them."""
        return Table()

    @function_tool
    async def to_table_informed(self) -> tuple[Agent, str]:
        """Hand the guest on, with what was said."""
        return Table(chat_ctx=self.chat_ctx.copy(), greets=False), "Over to the tables."


# --- a front desk: tasks of their own within a tool


class AskName(AgentTask[str]):
    def __init__(self, *, chat_ctx: llm.ChatContext | None = None) -> None:
        super().__init__(instructions="Find out the name.", **given_history(chat_ctx))

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the name.")

    @function_tool
    async def take_name(self) -> None:
        """Take it down."""
        end_task(self, "Ada")


class FrontDesk(Greeter):
    @function_tool
    async def check_in(self, context: RunContext[Any]) -> str:
        """Check the guest in."""
        name = await AskName(chat_ctx=self.chat_ctx.copy())
        return f"{name} is checked in."

    @function_tool
    async def hush(self) -> str:
        """Say nothing."""
        raise StopResponse


class Step(AgentTask[str]):
    """One of several questions."""

    def __init__(self, what: str) -> None:
        super().__init__(instructions=f"Find out the {what}.")
        self._what = what

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions=f"Ask for the {self._what}.")

    @function_tool
    async def take_down(self) -> None:
        """Take it down."""
        end_task(self, self._what)


class Survey(Agent):
    """Asks four things, one after another."""

    def __init__(self) -> None:
        super().__init__(instructions="You ask for an opinion.")

    async def on_enter(self) -> None:
        group = TaskGroup(summarize_chat_ctx=False)
        for what in ("food", "service", "price", "place"):
            group.add(lambda what=what: Step(what), id=what, description=what)  # type: ignore[misc]
        await group
        self.session.generate_reply(instructions="Thank the guest.")


# --- a drive-through: orders, several at a time


class DriveThrough(Greeter):
    @function_tool
    async def add_burger(self) -> str:
        """Add one."""
        await asyncio.sleep(0.2)
        return "One burger."

    @function_tool
    async def add_drink(self) -> str:
        """Add one."""
        await asyncio.sleep(0.5)
        return "One drink."

    @function_tool
    async def pay(self) -> str:
        """Pay."""
        await asyncio.sleep(25.0)
        return "Paid."


# --- fillers, and what the application says itself


class Researcher(Greeter):
    @function_tool
    async def look_up(self, context: RunContext[Any]) -> str:
        """Takes a while, and says so."""
        async with context.with_filler("One moment, I am looking.", delay=0.5):
            await asyncio.sleep(4.0)
        return "It was found."

    @function_tool
    async def think(self, context: RunContext[Any]) -> str:
        """The same, and the model finds the words."""

        def filler(step: int) -> Any:
            return context.session.generate_reply(instructions="Say that you are thinking.")

        async with context.with_filler(filler, delay=0.5):
            await asyncio.sleep(4.0)
        return "It was thought."


class Announcer(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You announce.")

    async def on_enter(self) -> None:
        await self.session.say("Welcome to the museum.")

    @function_tool
    async def announce(self, context: RunContext[Any]) -> str:
        """Announce it."""
        await context.session.say("We close in ten minutes.")
        return "Announced."


class Recorded(Agent):
    """Plays recordings, when it comes and when it goes."""

    def __init__(self) -> None:
        super().__init__(instructions="You open the door.")

    async def on_enter(self) -> None:
        self.session.say("Welcome.", audio=_recording(1.5), allow_interruptions=False)

    async def on_exit(self) -> None:
        await self.session.say("Good bye.", audio=_recording(0.5))

    @function_tool
    async def leave(self) -> Agent:
        """Hand the guest on."""
        return Greeter()


async def _recording(seconds: float) -> AsyncIterator[rtc.AudioFrame]:
    for _ in range(round(seconds * 50)):
        yield rtc.AudioFrame(bytes(960), 24000, 1, 480)


# --- tools that fail, and who writes


class Fails(Greeter):
    @function_tool
    async def refuse(self) -> str:
        """Refuse."""
        raise ToolError("There is no such room.")

    @function_tool
    async def crash(self, context: RunContext[Any]) -> str:
        """Crash, when all that was said before was heard."""
        await context.wait_for_playout()
        raise ValueError("a mistake of the application's")


async def types_over(call: SimulatedCall) -> None:
    await call.until(lambda: call.heard > 0.4)
    call.session.interrupt()
    call.session.generate_reply(user_input="What now?")
    await call.idle(quiet=1.5)
    call.session.generate_reply(user_input="This?")
    call.session.generate_reply(user_input="Or that?")
    await call.idle(quiet=1.5)


async def speaks_over(call: SimulatedCall) -> None:
    await call.until(lambda: call.heard > 0.4)
    await call.say("Hello there?", 0.8)
    await call.idle(quiet=1.5)


async def interrupts_what_is_said(call: SimulatedCall) -> None:
    await call.until(lambda: call.heard > 0.3)
    await call.say("When do you close?", 0.8)
    await call.idle()
    await call.say("And tomorrow?", 0.8)
    await call.idle()


async def forgets(call: SimulatedCall) -> None:
    """The application keeps the newest messages only."""
    await call.idle()
    await call.say("Hello?", 0.8)
    await call.idle()
    history = history_of(call.session).copy().truncate(max_items=1)
    await push_history(call.session, history)
    await call.idle()
    await call.say("Who are you?", 0.8)
    await call.idle()


async def cuts_in_on_both(call: SimulatedCall) -> None:
    """A barge-in on an answer of two messages; the next one is as long as what was not heard."""
    await call.say("What else?")
    await call.until(lambda: call.heard > 1.0)
    await call.say("Wait.", 0.8)
    await call.idle()


TTS: dict[str, Any] = {"session": {"tts": FakeTTS(ms_a_word=200)}}
HELLO, ANSWER = says("Good morning, how can I help?"), says("It is the third door on the left.")

PLAYS: dict[str, Play] = {
    "greeting": Play(Greeter, [HELLO, ANSWER], asks("Where is it?")),
    "greeting, interrupted": Play(Greeter, [HELLO, ANSWER], interrupts_the_greeting),
    "greeting, spoken over": Play(Greeter, [HELLO, ANSWER], speaks_at_once),
    "restaurant": Play(
        Host,
        [HELLO, calls("to_table"), says("What time?"), calls("book_table"), ANSWER],
        asks("A table, please.", "At eight."),
    ),
    "restaurant, informed": Play(
        Host,
        [HELLO, calls("to_table_informed", say="One moment."), says("At what time?"),
         calls("to_host"), says("Welcome back."), ANSWER],
        asks("A table, please.", "Back, please.", "Thank you."),
    ),
    "front desk": Play(
        FrontDesk,
        [HELLO, calls("check_in"), says("Your name?"), calls("take_name"), ANSWER, calls("hush"),
         says("Good night.")],
        asks("I have a room.", "Ada.", "Hush.", "Good night."),
    ),
    "task group": Play(
        Survey,
        [says("The food?"), calls("take_down"), says("The service?"), calls("take_down"),
         says("The price?"), calls("take_down"), says("The place?"), calls("take_down"), ANSWER],
        asks("Good.", "Fine.", "High.", "Nice."),
    ),
    "drive-through": Play(
        DriveThrough,
        [HELLO, calls("add_burger", "add_drink", say="Right away."), says("Two things.", "More?"),
         calls("pay"), says("Thank you.")],
        asks("A burger and a drink.", "That is all."),
    ),
    "fillers": Play(
        Researcher,
        [HELLO, calls("look_up"), says("I found it."), calls("think"), says("Let me think."),
         says("I have thought.")],
        asks("Find it.", "Think of it."), TTS,
    ),
    "announcements": Play(
        Announcer, [ANSWER, calls("announce"), says("Anything else?")],
        asks("Where is it?", "Announce it."), TTS,
    ),
    "announcements, interrupted": Play(
        Announcer, [ANSWER, says("At six.")], interrupts_what_is_said, TTS,
    ),
    "recordings": Play(
        Recorded, [says("Who is it?"), calls("leave"), HELLO, ANSWER],
        asks("Me.", "Let me through.", "Where is it?"), TTS,
    ),
    "tools that fail": Play(
        Fails, [HELLO, calls("refuse"), says("Sorry."), calls("crash", say="One moment."), ANSWER],
        asks("A room.", "Another one."),
    ),
    "written over": Play(
        Greeter, [says("It is a long story.", "And more.", seconds=2.5), says("Now."),
                  says("This."), says("That.")],
        types_over,
    ),
    "text through a TTS, cut in": Play(
        Greeter, [says("It is a long story.", "And more.", seconds=2.5), ANSWER],
        speaks_over, {**TTS, "modalities": ["text"]},
    ),
    "what was said is forgotten": Play(Greeter, [HELLO, ANSWER, says("I am new.")], forgets),
    "cut in": Play(
        lambda: Agent(instructions="x"),
        [says("One moment please.", "And more of it.", seconds=4.0), says("Okay then.", seconds=1.0)],
        cuts_in_on_both,
    ),
}  # fmt: skip
