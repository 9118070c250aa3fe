"""A Dask cluster on loopback: the same results as here, whatever happens to its workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm._spread import WorkersGoneError, spread
from realtime_fsm._workers import Dask
from realtime_fsm.cli import app
from realtime_fsm.lab.explore import Bound, explore
from realtime_fsm.lab.simulate import command
from realtime_fsm.lab.simulate.pool import run_calls, run_pairs, seeds_of

from .parts import die, die_once, slowly

distributed: Any = pytest.importorskip(
    "distributed", reason="the extra `scale` is not installed: make scale"
)
dask_config: Any = pytest.importorskip("dask").config

pytestmark = pytest.mark.filterwarnings("default")  # Dask's own


def cluster_of(count: int, threads: int = 1) -> Any:
    # A task is given up with its first worker: asking again is ours.
    with dask_config.set({"distributed.scheduler.allowed-failures": 0}):
        return distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=threads,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            silence_logs=50,
        )


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Two workers, of two threads each."""
    with cluster_of(2, threads=2) as cluster:
        yield cluster.scheduler_address


def test_the_results_are_those_of_this_machine(address: str) -> None:
    seeds = seeds_of(10, 7)
    here = {each.seed: each for each in run_calls(seeds, "rough")}
    there = {each.seed: each for each in run_calls(seeds, "rough", workers=Dask(address))}
    assert there == here


def test_so_are_those_of_calls_that_are_lived_twice(address: str) -> None:
    seeds = seeds_of(4, 7)
    here = {each.seed: each for each in run_pairs(seeds, "mild")}
    there = {each.seed: each for each in run_pairs(seeds, "mild", workers=Dask(address))}
    assert there == here


def test_a_part_whose_worker_is_killed_is_given_to_another(address: str, tmp_path: Path) -> None:
    flag = str(tmp_path / "flag")
    assert dict(spread(die_once, [flag], Dask(address))) == {flag: "flag"}


def test_what_kills_each_worker_is_named(address: str) -> None:
    with pytest.raises(WorkersGoneError, match=r"3 workers of the Dask cluster .* lost with 3"):
        list(spread(die, [3], Dask(address)))


def test_a_cluster_that_loses_all_workers_went_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scheduler still answers, and would wait for ever."""
    monkeypatch.setattr("realtime_fsm._workers._EMPTY", 1.0)
    monkeypatch.setattr("realtime_fsm._workers._FRESH", 0.2)
    with cluster_of(1) as cluster:
        found: list[tuple[int, int]] = []

        def leave() -> None:
            while not found:
                time.sleep(0.05)
            cluster.scale(0)

        thread = threading.Thread(target=leave)
        thread.start()
        with pytest.raises(WorkersGoneError, match=r"went away|were lost"):
            found.extend(spread(slowly, list(range(200)), Dask(cluster.scheduler_address)))
        thread.join()
    assert 0 < len(found) < 200


def test_what_was_done_is_kept_and_the_run_goes_on(tmp_path: Path) -> None:
    """The scheduler dies in the middle; the rest is run here, and the report is that of one run."""
    kept = tmp_path / "kept.jsonl"
    cluster = cluster_of(2)
    try:

        def leave() -> None:
            while not kept.exists() or kept.read_bytes().count(b"\n") < 5:
                time.sleep(0.05)
            cluster.close()

        thread = threading.Thread(target=leave)
        thread.start()
        with pytest.raises(command.StoppedError, match=r"went away|were lost") as told:
            command.simulate(
                40, 7, "rough", shard="1/1", jobs=None, plain=False,
                dask=cluster.scheduler_address, keep=kept,
            )  # fmt: skip
        thread.join()
    finally:
        cluster.close()
    done = kept.read_bytes().count(b"\n") - 1
    assert f"{done} of 40 calls are done, and kept in {kept}" in str(told.value)
    assert 4 <= done < 40
    rest = command.simulate(40, 7, "rough", shard="1/1", jobs=2, plain=False, keep=kept)
    whole = command.simulate(40, 7, "rough", shard="1/1", jobs=2, plain=False)
    assert {**rest, "wall_seconds": 0} == {**whole, "wall_seconds": 0}


def test_traces_are_judged_as_here(address: str, tmp_path: Path) -> None:
    """A cluster has other files: it is sent what is in them."""
    folder = tmp_path / "traces"
    command.simulate(4, 3, "rough", shard="1/1", jobs=1, plain=True, traces=folder)
    paths = [*sorted(map(str, folder.iterdir())), str(tmp_path / "none")]
    here = CliRunner().invoke(app, ["check", "--json", *paths])
    there = CliRunner().invoke(app, ["check", "--json", "--dask", address, *paths])
    assert here.stdout == there.stdout
    assert here.exit_code == there.exit_code == 1
    assert '"exit_code": 1' in here.stdout


def test_the_parts_of_a_search_are_those_of_this_machine(address: str) -> None:
    small = Bound(turns=1, messages=1, attempts=1, vad_turns=1, interrupts=0, drops=0, timeouts=0)
    here = explore(small, limit_states=60)
    there = explore(small, limit_states=60, workers=Dask(address))
    assert len(here["parts"]) > 3
    assert without_times(there) == without_times(here)


def without_times(report: dict[str, Any]) -> dict[str, Any]:
    parts = [{**part, "seconds": 0} for part in report["parts"]]
    return {**report, "seconds": 0, "parts": parts}


def test_no_cluster_is_exit_status_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime_fsm._workers._CONNECT", 0.5)
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["simulate", "--dask", "tcp://127.0.0.1:9", "--calls", "2"])
    assert done.exit_code == 3
    assert "no Dask scheduler answers at tcp://127.0.0.1:9" in done.stderr
    assert "No call was done." in done.stderr
    assert not list(tmp_path.iterdir())
