"""Try out what was built: ``python -m tests.package dist``.

Looks into wheel and sdist, then installs the wheel into an empty environment, first alone, then
with the plugin, and runs it from an empty folder.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

from .contents import problems, sdist_names, wheel_names

ROOT = Path(__file__).parents[2]
_CORE = """
import realtime_fsm, sys
controller = realtime_fsm.TurnController()
controller.request(now=0.0)
assert controller.commands()
assert "livekit" not in sys.modules
"""
_CORPUS = "from realtime_fsm.testing.corpus import cases; assert len(cases()) > 80, len(cases())"


def run(folder: str, *command: str) -> None:
    began = time.monotonic()
    print(">", *(Path(command[0]).name, *command[1:]), end=" ", flush=True)
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        command, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        sys.exit(f"failed:\n{done.stdout}{done.stderr}")
    print(f"({time.monotonic() - began:.0f} s)")


def main(dist: Path) -> None:
    (wheel,) = dist.glob("*.whl")
    (sdist,) = dist.glob("*.tar.gz")
    if wrong := problems(wheel_names(wheel), sdist_names(sdist)):
        sys.exit("\n".join(wrong))
    with tempfile.TemporaryDirectory() as folder:
        venv.create(Path(folder, "env"), with_pip=True)
        bin_ = Path(folder, "env", "Scripts" if os.name == "nt" else "bin")
        python, command = str(bin_ / "python"), str(bin_ / "realtime-fsm")
        pip = (python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt"))
        run(folder, *pip, str(wheel))
        run(folder, python, "-c", _CORE)
        run(folder, command, "--version")
        run(folder, command, "diagrams", "--machine", "turn", "--format", "svg")
        run(folder, *pip, f"{wheel}[openai]")
        run(folder, python, "-c", _CORPUS)
        run(folder, command, "scenarios", "c")
        run(folder, command, "demo")
    print(f"{wheel.name} and {sdist.name} are complete and work")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
