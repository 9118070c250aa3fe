"""Coverage-guided fuzzing: ``python -m tests.fuzz parser|controller [libFuzzer options]``.

Needs atheris: ``pip install --group fuzz``. An input that fails is written to the directory of
``-artifact_prefix=``; give its path as the only option to repeat it.
"""

from __future__ import annotations

import sys

import atheris

with atheris.instrument_imports(include=["realtime_fsm"]):
    from .controller import controller
    from .parser import parser

TARGETS = {"parser": parser, "controller": controller}

if len(sys.argv) < 2 or sys.argv[1] not in TARGETS:
    sys.exit(f"usage: python -m tests.fuzz {'|'.join(TARGETS)} [libFuzzer options]")
atheris.Setup([sys.argv[0], *sys.argv[2:]], TARGETS[sys.argv[1]])
atheris.Fuzz()
