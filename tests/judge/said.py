"""What each who judges a random call says of it, and whether they say the same."""

from __future__ import annotations

import io
import json
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from realtime_fsm.lab.simulate import draw
from realtime_fsm.lab.simulate.run import run_scenario
from realtime_fsm.lab.simulate.scenario import call_seed
from realtime_fsm.report import collect
from realtime_fsm.simulator.faults import Profile
from realtime_fsm.testing import check_all
from realtime_fsm.trace import check, read
from realtime_fsm.trace.facts import Fact, facts_of

from ..simulate.ordered import draw_in_order
from .plants import HEALTHY, PLANTS, Lines, planted
from .random_calls import play

__all__ = ["drawn_call", "failing_call", "healthy_call"]


class _Told:
    """What `check_all` takes: the facts of a call."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts

    def facts(self) -> Sequence[Fact]:
        return self._facts


def healthy_call(seed: int, path: Path) -> list[str]:
    """Nothing fails: alarms, and what is planted in it and not found."""
    played = play(seed, path)
    said = {**_verdicts(path.read_bytes()), "live": played.alarms}
    if any(said.values()) or played.differences:
        return [f"alarm: {said} {played.differences}"]
    found = []
    call = _lines_of(path)
    for plant in HEALTHY:
        scene = planted(call, plant, random.Random(f"{seed} {plant.__name__}"), goes_on=True)
        if any((said := _verdicts(_data_of(scene))).values()):
            found.append(f"{plant.__name__} added: {said}")
    for name, plant, goes_on in PLANTS:
        rng = random.Random(f"{seed} {plant.__name__}")
        said = _both(_data_of(planted(call, plant, rng, goes_on=goes_on)))
        if not all(name in ids for ids in said.values()) or _differ(said):
            found.append(f"{name}, {plant.__name__} planted: {said}")
    return found


def failing_call(seed: int, path: Path, *, controlled: bool) -> tuple[list[str], bool]:
    """Responses fail: where the judges differ; whether anything was broken."""
    played = play(seed, path, failing=0.3, controlled=controlled)
    said = {**_verdicts(path.read_bytes()), "live": played.alarms}
    return _agreed(said, played.differences), any(said.values())


def drawn_call(number: int, profile: Profile, path: Path) -> list[str]:
    """A call of `simulate`, as it draws and as it drew them: where the judges differ."""
    found = []
    for drawn in (draw, draw_in_order):
        path.unlink(missing_ok=True)
        result, seen, _ = run_scenario(drawn(call_seed(1, number), profile), trace=path)
        said = {**_verdicts(path.read_bytes()), "simulate": set(result.broken)}
        found += [f"{drawn.__name__}: {each}" for each in _agreed(said, seen.differences)]
    return found


def _agreed(said: dict[str, set[str]], differences: object) -> list[str]:
    found = [f"{said}"] if _differ(said) else []
    if differences and "G16" not in said["check"]:  # what the controller itself says is a breach
        found.append(f"{said}, {differences}")
    return found


def _differ(said: dict[str, set[str]]) -> bool:
    return len({frozenset(ids) for ids in said.values()}) > 1


def _verdicts(data: bytes) -> dict[str, set[str]]:
    """What each who reads a trace says is broken."""
    side = collect(io.BytesIO(data), "trace")
    return {**_both(data), "report": {name for call in side.calls for name in call.broken}}


def _both(data: bytes) -> dict[str, set[str]]:
    """What `check` and `check_all` say is broken."""
    told = _Told(list(facts_of(read(io.BytesIO(data)))))
    return {"check": set(check(io.BytesIO(data)).broken), "check_all": _by_check_all(told)}


def _by_check_all(call: Any) -> set[str]:
    try:
        check_all(call)
    except AssertionError as error:
        return {line.split()[0] for line in str(error).splitlines() if line.startswith("G")}
    return set()


def _lines_of(path: Path) -> Lines:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def _data_of(lines: Iterable[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(line) + "\n" for line in lines).encode()
