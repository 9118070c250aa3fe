"""Orderings that broke real systems, as small executable cases.

Each is a few lines of text (`docs/corpus-notation.md`): what happened, in order, and what must come
out. A bug report in the same notation is a case::

    from realtime_fsm.testing.corpus import cases, parse, run

    for case in cases():
        print(case.id, run(case).problems)

    (case,) = parse(text)
    assert run(case).holds

A case of the level ``call`` runs a real ``AgentSession`` with the real OpenAI plugin against the
simulated server, in virtual time; one of the level ``exact`` runs the controller alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazily
from ._case import Case, Gap, Line, Result
from ._cases import NotationError, cases, compare, gaps, parse, run
from ._recording import Asked, Closed, Interrupted, Plays, RecordingController, notation

if TYPE_CHECKING:
    from ._page import notation_page, page

__all__ = [
    "Asked",
    "Case",
    "Closed",
    "Gap",
    "Interrupted",
    "Line",
    "NotationError",
    "Plays",
    "RecordingController",
    "Result",
    "cases",
    "compare",
    "gaps",
    "notation",
    "notation_page",
    "page",
    "parse",
    "run",
]

__getattr__, __dir__ = lazily(__name__, {"_page": ("notation_page", "page")})
