"""The oracle: judges what a controller answers by what was delivered to it before.

It knows the guarantees (`guarantees.py` has them in words), the policy and the public events and
commands, and shares no code with the controller. What it cannot know for certain it lets pass.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field

import realtime_fsm as rf

_MOMENT = 1e-6
#: Seconds that a terminal may be behind the news that its response is not active any more.
_RACE = 0.5
_HEALTHY = 60.0


#: The code of a loss that the controller found out by itself.
_SILENT = "connection_silent"


class Broken(AssertionError):  # noqa: N818 - a finding, not an error
    """A guarantee does not hold. Begins with its id."""


@dataclass
class Record:
    """What is known of one turn."""

    asked: float
    attempts: int = 0
    recovering: int = 0
    counted: int = 0
    due: float = -math.inf
    first_failure: float | None = None
    exposed: bool = False
    streams_ended: bool = False
    reported: bool = False
    fatal: bool = False
    ended: rf.TurnOutcome | None = None
    interrupted: bool = False
    delivered: list[str] = field(default_factory=list)


class Watch:
    """Tell it everything in order: `told` before the controller gets an event, `said` for each of
    its commands, and what the host does."""

    def __init__(self, policy: rf.RetryPolicy) -> None:
        self.policy = policy
        self.now = 0.0
        self.turns: dict[str, Record] = {}
        #: Creates (by turn and attempt, then by event id) and responses that may be alive, and
        #: until when a client has to think so.
        self.alive: dict[str, float] = {}
        self.creates: dict[str, str] = {}  # event id -> settled by
        self.probes: dict[str, set[str]] = {}
        self.cancels: dict[str, str] = {}
        self.over: set[str] = set()
        self.first_output: list[str] = []
        self.kinds: dict[str, rf.ItemKind] = {}
        self.owner: dict[str, str] = {}  # items, by response
        self.delivered: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.connected = True
        self.up_since = -math.inf
        self.losses = 0
        self.dead = False
        self.server_creates = False
        self.speaking = False
        self.voice_until: float | None = None
        self.spoke = False  # recovery's clocks were stopped: do not count its seconds
        self.committed = False
        self.event: rf.Event | None = None

    def check(self, holds: object, guarantee: str, what: str) -> None:
        if not holds:
            raise Broken(f"{guarantee}: {what}")

    # --- the host

    def asks(self, turn_id: str) -> None:
        self.turns.setdefault(turn_id, Record(self.now))
        self.committed = False  # it answers that too
        self.event = None

    def interrupts(self, turn_id: str) -> None:
        self.turns.setdefault(turn_id, Record(self.now)).interrupted = True
        self.event = None

    # --- the server and the wire

    def told(self, event: rf.Event, now: float) -> None:
        self.now, self.event = now, event
        if isinstance(event, rf.CreateSent):
            self.alive.pop(f"{event.turn_id}/{event.attempt}", None)
            self.alive[event.event_id] = now + 2 * self.policy.timeout
            self.creates[event.event_id] = ""
        elif isinstance(event, rf.CreateNotSent):
            self.alive.pop(f"{event.turn_id}/{event.attempt}", None)
        elif isinstance(event, rf.ResponseCreated):
            self._created(event)
        elif isinstance(event, rf.ResponseDone):
            self._done(event)
        elif isinstance(event, rf.ItemStarted) and event.response_id not in self.over:
            self.kinds.setdefault(event.item_id, event.kind)
            if now >= self.alive.get(event.response_id, -math.inf):
                return  # its cancel was never answered: nobody waits for it any more
            self.owner.setdefault(event.item_id, event.response_id)
        elif isinstance(event, rf.OutputReceived):
            known = event.item_id in self.kinds and event.response_id not in self.over
            if known and event.item_id not in self.first_output:
                self.first_output.append(event.item_id)
        elif isinstance(event, rf.ErrorReceived):
            self._error(event)
        elif isinstance(event, (rf.ConnectionLost, rf.ConnectionReady)):
            self._connection(event)
        elif isinstance(event, rf.SessionFailed):
            self.dead = True
        else:
            self._speech(event)

    def _settle(self, event_id: str, by: str) -> None:
        """G2: the environment may not do this twice, or the test proves nothing."""
        self.alive.pop(event_id, None)
        self.creates[event_id] = by

    def _created(self, event: rf.ResponseCreated) -> None:
        if event.out_of_band or event.response_id in self.over:
            return
        self.committed = False
        if event.client_event_id in self.creates:
            self._settle(event.client_event_id or "", event.response_id)
        elif not self.speaking:
            self.voice_until = None
        self.alive.setdefault(event.response_id, math.inf)

    def _done(self, event: rf.ResponseDone) -> None:
        if event.out_of_band:
            return
        if event.client_event_id in self.creates:
            self._settle(event.client_event_id or "", event.response_id)
        elif event.response_id not in (*self.alive, *self.over) and not self.speaking:
            self.voice_until, self.committed = None, False  # it was never announced
        self.alive.pop(event.response_id, None)
        self.over.add(event.response_id)
        spoke = any(self.owner.get(item) == event.response_id for item in self.delivered)
        if event.status is rf.ResponseStatus.COMPLETED and spoke:
            self.losses = 0

    def _error(self, event: rf.ErrorReceived) -> None:
        pending = [k for k, until in self.alive.items() if k in self.creates and until > self.now]
        if event.event_id in self.probes:
            # Ordered protocol: nothing to cancel, so the creates before it came to nothing.
            for key in self.probes[event.event_id or ""]:
                self.alive.pop(key, None)
        elif event.event_id in self.creates:
            self._settle(event.event_id or "", "an error")
        elif event.event_id is None:
            if len(pending) == 1:
                self.alive[pending[0]] = self.now
            self.voice_until, self.committed = None, False
        for response_id, cancel in tuple(self.cancels.items()):
            if cancel != event.event_id or response_id in self.over:
                continue
            if response_id not in self.alive:
                del self.cancels[response_id]  # named by a conflict, and not there yet (G4)
            else:
                self.alive[response_id] = min(self.alive[response_id], self.now + _RACE)
        if event.error.kind is rf.ErrorKind.FATAL:
            self.dead = True

    def _connection(self, event: rf.ConnectionLost | rf.ConnectionReady) -> None:
        lost = isinstance(event, rf.ConnectionLost)
        if lost or self.connected:  # a second one without a loss is a rollover
            self.alive = {key: t for key, t in self.alive.items() if "/" in key}
            self.speaking, self.voice_until, self.committed = False, None, False
        if lost and (self.connected or getattr(event, "for_good", False)):
            self._lose()
        self.connected = not lost
        if not lost:
            self.up_since = self.now

    def _lose(self) -> None:
        self.losses = 0 if self.now - self.up_since >= _HEALTHY else self.losses
        self.losses += 1

    def _speech(self, event: rf.Event) -> None:
        """G24: when server VAD's own response may come, at the latest."""
        if isinstance(event, rf.SessionConfigured):
            self.server_creates = event.server_creates
        elif isinstance(event, rf.SpeechStarted):
            self.speaking = self.spoke = True
            self.voice_until = self.now + self.policy.speech_timeout
        elif isinstance(event, rf.SpeechStopped) and self.speaking:
            self.speaking = False
            self.voice_until = self.now + self.policy.timeout if self.server_creates else None
        elif isinstance(event, rf.InputCommitted):
            expected = self.voice_until is not None and self.now < self.voice_until
            if expected and not self.speaking and self.server_creates and not self.dead:
                self.committed = True
        elif isinstance(event, rf.InputCleared) and not self.committed:
            self.speaking, self.voice_until = False, None

    # --- the controller

    def said(self, command: rf.Command, now: float) -> None:
        self.now = now
        turn_id: str | None = getattr(command, "turn_id", None)
        if turn_id is None:
            self._to_the_session(command)
            return
        # A turn that nobody asked for begins with its first command.
        record = self.turns.setdefault(turn_id, Record(now))
        if isinstance(command, rf.TurnMoved):
            self.committed = False  # G18: some turn lives and answers, or this fails below
            if command.event == "RESPONSE_CREATED" and not record.attempts:
                record.attempts = 1  # nobody here asked for it
            return
        self.check(record.ended is None, "G7", f"{type(command).__name__} after the turn's end")
        if isinstance(command, rf.CreateResponse):
            self._create(command, record)
        elif isinstance(command, rf.ExposeTurn):
            self.check(not record.exposed, "G7", "exposed twice")
            self.check(
                command.response_id in self.alive, "G3", "exposed by a response that is over"
            )
            record.exposed = True
        elif isinstance(command, rf.DeliverItem):
            self._deliver(command, record)
        elif isinstance(command, rf.EndStreams):
            self.check(not record.streams_ended, "G7", "streams ended twice")
            record.streams_ended = True
        elif isinstance(command, rf.Recovering):
            self._recovering(command, record)
        elif isinstance(command, rf.ReportFailure):
            self.check(not record.reported, "G12", "one failure reported twice")
            record.reported, record.fatal = True, command.fatal
            called = any(self.kinds.get(i) is rf.ItemKind.FUNCTION_CALL for i in record.delivered)
            self.check(command.on_handle != called, "G8", "the failure of a turn whose tool speaks")
        elif isinstance(command, rf.TurnEnded):
            self._ended(command, record)

    def _create(self, command: rf.CreateResponse, record: Record) -> None:
        alive = [key for key, until in self.alive.items() if self.now < until - _MOMENT]
        cancelled = [key for key in alive if key in self.cancels]
        self.check(not cancelled, "G5", f"a create between the cancel and the end of {cancelled}")
        self.check(not alive, "G1", f"a create while {alive} may be alive")
        self.check(self.connected, "G19", "a create without a connection")
        self.check(not self.dead and not record.fatal, "G10", "a create after a fatal error")
        voice = self.server_creates and self.voice_until is not None
        late = self.voice_until is not None and self.now >= self.voice_until - _MOMENT
        self.check(not voice or late, "G24", "a create while server VAD's answer is due")
        self.check(command.attempt == record.attempts + 1, "G2", "an attempt twice, or left out")
        self.check(not record.interrupted, "G23", "a create for an interrupted turn")
        again = record.exposed and self.policy.after_exposure != "regenerate"
        self.check(not again, "G9", "a create after something was handed out")
        self.check(self.now >= record.due - _MOMENT, "G9", "a create before the backoff is over")
        by = (record.first_failure or self.now) + self.policy.recovery_deadline
        bounded = self.spoke or record.exposed or self.now <= by + _MOMENT
        self.check(bounded, "G9", "a create after the recovery deadline")
        record.attempts += 1
        self.alive[f"{command.turn_id}/{command.attempt}"] = math.inf

    def _recovering(self, command: rf.Recovering, record: Record) -> None:
        again = record.exposed and self.policy.after_exposure != "regenerate"
        self.check(not again, "G9", "a retry after something was handed out")
        self.check(not self.dead, "G10", "a retry after a fatal error")
        if command.reason.code == "slow":
            return  # only doubted
        record.recovering += 1
        record.counted += command.reason.kind is not rf.ErrorKind.SESSION_END
        self.check(record.counted <= self.policy.max_retry, "G9", "more retries than allowed")
        record.due = self.now + command.wait
        if record.first_failure is None:
            record.first_failure = self.now

    def _deliver(self, command: rf.DeliverItem, record: Record) -> None:
        item = command.item_id
        self.delivered[item] += 1
        call = self.kinds.get(item) is not rf.ItemKind.MESSAGE
        self.check(self.delivered[item] == 1, "G17" if call else "G13", f"{item} handed out twice")
        of = self.owner.get(item)
        self.check(of is None or of in self.alive, "G3", f"{item} of a response that is over")
        self.check(not record.interrupted, "G4", f"{item} of a cancelled response")
        record.delivered.append(item)
        messages = [i for i in record.delivered if self.kinds.get(i) is rf.ItemKind.MESSAGE]
        order = [i for i in self.first_output if i in messages]
        self.check(messages == order, "G13", f"{messages} instead of {order}")

    def _ended(self, command: rf.TurnEnded, record: Record) -> None:
        record.ended = command.outcome
        self.check(record.streams_ended, "G7", "the turn ends before its streams")
        failed = command.outcome is rf.TurnOutcome.FAILED
        cut = command.outcome is rf.TurnOutcome.INCOMPLETE
        self.check(record.reported or not (failed or cut), "G8", "a turn fails unseen")
        whole = command.outcome is rf.TurnOutcome.COMPLETED
        self.check(not (whole and record.reported), "G8", "a failed turn ends as completed")
        self.check(command.error is not None or not failed, "G8", "a failure without an error")

    def _to_the_session(self, command: rf.Command) -> None:
        if isinstance(command, rf.CancelResponse):
            rid = command.response_id
            self.check(self.connected, "G19", "a cancel without a connection")
            self.check(rid not in self.cancels, "G6", f"{rid} cancelled twice")
            self.check(rid not in self.over, "G6", f"{rid} cancelled after its end")
            self.cancels[rid] = command.event_id
            if rid in self.alive:
                self.alive[rid] = self.now + self.policy.cancel_timeout
        elif isinstance(command, rf.ProbeCancel):
            sent = {key for key in self.alive if key in self.creates}
            hit = [k for k, t in self.alive.items() if k not in sent and self.now < t - _MOMENT]
            self.check(not hit, "G6", f"a bare cancel that may hit {hit}")
            self.probes[command.event_id] = sent
            for key in sent:
                self.alive[key] = min(self.alive[key], self.now + self.policy.first_doubt)
        elif isinstance(command, rf.DeleteItem):
            self.deleted[command.item_id] += 1
            self.check(self.deleted[command.item_id] == 1, "G16", "an item deleted twice")
        elif isinstance(command, rf.ReplaceConnection):
            # What was queued in what is replaced never leaves.
            self.alive = {key: t for key, t in self.alive.items() if "/" not in key}
            self.check(not self.dead, "G10", "a new connection after a fatal error")
            few = self.losses <= self.policy.max_reconnect
            self.check(few, "G11", "another connection without progress")
            self.check(not (self.losses > 1 and not command.wait), "G11", "no wait before another")
        elif isinstance(command, rf.ReportSession):
            conflict = isinstance(self.event, rf.ErrorReceived) and (
                self.event.error.kind is rf.ErrorKind.CONFLICT
            )
            self.check(not conflict, "G20", "a conflict ends the session")
            if command.error.code == _SILENT:
                self._lose()  # nobody told, and this was one too many
            spent = self.losses > self.policy.max_reconnect
            self.check(self.dead or spent, "G26", "the session ends and nothing was fatal")
            self.dead = True

    # --- at any time, and at the end

    def rest(self, c: rf.TurnController) -> None:
        """What holds between two events."""
        live = {turn.id: turn for turn in c.turns}
        for turn_id, record in self.turns.items():
            self.check((turn_id in live) == (record.ended is None), "G7", f"{turn_id} lives on")
        busy = any(t.state is not rf.TurnState.CANCELLING for t in live.values())
        idle = c.activity is rf.Activity.IDLE
        self.check(idle != busy, "G22", f"{c.activity} with {sorted(live)}")
        for turn in (*c.turns, *c.finished):
            ended = turn.outcome is not None
            self.check(ended != turn.live, "G7", f"{turn.state} and {turn.outcome}")
            failed = turn.state is rf.TurnState.FAILED
            self.check(failed == (turn.outcome is rf.TurnOutcome.FAILED), "G8", f"{turn.state}")
            for message in turn.messages:
                self._heard(message)
        without = [reason for reason in c.ignored if reason.endswith((": no row", ": refused"))]
        self.check(not without, "G25", f"an event without a rule: {without}")

    def _heard(self, message: rf.Message) -> None:
        over = message.state is rf.PlaybackState.FINISHED
        self.check(over == (message.outcome is not None), "G14", f"{message.item_id}: two ends")
        ms = message.heard_ms
        if ms is not None:
            bounded = ms >= 0 and (not message.received_ms or ms <= message.received_ms)
            self.check(type(ms) is int and bounded, "G15", f"{message.item_id}: {ms!r} ms heard")
        skipped = message.outcome is rf.MessageOutcome.SKIPPED
        self.check(not skipped or ms == 0, "G15", f"{message.item_id}: skipped, {ms} ms heard")
        kept = message.outcome in (rf.MessageOutcome.FULL, rf.MessageOutcome.PARTIAL)
        gone = self.deleted[message.item_id] > 0
        self.check(not (kept and gone), "G16", f"{message.item_id} was heard and is deleted")

    def end(self, c: rf.TurnController) -> None:
        """What holds when nothing happens any more but time."""
        self.check(not c.turns, "G18", f"hang: {[(t.id, t.label) for t in c.turns]}")
        self.check(c.next_deadline() is None, "G7", "a timer is left")
        for turn_id, record in self.turns.items():
            self.check(record.ended is not None, "G18", f"{turn_id} neither answered nor failed")
        self.check(not self.committed or self.dead, "G18", "a committed turn without an answer")
        for turn in c.finished:
            for message in turn.messages:
                pulled = message.outcome is not None or not turn.playback_reported
                self.check(
                    pulled or not message.delivered, "G14", f"{message.item_id} has no outcome"
                )
                unheard = message.delivered and message.outcome is rf.MessageOutcome.SKIPPED
                gone = self.deleted[message.item_id] or c.closed
                self.check(gone or not unheard, "G16", f"{message.item_id} unheard, and kept")
        if not self.dead and not c.closed:
            for item, of in self.owner.items():
                kept = not self.deleted[item] and not self.delivered[item]
                ours = of in self.over and self.kinds[item] is not rf.ItemKind.OTHER
                self.check(not (kept and ours), "G16", f"{item} was never handed out, and is kept")
