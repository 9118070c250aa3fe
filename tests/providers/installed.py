"""Which providers' plugins are here."""

from __future__ import annotations

import functools
import os

import pytest

from realtime_fsm.lab.scenarios.providers.rows import ROWS, ProviderRow
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import FAKES, Fake, PluginMissing

#: They share one engine, and the rows are run with one of them; ``PROVIDERS=all`` runs all.
RELATIVES = ("openai-azure", "openai-azure-beta", "inference", "xai", "thunderphone")
OF_RELATIVES = ("asked", "spoken", "lost before", "error", "tool", "interrupted, asked")


@functools.cache
def missing(family: str) -> str | None:
    """Why a family cannot be run here, or None."""

    async def start() -> None:
        async with FAKES[family]({}):
            pass

    try:
        run_virtual(start)
    except PluginMissing as e:
        return str(e)
    return None


def need(family: str) -> type[Fake]:
    """The fake of a family, or a skip that says what is missing."""
    why = missing(family)
    if why is not None:
        pytest.skip(why)
    return FAKES[family]


def rows() -> list[tuple[str, ProviderRow]]:
    """Every row of every family."""
    every = os.environ.get("PROVIDERS") == "all"
    return [
        (family, row)
        for family, fake in FAKES.items()
        for row in ROWS
        if row.for_(fake) and (every or family not in RELATIVES or row.name in OF_RELATIVES)
    ]


def name_of(value: object) -> str:
    return value.name if isinstance(value, ProviderRow) else str(value)
