"""Breadth first over everything that can happen, so the first way found to a state is a shortest.

States are kept as bytes (`World.pack`), known ones by a digest of 16 bytes. With several processes
each expands a part of a level; what is new is decided in one place, so the result is the same.
"""

from __future__ import annotations

import gc
import hashlib
import marshal
import re
import signal
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Optional

from ..processes import start_pool
from . import acts
from .acts import late
from .bound import Bound
from .oracle import Violation
from .rows import Rules, Tables
from .world import Action, World

__all__ = ["Found", "Progress", "Result", "search"]

_CHUNK = 200
_NONE, _UNKNOWN = -1, -2

Progress = Callable[[int, int, int, int], None]
"""Called with: depth, states, transitions, states not looked at yet."""


@dataclass(frozen=True)
class Found:
    """A violation.

    Attributes:
        text: What does not hold; begins with the guarantee's id.
        sequence: The shortest sequence of actions that leads there.
        count: In how many transitions it was seen.
    """

    text: str
    sequence: tuple[Action, ...]
    count: int = 1


@dataclass
class Result:
    """What one search found.

    Attributes:
        depth: Number of actions of the longest of the shortest ways.
        complete: Every state within the bound was looked at.
        taken: Numbers of the arrows that were taken, see `Rules`.
    """

    bound: Bound
    states: int = 0
    transitions: int = 0
    depth: int = 0
    complete: bool = False
    seconds: float = 0.0
    violations: list[Found] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)


class _Expansion:
    """All that follows from a state; runs in whichever process."""

    def __init__(self, bound: Bound, rules: Rules) -> None:
        self._bound, self._rules = bound, rules
        self._sent: set[bytes] = set()

    def start(self) -> tuple[bytes, bytes]:
        return _frozen(World(self._bound, self._rules))

    def expand(self, state: bytes) -> tuple[list[tuple[Any, ...]], Optional[str]]:
        """The successors (action, digest, data or None) or complaints (action, None, text) of a
        state, and what is wrong with a state in which nothing is left to come."""
        data = marshal.loads(state)
        world = World.unpack(data, self._bound, self._rules)
        actions = acts.actions(world)
        end = None if _moves_on(actions) else world.end()
        out: list[tuple[Any, ...]] = []
        try:
            late.check_stale(world)
        except Exception as e:  # whatever it is, it is a finding
            out.append((("late",), None, _text(e)))
        for action in actions:
            world = World.unpack(data, self._bound, self._rules)
            try:
                acts.apply(world, action)
            except Exception as e:
                out.append((action, None, _text(e)))
                continue
            digest, frozen = _frozen(world)
            new = digest not in self._sent
            self._sent.add(digest)
            out.append((action, digest, frozen if new else None))
        return out, end


def _moves_on(actions: list[Action]) -> Optional[int]:
    """Where the action is that needs nobody but time: a timer, or a host that plays on."""
    for name in ("tick", "resume"):
        if (name,) in actions:
            return actions.index((name,)) + 1
    return None


def _frozen(world: World) -> tuple[bytes, bytes]:
    frozen = marshal.dumps(world.pack(), 2)  # later formats depend on reference counts
    return hashlib.blake2b(frozen, digest_size=16).digest(), frozen


def _text(error: Exception) -> str:
    return str(error) if isinstance(error, Violation) else f"raised {error!r}"


_here: _Expansion
_rules: Rules


def _start(bound: Bound, tables: Tables) -> None:
    global _here, _rules
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends the others
    gc.freeze()
    _rules = Rules(tables)
    _here = _Expansion(bound, _rules)


def _expand(states: list[bytes]) -> tuple[list[Any], set[int]]:
    return [_here.expand(s) for s in states], _rules.taken


class _Graph:
    """The states seen, how each was reached first, and where it goes when only time passes."""

    def __init__(self) -> None:
        self.index: dict[bytes, int] = {}
        self.parent = array("q")
        self.how = array("l")
        self.quiet = array("q")
        self.ends: dict[int, str] = {}
        self._actions: list[Action] = []
        self._numbers: dict[Action, int] = {}

    def add(self, digest: bytes, parent: int, action: Action) -> int:
        self.index[digest] = number = len(self.parent)
        if action not in self._numbers:
            self._numbers[action] = len(self._actions)
            self._actions.append(action)
        self.parent.append(parent)
        self.how.append(self._numbers[action])
        self.quiet.append(_UNKNOWN)
        return number

    def path(self, number: int) -> tuple[Action, ...]:
        out = []
        while self.parent[number] >= 0:
            out.append(self._actions[self.how[number]])
            number = self.parent[number]
        return tuple(reversed(out))

    def hangs(self) -> Iterator[tuple[int, str]]:
        """Liveness: while only time passes every turn ends, and then no timer is left."""
        good = bytearray(len(self.quiet))
        for start in range(len(self.quiet)):
            chain, number = [], start
            while number >= 0 and not good[number]:
                good[number] = 1
                chain.append(number)
                number = self.quiet[number]
            if number == _NONE and chain[-1] in self.ends:
                yield start, self.ends[chain[-1]]
            elif number >= 0 and number in chain:
                yield start, "liveness: timers fire for ever"


def search(
    bound: Bound,
    *,
    tables: Tables = Tables(),  # noqa: B008 - frozen
    jobs: int = 1,
    limit_states: Optional[int] = None,
    stop_at_violation: bool = False,
    progress: Optional[Progress] = None,
) -> Result:
    """Look at everything within *bound*.

    Args:
        tables: Other tables than ours, to see whether they hold.
        jobs: Processes.
        limit_states: Stop when so many states are known; the result is not complete then.
        stop_at_violation: Look no deeper than the first violation; nor at liveness then.
    """
    began = time.perf_counter()
    result, graph = Result(bound), _Graph()
    complaints: dict[str, tuple[int, Action, int]] = {}
    rules = Rules(tables)
    digest, frozen = _Expansion(bound, rules).start()
    frontier = [(graph.add(digest, -1, ()), frozen)]
    result.complete = True
    with _expander(bound, rules, tables, jobs) as expand:
        while frontier:
            frontier = _level(frontier, expand, graph, result, complaints, limit_states)
            result.states = len(graph.parent)
            result.depth += bool(frontier)
            if progress is not None:
                progress(result.depth, result.states, result.transitions, len(frontier))
            if stop_at_violation and complaints:
                result.complete = False
                break
    for text, (number, action, count) in complaints.items():
        result.violations.append(Found(text, (*graph.path(number), action), count))
    found: dict[str, list[int]] = {}
    for number, text in graph.hangs():
        found.setdefault(text, []).append(number)
    for text, numbers in found.items():
        result.violations.append(Found(text, graph.path(min(numbers)), len(numbers)))
    result.violations.sort(key=lambda one: len(one.sequence))
    result.taken |= rules.taken
    result.seconds = time.perf_counter() - began
    return result


def _level(
    frontier: list[tuple[int, bytes]],
    expand: Callable[[Iterable[bytes]], Iterator[Any]],
    graph: _Graph,
    result: Result,
    complaints: dict[str, tuple[int, Action, int]],
    limit: Optional[int],
) -> list[tuple[int, bytes]]:
    """Expand a level; return the next. What was sent before it was wanted is kept for then."""
    new: list[tuple[int, bytes]] = []
    results = expand(state for _, state in frontier)
    for number, _ in frontier:
        if limit is not None and len(graph.parent) >= limit:
            result.complete = False
            return []
        successors, end, taken = next(results)
        result.taken |= taken
        graph.quiet[number] = _NONE
        if end is not None:
            graph.ends[number] = end
        for action, digest, data in successors:
            result.transitions += 1
            if digest is None:
                text = re.sub(r"_\d+", "_N", data)
                first = complaints.get(text)
                complaints[text] = (
                    (number, action, 1) if first is None else (*first[:2], first[2] + 1)
                )
                continue
            known = graph.index.get(digest)
            if known is None:
                known = graph.add(digest, number, action)
                new.append((known, data))
            if action in (("tick",), ("resume",)):
                graph.quiet[number] = known
    return new


class _expander:  # noqa: N801 - used as a function
    """Expands states one after another: here, or in other processes, in the same order."""

    def __init__(self, bound: Bound, rules: Rules, tables: Tables, jobs: int) -> None:
        self._here = _Expansion(bound, rules)
        self._rules = rules
        self._pool: Any = None
        if jobs > 1:
            self._pool = start_pool(jobs, _start, (bound, tables))

    def __enter__(self) -> Callable[[Iterable[bytes]], Iterator[Any]]:
        return self._alone if self._pool is None else self._together

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.terminate()
            self._pool.join()

    def _alone(self, states: Iterable[bytes]) -> Iterator[Any]:
        for state in states:
            yield (*self._here.expand(state), self._rules.taken)

    def _together(self, states: Iterable[bytes]) -> Iterator[Any]:
        for expanded, taken in self._pool.imap(_expand, _chunks(states)):
            for one in expanded:
                yield (*one, taken)


def _chunks(states: Iterable[bytes]) -> Iterator[list[bytes]]:
    source = iter(states)
    while chunk := list(islice(source, _CHUNK)):
        yield chunk
