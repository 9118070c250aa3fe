"""Runs one controller on an event loop: its clock, its timer, its commands."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from livekit.agents import llm, utils
from livekit.agents.voice import SpeechHandle

from .._core import commands as cmd
from .._core.controller import TurnController
from .._core.errors import ErrorInfo
from .._core.events import (
    AnnouncementLost,
    ConnectionLost,
    ConnectionReady,
    CreateNotSent,
    Event,
    ItemActivity,
    MessagePulled,
    MessageTruncated,
    OutputReceived,
    PlaybackFinished,
    PlaybackPaused,
    PlaybackResumed,
    ResponseActivity,
    SessionFailed,
    SpeechOver,
)
from .._core.policy import RetryPolicy
from .._core.records import Message, Turn
from .._core.response_effects import SLOW
from .._core.states import (
    ErrorKind,
    MessageOutcome,
    Origin,
    PlaybackState,
    TurnOutcome,
    TurnState,
)
from .._core.timers import STALLING
from .._redact import known_message, named, shown
from ._deadline_timer import DeadlineTimer
from ._emit import Emitter, Listeners
from ._failures import QUESTION_LOST, Failures
from ._follow_up import FollowUps
from ._fresh import FreshConnection
from ._guard import Guard
from ._link import Link
from ._log import code_of, get_logger
from ._order import Order
from ._reply_request import ReplyRequest
from ._speech import SpeechTracker, stop_interrupted
from ._turn_output import Item, TurnOutput

if TYPE_CHECKING:
    from .telemetry._reporter import Reporter

_SIGNS_OF_LIFE = (ItemActivity, OutputReceived, ResponseActivity)
#: Where a message stands that each of these moves.
_HALTS: dict[type[Event], PlaybackState] = {
    PlaybackPaused: PlaybackState.PLAYING,
    PlaybackResumed: PlaybackState.PAUSED,
}
#: Seconds within which an interrupted speech interrupts the session once more.
_FOLLOW_UP = 0.5
#: Code of the failure of what ran on a connection that was lost.
_LOST = "connection_lost"
#: No response of the current attempt is there yet.
_UNANSWERED = (TurnState.REQUESTED, TurnState.RETRY_WAIT)


class Driver:
    """One realtime session's turns.

    Args:
        policy: How turns recover.
        speeches: The attached AgentSession, if any.
        session: Where the host listens (``generation_created``, ``error``, …).
        model: Where the application listens (``recovering``, ``turn_moved``, ``turn_ended``).
        label: Names the model in errors.
        guard: Runs what others call.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        speeches: SpeechTracker,
        *,
        session: Emitter,
        model: Emitter,
        label: str,
        guard: Guard,
    ) -> None:
        self._guard = guard
        self.controller = TurnController(policy)
        self.link: Link | None = None
        #: Tells the observers, if there are any.
        self.reporter: Reporter | None = None
        #: Makes a new connection after so many seconds.
        self.replace: Callable[[float], None] = lambda wait: None
        self._speeches = speeches
        self._session = Listeners(session)
        self._model = Listeners(model)
        self._source = model
        self._loop = asyncio.get_running_loop()
        self._timer = DeadlineTimer(self._due, guard)
        self._fresh = FreshConnection(self.controller)
        self._order = Order(speeches, guard)
        #: Asks for the reply that a response without one leaves open, if the policy is to.
        self.follow_ups: FollowUps | None = None
        if policy.follow_ups:
            self.follow_ups = FollowUps(policy.follow_ups, self._follow_up, guard)
        self._outputs: dict[str, TurnOutput] = {}
        self._asks: dict[str, ReplyRequest] = {}
        #: Turns whose generation the host has from the inner session itself.
        self._passed: set[str] = set()
        #: Turns of no speech: nothing plays them.
        self._unplayed: set[str] = set()
        #: When the host last interrupted, and which turns it may have meant.
        self._interrupted_at = -math.inf
        self._interrupted: set[str] = set()
        #: Asked replies whose speech ended when the user began to speak: they go on without one.
        self._put_off: set[str] = set()
        #: The host is being told that the user begins to speak.
        self._user_begins = False
        self._running = False
        #: No turn is alive, but the user may be answered yet: until then LiveKit goes on thinking.
        self._answer_due = False
        self._closed = False
        self.failures = Failures(policy, label)
        self._log = get_logger()
        self._debug = logging.getLogger("realtime_fsm")
        self._receive = guard(self.receive)
        speeches.connect(
            self._receive,
            over=guard(self._listen_if_idle_soon),
            begun=guard(self._another_speaks),
            changed=self._tell_playback,
            failed=lambda error: guard.failed(error),
            grace=policy.playback_grace,
            host=session,
            lost=guard(self._do_without),
        )

    @property
    def speeches(self) -> SpeechTracker:
        """The attached AgentSession."""
        return self._speeches

    def _do_without(self) -> None:
        """The attached AgentSession is another's."""
        self._speeches = SpeechTracker()
        self._tell_playback()

    # --- what the session calls

    def is_to_answer(self, question: str | None) -> bool:
        """Whether a turn of which nothing was heard, or server VAD, answers this item or what was
        committed last."""
        if self.controller.unanswered:
            return True
        asks = [
            self._asks[t.id] for t in self.controller.turns if t.id in self._asks and not t.messages
        ]
        return any(ask.committed or (question and ask.question == question) for ask in asks)

    def ask(self, ask: ReplyRequest, origin: Origin) -> asyncio.Future[llm.GenerationCreatedEvent]:
        """Start a turn. The future fails only with `llm.RealtimeError`; cancelling it cancels
        the turn."""
        ask.future = future = self._loop.create_future()
        if self._closed:
            future.set_exception(llm.RealtimeError("realtime session closed"))
            return future
        self._speeches.settle()
        self._speeches.follow_sink()
        turn = self.controller.request(self._loop.time(), origin=origin, of_user=ask.of_user)
        self._asks[turn.id] = ask
        if origin is Origin.CLIENT:
            self._outputs[turn.id] = self._new_output(turn.id, future)
            self._speeches.assign(turn.id, self._speeches.owner())
            cancelled = self._guard(self._unasked)
            future.add_done_callback(lambda f: cancelled(turn) if f.cancelled() else None)
        self.run()
        self._order.asked(future)
        return future

    def interrupt(self, *, before_tool_reply: bool = False) -> None:
        """The host interrupts. LiveKit does so on its own too, before a tool reply and on a
        handoff; those must not end a turn whose speech was not interrupted (G21).

        Args:
            before_tool_reply: LiveKit does so on its own, and means no speech: what the server
                began to answer meanwhile has none yet.
        """
        now = self._loop.time()
        if self._speeches.closing:
            self._drop_retries()
        # Each speech that was interrupted interrupts the session again when its task comes to it.
        again = now - self._interrupted_at < _FOLLOW_UP and self._speeches.ending
        for turn in self.controller.turns:
            interrupted = self._speeches.interrupted(turn.id)
            if interrupted and self._user_begins and self._stops_for_the_user(turn):
                continue
            began_since = again and turn.id not in self._interrupted
            if interrupted is None and not before_tool_reply and not began_since:
                # No speech known: not attached, or not announced to LiveKit yet. As in plain
                # LiveKit this stops what runs, not what waits behind it.
                recovering = turn.first_failure is not None
                interrupted = not turn.waiting and not (self._speeches.attached and recovering)
            if interrupted:
                self._interrupt(turn)
        if self._speeches.all_interrupted and self.link is not None:
            self.link.say_nothing_more()
        if not again and not before_tool_reply:
            self._interrupted_at = now
            self._interrupted = {turn.id for turn in self.controller.turns}

    def _stops_for_the_user(self, turn: Turn) -> bool:
        """Nobody knows yet what the user says: a cough only puts a retry off. Returns whether that is
        all, for there is nothing else to stop."""
        if self._gives_way(turn):
            self._withdraw(turn)
            return True
        if turn.error is None or turn.has_output or turn.state not in _UNANSWERED:
            return False
        if turn.state is TurnState.RETRY_WAIT:
            self._put_off.add(turn.id)
            self._withdraw(turn)
        else:  # the next attempt is out, and would talk over the user
            self._drop(turn, turn.error)
        return True

    def _unasked(self, turn: Turn) -> None:
        """Who asked for a reply waits for it no more."""
        if turn.id not in self._put_off:
            self._interrupt(turn)

    def _gives_way(self, turn: Turn) -> bool:
        """Whether a turn's speech waits for a retry alone, so that another may take its place."""
        return turn.announced and not turn.has_output and turn.state in _UNANSWERED

    def _another_speaks(self) -> None:
        """The host has something else to say, which must not wait behind a retry (G29)."""
        for turn in self.controller.turns:
            if self._gives_way(turn):
                self._withdraw(turn)
        self.run()

    def _drop_retries(self) -> None:
        """The host goes on without what is still tried again. Plain LiveKit told of the failure when
        it happened (G8)."""
        for turn in self.controller.turns:
            if turn.error is not None and not turn.has_output and not turn.generation_over:
                self._drop(turn, turn.error)

    def _drop(self, turn: Turn, error: ErrorInfo) -> None:
        self._log.warning("retry dropped", turn=turn.id, code=code_of(error))
        self._speeches.fail(turn.id, llm.RealtimeError(str(error), code=error.code))
        if error.code != _LOST:  # that was told when it happened (G12)
            report = self.failures.report_of(error, recoverable=True)
            # A session that LiveKit closes has none of its listeners any more.
            if not self._speeches.tell_error(report, self._source):
                self.forward("error", report)
        self._interrupt(turn)

    def _withdraw(self, turn: Turn) -> None:
        """The speech that the host made of a turn ends, and the turn goes on without one."""
        self._speeches.forget(turn.id)
        self.receive(AnnouncementLost(turn_id=turn.id))
        output = self._outputs.pop(turn.id, None)
        if output is not None:
            output.cut()

    def truncating(self, item_id: str, audio_end_ms: int) -> int | None:
        """The host truncates a message. Returns where it may be cut, or None if it must not be:
        heard in full, or not at all, which the controller sees to (G15)."""
        at = self._cut_at(item_id, audio_end_ms)
        if at is not None and self.reporter is not None:
            self.reporter.truncated()
        return at

    def _cut_at(self, item_id: str, audio_end_ms: int) -> int | None:
        message = self.controller.message(item_id)
        if message is not None and message.released:
            return None  # the application deleted it
        if message is not None and self._goes_on(message, audio_end_ms):
            return None  # it is cut to what will have been heard
        if message is None or not message.received_ms:
            return audio_end_ms
        if self._speeches.attached and not self._speeches.audible and not audio_end_ms:
            audio_end_ms = int(message.received_ms)  # no output is on: its words were shown
        self.receive(MessageTruncated(item_id=item_id, audio_end_ms=audio_end_ms))
        if message.outcome is MessageOutcome.SKIPPED and self._speeches.attached:
            return None
        more = self.controller.generates(item_id)
        if message.outcome is MessageOutcome.FULL and not more:
            return None
        heard = message.heard_ms if self._speeches.attached else None
        if heard is not None and heard >= int(message.received_ms) and not more:
            return None
        return min(audio_end_ms if heard is None else heard, int(message.received_ms))

    def _goes_on(self, message: Message, audio_end_ms: int) -> bool:
        """Whether a message that nobody interrupted is to be cut behind what came of it so far. LiveKit
        asks for no such thing, applications do."""
        turn = next((t for t in self.controller.turns if message in t.messages), None)
        if turn is None or turn.interrupted or not self.controller.generates(message.item_id):
            return False
        return not message.delivered or 0 < message.received_ms < audio_end_ms

    async def aclose(self) -> None:
        """End every turn, future, stream, timer and task. Never raises."""
        self._drop_retries()
        self._forget_unheard()
        self._closed = True
        self._order.close()
        self.controller.close(self._loop.time())
        self.run()
        self._speeches.disconnect(self._receive)
        if self.link is not None:
            await self.link.aclose()

    def _forget_unheard(self) -> None:
        """Nothing corrects the server's memory any more, and whoever takes over with a copy of the
        history, made before it was known what was heard, does without what was not (G16)."""
        for turn in self.controller.turns:
            for message in turn.messages:
                if message.outcome is MessageOutcome.SKIPPED and self.link is not None:
                    self._speeches.unshow(message.item_id)
                    self.link.withheld(message.item_id, forward=False)

    def end_records(self) -> None:
        """The session stepped aside: tell those who follow the turns that they are over."""
        self._closed = True
        self._order.close()
        self._timer.set(None)
        self._speeches.disconnect(self._receive)
        self.controller.close(self._loop.time())
        for command in self.controller.commands():
            if self.reporter is not None:
                self.reporter.saw(command)
            if isinstance(command, cmd.TurnMoved):
                self._model.emit("turn_moved", command)
            elif isinstance(command, cmd.TurnEnded):
                self._model.emit("turn_ended", command)

    # --- what a link calls

    def receive(self, event: Event) -> bool:
        if type(event) in _HALTS and self.controller.playback is not _HALTS[type(event)]:
            return False  # nothing is to be halted: the host says so before each speech
        if isinstance(event, PlaybackFinished) and event.interrupted:
            stop_interrupted(self.controller, self._speeches, self._loop.time())
        elif isinstance(event, SpeechOver) and self._is_another_speech(event):
            return False
        known = self.controller.receive(event, self._loop.time())
        # Signs of life command nothing and only move deadlines back.
        if self.controller.pending or type(event) not in _SIGNS_OF_LIFE:
            self.run()
        return known

    def _is_another_speech(self, event: SpeechOver) -> bool:
        """A speech that ends by itself has got its answer. One still awaited is no speech's: the
        application asked for it, below LiveKit, while something was spoken. No sink plays that."""
        ask = self._asks.get(event.turn_id)
        awaited = ask is not None and ask.future is not None and not ask.future.done()
        if awaited and not event.interrupted:
            self._unplayed.add(event.turn_id)
            return True
        return False

    def not_sent(self, turn_id: str, attempt: int, error: Exception) -> None:
        """The inner session refused the request itself."""
        info = ErrorInfo(
            kind=ErrorKind.CLIENT_BUG,
            code="not_sent",
            message=f"{type(error).__name__}: {error}",
        )
        self.refuse(turn_id, attempt, info)

    def refuse(self, turn_id: str, attempt: int, error: ErrorInfo) -> None:
        """A create is not to leave."""
        self.receive(CreateNotSent(turn_id=turn_id, attempt=attempt, error=error))

    def generated(self, turn_id: str, item_id: str, item: Item) -> None:
        output = self._output_of(turn_id)
        if output is not None:
            output.received(item_id, item)

    def all_read(self, turn_id: str) -> None:
        """No more items of this turn will come from the inner session."""
        output = self._outputs.get(turn_id)
        if output is not None and output.ending:
            output.cut()
        if self.controller.find(turn_id) is None:
            output = self._outputs.get(turn_id)
            if output is not None:
                turn = self._find(turn_id)
                if turn is not None and not self._closed:
                    output.check(turn)
                output.cut()
                del self._outputs[turn_id]

    def pass_through(self, turn_id: str) -> None:
        """The host reads this turn's streams from the inner session (``say``). It is counted in
        the lane, not spliced and not repeated."""
        self._passed.add(turn_id)

    def frame_received(self) -> None:
        """Something came from the server: there is a connection, and it is not silent."""
        connected = self.controller.connected
        self.controller.frame_received(self._loop.time())
        if not self.controller.connected and self.controller.dead is None:
            self.receive(ConnectionReady())
        elif not connected:
            self._timer.set(self.controller.next_deadline())

    def session_failed(self, report: llm.RealtimeModelError) -> None:
        """The inner session is of no more use: pass its report on, once (G12)."""
        status = getattr(report.error.__cause__, "status", None)
        info = ErrorInfo(
            kind=ErrorKind.FATAL,
            code="session_failed" if status is None else f"http_{status}",
            # Its text has the cause, and that the address with its query: a key may be in there.
            message=getattr(report.error, "message", None) or type(report.error).__name__,
        )
        self._end_session(report.model_copy(update={"recoverable": False}), info)
        self.receive(SessionFailed(error=info))

    def item_suspected(self, item_id: str) -> None:
        """Two connections in a row ended at this item: the next one is not told of it."""
        self._log.warning("two connections ended at this item, tried without", item=shown(item_id))

    def item_left_out(self, item_id: str) -> None:
        """Without this item the connection goes on."""
        self._log.error("item left out: the server hung up on it twice", item=shown(item_id))
        message = f"the server hung up on an item twice; it was left out: {shown(item_id)}"
        info = ErrorInfo(kind=ErrorKind.CLIENT_BUG, code="item_left_out", message=message)
        self.forward("error", self.failures.report_of(info, recoverable=True))

    def failed_late(self, turn_id: str, error: ErrorInfo) -> None:
        """A response that seemed complete had failed. What was received plays on."""
        self._speeches.fail(turn_id, llm.RealtimeError(str(error), code=error.code))

    def unopened(self, error: Exception) -> None:
        """There is no other session to take the place of the dead one."""
        info = ErrorInfo(kind=ErrorKind.FATAL, code="not_opened", message=type(error).__name__)
        self._log.error("no session could be opened", error=type(error).__name__)
        self.receive(SessionFailed(error=info))

    def is_entered(self, item_id: str) -> bool:
        """Whether the agent's history has an item that LiveKit was told of; unattached nobody knows."""
        return self._speeches.is_entered(item_id)

    def comes_last(self, item_id: str) -> bool:
        """Whether the agent's history ends with an item, but for what no server is told of."""
        return self._speeches.comes_last(item_id)

    def user_spoke(self, item_id: str) -> None:
        """The user's message is in the server's conversation, perhaps without words yet."""
        self._speeches.arrived(item_id)

    def time(self) -> float:
        """The controller's clock."""
        return self._loop.time()

    def forward(self, name: str, *args: object) -> None:
        self._user_begins = name == "input_speech_started"
        self._session.emit(name, *args)
        self._user_begins = False

    # --- commands

    def run(self) -> None:
        """Carry out what the controller wants, in order, then set the timer."""
        if self._running:
            return  # called from an event handler of the application, within the loop below
        self._running = True
        if self.reporter is not None:
            self.reporter.notice_changes()
        try:
            while commands := self.controller.commands():
                for command in commands:
                    self._do(command)
                    if self._guard.off:
                        return  # what the host did meanwhile went wrong
        finally:
            self._running = False
        self._report_the_end()
        if self._answer_due and not self.controller.unanswered:
            self._answer_due = False
            self._listen_if_idle_soon()
        self.controller.host_waits = self._speeches.waiting
        self._timer.set(None if self._closed else self.controller.next_deadline())

    def _do(self, command: cmd.Command) -> None:
        handler = self._HANDLERS.get(type(command))
        assert handler is not None, command
        if self.reporter is not None:
            self.reporter.saw(command)
        handler(self, command)

    def _create(self, c: cmd.CreateResponse) -> None:
        turn = self.controller.find(c.turn_id)
        if turn is not None and c.turn_id in self._passed:
            self.controller.interrupt(turn, self._loop.time())
        elif self.link is not None and not self._closed:
            self.link.create(c.turn_id, c.attempt, self._asks.setdefault(c.turn_id, ReplyRequest()))

    def _cancel(self, c: cmd.CancelResponse) -> None:
        if self.link is not None and not self._closed:
            self.link.cancel(c.response_id, c.event_id)

    def _check(self, c: cmd.CheckConnection) -> None:
        if self.link is not None and not self._closed:
            self.link.check(c.event_id)

    def _probe(self, c: cmd.ProbeCancel) -> None:
        if self.link is not None and not self._closed:
            self.link.probe(c.event_id)

    def _delete(self, c: cmd.DeleteItem) -> None:
        if self.link is not None and not self._closed:
            self._speeches.unshow(c.item_id)
            self.link.withheld(c.item_id, forward=False)
            self.link.delete(c.item_id, c.event_id)

    def _truncate(self, c: cmd.TruncateItem) -> None:
        if self.link is not None and not self._closed:
            self.link.truncate(c.item_id, c.audio_end_ms, c.event_id)

    def _restore(self, c: cmd.RestoreItem) -> None:
        if self.link is not None and not self._closed:
            self.link.restore(c.item_id)

    def _replace(self, c: cmd.ReplaceConnection) -> None:
        self._log.warning(
            "connection replaced",
            code=code_of(c.reason),
            reason=known_message(c.reason.message) or named(c.reason.message),
            wait=c.wait,
        )
        if not self._closed:
            self.replace(c.wait)

    def _announce(self, c: cmd.AnnounceTurn) -> None:
        output = self._output_of(c.turn_id)
        if output is None:
            return
        self._speeches.settle()
        self._speeches.follow_sink()
        with self._speeches.announcing() as announced:
            self._session.emit("generation_created", output.generation(c.response_id))
            handle = announced()
        if self._outputs.get(c.turn_id) is not output:
            return  # withdrawn by what a listener asked for
        self._speeches.assign(c.turn_id, handle)
        turn = self.controller.find(c.turn_id)
        if handle is None and turn is not None and self._speeches.attached:
            # "skipping new realtime generation, the speech scheduling is not running": LiveKit
            # plays nothing of it, so nobody hears it.
            if turn.error is not None:
                self._drop(turn, turn.error)
            self._interrupt(turn)

    def _expose(self, c: cmd.ExposeTurn) -> None:
        self.failures.spoke()
        self._speeches.follow_sink()
        output = self._output_of(c.turn_id)
        if output is None:
            return
        if c.turn_id in self._put_off:
            self._announce(cmd.AnnounceTurn(turn_id=c.turn_id, response_id=c.response_id))
        generation = output.generation(c.response_id)
        if output.future is not None:
            self._session.emit("generation_created", generation)
        self._order.ready(c.turn_id)
        if self._order.waits:
            self._another_speaks()
        if c.turn_id in self._unplayed:
            self.receive(SpeechOver(turn_id=c.turn_id, interrupted=False))

    def _deliver(self, c: cmd.DeliverItem) -> None:
        output = self._output_of(c.turn_id)
        if output is None:
            return
        turn = self._find(c.turn_id)
        call = turn is not None and c.item_id in turn.calls
        if call:
            self._speeches.called(c.turn_id)
        elif self.link is not None:
            # LiveKit makes a placeholder of it in the agent's history, with the words that came.
            self.link.withheld(c.item_id, forward=True)
        output.deliver(c.item_id)
        if output.calls_read:
            self._calls_read(c.turn_id)

    def _end_attempt(self, c: cmd.EndAttempt) -> None:
        output = self._outputs.get(c.turn_id)
        if output is not None:
            output.end_messages()

    def _end(self, c: cmd.EndStreams) -> None:
        output = self._outputs.get(c.turn_id)
        turn = self._find(c.turn_id)
        if output is None:
            return
        if turn is not None and turn.interrupted:
            output.cut()
        else:
            output.end()

    def _report(self, c: cmd.ReportFailure) -> None:
        self.failures.count += 1
        error = llm.RealtimeError(str(c.error), code=c.error.code)
        turn = self._find(c.turn_id)
        exhausted = turn is not None and turn.ending is TurnOutcome.FAILED
        recoverable = not c.fatal and (not exhausted or self.failures.tolerates(self._speeches))
        output = self._outputs.get(c.turn_id)
        told = output is not None and output.fail(error)
        # An AgentSession that closes on this report interrupts the speech before it looks at
        # the future, so its handle has to be told as well.
        if c.on_handle and not (told and recoverable):
            self._speeches.fail(c.turn_id, error)
        self._log.warning(
            "turn failed", turn=c.turn_id, code=code_of(c.error), kind=c.error.kind.value
        )
        if recoverable and c.error.code == QUESTION_LOST.code:
            pass  # its connection's loss was told (G12), or the application deleted the question
        elif recoverable:
            self.forward("error", self.failures.report_of(c.error, recoverable=True))
        else:
            self._end_session(self.failures.report_of(c.error, recoverable=False), c.error)

    def _report_session(self, c: cmd.ReportSession) -> None:
        self._end_session(self.failures.report_of(c.error, recoverable=False), c.error)

    def _end_session(self, report: llm.RealtimeModelError, error: ErrorInfo) -> None:
        if self.failures.ends(report):
            self._speeches.fail_waiting(llm.RealtimeError(str(error), code=error.code))

    def _report_the_end(self) -> None:
        failures = self.failures
        due = failures.final is not None and not self.controller.turns
        if due and not failures.final_told and not self._closed:
            failures.final_told = True
            self.forward("error", failures.final)

    def _recovering(self, c: cmd.Recovering) -> None:
        if self.link is not None and c.reason.code != STALLING.code:
            self.link.stop_reading(c.turn_id)
        self._model.emit("recovering", c)
        reason, wait = code_of(c.reason), round(c.wait, 3)
        if c.reason.code in (SLOW.code, STALLING.code):
            self._log.warning("doubted", turn=c.turn_id, code=reason, wait=wait)
        else:
            self._log.warning(
                "recovering",
                turn=c.turn_id,
                attempt=c.attempt,
                next=c.attempt + 1,
                attempts=self.controller.policy.max_retry + 1,
                code=reason,
                kind=c.reason.kind.value,
                wait=wait,
            )
        if self._fresh.is_due(c) and self.link is not None and self.link.may_be_replaced:
            self.receive(ConnectionLost(error=c.reason, for_good=True))

    def _ended(self, c: cmd.TurnEnded) -> None:
        output = self._outputs.get(c.turn_id)
        if output is not None:
            output.fail(llm.RealtimeError(f"turn {c.outcome.value}", code=c.outcome.value))
        # The inner session hands items out later than the wire shows them: a turn may end in
        # between. Of a response that still runs without us nothing is awaited, nor of a failed turn,
        # whose response may never be seen to end.
        turn = self._find(c.turn_id)
        attempt = None if turn is None else turn.attempt
        useless = turn is not None and c.outcome is TurnOutcome.FAILED and not turn.calls
        if self.link is not None and (useless or (attempt is not None and not attempt.over)):
            self.link.stop_reading(c.turn_id)
        if turn is not None and turn.calls and output is not None and not output.calls_read:
            forget = self._guard(self._forget_unread_calls)
            self._speeches.when_done(c.turn_id, lambda: forget(turn, output))
        if self.link is None or self._closed or not self.link.reading(c.turn_id):
            self.all_read(c.turn_id)
        self._asks.pop(c.turn_id, None)
        self._fresh.over(c.turn_id)
        self._passed.discard(c.turn_id)
        self._unplayed.discard(c.turn_id)
        self._put_off.discard(c.turn_id)
        if self.follow_ups is not None and turn is not None:
            self.follow_ups.over(turn, self._speeches.speech(c.turn_id))
        self._speeches.forget(c.turn_id)
        if turn is not None and not turn.gave_output:
            self._listen_if_idle_soon()
        self._model.emit("turn_ended", c)

    def _forget_unread_calls(self, turn: Turn, output: TurnOutput) -> None:
        """The speech was interrupted before LiveKit looked at the calls: no tool runs and no output
        follows, so the server must not remember them either (G16, G17)."""
        if self.link is not None and not output.calls_read and not self._closed:
            for item_id in turn.calls:
                self.link.withheld(item_id, forward=False)
                self.link.delete(item_id, utils.shortuuid("rfsm_delete_"))

    def _moved(self, c: cmd.TurnMoved) -> None:
        self._model.emit("turn_moved", c)
        if not self._debug.isEnabledFor(logging.DEBUG):
            return
        turn = self._find(c.turn_id)
        attempt = None if turn is None else turn.attempt
        response_id = None if attempt is None else attempt.response_id
        self._log.debug(
            c.event.lower(),
            turn=c.turn_id,
            attempt=c.attempt,
            response=None if response_id is None else shown(response_id),
            source=c.source.value,
            state=c.label,
        )

    _HANDLERS: ClassVar[dict[type[cmd.Command], Callable[[Any, Any], None]]] = {
        cmd.CreateResponse: _create,
        cmd.CancelResponse: _cancel,
        cmd.CheckConnection: _check,
        cmd.ProbeCancel: _probe,
        cmd.DeleteItem: _delete,
        cmd.TruncateItem: _truncate,
        cmd.RestoreItem: _restore,
        cmd.ReplaceConnection: _replace,
        cmd.AnnounceTurn: _announce,
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
            if self.link is not None:
                self.link.withdraw(turn.id)

    def _follow_up(self) -> SpeechHandle | None:
        idle = not self._closed and not self.controller.turns
        return self._speeches.reply() if idle else None

    def _listen_if_idle_soon(self) -> None:
        if not self._closed:
            self._loop.call_soon(self._guard(self._listen_if_idle))

    def _listen_if_idle(self) -> None:
        if not self._closed and not self.controller.turns:
            self._answer_due = self.controller.unanswered
            self._speeches.listen_if_idle(self._answer_due)

    def _tell_playback(self) -> None:
        self.controller.playback_reported = self._speeches.attached
        self.controller.audible = self._speeches.audible

    def _pulled(self, item_id: str) -> None:
        self._speeches.settle()
        self._speeches.follow_sink()
        self._speeches.begins(item_id)
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

    def _output_of(self, turn_id: str) -> TurnOutput | None:
        """A live turn's output; one that the server started gets its own when it is needed."""
        if turn_id in self._passed:
            return None
        if turn_id not in self._outputs and self.controller.find(turn_id) is not None:
            self._outputs[turn_id] = self._new_output(turn_id, None)
        return self._outputs.get(turn_id)

    def _new_output(
        self, turn_id: str, future: asyncio.Future[llm.GenerationCreatedEvent] | None
    ) -> TurnOutput:
        read = self._guard(self._calls_read)
        return TurnOutput(future, self._guard(self._pulled), lambda: read(turn_id), self._guard)

    def _find(self, turn_id: str) -> Turn | None:
        turn = self.controller.find(turn_id)
        if turn is None:
            turn = next((t for t in self.controller.finished if t.id == turn_id), None)
        return turn

    def _due(self) -> None:
        self.controller.at_stake = self.link is not None and self.link.holds_a_question
        self.controller.advance(self._loop.time())
        self.run()
