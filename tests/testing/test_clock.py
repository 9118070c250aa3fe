"""Virtual time: what jumps, what waits, and what a hang looks like."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections.abc import Awaitable, Callable

import pytest

from realtime_fsm.testing import (
    NothingLeft,
    TimeIsUp,
    VirtualLoop,
    VirtualTimeError,
    describe_tasks,
    run_virtual,
    virtual_time,
)

real_clock = time.perf_counter


@virtual_time
async def test_time_jumps_and_all_clocks_agree() -> None:
    loop = asyncio.get_running_loop()
    clocks: list[Callable[[], float]] = [
        loop.time,
        time.time,
        time.monotonic,
        time.perf_counter,
        lambda: time.time_ns() / 1e9,
        lambda: time.monotonic_ns() / 1e9,
        lambda: time.perf_counter_ns() / 1e9,
    ]
    before = [clock() for clock in clocks]
    await asyncio.sleep(3000)
    assert [clock() - then for clock, then in zip(clocks, before, strict=True)] == pytest.approx(
        [3000] * len(clocks), abs=1e-3
    )
    assert time.monotonic() == loop.time()


@pytest.mark.real_time
def test_it_takes_no_real_time_and_gives_the_result() -> None:
    async def main() -> int:
        await asyncio.gather(asyncio.sleep(500), asyncio.sleep(1000))
        return 7

    start = real_clock()
    assert run_virtual(main) == 7
    assert run_virtual(main()) == 7
    assert real_clock() - start < 20
    assert abs(time.time() - time.time_ns() / 1e9) < 1, "the real clocks are back"


@virtual_time
async def test_two_readings_differ() -> None:
    assert len({time.perf_counter_ns() for _ in range(100)}) == 100
    assert len({time.time() for _ in range(100)}) == 100


@virtual_time
async def test_a_blocking_sleep_is_virtual_too() -> None:
    loop = asyncio.get_running_loop()
    fired: list[float] = []
    start = loop.time()
    loop.call_later(1, lambda: fired.append(loop.time() - start))
    time.sleep(5)  # noqa: ASYNC251 - that is what is tested
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert fired == [5]


def test_timers_fire_in_order_at_their_time() -> None:
    async def main() -> list[tuple[str, float]]:
        loop = asyncio.get_running_loop()
        start, fired = loop.time(), []
        for name, delay in (("c", 3.0), ("a", 1.0), ("b", 2.0)):
            loop.call_later(delay, lambda name=name: fired.append((name, loop.time() - start)))
        cancelled = loop.call_later(2.5, lambda: fired.append(("x", 0.0)))
        cancelled.cancel()
        await asyncio.sleep(10)
        return fired

    assert run_virtual(main) == [("a", 1.0), ("b", 2.0), ("c", 3.0)]


# --- the outside


@virtual_time
async def test_the_clock_waits_for_a_job_in_a_thread() -> None:
    loop = asyncio.get_running_loop()
    alarm = loop.call_later(60, lambda: None)
    start = loop.time()
    wall = await asyncio.to_thread(lambda: (time.sleep(0.05), time.time())[1])
    assert loop.time() == start
    assert wall < time.time() - 10 * 365 * 86400, "other threads keep the real clock"
    alarm.cancel()


@virtual_time
async def test_the_clock_waits_inside_hold() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    done = asyncio.Event()
    thread = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(done.set))
    start = loop.time()
    thread.start()
    with loop.hold():
        await asyncio.wait_for(done.wait(), 1)
    assert loop.time() == start
    thread.join()


@virtual_time
async def test_sockets_work() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.readline())
        await asyncio.sleep(5)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"hello\n")
        assert await reader.readline() == b"hello\n"
        assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


def test_a_socket_that_stays_silent_is_a_hang_after_the_patience() -> None:
    async def main() -> None:
        left, right = socket.socketpair()
        with left, right:
            left.setblocking(False)
            await asyncio.get_running_loop().sock_recv(left, 1)

    with pytest.raises(NothingLeft, match="socket"):
        run_virtual(main, patience=0.05)


# --- hangs


async def waits_for_ever() -> None:
    await asyncio.Event().wait()


@pytest.mark.real_time
def test_a_hang_shows_at_once_with_its_stack() -> None:
    cleaned: list[float] = []

    async def main() -> None:
        other = asyncio.create_task(waits_for_ever(), name="the other one")
        try:
            await asyncio.sleep(20)
            await waits_for_ever()
        finally:
            await asyncio.sleep(1)
            cleaned.append(asyncio.get_running_loop().time())
            del other

    start = real_clock()
    with pytest.raises(NothingLeft) as hang:
        run_virtual(main)
    assert real_clock() - start < 10
    assert cleaned == [1021.0]
    text = str(hang.value)
    assert "await asyncio.Event().wait()" in text
    assert text.count("in waits_for_ever") == 2
    assert "in main" in text
    assert "the other one: waits_for_ever" in text
    assert hang.value.tasks in text
    assert isinstance(hang.value, VirtualTimeError)


def test_a_hang_in_the_clean_up_too_is_given_up() -> None:
    async def main() -> None:
        try:
            await waits_for_ever()
        finally:
            await waits_for_ever()

    with pytest.raises(NothingLeft):
        run_virtual(main)


def test_a_loop_that_polls_runs_into_the_limit() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - that is what is tested
            await asyncio.sleep(1)

    with pytest.raises(TimeIsUp, match="120 virtual seconds"):
        run_virtual(main, limit=120)


def test_a_loop_that_spins_is_found() -> None:
    async def main() -> None:
        while True:  # noqa: ASYNC110 - that is what is tested
            await asyncio.sleep(0)

    with pytest.raises(TimeIsUp, match="at one moment"):
        run_virtual(main)


@virtual_time
async def test_tasks_can_be_described_at_any_time() -> None:
    async def generator() -> object:
        yield await asyncio.sleep(1)

    async def reads() -> None:
        async for _ in generator():
            pass

    task = asyncio.create_task(reads(), name="reader")
    await asyncio.sleep(0)
    assert "reader: " in describe_tasks(asyncio.get_running_loop())
    await task


# --- running


def test_what_is_left_over_is_cancelled() -> None:
    ends: list[str] = []

    async def straggler() -> None:
        try:
            await asyncio.sleep(100)
        finally:
            ends.append("straggler")

    async def main() -> None:
        ends.append("main")
        task = asyncio.create_task(straggler())
        await asyncio.sleep(0)
        del task

    run_virtual(main)
    assert ends == ["main", "straggler"]


def test_random_is_seeded_and_put_back() -> None:
    async def draw() -> float:
        return random.random()

    random.seed(1)
    state = random.getstate()
    assert run_virtual(draw) == run_virtual(draw) != run_virtual(draw, seed=5)
    assert random.getstate() == state


async def test_not_inside_a_running_loop() -> None:
    with pytest.raises(RuntimeError, match="running event loop"):
        run_virtual(asyncio.sleep(0))


def test_the_decorator_wants_an_async_function() -> None:
    with pytest.raises(TypeError, match="async"):
        virtual_time(lambda: None)  # type: ignore[arg-type,return-value]


@pytest.mark.parametrize("seconds", [1.0, 2.0])
@virtual_time(limit=10)
async def test_the_decorator_keeps_parameters(seconds: float, tmp_path: object) -> None:
    assert tmp_path
    await asyncio.sleep(seconds)


def test_an_awaitable_will_do() -> None:
    class Later:
        def __await__(self):  # type: ignore[no-untyped-def]
            yield from asyncio.sleep(1).__await__()
            return 3

    later: Awaitable[int] = Later()
    assert run_virtual(later) == 3
