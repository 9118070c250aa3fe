"""Calls in which the controlled model is, or was, worse than plain LiveKit, by kind.

Each is lived twice by :func:`live_twice`. What a call does is said once, for both lives. The yardstick
is plain LiveKit in the same run; of kind A plain LiveKit breaks as well, so there it is plain LiveKit
undisturbed (:attr:`Living.controlled`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, get_args

from livekit import rtc
from livekit.agents import Agent, AgentTask, RunContext, function_tool

from realtime_fsm import RetryPolicy
from realtime_fsm import simulator as sim
from realtime_fsm.livekit._features import (
    end_task,
    given_history,
    hand_over,
    history_of,
    realtime_session_of,
)
from realtime_fsm.profiles import shipped
from realtime_fsm.simulator.deviations import Omission
from realtime_fsm.simulator.profiled import configured
from realtime_fsm.testing import Living, SimulatedCall

__all__ = ["CASES", "KINDS"]

Case = Callable[[Living], Awaitable[None]]

CASES: dict[str, Case] = {}
KINDS: dict[str, str] = {}
"""The kind of each case."""

FAILED = sim.Reply(end=sim.Failed("server_error"))
PUSH = {"turn_detection": None}


def case(kind: str, name: str | None = None) -> Callable[[Case], Case]:
    def register(live: Case) -> Case:
        known = name or live.__name__
        CASES[known], KINDS[known] = live, kind
        return live

    return register


def says(text: str, seconds: float = 1.0, *, after: float = 0.0, **more: Any) -> sim.Reply:
    return sim.Reply([sim.Message(text, seconds=seconds, after=after)], **more)


def script(**answers: Sequence[sim.Reply]) -> sim.Script:
    """Replies by question; an underscore is a space."""
    return sim.Script(answers={key.replace("_", " "): listed for key, listed in answers.items()})


def block(seconds: float) -> None:
    """Blocking code of the application: the clock jumps within one callback, and what the server
    sent meanwhile waits in the socket."""
    loop: Any = asyncio.get_running_loop()
    loop.advance(seconds)


# --- A: a frame of another response cuts what is being spoken

LONG = says("We open at eight and close at six, from Monday to Friday.", 3.0, pace=0.1)


def aside(call: SimulatedCall, **response: Any) -> None:
    """The application asks for a response outside the conversation."""
    params = {
        "conversation": "none",
        "output_modalities": ["text"],
        "metadata": {"topic": "hours"},
        **response,
    }
    session = realtime_session_of(call.session)
    session.send_event({"type": "response.create", "event_id": "aside_1", "response": params})


for _how, _reply in (("fails", FAILED), ("text", says("They ask for opening hours.", 0.3))):

    @case("A", f"a_response_aside_{_how}_while_the_agent_speaks")
    async def _(living: Living, reply: sim.Reply = _reply) -> None:
        answers = sim.Script(answers={"When?": [LONG], "aside: hours": [reply]})
        async with living(answers, check=False) as call:
            await call.say("When?")
            await call.until(lambda: call.heard > 0.5)
            if living.controlled:
                aside(call)
            await asyncio.sleep(10.0)


@case("A")
async def a_response_aside_before_the_first_item(living: Living) -> None:
    answers = script(hi=[says("The real answer.", after=0.5)], again=[says("Once more.")])
    async with living(answers, check=False, **PUSH) as call:
        call.session.generate_reply(user_input="hi")
        await asyncio.sleep(0.1)
        if living.controlled:
            aside(call)
        await asyncio.sleep(20.0)
        call.session.generate_reply(user_input="again")
        await asyncio.sleep(30.0)


def stray(type: str, id: str, status: str, conversation: str | None) -> dict[str, Any]:
    response = {
        "id": id,
        "object": "realtime.response",
        "status": status,
        "status_details": None,
        "output": [],
        "usage": None,
        "metadata": None,
        "conversation_id": conversation,
    }
    return {"type": type, "response": response}


for _name, _frame in (
    ("a_late_done", stray("response.done", "resp_old", "cancelled", "conv_1")),
    ("a_done_aside", stray("response.done", "resp_aside", "failed", None)),
    ("a_created_aside", stray("response.created", "resp_aside", "in_progress", None)),
):

    @case("A", f"{_name}_while_the_agent_speaks")
    async def _(living: Living, frame: dict[str, Any] = _frame) -> None:
        at = sim.At("response.output_audio.delta", 6, question="When?")
        faults = sim.Schedule([sim.Insert(at, frame)] if living.controlled else [])
        answers = sim.Script(answers={"When?": [LONG]})
        async with living(answers, check=False, config=sim.ServerConfig(faults=faults)) as call:
            await call.say("When?")
            await asyncio.sleep(10.0)


for _by, _options in (("vad", {}), ("request", PUSH)):

    @case("A", f"a_late_done_before_the_first_item_{_by}")
    async def _(living: Living, options: dict[str, Any] = _options) -> None:
        late = stray("response.done", "resp_old", "cancelled", "conv_1")
        at = sim.At("response.created", question="When?")
        faults = sim.Schedule([sim.Insert(at, late)] if living.controlled else [])
        answers = sim.Script(answers={"When?": [LONG], "And then?": [says("At six.")]})
        config = sim.ServerConfig(faults=faults)
        async with living(answers, check=False, config=config, **options) as call:
            for words in ("When?", "And then?"):
                await call.say(words)
                await asyncio.sleep(8.0)


# --- C: what the server does itself does not count


@case("C")
async def a_server_call_of_25_seconds(living: Living) -> None:
    book = sim.Reply([sim.ServerCall("book", seconds=25.0), sim.Message("Booked.", seconds=1.0)])
    async with living(sim.Script(answers={"Book it.": [book]}), check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(60.0)


@case("C")
async def a_response_of_a_server_call_alone(living: Living) -> None:
    book = sim.Reply([sim.ServerCall("book", seconds=3.0, outlives=True)], done_delay=0.3)
    answers = sim.Script(answers={"Book it.": [book], "It is done.": [says("Booked.")]})
    async with living(answers, check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(4.0)
        call.session.generate_reply(instructions="It is done.")
        await asyncio.sleep(10.0)


@case("C")
async def a_server_call_whose_response_fails(living: Living) -> None:
    book = sim.Reply(
        [sim.ServerCall("book", seconds=1.0)], end=sim.Failed("server_error", at=sim.END)
    )
    async with living(sim.Script(answers={"Book it.": [book]}), check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(30.0)


@case("C")
async def a_request_for_approval(living: Living) -> None:
    ask = sim.Reply([sim.ServerCall("book", kind="mcp_approval_request")])
    async with living(sim.Script(answers={"Book it.": [ask]}), check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(15.0)


@case("C")
async def a_kind_of_item_that_nobody_knows(living: Living) -> None:
    search = sim.Reply([sim.ServerCall("web", kind="web_search_call", seconds=0.5)])
    async with living(sim.Script(answers={"Look it up.": [search]}), check=False) as call:
        await call.say("Look it up.")
        await asyncio.sleep(15.0)


@case("C")
async def a_server_call_of_100_seconds_that_tells_nothing(living: Living) -> None:
    book = sim.Reply([sim.ServerCall("book", seconds=100.0), sim.Message("Booked.", seconds=1.0)])
    async with living(sim.Script(answers={"Book it.": [book]}), check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(130.0)


@case("C")
async def words_before_a_server_call_that_fails(living: Living) -> None:
    book = sim.Reply(
        [sim.Message("One moment.", seconds=1.0), sim.ServerCall("book", seconds=12.0)],
        end=sim.Failed("server_error", at=sim.END),
    )
    async with living(sim.Script(answers={"Book it.": [book]}), check=False) as call:
        await call.say("Book it.")
        await asyncio.sleep(40.0)


@case("C")
async def a_file_search_asked_for_by_the_application(living: Living) -> None:
    look = sim.Reply([sim.ServerCall("files", kind="file_search_call", seconds=9.0)])
    answers = sim.Script(answers={"Look.": [look], "And?": [says("Found.")]})
    async with living(answers, check=False) as call:
        call.session.generate_reply(instructions="Look.")
        await asyncio.sleep(12.0)
        call.session.generate_reply(instructions="And?")
        await asyncio.sleep(10.0)


# --- D: a peer that takes no more writes


@case("D")
async def a_server_that_stands_still(living: Living) -> None:
    frozen = sim.Freeze(sim.At("response.done", question="one"), room=4000)
    config = sim.ServerConfig(faults=sim.Schedule([frozen]))
    answers = script(one=[says("One.")])
    async with living(answers, check=False, config=config, **PUSH) as call:
        call.session.generate_reply(user_input="one")
        await call.idle()
        session = realtime_session_of(call.session)

        async def speak() -> None:
            while True:
                session.push_audio(rtc.AudioFrame.create(24_000, 1, 2400))
                await asyncio.sleep(0.1)

        microphone = asyncio.create_task(speak())
        try:
            await asyncio.sleep(1.0)
            for words in ("two", "three", "four", "five", "six"):
                call.session.generate_reply(instructions=words)
                await asyncio.sleep(40.0)
        finally:
            microphone.cancel()


for _name, _seconds in (("at_once", 0.5), ("later", 30.0)):

    @case("D", f"a_line_that_is_dead_and_asked_{_name}")
    async def _(living: Living, seconds: float = _seconds) -> None:
        answers = script(one=[says("One.")], two=[says("Two.")], three=[says("Three.")])
        async with living(answers, check=False, **PUSH) as call:
            await call.session.generate_reply(user_input="one")
            call.server.half_open()
            await asyncio.sleep(seconds)
            for words in ("two", "three"):
                call.session.generate_reply(user_input=words)
                await asyncio.sleep(40.0)


@case("D")
async def a_line_that_dies_while_the_answer_streams(living: Living) -> None:
    answers = script(hi=[says("An answer that takes long enough.", 4.0, pace=0.1)])
    async with living(answers, check=False) as call:
        call.session.generate_reply(instructions="hi")
        await call.until(lambda: call.heard > 1.0)
        call.server.half_open()
        await asyncio.sleep(40.0)
        await call.server.user_speaks("Hello?", seconds=0.5)
        await asyncio.sleep(20.0)


@case("D")
async def a_server_that_is_silent_as_long_as_nothing_is_asked(living: Living) -> None:
    answers = script(one=[says("One.")], two=[says("Two.")])
    config = sim.ServerConfig(leaves_out=("session_updated",))
    async with living(answers, check=False, config=config, **PUSH) as call:
        for words in ("one", "two"):
            call.session.generate_reply(user_input=words)
            await asyncio.sleep(90.0)
            block(20.0)
            await asyncio.sleep(0.1)


# --- E: a question answered twice, or not at all


@case("E")
async def server_vad_creates_its_response_after_six_seconds(living: Living) -> None:
    answers = sim.Script(answers={"Hello?": [says("First answer."), says("Second answer.")]})
    async with living(answers, check=False, config=sim.ServerConfig(vad_create_delay=6.0)) as call:
        await call.say("Hello?")
        await asyncio.sleep(25.0)


@case("E")
async def the_loop_stands_still_while_server_vad_creates(living: Living) -> None:
    answers = sim.Script(
        answers={"Hello?": [says("First answer.", 2.0), says("Second answer.", 2.0)]}
    )
    async with living(answers, check=False, config=sim.ServerConfig(vad_create_delay=0.3)) as call:
        await call.server.user_speaks("Hello?", seconds=0.5)
        await asyncio.sleep(0.52)
        block(5.3)
        await asyncio.sleep(8.0)


for _seconds in (8.5, 60.0):

    @case("E", f"the_loop_stands_still_for_{_seconds:.0f}_s_while_the_answer_streams")
    async def _(living: Living, seconds: float = _seconds) -> None:
        answers = script(hi=[says("An answer that takes long enough.", 4.0, pace=0.1)])
        async with living(answers, check=False, **PUSH) as call:
            call.session.generate_reply(user_input="hi")
            await asyncio.sleep(0.8)
            block(seconds)
            await asyncio.sleep(10.0)


for _seconds in (8.5, 12.0):

    @case("E", f"an_answer_that_stalls_for_{_seconds:.0f}_s_and_goes_on")
    async def _(living: Living, seconds: float = _seconds) -> None:
        answers = script(hi=[says("An answer that takes long enough.", 4.0, pace=0.1)])
        stall = sim.Silence(sim.At("response.output_audio.delta", 10, question="hi"), seconds)
        config = sim.ServerConfig(faults=sim.Schedule([stall]))
        async with living(answers, check=False, config=config, **PUSH) as call:
            call.session.generate_reply(user_input="hi")
            await asyncio.sleep(40.0)


@case("E")
async def connections_that_are_lost_again_and_again(living: Living) -> None:
    doomed = [sim.Accept(sim.Closed(1011), on="session.update")] * 12
    answers = script(hi=[says("Hello.")], again=[says("Hello again.")])
    config = sim.ServerConfig(handshakes=[sim.Accept(), *doomed])
    async with living(answers, check=False, config=config, **PUSH) as call:
        await call.session.generate_reply(user_input="hi")
        call.server.drop()
        await asyncio.sleep(60.0)
        call.session.generate_reply(user_input="again")
        await asyncio.sleep(10.0)


for _name, _status in (("key", 401), ("caller", 403), ("model", 404)):

    @case("E", f"a_first_handshake_refuses_the_{_name}_once")
    async def _(living: Living, status: int = _status) -> None:
        config = sim.ServerConfig(handshakes=[sim.Refuse(status), sim.Accept()])
        answers = script(hi=[says("Hello.")], again=[says("Hello again.")])
        async with living(answers, check=False, config=config, **PUSH) as call:
            for words in ("hi", "again"):
                call.session.generate_reply(user_input=words)
                await asyncio.sleep(10.0)


# --- E2: a slow server is silenced

for _seconds in (6.0, 9.0):

    @case("E2", f"created_comes_{_seconds:.0f}_s_after_the_create")
    async def _(living: Living, seconds: float = _seconds) -> None:
        answers = script(one=[says("Hello there.")], two=[says("And goodbye.")])
        config = sim.ServerConfig(create_delay=seconds)
        async with living(answers, check=False, config=config) as call:
            for words in ("one", "two"):
                call.session.generate_reply(instructions=words)
                await asyncio.sleep(40.0)


for _name, _policy in (
    ("is_asked_again_at_2_s", {"timeout": 2.0}),
    ("may_not_be_asked_again", {"timeout": 4.0, "max_retry": 0}),
):

    @case("E2", f"created_comes_late_and_{_name}")
    async def _(living: Living, policy: dict[str, Any] = _policy) -> None:
        answers = script(one=[says("Hello there.")], two=[says("And goodbye.")])
        config = sim.ServerConfig(create_delay=3.0)
        given = RetryPolicy(**policy)
        async with living(answers, check=False, config=config, policy=given) as call:
            for words in ("one", "two"):
                call.session.generate_reply(instructions=words)
                await asyncio.sleep(40.0)


@case("E2")
async def server_vad_answers_in_the_instant_in_which_its_slot_is_given_up(living: Living) -> None:
    answers = script(one=[says("Hello there.", ack=sim.Created(after=30.0)), says("Hello again.")])
    async with living(answers, check=False) as call:
        await call.say("one")
        await asyncio.sleep(60.0)


@case("E2")
async def created_comes_late_to_the_second_of_two_requests(living: Living) -> None:
    answers = script(one=[says("Hello there.")], two=[says("And goodbye.")])
    config = sim.ServerConfig(create_delay=7.0)
    async with living(answers, check=False, config=config) as call:
        call.session.generate_reply(instructions="one")
        call.session.generate_reply(instructions="two")
        await asyncio.sleep(60.0)


# --- F: ready, but waiting behind what only waits

ANSWER = says("This is the answer to your question.", 4.0)
PROMPT = says("Are you still there?")
NEXT: Mapping[str, tuple[sim.Reply, list[sim.Reply]]] = {
    "is_refused": (ANSWER, [PROMPT]),
    "fails": (ANSWER, [FAILED] * 4 + [PROMPT]),
    "is_unanswered": (ANSWER, [sim.Reply(ack=sim.Unanswered()), PROMPT]),
    "waits_for_a_stall": (
        says("This is the answer to your question.", 4.0, end=sim.Stalled(at=sim.audio_ms(2000))),
        [PROMPT],
    ),
}
for _name, (_answer, _prompts) in NEXT.items():

    @case("F", f"a_prompt_asked_for_while_the_user_speaks_{_name}")
    async def _(
        living: Living, answer: sim.Reply = _answer, prompts: list[sim.Reply] = _prompts
    ) -> None:
        answers = {"Where is it?": [answer], "Ask whether they are there.": prompts}
        async with living(sim.Script(answers=answers), check=False) as call:
            asking = asyncio.create_task(call.say("Where is it?", seconds=2.0))
            await asyncio.sleep(0.05)
            call.session.generate_reply(instructions="Ask whether they are there.")
            await asking
            await asyncio.sleep(30.0)


for _name, _offset in (("before", -0.1), ("at", 0.0), ("after", 0.05)):

    @case("F", f"a_greeting_{_name}_the_end_of_the_users_hello")
    async def _(living: Living, offset: float = _offset) -> None:
        answers = sim.Script(
            answers={"Hello?": [says("Good morning.")], "Greet.": [says("Welcome.")]}
        )
        async with living(
            answers, check=False, config=sim.ServerConfig(vad_create_delay=0.2)
        ) as call:
            asking = asyncio.create_task(call.say("Hello?"))
            await asyncio.sleep(1.0 + offset)
            call.session.generate_reply(instructions="Greet.")
            await asking
            await asyncio.sleep(14.0)


@case("F")
async def a_reply_asked_for_while_the_answer_thinks(living: Living) -> None:
    answers = {"Where is it?": [says("Here.", 1.5, after=0.5)], "Tell.": [says("News.", 1.5)]}
    async with living(sim.Script(answers=answers), check=False) as call:
        await call.say("Where is it?")
        await asyncio.sleep(0.1)
        call.session.generate_reply(instructions="Tell.")
        await asyncio.sleep(10.0)


@case("F")
async def two_replies_asked_for_while_the_user_speaks(living: Living) -> None:
    answers = {"Where is it?": [ANSWER], "First.": [says("First.")], "Then.": [says("Then.")]}
    async with living(sim.Script(answers=answers), check=False) as call:
        asking = asyncio.create_task(call.say("Where is it?", seconds=2.0))
        await asyncio.sleep(0.5)
        for words in ("First.", "Then."):
            call.session.generate_reply(instructions=words)
        await asking
        await asyncio.sleep(20.0)


@case("F")
async def the_users_turn_is_committed_with_server_vad_on(living: Living) -> None:
    answers = {"Where is it?": [ANSWER, says("Once more.")]}
    async with living(sim.Script(answers=answers), check=False) as call:
        asking = asyncio.create_task(call.say("Where is it?"))
        await asyncio.sleep(0.9)
        call.session.commit_user_turn()
        await asking
        await asyncio.sleep(20.0)


class Waiter(Agent):
    """Says "one moment" from a tool; another tool waits for what its reply says."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def search(self, context: RunContext[Any]) -> str:
        """Search."""
        context.session.generate_reply(instructions="One moment.")
        await asyncio.sleep(2.5)
        return "found"

    @function_tool
    async def end(self, context: RunContext[Any]) -> None:
        """End."""
        await context.wait_for_playout()
        context.session.shutdown(drain=False)


@case("F")
async def the_user_speaks_into_what_a_tool_has_said(living: Living) -> None:
    answers = {
        "Search.": [sim.Reply([sim.FunctionCall("search")])],
        "One moment.": [says("One moment please.", 1.5)],
        "Hurry.": [says("I am on it.", 1.5)],
        "Search. > search": [says("Found it.")],
    }
    async with living(sim.Script(answers=answers), agent=Waiter(), check=False) as call:
        await call.say("Search.")
        await asyncio.sleep(1.5)
        await call.say("Hurry.", 0.5)
        await asyncio.sleep(12.0)


@case("F")
async def a_tool_waits_for_the_words_of_a_reply_that_let_another_go_first(living: Living) -> None:
    bye = sim.Reply([sim.Message("Goodbye, and thank you.", seconds=2.0), sim.FunctionCall("end")])
    answers = {"Where is it?": [says("Here.", 1.5)], "Say goodbye.": [bye]}
    async with living(sim.Script(answers=answers), agent=Waiter(), check=False) as call:
        asking = asyncio.create_task(call.say("Where is it?"))
        await asyncio.sleep(0.5)
        call.session.generate_reply(instructions="Say goodbye.")
        await asking
        await asyncio.sleep(12.0)


# --- G: servers that deviate

for _omission, _switch in (
    ("metadata", {"metadata_echo": False}),
    ("response_id", {"leaves_out": ("response_id",)}),
):

    @case("G", f"a_server_without_{_omission}")
    async def _(living: Living, switch: Any = _switch) -> None:
        answers = script(one=[says(f"Answer {n}.") for n in range(6)], two=[says("Two.")])
        config = sim.ServerConfig(**switch)
        async with living(answers, check=False, config=config, **PUSH) as call:
            for words in ("one", "two"):
                call.session.generate_reply(user_input=words)
                await asyncio.sleep(40.0)


@case("G")
async def a_server_that_uses_a_response_id_again(living: Living) -> None:
    answers = script(one=[says("One.")], two=[says("Two.")], three=[says("Three.")])
    config = sim.ServerConfig(one_response_id=True)
    async with living(answers, check=False, config=config, **PUSH) as call:
        for words in ("one", "two", "three"):
            call.session.generate_reply(user_input=words)
            await asyncio.sleep(40.0)


@case("G")
async def a_conflict_that_names_an_id_of_another_form(living: Living) -> None:
    answers = sim.Script(answers={"Hello?": [says("Good morning.")], "Greet.": [says("Welcome.")]})
    config = sim.ServerConfig(
        vad_create_delay=0.2, conflict_event_id="foreign", slot_taken="created"
    )
    async with living(answers, check=False, config=config) as call:
        asking = asyncio.create_task(call.say("Hello?"))
        await asyncio.sleep(1.0)
        call.session.generate_reply(instructions="Greet.")
        await asking
        await asyncio.sleep(14.0)


@case("G")
async def an_id_used_again_for_server_vads_answers_too(living: Living) -> None:
    answers = {
        "Hello?": [says("Good morning.", 2.0)],
        "Stop.": [says("All right.")],
        "Go on.": [says("Then.")],
    }
    config = sim.ServerConfig(one_response_id=True, leaves_out=("response_id", "status", "usage"))
    async with living(sim.Script(answers=answers), check=False, config=config) as call:
        await call.say("Hello?")
        await asyncio.sleep(1.0)
        await call.say("Stop.", 0.5)
        await asyncio.sleep(6.0)
        call.session.generate_reply(instructions="Go on.")
        await asyncio.sleep(6.0)


@case("G")
async def a_server_that_has_all_of_it(living: Living) -> None:
    everything: tuple[Omission, ...] = get_args(Omission)
    answers = script(one=[FAILED, says("One.")], two=[says("Two.")])
    config = configured(shipped()["compat"], leaves_out=everything)
    async with living(answers, check=False, config=config, **PUSH) as call:
        for words in ("one", "two"):
            call.session.generate_reply(user_input=words)
            await asyncio.sleep(40.0)


@case("G")
async def an_error_about_something_else_while_a_create_waits(living: Living) -> None:
    transcribing = {
        "type": "server_error",
        "code": None,
        "message": "The server had an error while transcribing your audio",
        "param": None,
        "event_id": None,
    }
    frame = {"type": "error", "error": transcribing}
    faults = sim.Schedule(
        [sim.Insert(sim.At("response.create", side="client", question="one"), frame)]
    )
    answers = script(one=[says("The one answer.", ack=sim.Created(after=0.5)), says("Another.")])
    config = sim.ServerConfig(faults=faults)
    async with living(answers, check=False, config=config, **PUSH) as call:
        call.session.generate_reply(user_input="one")
        await asyncio.sleep(20.0)


# --- H: a session that ends where plain goes on


@case("H")
async def no_retries_and_a_connection_that_drops_once(living: Living) -> None:
    answers = script(one=[says("One.")], two=[says("Two.")])
    async with living(answers, check=False, policy=RetryPolicy(max_retry=0), **PUSH) as call:
        await call.session.generate_reply(user_input="one")
        await asyncio.sleep(120.0)
        call.server.drop()
        await asyncio.sleep(5.0)
        call.session.generate_reply(user_input="two")
        await asyncio.sleep(5.0)


for _status in (400, 401, 403, 404):

    @case("H", f"a_refused_reconnect_with_{_status}")
    async def _(living: Living, status: int = _status) -> None:
        at = sim.At("response.done", question="one")
        faults = sim.Schedule([sim.BreakConnection(at, refused=2, status=status)])
        answers = script(one=[says("One.")], two=[says("Two.")])
        config = sim.ServerConfig(faults=faults)
        async with living(answers, check=False, config=config) as call:
            await call.say("one")
            await asyncio.sleep(8.0)
            await call.say("two")
            await asyncio.sleep(5.0)


@case("H")
async def five_turns_that_fail(living: Living) -> None:
    turns = ("one", "two", "three", "four", "five", "six")
    failing = {words: [FAILED] for words in turns[:-1]}
    async with living(
        sim.Script(answers={**failing, "six": [says("At last.")]}), check=False
    ) as call:
        for words in turns:
            call.session.generate_reply(instructions=words)
            await asyncio.sleep(30.0)


@case("H")
async def a_permission_error(living: Living) -> None:
    denied = sim.Reply(end=sim.Failed("permission_error"))
    async with living(script(one=[denied], two=[says("Hello there.")]), check=False) as call:
        for words in ("one", "two"):
            call.session.generate_reply(instructions=words)
            await asyncio.sleep(15.0)


class Reader(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def read_page(self) -> str:
        """Read it."""
        return "x" * 30_000


@case("H")
async def an_item_that_closes_the_connection(living: Living) -> None:
    answers = {
        "Hi.": [says("Hello.")],
        "Read it.": [sim.Reply([sim.FunctionCall("read_page")])],
        "And now?": [says("Now it is noon.")],
    }
    config = sim.ServerConfig(largest_frame=20_000)
    async with living(
        sim.Script(answers=answers), agent=Reader(), check=False, config=config
    ) as call:
        await call.say("Hi.")
        await call.idle()
        await call.say("Read it.")
        await asyncio.sleep(30.0)
        await call.say("And now?")
        await asyncio.sleep(15.0)


@case("H")
async def a_long_note_of_the_application_closes_the_connection(living: Living) -> None:
    answers = {"Hi.": [says("Hello.")], "And now?": [says("Now it is noon.")]}
    config = sim.ServerConfig(largest_frame=20_000)
    async with living(
        sim.Script(answers=answers), agent=Reader(), check=False, config=config
    ) as call:
        await call.say("Hi.")
        await call.idle()
        history = call.session.current_agent.chat_ctx.copy()
        history.add_message(role="user", content="x" * 30_000)
        update = asyncio.create_task(call.session.current_agent.update_chat_ctx(history))
        await asyncio.wait({update}, timeout=30.0)
        await asyncio.sleep(30.0)
        await call.say("And now?")
        await asyncio.sleep(15.0)


@case("H")
async def the_first_item_of_all_closes_the_connection(living: Living) -> None:
    answers = {"And now?": [says("Now it is noon.")]}
    config = sim.ServerConfig(largest_frame=20_000)
    async with living(sim.Script(answers=answers), check=False, config=config) as call:
        agent = call.session.current_agent
        history = agent.chat_ctx.copy()
        history.add_message(role="user", content="x" * 30_000)
        update = asyncio.create_task(agent.update_chat_ctx(history))
        await asyncio.wait({update}, timeout=30.0)
        await asyncio.sleep(30.0)
        await call.say("And now?")
        await asyncio.sleep(15.0)


@case("H")
async def no_retries_and_a_connection_that_drops_five_times(living: Living) -> None:
    answers = script(**{f"ask_{n}": [says(f"Answer {n}.")] for n in range(5)})
    async with living(answers, check=False, policy=RetryPolicy(max_retry=0), **PUSH) as call:
        for n in range(5):
            await call.session.generate_reply(user_input=f"ask {n}")
            await call.idle()
            call.server.drop()
            await asyncio.sleep(5.0)


@case("H")
async def a_create_refused_for_want_of_permission(living: Living) -> None:
    denied = sim.Reply(ack=sim.Rejected("authentication_error"))
    answers = script(one=[denied], two=[says("Hello there.")])
    async with living(answers, check=False) as call:
        for words in ("one", "two"):
            call.session.generate_reply(instructions=words)
            await asyncio.sleep(15.0)


# --- Q: the host does not know of an answer under way

THINKING = sim.Script(answers={"Where is it?": [says("It arrives tomorrow.", 1.5, after=0.6)]})


@case("Q")
async def another_agent_while_the_answer_thinks(living: Living) -> None:
    async with living(THINKING, check=False) as call:
        await call.say("Where is it?")
        await asyncio.sleep(0.1)
        copied = history_of(call.session).copy()
        next_agent = Agent(instructions="Be kind.", **given_history(copied))
        hand_over(call.session, next_agent, copied)
        await asyncio.sleep(6.0)


@case("Q")
async def drain_while_the_answer_thinks(living: Living) -> None:
    async with living(THINKING, check=False) as call:
        await call.say("Where is it?")
        await asyncio.sleep(0.1)
        await call.session.drain()


@case("Q")
async def shutdown_while_the_answer_thinks(living: Living) -> None:
    async with living(THINKING, check=False) as call:
        await call.say("Where is it?")
        await asyncio.sleep(0.1)
        call.session.shutdown(drain=True)
        await asyncio.sleep(6.0)


class _Name(AgentTask[str]):
    def __init__(self) -> None:
        super().__init__(instructions="Ask.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the name.")

    @function_tool
    async def name(self) -> None:
        """Note it."""
        end_task(self, "Bob")


class Desk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def transfer(self, context: RunContext[Any]) -> Any:
        """Hand over."""
        await asyncio.sleep(1.5)
        next_agent = Agent(instructions="Be kind.", **given_history(self.chat_ctx.copy()))
        return next_agent, "Transferred."

    @function_tool
    async def ask(self, context: RunContext[Any]) -> str:
        """Ask for the name."""
        await asyncio.sleep(1.5)
        return await _Name()

    @function_tool
    async def end_call(self, context: RunContext[Any]) -> str:
        """Say goodbye."""
        await asyncio.sleep(1.5)
        context.session.shutdown(drain=True)
        return "Goodbye."


for _tool in ("transfer", "ask", "end_call"):

    @case("Q", f"the_tool_{_tool}_ends_while_the_next_answer_thinks")
    async def _(living: Living, tool: str = _tool) -> None:
        answers = {
            "Help me.": [sim.Reply([sim.FunctionCall(tool)])],
            f"Help me. > {tool}": [says("Well then.")],
            "And my order?": [says("Your order is on its way.", 1.5, after=0.5)],
            "Ask for the name.": [says("What is your name?")],
            "Bob.": [sim.Reply([sim.FunctionCall("name")])],
        }
        async with living(sim.Script(answers=answers), agent=Desk(), check=False) as call:
            await call.say("Help me.")
            await asyncio.sleep(1.0)
            await call.say("And my order?", 0.3)
            await asyncio.sleep(8.0)
