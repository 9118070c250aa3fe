"""The ``response.create`` as a frame: which are an application's own, and what names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from livekit.agents import utils


def own_create(event: Any) -> dict[str, Any] | None:
    """The frame of an application's own in-band ``response.create``, or None for other events, and
    for one that the server will refuse as malformed."""
    frame: Any = event
    if hasattr(event, "model_dump"):
        frame = event.model_dump(by_alias=True, exclude_unset=True, exclude_defaults=False)
    if not isinstance(frame, dict) or frame.get("type") != "response.create":
        return None
    response, event_id = frame.get("response") or {}, frame.get("event_id") or ""
    if not isinstance(response, Mapping) or not isinstance(event_id, str):
        return None
    if not isinstance(response.get("metadata") or {}, Mapping):
        return None
    if response.get("conversation") == "none":
        return None
    return with_event_id(frame, frame.get("event_id") or utils.shortuuid("response_create_"))


def client_event_id(frame: Mapping[str, Any]) -> object:
    """What the metadata of a ``response.create`` call it."""
    response = frame.get("response")
    metadata = response.get("metadata") if isinstance(response, Mapping) else None
    return metadata.get("client_event_id") if isinstance(metadata, Mapping) else None


def with_event_id(frame: Mapping[str, Any], event_id: str) -> dict[str, Any]:
    """The create under this event id, which ``response.created`` will echo in its metadata."""
    response = dict(frame.get("response") or {})
    response["metadata"] = {**(response.get("metadata") or {}), "client_event_id": event_id}
    return {**frame, "event_id": event_id, "response": response}
