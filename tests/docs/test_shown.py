"""What the pages show besides Python and commands is what comes out."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.simulator.script_json import load
from realtime_fsm.testing import corpus

from .blocks import ROOT, blocks, execute

DOCS = ROOT / "docs"


def test_the_path_of_the_printed_move_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (line,) = blocks(DOCS / "diagrams.md", "json")
    (command,) = (b for b in blocks(DOCS / "diagrams.md", "sh") if "path:" in b.text)
    monkeypatch.chdir(tmp_path)
    Path("trace.jsonl").write_text(line.text, "utf-8")
    done = CliRunner().invoke(app, command.text.split()[1:])
    assert done.exit_code == 0, done.output
    assert "the path of turn_3" in Path("turn_3.svg").read_text("utf-8")


def test_a_wrong_script_is_told_as_printed() -> None:
    (script,) = blocks(DOCS / "serve.md", "json")
    (told,) = blocks(DOCS / "serve.md", "text")
    with pytest.raises(ValueError, match=r"replies\[4\]") as raised:
        load(script.text.replace("500 ms", "soon"))
    assert f"realtime-fsm: script.json: {raised.value}" == told.text.rstrip()


def test_the_case_in_the_notation_is_one_of_the_corpus() -> None:
    (shown, *_) = (b for b in blocks(DOCS / "corpus-notation.md", "text") if "id: " in b.text)
    folder = Path(corpus.__file__).parent / "cases"
    written = "".join(path.read_text("utf-8") for path in folder.glob("*.txt"))
    assert shown.text.removesuffix("...\n") in written


def test_the_readme_leads_to_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = (b for b in blocks(ROOT / "README.md", "python") if "simulated.jsonl" in b.text)
    monkeypatch.chdir(tmp_path)
    execute(block, {"__name__": "call"})
    assert CliRunner().invoke(app, ["check", "simulated.jsonl"]).exit_code == 0
    assert CliRunner().invoke(app, ["report", "simulated.jsonl"]).exit_code == 0
    assert "turn_1" in Path("simulated.html").read_text("utf-8")
