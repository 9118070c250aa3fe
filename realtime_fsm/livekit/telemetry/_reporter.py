"""Tells observers what a controller does, from its commands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..._core import commands as cmd
from ..._core.controller import TurnController
from ..._core.records import Response, Turn
from .._log import get_logger
from ._observer import (
    AttemptEnd,
    AttemptInfo,
    AttemptOutcome,
    Correction,
    SessionInfo,
    TurnInfo,
    TurnObserver,
)

#: Events of the table that end an attempt, once its record says so too: a create that is still
#: queued outlives the connection, and an interrupted response lasts until its terminal.
_ENDS = {
    "RESPONSE_COMPLETED": AttemptOutcome.COMPLETED,
    "RESPONSE_INCOMPLETE": AttemptOutcome.INCOMPLETE,
    "RESPONSE_CANCELLED": AttemptOutcome.CANCELLED,
    "RESPONSE_FAILED": AttemptOutcome.FAILED,
    "CREATE_REFUSED": AttemptOutcome.REFUSED,
    "CREATE_CONFLICT": AttemptOutcome.CONFLICT,
    "CREATE_TIMEOUT": AttemptOutcome.TIMED_OUT,
    "CREATE_STUCK": AttemptOutcome.TIMED_OUT,
    "STALLED": AttemptOutcome.STALLED,
    "CONNECTION_LOST": AttemptOutcome.CONNECTION_LOST,
}


@dataclass(slots=True, eq=False)
class _Running:
    """An attempt that has not ended."""

    info: AttemptInfo
    record: Response | None
    since: float
    spoke: bool = False


@dataclass(slots=True, eq=False)
class _Followed:
    """A turn that has not ended."""

    info: TurnInfo
    since: float
    entered: float
    failed_at: float | None = None
    attempt: _Running | None = None


class Reporter:
    """Tells the observers of one session.

    Args:
        observers: Whom to tell.
        session: Who speaks.
        controller: Whose commands these are.
        clock: Seconds, the controller's.
    """

    def __init__(
        self,
        observers: Sequence[TurnObserver],
        session: SessionInfo,
        controller: TurnController,
        clock: Callable[[], float],
    ) -> None:
        self._observers = tuple(observers)
        self._session = session
        self._controller = controller
        self._clock = clock
        self._turns: dict[str, _Followed] = {}
        self._ignored: Counter[str] = Counter()
        self._broken: set[int] = set()
        self._log = get_logger()

    def notice_changes(self) -> None:
        """Notice what no command tells: turns that wait, and what was ignored."""
        for turn in self._controller.turns:
            self._follow(turn.id)
        ignored = self._controller.ignored
        if ignored.total() != self._ignored.total():
            for reason, count in (ignored - self._ignored).items():
                self._tell("event_ignored", self._session, reason, count)
            self._ignored = ignored.copy()

    def saw(self, command: cmd.Command) -> None:
        """A command is about to be carried out."""
        if isinstance(command, cmd.TurnMoved):
            self._moved(command)
        elif isinstance(command, cmd.CreateResponse):
            self._begin(self._follow(command.turn_id), command.attempt)
        elif isinstance(command, cmd.DeliverItem):
            self._output(self._follow(command.turn_id))
        elif isinstance(command, cmd.Recovering):
            self._recovering(self._follow(command.turn_id), command)
        elif isinstance(command, cmd.DeleteItem):
            self._tell("history_corrected", self._session, Correction.DELETED)
        elif isinstance(command, cmd.TruncateItem):
            self.truncated()
        elif isinstance(command, cmd.TurnEnded):
            self._ended(command)

    def truncated(self) -> None:
        """A message was cut to what was heard of it."""
        self._tell("history_corrected", self._session, Correction.TRUNCATED)

    def reading(self, turn_id: str) -> None:
        """The host begins to read the turn's output."""
        followed = self._turns.get(turn_id)
        if followed is not None:
            self._tell("reading_started", followed.info)

    # --- inside

    def _follow(self, turn_id: str) -> _Followed:
        followed = self._turns.get(turn_id)
        if followed is None:
            info = TurnInfo(session=self._session, id=turn_id, origin=self._find(turn_id).origin)
            now = self._clock()
            followed = self._turns[turn_id] = _Followed(info, since=now, entered=now)
            self._tell("turn_started", info)
        return followed

    def _find(self, turn_id: str) -> Turn:
        live = self._controller.find(turn_id)
        return live or next(t for t in reversed(self._controller.finished) if t.id == turn_id)

    def _moved(self, move: cmd.TurnMoved) -> None:
        followed, now = self._follow(move.turn_id), self._clock()
        if move.event == "RESPONSE_CREATED" and followed.attempt is None:
            self._begin(followed, move.attempt)  # nobody here asked for it
        self._tell("turn_moved", followed.info, move, now - followed.entered)
        if move.source is not move.dest:
            followed.entered = now
        attempt, outcome = followed.attempt, _ENDS.get(move.event)
        if attempt is not None and outcome is not None:
            record = attempt.record
            if record is None or not record.wanted:
                self._end(followed, outcome)

    def _begin(self, followed: _Followed, number: int) -> None:
        self._end(followed, AttemptOutcome.GIVEN_UP)
        info = AttemptInfo(turn=followed.info, number=number)
        record = self._find(followed.info.id).attempt
        followed.attempt = _Running(info, record, self._clock())
        self._tell("attempt_started", info)

    def _output(self, followed: _Followed) -> None:
        attempt = followed.attempt
        if attempt is None or attempt.spoke:
            return
        attempt.spoke = True
        self._tell("output_started", attempt.info, self._clock() - attempt.since)
        self._recovered(followed, recovered=True)

    def _recovering(self, followed: _Followed, recovering: cmd.Recovering) -> None:
        if followed.failed_at is None:
            followed.failed_at = self._clock()
        self._tell("recovering", followed.info, recovering)

    def _recovered(self, followed: _Followed, *, recovered: bool) -> None:
        if followed.failed_at is not None:
            seconds = self._clock() - followed.failed_at
            followed.failed_at = None
            self._tell("recovery_ended", followed.info, seconds, recovered)

    def _end(self, followed: _Followed, outcome: AttemptOutcome) -> None:
        attempt, followed.attempt = followed.attempt, None
        if attempt is None:
            return
        record = attempt.record
        end = AttemptEnd(
            outcome=outcome,
            seconds=self._clock() - attempt.since,
            response_id=None if record is None else record.response_id,
            orphaned=record is not None and not record.over and record.response_id is None,
        )
        self._tell("attempt_ended", attempt.info, end)

    def _ended(self, ended: cmd.TurnEnded) -> None:
        followed = self._follow(ended.turn_id)
        self._end(followed, AttemptOutcome.GIVEN_UP)
        self._recovered(followed, recovered=False)
        del self._turns[ended.turn_id]
        self._tell("turn_ended", followed.info, ended, self._clock() - followed.since)

    def _tell(self, hook: str, *told: object) -> None:
        for observer in self._observers:
            self._call(observer, hook, told)

    def _call(self, observer: TurnObserver, hook: str, told: tuple[object, ...]) -> None:
        try:
            getattr(observer, hook)(*told)
        except Exception:
            if id(observer) not in self._broken:
                self._broken.add(id(observer))
                self._log.exception("observer failed", observer=type(observer).__name__, hook=hook)
