"""Runs a case in virtual time, and says what did not come out as it must."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from livekit.agents import __version__ as livekit_agents_version

from ..._core.policy import RetryPolicy
from ...compare import Verdict, judge
from ..call import simulated_call
from ..checks import check_so_far
from ..clock import VirtualTimeError
from ..pair import Living, live_twice
from ..virtual import run_virtual
from ._case import Case, Result
from ._expect import EXACT, became, differences
from ._forms import ACTIONS
from ._grammar import match
from ._player import RESTED, Player, Rest
from ._script import plan

__all__ = ["compare_call", "run_call"]

_CREATE_TIMEOUT = 4.9  # seconds that an unanswered create is believed in


def run_call(
    case: Case,
    *,
    controlled: bool,
    trace: str | os.PathLike[str] | None = None,
    tolerance: float = EXACT,
    **how: Any,
) -> Result:
    """Run *case*, and return what was wrong.

    Args:
        case: Of the level ``call``.
        controlled: Whether our model is around the plugin's.
        trace: A file to record the call in.
        tolerance: Seconds of sound by which a message may be longer or shorter.
        **how: See :class:`Player`.
    """
    make = simulated_call if trace is None else functools.partial(simulated_call, trace=trace)
    player = Player(case, plan(case), controlled=controlled, make=make, **how)
    try:
        _run(player, functools.partial(_judge, tolerance=tolerance))
    except Exception as error:
        player.problems.append(f"crash: {type(error).__name__}: {_first_line(error)}")
    return Result(tuple(dict.fromkeys(player.problems)), tuple(player.log), player.seen)


def fates_of(case: Case, *, controlled: bool) -> tuple[dict[str, str], tuple[str, ...], bool]:
    """Run *case*, and return what became of each speech that it names, in the words of ``expect:``; what
    was wrong; and whether the session lives."""
    names = [
        values["name"]
        for line in case.body
        if line.actor == "U"
        for form, values in [match(ACTIONS["U"], line.words, line.number, "U")]
        if form.key in ("ask", "raw", "say", "start")
    ]
    player = Player(case, plan(case), controlled=controlled)
    fates: dict[str, str] = {}
    lives = True

    def look(player: Player) -> None:
        nonlocal lives
        _judge(player)
        lives = not player.call.closed
        for name in names:
            fate = became(player, name)
            if fate.split()[0] in ("answered", "interrupted", "failed"):
                fates[name] = fate

    _run(player, look)
    return fates, tuple(dict.fromkeys(player.problems)), lives


def _run(player: Player, look: Callable[[Player], None]) -> None:
    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        await player.play(look)

    with _quiet():
        try:
            if player.sockets:
                asyncio.run(play())
            else:
                run_virtual(play, limit=3600.0)
        except VirtualTimeError as error:
            player.problems.append(f"hang: {_first_line(error)}")
        except AssertionError as error:
            player.problems.append(_first_line(error).partition(":")[0])


def compare_call(case: Case, *, rest: Rest = RESTED, **server: Any) -> Verdict:
    """Live *case* twice, on plain LiveKit and controlled, and compare the two.

    Args:
        case: Of the level ``call``.
        rest: When the call is over.
        **server: Fields of its ``ServerConfig`` that are otherwise than the case says.
    """

    async def live(living: Living) -> None:
        def make(*arguments: Any, **options: Any) -> Any:
            return living(*arguments, **{**options, "check": False})

        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        made = plan(case)
        made.server |= server
        await Player(case, made, controlled=living.controlled, make=make, rest=rest).play()

    with _quiet():
        return judge(*live_twice(live))


def _judge(player: Player, *, tolerance: float = EXACT) -> None:
    """Look whether what the case expects came out."""
    case = player.case
    outcome = player.outcome()
    expected = case.expect if player.controlled else case.of_plain(livekit_agents_version)
    player.problems += differences(expected, player, outcome, tolerance=tolerance)
    patience = min(_CREATE_TIMEOUT, 0.98 * RetryPolicy(**player.plan.retry).timeout)
    try:
        check_so_far(
            player.call,
            rest=not player.over,  # nothing is at rest in a call that was hung up
            except_=case.skip,
            speeches=[*player.handles.values(), *player.call.speeches],
            patience=patience,
        )
    except AssertionError as error:
        broken = tuple(each for each in str(error).splitlines() if each.startswith("G"))
        player.problems += broken
        outcome = replace(outcome, broken=broken)
    player.seen = outcome


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What goes wrong on purpose need not be logged."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        logging.disable(before)
