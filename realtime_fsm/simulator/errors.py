"""Error bodies: what the server says when something is wrong."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

__all__ = ["ERROR_CLASSES", "KNOWN_ERRORS", "ErrorInfo", "Refusal", "error_body"]

INVALID_REQUEST = "invalid_request_error"

KNOWN_ERRORS: dict[str, tuple[str, str]] = {
    # Observed: realtime-console#51, livekit#1972.
    "server_error": (
        "server_error",
        "The server had an error while processing your request. You can retry your request.",
    ),
    # Observed: openai-python#2502. The type says "your fault", the code says "later".
    "inference_rate_limit_exceeded": (
        INVALID_REQUEST,
        "Too many requests. Please try again later.",
    ),
    # Type assumed: no public capture of this code on the Realtime API.
    "rate_limit_exceeded": ("rate_limit_error", "Rate limit reached. Please try again in 1.2s."),
    # Observed: livekit#6352, livekit#7805.
    "insufficient_quota": (
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "credit_balance_exhausted": ("insufficient_quota", "Your credit balance is exhausted."),
    # Observed: livekit#2358.
    "session_expired": (INVALID_REQUEST, "Your session hit the maximum duration of 60 minutes."),
    # Types assumed: only the codes are on livekit's list (livekit#6352).
    "invalid_api_key": (INVALID_REQUEST, "Incorrect API key provided."),
    "account_deactivated": (INVALID_REQUEST, "The account is deactivated."),
    "billing_hard_limit_reached": (INVALID_REQUEST, "The billing hard limit has been reached."),
    # Observed: livekit#2064, agents-js#220, livekit#6642.
    "conversation_already_has_active_response": (
        INVALID_REQUEST,
        (
            "Conversation already has an active response in progress: resp_000. "
            "Wait until the response is finished before creating a new one."
        ),
    ),
    "response_cancel_not_active": (
        INVALID_REQUEST,
        "Cancellation failed: no active response found",
    ),
    "input_audio_buffer_commit_empty": (
        INVALID_REQUEST,
        "Error committing input audio buffer: buffer too small.",
    ),
    # Observed: pipecat#1963, livekit#6157, openai-agents-js#552.
    "invalid_value": (INVALID_REQUEST, "Audio content of 0ms is already shorter than 1ms"),
    "unsupported_content_type": (
        INVALID_REQUEST,
        "Only model output audio messages can be truncated",
    ),
    "invalid_type": (INVALID_REQUEST, "Invalid type for 'audio_end_ms': expected an integer."),
    "item_delete_invalid_item_id": (
        INVALID_REQUEST,
        "Error deleting item: the item does not exist.",
    ),
    # Documented: the reference's example of an error event.
    "invalid_event": (INVALID_REQUEST, "The 'type' field is missing."),
    "unknown_parameter": (INVALID_REQUEST, "Unknown parameter: 'x'."),
    "missing_required_parameter": (INVALID_REQUEST, "Missing required parameter: 'x'."),
    # Observed: openai-python#2607.
    "cannot_update_voice": (
        INVALID_REQUEST,
        "Cannot update a conversation's voice if assistant audio is present.",
    ),
}
"""Code to (type, message) of errors that tests ask for by code alone."""

ERROR_CLASSES: dict[str, tuple[str, ...]] = {
    "transient": ("server_error", "inference_rate_limit_exceeded", "rate_limit_exceeded"),
    "conflict": (
        "conversation_already_has_active_response",
        "response_cancel_not_active",
        "input_audio_buffer_commit_empty",
        "item_delete_invalid_item_id",
    ),
    "bug": (
        "invalid_value",
        "unsupported_content_type",
        "invalid_type",
        "invalid_event",
        "unknown_parameter",
        "missing_required_parameter",
        "cannot_update_voice",
    ),
    "session_end": ("session_expired",),
    "fatal": (
        "insufficient_quota",
        "credit_balance_exhausted",
        "invalid_api_key",
        "account_deactivated",
        "billing_hard_limit_reached",
    ),
    "unknown": ("no_such_code_yet",),
}
"""What a client had better do about an error, to the codes that call for it."""


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, not an accident
    """What a client asked for is refused, with the code, message and param of the ``error``."""

    def __init__(self, code: str, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """An error of the server: ``ErrorInfo("insufficient_quota")``.

    *type* and *message* default to what :data:`KNOWN_ERRORS` says of the code, else to
    ``server_error``. *code* may be None: servers send that too.
    """

    code: str | None
    _: KW_ONLY
    type: str | None = None
    message: str | None = None

    def body(self) -> dict[str, Any]:
        """Return ``{"type", "code", "message"}``."""
        known = KNOWN_ERRORS.get(self.code or "server_error")
        kind, text = known or ("server_error", f"The request failed: {self.code}.")
        return {
            "type": self.type if self.type is not None else kind,
            "code": self.code,
            "message": self.message if self.message is not None else text,
        }


def error_body(
    code: str | None,
    message: str,
    *,
    event_id: str | None,
    param: str | None = None,
    type: str = INVALID_REQUEST,
) -> dict[str, Any]:
    """Return the ``error`` field of an ``error`` event that answers the client event *event_id*."""
    return {"type": type, "code": code, "message": message, "param": param, "event_id": event_id}
