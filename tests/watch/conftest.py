"""A place for hubs of the tests, and calls to show there."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from realtime_fsm.testing import run_virtual

from ..trace.calls import everything


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of the tests' own. The path of a socket has to be short."""
    path = Path(tempfile.mkdtemp(prefix="rf"))
    monkeypatch.setenv("REALTIME_FSM_WATCH_DIR", str(path))
    monkeypatch.delenv("REALTIME_FSM_WATCH", raising=False)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("watch") / "controlled.jsonl"
    run_virtual(lambda: everything(path, controlled=True))
    return path
