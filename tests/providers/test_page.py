"""docs/providers.md is generated, from what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.lab.scenarios.providers.measure import KEPT, load
from realtime_fsm.lab.scenarios.providers.page import page
from realtime_fsm.lab.scenarios.providers.rows import ROWS
from realtime_fsm.livekit.providers import CONTROLLED
from realtime_fsm.testing.providers import FAKES

DOCS = Path(__file__).parents[2] / "docs"
MEASURED = [path for path in (DOCS.parent / kept for kept in KEPT) if path.exists()]


def test_the_page_of_providers_is_fresh() -> None:
    """Run ``realtime-fsm scenarios --providers --page > docs/providers.md``, on Python 3.12."""
    assert (DOCS / "providers.md").read_text("utf-8") == page([load(path) for path in MEASURED])


@pytest.mark.parametrize("path", MEASURED, ids=lambda path: path.stem)
def test_every_row_of_every_provider_was_measured_and_none_is_worse(path: Path) -> None:
    _, cells = load(path)
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
    assert "the provider is 'acme', expected one of openai, " in done.stderr
