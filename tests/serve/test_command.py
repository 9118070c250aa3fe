"""The command itself: its lines, its options, its end."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.simulator import Late, Message, RealtimeServer, Reply, Schedule, Script
from realtime_fsm.simulator.serve import read_config, read_script

from ..real_time import LONG
from .serving import script_file, serving

needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="signals end a process there")


@needs_signals
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["SIGINT", "SIGTERM"])
def test_it_says_where_it_listens_and_stops_cleanly(number: int) -> None:
    with serving() as server:
        assert server.url.startswith("http://127.0.0.1:")
        assert server.url.endswith("/v1")
        assert server.stop(number) == 0
        assert server.out == "realtime-fsm: stopped\n"
        assert server.err == ""


@needs_signals
async def test_it_stops_although_somebody_is_connected_and_logs_each_event(tmp_path: Path) -> None:
    script = script_file(tmp_path, [{"items": [{"message": "Hi.", "seconds": 0.1}]}])
    with serving("--script", script, "--log", "--dialect", "beta") as server:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(server.url + "/realtime") as ws,
        ):
            await ws.send_json({"type": "input_audio_buffer.append", "audio": "AAAA" * 1000})
            await ws.send_json({"type": "response.create", "event_id": "mine"})
            types = []
            while not types or types[-1] != "response.done":
                types.append(json.loads(await asyncio.wait_for(ws.receive_str(), LONG))["type"])
            assert "response.audio.delta" in types
            assert await asyncio.to_thread(server.stop) == 0
    assert server.logged("client") == ["input_audio_buffer.append", "response.create"]
    assert server.logged("server")[: len(types)] == types
    assert server.logged("net")[0] == "accepted"
    assert '"event_id": "mine"' in server.out
    assert "AAAA" not in server.out
    assert server.err == ""


@needs_signals
def test_an_address_that_others_reach_is_warned_of() -> None:
    with serving("--host", "0.0.0.0") as server:
        assert server.stop() == 0
        assert "0.0.0.0 is not loopback" in server.err


def test_the_server_itself_has_to_be_asked_twice() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        RealtimeServer(host="0.0.0.0")
    RealtimeServer(host="0.0.0.0", allow_remote=True)


def test_a_port_that_is_taken_is_said() -> None:
    with serving() as server:
        port = server.url.split(":")[2].split("/")[0]
        done = CliRunner().invoke(app, ["serve", "--port", port])
    assert done.exit_code == 2
    assert port in done.stderr
    assert not done.stdout


BAD = {
    "no file": (["--script", "nowhere.json"], 2, "nowhere.json"),
    "no profile": (["--faults", "wild"], 2, "expected one of none, mild, rough, hostile"),
    "no dialect": (["--dialect", "alpha"], 2, "expected one of ga, beta"),
}


@pytest.mark.parametrize(("options", "code", "text"), BAD.values(), ids=BAD.keys())
def test_bad_options(options: list[str], code: int, text: str) -> None:
    done = CliRunner().invoke(app, ["serve", *options])
    assert (done.exit_code, done.stdout) == (code, "")
    assert text in done.stderr


def test_a_bad_file_is_named_with_the_line(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text('[\n  {"ack": "maybe"}\n]', "utf-8")
    for option in ("--script", "--faults"):
        done = CliRunner().invoke(app, ["serve", option, str(path)])
        assert done.exit_code == 2
        assert f"{path}: line " in done.stderr
    path.write_bytes(b"\xff\xfe")
    assert CliRunner().invoke(app, ["serve", "--script", str(path)]).exit_code == 2


def test_files_and_profiles(tmp_path: Path) -> None:
    script, faults = tmp_path / "script.json", tmp_path / "faults.json"
    script.write_text('[{"items": [{"message": "Hi."}]}]', "utf-8")
    faults.write_text('{"faults": [{"fault": "late", "event": "response.done"}]}', "utf-8")
    assert read_script(script) == Script([Reply([Message("Hi.")])])
    loaded = read_config(str(faults)).faults
    assert loaded is not None
    assert isinstance(loaded.faults[0], Late)
    assert read_config("rough", 7).faults == Schedule.random(7, "rough")
    assert read_config(dialect="beta").dialect == "beta"
