"""Parts of work, done by any executor: each comes back once, or it is said why not."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm import _spread
from realtime_fsm._spread import WorkersDifferError, WorkersGoneError, spread
from realtime_fsm._workers import Dask, NoWorkersError, Processes, versions
from realtime_fsm.cli import app

from .parts import Unsendable, die, die_once, double, refuse, unsendable

PARTS = list(range(10))


class Threads:
    """Of this process, which *breaks* before so many submissions."""

    name = "threads"

    def __init__(
        self, submits: Callable[[int, Executor], Future[Any] | None] | None = None
    ) -> None:
        self._submits = submits
        self.submitted = self.started = 0
        self.alive = True
        self.most = 0
        self._pool: ThreadPoolExecutor | None = None

    def start(self) -> Executor:
        self.stop()
        self.started += 1
        self._pool = pool = ThreadPoolExecutor(2)
        submit, own = pool.submit, self

        def counted(function: Any, /, *args: Any, **kwargs: Any) -> Any:
            own.submitted += 1
            future = own._submits(own.submitted, pool) if own._submits is not None else None
            return submit(function, *args, **kwargs) if future is None else future

        pool.submit = counted  # type: ignore[method-assign]
        return pool

    def width(self) -> int:
        return 2

    def lives(self) -> bool:
        return self.alive

    def stop(self) -> None:
        if self._pool is not None:
            self._pool.shutdown()
            self._pool = None


def failed(error: BaseException) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_exception(error)
    return future


def cancelled() -> Future[Any]:
    future: Future[Any] = Future()
    future.cancel()
    future.set_running_or_notify_cancel()
    return future


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("parts", [PARTS, [], [1]])
def test_each_part_comes_back_once(size: int, parts: list[int]) -> None:
    found = list(spread(double, parts, Threads(), size=size))
    assert sorted(found) == [(part, 2 * part) for part in parts]


def test_what_a_part_raises_is_raised() -> None:
    workers = Threads()
    with pytest.raises(ValueError, match=r"no \d"):
        list(spread(refuse, PARTS, workers))
    assert workers._pool is None


def test_what_cannot_be_sent_is_told_in_words() -> None:
    """An exception that holds something of its process."""
    with pytest.raises(RuntimeError, match=r"(\d): Unsendable: \1 and \1") as told:
        list(spread(unsendable, PARTS, Threads()))
    assert not isinstance(told.value, Unsendable)


@pytest.mark.parametrize("error", [BrokenExecutor("died"), OSError("comm"), None])
def test_a_part_whose_worker_is_lost_is_given_to_another(error: Exception | None) -> None:
    def submits(number: int, pool: Executor) -> Future[Any] | None:
        if number not in (1, 4):
            return None
        return cancelled() if error is None else failed(error)

    found = sorted(spread(double, PARTS, Threads(submits), size=2))
    assert found == [(part, 2 * part) for part in PARTS]


def test_what_kills_each_worker_is_named() -> None:
    def submits(number: int, pool: Executor) -> Future[Any] | None:
        return failed(BrokenExecutor("died"))

    with pytest.raises(
        WorkersGoneError, match=r"3 workers of threads were lost with \d, \d: Broken"
    ):
        list(spread(double, PARTS, Threads(submits), size=2))


def test_workers_that_go_away_end_it() -> None:
    """What came until then was yielded."""
    workers = Threads()

    def submits(number: int, pool: Executor) -> Future[Any] | None:
        if number <= 3:
            return None
        workers.alive = False
        return Future()  # nobody will tell

    workers._submits = submits
    found: list[tuple[int, int]] = []
    with pytest.raises(WorkersGoneError, match="threads went away"):
        found.extend(spread(double, PARTS, workers))
    assert sorted(found) == [(0, 0), (1, 2), (2, 4)]


def test_who_was_cancelled_by_a_lost_scheduler_went_away() -> None:
    workers = Threads()

    def submits(number: int, pool: Executor) -> Future[Any] | None:
        workers.alive = False
        return cancelled()

    workers._submits = submits
    with pytest.raises(WorkersGoneError, match="went away"):
        list(spread(double, PARTS, workers))


def test_an_executor_that_takes_nothing_any_more_is_made_anew() -> None:
    def submits(number: int, pool: Executor) -> Future[Any] | None:
        if number == 2:
            raise BrokenExecutor("died since")
        return None

    workers = Threads(submits)
    assert sorted(spread(double, PARTS, workers)) == [(part, 2 * part) for part in PARTS]


def test_a_worker_with_other_versions_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are said: what it has, and what we have."""
    real = _spread._work

    def other(run: Any, parts: Any, expected: tuple[str, ...]) -> Any:
        return real(run, parts, (*expected[:-1], "Python 2.7"))._replace(
            versions=(*expected[:-1], "Python 2.7")
        )

    monkeypatch.setattr(_spread, "_work", other)
    with pytest.raises(WorkersDifferError, match=r"Python 2\.7 there, Python 3\.\d+ here"):
        list(spread(double, PARTS, Threads()))


def test_a_worker_does_nothing_for_another_version() -> None:
    answer = _spread._work(refuse, [1], ("realtime-fsm 0",))
    assert answer.results == []
    assert answer.versions == versions()


def test_little_is_under_way() -> None:
    """Not all of it at once: a cluster keeps what it is given."""
    open_now = [0]
    most = [0]

    class Counting(Threads):
        def start(self) -> Executor:
            pool = super().start()
            submit = pool.submit

            def counted(function: Any, /, *args: Any, **kwargs: Any) -> Any:
                open_now[0] += 1
                most[0] = max(most[0], open_now[0])
                future = submit(function, *args, **kwargs)
                future.add_done_callback(lambda _: open_now.__setitem__(0, open_now[0] - 1))
                return future

            pool.submit = counted  # type: ignore[method-assign]
            return pool

    list(spread(double, list(range(100)), Counting()))
    assert most[0] <= 4


# --- real processes


def test_a_killed_process_costs_nothing(tmp_path: Path) -> None:
    flags = [str(tmp_path / f"flag{number}") for number in range(4)]
    found = dict(spread(die_once, flags[:1], Processes(2)))
    assert found == {flags[0]: "flag0"}


def test_processes_that_die_of_a_part_say_of_which() -> None:
    with pytest.raises(WorkersGoneError, match=r"3 workers of 1 processes were lost with 3"):
        list(spread(die, [3], Processes(1)))


# --- what runs on them


@pytest.fixture
def gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that takes three parts, and goes away."""

    class Leaves(Threads):
        def __init__(self, address: str) -> None:
            super().__init__(self._two)

        def _two(self, number: int, pool: Executor) -> Future[Any] | None:
            if number <= 3:
                return None
            pool.shutdown()  # they are done
            self.alive = False
            return cancelled()

    for module in ("trace.command", "lab.simulate.command", "_workers"):
        monkeypatch.setattr(f"realtime_fsm.{module}.Dask", Leaves)


TRACE = '{"t": 0.0, "type": "session.created", "event_id": "e", "session": {}}\n'


def traces(folder: Path, count: int) -> list[str]:
    paths = [folder / f"{number}.jsonl" for number in range(count)]
    for path in paths:
        path.write_text(TRACE)
    return list(map(str, paths))


def test_several_processes_judge_as_one(tmp_path: Path) -> None:
    paths = [*traces(tmp_path, 3), str(tmp_path / "none")]
    one, two = (CliRunner().invoke(app, ["check", "--jobs", jobs, *paths]) for jobs in "12")
    assert one.stdout == two.stdout
    assert "none" in one.stdout
    assert one.exit_code == two.exit_code


@pytest.mark.usefixtures("gone")
def test_traces_that_nobody_judged_are_named(tmp_path: Path) -> None:
    paths = traces(tmp_path, 5)
    done = CliRunner().invoke(app, ["check", "--json", "--dask", "there:1", *paths])
    assert done.exit_code == 3
    judged = {each["source"] for each in json.loads(done.stdout)["files"]}
    assert len(judged) == 3
    assert "threads went away" in done.stderr
    assert all((path in done.stderr) == (path not in judged) for path in paths)


@pytest.mark.usefixtures("gone")
def test_parts_that_nobody_searched_are_named() -> None:
    few = ["--turns", "1", "--messages", "1", "--attempts", "1", "--limit-states", "20"]
    done = CliRunner().invoke(app, ["explore", *few, "--json", "--dask", "there:1"])
    assert done.exit_code == 3
    report = json.loads(done.stdout)
    assert len(report["parts"]) == 3
    assert not report["complete"]
    assert "Not searched: " in done.stderr


@pytest.mark.usefixtures("gone")
def test_calls_that_were_done_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without --keep too, and found again by it."""
    monkeypatch.chdir(tmp_path)
    few = ["simulate", "--calls", "10", "--faults", "mild"]
    done = CliRunner().invoke(app, [*few, "--dask", "there:1"])
    assert done.exit_code == 3
    (kept,) = tmp_path.iterdir()
    assert f"6 of 10 calls are done, and kept in {kept.name}" in done.stderr
    assert len(kept.read_text().splitlines()) == 7
    goes_on = CliRunner().invoke(app, [*few, "--jobs", "1", "--json", "--keep", kept.name])
    whole = CliRunner().invoke(app, [*few, "--jobs", "1", "--json"])
    assert goes_on.exit_code == 0
    assert {**json.loads(goes_on.stdout), "wall_seconds": 0} == {
        **json.loads(whole.stdout),
        "wall_seconds": 0,
    }
    assert len(kept.read_text().splitlines()) == 11


def test_a_file_of_calls_is_of_one_run(tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    few = ["simulate", "--calls", "1", "--jobs", "1", "--keep", str(kept)]
    assert CliRunner().invoke(app, few).exit_code == 0
    cut = kept.read_bytes()
    kept.write_bytes(cut[:-10])  # stopped while it was written
    assert CliRunner().invoke(app, few).exit_code == 0
    assert kept.read_bytes() == cut
    for other, why in (
        (["--seed", "2"], "of another run: seed is 1, not 2"),
        (["--compare"], "of another run: mode is 'controlled', not 'compare'"),
    ):
        done = CliRunner().invoke(app, [*few, *other])
        assert done.exit_code == 2
        assert why in done.stderr
    kept.write_text("{}\n")
    done = CliRunner().invoke(app, few)
    assert done.exit_code == 2
    assert "holds no calls of simulate --keep" in done.stderr


def test_no_scheduler_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed", reason="the extra `scale` is not installed")
    monkeypatch.setattr("realtime_fsm._workers._CONNECT", 0.5)
    with pytest.raises(NoWorkersError, match=r"no Dask scheduler answers at tcp://127\.0\.0\.1:9"):
        Dask("tcp://127.0.0.1:9").start()


def test_dask_that_is_missing_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(NoWorkersError, match=r"pip install 'realtime-fsm\[scale\]'"):
        Dask("tcp://127.0.0.1:9").start()
