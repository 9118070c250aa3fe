"""Which words of a message were heard.

A transcript has no times, so its words are taken as evenly spoken. A word that was begun and not finished
does not count: nobody can tell what it would have become, and it is what servers keep of a truncated item
as far as is known. The controller, what a new connection is told, the simulated server and whoever judges a call use this
one function.
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
    if received <= 0:
        return " ".join(words)
    share = min(max(heard / received, 0.0), 1.0)
    return " ".join(words[: int(len(words) * share + _ROUNDING)])
