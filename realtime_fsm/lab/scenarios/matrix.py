"""The core rows with each way of ending the user's turns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from .rows import ROWS
from .scenario import Expect, Scenario, Turns
from .steps import Ask, Interrupt, Say, Step

__all__ = ["CORE", "MATRIX", "TURNS"]

CORE = ("c", "d", "e", "g", "h", "j3", "l", "m", "o2", "q", "t")
"""Rows that hold whoever ends the user's turns; with server VAD row c is row n."""

TURNS: tuple[Turns, ...] = (
    "server_vad", "semantic_vad", "create_response=False", "manual", "client", "no interruptions",
)  # fmt: skip

_DETECTED = ("server_vad", "semantic_vad", "client")

_BOTH = Expect(heard=(0.8, 0.6), handles=("ok", "ok"), creates=None)
#: Who speaks again stops the response that does not end.
_CUT = Expect(heard=(0.5, 0.6), handles=("interrupted", "ok"), creates=None)
_NOT_INTERRUPTED = "does not allow interruptions"
#: Where the mode itself makes another call of it.
_OTHERWISE: dict[tuple[Turns, str], Expect] = {
    ("server_vad", "t"): _CUT,
    ("semantic_vad", "t"): replace(_CUT, heard=(0.46, 0.6)),
    ("create_response=False", "t"): _CUT,
    ("client", "t"): _CUT,
    # LiveKit waits for the end of the user's turn before it interrupts.
    ("client", "m"): replace(_CUT, heard=(1.6, 0.6)),
    ("no interruptions", "l"): Expect(
        heard=(1.0, 1.5), handles=("ok",), creates=None, refused=(_NOT_INTERRUPTED,)
    ),
    ("no interruptions", "m"): replace(_BOTH, heard=(8.0, 0.6), refused=(_NOT_INTERRUPTED,)),
    ("no interruptions", "o2"): _BOTH,
    ("manual", "o2"): _BOTH,
    ("create_response=False", "o2"): _BOTH,
    # The end of the user's turn interrupts what the application asked for meanwhile.
    ("client", "o2"): replace(_CUT, heard=(0.6,)),
}


def _in(turns: Turns, row: Scenario) -> Scenario:
    expected = _OTHERWISE.get((turns, row.id)) or replace(
        row.controlled, creates=None, silence=None, remembered=None, errors=row.controlled.errors
    )
    steps = list(row.steps) if row.id == "o2" else _steps(turns, row.steps)
    return replace(
        row,
        id=f"{turns}/{row.id}",
        turns=turns,
        steps=tuple(steps),
        plain=None,
        controlled=expected,
        note="",
        open="",
    )


def _steps(turns: Turns, steps: Sequence[Step]) -> list[Step]:
    if turns == "no interruptions":
        return list(steps)
    spoken: list[Step] = []
    for step, following in zip(steps, [*steps[1:], None], strict=True):
        if isinstance(step, Ask):
            spoken.append(Say(step.words))
        elif not (isinstance(step, Interrupt) and isinstance(following, Ask)):
            spoken.append(step)
        elif turns not in _DETECTED:
            spoken.append(step)  # as an application does when the button is pressed
    return spoken


MATRIX: tuple[Scenario, ...] = tuple(
    _in(turns, row) for turns in TURNS for name in CORE for row in ROWS if row.id == name
)
