"""Turns as the user hears them: real session, real plugin, real sockets."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from livekit.agents import llm

import realtime_fsm as rf
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import (
    BEFORE_CREATED,
    CREATED,
    ITEM_ADDED,
    Completed,
    Created,
    Dropped,
    Failed,
    Incomplete,
    Message,
    Rejected,
    Reply,
    ServerConfig,
    Stalled,
    Unanswered,
    audio_ms,
)
from realtime_fsm.simulator.faults import At, Reorder, Schedule
from realtime_fsm.testing import virtual_time

from .call import HELLO, TWO, VAD, call

QUICK = rf.RetryPolicy(retry_interval=0.05, timeout=0.4)


# --- healthy


@pytest.mark.parametrize(("reply", "heard"), [(HELLO, 0.6), (TWO, 2.5)], ids=["one", "two"])
@virtual_time
async def test_healthy_turns_are_unchanged(reply: Reply, heard: float) -> None:
    """Same traffic, same audio, same history as plain LiveKit; one create."""
    seen = []
    for controlled in (False, True):
        async with call([reply], controlled=controlled) as c:
            handle = c.session.generate_reply(user_input="Hello?")
            await handle
            assert handle.exception() is None
            assert c.sink.heard_seconds == pytest.approx(heard, abs=0.01)
            assert c.server.creates == 1
            assert not c.errors
            history = [
                (i.role, i.text_content) for i in c.session.history.items if i.type == "message"
            ]
            seen.append((c.client_types(), Counter(c.wire()), c.remembered(), history))
    assert seen[0] == seen[1]


@virtual_time
async def test_g13_two_messages_each_have_an_outcome() -> None:
    async with call([TWO]) as c:
        await c.session.generate_reply(user_input="Hello?")
        outcomes = [(m.number, m.outcome, m.heard_ms) for m in c.turn.messages]
        assert outcomes == [
            (1, rf.MessageOutcome.FULL, 1000),
            (2, rf.MessageOutcome.FULL, 1500),
        ]
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert [m.label for m in c.moves if m.event == "ITEM_STARTED"] == [
            "streaming message 1",
            "streaming message 2",
        ]


# --- retry before exposure (G9)

BROKEN = {
    "server_error": Reply(end=Failed("server_error")),
    "rate limit": Reply(end=Failed("inference_rate_limit_exceeded")),
    "item without output": Reply([Message("x")], end=Failed("server_error", at=ITEM_ADDED)),
    "refused": Reply(ack=Rejected("server_error")),
    "refused without id": Reply(ack=Rejected("server_error", linked=False)),
    "done without created": Reply(end=Failed("server_error", at=BEFORE_CREATED)),
    "empty": Reply(end=Completed()),
    "unanswered": Reply(ack=Unanswered()),
    "socket drops before created": Reply(end=Dropped(at=BEFORE_CREATED)),
    "socket drops after created": Reply(end=Dropped(at=CREATED)),
}


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN.keys())
@virtual_time
async def test_g9_a_failed_attempt_is_heard_after_all_under_the_same_handle(
    broken: Reply,
) -> None:
    """G2, G4, G9, G19: nothing was handed out, so the turn is asked again."""
    async with call([broken, HELLO], retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.server.creates == 2
        assert c.server.collisions == 0
        assert c.turn.attempts == 2
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert len(c.ended) == 1
        assert len(c.recovering) == 1
        await c.until(lambda: c.remembered() == ["Good morning to you my friend."])
        connection = [e for e in c.errors if "connection" in str(e.error.error)]
        assert [e for e in c.errors if e not in connection] == [], "held back while it recovers"
        spoken = [i for i in c.session.history.items if i.type == "message"]
        assert [m.role for m in spoken] == ["user", "assistant"]


@pytest.mark.parametrize("cancellable", [True, False], ids=["cancellable", "not cancellable"])
@virtual_time
async def test_g4_a_response_created_too_late_is_heard_or_asked_again(cancellable: bool) -> None:
    """Whether a bare cancel reaches a response that was accepted and not yet created is not
    documented; livekit/agents#6223 saw that it does not. Then the probe's "nothing to cancel"
    misleads, the next create meets a conflict, and the late response is adopted (G4)."""
    late = Reply([Message("late", seconds=0.3)], ack=Created(after=0.6))
    config = ServerConfig(cancel_before_created=cancellable)
    async with call([late, HELLO], retry=QUICK, config=config) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6 if cancellable else 0.3, abs=0.01)
        assert c.server.collisions == (0 if cancellable else 1)
        assert c.server.creates == 2
        words = "Good morning to you my friend." if cancellable else "late"
        await c.until(lambda: c.remembered() == [words])
        assert not c.errors


@virtual_time
async def test_g6_a_response_later_than_the_plugins_own_time_out_is_cancelled_once() -> None:
    late = Reply([Message("late", seconds=0.3)], ack=Created(after=12.0))
    async with call([late, HELLO], config=ServerConfig(cancel_before_created=False)) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        await asyncio.sleep(10.0)
        named = [e["response_id"] for e in c.server.sent("response.cancel") if "response_id" in e]
        assert len(named) == len(set(named)) == 1
        assert "late" not in c.remembered()


@virtual_time
async def test_g8_after_the_last_attempt_the_failure_is_visible_and_the_session_lives() -> None:
    bad = Reply(end=Failed("server_error"))
    async with call([bad] * 4 + [HELLO], retry=QUICK) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        error = handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == "server_error"
        assert c.server.creates == 4
        assert [e.error.recoverable for e in c.errors] == [True]
        assert c.turn.state is rf.TurnState.FAILED
        again = c.session.generate_reply(user_input="Still there?")
        await again
        assert again.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert not c.closed


@virtual_time
async def test_g26_escalate_reports_it_as_not_recoverable() -> None:
    """G26, the other setting."""
    policy = rf.RetryPolicy(max_retry=0, on_exhausted="escalate")
    async with call([Reply(end=Failed("server_error"))], retry=policy) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is not None
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors] == [False]


@virtual_time
async def test_g8_failure_after_exposure_plays_out_and_sets_the_exception() -> None:
    reply = Reply(
        [Message("This goes on for a while.", seconds=2.0)],
        end=Failed("server_error", at=audio_ms(500)),
    )
    async with call([reply]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert isinstance(handle.exception(), llm.RealtimeError)
        assert c.sink.heard_seconds == pytest.approx(0.5, abs=0.01)
        assert c.server.creates == 1
        assert len(c.errors) == 1
        assert c.turn.state is rf.TurnState.FAILED


@pytest.mark.parametrize("at", [CREATED, audio_ms(300)], ids=["no output", "after output"])
@virtual_time
async def test_g8_incomplete_is_visible(at: object) -> None:
    reply = Reply(
        [Message("This goes on for a while.", seconds=1.0)],
        end=Incomplete("content_filter", at=at),  # type: ignore[arg-type]
    )
    async with call([reply]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        error = handle.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == "content_filter"
        assert c.turn.outcome is rf.TurnOutcome.INCOMPLETE
        assert c.server.creates == 1
        assert len(c.errors) == 1


@virtual_time
async def test_g10_g12_fatal_gives_one_report_and_close_fires() -> None:
    async with call([Reply(end=Failed("insufficient_quota"))]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        await c.until(lambda: c.closed)
        assert [e.error.recoverable for e in c.errors] == [False]
        assert c.server.creates == 1
        assert c.server.connections == 1
        error = handle.exception()
        assert error is not None
        assert "insufficient_quota" in str(error)


@pytest.mark.parametrize("answered", [True, False], ids=["cancel answered", "cancel lost"])
@virtual_time
async def test_g7_a_server_silent_after_first_audio_does_not_hang_the_speech_queue(
    answered: bool,
) -> None:
    """BASELINE u: the streams of the message are the plugin's, and it never closes them."""
    stalled = Reply([Message("This breaks off.", seconds=2.0)], end=Stalled(at=audio_ms(500)))
    policy = rf.RetryPolicy(stall_timeout=0.3, cancel_timeout=0.3)
    config = ServerConfig(cancel_delay=0.02 if answered else 60.0)
    async with call([stalled, HELLO], retry=policy, config=config) as c:
        first = c.session.generate_reply(user_input="Hello?")
        second = c.session.generate_reply(user_input="Still there?")
        await first
        error = first.exception()
        assert isinstance(error, llm.RealtimeError)
        assert error.code == "stalled"
        assert c.sink.heard_seconds == pytest.approx(0.5, abs=0.01)
        if answered:
            await second
            assert second.exception() is None
            assert c.sink.heard_seconds == pytest.approx(1.1, abs=0.01)


# --- interrupts


@virtual_time
async def test_interrupt_in_message_1_of_2_leaves_the_right_truncate() -> None:
    """G14, G15, G23."""
    async with call([TWO], config=ServerConfig(pace=0.002)) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.generation_over and c.turn.messages[0].started)
        await asyncio.sleep(0.05)
        await c.session.interrupt()
        await handle
        assert handle.interrupted
        first, second = c.turn.messages
        assert first.outcome is rf.MessageOutcome.PARTIAL
        assert second.outcome is rf.MessageOutcome.SKIPPED
        heard_ms = round(c.sink.heard_seconds * 1000)
        await c.until(lambda: c.server.sent("conversation.item.truncate"))
        (truncate,) = c.server.sent("conversation.item.truncate")
        assert truncate["item_id"] == first.item_id
        assert isinstance(truncate["audio_end_ms"], int)
        assert truncate["audio_end_ms"] == pytest.approx(heard_ms, abs=2)
        assert first.heard_ms == truncate["audio_end_ms"]
        assert c.server.sent("response.cancel") == [], "the response was complete"
        assert c.turn.outcome is rf.TurnOutcome.INTERRUPTED


SLOW = Reply([Message("A very long answer that goes on and on.", seconds=8.0)])
WHEN = ["requested", "created", "streaming", "retry_wait"]


@pytest.mark.parametrize("state", WHEN)
@virtual_time
async def test_g23_interrupt_in_every_state_ends_the_turn_once(state: str) -> None:
    replies = {
        "requested": [Reply([Message("late")], ack=Created(after=0.3))],
        "created": [Reply([Message("thinking", after=5.0)])],
        "streaming": [SLOW],
        "retry_wait": [Reply(end=Failed("rate_limit_exceeded", message="try again in 3s"))],
    }[state]
    async with call(replies) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.controller.turns and c.turn.state.value == state)
        if state == "requested":
            await c.until(lambda: c.turn.on_wire)
        if state == "streaming":
            await c.until(lambda: c.turn.messages[0].started)
        turn = c.turn
        await c.session.interrupt()
        await handle
        await c.until(lambda: not turn.live)
        assert turn.outcome is rf.TurnOutcome.INTERRUPTED
        cancels = c.server.sent("response.cancel")
        assert len(cancels) == (0 if state == "retry_wait" else 1)
        assert all(x["response_id"] for x in cancels), "by response id (G6)"
        assert [e.turn_id for e in c.ended] == [turn.id]
        assert c.server.creates == 1
        assert c.controller.ignored == {}
        again = c.session.generate_reply(user_input="And now?")
        await again
        assert again.exception() is None
        assert c.server.collisions == 0
        assert c.server.creates == 2, "nothing was created for the interrupted turn"


@virtual_time
async def test_g21_an_interrupt_that_is_not_this_turns_does_not_end_its_recovery() -> None:
    """G21: LiveKit interrupts by itself before a tool reply and on a handoff."""
    hint = Reply(end=Failed("rate_limit_exceeded", message="try again in 300ms"))
    async with call([hint, HELLO]) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.turn.state is rf.TurnState.RETRY_WAIT)
        realtime_session_of(c.session).interrupt()
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)


@virtual_time
async def test_g5_a_reply_right_after_an_interrupt_waits_for_the_terminal() -> None:
    """livekit/agents#2064: plain LiveKit collides and loses the turn."""
    for controlled, collisions in ((False, 1), (True, 0)):
        config = ServerConfig(cancel_delay=0.3)
        async with call([SLOW, HELLO], controlled=controlled, config=config) as c:
            c.session.generate_reply(user_input="Tell me everything.")
            await c.until(lambda: c.sink.segments or c.sink.heard_seconds > 0.1)
            await c.session.interrupt()
            second = c.session.generate_reply(user_input="Stop. What time is it?")
            await second
            assert c.server.collisions == collisions
            assert (second.exception() is None) == controlled
            if controlled:
                assert c.turn.outcome is rf.TurnOutcome.COMPLETED


@virtual_time
async def test_g1_generate_reply_while_a_response_is_alive_waits_for_its_terminal() -> None:
    """BASELINE o2, s: asked of the realtime session itself, with no speech queue in between."""
    async with call([SLOW, HELLO], attach=False) as c:
        session = realtime_session_of(c.session)
        first, second = session.generate_reply(), session.generate_reply()
        generation = await first
        assert c.server.creates == 1
        assert not second.done()
        session.interrupt()
        await c.until(lambda: c.ended)
        assert c.ended[0].outcome is rf.TurnOutcome.INTERRUPTED
        async for _ in generation.message_stream:
            pass  # its streams are closed
        await second
        assert c.server.creates == 2
        assert c.server.collisions == 0


@virtual_time
async def test_cancelling_the_future_cancels_the_turn() -> None:
    async with call([Reply([Message("thinking", after=5.0)])], attach=False) as c:
        future = realtime_session_of(c.session).generate_reply()
        await c.until(lambda: c.turn.state is rf.TurnState.CREATED)
        turn = c.turn
        future.cancel()
        await c.until(lambda: not turn.live)
        assert turn.outcome is rf.TurnOutcome.INTERRUPTED
        assert len(c.server.sent("response.cancel")) == 1


# --- server VAD


@virtual_time
async def test_server_vad_turns_are_heard() -> None:
    async with call([HELLO], turn_detection=VAD) as c:
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.ended)
        assert c.turn.origin is rf.Origin.SERVER_VAD
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.server.creates == 0


@virtual_time
async def test_g9_a_failed_server_vad_turn_is_asked_again_as_one_speech() -> None:
    async with call([Reply(end=Failed("server_error")), HELLO], turn_detection=VAD) as c:
        speeches = []
        c.session.on("speech_created", speeches.append)
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.ended)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.turn.attempts == 2
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.server.creates == 1
        assert len(speeches) == 1
        assert not c.errors


@virtual_time
async def test_g18_an_answer_that_server_vad_could_not_start_is_heard() -> None:
    """Its create is refused, with an error that answers no client event."""
    refused = Reply(ack=Rejected("server_error", linked=False))
    async with call([refused, HELLO], turn_detection=VAD) as c:
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.ended)
        assert c.turn.origin is rf.Origin.SERVER_VAD
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.01)
        assert c.server.creates == 1
        assert not c.errors


@virtual_time
async def test_g24_a_reply_asked_while_server_vad_answers_does_not_collide() -> None:
    async with call([HELLO, HELLO], turn_detection=VAD) as c:
        session = realtime_session_of(c.session)
        await c.server.user_speaks("Hello?", seconds=0.1)
        await c.until(lambda: "input_audio_buffer.speech_stopped" in c.wire())
        future = session.generate_reply()
        await future
        assert c.server.collisions == 0
        assert c.server.creates == 1


# --- without audio, without attach


@virtual_time
async def test_text_only_session_without_a_sink() -> None:
    async with call([HELLO], modalities=["text"], audio=False) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        await c.until(lambda: c.ended)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.turn.messages[0].outcome is rf.MessageOutcome.FULL


@virtual_time
async def test_unattached_everything_but_playback_is_known() -> None:
    async with call([Reply(end=Failed("server_error")), TWO], attach=False) as c:
        handle = c.session.generate_reply(user_input="Hello?")
        await handle
        assert handle.exception() is None
        assert c.sink.heard_seconds == pytest.approx(2.5, abs=0.01)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.turn.messages[1].outcome is None, "nobody told"


@virtual_time
async def test_g14_a_sink_that_never_reports_does_not_hold_the_turn() -> None:
    from realtime_fsm.testing import PacedAudioOutput

    policy = rf.RetryPolicy(stall_timeout=0.3)
    sink = PacedAudioOutput(speed=5.0, report=False)
    async with call([HELLO], retry=policy, sink=sink, hangs=True) as c:
        c.session.generate_reply(user_input="Hello?")
        await c.until(lambda: c.ended)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED


@virtual_time
async def test_g3_a_response_announced_after_its_end_is_no_speech() -> None:
    """Server VAD's own, on a transport that does not keep order. LiveKit would wait for the end of a
    speech that was over before it began, and play nothing behind it."""
    late = Schedule([Reorder(At("response.created", side="server"))])
    broken = Reply(end=Failed("server_error"))
    config = ServerConfig(faults=late)
    async with call([broken, HELLO], config=config, turn_detection=VAD) as c:
        await c.server.user_speaks("Hello?", seconds=0.2)
        await c.until(lambda: c.ended)
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.sink.heard_seconds == pytest.approx(0.6, abs=0.02)
        await c.until(lambda: c.session.current_speech is None)
