"""The lane: the server's single slot for a default-conversation response (G1, G24)."""

from __future__ import annotations

from collections.abc import Mapping

from .connection import Connection
from .records import Response, Turn
from .states import ResponseState
from .user_speech import UserSpeech

_GIVEN_UP_UNANSWERED = frozenset(
    {ResponseState.WITHDRAWN, ResponseState.UNANSWERED, ResponseState.PROBED}
)


class Lane:
    """Who holds the slot, as far as evidence goes.

    Attributes:
        holders: Responses requested or alive, ours and others', oldest first: each whose state says
            that it is not over.
        turns: Those that have not ended, by id: some may wait for it.
        connection: What it is on.
        speech: The user's, which server VAD may answer by itself.
    """

    __slots__ = ("connection", "holders", "speech", "turns")

    def __init__(
        self, connection: Connection, speech: UserSpeech, turns: Mapping[str, Turn]
    ) -> None:
        self.holders: list[Response] = []
        self.turns = turns
        self.connection = connection
        self.speech = speech

    def free(self) -> bool:
        """Whether a ``response.create`` may leave now."""
        return not self.holders and self.connection.up and not self.speech.closes_lane

    @property
    def waited_for(self) -> bool:
        """Whether a turn waits for it now."""
        return any(turn.waiting for turn in self.turns.values())

    @property
    def awaited(self) -> bool:
        """Whether a turn waits for it, or will once its backoff is over."""
        return any(turn.unasked for turn in self.turns.values())

    def may_probe(self, asked: Response) -> bool:
        """Whether a bare cancel can hit nothing but this one, and creates that were given up."""
        others = all(r.state in _GIVEN_UP_UNANSWERED for r in self.holders if r is not asked)
        return others and self.connection.up and not self.speech.held_up
