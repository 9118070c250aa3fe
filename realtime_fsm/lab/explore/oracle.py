"""The judge of a controller by what goes in and out of it. Shares no code with the controller.

It knows what a client must believe from the frames it has seen and the times it waits at least;
and for each turn what the controller has said of it. Each complaint begins with the guarantee's id.

Whoever surrounds a controller uses it: the search here, and the random histories of the tests, which
remember more (`tests/properties/watch.py`).
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, Optional

from ..._core import commands as cmd
from ..._core.errors import ErrorInfo
from ..._core.policy import RetryPolicy
from ..._core.states import ErrorKind, TurnOutcome, TurnState
from .snapshot import Names, relative

__all__ = ["Oracle", "Violation"]

#: A create settles by one of these (G2).
_SETTLES = frozenset(
    {
        *("RESPONSE_CREATED", "CREATE_CONFLICT", "CREATE_REFUSED", "CREATE_TIMEOUT"),
        *("RESPONSE_COMPLETED", "RESPONSE_INCOMPLETE", "RESPONSE_CANCELLED", "RESPONSE_FAILED"),
        "CONNECTION_LOST",
    }
)
#: A create that meets another response may fail for good after this many times.
_CONFLICTS = 5
#: Seconds by which two sums of the same times may differ.
_MOMENT = 1e-6


class Violation(Exception):  # noqa: N818 - a finding, not an error
    """A guarantee does not hold. The text begins with its id."""


@dataclass(slots=True, eq=False)
class Record:
    """What the controller has said of one turn."""

    asked: int = 0  # creates commanded
    current: int = 0  # the attempt that is awaited
    acknowledged: int = 0  # the newest that the server acknowledged
    retries: int = 0
    reissues: int = 0
    conflicts: int = 0
    given_up: bool = True
    settled: bool = False
    exposed: bool = False
    ended_streams: bool = False
    reported: bool = False
    interrupted: bool = False
    left_alone: bool = False  # the host is done with its speech
    acted: bool = False  # the server did something by itself
    hint: Optional[float] = None  # no sooner than this, said the server
    since: Optional[float] = None  # when recovery began; None while speech stretches it

    def expects(self, attempt: int) -> bool:
        """Whether the output of this attempt is still wanted."""
        over = self.interrupted or self.given_up or self.ended_streams
        return not over and self.current == attempt

    def adopts(self, attempt: int) -> bool:
        """Whether an attempt that was given up is welcome: what was asked since is not
        acknowledged, and nothing else is awaited (G4)."""
        over = self.interrupted or self.ended_streams
        waits = self.given_up or not self.settled
        return not over and waits and self.acknowledged < attempt < self.current + self.given_up


_PLAIN = tuple(f.name for f in fields(Record) if f.name not in ("hint", "since"))
_plain_of = attrgetter(*_PLAIN)


class Oracle:
    """Judges one controller.

    Attributes:
        turns: The turns that have not ended, by id.
        creates: Creates that may be alive, as far as evidence goes: until when. By turn and attempt
            until they leave, and then by event id.
        believed: Responses that may be, likewise, by id.
        cancelled: Responses that were cancelled, by us or below us, and have not ended.
        voice_until: While the user speaks, or server VAD may answer: until when at the longest (G24).
        server_creates: Server VAD answers by itself.
        owed: A committed user turn has no answer yet (G18).
        deaf: The connection is dead and nobody was told: nothing is read, nothing is said.
        unanswered: A cancel or probe was sent after the last frame came.
        dead: The session cannot be used any more.
    """

    def __init__(self, policy: RetryPolicy) -> None:
        self.policy = policy
        self.now = 0.0
        self.turns: dict[str, Record] = {}
        self.creates: dict[str, float] = {}
        self.believed: dict[str, float] = {}
        self.cancelled: set[str] = set()
        self.voice_until: Optional[float] = None
        self.server_creates = True
        self.owed = False
        self.dead = False
        self.reported_dead = False
        self.connected = True
        self.deaf = self.unanswered = False
        self.heard_at = -math.inf

    # --- what was said

    def waiting_for(self, owner: Optional[tuple[str, int]]) -> Optional[Record]:
        """The record of the turn that waits for the response of that turn and attempt, or None."""
        record = None if owner is None else self.turns.get(owner[0])
        return record if record is not None and owner and record.expects(owner[1]) else None

    def new_turn(self, turn_id: str) -> Record:
        record = self.turns[turn_id] = Record()
        return record

    def command(self, c: cmd.Command) -> None:
        """Judge one command and note it. Raises `Violation`."""
        turn_id = getattr(c, "turn_id", None)
        if turn_id is None:
            self._to_session(c)
            return
        record = self.turns.get(turn_id)
        if record is None:
            raise Violation(f"G7: {type(c).__name__} of a turn that has ended")
        if isinstance(c, cmd.CreateResponse):
            self._create(c, record)
        elif isinstance(c, cmd.ExposeTurn):
            if record.exposed and self.policy.after_exposure == "stop":
                raise Violation("G7: a turn is exposed twice")
            if not self.alive(c.response_id):
                raise Violation("G3: a turn is exposed by a response that is over")
            record.exposed = True
        elif isinstance(c, cmd.DeliverItem):
            if record.interrupted:
                raise Violation("G4: output of a cancelled response is handed out")
            if record.given_up or record.ended_streams:
                raise Violation("G3: output is handed out that nobody waits for")
            record.since = None  # the silence is over
        elif isinstance(c, cmd.EndStreams):
            if record.ended_streams:
                raise Violation("G7: streams are ended twice")
            record.ended_streams = True
        elif isinstance(c, cmd.ReportFailure):
            if record.reported:
                raise Violation("G12: one failure is reported twice")
            record.reported = True
        elif isinstance(c, cmd.EndAttempt):
            record.given_up = True
        elif isinstance(c, cmd.Recovering):
            self._recovering(record, c.reason)
        elif isinstance(c, cmd.TurnMoved):
            self._moved(record, c)
        elif isinstance(c, cmd.TurnEnded):
            self._ended(record, c)
            del self.turns[turn_id]

    def alive(self, response_id: str) -> bool:
        """Whether a client must think that this response is alive."""
        return self.now < self.believed.get(response_id, -math.inf) - _MOMENT

    def pending(self) -> list[str]:
        """The event ids of the creates that left and may be alive."""
        return [k for k, t in self.creates.items() if "/" not in k and self.now < t - _MOMENT]

    def _create(self, c: cmd.CreateResponse, record: Record) -> None:
        if self.dead:
            raise Violation("G10: a create after a fatal error")
        if not self.connected:
            raise Violation("G19: a create without a connection")
        alive = [key for key in self.believed if self.alive(key)]
        if any(key in self.cancelled for key in alive):
            raise Violation("G5: a create between a cancel and the end of its response")
        if alive or any(self.now < until - _MOMENT for until in self.creates.values()):
            raise Violation("G1: a create while another response may be alive")
        voice = self.server_creates and self.voice_until is not None
        if voice and self.now < (self.voice_until or 0.0) - _MOMENT:
            raise Violation("G24: a create while server VAD's answer is due")
        if record.interrupted:
            raise Violation("G7: a create for a turn that was interrupted")
        if record.left_alone:
            raise Violation("G9: a create for a speech that is over")
        if record.exposed and self.policy.after_exposure == "stop":
            raise Violation("G9: a create after something was handed out")
        if c.attempt != record.asked + 1:
            raise Violation("G2: an attempt is asked for twice, or left out")
        allowed = 1 + record.retries + record.reissues + record.conflicts
        if c.attempt > allowed:
            raise Violation("G9: a create that no failure calls for")
        since = record.since
        if since is not None and self.now > since + self.policy.recovery_deadline + 0.001:
            raise Violation("G9: a retry after the recovery deadline")
        if record.hint is not None and self.now < record.hint:
            raise Violation("G9: a retry before the rate limit is reset, or half the time is over")
        record.asked = record.current = c.attempt
        record.given_up = record.settled = False
        self.owed = False
        self.creates[f"{c.turn_id}/{c.attempt}"] = math.inf

    def adopted(self, record: Record, attempt: int) -> None:
        """An attempt that was given up shows itself: it is awaited again."""
        record.current = record.acknowledged = attempt
        record.given_up, record.settled = False, True

    def _recovering(self, record: Record, reason: ErrorInfo) -> None:
        if reason.code in ("slow", "stalling"):
            return  # only doubted
        if record.exposed and self.policy.after_exposure == "stop":
            raise Violation("G9: a retry after something was handed out")
        if record.acted:
            raise Violation("G28: a retry of what the server did by itself")
        if self.dead or reason.kind is ErrorKind.FATAL:
            raise Violation("G10: a retry after a fatal error")
        if reason.kind is ErrorKind.SESSION_END:
            record.reissues += 1
        else:
            record.retries += 1
        if record.retries > self.policy.max_retry:
            raise Violation("G9: more retries than the policy allows")
        record.given_up = True
        if record.since is None and self.voice_until is None:
            record.since = self.now

    def _moved(self, record: Record, c: cmd.TurnMoved) -> None:
        if c.source is not TurnState.REQUESTED or c.event not in _SETTLES:
            return
        if c.event == "CONNECTION_LOST" and c.dest is TurnState.REQUESTED:
            return  # it had not left
        if record.settled:
            raise Violation(f"G2: a create settles twice ({c.event})")
        record.settled = True
        if c.event == "RESPONSE_CREATED":
            record.acknowledged = record.current
        if c.event == "CREATE_CONFLICT":
            record.conflicts += 1
            record.given_up = True

    def _ended(self, record: Record, c: cmd.TurnEnded) -> None:
        if not record.ended_streams:
            raise Violation("G7: a turn ends before its streams")
        failed = c.outcome is TurnOutcome.FAILED
        if failed and (c.error is None or not record.reported):
            raise Violation("G8: a turn fails unseen")
        if c.outcome is TurnOutcome.COMPLETED and record.reported:
            raise Violation("G8: a turn that failed ends as completed")
        if c.outcome is TurnOutcome.INCOMPLETE and not record.reported:
            raise Violation("G8: a turn is cut short unseen")
        if record.interrupted and c.outcome is not TurnOutcome.INTERRUPTED:
            raise Violation(f"G23: an interrupted turn ends as {c.outcome.value}")
        self.owed = self.owed and not failed

    def _to_session(self, c: cmd.Command) -> None:
        if isinstance(c, cmd.CancelResponse):
            if not self.connected:
                raise Violation("G19: a cancel without a connection")
            if c.response_id not in self.believed:
                raise Violation("G6: a cancel of a response that is not known to be alive")
            if c.response_id in self.cancelled:
                raise Violation("G6: a response is cancelled twice")
            self.cancelled.add(c.response_id)
            self.unanswered = self.unanswered or self.now > self.heard_at
            # Without an answer it is given up after this time.
            self.believed[c.response_id] = self.now + self.policy.cancel_timeout
        elif isinstance(c, cmd.ProbeCancel):
            if any(self.alive(key) for key in self.believed):
                raise Violation("G6: a bare cancel that may hit a response")
            self.given_up_below()
            self.unanswered = self.unanswered or self.now > self.heard_at
        elif isinstance(c, cmd.ReplaceConnection):
            if self.dead:
                raise Violation("G10: a new connection after a fatal error")
            # What was queued in what is replaced never leaves.
            self.creates = {k: t for k, t in self.creates.items() if "/" not in k}
        elif isinstance(c, cmd.ReportSession):
            if self.reported_dead:
                raise Violation("G12: the end of the session is reported twice")
            self.reported_dead = self.dead = True

    # --- what was seen

    def frame(self) -> None:
        """Something came from the server."""
        self.unanswered, self.heard_at = False, self.now

    def limited(self, record: Optional[Record], seconds: float) -> None:
        """The turn that waited for this response is to wait so long, within reason."""
        if record is not None:
            record.hint = self.now + min(seconds, self.policy.recovery_deadline / 2)

    def sent(self, turn_id: str, attempt: int, event_id: str) -> None:
        """A create left: unanswered, and its probe too, it is given up after some time."""
        self.not_sent(turn_id, attempt)
        self.creates[event_id] = self.now + self.policy.timeout + self.policy.first_doubt

    def not_sent(self, turn_id: str, attempt: int) -> None:
        self.creates.pop(f"{turn_id}/{attempt}", None)

    def created(self, response_id: str, event_id: Optional[str]) -> None:
        self.owed = False
        self.rejected(event_id)
        self.believed[response_id] = math.inf

    def given_up_below(self) -> None:
        """Nobody waits for the answer to a create any more; what is left is that of its probe."""
        until = self.now + self.policy.first_doubt
        self.creates = {k: t if "/" in k else min(t, until) for k, t in self.creates.items()}

    def cancelled_below(self, response_id: str) -> None:
        """Somebody else cancels it: without an answer it is given up as if we had."""
        self.cancelled.add(response_id)
        self.believed[response_id] = self.now + self.policy.cancel_timeout

    def over(self, response_id: str, event_id: Optional[str] = None) -> None:
        """A response's terminal, or "nothing to cancel": once it shows itself it may be cancelled."""
        self.believed.pop(response_id, None)
        self.cancelled.discard(response_id)
        self.rejected(event_id)

    def rejected(self, event_id: Optional[str]) -> None:
        """The create of this id came to nothing, or is the response that shows itself now."""
        if event_id is not None:
            self.creates.pop(event_id, None)

    def refused_unlinked(self, event_id: Optional[str] = None) -> None:
        """A create was refused, ours or server VAD's. Without an id that reads as the answer to
        ours, if just one is pending, and else to VAD's: nobody can tell them apart."""
        pending = self.pending()
        if event_id is None or pending != [event_id]:
            self.speech(None)
        if len(pending) == 1:
            self.rejected(pending[0])
        if event_id is not None:
            self.rejected(event_id)

    def conflict(self, response_id: str) -> None:
        """An error named who holds the lane; that is believed for a while."""
        until = self.now + self.policy.cancel_timeout
        if response_id not in self.cancelled:
            until += max(self.policy.stall_timeout, self.policy.first_output_timeout)
        self.believed[response_id] = max(until, self.believed.get(response_id, until))

    def speech(self, seconds: Optional[float]) -> None:
        """Server VAD may answer for so long; None: it will not (any more)."""
        self.voice_until = None if seconds is None else self.now + seconds
        if seconds is not None:
            for record in self.turns.values():
                record.since = None

    def disconnected(self) -> None:
        """What ran on the old connection is over; what has not left will leave on the next."""
        self.creates = {k: t for k, t in self.creates.items() if "/" in k}
        self.believed.clear()
        self.cancelled.clear()
        self.voice_until = None
        self.deaf = self.unanswered = False

    def retryable(self, turn_id: str, attempt: int) -> bool:
        """Whether a first transient failure of this attempt must not lose the turn."""
        record = self.turns.get(turn_id)
        return (
            record is not None
            and record.expects(attempt)
            and not record.left_alone
            and not record.exposed
            and not record.retries
            and not record.conflicts
            and self.policy.max_retry > 0
            and not self.dead
        )

    def may_fail_by_conflict(self, turn_id: str) -> bool:
        record = self.turns.get(turn_id)
        if record is None or record.interrupted or record.left_alone:
            return True
        return record.conflicts >= _CONFLICTS

    # --- as data

    def pack(self, names: Names, known: Collection[str]) -> tuple[Any, ...]:
        now = self.now
        return (
            tuple(
                [
                    (
                        names[turn_id],
                        *_plain_of(r),
                        relative(r.since, now, -(10**9)),
                        relative(r.hint, now, 0) or None,
                    )
                    for turn_id, r in self.turns.items()
                ]
            ),
            tuple([(_key(k, names), _until(t, now)) for k, t in self.creates.items() if t > now]),
            tuple([(names[k], _until(t, now)) for k, t in self.believed.items() if t > now]),
            tuple(sorted([names[k] for k in self.cancelled if self.alive(k) or k in known])),
            relative(self.voice_until, now),
            (
                *(self.owed, self.dead, self.reported_dead, self.connected),
                *(self.deaf, self.unanswered, self.heard_at == now),
            ),
        )

    def unpack(self, data: tuple[Any, ...]) -> None:
        turns, creates, believed, cancelled, voice, flags = data
        for turn_id, *values, since, hint in turns:
            record = self.new_turn(turn_id)
            for name, value in zip(_PLAIN, values, strict=True):
                setattr(record, name, value)
            record.since = None if since is None else since / 1000
            record.hint = None if hint is None else hint / 1000
        self.creates, self.believed = (
            {k: math.inf if t is None else t / 1000 for k, t in told}
            for told in (creates, believed)
        )
        self.cancelled = set(cancelled)
        self.voice_until = None if voice is None else voice / 1000
        self.owed, self.dead, self.reported_dead, self.connected, *rest = flags
        self.deaf, self.unanswered, heard = rest
        self.heard_at = 0.0 if heard else -math.inf


def _until(until: float, now: float) -> Optional[int]:
    return None if until == math.inf else relative(until, now, 0)


def _key(key: str, names: Names) -> str:
    turn_id, slash, attempt = key.partition("/")
    return names[turn_id] + slash + attempt
