"""What an import takes, in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .rounds import Figure

ROOT = Path(__file__).parents[1]
_PROGRAM = """
import time
{before}
start = time.process_time()
from {module} import {name}
print((time.process_time() - start) * 1000)
"""
#: What an agent that uses the plugin has imported anyway.
LIVEKIT = "from livekit.agents import Agent, AgentSession; from livekit.plugins import openai"


def import_ms(module: str, name: str, rounds: int, *, before: str = "") -> Figure:
    """Milliseconds of CPU time, compiled files at hand (the first round leaves them), and what comes
    *before* imported. A *name* is taken as well, for a package may load what it offers only then."""
    program = _PROGRAM.format(module=module, name=name, before=before)
    return Figure.of([_once(program) for _ in range(rounds + 1)][1:])


def _once(program: str) -> float:
    command = [sys.executable, "-c", program]
    # Where this is set nothing is compiled ahead, and the compiler would be what is measured.
    env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    run = subprocess.run(command, cwd=ROOT, env=env, check=True, capture_output=True)
    return float(run.stdout)
