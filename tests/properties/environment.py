"""What surrounds a controller: a server with latency both ways, a wire that breaks, a user.

The server is a few lines that do at any instant what a server might, also in orders that the
simulator's never has (`protocol.py` has that one). What the controller makes of it is judged by
`watch.Watch`.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

import realtime_fsm as rf
from realtime_fsm.testing.corpus import RecordingController

from .watch import Watch


@dataclass
class Response:
    id: str
    items: int = 0
    last_item: str | None = None


@dataclass
class Environment:
    """Frames wait in two queues until a rule moves them."""

    policy: rf.RetryPolicy = field(default_factory=rf.RetryPolicy)
    now: float = 0.0

    def __post_init__(self) -> None:
        self.c = RecordingController(self.policy)
        self.c.playback_reported = True
        self.created: set[str] = set()  # creates that the server has read
        self.outgoing: deque[rf.CreateResponse] = deque()  # commanded, not on the wire
        self.to_server: deque[tuple[str, str, str | None]] = deque()
        self.to_client: deque[rf.Event] = deque()
        self.active: Response | None = None
        self.count = 0
        self.connected = True
        self.turns: dict[str, rf.Turn] = {}
        self.watch = Watch(self.policy)
        self.settled: Counter[str] = Counter()
        self.past: list[str] = []
        self.speaking = False
        self.speech_over = False
        self.log: list[str] = []

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    # --- the client

    def run(self) -> None:
        commands = self.c.commands()
        while commands:
            for command in commands:
                self.log.append(f"{self.now:7.2f} <- {command}")
                self.watch.said(command, self.now)
                self._do(command)
            commands = self.c.commands()
        for turn in self.c.turns:
            self.turns.setdefault(turn.id, turn)
        self.watch.rest(self.c)

    def _do(self, command: rf.Command) -> None:
        if isinstance(command, rf.CreateResponse):
            self.outgoing.append(command)
        elif isinstance(command, rf.CancelResponse):
            self.to_server.append(("cancel", command.event_id, command.response_id))
        elif isinstance(command, rf.ProbeCancel):
            self.to_server.append(("cancel", command.event_id, None))
        elif isinstance(command, rf.DeleteItem):
            self.to_server.append(("delete", command.event_id, command.item_id))
        elif isinstance(command, rf.ReplaceConnection):
            self.outgoing.clear()
            self._disconnect()

    def ask(self, origin: rf.Origin) -> None:
        self.watch.now = self.now
        turn = self.c.request(self.now, origin=origin)
        self.log.append(f"{self.now:7.2f} -> asks {turn.id}")
        self.watch.asks(turn.id)
        self.turns[turn.id] = turn
        self.run()

    def interrupt(self, turn: rf.Turn) -> None:
        """G21, G23: it is applied to this turn alone, and not to one that has ended."""
        ended = not turn.live
        before = {t.id: (t.interrupted, t.state) for t in self.turns.values()}
        self.c.interrupt(turn, self.now)
        self.log.append(f"{self.now:7.2f} -> interrupts {turn.id}")
        if not ended:
            self.watch.interrupts(turn.id)
        self.run()
        for other in self.turns.values():
            if other is not turn:
                same = before.get(other.id, (False, None))[0] == other.interrupted
                self.watch.check(same, "G21", f"{other.id} is interrupted with {turn.id}")
        state = (turn.interrupted, turn.state)
        self.watch.check(not ended or state == before[turn.id], "G23", "an ended turn is changed")
        self.watch.check(ended or turn.interrupted, "G23", "an interrupt is lost")

    def tell(self, event: rf.Event) -> bool:
        self.log.append(f"{self.now:7.2f} -> {event}")
        self.watch.told(event, self.now)
        known = self.c.receive(event, self.now)
        self.run()
        return known

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(200):
            at = self.c.next_deadline()
            if at is None or at > end:
                break
            self.now = max(self.now, at)
            self.c.advance(self.now)
            self.run()
        else:
            raise AssertionError("busy: deadlines never stop")
        self.now = end

    # --- the wire

    def leave(self, gone: bool = False) -> None:
        """The oldest commanded create goes out, or turns out not to."""
        create = self.outgoing.popleft()
        if gone:
            error = rf.error_info("not_sent", "server_error", "")
            self.tell(rf.CreateNotSent(turn_id=create.turn_id, attempt=create.attempt, error=error))
            return
        event_id = self.fresh("e")
        self.to_server.append(("create", event_id, None))
        self.tell(rf.CreateSent(turn_id=create.turn_id, attempt=create.attempt, event_id=event_id))

    def deliver(self) -> None:
        event = self.to_client.popleft()
        if isinstance(event, rf.ResponseCreated) and event.client_event_id is not None:
            self._settle(event.client_event_id)
        elif isinstance(event, rf.ResponseDone):
            self.past.append(event.response_id)
        elif isinstance(event, rf.ErrorReceived) and event.event_id in self.created:
            self._settle(event.event_id or "")
        self.tell(event)

    def _settle(self, event_id: str) -> None:
        self.settled[event_id] += 1
        assert self.settled[event_id] == 1, "the environment settled a create twice"

    def drop(self, *, for_good: bool = False) -> None:
        self._disconnect()
        error = rf.error_info("lost", "server_error", "")
        self.tell(rf.ConnectionLost(error=error, for_good=for_good))

    def _disconnect(self) -> None:
        self.connected = self.speaking = self.speech_over = False
        self.active = None
        self.to_server.clear()
        self.to_client.clear()

    def reconnect(self) -> None:
        """Also while connected: a planned rollover."""
        self._disconnect()
        self.connected = True
        self.tell(rf.ConnectionReady())

    # --- the server

    def serve(self, answer: str) -> None:
        """Handle the oldest client frame: accept, refuse or lose a create; honour a cancel."""
        kind, event_id, of = self.to_server.popleft()
        if kind == "delete":
            self.to_client.append(rf.ItemDeleted(item_id=of or ""))
        elif kind == "create":
            self.created.add(event_id)
            if self.active is not None:
                error = rf.error_info(ACTIVE, None, f"active response: resp_{self.active.id}")
                self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))
            elif answer == "accept":
                self.active = Response(self.fresh("r"))
                self.to_client.append(
                    rf.ResponseCreated(response_id=self.active.id, client_event_id=event_id)
                )
            elif answer == "done":
                # Seen in the wild: a terminal without created (twilio-samples/…-node#37).
                failed = rf.ResponseStatus.FAILED
                rid = self.fresh("r")
                self.to_client.append(
                    rf.ResponseDone(response_id=rid, status=failed, client_event_id=event_id)
                )
            elif answer != "lose":
                error = rf.error_info(answer, None, "")
                self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))
        elif self.active is not None and of in (None, self.active.id):
            self.finish(rf.ResponseStatus.CANCELLED, "client_cancelled")
        else:
            error = rf.error_info(NOT_ACTIVE, None, "Cancellation failed")
            self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))

    def vad(self) -> None:
        """The user spoke and server VAD answers."""
        self.speak("start")
        self.speak("stop")
        self.speak("answer")

    def speak(self, what: str) -> None:
        """The next thing that may happen of the user's speech, if it can."""
        if what == "start" and not self.speaking:
            if self.active is not None:
                self.finish(rf.ResponseStatus.CANCELLED, "turn_detected")
            self.to_client.append(rf.SpeechStarted())
            self.speaking, self.speech_over = True, False
        elif what == "stop" and self.speaking:
            self.to_client += [rf.SpeechStopped(), rf.InputCommitted()]
            self.speaking, self.speech_over = False, True
        elif what == "cough" and self.speaking:
            self.to_client += [rf.SpeechStopped(), rf.InputCleared()]
            self.speaking = False
        elif what == "answer" and self.speech_over and self.active is None:
            self.speech_over = False
            self.active = Response(self.fresh("v"))
            self.to_client.append(rf.ResponseCreated(response_id=self.active.id))
        elif what == "fail" and self.speech_over and self.active is None:
            self.speech_over = False
            error = rf.error_info("server_error", None, "")
            self.to_client.append(rf.ErrorReceived(error=error))

    def generate(self, what: str) -> None:
        assert self.active is not None
        r = self.active
        if what == "reasoning":
            item, kind = self.fresh("i"), rf.ItemKind.OTHER
            self.to_client.append(rf.ItemStarted(response_id=r.id, item_id=item, kind=kind))
            return
        if what == "activity":
            self.to_client.append(rf.ResponseActivity(response_id=r.id))
            return
        if what == "delta" and r.last_item is not None:
            self.to_client.append(
                rf.OutputReceived(response_id=r.id, item_id=r.last_item, audio_ms=100)
            )
            return
        item, kind = self.fresh("i"), rf.ItemKind.MESSAGE
        if what == "call":
            kind = rf.ItemKind.FUNCTION_CALL
        self.to_client.append(rf.ItemStarted(response_id=r.id, item_id=item, kind=kind))
        if what == "call":
            self.to_client.append(rf.CallReceived(response_id=r.id, item_id=item))
        else:
            r.last_item = item

    def finish(self, status: rf.ResponseStatus, code: str = "server_error") -> None:
        assert self.active is not None
        error = None
        if status is not rf.ResponseStatus.COMPLETED:
            error = rf.error_info(code, None, "")
        self.to_client.append(
            rf.ResponseDone(response_id=self.active.id, status=status, error=error)
        )
        self.active = None

    # --- the end

    def fall_silent(self) -> None:
        """Nothing happens any more but time: every turn must end (no wait without an end)."""
        for _ in range(5_000):
            at = self.c.next_deadline()
            if at is None:
                break
            self.now = max(self.now, at)
            self.c.advance(self.now)
            self.run()
        self.watch.end(self.c)


ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"
