"""What surrounds a controller: a server with latency both ways, a wire that breaks, a user.

An oracle of its own: it shares no code with the controller, and judges each ``response.create`` by
the evidence that was delivered before it (G1, G5), and each turn by what the controller said of it.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import realtime_fsm as rf
from realtime_fsm.testing.corpus import RecordingController


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
        self.outgoing: deque[rf.CreateResponse] = deque()  # commanded, not on the wire
        self.to_server: deque[tuple[str, str, str | None]] = deque()
        self.to_client: deque[rf.Event] = deque()
        self.active: Response | None = None
        self.count = 0
        self.connected = True
        self.turns: dict[str, rf.Turn] = {}
        self.ended: dict[str, int] = {}
        self.settled: dict[str, int] = {}
        self.past: list[str] = []
        # the oracle's knowledge
        self.believed: dict[str, float] = {}  # what a client must think alive, until when
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
                self._check(command)
            commands = self.c.commands()

    def _check(self, command: rf.Command) -> None:
        turn_id = getattr(command, "turn_id", None)
        if turn_id is not None and not isinstance(command, rf.TurnMoved):
            assert not self.ended.get(turn_id), f"G7: {command} after the turn's end"
        if isinstance(command, rf.TurnEnded):
            self.ended[command.turn_id] = self.ended.get(command.turn_id, 0) + 1
            assert self.ended[command.turn_id] == 1, "G7: ended twice"
        elif isinstance(command, rf.CreateResponse):
            alive = [k for k, until in self.believed.items() if self.now < until]
            assert not alive, f"G1/G5: create while {alive} may be alive"
            assert self.connected, "G19: create without a connection"
            self.believed[f"{command.turn_id}/{command.attempt}"] = math.inf
            self.outgoing.append(command)
        elif isinstance(command, rf.CancelResponse):
            # A cancel without an answer is given up after its time-out.
            self.believed[command.response_id] = self.now + self.policy.cancel_timeout
            self.to_server.append(("cancel", command.event_id, command.response_id))
        elif isinstance(command, rf.ProbeCancel):
            # An unanswered create is given up when its probe stays unanswered too.
            for key in [k for k in self.believed if k.startswith("e")]:
                self.believed[key] = min(self.believed[key], self.now + self.policy.timeout)
            self.to_server.append(("cancel", command.event_id, None))

    def ask(self, origin: rf.Origin) -> None:
        turn = self.c.request(self.now, origin=origin)
        self.turns[turn.id] = turn
        self.run()

    def interrupt(self, turn: rf.Turn) -> None:
        self.c.interrupt(turn, self.now)
        self.run()

    def tell(self, event: rf.Event) -> bool:
        self.log.append(f"{self.now:7.2f} -> {event}")
        known = self.c.receive(event, self.now)
        self.run()
        for turn in self.c.turns:
            self.turns.setdefault(turn.id, turn)
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

    def leave(self) -> None:
        """The oldest commanded create goes out."""
        create = self.outgoing.popleft()
        key, event_id = f"{create.turn_id}/{create.attempt}", self.fresh("e")
        self.believed.pop(key, None)
        self.believed[event_id] = self.now + 2 * self.policy.timeout
        self.to_server.append(("create", event_id, None))
        self.tell(rf.CreateSent(turn_id=create.turn_id, attempt=create.attempt, event_id=event_id))

    def deliver(self) -> None:
        event = self.to_client.popleft()
        if isinstance(event, rf.ResponseCreated):
            if event.client_event_id is not None:
                self._settle(event.client_event_id)
            self.believed[event.response_id] = math.inf
        elif isinstance(event, rf.ResponseDone):
            self.believed.pop(event.response_id, None)
            self.past.append(event.response_id)
        elif isinstance(event, rf.ErrorReceived) and event.event_id in self.believed:
            self._settle(event.event_id)
        elif isinstance(event, rf.ErrorReceived) and event.error.code == NOT_ACTIVE:
            # Ordered protocol: nothing to cancel, so every create before it came to nothing.
            for key in [k for k in self.believed if k.startswith("e")]:
                if self.settled.get(key) is None and key in self.lost:
                    self._settle(key)
        self.tell(event)

    @property
    def lost(self) -> set[str]:
        return self._lost

    _lost: set[str] = field(default_factory=set, init=False)

    def _settle(self, event_id: str) -> None:
        self.believed.pop(event_id, None)
        self.settled[event_id] = self.settled.get(event_id, 0) + 1
        assert self.settled[event_id] == 1, "the environment settled a create twice"

    def drop(self) -> None:
        self.connected = False
        self.active = None
        self.to_server.clear()
        self.to_client.clear()
        unsent = {f"{c.turn_id}/{c.attempt}" for c in self.outgoing}
        self.believed = {k: v for k, v in self.believed.items() if k in unsent}
        self.tell(rf.ConnectionLost(error=rf.error_info(None, "server_error", "")))

    def reconnect(self) -> None:
        self.connected = True
        self.tell(rf.ConnectionReady())

    # --- the server

    def serve(self, answer: str) -> None:
        """Handle the oldest client frame: accept, refuse or lose a create; honour a cancel."""
        kind, event_id, response_id = self.to_server.popleft()
        if kind == "create":
            if self.active is not None:
                error = rf.error_info(ACTIVE, None, f"active response: resp_{self.active.id}")
                self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))
            elif answer == "accept":
                self.active = Response(self.fresh("r"))
                self.to_client.append(
                    rf.ResponseCreated(response_id=self.active.id, client_event_id=event_id)
                )
            elif answer == "refuse":
                error = rf.error_info("server_error", None, "")
                self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))
            else:
                self._lost.add(event_id)
        elif self.active is not None and response_id in (None, self.active.id):
            self.finish(rf.ResponseStatus.CANCELLED)
        else:
            error = rf.error_info(NOT_ACTIVE, None, "Cancellation failed")
            self.to_client.append(rf.ErrorReceived(error=error, event_id=event_id))

    def vad(self) -> None:
        """The user spoke and server VAD answers."""
        if self.active is not None:
            self.finish(rf.ResponseStatus.CANCELLED)
        self.to_client.append(rf.SpeechStarted())
        self.to_client.append(rf.SpeechStopped())
        self.active = Response(self.fresh("v"))
        self.to_client.append(rf.ResponseCreated(response_id=self.active.id))

    def generate(self, what: str) -> None:
        assert self.active is not None
        r = self.active
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
        if status is rf.ResponseStatus.FAILED:
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
        live = [(t.id, t.label) for t in self.c.turns]
        assert not live, f"hang: {live}"
        assert self.c.next_deadline() is None
        for turn in self.turns.values():
            assert not turn.live
            assert turn.outcome is not None
            assert self.ended[turn.id] == 1


ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"
