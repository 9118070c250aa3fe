"""Reads one call: what was said, asked, generated, played, cut, and what failed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from sys import intern

from ..trace import Header, Line, Violation
from ..trace.facts import FactReader
from ..trace.live.dialect import is_live
from ..trace.show import details
from ..trace.sound import Sound
from ..trace.wire import AUDIO_DELTAS, CONFLICTS, LOST, Wire, body_of
from ._delegations import Delegations
from ._messages import Messages
from ._story import MOST_EVENTS, MOST_IDS, MOST_MARKS, Call, Event, Mark, Span, Turn
from ._turns import Turns
from ._values import clipped, number, text, words

__all__ = ["CallReader"]

_PENDING = 60  # events that wait for the turn they lead to
#: Who tells what was heard.
_HEARS = ("playback", "session")
#: Frames that only repeat what others say, and those that come by the second.
_NOISE = frozenset(
    {
        "response.content_part.added", "response.content_part.done", "response.output_audio.done",
        "response.output_audio_transcript.done", "response.output_text.done", "response.audio.done",
        "response.audio_transcript.done", "response.text.done", "conversation.item.added",
        "conversation.item.done", "rate_limits.updated", "input_audio_buffer.append",
        "session.input_audio.append", "session.output_audio.delta", "session.usage.updated",
    }
)  # fmt: skip


class CallReader:
    """Takes the lines of one call, in order."""

    def __init__(self, header: Header) -> None:
        self.call = Call(header)
        self._wire, self._facts = Wire(), FactReader()
        self._sound = Sound(self._wire)
        self._turns = Turns(self.call, self._wire)
        self._messages = Messages(self.call, self._wire, self._sound, self._turns)
        #: Of a call of GPT-Live, whose turns are the server's.
        self._delegations: Delegations | None = None
        self._pending: list[Event] = []
        self._ids: list[str] = []  # of frames, likewise
        self._order = 0
        self._said = ""
        self._user_items: set[str] = set()
        self._handlers: dict[tuple[str, str], Callable[[Line], Turn | None]] = {
            ("client", "response.cancel"): self._cancel,
            ("client", "conversation.item.truncate"): self._messages.truncated,
            ("client", "conversation.item.delete"): self._messages.deleted,
            ("client", "conversation.item.create"): self._item_created,
            ("server", "error"): self._refused,
            ("server", "input_audio_buffer.committed"): self._committed,
            ("server", "input_audio_buffer.speech_started"): self._user_starts,
            ("server", "input_audio_buffer.speech_stopped"): self._user_stops,
            ("user", "state"): self._user_state,
            ("server", "response.done"): self._response_done,
            ("session", "error"): self._session_error,
            ("session", "speech_done"): self._speech_done,
            ("session", "tool_ended"): self._tool_ended,
            ("session", "stepped_aside"): self._stepped_aside,
            ("session", "close"): self._closed,
            ("turn", "ended"): self._turn_ended,
            ("session", "item_added"): self._messages.added,
            ("playback", "started"): self._messages.plays,
            ("playback", "finished"): self._messages.plays,
            ("server", "conversation.item.input_audio_transcription.completed"): self._user_said,
        }

    def line(self, line: Line) -> None:
        """The next line."""
        line = self._timed(line)
        call = self.call
        call.last_line = line.number
        call.end = max(call.end, line.t)
        call.has.add(line.by)
        if line.by in ("server", "client", "net"):
            self._wire.apply(line)
            self._connection(line)
        elif line.by in _HEARS:
            fact = self._facts.read(line)
            if fact is not None:
                self._sound.apply(fact)
        if self._delegations is None and line.by in ("server", "client") and is_live(line.type):
            self._delegations = Delegations(call)
        if self._delegations is not None:
            self._note(line, self._delegations.line(line))
            return
        owner = self._turns.line(line)
        handler = self._handlers.get((line.by, line.type))
        if handler is not None:
            owner = handler(line) or owner
        if line.by == "server" and line.type.startswith("response."):
            self._messages.frame(line)
        elif line.by == "net" and line.type in LOST:
            self._mark(line, "lost", "the connection was lost", self._turns.current)
        if owner is not None and self._said:
            owner.words, self._said = owner.words or self._said, ""
        self._note(line, owner)

    def gap(self) -> None:
        """Something is missing here: what is under way is not known."""
        self._messages.gap()

    def finish(self, *, complete: bool) -> None:
        """There are no more lines. What was under way when a call was cut off is not known."""
        call = self.call
        call.complete = complete
        self._messages.finish(complete=complete)
        self._turns.finish()
        for span in (*call.user, *call.connections):
            if span.end is None:
                span.end = call.end
        if self._pending and call.turns:
            for event in self._pending:
                _keep(call.turns[-1], event)

    def judged(self, violations: Iterable[Violation]) -> None:
        """The memory was judged, and these are all breaches there are."""
        wrong = {
            item
            for each in violations
            if each.id == "G16" and each.lines and each.lines[-1].number <= self.call.last_line
            for item in each.items
        }
        self._messages.judged(wrong)

    def breach(self, id: str, told: str, lines: Sequence[Line]) -> int | None:
        """Mark a breach at the newest of its lines, and return its turn's number."""
        if self._delegations is not None:
            owners = (self._delegations.of(line) for line in reversed(lines))
        else:
            owners = (self._turns.owner(line) for line in reversed(lines))
        owner = next((each for each in owners if each is not None), None)
        last = lines[-1]
        t = last.t if self.call.header.timed else self.call.begin
        owner = owner or self._turns.at(t)
        if owner is not None:
            owner.broken[id] = None
        self.call.broken[id] += 1
        self.call.mark(
            Mark(t, "broken", f"{id}: {told}", owner.number if owner else None, last.number)
        )
        return owner.number if owner is not None else None

    def _timed(self, line: Line) -> Line:
        """Where times are unknown, the order stands for them; absurd ones are the last sane one."""
        call = self.call
        t = line.t
        if not call.header.timed:
            t, self._order = float(self._order), self._order + 1
        elif number(t) is None:
            t = call.end
        if not call.first_line:
            call.first_line, call.begin, call.end = line.number, t, t
        t = max(t, call.begin)
        if t == line.t:
            return line
        return Line(line.number, t, line.by, line.type, line.connection, line.event, line.until)

    def _note(self, line: Line, owner: Turn | None) -> None:
        event_id, holder = text(line.event.get("event_id"), 80), owner or self._current
        if event_id:
            self._ids.append(event_id)
        if holder is None:
            del self._ids[:-_PENDING]
        else:
            holder.event_ids += self._ids[: MOST_IDS - len(holder.event_ids)]
            self._ids.clear()
        if line.type in _NOISE:
            return
        if holder is not None:
            for each in self._pending:
                _keep(holder, each)
            self._pending.clear()
        sound = line.by == "server" and line.type in AUDIO_DELTAS
        told = f"{number(line.event.get('delta')) or 0:g} ms" if sound else ""
        by, kind = text(line.by, 24), text(line.type, 80)
        before = None if holder is None else _before(holder, by, kind)
        if before is not None:
            before.again(told)
            return
        if not sound:
            try:
                told = clipped(details(line), 400)
            except RecursionError:
                told = "nested too deeply"
        event = Event(line.number, line.t, intern(by), intern(kind), told)
        if holder is None:
            self._pending.append(event)
            del self._pending[:-_PENDING]
        else:
            _keep(holder, event)

    @property
    def _current(self) -> Turn | None:
        return (self._delegations or self._turns).current

    def _mark(self, line: Line, kind: str, told: str, turn: Turn | None) -> None:
        self.call.mark(Mark(line.t, kind, told, None if turn is None else turn.number, line.number))

    # --- the wire

    def _connection(self, line: Line) -> None:
        found = self.call.connections
        if line.by == "net" and line.type in LOST:
            if found and found[-1].text == str(line.connection):
                found[-1].end = line.t
        elif not found or int(found[-1].text) < line.connection:
            if found and found[-1].end is None:
                found[-1].end = line.t
            if len(found) < MOST_MARKS:
                found.append(Span(line.t, None, str(line.connection)))

    def _cancel(self, line: Line) -> Turn | None:
        named = text(line.event.get("response_id"))
        owner = self._turns.of_response(named) if named else None
        owner = owner or self._turns.current
        self._mark(line, "cancel", f"cancel {named or '(names no response)'}", owner)
        return owner

    def _refused(self, line: Line) -> Turn | None:
        error = line.body("error")
        owner = self._turns.owner(line) or self._turns.current
        code = text(error.get("code")) or text(error.get("type")) or "error"
        stale = code in CONFLICTS
        told = f"the server: {code}" + (" (our picture was stale)" if stale else "")
        self._mark(line, "stale" if stale else "error", told, owner)
        return owner

    def _session_error(self, line: Line) -> Turn | None:
        code = text(line.event.get("code")) or text(line.event.get("error")) or "error"
        recoverable = line.event.get("recoverable")
        owner = self._turns.current or (self.call.turns[-1] if self.call.turns else None)
        kind = (
            "" if recoverable is None else " (recoverable)" if recoverable else " (not recoverable)"
        )
        self._mark(line, "error", f"the session: {code}{kind}", owner)
        return owner

    def _response_done(self, line: Line) -> Turn | None:
        body = line.body("response")
        details = body_of(body.get("status_details"))
        error, status = body_of(details.get("error")), text(body.get("status"))
        owner = self._turns.owner(line)
        if status in ("failed", "incomplete"):
            code = text(error.get("code")) or text(error.get("type")) or text(details.get("reason"))
            told = f"the response {'failed' if status == 'failed' else 'is incomplete'}"
            self._mark(line, "error", f"{told}: {code}" if code else told, owner)
        return owner

    def _speech_done(self, line: Line) -> Turn | None:
        error = text(line.event.get("exception"))
        owner = self._turns.current or (self.call.turns[-1] if self.call.turns else None)
        if error:
            code = text(line.event.get("code"))
            self._mark(line, "error", f"the speech: {error}{f', {code}' if code else ''}", owner)
        return None

    def _tool_ended(self, line: Line) -> Turn | None:
        if text(line.event.get("status")) == "error":
            self._mark(line, "error", "a tool failed", self._turns.current)
        return None

    def _stepped_aside(self, line: Line) -> Turn | None:
        code = text(line.event.get("code")) or text(line.event.get("kind"))
        told = f"the controller stepped aside: {code}; from here on it is plain LiveKit"
        self._mark(line, "error", told, self._turns.current)
        return None

    def _closed(self, line: Line) -> Turn | None:
        if text(line.event.get("reason")) == "error":
            self._mark(line, "error", "the session was closed for an error", self._turns.current)
        return None

    def _turn_ended(self, line: Line) -> Turn | None:
        owner = self._turns.owner(line)
        code = text(line.event.get("code")) or text(line.event.get("kind"))
        if text(line.event.get("outcome")) == "failed":
            self._mark(line, "error", f"the turn failed: {code or 'error'}", owner)
        return owner

    # --- the user

    def _user_starts(self, line: Line) -> None:
        if "user" not in self.call.has:  # the session tells it better
            self._speaks(line.t)

    def _user_stops(self, line: Line) -> None:
        if "user" not in self.call.has:
            self._falls_silent(line.t)

    def _user_state(self, line: Line) -> None:
        if line.event.get("new") == "speaking":
            self._speaks(line.t)
        elif line.event.get("old") == "speaking":
            self._falls_silent(line.t)

    def _speaks(self, t: float) -> None:
        user = self.call.user
        if (not user or user[-1].end is not None) and len(user) < MOST_MARKS:
            user.append(Span(t))

    def _falls_silent(self, t: float) -> None:
        user = self.call.user
        if user and user[-1].end is None:
            user[-1].end = t
            self._turns.user_stopped = t

    def _item_created(self, line: Line) -> Turn | None:
        """What the user writes, or what a new connection is told."""
        item = line.body("item")
        item_id, content = text(item.get("id")), item.get("content")
        if item.get("role") != "user" or item_id in self._user_items:
            return self._messages.told(line)
        self._user_items.add(item_id)
        parts = [body_of(part).get("text") for part in content] if isinstance(content, list) else []
        said = words(" ".join(part for part in parts if isinstance(part, str)))
        self._said = said or self._said
        self._turns.user_stopped = line.t
        self._mark(line, "asked", f"the user: {said}" if said else "the user writes", None)
        return None

    def _committed(self, line: Line) -> None:
        self._user_items.add(text(line.event.get("item_id")))

    def _user_said(self, line: Line) -> Turn | None:
        said = words(line.event.get("transcript"))
        current = self._turns.current
        if said and current is not None and not current.words:
            current.words = said
        else:
            self._said = said
        return None


def _before(turn: Turn, by: str, kind: str) -> Event | None:
    """What a delta goes on with: those of one kind that follow one another are one event."""
    if not (kind.endswith(".delta") and turn.events):
        return None
    last = turn.events[-1]
    return last if (last.by, last.type) == (by, kind) else None


def _keep(turn: Turn, event: Event) -> None:
    """Add an event to a turn."""
    before = _before(turn, event.by, event.type)
    if before is not None:
        before.again(event.text)
    elif len(turn.events) < MOST_EVENTS:
        turn.events.append(event)
    else:
        turn.more_events += 1
