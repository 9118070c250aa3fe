"""What ``realtime-fsm report`` does."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

from .._input import CommandError, InputError
from .._output import say, to_file
from ..trace.source import cannot_be_read, check_readable, name_of, opened
from ._collect import collect
from ._index import entry_of, index
from ._page import Group, page
from ._story import Side

__all__ = ["run"]

_KINDS = ("*.jsonl", "*.log")  # what may be a trace in a folder


def run(trace: Path, output: Path | None) -> int:
    """Write the page of a trace, or, of a folder, one of each trace in it and an index."""
    if trace.is_dir():
        return _folder(trace, output)
    _one(trace, output)
    return 0


def _folder(folder: Path, output: Path | None) -> int:
    """Write the pages of a folder's traces and their index; tell which could not be read.

    Args:
        folder: of traces and logs, in folders as well.
        output: a folder for the pages; by default they are beside the traces.

    Returns:
        The exit code: 2 when nothing could be read.

    Raises:
        OSError: A page cannot be written.
        CommandError: There is no trace in it.
        InputError: *output* is a file.
    """
    target = output or folder
    if target.exists() and not target.is_dir():
        raise InputError("--output", str(target), "a folder for the pages of a folder")
    found = sorted(each for kind in _KINDS for each in folder.rglob(kind) if each.is_file())
    if not found:
        raise CommandError(
            f"there is no trace in {folder}: no file is called {' or '.join(_KINDS)}"
        )
    entries = []
    for trace in found:
        name = trace.relative_to(folder)
        side, problem = _read(trace, str(name))
        side.file = str(name)
        link = name.with_name(name.name + ".html") if side.lines else None
        if link is not None:
            (target / link).parent.mkdir(parents=True, exist_ok=True)
            to_file(target / link, page(side.label, [Group(side.label, [side])]))
        if problem:
            say(f"{name}: {problem}", err=True)
        entries.append(entry_of(side, "" if link is None else quote(link.as_posix()), problem))
    target.mkdir(parents=True, exist_ok=True)
    to_file(target / "index.html", index(f"Calls in {folder.name or folder}", entries))
    say(str(target / "index.html"))
    return 0 if any(each.link for each in entries) else 2


def _read(trace: Path, name: str) -> tuple[Side, str]:
    """What a file tells, and why nothing of it could be read or judged."""
    try:
        with opened(trace) as file:
            side = collect(file, name)
    except OSError as error:
        return Side(name), cannot_be_read(error)
    if side.judged:
        return side, ""
    told = next(iter(side.notes), "")
    if not side.lines:
        return side, f"nothing could be read{f': {told}' if told else ''}"
    return side, f"nothing could be judged: {next(iter(side.not_judged.values()))}"


def _one(trace: Path, output: Path | None) -> None:
    """Write the page of a trace, ``-`` for standard input; tell where to, and what could not be read.

    Args:
        trace: a trace, or a log of raw events.
        output: the page; by default beside the trace, with the ending ``.html``.

    Raises:
        OSError: The page cannot be written.
        InputError: It would replace the trace.
        CommandError: Nothing could be read, and nothing was written, or nothing of what was read
            could be judged.
    """
    output = output or (Path("report.html") if str(trace) == "-" else trace.with_suffix(".html"))
    if output.exists() and trace.exists() and output.samefile(trace):
        raise InputError("--output", str(output), "another file than the trace itself")
    check_readable(trace)
    with opened(trace) as file:
        side = collect(file, "standard input" if str(trace) == "-" else trace.name)
    side.file = "" if str(trace) == "-" else trace.name
    if not side.lines:
        raise CommandError(f"{name_of(trace)}: nothing could be read: {side.notes[0]}")
    if to_file(output, page(side.label, [Group(side.label, [side])])):
        say(str(output))
    for note in side.notes:
        say(note, err=True)
    if not side.judged:
        why = next(iter(side.not_judged.values()))
        raise CommandError(f"{name_of(trace)}: nothing could be judged: {why}")
