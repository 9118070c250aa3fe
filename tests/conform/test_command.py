"""The command: what it says before it starts, what it writes, how it ends."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from realtime_fsm.cli import app
from realtime_fsm.conform import Answer, ConformError, Result, command
from realtime_fsm.conform.contact import endpoint, public_url
from realtime_fsm.conform.cost import estimate
from realtime_fsm.conform.question import QUESTIONS
from realtime_fsm.simulator import RealtimeServer, ServerConfig


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The simulator in a thread, since the command has a loop of its own."""
    loop = asyncio.new_event_loop()
    made = RealtimeServer(config=ServerConfig(metadata_echo=False, truncated_text="deleted"))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    asyncio.run_coroutine_threadsafe(made.start(), loop).result(10)
    yield made.url
    asyncio.run_coroutine_threadsafe(made.aclose(), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


def conform(*args: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["conform", *args])
    return done.exit_code, done.stdout, done.stderr


def test_a_run_says_what_it_may_take_and_writes_what_is_wanted(server: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("j.xml", "p.html", "odd.toml", "b.svg")]
    named = zip(("--junit", "--page", "--profile", "--badge"), map(str, files), strict=True)
    options = [word for pair in named for word in pair]
    code, out, err = conform(server, "--directed", "--only", "metadata,truncate-text", *options)
    assert code == 1
    assert "2 questions, at most 3 responses" in err
    assert "at most $" in err
    assert "1 deviating" in out
    assert "1 not as was assumed" in out
    assert all(file.stat().st_size > 200 for file in files)


def test_a_saved_result_is_read_again_and_compared(server: str, tmp_path: Path) -> None:
    code, out, _ = conform(server, "--only", "pong,metadata", "--json")
    assert code == 1
    assert Result.from_json(out).answers.keys() == {"metadata", "pong"}
    saved, old = tmp_path / "now.json", tmp_path / "june.json"
    saved.write_text(out, "utf-8")
    data = json.loads(out)
    data["answers"]["metadata"].update(verdict="kept", value=True)
    data["date"] = "2026-06-01"
    old.write_text(json.dumps(data), "utf-8")
    code, out, _ = conform(str(saved), "--since", str(old))
    assert code == 1
    assert "1 changed since 2026-06-01" in out
    assert conform(str(old))[0] == 0, "nothing deviates there"


def test_what_merely_differs_from_an_assumption_is_no_failure(server: str) -> None:
    code, out, _ = conform(server, "--directed", "--only", "truncate-text", "--json")
    assert code == 0
    assert Result.from_json(out).answers["truncate-text"].verdict == "deviates"


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["nonsense"], "begins with ws://"),
        (["ws://127.0.0.1:1/x"], "cannot be reached"),
        (["ws://127.0.0.1:1/x", "--only", "no-such-rule"], "there is no rule 'no-such-rule'"),
        (["ws://127.0.0.1:1/x", "--dialect", "alpha"], "expected ga or beta"),
        (["ws://127.0.0.1:1/x", "--header", "no colon"], "expected 'Name: value'"),
        (["ws://127.0.0.1:1/x", "--header", "A: b\nc"], "expected 'Name: value'"),
        (["ws://127.0.0.1:1/x", "--key-env", "NO_SUCH_KEY"], "NO_SUCH_KEY is not set"),
        (["ws://127.0.0.1:1/x", "--since", "/no/such/file"], "No such file"),
        (["wss://example.invalid/x"], "--yes goes on without being asked"),
        (["https://api.openai.com/v1"], "OPENAI_API_KEY is not set"),
    ],
)
def test_called_wrongly_it_says_one_sentence(
    args: list[str], says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    code, out, err = conform(*args)
    assert (code, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize("where", ["no/such/folder/x.html", "."])
def test_what_cannot_be_written_is_refused_before_anything_is_asked(
    where: str, tmp_path: Path
) -> None:
    code, out, err = conform("ws://127.0.0.1:1/x", "--page", str(tmp_path / where))
    assert (code, out) == (2, "")
    assert "cannot be reached" not in err
    assert str(tmp_path) in err


def test_a_file_that_fails_keeps_no_other_from_being_written(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = Path.open

    def full(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == "j.xml":
            raise OSError(28, "No space left on device", str(path))
        return opened(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", full)
    files = ["--junit", str(tmp_path / "j.xml"), "--badge", str(tmp_path / "b.svg")]
    code, out, err = conform(server, "--only", "pong", *files)
    assert code == 2
    assert "1 of 1 kept" in out
    assert "No space left" in err
    assert (tmp_path / "b.svg").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="no such signals")
def _heeds_interrupts() -> None:
    """What a shell starts in the background ignores them, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.parametrize(("name", "status"), [("SIGTERM", 143), ("SIGINT", 130)])
def test_a_run_that_is_told_to_stop_keeps_what_it_found(
    server: str, name: str, status: int, tmp_path: Path
) -> None:
    page = tmp_path / "p.html"
    command = [sys.executable, "-m", "realtime_fsm", "conform", server, "--page", str(page)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=_heeds_interrupts
    ) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if b"two creates" in line:
                break
        process.send_signal(getattr(signal, name))
        out, _ = process.communicate(timeout=60)
    assert process.returncode == status
    assert b"Not all was asked: it was stopped" in out
    assert b"first-event" in out
    assert page.exists()


def test_what_a_server_says_is_safe_to_print(monkeypatch: pytest.MonkeyPatch) -> None:
    made = Result(url="ws://h", model=None, date="2026-01-01", version="1")
    made.answers["pong"] = Answer("pong", "deviates", "it says \x1b]0;owned\x07 \x7f \u202e")
    monkeypatch.setattr(command, "_ask", lambda *_: (made, 0))
    code, out, _ = conform("ws://127.0.0.1/x")
    assert code == 1
    assert "\\x1b]0;owned\\x07" in out
    code, out, _ = conform("ws://127.0.0.1/x", "--json")
    assert out.isascii()
    assert all(line.isprintable() for line in out.splitlines())
    assert Result.from_json(out).answers == made.answers


def test_a_key_goes_nowhere_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-mine")
    warned: list[str] = []
    elsewhere = command.Request(target="wss://example.com/v1/realtime")
    assert command._options(elsewhere, warned.append).key is None
    openai = command.Request(target="https://api.openai.com/v1")
    assert command._options(openai, warned.append).key == "sk-mine"
    assert command._options(openai, warned.append).model == "gpt-realtime"
    assert warned == []
    clear = command.Request(target="ws://example.com/", key_env="OPENAI_API_KEY")
    assert command._options(clear, warned.append).key == "sk-mine"
    assert "in the clear" in warned[0]


@pytest.mark.parametrize("key", [" ", "a\nb", "schlüssel"])
def test_what_cannot_be_a_key_is_refused(key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEY", key)
    with pytest.raises(ConformError):
        command._options(command.Request(target="wss://h/", key_env="KEY"), print)


@pytest.mark.parametrize(("said", "asked"), [("y\n", True), ("\n", False), ("no\n", False)])
def test_on_a_terminal_it_asks(said: str, asked: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal:
        def isatty(self) -> bool:
            return True

        def readline(self) -> str:
            return said

        def write(self, _: str) -> None: ...

        def flush(self) -> None: ...

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("sys.stderr", Terminal())
    assert command._agreed() is asked


@pytest.mark.parametrize(
    ("url", "model", "made"),
    [
        ("https://h/v1", "m", "wss://h/v1/realtime?model=m"),
        ("http://h:1/v1/", None, "ws://h:1/v1/realtime"),
        ("https://h/v1/realtime", None, "wss://h/v1/realtime"),
        (
            "wss://h/socket?deployment=d&api-version=1",
            "m",
            "wss://h/socket?deployment=d&api-version=1",
        ),
        ("ws://h/x?model=a", "b", "ws://h/x?model=a"),
    ],
)
def test_the_url_that_is_asked(url: str, model: str | None, made: str) -> None:
    assert endpoint(url, model) == made


def test_a_url_is_shown_without_what_is_secret() -> None:
    assert public_url("wss://u:p@h:1/x?api-key=k") == "wss://h:1/x"


def test_the_cost_is_bounded_and_said() -> None:
    cost = estimate(QUESTIONS, seconds=600, responses=60)
    assert cost.responses <= 60
    assert 0 < cost.dollars < 1
    assert cost.minutes == 10
    assert estimate([], seconds=60, responses=1).responses == 0


def test_asking_needs_neither_the_plugin_nor_livekit() -> None:
    program = (
        "import sys, realtime_fsm.conform.command;"
        "print([m for m in ('livekit', 'openai', 'pydantic') if m in sys.modules])"
    )
    out = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert out.stdout.strip() == "[]"
