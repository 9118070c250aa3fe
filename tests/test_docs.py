"""What is written is true: generated files are fresh, printed code runs."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

from realtime_fsm import diagrams
from realtime_fsm._machine import arrows
from realtime_fsm._states import FINAL, TurnState
from realtime_fsm._table import INITIAL

ROOT = Path(__file__).parents[1]
MARKDOWN = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def code(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def test_the_generated_files_are_fresh() -> None:
    assert diagrams.stale(ROOT / "diagrams") == []


def test_the_page_of_the_servers_rules_is_fresh() -> None:
    from realtime_fsm.simulator import rules_table

    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == rules_table()


def test_stale_files_are_noticed(tmp_path: Path) -> None:
    assert diagrams.stale(tmp_path) == ["turn.mmd", "turn.md", "playback.mmd", "playback.md"]
    diagrams.write(tmp_path)
    assert diagrams.stale(tmp_path) == []
    (tmp_path / "turn.mmd").write_text("stateDiagram-v2\n", "utf-8")
    assert diagrams.stale(tmp_path) == ["turn.mmd"]


def test_the_readme_shows_the_diagram_of_the_table() -> None:
    assert f"```mermaid\n{diagrams.mermaid()}```" in (ROOT / "README.md").read_text("utf-8")


def test_the_diagram_has_every_state_its_start_and_its_ends() -> None:
    text = diagrams.mermaid()
    assert f"[*] --> {INITIAL.name}" in text
    for state in TurnState:
        assert f"    {state.name}: " in text
        assert (f"    {state.name} --> [*]" in text) == (state in FINAL)
    for arrow in arrows():
        assert arrow.reason in diagrams.markdown()


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: p.name)
def test_links_within_the_project_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", path.read_text("utf-8")):
        assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda p: p.name)
def test_printed_python_parses(path: Path) -> None:
    for block in code(path):
        compile(block, str(path), "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)


def test_the_drivers_page_runs() -> None:
    (block,) = code(ROOT / "docs" / "driver.md")
    exec(compile(block, "driver.md", "exec"), {})


async def test_the_readmes_first_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    exec(compile(code(ROOT / "README.md")[0], "README.md", "exec"), {})


def test_the_example_is_importable() -> None:
    names = runpy.run_path(str(ROOT / "examples" / "agent.py"))
    assert {"server", "entrypoint"} <= set(names)
