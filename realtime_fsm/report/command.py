"""What ``realtime-fsm report`` does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from urllib.parse import quote

from .._collector import seldom_collected
from .._input import CommandError, InputError, StoppedError
from .._output import say, to_file
from .._spread import WorkersGoneError, spread
from .._workers import Processes, available_cores
from ..trace.pieces import Piece, opened_piece, pieces
from ..trace.source import cannot_be_read, check_readable, name_of, opened
from ._collect import collect, collect_each, holds_many
from ._index import Entry, entry_of, index
from ._page import Group, page
from ._story import Side

__all__ = ["run"]

#: Bytes of a file from which on it is worth starting processes.
_MUCH = 20_000_000
_KINDS = ("*.jsonl", "*.log")  # what may be a trace in a folder


def run(trace: Path, output: Path | None) -> int:
    """Write the page of a trace; of a folder, or of a file of many calls, one of each and an index."""
    with seldom_collected():
        if trace.is_dir():
            return _folder(trace, output)
        if _many(trace) and str(output) != "-":
            return _day(trace, output)
        _one(trace, output)
    return 0


def _many(trace: Path) -> bool:
    """Whether there are too many calls in a file for a page. Of standard input nobody can tell."""
    if str(trace) == "-":
        return False
    check_readable(trace)
    with opened(trace) as file:
        return holds_many(file)


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
    entries: list[Entry] = []
    for trace in found:
        name = trace.relative_to(folder)
        entries += _pages(trace, str(name), target, name.with_name(name.name + ".html"))
    target.mkdir(parents=True, exist_ok=True)
    to_file(target / "index.html", index(f"Calls in {folder.name or folder}", entries))
    say(str(target / "index.html"))
    return 0 if any(each.link for each in entries) else 2


def _day(trace: Path, output: Path | None) -> int:
    """Write a page of each call of a file, and their index, which is *output*, or in it if that is a
    folder or has no ending. Returns the exit code."""
    output = _beside(trace, output)
    if output.is_dir() or not output.suffix:
        output, pages = output / "index.html", Path()
    else:
        pages = Path(output.stem)
    target = output.parent
    if (target / pages).is_file():
        raise InputError("--output", str(output), f"a name whose {target / pages} is no file")
    entries = list(_pages(trace, trace.name, target, pages / "call.html"))
    if to_file(output, index(f"Calls in {trace.name}", entries)):
        say(str(output))
    return 0 if any(each.link and not each.problem for each in entries) else 2


def _pages(trace: Path, name: str, target: Path, page_name: Path) -> Iterator[Entry]:
    """Write the page of a file under *target*, or of each of its calls if they are many, with a number
    behind the page's name; yield what the index tells of each, and tell what could not be read."""
    write = partial(_written, name=name, target=target, page_name=page_name)
    for entry in _written_by_all(trace, write) if _large(trace) else write(Piece(trace)):
        if entry.problem:
            say(f"{entry.name}: {entry.problem}", err=True)
        yield entry


def _large(trace: Path) -> bool:
    """Whether it is worth starting processes."""
    return available_cores() > 1 and trace.stat().st_size >= _MUCH


def _written_by_all(trace: Path, write: Callable[[Piece], list[Entry]]) -> Iterator[Entry]:
    found: dict[Piece, list[Entry]] = {}
    parts = pieces(trace)
    try:
        found.update(spread(write, parts, Processes(min(available_cores(), len(parts)))))
    except WorkersGoneError as error:
        raise StoppedError(
            f"{error}. The pages of {len(found)} of {len(parts)} pieces are there."
        ) from None
    return (entry for part in parts for entry in found[part])


def _written(piece: Piece, *, name: str, target: Path, page_name: Path) -> list[Entry]:
    """Write the pages of a piece; return what the index tells of them."""
    with seldom_collected():  # in a process of its own, too
        return list(_written_pages(piece, name, target, page_name))


def _written_pages(piece: Piece, name: str, target: Path, page_name: Path) -> Iterator[Entry]:
    for side, problem in _read(piece, name):
        side.file = name
        link = None
        if side.lines:
            number = f"-{side.first}" if side.label != name else ""
            link = page_name.with_name(f"{page_name.stem}{number}.html")
            (target / link).parent.mkdir(parents=True, exist_ok=True)
            to_file(target / link, page(side.label, [Group(side.label, [side])]))
        yield entry_of(side, "" if link is None else quote(link.as_posix()), problem)


def _read(piece: Piece, name: str) -> Iterator[tuple[Side, str]]:
    """What a file tells, call by call if they are many, and why nothing of it could be read or judged."""
    whole = piece == Piece(piece.path)
    try:
        with opened(piece.path) as file:
            many = not whole or holds_many(file)
        with opened_piece(piece) as file:
            sides = collect_each(file, name, before=piece.before, calls=piece.calls)
            for side in sides if many else [collect(file, name)]:
                yield side, _problem(side)
    except OSError as error:
        yield Side(name), cannot_be_read(error)


def _problem(side: Side) -> str:
    if side.judged:
        return ""
    told = next(iter(side.notes), "")
    if not side.lines:
        return f"nothing could be read{f': {told}' if told else ''}"
    return f"nothing could be judged: {next(iter(side.not_judged.values()))}"


def _beside(trace: Path, output: Path | None) -> Path:
    """Where the page goes. Raises `InputError` if it would replace the trace."""
    output = output or (Path("report.html") if str(trace) == "-" else trace.with_suffix(".html"))
    if output.exists() and trace.exists() and output.samefile(trace):
        raise InputError("--output", str(output), "another file than the trace itself")
    return output


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
    output = _beside(trace, output)
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
