"""The tutorial's code runs: each block as the file that it names, under plain pytest."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from realtime_fsm.simulator.script_json import load

from .blocks import ROOT, blocks

_OPTIONS = [
    *("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"),
    "--hypothesis-seed=0",  # the tutorial is to run, not to find something new
]
DOCS = ROOT / "docs"


def _run(tmp_path: Path, *, of_google: bool) -> None:
    """Run the blocks with Google's plugin, or all others, and those that both need."""
    tests = 0
    for block in blocks(DOCS / "testing.md", "python"):
        name = re.match(r"# (\w+\.py)\n", block.text)
        assert name, f"testing.md:{block.line}: the block does not say which file it is"
        found = len(re.findall(r"^(?:async )?def test_", block.text, re.MULTILINE))
        if found and ('provider="google"' in block.text) != of_google:
            continue
        (tmp_path / name[1]).write_text(block.text, "utf-8")
        tests += found
    warnings = "default" if of_google else "error"  # Google's SDK warns of old patch releases
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", warnings, *_OPTIONS, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout


def test_every_block_of_the_tutorial_runs(tmp_path: Path) -> None:
    _run(tmp_path, of_google=False)


@pytest.mark.skipif(
    importlib.util.find_spec("livekit.plugins.google") is None,
    reason="livekit-plugins-google is not installed: pip install 'realtime-fsm[providers]'",
)
def test_the_blocks_for_gemini_run(tmp_path: Path) -> None:
    _run(tmp_path, of_google=True)


def test_the_script_on_the_servers_page_can_be_read() -> None:
    (block,) = blocks(DOCS / "serve.md", "json")
    script = load(block.text)
    assert len(script.replies) == len(json.loads(block.text)) == 5


def test_the_tutorial_names_every_check() -> None:
    from realtime_fsm.testing import checks

    text = (DOCS / "testing.md").read_text("utf-8")
    assert [name for name in checks.__all__ if f"`{name}`" not in text] == []
