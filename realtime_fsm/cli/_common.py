"""What several commands do first, or with what goes wrong."""

from __future__ import annotations

import importlib.util

from .._input import CommandError
from .._output import say

__all__ = ["need_openai", "warn"]


def need_openai() -> None:
    """Raise `CommandError` without the OpenAI plugin."""
    try:
        found = importlib.util.find_spec("livekit.plugins.openai")
    except ModuleNotFoundError:  # nothing of LiveKit
        found = None
    if found is None:
        raise CommandError('this needs the OpenAI plugin: pip install "realtime-fsm[openai]"')


def warn(line: str) -> None:
    """Say it on standard error."""
    say(line, err=True)
