"""What the package offers, and what importing it costs."""

from __future__ import annotations

import subprocess
import sys

import pytest

from realtime_fsm.testing import corpus


def test_every_public_name_is_there() -> None:
    assert all(getattr(corpus, name) is not None for name in corpus.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        corpus.nonsense  # noqa: B018


def test_cases_are_read_and_the_controller_alone_runs_without_livekit() -> None:
    code = (
        "import sys\n"
        "from realtime_fsm.testing.corpus import cases, run\n"
        "assert all(run(case).holds for case in cases() if case.level == 'exact')\n"
        "print([name for name in ('livekit', 'openai', 'aiohttp') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
