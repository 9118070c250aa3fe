"""Every switch of the simulator set wrong, one at a time, and none, and every bend: what a whole run
finds.

``python -m tests.conform.proof 10`` does it for ten servers, each with delays of its own.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from realtime_fsm.conform.rules import KEPT_TOO
from realtime_fsm.simulator import RULES
from realtime_fsm.simulator.deviations import OMISSIONS

from .bends import BENDS
from .bent import ask_bent
from .servers import ask_simulator


@dataclass(frozen=True, slots=True)
class Wrong:
    """A server with one thing that is not as it should be.

    Attributes:
        rule: that has to be found to deviate; None where no rule says anything of it.
        value: that has to be found with it.
    """

    field: str
    setting: Any
    rule: str | None
    value: object = None

    def __str__(self) -> str:
        return f"{self.field}={self.setting!r}"


#: What a server that leaves something out does not keep.
_LEFT_OUT = {
    "conversation_id": None, "usage": "done-always", "output": "done-always",
    "status": "done-always", "response_id": "event-order", "session_updated": "update-partial",
}  # fmt: skip

SWITCHES = [
    Wrong(rule.field, value, rule.id, value)
    for rule in RULES.values()
    if rule.field
    for value in rule.alternatives[1:]
]
OMITTED = [Wrong("leaves_out", (name,), _LEFT_OUT[name]) for name in OMISSIONS]


def faults_found(wrong: Wrong | None, seed: int, *only: str) -> Iterator[str]:
    """Grade such a server, by all rules or *only* these, and yield what the grade has wrong."""
    switches = {} if wrong is None else {wrong.field: wrong.setting}
    result = ask_simulator(*only, seed=seed, **switches)
    if result.ended is not None:
        yield f"it ended early: {result.ended}"
    for rule, answer in result:
        meant = wrong is not None and rule.id == wrong.rule
        good = wrong is not None and wrong.value in KEPT_TOO.get(rule.id, ())
        if not meant and answer.verdict == "deviates":
            yield f"{rule.id} is said to deviate: {answer.how}"
        elif meant and answer.verdict != ("kept" if good else "deviates"):
            yield f"{rule.id} is {answer.verdict}: {answer.how}"
        elif (
            meant and wrong is not None and wrong.value is not None and answer.value != wrong.value
        ):
            yield f"{rule.id} is found to be {answer.value!r}: {answer.how}"


def main(seeds: int) -> int:
    """Grade them all; returns the exit status."""
    runs = found = 0
    for wrong in (None, *SWITCHES, *OMITTED):
        for seed in range(1, seeds + 1):
            runs += 1
            for fault in faults_found(wrong, seed):
                found += 1
                sys.stdout.write(f"{wrong or 'nothing wrong'}, seed {seed}: {fault}\n")
    for name, (bend, wanted) in BENDS.items():
        for seed in range(1, seeds + 1):
            runs += 1
            seen = {rule.id for rule, a in ask_bent(bend, seed) if a.verdict == "deviates"}
            if seen != wanted:
                found += 1
                sys.stdout.write(f"{name}, seed {seed}: {sorted(seen)}, not {sorted(wanted)}\n")
    kinds = 1 + len(SWITCHES) + len(OMITTED) + len(BENDS)
    sys.stdout.write(f"{runs} runs of {kinds} servers, {found} wrong grades\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
