"""What the pages print runs: Python is executed, commands exist with their options."""

from __future__ import annotations

import functools
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent
from typer.main import get_command
from typer.testing import CliRunner

from realtime_fsm.cli import app

from .blocks import PAGES, ROOT, Block, blocks, prose, run_page

#: Pages whose Python needs more than a look: who runs it.
ELSEWHERE = {
    "testing.md": "tests/docs/test_testing_page.py",  # as files under pytest
    "trace.md": "tests/trace/test_docs.py",  # with a recorded call
    "watch.md": "tests/watch/test_source.py",  # with a hub
}
WITH_PYTHON = [page for page in PAGES if blocks(page, "python") and page.name not in ELSEWHERE]
#: What a page speaks of and does not define.
GIVEN: dict[str, dict[str, Any]] = {
    "README.md": {"MyAgent": lambda: Agent(instructions=""), "pytest": pytest},
}
#: Commands that are not ours, and not looked at further.
FOREIGN = {"git", "pip", "export", "zcat", "python", "curl", "jq"}


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.name)
def test_printed_python_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.chdir(tmp_path)
    run_page(page, GIVEN.get(page.name))


def test_the_tutorial_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs" / "tutorial.md"
    monkeypatch.chdir(tmp_path)
    run_page(page)
    plain_call, controlled_call, check, *_ = (block.text for block in blocks(page, "text"))
    assert capsys.readouterr().out == plain_call + controlled_call
    for trace, status in (("plain.jsonl", 1), ("controlled.jsonl", 0)):
        done = CliRunner().invoke(app, ["check", trace])
        assert done.exit_code == status
        if status:
            for line in check.replace("  ...\n", "").splitlines():
                assert line in done.output


def test_what_runs_elsewhere_is_there() -> None:
    for page, test in ELSEWHERE.items():
        assert page in (ROOT / test).read_text("utf-8")
        assert blocks(ROOT / "docs" / page, "python")


def test_only_languages_that_are_looked_at() -> None:
    known = {
        "python",
        "sh",
        "console",
        "text",
        "json",
        "toml",
        "yaml",
        "{include}",
        "{toctree}",
        "{eval-rst}",
        "{raw}",
    }
    assert {block.language for page in PAGES for block in blocks(page)} <= known


# --- commands


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))


def commands(block: Block) -> Iterator[list[str]]:
    """The commands of a block: of a console's those behind a ``$``, if there is one at all."""
    lines = block.text.replace("\\\n", " ").splitlines()
    if any(line.startswith("$ ") for line in lines):
        lines = [line[2:] for line in lines if line.startswith("$ ")]
    for line in lines:
        for part in re.split(r"\||&&|;", plain(line)):
            words = shlex.split(part)
            while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                words.pop(0)
            if words:
                yield words


def plain(line: str) -> str:
    return re.sub(r"(^|\s)#\s.*", "", line.replace("'", ""))


def wrong(words: list[str]) -> str | None:
    """What is wrong with a command, or None."""
    name, *rest = words
    if name == "make":
        unknown = [word for word in rest if "=" not in word and word not in targets()]
        return f"no such target: {unknown}" if unknown else None
    if name == "realtime-fsm" or words[:3] == ["python", "-m", "realtime_fsm"]:
        return _wrong_call(rest[2:] if name == "python" else rest)
    if words[:3] == ["python", "-m", "pytest"]:
        gone = [word for word in rest[2:] if "/" in word and not (ROOT / word).exists()]
        return f"no such tests: {gone}" if gone else None
    if name in FOREIGN or (ROOT / name).exists():
        return None
    return f"unknown command: {name}"


@functools.cache
def command_line() -> Any:
    return get_command(app)


def _wrong_call(rest: list[str]) -> str | None:
    group = command_line()
    if not rest or rest[0].startswith("-"):
        command = group
    elif rest[0] == "COMMAND":
        return None
    elif rest[0] not in group.commands:
        return f"no such command: {rest[0]}"
    else:
        command = group.commands[rest[0]]
    known = {name for param in command.params for name in (*param.opts, *param.secondary_opts)}
    given = [word.split("=")[0] for word in rest if re.match(r"--?[a-z]", word)]
    unknown = [word for word in given if word not in known | {"--help"}]
    return f"no such option of {command.name}: {unknown}" if unknown else None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_printed_commands_exist(page: Path) -> None:
    problems = [
        f"{page.name}:{block.line}: {problem}"
        for block in blocks(page, "sh", "console")
        for words in commands(block)
        if (problem := wrong(words))
    ]
    quoted = re.findall(r"`((?:make|realtime-fsm|python -m) [^`\n]+)`", prose(page))
    for text in quoted:
        words = shlex.split(re.sub(r"[][]", "", plain(text)))
        if problem := wrong(words):
            problems.append(f"{page.name}: `{text}`: {problem}")
    assert not problems


def test_the_reference_names_every_command() -> None:
    group = command_line()
    text = (ROOT / "docs" / "reference-cli.md").read_text("utf-8")
    assert [name for name in group.commands if f"| `realtime-fsm {name}` |" not in text] == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("make nothing", "no such target"),
        ("realtime-fsm dmo", "no such command"),
        ("realtime-fsm simulate --call 3", "no such option"),
        ("python -m pytest tests/gone", "no such tests"),
        ("reboot", "unknown command"),
    ],
)
def test_a_command_that_does_not_exist_is_noticed(text: str, says: str) -> None:
    assert says in str(wrong(shlex.split(text)))
