"""The kit for testers."""

from .sink import PacedAudioOutput, Segment

__all__ = ["PacedAudioOutput", "Segment"]
