"""docs/observability.md says what the code does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

import realtime_fsm.livekit
from realtime_fsm.livekit._log import SENTENCES
from realtime_fsm.livekit.telemetry import AttemptOutcome, PrometheusObserver
from realtime_fsm.simulator import Failed, Reply
from realtime_fsm.testing import virtual_time

from ..livekit.call import HELLO, call
from ..livekit.test_turns import QUICK
from .notes import HOOKS

ADAPTER = Path(realtime_fsm.livekit.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text("utf-8")
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE, re.S)
LEVELS = {"debug", "info", "warning", "error", "exception"}


def section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


def rows(text: str) -> list[list[str]]:
    lines = [line.strip("|").split("|") for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line] for line in lines if not line[0].startswith("--")]


def words(cell: str) -> list[str]:
    return sorted(re.findall(r"`([^`]+)`", cell))


def logged() -> set[tuple[str, str, tuple[str, ...]]]:
    """Every event the adapter logs: name, level and fields. The rows of the table have no name."""
    found = set()
    for path in ADAPTER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            logger = ast.unparse(node.func.value)
            if node.func.attr in LEVELS and logger in ("self._log", "get_logger()", "log"):
                name = node.args[0]
                event = name.value if isinstance(name, ast.Constant) else ""
                level = "error" if node.func.attr == "exception" else node.func.attr
                fields = tuple(
                    sorted(str(k.arg) for k in node.keywords if k.arg not in (None, "exc_info"))
                )
                found.add((str(event), level, fields))
    return found


def test_the_list_of_log_events_is_the_codes() -> None:
    listed = {
        ("" if event.startswith("(") else event, level, tuple(words(fields)))
        for event, level, fields in rows(section("Logs"))[1:]
    }
    assert listed == logged()
    assert len(listed) > 10


def test_the_sentences_shown_are_what_the_log_says() -> None:
    turn = {"turn": "turn_1", "code": "server_error", "wait": 0.1, "next": 2, "attempts": 4}
    fields: dict[str, dict[str, object]] = {
        "recovering": turn,
        "doubted": {**turn, "code": "slow", "wait": 5.0},
        "retry dropped": turn,
        "turn failed": turn,
        "connection replaced": {"code": "connection_lost", "wait": 2.0},
        "the connection is dead": {"silent": 15.0},
    }
    shown = section("Logs").split("```text\n")[1].split("```")[0]
    assert shown.splitlines() == [SENTENCES[name].format_map(fields[name]) for name in fields]
    names = {event for event, _, _ in logged()}
    assert set(SENTENCES) == set(fields) <= names


def test_the_list_of_metrics_is_the_codes() -> None:
    registry = CollectorRegistry()
    observer = PrometheusObserver(registry)
    listed = {words(row[0])[0]: (row[1], words(row[2])) for row in rows(section("Metrics"))[1:]}
    assert observer is not None
    made = {}
    for name, metric in vars(vars(observer)["_metrics"]).items():
        described = metric.describe()[0]
        total = "_total" if described.type == "counter" else ""
        labels = [label for label in metric._labelnames if label not in ("provider", "model")]
        made[described.name + total] = (described.type, sorted(labels))
        assert name
    assert listed == made


def test_the_list_of_hooks_is_the_codes() -> None:
    listed = [words(row[0])[0] for row in rows(section("An observer of your own"))[1:]]
    assert listed == HOOKS


def test_the_outcomes_of_attempts_are_the_codes() -> None:
    (row,) = [r for r in rows(section("Spans")) if r[0] == "`realtime_fsm.attempt.outcome`"]
    assert words(row[1]) == sorted(outcome.value for outcome in AttemptOutcome)


def test_the_attributes_are_the_codes() -> None:
    source = (ADAPTER / "telemetry" / "_otel.py").read_text("utf-8")
    used = set(re.findall(r'"((?:realtime_fsm|gen_ai|error)\.[a-z_.]+)"', source))
    named = set(re.findall(r"`((?:realtime_fsm|gen_ai|error)\.[a-z_.]+)`", section("Spans")))
    assert used == named


def names_of(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "observability.md", "exec"), names)
    return names


def test_the_first_block_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    (block,) = [b for b in BLOCKS if "observed_model" in b]
    assert names_of(block)["observed_model"]()


@virtual_time
async def test_the_observer_of_the_page_observes() -> None:
    (block,) = [b for b in BLOCKS if "class Slow" in b]
    slow, patient = names_of(block)["Slow"](0.01), names_of(block)["Slow"](60.0)
    replies = [Reply(end=Failed("server_error")), HELLO]
    async with call(replies, retry=QUICK, observers=[slow, patient]) as c:
        await c.session.generate_reply(user_input="Hello?")
    ((session, turn, seconds),) = slow.turns
    assert session.startswith("rfsm_session_")
    assert turn == "turn_1"
    assert seconds > 0.01
    assert (patient.turns, patient.failed) == ([], 0)
