"""The tutorial's code runs: each block as the file that it names, under plain pytest."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

from realtime_fsm.simulator.script_json import load

_OPTIONS = [
    *("-p", "no:cacheprovider", "-o", "asyncio_default_fixture_loop_scope=function"),
    "--hypothesis-seed=0",  # the tutorial is to run, not to find something new
]
DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, language: str) -> list[str]:
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def test_every_block_of_the_tutorial_runs(tmp_path: Path) -> None:
    tests = 0
    for block in blocks("testing.md", "python"):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, f"a block does not say which file it is: {block}"
        (tmp_path / name[1]).write_text(block, "utf-8")
        tests += len(re.findall(r"^(?:async )?def test_", block, re.MULTILINE))
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
    (block,) = blocks("serve.md", "json")
    script = load(block)
    assert len(script.replies) == len(json.loads(block)) == 5


def test_the_client_on_the_servers_page_can_be_made() -> None:
    (block,) = blocks("serve.md", "python")
    names: dict[str, object] = {}
    exec(compile(block, "serve.md", "exec"), names)
    assert "connection" in names


def test_the_tutorial_names_every_check() -> None:
    from realtime_fsm.testing import checks

    text = (DOCS / "testing.md").read_text("utf-8")
    assert [name for name in checks.__all__ if f"`{name}`" not in text] == []
