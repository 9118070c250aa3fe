"""The tutorial's code runs: each block as the file that it names, under plain pytest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from realtime_fsm.simulator.script_json import load

from .blocks import ROOT, blocks

_OPTIONS = [
    *("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"),
    "--hypothesis-seed=0",  # the tutorial is to run, not to find something new
]
DOCS = ROOT / "docs"


def test_every_block_of_the_tutorial_runs(tmp_path: Path) -> None:
    tests = 0
    for block in blocks(DOCS / "testing.md", "python"):
        name = re.match(r"# (\w+\.py)\n", block.text)
        assert name, f"testing.md:{block.line}: the block does not say which file it is"
        (tmp_path / name[1]).write_text(block.text, "utf-8")
        tests += len(re.findall(r"^(?:async )?def test_", block.text, re.MULTILINE))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", *_OPTIONS, "."],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{tests} passed" in done.stdout


def test_the_script_on_the_servers_page_can_be_read() -> None:
    (block,) = blocks(DOCS / "serve.md", "json")
    script = load(block.text)
    assert len(script.replies) == len(json.loads(block.text)) == 5


def test_the_tutorial_names_every_check() -> None:
    from realtime_fsm.testing import checks

    text = (DOCS / "testing.md").read_text("utf-8")
    assert [name for name in checks.__all__ if f"`{name}`" not in text] == []
