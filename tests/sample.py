"""A short version of what takes long: a sample by rule in `make test`, the rest in `make test-long`.

Of the cases of a test marked ``sampled(of)`` one in *of* stays, and with it each value at least once that several
cases share in a parameter, and each kind that ``kind=`` tells of a case's parameters. The others are marked ``long``.
Which they are depends on their names alone, so that tests with the same cases, whose lives they share, keep the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from zlib import crc32

import pytest

__all__ = ["mark_long"]


def mark_long(items: Iterable[pytest.Item]) -> None:
    """Mark what is not in the sample of its test."""
    tests: dict[str, list[pytest.Function]] = {}
    for item in items:
        if isinstance(item, pytest.Function) and item.get_closest_marker("sampled") is not None:
            tests.setdefault(item.nodeid.partition("[")[0], []).append(item)
    for cases in tests.values():
        sample = _sample(cases)
        for item in cases:
            if item not in sample:
                item.add_marker(pytest.mark.long)


def _sample(cases: list[pytest.Function]) -> list[pytest.Function]:
    mark = cases[0].get_closest_marker("sampled")
    assert mark is not None
    cases = sorted(cases, key=lambda item: crc32(item.callspec.id.encode()))
    told = {item: set(_told(item.callspec.params, **mark.kwargs)) for item in cases}
    shared = Counter(each for values in told.values() for each in values)
    sample: list[pytest.Function] = []
    missing = {each for each, count in shared.items() if each[0] == "kind" or count > 1}
    while missing:
        sample.append(max(cases, key=lambda item: len(told[item] & missing)))
        missing -= told[sample[-1]]
    others = [item for item in cases if item not in sample]
    return sample + others[: max(0, -(-len(cases) // mark.args[0]) - len(sample))]


def _told(params: Mapping[str, Any], kind: Any = None) -> Iterator[tuple[str, str]]:
    for name, value in params.items():
        yield name, repr(value)
    if kind is not None:
        yield "kind", repr(kind(**params))
