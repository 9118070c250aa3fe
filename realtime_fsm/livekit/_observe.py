"""``mode="observe"``: the controller watches a plain session and notes what it would have done.

The host talks to the inner session itself; nothing is sent, held back or changed. Where plain
LiveKit does something else than the controller wants, the turn is noted and given up here: from
there on the two would not live in the same world.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import APIConnectionError, llm
from livekit.agents.voice import SpeechHandle

from .._core import commands as cmd
from .._core import events as ev
from .._core.connection import ROLLOVER
from .._core.controller import TurnController
from .._core.errors import ErrorInfo
from .._core.frames import is_out_of_band, parse
from .._core.policy import RetryPolicy
from .._core.records import Message, Turn
from .._core.session import remember
from .._core.states import ErrorKind, Origin, PlaybackState
from .._core.timers import STALLING
from ._aside import report_step
from ._deadline_timer import DeadlineTimer
from ._emit import Emitter
from ._guard import Guard
from ._listener import cheap, hear_first
from ._log import code_of, get_logger
from ._speech import SpeechTracker, stop_interrupted

_LOST = ErrorInfo(kind=ErrorKind.TRANSIENT, code="connection_lost")
#: Ends a turn whose next attempt is not made.
_ONLY_WATCHING = ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="observed", message="only watching")
_FAILED = "its attempt failed"
_LOSSES = (_LOST.code, ROLLOVER.code)
_SOUNDING = (PlaybackState.PLAYING, PlaybackState.PAUSED)
#: Seconds in which the engine asks again by itself for what a connection took with it, if it does so.
_ENGINES_TURN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something the controller would have done and plain LiveKit does not.

    Attributes:
        at: Time of the event loop, seconds.
        action: ``"retry"``, ``"answer"`` (what server VAD owes), ``"hold"`` (a create until the
            lane is free), ``"cancel"``, ``"probe"``, ``"delete"``, ``"restore"`` (what was
            heard, on a new connection), ``"replace"`` (the connection)
            or ``"report"`` (a failure that stays silent).
        turn_id: The turn concerned, or None.
        reason: Why, in a few words; no transcript.
    """

    at: float
    action: str
    turn_id: str | None
    reason: str


class Observer:
    """Watches one inner session.

    Should anything in here raise, it watches no more, and nothing else changes (G32).

    Args:
        inner: A session with raw events.
        model: Where the application listens (``observed``, ``turn_moved``, ``turn_ended``); whatever a
            listener does harms nothing.
        note: Keeps an observation.
    """

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        policy: RetryPolicy,
        speeches: SpeechTracker,
        *,
        model: Emitter,
        note: Callable[[Observation], None],
    ) -> None:
        self.controller = TurnController(policy)
        self._speeches = speeches
        self._model = model
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._guard = guard = Guard()
        guard.failed = self._failed
        self._timer = DeadlineTimer(self._due, guard)
        self._log = get_logger()
        #: The turn the host asks for; what follows from that is no news.
        self._asking: str | None = None
        #: Turns of which it is noted that they would be tried again.
        self._retried: set[str] = set()
        #: Turns by the event id of their create, until it is answered. Those of them whose connection was
        #: lost, which the engine may ask again by itself; and those that control would ask again now.
        self._unanswered: OrderedDict[str, str] = OrderedDict()
        self._lost: set[str] = set()
        self._to_ask: dict[str, cmd.CreateResponse] = {}
        self._receive = guard(self.receive)
        try:
            self._listen(inner)
        except Exception:
            guard.off = True  # what listens already does nothing
            raise

    def _listen(self, inner: llm.RealtimeSession[Any]) -> None:
        guard = self._guard
        self._speeches.connect(
            self._receive, closed=self.close, failed=lambda error: guard.failed(error)
        )
        handlers: dict[str, Callable[[Any], object]] = {
            "openai_server_event_received": self._on_server_event,
            "openai_client_event_queued": self._on_client_event,
            "generation_created": self._on_generation,
            "session_reconnected": lambda _: self.receive(ev.ConnectionReady()),
            "error": self._on_error,
        }
        hear_first(inner, {name: self._guarded(each) for name, each in handlers.items()})

    def receive(self, event: ev.Event) -> bool:
        if self.controller.closed:
            return False
        self.controller.playback_reported = self._speeches.attached
        self.controller.audible = self._speeches.audible
        stop_interrupted(self.controller, self._speeches, self._loop.time())
        if isinstance(event, (ev.PlaybackStarted, ev.PlaybackFinished)):
            self._begin_message()
        elif isinstance(event, ev.MessageShown):
            self._read([self.controller.message(event.item_id)])
        elif isinstance(event, ev.SpeechOver) and not event.interrupted:
            turn = self.controller.find(event.turn_id)
            self._read([] if turn is None else turn.messages)
        known = self.controller.receive(event, self._loop.time())
        self._run()
        return known

    def close(self) -> None:
        """Stop watching: what is under way is over."""
        if not self._guard.off:
            self._guard.off = True
            try:
                error = self._end()
            except Exception as e:
                error = e
            if error is not None:
                self._report(error)

    def _failed(self, error: Exception) -> None:
        if not self._guard.off:
            self._guard.off = True
            self._end()  # as much of it as still works
        if self.controller.stepped_aside is None:
            self._report(error)

    def _end(self) -> Exception | None:
        """Returns what was raised meanwhile."""
        ends = (self._end_timer, self._end_speeches, self._end_turns)
        return next(filter(None, [_error_of(end) for end in ends]), None)

    def _end_timer(self) -> None:
        self._timer.set(None)

    def _end_speeches(self) -> None:
        self._speeches.disconnect(self._receive)

    def _end_turns(self) -> None:
        self.controller.close(self._loop.time())
        for command in self.controller.commands():
            self._tell(command)

    def _report(self, error: Exception) -> None:
        self.controller.stepped_aside = report_step(self._model, error, "watches no more")

    # --- what happens

    def _on_server_event(self, frame: object) -> None:
        event = parse(frame)
        if isinstance(event, ev.ResponseCreated):
            self._unanswered.pop(event.client_event_id or "", None)
        if event is not None:
            self._speeches.follow_sink()
            self.receive(event)

    def _on_client_event(self, frame: Mapping[str, Any]) -> None:
        if frame.get("type") == "response.create" and not is_out_of_band(frame):
            self._asked(frame)
        elif frame.get("type") == "response.cancel":
            self._cancelled(frame.get("response_id"))

    def _asked(self, frame: Mapping[str, Any]) -> None:
        event_id = str(frame.get("event_id"))
        again = self._to_ask.pop(self._unanswered.get(event_id, ""), None)
        if again is not None:  # the engine does as control would
            self._lost.discard(again.turn_id)
            turn_id, attempt = again.turn_id, again.attempt
            self.receive(ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id))
            return
        for waits in [*self._to_ask.values()]:
            self._not_asked(waits)  # it would have left before this one
        # As the plugin marks its own. Any other is the application's, and of no speech so far.
        metadata = (frame.get("response") or {}).get("metadata") or {}
        own = metadata.get("client_event_id") == event_id
        origin = Origin.CLIENT if own else Origin.APPLICATION
        turn = self.controller.request(self._loop.time(), origin=origin)
        if own:
            self._speeches.assign(turn.id, self._speeches.owner())
        self._asking = turn.id
        self._run()
        self._asking = None
        if turn.waiting and turn.live:
            self._observe("hold", turn.id, "another response is requested or alive")
            self._give_up(turn)
            return
        remember(self._unanswered, event_id, turn.id)
        self.receive(ev.CreateSent(turn_id=turn.id, attempt=turn.attempts, event_id=event_id))

    def _cancelled(self, response_id: object) -> None:
        """The host interrupts: by name, or whatever runs."""
        for turn in self.controller.turns:
            attempt = turn.attempt
            mine = attempt is not None and (response_id in (None, attempt.response_id))
            if mine and not turn.generation_over:
                self.controller.interrupt(turn, self._loop.time())
        self._run()

    def _on_generation(self, generation: llm.GenerationCreatedEvent) -> None:
        attempt = self.controller.owner_of(generation.response_id or "")
        if generation.user_initiated or attempt is None or attempt.turn is None:
            return
        # LiveKit makes its speech of it next.
        self._loop.call_soon(self._guard(self._assign), attempt.turn, self._speeches.announced)

    def _assign(self, turn: Turn, before: SpeechHandle | None) -> None:
        handle = self._speeches.announced
        if handle is not before:
            self._speeches.assign(turn.id, handle)
        elif self._speeches.attached:  # the host is closing and plays nothing of it
            self._give_up(turn)

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        if not report.recoverable:
            info = ErrorInfo(kind=ErrorKind.FATAL, code="session_failed", message=str(report.error))
            self.receive(ev.SessionFailed(error=info))
        elif isinstance(report.error, APIConnectionError):
            self.receive(ev.ConnectionLost(error=_LOST))

    def _begin_message(self) -> None:
        """The streams are the host's own, so a message is known to be pulled only when it sounds."""
        for turn in self.controller.turns:
            if any(m.state in _SOUNDING for m in turn.messages):
                return
        for turn in self.controller.turns:
            if self._speeches.may_sound(turn.id):
                for message in turn.messages:
                    if message.delivered and message.state is PlaybackState.WAITING:
                        self._read([message])
                        return

    def _read(self, messages: Iterable[Message | None]) -> None:
        """The host has read these to their end: text makes no sound."""
        for message in messages:
            if message is not None and message.delivered and message.state is PlaybackState.WAITING:
                pulled = ev.MessagePulled(item_id=message.item_id)
                self.controller.receive(pulled, self._loop.time())

    # --- what would follow

    def _run(self) -> None:
        while commands := self.controller.commands():
            for command in commands:
                self._would(command)
        self._timer.set(self.controller.next_deadline())

    def _would(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.CreateResponse):
            if command.turn_id in self._lost:
                self._to_ask[command.turn_id] = command
                self._loop.call_later(_ENGINES_TURN, self._guard(self._not_asked), command)
            elif command.turn_id != self._asking:
                self._would_create(command)
        elif isinstance(command, cmd.Recovering) and command.reason.code == STALLING.code:
            pass  # nothing is sent
        elif isinstance(command, cmd.Recovering):
            # Not when its backoff is over: the host is done with its speech before.
            self._retried.add(command.turn_id)
            unanswered = command.turn_id in self._unanswered.values()
            if unanswered and command.reason.code in _LOSSES:
                self._lost.add(command.turn_id)
            else:
                self._observe("retry", command.turn_id, _FAILED)
        elif isinstance(command, cmd.CancelResponse):
            attempt = self.controller.owner_of(command.response_id)
            turn = None if attempt is None else attempt.turn
            if turn is None or not turn.interrupted:  # that one the host cancels, too
                self._observe("cancel", None, "nobody waits for this response")
        elif isinstance(command, cmd.CheckConnection):
            self._observe("check", None, "a create is unanswered for long")
        elif isinstance(command, cmd.ProbeCancel):
            self._observe("probe", None, "a create stays unanswered")
        elif isinstance(command, cmd.DeleteItem):
            self._observe("delete", None, "nobody heard this item")
        elif isinstance(command, cmd.TruncateItem):
            self._observe("truncate", None, "the server made more of it than was heard")
        elif isinstance(command, cmd.RestoreItem):
            self._observe("restore", None, "the server does not have what was heard")
        elif isinstance(command, cmd.ReplaceConnection):
            self._observe("replace", None, code_of(command.reason))
        elif isinstance(command, cmd.ReportFailure):
            if command.turn_id not in self._retried and command.error.code != _ONLY_WATCHING.code:
                self._observe("report", command.turn_id, code_of(command.error))
        else:
            self._tell(command)

    def _not_asked(self, command: cmd.CreateResponse) -> None:
        if self._to_ask.get(command.turn_id) is command and not self._guard.off:
            del self._to_ask[command.turn_id]
            self._would_create(command)
            self._run()

    def _tell(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.TurnMoved):
            self._model.emit("turn_moved", command)
        elif isinstance(command, cmd.TurnEnded):
            self._note_lost(command.turn_id)
            self._retried.discard(command.turn_id)
            if (waits := self._to_ask.pop(command.turn_id, None)) is not None:
                self._not_sent(waits)
            self._speeches.forget(command.turn_id)
            self._model.emit("turn_ended", command)

    def _would_create(self, command: cmd.CreateResponse) -> None:
        self._note_lost(command.turn_id)
        if command.turn_id not in self._retried:  # that was noted when its attempt failed
            turn = self.controller.find(command.turn_id)
            retry = command.attempt > 1 or (turn is not None and turn.error is not None)
            why = _FAILED if retry else "server VAD left it unanswered"
            self._observe("retry" if retry else "answer", command.turn_id, why)
        self._not_sent(command)

    def _not_sent(self, command: cmd.CreateResponse) -> None:
        not_sent = ev.CreateNotSent(
            turn_id=command.turn_id, attempt=command.attempt, error=_ONLY_WATCHING
        )
        if not self.controller.closed:
            self.controller.receive(not_sent, self._loop.time())

    def _note_lost(self, turn_id: str) -> None:
        """The engine does not ask again."""
        if turn_id in self._lost:
            self._lost.discard(turn_id)
            self._observe("retry", turn_id, _FAILED)

    def _observe(self, action: str, turn_id: str | None, reason: str) -> None:
        observation = Observation(
            at=self._loop.time(), action=action, turn_id=turn_id, reason=reason
        )
        self._log.info("observed", action=action, turn=turn_id, reason=reason)
        self._note(observation)
        self._model.emit("observed", observation)

    def _give_up(self, turn: Turn) -> None:
        self.controller.interrupt(turn, self._loop.time())
        self._run()

    def _due(self) -> None:
        self.controller.advance(self._loop.time())
        self._run()

    def _guarded(self, handler: Callable[[Any], object]) -> Callable[..., None]:
        """Watching must never be noticed."""
        run = self._guard.run
        return cheap(lambda event=None, *_: run(None, handler, event))


def _error_of(work: Callable[[], None]) -> Exception | None:
    try:
        work()
    except Exception as e:
        return e
    return None
