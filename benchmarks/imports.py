"""What ``import realtime_fsm`` takes, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .rounds import Figure

ROOT = Path(__file__).parents[1]
_PROGRAM = """
import time
start = time.process_time()
import realtime_fsm
print((time.process_time() - start) * 1000)
"""


def import_ms(rounds: int) -> Figure:
    """Milliseconds of CPU time, compiled files at hand."""
    return Figure.of([_once() for _ in range(rounds + 1)][1:])


def _once() -> float:
    command = [sys.executable, "-c", _PROGRAM]
    return float(subprocess.run(command, cwd=ROOT, check=True, capture_output=True).stdout)
