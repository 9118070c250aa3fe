"""What ``realtime-fsm scenarios`` does, apart from parsing its options."""

from __future__ import annotations

import gc
import json
import sys
import warnings
from collections import Counter
from collections.abc import Sequence

from rich.console import Console

from . import show
from .bad_input import Kind, mutations, run_mutation
from .run import collect_complaints
from .suite import run_all

__all__ = ["run"]

_WIDTH = 145
_BAD: tuple[Kind, ...] = ("silent", "hang", "escaped")


def run(wanted: Sequence[str], *, as_json: bool, page: bool, bad_input: bool) -> bool:
    """Run these ids and print what came of them. Returns whether all came as stated."""
    if bad_input:
        return _bad_input()
    if page:
        with collect_complaints():
            sys.stdout.write(show.page())
        return True
    with collect_complaints():
        judged = list(run_all(wanted))
        gc.collect()  # asyncio complains of a future that nobody looked at when it goes
    if as_json:
        sys.stdout.write(json.dumps(show.as_json(judged), indent=2) + "\n")
    else:
        console = Console(highlight=False)
        if not console.is_terminal:
            console.width = _WIDTH
        show.print_table(judged, console)
    return not any(each.surprising for each in judged)


def _bad_input() -> bool:
    counts: Counter[Kind] = Counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydantic's, about what the plugin makes of the frames
        for mutation in mutations():
            verdict = run_mutation(mutation)
            counts[verdict.kind] += 1
            if verdict.kind in _BAD:
                sys.stdout.write(f"{mutation} -> {verdict.kind}: {verdict.why}\n")
    shown = ", ".join(f"{count} {kind}" for kind, count in counts.most_common())
    sys.stdout.write(f"{sum(counts.values())} calls with one field of one frame wrong: {shown}\n")
    return not any(counts[kind] for kind in _BAD)
