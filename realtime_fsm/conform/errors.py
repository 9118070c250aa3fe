"""What a server's errors say, whatever their shape."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["describe", "error_of", "is_unknown", "response_id"]


def error_of(event: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the ``error`` of an error event, an empty one for what has none."""
    error = (event or {}).get("error")
    return error if isinstance(error, Mapping) else {"message": str(error)} if error else {}


def response_id(event: Mapping[str, Any]) -> str | None:
    """Return the id of the response that an event carries."""
    response = event.get("response")
    found = response.get("id") if isinstance(response, Mapping) else None
    return found if isinstance(found, str) else None


def is_unknown(event: Mapping[str, Any], type: str) -> bool:
    """Whether an error says that the server has no such event at all."""
    error = error_of(event)
    message = str(error.get("message")).lower()
    if error.get("param") == "type" or "unknown_event" in str(error.get("code")):
        return True
    said = ("not supported", "unsupported", "unknown event", "unknown type", "unknown message",
            "not implemented", "unrecognized", "invalid event type", "unexpected type")  # fmt: skip
    return any(one in message for one in said) and (type in message or "event" in message)


def describe(event: Mapping[str, Any] | None) -> str:
    """Return an error in a few words."""
    error = error_of(event)
    code = error.get("code") or error.get("type") or "error"
    return f"{code}: {error.get('message')}"
