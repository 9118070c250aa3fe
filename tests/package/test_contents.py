"""Wheel and sdist hold what they have to; `make package` installs and runs them, too."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

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
