"""Says what became of each turn of a call. Shares no code with what it judges."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from ..simulator.faults import HalfOpen
from .evidence import Asked, Evidence, Spoken
from .lane import creates_against_evidence
from .scenario import Scenario

__all__ = ["FATES", "Fate", "Judged", "TurnFate", "can_compare", "judge"]

Fate = Literal[
    "answered", "interrupted", "superseded", "failed", "lost", "hung_up", "not_committed"
]
FATES: tuple[str, ...] = get_args(Fate)

_WORD = 0.5  # seconds; of less than a word no text is left
_TOLERANCE = 0.15  # seconds of a message that may differ between what was generated and heard


@dataclass(frozen=True, slots=True)
class TurnFate:
    """What became of a turn.

    Attributes:
        fate: ``answered``: a message was heard to its end, and nothing that was promised with it (a
            tool's reply) is missing. ``interrupted``: the caller cut in on the answer.
            ``superseded``: the caller asked the next thing before anything was heard. ``failed``:
            the application was told so. ``lost``: none of these. ``hung_up``: the caller ended the
            call. ``not_committed``: the connection broke before the server took the speech.
        why: in words.
        first_sound: seconds from the end of the turn to the first sound of the answer.
        silence: seconds from the end of the turn to the first sound, the report that it failed, or
            the time at which the caller went on.
        repeated: messages heard again.
        reported: for a lost turn: a recoverable ``error`` event came meanwhile.
    """

    fate: Fate
    why: str
    first_sound: float | None
    silence: float
    repeated: int
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a call.

    Attributes:
        fates: of each turn that was asked, in order.
        violations: creates against evidence: when, and against what.
        mismatches: messages of which the server, or LiveKit, remembers something else than was
            heard; ``unheard`` first words apart, since that gap is known.
    """

    fates: tuple[TurnFate, ...]
    violations: tuple[tuple[float, str], ...] = ()
    mismatches: tuple[str, ...] = ()


@dataclass(slots=True)
class _Item:
    """A message as it went over the wire. *name* is its first word."""

    id: str
    response: str
    name: str = ""
    ms: float = 0.0
    done: bool = False


@dataclass(slots=True)
class _Response:
    """A response as it went over the wire; *spoken_over* is when speech first began after it had."""

    id: str
    created: float
    over: float | None = None
    status: str = ""
    reason: str = ""
    called: bool = False
    spoken_over: float | None = None


@dataclass(slots=True)
class _Wire:
    responses: dict[str, _Response] = field(default_factory=dict)
    items: dict[str, _Item] = field(default_factory=dict)
    committed: dict[str, float] = field(default_factory=dict)

    @property
    def by_name(self) -> dict[str, _Item]:
        return {item.name: item for item in self.items.values() if item.name}


def judge(scenario: Scenario, seen: Evidence) -> Judged:
    """Return the judgement of a call, from what was seen of it."""
    wire = _read(seen)
    answers = _answers(seen, wire)
    fates = tuple(
        _fate(scenario, seen, wire, asked, answers[number])
        for number, asked in enumerate(seen.asked)
    )
    mismatches = _mismatches(scenario, seen, wire) if can_compare(scenario, seen) else ()
    return Judged(fates, tuple(creates_against_evidence(seen.record)), mismatches)


# --- what went over the wire


def _read(seen: Evidence) -> _Wire:
    wire = _Wire()
    connection = 0
    for each in seen.record:
        if each.direction != "server":
            continue
        if each.connection > connection:
            connection = each.connection
            for left in wire.responses.values():
                # What the connection before had not ended went with it.
                left.over = each.t if left.over is None else left.over
        event, kind = each.event, each.type
        if kind in ("response.created", "response.done"):
            body = _dict(event.get("response"))
            found = wire.responses.setdefault(
                str(body.get("id")), _Response(str(body.get("id")), each.t)
            )
            if kind == "response.done" and found.over is None:
                details = _dict(body.get("status_details"))
                found.over, found.status = each.t, str(body.get("status"))
                found.reason = str(details.get("reason"))
                if found.status == "completed":
                    # The end of an item may have been lost on the way; this says it as well.
                    for ended in wire.items.values():
                        ended.done = ended.done or ended.response == found.id
        elif kind == "response.output_item.added":
            item = _dict(event.get("item"))
            response = str(event.get("response_id"))
            if item.get("type") == "message":
                wire.items.setdefault(str(item.get("id")), _Item(str(item.get("id")), response))
        elif kind == "response.output_item.done":
            item = _dict(event.get("item"))
            if item.get("type") == "function_call" and item.get("status") == "completed":
                if (calling := wire.responses.get(str(event.get("response_id")))) is not None:
                    calling.called = True
            elif (known := wire.items.get(str(item.get("id")))) is not None:
                known.done = item.get("status") == "completed"
        elif kind == "input_audio_buffer.speech_started":
            for alive in wire.responses.values():
                alive.spoken_over = each.t if alive.spoken_over is None else alive.spoken_over
        elif kind == "input_audio_buffer.committed":
            wire.committed.setdefault(str(event.get("item_id")), each.t)
        elif kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
            known = wire.items.get(str(event.get("item_id")))
            if known is not None and not known.name:
                known.name = _name(str(event.get("delta")))
        elif kind == "response.output_audio.delta":
            known = wire.items.get(str(event.get("item_id")))
            if known is not None and isinstance(event.get("delta"), (int, float)):
                known.ms += event["delta"]
    return wire


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _name(text: str) -> str:
    return next(iter(text.split()), "")


# --- which answer is whose


def _answers(seen: Evidence, wire: _Wire) -> list[list[Spoken]]:
    """Return the messages heard of each turn's answer.

    A response answers the newest turn that was asked before it was created.
    """
    begins = [_in_conversation(asked, wire) for asked in seen.asked]
    answers: list[list[Spoken]] = [[] for _ in begins]
    for message in seen.spoken:
        if message.started is None:
            continue
        item = wire.by_name.get(_name(message.text))
        response = wire.responses.get(item.response) if item else None
        since = response.created if response else message.begun
        before = [n for n, begin in enumerate(begins) if begin <= since + 1e-9]
        if before:
            answers[before[-1]].append(message)
    return answers


def _in_conversation(asked: Asked, wire: _Wire) -> float:
    if asked.item_id is not None:
        return wire.committed.get(asked.item_id, asked.at)
    return asked.at if asked.turn.kind == "speech" else asked.begun


def _fate(
    scenario: Scenario, seen: Evidence, wire: _Wire, asked: Asked, heard: list[Spoken]
) -> TurnFate:
    over = asked.over if asked.over is not None else seen.seconds
    first = min((m.started for m in heard if m.started is not None), default=None)
    reasons = [r for r in seen.reported if r.final and asked.begun <= r.t <= over + 1e-9]
    full = [m for m in heard if _is_full(scenario, wire, m)]
    owed = _owed(wire, asked, over, full)
    fate: Fate
    if full and not owed:
        fate, why = "answered", ""
    elif asked.hung_up:
        fate, why = "hung_up", ""
    elif asked.item_id is not None and asked.item_id not in wire.committed:
        fate, why = "not_committed", "the connection broke while the caller spoke"
    elif asked.interrupted is not None and _counts(seen, wire, asked, heard):
        fate = "interrupted" if heard or asked.by != "speaks_over" else "superseded"
        why = f"the caller {asked.by.replace('_', ' ')}"
    elif reasons:
        fate, why = "failed", f"{reasons[0].what}: {reasons[0].text}"
    elif owed:
        fate, why = "lost", "a tool was called, and nothing was said of it"
    elif heard:
        fate, why = "lost", "the answer stopped midway, and nobody was told"
    else:
        fate, why = "lost", "nothing was heard, and nobody was told"
    until = [over, *(r.t for r in reasons if r.t > asked.at)]
    if fate in ("interrupted", "superseded") and asked.interrupted is not None:
        until.append(asked.interrupted)  # nobody waits for an answer that was cut off
    return TurnFate(
        fate,
        why,
        None if first is None else max(0.0, first - asked.at),
        max(0.0, (first if first is not None else min(until)) - asked.at),
        _repeated(heard),
        fate == "lost" and any(asked.begun <= r.t <= over for r in seen.reported),
    )


def _is_full(scenario: Scenario, wire: _Wire, message: Spoken) -> bool:
    """Whether a message was generated to its end, and heard to its end."""
    item = wire.by_name.get(_name(message.text))
    if scenario.modality == "text":
        return message.whole and (item is None or item.done)
    return (
        item is not None
        and item.done
        and not message.cut
        and message.seconds >= item.ms / 1000 - _TOLERANCE
    )


def _owed(wire: _Wire, asked: Asked, over: float, full: list[Spoken]) -> bool:
    """Whether a tool was called for the turn, and no message of a later response was heard."""
    begin = _in_conversation(asked, wire)
    calls = [r.created for r in wire.responses.values() if r.called and begin <= r.created <= over]
    items = [wire.by_name.get(_name(m.text)) for m in full]
    said = [wire.responses[i.response].created for i in items if i and i.response in wire.responses]
    return bool(calls) and not any(created > max(calls) for created in said)


def _counts(seen: Evidence, wire: _Wire, asked: Asked, heard: list[Spoken]) -> bool:
    """Whether cutting in explains that the answer is missing.

    A cough explains it only where it met an answer, or an earlier one behind which it waited, for
    LiveKit interrupts all that are queued: one that waits to be asked for again, because it failed
    or went with its connection, has to be given after it. Where the network is slow the answer may
    not have come yet; then the server tells, who heard the cough after it had begun to answer.
    """
    cut = asked.interrupted
    assert cut is not None
    if asked.by != "coughs":
        return True
    begin = _in_conversation(asked, wire)
    over = asked.over if asked.over is not None else seen.seconds

    def on_its_way(r: _Response) -> bool:
        return r.spoken_over is not None and cut <= r.spoken_over < over and r.status != "failed"

    def goes_on(r: _Response) -> bool:
        """It runs, or its tool does, whose reply has not failed before the cough."""
        failed = (
            o for o in wire.responses.values() if o.status == "failed" and o.created > r.created
        )
        replied = any(o.over is not None and o.over < cut for o in failed)
        return r.over is None or r.over >= cut or (r.called and not replied)

    met = any(
        begin <= r.created <= over and goes_on(r) and (r.created <= cut or on_its_way(r))
        for r in wire.responses.values()
    )
    behind = any(
        r.created < begin and (r.over is None or r.over >= cut) and r.status != "failed"
        for r in wire.responses.values()
    )
    return (
        met
        or behind
        or any(
            m.started is not None and m.started <= cut <= (cut if m.ended is None else m.ended)
            for m in seen.spoken
        )
    )


def _repeated(heard: list[Spoken]) -> int:
    """Messages that began with the same words as one heard before, in the same answer."""
    names = [_name(m.text) for m in heard]
    return len(names) - len(set(names))


# --- history


def can_compare(scenario: Scenario, seen: Evidence) -> bool:
    """Whether both sides had the time, and a connection, to agree on what was heard."""
    schedule = scenario.config.faults
    half_open = schedule is not None and any(isinstance(f, HalfOpen) for f in schedule.faults)
    hung_up = any(asked.hung_up for asked in seen.asked)
    return seen.connected and not seen.broken and not hung_up and not half_open


def _amount(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds else "some text"  # a text has no seconds


def _mismatches(scenario: Scenario, seen: Evidence, wire: _Wire) -> tuple[str, ...]:
    """Compare what was heard with what is remembered, message by message.

    A message is known by its first word. The server's memory of its sound is its audio, or, after a
    reconnect, only the words.
    """
    heard: dict[str, float] = {}
    for message in seen.spoken:
        if message.started is not None:
            name = _name(message.text)
            heard[name] = heard.get(name, 0.0) + message.seconds
    names = {item.id: item.name for item in wire.items.values()}
    found: list[str] = []
    remembered: set[str] = set()
    for item in seen.remembered:
        if item.role != "assistant" or not (item.text or item.audio_ms):
            continue
        name = names.get(item.id) or _name(item.text)
        if not name:
            continue  # nothing of it ever arrived, so there is no telling what it was
        remembered.add(name)
        if name not in heard:
            found.append(f"unheard: the server remembers {name}, which nobody heard")
        elif item.audio_ms and abs(item.audio_ms / 1000 - heard[name]) > _TOLERANCE:
            found.append(
                f"length: the server remembers {item.audio_ms / 1000:.2f} s of {name}, of which"
                f" {heard[name]:.2f} s were heard"
            )
    found += [
        f"forgotten: {_amount(seconds)} of {name} was heard, the server does not remember it"
        for name, seconds in heard.items()
        if name not in remembered and (seconds > _WORD or scenario.modality == "text")
    ]
    local = {_name(text) for _, text in seen.history if text}
    found += [
        f"local: {_amount(seconds)} of {name} was heard, LiveKit does not remember it"
        for name, seconds in heard.items()
        if name not in local and (seconds > _WORD or scenario.modality == "text")
    ]
    found += [
        f"local: LiveKit remembers {name}, which nobody heard"
        for name in sorted(local - set(heard))
    ]
    return tuple(found)
