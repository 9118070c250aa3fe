"""What a fake provider says, whichever protocol it speaks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

__all__ = ["ARGUMENTS", "Answer", "Answers"]

End = Literal["done", "silent", "dropped", "empty", "stall", "error", "lost"]

ARGUMENTS = {"city": "Paris"}
"""What a fake passes to the tool it calls."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What becomes of one attempt to answer one question. Times are seconds.

    Attributes:
        text: What is said; its words come with the audio.
        seconds: Of audio.
        after: Before anything is sent.
        pace: Between two chunks of 0.2 seconds of audio.
        call: The name of a tool that is called in place of speaking.
        end: ``done``; ``silent``: nothing at all is sent; ``empty``: the turn ends without output;
            ``dropped``: it is begun where the protocol can say so, and then forgotten;
            ``stall``: nothing more is sent; ``error``: the provider reports a failure; ``lost``:
            the connection closes. The last three before the first output where there is no text.
    """

    text: str = ""
    seconds: float = 0.0
    after: float = 0.0
    pace: float = 0.04
    call: str | None = None
    end: End = "done"


Answers = Mapping[str, Sequence[Answer]]
"""By question: the answers to its attempts, in order; the last one holds for all later ones.

A question is what the user said or wrote, the instructions of a reply without a new text, or
``tool`` for a tool's output.
"""
