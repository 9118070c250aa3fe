"""The command line: parses options, and calls what does the work."""

from __future__ import annotations

import importlib
import json
from pathlib import Path
from typing import Annotated

import typer

from ._version import __version__

__all__ = ["app", "main"]

app = typer.Typer(
    name="realtime-fsm",
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


@app.command()
def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the measured figures as one JSON object.")
    ] = False,
) -> None:
    """Four short calls, with plain LiveKit and controlled, side by side. Takes half a minute."""
    try:
        importlib.import_module("livekit.plugins.openai")
    except ModuleNotFoundError:
        typer.echo('The demo needs the OpenAI plugin: pip install "realtime-fsm[openai]"', err=True)
        raise typer.Exit(1) from None
    from .demo.tour import show_tour, tour

    if as_json:
        typer.echo(json.dumps(tour(), indent=2))
    else:
        show_tour()


@app.command()
def diagrams(
    folder: Annotated[Path, typer.Option(help="Where the files stand.")] = Path("diagrams"),
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")
    ] = False,
) -> None:
    """Write the state diagram and the table of rules, generated from the table itself."""
    from . import diagrams as generated

    if not check:
        generated.write(folder)
        return
    stale = generated.stale(folder)
    for name in stale:
        typer.echo(f"{folder / name} is stale: run realtime-fsm diagrams", err=True)
    if stale:
        raise typer.Exit(1)


def main() -> None:
    """Entry point of ``realtime-fsm``."""
    app()
