"""What `mutmut` found, by file: ``python -m tests.mutants.code`` after ``mutmut run``.

Mutants of a function whose tests took too long count as killed: nothing may hang. Those that no test
reaches count as survivors.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

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
    sys.exit(main(*map(Path, sys.argv[1:])))
