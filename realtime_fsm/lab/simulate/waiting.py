"""How long the caller waited in a life of a call: first sounds, and silences."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...compare import Life
from ...compare.life import Question, Span

__all__ = ["Waited", "add_up", "bins_of", "percentile", "rows", "summed", "waited"]

_BIN = 10  # milliseconds; first sounds are counted in bins, which can be added up
_BINS, _LONGEST = ("first", "first_of_both"), ("silence", "silence_after_failure")


@dataclass(frozen=True, slots=True)
class Waited:
    """In one life of a call. All in milliseconds.

    Attributes:
        first: from the end of each question that was answered to the first sound of its answer.
        first_of_both: the same, of questions that were answered in both lives.
        silence: the longest time, from the end of a question to the first sound of its answer, or to
            the next question where there is none, in which neither spoke.
        silence_after_failure: the same, of questions of which a response failed, or whose frames
            met a fault.
    """

    first: tuple[int, ...] = ()
    first_of_both: tuple[int, ...] = ()
    silence: int = 0
    silence_after_failure: int = 0


def waited(life: Life, other: Life, failed: Iterable[str]) -> Waited:
    """How long the caller waited in *life*, of which *other* is the same call; *failed*: the
    questions with a failure."""
    sounds = {
        each.key: sound for each in life.questions if (sound := _first(life, each.key)) is not None
    }
    in_both = {each.key for each in other.questions if other.pieces_of(each.key)}
    first = {
        each.key: round(1000 * max(0.0, sounds[each.key] - each.at))
        for each in life.questions
        if each.key in sounds
    }
    failed = {*failed, *(each.question for each in life.attempts if each.number > 1)}
    silences = {
        each.key: round(1000 * _silence(life, each, sounds.get(each.key)))
        for each in life.questions
    }
    return Waited(
        tuple(first.values()),
        tuple(ms for key, ms in first.items() if key in in_both),
        max(silences.values(), default=0),
        max((ms for key, ms in silences.items() if key in failed), default=0),
    )


def _first(life: Life, key: str) -> float | None:
    return min((piece.span.begin for piece in life.pieces_of(key)), default=None)


def _silence(life: Life, question: Question, sound: float | None) -> float:
    """The longest time in which nothing was heard and the user did not speak."""
    if sound is None:
        ends = [each.at for each in life.questions if each.at > question.at]
        ends += [cut for cut in life.cuts if cut > question.at]
        sound = min(ends, default=life.seconds)
    longest, since = 0.0, question.at
    for span in sorted([*(piece.span for piece in life.heard), *life.spoke, Span(sound, sound)]):
        if span.begin <= sound:
            longest, since = max(longest, span.begin - since), max(since, span.end)
    return longest


# --- in a report


def bins_of(times: Iterable[int]) -> dict[str, int]:
    """How often each time was waited, rounded up to 10 ms: the keys are milliseconds."""
    return dict(Counter(str(-(-ms // _BIN) * _BIN) for ms in times))


def percentile(bins: Mapping[int, int], share: float) -> int | None:
    """The time that *share* of those in *bins* are not above; None if there is none."""
    rank = math.ceil(share * sum(bins.values()))
    for ms in sorted(bins):
        rank -= bins[ms]
        if rank <= 0:
            return ms
    return None


def summed(lives: Iterable[Waited]) -> dict[str, Any]:
    """Lives of calls, in numbers that can be added up."""
    lives = tuple(lives)
    return _with_percentiles(
        {
            f"{name}_bins": bins_of(ms for each in lives for ms in getattr(each, name))
            for name in _BINS
        }
        | {
            f"{name}_ms": max((getattr(each, name) for each in lives), default=0)
            for name in _LONGEST
        }
    )


def add_up(reports: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What `summed` gives of all of them."""
    reports = tuple(reports)
    bins: dict[str, Counter[str]] = {name: Counter() for name in _BINS}
    for report in reports:
        for name, counter in bins.items():
            counter.update(report[f"{name}_bins"])
    return _with_percentiles(
        {f"{name}_bins": dict(counter) for name, counter in bins.items()}
        | {f"{name}_ms": max(report[f"{name}_ms"] for report in reports) for name in _LONGEST}
    )


def _with_percentiles(found: dict[str, Any]) -> dict[str, Any]:
    for name in _BINS:
        bins = {int(ms): count for ms, count in found[f"{name}_bins"].items()}
        found[f"{name}_bins"] = {str(ms): bins[ms] for ms in sorted(bins)}
        found[f"{name}_p50_ms"] = percentile(bins, 0.50)
        found[f"{name}_p99_ms"] = percentile(bins, 0.99)
    return found


def rows(plain: Mapping[str, Any], controlled: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """What a person reads of it: a name, and what `summed` tells of it on both sides, in words."""
    for name, key in (
        ("first sound, p50", "first_p50_ms"),
        ("first sound, p99", "first_p99_ms"),
        ("  where both answer, p50", "first_of_both_p50_ms"),
        ("  where both answer, p99", "first_of_both_p99_ms"),
        ("longest silence", "silence_ms"),
        ("  after a failure", "silence_after_failure_ms"),
    ):
        yield name, _seconds(plain[key]), _seconds(controlled[key])


def _seconds(ms: int | None) -> str:
    return "-" if ms is None else f"{ms / 1000:.2f} s"
