"""The commands that show something in the browser."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.lab.demo import CALLS
from realtime_fsm.lab.demo.run import run_both
from realtime_fsm.watch import command
from realtime_fsm.watch._serve import Local

from ..real_time import LONG


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "PATIENCE", 0.1)


def test_a_seed_is_a_film() -> None:
    film = ["simulate", "--watch", "5", "--faults", "rough", "--compare", "--speed", "100"]
    done = CliRunner().invoke(app, film)
    assert done.exit_code == 0, done.output
    assert "Call 5, faults rough, plain LiveKit: " in done.stdout
    assert "Call 5, faults rough, controlled: " in done.stdout
    first, then, nobody = done.stderr.splitlines()
    assert first.startswith("Watch at http://127.0.0.1:")
    assert then == "The film begins when it is open."
    assert nobody == "Nobody looked for 0.1 s: it begins."


def test_recorded_calls_are_a_film(controlled: Path) -> None:
    done = CliRunner().invoke(app, ["watch", str(controlled), "--speed", "100", "--port", "0"])
    assert (done.exit_code, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["simulate", "--watch", "5", "--speed", "0"],
            "--speed is 0.0, expected more than 0 and at most 100",
        ),
        (["simulate", "--watch", "5", "--faults", "no"], "--faults is 'no', expected one of "),
        (["watch", "none.jsonl"], "realtime-fsm: none.jsonl: cannot be read: No such file"),
        (["watch", "/"], "realtime-fsm: /: cannot be read: Is a directory"),
        (["watch", "--speed", "nan"], "realtime-fsm: --speed is nan, expected more than 0"),
        (["demo", "--json", "--watch"], "--json or --report and --watch, not both"),
    ],
)
def test_what_cannot_be_shown(arguments: list[str], words: str) -> None:
    done = CliRunner().invoke(app, arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_port_in_use(controlled: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = CliRunner().invoke(app, ["watch", str(controlled), "--port", port])
    assert (done.exit_code, done.stderr) == (
        2,
        f"realtime-fsm: 127.0.0.1:{port} cannot be listened on: address already in use\n",
    )


def test_a_folder_that_others_can_read(place: Path, controlled: Path) -> None:
    place.chmod(0o755)
    for arguments in (["watch"], ["watch", str(controlled)]):
        done = CliRunner().invoke(app, arguments)
        assert done.exit_code == 2
        assert done.stderr == (f"realtime-fsm: {place} can be read by others: make its mode 700\n")


@pytest.mark.real_time
def test_the_demo_is_shown_side_by_side() -> None:
    """Real calls at twenty times real speed; the hub is in a thread, as in the command."""
    rows: dict[str, dict[str, object]] = {}
    over = threading.Event()

    async def look(url: str) -> None:
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(url.replace("/?", "/live?")) as page,
        ):
            while len(rows) < 2 or any(row["state"] == "live" for row in rows.values()):
                for row in (await page.receive_json(timeout=LONG)).get("rows", ()):
                    rows[row["id"]] = row

    with Local(port=0) as hub:
        viewer = threading.Thread(target=lambda: (asyncio.run(look(hub.url)), over.set()))
        viewer.start()
        assert hub.wait_for_viewer(LONG)
        unseen = (lambda *_: None, lambda *_: None)
        run_both(CALLS[1], unseen, speed=20, hub=hub.path)
        assert over.wait(LONG)
        viewer.join()
        hub.wait_until_nobody_looks()
    shown = {str(row["label"]): row for row in rows.values()}
    assert set(shown) == {"plain LiveKit", "controlled"}
    assert {row["group"] for row in rows.values()} == {"rate limit"}
    assert (shown["controlled"]["recovered"], shown["plain LiveKit"]["failed"]) == (1, 1)
    assert not hub.path.exists()
