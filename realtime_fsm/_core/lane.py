"""The lane: the server's single slot for a default-conversation response (G1, G24)."""

from __future__ import annotations

from collections.abc import Mapping

from .connection import Connection
from .records import Response, Turn
from .states import PENDING, Origin, ResponseState
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
    def only_pending(self) -> Response | None:
        """The response whose create is on the wire and not answered, if there is just one."""
        pending = [r for r in self.holders if r.state in PENDING]
        return pending[0] if len(pending) == 1 else None

    @property
    def answered_next(self) -> Response | Origin | None:
        """What a response answers which has the slot now, though its ``response.created`` was not seen:
        a create, or the user, for server VAD. None: it cannot be told."""
        if not self.holders:
            return Origin.SERVER_VAD if self.speech.answer_due else None
        alone = len(self.holders) == 1 and not self.speech.answer_may_come
        return self.only_pending if alone else None

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
