"""The tables as Mermaid, DOT, SVG and Markdown. How to use it: ``docs/diagrams.md``."""

from __future__ import annotations

from ._diff import Comparison, diff
from ._files import FORMATS, MACHINES, file_name, files, format_of, render, stale, write
from ._views import VIEWS

__all__ = [
    "FORMATS",
    "MACHINES",
    "VIEWS",
    "Comparison",
    "diff",
    "file_name",
    "files",
    "format_of",
    "markdown",
    "mermaid",
    "render",
    "stale",
    "svg",
    "write",
]


def mermaid(machine: str = "turn", view: str = "all") -> str:
    """A Mermaid diagram; see `render`."""
    return render(machine, view, "mermaid")


def markdown(machine: str = "turn", view: str = "all") -> str:
    """The rules as a Markdown table; see `render`."""
    return render(machine, view, "markdown")


def svg(machine: str = "turn", view: str = "all") -> str:
    """A picture; see `render`."""
    return render(machine, view, "svg")
