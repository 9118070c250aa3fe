"""Calls whose replies and faults go by the number of the response or frame, not by what is asked.

So were all calls drawn once; those that went wrong then are kept (see ``test_simulate.py``).
"""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Literal

from realtime_fsm.lab.simulate import PROFILES, Scenario, Turn
from realtime_fsm.lab.simulate.drawing import _QUESTIONS, _WORDS
from realtime_fsm.lab.simulate.failing import fail
from realtime_fsm.simulator.config import ServerConfig
from realtime_fsm.simulator.faults import Profile, Schedule
from realtime_fsm.simulator.script import (
    FunctionCall,
    Message,
    Reasoning,
    Reply,
    Script,
)

__all__ = ["draw_in_order"]

TOOL = "look_up"


def draw_in_order(seed: int, profile: Profile = "none") -> Scenario:
    """Draw a call; the same seed and profile give the same one.

    The callers are the same in each profile: only what fails differs. Raises ``ValueError`` for an
    unknown profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile is one of {', '.join(PROFILES)}, not {profile!r}")
    rng = random.Random(f"call:{seed}")
    voice: Literal["server_vad", "push_to_talk"] = (
        "server_vad" if rng.random() < 0.7 else "push_to_talk"
    )
    turns = _turns(rng, voice)
    replies = _replies(rng, 3 * len(turns) + 6)
    faulty = random.Random(f"faults:{profile}:{seed}")
    failing = [fail(faulty, reply, profile) for reply in replies]
    config = ServerConfig(
        create_delay=_seconds(rng, 0.005, 0.15),
        vad_create_delay=_seconds(rng, 0.02, 0.2),
        cancel_delay=_seconds(rng, 0.01, 0.3),
        pace=rng.choice((0.01, 0.02, 0.05)),
        transcription_delay=_seconds(rng, 0.01, 0.8),
        reasoning_items=rng.choice(("hidden", "item")),
        faults=None if profile == "none" else Schedule.random(seed, profile),
    )
    return Scenario(
        turns=turns,
        script=Script(failing, default=_said(rng, len(failing) + 1)),
        config=config,
        voice=voice,
        modality="text" if rng.random() < 0.12 else "audio",
        tool_seconds=_seconds(rng, 0.05, 2.0),
        seed=seed,
    )


# --- drawing


def _seconds(rng: random.Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 3)


def _turns(rng: random.Random, voice: str) -> tuple[Turn, ...]:
    turns = [_turn(rng, voice) for _ in range(rng.randint(4, 10))]
    if rng.random() < 0.15:
        after = _seconds(rng, 0.1, 2.5)
        measure: Literal["sound", "waiting"] = rng.choice(("sound", "waiting"))
        turns[-1] = replace(turns[-1], then="hangs_up", after=after, measure=measure)
    return tuple(turns)


def _turn(rng: random.Random, voice: str) -> Turn:
    kinds: tuple[Literal["speech", "text", "app"], ...] = ("speech", "text", "app")
    kind = rng.choices(kinds, (80, 12, 8))[0]
    manners: tuple[Literal["listens", "speaks_over", "stops", "coughs"], ...]
    manners = ("listens", "speaks_over", "stops", "coughs")
    then = rng.choices(manners, (74, 14, 6, 6 if voice == "server_vad" else 0))[0]
    measure: Literal["sound", "waiting"] = "sound" if rng.random() < 0.7 else "waiting"
    return Turn(
        kind=kind,
        words=rng.choice(_QUESTIONS),
        seconds=_seconds(rng, 0.4, 1.8),
        then=then,
        after=_seconds(rng, 0.1, 2.5),
        measure=measure,
        pause=_seconds(rng, 4.0, 9.0) if rng.random() < 0.1 else _seconds(rng, 0.6, 2.4),
    )


def _replies(rng: random.Random, count: int) -> list[Reply]:
    replies: list[Reply] = []
    for number in range(1, count + 1):
        # A tool's reply does not call the tool again: LiveKit allows a turn three steps.
        called = replies and any(isinstance(i, FunctionCall) for i in replies[-1].items)
        if not called and rng.random() < 0.12:
            said = list(_said(rng, number, most=1).items) if rng.random() < 0.4 else []
            replies.append(Reply([*said, FunctionCall(TOOL, {"what": "parcel"})]))
        else:
            replies.append(_said(rng, number))
    return replies


def _said(rng: random.Random, number: int, most: int = 3) -> Reply:
    count = min(most, rng.choices((1, 2, 3), (75, 18, 7))[0])
    items: list[Message | Reasoning] = []
    if rng.random() < 0.15:
        items.append(Reasoning(_seconds(rng, 0.2, 1.5)))
    for part in range(1, count + 1):
        seconds = max(0.6, round(rng.gauss(3.2 if count == 1 else 2.0, 0.6), 1))
        start = rng.randrange(len(_WORDS))
        words = [_WORDS[(start + n) % len(_WORDS)] for n in range(max(2, round(seconds * 2.5)))]
        # The first word names the message, so that whoever hears it knows which it is.
        items.append(Message(" ".join([f"{number}.{part}", *words]), seconds=seconds))
    done_delay = _seconds(rng, 0.1, 1.0) if rng.random() < 0.2 else 0.0
    return Reply(items, done_delay=done_delay)
