"""The command line: parses options, and calls what does the work."""

from __future__ import annotations

from typing import Annotated

import typer

from .._output import CarefulGroup
from .._version import __version__
from .calls import demo, explore, run, scenarios, serve, simulate
from .known import conform, diagrams
from .recorded import case, check, report, watch

__all__ = ["app", "main"]

app = typer.Typer(
    name="realtime-fsm",
    cls=CarefulGroup,
    help="Response turns of realtime voice models as explicit state machines.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"realtime-fsm {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    pass


# In the order of --help.
for command in (
    *(demo, watch, diagrams, simulate, check, report),
    *(case, explore, scenarios, conform, serve, run),
):
    app.command()(command)


def main() -> None:
    """Entry point of ``realtime-fsm``."""
    app(prog_name="realtime-fsm")
