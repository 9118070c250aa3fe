"""What the pages of the corpus say. Whether they are what was measured: test_cases.py."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_fsm.testing.corpus import Result, cases, notation_page
from realtime_fsm.testing.corpus._page import plain_words

DOCS = Path(__file__).parents[2] / "docs"


def test_the_forms_on_the_page_of_the_notation_are_fresh() -> None:
    assert notation_page() in (DOCS / "corpus-notation.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("problems", "words"),
    [
        ((), "as expected"),
        (("0 s heard, not 1 s", "G8 a", "G8 b", "G1 c"), "**silent**; 0 s heard, not 1 s; G8 G1"),
        (("B failed x", "0 s heard, not 1 s"), "B failed x; 0 s heard, not 1 s"),
        (
            ("hang: T until", "B never ends", "0 s heard, not 1 s", "G7 a"),
            "hangs; B never ends; G7",
        ),
    ],
)
def test_what_plain_livekit_does_in_words(problems: tuple[str, ...], words: str) -> None:
    assert plain_words(cases()[0], Result(problems)) == words
