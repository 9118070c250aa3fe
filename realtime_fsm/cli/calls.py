"""Calls that are made: played, drawn, searched, served, and your own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from .._input import CommandError, InputError, StoppedError
from .._output import check_writable, say
from ._common import need_openai, warn

__all__ = ["demo", "explore", "run", "scenarios", "serve", "simulate"]


def demo(
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the measured figures as one JSON object.")
    ] = False,
    report: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write a page with the calls side by side, too."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show them in the browser, too, while they run.")
    ] = False,
) -> None:
    """Four short calls, with plain LiveKit and controlled, side by side. Takes half a minute.

    realtime-fsm demo

    realtime-fsm demo --report demo.html
    """
    if as_json and (report is not None or watch):
        raise CommandError("give --json or --report and --watch, not both")
    if report is not None:
        check_writable(report)
    need_openai()
    from ..lab.demo.tour import show_tour, tour

    if as_json:
        typer.echo(json.dumps(tour(), indent=2))
        return
    show_tour(report, watch=watch)


def simulate(
    reports: Annotated[
        list[Path] | None, typer.Argument(help="With --merge: reports that --json printed.")
    ] = None,
    calls: Annotated[int, typer.Option(help="How many calls.")] = 100,
    seed: Annotated[int, typer.Option(help="Where the calls are drawn from.")] = 1,
    faults: Annotated[
        str, typer.Option(metavar="PROFILE", help="none, mild, rough, hostile or compat.")
    ] = "none",
    shard: Annotated[
        str, typer.Option(metavar="I/N", help="Run only every N-th call, from the I-th on.")
    ] = "1/1",
    jobs: Annotated[
        int | None, typer.Option(help="How many processes; by default one a core.")
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="LiveKit without us.")] = False,
    compare: Annotated[
        bool,
        typer.Option("--compare", help="Live each call twice; fail where we are worse than plain."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    traces: Annotated[
        Path | None,
        typer.Option("--trace", metavar="FOLDER", help="Record each call there, by its seed."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail on a create against evidence, a hang, a crash, or repeated words.",
        ),
    ] = False,
    replay: Annotated[
        int | None, typer.Option(metavar="SEED", help="Play the call of that seed, event by event.")
    ] = None,
    case: Annotated[
        bool, typer.Option("--case", help="With --replay: print the call as a case of the corpus.")
    ] = False,
    watch: Annotated[
        int | None,
        typer.Option(metavar="SEED", help="Show the call of that seed in the browser, as a film."),
    ] = None,
    speed: Annotated[float, typer.Option(help="Of the film, in times real time.")] = 1.0,
    merge: Annotated[bool, typer.Option("--merge", help="Merge the reports of shards.")] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Run them on the Dask cluster whose scheduler is there."
        ),
    ] = None,
    keep: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Keep each call there; what is in it is not run again."),
    ] = None,
) -> None:
    """Random calls in virtual time: which turns are answered, and which are lost. Exit status 3: the
    workers went away, and what was done is kept.

    realtime-fsm simulate --calls 200 --faults rough

    realtime-fsm simulate --compare --faults mild

    realtime-fsm simulate --replay 17 --faults mild
    """
    if reports and not merge:
        raise CommandError(f"{reports[0]} is a report: give --merge to merge reports")
    if compare and (plain or traces is not None):
        raise CommandError("--compare lives each call both ways: without --plain and --trace")
    if case and replay is None:
        raise CommandError("--case prints the call of one seed: give --replay SEED")
    from ..lab.options import check_keep, checked, read_reports

    if dask is not None:
        from .._workers import check_address

        check_address(dask)
    if keep is not None:
        check_keep(keep)
    if traces is not None and traces.exists() and not traces.is_dir():
        raise InputError("--trace", str(traces), "a folder")
    profile, _ = checked(calls, faults, shard, jobs)
    parts = read_reports(reports or []) if merge else {}
    if watch is not None:
        from ..watch.command import check_speed

        check_speed(speed)
    need_openai()
    if case and replay is not None:
        from ..case._drawn import drawn

        text, told, all_of_it = drawn(replay, profile, plain=plain, compare=compare)
        say(text.rstrip("\n"))
        warn(told if all_of_it else f"realtime-fsm: {told}")
        raise typer.Exit(0 if all_of_it else 1)
    from ..lab.simulate import command

    if replay is not None:
        for line in command.replay_lines(replay, faults, plain=plain, compare=compare):
            say(line)
        return
    if watch is not None:
        for line in command.film_lines(watch, faults, plain=plain, compare=compare, speed=speed):
            say(line)
        return
    if merge:
        report = command.merge_files(parts)
    elif compare:
        report = command.compare(calls, seed, faults, shard=shard, jobs=jobs, dask=dask, keep=keep)
    else:
        report = command.simulate(
            calls,
            seed,
            faults,
            shard=shard,
            jobs=jobs,
            plain=plain,
            traces=traces,
            dask=dask,
            keep=keep,
        )
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        for line in command.report_lines(report):
            say(line)
    if (strict or report["mode"] == "compare") and command.is_bad(report):
        raise typer.Exit(1)


def explore(
    turns: Annotated[int, typer.Option(help="Responses that the host asks for.")] = 2,
    messages: Annotated[int, typer.Option(help="Output items of a response.")] = 2,
    attempts: Annotated[int, typer.Option(help="Attempts of a turn.")] = 2,
    vad_turns: Annotated[int, typer.Option(help="How often the user speaks.")] = 1,
    interrupts: Annotated[int, typer.Option(help="How often a turn is interrupted.")] = 1,
    drops: Annotated[int, typer.Option(help="How often the connection is lost.")] = 1,
    timeouts: Annotated[int, typer.Option(help="How often somebody is late.")] = 1,
    jobs: Annotated[int, typer.Option(help="How many processes.")] = 2,
    limit_states: Annotated[
        int | None, typer.Option(help="Stop each part at so many states.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    dask: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS", help="Search the parts on the Dask cluster whose scheduler is there."
        ),
    ] = None,
) -> None:
    """Every order of events within a bound: does each guarantee hold, does every turn end. Exit status 3:
    the workers went away, and some parts were not searched.

    realtime-fsm explore --turns 1

    realtime-fsm explore --limit-states 10000
    """
    from .._workers import Dask
    from ..lab.explore import Bound, describe
    from ..lab.explore import explore as run

    bound = Bound(
        turns=turns,
        messages=messages,
        attempts=attempts,
        vad_turns=vad_turns,
        interrupts=interrupts,
        drops=drops,
        timeouts=timeouts,
    )
    workers = None if dask is None else Dask(dask)
    report = run(bound, jobs=jobs, limit_states=limit_states, progress=True, workers=workers)
    if as_json:
        typer.echo(json.dumps(report, indent=2))
    else:
        for line in describe(report):
            say(line)
    if "stopped" in report:
        raise StoppedError(report["stopped"])
    if report["violations"] or not report["complete"]:
        raise typer.Exit(1)


def scenarios(
    wanted: Annotated[
        list[str] | None, typer.Argument(metavar="[IDS]", help="Ids or groups; all by default.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the measured figures as one JSON object.")
    ] = False,
    page: Annotated[bool, typer.Option("--page", help="Print docs/scenarios.md.")] = False,
    bad_input: Annotated[
        bool,
        typer.Option(
            "--bad-input", help="Instead: each field of each frame of a call wrong. Minutes."
        ),
    ] = False,
    providers: Annotated[
        bool,
        typer.Option(
            "--providers",
            help="Instead: the same calls with the plugin of each provider; name some, or all.",
        ),
    ] = False,
) -> None:
    """Calls in which something goes wrong, with plain LiveKit and controlled, in virtual time.

    realtime-fsm scenarios

    realtime-fsm scenarios a k2

    realtime-fsm scenarios --providers google
    """
    if sum((as_json, page, bad_input)) > 1:
        raise CommandError("give one of --json, --page and --bad-input")
    if wanted and bad_input:
        raise InputError("the scenario", wanted[0], "none with --bad-input, which plays one call")
    if wanted and page and not providers:
        raise InputError("the scenario", wanted[0], "none with --page, which is of all")
    if providers:
        from ..lab.options import check_providers

        check_providers(wanted or [])
        need_openai()
        from ..lab.scenarios.providers import command as of_providers

        as_stated = of_providers.run(wanted or [], as_page=page)
    else:
        from ..lab.scenarios import select

        ids = select(wanted or [])
        need_openai()
        from ..lab.scenarios import command

        as_stated = command.run(ids, as_json=as_json, page=page, bad_input=bad_input)
    if not as_stated:
        raise typer.Exit(1)


def serve(
    host: Annotated[
        str, typer.Option(help="The address to listen on; others than loopback are open to all.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any that is free.")] = 8765,
    script: Annotated[
        Path | None, typer.Option(metavar="FILE", help="JSON: what the server replies.")
    ] = None,
    faults: Annotated[
        str,
        typer.Option(metavar="PROFILE|FILE", help="none, mild, rough, hostile, or a JSON file."),
    ] = "none",
    seed: Annotated[int, typer.Option(help="Where a profile's faults are drawn from.")] = 1,
    dialect: Annotated[
        str | None, typer.Option(metavar="ga|beta", help="The names that events have.")
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Behave as far as is known like that server."),
    ] = None,
    hears_above: Annotated[
        float | None,
        typer.Option(metavar="AMPLITUDE", help="Audio louder than that (400) is speech for VAD."),
    ] = None,
    log: Annotated[
        bool, typer.Option("--log", help="Print each event, one a line, without audio.")
    ] = False,
) -> None:
    """The simulated Realtime server alone, to point your own agent at. Stop it with Ctrl-C.

    realtime-fsm serve

    realtime-fsm serve --faults mild --log
    """
    from ..simulator.serve import read_config, read_script
    from ..simulator.serve import serve as run

    replies = None if script is None else read_script(script)
    config = read_config(faults, seed, dialect, profile=profile, hears_above=hears_above)
    run(replies, config, host=host, port=port, log=log, write=say, warn=warn)


def run(
    script: Annotated[str, typer.Argument(help="The worker's script, such as agent.py.")],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(help="What the script is called with, such as dev, console or start."),
    ] = None,
    mode: Annotated[
        str | None, typer.Option(metavar="control|observe|off", help="Default: control.")
    ] = None,
    record: Annotated[
        str | None, typer.Option(metavar="DIR", help="Write a trace of each call there.")
    ] = None,
    retry: Annotated[
        list[str] | None,
        typer.Option(metavar="FIELD=VALUE", help="A field of RetryPolicy; may be repeated."),
    ] = None,
    watch: Annotated[
        bool, typer.Option("--watch", help="Show the calls in the browser while they run.")
    ] = False,
    watch_words: Annotated[
        bool, typer.Option("--watch-words", help="The same, with what is said.")
    ] = False,
    watch_host: Annotated[
        str,
        typer.Option(metavar="ADDRESS", help="Of that page; others than loopback can reach it."),
    ] = "127.0.0.1",
    watch_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of that page; by default 8774 or any.")
    ] = None,
    module: Annotated[
        bool, typer.Option("-m", help="SCRIPT is a module, as for python -m.")
    ] = False,
) -> None:
    """Your own worker with the controller around its realtime models, without a change of its code.

    realtime-fsm run --mode observe --record traces agent.py -- dev
    """
    from ..run.command import Watched
    from ..run.command import run as start

    shown = Watched(words=watch_words, host=watch_host, port=watch_port)
    code = start(
        script,
        arguments or (),
        module=module,
        mode=mode,
        record=record,
        retry=retry or (),
        watch=shown if watch or watch_words else None,
    )
    raise typer.Exit(code)
