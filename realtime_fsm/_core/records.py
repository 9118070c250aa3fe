"""The records that the machines move: a turn, its responses, its messages.

Only the effects of the tables change where they stand. What is merely counted (milliseconds, signs
of life, what the host shows) is written where it arrives.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum

from .difference import Difference, DifferenceKind
from .errors import ErrorInfo
from .machine_events import TurnEvent
from .states import (
    OVER,
    WANTED,
    Correction,
    Generation,
    MessageOutcome,
    Origin,
    PlaybackState,
    ResponseState,
    TurnOutcome,
    TurnState,
)


@dataclass(slots=True, eq=False)
class Message:
    """One message item of a response.

    Attributes:
        item_id: The provider's id.
        number: N of "streaming message N", from 1, within its response.
        attempt: Number of the attempt it belongs to.
        received_ms: Audio received so far for the host, milliseconds.
        late_ms: Audio that came of it when nothing more was handed out, milliseconds; None: nothing came.
        delivered: A first delta of it arrived and it was handed downstream.
        pulled: The host began to forward it.
        started: The sink reported its first frame.
        state: Where its playback stands.
        moved_at: When that last changed, seconds.
        outcome: What was heard; None while that is open.
        heard_ms: Milliseconds heard; None while that is open or where no sink tells.
        transcript: The words that were heard, where the sink knows them.
        shown: The text that the host shows of it; None until it does.
        remembered_ms: Milliseconds the server keeps of it; None: all it generated.
        correction: What was done about that.
    """

    item_id: str
    number: int
    attempt: int = 1
    received_ms: float = 0.0
    late_ms: float | None = None
    delivered: bool = False
    pulled: bool = False
    started: bool = False
    state: PlaybackState = PlaybackState.WAITING
    moved_at: float = -math.inf
    outcome: MessageOutcome | None = None
    heard_ms: int | None = None
    transcript: str | None = None
    shown: str | None = None
    remembered_ms: int | None = None
    correction: Correction = Correction.NONE

    @property
    def cut(self) -> bool:
        """Whether the server was asked to cut it."""
        return self.correction is Correction.CUT

    @property
    def removed(self) -> bool:
        """Whether the server was asked to delete it."""
        return self.correction is Correction.REMOVED

    @property
    def released(self) -> bool:
        """Whether the host had it deleted: nothing more is made of what the server keeps of it."""
        return self.correction is Correction.RELEASED

    @property
    def difference(self) -> Difference | None:
        """Where what was heard, what is shown and what the server remembers differ. Once the turn has
        ended and the server has confirmed, nowhere (G16)."""
        if self.outcome is None or not self.delivered or self.released:
            return None
        made = self.received_ms + (self.late_ms or 0.0)
        kept = made if self.remembered_ms is None else self.remembered_ms
        heard = self.received_ms if self.heard_ms is None else min(self.heard_ms, made or math.inf)
        kind = None
        if self.outcome is MessageOutcome.SKIPPED:
            if self.shown:
                kind = DifferenceKind.UNHEARD_SHOWN
            elif self.remembered_ms != 0:
                kind = DifferenceKind.UNHEARD_REMEMBERED
        elif made and abs(kept - heard) > 1:
            kind = DifferenceKind.POSITION
        elif self.outcome is MessageOutcome.FULL and not self.cut and self.shown == "":
            kind = DifferenceKind.NOT_SHOWN  # a moment may be too short for a word
        return None if kind is None else Difference(kind, heard, kept)

    @property
    def exposed(self) -> bool:
        """Older name of `delivered`; goes with the next minor version."""
        return self.delivered


@dataclass(slots=True, eq=False)
class Response:
    """One response, asked for, running or only heard of. It may outlive its turn (G4).

    Attributes:
        turn: The turn it works for; None for one that a conflict told of.
        number: Of the attempt, from 1, per turn.
        state: Where it stands.
        last_activity: When something last came of it, seconds.
        event_id: Client event id of its create once that is on the wire.
        sent_at: When it left, seconds.
        response_id: Once the server named it.
        cancel_id: Event id of its one cancel (G6); ``""`` where what is below the driver sends it.
        probe_id: Event id of the probe sent for it.
        asked_at: When the probe or the cancel was sent, seconds.
        deadline: When its state is looked at again; None while its turn's timers watch it.
        deltas_shown: Its deltas are reported, so that silence means something.
        has_output: Something of it was handed downstream (G9).
        undelivered: Items the server keeps of it that nobody was given.
        acting: Items of what the server does by itself at the moment.
        stranger: A conflict told of it, and neither server VAD nor a turn here waits for it.
        denied: A conflict told of it, and then the server that it does not run; or the conflict told
            of it when its cancel had had its time.
        stuck: The same once more: it keeps the slot for good.
    """

    turn: Turn | None
    number: int
    state: ResponseState
    last_activity: float
    event_id: str | None = None
    sent_at: float = -math.inf
    response_id: str | None = None
    cancel_id: str | None = None
    probe_id: str | None = None
    asked_at: float = -math.inf
    deadline: float | None = None
    deltas_shown: bool = True
    has_output: bool = False
    undelivered: tuple[str, ...] = ()
    acting: tuple[str, ...] = ()
    stranger: bool = False
    denied: bool = False
    stuck: bool = False

    @property
    def over(self) -> bool:
        """Whether the lane is free of it."""
        return self.state in OVER

    @property
    def wanted(self) -> bool:
        """Whether its turn waits for what comes of it."""
        return self.state in WANTED

    @property
    def last_sign(self) -> float:
        """When something last came of it, or it was asked after, seconds."""
        return max(self.last_activity, self.asked_at)

    def message(self, item_id: str) -> Message | None:
        """The message of it with this id, also once its turn has ended."""
        for message in self.turn.messages if self.turn is not None else ():
            if message.item_id == item_id and message.attempt == self.number:
                return message
        return None

    def handed_out(self, item_id: str) -> bool:
        """Whether this message of it was handed downstream, and nothing more of it is."""
        message = None if self.wanted else self.message(item_id)
        return message is not None and message.delivered


@dataclass(slots=True, eq=False)
class Turn:
    """One response turn. Read it; only the controller writes.

    Attributes:
        id: Unique within its controller.
        origin: Who asked for it.
        playback_reported: A sink reports playback for it; without one, playback ends with
            generation.
        audible: That sink tells when a message begins to play.
        of_user: It answers something new of the user's.
        ahead: It is none of those, and went before the answer that server VAD owes.
        state: Where it stands.
        generation: Whether more output may come, and if not, how it will end.
        retries: Retries counted against ``max_retry``.
        conflicts: How often its create met another active response.
        attempt: The response of the current attempt, or None while it waits for the lane.
        attempts: How many attempts were started.
        acknowledged: Number of the newest one that the server acknowledged; 0 before the first.
        message_number: N of "streaming message N"; 0 before the first message.
        messages: Every message of every attempt, in order.
        calls: Item ids of the function calls handed out.
        actions: Item ids of what the server did by itself, which counts as handed out.
        announced: The host, which did not ask for it, was told of the generation.
        speech_over: The host is done with its speech.
        error: Why it failed or was cut short; also set while a retry is pending.
        first_failure: Time of the first failure, seconds, or None.
        recover_by: When the recovery deadline ends, or None.
        retry_at: When the backoff is over: of a retry, or of a create that met a conflict.
        since: When generation ended, the cancel was asked, or its silence was told last: its last
            wait counts from then.
    """

    id: str
    origin: Origin
    playback_reported: bool
    audible: bool = False
    of_user: bool = True
    ahead: bool = False
    state: TurnState = TurnState.REQUESTED
    generation: Generation = Generation.RUNNING
    retries: int = 0
    conflicts: int = 0
    attempt: Response | None = None
    attempts: int = 0
    acknowledged: int = 0
    message_number: int = 0
    messages: tuple[Message, ...] = ()
    calls: tuple[str, ...] = ()
    actions: tuple[str, ...] = ()
    announced: bool = False
    speech_over: bool = False
    error: ErrorInfo | None = None
    first_failure: float | None = None
    recover_by: float | None = None
    retry_at: float = -math.inf
    since: float = -math.inf

    @property
    def live(self) -> bool:
        """Whether the turn has not ended."""
        return self.state is not TurnState.DONE and self.state is not TurnState.FAILED

    @property
    def label(self) -> str:
        """The state as people say it: ``"streaming message 2"``."""
        if self.state is TurnState.STREAMING:
            return (
                f"streaming message {self.message_number}" if self.message_number else "streaming"
            )
        return str(self.state.value)

    @property
    def waiting(self) -> bool:
        """Whether it wants a response and was not given the lane yet."""
        return self.attempt is None and self.state is TurnState.REQUESTED

    @property
    def unasked(self) -> bool:
        """Whether it wants a response, and has none that it was asked for."""
        return self.waiting or self.state is TurnState.RETRY_WAIT

    @property
    def on_wire(self) -> bool:
        """Whether the current attempt's create was seen leaving."""
        return self.attempt is not None and self.attempt.event_id is not None

    @property
    def has_output(self) -> bool:
        """Whether something of it, of whichever attempt, was handed downstream."""
        return bool(self.actions) or self.gave_output

    @property
    def gave_output(self) -> bool:
        """The same, but for what the server did by itself."""
        return bool(self.calls) or any(m.delivered for m in self.messages)

    @property
    def generation_over(self) -> bool:
        """Whether no more output comes."""
        return self.generation is not Generation.RUNNING and not self.replacing

    @property
    def replacing(self) -> bool:
        """Whether the attempt broke after some of it was handed out, and is asked for again once
        that has played."""
        return self.generation is Generation.BROKEN

    @property
    def interrupted(self) -> bool:
        """Whether somebody asked it to stop."""
        return self.generation is Generation.INTERRUPTED

    @property
    def ending(self) -> TurnOutcome | None:
        """How it will end once playback is over, or has ended; None while that is open."""
        return TurnOutcome[self.generation.name] if self.generation_over else None

    @property
    def outcome(self) -> TurnOutcome | None:
        """How it ended; None until then."""
        return None if self.live else self.ending

    @property
    def paused(self) -> bool:
        """Whether a message of it is paused."""
        return any(m.state is PlaybackState.PAUSED for m in self.messages)

    @property
    def playback_over(self) -> bool:
        """Whether nothing of this turn is playing or will play."""
        if self.speech_over or not self.playback_reported:
            return True
        return all(m.outcome is not None for m in self.messages if m.delivered)

    @property
    def exposed(self) -> bool:
        """Older name of `has_output`; goes with the next minor version."""
        return self.has_output

    def hears(self, response: Response, event: Enum) -> bool:
        """Whether it is told what becomes of this response: while more output of it may come, and
        after an interrupt until it is over. Of one that it gave up, that it is adopted."""
        if event is TurnEvent.RESPONSE_ADOPTED:
            return self.misses(response)
        if self.attempt is not response or not self.live:
            return False
        return self.generation is Generation.RUNNING or self.state is TurnState.CANCELLING

    def misses(self, response: Response) -> bool:
        """Whether it would rather have this response than go on without: it wants one, and none that
        it has asked for since was acknowledged (G4)."""
        wants = self.state is TurnState.REQUESTED or self.state is TurnState.RETRY_WAIT
        return wants and self.attempt is not response and response.number > self.acknowledged

    def plays(self, message: Message) -> bool:
        """Whether it is told what becomes of this message: of its present attempt's."""
        return self.attempt is not None and self.live and message.attempt == self.attempts


#: Older name of `Response`; goes with the next minor version.
Attempt = Response
