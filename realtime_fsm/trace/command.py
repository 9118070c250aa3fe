"""What ``realtime-fsm check`` does."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import typer

from .._output import say
from .check import Report, check
from .reader import Issue
from .show import notes, show
from .source import cannot_be_read, name_of, opened

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
        typer.echo(json.dumps({"version": 1, "files": found}, indent=2, default=str))
    else:
        show(reports)
    for report in reports:
        if report.exit_code == 2:
            why = next(iter(notes(report)), "nothing could be judged")
            say(f"realtime-fsm: {report.source}: {why}", err=True)
    codes = {report.exit_code for report in reports}
    return 1 if 1 in codes else 2 if 2 in codes else 0


def _check(path: Path, only: Sequence[str]) -> Report:
    name = name_of(path)
    try:
        with opened(path) as file:
            return check(file, source=name, only=only)
    except OSError as error:
        return Report(name, issues=[Issue(0, cannot_be_read(error))], unreadable=1)
