"""What was seen of a call. All times are seconds."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

__all__ = ["Handle", "Outcome"]


@dataclass(frozen=True, slots=True)
class Handle:
    """A speech: what became of it, and seconds from its creation to its end (None: never)."""

    ended: str
    took: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What was seen of a call.

    Attributes:
        case, mode: of which, and whether it was controlled or plain.
        heard: seconds heard of each message of which anything was heard, in order.
        silence: the longest wait, in seconds: from a question to the first sound, between sounds
            until the speech is done; where no sound comes, until the application is told, and if
            it is not, to the next question or the end of the call.
        unanswered: the longest silence was not ended by an answer, nor by word of its failure.
        unheard: words that the model remembers to have said and nobody heard.
        repeated: words heard twice.
        handles: the speeches, in the order of their creation.
        creates: ``response.create`` that reached the server.
        collisions: those that met a response still alive.
        errors: the session's ``error`` events, fatal ones as ``FATAL code``.
        closed: whether the session's ``close`` event came.
        remembered: what the model remembers of its own messages.
        tools: how often a tool ran.
        state: the agent's.
        attempts: connections that were asked for.
        runs: what each ``session.run()`` came to: ``N messages`` or an exception.
        refused: what LiveKit did not take, by its exception.
        shown: what was shown, in a call by text.
        broken: guarantees that the call broke, as ``check_all`` tells them.
        complaints: exceptions in our own code that nobody caught, or that we logged.
    """

    case: str
    mode: str
    heard: tuple[float, ...]
    silence: float
    unanswered: bool
    repeated: int
    unheard: int
    handles: tuple[Handle, ...]
    creates: int
    collisions: int
    errors: tuple[str, ...]
    closed: bool
    remembered: tuple[str, ...]
    tools: int
    state: str
    attempts: int
    runs: tuple[str, ...]
    refused: tuple[str, ...]
    shown: tuple[str, ...]
    broken: tuple[str, ...] = ()
    complaints: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The figures, for ``json.dumps``, rounded to milliseconds."""
        rounded = replace(
            self,
            heard=tuple(round(s, 3) for s in self.heard),
            silence=round(self.silence, 3),
            handles=tuple(
                Handle(h.ended, None if h.took is None else round(h.took, 3)) for h in self.handles
            ),
        )
        return asdict(rounded)
