"""CI runs one script; the script, the workflow and the hooks name targets that exist."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
SCRIPTS = [".ci/run", ".hooks/pre-commit", ".pre-commit-config.yaml", ".github/workflows/ci.yml"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_targets_that_are_called_exist(script: str) -> None:
    text = (ROOT / script).read_text("utf-8")
    called = re.findall(r"^(?:.*(?:run|entry): )?make (?:-s )?([a-z -]+)$", text, re.MULTILINE)
    assert called or ".ci/run" in text
    assert {target for line in called for target in line.split()} <= TARGETS


def test_the_workflow_runs_the_script_and_needs_no_registry() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text("utf-8")
    assert "- run: .ci/run\n" in text
    assert "://" not in text


@pytest.mark.parametrize("script", SCRIPTS[:2])
def test_the_scripts_can_be_run(script: str) -> None:
    assert os.access(ROOT / script, os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / script)], check=True)


def test_help_lists_every_target_with_words() -> None:
    done = subprocess.run(
        ["make", "-s", "help"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    told = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert set(told) == TARGETS
    assert [target for target, words in told.items() if not words] == []


def test_the_issue_template_asks_for_a_trace() -> None:
    text = (ROOT / ".github/ISSUE_TEMPLATE/bug.yml").read_text("utf-8")
    trace = text.split("id: trace\n")[1].split("- type:")[0]
    assert 'record(model, "call.jsonl")' in trace
    assert "required: true" in trace
