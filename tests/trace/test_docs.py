"""What docs/trace.md prints runs, and what its tables say is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.trace import RULES, UNSEEN

from ..docs.blocks import ROOT, blocks, execute

PAGE = ROOT / "docs" / "trace.md"
TEXT = PAGE.read_text("utf-8")


def lines_of(path: str) -> list[str]:
    return Path(path).read_text("utf-8").splitlines()


def plant(clean: Path) -> None:
    """Let each turn of the clean call end twice."""
    lines = [each for each in lines_of(str(clean)) for _ in range(1 + ('"ended"' in each))]
    Path("call.jsonl").write_text("\n".join(lines), "utf-8")


async def test_the_printed_code_runs(
    tmp_path: Path,
    clean_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.chdir(tmp_path)
    recording, auditing = blocks(PAGE, "python")
    names: dict[str, Any] = {}
    execute(recording, names)
    names["recorder"].close()
    header, _ = lines_of("call.jsonl")
    assert json.loads(header)["mode"] == "plain"
    plant(clean_path)
    execute(auditing, {})
    assert "G7 turn turn_1 ended twice" in capsys.readouterr().out


def test_the_table_of_what_is_judged() -> None:
    rows = re.findall(r"^\| (G\d+) \| .* \| ([^|]+) \|$", TEXT, re.MULTILINE)
    told = {
        id_: tuple(each.replace(" or ", "|") for each in needs.split(", ")) for id_, needs in rows
    }
    assert told == {rule.id: rule.needs for rule in RULES}
    assert set(re.findall(r"G\d+", TEXT.split("\nG14, G21")[1].split("\n")[0])) | {
        "G14",
        "G21",
    } >= set(UNSEEN)


def test_the_format_has_every_kind_of_line(clean: list[dict[str, Any]]) -> None:
    for line in clean[1:]:
        if line["by"] not in ("server", "client"):
            assert f"`{line['type']}`" in TEXT
            for name in line:
                assert f"`{name}`" in TEXT, name
    for name in clean[0]:
        assert f"`{name}`" in TEXT, name
