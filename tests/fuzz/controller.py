"""Fuzz target: a controller against a server, a host and a clock that do anything at all.

Unlike in ``tests/properties`` nothing here follows a protocol, so single flight cannot be judged.
What must hold all the same: nothing raises (G25), each turn ends once and commands nothing
afterwards (G7), a response is cancelled once (G6) and a tool handed out once (G17), and when
everything falls silent the deadlines alone end every turn.
"""

from __future__ import annotations

from collections import Counter

import realtime_fsm as rf
from realtime_fsm._core.frames import parse

from .choices import Choices
from .parser import frame_of

_RESPONSES = tuple(f"r{n}" for n in range(6))
_ITEMS = tuple(f"i{n}" for n in range(8))
_WAITS = (0.0, 0.0, 0.05, 0.3, 1.0, 2.5, 6.0, 31.0)
_CODES = (
    "server_error",
    "rate_limit_exceeded",
    "conversation_already_has_active_response",
    "response_cancel_not_active",
    "invalid_value",
    "insufficient_quota",
    "session_expired",
    "who_knows",
)
_STEPS = 400
_DEADLINES = 3_000


class _World:
    def __init__(self, choices: Choices) -> None:
        self.choices = choices
        self.now = 0.0
        policy = rf.RetryPolicy(
            max_retry=choices.byte() % 4,
            after_exposure=choices.pick(("stop", "regenerate")),
        )
        self.controller = rf.TurnController(policy)
        self.controller.playback_reported = choices.byte() % 2 == 0
        self.controller.audible = choices.byte() % 2 == 0
        self.unsent: list[rf.CreateResponse] = []
        self.event_ids: list[str] = ["e0"]
        self.turns: list[str] = ["turn_1"]
        self.ended: set[str] = set()
        self.announced: Counter[str] = Counter()
        self.cancelled: Counter[str] = Counter()
        self.delivered: Counter[tuple[str, str]] = Counter()

    # --- what follows

    def run(self) -> None:
        for command in self.controller.commands():
            self._judge(command)

    def _judge(self, command: rf.Command) -> None:
        turn_id = getattr(command, "turn_id", None)
        assert turn_id not in self.ended, f"G7: {command} after the turn's end"
        if isinstance(command, rf.CreateResponse):
            self.unsent.append(command)
        elif isinstance(command, rf.CancelResponse):
            self.event_ids.append(command.event_id)
            self.cancelled[command.response_id] += 1
        elif isinstance(command, (rf.CheckConnection, rf.ProbeCancel, rf.DeleteItem)):
            self.event_ids.append(command.event_id)
        elif isinstance(command, rf.DeliverItem):
            self._delivered(command)
        elif isinstance(command, rf.TurnMoved) and command.turn_id not in self.turns:
            self.turns.append(command.turn_id)
        elif isinstance(command, rf.TurnEnded):
            self.ended.add(command.turn_id)

    def _delivered(self, command: rf.DeliverItem) -> None:
        key = (command.turn_id, command.item_id)
        self.delivered[key] += 1
        turn = self.controller.find(command.turn_id)
        # An item that the server calls a message first and a function call later is both.
        called = turn is not None and command.item_id in turn.calls
        both = called and any(m.item_id == command.item_id for m in turn.messages)
        assert self.delivered[key] == 1 or both, f"G17: {command}"

    def receive(self, event: rf.Event) -> None:
        if isinstance(event, rf.ResponseCreated):
            self.announced[event.response_id] += 1
        self.controller.receive(event, self.now)

    # --- what happens

    def step(self) -> None:
        c = self.choices
        what = c.byte() % 16
        if what == 0:
            self.controller.request(self.now, origin=c.pick(tuple(rf.Origin)))
        elif what == 1 and self.controller.turns:
            self.controller.interrupt(c.pick(self.controller.turns), self.now)
        elif what in (2, 3):
            self.now += c.pick(_WAITS)
            self.controller.advance(self.now)
        elif what == 4 and self.unsent:
            self._leaves(self.unsent.pop(c.byte() % len(self.unsent)))
        elif what < 14:
            self.receive(self._event(what))
        else:
            event = parse(frame_of(bytes(c.byte() for _ in range(c.byte() % 48))))
            if event is not None:
                self.receive(event)
        self.run()

    def _leaves(self, create: rf.CreateResponse) -> None:
        c = self.choices
        who = {"turn_id": create.turn_id, "attempt": create.attempt}
        if c.byte() % 8 == 0:
            self.receive(rf.CreateNotSent(**who, error=self._error()))  # type: ignore[arg-type]
            return
        event_id = f"e{create.turn_id}_{create.attempt}"
        self.event_ids.append(event_id)
        self.receive(rf.CreateSent(**who, event_id=event_id))  # type: ignore[arg-type]

    def _error(self) -> rf.ErrorInfo:
        return rf.error_info(self.choices.pick(_CODES), None, "")

    def _event(self, what: int) -> rf.Event:
        c = self.choices
        response, item = c.pick(_RESPONSES), c.pick(_ITEMS)
        turn = c.pick(self.turns)
        match what:
            case 5 | 6:
                asked = c.pick((*self.event_ids[-4:], None))
                return rf.ResponseCreated(response_id=response, client_event_id=asked)
            case 7:
                return rf.ItemStarted(
                    response_id=response, item_id=item, kind=c.pick(tuple(rf.ItemKind))
                )
            case 8:
                return rf.OutputReceived(
                    response_id=response, item_id=item, audio_ms=float(c.byte() * 10)
                )
            case 9:
                return rf.CallReceived(response_id=response, item_id=item)
            case 10:
                status = c.pick(tuple(rf.ResponseStatus))
                asked = c.pick((None, *self.event_ids[-2:]))
                error = None if status is rf.ResponseStatus.COMPLETED else self._error()
                return rf.ResponseDone(
                    response_id=response, status=status, error=error, client_event_id=asked
                )
            case 11:
                asked = c.pick((None, *self.event_ids[-4:]))
                return rf.ErrorReceived(error=self._error(), event_id=asked)
        return c.pick(
            (
                rf.MessagePulled(item_id=item),
                rf.PlaybackStarted(),
                rf.PlaybackFinished(position_ms=c.byte() * 20.0, interrupted=c.byte() % 2 == 0),
                rf.PlaybackPaused(),
                rf.PlaybackResumed(),
                rf.MessageTruncated(item_id=item, audio_end_ms=c.byte() * 20),
                rf.SpeechOver(turn_id=turn, interrupted=c.byte() % 2 == 0),
                rf.SessionConfigured(server_creates=c.byte() % 2 == 0, server_interrupts=True),
                rf.SpeechStarted(),
                rf.SpeechStopped(),
                rf.InputCommitted(),
                rf.InputCleared(),
                rf.InputIdle(),
                rf.ConnectionLost(error=self._error(), for_good=c.byte() % 2 == 0),
                rf.ConnectionReady(),
                rf.RateLimitsUpdated(reset_after=c.pick((None, 0.0, 2.0))),
                rf.ResponseActivity(response_id=response),
                rf.CreateGivenUp(turn_id=turn, attempt=1 + c.byte() % 3, error=self._error()),
            )
        )

    def fall_silent(self) -> None:
        """Nothing happens any more but time."""
        for _ in range(_DEADLINES):
            at = self.controller.next_deadline()
            if at is None:
                break
            self.now = max(self.now, at)
            self.controller.advance(self.now)
            self.run()
            for create in self.unsent:  # the wire itself is never in doubt
                self._leaves(create)
            self.unsent.clear()
            self.run()
        left = [(turn.id, turn.label) for turn in self.controller.turns]
        assert not left, f"hang: {left}"


def controller(data: bytes) -> None:
    """Raises if the controller does, or breaks a guarantee."""
    world = _World(Choices(data))
    for _ in range(_STEPS):
        if world.choices.over:
            break
        world.step()
    world.fall_silent()
    # One that is announced anew, long after it was given up, is cancelled anew.
    twice = +(world.cancelled - world.announced)
    assert not twice, f"G6: cancelled more than once: {twice}"
    world.controller.close(world.now)
    world.run()
    assert not world.controller.turns
