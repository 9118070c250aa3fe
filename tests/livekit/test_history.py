"""Heard = history (G15, G16): the server's items, the agent's and what the sink played agree."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm

import realtime_fsm as rf
from realtime_fsm._core.words import heard_words
from realtime_fsm.livekit._features import history_of, push_history, realtime_session_of
from realtime_fsm.simulator import (
    CREATED,
    Dropped,
    Message,
    Reply,
    Script,
    ServerConfig,
)
from realtime_fsm.simulator.faults import At, Late, Lose, Schedule, Silence
from realtime_fsm.testing import PacedAudioOutput, virtual_time

from .call import HELLO, VAD, Call, call
from .fake_tts import FakeTTS
from .test_adapter import CALL, Tooled

TEXTS = [
    "One moment please while I look that up for you.",
    "Your parcel left the depot this morning at eight.",
    "It will be with you tomorrow before noon at the latest.",
]


def reply(count: int) -> Reply:
    return Reply([Message(text, seconds=2.0) for text in TEXTS[:count]])


def agents_words(c: Call) -> dict[str, str]:
    """What the agent believes it said, by item id; placeholders without text left out."""
    return {
        item.id: item.text_content
        for item in history_of(c.session).items
        if isinstance(item, llm.ChatMessage) and item.role == "assistant" and item.text_content
    }


def asked(c: Call) -> list[str]:
    """The user's words that the server has."""
    return [i.text for i in c.server.conversation if i.role == "user"]


def check(c: Call, turn: rf.Turn) -> None:
    """Server = agent = sink, message by message, and the controller says so too."""
    assert c.controller.differences() == {}
    server = {i.id: i for i in c.server.conversation if i.role == "assistant"}
    agent = agents_words(c)
    for message in turn.messages:
        assert message.outcome is not None
        if message.outcome is rf.MessageOutcome.SKIPPED:
            assert message.item_id not in server, "nobody heard it"
            assert message.item_id not in agent
            continue
        item = server[message.item_id]
        assert message.heard_ms == item.audio_ms
        if agent.get(message.item_id) or item.text:
            assert agent[message.item_id] == item.text
    assert sum(m.heard_ms or 0 for m in turn.messages) == pytest.approx(
        1000 * c.sink.heard_seconds, abs=3
    )
    for kind in ("conversation.item.truncate", "conversation.item.delete"):
        touched = [e["item_id"] for e in c.server.sent(kind)]
        assert len(touched) == len(set(touched)), "once for each item"
    refused = [r.event["error"]["code"] for r in c.server.record if r.event["type"] == "error"]
    # The server cancels by itself when the user speaks; ours may come after it (G6).
    assert [code for code in refused if code != "response_cancel_not_active"] == []


async def interrupt(c: Call, cause: str, handle: Any) -> None:
    if cause == "session":
        await c.session.interrupt()
    elif cause == "handle":
        handle.interrupt()
    else:
        await c.server.user_speaks("Stop!", seconds=0.2)


#: Seconds of playback after which the interrupt comes; messages last 2 s each.
POSITIONS = {"before the first frame": 0.0, "in 1": 0.7, "between 1 and 2": 2.0, "in 2": 2.9}
GENERATION = {"complete": 0.001, "generating": 0.09}


@pytest.mark.sampled(5)
@pytest.mark.parametrize("generation", GENERATION, ids=lambda x: x)
@pytest.mark.parametrize("count", [1, 2, 3])
@pytest.mark.parametrize("position", POSITIONS, ids=lambda x: x)
@pytest.mark.parametrize("cause", ["session", "handle", "user speech"])
@virtual_time
async def test_g16_wherever_it_is_interrupted(
    cause: str, position: str, count: int, generation: str
) -> None:
    seconds = POSITIONS[position]
    if seconds > 2.0 * count:
        return  # there is no such moment
    vad = cause == "user speech"
    config = ServerConfig(pace=GENERATION[generation])
    options: dict[str, Any] = {"turn_detection": VAD} if vad else {}
    script = Script([reply(count)], default=Reply([Message("Yes?", seconds=0.5)]))
    async with call(script, config=config, sink=PacedAudioOutput(), **options) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        if position == "before the first frame":
            await c.until(lambda: c.turn.has_output, timeout=60)
        else:
            await c.until(lambda: c.turn.messages[0].started, timeout=60)
            await asyncio.sleep(seconds)
        turn = c.turn
        await interrupt(c, cause, handle)
        await handle
        await c.until(lambda: not turn.live, timeout=60)
        if vad:
            await c.until(lambda: len(c.ended) == 2, timeout=60)
            answer = c.turn
            await asyncio.sleep(1.0)
            server = {i.id: i for i in c.server.conversation if i.role == "assistant"}
            c.sink.segments.pop()  # the answer to the user's speech, heard in full
            assert server[answer.messages[0].item_id].text == "Yes?"
        await asyncio.sleep(1.0)
        check(c, turn)


@virtual_time
async def test_g16_heard_in_full_sends_nothing() -> None:
    async with call([reply(2)], sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is my parcel?")
        await asyncio.sleep(1.0)
        check(c, c.turn)
        assert c.server.sent("conversation.item.truncate") == []
        assert c.server.sent("conversation.item.delete") == []


@virtual_time
async def test_g15_the_truncate_stays_within_what_was_received() -> None:
    """A sink whose clock runs ahead must not make the server refuse it (pipecat#1963)."""
    async with call([reply(1)], config=ServerConfig(pace=0.5), sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.messages[0].started)
        await asyncio.sleep(0.05)
        handle.interrupt()
        await handle
        message = c.turn.messages[0]
        driver = realtime_session_of(c.session).driver
        assert driver.truncating(message.item_id, 9_999) == message.heard_ms <= message.received_ms
        await asyncio.sleep(0.5)
        check(c, c.turn)


@virtual_time
async def test_g16_a_reconnect_replays_what_was_heard() -> None:
    """BASELINE j4: plain LiveKit un-truncates and brings unheard messages back."""
    drop = Reply(end=Dropped(at=CREATED))
    script = [reply(2), drop, HELLO]
    async with call(script, config=ServerConfig(pace=0.001), sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.turn.messages[0].started)
        await asyncio.sleep(0.7)
        await c.session.interrupt()
        await handle
        await asyncio.sleep(0.5)
        before = [(i.role, i.text) for i in c.server.conversation]
        again = c.session.generate_reply()
        await again
        await asyncio.sleep(0.5)
        assert c.server.connections == 2
        after = [(i.role, i.text) for i in c.server.conversation]
        assert after == [*before, ("assistant", "Good morning to you my friend.")]


@virtual_time
async def test_g16_a_delete_lost_with_the_connection_is_sent_again() -> None:
    """Items of a failed attempt, when the socket breaks before the delete is confirmed."""
    broken = Reply([Message("Half", seconds=1.0)], end=Dropped(at=CREATED))
    async with call([HELLO, broken, HELLO]) as c:
        await c.session.generate_reply(user_input="Hello?")
        session = realtime_session_of(c.session)
        link = session.driver.link
        item = c.turn.messages[0].item_id
        link._deletes._open[item] = "rfsm_delete_99"
        await c.session.generate_reply(user_input="And?")
        await asyncio.sleep(0.5)
        assert item in [e["item_id"] for e in c.server.sent("conversation.item.delete")]
        assert item not in [i.id for i in c.server.conversation]


@virtual_time
async def test_g16_what_livekit_never_plays_is_not_remembered() -> None:
    """ "skipping new realtime generation, the speech scheduling is not running"."""
    async with call([HELLO], turn_detection=VAD) as c:
        activity = c.session._activity
        assert activity is not None
        activity._new_turns_blocked = True
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.ended)
        await asyncio.sleep(0.5)
        assert c.turn.outcome is rf.TurnOutcome.INTERRUPTED
        assert c.remembered() == []
        assert agents_words(c) == {}


@virtual_time
async def test_g16_the_first_answer_of_a_call_interrupted_before_its_first_sound() -> None:
    """Its words are there, and nobody looked for a sink yet when the server made it."""
    late = Schedule([Late(At("response.output_audio.delta"), seconds=0.6)])
    config = ServerConfig(faults=late)
    async with call([reply(1)], config=config, sink=PacedAudioOutput(), turn_detection=VAD) as c:
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.turn.messages[0].pulled)
        turn = c.turn
        await c.session.interrupt()
        await c.until(lambda: not turn.live)
        await asyncio.sleep(1.0)
        assert turn.messages[0].late_ms, "its sound came after that"
        check(c, turn)
        assert c.remembered() == []


#: The beginning of a response, and that its first item is in the conversation (after the user's).
UNSEEN = [("response.created", 1), ("conversation.item.added", 2)]


@pytest.mark.parametrize(
    ("lost", "messages", "creates"),
    [
        (UNSEEN, 1, 2),
        (UNSEEN, 2, 2),
        ([("response.output_item.added", 2)], 2, 1),
    ],
    ids=["response", "response of two messages", "second message"],
)
@virtual_time
async def test_g16_output_whose_beginning_was_lost_is_not_remembered(
    lost: list[tuple[str, int]], messages: int, creates: int
) -> None:
    """The plugin hands nothing of it out, so nobody hears it."""
    config = ServerConfig(faults=Schedule([Lose(At(*each)) for each in lost]))
    async with call([reply(messages), reply(1)], config=config, sink=PacedAudioOutput()) as c:
        await c.session.generate_reply(user_input="Where is my parcel?")
        await asyncio.sleep(1.0)
        assert c.server.creates == creates
        check(c, c.turn)
        assert c.remembered() == TEXTS[:1]


@pytest.mark.sampled(4)
@pytest.mark.parametrize("copied", ["the agent's", "the model's"])
@pytest.mark.parametrize("steps", range(24))
@virtual_time
async def test_g16_a_push_while_a_delete_is_being_confirmed(steps: int, copied: str) -> None:
    """Whenever the confirmation comes, the push does not make again what nobody heard. With a tool's
    output LiveKit pushes a copy of the model's own history."""
    config = ServerConfig(pace=0.001)
    async with call([reply(2)], config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.sink.heard_seconds > 0.5)
        model = realtime_session_of(c.session)
        history = model.chat_ctx.copy()
        handle.interrupt(force=True)
        for _ in range(steps):
            await asyncio.sleep(0)
        if copied == "the agent's":
            await push_history(c.session, history_of(c.session).copy())
        else:
            await model.update_chat_ctx(history)
        await handle
        await asyncio.sleep(1.0)
        check(c, c.turn)
        assert len(c.remembered()) == 1


@virtual_time
async def test_g16_cut_at_the_moment_it_began_nothing_of_it_is_shown() -> None:
    """Its first sound and the user's speech come at once; LiveKit notes its words after that."""
    late = Schedule([Late(At("response.output_audio.delta"), seconds=0.8)])
    config = ServerConfig(faults=late)
    async with call([reply(1)], config=config, sink=PacedAudioOutput(), turn_detection=VAD) as c:
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.turn.messages[0].pulled)
        turn = c.turn
        await c.server.user_speaks("Are you there?", seconds=0.2)
        await c.until(lambda: len(c.ended) == 2)
        await asyncio.sleep(1.0)
        assert turn.messages[0].outcome is rf.MessageOutcome.SKIPPED
        assert turn.messages[0].item_id not in agents_words(c)
        assert c.controller.differences() == {}


@virtual_time
async def test_g18_a_push_that_is_never_confirmed_does_not_hold_the_reply() -> None:
    """BASELINE z: plain LiveKit waits 5 s before it asks."""
    loop = asyncio.get_running_loop()
    async with call([HELLO], config=ServerConfig(confirm_items=False)) as c:
        start = loop.time()
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.server.creates == 1)
        assert loop.time() - start < 1.5
        await handle
        assert handle.exception() is None


@virtual_time
async def test_g18_nor_does_it_hold_the_push_of_the_next_one() -> None:
    """The plugin waits 5 s for each; what the first one sent is on the wire before the second."""
    loop = asyncio.get_running_loop()
    async with call([HELLO, HELLO], config=ServerConfig(confirm_items=False)) as c:
        await c.session.generate_reply(user_input="Hello?")
        start = loop.time()
        handle = c.session.generate_reply(user_input="And?")
        await c.until(lambda: c.server.creates == 2)
        assert loop.time() - start < 1.5
        await handle
        assert handle.exception() is None
        # The plugin of 1.7.0 puts the second one first, without us as well: it knows of no other.
        assert sorted(asked(c)) == ["And?", "Hello?"]
        assert c.errors == []

        def pushes() -> int:
            return sum(t.get_name() == "realtime_fsm.push" for t in asyncio.all_tasks())

        assert pushes() == 1, "the second one; the first is given up"
        await asyncio.sleep(5.0)
        assert pushes() == 0


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@virtual_time
async def test_g16_what_was_never_confirmed_goes_with_a_history_that_is_replaced(up: bool) -> None:
    """The plugin's mirror does not have it, so that its push deletes all but that."""
    async with call([HELLO, HELLO], config=ServerConfig(confirm_items=False)) as c:
        await c.session.generate_reply()
        await c.session.generate_reply(user_input="Hello?")
        assert asked(c) == ["Hello?"]
        if not up:
            c.server.drop()
            await asyncio.sleep(0.05)
        kept = llm.ChatMessage(role="user", content=["The parcel is here."])
        before = c.session.current_agent.chat_ctx.copy()
        await push_history(c.session, llm.ChatContext([kept]))
        await asyncio.sleep(8.0)
        assert asked(c) == ["The parcel is here."]
        await push_history(c.session, before)  # an agent who knows of it takes over again
        await asyncio.sleep(8.0)
        assert "Hello?" in asked(c)


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@virtual_time
async def test_g16_what_was_heard_and_never_listed_goes_with_a_history_that_is_replaced(
    up: bool,
) -> None:
    """Its ``conversation.item.added`` got lost: the plugin knows of no such message."""
    faults = Schedule([Lose(At("conversation.item.added", number=3))])
    async with call([HELLO, HELLO], config=ServerConfig(faults=faults)) as c:
        await c.session.generate_reply()
        await c.session.generate_reply(user_input="Hello?")
        assert [i.role for i in c.server.conversation] == ["assistant", "user", "assistant"]
        if not up:
            c.server.drop()
            await asyncio.sleep(0.05)
        kept = llm.ChatMessage(role="user", content=["The parcel is here."])
        await push_history(c.session, llm.ChatContext([kept]))
        await asyncio.sleep(8.0)
        assert [i.text for i in c.server.conversation] == ["The parcel is here."]
        c.server.drop()
        await asyncio.sleep(8.0)
        assert [i.text for i in c.server.conversation] == ["The parcel is here."]


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@virtual_time
async def test_g27_an_output_on_its_way_goes_with_its_call(up: bool) -> None:
    """The mirror does not have it yet, so that a push deletes the call alone: the output was answered in
    place of what came next, which was refused behind the call."""
    faults = Schedule([Silence(At("conversation.item.done", number=2), seconds=5.0)])
    async with call([HELLO], config=ServerConfig(faults=faults)) as c:
        question = llm.ChatMessage(role="user", content=["Where is it?"])
        look = llm.FunctionCall(call_id="c", name="look", arguments="{}")
        found = llm.FunctionCallOutput(call_id="c", name="look", output="There.", is_error=False)
        session = realtime_session_of(c.session)
        await session.update_chat_ctx(llm.ChatContext([question, look]))
        await session.update_chat_ctx(llm.ChatContext([question, look, found]))
        if not up:
            c.server.drop()
            await asyncio.sleep(0.05)
        await session.update_chat_ctx(llm.ChatContext([question]))
        copy = session.chat_ctx.copy()
        copy.add_message(role="user", content="Thank you.")
        await session.update_chat_ctx(copy)
        await asyncio.sleep(5.0)
        assert [i.text for i in c.server.conversation] == ["Where is it?", "Thank you."]
        refused = [r.event["error"]["code"] for r in c.server.record if r.event["type"] == "error"]
        # The plugin of 1.7.0 deletes the call from a connection that it did not tell of it.
        assert refused == [] or (not up and refused == ["item_delete_invalid_item_id"])
        assert [item.type for item in session.chat_ctx.items] == ["message", "message"]


@virtual_time
async def test_g27_an_output_without_its_call_is_not_replayed() -> None:
    """A server refuses it, and all that goes behind it: a question asked at once was asked of what is left."""
    async with call([HELLO]) as c:
        question = llm.ChatMessage(role="user", content=["Where is it?"])
        look = llm.FunctionCall(call_id="c", name="look", arguments="{}")
        found = llm.FunctionCallOutput(call_id="c", name="look", output="There.", is_error=False)
        thanks = llm.ChatMessage(role="user", content=["Thank you."])
        session = realtime_session_of(c.session)
        await session.update_chat_ctx(llm.ChatContext([question, look, found]))
        await session.update_chat_ctx(llm.ChatContext([question, found]))
        await session.update_chat_ctx(llm.ChatContext([question, found, thanks]))
        c.server.drop()
        await asyncio.sleep(5.0)
        assert [i.text for i in c.server.conversation] == ["Where is it?", "Thank you."]
        assert [r.event for r in c.server.record if r.event.get("type") == "error"] == []


@virtual_time
async def test_pushes_at_once_go_one_after_another() -> None:
    """The last one counts, also when the first is given up by who asked for it."""
    async with call([HELLO], config=ServerConfig(confirm_items=False)) as c:
        inner = realtime_session_of(c.session)

        def context(*words: str) -> llm.ChatContext:
            return llm.ChatContext([llm.ChatMessage(id=w, role="user", content=[w]) for w in words])

        first = asyncio.create_task(inner.update_chat_ctx(context("a")))
        second = asyncio.create_task(inner.update_chat_ctx(context("a", "b")))
        third = asyncio.create_task(inner.update_chat_ctx(context("a", "b", "c")))
        await asyncio.sleep(0.1)
        first.cancel()
        await asyncio.gather(first, second, third, return_exceptions=True)
        assert [i.text for i in c.server.conversation] == ["a", "b", "c"]
        assert second.exception() is third.exception() is None


@virtual_time
async def test_g7_a_push_that_waits_for_another_one_ends_with_the_session() -> None:
    async with call([HELLO], config=ServerConfig(confirm_items=False)) as c:
        inner = realtime_session_of(c.session)
        item = llm.ChatMessage(role="user", content=["Hello?"])
        pushes = [
            asyncio.create_task(inner.update_chat_ctx(llm.ChatContext([item]))) for _ in range(3)
        ]
        await asyncio.sleep(0.1)
        await inner.aclose()
        await asyncio.gather(*pushes)
        assert [t for t in asyncio.all_tasks() if t.get_name() == "realtime_fsm.push"] == []


@pytest.mark.parametrize("attach", [True, False], ids=["attached", "not attached"])
@virtual_time
async def test_an_application_may_still_remove_what_was_heard(attach: bool) -> None:
    async with call([HELLO], attach=attach) as c:
        await c.session.generate_reply(user_input="Hello?")
        await push_history(c.session, llm.ChatContext.empty())
        await asyncio.sleep(0.2)
        assert c.remembered() == []


def test_words_are_shared_out_evenly() -> None:
    assert heard_words("a b c d", 500, 1000) == "a b"
    assert heard_words("a b c d", 999, 1000) == "a b c"
    assert heard_words("a b c d", 0, 1000) == ""
    assert heard_words("", 500, 1000) == ""
    assert heard_words("a b", 500, 0) == "a b"


@virtual_time
async def test_g16_what_is_shown_while_it_plays_is_what_came_and_a_push_leaves_it_alone() -> None:
    async with call([reply(2)], config=ServerConfig(pace=0.001), sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
        await asyncio.sleep(0.3)
        assert list(agents_words(c).values()) == TEXTS[:2]
        assert [m.difference for m in c.turn.messages] == [None, None], "nothing to say yet"
        history = history_of(c.session).copy()
        history.add_message(role="system", content="The caller is in a hurry.")
        await push_history(c.session, history)
        assert c.server.sent("conversation.item.delete") == []
        assert len(c.server.sent("conversation.item.create")) == 2
        await handle
        await asyncio.sleep(0.5)
        assert c.remembered() == TEXTS[:2]
        assert list(agents_words(c).values()) == TEXTS[:2]


@virtual_time
async def test_g15_heard_nothing_or_everything_is_not_truncated() -> None:
    async with call([reply(2)], config=ServerConfig(pace=0.001), sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.turn.messages[0].started)
        await asyncio.sleep(2.5)
        await c.session.interrupt()
        await handle
        first, second = c.turn.messages
        driver = realtime_session_of(c.session).driver
        assert first.outcome is rf.MessageOutcome.FULL
        assert driver.truncating(first.item_id, 1_000) is None
        assert driver.truncating(second.item_id, 100) == second.heard_ms, "not what the host says"
        second.outcome = rf.MessageOutcome.SKIPPED
        assert driver.truncating(second.item_id, 0) is None, "the controller deletes it"


class Synchronised(PacedAudioOutput):
    """A sink that knows which words it has played, as a room's does."""

    def on_playback_finished(self, **report: Any) -> None:
        if report["interrupted"]:
            report["synchronized_transcript"] = "One moment please"
        super().on_playback_finished(**report)


@virtual_time
async def test_g16_a_synchronised_transcript_is_what_was_heard() -> None:
    async with call([reply(1)], config=ServerConfig(pace=0.001), sink=Synchronised()) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.turn.messages[0].started)
        await asyncio.sleep(0.7)
        await c.session.interrupt()
        await handle
        await asyncio.sleep(0.5)
        assert list(agents_words(c).values()) == ["One moment please"]
        mirror = realtime_session_of(c.session).chat_ctx.items[-1]
        assert isinstance(mirror, llm.ChatMessage)
        assert mirror.text_content == "One moment please"
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_a_message_before_a_tool_call_is_cut_and_the_tool_has_run() -> None:
    agent = Tooled()
    first = Reply([Message(TEXTS[0], seconds=2.0), CALL])
    config = ServerConfig(pace=0.001)
    async with call([first], agent=agent, config=config, sink=PacedAudioOutput()) as c:
        handle = c.session.generate_reply(user_input="How is the weather?")
        await c.until(lambda: c.turn.messages[0].started)
        await asyncio.sleep(0.7)
        await c.session.interrupt()
        await handle
        await asyncio.sleep(0.5)
        check(c, c.turn)
        assert agent.ran == 1, "it was handed out (G17)"
        outputs = [i for i in c.server.conversation if i.type == "function_call_output"]
        assert len(outputs) == 1, "and its result is not lost"


@pytest.mark.parametrize("cut", [False, True], ids=["heard", "interrupted"])
@virtual_time
async def test_g16_text_spoken_by_a_tts(cut: bool) -> None:
    options: dict[str, Any] = {"modalities": ["text"], "tts": FakeTTS(), "sink": PacedAudioOutput()}
    async with call([reply(2)], **options) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        if cut:
            await c.until(lambda: c.turn.messages[0].started)
            await asyncio.sleep(0.2)
            await c.session.interrupt()
        await handle
        await asyncio.sleep(1.0)
        first, second = c.turn.messages
        server = {i.id: i.text for i in c.server.conversation if i.role == "assistant"}
        if cut:
            assert first.outcome is rf.MessageOutcome.PARTIAL
            assert second.outcome is rf.MessageOutcome.SKIPPED
            assert second.item_id not in server
            assert second.item_id not in agents_words(c)
        else:
            assert {first.outcome, second.outcome} == {rf.MessageOutcome.FULL}
            assert server == agents_words(c)
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_text_whose_tts_fails_is_not_remembered_as_heard() -> None:
    options: dict[str, Any] = {"modalities": ["text"], "sink": PacedAudioOutput()}
    async with call([reply(1)], tts=FakeTTS(fails=True), **options) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await handle
        await asyncio.sleep(1.0)
        assert c.sink.heard_seconds == 0
        assert c.turn.messages[0].outcome is rf.MessageOutcome.SKIPPED
        assert c.remembered() == []
        assert c.controller.differences() == {}


@pytest.mark.parametrize("cut", [False, True], ids=["to its end", "interrupted"])
@virtual_time
async def test_g16_text_whose_tts_fails_midway(cut: bool) -> None:
    """What came of it is heard, and the next message too. LiveKit takes all that was forwarded for
    heard, and so do we, on both sides."""
    tts = FakeTTS(fails_after=4, ms_a_word=250)
    options: dict[str, Any] = {"modalities": ["text"], "sink": PacedAudioOutput(), "tts": tts}
    async with call([reply(2), HELLO], **options) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.sink.heard_seconds > 0)
        await asyncio.sleep(0.5)
        if cut:
            c.session.interrupt()
        await handle
        turn = c.turn
        await c.until(lambda: not turn.live, timeout=60)
        await asyncio.sleep(1.0)
        first, second = turn.messages
        last = rf.MessageOutcome.SKIPPED if cut else rf.MessageOutcome.FULL
        assert (first.outcome is rf.MessageOutcome.PARTIAL, second.outcome) == (cut, last)
        assert list(agents_words(c).values()) == c.remembered() == TEXTS[: 1 if cut else 2]
        # 1.7.0 does not pass on the last frame that a failing TTS made.
        least, most = (0.45, 0.55) if cut else (1.75, 2.05)
        assert least <= c.sink.heard_seconds <= most
        assert {e.error.type for e in c.errors} == {"tts_error"}, "LiveKit tells of it"
        assert c.controller.differences() == {}


@virtual_time
async def test_g16_text_only() -> None:
    async with call([reply(2)], modalities=["text"], audio=False) as c:
        await c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.ended)
        await asyncio.sleep(0.5)
        assert {m.outcome for m in c.turn.messages} == {rf.MessageOutcome.FULL}
        assert c.remembered() == TEXTS[:2]
        assert list(agents_words(c).values()) == TEXTS[:2]
        assert c.controller.differences() == {}
