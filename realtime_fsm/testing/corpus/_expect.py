"""Whether what a case of the level ``call`` expects came out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._case import Line
from ._forms import EXPECT
from ._grammar import match
from ._player import Player

__all__ = ["became", "wrong"]

_ENDS = {"answered": "ends without an exception", "interrupted": "is interrupted"}
_TOLERANCE = 0.15  # seconds of sound; the longest frame that a sink may play or not


def wrong(line: Line, seen: Player) -> str | None:
    """What came out instead, in words, or None."""
    form, values = match(EXPECT, line.words, line.number, "expect")
    key = form.key
    if key in ("answered", "interrupted", "failed"):
        found = became(seen, values["name"])
        code = values.get("code")
        right = found.split()[0] == key and (code is None or code in found)
        return None if right else f"{values['name']} {_ENDS.get(found, found)}"
    if key == "heard":
        found_seconds = round(seen.heard, 1)
        right = abs(seen.heard - values["seconds"]) <= _TOLERANCE
        return None if right else f"{found_seconds:g} s heard, not {values['seconds']:g} s"
    if key == "over":
        return "it talks over the user" if _talks_over(seen) else None
    if key == "within":
        return None if seen.took <= values["seconds"] else f"it took {seen.took:.0f} s"
    got = _SEEN[key](seen, values)
    expected = next((values[name] for name in ("count", "texts", "state") if name in values), True)
    right = got <= expected if key == "at_most" else got == expected
    return None if right else _WORDS[key].format(got=_listed(got), **values)


def _talks_over(seen: Player) -> bool:
    begun = [
        s.started_at for sink in seen.call.sinks for s in sink.segments if s.started_at is not None
    ]
    return any(start + 0.05 < t < end - 0.05 for start, end in seen.speaking for t in begun)


def _listed(got: Any) -> str:
    return ", ".join(repr(one) for one in got) or "nothing" if isinstance(got, list) else str(got)


def became(seen: Player, name: str) -> str:
    """How the speech ended, in one word, and why."""
    if name in seen.raw:
        future = seen.raw[name]
        if not future.done():
            return "never ends"
        return "answered" if future.exception() is None else f"failed {_code(future.exception())}"
    if name in seen.refused:
        return "failed session closed"
    handle = seen.speech(name)
    if handle is None:
        return "has no speech"
    if not handle.done():
        return "never ends"
    error = handle.exception()
    if error is not None:
        return f"failed {_code(error)}"
    return "interrupted" if handle.interrupted else "answered"


def _code(error: object) -> str:
    """The provider's code, else the error's own words."""
    return str(getattr(error, "code", None) or error)[:60]


def _texts(seen: Player, role: str) -> list[str]:
    return [
        item.text
        for item in seen.call.server.conversation
        if item.role == role and (item.text or role == "user")
    ]


def _sent(type: str) -> Callable[[Player, dict[str, Any]], int]:
    return lambda seen, values: len(seen.call.server.sent(type))


_SEEN: dict[str, Callable[[Any, dict[str, Any]], Any]] = {
    "remembers": lambda seen, values: _texts(seen, "assistant"),
    "history": lambda seen, values: [text for _, text in seen.call.history if text],
    "words": lambda seen, values: _texts(seen, values["who"]),
    "items": lambda seen, values: sum(
        item.role == "assistant" for item in seen.call.server.conversation
    ),
    "creates": _sent("response.create"),
    "cancels": _sent("response.cancel"),
    "truncates": _sent("conversation.item.truncate"),
    "deletes": _sent("conversation.item.delete"),
    "collisions": lambda seen, values: seen.call.server.collisions,
    "errors": lambda seen, values: len(seen.call.errors),
    "final": lambda seen, values: sum(not e.error.recoverable for e in seen.call.errors),
    "connections": lambda seen, values: seen.call.server.connections,
    "at_most": lambda seen, values: seen.call.server.attempts,
    "ran": lambda seen, values: seen.ran.get(values["tool"], 0),
    "outputs": lambda seen, values: sum(
        item.type == "function_call_output" for item in seen.call.server.conversation
    ),
    "lives": lambda seen, values: not seen.call.closed and not _dead(seen),
    "ends": lambda seen, values: bool(seen.call.closed),
    "state": lambda seen, values: seen.call.session.agent_state,
}

_WORDS = {
    "remembers": "the server remembers {got}",
    "history": "the history is {got}",
    "words": "{who} said {got}",
    "items": "{got} messages on the server, not {count}",
    "creates": "{got} creates, not {count}",
    "cancels": "{got} cancels, not {count}",
    "truncates": "{got} truncates, not {count}",
    "deletes": "{got} deletes, not {count}",
    "collisions": "{got} collisions, not {count}",
    "errors": "{got} error events, not {count}",
    "final": "{got} final reports, not {count}",
    "connections": "{got} connections, not {count}",
    "at_most": "{got} connections, at most {count}",
    "ran": "{tool} ran {got} times, not {count}",
    "outputs": "{got} outputs, not {count}",
    "lives": "the session ended",
    "ends": "`close` never fired",
    "state": "the agent is {got}",
}


def _dead(seen: Player) -> bool:
    return any(not event.error.recoverable for event in seen.call.errors)
