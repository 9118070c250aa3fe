"""The playback machine: one per message, the user's side of a turn. Every rule of it.

Its events come from the sink and the host, without ids; `realtime_fsm._core.playback` decides which
message they concern. Rows that finish a message tell its turn, which hears of it if nothing of it plays any more.
As in the other tables rows are tried in order, and ``dest=None`` stays.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Optional, Union

from .machine_events import PlaybackEvent, TurnEvent
from .records import Message
from .states import MessageOutcome, PlaybackState
from .step import NOTHING, Report, Step

P = PlaybackState
E = PlaybackEvent

__all__ = ["NOTHING", "PLAYBACK_TABLE", "PlaybackEvent", "PlaybackRow", "Report"]

# --- effects


def note_pull(message: Message, step: Step) -> None:
    message.pulled = True
    message.moved_at = step.now


def note_start(message: Message, step: Step) -> None:
    message.started = True


def note_resume(message: Message, step: Step) -> None:
    message.moved_at = step.now


def take_report(message: Message, step: Step) -> None:
    message.transcript = step.report.transcript
    if step.report.interrupted:
        cut(message, step)
    else:
        _finish(message, step, MessageOutcome.FULL)
        message.heard_ms = int(message.received_ms) or _within(step.report, message)


def cut(message: Message, step: Step) -> None:
    message.heard_ms = _within(step.report, message)
    partial = message.heard_ms > 0
    _finish(message, step, MessageOutcome.PARTIAL if partial else MessageOutcome.SKIPPED)


def skip(message: Message, step: Step) -> None:
    message.heard_ms = 0
    _finish(message, step, MessageOutcome.SKIPPED)


def close(message: Message, step: Step) -> None:
    """Its report is missing: only text, or a sink that does not report, or nothing played."""
    # Without a sink the text was read. With one, text that never sounded is a TTS that failed;
    # of received audio that is believed only if somebody cut it.
    report = step.report
    unheard = report.audible and not message.started
    if unheard and (report.interrupted or not message.received_ms):
        skip(message, step)
    elif report.interrupted:
        _finish(message, step, MessageOutcome.PARTIAL)
    else:
        _finish(message, step, MessageOutcome.FULL)
        message.heard_ms = int(message.received_ms) or None


def _finish(message: Message, step: Step, outcome: MessageOutcome) -> None:
    message.outcome = outcome
    message.moved_at = step.now


def _within(report: Report, message: Message) -> int:
    """G15: an integer, from 0 to what was received; sinks report NaN too (agents-js#1795)."""
    heard, received = report.position_ms, message.received_ms
    if math.isnan(heard):
        return 0
    if received or math.isinf(heard):  # none is counted where a TTS speaks the text
        heard = min(heard, received)
    return int(max(heard, 0.0))


Guard = Callable[[Message, Step], bool]
Effect = Callable[[Message, Step], None]


class PlaybackRow(NamedTuple):
    """One rule, or several that differ only in source."""

    source: Union[P, tuple[P, ...]]
    event: E
    dest: Optional[P]
    guard: Optional[Guard]
    effect: Optional[Effect]
    tells: Optional[TurnEvent]
    reason: str


#: Told to the turn if nothing of it plays any more.
OVER = TurnEvent.PLAYBACK_OVER

_BEGUN = (P.PLAYING, P.PAUSED)

# fmt: off
PLAYBACK_TABLE: tuple[PlaybackRow, ...] = (
    # source               event           dest        guard  effect        tells  reason
    PlaybackRow(P.WAITING,  E.PULLED,       P.PLAYING,  None,  note_pull,    None, "its turn to play has come (G13)"),
    PlaybackRow(P.WAITING,  E.TRUNCATED,    P.FINISHED, None,  cut,          OVER, "the host knows better"),
    PlaybackRow(P.WAITING,  E.SPEECH_OVER,  P.FINISHED, None,  skip,         OVER, "never played (G16)"),

    PlaybackRow(P.PLAYING,  E.STARTED,      None,       None,  note_start,   None, "the first frame sounds"),
    PlaybackRow(P.PLAYING,  E.PAUSED,       P.PAUSED,   None,  None,         None, "its clock stands still"),
    PlaybackRow(P.PAUSED,   E.STARTED,      None,       None,  None,         None, "re-fired on resume (livekit/agents PR#6636)"),
    PlaybackRow(P.PAUSED,   E.RESUMED,      P.PLAYING,  None,  note_resume,  None, "a false interruption"),

    PlaybackRow(_BEGUN,     E.REPORTED,     P.FINISHED, None,  take_report,  OVER, "the sink's word, once (G14)"),
    PlaybackRow(_BEGUN,     E.TRUNCATED,    P.FINISHED, None,  cut,          OVER, "without a sink's report, the host's"),
    PlaybackRow(_BEGUN,     E.NEXT_PULLED,  P.FINISHED, None,  close,        OVER, "messages play one after another (G13)"),
    PlaybackRow(_BEGUN,     E.SPEECH_OVER,  P.FINISHED, None,  close,        OVER, "the sink's report is missing (G14)"),
)
# fmt: on
