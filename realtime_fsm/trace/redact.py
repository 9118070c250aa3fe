"""What of a frame may stand in a trace: ids, types, times and lengths; words only when asked for.

Strings are kept by a list of what is known to be harmless, so that a field nobody thought of is
redacted; and what stands in one of these is told only if it is plainly an id or a name.
"""

from __future__ import annotations

import re
from collections.abc import Container, Mapping
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from .._redact import known_message, named, plain, short_shown, shown, without_keys

__all__ = ["audio_ms", "redacted", "told", "words_in"]

_BASE64_CHARS_PER_MS = 64.0  # PCM16, 24 kHz, mono: 48 bytes, and base64 writes 3 as 4 characters
_AUDIO = {
    "response.output_audio.delta": "delta",
    "response.audio.delta": "delta",  # the beta name
    "input_audio_buffer.append": "audio",
    "session.output_audio.delta": "delta",  # GPT-Live's
    "session.input_audio.append": "audio",
}
#: Keys whose strings are names of the protocol's. Those of ids are ``id``, and end in ``_id``.
_NAMES = frozenset(
    {
        "type", "object", "status", "role", "code", "reason", "name", "param", "model",
        "voice", "phase", "conversation", "target", "tool_choice", "truncation", "eagerness", "language", "max_output_tokens",
    }
)  # fmt: skip
#: Lists of such strings.
_LISTS = frozenset({"modalities", "output_modalities", "include", "speeches", "differences"})
#: Of no use to a reader, large, or words in disguise.
_LEFT_OUT = frozenset({"logprobs", "bytes", "tools", "client_secret", "image_url", "tracing"})
_LONGEST_KEY = 96
#: What is said, of which the number of words is told as well.
_SAID = ("text", "transcript", "delta")
_SPACE = re.compile(r"\s+")
_LABEL = re.compile(r"streaming message \d{1,4}\Z")
_DEPTH = 12
#: Texts of a line of our own that are no plain names.
_OWN = frozenset({"text", "label"})
_COUNTS = (int, float)
_SHORT = 96  # characters of what is told again and again
_MOST = 1e12  # nothing is counted that far: what is larger is no number, or a number of somebody's


class _Field(Enum):
    """What a field holds, by its name."""

    DROPPED = auto()
    TOOLS = auto()
    ID = auto()
    NAME = auto()
    NAMES = auto()
    MESSAGE = auto()
    DATA = auto()  # never words
    WORDS = auto()


#: Of an Enum's class each is looked up the slow way.
_DROPPED, _TOOLS, _ID, _NAME, _KINDS, _MESSAGE, _DATA, _WORDS = _Field


def audio_ms(base64: str) -> float:
    """Milliseconds of base64 audio, from its length alone."""
    padding = 2 if base64.endswith("==") else 1 if base64.endswith("=") else 0
    return max(0.0, len(base64) - padding * 4 / 3) / _BASE64_CHARS_PER_MS


def words_in(fields: Mapping[str, Any], key: str) -> int | None:
    """How many words the text of that key has; of a delta, how many spaces, for it may begin and end
    within a word. None where nothing tells: no text, or one redacted by an older version."""
    value, count = fields.get(key), fields.get("words")
    if isinstance(value, str):
        return len(_SPACE.findall(value)) if key == "delta" else len(value.split())
    known = isinstance(value, int) and isinstance(count, int) and not isinstance(count, bool)
    return count if known else None


def redacted(
    event: Mapping[str, Any], *, transcripts: bool = False, kind: str | None = None
) -> dict[str, Any]:
    """Return a copy of *event* fit for a trace. Of a copy it is the same again. Its type is *kind*, where
    it does not say so itself.

    Audio becomes its length in milliseconds, and what could be words its length in characters, with
    the number of ``words`` beside it; with *transcripts* words stay. What looks like a key never does: an id that does not look like one
    becomes a hash, the same wherever it is, and a name its length.
    """
    field = _AUDIO.get(str(event.get("type")) if kind is None else kind)
    audio = None if field is None else event.get(field)
    if not isinstance(audio, str):
        return _fields(event, transcripts, 0)
    rest = {key: value for key, value in event.items() if key != field}
    return {**_fields(rest, transcripts, 0), str(field): round(audio_ms(audio), 3)}


def told(
    fields: Mapping[str, Any], *, transcripts: bool = False, without: Container[str] = ()
) -> dict[str, Any]:
    """The same for a line that is not of the wire, *without* some fields: its strings are ids and
    names, but for the text of an item."""
    copy: dict[str, Any] = {}
    safe = without_keys if transcripts else short_shown
    for key, value in fields.items():
        if key in without or (_KNOWN[key] is _DROPPED and not plain(key)):
            continue
        kind = type(value)
        if kind is str and len(value) <= _SHORT and key not in _OWN:  # as most are
            copy[key] = safe(value)
        elif value is None or kind is bool or (kind in _COUNTS and 0 <= value < _MOST):
            copy[key] = value
        elif transcripts or not (key == "text" and isinstance(value, str)):
            copy[key] = _own(key, value, transcripts)
    return copy


def _own(key: str, value: Any, transcripts: bool) -> Any:
    if not isinstance(value, str):
        return _value(_KINDS if key in _LISTS else _NAME, value, transcripts, 0)
    if transcripts:
        return without_keys(value)
    return value if key == "label" and _LABEL.match(value) else shown(value)


def _fields(fields: Mapping[Any, Any], transcripts: bool, depth: int) -> dict[str, Any]:
    copy: dict[str, Any] = {}
    said = False
    for key, value in fields.items():
        if type(key) is not str:
            key = str(key)
        what, kind = _KNOWN[key], type(value)
        if kind is str:  # as most are
            if what is _ID and len(value) <= _SHORT:
                copy[key] = without_keys(value) if transcripts else short_shown(value)
            elif what is _NAME and len(value) <= _SHORT:
                copy[key] = without_keys(value) if transcripts else _named(value)
            elif what is _WORDS:
                said = True
                copy[key] = without_keys(value) if transcripts else len(value)
            elif what is not _DROPPED and what is not _TOOLS:
                copy[key] = _string(what, value, transcripts)
        elif what is _DROPPED:
            continue
        elif what is _TOOLS:
            if isinstance(value, (list, int)):
                copy[key] = len(value) if isinstance(value, list) else value
        elif kind in _COUNTS:
            copy[key] = value if -_MOST < value < _MOST else None
        elif value is None or kind is bool:
            copy[key] = value
        elif kind is dict and depth < _DEPTH:
            copy[key] = _fields(value, transcripts, depth + 1)
        else:
            copy[key] = _value(what, value, transcripts, depth)
            said = said or isinstance(value, str)
    if said and not transcripts:
        for key in _SAID:
            if isinstance(fields.get(key), str):
                copy["words"] = words_in(fields, key)
    return copy


class _Known(dict[str, _Field]):
    """What a field of a name holds: of each name that came, as they are always the same."""

    _MOST = 512

    def __missing__(self, key: str) -> _Field:
        if len(key) > _LONGEST_KEY:
            return _DROPPED
        what = _what(key)
        if len(self) < self._MOST:
            self[key] = what
        return what


_KNOWN = _Known()


def _what(key: str) -> _Field:
    """What a field of that name holds."""
    if key == "tools":
        return _TOOLS
    if key in _LEFT_OUT or not plain(key):
        return _DROPPED
    if key == "id" or key.endswith("_id"):
        return _ID
    special = {"message": _MESSAGE, "audio": _DATA, "data": _DATA}
    if key in _LISTS:
        return _KINDS
    return _NAME if key in _NAMES else special.get(key, _WORDS)


def _value(what: _Field, value: Any, transcripts: bool, depth: int) -> Any:
    if type(value) is dict and depth < _DEPTH:  # as most are
        return _fields(value, transcripts, depth + 1)
    if isinstance(value, str):
        return _string(what, value, transcripts)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if -_MOST < value < _MOST else None
    if depth >= _DEPTH:
        return None
    if isinstance(value, (list, tuple)):
        inner = _NAME if what is _KINDS else _WORDS
        return [_value(inner, each, transcripts, depth + 1) for each in value]
    if isinstance(value, (dict, Mapping)):
        return _fields(value, transcripts, depth + 1)
    return None


def _string(what: _Field, value: str, transcripts: bool) -> str | int:
    if what is _WORDS and not transcripts:
        return len(value)
    if transcripts and what is not _DATA:
        return without_keys(value)
    if what is _ID:
        return shown(value)
    kept = None
    if what is _NAME:
        kept = named(value)
    elif what is _MESSAGE:
        kept = known_message(value)
    return len(value) if kept is None else kept


# Names are short and come again and again.
@lru_cache(1024)
def _named(value: str) -> str | int:
    return _string(_NAME, value, False)
