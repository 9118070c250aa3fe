"""Which function answers for which event. An event nobody owns is counted and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from . import connection_events as connection
from . import error_events as error
from . import events as ev
from . import playback_events as playback
from . import server_events as server
from . import speech_events as speech
from .session import Session
from .step import Step

HANDLERS: dict[type[ev.Event], Callable[[Session, Any, Step], bool]] = {
    ev.CreateSent: server.create_sent,
    ev.CreateNotSent: server.create_not_sent,
    ev.CreateGivenUp: server.create_given_up,
    ev.SessionConfigured: speech.session_configured,
    ev.ResponseCreated: server.response_created,
    ev.ItemStarted: server.item_started,
    ev.OutputReceived: server.output_received,
    ev.CallReceived: server.call_received,
    ev.ActionEnded: server.action_ended,
    ev.ItemActivity: server.item_activity,
    ev.ResponseActivity: server.response_activity,
    ev.ResponseDone: server.response_done,
    ev.ErrorReceived: error.error_received,
    ev.RateLimitsUpdated: error.rate_limits_updated,
    ev.SpeechStarted: speech.speech_started,
    ev.SpeechStopped: speech.speech_stopped,
    ev.InputCleared: speech.input_cleared,
    ev.InputIdle: speech.input_idle,
    ev.InputCommitted: speech.input_committed,
    ev.Unreadable: server.unreadable,
    ev.ConnectionLost: connection.connection_lost,
    ev.ConnectionReady: connection.connection_ready,
    ev.SessionFailed: connection.session_failed,
    ev.MessagePulled: playback.message_pulled,
    ev.PlaybackStarted: playback.playback_started,
    ev.PlaybackFinished: playback.playback_finished,
    ev.PlaybackPaused: playback.playback_paused,
    ev.PlaybackResumed: playback.playback_resumed,
    ev.MessageTruncated: playback.message_truncated,
    ev.MessageShown: playback.message_shown,
    ev.ItemTruncated: playback.item_truncated,
    ev.ItemDeleted: playback.item_deleted,
    ev.AnnouncementLost: playback.announcement_lost,
    ev.SpeechOver: playback.speech_over,
}
