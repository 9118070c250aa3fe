"""Draws a call from a seed.

Each question has random numbers of its own: what is replied to it, attempt by attempt, and what
fails on the way do not depend on what else is asked, nor on how many responses there were before.
So the call can be lived twice, with retries and without.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal, get_args

from ...simulator.config import ServerConfig
from ...simulator.faults import AcceptThenClose, Fault, Schedule
from ...simulator.script import FunctionCall, Message, Reasoning, Reply, Script
from .failing import deviate, fail, late, on_the_way
from .scenario import (
    PROFILES,
    TOOL,
    Act,
    ActKind,
    Aside,
    Edit,
    EditKind,
    Profile,
    Scenario,
    Turn,
)
from .strangers import asides, foreign, output_faults, said_aside

__all__ = ["draw"]

_ATTEMPTS = 8  # at one question that are drawn; the last of them succeeds, and so do later ones
_CALLING: frozenset[str] = frozenset({"transfer", "transfer_fresh", "ask", "filler", "end_call"})
_WORDS = (
    "your", "parcel", "arrives", "tomorrow", "around", "noon", "and", "the", "driver", "will",
    "ring", "before", "he", "comes", "so", "please", "keep", "the", "door", "in", "sight",
    "while", "we", "look", "after", "all", "the", "rest", "of", "it", "for", "you",
)  # fmt: skip
_QUESTIONS = (
    "Where is my parcel?", "What does it cost?", "When do you open?", "Can you say that again?",
    "Who brings it?", "Is it far?", "May I change the address?", "Thank you, and the other one?",
)  # fmt: skip

Voice = Literal["server_vad", "push_to_talk"]
Modality = Literal["audio", "text"]


def draw(seed: int, profile: Profile = "none", *, acts: bool = False) -> Scenario:
    """Draw a call; the same seed and profile give the same one.

    The callers are the same in each profile: only what fails differs. With *acts* the application
    does something besides in some turns, see :class:`Act`. Raises ``ValueError`` for an unknown
    profile.
    """
    if profile not in PROFILES:
        raise ValueError(f"profile is one of {', '.join(PROFILES)}, not {profile!r}")
    rng = random.Random(f"call:{seed}")
    voice: Voice = "server_vad" if rng.random() < 0.7 else "push_to_talk"
    turns = _turns(rng, voice)
    if acts:
        turns = _with_acts(random.Random(f"acts:{seed}"), turns, voice)
    drawn = _Drawing(seed, profile)
    for number, turn in enumerate(turns, 1):
        drawn.turn(number, turn, turns[number - 2] if number > 1 else None)
    aside = tuple(asides(random.Random(f"asides:{seed}"), len(turns), profile))
    for each in aside:
        drawn.aside(each)
    faults = drawn.faults
    if profile == "hostile":
        faults += _closed_at_once(random.Random(f"connections:{seed}"))
    config = ServerConfig(
        create_delay=_seconds(rng, 0.005, 0.15),
        vad_create_delay=_seconds(rng, 0.02, 0.2),
        cancel_delay=_seconds(rng, 0.01, 0.3),
        pace=rng.choice((0.01, 0.02, 0.05)),
        transcription_delay=_seconds(rng, 0.01, 0.8),
        reasoning_items=rng.choice(("hidden", "item")),
        withheld_ms=_withheld(random.Random(f"withheld:{seed}"), profile),
        faults=Schedule(faults, seed) if faults else None,
    )
    if profile == "compat":
        config = deviate(random.Random(f"deviations:{seed}"), config)
    modality: Modality = "text" if rng.random() < 0.12 else "audio"
    outputs = tuple(output_faults(random.Random(f"outputs:{seed}"), len(turns), profile))
    return Scenario(
        turns=turns,
        script=Script(answers=drawn.answers, default=drawn.default),
        config=config,
        voice=voice,
        modality=modality,
        tool_seconds=_seconds(rng, 0.05, 2.0),
        edits=tuple(_edits(random.Random(f"edits:{seed}"), len(turns), profile, pairs=acts)),
        asides=aside,
        outputs=outputs if modality == "audio" else (),
        seed=seed,
    )


def _seconds(rng: random.Random, least: float, most: float) -> float:
    return round(rng.uniform(least, most), 3)


# --- the caller


def _turns(rng: random.Random, voice: Voice) -> tuple[Turn, ...]:
    turns = [_turn(rng, voice, number) for number in range(1, rng.randint(4, 10) + 1)]
    if rng.random() < 0.15:
        after = _seconds(rng, 0.1, 2.5)
        measure: Literal["sound", "waiting"] = rng.choice(("sound", "waiting"))
        turns[-1] = replace(turns[-1], then="hangs_up", after=after, measure=measure)
    return tuple(turns)


def _turn(rng: random.Random, voice: Voice, number: int) -> Turn:
    kinds: tuple[Literal["speech", "text", "app"], ...] = ("speech", "text", "app")
    kind = rng.choices(kinds, (80, 12, 8))[0]
    manners: tuple[Literal["listens", "speaks_over", "stops", "coughs"], ...]
    manners = ("listens", "speaks_over", "stops", "coughs")
    then = rng.choices(manners, (74, 14, 6, 6 if voice == "server_vad" else 0))[0]
    measure: Literal["sound", "waiting"] = "sound" if rng.random() < 0.7 else "waiting"
    return Turn(
        kind=kind,
        # The number makes it a question of its own, whatever else is asked.
        words=f"{number}. {rng.choice(_QUESTIONS)}",
        seconds=_seconds(rng, 0.4, 1.8),
        then=then,
        after=_seconds(rng, 0.1, 2.5),
        measure=measure,
        pause=_seconds(rng, 4.0, 9.0) if rng.random() < 0.1 else _seconds(rng, 0.6, 2.4),
    )


# --- what the application does besides

_MIDWAY: tuple[ActKind, ...] = (
    "transfer", "transfer_fresh", "ask", "filler", "hand_over", "hand_over_fresh", "own_model",
    "queue", "prompt", "commit",
)  # fmt: skip
_LAST: tuple[ActKind, ...] = ("end_call", "drain", "shutdown")
#: Seconds that nothing of the application's is drawn at a whole millisecond, as all else is. Of what
#: happens at the same time the last bit of a sum decides which is first, differently in two lives.
_BETWEEN = 0.0005


def _with_acts(rng: random.Random, turns: Sequence[Turn], voice: Voice) -> tuple[Turn, ...]:
    made: list[Turn] = []
    for number, turn in enumerate(turns, 1):
        last = number == len(turns)
        if made and made[-1].act is not None and made[-1].act.kind == "ask":
            # The caller tells the name, and hears what comes of it.
            made.append(replace(turn, kind="speech", then="listens"))
            continue
        if rng.random() >= 0.4:
            made.append(turn)
            continue
        kind = rng.choice(_LAST if last else _MIDWAY)
        # Before the end of the speech, while the model thinks, or while it speaks.
        after = _seconds(rng, *rng.choice(((-0.4, 0.0), (0.0, 0.3), (0.3, 2.5))))
        if kind == "commit" and (voice != "server_vad" or turn.kind != "speech"):
            kind = "prompt"
        # A commit into the speech would ask for an answer to what was asked before.
        early = turn.kind == "speech" and kind != "commit"
        act = Act(kind, (after if early else max(after, 0.0)) + _BETWEEN)
        listens = kind in _CALLING or last
        made.append(replace(turn, act=act, then="listens" if listens else turn.then))
    return tuple(made)


# --- what the application does to its history

#: Share of the turns.
_EDITED = {"none": 0.0, "mild": 0.0, "rough": 0.06, "hostile": 0.12, "compat": 0.0}


def _edits(rng: random.Random, turns: int, profile: Profile, *, pairs: bool) -> Iterator[Edit]:
    """An old copy that is pushed cannot be told from a wish to delete what came since. It deletes as
    much on plain LiveKit: so only a call that is lived twice has one."""
    kinds = [kind for kind in get_args(EditKind) if pairs or kind != "stale"]
    for number in range(1, turns + 1):
        if rng.random() < _EDITED[profile]:
            yield Edit(number, rng.choice(kinds), after=_seconds(rng, 0.0, 4.0))


def _withheld(rng: random.Random, profile: Profile) -> int:
    """Few servers hold less of a message than they sent."""
    share = {"rough": 0.05, "hostile": 0.1}.get(profile, 0.0)
    return 85 if rng.random() < share else 0


# --- what is replied, and what fails


class _Drawing:
    """Draws the replies to each question, and what happens on their way.

    Attributes:
        answers: the replies, by question.
        faults: those of the network.
        default: what is said to a question that nobody foresaw.
    """

    def __init__(self, seed: int, profile: Profile) -> None:
        self.answers: dict[str, list[Reply]] = {}
        self.faults: list[Fault] = []
        self._seed = seed
        self._profile = profile
        self.default = self._said(random.Random(f"reply:{seed}:"), "0")(1)

    def turn(self, number: int, turn: Turn, before: Turn | None) -> None:
        """Draw all that one turn may come to."""
        act = turn.act.kind if turn.act is not None else ""
        tool: str = act if act in _CALLING else ""
        if before is not None and before.act is not None and before.act.kind == "ask":
            tool = "note_name"
        self._question(turn.words, str(number), tool, number)
        for extra, words in enumerate(asked_besides(turn, number), 1):
            self._question(words, f"{number}{'abc'[extra - 1]}", "", number)

    def _question(self, key: str, name: str, tool: str, number: int, depth: int = 0) -> None:
        rng = random.Random(f"reply:{self._seed}:{key}")
        # A tool's reply does not call the tool again: LiveKit allows a turn three steps.
        if not tool and depth == 0 and rng.random() < 0.12:
            tool = TOOL
        says = self._said(rng, name, most=1 if tool else 3)
        silent = bool(tool) and rng.random() >= 0.4
        call = FunctionCall(tool, {"what": str(number)})
        faulty = random.Random(f"faults:{self._profile}:{self._seed}:{key}")
        replies: list[Reply] = []
        for attempt in range(1, _ATTEMPTS + 1):
            reply = says(attempt)
            if tool:
                reply = Reply([*([] if silent else reply.items), call])
            last = attempt == _ATTEMPTS
            replies.append(reply if last else fail(faulty, reply, self._profile))
            if attempt <= 2:
                self.faults += on_the_way(faulty, self._profile, key, attempt)
        self.answers[key] = replies
        # Of its own, so that what fails besides is the same with and without it.
        rare = random.Random(f"late:{self._profile}:{self._seed}:{key}")
        self.faults += late(rare, self._profile, key)
        strange = random.Random(f"foreign:{self._profile}:{self._seed}:{key}")
        self.faults += foreign(strange, self._profile, key)
        if tool:
            self._question(f"{key} > {tool}", f"{name}t", "", number, depth + 1)

    def aside(self, aside: Aside) -> None:
        """Draw what is replied out of band."""
        rng = random.Random(f"aside:{self._seed}:{aside.turn}")
        self.answers[f"aside: {aside.words}"] = [said_aside(rng, aside)]

    def _said(self, rng: random.Random, name: str, most: int = 3) -> _Says:
        count = min(most, rng.choices((1, 2, 3), (75, 18, 7))[0])
        thinks = _seconds(rng, 0.2, 1.5) if rng.random() < 0.15 else 0.0
        parts: list[tuple[str, float]] = []
        for _ in range(count):
            seconds = max(0.6, round(rng.gauss(3.2 if count == 1 else 2.0, 0.6), 1))
            start = rng.randrange(len(_WORDS))
            words = [_WORDS[(start + n) % len(_WORDS)] for n in range(max(2, round(seconds * 2.5)))]
            parts.append((" ".join(words), seconds))
        done_delay = _seconds(rng, 0.1, 1.0) if rng.random() < 0.2 else 0.0
        return _Says(name, thinks, parts, done_delay)


class _Says:
    """The same words in each attempt, but for the first, which names the message, so that whoever
    hears it knows which it is."""

    def __init__(
        self, name: str, thinks: float, parts: list[tuple[str, float]], done_delay: float
    ) -> None:
        self._name = name
        self._thinks = thinks
        self._parts = parts
        self._done_delay = done_delay

    def __call__(self, attempt: int) -> Reply:
        items: list[Message | Reasoning] = [Reasoning(self._thinks)] if self._thinks else []
        for number, (words, seconds) in enumerate(self._parts, 1):
            items.append(Message(f"{self._name}.{attempt}.{number} {words}", seconds=seconds))
        return Reply(items, done_delay=self._done_delay)


def asked_besides(turn: Turn, number: int) -> list[str]:
    """The instructions of the replies that the application asks for besides."""
    asks = {
        "queue": [f"{number}. Say first", f"{number}. Say second"],
        "prompt": [f"{number}. Say besides"],
        "filler": [f"{number}. Say wait"],
        "ask": [f"{number}. Ask the name"],
    }
    return asks.get(turn.act.kind, []) if turn.act is not None else []


def _closed_at_once(rng: random.Random) -> Iterator[Fault]:
    """The first connections of a call are the same in both lives; later ones depend on it."""
    if rng.random() < 0.1:
        yield AcceptThenClose(1, on=rng.choice(("connect", "session.update")))
