"""G15, G16: wherever and by whomever it is interrupted, server = agent = what the sink played.

By default a set of cells that has every pair of values; ``make heard`` runs them all.
"""

from __future__ import annotations

import os

import pytest

from realtime_fsm.testing import virtual_time

from .cells import Cell, all_cells, covering_cells, play

CELLS = all_cells() if os.environ.get("HEARD") == "all" else covering_cells()


@pytest.mark.parametrize("cell", CELLS, ids=str)
@virtual_time
async def test_g16_whatever_interrupts_it_the_copies_agree(cell: Cell) -> None:
    await play(cell)
