"""What is known of the server under test, and what a run may spend on it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .._input import CommandError
from .dialect import Dialect

__all__ = ["ConformError", "Known", "Pace", "Refused", "Unjudged"]

SESSION: dict[str, Any] = {
    "type": "realtime",
    "output_modalities": ["text"],
    "instructions": "You are being tested. Do exactly what is asked, in few words.",
    "audio": {"input": {"turn_detection": None}},
}


class ConformError(CommandError):
    """Nothing can be asked of this server; says why, in one sentence."""


class Refused(Exception):  # noqa: N818 - it may take the next one
    """The server does not take one more session now; says why."""


class Unjudged(Exception):  # noqa: N818 - an answer, not an accident
    """The question that is being asked cannot be answered; says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How long a run waits, in seconds.

    Attributes:
        patience: for one answer of the server.
        quiet: in which nothing may follow, where a rule says that nothing follows.
        settle: the same after a later event was answered, which on an ordered socket says the most.
        speech_rate: how many times faster than it sounds speech is played.
    """

    patience: float = 10.0
    quiet: float = 1.0
    settle: float = 0.2
    speech_rate: float = 1.0


@dataclass(slots=True)
class Known:
    """What a run has learned so far, shared by its connections.

    Attributes:
        limit: of responses that may be asked for.
        deadline: when the run has to be over, in the time of the loop.
        session: what `session.update` was found to take.
        first_session, raw_session: what session.created had, in the current names and as it was.
        greets: session.created comes by itself.
        fences: an update is answered, so it can be used to see what came before it.
        replies: a response was seen to be answered.
        hears: server VAD was not found to miss the speech that is played.
        params: of a ``response.create``, those that are taken.
        names: the names of events seen, as on the wire.
        secrets: what must not be shown.
        rtt: seconds that a session.update took to be answered, the quickest one.
    """

    url: str
    headers: Mapping[str, str]
    pace: Pace
    limit: int
    deadline: float = math.inf
    directed: bool = False
    expiry: float = 0.0
    mcp: str | None = None
    dialect: Dialect = "ga"
    forced: bool = False
    session: dict[str, Any] = field(default_factory=dict)
    first_session: Mapping[str, Any] | None = None
    raw_session: Mapping[str, Any] = field(default_factory=dict)
    greets: bool = True
    fences: bool = True
    replies: bool = True
    hears: bool = True
    params: set[str] = field(
        default_factory=lambda: {"instructions", "max_output_tokens", "output_modalities"}
    )
    names: set[str] = field(default_factory=set)
    secrets: tuple[str, ...] = ()
    notes: list[str] = field(default_factory=list)
    rtt: float = 0.0
    responses: int = 0
    tokens: int = 0

    def spend(self) -> None:
        """Count one more response. Raises :class:`Unjudged` when there may be none."""
        if self.responses >= self.limit:
            raise Unjudged(f"the limit of {self.limit} responses is reached")
        self.responses += 1

    def left(self) -> float:
        """Seconds until the run has to be over. Raises :class:`Unjudged` when there are none."""
        left = self.deadline - asyncio.get_running_loop().time()
        if left <= 0:
            raise Unjudged("the time for the run is over")
        return left

    def note(self, text: str) -> None:
        """Keep something worth knowing, once."""
        if (plain := self.plain(text)) not in self.notes:
            self.notes.append(plain)

    def plain(self, text: str) -> str:
        """Return a text on one line, not too long, and without what must not be shown."""
        for secret in self.secrets:
            text = text.replace(secret, "***")
        return " ".join(text.split())[:600]
