"""What ``realtime-fsm scenarios --providers`` does, apart from parsing its options."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from ....testing.providers import FAKES
from .measure import KEPT, Cell, kept_here, load, measure, missing, save
from .page import page
from .rows import ROWS

__all__ = ["run"]

_STYLE = {"same": "dim", "better": "green", "worse": "bold red"}


def run(wanted: Sequence[str], *, as_page: bool) -> bool:
    """Run the calls of these providers, all by default, and print what came of them. Returns
    whether none is worse.

    With *as_page*, what was run is kept (`KEPT`), beside what was kept of providers whose plugins
    are missing here, and the page is printed.
    """
    cells: dict[str, dict[str, Cell]] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the plugins deprecate in their SDKs
        reasons = {family: missing(family) for family in wanted or FAKES}
        for family in (f for f, why in reasons.items() if why is None):
            cells[family] = dict(measure(family))
    good = all(c.word != "worse" for of in cells.values() for c in of.values())
    for family, why in reasons.items():
        if why is not None:
            sys.stderr.write(f"{family} was not run: {why}\n")
    if as_page:
        path = kept_here()
        kept = load(path)[1] if path.exists() else {}
        cells = {f: cells.get(f) or kept[f] for f in FAKES if f in cells or f in kept}
        save(path, cells)
        sys.stdout.write(page([load(each) for each in KEPT if each.exists()]))
    else:
        _print(cells)
    return good


def _print(cells: dict[str, dict[str, Cell]]) -> None:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 160
    table = Table("call", *cells, box=None)
    for row in ROWS:
        found = [of.get(row.name) for of in cells.values()]
        table.add_row(
            row.name, *("" if c is None else f"[{_STYLE[c.word]}]{c.word}" for c in found)
        )
    console.print(table)
    for family, of in cells.items():
        console.print(f"\n[bold]{family}")
        for name, cell in of.items():
            if cell.word != "same":
                console.print(f"  {name}: plain {cell.plain}; controlled {cell.controlled}")
                if cell.word == "worse":
                    console.print(f"    [bold red]worse:[/] {'; '.join(cell.why)}")
