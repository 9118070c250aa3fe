"""Lines of words, and the forms that they may have.

A form is written as it reads: literal words, ``<name:type>`` for values, and ``[...]`` for what may
be left out, which stands at the end, in any order::

    response.created <response_id> [for <client_event_id:ref>] [outside]

Types: ``name`` (the default; a word), ``text`` (in quotes), ``any`` (either), ``ref`` (a word or
text), ``s`` and ``ms`` (a time with its unit, such as ``1.5s`` or ``300ms``), ``n`` (a whole
number), ``x`` (a number), ``a|b`` (one of these words), ``name*`` and the like (all that is left).
The same form reads a line and writes it.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..._input import InputError

__all__ = ["Form", "Word", "match", "split", "words_of"]

_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[,;]|[^\s",;]+|"')
_PART = re.compile(r"\[[^\]]*\]|<[^>]*>|\S+")
_TIME = re.compile(r"(\d+(?:\.\d*)?(?:e-?\d+)?)(ms|s)")
_WORDS = {
    "name": "a name",
    "text": "text in quotes",
    "any": "a word, or text in quotes",
    "ref": "a name",
    "s": "a time such as 1.5s or 300ms",
    "ms": "a time such as 500ms or 1.5s",
    "n": "a whole number",
    "x": "a number",
}


@dataclass(frozen=True, slots=True)
class Word:
    """One word of a line; *quoted* says that it stood in quotes."""

    text: str
    quoted: bool = False


def words_of(text: str, line: int, field: str) -> list[Word]:
    """Cut *text* into words; commas and semicolons are words. Raises :class:`InputError`."""
    words = []
    for found in _WORD.findall(text):
        if found == '"':
            raise InputError(field, text, "a closing quote", line=line)
        if found.startswith('"'):
            try:
                words.append(Word(json.loads(found), quoted=True))
            except ValueError:
                raise InputError(field, found, "text as JSON has it", line=line) from None
        else:
            words.append(Word(found))
    return words


def split(words: Iterable[Word], at: str) -> list[list[Word]]:
    """Cut *words* at each unquoted *at*."""
    parts: list[list[Word]] = [[]]
    for word in words:
        if word == Word(at):
            parts.append([])
        else:
            parts[-1].append(word)
    return parts


@dataclass(frozen=True, slots=True)
class _Value:
    name: str
    type: str

    @property
    def words(self) -> str:
        if "|" in self.type:
            return "one of " + ", ".join(self.type.split("|"))
        return _WORDS.get(self.type.rstrip("*"), self.type)

    def read(self, word: Word) -> Any:
        """The value, or None when the word is no such thing."""
        kind, text = self.type.rstrip("*"), word.text
        if kind == "text":
            return text if word.quoted else None
        if kind in ("any", "ref"):
            return text
        if word.quoted:
            return None
        if kind == "name":
            return text
        if kind in ("s", "ms"):
            if text in ("nan", "inf"):
                return float(text)  # a sink may report such a thing
            found = _TIME.fullmatch(text)
            if found is None:
                return None
            number, unit = float(found.group(1)), found.group(2)
            if unit == kind:
                return number
            return number / 1000 if kind == "s" else number * 1000
        if kind == "n":
            return int(text) if text.isdecimal() and text.isascii() else None
        if kind == "x":
            return _number(text)
        return text if text in kind.split("|") else None

    def write(self, value: Any) -> str:
        if self.type in ("s", "ms"):
            if not math.isfinite(value):
                return str(value)
            # Units are kept apart from the number's own spelling: 0.1s, 12.5ms.
            return f"{value!r}{self.type}" if value != int(value) else f"{int(value)}{self.type}"
        if self.type == "text" or (self.type in ("any", "ref") and not _plain(str(value))):
            return json.dumps(str(value), ensure_ascii=False)
        return str(value)


def _plain(text: str) -> bool:
    return re.fullmatch(r'[^\s",;]+', text) is not None


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _parts(pattern: str) -> list[str | _Value]:
    parts: list[str | _Value] = []
    for part in _PART.findall(pattern):
        if part.startswith("<"):
            name, _, kind = part[1:-1].partition(":")
            parts.append(_Value(name, kind or "name"))
        else:
            parts.append(part)
    return parts


class Form:
    """One way a line may read. *key* names it; *about* says what it means."""

    def __init__(self, key: str, pattern: str, about: str = "") -> None:
        self.key = key
        self.pattern = pattern
        self.about = about
        groups = [part for part in _PART.findall(pattern) if part.startswith("[")]
        self._required = _parts(_PART.sub(lambda m: "" if m[0].startswith("[") else m[0], pattern))
        self._optional = [_parts(group[1:-1]) for group in groups]

    @property
    def shown(self) -> str:
        """The form as people read it, without types."""
        return re.sub(r"<([^>:]*):([^>]*)>", _shown, self.pattern)

    def read(self, words: Sequence[Word]) -> tuple[int, str, dict[str, Any] | None]:
        """How many words fit, what was expected next, and the values if all fit."""
        values: dict[str, Any] = {}
        at, expected = _take(self._required, words, 0, values)
        if expected:
            return at, expected, None
        left = list(self._optional)
        while at < len(words):
            for group in left:
                more: dict[str, Any] = {}
                end, expected = _take(group, words, at, more)
                if end > at or not expected:
                    if expected:
                        return end, expected, None
                    at = end
                    values.update(more)
                    left.remove(group)
                    break
            else:
                heads = [str(group[0]) for group in left if isinstance(group[0], str)]
                return at, " or ".join([*heads, "the end of it"]), None
        return at, "", values

    def write(self, values: Mapping[str, Any]) -> str:
        """The line that has these values; what is None or False is left out."""
        words = _written(self._required, values)
        for group in self._optional:
            names = [part.name for part in group if isinstance(part, _Value)]
            given = [values.get(name) is not None for name in names]
            if (names and all(given)) or (not names and values.get(str(group[0]))):
                words += _written(group, values)
        return " ".join(words)


def _shown(found: re.Match[str]) -> str:
    name, kind = found.group(1), found.group(2)
    if "|" in kind:
        return kind
    if kind in ("s", "ms"):
        return f"<{name}, a time>" if name not in ("seconds", "ms") else "<time>"
    if kind.endswith("*"):
        return f'"<{name}>"…' if kind == "text*" else "<time>…" if kind == "s*" else f"<{name}>…"
    return f'"<{name}>"' if kind == "text" else f"<{name}>"


def _take(
    parts: Sequence[str | _Value], words: Sequence[Word], at: int, values: dict[str, Any]
) -> tuple[int, str]:
    for part in parts:
        if isinstance(part, _Value) and part.type.endswith("*"):
            rest = [part.read(word) for word in words[at:]]
            if None in rest:
                return at + rest.index(None), part.words
            values[part.name] = rest
            at = len(words)
            continue
        if at >= len(words):
            return at, repr(part) if isinstance(part, str) else part.words
        if isinstance(part, str):
            if words[at] != Word(part):
                return at, repr(part)
            if part is parts[0] and all(isinstance(each, str) for each in parts):
                values[part] = True  # words that only may be there
        else:
            value = part.read(words[at])
            if value is None:
                return at, part.words
            values[part.name] = value
        at += 1
    return at, ""


def _written(parts: Sequence[str | _Value], values: Mapping[str, Any]) -> list[str]:
    words: list[str] = []
    for part in parts:
        if isinstance(part, str):
            words.append(part)
        elif part.type.endswith("*"):
            one = _Value(part.name, part.type[:-1])
            words += [one.write(value) for value in values[part.name]]
        else:
            words.append(part.write(values[part.name]))
    return words


def match(
    forms: Iterable[Form], words: Sequence[Word], line: int, field: str
) -> tuple[Form, dict[str, Any]]:
    """Return the form that *words* have, and its values.

    Raises :class:`InputError`, about the form that they come closest to.
    """
    best, wanted = -1, ""
    known = list(forms)
    for form in known:
        at, expected, values = form.read(words)
        if values is not None:
            return form, values
        if at > best:
            best, wanted = at, expected
    if best == 0:
        heads = dict.fromkeys(form.pattern.split()[0] for form in known)
        wanted = "one of " + ", ".join(head for head in heads if not head.startswith("<"))
        if any(head.startswith("<") for head in heads):
            wanted += ", or a name"
    found = words[best].text if best < len(words) else None
    said = " ".join(word.text for word in words[:best])
    raise InputError(f"{field} {said}".strip(), found, wanted, line=line)
