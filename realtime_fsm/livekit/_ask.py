"""How a turn's response is asked for, each time anew."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What the host asked for; repeated word for word on a retry.

    Attributes:
        arguments: Keyword arguments of the inner ``generate_reply``.
        frame: For a turn the application started itself: its ``response.create`` as sent.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    frame: dict[str, Any] | None = None
