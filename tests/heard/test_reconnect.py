"""G16: a new connection's conversation is what was heard, also of what was playing when the old
one broke (BASELINE j and j4)."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

import pytest
from livekit.agents import Agent, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.livekit._conversation import Conversation
from realtime_fsm.livekit._features import history_of, push_history, realtime_session_of
from realtime_fsm.simulator import (
    Accept,
    Dropped,
    Failed,
    FunctionCall,
    InMemoryServer,
    Message,
    Refuse,
    Reply,
    ServerConfig,
    audio_ms,
)
from realtime_fsm.simulator.faults import At, Late, Lose, Schedule
from realtime_fsm.testing import PacedAudioOutput, simulated_call, virtual_time

from ..livekit.call import HELLO, VAD, Call, call
from ..livekit.test_adapter import Tooled
from .cells import TEXTS

GREETING = ("assistant", "Good morning to you my friend.")
QUESTION = ("user", "Where is my parcel?")
#: Half of the first message's ten words.
HALF = ("assistant", "One moment please while I")
FAST = ServerConfig(pace=0.001)

replays_calls = pytest.mark.skipif(
    version("livekit-agents").startswith("1.7."),
    reason="the plugin of livekit-agents 1.7 tells a new connection of no calls",
)


def said(count: int = 1) -> list[Message]:
    return [Message(text, seconds=2.0) for text in TEXTS[:count]]


def conversation(c: Call) -> list[tuple[str, str]]:
    return [(i.role or i.type, i.text) for i in c.server.conversation]


def agents(c: Call) -> list[tuple[str, str]]:
    """The agent's own copy, placeholders without words left out."""
    found: list[tuple[str, str]] = []
    for item in history_of(c.session).items:
        if isinstance(item, llm.ChatMessage) and item.text_content:
            found.append((item.role, item.text_content))
        elif isinstance(item, (llm.FunctionCall, llm.FunctionCallOutput)):
            found.append((item.type, ""))
    return found


def drop(c: Call) -> None:
    assert isinstance(c.server, InMemoryServer)
    c.server.drop()


async def playing(c: Call, seconds: float) -> None:
    await c.until(lambda: c.sink.heard_seconds > 0, timeout=60)
    await asyncio.sleep(seconds - c.sink.heard_seconds)


def check(c: Call, expected: list[tuple[str, str]], connections: int = 2) -> None:
    assert c.server.connections == connections
    assert conversation(c) == expected
    words = [each for each in agents(c) if each[0] in ("user", "assistant")]
    assert words == [each for each in expected if each[0] in ("user", "assistant")]
    assert c.controller.differences() == {}


def refused(c: Call) -> list[str]:
    return [r.event["error"]["code"] for r in c.server.record if r.event["type"] == "error"]


@virtual_time
async def test_g16_what_was_received_and_played_out_is_remembered() -> None:
    """BASELINE j: half a sentence was heard, of which the new conversation knew nothing."""
    broken = Reply(said(), end=Dropped(at=audio_ms(1000)))
    async with call([broken, HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        await asyncio.sleep(0.5)
        check(c, [QUESTION, HALF])
        await c.session.generate_reply(user_input="And?")
        check(c, [QUESTION, HALF, ("user", "And?"), GREETING])
        assert refused(c) == []


@virtual_time
async def test_g16_it_is_there_before_the_rest_is_asked_for() -> None:
    """``after_exposure="regenerate"``: the model is to go on from what was heard."""
    broken = Reply(said(), end=Dropped(at=audio_ms(1000)))
    policy = rf.RetryPolicy(after_exposure="regenerate")
    async with call([broken, HELLO], config=FAST, sink=PacedAudioOutput(), retry=policy) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        await asyncio.sleep(0.5)
        check(c, [QUESTION, HALF, GREETING])


@virtual_time
async def test_g16_what_the_application_puts_in_the_middle_stays_there() -> None:
    """It is pushed after one reconnect, and replayed by the next but one."""
    async with call([HELLO, HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        for question in ("First?", "Second?"):
            await c.session.generate_reply(user_input=question)
        drop(c)
        await c.until(lambda: c.server.connections == 2)
        await asyncio.sleep(0.5)
        history = history_of(c.session).copy()
        place = next(n for n, i in enumerate(history.items) if i.type == "message") + 2
        history.items.insert(place, llm.ChatMessage(id="note", role="user", content=["A note."]))
        await push_history(c.session, history)
        expected = conversation(c)
        assert expected[2] == ("user", "A note.")
        for connections in (3, 4):
            drop(c)
            await c.until(lambda n=connections: c.server.connections == n)
            await asyncio.sleep(0.5)
            assert conversation(c) == expected


@pytest.mark.parametrize("generation", ["complete", "generating"])
@virtual_time
async def test_g16_cut_after_the_reconnect(generation: str) -> None:
    """The new connection has words of it or nothing, but no audio that could be truncated."""
    config = FAST if generation == "complete" else ServerConfig(pace=0.09)
    async with call([Reply(said(2)), HELLO], config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        received = c.turn.messages[0].received_ms
        drop(c)
        await asyncio.sleep(0.3)  # 1.0 s of it was heard, or what had come of it
        c.session.interrupt()
        await handle
        await asyncio.sleep(0.5)
        heard = ("assistant", " ".join(TEXTS[0].split()[: int(min(received, 1000)) // 200]))
        check(c, [QUESTION, heard])
        assert c.server.sent("conversation.item.truncate") == []
        assert refused(c) == []


@virtual_time
async def test_g16_the_first_heard_the_second_cut_the_third_never() -> None:
    async with call([Reply(said(3)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 2.5)
        drop(c)
        await asyncio.sleep(0.5)
        c.session.interrupt()
        await handle
        await asyncio.sleep(0.5)
        second = ("assistant", "Your parcel left the depot")
        check(c, [QUESTION, ("assistant", TEXTS[0]), second])


@virtual_time
async def test_g16_cut_while_there_was_no_connection() -> None:
    config = ServerConfig(pace=0.001, handshakes=[Accept(), Refuse(503)])
    async with call([Reply(said(2)), HELLO], config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        drop(c)
        await asyncio.sleep(0.3)
        assert not c.controller.connected
        c.session.interrupt()
        await handle
        assert c.controller.differences() != {}, "it is remembered nowhere now"
        await asyncio.sleep(5.0)
        check(c, [QUESTION, HALF])


@virtual_time
async def test_g16_truncated_and_deleted_stay_so_over_two_reconnects() -> None:
    """BASELINE j4: the replay un-truncates, and brings unheard messages back."""
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        c.session.interrupt()
        await handle
        for connections in (2, 3):
            await asyncio.sleep(0.5)
            drop(c)
            await c.until(lambda n=connections: c.server.connections == n)
            await asyncio.sleep(0.5)
            check(c, [QUESTION, HALF], connections)


@virtual_time
async def test_g16_a_replay_that_breaks_off_loses_nothing() -> None:
    """The plugin replays only what the connection before has confirmed."""
    handshakes = [Accept(), Accept(Dropped(), on="conversation.item.create")]
    config = ServerConfig(pace=0.001, handshakes=handshakes)
    first = Reply([Message("Hello.", seconds=0.2)])
    async with call([first, Reply(said()), HELLO], config=config, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Hi!")
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        drop(c)
        await handle
        await asyncio.sleep(5.0)
        before = [("user", "Hi!"), ("assistant", "Hello.")]
        check(c, [*before, QUESTION, ("assistant", TEXTS[0])], connections=3)


@virtual_time
async def test_g16_a_turn_of_very_many_messages_is_remembered_in_whole() -> None:
    """The words of a message are kept as long as its turn, however many come after it."""
    parts = [Message(f"Part {n}.", seconds=0.2) for n in range(70)]
    async with call([Reply(parts)], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await c.until(lambda: "response.done" in c.wire())
        assert c.sink.heard_seconds < 0.5
        drop(c)
        await handle
        await asyncio.sleep(1.0)
        check(c, [QUESTION, *(("assistant", f"Part {n}.") for n in range(70))])


@virtual_time
async def test_g16_it_keeps_its_place_before_what_the_user_said_since() -> None:
    async with call(
        [Reply(said()), HELLO], config=FAST, sink=PacedAudioOutput(), turn_detection=VAD
    ) as c:
        c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        drop(c)
        await asyncio.sleep(0.3)
        await c.server.user_speaks("Stop!", seconds=0.2)
        await asyncio.sleep(3.0)
        check(c, [QUESTION, HALF, ("user", "Stop!"), GREETING])


@virtual_time
async def test_g16_a_refused_item_of_the_replay_is_put_elsewhere() -> None:
    """``item_create_invalid_previous_item_id``: what it was to follow did not arrive."""
    lost = Lose(at=At("conversation.item.create", 2, side="client", when="after"))
    config = ServerConfig(pace=0.001, faults=Schedule(faults=(lost,)))
    first = Reply([Message("Hello.", seconds=0.2)])
    async with call([first, HELLO], config=config, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Hi!")
        drop(c)
        await asyncio.sleep(0.5)
        assert refused(c) == ["item_create_invalid_previous_item_id"]
        check(c, [("user", "Hi!"), ("assistant", "Hello.")])
        assert c.errors == [] or all("invalid_previous" not in str(e.error) for e in c.errors)


@pytest.mark.parametrize("also", [3, 4])
@virtual_time
async def test_g16_all_that_follows_a_refused_item_is_put_elsewhere(also: int) -> None:
    """Each is refused because the one before it was, and two of them got lost."""
    lost = [Lose(at=At("conversation.item.create", n, side="client")) for n in (2, also)]
    config = ServerConfig(pace=0.001, faults=Schedule(faults=tuple(lost)))
    first = Reply([Message(f"Hello {n}.", seconds=0.2) for n in range(5)])
    async with call([first, HELLO], config=config, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Hi!")
        drop(c)
        await asyncio.sleep(0.5)
        check(c, [("user", "Hi!"), *(("assistant", f"Hello {n}.") for n in range(5))])
        assert set(refused(c)) == {"item_create_invalid_previous_item_id"}


def test_an_item_refused_everywhere_is_given_up() -> None:
    sent: list[dict[str, Any]] = []
    conversation = Conversation(sent.append)
    items = [llm.ChatMessage(id=i, role="user", content=[i]) for i in "abc"]
    conversation.connection_lost(items)
    for i, before in (("a", "root"), ("b", "a"), ("c", "b")):
        frame = {"type": "conversation.item.create", "item": {"id": i}, "event_id": f"ev_{i}"}
        conversation.sent({**frame, "previous_item_id": before})
    left = ["ev_a", "ev_b", "ev_c"]
    refusals = 0
    while left and refusals < 100:
        refusals += 1
        made = len(sent)
        conversation.refused(left.pop(0), "item_create_invalid_previous_item_id")
        left += [frame["event_id"] for frame in sent[made:]]
    assert not left, f"still asking after {refusals} refusals"
    assert not any(conversation.holds(i) for i in "abc")


@replays_calls
@virtual_time
async def test_g16_g17_calls_keep_their_outputs() -> None:
    agent = Tooled()
    first = Reply([*said(), FunctionCall("look_up", {"city": "Oslo"})])
    async with call([first, HELLO, HELLO], agent=agent, config=FAST, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input=QUESTION[1])
        before = conversation(c)
        drop(c)
        await asyncio.sleep(0.5)
        assert conversation(c) == before
        calls = [i.call_id for i in c.server.conversation if i.type == "function_call"]
        outputs = [i.call_id for i in c.server.conversation if i.type == "function_call_output"]
        assert calls == outputs
        assert len(calls) == 1
        check(c, before)


@replays_calls
@virtual_time
async def test_g16_g17_a_call_after_a_message_that_plays_when_the_connection_breaks() -> None:
    agent = Tooled()
    first = Reply([*said(), FunctionCall("look_up", {"city": "Oslo"})])
    async with call([first, HELLO, HELLO], agent=agent, config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        drop(c)
        await handle
        await asyncio.sleep(0.5)
        heard = [QUESTION, ("assistant", TEXTS[0])]
        tool = [("function_call", ""), ("function_call_output", "sunny in Oslo")]
        assert agent.ran == 1
        check(c, [*heard, *tool, GREETING])


@virtual_time
async def test_g16_the_same_when_the_inner_session_is_replaced() -> None:
    """A response that fails while a rollover waits for it kills the plugin's session (bb2)."""
    broken = Reply(said(), end=Failed("server_error", at=audio_ms(1000)))
    options: dict[str, Any] = {"max_session_duration": 0.5}
    async with call([broken, HELLO], config=FAST, sink=PacedAudioOutput(), **options) as c:
        await asyncio.sleep(0.6)
        await c.session.generate_reply(user_input=QUESTION[1])
        await c.until(lambda: c.server.connections >= 2, timeout=60)
        await asyncio.sleep(0.3)
        assert conversation(c) == [QUESTION, HALF]
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_a_frame_that_kills_the_inner_session_while_it_speaks() -> None:
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        assert isinstance(c.server, InMemoryServer)
        c.server.send_text("{")
        await asyncio.sleep(0.3)
        c.session.interrupt()
        await handle
        await asyncio.sleep(1.0)
        check(c, [QUESTION, HALF])


@virtual_time
async def test_g16_a_push_while_a_dead_session_is_replaced() -> None:
    """What nobody heard is in the copy that is pushed, and is not made by the session that takes
    the place of the dead one."""
    async with call([Reply(said(2)), HELLO], config=FAST, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        model = realtime_session_of(c.session)
        history = model.chat_ctx.copy()
        history.add_message(role="user", content="And?")
        c.session.interrupt()
        await handle
        assert isinstance(c.server, InMemoryServer)
        c.server.send_text("{")
        for _ in range(100):
            if not c.controller.connected:
                break
            await asyncio.sleep(0)
        assert not c.controller.connected
        await model.update_chat_ctx(history)
        await asyncio.sleep(2.0)
        assert conversation(c) == [QUESTION, HALF, ("user", "And?")]


@virtual_time
async def test_g16_the_new_inner_session_does_not_connect_at_once() -> None:
    """A first handshake that fails is no reconnection for the plugin: it replays nothing, and what
    it was told before is still queued."""
    config = ServerConfig(pace=0.001, handshakes=[Accept(), Refuse(503)])
    async with call([Reply(said(2)), HELLO], config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 0.7)
        assert isinstance(c.server, InMemoryServer)
        c.server.send_text("{")
        await asyncio.sleep(1.0)
        c.session.interrupt()
        await handle
        await asyncio.sleep(3.0)
        heard = ("assistant", " ".join(TEXTS[0].split()[:8]))
        check(c, [QUESTION, heard], connections=2)
        await c.session.generate_reply(user_input="And?")
        check(c, [QUESTION, heard, ("user", "And?"), GREETING])


@virtual_time
async def test_g16_a_correction_that_was_never_confirmed() -> None:
    """The connection breaks between the truncate and the delete, and their confirmations."""
    lost = [
        Lose(at=At(f"conversation.item.{what}", 1, side="server", when="before"))
        for what in ("truncated", "deleted")
    ]
    config = ServerConfig(pace=0.001, faults=Schedule(faults=tuple(lost)))
    async with call([Reply(said(2)), HELLO], config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input=QUESTION[1])
        await playing(c, 1.0)
        c.session.interrupt()
        await handle
        assert len(c.controller.differences()) == 2
        drop(c)
        await asyncio.sleep(0.5)
        check(c, [QUESTION, HALF])


@pytest.mark.parametrize("how", ["reconnect", "replacement"])
@virtual_time
async def test_g16_unattached_nothing_is_known_and_nothing_forgotten(how: str) -> None:
    async with call([HELLO, HELLO], config=FAST, attach=False, sink=PacedAudioOutput()) as c:
        for question in ("Hi!", "And?"):
            await c.session.generate_reply(user_input=question)
        before = conversation(c)
        assert before == [("user", "Hi!"), GREETING, ("user", "And?"), GREETING]
        assert isinstance(c.server, InMemoryServer)
        if how == "reconnect":
            drop(c)
        else:
            c.server.send_text("{")
        await c.until(lambda: c.server.connections == 2)
        await asyncio.sleep(1.0)
        assert conversation(c) == before


class _Looking(Agent):
    """Its tool's connection is given up, and its output is there a moment later."""

    def __init__(self, seconds: float) -> None:
        super().__init__(instructions="Be brief.")
        self._seconds = seconds

    @function_tool
    async def look(self) -> str:
        """Look."""
        driver = realtime_session_of(self.session).driver  # type: ignore[attr-defined]
        dead = rf.ErrorInfo(kind=rf.ErrorKind.SESSION_END, code="over", message="over")
        driver.receive(rf.ConnectionLost(error=dead, for_good=True))
        await asyncio.sleep(self._seconds)
        return "there"


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.09, 0.1, 0.11, 0.15, 0.5])
@virtual_time
async def test_g16_a_tools_output_that_comes_while_another_session_takes_over(
    seconds: float,
) -> None:
    """LiveKit pushes it in a copy of what the session has, which is all that is to be known."""
    looks = Reply([Message("Let me look.", seconds=0.04), FunctionCall("look")])
    script = [HELLO, looks, Reply([Message("It is there.", seconds=0.5)])]
    slow = Late(At("conversation.item.added", 1, connection=2, when="before"), seconds=0.3)
    config = ServerConfig(pace=0.001, faults=Schedule([slow]))
    async with simulated_call(
        script, agent=_Looking(seconds), config=config, check=False, turn_detection=None
    ) as c:
        await c.session.generate_reply(user_input="hi")
        await c.session.generate_reply(user_input="And?")
        await asyncio.sleep(1.0)
        assert c.server.connections == 2
        heard = [("user", "hi"), GREETING, ("user", "And?"), ("assistant", "Let me look.")]
        assert c.remembered == c.history == [*heard, ("assistant", "It is there.")]
        assert c.server.sent("conversation.item.delete") == []
        assert c.errors == []
        assert c.controller.differences() == {}
