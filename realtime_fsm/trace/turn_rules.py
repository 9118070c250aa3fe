"""Rules of turns: they end, their failures are told, none is lost, tools run once."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

from .format import Line, Seen
from .rule import Call, Handler, Kept, Rule
from .wire import LOST, Create, Response, body_of

__all__ = ["IdScoped", "OneTerminal", "StatusAware", "ToolOnce", "TurnNotLost"]

_ANSWERS = {
    "RESPONSE_COMPLETED": "completed",
    "RESPONSE_INCOMPLETE": "incomplete",
    "RESPONSE_CANCELLED": "cancelled",
    "RESPONSE_FAILED": "failed",
}


class IdScoped(Rule):
    """G3: a turn moves by what the server said of its own response, which no other turn has."""

    id, name = "G3", "id-scoped"
    needs: ClassVar[tuple[str, ...]] = ("server", "turn")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._owners: Kept[str, tuple[str, Line]] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {("turn", "moved"): self._moved}

    def _moved(self, each: Line) -> None:
        response_id = each.event.get("response")
        if not isinstance(response_id, str):
            return
        turn = str(each.event.get("turn"))
        owner, first = self._owners.setdefault(response_id, (turn, each))
        if owner != turn:
            self.broken(f"{response_id} moved two turns, {owner} and {turn}", [first, each])
        event = str(each.event.get("event"))
        response = self.wire.responses.get(response_id)
        if response is None and self.call.partial:
            return  # of before
        if event == "RESPONSE_CREATED" and (response is None or response.created is None):
            self.broken(f"{turn} moved by a created of {response_id} that never came", [each])
        elif event in _ANSWERS and (response is None or response.done is None):
            self.broken(f"{turn} moved by a done of {response_id} that never came", [each])
        elif response is not None and event in _ANSWERS and _ANSWERS[event] != response.status:
            text = f"{turn} moved as if {response_id} were {_ANSWERS[event]}"
            self.broken(f"{text}, it is {response.status}", [response.done, each])


class OneTerminal(Rule):
    """G7: each turn ends once, nothing moves it after that, each speech is done, and the agent does
    not look busy without one."""

    id, name = "G7", "one terminal"
    needs: ClassVar[tuple[str, ...]] = ("session|turn",)

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._live: Kept[str, Line] = Kept()
        self._ended: Kept[str, Line] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("turn", "moved"): self._moved,
            ("turn", "ended"): self._end,
            ("session", "speech_created"): self._speech,
            ("session", "agent_state"): self._state,
        }

    def _moved(self, each: Line) -> None:
        turn = str(each.event.get("turn"))
        if turn in self._ended:
            self.broken(f"turn {turn} moved after its end", [self._ended[turn], each])
        elif turn not in self._live:
            self._live[turn] = each
            self._watch(lambda: self._live.get(turn), f"turn {turn} has not ended")

    def _end(self, each: Line) -> None:
        turn = str(each.event.get("turn"))
        self._live.pop(turn, None)
        if turn in self._ended:
            self.broken(f"turn {turn} ended twice", [self._ended[turn], each])
        self._ended[turn] = each

    def _speech(self, each: Line) -> None:
        name = str(each.event.get("speech"))

        def still_open() -> Line | None:
            speech = self.call.speeches.get(name)
            return None if speech is None else speech.created

        self._watch(still_open, f"speech {name} is not done")

    def _watch(self, still_open: Callable[[], Line | None], text: str) -> None:
        def look() -> None:
            opened = still_open()
            if opened is None:
                return
            call, quiet = self.call, self.settings.quiet
            due = max(call.active_at, call.sounds_until, opened.t) + quiet
            if call.speaking or call.tools:
                due = call.now + quiet
            if call.now < due:
                call.later(due, look)
            else:
                self.broken(f"{text}, and nothing has happened for {quiet:g} s", [opened])

        self.call.later(self.call.now + self.settings.quiet, look)

    def _state(self, each: Line) -> None:
        state = each.event.get("new")
        if state not in ("thinking", "speaking"):
            return

        def look() -> None:
            call = self.call
            if call.agent_state is not each or call.speeches or call.playing is not None:
                return
            due = max(call.active_at, call.sounds_until) + self.settings.answer
            if call.now < due:
                call.later(due, look)
            else:
                self.broken(f"the agent stays {state}, although no speech is under way", [each])

        self.call.later(each.t + self.settings.answer, look)

    def end(self) -> None:
        if self.call.closed is not None:
            for turn, line in self._live.items():
                self.broken(f"turn {turn} never ended", [line, self.call.closed])


#: The steps of a turn with which a response fails.
_FAILS = ("RESPONSE_FAILED", "RESPONSE_INCOMPLETE", "CONNECTION_LOST")


@dataclass(eq=False, slots=True)
class _Failure:
    line: Line
    speech: bool  # one was under way
    certain: bool = True
    turn: object = None  # whose it is, where the turns are told
    asked_again: Line | None = None
    reported: bool = False
    told: bool = False


class StatusAware(Rule):
    """G8: a response that failed, was cut short by the provider or lost after some of it was heard,
    and that no later one made good before the user's next item, is an ``error`` event of the
    session, and the exception of a speech if one was under way."""

    id, name = "G8", "status-aware"
    needs: ClassVar[tuple[str, ...]] = ("server", "session")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._open: _Failure | None = None
        self._waiting: list[_Failure] = []
        self._items: Kept[str, None] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("server", "response.done"): self._done,
            **{("net", name): self._lost_with for name in LOST},
            ("server", "session.created"): self._connected,
            ("server", "conversation.item.added"): self._item,
            ("server", "conversation.item.created"): self._item,
            ("client", "conversation.item.create"): self._item,
            ("client", "response.create"): self._asked,
            ("turn", "moved"): self._moved,
            ("turn", "ended"): self._ended,
            ("session", "error"): self._error,
            ("session", "speech_done"): self._speech_done,
        }

    def _asked(self, each: Line) -> None:
        if self._open is not None and not Create(each).outside:
            self._open.asked_again = each

    def _moved(self, each: Line) -> None:
        if self._open is not None and each.event.get("event") in _FAILS:
            self._open.turn = each.event.get("turn")

    def _ended(self, each: Line) -> None:
        """What failed is nobody's failure when nobody waits for it any more."""
        if each.event.get("outcome") not in ("interrupted", "superseded"):
            return
        turn = each.event.get("turn")
        self._waiting = [failure for failure in self._waiting if failure.turn != turn]
        if self._open is not None and self._open.turn == turn:
            self._open = None

    def _done(self, each: Line) -> None:
        body = body_of(each.event.get("response"))
        status = body.get("status")
        known = self.wire.responses.get(str(body.get("id")))
        if known is not None and (known.done is not None or known.outside):
            return
        if status in ("failed", "incomplete") and not (known is not None and known.called):
            self._open = _Failure(each, bool(self.call.speeches))
        elif status in ("completed", "cancelled"):
            self._open = None

    def _lost_with(self, each: Line) -> None:
        for response in self.wire.alive(each.connection):
            heard = any(item.ms for item in response.items)
            if heard and not response.cancels and not response.called:
                assert isinstance(response.created, Line)
                self._open = _Failure(response.created, bool(self.call.speeches), certain=False)

    def _connected(self, each: Line) -> None:
        """The client comes back: it did not hang up."""
        if self._open is not None:
            self._open.certain = True

    def _item(self, each: Line) -> None:
        item = body_of(each.event.get("item"))
        if item.get("role") != "user" or str(item.get("id")) in self._items:
            return  # items that are replayed after a reconnect are no news
        self._items[str(item.get("id"))] = None
        failure, self._open = self._open, None
        if failure is not None:
            self._waiting.append(failure)
            self.call.later(each.t + self.settings.answer, lambda: self._judge(failure))

    def _failures(self) -> list[_Failure]:
        """The newest first: what is told is told at once."""
        return [*([self._open] if self._open is not None else []), *reversed(self._waiting)]

    def _error(self, each: Line) -> None:
        for failure in self._failures():
            if not failure.reported:
                failure.reported = True
                return

    def _speech_done(self, each: Line) -> None:
        for failure in self._failures():
            if each.event.get("exception") is not None and not failure.told:
                failure.told = True
                return

    def _judge(self, failure: _Failure) -> None:
        if failure not in self._waiting:
            return
        self._waiting.remove(failure)
        self._say(failure)

    def _say(self, failure: _Failure) -> None:
        if not failure.certain:
            return
        status = body_of(failure.line.event.get("response")).get("status")
        what = "was lost" if failure.line.type == "response.created" else f"ended {status}"
        if not failure.reported:
            self.broken(f"a response {what}, and the session had no error event", [failure.line])
        if failure.speech and not failure.told:
            self.broken(f"a response {what}, and no speech has an exception", [failure.line])

    def end(self) -> None:
        for failure in self._failures():
            if failure.asked_again is not None and self.recent(
                failure.asked_again.t, self.settings.answer
            ):
                continue  # the call ended over it
            failure.speech = failure.speech and not self.call.speeches
            self._say(failure)


class ToolOnce(Rule):
    """G17: each function call that arrived whole got one output, unless the user or the client cut
    in or the connection was lost; and the create that follows waits for the calling response's end.
    """

    id, name = "G17", "tool once"

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        #: Outputs by call id, and by their own id: replayed after a reconnect it has the same.
        self._outputs: Kept[str, dict[str, Seen]] = Kept()
        self._waiting: dict[str, Seen] = {}
        self._calls: Kept[str, tuple[Response | None, Line]] = Kept()
        self._executed: Kept[str, Line] = Kept()

    def handlers(self) -> dict[tuple[str, str], Handler]:
        cut = ("closed", "dropped", "disconnected", "lost")
        return {
            **{("net", name): self._cut_in for name in cut},
            ("server", "input_audio_buffer.speech_started"): self._cut_in,
            ("server", "session.created"): self._cut_in,
            ("session", "close"): self._cut_in,
            ("server", "response.output_item.done"): self._item_done,
            ("client", "conversation.item.create"): self._output,
            ("client", "response.create"): self._create,
            ("session", "tool_executed"): self._ran,
        }

    def _cut_in(self, each: Seen) -> None:
        self._calls.clear()

    def _item_done(self, each: Line) -> None:
        item = body_of(each.event.get("item"))
        call_id = str(item.get("call_id"))
        if item.get("type") != "function_call" or item.get("status") != "completed":
            return
        response = self.wire.responses.get(str(each.event.get("response_id")))
        known = self.wire.items.get(str(item.get("id")))
        if known is not None:
            response = known.response
        if call_id not in self._outputs:
            self._calls[call_id] = (response, each)

    def _output(self, each: Line) -> None:
        item = body_of(each.event.get("item"))
        if item.get("type") != "function_call_output":
            return
        call_id = str(item.get("call_id"))
        given = self._outputs.setdefault(call_id, {})
        given.setdefault(str(item.get("id") or each.event.get("event_id")), each)
        if len(given) == 2:
            self.broken(f"function call {call_id} got 2 outputs", list(given.values()))
        self._calls.pop(call_id, None)
        self._waiting[call_id] = each

    def _create(self, each: Line) -> None:
        if Create(each).outside:
            return
        for known in [i for i in self.wire.items.values() if i.call_id in self._waiting]:
            cancels = known.response.cancels
            given_up = cancels and not self.recent(cancels[0].t, self.settings.patience)
            over = known.response.over or given_up  # a cancel without an answer: as in G5
            if not over and known.added.connection == each.connection:
                text = f"the create after a tool left before the end of {known.response.id}"
                self.broken(text, [known.added, self._waiting[str(known.call_id)], each])
        self._waiting.clear()

    def _ran(self, each: Line) -> None:
        call_id = str(each.event.get("call_id"))
        if call_id in self._executed:
            text = f"function call {call_id} was executed twice"
            self.broken(text, [self._executed[call_id], each])
        self._executed[call_id] = each

    def end(self) -> None:
        for call_id, (response, each) in self._calls.items():
            cut = response is not None and (response.cancels or response.status == "cancelled")
            if not cut:
                self.broken(f"function call {call_id} got 0 outputs", [each])


class TurnNotLost(Rule):
    """G18: what the user, or the application, asked is answered within ``answer`` seconds of its
    last sign of life, or ends in a failure that is told: a speech's exception, a turn that ended
    with an error, the session's end."""

    id, name = "G18", "turn not lost"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "session|turn", "time")

    def __init__(self, call: Call) -> None:
        super().__init__(call)
        self._turn: Line | None = None
        self._last: Line | None = None

    def handlers(self) -> dict[tuple[str, str], Handler]:
        return {
            ("server", "input_audio_buffer.speech_started"): self._settle,
            ("server", "input_audio_buffer.committed"): self._committed,
            ("client", "response.create"): self._asked,
            ("server", "response.done"): self._done,
            ("client", "response.cancel"): self._settle,
            ("session", "speech_done"): self._speech_done,
            ("turn", "ended"): self._ended,
            ("session", "error"): self._error,
            ("session", "close"): self._settle,
        }

    def _settle(self, each: Seen) -> None:
        """Answered, told, or the user went on."""
        self._turn = None

    def _committed(self, each: Line) -> None:
        if self.call.server_creates:
            self._begin(each)

    def _asked(self, each: Line) -> None:
        if not Create(each).outside and self._turn is None:
            self._begin(each)

    def _begin(self, each: Line) -> None:
        self._turn, self._last = each, None
        self.call.later(each.t + self.settings.answer, lambda: self._look(each))

    def _look(self, turn: Line) -> None:
        if self._turn is not turn:
            return
        call = self.call
        busy = (
            call.wire.alive(call.wire.connection)
            or call.speaking
            or call.tools
            or call.playing is not None
        )
        quiet_since = max(call.active_at, call.sounds_until)
        if busy or call.now - quiet_since < self.settings.answer:
            due = max(call.now + 1.0, quiet_since + self.settings.answer)
            call.later(due, lambda: self._look(turn))
            return
        self._turn = None
        if self._spoke_since(turn):
            return  # in part; that it failed then is another matter (G8)
        self.broken("a turn was never answered, and no failure was told", [turn, self._last])

    def _spoke_since(self, turn: Line) -> bool:
        return any(
            any(item.ms or item.chars for item in response.items)
            for response in self.wire.responses.values()
            if response.created is not None and response.created.t >= turn.t
        )

    def _done(self, each: Line) -> None:
        body = body_of(each.event.get("response"))
        known = self.wire.responses.get(str(body.get("id")))
        if self._turn is None or (known is not None and known.outside):
            return
        created = known.created if known is not None else None
        if created is not None and created.t < self._turn.t:
            return  # it answers what was asked before
        items = known.items if known is not None else []
        spoke = any(i.ms or i.chars or i.type == "function_call" for i in items)
        if spoke or body.get("status") == "cancelled":
            self._turn = None
        else:
            self._last = each

    def _speech_done(self, each: Line) -> None:
        if each.event.get("exception") is not None or each.event.get("interrupted"):
            self._turn = None

    def _ended(self, each: Line) -> None:
        if each.event.get("outcome") != "completed":
            self._turn = None

    def _error(self, each: Line) -> None:
        if each.event.get("recoverable") is False:
            self._turn = None
