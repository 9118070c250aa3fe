"""Hypothesis profiles: ``HYPOTHESIS_PROFILE`` = dev (default), short, ci or nightly; long tests, and tests in real time."""

from __future__ import annotations

import gc
import os

import pytest
from _pytest.runner import runtestprotocol
from hypothesis import HealthCheck, settings

from .real_time import lived
from .sample import mark_long

settings.register_profile(
    "dev", max_examples=60, stateful_step_count=40, deadline=None, report_multiple_bugs=False
)
settings.register_profile(
    "ci",
    max_examples=300,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "nightly",
    max_examples=20_000,
    stateful_step_count=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
# Short and always the same: what CI runs once more with `ci`, and what runs for every change to the code (make mutants).
settings.register_profile(
    "short",
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    if item.get_closest_marker("real_time") is None:
        return None
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for report in lived(lambda: runtestprotocol(item, log=False, nextitem=nextitem)):
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(tryfirst=True)  # before `-m` looks at the marks
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    mark_long(items)


def pytest_collection_finish() -> None:
    """What was collected stays: the garbage collector need not look at 600,000 objects of it again."""
    gc.collect()
    gc.freeze()
