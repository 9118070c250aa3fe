"""docs/providers.md is generated, from what was measured; and what compares two calls notices."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.livekit.providers import CONTROLLED
from realtime_fsm.scenarios.providers.measure import load
from realtime_fsm.scenarios.providers.page import page
from realtime_fsm.scenarios.providers.rows import ROWS
from realtime_fsm.scenarios.providers.seen import Heard, Question, Seen, Speech
from realtime_fsm.scenarios.providers.verdict import compare
from realtime_fsm.testing.providers import FAKES

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_providers_is_fresh() -> None:
    """Run ``realtime-fsm scenarios --providers --page > docs/providers.md``, on Python 3.12."""
    assert (DOCS / "providers.md").read_text("utf-8") == page(*load(DOCS / "providers.json"))


def test_every_row_of_every_provider_was_measured_and_none_is_worse() -> None:
    _, cells = load(DOCS / "providers.json")
    assert list(cells) == list(FAKES)
    for family, of in cells.items():
        assert list(of) == [row.name for row in ROWS if row.for_(FAKES[family])]
        assert {cell.word for cell in of.values()} <= {"same", "better"}


def test_what_is_not_kept_has_a_reason() -> None:
    for family in CONTROLLED:
        for guarantee, (keeps, why) in family.promises.items():
            assert re.fullmatch(r"G[1-9]\d?", guarantee)
            assert (keeps == "kept") == (not why)


def test_the_command_names_an_unknown_provider() -> None:
    done = CliRunner().invoke(app, ["scenarios", "--providers", "acme"])
    assert done.exit_code == 2
    assert "no provider 'acme'" in done.stderr


# --- what compares

CALL = Seen(
    questions=(Question("Hi", 0.0, 0.1, 0.8, 1),),
    heard=(Heard("Hi", 1, 0.1, 0.8, False),),
    speeches=(Speech("Hi", "ok", 0.9),),
    errors=(),
    closed=None,
    unheard=0,
    forgotten=0,
    answered_whole=("Hi",),
    history=(),
    tools=1,
    wire=(),
    faults=(),
    cut_in=(),
    hangs=(),
)
ASKED = CALL.questions[0]


@pytest.mark.parametrize(
    "changed",
    [
        {"closed": 1.0},
        {"questions": (replace(ASKED, sound=None, seconds=0, times=0),)},
        {"questions": (replace(ASKED, sound=0.4),)},
        {"questions": (replace(ASKED, seconds=0.5),)},
        {"questions": (replace(ASKED, times=2),)},
        {"speeches": (Speech("Hi", "never done", None),)},
        {"speeches": (Speech("Hi", "RealtimeError", 0.9),)},
        {"tools": 2},
        {"tools": 0},
        {"unheard": 3},
        {"forgotten": 3},
        {"hangs": ("the speech",)},
        {"faults": ("a task died",)},
    ],
    ids=str,
)
def test_what_is_worse_is_noticed_and_the_other_way_round_better(
    changed: dict[str, object],
) -> None:
    other = replace(CALL, **changed)  # type: ignore[arg-type]
    assert compare(CALL, other).word == "worse"
    assert compare(other, CALL).word == "better" or changed in ({"tools": 0}, {"tools": 2})
    assert compare(CALL, CALL).word == compare(other, other).word == "same"
