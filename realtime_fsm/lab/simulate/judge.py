"""What became of a call: the one judge's verdict, and the fate of each turn."""

from __future__ import annotations

from dataclasses import dataclass

from ...trace.questions import FATES, Answer, Fate, Question
from ...trace.verdict import Judge, Verdict
from .evidence import Evidence

__all__ = ["FATES", "Fate", "Judged", "TurnFate", "judge"]


@dataclass(frozen=True, slots=True)
class TurnFate:
    """What became of a turn, see :class:`realtime_fsm.trace.questions.Answer`.

    Attributes:
        fate: one of :data:`FATES`.
        why: in words.
        first_sound: seconds from the end of the turn to the first sound of the answer.
        silence: seconds from the end of the turn to the first sound, the report that it failed, or
            the time at which the caller went on.
        repeated: messages heard again.
        reported: for a lost turn: an ``error`` event came meanwhile.
    """

    fate: Fate
    why: str
    first_sound: float | None
    silence: float
    repeated: int
    reported: bool = False


@dataclass(frozen=True, slots=True)
class Judged:
    """What became of a call.

    Attributes:
        fates: of each turn that was asked, in order.
        verdict: which guarantees were broken.
    """

    fates: tuple[TurnFate, ...]
    verdict: Verdict


def judge(seen: Evidence) -> Judged:
    """Return the judgement of a call, from the facts that were seen of it."""
    rules = Judge()
    for fact in seen.facts:
        rules.feed(fact)
    questions = rules.story.questions
    fates = tuple(_fate(each, questions.answer(each), seen) for each in questions.all)
    return Judged(fates if questions.asked else (), rules.end())


def _fate(question: Question, answer: Answer, seen: Evidence) -> TurnFate:
    over = seen.seconds if question.over is None else question.over
    until = [over] if answer.told is None else [over, answer.told]
    if answer.fate in ("interrupted", "superseded") and question.cut_in is not None:
        until.append(question.cut_in[0])  # nobody waits for an answer that was cut off
    sound = None if answer.first is None else max(0.0, answer.first - question.at)
    silence = max(0.0, min(until) - question.at) if sound is None else sound
    return TurnFate(answer.fate, answer.why, sound, silence, answer.repeated, answer.reported)
