"""What servers that only resemble the service leave out of their events, or say otherwise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, get_args

from .wire import Frame, Send

__all__ = ["OMISSIONS", "Omission", "deviate"]

Omission = Literal["conversation_id", "usage", "output", "status", "response_id", "session_updated"]
"""``conversation_id``, ``usage`` and ``output`` of a response; ``status`` of one that
is over; ``response_id`` of deltas; ``session_updated``: the whole event."""
OMISSIONS: tuple[str, ...] = get_args(Omission)


def deviate(frame: Frame, left_out: frozenset[str], one_id: bool) -> Frame | None:
    """Return *frame* without what is *left_out*, None if it is not sent at all. With *one_id* every
    response has the same id."""
    if not isinstance(frame, Send) or frame.raw is not None:
        return frame
    event = dict(frame.event)
    kind = event["type"]
    if kind == "session.updated" and "session_updated" in left_out:
        return None
    if kind.endswith(".delta") and "response_id" in left_out:
        event.pop("response_id", None)
    if one_id and "response_id" in event:
        event["response_id"] = _ONE
    if isinstance(event.get("response"), dict):
        event["response"] = _response(event["response"], left_out, one_id, kind)
    return Send(event)


_ONE = "resp_0"


def _response(
    response: Mapping[str, Any], left_out: frozenset[str], one_id: bool, kind: str
) -> dict[str, Any]:
    kept = {key: value for key, value in response.items() if key not in left_out or key == "status"}
    if "output" in left_out:
        kept["output"] = None
    if "status" in left_out and kind == "response.done":
        del kept["status"]
    if one_id:
        kept["id"] = _ONE
    return kept
