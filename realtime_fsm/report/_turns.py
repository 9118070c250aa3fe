"""The turns of a call: those that the trace names, or else its responses."""

from __future__ import annotations

from ..trace import Line
from ..trace.wire import Create, Wire, body_of
from ._story import Call, Move, Span, Turn
from ._values import number, text, whole

__all__ = ["Turns"]

_TURNS = 20_000
_ANSWER = 15.0  # seconds; what begins later is no answer to what the user said
_OUTCOMES = {"cancelled": "interrupted"}


class Turns:
    """Who owns which line.

    Attributes:
        current: the newest turn that is not over.
        user_stopped: when the user fell silent, until a turn begins for it.
    """

    def __init__(self, call: Call, wire: Wire) -> None:
        self._call = call
        self._wire = wire
        self.user_stopped: float | None = None
        self._named = call.header.mode in ("control", "observe")
        self._ids: dict[str, Turn] = {}
        self._responses: dict[str, Turn] = {}
        self._items: dict[str, Turn] = {}
        self._open: list[Turn] = []
        self._asked: list[tuple[Create, Turn]] = []

    @property
    def current(self) -> Turn | None:
        return self._open[-1] if self._open else None

    def of_response(self, response_id: str) -> Turn | None:
        """The turn of a response."""
        return self._responses.get(response_id)

    def own_item(self, item_id: str, response_id: str) -> Turn | None:
        """An item of a response is the turn's."""
        owner = self._responses.get(response_id)
        if owner is not None:
            self._items[item_id] = owner
        return owner

    def owner(self, line: Line) -> Turn | None:
        """The turn that a line names, itself or by a response or an item."""
        event = line.event
        if line.by == "turn":
            return self._ids.get(text(event.get("turn")))
        body, item = body_of(event.get("response")), body_of(event.get("item"))
        for response in (event.get("response_id"), body.get("id")):
            if isinstance(response, str) and response in self._responses:
                return self._responses[response]
        for name in (event.get("item_id"), item.get("id")):
            if isinstance(name, str) and name in self._items:
                return self._items[name]
        return None

    def at(self, t: float) -> Turn | None:
        """The turn that had begun last."""
        return next((turn for turn in reversed(self._call.turns) if turn.asked <= t), None)

    def line(self, line: Line) -> Turn | None:
        """The next line; the wire has it already. Return the turn that it is about."""
        if line.by == "turn":
            return self._turn_line(line)
        if line.by == "client" and line.type == "response.create":
            return self._create(line)
        if line.by == "server" and line.type == "response.created":
            return self._created(line)
        if line.by == "server" and line.type == "response.done":
            return self._done(line)
        found = self.owner(line)
        if line.by == "server" and line.type == "response.output_item.added":
            return self._first_item(line) or found
        if line.by in ("server", "net"):
            self._answered(line)
        return found

    def finish(self) -> None:
        """There are no more lines."""
        for turn in self._call.turns:
            for span in (*turn.backoffs, *(span for span, _ in turn.generation)):
                if span.end is None:
                    span.end = turn.end if turn.end is not None else self._call.end
                    span.end = max(span.end, span.start)

    def settle(self, turn: Turn, t: float) -> None:
        """A derived turn's last message was heard: only then it is over."""
        if turn.derived and turn.end is not None and t > turn.end:
            turn.end = t
            if turn.states:
                turn.states[-1] = (t, *turn.states[-1][1:])

    # --- turns that the trace names

    def _turn_line(self, line: Line) -> Turn | None:
        self._named = True
        event, name = line.event, text(line.event.get("turn"))
        turn = self._ids.get(name)
        if line.type == "moved":
            response = text(event.get("response"))
            if turn is None:
                turn = self._adopt(name, response) or self._begin(name, line.t)
                if turn is None:
                    return None
                self._ids[name] = turn
            if response and response not in self._responses:
                self._responses[response] = turn
                self._own(turn, response)
            self._moved(turn, line)
        elif turn is not None and line.type == "recovering":
            why = text(event.get("code")) or text(event.get("kind"))
            wait = number(event.get("wait")) or 0.0
            turn.backoffs.append(Span(line.t, line.t + max(0.0, wait), why))
        elif turn is not None and line.type == "ended":
            turn.outcome = text(event.get("outcome")) or "unknown"
            turn.error = text(event.get("code")) or text(event.get("kind"))
            self._over(turn, line.t)
        return turn

    def _adopt(self, name: str, response: str) -> Turn | None:
        """A response that came before the first line of its turn."""
        turn = self._responses.get(response) if response else None
        if turn is None or not turn.derived:
            return None
        turn.id, turn.derived, turn.states, turn.attempts = name, False, [], []
        return turn

    def _own(self, turn: Turn, response: str) -> None:
        known = self._wire.responses.get(response)
        if known is not None and known.created is not None:
            turn.generation.append((Span(known.created.t), response))
            for item in known.items:
                self._items[item.id] = turn

    def _moved(self, turn: Turn, line: Line) -> None:
        event = line.event
        dest, attempt = text(event.get("dest")), whole(event.get("attempt"), 1)
        label = text(event.get("label")) or dest
        source, what = text(event.get("source")), text(event.get("event"))
        turn.moves.append(Move(line.t, source, what, dest, attempt))
        if not turn.states and source and source != dest:
            turn.states.append((turn.start, source, source))
        if not turn.states or turn.states[-1][1:] != (dest, label):
            turn.states.append((line.t, dest, label))
        known = {number for _, number in turn.attempts}
        if what in ("LANE_FREE", "RESPONSE_CREATED") and attempt not in known:
            turn.attempts.append((line.t, attempt))
        if what == "BACKOFF_OVER" and turn.backoffs:
            turn.backoffs[-1].end = line.t

    # --- turns made of responses

    def _create(self, line: Line) -> Turn | None:
        if self._named:
            return self.current
        if not self._wire.creates or self._wire.creates[-1].outside:
            return None
        turn = self._begin(f"ask {len(self._call.turns) + 1}", line.t, derived=True)
        if turn is not None:
            turn.states.append((line.t, "requested", "requested"))
            turn.attempts.append((line.t, 1))
            self._asked.append((self._wire.creates[-1], turn))
        return turn

    def _created(self, line: Line) -> Turn | None:
        response_id = text(line.body("response").get("id"))
        response = self._wire.responses.get(response_id)
        if response is None or response.outside:
            return None
        turn = self._responses.get(response_id)
        if turn is None and not self._named:
            turn = next((t for c, t in self._asked if c is response.create), None)
            self._asked = [(c, t) for c, t in self._asked if c is not response.create]
            turn = turn or self._begin(response_id, line.t, derived=True)
        if turn is None:
            return None
        self._responses[response_id] = turn
        if turn.derived:
            turn.id = response_id
            turn.states.append((line.t, "created", "created"))
        if response_id not in (name for _, name in turn.generation):
            turn.generation.append((Span(line.t), response_id))
        return turn

    def _first_item(self, line: Line) -> Turn | None:
        response_id = text(line.event.get("response_id"))
        item_id = text(line.body("item").get("id"))
        turn = self.own_item(item_id, response_id)
        if turn is not None and turn.derived and turn.end is None:
            messages = sum(
                1 for i in self._wire.responses[response_id].items if i.type == "message"
            )
            label = f"streaming message {messages}" if messages else "streaming"
            turn.states.append((line.t, "streaming", label))
        return turn

    def _done(self, line: Line) -> Turn | None:
        body = line.body("response")
        response_id, status = text(body.get("id")), text(body.get("status")) or "unknown"
        turn = self._responses.get(response_id)
        if turn is None:
            return None
        for span, name in turn.generation:
            if name == response_id and span.end is None:
                span.end, span.text = line.t, status
        if turn.derived and turn.end is None:
            turn.outcome = _OUTCOMES.get(status, status)
            error = body_of(body_of(body.get("status_details")).get("error"))
            reason = body_of(body.get("status_details")).get("reason")
            turn.error = text(error.get("code")) or text(error.get("type")) or text(reason)
            self._over(turn, line.t)
        return turn

    def _answered(self, line: Line) -> None:
        """An error that refuses a request, or a lost connection, ends what is derived from it."""
        for create, turn in [pair for pair in self._asked if pair[0].answers]:
            self._asked.remove((create, turn))
            answer = create.answers[0]
            body = answer.body("response")
            error = answer.body("error") or body_of(
                body_of(body.get("status_details")).get("error")
            )
            turn.outcome, turn.error = "failed", text(error.get("code")) or text(answer.type)
            self._over(turn, line.t)
        if line.by != "net":
            return
        for turn in [turn for turn in self._open if turn.generation]:
            span, name = turn.generation[-1]
            response = self._wire.responses.get(name)
            if span.end is None and response is not None and response.lost is not None:
                span.end, span.text = line.t, "lost"
                if turn.derived:
                    turn.outcome, turn.error = "failed", "connection lost"
                    self._over(turn, line.t)

    # --- all of them

    def _begin(self, name: str, t: float, *, derived: bool = False) -> Turn | None:
        if len(self._call.turns) >= _TURNS:
            self._call.more_turns += 1
            return None
        asked, self.user_stopped = self.user_stopped, None
        if asked is None or asked < t - _ANSWER:
            asked = t
        turn = Turn(len(self._call.turns), name, t, asked, derived)
        self._call.turns.append(turn)
        self._open.append(turn)
        return turn

    def _over(self, turn: Turn, t: float) -> None:
        turn.end = t
        if turn.derived:
            final = "failed" if turn.outcome == "failed" else "done"
            turn.states.append((t, final, final))
        if turn in self._open:
            self._open.remove(turn)
