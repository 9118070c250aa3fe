"""Scripts as JSON text, with errors that say where they are.

A script is a list of replies, or ``{"replies": [...], "default": {...}, "answers": {"Hello?": [...]}}``
with the fields of :class:`Script`. A reply has the fields of :class:`Reply`. An item, an ``ack`` and an ``end`` are objects whose one key names the class in
snake case and has the value of its first field; the other fields stand beside it. A class of which
all fields keep their defaults may be its name alone::

    [
      {"items": [{"message": "Good morning.", "seconds": 1.5}]},
      {"ack": {"rejected": "server_error"}},
      {"items": [{"message": "Good morning.", "seconds": 2}],
       "end": {"failed": "server_error", "at": "500 ms"}},
      {"items": [{"function_call": "get_weather", "arguments": {"city": "Oslo"}}]},
      {"ack": "unanswered"}
    ]

A point is ``"before_created"``, ``"created"``, ``"item 1"``, ``"500 ms"`` or ``"end"``. An error
within an end (of ``closed``) is its code, or an object with ``code``, ``type`` and ``message``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, fields
from typing import Any, get_args

from .._input import InputError, from_json
from . import script as s
from ._reading import Path, at, fits, hints, lines, snake, words
from .errors import ErrorInfo

__all__ = ["dump", "load"]

_MOST = 1e9  # of any number: NaN, infinity, and what no float can hold are more
_POINT = re.compile(r"item (\d{1,9})|(\d{1,9}) ms")
_POINTS = {"before_created": s.BEFORE_CREATED, "created": s.CREATED, "end": s.END}
_POINT_WORDS = '"before_created", "created", "item N", "N ms" or "end"'
_SCRIPT_FIELDS = ("replies", "default", "answers")


def _kinds(*classes: type[Any]) -> dict[str, type[Any]]:
    return {snake(kind.__name__): kind for kind in classes}


_ITEMS = _kinds(*get_args(s.Output))
_ACKS = _kinds(*get_args(s.Ack))
_ENDS = _kinds(*get_args(s.End))


# --- writing


def dump(script: s.Script) -> str:
    """Return *script* as JSON, one reply a line, without what has its default."""
    answers = ",\n".join(
        f"    {json.dumps(question)}: {_listed(replies, 6)}"
        for question, replies in script.answers.items()
    )
    return (
        f'{{\n  "replies": {_listed(script.replies, 4)},\n'
        + (f'  "answers": {{\n{answers}\n  }},\n' if answers else "")
        + f'  "default": {json.dumps(_reply(script.default))}\n}}\n'
    )


def _listed(replies: Sequence[s.Reply], indent: int) -> str:
    lines = ",\n".join(f"{' ' * indent}{json.dumps(_reply(reply))}" for reply in replies)
    return f"[\n{lines}\n{' ' * (indent - 2)}]" if lines else "[]"


def _reply(reply: s.Reply) -> dict[str, Any]:
    made: dict[str, Any] = {}
    if reply.items:
        made["items"] = [_tagged(item) for item in reply.items]
    if reply.ack != s.Created():
        made["ack"] = _tagged(reply.ack)
    for field in fields(s.Reply):
        value = getattr(reply, field.name)
        if field.name == "end" and value != s.Reply().end:
            made["end"] = _tagged(value)
        elif field.name not in ("items", "ack", "end") and value != field.default:
            made[field.name] = value
    return made


def _tagged(part: Any) -> Any:
    name, own = snake(type(part).__name__), _fields(type(part))
    changed = {f.name: getattr(part, f.name) for f in own if getattr(part, f.name) != f.default}
    if not changed:
        return name
    made = {name: _plain(getattr(part, own[0].name))}
    return {**made, **{key: _plain(changed[key]) for key in changed if key != own[0].name}}


def _plain(value: Any) -> Any:
    if isinstance(value, s.Point):
        if value.stage in _POINTS:
            return value.stage
        return f"item {value.value}" if value.stage == "item_added" else f"{value.value} ms"
    if isinstance(value, ErrorInfo):
        given = {"type": value.type, "message": value.message}
        return {"code": value.code, **{key: one for key, one in given.items() if one is not None}}
    return dict(value) if isinstance(value, Mapping) else value


# --- reading


def load(text: str) -> s.Script:
    """Return the script that *text* describes. Raises :class:`InputError`."""
    data = from_json(text)
    return _Reader(lines(text)).script(data)


class _Reader:
    def __init__(self, found: Mapping[Path, int]) -> None:
        self._lines = found

    def script(self, data: object) -> s.Script:
        if isinstance(data, list):
            return s.Script([self._reply(one, (i,)) for i, one in enumerate(data)])
        if not isinstance(data, dict):
            raise self._error((), data, 'a list of replies, or an object with "replies"')
        self._names((), data, _SCRIPT_FIELDS)
        made: dict[str, Any] = {"replies": self._replies(data.get("replies", []), ("replies",))}
        answers = data.get("answers", {})
        if not isinstance(answers, dict):
            raise self._error(
                ("answers",), answers, "an object: a list of replies to each question"
            )
        made["answers"] = {
            question: self._replies(listed, ("answers", question))
            for question, listed in answers.items()
        }
        if "default" in data:
            made["default"] = self._reply(data["default"], ("default",))
        return s.Script(**made)

    def _replies(self, data: object, path: Path) -> list[s.Reply]:
        if not isinstance(data, list):
            raise self._error(path, data, "a list of replies")
        return [self._reply(one, (*path, i)) for i, one in enumerate(data)]

    def _reply(self, data: object, path: Path) -> s.Reply:
        if not isinstance(data, dict):
            raise self._error(path, data, "an object")
        names = [field.name for field in fields(s.Reply)]
        self._names(path, data, names)
        values: dict[str, Any] = {}
        items = data.get("items", [])
        if not isinstance(items, list):
            raise self._error((*path, "items"), items, "a list")
        values["items"] = [
            self._tagged(one, (*path, "items", i), _ITEMS) for i, one in enumerate(items)
        ]
        for name, kinds in (("ack", _ACKS), ("end", _ENDS)):
            if name in data:
                values[name] = self._tagged(data[name], (*path, name), kinds)
        types = hints(s.Reply)
        for name in ("pace", "done_delay", "status_details"):
            if name in data:
                values[name] = self._value(data[name], types[name], (*path, name))
        try:
            return s.Reply(**values)
        except ValueError as error:
            raise self._error((*path, "end"), data.get("end"), f"a point in it: {error}") from None

    def _tagged(self, data: object, path: Path, kinds: Mapping[str, type[Any]]) -> Any:
        named = {data: None} if isinstance(data, str) else data
        tags = [name for name in named if name in kinds] if isinstance(named, dict) else []
        if not isinstance(named, dict) or len(tags) != 1:
            raise self._error(path, data, f"one of {', '.join(kinds)}")
        (tag,) = tags
        kind = kinds[tag]
        own, types = _fields(kind), hints(kind)
        values: dict[str, Any] = {}
        if isinstance(data, str):
            if own and own[0].default is MISSING and own[0].default_factory is MISSING:
                raise self._error(path, data, f'{{"{tag}": {_words(types[own[0].name])}, ...}}')
            return kind()
        self._names(path, named, [tag, *(field.name for field in own[1:])])
        for field in own:
            key = tag if field is own[0] else field.name
            if key in named:
                values[field.name] = self._value(named[key], types[field.name], (*path, key))
        try:
            return kind(**values)
        except ValueError as error:
            raise self._error((*path, tag), named[tag], f"what can be: {error}") from None

    def _value(self, value: object, hint: Any, path: Path) -> Any:
        if hint is s.Point:
            return self._point(value, path)
        if ErrorInfo in get_args(hint):
            return self._error_info(value, path)
        if not _fits(value, hint):
            raise self._error(path, value, _words(hint))
        return value

    def _point(self, value: object, path: Path) -> s.Point:
        if isinstance(value, str):
            if value in _POINTS:
                return _POINTS[value]
            if found := _POINT.fullmatch(value):
                return s.item_added(int(found[1])) if found[1] else s.audio_ms(int(found[2]))
        raise self._error(path, value, _POINT_WORDS)

    def _error_info(self, value: object, path: Path) -> ErrorInfo | None:
        if value is None:
            return None
        given = {"code": value} if isinstance(value, str) else value
        if not isinstance(given, dict) or "code" not in given:
            raise self._error(path, value, 'a code, or an object with "code"')
        self._names(path, given, ("code", "type", "message"))
        for name, one in given.items():
            if not isinstance(one, str) and one is not None:
                raise self._error((*path, name), one, "text or null")
        return ErrorInfo(**given)

    def _names(self, path: Path, data: dict[str, Any], known: Any) -> None:
        for name in data:
            if name not in known:
                raise self._error((*path, name), data[name], f"one of {', '.join(known)}")

    def _error(self, path: Path, value: object, expected: str) -> InputError:
        # A plain list is the replies.
        shown = ("replies",) if path and isinstance(path[0], int) else ()
        return at(self._lines, path, value, expected, whole="the script", below=shown)


def _fields(kind: type[Any]) -> list[Field[Any]]:
    return list(fields(kind))


def _fits(value: object, hint: Any) -> bool:
    if not fits(value, hint):
        return False
    return isinstance(value, bool) or not isinstance(value, (int, float)) or 0 <= value < _MOST


def _words(hint: Any) -> str:
    said = _POINT_WORDS if hint is s.Point else words(hint)
    return re.sub(r"an integer|a number", r"\g<0> of at least 0", said)
