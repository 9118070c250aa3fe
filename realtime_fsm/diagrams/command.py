"""What ``realtime-fsm diagrams`` does."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from .._input import InputError
from .._output import to_file
from ._diff import Comparison, diff
from ._files import FORMATS, file_name, format_of, render, stale, write

#: Where the checked-in files stand, for ``--check``.
FOLDER = Path("diagrams")


@dataclass(frozen=True)
class Request:
    """The options, as given; None: not given."""

    machine: str = "turn"
    view: str | None = None
    format: str | None = None
    output: str | None = None
    check: bool = False
    diff: str | None = None


def run(request: Request, *, write: Callable[[str], None], warn: Callable[[str], None]) -> bool:
    """Do it. ``write`` and ``warn`` take lines. Returns False if a file is stale.

    Raises:
        InputError: An option is wrong.
        OSError: A file cannot be written.
    """
    if request.format is not None and request.format not in FORMATS:
        raise InputError("format", request.format, f"one of {', '.join(FORMATS)}")
    if request.output is not None and request.output != "-":
        _check_output(Path(request.output))
    if request.diff is not None:
        _check_diff(request)
        _diff(request, diff(request.diff, request.machine, Path.cwd()), write, warn)
        return True
    one = request.view is not None or request.format is not None or request.machine != "turn"
    to_file = (
        request.output not in (None, "-") and format_of(Path(request.output or "")) is not None
    )
    if one or to_file or (request.output in (None, "-") and not request.check):
        if request.check:
            raise InputError("check", True, "no other option than --output")
        _one(request, write, warn)
        return True
    return _all(Path(request.output or FOLDER), request.check, warn)


def _check_output(path: Path) -> None:
    if path.suffix and format_of(path) is None and not path.is_dir():
        endings = "a folder, or a file that ends in .svg, .md, .mmd, .dot, .scxml or .json"
        raise InputError("--output", str(path), endings)


def _all(folder: Path, check: bool, warn: Callable[[str], None]) -> bool:
    if not check:
        write(folder)
        return True
    names = stale(folder)
    for name in names:
        warn(f"{folder / name} is stale: run realtime-fsm diagrams --output {folder}")
    return not names


def _one(request: Request, out: Callable[[str], None], warn: Callable[[str], None]) -> None:
    target = None if request.output in (None, "-") else Path(request.output or "")
    kind = request.format or (target and format_of(target)) or "mermaid"
    name = request.view or "all"
    text = render(request.machine, name, kind)
    if target is None:
        out(text.rstrip("\n"))
        return
    if format_of(target) is None:
        target = target / file_name(request.machine, name, kind)
    _save(target, text, warn)


_ENDINGS = {"markdown": "md", "mermaid": "mmd", "svg": "svg"}


def _check_diff(request: Request) -> None:
    if request.view is not None:
        raise InputError("view", request.view, "none, together with --diff")
    if request.check:
        raise InputError("check", True, "not together with --diff")
    kind = request.format or format_of(Path(request.output or ""))
    if kind is not None and kind not in _ENDINGS:
        expected = f"one of {', '.join(_ENDINGS)}, together with --diff"
        raise InputError("format", kind, expected)


def _diff(
    request: Request,
    found: Comparison,
    out: Callable[[str], None],
    warn: Callable[[str], None],
) -> None:
    """One format to standard output or a file; into a folder all of them, and the Markdown to
    standard output too."""
    writers = {"markdown": found.markdown, "mermaid": found.mermaid, "svg": found.svg}
    if request.output in (None, "-"):
        out(writers[request.format or "markdown"]().rstrip("\n"))
        return
    target = Path(request.output or "")
    ending = format_of(target)
    if ending is not None:
        _save(target, writers[request.format or ending](), warn)
        return
    for kind in (request.format,) if request.format else writers:
        _save(target / f"{request.machine}-diff.{_ENDINGS[kind]}", writers[kind](), warn)
    if request.format is None:
        out(found.markdown().rstrip("\n"))


def _save(path: Path, text: str, warn: Callable[[str], None]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    to_file(path, text)
    warn(f"Written: {path}")
