"""Whether what a case of the level ``call`` expects came out."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from ._case import Line
from ._forms import EXPECT, USUAL
from ._grammar import match, words_of
from ._outcome import Outcome
from ._player import Player

__all__ = ["EXACT", "became", "differences", "wrong"]

_ENDS = {"answered": "ends without an exception", "interrupted": "is interrupted"}
_TOLERANCE = 0.15  # seconds of sound; the longest frame that a sink may play or not
EXACT = 0.03  # likewise of one message; in virtual time an interruption comes up to 10 ms late


def wrong(line: Line, seen: Player, outcome: Outcome, *, tolerance: float = EXACT) -> str | None:
    """What came out instead, in words, or None. *tolerance*: seconds of a message's sound."""
    form, values = match(EXPECT, line.words, line.number, "expect")
    key = form.key
    if key in ("usual", "whatever"):
        return None
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
    if key in ("hears", "speeches", "told", "refused", "silence", "between"):
        return _differs(key, values, outcome, tolerance)
    if key == "within":
        return None if seen.took <= values["seconds"] else f"it took {seen.took:.0f} s"
    got = _SEEN[key](seen, outcome, values)
    names = ("count", "texts", "results", "state")
    expected = next((values[name] for name in names if name in values), True)
    right = got <= expected if key == "at_most" else got == expected
    return None if right else _WORDS[key].format(got=_listed(got), **values)


def differences(
    lines: Iterable[Line], seen: Player, outcome: Outcome, *, tolerance: float = EXACT
) -> list[str]:
    """What is not as *lines* say, in words; empty when all is. *tolerance*: as for `wrong`."""
    lines = list(lines)
    said = set()
    usual: Line | None = None
    for line in lines:
        form, values = match(EXPECT, line.words, line.number, line.actor)
        said.add(values["what"] if form.key == "whatever" else form.key)
        usual = line if form.key == "usual" else usual
    if usual is not None:
        for text, otherwise in USUAL:
            if not said & otherwise:
                words = tuple(words_of(text, usual.number, usual.actor))
                lines.append(replace(usual, words=words))
    found = [wrong(line, seen, outcome, tolerance=tolerance) for line in lines]
    return [text for text in found if text is not None]


def _talks_over(seen: Player) -> bool:
    begun = [
        s.started_at for sink in seen.call.sinks for s in sink.segments if s.started_at is not None
    ]
    return any(start + 0.05 < t < end - 0.05 for start, end in seen.speaking for t in begun)


def _differs(key: str, values: dict[str, Any], seen: Outcome, tolerance: float) -> str | None:
    """The same, of what is measured."""
    if key == "hears":
        right = len(values["seconds"]) == len(seen.heard) and all(
            abs(a - b) <= tolerance for a, b in zip(values["seconds"], seen.heard, strict=True)
        )
        got: object = ", ".join(f"{round(each, 3):g} s" for each in seen.heard) or "nothing"
        return None if right else f"heard: {got}"
    if key in ("silence", "between"):
        value = seen.silence if key == "silence" else seen.attempts
        right = values["low"] <= value <= values["high"]
        what = "silence" if key == "silence" else "connections"
        return None if right else f"{what}: {value:g}, not {values['low']:g} to {values['high']:g}"
    name, expected, found = {
        "speeches": ("speeches", values.get("fates", []), [each.ended for each in seen.handles]),
        "told": ("errors", values.get("errors", []), seen.errors),
        "refused": ("refused", values.get("errors", []), seen.refused),
    }[key]
    right = len(expected) == len(found) and all(map(_same, expected, found))
    return None if right else f"{name}: {', '.join(found) or 'none'}"


def _same(expected: str, seen: str) -> bool:
    return expected == seen or (
        expected not in ("ok", "interrupted", "never done") and expected in seen
    )


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


def _sent(type: str) -> Callable[[Player, Outcome, dict[str, Any]], int]:
    return lambda seen, outcome, values: len(seen.call.server.sent(type))


_SEEN: dict[str, Callable[[Any, Outcome, dict[str, Any]], Any]] = {
    "remembers": lambda seen, outcome, values: list(outcome.remembered),
    "shows": lambda seen, outcome, values: list(outcome.shown),
    "results": lambda seen, outcome, values: list(outcome.runs),
    "repeated": lambda seen, outcome, values: outcome.repeated,
    "history": lambda seen, outcome, values: [text for _, text in seen.call.history if text],
    "words": lambda seen, outcome, values: _texts(seen, values["who"]),
    "items": lambda seen, outcome, values: sum(
        item.role == "assistant" for item in seen.call.server.conversation
    ),
    "creates": lambda seen, outcome, values: outcome.creates,
    "cancels": _sent("response.cancel"),
    "truncates": _sent("conversation.item.truncate"),
    "deletes": _sent("conversation.item.delete"),
    "collisions": lambda seen, outcome, values: outcome.collisions,
    "errors": lambda seen, outcome, values: len(seen.call.errors),
    "final": lambda seen, outcome, values: sum(not e.error.recoverable for e in seen.call.errors),
    "connections": lambda seen, outcome, values: seen.call.server.connections,
    "at_most": lambda seen, outcome, values: seen.call.server.attempts,
    "ran": lambda seen, outcome, values: seen.ran.get(values["tool"], 0),
    "outputs": lambda seen, outcome, values: sum(
        item.type == "function_call_output" for item in seen.call.server.conversation
    ),
    "lives": lambda seen, outcome, values: not seen.call.closed and not _dead(seen),
    "ends": lambda seen, outcome, values: bool(seen.call.closed),
    "open": lambda seen, outcome, values: not outcome.closed,
    "no_tool": lambda seen, outcome, values: not outcome.tools,
    "state": lambda seen, outcome, values: seen.call.session.agent_state,
}

_WORDS = {
    "remembers": "the server remembers {got}",
    "shows": "shown: {got}",
    "results": "results: {got}",
    "repeated": "{got} words repeated, not {count}",
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
    "open": "`close` fired",
    "no_tool": "a tool ran",
    "state": "the agent is {got}",
}


def _dead(seen: Player) -> bool:
    return any(not event.error.recoverable for event in seen.call.errors)
