"""G27: known calls in which the controlled model must not be worse than plain LiveKit, by kind.

Those in :data:`OPEN` are worse, yet. Whoever repairs one deletes its line; nothing else changes.
"""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.testing import WorseThanPlainError, assert_not_worse

from .kinds import CASES, KINDS

OPEN: dict[str, str] = {}


def every_case() -> list[Any]:
    return [
        pytest.param(
            name,
            id=f"{KINDS[name]}-{name}",
            marks=pytest.mark.xfail(reason=why, raises=WorseThanPlainError, strict=True)
            if (why := OPEN.get(name))
            else (),
        )
        for name in CASES
    ]


def test_what_is_open_exists() -> None:
    assert set(OPEN) <= set(CASES)
    assert set(KINDS.values()) == {"A", "C", "D", "E", "E2", "F", "G", "H", "Q"}


@pytest.mark.sampled(6, kind=lambda name: KINDS[name])
@pytest.mark.parametrize("name", every_case())
def test_g27_never_worse(name: str) -> None:
    assert_not_worse(CASES[name])
