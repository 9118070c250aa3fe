"""What ``realtime-fsm report`` does."""

from __future__ import annotations

import sys
from pathlib import Path

from ._collect import collect
from ._page import Group, page
from ._story import Side

__all__ = ["run"]


def run(trace: Path, output: Path | None) -> tuple[Path, Side]:
    """Write the page of a trace, ``-`` for standard input; return where to, and what is in it.

    Args:
        trace: a trace, or a log of raw events.
        output: the page; by default beside the trace, with the ending ``.html``.

    Raises:
        OSError: One of the two cannot be opened.
        ValueError: The page would replace the trace.
    """
    if str(trace) == "-":
        output = output or Path("report.html")
        side = collect(sys.stdin.buffer, "standard input")
    else:
        output = output or trace.with_suffix(".html")
        if output.exists() and output.samefile(trace):
            raise ValueError(f"output is {output}, which is the trace itself")
        with trace.open("rb") as file:
            side = collect(file, trace.name)
    output.write_text(page(side.label, [Group(side.label, [side])]), "utf-8", newline="\n")
    return output, side
