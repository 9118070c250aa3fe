"""What ``realtime-fsm case`` does."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .._input import CommandError, InputError
from .._output import printable, say, to_file
from ..report._story import Turn
from ..trace.source import check_readable, name_of, opened
from ._recorded import Recorded, incident, read_recorded

if TYPE_CHECKING:
    from ._making import Made

__all__ = ["Request", "run"]


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for.

    Attributes:
        trace: a trace, or a log of raw events; ``-`` is standard input.
        turn: a turn's id, its number in the call, from 1, or an id of a response or an item of it;
            None: the first turn in trouble.
        call: the call's number in the file, from 1.
        rule: reproduce the breach of that guarantee alone.
        pytest: write a test of the kit instead of the notation.
        output: the file; None: standard output.
    """

    trace: Path
    turn: str | None = None
    call: int = 1
    rule: str = ""
    pytest: bool = False
    output: Path | None = None


def run(request: Request) -> int:
    """Write the case of a turn. Returns the exit code: 1 when none can be made, 2 when nothing could
    be read.

    Raises:
        InputError: There is no such call or turn.
        CommandError: No turn is in trouble.
        OSError: The case cannot be written.
    """
    name = name_of(request.trace)
    check_readable(request.trace)
    with opened(request.trace) as file:
        recorded = read_recorded(file, name)
    if not recorded.side.calls:
        raise CommandError(f"{name}: nothing could be read: {recorded.side.notes[0]}")
    turn = _turn(recorded, request)
    who = f"turn {turn.number + 1} ({turn.id})"
    from ._making import CaseError, make  # with LiveKit, which takes seconds

    try:
        made = make(
            recorded,
            request.call - 1,
            turn,
            id=f"R{turn.number + 1}",
            source=printable(f"{Path(name).name}, {who}"),
            rule=request.rule,
        )
    except CaseError as error:
        say(f"realtime-fsm: {name}: no case of {who}: {error}", err=True)
        return 1
    try:
        text = _as_test(made) if request.pytest else made.text
    except ValueError as error:
        say(f"realtime-fsm: {name}: {error}; without --pytest there is a case", err=True)
        return 1
    if request.output is None:
        say(text.rstrip("\n"))
    elif to_file(request.output, text):
        say(str(request.output))
    for line in told(made, who):
        say(line, err=True)
    return 0


def told(made: Made, who: str) -> Sequence[str]:
    """What the case shows, for people."""
    found = made.found
    ended = found.outcome + (f", {found.code}" if found.code else "")
    broken = f"breaks {', '.join(found.ids)}" if found.ids else "breaks no guarantee"
    lines = [f"{who} {broken}, ends {ended}; so it does in the case ({made.runs} runs to find it)"]
    if made.left:
        lines.append(f"not in it: {', '.join(made.left)}; try --rule {made.left[0]}")
    lines.append(
        "the case holds with the controller around the model"
        if made.passes
        else "the case does not hold yet"
    )
    return lines


def _as_test(made: Made) -> str:
    from ..testing.corpus import parse
    from ._pytest import as_pytest, test_name

    (case,) = parse(made.text)
    how = (
        "It passes; with controlled=False it shows what plain LiveKit does."
        if made.passes
        else "It fails until that is repaired."
    )
    return as_pytest(case, name=test_name(case.title), how=how)


def _turn(recorded: Recorded, request: Request) -> Turn:
    calls = recorded.side.calls
    if not 1 <= request.call <= len(calls):
        raise InputError("--call", request.call, f"one of the {len(calls)} calls in the file")
    turns = calls[request.call - 1].turns
    if not turns:
        raise CommandError("there is no turn in that call")
    wanted = request.turn
    if wanted is None:
        at = request.call - 1
        trouble = [t for t in turns if _in_trouble(recorded, at, t, request.rule)]
        if not trouble:
            raise CommandError(f"none of the {len(turns)} turns is in trouble: give --turn")
        return trouble[0]
    for turn in turns:
        ids = {turn.id, *(r for _, r in turn.generation), *(m.id for m in turn.messages)}
        if wanted in ids:
            return turn
    if re.fullmatch(r"\d+", wanted) and 1 <= int(wanted) <= len(turns):
        return turns[int(wanted) - 1]
    raise InputError("--turn", wanted, f"1 to {len(turns)}, or an id of a turn")


def _in_trouble(recorded: Recorded, at: int, turn: Turn, rule: str) -> bool:
    found = incident(recorded.side, at, turn)
    return rule in found.ids if rule else bool(found.rules) or found.outcome == "failed"
