"""Raw client events that no server could make sense of, sent by an application: G25, G27, G32."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import run_virtual, simulated_call

ODD: list[Any] = [7, "x", [], [{}], {"id": []}, {"id": 7}, True]
FIELDS = {
    "response.create": ("response", "event_id"),
    "response.cancel": ("response_id", "event_id"),
    "conversation.item.create": ("item", "event_id", "previous_item_id"),
    "conversation.item.truncate": ("item_id", "audio_end_ms", "content_index", "event_id"),
    "conversation.item.delete": ("item_id", "event_id"),
    "conversation.item.retrieve": ("item_id",),
    "session.update": ("session",),
    "input_audio_buffer.append": ("audio",),
}
FRAMES: list[dict[str, Any]] = [
    {"type": kind, name: value} for kind, names in FIELDS.items() for name in names for value in ODD
]
FRAMES += [
    {"type": "response.create", "response": {name: value}}
    for name in ("metadata", "conversation", "input", "tools", "tool_choice", "instructions")
    for value in ODD
]
FRAMES += [{"type": value} for value in ODD] + [{}]
FRAMES += [
    {"type": "conversation.item.create", "item": {"type": "message", name: value}}
    for name in ("id", "role", "content", "type")
    for value in ODD
]


@pytest.mark.parametrize("mode", ["control", "plain"])
def test_g25_no_frame_of_an_application_ends_the_control(mode: str) -> None:
    """Each leaves as the application made it, or as what it asks for, and the next reply is heard."""

    async def call(frames: list[dict[str, Any]]) -> tuple[float, list[Any]]:
        replies = [Reply([Message("Good.", seconds=0.5)]) for _ in range(3 * len(frames) + 1)]
        controlled = mode == "control"
        async with simulated_call(
            replies, turn_detection=None, controlled=controlled, check=False
        ) as living:
            session: Any = realtime_session_of(living.session)
            for frame in frames:
                session.send_event(frame)
                await living.idle()
                if controlled:
                    assert living.model is not None
                    controller = living.model.controller
                    assert controller is not None
                    assert controller.stepped_aside is None, frame
            before = living.heard
            handle = living.session.generate_reply(user_input="Are you there?")
            await handle
            assert living.heard - before == pytest.approx(0.5, abs=0.01)
            assert not living.closed
        return living.heard, living.errors

    run_virtual(lambda: call(FRAMES), limit=10_000.0)
