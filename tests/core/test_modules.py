"""How the core is cut: small modules, imports without circles, and records that are born in few places."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import realtime_fsm as rf
from realtime_fsm._core.machine import RESPONSE_DEFINITION, TURN_DEFINITION
from realtime_fsm._core.records import Message, Response, Turn
from realtime_fsm.testing.corpus import cases, run

CORE = Path(rf.__file__).parent / "_core"
TREES = {p.stem: ast.parse(p.read_text("utf-8")) for p in sorted(CORE.glob("*.py"))}
#: One rule, one line: a table is as long as it has rules.
LONGEST = 350
#: Where each kind of record is made. A turn begins to be asked for; what befalls it then are rows.
BIRTHPLACES = {
    "Turn": {"session.new_turn"},
    "Response": {
        "turn_effects.send_create",
        "server_events._begin_unasked",
        "error_events.note_conflict",
    },
    "Message": {"turn_effects.begin_item"},
}


@pytest.mark.parametrize("name", TREES)
def test_no_module_of_the_core_is_long(name: str) -> None:
    assert len((CORE / f"{name}.py").read_text("utf-8").splitlines()) <= LONGEST


def _imported(tree: ast.AST) -> Iterator[str]:
    """Modules of the core that are imported, wherever it is done."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            if node.module:
                yield node.module
            else:
                yield from (alias.name for alias in node.names)


def test_imports_of_the_core_make_no_circle() -> None:
    graph = {name: set(_imported(tree)) for name, tree in TREES.items()}
    order = tuple(TopologicalSorter(graph).static_order())
    assert set(order) == set(TREES)
    # What the tables are made of knows nothing of sessions, and no rule reads what was received.
    for below in ("machine", "turn_table", "response_table", "playback_table", "records"):
        assert order.index(below) < order.index("session")
    for rules in ("turn_guards", "turn_effects", "response_guards", "response_effects"):
        assert not graph[rules] & {"session", "machine", "turn_table", "response_table"}


def _made(kind: str) -> Iterator[str]:
    for name, tree in TREES.items():
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for node in ast.walk(function):
                    if isinstance(node, ast.Call) and ast.unparse(node.func) == kind:
                        yield f"{name}.{function.name}"


@pytest.mark.parametrize("kind", BIRTHPLACES)
def test_records_are_made_in_few_places(kind: str) -> None:
    assert set(_made(kind)) == BIRTHPLACES[kind]


def test_no_turn_is_born_outside_the_table(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every record of every exact case begins in a state in which its table says that it may: whatever
    a turn is afterwards, a row made it so."""
    begun: dict[type, set[object]] = {Turn: set(), Response: set(), Message: set()}

    def watched(of: type) -> None:
        made = of.__init__

        def init(self: object, *args: object, **kwargs: object) -> None:
            made(self, *args, **kwargs)
            begun[of].add(self.state)  # type: ignore[attr-defined]

        monkeypatch.setattr(of, "__init__", init)

    for of in begun:
        watched(of)
    for case in cases():
        if case.level == "exact":
            run(case)
    assert begun[Turn] == set(TURN_DEFINITION.initial)
    assert begun[Response] == set(RESPONSE_DEFINITION.initial)
    assert begun[Message] == {rf.PlaybackState.WAITING}
