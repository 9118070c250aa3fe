"""What fails in a drawn call: the reply of one attempt at a question, and the network meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import get_args

from ...simulator import faults as f
from ...simulator import script as s
from ...simulator.config import ServerConfig
from ...simulator.deviations import Omission
from ...simulator.errors import ERROR_CLASSES
from ...simulator.fault_kinds import Shape
from .scenario import Profile

__all__ = ["deviate", "fail", "late", "on_the_way"]

#: Shares that fail; with a fault on the way; and of the questions whose output comes late.
_REPLIES = {"none": 0.0, "mild": 0.10, "rough": 0.20, "hostile": 0.30, "compat": 0.10}
_NETWORK = {"none": 0.0, "mild": 0.10, "rough": 0.25, "hostile": 0.4, "compat": 0.15}
_LATE = {"none": 0.0, "mild": 0.0, "rough": 0.15, "hostile": 0.25, "compat": 0.0}

# --- replies

_Failing = Callable[[random.Random, s.Reply], s.Reply]


def fail(rng: random.Random, reply: s.Reply, profile: Profile) -> s.Reply:
    """Return *reply*, or it failing, as often as the profile has it."""
    if rng.random() >= _REPLIES[profile]:
        return reply
    return rng.choice(_FAULTS[profile])(rng, reply)


def _transient(rng: random.Random) -> str:
    return rng.choice(("server_error", "inference_rate_limit_exceeded", "rate_limit_exceeded"))


def _midway(rng: random.Random, reply: s.Reply, code: str) -> s.Reply:
    ms = sum(round(i.seconds * 1000) for i in reply.items if isinstance(i, s.Message))
    at = s.audio_ms(rng.randrange(1, ms)) if ms > 1 else s.CREATED
    return replace(reply, end=s.Failed(code, at=at))


_EARLY: tuple[_Failing, ...] = (
    lambda rng, reply: replace(reply, end=s.Failed(_transient(rng), at=s.CREATED)),
    lambda rng, reply: replace(reply, end=s.Failed(_transient(rng), at=s.CREATED)),
    lambda rng, reply: replace(reply, end=s.Failed(_transient(rng), at=s.BEFORE_CREATED)),
    lambda rng, reply: replace(reply, end=s.Failed(_transient(rng), at=s.ITEM_ADDED)),
    lambda rng, reply: replace(reply, ack=s.Rejected(_transient(rng), linked=rng.random() < 0.8)),
)
_MILD: tuple[_Failing, ...] = (
    *_EARLY,
    lambda rng, reply: _midway(rng, reply, _transient(rng)),
    lambda rng, reply: s.Reply(),
)
_ROUGH: tuple[_Failing, ...] = (
    *_MILD,
    lambda rng, reply: replace(reply, ack=s.Unanswered(holds_slot=rng.random() < 0.5)),
    lambda rng, reply: replace(reply, end=s.Stalled(at=rng.choice((s.CREATED, s.ITEM_ADDED)))),
    lambda rng, reply: replace(reply, end=s.Dropped(at=rng.choice((s.CREATED, s.ITEM_ADDED)))),
    lambda rng, reply: replace(reply, end=s.Closed(rng.choice((1001, 1011)), at=s.CREATED)),
    lambda rng, reply: replace(reply, end=s.DoneLost(frees_slot=rng.random() < 0.5)),
    lambda rng, reply: replace(reply, end=s.Incomplete("max_output_tokens", at=s.CREATED)),
)
_HOSTILE: tuple[_Failing, ...] = (
    *_ROUGH,
    lambda rng, reply: _midway(rng, reply, "no_such_code_yet"),
    lambda rng, reply: replace(reply, end=s.Failed("insufficient_quota", at=s.CREATED)),
    lambda rng, reply: replace(reply, end=s.Incomplete("content_filter", at=s.CREATED)),
)
_FAULTS: dict[str, tuple[_Failing, ...]] = {
    "mild": _MILD,
    "rough": _ROUGH,
    "hostile": _HOSTILE,
    "compat": _MILD,
}

# --- the network

_SERVER_EVENTS = (
    "response.created", "response.output_item.added", "conversation.item.added",
    "response.content_part.added", "response.output_audio.delta", "response.output_item.done",
    "response.done",
)  # fmt: skip
_CLIENT_EVENTS = (
    "response.create", "response.create", "response.cancel", "conversation.item.truncate",
)  # fmt: skip

_Strike = Callable[[random.Random, str, int], f.Fault]


def on_the_way(
    rng: random.Random, profile: Profile, question: str, attempt: int
) -> Iterator[f.Fault]:
    """Yield what the network does to one attempt at a question, if anything."""
    if rng.random() < _NETWORK[profile] / attempt:
        yield rng.choice(_STRIKES[profile])(rng, question, attempt)


def _server(rng: random.Random, question: str, attempt: int) -> f.At:
    event = rng.choice(_SERVER_EVENTS)
    number = rng.randint(1, 3) if event == "response.output_audio.delta" else 1
    when = rng.choice(("before", "after"))
    return f.At(
        event,
        number,
        when="before" if when == "before" else "after",
        question=question,
        attempt=attempt,
    )


def _client(rng: random.Random, question: str, attempt: int) -> f.At:
    return f.At(rng.choice(_CLIENT_EVENTS), side="client", question=question, attempt=attempt)


def _seconds(rng: random.Random, most: float) -> float:
    return round(rng.uniform(0.05, most), 3)


def _refusal(rng: random.Random, question: str, attempt: int) -> f.Fault:
    at = f.At("response.create", side="client", question=question, attempt=attempt)
    code = rng.choice(ERROR_CLASSES["transient"])
    return f.InjectError(at, code, linked=rng.random() < 0.8, instead=True)


def _any_error(rng: random.Random, question: str, attempt: int) -> f.Fault:
    code = rng.choice(ERROR_CLASSES[rng.choice(sorted(ERROR_CLASSES))])
    return f.InjectError(_server(rng, question, attempt), code, linked=rng.random() < 0.5)


def _broken(rng: random.Random, question: str, attempt: int) -> f.Fault:
    refused = rng.choice((0, 0, 0, 1, 2))
    status = rng.choice((429, 500, 502, 503))
    return f.BreakConnection(_server(rng, question, attempt), refused=refused, status=status)


_SLOW: tuple[_Strike, ...] = (
    lambda rng, q, a: f.Late(_server(rng, q, a), _seconds(rng, 1.0)),
    lambda rng, q, a: f.Silence(_server(rng, q, a), _seconds(rng, 1.0)),
    _refusal,
)
_LOSSY: tuple[_Strike, ...] = (
    *_SLOW,
    lambda rng, q, a: f.Late(_server(rng, q, a), _seconds(rng, 6.0)),
    lambda rng, q, a: f.Late(_client(rng, q, a), _seconds(rng, 2.0)),
    lambda rng, q, a: f.Silence(_server(rng, q, a), _seconds(rng, 6.0)),
    lambda rng, q, a: f.Lose(_client(rng, q, a)),
    lambda rng, q, a: f.Lose(_server(rng, q, a)),
    _broken,
    lambda rng, q, a: f.HangUp(_server(rng, q, a), rng.choice((1000, 1001, 1011, 1012))),
)
_BROKEN: tuple[_Strike, ...] = (
    *_LOSSY,
    _any_error,
    lambda rng, q, a: f.Malform(_server(rng, q, a), rng.choice(get_args(Shape))),
    lambda rng, q, a: f.Malform(_client(rng, q, a), rng.choice(get_args(Shape))),
    lambda rng, q, a: f.Double(_server(rng, q, a)),
    lambda rng, q, a: f.Double(_client(rng, q, a)),
    lambda rng, q, a: f.Reorder(_server(rng, q, a), rng.randint(1, 3)),
    lambda rng, q, a: f.HalfOpen(_server(rng, q, a)),
)
_COMPAT: tuple[_Strike, ...] = (
    *_SLOW,
    lambda rng, q, a: f.InjectError(_server(rng, q, a), "what_is_this", linked=False),
)
_STRIKES: dict[str, tuple[_Strike, ...]] = {
    "mild": _SLOW,
    "rough": _LOSSY,
    "hostile": _BROKEN,
    "compat": _COMPAT,
}


# --- what comes late, or is not done

_REFUSED = ("invalid_value", "unsupported_content_type", "item_truncate_invalid_item_id")


def late(rng: random.Random, profile: Profile, question: str) -> Iterator[f.Fault]:
    """Yield a stall that goes on in the end, a cancel that the server ignores, or a truncate that it
    refuses, if any."""
    if rng.random() >= _LATE[profile]:
        return
    kind = rng.choice(("stall", "cancel", "truncate"))
    if kind == "stall":
        audio = f.At("response.output_audio.delta", rng.randint(2, 12), question=question)
        # Longer than a turn that was not heard waits for its next output.
        yield f.Silence(audio, round(rng.uniform(8.0, 13.0), 3))
    elif kind == "cancel":
        yield f.Lose(f.At("response.cancel", side="client", question=question))
    else:
        cut = f.At("conversation.item.truncate", side="client", question=question)
        yield f.InjectError(cut, rng.choice(_REFUSED), linked=rng.random() < 0.5, instead=True)


# --- servers that only resemble the service


def deviate(rng: random.Random, config: ServerConfig) -> ServerConfig:
    """Return *config* with each deviation switched on or not."""

    def often(share: float) -> bool:
        return rng.random() < share

    return replace(
        config,
        leaves_out=[name for name in get_args(Omission) if often(0.3)],
        metadata_echo=not often(0.4),
        conflict_event_id=rng.choice(("linked", "null", "foreign")),
        vad_conflict=rng.choice(("error", "silent")),
        one_response_id=often(0.2),
        confirm_items=not often(0.15),
        truncate_beyond=rng.choice(("refuse", "clamp")),
        rate_limits=rng.choice(("after_done", "after_created", "off")),
    )
