"""`check_heard_is_history` sees each way in which the copies can differ."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import Reply, ServerConfig
from realtime_fsm.testing import (
    PacedAudioOutput,
    SimulatedCall,
    check_heard_is_history,
    check_message_order,
    check_truncate_bounds,
    simulated_call,
    virtual_time,
)

from .test_reconnect import said


def changed(call: SimulatedCall, kind: str, change: Any) -> None:
    """Frames of this type leave as *change* says; None: not at all."""
    inner = realtime_session_of(call.session)._inner
    send = inner.send_event

    def send_changed(event: Any) -> None:
        frame = event if isinstance(event, dict) else event.model_dump(exclude_unset=True)
        frame = change(dict(frame)) if frame["type"] == kind else event
        if frame is not None:
            send(frame)

    inner.send_event = send_changed


def shown(call: SimulatedCall, number: int, text: str) -> None:
    """LiveKit's history has this text of an assistant's message."""
    items = [i for i in call.session.history.items if isinstance(i, llm.ChatMessage)]
    found = [i for i in items if i.role == "assistant"]
    if number < len(found):
        found[number].content = [text]
    else:
        response = [r for r in call.server.record if r.type == "response.output_item.added"]
        item_id = response[number].event["item"]["id"]
        call.session.history.items.append(
            llm.ChatMessage(id=item_id, role="assistant", content=[text])
        )


def shift(ms: int) -> Any:
    def shifted(frame: dict[str, Any]) -> dict[str, Any]:
        return {**frame, "audio_end_ms": frame["audio_end_ms"] + ms}

    return shifted


TRUNCATE, DELETE = "conversation.item.truncate", "conversation.item.delete"
NOTHING: tuple[str, Any] = ("", None)


@pytest.mark.parametrize(
    ("wire", "text", "complaint"),
    [
        (NOTHING, None, None),
        ((TRUNCATE, lambda frame: None), None, "1.000 s were heard"),
        ((TRUNCATE, shift(50)), None, "1.000 s were heard"),
        ((TRUNCATE, shift(-50)), None, "1.000 s were heard"),
        ((DELETE, lambda frame: None), None, "0.000 s were heard"),
        (NOTHING, (0, "One moment please while I look that up for you."), "the server remembers"),
        (NOTHING, (0, ""), "are not remembered by LiveKit"),
        (NOTHING, (0, "Quite another thing was said here."), "the server remembers"),
        (
            NOTHING,
            (1, "Your parcel left the depot."),
            "LiveKit remembers .*, of which nothing was heard",
        ),
    ],
    ids=[
        *("right", "no truncate", "cut too late", "cut too early", "no delete"),
        *("all is shown", "nothing is shown", "something else is shown", "the unheard is shown"),
    ],
)
@virtual_time
async def test_g16_the_check_tells(
    wire: tuple[str, Any], text: tuple[int, str] | None, complaint: str | None
) -> None:
    async with simulated_call([Reply(said(2))], config=ServerConfig(pace=0.001)) as call:
        call.session.generate_reply()
        changed(call, *wire)
        await call.until(lambda: call.heard > 0)
        await asyncio.sleep(1.0 - call.heard)
        call.session.interrupt()
        await call.idle()
        if text is not None:
            shown(call, *text)
        if complaint is None:
            check_heard_is_history(call)
        else:
            with pytest.raises(AssertionError, match=complaint):
                check_heard_is_history(call)


@pytest.mark.parametrize("right", [True, False], ids=["right", "no truncate"])
@virtual_time
async def test_g16_the_check_looks_at_every_sink(right: bool) -> None:
    """The first reply ends on the sink it began on, the second is cut on the new one."""
    config = ServerConfig(pace=0.001)
    other = PacedAudioOutput()
    async with simulated_call([Reply(said(1)), Reply(said(1))], config=config) as call:
        if not right:
            changed(call, TRUNCATE, lambda frame: None)
        call.session.generate_reply(user_input="Where is my parcel?")
        await call.until(lambda: call.heard > 1.0)
        call.play_on(other)
        call.session.generate_reply(user_input="And?")
        await call.until(lambda: other.heard_seconds > 0.5)
        call.session.interrupt()
        await call.idle()
        assert call.heard == pytest.approx(2.5, abs=0.05)
        check_message_order(call)
        if right:
            check_heard_is_history(call)
            check_truncate_bounds(call)
            return
        with pytest.raises(AssertionError, match=r"0\.5\d\d s were heard"):
            check_heard_is_history(call)
