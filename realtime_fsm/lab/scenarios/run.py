"""Plays one case of the scenarios, and compares its two lives."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...compare import Verdict
from ...testing.corpus import Case, Result
from ...testing.corpus._call import compare_call, run_call
from ...testing.corpus._player import Rest
from ...testing.corpus._script import plan

__all__ = ["REST", "collect_complaints", "compare_scenario", "run_scenario"]

REST = Rest(after=5.0, quiet=1.0, patience=20.0, hangs=False, step=0.01)
"""What never comes to its end is part of the page."""

_LOGGERS = ("livekit", "asyncio", "realtime_fsm", "aiohttp", "transitions")


def run_scenario(case: Case, *, plain: bool = False, rest: Rest = REST, **how: Any) -> Result:
    """Play *case* and return what was wrong, and what was seen.

    Args:
        case: What happens.
        plain: On LiveKit without us.
        rest: When the call is over.
        **how: See ``run_call``: over sockets, faster, with another tolerance.
    """
    with collect_complaints() as complaints:
        result = run_call(case, controlled=not plain, rest=rest, **how)
    if result.seen is None:
        return result
    return replace(result, seen=replace(result.seen, complaints=tuple(complaints)))


def compare_scenario(case: Case, **server: Any) -> Verdict | None:
    """Live *case* twice in virtual time, each attempt at a question with the same reply, and say
    whether the controlled call is worse than on plain LiveKit (G27). None where there are two
    models, for each has attempts of its own, and they cannot be paired; and where the policy is to
    repeat words. *server*: fields of its ``ServerConfig`` that are otherwise than the case says.
    """
    made = plan(case)
    if made.models or made.retry.get("after_exposure") == "regenerate":
        return None
    with collect_complaints():
        return compare_call(case, rest=REST, **server)


class _Complaints(logging.Handler):
    """Keeps what our code logged as an error, and asyncio of ours: tasks that died, futures that
    nobody looked at, callbacks that raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = f"{record.getMessage()}: {error!r}"
        if record.name.startswith("realtime_fsm") or (
            record.name == "asyncio" and "realtime_fsm" in f"{text} {_where(error)}"
        ):
            self.found.append(text)


def _where(error: BaseException | None) -> str:
    """The files that an exception went through."""
    trace = error.__traceback__ if error is not None else None
    files = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return " ".join(files)


@contextlib.contextmanager
def collect_complaints() -> Iterator[list[str]]:
    """Log nothing meanwhile, and collect errors of our own."""
    handler = _Complaints()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:], logger.propagate = [handler], False
    try:
        yield handler.found
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
