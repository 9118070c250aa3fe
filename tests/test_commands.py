"""Every command, called wrongly: one line on standard error, exit status 2, no file, no traceback."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_type_hints

import psutil
import pytest
from typer.main import get_command
from typer.models import OptionInfo
from typer.testing import CliRunner, Result

from realtime_fsm import InputError
from realtime_fsm._input import from_json, from_toml, read_as
from realtime_fsm.cli import app

COMMANDS: list[str] = list(getattr(get_command(app), "commands", ()))

#: What takes a file, with FILE where it stands.
TAKES_A_FILE = {
    "check": ["check", "FILE"],
    "report": ["report", "FILE"],
    "case": ["case", "FILE"],
    "watch": ["watch", "FILE"],
    "serve --script": ["serve", "--script", "FILE"],
    "serve --faults": ["serve", "--faults", "FILE"],
    "serve --profile": ["serve", "--profile", "FILE"],
    "conform": ["conform", "FILE"],
    "conform --since": ["conform", "FILE", "--since", "FILE"],
    "simulate --merge": ["simulate", "--merge", "FILE"],
    "simulate --keep": ["simulate", "--calls", "1", "--keep", "FILE"],
    "simulate --trace": ["simulate", "--calls", "1", "--trace", "FILE"],
    "demo --report": ["demo", "--report", "FILE"],
    "diagrams --view": ["diagrams", "--view", "path:FILE#turn_1", "--output", "-"],
    "run": ["run", "FILE"],
}
BAD: dict[str, bytes | None] = {
    "missing": None,
    "a folder": None,
    "binary": bytes(range(256)) * 4,
    "empty": b"",
    "cut off": b'{"format": "realtime-fsm-tra',
}
#: A script is run, whatever stands in it; what is written to need not be there, or is replaced.
FINE = {("run", bad) for bad in ("binary", "empty", "cut off")}
FINE |= {("demo --report", bad) for bad in BAD if bad != "a folder"}
FINE |= {("simulate --keep", "missing"), ("simulate --keep", "empty")}
FINE |= {("simulate --trace", "missing"), ("simulate --trace", "a folder")}
#: The first lines of a page or a table may be there: the complaint has to be, once.
TOLD = {"check"}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"})


def complaint(done: Result) -> str:
    """The one line that says what is wrong."""
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == 2, (done.stdout, done.stderr)
    (line,) = done.stderr.splitlines()
    assert line.startswith("realtime-fsm: ")
    return line.removeprefix("realtime-fsm: ")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("command", "bad"), sorted({(command, bad) for command in TAKES_A_FILE for bad in BAD} - FINE)
)
def test_a_file_that_cannot_be_used(command: str, bad: str, here: Path) -> None:
    content = BAD[bad]
    if content is not None:
        (here / "it.json").write_bytes(content)
    elif bad == "a folder":
        (here / "it.json").mkdir()
    before = sorted(here.rglob("*"))
    done = run(*(each.replace("FILE", "it.json") for each in TAKES_A_FILE[command]))
    line = complaint(done)
    assert "it.json" in line
    assert command in TOLD or not done.stdout
    assert sorted(here.rglob("*")) == before, "nothing is written that was not asked for"


#: What is written when all is done: whether it can be is the system's to say.
WRITTEN = {"report --output", "case --output"}
WRITTEN |= {f"conform --{each}" for each in ("junit", "page", "profile", "badge")}


def test_the_table_has_every_file_that_a_command_takes() -> None:
    taken = set()
    for each in app.registered_commands:
        assert each.callback is not None
        for name, hint in get_type_hints(each.callback, include_extras=True).items():
            if "Path" in str(hint):
                command, (info, *_) = each.callback.__name__, hint.__metadata__
                option = isinstance(info, OptionInfo)
                taken.add(f"{command} --{name.rstrip('s')}" if option else command)
    known = set(TAKES_A_FILE) | {each.split()[0] for each in TAKES_A_FILE}
    assert len(taken) > 12
    assert taken - known == WRITTEN


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_is_none(command: str, here: Path) -> None:
    assert f"See realtime-fsm {command} --help" in complaint(run(command, "--nosuch"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nosuch"], "No such command 'nosuch'"),
        (["simulate", "--faults", "wild"], "--faults is 'wild', expected one of none, mild"),
        (["simulate", "--calls", "many"], "Invalid value for '--calls'"),
        (["simulate", "--shard", "9"], "--shard is '9', expected i/n"),
        (["explore", "--turns", "-1"], "turns is -1, expected an int of 0 or more"),
        (["explore", "--jobs", "0"], "jobs is 0, expected 1 or more"),
        (["scenarios", "nosuch"], "the scenario is 'nosuch', expected one of baseline"),
        (["scenarios", "--providers", "acme"], "the provider is 'acme', expected one of openai"),
        (["conform", "foo://x"], "'foo://x'"),
        (["conform", "ws://127.0.0.1:1", "--header", "x"], "--header is 'x …', expected 'Name: v"),
        (["serve", "--dialect", "alpha"], "--dialect is 'alpha', expected one of ga, beta"),
        (["diagrams", "--machine", "car"], "machine is 'car', expected one of turn, response"),
        (["check", "--only", "G99", "-"], "only is 'G99', expected one of"),
        (["simulate", "--merge"], "--merge is missing, expected reports that --json printed"),
        (["simulate", "--keep", "no/kept"], "no/kept: No such file or directory"),
        (
            ["simulate", "--dask", "foo"],
            "--dask is 'foo', expected a scheduler's address, as in tcp",
        ),
        (["explore", "--dask", "foo:bar"], "--dask is 'foo:bar', expected a scheduler's address"),
        (["check", "--dask", "tcp://a:70000", "-"], "--dask is 'tcp://a:70000', expected a sched"),
        (["scenarios", "--page", "--json"], "give one of --json, --page and --bad-input"),
        (["scenarios", "--bad-input", "a"], "the scenario is 'a', expected none with --bad"),
        (["demo", "--report", "no/x.html"], "no/x.html: No such file or directory"),
        (["diagrams", "--output", "x.png"], "--output is 'x.png', expected a folder, or a file"),
        (["simulate", "--case"], "--case prints the call of one seed: give --replay SEED"),
        (["demo", "--json", "--watch"], "give --json or --report and --watch, not both"),
    ],
)
def test_an_option_that_cannot_be(arguments: list[str], words: str, here: Path) -> None:
    assert words in complaint(run(*arguments))
    assert not list(here.iterdir())


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_an_example(command: str) -> None:
    assert (
        f"realtime-fsm {command}"
        in run(command, "--help").stdout.split("Options", 1)[0].split("\n", 3)[3]
    )


#: All of them in one process: as long as none imports it, the next one tells as much.
EARLY = [
    ["simulate", "--faults", "wild"],
    ["simulate", "--jobs", "0"],
    ["simulate", "--merge", "none.json"],
    ["simulate", "--keep", "."],
    ["simulate", "--keep", "not.json"],
    ["simulate", "--dask", "foo"],
    ["demo", "--report", "."],
    ["scenarios", "nosuch"],
    ["scenarios", "a", "--page"],
    ["scenarios", "--providers", "acme"],
    ["watch", "none.jsonl"],
    ["conform", "none.json"],
    ["case", "none.jsonl"],
    ["case", "not.json"],
    ["explore", "--turns", "-1"],
    ["serve", "--faults", "wild"],
    ["diagrams", "--machine", "car"],
]


def test_a_wrong_argument_is_told_before_anything_slow_is_imported(here: Path) -> None:
    (here / "not.json").write_bytes(bytes(range(256)))
    code = (
        "import sys\n"
        "from realtime_fsm.cli import app\n"
        f"for arguments in {EARLY!r}:\n"
        "    sys.argv[1:] = arguments\n"
        "    try:\n        app()\n"
        "    except SystemExit as end:\n        assert end.code == 2, arguments\n"
        "    assert 'livekit.agents' not in sys.modules, arguments\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == len(EARLY)


@pytest.mark.parametrize("arguments", [["report", "TRACE"], ["case", "TRACE"]])
def test_a_dash_is_standard_output(arguments: list[str], here: Path) -> None:
    trace = Path(__file__).parent / "report" / "traces" / "failed.jsonl"
    if not trace.exists():
        trace = next(Path(__file__).parents[1].rglob("docs/**/*.jsonl"))
    done = run(*(each.replace("TRACE", str(trace)) for each in arguments), "--output", "-")
    assert done.exit_code == 0, done.stderr
    assert "<html" in done.stdout if arguments[0] == "report" else "expect:" in done.stdout
    assert not list(here.iterdir())


SIMULATE = ("simulate", "--calls", "400", "--jobs", "2")


@pytest.mark.skipif(os.name != "posix", reason="no process groups")
@pytest.mark.sampled(3, kind=lambda arguments, later, again: arguments[0])
@pytest.mark.parametrize(
    ("arguments", "later", "again"),
    [
        (SIMULATE, 0.0, None),
        (SIMULATE, 0.3, 0.1),
        (SIMULATE, 1.5, None),
        (("explore", "--jobs", "2"), 0.0, 0.0),
        (("explore", "--jobs", "2"), 0.3, None),
    ],
)
def test_ctrl_c_is_quiet_while_processes_start(
    arguments: tuple[str, ...], later: float, again: float | None
) -> None:
    """It reaches them too: from their first moment, and while they import. With another one that comes
    while the command ends, it ends all the same."""
    worker = subprocess.Popen(
        [sys.executable, "-m", "realtime_fsm", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    )
    mine = psutil.Process(worker.pid)
    while not mine.children():
        assert worker.poll() is None, worker.communicate()
        time.sleep(0.01)
    for seconds in (later, again):
        if seconds is not None and worker.poll() is None:
            time.sleep(seconds)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(worker.pid, signal.SIGINT)
    out, err = worker.communicate(timeout=120)  # nobody is left who holds them open
    if again is not None:
        assert worker.returncode != 0
        return
    # Python ends itself by the signal when it came within an `exec`; a shell says 130 to both.
    assert worker.returncode in (130, -signal.SIGINT), (out, err)
    assert "Traceback" not in err
    assert err.strip().splitlines()[-1:] == ["Stopped."]


def _heed_interrupts() -> None:
    # What a shell starts in the background ignores them, and so do its children.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="no signal masks")
def test_ctrl_c_waits_for_a_process_that_is_started_whichever_thread_takes_it() -> None:
    """Libraries have threads that block no signal, and Python raises it in ours."""
    code = """
import os, signal, threading, time
from realtime_fsm._workers import without_interrupts
ended = threading.Event()
threading.Thread(target=ended.wait).start()
done = False
try:
    with without_interrupts():
        os.kill(os.getpid(), signal.SIGINT)
        while signal.SIGINT in signal.sigpending():
            pass
        time.sleep(0.1)
        done = True
except KeyboardInterrupt:
    print("started" if done else "cut")
finally:
    ended.set()
"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        preexec_fn=_heed_interrupts,
    )
    assert (done.stdout, done.stderr) == ("started\n", "")


@pytest.mark.parametrize(
    ("text", "read", "line", "value"),
    [
        ('{\n "a": nope}', from_json, 2, "nope}"),
        ("a = 1\nb = nope\n", from_toml, 2, "nope"),
        ("[" * 100_000, from_json, 1, "["),
    ],
)
def test_the_line_is_told(tmp_path: Path, text: str, read: Any, line: int, value: str) -> None:
    path = tmp_path / "it"
    path.write_text(text, "utf-8")
    with pytest.raises(InputError) as caught:
        read_as(path, read)
    error = caught.value
    assert (error.line, error.file) == (line, str(path))
    assert value in str(error.value)
    assert str(error).startswith(f"{path}: line {line}: the text is ")
    assert len(str(error)) < 1_000


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    path = tmp_path / "it"
    path.write_bytes(b"fine\n\xff")
    with pytest.raises(InputError, match="line 2: the text is 'byte 0xff', expected UTF-8"):
        read_as(path, from_json)
