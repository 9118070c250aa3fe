"""Nothing outside the tables moves a turn, a response or a message: by the syntax of the core, and by who
writes when it runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm._core import machine
from realtime_fsm._core.records import Message, Response, Turn

from . import test_response_rows, test_rows
from .harness import Bench

#: What is merely counted, or noted where it arrives; it decides nothing by itself. A response that is
#: over lets go of a turn that is forgotten; a message that was cut or deleted, by us or by the host, is not
#: so again.
NOTED = {
    Turn: {"audible", "playback_reported"},
    Response: {"last_activity", "turn"},
    Message: {"received_ms", "shown", "remembered_ms", "correction"},
}
FIELDS = {of: set(of.__slots__) - noted for of, noted in NOTED.items()}
CORE = Path(rf.__file__).parent
MODULES = sorted((CORE / "_core").glob("*.py"))
#: Where the effects are, and what sets the state.
EFFECTS = {"turn_effects", "response_effects", "playback_table", "machine"}


def writes(tree: ast.AST) -> Iterator[str]:
    """Whatever in the code sets an attribute of the records."""
    known = set().union(*FIELDS.values())
    for node in ast.walk(tree):
        targets: list[ast.expr] = []
        if isinstance(node, ast.Assign):
            targets = node.targets
        elif isinstance(node, (ast.AugAssign, ast.AnnAssign, ast.NamedExpr)):
            targets = [node.target]
        elif isinstance(node, ast.Delete):
            targets = node.targets
        elif isinstance(node, (ast.For, ast.comprehension)):
            targets = [node.target]
        for target in targets:
            for part in ast.walk(target):
                if isinstance(part, ast.Attribute) and part.attr in known:
                    own = isinstance(part.value, ast.Name) and part.value.id == "self"
                    if not own and not isinstance(part.ctx, ast.Load):
                        yield ast.unparse(part)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if name.rpartition(".")[2] in ("setattr", "__setattr__", "delattr", "__delattr__"):
                yield name


@pytest.mark.parametrize("path", MODULES, ids=lambda p: p.stem)
def test_only_effects_write_what_the_machines_stand_on(path: Path) -> None:
    if path.stem not in EFFECTS:
        assert list(writes(ast.parse(path.read_text("utf-8")))) == []


@pytest.mark.parametrize(
    "code",
    [
        "turn.retry_at = 3.0",
        "turn.retry_at += 3.0",
        "core.live[0].attempt.deadline = None",
        "a, turn.state = 1, 2",
        "setattr(turn, name, 1)",
        "object.__setattr__(turn, 'state', 1)",
        "for turn.since in x: pass",
    ],
)
def test_a_write_is_seen(code: str) -> None:
    assert list(writes(ast.parse(code)))


class Watch:
    """Notes each write to a record that no row of a table makes."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.outside: set[str] = set()
        for of in FIELDS:
            patch.setattr(of, "__setattr__", self._setter(of, FIELDS[of]), raising=False)

    def _setter(self, of: type, fields: set[str]) -> Callable[[Any, str, Any], None]:
        def noted(record: Any, name: str, value: Any) -> None:
            if name in fields:
                self.count += 1
                if not self._by_a_row():
                    by = sys._getframe(1).f_code
                    self.outside.add(f"{of.__name__}.{name} by {by.co_name}")
            object.__setattr__(record, name, value)

        return noted

    def _by_a_row(self) -> bool:
        frame = sys._getframe(2)
        if frame.f_code.co_name == "__init__":
            return True  # how it begins
        execute = machine._Transition.execute.__code__
        while frame is not None and frame.f_code is not execute:
            frame = frame.f_back  # type: ignore[assignment]
        return frame is not None


def test_only_rows_write_when_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch(monkeypatch)
    for rule in filter(None, test_rows.RULES.splitlines()):
        # One of them begins with a turn that cannot be: its test puts it together by hand.
        if not rule.startswith("stopping_sent_playing"):
            test_rows.happened(rule.partition("=>")[0])
    for rule in filter(None, test_response_rows.RULES.splitlines()):
        test_response_rows.happened(rule.partition("=>")[0])
    for rule in filter(None, test_rows.PLAYBACK_RULES.splitlines()):
        test_rows.played(rule.partition("=>")[0])
    assert watch.count > 1000
    assert watch.outside == set()


def test_a_write_by_a_helper_or_setattr_is_seen_when_it_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from realtime_fsm._core.turn_effects import end_speech, stop_clock

    watch = Watch(monkeypatch)
    b = Bench()
    turn = b.ask()
    assert watch.outside == set()
    end_speech(turn, b.c._session.step(0.0))
    stop_clock(turn, b.c._session.step(0.0))
    setattr(turn, "retry_at", 5.0)  # noqa: B010
    assert watch.outside == {
        "Turn.speech_over by end_speech",
        "Turn.recover_by by stop_clock",
        "Turn.retry_at by test_a_write_by_a_helper_or_setattr_is_seen_when_it_runs",
    }
