"""Calls of the tests of traces, recorded once, and a browser where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_fsm.testing import run_virtual

from ..trace.calls import everything
from .browser import CHROMIUM

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium or google-chrome on the path to open the page with"
)


@pytest.fixture(scope="session")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "controlled.jsonl"
    run_virtual(lambda: everything(path, controlled=True))
    return path


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("report") / "plain.jsonl"
    run_virtual(lambda: everything(path, controlled=False))
    return path
