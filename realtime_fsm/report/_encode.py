"""A call as the page's script reads it, and its figures."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from ._story import Call, Event, Mark, Message, Span, Turn
from ._values import text

__all__ = [
    "CHUNK",
    "call_json",
    "event_chunks",
    "mark_json",
    "script_json",
    "span_json",
    "summary",
    "turn_events",
    "turn_json",
]

#: Turns whose events stand together; they are parsed when one of them is opened.
CHUNK = 50
#: What must not stand in a script element, however it is parsed.
_ESCAPES = {ord(c): f"\\u{ord(c):04x}" for c in "<>&\u2028\u2029"}


def script_json(value: Any) -> str:
    """JSON, safe within ``<script>``: plain ASCII, and no markup whatever is in the strings.

    Raises:
        ValueError: There is a number in it that JSON has not.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False).translate(_ESCAPES)


def call_json(call: Call) -> dict[str, Any]:
    """Everything but the events."""
    header = call.header
    last = max((int(span.text) for span in call.connections), default=1)
    return {
        "mode": text(header.mode),
        "timed": header.timed,
        "words": header.transcripts,
        "begin": _ms(call.begin),
        "end": _ms(call.end),
        "has": sorted(text(each) for each in call.has),
        "user": [span_json(span) for span in call.user],
        "connections": [[*span_json(span), span.text] for span in call.connections],
        "marks": [mark_json(m) for m in sorted(call.marks, key=lambda m: m.t)],
        "turns": [turn_json(turn, last) for turn in call.turns],
    }


def event_chunks(call: Call) -> list[list[dict[str, Any]]]:
    """The events of all turns, `CHUNK` turns at a time."""
    turns = [turn_events(turn) for turn in call.turns]
    return [turns[at : at + CHUNK] for at in range(0, len(turns), CHUNK)]


def turn_events(turn: Turn) -> dict[str, Any]:
    """The events of a turn, how many more there were, and the ids of all of them."""
    return {
        "events": [_event(each) for each in turn.events],
        "more": turn.more_events,
        "ids": " ".join(turn.event_ids),
    }


def summary(call: Call) -> dict[str, Any]:
    """The figures of a call. Seconds; None where there is nothing to measure."""
    turns = call.turns
    waits = sorted(first - turn.asked for turn in turns if (first := turn.first_audio) is not None)
    wrong = [m for turn in turns for m in turn.messages if m.right is False]
    return {
        "turns": len(turns) + call.more_turns,
        "recovered": sum(turn.recovered for turn in turns),
        "failed": sum(turn.outcome == "failed" for turn in turns),
        "interrupted": sum(turn.outcome == "interrupted" for turn in turns),
        "open": sum(turn.end is None for turn in turns),
        "complete": call.complete,
        "first_audio": {
            "median": _quantile(waits, 0.5),
            "p95": _quantile(waits, 0.95),
            "max": _quantile(waits, 1.0),
        },
        "lost": _ms(sum(turn.lost for turn in turns)),
        "wrong_memory": len(wrong),
        "errors": sum(mark.kind == "error" for mark in call.marks),
        "broken": dict(call.broken),
        "seconds": _ms(call.seconds),
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    """The nearest rank."""
    if not values:
        return None
    return _ms(values[max(0, math.ceil(share * len(values)) - 1)])


def _ms(seconds: float) -> float:
    return round(seconds, 3)


def mark_json(mark: Mark) -> list[Any]:
    """A mark: when, of what kind, in words, of which turn, in which line."""
    return [_ms(mark.t), mark.kind, mark.text, mark.turn, mark.line]


def span_json(span: Span) -> list[float | None]:
    """From when to when, in seconds; None: it goes on."""
    return [_ms(span.start), None if span.end is None else _ms(span.end)]


def turn_json(turn: Turn, connection: int) -> dict[str, Any]:
    """A turn without its events. *connection*: the number of the newest one."""
    first = turn.first_audio
    return {
        "id": turn.id,
        "derived": turn.derived,
        "asked": _ms(turn.asked),
        "start": _ms(turn.start),
        "end": None if turn.end is None else _ms(turn.end),
        "outcome": turn.outcome,
        "recovered": turn.recovered,
        "error": turn.error,
        "states": [[_ms(t), state, label] for t, state, label in turn.states],
        "attempts": [[_ms(t), number] for t, number in turn.attempts],
        "backoffs": [[*span_json(span), span.text] for span in turn.backoffs],
        "generation": [[*span_json(span), span.text, name] for span, name in turn.generation],
        "messages": [_message(message, connection) for message in turn.messages],
        "moves": [[_ms(m.t), m.source, m.event, m.dest, m.attempt] for m in turn.moves],
        "first": None if first is None else _ms(first - turn.asked),
        "lost": _ms(turn.lost),
        "broken": list(turn.broken),
        "words": turn.words,
    }


def _message(message: Message, connection: int) -> dict[str, Any]:
    kept, how = _memory(message, connection)
    return {
        "id": message.id,
        "received": None if message.received is None else span_json(message.received),
        "ms": round(message.ms),
        "heard": [span_json(span) for span in message.heard],
        "heardMs": None if message.heard_ms is None else round(message.heard_ms),
        "cut": message.cut,
        "keptMs": round(kept),
        "how": how,
        "right": message.right,
        "local": message.local,
        "words": message.words,
        "heardWords": message.heard_words,
        "unheardWords": message.unheard_words,
    }


def _memory(message: Message, connection: int) -> tuple[float, str]:
    """How much the server remembers of a message at the end, in ms; and why."""
    if message.kept_ms == 0:
        return 0.0, "deleted"
    if message.connection < connection:
        # That conversation is gone: what counts is what the next one was told.
        if message.told is None:
            return 0.0, "not told to the new connection"
        # Text has no milliseconds: what may be what was heard is taken for it.
        share = min(1.0, message.told / message.chars) if message.chars else 1.0
        how = f"told as text, {message.told} of {message.chars} characters"
        heard = message.heard_ms
        return message.ms * share if heard is None or not message.right else heard, how
    if message.kept_ms is not None:
        return message.kept_ms, "cut"
    return message.ms, "whole"


def _event(event: Event) -> list[Any]:
    return [event.line, _ms(event.t), event.by, event.type, event.text, event.count]
