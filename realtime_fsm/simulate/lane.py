"""Which creates left against evidence: an oracle of its own, that sees the wire and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ..simulator.record import Record

__all__ = ["creates_against_evidence"]

_FORGOTTEN = 4.9  # seconds after which an unanswered create, or cancel, need not be believed in


@dataclass(slots=True)
class _Lane:
    """What the client had been told on one connection.

    Attributes:
        asked: its own creates without an answer: event id to when it was sent.
        alive: responses without an end: id to when that was told.
        cancels: its cancels: event id to the response they name, None for a bare one.
        doubted: responses it asked to cancel: id to when it did.
        outside: ids of its creates for responses outside the conversation.
    """

    asked: dict[str, float] = field(default_factory=dict)
    alive: dict[str, float] = field(default_factory=dict)
    cancels: dict[str, str | None] = field(default_factory=dict)
    doubted: dict[str, float] = field(default_factory=dict)

    def taken_by(self, now: float) -> str | None:
        """Return what a create that leaves now would meet, as far as the client was told before.

        What arrives in the same instant may not have been read yet, so it is not held against it.
        """
        for event_id, t in self.asked.items():
            if t < now and now - t < _FORGOTTEN:
                return f"create {event_id} of {t:.3f} s"
        for response_id, t in self.alive.items():
            doubted = self.doubted.get(response_id)
            if t < now and (doubted is None or now - doubted < _FORGOTTEN):
                return f"response {response_id}, created at {t:.3f} s"
        return None


def creates_against_evidence(record: Sequence[Record]) -> list[tuple[float, str]]:
    """Return when a ``response.create`` left although the client had been told that a response of
    the conversation was requested or alive, and which.

    A request is over with its created, its error, a done without created, "nothing to cancel" in
    answer to a cancel sent after it, or its connection; an unanswered one is believed in for 5 s. A
    response is over with its done, "nothing to cancel" in answer to its cancel, or its connection;
    one that was asked to be cancelled is believed in for 5 s more.
    """
    lanes: dict[int, _Lane] = {}
    found: list[tuple[float, str]] = []
    for each in record:
        lane = lanes.setdefault(each.connection, _Lane())
        event = each.event
        if each.direction == "net":
            if each.type in ("closed", "dropped", "disconnected"):
                lanes[each.connection] = _Lane()
        elif each.direction == "client":
            _sent(lanes, lane, each, found)
        elif each.type == "response.created":
            response = _dict(event.get("response"))
            if response.get("conversation_id") is not None or "conversation_id" not in response:
                # Created answers the oldest request; one of VAD answers none, which only its
                # metadata can tell, and taking it for an answer only makes this oracle milder.
                if lane.asked:
                    del lane.asked[_answered(lane, response)]
                lane.alive[str(response.get("id"))] = each.t
        elif each.type == "response.done":
            response = _dict(event.get("response"))
            if lane.alive.pop(str(response.get("id")), None) is None and lane.asked:
                del lane.asked[_answered(lane, response)]
        elif each.type == "error":
            _refused(lane, _dict(event.get("error")))
    return found


def _sent(
    lanes: dict[int, _Lane], lane: _Lane, each: Record, found: list[tuple[float, str]]
) -> None:
    event_id = str(each.event.get("event_id"))
    if each.type == "response.cancel":
        response_id = each.event.get("response_id")
        lane.cancels[event_id] = response_id
        for doubted in [response_id] if response_id else list(lane.alive):
            lane.doubted.setdefault(doubted, each.t)
    elif each.type == "response.create":
        if _dict(each.event.get("response")).get("conversation") == "none":
            return
        if (what := lane.taken_by(each.t)) is not None:
            found.append((each.t, what))
        lane.asked[event_id] = each.t


def _refused(lane: _Lane, error: dict[str, Any]) -> None:
    event_id = str(error.get("event_id"))
    lane.asked.pop(event_id, None)
    if error.get("event_id") is None and len(lane.asked) == 1:
        # An error that names nobody may be the answer to the only request there is.
        lane.asked.clear()
    if event_id in lane.cancels and error.get("code") == "response_cancel_not_active":
        named = lane.cancels.pop(event_id)
        if named is None:
            lane.asked.clear()
            lane.alive.clear()
        else:
            lane.alive.pop(named, None)


def _answered(lane: _Lane, response: dict[str, Any]) -> str:
    metadata = _dict(response.get("metadata"))
    named = next((str(v) for v in metadata.values() if str(v) in lane.asked), None)
    return named or next(iter(lane.asked))


def _dict(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
