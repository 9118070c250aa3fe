"""What is written is true: generated files are fresh, printed code runs."""

from __future__ import annotations

import ast
import re
import runpy
from pathlib import Path

import pytest

from realtime_fsm import diagrams

ROOT = Path(__file__).parents[1]
MARKDOWN = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]


def code(path: Path) -> list[str]:
    return re.findall(r"```python\n(.*?)```", path.read_text("utf-8"), re.DOTALL)


def test_the_generated_files_are_fresh() -> None:
    assert diagrams.stale(ROOT / "diagrams") == []


def test_the_page_of_the_servers_rules_is_fresh() -> None:
    from realtime_fsm.simulator import rules_table

    assert (ROOT / "docs" / "rules.md").read_text("utf-8") == rules_table()


def test_the_readme_shows_the_generated_pictures() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.findall(r'(?:src|srcset)="diagrams/([^"]+)"', text)
    assert shown == ["turn-overview-narrow.svg", "turn-overview.svg"]
    assert set(shown) <= set(diagrams.files())


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
