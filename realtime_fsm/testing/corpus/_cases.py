"""The cases of the corpus, and running one."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from importlib import resources

from ..._core.controller import TurnController
from ..._core.policy import RetryPolicy
from ..._input import InputError
from ...compare import Verdict
from . import _exact, _forms
from ._case import Case, Gap, Result
from ._notation import parse as _parse

__all__ = ["NotationError", "cases", "compare", "gaps", "parse", "run"]

#: Its name before 0.1.
NotationError = InputError


def parse(text: str) -> tuple[Case, ...]:
    """Return the cases that *text* holds.

    Raises:
        InputError: It is not in the notation; the message names line, field and value.
    """
    return tuple(item for item in _read(text) if isinstance(item, Case))


def cases() -> tuple[Case, ...]:
    """Return the cases of the corpus, in the order of their ids' families."""
    return tuple(item for item in _corpus() if isinstance(item, Case))


def gaps() -> tuple[Gap, ...]:
    """Return the orderings of layers that are not here, each with the reason."""
    return tuple(item for item in _corpus() if isinstance(item, Gap))


def run(
    case: Case,
    *,
    plain: bool = False,
    controller: Callable[[RetryPolicy], TurnController] = TurnController,
    trace: str | os.PathLike[str] | None = None,
) -> Result:
    """Run *case* and return what did not come out as expected.

    Args:
        case: One of :func:`cases`, or of :func:`parse`.
        plain: Run it on LiveKit without us. Only for the level ``call``.
        controller: What makes the controller, for the level ``exact``.
        trace: A file to record the call in, see ``docs/trace.md``; for the level ``call``.

    Raises:
        ValueError: *plain* or *trace* with a case of the level ``exact``.
    """
    if case.level == "exact":
        if plain or trace is not None:
            raise ValueError(f"case {case.id} is of the level exact: there is no LiveKit in it")
        return _exact.run_exact(case, controller)
    from ._call import run_call  # needs LiveKit

    return run_call(case, controlled=not plain, trace=trace)


def compare(case: Case) -> Verdict:
    """Live *case* twice, on plain LiveKit and controlled, and say whether we are worse (G27). Each
    attempt at a question takes the same reply in both.

    Raises:
        ValueError: *case* is of the level ``exact``.
    """
    if case.level == "exact":
        raise ValueError(f"case {case.id} is of the level exact: there is no LiveKit in it")
    from ._call import compare_call  # needs LiveKit

    return compare_call(case)


def _read(text: str) -> tuple[Case | Gap, ...]:
    items = _parse(text)
    for item in items:
        if isinstance(item, Case):
            (_exact if item.level == "exact" else _forms).check(item)
    return items


@lru_cache(maxsize=1)
def _corpus() -> tuple[Case | Gap, ...]:
    folder = resources.files(__package__) / "cases"
    files = sorted((f for f in folder.iterdir() if f.name.endswith(".txt")), key=lambda f: f.name)
    return tuple(item for file in files for item in _read(file.read_text("utf-8")))
