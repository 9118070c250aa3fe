"""How many of some random recorded failures become a case that shows the same (docs/case.md).

python -m tests.case.measure FOLDER [--draw 10] [--seed 1]: FOLDER has traces, as
`realtime-fsm simulate --plain --calls 60 --faults mild --trace FOLDER` records them.
"""

from __future__ import annotations

import argparse
import random
from pathlib import Path

from realtime_fsm.case._living import incident
from realtime_fsm.case._making import CaseError, make
from realtime_fsm.case._recorded import read_recorded
from realtime_fsm.testing.corpus import parse, run


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("folder", type=Path)
    options.add_argument("--draw", type=int, default=10)
    options.add_argument("--seed", type=int, default=1)
    given = options.parse_args()
    failures = []
    for path in sorted(given.folder.glob("*.jsonl")):
        with path.open("rb") as file:
            recorded = read_recorded(file, path.name)
        for at, call in enumerate(recorded.side.calls):
            for turn in call.turns:
                found = incident(recorded.side, at, turn)
                if found.rules or found.outcome == "failed":
                    failures.append((recorded, at, turn, found))
    random.Random(given.seed).shuffle(failures)
    whole = part = as_said = 0
    drawn = failures[: given.draw]
    for recorded, at, turn, found in drawn:
        who = f"{recorded.side.label} turn {turn.number + 1}: {' '.join(found.ids) or '-'}"
        plain = recorded.orderings[at].mode != "control"
        try:
            made = make(recorded, at, turn, id="R1", source="a recorded call")
        except CaseError as error:
            print(f"no    {who}: {error}", flush=True)
            continue
        (case,) = parse(made.text)
        # A controlled turn that failed as it should is what the case expects: it fails before nothing.
        right = run(case).holds and not (plain and run(case, plain=True).holds)
        whole += not made.left
        part += bool(made.left)
        as_said += right
        lines = made.text.count("\n")
        verdict = "as it should" if right else "NOT AS IT SHOULD"
        print(
            f"{'part' if made.left else 'yes '}  {who}: {lines} lines, {made.runs} runs,"
            f" fails and holds {verdict}",
            flush=True,
        )
    print(
        f"{len(failures)} failures, {len(drawn)} drawn: {whole} reproduced, {part} in part;"
        f" {as_said} fail on plain LiveKit, if they came from there, and hold controlled"
    )


if __name__ == "__main__":
    main()
