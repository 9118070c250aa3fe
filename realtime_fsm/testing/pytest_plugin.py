"""Fixtures for pytest: a simulated Realtime server, and simulated calls.

``realtime_server``
    A :class:`RealtimeServer` on a loopback socket, for async tests in real time.

``virtual_call``
    :func:`simulated_call`, for tests under :func:`virtual_time`. When the test fails, the report
    shows what went over the wire.

Both take their script, and for a server its options, from a mark::

    @pytest.mark.realtime([Reply([Message("Hello.")])], config=ServerConfig(create_delay=0.5))
    @virtual_time
    async def test_greeting(virtual_call) -> None:
        async with virtual_call(agent=MyAgent()) as call:
            ...

With ``provider="google"`` in the mark ``virtual_call`` runs the plugin of Gemini Live.

Nothing of LiveKit is imported before a fixture is used.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from ..simulator.observed import ObservedServer
    from ..simulator.websocket import RealtimeServer
    from .call import SimulatedCall

__all__ = ["realtime_server", "virtual_call"]

async_fixture: Callable[..., Any]
try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:
    async_fixture = pytest.fixture  # anyio's plugin takes it as it is

_MARK = "realtime"
_LINES = 200  # of the record in a report
_servers = pytest.StashKey[list["ObservedServer"]]()


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers",
        f"{_MARK}(script, config=None, provider='openai'): what the simulated server does",
    )


@async_fixture
async def realtime_server(request: pytest.FixtureRequest) -> AsyncIterator[RealtimeServer]:
    """A started Realtime server on a loopback socket; its ``url`` is for ``base_url``.

    Raises ``ValueError`` for another provider in the mark.
    """
    from ..simulator.script import Script
    from ..simulator.websocket import RealtimeServer

    script, options = _marked(request)
    if (provider := options.pop("provider", "openai")) != "openai":
        raise ValueError(f"realtime_server speaks OpenAI's protocol, and provider is {provider!r}")
    script = script if isinstance(script, Script) else Script(script)
    async with RealtimeServer(script, **options) as server:
        _watch(request, server)
        yield server


@pytest.fixture
def virtual_call(
    request: pytest.FixtureRequest,
) -> Callable[..., AbstractAsyncContextManager[SimulatedCall]]:
    """:func:`simulated_call` with the script of the mark, whose wire is shown when a test fails."""
    from contextlib import asynccontextmanager

    from .call import simulated_call

    script, options = _marked(request)

    @asynccontextmanager
    async def call(*args: Any, **kwargs: Any) -> AsyncIterator[SimulatedCall]:
        async with simulated_call(*(args or (script,)), **{**options, **kwargs}) as opened:
            _watch(request, opened.server)
            yield opened

    return call


def _marked(request: pytest.FixtureRequest) -> tuple[Any, dict[str, Any]]:
    mark = request.node.get_closest_marker(_MARK)
    if mark is None:
        return (), {}
    return (mark.args[0] if mark.args else ()), dict(mark.kwargs)


def _watch(request: pytest.FixtureRequest, server: ObservedServer) -> None:
    request.node.stash.setdefault(_servers, []).append(server)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "call" and report.failed:
        for server in item.stash.get(_servers, []):
            report.sections.append(("the wire", "\n".join(_lines(server))))
    return report


def _lines(server: ObservedServer) -> list[str]:
    lines = [
        f"{each.t:9.3f} s  connection {each.connection}  {each.direction:6}  {each.type}"
        for each in server.record
        if each.type not in ("response.output_audio.delta", "input_audio_buffer.append")
    ]
    left_out = len(lines) - _LINES
    return lines if left_out <= 0 else [f"({left_out} earlier events)", *lines[-_LINES:]]
