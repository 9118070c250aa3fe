"""Which words of a message were heard.

A transcript has no times, so its words are taken as evenly spoken. A word that was begun and not finished
does not count: nobody can tell what it would have become, and it is what servers keep of a truncated item
as far as is known. The controller, what a new connection is told, the simulated server, the report and
the scenarios count by `heard_count`; the judge of a call has a rule of its own.
"""

from __future__ import annotations

_ROUNDING = 1e-6


def heard_words(text: str, heard: float, received: float) -> str:
    """The first words of *text* that were heard to their end.

    Args:
        heard: How much was heard, in the unit of *received*.
        received: How much there is of it; 0: nobody counts, and all of it counts as heard.
    """
    words = text.split()
    return " ".join(words[: heard_count(len(words), heard, received)])


def heard_count(words: int, heard: float, received: float) -> int:
    """How many of so many words were heard to their end; the arguments are those of `heard_words`."""
    if received <= 0:
        return words
    share = min(max(heard / received, 0.0), 1.0)
    return int(words * share + _ROUNDING)


def share_of(kept: str, text: str) -> float:
    """How much of *text* these first words of it are, from 0 to 1; of no words nothing is."""
    words = len(text.split())
    return len(kept.split()) / words if words else 0.0
