"""What is known of the servers that speak the Realtime protocol, and from where.

A profile is a TOML file. Each of its facts is about one rule of ``docs/rules.md`` and has a source:
``measured`` by ``realtime-fsm conform`` on a date, ``documented`` by the provider, ``reported`` in
public by others, or ``assumed``::

    name = "example"
    title = "An example"
    hosts = ["realtime.example.com", "*.example.net"]

    [facts.metadata]
    value = true
    source = "reported"
    reference = "example/server#12"

The simulator reads a profile for its switches (`realtime_fsm.simulator.profiled`), the controller
for what may be believed (:meth:`Profile.traits`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, cast, get_args
from urllib.parse import urlsplit

from .._input import InputError, from_toml, read_as
from .._traits import ServerTraits

__all__ = ["CAREFUL", "Fact", "Profile", "ProfileError", "dump", "load", "pick", "shipped"]

#: Its name before 0.1.
ProfileError = InputError

Source = Literal["measured", "documented", "reported", "assumed"]
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
_HEAD = ("name", "title", "hosts", "about", "facts")
_FACT = ("value", "kept", "source", "reference", "date", "version")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """What is known of one rule.

    Attributes:
        rule: its id.
        source: how it is known.
        reference: where it stands, or for an assumption why it is made; of a measured fact what
            was measured.
        value: which of the rule's alternatives holds, None for a rule that has none.
        kept: whether the server keeps the rule, None if that is not known.
        date, version: of the measurement, and of the realtime-fsm that made it.
    """

    rule: str
    source: Source
    reference: str
    value: bool | str | None = None
    kept: bool | None = None
    date: str | None = None
    version: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What is known of one server.

    Attributes:
        name: short, as in the file's name.
        title: for people.
        hosts: of its URLs; ``*`` stands for anything.
        about: what else is worth knowing.
        facts: by rule id.
    """

    name: str
    title: str
    hosts: Sequence[str] = ()
    about: str = ""
    facts: Mapping[str, Fact] = field(default_factory=dict, hash=False)

    def matches(self, host: str) -> bool:
        """Whether this is the profile of the server on *host*, with or without a port."""
        name = (urlsplit(f"//{host}").hostname or host).lower()
        return any(fnmatchcase(name, pattern) for pattern in self.hosts)

    def holds(self, rule: str) -> object:
        """Which alternative of a rule holds; None when that is not known, or merely assumed."""
        fact = self.facts.get(rule)
        return None if fact is None or fact.source == "assumed" else fact.value

    def traits(self) -> ServerTraits:
        """What a controller may rely on."""
        return ServerTraits(
            metadata_echo=self.holds("metadata") is True,
            unique_ids=self.holds("response-ids") is False,
            conflict_ids=self.holds("conflict-link") == "linked",
            cancelled_ends=_truth(self.holds("done-always")),
            dropped_ends=_truth(self.holds("vad-interrupts")),
        )


def _truth(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


CAREFUL = Profile(name="careful", title="A server that nothing is known of")
"""The profile of an unknown server: nothing is believed."""


def load(path: Path) -> Profile:
    """Return the profile in a file.

    Raises:
        OSError: It cannot be read.
        InputError: It is no profile.
    """
    return read_as(path, lambda text: _profile(from_toml(text)))


@cache
def shipped() -> Mapping[str, Profile]:
    """Return the profiles that come with the library, by name."""
    found = [one for one in files(__name__).iterdir() if one.name.endswith(".toml")]
    profiles = [_profile(from_toml(one.read_text("utf-8"))) for one in found]
    return {one.name: one for one in sorted(profiles, key=lambda one: one.name)}


def pick(host: str) -> Profile:
    """Return the shipped profile of the server on *host*, :data:`CAREFUL` for one that is unknown.

    Args:
        host: As in a URL, or what a LiveKit model gives as its ``provider``.
    """
    return next((one for one in shipped().values() if one.matches(host)), CAREFUL)


def _profile(data: Mapping[str, Any]) -> Profile:
    _known(data, _HEAD, "")
    name = _text(data, "name", "")
    if not _NAME.fullmatch(name):
        raise InputError("name", name, "lower-case words with hyphens")
    hosts = data.get("hosts", [])
    if not isinstance(hosts, list) or not all(isinstance(one, str) for one in hosts):
        raise InputError("hosts", hosts, "a list of texts")
    facts = data.get("facts", {})
    if not isinstance(facts, Mapping):
        raise InputError("facts", facts, "a table")
    return Profile(
        name=name,
        title=_text(data, "title", ""),
        hosts=tuple(one.lower() for one in hosts),
        about=_text(data, "about", "") if "about" in data else "",
        facts={rule: _fact(rule, fact) for rule, fact in facts.items()},
    )


def _fact(rule: str, data: Any) -> Fact:
    where = f"facts.{rule}."
    if not isinstance(data, Mapping):
        raise InputError(where[:-1], data, "a table")
    _known(data, _FACT, where)
    source = data.get("source")
    if source not in get_args(Source):
        raise InputError(f"{where}source", source, f"one of {', '.join(get_args(Source))}")
    value, kept = data.get("value"), data.get("kept")
    if value is None and kept is None:
        raise InputError(f"{where}value", None, "it, or kept, or both")
    if not isinstance(value, (bool, str, type(None))):
        raise InputError(f"{where}value", value, "a text, or true or false")
    if not isinstance(kept, (bool, type(None))):
        raise InputError(f"{where}kept", kept, "true or false")
    date, version = data.get("date"), data.get("version")
    if source == "measured" and not (
        isinstance(date, str) and _DATE.fullmatch(date) and isinstance(version, str) and version
    ):
        raise InputError(f"{where}date", date, "YYYY-MM-DD, and a version, of what was measured")
    if source != "measured" and not (date is None and version is None):
        raise InputError(f"{where}date", date or version, "none: it was not measured")
    return Fact(
        rule=rule, source=cast(Source, source), reference=_text(data, "reference", where),
        value=value, kept=kept, date=date, version=version,
    )  # fmt: skip


def _known(data: Mapping[str, Any], names: Sequence[str], where: str) -> None:
    for name in data:
        if name not in names:
            raise InputError(f"{where}{name}", data[name], f"one of {', '.join(names)}")


def _text(data: Mapping[str, Any], name: str, where: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise InputError(f"{where}{name}", value, "a text")
    return value


def _toml(profile: Profile) -> Iterator[str]:
    yield f"name = {_quoted(profile.name)}"
    yield f"title = {_quoted(profile.title)}"
    yield f"hosts = [{', '.join(map(_quoted, profile.hosts))}]"
    if profile.about:
        yield f"about = {_quoted(profile.about)}"
    for rule, fact in profile.facts.items():
        yield ""
        yield f"[facts.{rule}]"
        for name in _FACT:
            value = getattr(fact, name)
            if value is not None:
                shown = str(value).lower() if isinstance(value, bool) else _quoted(value)
                yield f"{name} = {shown}"


def dump(profile: Profile) -> str:
    """Return a profile as TOML; :func:`load` reads it back."""
    return "\n".join(_toml(profile)) + "\n"


def _quoted(text: str) -> str:
    made = "".join(
        f"\\u{ord(c):04x}" if c < " " or c == "\x7f" else f"\\{c}" if c in '"\\' else c
        for c in text.encode("utf-8", "replace").decode()
    )
    return f'"{made}"'
