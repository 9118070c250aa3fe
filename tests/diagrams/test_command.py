"""``realtime-fsm diagrams``: what it writes, what it refuses, when it fails."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from realtime_fsm import diagrams
from realtime_fsm.cli import app


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["diagrams", *arguments])


def test_without_options_it_writes_no_file(tmp_path: Path) -> None:
    assert run().stdout == diagrams.mermaid()
    assert not list(tmp_path.iterdir())


def test_a_folder_gets_every_file(tmp_path: Path) -> None:
    assert run("--output", "diagrams").exit_code == 0
    written = {p.name: p.read_text("utf-8") for p in (tmp_path / "diagrams").iterdir()}
    assert written == diagrams.files()


def test_check_names_each_stale_file(tmp_path: Path) -> None:
    assert run("--output", "pictures").exit_code == 0
    assert run("--output", "pictures", "--check").exit_code == 0
    (tmp_path / "pictures" / "turn.svg").unlink()
    text = diagrams.files()["turn.md"]
    (tmp_path / "pictures" / "turn.md").write_bytes(text.replace("\n", "\r\n").encode())
    done = run("--output", "pictures", "--check")
    assert done.exit_code == 1
    assert done.stderr.splitlines() == [
        f"{Path('pictures') / name} is stale: run realtime-fsm diagrams --output pictures"
        for name in ("turn.svg", "turn.md")
    ]
    assert not (tmp_path / "pictures" / "turn.svg").exists()


def test_one_picture_goes_to_standard_output() -> None:
    assert run("--view", "overview").stdout == diagrams.mermaid(view="overview")
    assert run("--machine", "whole", "--format", "dot").stdout == diagrams.render(
        "whole", format="dot"
    )
    assert run(
        "--view", "state:created", "--format", "svg", "--output", "-"
    ).stdout == diagrams.svg(view="state:created")


def test_one_picture_goes_to_a_file_whose_ending_decides(tmp_path: Path) -> None:
    done = run("--view", "recovery", "--output", "new/slide.svg")
    assert (done.exit_code, done.stdout) == (0, "")
    assert (tmp_path / "new" / "slide.svg").read_text("utf-8") == diagrams.svg(view="recovery")


def test_one_picture_goes_to_a_folder(tmp_path: Path) -> None:
    assert run("--view", "state:done", "--format", "markdown", "--output", "new").exit_code == 0
    text = (tmp_path / "new" / "turn-state-done.md").read_text("utf-8")
    assert text == diagrams.markdown(view="state:done")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--format", "png"), "format is 'png', expected one of mermaid, dot, svg, markdown"),
        (("--view", "state:napping"), "state is 'napping', expected one of REQUESTED"),
        (("--view", "upside"), "view is 'upside', expected one of all, overview"),
        (
            ("--machine", "lift"),
            "machine is 'lift', expected one of turn, response, playback, delegation, client, whole",
        ),
        (("--check", "--view", "all"), "check is True, expected no other option"),
        (("--diff", "HEAD", "--view", "all"), "view is 'all', expected none"),
        (("--diff", "HEAD", "--check"), "check is True, expected not together with --diff"),
        (("--diff", "HEAD", "--format", "dot"), "format is 'dot', expected one of markdown"),
        (("--diff", "HEAD"), "expected one within a git checkout"),
    ],
)
def test_a_wrong_option_is_named(
    arguments: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    done = run(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not done.stdout
