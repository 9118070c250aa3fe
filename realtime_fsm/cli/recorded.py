"""Calls that were recorded, or run now: watched, judged, drawn, made into tests."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._common import need_openai

__all__ = ["case", "check", "report", "watch"]


def watch(
    traces: Annotated[
        list[Path] | None,
        typer.Argument(help="Traces to show as a film, side by side; by default what runs."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Of a film, in times real time.")] = 1.0,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of a film's page; by default 8774 or any.")
    ] = None,
) -> None:
    """Where the page of the calls is that run now and are watched; or recorded calls as a film.

    realtime-fsm watch

    realtime-fsm watch calls/17.jsonl --speed 4
    """
    from ..watch import command

    command.run(traces or [], speed=speed, port=port)


def check(
    traces: Annotated[
        list[Path], typer.Argument(help="Traces, or logs of raw events; - is standard input.")
    ],
    only: Annotated[
        str, typer.Option(metavar="IDS", help="Judge these guarantees alone, such as G1,G5.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    jobs: Annotated[
        int | None,
        typer.Option(help="How many processes; by default one a core, if there is much."),
    ] = None,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Judge them on the Dask cluster whose scheduler is there."
        ),
    ] = None,
) -> None:
    """Which guarantees a recorded call broke. Exit status 1: some; 2: nothing could be judged; 3: the
    workers went away.

    realtime-fsm check traces/*.jsonl

    realtime-fsm check --only G1,G5 call.jsonl
    """
    from ..trace import command

    code = command.run(traces, only=only, as_json=as_json, jobs=jobs, dask=dask)
    if code:
        raise typer.Exit(code)


def report(
    trace: Annotated[
        Path,
        typer.Argument(help="A trace, a log of raw events, or a folder of them; - is stdin."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR", help="By default the trace's name, and .html; in the folder."
        ),
    ] = None,
) -> None:
    """A recorded call as one HTML page, many as an index. Exit status 2: nothing could be read or judged.

    realtime-fsm report call.jsonl

    realtime-fsm report traces --output pages
    """
    from ..report import command

    code = command.run(trace, output)
    if code:
        raise typer.Exit(code)


def case(
    trace: Annotated[Path, typer.Argument(help="A trace, or a log of raw events; - is stdin.")],
    turn: Annotated[
        str | None,
        typer.Option(
            metavar="N|ID", help="Its number, or an id of it; by default the first in trouble."
        ),
    ] = None,
    call: Annotated[int, typer.Option(metavar="N", help="Which call of the file.")] = 1,
    rule: Annotated[
        str, typer.Option(metavar="ID", help="The breach of that guarantee alone, such as G18.")
    ] = "",
    pytest: Annotated[
        bool, typer.Option("--pytest", help="A test of the kit, for your own agent.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(metavar="FILE", help="By default it is printed.")
    ] = None,
) -> None:
    """A turn of a recorded call as a test. Exit status 1: none can be made, and why.

    realtime-fsm case call.jsonl

    realtime-fsm case call.jsonl --turn 3 --pytest --output test_turn.py
    """
    from ..trace.source import check_readable

    check_readable(trace)
    need_openai()
    from ..case import command

    code = command.run(command.Request(trace, turn, call, rule, pytest, output))
    if code:
        raise typer.Exit(code)
