"""A call that was drawn from a seed, as a case."""

from __future__ import annotations

import tempfile
from pathlib import Path

from .._input import InputError
from ..lab.options import Profile
from ..lab.simulate.drawing import draw
from ..lab.simulate.pairs import compare_scenario, live_pair
from ..lab.simulate.run import run_scenario
from ..testing.corpus import parse
from ..testing.corpus._call import compare_call
from ._living import live
from ._making import bare, finished
from ._ordering import Draft
from ._recorded import read_recorded
from ._search import reduced
from ._writing import draft

__all__ = ["drawn"]

_MOST_RUNS = 200


def drawn(
    seed: int, profile: Profile, *, plain: bool = False, compare: bool = False
) -> tuple[str, str, bool]:
    """The call of that seed in the notation of the corpus; what the case shows of it, in words; and
    whether that is all that is wrong with it.

    What is wrong with the call is sought in the case; where it is there, the case is made as small as
    it stays so. Otherwise the case is the whole call.

    Args:
        seed, profile: which call.
        plain: on plain LiveKit, not controlled.
        compare: lived twice; what is wrong is where the controlled life is worse.
    """
    scenario = draw(seed, profile, acts=compare)
    with tempfile.TemporaryDirectory() as folder:
        trace = Path(folder) / f"{seed}.jsonl"
        result, _, _ = run_scenario(scenario, plain=plain, trace=trace)
        with trace.open("rb") as file:
            ordering = read_recorded(file, trace.name).orderings[0]
    if compare:
        wanted = {each.clause for each in compare_scenario(scenario, *live_pair(scenario))[0].worse}
    else:
        wanted = set(result.broken)
    made, runs = draft(ordering), 0

    def shows(case: Draft) -> bool:
        nonlocal runs
        runs += 1
        try:
            return runs <= _MOST_RUNS and wanted <= _wrong(bare(case), plain, compare)
        except InputError:  # a part that says nothing any more
            return False

    names, all_of_it = ", ".join(sorted(wanted)), True
    if not wanted:
        told = "nothing is wrong with the call; the case is all of it"
    elif shows(made):
        made = reduced(made, shows)
        told = f"{'worse than plain LiveKit' if compare else 'broken'}, as in the call: {names}"
    else:
        all_of_it = False
        why = (
            "; ".join(text for _, text in ordering.obstacles[:1])
            or "what it waits for comes at other moments"
        )
        told = f"the case is all of the call, and does not show {names}: {why}"
    guarantees = "G27" if compare or not wanted else " ".join(sorted(wanted))
    title = f"drawn from seed {seed}, faults {profile}"
    text, _ = finished(made, id="X1", title=title, source="simulate", guarantees=guarantees)
    return text, told, all_of_it


def _wrong(text: str, plain: bool, compare: bool) -> set[str]:
    if compare:
        (case,) = parse(text)
        return {each.clause for each in compare_call(case).worse}
    return set(live(text, plain=plain)[1])
