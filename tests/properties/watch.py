"""The judge of the random histories: that of the exhaustive search, told by events, and what needs more memory.

It knows the guarantees (`guarantees.py` has them in words), the policy and the public events and
commands, and shares no code with the controller. What it cannot know for certain it lets pass. What
a client must believe, and what it may say then, is judged by `realtime_fsm.lab.explore.oracle`.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, field

import realtime_fsm as rf
from realtime_fsm.lab.explore.oracle import Oracle, Violation

_MOMENT = 1e-6
#: Seconds that a terminal may be behind the news that its response is not active any more.
_RACE = 0.5
_DOUBTS = ("slow", "stalling")
_HEALTHY = 60.0
#: The code of a loss that the controller found out by itself.
_SILENT = "connection_silent"
_NAMED = re.compile(r"\bresp_\w+")


@dataclass
class Memory:
    """What the search need not remember of a turn."""

    due: float = -math.inf
    delivered: list[str] = field(default_factory=list)


class Watch(Oracle):
    """Tell it everything in order: `told` before the controller gets an event, `said` for each of
    its commands, and what the host does. Raises :class:`Violation`."""

    def __init__(self, policy: rf.RetryPolicy) -> None:
        super().__init__(policy)
        self.memory: dict[str, Memory] = {}  # of all turns, also of those that ended
        self.asked_by: dict[str, tuple[str, int]] = {}  # turn and attempt, by event id
        self.probes: dict[str, list[str]] = {}
        self.cancels: dict[str, str] = {}  # response by event id
        self.over_ids: set[str] = set()
        self.spoken: set[str] = set()  # responses that completed, and of which something came
        self.rumoured: set[str] = set()  # named by a conflict, and not announced
        self.first_output: list[str] = []
        self.kinds: dict[str, rf.ItemKind] = {}
        self.owner: dict[str, str] = {}  # items, by response
        self.delivered: Counter[str] = Counter()
        self.deleted: Counter[str] = Counter()
        self.up_since = -math.inf
        #: When what runs now was first known to run, None: nothing does; and how long the last one had lasted.
        self.began: float | None = None
        self.lasted = 0.0
        self.losses = 0
        self.server_creates = self.speaking = False  # not known before the session is configured
        self.event: rf.Event | None = None

    def check(self, holds: object, guarantee: str, what: str) -> None:
        if not holds:
            raise Violation(f"{guarantee}: {what}")

    # --- the host

    def asks(self, turn_id: str) -> None:
        self._known(turn_id)
        self.owed = False  # it answers that too
        self.event = None

    def interrupts(self, turn_id: str) -> None:
        self._known(turn_id)
        if turn_id in self.turns:
            self.turns[turn_id].interrupted = True
        self.event = None

    def _known(self, turn_id: str) -> None:
        """A turn that nobody asked for begins when it is seen first."""
        if turn_id not in self.memory:
            self.memory[turn_id] = Memory()
            self.new_turn(turn_id)

    # --- the server and the wire

    def told(self, event: rf.Event, now: float) -> None:
        self.now, self.event = now, event
        if isinstance(event, rf.CreateSent):
            self.asked_by[event.event_id] = (event.turn_id, event.attempt)
            self.sent(event.turn_id, event.attempt, event.event_id)
            self.began = now if self.began is None else self.began
        elif isinstance(event, rf.CreateNotSent):
            self.not_sent(event.turn_id, event.attempt)
        elif isinstance(event, rf.ResponseCreated):
            self._created(event)
        elif isinstance(event, rf.ResponseDone):
            self._done(event)
        elif isinstance(event, rf.ItemStarted) and event.response_id not in self.over_ids:
            self.kinds.setdefault(event.item_id, event.kind)
            if self.alive(event.response_id):  # else its cancel was never answered
                self.owner.setdefault(event.item_id, event.response_id)
        elif isinstance(event, rf.OutputReceived):
            known = event.item_id in self.kinds and event.response_id not in self.over_ids
            if known and event.item_id not in self.first_output:
                self.first_output.append(event.item_id)
        elif isinstance(event, rf.ErrorReceived):
            self._error(event)
        elif isinstance(event, (rf.ConnectionLost, rf.ConnectionReady)):
            self._connection(event)
        elif isinstance(event, rf.SessionFailed):
            self.dead = True
        elif isinstance(event, rf.SpeechOver) and event.turn_id in self.turns:
            self.turns[event.turn_id].left_alone = not event.interrupted
        else:
            self._speech(event)

    def _created(self, event: rf.ResponseCreated) -> None:
        if event.out_of_band or event.response_id in self.over_ids:
            return
        asked = self.asked_by.get(event.client_event_id or "")
        if asked is None and not self.speaking:
            self.speech(None)
        self.owed = False
        self.rejected(event.client_event_id)
        self.rumoured.discard(event.response_id)
        if event.response_id not in self.cancelled:
            self.created(event.response_id, event.client_event_id)
        record = self.turns.get(asked[0]) if asked is not None else None
        if asked is not None and record is not None and record.adopts(asked[1]):
            self.adopted(record, asked[1])

    def _done(self, event: rf.ResponseDone) -> None:
        if event.out_of_band:
            return
        known = event.client_event_id in self.asked_by
        unannounced = not known and event.response_id not in (*self.believed, *self.over_ids)
        if unannounced and not self.speaking:
            self.speech(None)
            self.owed = False
        self.over(event.response_id, event.client_event_id)
        self.over_ids.add(event.response_id)
        spoke = any(self.owner.get(item) == event.response_id for item in self.delivered)
        if event.status is rf.ResponseStatus.COMPLETED and spoke:
            self.losses = 0
            self.spoken.add(event.response_id)

    def _error(self, event: rf.ErrorReceived) -> None:
        name = event.event_id
        if name in self.probes:
            # Ordered protocol: nothing to cancel, so the creates before it came to nothing.
            for key in self.probes[name or ""]:
                self.rejected(key)
        elif name is None:
            self.refused_unlinked()
            self.owed = False
        else:
            self.rejected(name)
        response_id = self.cancels.get(name or "")
        if response_id is not None and response_id not in self.over_ids:
            if response_id in self.rumoured:
                self.over(response_id)  # it is not there yet (G4)
            else:
                until = self.believed.get(response_id, math.inf)
                self.believed[response_id] = min(until, self.now + _RACE)
        for response_id in _NAMED.findall(event.error.message):
            if event.error.kind is rf.ErrorKind.CONFLICT and response_id not in self.over_ids:
                self.rumoured |= {response_id} - set(self.believed)
                self.conflict(response_id)
        if event.error.kind is rf.ErrorKind.FATAL:
            self.dead = True

    def _connection(self, event: rf.ConnectionLost | rf.ConnectionReady) -> None:
        lost = isinstance(event, rf.ConnectionLost)
        if lost or self.connected:  # a second one without a loss is a rollover
            self.disconnected()
            self.speaking = self.owed = False
        if lost and (self.connected or getattr(event, "for_good", False)):
            self._lose()
        self.connected = not lost
        if not lost:
            self.up_since = self.began = self.now

    def _lose(self) -> None:
        self.lasted = 0.0 if self.began is None else self.now - self.began
        self.began = None
        self.losses = 0 if self.now - self.up_since >= _HEALTHY else self.losses
        self.losses += 1

    def _speech(self, event: rf.Event) -> None:
        """G24: when server VAD's own response may come, at the latest."""
        if isinstance(event, rf.SessionConfigured):
            self.server_creates = event.server_creates
        elif isinstance(event, rf.SpeechStarted):
            self.speaking = True
            self.speech(self.policy.speech_timeout)
        elif isinstance(event, rf.SpeechStopped) and self.speaking:
            self.speaking = False
            longest = min(self.policy.timeout, self.policy.vad_answer_timeout)
            self.speech(longest if self.server_creates else None)
        elif isinstance(event, rf.InputCommitted):
            expected = self.voice_until is not None and self.now < self.voice_until
            if expected and not self.speaking and self.server_creates and not self.dead:
                self.owed = True
        elif isinstance(event, rf.InputCleared) and not self.owed:
            self.speaking = False
            self.speech(None)

    # --- the controller

    def said(self, command: rf.Command, now: float) -> None:
        self.now = now
        turn_id: str | None = getattr(command, "turn_id", None)
        if turn_id is not None:
            self._known(turn_id)
        if isinstance(command, rf.TurnMoved):
            self.owed = False  # G18: some turn lives and answers, or this fails below
            self._begins(command)
        elif isinstance(command, rf.CreateResponse):
            due = self.memory[command.turn_id].due
            self.check(now >= due - _MOMENT, "G9", "a create before the backoff is over")
        elif isinstance(command, rf.Recovering) and command.reason.code not in _DOUBTS:
            self.memory[command.turn_id].due = now + command.wait
        elif isinstance(command, rf.DeliverItem):
            self._deliver(command)
        elif isinstance(command, rf.ReportFailure):
            items = self.memory[command.turn_id].delivered
            called = any(self.kinds.get(i) is rf.ItemKind.FUNCTION_CALL for i in items)
            self.check(command.on_handle != called, "G8", "the failure of a turn whose tool speaks")
        elif isinstance(command, rf.TurnEnded):
            failed = command.outcome is rf.TurnOutcome.FAILED
            self.check(command.error is not None or not failed, "G8", "a failure without an error")
        else:
            self._to_the_session(command)
        self.command(command)

    def _begins(self, command: rf.TurnMoved) -> None:
        """A turn that nobody here asked for: server VAD's own."""
        record = self.turns.get(command.turn_id)
        if record is not None and command.event == "RESPONSE_CREATED" and not record.asked:
            record.asked = record.current = 1
            record.given_up = False

    def _deliver(self, command: rf.DeliverItem) -> None:
        item, items = command.item_id, self.memory[command.turn_id].delivered
        self.delivered[item] += 1
        call = self.kinds.get(item) is not rf.ItemKind.MESSAGE
        self.check(self.delivered[item] == 1, "G17" if call else "G13", f"{item} handed out twice")
        of = self.owner.get(item)
        self.check(of is None or of in self.believed, "G3", f"{item} of a response that is over")
        items.append(item)
        messages = [i for i in items if self.kinds.get(i) is rf.ItemKind.MESSAGE]
        order = [i for i in self.first_output if i in messages]
        self.check(messages == order, "G13", f"{messages} instead of {order}")

    def _to_the_session(self, command: rf.Command) -> None:
        if isinstance(command, rf.CancelResponse):
            self.cancels[command.event_id] = command.response_id
        elif isinstance(command, rf.ProbeCancel):
            self.probes[command.event_id] = [key for key in self.creates if "/" not in key]
        elif isinstance(command, rf.DeleteItem):
            self.deleted[command.item_id] += 1
            self.check(self.deleted[command.item_id] == 1, "G16", "an item deleted twice")
        elif isinstance(command, rf.ReplaceConnection):
            lasted = self.lasted if self.began is None else self.now - self.began
            walks = lasted + command.wait >= self.policy.retry_interval - _MOMENT
            self.check(self.losses <= 2 or walks, "G11", "no wait before another")
        elif isinstance(command, rf.ReportSession):
            conflict = isinstance(self.event, rf.ErrorReceived) and (
                self.event.error.kind is rf.ErrorKind.CONFLICT
            )
            self.check(not conflict, "G20", "a conflict ends the session")
            if command.error.code == _SILENT:
                self._lose()  # nobody told, and this was one too many
            escalates = self.policy.on_exhausted == "escalate"
            spent = escalates and self.losses > self.policy.max_reconnect
            self.check(self.dead or spent, "G26", "the session ends and nothing was fatal")

    # --- at any time, and at the end

    def rest(self, c: rf.TurnController) -> None:
        """What holds between two events."""
        live = {turn.id: turn for turn in c.turns}
        for turn_id in live:
            self._known(turn_id)
        self.check(set(live) == set(self.turns), "G7", f"{sorted(live)} live, not {[*self.turns]}")
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
        self.check(not self.turns, "G18", f"{[*self.turns]} neither answered nor failed")
        self.check(not self.owed or self.dead, "G18", "a committed turn without an answer")
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
                ours = of in self.over_ids and self.kinds[item] is not rf.ItemKind.OTHER
                if of in self.spoken and item not in self.first_output:
                    continue  # complete, and empty
                self.check(not (kept and ours), "G16", f"{item} was never handed out, and is kept")
