"""The server's delays and switches."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, get_args, get_type_hints

from .deviations import OMISSIONS, Omission
from .faults import Schedule
from .script import Accept, Handshake

__all__ = ["ServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """How fast the server is, how it takes connections, and what it does where nobody knows.

    Delays are seconds. For the switches see the rule that names the field (:data:`RULES`).

    Attributes:
        create_delay: from an accepted ``response.create`` to ``response.created`` (or to its
            rejection).
        vad_create_delay: the same for a response that server VAD started, counted from the commit.
        cancel_delay: until a ``response.cancel`` takes effect; the response goes on meanwhile, and
            may end first.
        pace: between two 100 ms deltas, so 0.02 is five times faster than real time.
        commit_delay: from the end of the user's speech to its commit, with ``server_vad``.
        semantic_commit_delay: the same with ``semantic_vad``; never more than the longest wait
            that is documented for the session's eagerness.
        transcription_delay: from the commit to the transcript of the user's audio.
        transcription_deltas: into how many deltas a transcript is cut; 0 sends it whole.
        failed_transcriptions: which of the connection's transcriptions fail, counted from 1.
        max_session_duration: when the session expires; None is never. The service's is 3600.
        handshakes: the k-th connection takes the k-th, later ones take *default_handshake*.
        faults: what goes wrong on the way; a server's transport applies it.
        hears_above: the mean amplitude (of 32767) above which audio that a client appends (PCM16,
            24 kHz) is speech for server VAD; None: it hears only what it is told.
        stuck: connections, counted from 1, on which every response fails with a server_error.
        largest_frame: a client's frame of more characters closes the connection, with code 1009;
            None takes any.
        leaves_out: what a server that only resembles the service does not send, see
            :data:`~realtime_fsm.simulator.deviations.Omission`.
        withheld_ms: how much less of each message's audio the server holds than it sent, for a
            truncate; pipecat-ai/pipecat#2106 met 85.
        one_response_id: such a server gives every response the same id; a cancel by id then cancels
            whichever is alive.

    Raises ``ValueError`` for a switch that is set to something it does not have, for an unknown
    omission, and for a delay below zero.
    """

    create_delay: float = 0.005
    vad_create_delay: float = 0.02
    cancel_delay: float = 0.03
    pace: float = 0.02
    commit_delay: float = 0.0
    semantic_commit_delay: float = 0.5
    transcription_delay: float = 0.01
    transcription_deltas: int = 0
    failed_transcriptions: Sequence[int] = ()
    max_session_duration: float | None = None
    handshakes: Sequence[Handshake] = ()
    default_handshake: Handshake = field(default_factory=Accept)
    faults: Schedule | None = None
    hears_above: float | None = None
    stuck: Sequence[int] = ()
    largest_frame: int | None = None
    leaves_out: Sequence[Omission] = ()
    withheld_ms: int = 0

    metadata_echo: bool = True
    cancelled_done: bool = True
    interrupted_done: bool = True
    cancel_before_created: bool = False
    slot_taken: Literal["accepted", "created"] = "accepted"
    conflict_event_id: Literal["linked", "null", "foreign"] = "linked"
    vad_conflict: Literal["error", "silent"] = "error"
    interrupted_before_created: Literal["done", "created_and_done"] = "done"
    open_item_of_failed: Literal["incomplete", "vanishes"] = "incomplete"
    cut_call_announced: bool = True
    rate_limits: Literal["after_done", "after_created", "off"] = "after_done"
    reasoning_items: Literal["hidden", "item"] = "hidden"
    confirm_items: bool = True
    unknown_call_id: Literal["refuse", "accept"] = "refuse"
    truncate_beyond: Literal["refuse", "clamp"] = "refuse"
    truncated_text: Literal["share", "deleted"] = "share"
    model_change: Literal["ignore", "refuse"] = "ignore"
    speech_stopped: Literal["at_commit", "at_silence"] = "at_commit"
    dialect: Literal["ga", "beta"] = "ga"
    one_response_id: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "handshakes", tuple(self.handshakes))
        object.__setattr__(self, "failed_transcriptions", tuple(self.failed_transcriptions))
        object.__setattr__(self, "stuck", tuple(self.stuck))
        object.__setattr__(self, "leaves_out", tuple(self.leaves_out))
        if unknown := [name for name in self.leaves_out if name not in OMISSIONS]:
            raise ValueError(f"leaves_out has {unknown[0]!r}; there are {', '.join(OMISSIONS)}")
        for name, hint in get_type_hints(type(self)).items():
            value: Any = getattr(self, name)
            known = get_args(hint)
            if known and all(isinstance(one, str) for one in known) and value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
            if hint is float and value < 0:
                raise ValueError(f"{name} is a number of seconds, not {value!r}")

    def handshake(self, connection: int) -> Handshake:
        """Return how connection number *connection* (from 1) is taken."""
        if self.faults is not None and (fault := self.faults.handshake(connection)) is not None:
            return fault
        return (
            self.handshakes[connection - 1]
            if connection <= len(self.handshakes)
            else self.default_handshake
        )
