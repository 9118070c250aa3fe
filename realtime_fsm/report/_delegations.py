"""The delegations of a GPT-Live call, as its turns: what was handed on, and what became of it."""

from __future__ import annotations

from ..duplex import DelegationTracker, Loss, Moved
from ..trace import Line
from ._story import Call, Mark, Move, Span, Turn
from ._values import text

__all__ = ["Delegations"]

_MOST = 20_000
_OUTCOMES = {"answered": "completed", "lost": "failed"}
_WORDS = {
    "backend_failed": "the backend failed",
    "continuation_refused": "the continuation was refused",
    "result_lost": "what it would have said went with its connection",
    "connection_storm": "one connection after another",
    "session_expired": "the session expired",
}


class Delegations:
    """Follows the frames of one call."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._tracker = DelegationTracker()
        self._turns: dict[int, Turn] = {}

    @property
    def current(self) -> Turn | None:
        """The newest that is not over."""
        return next((t for t in reversed(self._call.turns) if t.end is None), None)

    def line(self, line: Line) -> Turn | None:
        """The next line. Returns the delegation that it is about."""
        frame = {**line.event, "type": line.type}
        if line.by == "server":
            self._tracker.received(frame, line.t)
        elif line.by == "client":
            self._tracker.sent(frame, line.t)
        owner = self._named(line)
        for each in self._tracker.take():
            if isinstance(each, Moved):
                owner = self._moved(each, line) or owner
            else:
                self._lost(each, line)
        return owner

    def of(self, line: Line) -> Turn | None:
        """The delegation that a line names."""
        told = line.event.get("delegation")
        name = text(line.event.get("delegation_id")) or text(
            told.get("id") if isinstance(told, dict) else told
        )
        turns = reversed(self._call.turns)
        return next((t for t in turns if name and t.id == name), None)

    def _named(self, line: Line) -> Turn | None:
        return self.of(line) or self.current

    def _moved(self, move: Moved, line: Line) -> Turn | None:
        turn = self._turns.get(move.number)
        if turn is None:
            if len(self._call.turns) >= _MOST:
                self._call.more_turns += 1
                return None
            name = text(move.delegation) or f"response {move.number}"
            turn = Turn(len(self._call.turns), name, line.t, line.t, derived=True)
            self._turns[move.number] = turn
            self._call.turns.append(turn)
        turn.states.append((line.t, move.dest, move.dest.replace("_", " ")))
        turn.moves.append(Move(line.t, move.source or "began", move.event, move.dest, 1))
        if turn.generation and turn.generation[-1][0].end is None:
            turn.generation[-1][0].end = line.t
        if move.dest == "running":
            turn.generation.append((Span(line.t), "running"))
        if move.over:
            turn.end = line.t
            turn.outcome = _OUTCOMES.get(move.dest, move.dest)
            turn.error = "lost" if move.dest == "lost" else turn.error
            del self._turns[move.number]
        return turn

    def _lost(self, loss: Loss, line: Line) -> None:
        turns = reversed(self._call.turns)
        turn = next((t for t in turns if loss.number and t.id == text(loss.delegation)), None)
        words = _WORDS.get(loss.kind.value, loss.kind.value.replace("_", " "))
        code = text(loss.code)
        if turn is not None:
            turn.error = code or loss.kind.value
        told = f"{words}: {code}" if code else words
        number = None if turn is None else turn.number
        self._call.mark(Mark(line.t, "error", told, number, line.number))
