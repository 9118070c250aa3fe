"""The server's delays and switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from .script import Accept, Handshake

__all__ = ["ServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How fast the server is, and how it takes connections. Delays are seconds.

    Attributes:
        create_delay: from an accepted ``response.create`` to ``response.created`` (or to its
            rejection).
        vad_create_delay: the same for a response that server VAD started, counted from the commit.
        cancel_delay: until a ``response.cancel`` takes effect; the response goes on meanwhile, and
            may end first.
        cancel_before_created: whether a cancel also reaches a response whose ``response.created``
            is not out yet.
        pace: between two 100 ms deltas, so 0.02 is five times faster than real time.
        transcription_delay: from the commit to the transcript of the user's audio.
        handshakes: the k-th connection takes the k-th, later ones take *default_handshake*.
    """

    create_delay: float = 0.005
    vad_create_delay: float = 0.02
    cancel_delay: float = 0.03
    # Observed: livekit#6223. A bare cancel before `response.created` is a no-op, and the response
    # then speaks.
    cancel_before_created: bool = False
    pace: float = 0.02
    transcription_delay: float = 0.01
    handshakes: Sequence[Handshake] = ()
    default_handshake: Handshake = field(default_factory=Accept)

    def __post_init__(self) -> None:
        object.__setattr__(self, "handshakes", tuple(self.handshakes))

    def handshake(self, connection: int) -> Handshake:
        """Return how connection number *connection* (from 1) is taken."""
        return (
            self.handshakes[connection - 1]
            if connection <= len(self.handshakes)
            else self.default_handshake
        )
