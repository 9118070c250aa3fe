"""The playback machine: one per message, the user's side of a turn. Every rule of it.

Its events come from the sink and the host, without ids; `realtime_fsm._playback` decides which
message they concern. When the last message of a turn is finished the turn gets PLAYBACK_OVER.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Optional, Union

from ._states import MessageOutcome, PlaybackState
from ._turn import Message

P = PlaybackState


class PlaybackEvent(Enum):
    """What can happen to the playback of a message."""

    PULLED = "the host begins to forward it"
    STARTED = "playback_started"
    PAUSED = "the host pauses the sink: perhaps the user speaks"
    RESUMED = "the user did not mean it"
    REPORTED = "playback_finished"
    TRUNCATED = "the host cut it itself"
    NEXT_PULLED = "the host begins to forward the next one"
    SPEECH_OVER = "timer, or the host is done with the speech"


E = PlaybackEvent


@dataclass(frozen=True, slots=True)
class Report:
    """What came with an event.

    Attributes:
        position_ms: Milliseconds played.
        interrupted: It was cut off, or its turn was interrupted.
        audible: There is a sink that tells when it begins to play.
        transcript: The words that were played, where the sink knows them.
    """

    position_ms: float = 0.0
    interrupted: bool = False
    audible: bool = False
    transcript: str | None = None


# --- effects


def note_pull(message: Message, report: Report) -> None:
    message.pulled = True


def note_start(message: Message, report: Report) -> None:
    message.started = True


def take_report(message: Message, report: Report) -> None:
    message.transcript = report.transcript
    if report.interrupted:
        cut(message, report)
    else:
        message.outcome = MessageOutcome.FULL
        message.heard_ms = int(message.received_ms) or _within(report, message)


def cut(message: Message, report: Report) -> None:
    message.heard_ms = _within(report, message)
    partial = message.heard_ms > 0
    message.outcome = MessageOutcome.PARTIAL if partial else MessageOutcome.SKIPPED


def skip(message: Message, report: Report) -> None:
    message.outcome, message.heard_ms = MessageOutcome.SKIPPED, 0


def close(message: Message, report: Report) -> None:
    """Its report is missing: only text, or a sink that does not report, or nothing played."""
    # Without a sink the text was read. With one, text that never sounded is a TTS that failed;
    # of received audio that is believed only if somebody cut it.
    unheard = report.audible and not message.started
    if unheard and (report.interrupted or not message.received_ms):
        skip(message, report)
    elif report.interrupted:
        message.outcome = MessageOutcome.PARTIAL
    else:
        message.outcome = MessageOutcome.FULL
        message.heard_ms = int(message.received_ms) or None


def _within(report: Report, message: Message) -> int:
    """G15: an integer, from 0 to what was received; sinks report NaN too (agents-js#1795)."""
    heard, received = report.position_ms, message.received_ms
    if math.isnan(heard):
        return 0
    if received or math.isinf(heard):  # none is counted where a TTS speaks the text
        heard = min(heard, received)
    return int(max(heard, 0.0))


Guard = Callable[[Message, Report], bool]
Effect = Callable[[Message, Report], None]


class PlaybackRow(NamedTuple):
    """One rule, or several that differ only in source."""

    source: Union[P, tuple[P, ...]]
    event: E
    dest: Optional[P]
    guard: Optional[Guard]
    effect: Optional[Effect]
    reason: str


_BEGUN = (P.PLAYING, P.PAUSED)

# fmt: off
PLAYBACK_TABLE: tuple[PlaybackRow, ...] = (
    # source               event           dest        guard  effect        reason
    PlaybackRow(P.WAITING,  E.PULLED,       P.PLAYING,  None,  note_pull,    "its turn to play has come (G13)"),
    PlaybackRow(P.WAITING,  E.TRUNCATED,    P.FINISHED, None,  cut,          "the host knows better"),
    PlaybackRow(P.WAITING,  E.SPEECH_OVER,  P.FINISHED, None,  skip,         "never played (G16)"),

    PlaybackRow(P.PLAYING,  E.STARTED,      None,       None,  note_start,   "the first frame sounds"),
    PlaybackRow(P.PLAYING,  E.PAUSED,       P.PAUSED,   None,  None,         "its clock stands still"),
    PlaybackRow(P.PAUSED,   E.STARTED,      None,       None,  None,         "re-fired on resume (livekit/agents PR#6636)"),
    PlaybackRow(P.PAUSED,   E.RESUMED,      P.PLAYING,  None,  None,         "a false interruption"),

    PlaybackRow(_BEGUN,     E.REPORTED,     P.FINISHED, None,  take_report,  "the sink's word, once (G14)"),
    PlaybackRow(_BEGUN,     E.TRUNCATED,    P.FINISHED, None,  cut,          "without a sink's report, the host's"),
    PlaybackRow(_BEGUN,     E.NEXT_PULLED,  P.FINISHED, None,  close,        "messages play one after another (G13)"),
    PlaybackRow(_BEGUN,     E.SPEECH_OVER,  P.FINISHED, None,  close,        "the sink's report is missing (G14)"),
)
# fmt: on
