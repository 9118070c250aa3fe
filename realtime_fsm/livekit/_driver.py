"""Runs one controller on an event loop: its clock, its timer, its commands."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

from livekit.agents import APIError, llm, utils

from .. import _commands as cmd
from .._controller import TurnController
from .._errors import ErrorInfo
from .._events import (
    ConnectionReady,
    CreateNotSent,
    Event,
    MessagePulled,
    MessageTruncated,
    OutputReceived,
    ResponseActivity,
    SessionFailed,
)
from .._policy import RetryPolicy
from .._states import ErrorKind, MessageOutcome, Origin, TurnOutcome
from .._turn import Turn
from ._alarm import Alarm
from ._ask import Ask
from ._link import Link
from ._log import code_of, get_logger
from ._outlet import Item, Outlet
from ._speech import Speeches
from .telemetry._reporter import Reporter

_SIGNS_OF_LIFE = (OutputReceived, ResponseActivity)
#: Seconds within which an interrupted speech interrupts the session once more.
_FOLLOW_UP = 0.5


class Emitter(Protocol):
    def emit(self, event: Any, *args: Any) -> None: ...


class Driver:
    """One realtime session's turns.

    Args:
        policy: How turns recover.
        speeches: The attached AgentSession, if any.
        session: Where the host listens (``generation_created``, ``error``, …).
        model: Where the application listens (``recovering``, ``turn_moved``, ``turn_ended``).
        label: Names the model in errors.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        speeches: Speeches,
        *,
        session: Emitter,
        model: Emitter,
        label: str,
    ) -> None:
        self.controller = TurnController(policy)
        self.link: Link | None = None
        #: Tells the observers, if there are any.
        self.reporter: Reporter | None = None
        #: Makes a new connection after so many seconds.
        self.replace: Callable[[float], None] = lambda wait: None
        self._speeches = speeches
        self._session = session
        self._model = model
        self._label = label
        self._loop = asyncio.get_running_loop()
        self._alarm = Alarm(self._due)
        self._outlets: dict[str, Outlet] = {}
        self._asks: dict[str, Ask] = {}
        #: Turns whose generation the host has from the inner session itself.
        self._passed: set[str] = set()
        #: When the host last interrupted, and which turns it may have meant.
        self._interrupted_at = -math.inf
        self._interrupted: set[str] = set()
        self._running = False
        self._closed = False
        #: How many failures were reported.
        self.reports = 0
        #: Turns that failed since the agent last spoke.
        self._failures = 0
        #: The one report of the session's end, once it is decided (G12).
        self.final_report: llm.RealtimeModelError | None = None
        self._reported = False
        self._log = get_logger()
        self._debug = logging.getLogger("realtime_fsm")
        speeches.connect(self.receive, over=self._rest_soon)

    # --- what the session calls

    def ask(self, ask: Ask, origin: Origin) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Start a turn. The future fails only with `llm.RealtimeError`; cancelling it cancels
        the turn."""
        future: asyncio.Future[llm.GenerationCreatedEvent] = self._loop.create_future()
        if self._closed:
            future.set_exception(llm.RealtimeError("realtime session closed"))
            return future
        self._speeches.look()
        self._tell_playback()
        turn = self.controller.request(self._loop.time(), origin=origin)
        if origin is Origin.CLIENT:
            self._outlets[turn.id] = self._new_outlet(turn.id, future)
            self._speeches.assign(turn.id, self._speeches.owner())
            future.add_done_callback(lambda f: self._interrupt(turn) if f.cancelled() else None)
        self._asks[turn.id] = ask
        self.run()
        return future

    def interrupt(self, *, before_tool_reply: bool = False) -> None:
        """The host interrupts. LiveKit does so on its own too, before a tool reply and on a
        handoff; those must not end a turn whose speech was not interrupted (G21).

        Args:
            before_tool_reply: LiveKit does so on its own, and means no speech: what the server
                began to answer meanwhile has none yet.
        """
        now = self._loop.time()
        # Each speech that was interrupted interrupts the session again when its task comes to it.
        again = now - self._interrupted_at < _FOLLOW_UP and self._speeches.ending
        for turn in self.controller.turns:
            interrupted = self._speeches.interrupted(turn.id)
            began_since = again and turn.id not in self._interrupted
            if interrupted is None and not before_tool_reply and not began_since:
                # No speech known: not attached, or not announced to LiveKit yet. As in plain
                # LiveKit this stops what runs, not what waits behind it.
                recovering = turn.first_failure is not None
                interrupted = not turn.waiting and not (self._speeches.attached and recovering)
            if interrupted:
                self._interrupt(turn)
        if not again and not before_tool_reply:
            self._interrupted_at = now
            self._interrupted = {turn.id for turn in self.controller.turns}

    def truncating(self, item_id: str, audio_end_ms: int) -> int | None:
        """The host truncates a message. Returns where it may be cut, or None if it must not be:
        heard in full, or not at all, which the controller sees to (G15)."""
        at = self._cut_at(item_id, audio_end_ms)
        if at is not None and self.reporter is not None:
            self.reporter.truncated()
        return at

    def _cut_at(self, item_id: str, audio_end_ms: int) -> int | None:
        message = self.controller.message(item_id)
        if message is None or not message.received_ms:
            return audio_end_ms
        self.receive(MessageTruncated(item_id=item_id, audio_end_ms=audio_end_ms))
        if message.outcome is MessageOutcome.SKIPPED and self._speeches.attached:
            return None
        if message.outcome is MessageOutcome.FULL and not self.controller.generates(item_id):
            return None
        return min(audio_end_ms, int(message.received_ms))

    async def aclose(self) -> None:
        """End every turn, future, stream, timer and task. Never raises."""
        self._closed = True
        self.controller.close(self._loop.time())
        self.run()
        self._speeches.disconnect(self.receive)
        if self.link is not None:
            await self.link.aclose()

    # --- what a link calls

    def receive(self, event: Event) -> bool:
        self._tell_playback()
        known = self.controller.receive(event, self._loop.time())
        # Signs of life command nothing and only move deadlines back.
        if self.controller.pending or type(event) not in _SIGNS_OF_LIFE:
            self.run()
        return known

    def not_sent(self, turn_id: str, attempt: int, error: Exception) -> None:
        """The inner session refused the request itself."""
        info = ErrorInfo(
            kind=ErrorKind.CLIENT_BUG,
            code="not_sent",
            message=f"{type(error).__name__}: {error}",
        )
        self.receive(CreateNotSent(turn_id=turn_id, attempt=attempt, error=info))

    def generated(self, turn_id: str, item_id: str, item: Item) -> None:
        outlet = self._outlet(turn_id)
        if outlet is not None:
            outlet.received(item_id, item)

    def all_read(self, turn_id: str) -> None:
        """No more items of this turn will come from the inner session."""
        outlet = self._outlets.get(turn_id)
        if outlet is not None and outlet.ending:
            outlet.cut()
        if self.controller.find(turn_id) is None:
            outlet = self._outlets.pop(turn_id, None)
            if outlet is not None:
                outlet.cut()

    def pass_through(self, turn_id: str) -> None:
        """The host reads this turn's streams from the inner session (``say``). It is counted in
        the lane, not spliced and not repeated."""
        self._passed.add(turn_id)

    def frame_received(self) -> None:
        """Something came from the server: there is a connection, and it is not silent."""
        self.controller.frame_received(self._loop.time())
        if not self.controller.connected and self.controller.dead is None:
            self.receive(ConnectionReady())

    def session_failed(self, report: llm.RealtimeModelError) -> None:
        """The inner session is of no more use: pass its report on, once (G12)."""
        status = getattr(report.error.__cause__, "status", None)
        info = ErrorInfo(
            kind=ErrorKind.FATAL,
            code="session_failed" if status is None else f"http_{status}",
            message=str(report.error),
        )
        self._end_session(report.model_copy(update={"recoverable": False}), info)
        self.receive(SessionFailed(error=info))

    def failed_late(self, turn_id: str, error: ErrorInfo) -> None:
        """A response that seemed complete had failed. What was received plays on."""
        self._speeches.fail(turn_id, llm.RealtimeError(str(error), code=error.code))

    def unopened(self, error: Exception) -> None:
        """There is no other session to take the place of the dead one."""
        info = ErrorInfo(kind=ErrorKind.FATAL, code="not_opened", message=type(error).__name__)
        self._log.error("no session could be opened", error=type(error).__name__)
        self.receive(SessionFailed(error=info))

    def user_spoke(self, item_id: str) -> None:
        """The user's message is in the server's conversation, perhaps without words yet."""
        self._speeches.arrived(item_id)

    def forward(self, name: str, *args: object) -> None:
        self._session.emit(name, *args)

    # --- commands

    def run(self) -> None:
        """Carry out what the controller wants, in order, then set the timer."""
        if self._running:
            return  # called from an event handler of the application, within the loop below
        self._running = True
        if self.reporter is not None:
            self.reporter.look()
        try:
            while commands := self.controller.commands():
                for command in commands:
                    self._do(command)
        finally:
            self._running = False
        self._report_the_end()
        self._alarm.set(None if self._closed else self.controller.next_deadline())

    def _do(self, command: cmd.Command) -> None:
        handler = self._HANDLERS.get(type(command))
        assert handler is not None, command
        if self.reporter is not None:
            self.reporter.saw(command)
        try:
            handler(self, command)
        except Exception:
            # One failing command must not keep the others from being carried out (G7).
            self._log.exception("command failed", command=type(command).__name__)

    def _create(self, c: cmd.CreateResponse) -> None:
        turn = self.controller.find(c.turn_id)
        if turn is not None and c.turn_id in self._passed:
            self.controller.interrupt(turn, self._loop.time())
        elif self.link is not None and not self._closed:
            self.link.create(c.turn_id, c.attempt, self._asks.get(c.turn_id) or Ask())

    def _cancel(self, c: cmd.CancelResponse) -> None:
        if self.link is not None and not self._closed:
            self.link.cancel(c.response_id, c.event_id)

    def _probe(self, c: cmd.ProbeCancel) -> None:
        if self.link is not None and not self._closed:
            self.link.probe(c.event_id)

    def _delete(self, c: cmd.DeleteItem) -> None:
        if self.link is not None and not self._closed:
            self._speeches.unshow(c.item_id)
            self.link.withheld(c.item_id, forward=False)
            self.link.delete(c.item_id, c.event_id)

    def _restore(self, c: cmd.RestoreItem) -> None:
        if self.link is not None and not self._closed:
            self.link.restore(c.item_id)

    def _replace(self, c: cmd.ReplaceConnection) -> None:
        self._log.warning(
            "connection replaced", code=code_of(c.reason), reason=c.reason.message, wait=c.wait
        )
        if not self._closed:
            self.replace(c.wait)

    def _expose(self, c: cmd.ExposeTurn) -> None:
        self._failures = 0
        outlet = self._outlet(c.turn_id)
        if outlet is None:
            return
        generation = outlet.expose(c.response_id)
        if outlet.future is not None:
            self._session.emit("generation_created", generation)
            return
        self._speeches.look()
        with self._speeches.announcing() as announced:
            self._session.emit("generation_created", generation)
            handle = announced()
        self._speeches.assign(c.turn_id, handle)
        turn = self.controller.find(c.turn_id)
        if handle is None and turn is not None and self._speeches.attached:
            # "skipping new realtime generation, the speech scheduling is not running": LiveKit
            # plays nothing of it, so nobody hears it.
            self._interrupt(turn)

    def _deliver(self, c: cmd.DeliverItem) -> None:
        outlet = self._outlet(c.turn_id)
        if outlet is None:
            return
        outlet.deliver(c.item_id)
        turn = self._find(c.turn_id)
        if turn is not None and c.item_id in turn.calls:
            self._speeches.called(c.turn_id)
        if outlet.calls_read:
            self._calls_read(c.turn_id)

    def _end_attempt(self, c: cmd.EndAttempt) -> None:
        outlet = self._outlets.get(c.turn_id)
        if outlet is not None:
            outlet.end_messages()

    def _end(self, c: cmd.EndStreams) -> None:
        outlet = self._outlets.get(c.turn_id)
        turn = self._find(c.turn_id)
        if outlet is None:
            return
        if turn is not None and turn.interrupted:
            outlet.cut()
        else:
            outlet.end()

    def _report(self, c: cmd.ReportFailure) -> None:
        self.reports += 1
        error = llm.RealtimeError(str(c.error), code=c.error.code)
        turn = self._find(c.turn_id)
        exhausted = turn is not None and turn.ending is TurnOutcome.FAILED
        recoverable = not c.fatal and (not exhausted or self._tolerates_failure())
        outlet = self._outlets.get(c.turn_id)
        told = outlet is not None and outlet.fail(error)
        # An AgentSession that closes on this report interrupts the speech before it looks at
        # the future, so its handle has to be told as well.
        if c.on_handle and not (told and recoverable):
            self._speeches.fail(c.turn_id, error)
        self._log.warning(
            "turn failed", turn=c.turn_id, code=code_of(c.error), kind=c.error.kind.value
        )
        if recoverable:
            self.forward("error", self._report_of(c.error, recoverable=True))
        else:
            self._end_session(self._report_of(c.error, recoverable=False), c.error)

    def _tolerates_failure(self) -> bool:
        """G26: as the pipeline, which ends a session at the failure after so many in a row."""
        self._failures += 1
        if self.controller.policy.on_exhausted == "escalate":
            return False
        return self._failures <= self._speeches.max_unrecoverable_errors

    def _report_session(self, c: cmd.ReportSession) -> None:
        self._end_session(self._report_of(c.error, recoverable=False), c.error)

    def _end_session(self, report: llm.RealtimeModelError, error: ErrorInfo) -> None:
        """One report of the session's end (G12). AgentSession closes on it, and a fallback adapter
        swaps, so it waits until what was received has played."""
        if self.final_report is None:
            self.final_report = report
            self._speeches.fail_waiting(llm.RealtimeError(str(error), code=error.code))

    def _report_the_end(self) -> None:
        due = self.final_report is not None and not self.controller.turns
        if due and not self._reported and not self._closed:
            self._reported = True
            self.forward("error", self.final_report)

    def _report_of(self, error: ErrorInfo, *, recoverable: bool) -> llm.RealtimeModelError:
        return llm.RealtimeModelError(
            timestamp=time.time(),
            label=self._label,
            error=APIError(str(error), body=_body(error), retryable=recoverable),
            recoverable=recoverable,
        )

    def _recovering(self, c: cmd.Recovering) -> None:
        self._log.warning(
            "recovering",
            turn=c.turn_id,
            attempt=c.attempt,
            code=code_of(c.reason),
            kind=c.reason.kind.value,
            wait=round(c.wait, 3),
        )
        if self.link is not None:
            self.link.stop_reading(c.turn_id)
        self._model.emit("recovering", c)

    def _ended(self, c: cmd.TurnEnded) -> None:
        outlet = self._outlets.get(c.turn_id)
        if outlet is not None:
            outlet.fail(llm.RealtimeError(f"turn {c.outcome.value}", code=c.outcome.value))
        # The inner session hands items out later than the wire shows them: a turn may end in
        # between. Of a response that still runs without us nothing is awaited, nor of a failed turn,
        # whose response may never be seen to end.
        turn = self._find(c.turn_id)
        attempt = None if turn is None else turn.attempt
        useless = turn is not None and c.outcome is TurnOutcome.FAILED and not turn.calls
        if self.link is not None and (useless or (attempt is not None and not attempt.over)):
            self.link.stop_reading(c.turn_id)
        if turn is not None and turn.calls and outlet is not None and not outlet.calls_read:
            self._speeches.when_done(c.turn_id, lambda: self._forget_unread_calls(turn, outlet))
        if self.link is None or self._closed or not self.link.reading(c.turn_id):
            self.all_read(c.turn_id)
        self._asks.pop(c.turn_id, None)
        self._passed.discard(c.turn_id)
        self._speeches.forget(c.turn_id)
        if turn is not None and not turn.has_output:
            self._rest_soon()
        self._model.emit("turn_ended", c)

    def _forget_unread_calls(self, turn: Turn, outlet: Outlet) -> None:
        """The speech was interrupted before LiveKit looked at the calls: no tool runs and no output
        follows, so the server must not remember them either (G16, G17)."""
        if self.link is not None and not outlet.calls_read and not self._closed:
            for item_id in turn.calls:
                self.link.withheld(item_id, forward=False)
                self.link.delete(item_id, utils.shortuuid("rfsm_delete_"))

    def _moved(self, c: cmd.TurnMoved) -> None:
        self._model.emit("turn_moved", c)
        if not self._debug.isEnabledFor(logging.DEBUG):
            return
        turn = self._find(c.turn_id)
        attempt = None if turn is None else turn.attempt
        self._log.debug(
            c.event.lower(),
            turn=c.turn_id,
            attempt=c.attempt,
            response=None if attempt is None else attempt.response_id,
            source=c.source.value,
            state=c.label,
        )

    _HANDLERS: ClassVar[dict[type[cmd.Command], Callable[[Any, Any], None]]] = {
        cmd.CreateResponse: _create,
        cmd.CancelResponse: _cancel,
        cmd.ProbeCancel: _probe,
        cmd.DeleteItem: _delete,
        cmd.RestoreItem: _restore,
        cmd.ReplaceConnection: _replace,
        cmd.ExposeTurn: _expose,
        cmd.DeliverItem: _deliver,
        cmd.EndAttempt: _end_attempt,
        cmd.EndStreams: _end,
        cmd.ReportFailure: _report,
        cmd.ReportSession: _report_session,
        cmd.Recovering: _recovering,
        cmd.TurnEnded: _ended,
        cmd.TurnMoved: _moved,
    }

    # --- inside

    def _interrupt(self, turn: Turn) -> None:
        if turn.live and not self._closed:
            self.controller.interrupt(turn, self._loop.time())
            self.run()

    def _rest_soon(self) -> None:
        if not self._closed:
            self._loop.call_soon(self._rest)

    def _rest(self) -> None:
        if not self._closed and not self.controller.turns:
            self._speeches.rest()

    def _tell_playback(self) -> None:
        self.controller.playback_reported = self._speeches.attached
        self.controller.audible = self._speeches.audible

    def _pulled(self, item_id: str) -> None:
        self._speeches.look()
        self._speeches.begins(item_id)
        if self.link is not None:
            # LiveKit makes a placeholder of it in the agent's history: not before it plays.
            self.link.withheld(item_id, forward=True)
        self.receive(MessagePulled(item_id=item_id))

    def _calls_read(self, turn_id: str) -> None:
        """The host runs the tools now. It makes placeholders of their calls too."""
        if self.reporter is not None:
            self.reporter.reading(turn_id)
        turn = self._find(turn_id)
        if self.link is None or turn is None or not turn.calls:
            return
        for item_id in turn.calls:
            self.link.withheld(item_id, forward=True)

    def _outlet(self, turn_id: str) -> Outlet | None:
        """A live turn's outlet; one that the server started gets its own when it is needed."""
        if turn_id in self._passed:
            return None
        if turn_id not in self._outlets and self.controller.find(turn_id) is not None:
            self._outlets[turn_id] = self._new_outlet(turn_id, None)
        return self._outlets.get(turn_id)

    def _new_outlet(
        self, turn_id: str, future: asyncio.Future[llm.GenerationCreatedEvent] | None
    ) -> Outlet:
        return Outlet(future, self._pulled, lambda: self._calls_read(turn_id))

    def _find(self, turn_id: str) -> Turn | None:
        turn = self.controller.find(turn_id)
        if turn is None:
            turn = next((t for t in self.controller.finished if t.id == turn_id), None)
        return turn

    def _due(self) -> None:
        self.controller.advance(self._loop.time())
        self.run()


def _body(error: ErrorInfo) -> dict[str, str | None]:
    return {"code": error.code, "type": error.type, "message": error.message}
