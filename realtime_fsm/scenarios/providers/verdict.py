"""How a controlled call compares with the plain one of the same row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .seen import TOOL_OUTPUT, Question, Seen

__all__ = ["LATE", "Verdict", "compare"]

LATE = 0.2
"""Seconds that a first sound may come later than plain."""
_SOUND = 0.15  # seconds of sound that make a difference; a sink is cut every 10 ms
_WORD = 1  # words: where one is cut is a matter of rounding
_LOUD = ("ok", "interrupted", "never done")  # ends that tell of no failure


@dataclass(frozen=True)
class Verdict:
    """Reasons for either, in words."""

    better: tuple[str, ...] = ()
    worse: tuple[str, ...] = ()

    @property
    def word(self) -> str:
        return "worse" if self.worse else "better" if self.better else "same"


def compare(plain: Seen, ours: Seen) -> Verdict:
    """What is better and what is worse for the user, the application, and the memory."""
    better: list[str] = []
    worse: list[str] = []

    def note(is_better: bool, is_worse: bool, what: str) -> None:
        if is_worse:
            worse.append(what)
        elif is_better:
            better.append(what)

    a, b = plain.closed, ours.closed
    note(a is not None and b is None, a is None and b is not None, "the session ends")
    for p, o in zip(plain.questions, ours.questions, strict=False):
        _question(p, o, _talked_over(plain, p), note)
    note(plain.tools > ours.tools > 0, ours.tools > plain.tools > 0, "the tool runs again")
    note(not plain.tools and bool(ours.tools), bool(plain.tools) and not ours.tools, "the tool")
    _speeches(plain, ours, note)
    unheard = ours.unheard - plain.unheard
    forgotten = ours.forgotten - plain.forgotten
    note(unheard < -_WORD, unheard > _WORD, "remembered and not heard")
    note(forgotten < -_WORD, forgotten > _WORD, "heard and forgotten")
    note(len(plain.hangs) > len(ours.hangs), len(ours.hangs) > len(plain.hangs), "something hangs")
    note(len(plain.faults) > len(ours.faults), len(ours.faults) > len(plain.faults), "faults")
    return Verdict(tuple(better), tuple(worse))


Note = Callable[[bool, bool, str], None]


def _question(p: Question, o: Question, talked_over: bool, note: Note) -> None:
    note(
        p.sound is None and o.sound is not None,
        p.sound is not None and o.sound is None,
        f"{p.text!r} is answered",
    )
    if p.sound is not None and o.sound is not None:
        late = (o.sound - o.t) - (p.sound - p.t)
        note(late < -LATE, late > LATE, f"{p.text!r} is answered {late:+.2f} s")
        more = o.seconds - p.seconds
        note(
            more > _SOUND and o.times <= max(p.times, 1),
            more < -_SOUND and p.times <= 1 and not talked_over,
            f"{p.text!r}: {more:+.2f} s heard",
        )
    note(p.times > max(o.times, 1), o.times > max(p.times, 1), f"{p.text!r} is answered twice")


def _talked_over(plain: Seen, question: Question) -> bool:
    """Whether plain went on with an answer while something newer was asked by the user, or after
    the application had interrupted."""
    return any(
        piece.question == question.text
        and any(piece.began < t < piece.began + piece.seconds for t in plain.cut_in)
        for piece in plain.heard
    )


def _speeches(plain: Seen, ours: Seen, note: Note) -> None:
    for p, o in zip(plain.speeches, ours.speeches, strict=False):
        what = f"the speech of {p.question!r}: {o.ended}, not {p.ended}"
        heard = any(
            q.sound is not None for q in ours.questions if q.text in (p.question, TOOL_OUTPUT)
        )
        failed_then, failed_now = p.ended not in _LOUD, o.ended not in _LOUD
        note(p.ended == "never done" != o.ended, o.ended == "never done" != p.ended, what)
        if "never done" in (p.ended, o.ended):
            continue
        # An exception is what is due where nothing, or not all, was heard.
        silent = not heard and o.ended == "ok" and not ours.errors
        note(
            (failed_then and heard and not failed_now) or (failed_now and p.ended == "ok"),
            (silent and failed_then)
            or (heard and failed_now and p.ended == "ok" and _whole(plain, ours, p.question)),
            what,
        )


def _whole(plain: Seen, ours: Seen, question: str) -> bool:
    """Whether the answer to it was said to its end in both calls."""
    return question in plain.answered_whole and question in ours.answered_whole
