"""G16: output that comes after its turn was given up, twice, or out of order. What was heard stays, cut
where hearing ended; what was never played goes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from livekit.agents import Agent, function_tool

import realtime_fsm as rf
from realtime_fsm.livekit._features import history_of, push_history, realtime_session_of
from realtime_fsm.simulator import FunctionCall, Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, Double, Fault, Late, Lose, Reorder, Schedule, Silence
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

WORDS = "one two three four five six seven eight nine ten"
AUDIO = "response.output_audio.delta"
#: Eight tenths of a second are heard, then nothing comes for longer than a stall is waited for.
HEARD = ("assistant", "one two three four")
PLAYED = ("assistant", WORDS)
PATIENCE = rf.RetryPolicy().stall_timeout
#: Waits no longer for what was heard in part than for what was not.
GIVES_UP = rf.RetryPolicy(first_output_timeout=PATIENCE)

Act = Callable[[SimulatedCall], Awaitable[None]]


def stall(seconds: float) -> Fault:
    return Silence(At(AUDIO, 8), seconds=seconds)


async def nothing(c: SimulatedCall) -> None:
    pass


async def reconnect(c: SimulatedCall) -> None:
    c.server.drop()
    await asyncio.sleep(5.0)


async def push(c: SimulatedCall) -> None:
    await push_history(c.session, history_of(c.session).copy())
    await asyncio.sleep(2.0)


async def spoken(
    *faults: Fault,
    words: str = WORDS,
    policy: rf.RetryPolicy | None = None,
    after: Act = nothing,
    cut: float = 0.0,
) -> tuple[list[tuple[str, str]], list[tuple[str, str]], float]:
    """One reply with these faults: what the agent and the server know of it, and seconds heard."""
    script = [Reply([Message(words, seconds=2.0)], pace=0.05), Reply([Message("Second.")])]
    config = ServerConfig(cancel_delay=0.2, faults=Schedule(list(faults)))
    async with simulated_call(
        script, check=False, turn_detection=None, config=config, policy=policy
    ) as c:
        c.session.generate_reply(user_input="hi")
        if cut:
            await c.until(lambda: c.heard > cut)
            c.session.interrupt()
        await asyncio.sleep(20.0)
        await after(c)
        assert c.controller.differences() == {}
        assert len(c.server.sent("conversation.item.truncate")) <= 1, "G15"
        return c.history[1:], c.remembered[1:], c.heard


@pytest.mark.parametrize("after", [nothing, reconnect, push])
@pytest.mark.parametrize("late", [0.02, 0.2, 1.0, 2.5, 4.5, 20.0])
@virtual_time
async def test_g16_a_stall_that_goes_on(late: float, after: Act) -> None:
    agent, server, heard = await spoken(stall(PATIENCE + late), policy=GIVES_UP, after=after)
    assert agent == server == [HEARD]
    assert heard == pytest.approx(0.8, abs=0.02)


@pytest.mark.parametrize("after", [nothing, reconnect, push])
@pytest.mark.parametrize("late", [0.02, 4.5])
@virtual_time
async def test_g27_a_stall_that_goes_on_is_heard_to_its_end(late: float, after: Act) -> None:
    """By default, as on plain LiveKit: nobody else waits for the slot."""
    agent, server, heard = await spoken(stall(PATIENCE + late), after=after)
    assert agent == server == [PLAYED]
    assert heard == pytest.approx(2.0, abs=0.05)


@virtual_time
async def test_g16_a_stall_that_goes_on_while_the_rest_is_asked_for() -> None:
    policy = rf.RetryPolicy(after_exposure="regenerate")
    agent, server, _ = await spoken(stall(PATIENCE + 0.2), policy=policy)
    assert agent == server == [HEARD, ("assistant", "Second.")]


@virtual_time
async def test_g16_what_is_cut_and_goes_on() -> None:
    cancel = At("response.cancel", side="client")
    agent, server, heard = await spoken(Lose(cancel), cut=0.5)
    assert agent == server == [("assistant", "one two")]
    assert heard < 0.6


@pytest.mark.parametrize("late", [0.0, 0.05, 0.15, 0.4, 1.0])
@pytest.mark.parametrize("cut", [0.3, 0.6, 0.7])
@pytest.mark.parametrize("after", [nothing, reconnect])
@virtual_time
async def test_g16_words_that_come_before_the_server_cuts_count(
    after: Act, cut: float, late: float
) -> None:
    """It goes on until it reads the truncation, and shares out all words that it has by then."""
    truncate = At("conversation.item.truncate", side="client")
    agent, server, _ = await spoken(
        Late(truncate, seconds=late), words="one two three four five six", cut=cut, after=after
    )
    assert [words for _, words in agent if words] == [words for _, words in server if words]


@pytest.mark.parametrize("after", [nothing, reconnect, push])
@virtual_time
async def test_g13_a_message_that_is_announced_twice(after: Act) -> None:
    agent, server, heard = await spoken(Double(At("response.output_item.added")), after=after)
    assert agent == server == [PLAYED]
    assert heard == pytest.approx(2.0, abs=0.02)


@pytest.mark.parametrize(("cut", "known"), [(0.0, PLAYED), (0.5, ("assistant", "one two"))])
@pytest.mark.parametrize("after", [nothing, reconnect, push])
@virtual_time
async def test_g16_a_message_that_is_not_announced_to_the_mirror(
    after: Act, cut: float, known: tuple[str, str]
) -> None:
    """The second: the first is the user's."""
    lost = Lose(At("conversation.item.added", 2))
    agent, server, _ = await spoken(lost, after=after, cut=cut)
    assert agent == server == [known]


@pytest.mark.parametrize("message", [1, 2])
@virtual_time
async def test_g16_a_message_that_the_mirror_does_not_have_keeps_its_place(message: int) -> None:
    """After a reconnect, with what was said before and since."""
    spoken = [Message("one two three", seconds=0.6), Message("four five six", seconds=0.6)]
    script = [Reply(spoken), Reply([Message("Second.", seconds=0.5)])]
    config = ServerConfig(faults=Schedule([Lose(At("conversation.item.added", 1 + message))]))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        for words in ("hi", "and"):
            await c.session.generate_reply(user_input=words)
        before = c.remembered
        await reconnect(c)
        assert c.remembered == before
        assert sorted(before) == sorted(c.history)


@virtual_time
async def test_g16_what_a_dead_session_still_reads_is_not_replayed() -> None:
    """The stall goes on in the instant in which its connection is given up."""
    script = [
        Reply([Message(WORDS, seconds=2.0), Message("never heard", seconds=0.5)], pace=0.01),
        Reply([Message("Second.", seconds=0.5)]),
    ]
    config = ServerConfig(
        create_delay=0.023, faults=Schedule([Silence(At(AUDIO, 5), seconds=11.0)])
    )
    async with simulated_call(
        script, check=False, turn_detection=None, config=config, policy=GIVES_UP
    ) as c:
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(9.0)
        await c.session.generate_reply(user_input="And?")  # it waits for the lane
        known = [("assistant", "one two three"), ("user", "And?"), ("assistant", "Second.")]
        assert c.server.received("session.created")[1:], "another connection"
        assert c.history[1:] == c.remembered[1:] == known
        assert c.controller.differences() == {}


CREATED = At("response.created")


@pytest.mark.parametrize("fault", [Lose(CREATED), Reorder(CREATED, behind=30, within=0.5)])
@pytest.mark.parametrize("after", [nothing, reconnect, push])
@virtual_time
async def test_g16_a_message_whose_response_ends_before_it_is_created(
    fault: Fault, after: Act
) -> None:
    """``response.done`` without, or before, ``response.created``: nobody was given it, so it goes."""
    script = [Reply([Message(WORDS, seconds=0.5)], pace=0.001), Reply([Message("Second.")])]
    config = ServerConfig(faults=Schedule([fault]))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        await c.session.generate_reply(user_input="hi")
        await asyncio.sleep(2.0)
        await after(c)
        assert c.history[1:] == c.remembered[1:] == [("assistant", "Second.")]
        assert len(c.server.answers) == 2


@pytest.mark.parametrize("fault", [Lose(CREATED), Reorder(CREATED, behind=30, within=0.5)])
@virtual_time
async def test_g17_a_call_whose_response_ends_before_it_is_created(fault: Fault) -> None:
    """The server would wait for the output of a call that no tool got."""

    class Calling(Agent):
        ran = 0

        @function_tool
        async def look_up(self) -> str:
            """Look something up."""
            Calling.ran += 1
            return "Found."

    calls = Reply([FunctionCall("look_up")], pace=0.001)
    script = [calls, calls, Reply([Message("Found it.", seconds=0.5)])]
    config = ServerConfig(faults=Schedule([fault]))
    agent = Calling(instructions="Be brief.")
    async with simulated_call(
        script, agent=agent, check=False, turn_detection=None, config=config
    ) as c:
        await c.session.generate_reply(user_input="hi")
        await asyncio.sleep(2.0)
        kinds = [item.type for item in c.server.conversation]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
        assert Calling.ran == 1
        assert c.remembered[-1] == ("assistant", "Found it.")


@pytest.mark.parametrize("lost", [("done",), ("output_item.done", "done")])
@pytest.mark.parametrize("after", [nothing, reconnect, push])
@virtual_time
async def test_g16_a_message_whose_response_neither_begins_nor_ends(
    lost: tuple[str, ...], after: Act
) -> None:
    """It is asked for again, and what nobody was given of the first is known to nobody: with the end of
    the message, or when the next response begins."""
    faults = [Lose(CREATED), *(Lose(At(f"response.{each}")) for each in lost)]
    script = [Reply([Message(WORDS, seconds=0.5)], pace=0.01), Reply([Message("Second.")])]
    config = ServerConfig(faults=Schedule(faults))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        c.session.generate_reply(user_input="hi")
        await asyncio.sleep(20.0)
        await after(c)
        assert len(c.server.answers) == 2
        assert c.history[1:] == c.remembered[1:] == [("assistant", "Second.")]
        assert [i.text_content for i in history_of(c.session).messages()] == ["hi", "Second."]
        assert after is reconnect or c.errors == []


@pytest.mark.parametrize("seconds", [0.3, 3.0])
@virtual_time
async def test_g16_a_message_whose_response_never_begins_and_whose_connection_breaks(
    seconds: float,
) -> None:
    """Its placeholder is not pushed as if it had been said, not from a copy made meanwhile either."""
    script = [Reply([Message(WORDS, seconds=2.0)], pace=0.2), Reply([Message("Second.")])]
    config = ServerConfig(faults=Schedule([Lose(CREATED)]))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: _message(c))
        copy = history_of(c.session).copy()
        await asyncio.sleep(seconds)
        c.server.drop()
        await asyncio.sleep(10.0)
        assert c.remembered[1:] == [("assistant", "Second.")]
        for history in (history_of(c.session).copy(), copy.copy()):
            await push_history(c.session, history)
            await asyncio.sleep(1.0)
            assert "one" not in str(c.remembered)
            known = [i.text_content or "" for i in history_of(c.session).messages()]
            assert "one" not in " ".join(known)


@pytest.mark.parametrize("behind", [13, 14, 15, 16, 18, 22])
@virtual_time
async def test_g16_a_response_that_begins_in_the_middle_of_itself(behind: int) -> None:
    """``response.created`` comes between its messages: who is given the second never gets the first."""
    script = [
        Reply([Message("one two", seconds=0.5), Message("three four", seconds=0.5)], pace=0.05),
        *[Reply([Message("More.", seconds=0.5)])] * 2,
    ]
    late = Reorder(CREATED, behind=behind, within=2.0)
    config = ServerConfig(faults=Schedule([late]))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        await c.session.generate_reply(user_input="hi")
        await c.session.generate_reply(user_input="more")
        await asyncio.sleep(1.0)
        words = sum(len(text.split()) for role, text in c.remembered if role == "assistant")
        assert c.history == c.remembered
        assert words * 0.25 <= c.heard <= words * 0.5
        assert [each for each in c.remembered if each[0] == "user"] == [
            ("user", "hi"),
            ("user", "more"),
        ]
        assert c.remembered[-1] == ("assistant", "More.")
        assert c.controller.differences() == {}


@virtual_time
async def test_g27_an_answer_out_of_band_that_never_begins() -> None:
    """The conversation has nothing of it, and the application hears of no error."""
    script = [Reply([Message("Category.", seconds=0.5)]), Reply([Message("Well.")])]
    config = ServerConfig(faults=Schedule([Lose(CREATED)]))
    async with simulated_call(script, check=False, turn_detection=None, config=config) as c:
        body = {"conversation": "none", "output_modalities": ["text"], "metadata": {"a": "b"}}
        event = {"type": "response.create", "event_id": "app", "response": body}
        realtime_session_of(c.session).send_event(event)
        await asyncio.sleep(3.0)
        await c.session.generate_reply(user_input="hi")
        assert c.remembered == c.history == [("user", "hi"), ("assistant", "Well.")]
        assert c.errors == []


@pytest.mark.parametrize("end", [At("response.done"), None])
@virtual_time
async def test_g17_a_call_whose_response_neither_begins_nor_ends(end: At | None) -> None:
    """Lost with its end, or with its connection."""

    class Calling(Agent):
        ran = 0

        @function_tool
        async def look_up(self) -> str:
            """Look something up."""
            Calling.ran += 1
            return "Found."

    calls = Reply([FunctionCall("look_up")], pace=0.5)
    script = [calls, calls, Reply([Message("Found it.", seconds=0.5)])]
    config = ServerConfig(faults=Schedule([Lose(CREATED), *([Lose(end)] if end else [])]))
    agent = Calling(instructions="Be brief.")
    async with simulated_call(
        script, agent=agent, check=False, turn_detection=None, config=config
    ) as c:
        c.session.generate_reply(user_input="hi")
        if end is None:
            await c.until(lambda: len(c.server.conversation) == 2)
            c.server.drop()
        await asyncio.sleep(25.0)
        kinds = [item.type for item in c.server.conversation]
        assert kinds == ["message", "function_call", "function_call_output", "message"]
        assert Calling.ran == 1


def _message(c: SimulatedCall) -> str:
    """The id of the agent's first message, once it is announced; empty before."""
    items = (r.event["item"] for r in c.server.record if r.type == "conversation.item.added")
    return next((str(item["id"]) for item in items if item.get("role") == "assistant"), "")


@pytest.mark.parametrize("attach", [True, False])
@pytest.mark.parametrize("at", [1, 500, 5000])
@pytest.mark.parametrize("when", [0.0, 0.02, 0.3])
@virtual_time
async def test_g15_a_host_that_cuts_what_has_not_come(when: float, at: int, attach: bool) -> None:
    """Before any audio was counted, or behind it: what is heard afterwards is not forgotten."""
    script = [Reply([Message(WORDS, seconds=2.0)], pace=0.05), Reply([Message("Second.")])]
    async with simulated_call(script, check=False, turn_detection=None, attach=attach) as c:
        c.session.generate_reply(user_input="hi")
        await c.until(lambda: _message(c))
        await asyncio.sleep(when)
        realtime_session_of(c.session).truncate(
            message_id=_message(c), modalities=["audio"], audio_end_ms=at, audio_transcript=WORDS
        )
        await asyncio.sleep(8.0)
        within = when > 0.1 and at < 600  # that much had come: the application is obeyed
        heard = at if within else 2000
        assert [i.audio_ms for i in c.server.conversation if i.role == "assistant"] == [heard]
        if not within:
            assert c.history[1:] == c.remembered[1:] == [PLAYED]
        assert c.errors == []
        assert c.controller.differences() == {}
        await c.session.generate_reply(user_input="more")
        assert c.remembered[-1] == ("assistant", "Second.")
