"""What a run may take at most, said before it starts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from .question import Question

__all__ = ["Cost", "estimate"]

_SHORT, _LONG = 200, 600  # output tokens of a response at most: what its max_output_tokens says
_INPUT = 400  # text tokens that a response reads, mostly instructions and the words so far
_AUDIO_PER_SECOND = 10  # input tokens, as the provider documents

# Dollars for a million tokens: the list price of gpt-realtime when it came out (August 2025).
_TEXT_IN, _TEXT_OUT, _AUDIO_IN, _AUDIO_OUT = 4.0, 16.0, 32.0, 64.0


@dataclass(frozen=True, slots=True)
class Cost:
    """At most: responses, output tokens, seconds of speech, dollars at a list price; *minutes* is
    the limit of the run.
    """

    questions: int
    responses: int
    tokens: int
    speech: float
    dollars: float
    minutes: float

    def sentence(self) -> str:
        """Say it."""
        return (
            f"{self.questions} questions, at most {self.responses} responses with {self.tokens} "
            f"output tokens and {self.speech:.0f} s of speech, at most {self.minutes:g} minutes; "
            f"at the list price of gpt-realtime (August 2025) at most ${self.dollars:.2f}"
        )


def estimate(questions: Iterable[Question], *, seconds: float, responses: int) -> Cost:
    """Return what these questions may take at most."""
    asked = list(questions)
    short, long = sum(one.short for one in asked), sum(one.long for one in asked)
    spoken = sum(one.spoken for one in asked)
    speech = sum(one.speech for one in asked)
    count = min(short + long, responses)
    output = short * _SHORT + long * _LONG
    spoken_output = spoken * _LONG
    heard = speech * _AUDIO_PER_SECOND
    dollars = (
        count * _INPUT * _TEXT_IN
        + (output - min(output, spoken_output)) * _TEXT_OUT
        + spoken_output * _AUDIO_OUT
        + (heard + spoken_output) * _AUDIO_IN
    ) / 1e6
    return Cost(len(asked), count, output, speech, dollars, round(seconds / 60, 1))
