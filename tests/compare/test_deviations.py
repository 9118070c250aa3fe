"""G27 at servers that only resemble the service, whose every frame is changed on its way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from livekit.agents import Agent, function_tool

from realtime_fsm.simulator import Failed, FunctionCall, Message, Reply, observed
from realtime_fsm.simulator.wire import Send
from realtime_fsm.testing import assert_not_worse

Event = dict[str, Any]
Change = Callable[[Event], "list[Event]"]


def without(*kinds: str) -> Change:
    return lambda event: [] if event["type"] in kinds else [event]


def renamed(kinds: str, of: Callable[[str], object]) -> Change:
    """Other ids of responses in events whose type begins so."""

    def change(event: Event) -> list[Event]:
        if not event["type"].startswith(kinds):
            return [event]
        if "response_id" in event:
            return [{**event, "response_id": of(event["response_id"])}]
        response = event.get("response", {})
        return (
            [{**event, "response": {**response, "id": of(response["id"])}}] if response else [event]
        )

    return change


def doubled(kind: str) -> Change:
    return lambda event: [event, event] if event["type"] == kind else [event]


def followed(kind: str, **other: Any) -> Change:
    return lambda event: [event, other] if event["type"] == kind else [event]


CHANGES: dict[str, Change] = {
    "no end of speech": without("input_audio_buffer.speech_stopped"),
    "no end of speech, no commit": without(
        "input_audio_buffer.speech_stopped", "input_audio_buffer.committed"
    ),
    "no event of speech": without(
        "input_audio_buffer.speech_started",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ),
    "deltas of a response nobody knows": renamed("response.output_audio", lambda _: "other"),
    "items of a response nobody knows": renamed("response.output_", lambda _: "other"),
    "an end of a response nobody knows": renamed("response.done", lambda _: "other"),
    "ids that are numbers": renamed("response.", lambda name: int(name.removeprefix("resp_"))),
    "created twice": doubled("response.created"),
    "ended twice": doubled("response.done"),
    "no content parts": without("response.content_part.added", "response.content_part.done"),
    "no ends of audio": without(
        "response.output_audio.done", "response.output_audio_transcript.done"
    ),
    "no settings": without("session.updated", "session.created"),
    "an error that is no object": followed("response.created", type="error", error="boom"),
    "a conflict of nobody's": followed(
        "response.created",
        type="error",
        event_id="event_0",
        error={
            "type": "invalid_request_error",
            "code": "conversation_already_has_active_response",
            "message": "Conversation already has an active response",
            "event_id": None,
        },
    ),
    "its settings again": followed("response.done", type="session.updated", session={}),
}


class Tooled(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def look(self) -> str:
        """Look it up."""
        await asyncio.sleep(0.3)
        return "It is one."


def script() -> list[Reply]:
    texts = ["It is one.", "A long answer that is cut. " * 4, "What comes after it."]
    return [
        Reply([Message("Good morning.", seconds=1.5)]),
        Reply([Message("One moment.", seconds=0.8), FunctionCall("look")]),
        *(Reply([Message(text, seconds=0.1 * len(text))]) for text in texts),
        Reply(end=Failed("server_error")),
        *(Reply([Message(f"Answer {n}.", seconds=1.0)]) for n in range(4)),
    ]


async def a_call(simulated_call: Any) -> None:
    async with simulated_call(script(), agent=Tooled()) as call:
        call.session.generate_reply(instructions="Greet.")
        await asyncio.sleep(3.0)
        for question, seconds in (("Look?", 5.0), ("Long?", 3.0), ("Cut?", 6.0), ("Fails?", 12.0)):
            await call.say(question, seconds=1.0)
            await asyncio.sleep(seconds)
        call.session.generate_reply(user_input="Typed?")
        await asyncio.sleep(12.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Callable[[Change], None]:
    put = observed.Connection.put

    def changes(change: Change) -> None:
        def changed(self: observed.Connection, frame: Any) -> None:
            if not isinstance(frame, Send):
                return put(self, frame)
            for event in change(dict(frame.event)):
                put(self, Send(event))
            return None

        monkeypatch.setattr(observed.Connection, "put", changed)

    return changes


@pytest.mark.sampled(3)
@pytest.mark.parametrize("name", CHANGES)
def test_g27_at_a_server_that_deviates(name: str, server: Callable[[Change], None]) -> None:
    server(CHANGES[name])
    verdict = assert_not_worse(a_call)
    assert verdict.better, "a turn failed"
