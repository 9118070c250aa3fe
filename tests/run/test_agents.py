"""``realtime-fsm run`` around workers of three shapes, in LiveKit's own console. None knows of us."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from realtime_fsm.simulator import Failed, FunctionCall, Message, RealtimeServer, Reply, Script
from realtime_fsm.trace import check

from .typing_user import console

FAILS = Reply(end=Failed("server_error"))


def says(text: str) -> Reply:
    return Reply([Message(text, seconds=0.3)])


@dataclass
class Worker:
    """What its user types, what the model answers, and what has to be shown in the end."""

    typed: list[str]
    replies: list[Reply]
    shown: str
    models: int = 1


WORKERS = {
    # Hands the guest from one agent to another.
    "restaurant": Worker(
        ["A table, please."],
        [
            says("Welcome."),
            FAILS,
            Reply([FunctionCall("to_reservation")]),
            FAILS,
            says("One moment."),
            FAILS,
            says("At what time?"),
        ],
        "At what time?",
    ),
    # A tool asks a question of its own.
    "front_desk": Worker(
        ["I have just arrived.", "Ada."],
        [
            Reply([FunctionCall("check_in")]),
            FAILS,
            says("And your name?"),
            Reply([FunctionCall("take_name")]),
            FAILS,
            says("You have room twelve."),
        ],
        "You have room twelve.",
    ),
    # Written the older way; the second agent has a model of its own.
    "story_teller": Worker(
        ["About a fox."],
        [FAILS, Reply([FunctionCall("begin")]), FAILS, says("Once upon a time.")],
        "Once upon a time.",
        models=2,
    ),
}


@pytest.mark.parametrize("name", WORKERS)
async def test_g9_around_a_worker_not_written_for_it(name: str, tmp_path: Path) -> None:
    worker, script = WORKERS[name], Path(__file__).parent / "agents" / f"{name}.py"
    traces = tmp_path / "traces"
    async with RealtimeServer(Script(worker.replies)) as server:
        keys = {
            "REALTIME_URL": server.url,
            "OPENAI_API_KEY": "none",
            "LIVEKIT_URL": "ws://127.0.0.1:1",
            "LIVEKIT_API_KEY": "key",
            "LIVEKIT_API_SECRET": "secret" * 8,
        }
        run = (
            sys.executable,
            "-m",
            "realtime_fsm.cli",
            "run",
            "--record",
            str(traces),
            str(script),
        )
        async with console(*run, "--", "console", "--text", env=keys, folder=tmp_path) as terminal:
            for line in worker.typed:
                await terminal.types(line)
            await terminal.shows(worker.shown)
        assert "is controlled, mode control" in terminal.text
        assert "importing realtime_fsm" not in terminal.text, "it would hold up the loop"
    recorded = sorted(traces.iterdir())
    assert len(recorded) == worker.models
    failed = 0
    for trace in recorded:
        with trace.open("rb") as file:
            report = check(file, source=trace.name)
        assert not report.broken, (report.broken, trace.read_text("utf-8"))
        failed += report.responses.get("failed", 0)
    assert failed == worker.replies.count(FAILS)
