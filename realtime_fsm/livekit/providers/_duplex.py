"""Full-duplex models: GPT-Live (`llm.DuplexModel`), and what says ``supports_overlapping_speech``."""

from __future__ import annotations

from ._family import Family

DUPLEX = Family(
    name="duplex",
    control="plain",
    why="Its turns are the server's: realtime_fsm.livekit.duplex tells what is lost of its work.",
)
