"""How a controlled call compares with the plain one of the same row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .seen import TOOL_OUTPUT, Question, Seen, Speech

__all__ = ["LATE", "Verdict", "compare"]

LATE = 0.2
"""Seconds that a first sound may come later than plain."""
_SOUND = 0.15  # seconds of sound that make a difference; a sink is cut every 10 ms
_WORD = 1  # words: where one is cut is a matter of rounding
_SILENT = ("ok", "interrupted", "never done")  # ends that tell of no failure

#: What differs, and whether it is for the better.
Difference = tuple[bool, str]


@dataclass(frozen=True)
class Verdict:
    """What is better and what is worse, in words."""

    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        return "worse" if self.worse else "better" if self.better else "same"


def compare(plain: Seen, ours: Seen) -> Verdict:
    """For the user, the application, and the memory."""
    found = list(_differences(plain, ours))
    return Verdict(
        tuple(what for good, what in found if good),
        tuple(what for good, what in found if not good),
    )


def _differences(plain: Seen, ours: Seen) -> Iterator[Difference]:
    if (plain.closed is None) != (ours.closed is None):
        yield ours.closed is None, "the session lives" if ours.closed is None else "it ends"
    for p, o in zip(plain.questions, ours.questions, strict=False):
        yield from _of_question(p, o, talked_over=_talked_over(plain, p))
    if plain.tools != ours.tools:
        yield (
            not ours.tools > plain.tools > 0 and ours.tools > 0,
            f"the tool runs {ours.tools} times",
        )
    for a, b in zip(plain.speeches, ours.speeches, strict=False):
        yield from _of_speech(plain, ours, a, b)
    for was, now, what in (
        (plain.unheard, ours.unheard, "words remembered that nobody heard"),
        (plain.forgotten, ours.forgotten, "words heard and forgotten"),
    ):
        if abs(now - was) > _WORD:
            yield now < was, f"{now} {what}, not {was}"
    for was, now, what in (
        (len(plain.hangs), len(ours.hangs), "waits that never end"),
        (len(plain.faults), len(ours.faults), "errors that nobody caught"),
    ):
        if was != now:
            yield now < was, f"{now} {what}, not {was}"


def _of_question(p: Question, o: Question, *, talked_over: bool) -> Iterator[Difference]:
    if (p.sound is None) != (o.sound is None):
        yield o.sound is not None, f"{p.text!r} is {'' if o.sound is not None else 'not '}answered"
    elif p.sound is not None and o.sound is not None:
        late = (o.sound - o.t) - (p.sound - p.t)
        if abs(late) > LATE:
            yield (
                late < 0,
                f"{p.text!r} is answered {abs(late):.2f} s {'later' if late > 0 else 'earlier'}",
            )
        more = o.seconds - p.seconds
        if abs(more) > _SOUND and p.times <= 1 and not talked_over:
            yield more > 0, f"{p.text!r}: {more:+.2f} s heard"
    if max(p.times, 1) != max(o.times, 1):
        yield o.times < p.times, f"{p.text!r} is answered {o.times} times"


def _talked_over(plain: Seen, question: Question) -> bool:
    """Whether plain went on with an answer while something newer was asked by the user, or after
    the application had interrupted."""
    return any(
        piece.question == question.text
        and any(piece.began < t < piece.began + piece.seconds for t in plain.cut_in)
        for piece in plain.heard
    )


def _of_speech(plain: Seen, ours: Seen, p: Speech, o: Speech) -> Iterator[Difference]:
    what = f"the speech of {p.question!r} ends with {o.ended}"
    if "never done" in (p.ended, o.ended):
        if p.ended != o.ended:
            yield o.ended != "never done", what
        return
    asked = (p.question, TOOL_OUTPUT)
    heard = any(q.sound is not None for q in ours.questions if q.text in asked)
    failed_then, failed_now = p.ended not in _SILENT, o.ended not in _SILENT
    # An exception is what is due where nothing, or not all, was heard.
    if failed_then and not failed_now:
        if heard or (o.ended == "ok" and not ours.errors):
            yield heard, what
    elif failed_now and not failed_then:
        whole = p.question in plain.answered_whole and p.question in ours.answered_whole
        if p.ended == "ok":
            yield not whole, what
