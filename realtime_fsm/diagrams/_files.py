"""The generated files: which there are, whether they are fresh."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .._input import InputError
from . import _dot, _markdown, _mermaid, _statechart, _svg
from ._model import CHARTS
from ._views import Picture, view

#: A format: what writes a picture, what writes the whole, and the ending of its files.
_Format = tuple[Callable[[Picture], str], Callable[[], str], str]
_FORMATS: dict[str, _Format] = {
    "mermaid": (_mermaid.mermaid, _mermaid.whole, "mmd"),
    "dot": (_dot.dot, _dot.whole, "dot"),
    "svg": (_svg.svg, _svg.whole, "svg"),
    "markdown": (_markdown.markdown, _markdown.whole, "md"),
}
#: For tools that run a machine: the whole table or nothing. What writes it, and the ending.
_MACHINE_FORMATS: dict[str, tuple[Callable[[Picture], str], str]] = {
    "scxml": (_statechart.scxml, "scxml"),
    "xstate": (_statechart.xstate, "json"),
}
FORMATS = (*_FORMATS, *_MACHINE_FORMATS)
_ENDINGS = {name: each[-1] for name, each in (*_FORMATS.items(), *_MACHINE_FORMATS.items())}
#: What can be drawn: the machines with a table, and how they hang together.
MACHINES = (*CHARTS, "whole")


def render(machine: str = "turn", view_name: str = "all", format: str = "mermaid") -> str:
    """One picture as text.

    Args:
        machine: One of `MACHINES`.
        view_name: One of `VIEWS`; the whole has only ``all``.
        format: One of `FORMATS`.

    Raises:
        InputError: There is no such machine, view, state, format, file or turn.
    """
    if format not in FORMATS:
        raise InputError("format", format, f"one of {', '.join(FORMATS)}")
    if format in _MACHINE_FORMATS:
        return _machine(machine, view_name, format)
    draw, draw_whole, _ = _FORMATS[format]
    if machine == "whole":
        if view_name != "all":
            raise InputError("view", view_name, "all, for the whole")
        return draw_whole()
    if machine not in CHARTS:
        raise InputError("machine", machine, f"one of {', '.join(MACHINES)}")
    return draw(view(CHARTS[machine], view_name))


def _machine(machine: str, view_name: str, format: str) -> str:
    if machine not in CHARTS:
        expected = f"one of {', '.join(CHARTS)}, as {format}"
        raise InputError("machine", machine, expected)
    if view_name != "all":
        raise InputError("view", view_name, f"all, as {format}")
    return _MACHINE_FORMATS[format][0](view(CHARTS[machine]))


def file_name(machine: str, view_name: str, format: str) -> str:
    """What a picture's file is called within a folder. For arguments that `render` took."""
    ending = _ENDINGS[format]
    if machine == "whole":
        return f"whole.{ending}"
    return f"{view(CHARTS[machine], view_name).name}.{ending}"


def format_of(path: Path) -> str | None:
    """The format that a file's ending means, if it means one."""
    return next((f for f, ending in _ENDINGS.items() if path.suffix == f".{ending}"), None)


def files() -> dict[str, str]:
    """Every file of ``diagrams/``, by name, as it must be: the pictures and tables that the pages show."""
    wanted = [(machine, "all", "svg") for machine in MACHINES]
    wanted += [(machine, "all", "markdown") for machine in CHARTS]
    wanted += [("turn", "overview", "svg"), ("turn", "recovery", "svg")]
    out = {file_name(*w): render(*w) for w in wanted}
    out["turn-overview-narrow.svg"] = _svg.svg(view(CHARTS["turn"], "overview"), narrow=True)
    return out


def stale(folder: Path) -> list[str]:
    """Names of the files in ``folder`` that are missing or differ from the table."""
    return [name for name, text in files().items() if _read(folder / name) != text.encode()]


def _read(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def write(folder: Path) -> None:
    """Write every generated file into ``folder``, which is made if needed."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files().items():
        (folder / name).write_bytes(text.encode())
