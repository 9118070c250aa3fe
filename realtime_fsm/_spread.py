"""Has the parts of some work done by `realtime_fsm._workers`. What comes back does not depend on them."""

from __future__ import annotations

import logging
import pickle
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from typing import Any, Generic, NamedTuple, TypeVar, cast

from ._workers import NoWorkersError, Workers, versions

__all__ = ["WorkersDifferError", "WorkersGoneError", "spread"]

_T = TypeVar("_T")
_R = TypeVar("_R")

#: How often a part is given to a worker that is then lost.
_TRIES = 3
#: Seconds after which it is looked whether there are workers at all.
_LOOK = 1.0
#: A call in virtual time has its process for itself: a cluster's worker may have several threads.
_ONE_AT_A_TIME = threading.Lock()


class WorkersGoneError(RuntimeError):
    """They went away, or died of what they were given. What was yielded until then is right."""


class WorkersDifferError(RuntimeError):
    """One has other versions, so what it says may be of another program."""


class _Answer(NamedTuple):
    """Of a worker."""

    versions: tuple[str, ...]
    #: Of each part: whether it was done, and what came of it or was raised.
    results: list[tuple[bool, Any]]


def itself(part: Any) -> Any:
    return part


def spread(
    run: Callable[[Any], _R],
    parts: Sequence[_T],
    workers: Workers,
    *,
    size: int = 1,
    given: Callable[[_T], Any] = itself,
) -> Iterator[tuple[_T, _R]]:
    """Yield each part with what *run* makes of it, as it comes. Both have to be picklable.

    A part whose worker is lost is given to another, three times at most.

    Args:
        size: How many parts a worker is given together.
        given: What *run* is given for a part, made when it is sent.

    Raises:
        NoWorkersError: Nobody can be asked.
        WorkersGoneError: They went away in between.
        WorkersDifferError: One has other versions than this process.
        Exception: What *run* raised.
    """
    yield from _Spread(run, parts, workers, size, given).results()


class _Spread(Generic[_T, _R]):
    def __init__(
        self,
        run: Callable[[Any], _R],
        parts: Sequence[_T],
        workers: Workers,
        size: int,
        given: Callable[[_T], Any],
    ) -> None:
        self._run = run
        self._given = given
        self._parts = parts
        self._workers = workers
        self._todo = deque(range(i, min(i + size, len(parts))) for i in range(0, len(parts), size))
        self._tries: Counter[int] = Counter()
        self._running: dict[Future[_Answer], range] = {}

    def results(self) -> Iterator[tuple[_T, _R]]:
        try:
            executor = self._workers.start()
            while self._todo or self._running:
                executor = self._submit(executor)
                finished, _ = wait(self._running, timeout=_LOOK, return_when=FIRST_COMPLETED)
                for future in sorted(finished, key=_is_lost):  # what was done first
                    yield from self._taken(future)
                if not finished and not self._workers.lives():
                    raise self._gone()
        finally:
            self._workers.stop()

    def _submit(self, executor: Executor) -> Executor:
        """Twice as many as they do at a time: nobody waits, and little is lost with them."""
        while self._todo and len(self._running) < 2 * self._workers.width():
            batch = self._todo.popleft()
            parts = [self._given(self._parts[i]) for i in batch]
            try:
                future = executor.submit(_work, self._run, parts, versions())
            except RuntimeError:  # it broke since: what it has comes back as lost
                self._todo.appendleft(batch)
                if self._running:
                    break
                executor = self._again()
            else:
                self._running[future] = batch
        return executor

    def _again(self) -> Executor:
        if not self._workers.lives():
            raise self._gone()
        try:
            return self._workers.start()
        except NoWorkersError:
            raise self._gone() from None

    def _taken(self, future: Future[_Answer]) -> Iterator[tuple[_T, _R]]:
        batch = self._running.pop(future)
        try:
            answer = future.result()
        except (Exception, CancelledError) as e:  # not of a part: those come as results
            self._lost(batch, e)
            return
        if answer.versions != versions():
            raise WorkersDifferError(_difference(answer.versions, self._workers.name))
        for i, (done, result) in zip(batch, answer.results, strict=True):
            if not done:
                raise result
            yield self._parts[i], cast("_R", result)

    def _lost(self, batch: range, error: BaseException) -> None:
        if isinstance(error, CancelledError) and not self._workers.lives():
            raise self._gone() from None
        self._tries[batch.start] += 1
        if self._tries[batch.start] < _TRIES:
            self._todo.append(batch)
            return
        names = ", ".join(str(self._parts[i]) for i in batch)
        raise WorkersGoneError(
            f"{_TRIES} workers of {self._workers.name} were lost with {names}: "
            f"{type(error).__name__}: {error}"
        ) from None

    def _gone(self) -> WorkersGoneError:
        return WorkersGoneError(f"{self._workers.name} went away")


def _is_lost(future: Future[_Answer]) -> bool:
    return future.cancelled() or future.exception() is not None


def _difference(theirs: tuple[str, ...], name: str) -> str:
    pairs = zip(theirs, versions(), strict=False)
    differ = "; ".join(f"{their} there, {mine} here" for their, mine in pairs if their != mine)
    return f"a worker of {name} has other versions: {differ or theirs}"


def _work(run: Callable[[Any], Any], parts: Sequence[Any], expected: tuple[str, ...]) -> _Answer:
    """What a worker does."""
    mine = versions()
    if mine != expected:
        return _Answer(mine, [])
    with _ONE_AT_A_TIME:
        disabled = logging.root.manager.disable
        try:
            return _Answer(mine, [_result(run, part) for part in parts])
        finally:
            logging.disable(disabled)


def _result(run: Callable[[Any], Any], part: Any) -> tuple[bool, Any]:
    try:
        return True, run(part)
    except Exception as e:
        try:
            pickle.loads(pickle.dumps(e))
        except Exception:
            return False, RuntimeError(f"{str(part)[:80]}: {type(e).__name__}: {e}")
        return False, e
