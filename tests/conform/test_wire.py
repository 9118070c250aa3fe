"""Waiting for a server: what is told to stop stops."""

from __future__ import annotations

import asyncio

import pytest

from realtime_fsm.conform.contact import connection
from realtime_fsm.conform.known import Known, Pace
from realtime_fsm.conform.wire import within
from realtime_fsm.simulator import InMemoryServer, Script
from realtime_fsm.testing import run_virtual


@pytest.mark.parametrize("ticks", range(4))
def test_a_stop_that_comes_together_with_a_frame_is_a_stop(ticks: int) -> None:
    async def ask() -> None:
        async with InMemoryServer(Script()) as server:
            known = Known(url=server.url, headers={}, pace=Pace(), limit=1)
            async with connection(server.http_session, known) as talk:
                waiting = asyncio.ensure_future(talk.rest(5.0))
                await asyncio.sleep(1.0)
                talk._changed.set()
                for _ in range(ticks):
                    await asyncio.sleep(0)
                waiting.cancel()
                await asyncio.wait({waiting})
                assert waiting.cancelled()

    run_virtual(ask)


def test_a_result_is_not_taken_for_a_stop_nor_a_stop_for_a_result() -> None:
    async def wait() -> None:
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        waiting = asyncio.ensure_future(within(5.0, answer))
        await asyncio.sleep(1.0)
        answer.set_result(1)
        waiting.cancel()
        await asyncio.wait({waiting})
        assert waiting.cancelled()
        assert await within(5.0, answer) == 1

    run_virtual(wait)


def test_what_takes_longer_is_ended() -> None:
    async def wait() -> None:
        began = asyncio.get_running_loop().time()
        long = asyncio.ensure_future(asyncio.sleep(60.0))
        with pytest.raises(asyncio.TimeoutError):
            await within(1.0, long)
        assert long.cancelled()
        assert asyncio.get_running_loop().time() - began < 2.0

    run_virtual(wait)
