"""What comes into a drawn call that is none of its turns': responses out of band, frames of others or
too late, and outputs that tell nothing or are replaced."""

from __future__ import annotations

import base64
import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, get_args

from ...simulator.faults import At, Double, Fault, Insert
from ...simulator.script import CREATED, Failed, Message, Reply
from .scenario import Aside, AsideKind, OutputFault, OutputFaultKind, Profile

__all__ = ["asides", "foreign", "is_aside", "output_faults", "said_aside"]

#: Shares of the turns.
_ASIDES = {"none": 0.0, "mild": 0.0, "rough": 0.08, "hostile": 0.12, "compat": 0.0}
_FRAMES = {"none": 0.0, "mild": 0.0, "rough": 0.08, "hostile": 0.16, "compat": 0.0}
_OUTPUTS = {"none": 0.0, "mild": 0.0, "rough": 0.03, "hostile": 0.06, "compat": 0.0}

_EVENTS = (
    "response.created", "response.output_item.added", "response.content_part.added",
    "response.output_audio.delta", "response.output_item.done", "response.done",
)  # fmt: skip
#: Those of which a second one says nothing new: one with words would be words twice.
_AGAIN = (
    "response.created", "response.output_item.added", "conversation.item.added",
    "response.content_part.added", "response.output_audio.done", "response.content_part.done",
    "response.output_item.done", "response.done",
)  # fmt: skip


def _seconds(rng: random.Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 3)


def _when(rng: random.Random) -> float:
    """Before the end of the speech, before its answer, or while that is spoken."""
    return _seconds(rng, *rng.choice(((-0.4, 0.0), (0.0, 0.4), (0.4, 4.0))))


def asides(rng: random.Random, turns: int, profile: Profile) -> Iterator[Aside]:
    """Yield what the application asks for out of band."""
    for number in range(1, turns + 1):
        if rng.random() < _ASIDES[profile]:
            yield Aside(number, rng.choice(get_args(AsideKind)), _when(rng))


def said_aside(rng: random.Random, aside: Aside) -> Reply:
    """Return what is replied to it."""
    name = f"{aside.turn}x.1.1"
    said = Reply([Message(f"{name} a category", seconds=_seconds(rng, 0.3, 2.0))])
    slow = replace(said, pace=rng.choice((0.02, 0.1, 0.3)))
    return replace(slow, end=Failed("server_error", at=CREATED)) if rng.random() < 0.25 else slow


def is_aside(text: str) -> bool:
    """Whether this was said out of band, and answers nobody."""
    return text.partition(".")[0].endswith("x")


def output_faults(rng: random.Random, turns: int, profile: Profile) -> Iterator[OutputFault]:
    """Yield what happens to the output."""
    for number in range(1, turns + 1):
        if rng.random() < _OUTPUTS[profile]:
            kind = rng.choice(get_args(OutputFaultKind))
            yield OutputFault(number, kind, _seconds(rng, 0.0, 4.0))


def foreign(rng: random.Random, profile: Profile, question: str) -> Iterator[Fault]:
    """Yield frames of a response that nobody asked for, or a frame of this one again, and late."""
    if rng.random() >= _FRAMES[profile]:
        return
    if rng.random() < 0.5:
        late = At(rng.choice(_AGAIN), question=question)
        yield Double(late, _seconds(rng, 0.05, 6.0))
        return
    at = At(rng.choice(_EVENTS), question=question, when=rng.choice(("before", "after")))
    number = rng.randrange(10**6)
    for frame in _frames_of_a_stranger(f"resp_other{number}", f"item_other{number}"):
        if rng.random() < 0.5:
            yield Insert(at, frame)


def _frames_of_a_stranger(response: str, item: str) -> Iterator[dict[str, Any]]:
    body: dict[str, Any] = {
        "object": "realtime.response",
        "id": response,
        "conversation_id": None,
        "output": [],
    }
    where = {"response_id": response, "item_id": item, "output_index": 0, "content_index": 0}
    message = {"id": item, "type": "message", "role": "assistant", "status": "in_progress"}
    yield {"type": "response.created", "response": {**body, "status": "in_progress"}}
    yield {
        "type": "response.output_item.added",
        "response_id": response,
        "output_index": 0,
        "item": {**message, "content": []},
    }
    sound = base64.b64encode(bytes(4800)).decode()
    yield {"type": "response.output_audio.delta", **where, "delta": sound}
    yield {"type": "response.output_audio_transcript.delta", **where, "delta": "Other words "}
    yield {"type": "response.done", "response": {**body, "status": "completed"}}
