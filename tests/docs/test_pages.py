"""What the pages say is so: generated parts are fresh, links lead somewhere, figures are measured."""

from __future__ import annotations

import re
import runpy
import unicodedata
from functools import cache
from pathlib import Path

import pytest

from realtime_fsm import diagrams

from .blocks import PAGES, ROOT, prose

DOCS = ROOT / "docs"


def test_the_generated_files_are_fresh() -> None:
    assert diagrams.stale(ROOT / "diagrams") == []


def test_the_page_of_the_servers_rules_is_fresh() -> None:
    from realtime_fsm.simulator import rules_table

    assert rules_table() in (DOCS / "rules.md").read_text("utf-8")


def test_the_page_of_the_gpt_live_servers_rules_is_fresh() -> None:
    from realtime_fsm.simulator.gpt_live import live_rules_table

    assert live_rules_table() in (DOCS / "gpt-live-rules.md").read_text("utf-8")


def test_the_readme_shows_the_generated_pictures() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    shown = re.findall(r'(?:src|srcset)="diagrams/([^"]+)"', text)
    assert shown == ["turn-overview-narrow.svg", "turn-overview.svg"]
    assert set(shown) <= set(diagrams.files())


def test_the_example_is_importable() -> None:
    names = runpy.run_path(str(ROOT / "examples" / "agent.py"))
    assert {"server", "entrypoint"} <= set(names)


# --- links


@cache
def anchors(page: Path) -> set[str]:
    """The anchors that headings get, as on GitHub."""
    found: list[str] = []
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        words = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        kept = "".join(c for c in words if c in " -_" or unicodedata.category(c)[0] in "LN")
        found.append(kept.replace(" ", "-"))
    included = re.findall(r"^```\{include\} (\S+)", page.read_text("utf-8"), re.MULTILINE)
    more = {anchor for other in included for anchor in anchors((page.parent / other).resolve())}
    return more | {f"{a}-{n}" if (n := found[:i].count(a)) else a for i, a in enumerate(found)}


def leads_nowhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    file = (page.parent / path).resolve() if path else page
    if not file.exists() or not file.is_relative_to(ROOT):
        return True
    return bool(anchor) and (file.suffix != ".md" or anchor not in anchors(file))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    own = [target for target in targets if not re.match(r"[a-z]+:", target)]
    assert [target for target in own if leads_nowhere(page, target)] == []


@pytest.mark.parametrize("target", ["gone.md", "trace.md#gone", "#gone", "../../elsewhere.md"])
def test_a_link_that_leads_nowhere_is_noticed(target: str) -> None:
    assert leads_nowhere(DOCS / "index.md", target)


def test_the_checklists_name_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    paths = re.findall(
        r"`((?:realtime_fsm|tests|docs|\.ci)/[\w./-]*|[\w-]+\.(?:md|toml|txt))`", text
    )
    paths += re.findall(r"`(docs/[\w-]+\.md)`", text)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_architecture_page_names_files_that_exist() -> None:
    text = (DOCS / "architecture.md").read_text("utf-8")
    names = re.findall(r"`((?:livekit/)?_\w+\.py)`", text)
    assert len(names) > 12
    assert [name for name in names if not (ROOT / "realtime_fsm" / name).exists()] == []


# --- figures


def numbers(text: str) -> set[float]:
    return {float(each) for each in re.findall(r"\d+(?:\.\d+)?", text)}


def test_the_readmes_figures_are_those_of_the_scenarios() -> None:
    measured: dict[tuple[str, str], list[str]] = {}
    name = ""
    for line in (DOCS / "scenarios.md").read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 12 and cells[2] in ("plain", "controlled"):
            name = cells[0].strip("`") or name
            measured.setdefault((name, cells[2]), cells[3:11])
    text = (ROOT / "README.md").read_text("utf-8").split("## Plain LiveKit")[1].split("\n## ")[0]
    rows = re.findall(r"^\| (\w+) \| .+ \| (.+) \| (.+) \|$", text, re.MULTILINE)
    assert len(rows) >= 8
    for name, *texts in rows:
        for mode, text in zip(("plain", "controlled"), texts, strict=True):
            heard, *others = measured[name, mode]
            told = set(re.findall(r"([\d.]+) s(?: of [\w ]+)? heard", text))
            assert {float(each) for each in told} <= numbers(heard), (name, mode)
            assert numbers(text) <= numbers(" ".join([heard, *others])), (name, mode)
            assert "ok" not in text.split() or others[3] == "ok", (name, mode)


def test_the_comparison_names_rows_that_there_are() -> None:
    from realtime_fsm.lab.scenarios import SCENARIOS

    text = (DOCS / "comparison.md").read_text("utf-8").split("## With other libraries")[0]
    named = [
        each
        for group in re.findall(r"\(((?:\w{1,3}(?:, )?)+)\)", text)
        for each in group.split(", ")
    ]
    assert len(named) > 30
    assert set(named) <= set(SCENARIOS)
