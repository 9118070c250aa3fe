"""A sample of the broken rules; ``python -m tests.duplex.mutants`` breaks them all."""

from __future__ import annotations

from .mutants import DEFINITIONS, broken, cases, notices


def test_a_sample_of_broken_rules_is_noticed() -> None:
    all_ = list(cases())
    found = [(m, d, *each) for m, d in DEFINITIONS.items() for each in broken(d)]
    assert len(found) > 200
    missed = [
        (how, row.source.name, row.event.name)
        for machine, definition, how, row, table in found[::12]
        if not notices(machine, definition, table, all_)
    ]
    assert missed == []
