"""What `mutmut` found, by file: ``python -m tests.mutants.code`` after ``mutmut run``.

``python -m tests.mutants.code run [--jobs N | --dask ADDRESS] [FILE...]`` has each file's mutants run by a worker,
and says what they found. Files are those of ``only_mutate`` in ``pyproject.toml``, all by default.

Mutants of a function whose tests took too long count as killed: nothing may hang. Those that no test
reaches count as survivors.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory

from .workers import each, workers_of

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
_NOT_COPIED = (".venv*", ".git", "mutants", "build", "dist", ".*_cache", ".hypothesis")

#: Of each file, and of all.
WANTED = 0.95
_SURVIVED, _NO_TESTS = 0, 33


def verdicts(folder: Path) -> dict[str, dict[str, int | None]]:
    """Exit codes of the mutants, by file."""
    found = {}
    for path in sorted(folder.rglob("*.meta")):
        codes = json.loads(path.read_text("utf-8"))["exit_code_by_key"]
        if codes:
            found[path.name.removesuffix(".meta")] = codes
    return found


def lives(code: int | None) -> bool:
    return code in (_SURVIVED, _NO_TESTS)


def run_part(file: str) -> str:
    """Run the mutants of a file in a copy of this repository; return what `mutmut` notes of it."""
    with TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(*_NOT_COPIED), symlinks=True)
        names = f"{file.removesuffix('.py').replace('/', '.')}.*"
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", "run", "--max-children", "1", names],
            cwd=tree,
            env={**os.environ, "HYPOTHESIS_PROFILE": "short"},
            capture_output=True,
            text=True,
            check=False,
        )
        meta = tree / "mutants" / f"{file}.meta"
        if done.returncode or not meta.exists():
            raise RuntimeError(f"mutmut failed for {file}: {(done.stdout + done.stderr)[-2000:]}")
        return meta.read_text("utf-8")


def files() -> list[str]:
    """Those that are mutated."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        wanted: list[str] = tomllib.load(file)["tool"]["mutmut"]["only_mutate"]
    return wanted


def spread_out(arguments: list[str], folder: Path = Path("mutants")) -> int:
    """Run them by workers, and say what they found."""
    named = [argument for argument in arguments if argument.endswith(".py")]
    parts = named or files()
    for part, meta in zip(parts, each(run_part, parts, workers_of(arguments)), strict=True):
        path = folder / f"{part}.meta"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(meta, "utf-8")
    return main(folder)


def main(folder: Path = Path("mutants")) -> int:
    found = verdicts(folder)
    total: Counter[str] = Counter()
    print("| file | mutants | killed | |")
    print("|---|---|---|---|")
    for name, codes in found.items():
        run = {key: code for key, code in codes.items() if code is not None}
        killed = sum(not lives(code) for code in run.values())
        total += Counter(run=len(run), killed=killed, left=len(codes) - len(run))
        if run:
            print(f"| `{name}` | {len(run)} | {killed} | {killed / len(run):.1%} |")
    if not total["run"]:
        print("nothing was run")
        return 1
    rate = total["killed"] / total["run"]
    print(f"| all | {total['run']} | {total['killed']} | {rate:.1%} |")
    if total["left"]:
        print(f"\nnot run: {total['left']}")
    for codes in found.values():
        for key, code in codes.items():
            if lives(code):
                print(f"survives: {key}{' (no test reaches it)' if code == _NO_TESTS else ''}")
    return 0 if rate >= WANTED else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        sys.exit(spread_out(sys.argv[2:]))
    sys.exit(main(*map(Path, sys.argv[1:])))
