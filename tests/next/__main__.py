"""What the releases that are installed would have us change: ``python -m tests.next``, in the environment
that `tests.next.install` made.

The canaries, then the adapter's tests, then every scenario; what fails is printed with the advice. Fails if
anything does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from .install import ROOT, WATCHED
from .report import Found, markdown, of_junit, of_scenarios, outside

#: What is run: a heading, and the tests.
SUITES = {
    "what is relied on": (
        "tests/livekit/test_canaries.py",
        "tests/duplex/test_canaries.py",
        "tests/livekit/test_features.py",
        "tests/livekit/test_private_names.py",
    ),
    "the adapter": ("tests/livekit",),
    "known orderings": ("tests/corpus/test_cases.py",),
}


def main() -> int:
    installed = {name: version(name) for name in WATCHED}
    bounds = outside(installed, (ROOT / "pyproject.toml").read_text("utf-8"))
    found = [_tests(heading, paths) for heading, paths in SUITES.items()]
    found.append(_scenarios())
    text = markdown(installed, bounds, found)
    print(text)
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)
    return int(any(each.broken for each in found))


def _tests(heading: str, paths: tuple[str, ...]) -> Found:
    print(f"{heading} ...", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.xml")
        command = [sys.executable, "-m", "pytest", "-q", "-W", "default", f"--junitxml={report}"]
        done = subprocess.run(
            [*command, "-p", "no:cacheprovider", *paths], cwd=ROOT, capture_output=True, text=True
        )
        if not report.exists():
            return Found(heading, counts={}, broken=[done.stdout[-2000:] + done.stderr[-2000:]])
        return of_junit(heading, report.read_text("utf-8"))


def _scenarios() -> Found:
    print("scenarios ...", file=sys.stderr, flush=True)
    command = [sys.executable, "-m", "realtime_fsm", "scenarios", "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    return of_scenarios(done.stdout, done.stderr)


if __name__ == "__main__":
    sys.exit(main())
