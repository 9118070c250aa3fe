"""What each event of playback and of history means, as `realtime_fsm._receive` does for the rest."""

from __future__ import annotations

from . import _events as ev
from ._core import Core
from ._playback import apply, finish_playback
from ._playback_table import PlaybackEvent as P
from ._playback_table import Report
from ._rules import Step
from ._states import TurnState
from ._table import TurnEvent as E


def message_pulled(core: Core, event: ev.MessagePulled, step: Step) -> bool:
    known = core.messages.get(event.item_id)
    if known is None:
        return core.ignore("stale message")
    turn, _, message = known
    closed = core.playback.pulled(turn, message)
    turn.audible = core.audible  # a sink may have come, or gone, since the turn began
    if closed is not None and closed is not turn:
        core.playback_moved(closed, step)
    core.playback_moved(turn, step)
    return True


def playback_started(core: Core, event: ev.PlaybackStarted, step: Step) -> bool:
    turn = core.playback.happened(P.STARTED)
    return turn is not None or core.ignore("surplus playback report")


def playback_finished(core: Core, event: ev.PlaybackFinished, step: Step) -> bool:
    report = Report(
        position_ms=event.position_ms,
        interrupted=event.interrupted,
        transcript=event.synchronized_transcript,
    )
    turn = core.playback.happened(P.REPORTED, report)
    if turn is None:
        return core.ignore("surplus playback report")
    core.playback_moved(turn, step)
    return True


def playback_paused(core: Core, event: ev.PlaybackPaused, step: Step) -> bool:
    return core.playback.happened(P.PAUSED) is not None


def playback_resumed(core: Core, event: ev.PlaybackResumed, step: Step) -> bool:
    turn = core.playback.happened(P.RESUMED)
    if turn is not None:
        core.playback_moved(turn, step)
    return turn is not None


def message_truncated(core: Core, event: ev.MessageTruncated, step: Step) -> bool:
    known = core.messages.get(event.item_id)
    if known is None:
        return core.ignore("stale message")
    turn, _, message = known
    if apply(message, P.TRUNCATED, Report(position_ms=event.audio_end_ms)):
        core.playback_moved(turn, step)
    return True


def message_shown(core: Core, event: ev.MessageShown, step: Step) -> bool:
    message = core.message(event.item_id)
    if message is not None:
        message.shown = event.text
    return message is not None


def item_truncated(core: Core, event: ev.ItemTruncated, step: Step) -> bool:
    return _remembers(core, event.item_id, event.audio_end_ms)


def item_deleted(core: Core, event: ev.ItemDeleted, step: Step) -> bool:
    message = core.message(event.item_id)
    if message is not None and not message.removed and event.item_id not in core.messages:
        message.released = True
    return _remembers(core, event.item_id, 0)


def _remembers(core: Core, item_id: str, ms: int) -> bool:
    message = core.message(item_id)
    if message is not None:
        message.remembered_ms = ms
    return message is not None


def announcement_lost(core: Core, event: ev.AnnouncementLost, step: Step) -> bool:
    turn = core.live.get(event.turn_id)
    if turn is None or turn.exposed:
        return core.ignore("stale turn")
    turn.announced = False
    return True


def speech_over(core: Core, event: ev.SpeechOver, step: Step) -> bool:
    turn = core.live.get(event.turn_id)
    if turn is None:
        return core.ignore("stale turn")
    if event.interrupted and turn.state is not TurnState.CANCELLING:
        core.fire(turn, E.INTERRUPTED, step)
    if turn.live:
        finish_playback(turn)
        core.playback_moved(turn, step)
    return True
