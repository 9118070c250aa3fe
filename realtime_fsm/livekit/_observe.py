"""``mode="observe"``: the controller watches a plain session and notes what it would have done.

The host talks to the inner session itself; nothing is sent, held back or changed. Where plain
LiveKit does something else than the controller wants, the turn is noted and given up here: from
there on the two would not live in the same world.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from livekit.agents import APIConnectionError, llm

from .. import _commands as cmd
from .. import _events as ev
from .._controller import TurnController
from .._errors import ErrorInfo
from .._policy import RetryPolicy
from .._states import ErrorKind, PlaybackState
from .._turn import Turn
from .._wire import is_out_of_band, parse
from ._alarm import Alarm
from ._emit import Emitter, Listeners
from ._listener import cheap
from ._log import code_of, get_logger
from ._speech import Speeches

_LOST = ErrorInfo(kind=ErrorKind.TRANSIENT, code="connection_lost")
#: Ends a turn whose next attempt is not made.
_ONLY_WATCHING = ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="observed", message="only watching")


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

    Args:
        inner: A session with raw events.
        model: Where the application listens (``observed``, ``turn_moved``, ``turn_ended``).
        note: Keeps an observation.
    """

    def __init__(
        self,
        inner: llm.RealtimeSession[Any],
        policy: RetryPolicy,
        speeches: Speeches,
        *,
        model: Emitter,
        note: Callable[[Observation], None],
    ) -> None:
        self.controller = TurnController(policy)
        self._speeches = speeches
        self._model = Listeners(model)
        self._note = note
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._due)
        self._log = get_logger()
        #: The turn the host asks for; what follows from that is no news.
        self._asking: str | None = None
        speeches.connect(self.receive, lambda: None, self.close)
        for name, handler in {
            "openai_server_event_received": self._on_server_event,
            "openai_client_event_queued": self._on_client_event,
            "generation_created": self._on_generation,
            "session_reconnected": lambda _: self.receive(ev.ConnectionReady()),
            "error": self._on_error,
        }.items():
            inner.on(name, self._guarded(handler))  # type: ignore[arg-type]

    def receive(self, event: ev.Event) -> bool:
        if self.controller.closed:
            return False
        self.controller.playback_reported = self._speeches.attached
        self.controller.audible = self._speeches.audible
        if isinstance(event, ev.PlaybackStarted):
            self._begin_message()
        known = self.controller.receive(event, self._loop.time())
        self._run()
        return known

    def close(self) -> None:
        """Stop watching."""
        self.controller.close(self._loop.time())
        self.controller.commands()
        self._alarm.set(None)

    # --- what happens

    def _on_server_event(self, frame: object) -> None:
        event = parse(frame)
        if event is not None:
            self._speeches.look()
            self.receive(event)

    def _on_client_event(self, frame: Mapping[str, Any]) -> None:
        if frame.get("type") == "response.create" and not is_out_of_band(frame):
            self._asked(str(frame.get("event_id")))
        elif frame.get("type") == "response.cancel":
            self._cancelled(frame.get("response_id"))

    def _asked(self, event_id: str) -> None:
        turn = self.controller.request(self._loop.time())
        self._speeches.assign(turn.id, self._speeches.owner())
        self._asking = turn.id
        self._run()
        self._asking = None
        if turn.waiting and turn.live:
            self._observe("hold", turn.id, "another response is requested or alive")
            self._give_up(turn)
            return
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
        turn_id = attempt.turn.id
        # LiveKit makes its speech of it next.
        self._loop.call_soon(lambda: self._speeches.assign(turn_id, self._speeches.announced))

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        if not report.recoverable:
            info = ErrorInfo(kind=ErrorKind.FATAL, code="session_failed", message=str(report.error))
            self.receive(ev.SessionFailed(error=info))
        elif isinstance(report.error, APIConnectionError):
            self.receive(ev.ConnectionLost(error=_LOST))

    def _begin_message(self) -> None:
        """The streams are the host's own, so a message is known to be pulled only when it sounds."""
        waiting = []
        for message in (m for turn in self.controller.turns for m in turn.messages if m.exposed):
            if message.state in (PlaybackState.PLAYING, PlaybackState.PAUSED):
                return
            if message.state is PlaybackState.WAITING:
                waiting.append(message.item_id)
        if waiting:
            self.controller.receive(ev.MessagePulled(item_id=waiting[0]), self._loop.time())

    # --- what would follow

    def _run(self) -> None:
        while commands := self.controller.commands():
            for command in commands:
                self._would(command)
        self._alarm.set(self.controller.next_deadline())

    def _would(self, command: cmd.Command) -> None:
        if isinstance(command, cmd.CreateResponse):
            if command.turn_id != self._asking:
                turn = self.controller.find(command.turn_id)
                retry = command.attempt > 1 or (turn is not None and turn.error is not None)
                why = "its attempt failed" if retry else "server VAD left it unanswered"
                self._observe("retry" if retry else "answer", command.turn_id, why)
                self.controller.receive(
                    ev.CreateNotSent(
                        turn_id=command.turn_id, attempt=command.attempt, error=_ONLY_WATCHING
                    ),
                    self._loop.time(),
                )
        elif isinstance(command, cmd.CancelResponse):
            attempt = self.controller.owner_of(command.response_id)
            turn = None if attempt is None else attempt.turn
            if turn is None or not turn.interrupted:  # that one the host cancels, too
                self._observe("cancel", None, "nobody waits for this response")
        elif isinstance(command, cmd.ProbeCancel):
            self._observe("probe", None, "a create stays unanswered")
        elif isinstance(command, cmd.DeleteItem):
            self._observe("delete", None, "nobody heard this item")
        elif isinstance(command, cmd.RestoreItem):
            self._observe("restore", None, "heard, and not on the new connection")
        elif isinstance(command, cmd.ReplaceConnection):
            self._observe("replace", None, code_of(command.reason))
        elif isinstance(command, cmd.ReportFailure):
            if command.error.code != _ONLY_WATCHING.code:
                self._observe("report", command.turn_id, code_of(command.error))
        elif isinstance(command, cmd.TurnMoved):
            self._model.emit("turn_moved", command)
        elif isinstance(command, cmd.TurnEnded):
            self._speeches.forget(command.turn_id)
            self._model.emit("turn_ended", command)

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
        if not self.controller.closed:
            self.controller.advance(self._loop.time())
            self._run()

    def _guarded(self, handler: Callable[[Any], object]) -> Callable[..., None]:
        """Watching must never be noticed."""

        def guarded(event: Any, *_: object) -> None:
            try:
                if not self.controller.closed:
                    handler(event)
            except Exception:
                self._log.exception("event not observed")

        return cheap(guarded)
