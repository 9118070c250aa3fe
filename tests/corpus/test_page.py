"""The pages of the corpus are what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from livekit import agents

from realtime_fsm.testing.corpus import Result, cases, notation_page, page
from realtime_fsm.testing.corpus._page import plain_words, write

DOCS = Path(__file__).parents[2] / "docs"


def test_the_forms_on_the_page_of_the_notation_are_fresh() -> None:
    assert notation_page() in (DOCS / "corpus-notation.md").read_text("utf-8")


WRITTEN = (DOCS / "corpus.md").read_text("utf-8")
(MEASURED_WITH,) = re.findall(r"livekit-agents (\S+) without us", WRITTEN)
newest = pytest.mark.skipif(
    agents.__version__ != MEASURED_WITH,
    reason=f"measured with livekit-agents {MEASURED_WITH}, here is {agents.__version__}",
)


@newest
def test_the_page_of_the_corpus_is_fresh() -> None:
    assert page() == WRITTEN


@newest
def test_stale_pages_are_noticed_and_written(tmp_path: Path) -> None:
    (tmp_path / "corpus-notation.md").write_text("nothing", "utf-8")
    with pytest.raises(ValueError, match="lacks the mark"):
        write(tmp_path)
    before, _, after = (DOCS / "corpus-notation.md").read_text("utf-8").partition("### Lines")
    stale = before + after[after.index("<!-- end") :]
    (tmp_path / "corpus-notation.md").write_text(stale, "utf-8")
    write(tmp_path)
    for name in ("corpus.md", "corpus-notation.md"):
        assert (tmp_path / name).read_text("utf-8") == (DOCS / name).read_text("utf-8")


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
