"""The data of one response turn. Only the table's effects and the lane change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ._errors import ErrorInfo
from ._states import (
    MessageOutcome,
    Origin,
    PlaybackState,
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
        received_ms: Audio received so far, milliseconds.
        exposed: A first delta of it arrived and it was handed downstream.
        pulled: The host began to forward it.
        started: The sink reported its first frame.
        state: Where its playback stands.
        outcome: What was heard; None while that is open.
        heard_ms: Milliseconds heard; None while that is open or where no sink tells.
        transcript: The words that were heard, where the sink knows them.
        shown: The text that the host shows of it; None until it does.
        remembered_ms: Milliseconds the server keeps of it; None: all it generated.
        removed: The server was asked to delete it.
        released: The host had it deleted after its turn: it need not be remembered.
    """

    item_id: str
    number: int
    attempt: int = 1
    received_ms: float = 0.0
    exposed: bool = False
    pulled: bool = False
    started: bool = False
    state: PlaybackState = PlaybackState.WAITING
    outcome: MessageOutcome | None = None
    heard_ms: int | None = None
    transcript: str | None = None
    shown: str | None = None
    remembered_ms: int | None = None
    removed: bool = False
    released: bool = False

    @property
    def difference(self) -> str | None:
        """Where what was heard, what is shown and what the server remembers differ, in words; or
        None. Once the turn has ended and the server has confirmed, there is nothing (G16)."""
        if self.outcome is None or not self.exposed or self.released:
            return None
        if self.outcome is MessageOutcome.SKIPPED:
            if self.shown:
                return "nothing heard, but shown"
            return None if self.remembered_ms == 0 else "nothing heard, but remembered"
        kept = self.received_ms if self.remembered_ms is None else self.remembered_ms
        heard = self.received_ms if self.heard_ms is None else self.heard_ms
        if self.received_ms and abs(kept - heard) > 1:
            return f"{heard:.0f} ms heard, {kept:.0f} ms remembered"
        # A moment of it may be too short for a word.
        whole = self.outcome is MessageOutcome.FULL
        return "heard, but not shown" if whole and self.shown == "" else None


@dataclass(slots=True, eq=False)
class Attempt:
    """One response, asked for or running. The lane's record; it may outlive its turn (G4).

    Attributes:
        turn: The turn it works for; None for a response that only occupies the lane.
        number: From 1, per turn.
        event_id: Client event id of its create once that is on the wire.
        sent_at: When it left, seconds.
        response_id: Once the server acknowledged it.
        over: Its terminal was seen, or it is proven that none comes (G2).
        abandoned: Nobody waits for its output any more; what arrives is swallowed.
        deltas_shown: Its deltas are reported, so that silence means something.
        cancelled_below: What is below the driver cancels it when it shows itself.
        cancel_id: Event id of the cancel sent for it.
        probe_id: Event id of the probe sent for it.
        asked_at: When the probe or the cancel was sent, seconds.
        exposed: Something of it was handed downstream (G9).
        deadline: When the lane stops waiting for an abandoned or turnless one.
        unheard: Items the server keeps of it that nobody was given.
    """

    turn: Turn | None
    number: int
    last_activity: float
    event_id: str | None = None
    sent_at: float = -math.inf
    response_id: str | None = None
    over: bool = False
    abandoned: bool = False
    deltas_shown: bool = True
    cancelled_below: bool = False
    cancel_id: str | None = None
    exposed: bool = False
    probe_id: str | None = None
    asked_at: float = -math.inf
    deadline: float | None = None
    unheard: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Turn:
    """One response turn. Read it; only the controller writes.

    Attributes:
        id: Unique within its controller.
        origin: Who asked for it.
        state: Where it stands.
        waiting: In ``requested``: the lane was not granted yet.
        retries: Retries counted against ``max_retry``.
        conflicts: How often its create met another active response.
        attempt: The current attempt, or None while it waits for the lane the first time.
        attempts: How many attempts were started.
        message_number: N of "streaming message N"; 0 before the first message.
        messages: Every message of every attempt, in order.
        calls: Item ids of the function calls handed out.
        announced: The host was told of the generation.
        exposed: Something of it was handed downstream.
        generation_over: No more output comes.
        speech_over: The host is done with its speech.
        interrupted: Somebody asked it to stop.
        replacing: The attempt broke after some of it was handed out, and is asked for again
            once that has played.
        ending: How it will end once playback is over, or None.
        outcome: None until the turn ends.
        error: Why it failed or was cut short; also set while a retry is pending.
        first_failure: Time of the first failure, seconds, or None.
        recover_by: When the recovery deadline ends, or None.
        retry_at: When the backoff is over: of a retry, or of a create that met a conflict.
        deadline: Timer of ``requested`` (once sent), of playback, and of ``cancelling``.
        playback_reported: A sink reports playback for it; without one, playback ends with
            generation.
        audible: That sink tells when a message begins to play.
    """

    id: str
    origin: Origin
    playback_reported: bool
    audible: bool = False
    state: TurnState = TurnState.REQUESTED
    waiting: bool = True
    retries: int = 0
    conflicts: int = 0
    attempt: Attempt | None = None
    attempts: int = 0
    message_number: int = 0
    messages: list[Message] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    announced: bool = False
    exposed: bool = False
    generation_over: bool = False
    speech_over: bool = False
    interrupted: bool = False
    replacing: bool = False
    ending: TurnOutcome | None = None
    outcome: TurnOutcome | None = None
    error: ErrorInfo | None = None
    first_failure: float | None = None
    recover_by: float | None = None
    retry_at: float = -math.inf
    deadline: float | None = None

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
    def on_wire(self) -> bool:
        """Whether the current attempt's create was seen leaving."""
        return self.attempt is not None and self.attempt.event_id is not None

    @property
    def paused(self) -> bool:
        """Whether a message of it is paused."""
        return any(m.state is PlaybackState.PAUSED for m in self.messages)

    @property
    def playback_over(self) -> bool:
        """Whether nothing of this turn is playing or will play."""
        if self.speech_over or not self.playback_reported:
            return True
        return all(m.outcome is not None for m in self.messages if m.exposed)
