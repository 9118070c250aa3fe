"""The tables of a git revision, or of a folder, as charts.

The package is written to a temporary folder and imported in a process of its own, isolated from
this one, which prints its tables as JSON. That runs the code of the revision: as safe as checking
it out and running its tests, not safer.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from .._input import InputError
from ._model import CHARTS, Chart, Rule, State, kind_of, text_of, with_else

_PACKAGE = "realtime_fsm"
#: The first table: where it is, and where it was.
_TABLES = (f"{_PACKAGE}/_core/turn_table.py", f"{_PACKAGE}/_table.py")
_SECONDS = 60.0

#: What the other process runs: only names that the package has had since its first table.
_PROGRAM = """
import json, sys
sys.path.insert(0, sys.argv[1])
try:
    from realtime_fsm._core import machine as m
except ImportError:  # an older revision
    from realtime_fsm import _machine as m

tables = [m]
try:
    from realtime_fsm.duplex import machines
    tables.append(machines)
except ImportError:  # an older revision
    pass

def told(row, d):
    if not hasattr(m, "told"):
        return ""
    return m.told(row, d.listeners) if hasattr(d, "listeners") else m.told(row)

def chart(d):
    initial = d.initial if isinstance(d.initial, tuple) else (d.initial,)
    return {
        "states": [
            {"name": s.name, "value": str(s.value), "initial": s in initial, "final": s in d.final}
            for s in d.states
        ],
        "events": [[e.name, str(e.value)] for e in d.events],
        "rules": [
            {
                "source": a.source.name,
                "event": a.event.name,
                "dest": None if a.dest is None else a.dest.name,
                "guard": "" if a.guard is None else a.guard.__name__,
                "effect": "" if a.effect is None else a.effect.__name__,
                "tells": told(a, d),
                "reason": a.reason,
                "timer": a.event in d.timers,
            }
            for a in m.arrows(d.table)
        ],
    }

names = ("turn", "response", "playback", "delegation", "client")
wanted = [(t, name, f"{name.upper()}_DEFINITION") for t in tables for name in names]
print(json.dumps({k: chart(getattr(t, v)) for t, k, v in wanted if hasattr(t, v)}))
"""


def top_of(folder: Path) -> Path:
    """The top of the git checkout that a folder is in.

    Raises:
        InputError: It is in none, or git is missing.
    """
    out = _git(folder, "rev-parse", "--show-toplevel")
    if out is None:
        raise InputError("folder", str(folder), "one within a git checkout")
    return Path(out.decode().strip())


def charts_at(top: Path, revision: str) -> dict[str, Chart]:
    """The tables at a revision.

    Raises:
        InputError: git does not know the revision, it has no table, or its package cannot be
            imported.
    """
    import tempfile  # not above: it imports random, which the core must not

    # --end-of-options: a revision is never taken for an option.
    found = _git(
        top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}"
    )
    if found is None:
        raise InputError("revision", revision, "a commit that git knows")
    commit = found.decode().strip()
    names = (
        _git(top, "ls-tree", "-r", "-z", "--name-only", commit, f"{_PACKAGE}/") or b""
    ).decode()
    files = [n for n in names.split("\0") if n.endswith(".py")]
    if not any(table in files for table in _TABLES):
        raise InputError("revision", revision, f"one that has {_TABLES[0]}")
    with tempfile.TemporaryDirectory() as folder:
        for name in files:
            text = _git(top, "cat-file", "blob", f"{commit}:{name}")
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text or b"")
        return _load(Path(folder), field="revision", value=revision)


def charts_in(top: Path) -> dict[str, Chart]:
    """The tables in the working tree.

    Raises:
        InputError: There is none, or it cannot be imported.
    """
    if not any((top / table).is_file() for table in _TABLES):
        raise InputError("folder", str(top), f"a checkout with {_TABLES[0]}")
    return _load(top, field="folder", value=str(top))


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, or None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            check=False,
            timeout=_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise InputError("git", str(error), "to be installed and to answer") from None
    return done.stdout if done.returncode == 0 else None


def _load(folder: Path, *, field: str, value: str) -> dict[str, Chart]:
    try:
        done = subprocess.run(
            # -I: neither the environment nor the current folder decides what is imported.
            [sys.executable, "-I", "-B", "-c", _PROGRAM, str(folder)],
            capture_output=True,
            check=False,
            text=True,
            timeout=_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InputError(field, value, "a package that imports") from None
    if done.returncode != 0:
        why = (done.stderr.strip().splitlines() or ["it exited without a word"])[-1]
        raise InputError(field, value, f"a package that imports: {why}")
    return {name: _chart(name, data) for name, data in json.loads(done.stdout).items()}


def _chart(name: str, data: dict[str, Any]) -> Chart:
    states = tuple(
        State(
            s["name"], text_of(s["name"], s["value"]), kind_of(s["name"]), s["initial"], s["final"]
        )
        for s in data["states"]
    )
    rules = with_else(Rule(**rule) for rule in data["rules"])
    events = tuple((name, meaning) for name, meaning in data["events"])
    return Chart(name, CHARTS[name].title, states, rules, events)
