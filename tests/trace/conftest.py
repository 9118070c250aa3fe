"""One clean call, recorded once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm.testing import run_virtual

from .calls import everything


@pytest.fixture(scope="session")
def clean_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trace") / "clean.jsonl"
    run_virtual(lambda: everything(path, controlled=True))
    return path


@pytest.fixture
def clean(clean_path: Path) -> list[dict[str, Any]]:
    """Its lines; the header is the first."""
    return [json.loads(line) for line in clean_path.read_text("utf-8").splitlines()]
