"""The fixtures, in a pytest of their own: they may or may not be installed in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TESTS = """
import aiohttp
import pytest
from realtime_fsm.simulator import Failed, Message, Reply, ServerConfig
from realtime_fsm.testing import virtual_time

HELLO = Reply([Message("Hello.", seconds=3.0)])


@pytest.mark.realtime([HELLO], config=ServerConfig(create_delay=2.0))
@virtual_time
async def test_virtual(virtual_call):
    async with virtual_call() as call:
        await call.say("Good morning.")
        await call.idle()
        assert call.heard == pytest.approx(3.0)


@virtual_time
async def test_fails(virtual_call):
    async with virtual_call([HELLO]) as call:
        await call.say("Good morning.")
        await call.idle()
        assert call.heard == 5


@pytest.mark.realtime([HELLO])
async def test_loopback(realtime_server):
    async with aiohttp.ClientSession() as http:
        async with http.ws_connect(realtime_server.url + "/realtime") as ws:
            assert (await ws.receive_json())["type"] == "session.created"


@pytest.mark.realtime([HELLO], provider="google")
async def test_no_loopback_of_google(realtime_server):
    pass


@pytest.mark.realtime([Reply(end=Failed("server_error"))], provider="google")
@virtual_time
async def test_not_of_google(virtual_call):
    with pytest.raises(ValueError, match=r"replies\\[0\\].end is Failed"):
        async with virtual_call():
            pass
"""


def _python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    return subprocess.run(
        [sys.executable, *arguments], env=environment, cwd=cwd, capture_output=True, text=True
    )


def test_the_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    plugins = ("-p", "pytest_asyncio.plugin", "-p", "realtime_fsm.testing.pytest_plugin")
    loops = ("-o", "asyncio_mode=auto", "-o", "asyncio_default_fixture_loop_scope=function")
    options = ("-q", "-W", "error", "--strict-markers", *loops)
    run = _python("-m", "pytest", *plugins, *options, cwd=tmp_path)
    assert "1 failed, 3 passed, 1 error" in run.stdout, run.stdout + run.stderr
    assert "speaks OpenAI's protocol, and provider is 'google'" in run.stdout
    assert "the wire" in run.stdout
    assert "server  response.done" in run.stdout.replace("server   ", "server  ")


def test_the_plugin_brings_no_livekit(tmp_path: Path) -> None:
    code = (
        "import realtime_fsm.testing.pytest_plugin, sys;"
        "print([name for name in sys.modules if name.startswith('livekit')])"
    )
    run = _python("-c", code, cwd=tmp_path)
    assert run.stdout.strip() == "[]", run.stdout + run.stderr
