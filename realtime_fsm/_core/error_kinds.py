"""What a provider's error means: by code first, then type, then message.

``type = invalid_request_error`` alone proves nothing: rate limits and session expiry carry it
(openai/openai-python#2502), and some errors come with a null code and only a message
(openai/openai-realtime-agents#3).
"""

from __future__ import annotations

import math
import re

from .errors import ErrorInfo
from .states import ErrorKind

ACTIVE_RESPONSE = "conversation_already_has_active_response"

#: Fatal if either code **or** type is one of these (livekit/agents#6352, #7805).
FATAL = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
        "authentication_error",
        "permission_error",
    }
)

#: Those that end plain LiveKit's session as well; any other fails its turn alone (G10).
ENDS_SESSION = FATAL - {"authentication_error", "permission_error"}

_NOT_ACTIVE = frozenset(
    {"response_cancel_not_active", "response_not_active", "response_cancel_no_active_response"}
)
_NOTHING = "cancellation failed"

BY_CODE: dict[str, ErrorKind] = {
    ACTIVE_RESPONSE: ErrorKind.CONFLICT,
    **dict.fromkeys(_NOT_ACTIVE, ErrorKind.CONFLICT),
    "input_audio_buffer_commit_empty": ErrorKind.CONFLICT,
    "server_error": ErrorKind.TRANSIENT,
    "inference_rate_limit_exceeded": ErrorKind.TRANSIENT,
    "rate_limit_exceeded": ErrorKind.TRANSIENT,
    "session_expired": ErrorKind.SESSION_END,
    "invalid_value": ErrorKind.CLIENT_BUG,
    "invalid_type": ErrorKind.CLIENT_BUG,
    "invalid_event": ErrorKind.CLIENT_BUG,
    "unknown_parameter": ErrorKind.CLIENT_BUG,
    "missing_required_parameter": ErrorKind.CLIENT_BUG,
    "unsupported_content_type": ErrorKind.CLIENT_BUG,
    "item_retrieve_invalid_item_id": ErrorKind.CLIENT_BUG,
    "item_create_duplicate_item_id": ErrorKind.CLIENT_BUG,
    "max_output_tokens": ErrorKind.NORMAL,
    "content_filter": ErrorKind.NORMAL,
    "turn_detected": ErrorKind.NORMAL,
    "client_cancelled": ErrorKind.NORMAL,
}

BY_TYPE: dict[str, ErrorKind] = {
    "server_error": ErrorKind.TRANSIENT,
    "rate_limit_error": ErrorKind.TRANSIENT,
}

_YOUR_REQUEST = "the server had an error while processing your request"

BY_MESSAGE: tuple[tuple[str, ErrorKind], ...] = (
    ("conversation already has an active response", ErrorKind.CONFLICT),
    (_NOTHING, ErrorKind.CONFLICT),
    (_YOUR_REQUEST, ErrorKind.TRANSIENT),
    ("session hit the maximum duration", ErrorKind.SESSION_END),
)

#: Codes and types of errors that ``rate_limits.updated`` tells the end of.
RATE_LIMITS = frozenset(
    {"rate_limit_exceeded", "inference_rate_limit_exceeded", "rate_limit_error"}
)

_HINT = re.compile(r"try again in (\d+(?:\.\d+)?)\s*(ms|s|m)\b", re.IGNORECASE)
_UNIT = {"ms": 0.001, "s": 1.0, "m": 60.0}
_ACTIVE_ID = re.compile(r"\bresp_\w+")


def classify(code: str | None, type: str | None, message: str) -> ErrorKind:
    """The kind of an error as the provider named it. Total: anything unknown is UNKNOWN."""
    if code in FATAL or type in FATAL:
        return ErrorKind.FATAL
    if code in BY_CODE:
        return BY_CODE[code]
    lowered = message.lower()
    for start, kind in BY_MESSAGE:
        if lowered.startswith(start):
            return kind
    if type in BY_TYPE:
        return BY_TYPE[type]
    # A named refusal of our own frame (no code, or a code nobody listed) is not worth repeating.
    return ErrorKind.CLIENT_BUG if type == "invalid_request_error" else ErrorKind.UNKNOWN


def error_info(code: str | None, type: str | None, message: str) -> ErrorInfo:
    """An `ErrorInfo` with its kind and, when the message names one, the wait asked for."""
    return ErrorInfo(
        kind=classify(code, type, message),
        code=code,
        type=type,
        message=message,
        retry_after=retry_hint(message),
    )


def ends_session(error: ErrorInfo) -> bool:
    """Whether no attempt can succeed in this session any more, and plain LiveKit ends it too."""
    return error.code in ENDS_SESSION or error.type in ENDS_SESSION


def is_nothing_to_cancel(error: ErrorInfo) -> bool:
    """Whether it says that what was to be cancelled does not run."""
    return error.code in _NOT_ACTIVE or error.message.lower().startswith(_NOTHING)


def is_rate_limit(error: ErrorInfo) -> bool:
    """Whether ``rate_limits.updated`` tells the end of it."""
    return error.code in RATE_LIMITS or error.type in RATE_LIMITS


def is_of_a_request(error: ErrorInfo) -> bool:
    """Whether it says itself that it answers a request, and is not about something else."""
    return is_rate_limit(error) or error.message.lower().startswith(_YOUR_REQUEST)


def retry_hint(message: str) -> float | None:
    """Seconds named by "try again in 2s" / "in 350ms", or None."""
    found = _HINT.search(message)
    if found is None:
        return None
    seconds = float(found.group(1)) * _UNIT[found.group(2).lower()]
    return seconds if math.isfinite(seconds) else None


def is_slot_taken(error: ErrorInfo) -> bool:
    """Whether it says that another response is alive, and not that there is none."""
    told = error.message.lower().startswith("conversation already has an active response")
    return error.code == ACTIVE_RESPONSE or told


def active_response_id(message: str) -> str | None:
    """The id that the conflict's message names as the one in progress, or None."""
    found = _ACTIVE_ID.search(message)
    return found.group(0) if found else None
