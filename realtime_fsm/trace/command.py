"""What ``realtime-fsm check`` does."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from .check import Report, check
from .reader import Issue
from .show import show

__all__ = ["run"]


def run(paths: Sequence[Path], *, only: str = "", as_json: bool = False) -> int:
    """Judge the files, ``-`` for standard input; print the verdicts and return the exit code.

    Raises:
        ValueError: *only* names what cannot be judged.
    """
    ids = [each.strip().upper() for each in only.split(",") if each.strip()]
    reports = [_check(path, ids) for path in paths]
    if as_json:
        found = [report.as_json() for report in reports]
        sys.stdout.write(json.dumps({"version": 1, "files": found}, indent=2, default=str) + "\n")
    else:
        show(reports)
    codes = {report.exit_code for report in reports}
    return 1 if 1 in codes else 2 if 2 in codes else 0


def _check(path: Path, only: Sequence[str]) -> Report:
    if str(path) == "-":
        return check(sys.stdin.buffer, source="standard input", only=only)
    try:
        with path.open("rb") as file:
            return check(file, source=str(path), only=only)
    except OSError as error:
        text = f"cannot be opened: {error.strerror or error}"
        return Report(str(path), issues=[Issue(0, text)], unreadable=1)
