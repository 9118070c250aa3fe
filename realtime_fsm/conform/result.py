"""What a run found, as data."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .._input import InputError, from_json
from ..simulator.rule import Rule
from .rules import ALL

__all__ = ["Answer", "Frame", "Result", "Value", "Verdict"]

Value = bool | str
FORMAT = 1
Verdict = Literal["kept", "deviates", "not judged"]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame of a question's conversation, without audio and cut short.

    Attributes:
        t: seconds since the connection was opened.
        by: ``client``, ``server``, or ``net`` for what happened to the connection.
        event: as it was on the wire; what is no event has ``{"type": None, "text": ...}``.
        count: how many such frames followed one another.
    """

    t: float
    by: Literal["client", "server", "net"]
    event: Mapping[str, Any]
    count: int = 1


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found of one rule.

    Attributes:
        rule: its id.
        verdict: ``kept``, ``deviates`` or ``not judged``.
        how: what the server did, or why nothing can be said.
        value: which of the rule's alternatives holds, if it has some and one was found.
        frames: the conversation that shows it.
    """

    rule: str
    verdict: Verdict
    how: str
    value: Value | None = None
    frames: Sequence[Frame] = ()


@dataclass(slots=True)
class Result:
    """A run, whole or in part.

    Attributes:
        url: of the server, without what may be secret.
        model: what was asked for, None if nothing was.
        dialect: ``ga`` or ``beta``, as the server spoke it.
        date: of the run, ``YYYY-MM-DD``.
        version: of realtime-fsm.
        responses, tokens, seconds: what it took; tokens as the server counted them, 0 if it did not.
        answers: by rule id, in the order of the rules.
        notes: what else is worth knowing of the server.
        ended: why the run ended early, or None.
    """

    url: str
    model: str | None
    date: str
    version: str
    dialect: str = "ga"
    directed: bool = False
    seconds: float = 0.0
    responses: int = 0
    tokens: int = 0
    answers: dict[str, Answer] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    ended: str | None = None

    def __iter__(self) -> Iterator[tuple[Rule, Answer]]:
        """Every rule that this release knows and the run has an answer to."""
        for rule in ALL.values():
            if rule.id in self.answers:
                yield rule, self.answers[rule.id]

    def count(self, verdict: Verdict) -> int:
        """How many rules have that verdict."""
        return sum(answer.verdict == verdict for answer in self.answers.values())

    @property
    def deviations(self) -> list[tuple[Rule, Answer]]:
        """Where the server does not do what is documented or was observed."""
        return [(r, a) for r, a in self if a.verdict == "deviates" and r.source != "assumed"]

    @property
    def surprises(self) -> list[tuple[Rule, Answer]]:
        """Where it does not do what was merely assumed."""
        return [(r, a) for r, a in self if a.verdict == "deviates" and r.source == "assumed"]

    @property
    def values(self) -> dict[str, Value]:
        """Rule id to the alternative that holds, where one was found."""
        return {name: a.value for name, a in self.answers.items() if a.value is not None}

    def to_json(self) -> str:
        """Return it as JSON; :meth:`from_json` reads it back."""
        whole: dict[str, Any] = {"realtime_fsm_conform": FORMAT}
        for name in _PLAIN:
            whole[name] = getattr(self, name)
        whole["answers"] = {name: _answer(a) for name, a in self.answers.items()}
        # In characters that are safe to print.
        return json.dumps(whole, indent=1).replace("\x7f", "\\u007f") + "\n"

    @classmethod
    def from_json(cls, text: str) -> Result:
        """Return the result that *text* holds. Raises :class:`InputError`."""
        data = from_json(text)
        found = data.get("realtime_fsm_conform") if isinstance(data, dict) else None
        if found != FORMAT:
            expected = f"{FORMAT}, as in a result of `realtime-fsm conform --json`"
            raise InputError("realtime_fsm_conform", found, expected)
        try:
            made = cls(**{name: data[name] for name in _PLAIN})
            made.answers = {name: _read(name, each) for name, each in data["answers"].items()}
        except KeyError as error:
            raise InputError(str(error.args[0]), None, "a whole result") from None
        except (TypeError, ValueError, AttributeError) as error:
            raise InputError("answers", data["answers"], f"a whole result: {error}") from None
        return made


_PLAIN = (
    "url", "model", "date", "version", "dialect", "directed", "seconds", "responses", "tokens",
    "notes", "ended",
)  # fmt: skip


def _answer(answer: Answer) -> dict[str, Any]:
    return {
        "verdict": answer.verdict,
        "how": answer.how,
        "value": answer.value,
        "frames": [[round(f.t, 3), f.by, dict(f.event), f.count] for f in answer.frames],
    }


def _read(name: str, data: Mapping[str, Any]) -> Answer:
    if data["verdict"] not in get_args(Verdict):
        raise TypeError(f"the verdict of {name!r}")
    frames = tuple(Frame(t, by, event, count) for t, by, event, count in data["frames"])
    return Answer(name, data["verdict"], str(data["how"]), data["value"], frames)
