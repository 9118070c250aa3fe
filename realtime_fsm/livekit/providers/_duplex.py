"""Full-duplex models: GPT-Live (`llm.DuplexModel`), and what says ``supports_overlapping_speech``."""

from __future__ import annotations

from ._family import Family

DUPLEX = Family(name="duplex", control="plain", why="A full-duplex model decides when to speak.")
