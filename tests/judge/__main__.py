"""The long measure of the judges: ``python -m tests.judge [--shard I/N] [--only WORD] [--base SEED]``.

Agents of the usual shapes, with each response failing and the connection dropping at each once; a
thousand healthy calls with what is planted in them; five hundred in which responses fail, controlled
and plain; the drawn calls on which judges disagreed once; nine hundred calls lived twice. Each result is
a line of the file at once, and what that code has done already is not done again: it may be stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from realtime_fsm.lab.simulate import run_pair
from realtime_fsm.lab.simulate.scenario import call_seed
from realtime_fsm.simulator.faults import Profile

from ..compare.test_random import OPEN
from .agents import PLAYS
from .said import drawn_call, failing_call, healthy_call
from .test_agents import FAILS, alarms

_ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.judge")
    parser.add_argument("--shard", default="0/1", metavar="I/N", help="this part of the calls")
    parser.add_argument(
        "--only", default="", metavar="WORD", help="agent, healthy, failing, drawn, pair"
    )
    parser.add_argument(
        "--base", type=int, default=1, help="other numbers: other calls lived twice"
    )
    parser.add_argument("--out", type=Path, default=_ROOT / "build" / "judge.jsonl")
    given = parser.parse_args()
    part, parts = map(int, given.shard.split("/"))
    logging.disable(logging.CRITICAL)
    given.out.parent.mkdir(parents=True, exist_ok=True)
    code, results = _code(), {}
    if given.out.exists():
        for told in map(json.loads, given.out.read_text("utf-8").splitlines()):
            if told["code"] == code:
                results[told["call"]] = told["found"]
    mine = {}
    with given.out.open("a", encoding="utf-8") as file, tempfile.TemporaryDirectory() as folder:
        for number, (name, look) in enumerate(_calls(given.base)):
            if not name.startswith(given.only) or number % parts != part:
                continue
            if name not in results:
                results[name] = look(Path(folder) / f"{number}.jsonl")
                file.write(json.dumps({"code": code, "call": name, "found": results[name]}) + "\n")
                file.flush()
            mine[name] = results[name]
    for name, found in mine.items():
        for each in found:
            print(f"{name}: {each}")
    wrong = Counter(name.rsplit(" ", 1)[0] for name, found in mine.items() if found)
    for kind, number in Counter(name.rsplit(" ", 1)[0] for name in mine).items():
        print(f"{kind}: {number} calls, {wrong[kind]} not as they should be")
    return 1 if wrong else 0


def _calls(base: int) -> Iterator[tuple[str, Callable[[Path], list[str]]]]:
    for name, play in PLAYS.items():
        for how in FAILS:
            for at in range(len(play.replies)):
                call = f"agent, {how} {name.replace(' ', '-')}-{at}"
                yield call, partial(_agent, name, how, at)
    for seed in range(1000):
        yield f"healthy {seed}", partial(healthy_call, seed)
    for seed in range(500):
        for who, controlled in (("controlled", True), ("plain", False)):
            yield f"failing, {who} {seed}", partial(_failing, seed, controlled)
    drawn: tuple[tuple[Profile, list[int]], ...] = (
        ("rough", [535, 572, 594]), ("hostile", list(range(510, 614)))
    )  # fmt: skip
    for profile, numbers in drawn:
        for number in numbers:
            yield f"drawn, {profile} {number}", partial(drawn_call, number, profile)
    profiles: tuple[Profile, ...] = ("none", "mild", "rough")
    for profile in profiles:
        known = {n for by in OPEN.values() for n in by.get(profile, ())} if base == 1 else set()
        for number in range(300):
            yield (
                f"pair, {profile} {number}",
                partial(_pair, base, number, profile, number in known),
            )


def _agent(name: str, how: str, at: int, path: Path) -> list[str]:
    try:
        return sorted(alarms(PLAYS[name], path, at=at, instead=FAILS[how]))
    except AssertionError as error:
        return [str(error)]


def _failing(seed: int, controlled: bool, path: Path) -> list[str]:
    return failing_call(seed, path, controlled=controlled)[0]


def _pair(base: int, number: int, profile: Profile, known: bool, _: Path) -> list[str]:
    worse = [each.text for each in run_pair(call_seed(base, number), profile).worse]
    if known:
        return [] if worse else ["known to be worse, and is not: take it off the list"]
    return worse


def _code() -> str:
    """Names the code that is measured."""
    digest = hashlib.sha256()
    for folder in ("realtime_fsm", "tests/judge", "tests/simulate"):
        for path in sorted((_ROOT / folder).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


if __name__ == "__main__":
    sys.exit(main())
