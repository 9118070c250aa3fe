"""Tolerances of the rules."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Settings"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tolerances, in seconds.

    Attributes:
        patience: an unanswered create, or cancel, is believed in for so long.
        voice: server VAD's answer is expected for so long.
        unread: what arrived so shortly before may not have been acted on.
        audio: the longest stretch of sound that a sink may play or not.
        cut: between where the sink stopped and where the message was cut; one frame.
        settle: corrections have left, and are answered, so long after the last sound.
        quiet: nothing happens for so long: the call stands still.
        answer: within so long a turn is answered, or retried, or said to have failed.
        reconnects: connections in a row without any progress, each within 1.5 s of the one
            before.
    """

    patience: float = 4.9
    voice: float = 1.9
    unread: float = 0.005
    audio: float = 0.15
    cut: float = 0.03
    settle: float = 1.0
    quiet: float = 30.0
    answer: float = 15.0
    reconnects: int = 10
