"""Error bodies: what the server says when something is wrong."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any

__all__ = ["KNOWN_ERRORS", "ErrorInfo", "error_body"]

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
}
"""Code to (type, message) of errors that tests ask for by code alone."""


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
