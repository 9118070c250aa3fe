"""G32: what LiveKit, its fallback adapter and a sink call from outside raises nothing into them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realtime_fsm import RetryPolicy
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit._host import Host
from realtime_fsm.simulator import Failed, Message, Reply, Script
from realtime_fsm.testing import PacedAudioOutput, SimulatedCall, simulated_call, virtual_time

from .inject import Target, planted, targets

TARGETS = {target.label: target for target in targets()}
ANSWERS = {
    text: [Reply([Message(f"{text} Yes.", seconds=0.5)])]
    for text in ("Hello?", "Unheard?", "Swapped?", "Silent?", "Last?")
}


def host_of(call: SimulatedCall) -> Host:
    session = realtime_session_of(call.session)
    return Host(session._speeches, session.driver, session._inner, session._guard)


@virtual_time
async def test_g32_what_a_fallback_adapter_asks_is_answered_as_in_plain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: Any) -> bool:
        raise TypeError("planted")

    async with simulated_call(Script(answers=ANSWERS), check=False) as call:
        host = host_of(call)
        await call.say("Hello?")
        await call.until(lambda: call.heard > 0.1)
        monkeypatch.setattr(Host, "_is_heard", broken)
        assert host.agent_state == call.session.agent_state == "speaking"
        assert call.controller.stepped_aside is not None
        assert host.current_agent is call.session.current_agent
        assert host._activity.chat_ctx.items == call.session.current_agent.chat_ctx.items
        await host.interrupt()
        await asyncio.sleep(1.0)
        assert call.speeches[-1].interrupted
        host.generate_reply()
        await asyncio.sleep(1.0)
        assert call.speeches[-1].done()


@virtual_time
async def test_g32_whether_something_is_generated_is_answered_by_the_inner_session() -> None:
    answers = {"Hello?": [Reply(end=Failed("server_error")), *ANSWERS["Hello?"]]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        session = realtime_session_of(call.session)
        assert session.has_active_generation is False
        await call.say("Hello?")
        await call.until(lambda: call.recoveries)
        assert session.has_active_generation is True, "it is tried again"
        with planted(TARGETS["_core.records.Turn.generation_over"], 1, TypeError):
            assert session.has_active_generation is session._inner.has_active_generation
        assert call.controller.stepped_aside is not None
        await asyncio.sleep(3.0)
        assert call.heard == pytest.approx(0.5, abs=0.02)
        assert session.has_active_generation is False


#: What LiveKit's events and its sinks' lead to, without a request of the host in between.
CALLED_BACK = (
    "livekit._driver.Driver._tell_playback",
    "livekit._driver.Driver._another_speaks",
    "livekit._driver.Driver._listen_if_idle_soon",
    "livekit._playout.Playout._watch",
    "livekit._playout.Playout._guard",
    "livekit._speech.SpeechTracker._follow",
    "livekit._speech.SpeechTracker._on_agent_state",
    "livekit._speech.SpeechTracker._on_item_added",
    "livekit._speech.SpeechTracker._tell",
)


async def _swapped_sinks(call: SimulatedCall) -> None:
    """Attached in mid-call; the sink goes, comes, and is switched off and on."""
    await call.say("Hello?", seconds=0.5)
    await asyncio.sleep(0.3)
    assert call.model is not None
    call.model.attach(call.session)
    await asyncio.sleep(3.0)
    call.session.output.audio = None
    await call.session.generate_reply(user_input="Unheard?")
    call.play_on(PacedAudioOutput())
    await call.session.generate_reply(user_input="Swapped?")
    call.session.output.set_audio_enabled(False)
    await call.session.generate_reply(user_input="Silent?")
    call.session.output.set_audio_enabled(True)
    await call.say("Last?", seconds=0.5)
    await asyncio.sleep(4.0)


@pytest.mark.sampled(4)
@pytest.mark.parametrize("nth", [1, 2, 3])
@pytest.mark.parametrize("target", [TARGETS[label] for label in CALLED_BACK], ids=lambda t: t.label)
def test_g32_a_callback_that_raises_hangs_no_call(target: Target, nth: int) -> None:
    @virtual_time
    async def play() -> None:
        async with simulated_call(
            Script(answers=ANSWERS),
            attach=False,
            check=False,
            policy=RetryPolicy(retry_interval=0.3),
        ) as call:
            await _swapped_sinks(call)
            assert call.heard == pytest.approx(1.5, abs=0.05), "once each, where there was a sink"
            assert all(handle.done() for handle in call.speeches)
            assert call.closed == []
            if call.model is not None and plan.raised and call.model.controller is not None:
                assert call.controller.stepped_aside is not None

    for always in (False, True):
        with planted(target, nth, TypeError, always=always) as plan:
            play()
