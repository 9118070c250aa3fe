"""What is known without a call: the machines, and which rules a server keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._output import say
from ._common import warn

__all__ = ["conform", "diagrams"]


def diagrams(
    machine: Annotated[
        str, typer.Option(help="turn, response, playback, delegation, client or whole.")
    ] = "turn",
    view: Annotated[
        str | None,
        typer.Option(help="all, overview, recovery, state:NAME, or path:FILE#TURN of a trace."),
    ] = None,
    format: Annotated[
        str | None,
        typer.Option(help="mermaid, dot, svg, markdown, scxml or xstate; else the file's ending."),
    ] = None,
    output: Annotated[
        str | None, typer.Option(metavar="DIR|FILE|-", help="Where to; - is standard output.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail if a file is stale.")
    ] = False,
    diff: Annotated[
        str | None,
        typer.Option(metavar="REV", help="What changed since a git revision, for a review."),
    ] = None,
) -> None:
    """The machines as diagrams and tables, from their tables. Without options: the turn's, as Mermaid.

    realtime-fsm diagrams --view overview --output turn.svg

    realtime-fsm diagrams --output diagrams
    """
    from ..diagrams import command

    request = command.Request(machine, view, format, output, check=check, diff=diff)
    if not command.run(request, write=typer.echo, warn=warn):
        raise typer.Exit(1)


def conform(
    target: Annotated[
        str,
        typer.Argument(metavar="URL", help="wss://..., an https:// base, or a saved result."),
    ],
    key_env: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The environment variable that holds the key."),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Goes into the URL.")] = None,
    header: Annotated[
        list[str] | None, typer.Option(metavar="'NAME: VALUE'", help="Sent with each handshake.")
    ] = None,
    dialect: Annotated[
        str | None, typer.Option(metavar="ga|beta", help="By default what the server speaks.")
    ] = None,
    only: Annotated[str, typer.Option(metavar="IDS", help="Rules, such as metadata,pong.")] = "",
    directed: Annotated[
        bool,
        typer.Option(
            "--directed", help="The server takes stage directions, as the simulator does."
        ),
    ] = False,
    expiry: Annotated[
        float, typer.Option(min=0, metavar="SECONDS", help="Wait so long for a session to expire.")
    ] = 0.0,
    mcp: Annotated[
        str | None,
        typer.Option(metavar="URL", help="An MCP server that it can reach, to call a tool of."),
    ] = None,
    patience: Annotated[
        float, typer.Option(min=0.1, max=600, metavar="SECONDS", help="For one answer.")
    ] = 10.0,
    minutes: Annotated[float, typer.Option(min=0.1, max=600, help="The whole run at most.")] = 10.0,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask whether to go on.")] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the result as one JSON object, to be kept.")
    ] = False,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="JUnit XML, for a CI.")] = None,
    page: Annotated[Path | None, typer.Option(metavar="FILE", help="An HTML page.")] = None,
    profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A profile of the server, as TOML.")
    ] = None,
    badge: Annotated[Path | None, typer.Option(metavar="FILE", help="A badge, as SVG.")] = None,
    since: Annotated[
        Path | None, typer.Option(metavar="FILE", help="What changed since that saved result.")
    ] = None,
) -> None:
    """Which rules of the protocol a server keeps. Exit status 1: it deviates; 2: not all asked.

    realtime-fsm conform wss://api.openai.com/v1/realtime --key-env OPENAI_API_KEY

    realtime-fsm conform http://127.0.0.1:8000 --json
    """
    from ..conform import command

    named = {"junit": junit, "page": page, "profile": profile, "badge": badge}
    files = {name: path for name, path in named.items() if path is not None}
    request = command.Request(
        target=target,
        key_env=key_env,
        model=model,
        headers=command.headers_of(header or []),
        dialect=dialect,
        only=[name.strip() for name in only.split(",") if name.strip()],
        directed=directed,
        expiry=expiry,
        mcp=mcp,
        patience=patience,
        minutes=minutes,
        yes=yes,
        as_json=as_json,
        since=since,
        files=files,  # type: ignore[arg-type]
    )
    told = warn if Path("-") in files.values() else say
    code = command.run(request, write=told, warn=warn)
    if code:
        raise typer.Exit(code)
