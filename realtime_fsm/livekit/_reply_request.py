"""How a turn's response is asked for, each time anew, and what became of it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any, Optional

from livekit.agents import llm

Answer = Optional["asyncio.Future[llm.GenerationCreatedEvent]"]


@dataclass(slots=True, kw_only=True, eq=False)
class ReplyRequest:
    """What the host asked for; repeated word for word on a retry.

    Attributes:
        arguments: Keyword arguments of the inner ``generate_reply``.
        frame: For a turn the application started itself: its ``response.create`` as sent.
        question: The item that it answers, as far as is known.
        output: The tool's output that it answers, if that was told last.
        committed: It answers the audio that the application committed before.
        of_user: It answers something new of the user's.
        future: What the host waits for.
        request: What the inner session answers, of the last attempt that was made.
        left: The frame was given to the inner session.
    """

    arguments: dict[str, Any] = field(default_factory=dict)
    frame: dict[str, Any] | None = None
    question: str | None = None
    output: str | None = None
    committed: bool = False
    of_user: bool = False
    future: Answer = None
    request: Answer = None
    left: bool = False
