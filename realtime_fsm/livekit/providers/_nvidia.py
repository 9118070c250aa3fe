"""PersonaPlex (livekit-plugins-nvidia): full duplex, and its ``generate_reply()`` raises."""

from __future__ import annotations

from ._family import Family

NVIDIA = Family(
    name="nvidia",
    control="plain",
    why="It takes no requests: the model listens and speaks at the same time.",
)
