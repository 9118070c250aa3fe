"""Raw frames of the Realtime API to events. Total: any JSON value gives an event or None (G25).

GA names, and the beta names that Azure and some relatives still send. Unknown types, missing
or mistyped fields and foreign shapes give `Unreadable`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Optional

from . import events as ev
from .error_kinds import error_info
from .errors import ErrorInfo
from .states import ErrorKind

#: PCM16 mono at 24 kHz, the one output format the OpenAI plugin asks for: 48 bytes per ms,
#: and base64 writes 3 bytes as 4 characters.
_MS_PER_CHAR = 1 / 64.0

#: Frames that bring output, and the milliseconds of audio in one character of their ``delta``.
_DELTAS = {
    "response.output_audio.delta": _MS_PER_CHAR,
    "response.audio.delta": _MS_PER_CHAR,
    "response.output_audio_transcript.delta": 0.0,
    "response.audio_transcript.delta": 0.0,
    "response.output_text.delta": 0.0,
    "response.text.delta": 0.0,
}

#: Frames that tell no more of an item than that it goes on.
_SIGNS_OF_LIFE = frozenset(
    {
        "response.content_part.added",
        "response.content_part.done",
        "response.output_audio.done",
        "response.audio.done",
        "response.output_audio_transcript.done",
        "response.audio_transcript.done",
        "response.output_text.done",
        "response.text.done",
    }
)
_SESSIONS = frozenset({"session.created", "session.updated"})
#: The other types of the provider's API reference; many of them are no concern of a turn.
_OTHERS = frozenset(
    {
        "conversation.created",
        "conversation.item.created",
        "conversation.item.added",
        "conversation.item.done",
        "conversation.item.retrieved",
        *(
            f"conversation.item.input_audio_transcription.{what}"
            for what in ("delta", "segment", "completed", "failed")
        ),
        "input_audio_buffer.dtmf_event_received",
        *(f"output_audio_buffer.{what}" for what in ("started", "stopped", "cleared")),
        "response.function_call_arguments.delta",
        "response.function_call_arguments.done",
        "response.mcp_call_arguments.delta",
        "response.mcp_call_arguments.done",
        *(f"response.mcp_call.{what}" for what in ("in_progress", "completed", "failed")),
        *(f"mcp_list_tools.{what}" for what in ("in_progress", "completed", "failed")),
        *(
            f"response.{what}_search_call.{how}"
            for what in ("web", "file")
            for how in ("in_progress", "searching", "completed", "failed")
        ),
        "transcription_session.created",
        "transcription_session.updated",
    }
)
_KNOWN = _SIGNS_OF_LIFE | _OTHERS
_MALFORMED = ev.Unreadable(reason="malformed frame")

#: Any other kind may act (G28).
_KINDS = {
    "message": ev.ItemKind.MESSAGE,
    "function_call": ev.ItemKind.FUNCTION_CALL,
    "reasoning": ev.ItemKind.OTHER,
    None: ev.ItemKind.OTHER,
}

#: How a provider's words for "why not completed" read when it gives no error object.
_REASONS = {"max_output_tokens", "content_filter", "turn_detected", "client_cancelled"}


def parse(frame: object) -> Optional[ev.Event]:
    """The event a server frame means, or None if it means nothing to a turn."""
    if not isinstance(frame, dict):
        return _MALFORMED
    kind = frame.get("type")
    if not isinstance(kind, str):
        return _MALFORMED
    if kind in _DELTAS:
        return _delta(frame, kind)
    if kind in _SESSIONS:
        return _session(frame)
    reader = _READERS.get(kind)
    if reader is not None:
        return reader(frame) or _MALFORMED
    response_id, item_id = _text(frame, "response_id"), _text(frame, "item_id")
    if kind not in _KNOWN:
        return ev.Unreadable(reason="unknown event type", response_id=response_id, item_id=item_id)
    if response_id:
        return ev.ResponseActivity(response_id=response_id)
    if item_id and kind.startswith("response."):
        return ev.ItemActivity(item_id=item_id)
    return None


def output_of(frame: object) -> Optional[tuple[str, float]]:
    """The item id of a delta, and the milliseconds of audio in it; None for any other frame and
    for a malformed one. Most frames are deltas, so they have this shorter way past `parse`."""
    if type(frame) is not dict:
        return None
    kind, item_id, delta = frame.get("type"), frame.get("item_id"), frame.get("delta")
    if not (type(kind) is str and type(item_id) is str and type(delta) is str and delta):
        return None
    ms_per_char = _DELTAS.get(kind)
    if ms_per_char is None or not frame.get("response_id"):
        return None
    return item_id, len(delta) * ms_per_char


def sign_of_life(frame: object) -> Optional[str]:
    """The item id of a frame that tells no more of a message than that it goes on: `parse` makes a
    `ResponseActivity` of it. None for any other frame and for a malformed one."""
    if type(frame) is not dict:
        return None
    kind, item_id = frame.get("type"), frame.get("item_id")
    if type(kind) is not str or not frame.get("response_id"):
        return None
    if kind == "response.output_item.done":
        item = frame.get("item")
        if type(item) is not dict or item.get("type") != "message":
            return None
        item_id = item.get("id")
    elif kind not in _SIGNS_OF_LIFE:
        return None
    return item_id if type(item_id) is str else None


def is_out_of_band(frame: Mapping[str, Any]) -> bool:
    """Whether a client's ``response.create`` asks for a response outside the conversation."""
    return _map(frame, "response").get("conversation") == "none"


def text_delta(frame: Mapping[str, Any]) -> Optional[tuple[str, str]]:
    """Item id and words of a delta of text or transcript; None for any other frame."""
    kind = _text(frame, "type")
    if kind is None or _DELTAS.get(kind) != 0.0:
        return None
    item_id, delta = _text(frame, "item_id"), _text(frame, "delta")
    return None if item_id is None or delta is None else (item_id, delta)


def _delta(frame: Mapping[str, Any], kind: str) -> Optional[ev.Event]:
    response_id, item_id = _text(frame, "response_id"), _text(frame, "item_id")
    delta = frame.get("delta")
    if not response_id or not item_id or not isinstance(delta, str):
        return _MALFORMED
    if not delta:
        return None
    audio_ms = len(delta) * _DELTAS[kind]
    return ev.OutputReceived(response_id=response_id, item_id=item_id, audio_ms=audio_ms)


def _session(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    session = frame.get("session")
    if not isinstance(session, dict):
        return _MALFORMED
    # GA: session.audio.input.turn_detection; beta: session.turn_detection.
    audio_input = _map(_map(session, "audio"), "input")
    if "turn_detection" not in audio_input and "turn_detection" not in session:
        return None
    detection = audio_input.get("turn_detection", session.get("turn_detection"))
    if not isinstance(detection, dict):
        return ev.SessionConfigured(server_creates=False, server_interrupts=False)
    return ev.SessionConfigured(
        server_creates=detection.get("create_response") is not False,
        server_interrupts=detection.get("interrupt_response") is not False,
    )


def _created(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    response = _map(frame, "response")
    response_id = _text(response, "id")
    if not response_id:
        return None
    return ev.ResponseCreated(
        response_id=response_id,
        client_event_id=_client_event_id(response),
        out_of_band=is_outside(response),
    )


def _item_added(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    response_id, item = _text(frame, "response_id"), _map(frame, "item")
    item_id = _text(item, "id")
    if not response_id or not item_id:
        return None
    kind = _KINDS.get(_text(item, "type"), ev.ItemKind.ACTION)
    return ev.ItemStarted(response_id=response_id, item_id=item_id, kind=kind)


def _item_done(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    response_id, item = _text(frame, "response_id"), _map(frame, "item")
    item_id = _text(item, "id")
    if not response_id or not item_id:
        return None
    if _KINDS.get(_text(item, "type"), ev.ItemKind.ACTION) is ev.ItemKind.ACTION:
        return ev.ActionEnded(response_id=response_id, item_id=item_id)
    if item.get("type") != "function_call" or item.get("status") == "incomplete":
        return ev.ResponseActivity(response_id=response_id)
    return ev.CallReceived(response_id=response_id, item_id=item_id)


def _done(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    response = _map(frame, "response")
    response_id = _text(response, "id")
    try:
        status = ev.ResponseStatus(response.get("status"))
    except ValueError:
        return None
    if not response_id:
        return None
    done = status is ev.ResponseStatus.COMPLETED
    return ev.ResponseDone(
        response_id=response_id,
        status=status,
        error=None if done else _why(response.get("status_details")),
        client_event_id=_client_event_id(response),
        out_of_band=is_outside(response),
    )


def _why(details: object) -> Optional[ErrorInfo]:
    if isinstance(details, str):
        # A plain string from compatible servers (livekit/agents#5994).
        return error_info(None, None, details)
    if not isinstance(details, dict):
        return None
    error = details.get("error")
    if isinstance(error, dict):
        return _error_of(error)
    reason = _text(details, "reason")
    if reason in _REASONS:
        return ErrorInfo(kind=ErrorKind.NORMAL, code=reason)
    return error_info(reason, _text(details, "type"), "") if reason else None


def _error(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    error = frame.get("error")
    if not isinstance(error, dict):
        return None
    return ev.ErrorReceived(error=_error_of(error), event_id=_text(error, "event_id"))


def _error_of(error: Mapping[str, Any]) -> ErrorInfo:
    return error_info(_text(error, "code"), _text(error, "type"), _text(error, "message") or "")


def _rate_limits(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    limits = frame.get("rate_limits")
    if not isinstance(limits, list):
        return None
    resets = [_number(x, "reset_seconds") for x in limits if _number(x, "remaining") == 0]
    return ev.RateLimitsUpdated(reset_after=max((r for r in resets if r is not None), default=None))


def _number(value: object, key: str) -> Optional[float]:
    """A number that is 0 or more."""
    found = value.get(key) if isinstance(value, dict) else None
    if isinstance(found, bool) or not isinstance(found, (int, float)):
        return None
    return float(found) if 0 <= found < math.inf else None


def _client_event_id(response: Mapping[str, Any]) -> Optional[str]:
    return _text(_map(response, "metadata"), "client_event_id")


def is_outside(response: Mapping[str, Any]) -> bool:
    # "If none, ... the value of conversation_id will be null"; absent on older servers.
    return "conversation_id" in response and response["conversation_id"] is None


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _text(value: Mapping[str, Any], key: str) -> Optional[str]:
    found = value.get(key)
    return found if isinstance(found, str) and found else None


def _truncated(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    item_id, end = _text(frame, "item_id"), frame.get("audio_end_ms")
    if not item_id or not isinstance(end, int):
        return None
    return ev.ItemTruncated(item_id=item_id, audio_end_ms=end)


def _deleted(frame: Mapping[str, Any]) -> Optional[ev.Event]:
    item_id = _text(frame, "item_id")
    return ev.ItemDeleted(item_id=item_id) if item_id else None


_READERS: dict[str, Callable[[Mapping[str, Any]], Optional[ev.Event]]] = {
    "response.created": _created,
    "response.output_item.added": _item_added,
    "response.output_item.done": _item_done,
    "response.done": _done,
    "error": _error,
    "rate_limits.updated": _rate_limits,
    "conversation.item.truncated": _truncated,
    "conversation.item.deleted": _deleted,
    "input_audio_buffer.speech_started": lambda _: ev.SpeechStarted(),
    "input_audio_buffer.cleared": lambda _: ev.InputCleared(),
    "input_audio_buffer.timeout_triggered": lambda _: ev.InputIdle(),
    "input_audio_buffer.committed": lambda _: ev.InputCommitted(),
    "input_audio_buffer.speech_stopped": lambda _: ev.SpeechStopped(),
}
