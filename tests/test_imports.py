"""Modules import downward: there is no circle, not even by an import within a function or for types."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import realtime_fsm

ROOT = Path(realtime_fsm.__file__).parent


def modules(root: Path) -> dict[str, Path]:
    found = {}
    for path in root.rglob("*.py"):
        parts = (root.name, *path.relative_to(root).with_suffix("").parts)
        found[".".join(parts).removesuffix(".__init__")] = path
    return found


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """What a module imports anywhere, for its types alone, too."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in known)
        if not isinstance(node, ast.ImportFrom):
            continue
        base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
        target = ".".join([*base, *filter(None, [node.module])])
        for each in node.names:
            full = f"{target}.{each.name}"
            if (found := full if full in known else target) in known and found != name:
                yield found


def circle(root: Path) -> list[str]:
    known = modules(root)
    graph = {name: set(imported(name, path, known)) for name, path in known.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_there_is_no_circle() -> None:
    assert circle(ROOT) == []


@pytest.mark.parametrize(
    "back",
    [
        "from .one import x\n",
        "def f():\n    from . import one\n",
        "from pack.one import x\n",
        "import pack.one\n",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .one import x\n",
    ],
)
def test_a_circle_is_found(back: str, tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "one.py").write_text("from .two import y\nx = 1\n")
    (package / "two.py").write_text(f"{back}y = 1\n")
    assert set(circle(package)) == {"pack.one", "pack.two"}
    (package / "two.py").write_text("y = 1\n")
    assert circle(package) == []
