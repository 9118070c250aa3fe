"""What ``realtime-fsm report`` does."""

from __future__ import annotations

from pathlib import Path

from .._output import UnwritableError, say
from ..trace.source import cannot_be_read, name_of, opened
from ._collect import collect
from ._page import Group, page
from ._story import Side

__all__ = ["run"]


def run(trace: Path, output: Path | None) -> int:
    """Write the page of a trace, ``-`` for standard input; tell where to, and what could not be read.

    Args:
        trace: a trace, or a log of raw events.
        output: the page; by default beside the trace, with the ending ``.html``.

    Returns:
        The exit code: 2 when nothing could be read, and nothing was written, or nothing of what
        was read could be judged.

    Raises:
        OSError: The page cannot be written.
        ValueError: It would replace the trace.
    """
    output = output or (Path("report.html") if str(trace) == "-" else trace.with_suffix(".html"))
    if output.exists() and trace.exists() and output.samefile(trace):
        raise ValueError(f"output is {output}, which is the trace itself")
    try:
        with opened(trace) as file:
            side = collect(file, "standard input" if str(trace) == "-" else trace.name)
    except OSError as error:
        side = Side(trace.name, notes=[cannot_be_read(error)])
    if side.lines:
        _write(output, page(side.label, [Group(side.label, [side])]))
        say(str(output))
    for note in side.notes:
        say(note, err=True)
    if side.judged:
        return 0
    what = "read"
    if side.lines:
        what = f"judged: {next(iter(side.not_judged.values()))}"
    say(f"realtime-fsm: {name_of(trace)}: nothing could be {what}", err=True)
    return 2


def _write(output: Path, html: str) -> None:
    """Write the page, or leave none: half a page looks like a whole one."""
    try:
        with output.open("w", encoding="utf-8", newline="\n") as file:
            opened_it = output.is_file()
            try:
                file.write(html)
                file.flush()
            except OSError:
                if opened_it:
                    output.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise UnwritableError(error.errno, error.strerror, str(output)) from None
