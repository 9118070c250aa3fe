"""The lane: the server's single slot for a default-conversation response (G1, G24)."""

from __future__ import annotations

from ._policy import RetryPolicy
from ._turn import Attempt


class Lane:
    """Who holds the slot, as far as evidence goes.

    Attributes:
        holders: Responses requested or alive, ours and others', oldest first.
        connected: A connection is up.
        server_creates: Server VAD starts responses by itself.
        speaking: The user is speaking, as far as the server told.
        closed_until: While the user speaks, and until server VAD's own response can no longer
            be expected: the lane is closed at the latest until this time. None otherwise.
        owed: Server VAD committed a user turn and has not answered it yet (G18).
    """

    __slots__ = (
        "_policy",
        "closed_until",
        "connected",
        "holders",
        "owed",
        "server_creates",
        "speaking",
        "speech_since",
    )

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.holders: list[Attempt] = []
        self.connected = True
        self.server_creates = False
        self.speaking = False
        self.owed = False
        self.closed_until: float | None = None
        self.speech_since: float | None = None

    def free(self) -> bool:
        """Whether a ``response.create`` may leave now."""
        expected = self.server_creates and self.closed_until is not None
        return self.connected and not self.holders and not expected

    def may_probe(self) -> bool:
        """Whether a bare cancel can hit nothing but creates that were given up unacknowledged."""
        orphans = all(a.abandoned and a.response_id is None for a in self.holders)
        return orphans and self.connected and self.closed_until is None

    def take(self, attempt: Attempt) -> None:
        self.holders.append(attempt)

    def leave(self, attempt: Attempt) -> None:
        if attempt in self.holders:
            self.holders.remove(attempt)

    def speech_started(self, now: float) -> None:
        self.speaking = True
        self.closed_until = now + self._policy.speech_timeout
        if self.speech_since is None:
            self.speech_since = now

    def speech_stopped(self, now: float) -> None:
        """The answer to the speech is due: the server's, if it is the one who answers."""
        self.speaking = False
        self.closed_until = now + self._policy.timeout

    def committed(self) -> None:
        """What was said is a user turn. Only server VAD's own commits are answered by it."""
        self.owed = self.answer_due

    @property
    def answer_due(self) -> bool:
        """Whether server VAD's response to speech that ended is awaited."""
        return self.server_creates and self.closed_until is not None and not self.speaking

    def quiet(self, now: float) -> float:
        """Nothing more comes of the speech. Returns for how many seconds it held things up."""
        held = 0.0 if self.speech_since is None else now - self.speech_since
        self.speaking = self.owed = False
        self.closed_until = self.speech_since = None
        return held
