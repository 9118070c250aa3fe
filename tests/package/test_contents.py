"""Wheel and sdist hold what they have to; `make package` installs and runs them, too."""

from __future__ import annotations

import re
import subprocess
import sys
from email import message_from_string
from email.message import Message
from pathlib import Path

import pytest

import realtime_fsm

from .contents import ROOT, problems, sdist_names, wheel_names


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Both, built without a network."""
    pytest.importorskip("build", reason="the dev group is not installed")
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "-q", "--no-isolation", "--outdir", str(out), str(ROOT)],
        check=True,
        capture_output=True,
    )
    return out


def names(dist: Path) -> tuple[set[str], set[str]]:
    (wheel,), (sdist,) = dist.glob("*.whl"), dist.glob("*.tar.gz")
    return wheel_names(wheel), sdist_names(sdist)


def test_wheel_and_sdist_are_complete(dist: Path) -> None:
    assert problems(*names(dist)) == []


def test_the_wheel_has_types_cases_and_an_entry_for_pytest(dist: Path) -> None:
    wheel, _ = names(dist)
    assert "realtime_fsm/py.typed" in wheel
    assert sum(name.startswith("realtime_fsm/testing/corpus/cases/") for name in wheel) > 5
    assert any(name.endswith("entry_points.txt") for name in wheel)


def test_what_is_missing_is_named(dist: Path) -> None:
    wheel, sdist = names(dist)
    wrong = problems(wheel - {"realtime_fsm/py.typed"} | {"tests/x.py"}, sdist - {"docs/conf.py"})
    assert wrong == [
        "not in the wheel: realtime_fsm/py.typed",
        "has no business in the wheel: tests/x.py",
        "not in the sdist: docs/conf.py",
    ]


#: Pictures that the README shows; others it links to.
SHOWN = (
    "docs/pictures/demo.svg",
    "diagrams/turn-overview.svg",
    "diagrams/turn-overview-narrow.svg",
)


def metadata(folder: Path, monkeypatch: pytest.MonkeyPatch, repository: str) -> Message:
    """What an index would show."""
    pytest.importorskip("hatchling", reason="the dev group is not installed")
    from hatchling.build import prepare_metadata_for_build_wheel

    monkeypatch.setenv("REPOSITORY", repository)
    monkeypatch.chdir(ROOT)
    info = prepare_metadata_for_build_wheel(str(folder))
    return message_from_string((folder / info / "METADATA").read_text("utf-8"))


def test_a_release_names_its_pages_and_pictures_by_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = "https://code.example/somebody/realtime-fsm"
    page = metadata(tmp_path, monkeypatch, home + "/")
    assert f"Repository, {home}" in page.get_all("Project-URL", [])
    assert len(page.get_all("Project-URL", [])) == 4
    text = re.sub(r"```.*?```", "", str(page.get_payload()), flags=re.S)
    targets = re.findall(r'\]\(([^)]+)\)|src(?:set)?="([^"]+)"', text)
    assert len(targets) > 30
    for target in map("".join, targets):
        assert target.startswith("https://"), target
        if target.startswith(home):
            kind, tag, path = target.removeprefix(home + "/").split("/", 2)
            assert (ROOT / path.partition("#")[0]).is_file()
            assert tag == f"v{realtime_fsm.__version__}"
            shown = path.endswith(".png") or path in SHOWN
            assert kind == ("raw" if shown else "blob")


def test_without_an_address_nothing_is_made_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = metadata(tmp_path, monkeypatch, "")
    assert page.get_all("Project-URL") is None
    assert str(page.get_payload()).strip() == (ROOT / "README.md").read_text("utf-8").strip()


def test_an_address_that_is_none_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ValueError, match="REPOSITORY is 'github'"):
        metadata(tmp_path, monkeypatch, "github")
