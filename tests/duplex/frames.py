"""Frames of the GPT-Live protocol, as short as they may be."""

from __future__ import annotations

from typing import Any

from realtime_fsm.duplex import DelegationTracker, Loss, Moved, WatchPolicy

Frame = dict[str, Any]


def delegated(name: str, target: str = "responses") -> Frame:
    return {
        "type": "session.delegation.created",
        "event_id": "e",
        "offset_ms": 1,
        "delegation": {"id": name, "type": "delegation", "target": target},
    }


def inner(name: str | None, kind: str, **fields: Any) -> Frame:
    return {
        "type": "response.event",
        "event_id": "e",
        "delegation_id": name,
        "event": {"type": kind, **fields},
    }


def created(name: str | None, response: str) -> Frame:
    return inner(name, "response.created", response={"id": response, "status": "in_progress"})


def call(name: str | None, call_id: str, **more: Any) -> Frame:
    item = {
        "type": "function_call", "id": f"fc_{call_id}", "status": "completed", "call_id": call_id,
        "name": "look_up", "arguments": "{}",
    }  # fmt: skip
    return inner(name, "response.output_item.done", item=item | more)


def ended(name: str | None, response: str, how: str = "completed", **more: Any) -> Frame:
    return inner(name, f"response.{how}", response={"id": response, "status": how, **more})


def result(call_id: str, event_id: str = "r") -> Frame:
    item = {"type": "function_call_output", "call_id": call_id, "output": "x"}
    return {"type": "response.item.create", "event_id": event_id, "item": item}


def create(event_id: str = "c") -> Frame:
    return {"type": "response.create", "event_id": event_id}


def error(event_id: str | None, code: str | None = "function_call_outputs_required") -> Frame:
    body = {"type": "invalid_request_error", "code": code, "message": "no"}
    if event_id is not None:
        body["client_event_id"] = event_id
    return {"type": "error", "event_id": "e", "error": body}


def closed(reason: str) -> Frame:
    return {"type": "session.closed", "event_id": "e", "reason": reason, "usage": {"seconds": 1}}


def start() -> Frame:
    return {"type": "session.start", "event_id": "s", "session": {"model": "gpt-live-1"}}


def append(name: str | None, what: str = "commentary", event_id: str = "a") -> Frame:
    return {
        "type": f"session.{what}.append", "event_id": event_id, "delegation_id": name, "content": "x",
    }  # fmt: skip


def appended(event_id: str | None, name: str | None = None, what: str = "commentary") -> Frame:
    frame: Frame = {"type": f"session.{what}.appended", "event_id": "e", "delegation_id": name}
    return frame if event_id is None else {**frame, "client_event_id": event_id}


class Story:
    """A tracker that is told frames one second apart, and all that it told."""

    def __init__(self, policy: WatchPolicy | None = None) -> None:
        self.tracker = DelegationTracker(policy)
        self.now = 0.0
        self.told: list[Loss | Moved] = []

    def server(self, *frames: object) -> Story:
        for frame in frames:
            self.now += 1
            self.tracker.received(frame, self.now)
            self._take()
        return self

    def client(self, *frames: object) -> Story:
        for frame in frames:
            self.now += 1
            self.tracker.sent(frame, self.now)
            self._take()
        return self

    def reconnected(self) -> Story:
        self.tracker.reconnected(self.now)
        self._take()
        return self

    def wait(self, seconds: float) -> Story:
        """Time goes by, as a caller's timer sees it."""
        until, ticks = self.now + seconds, 0
        while (due := self.tracker.next_deadline()) is not None and due <= until:
            ticks += 1
            assert ticks < 1000, "a timer that goes off for ever"
            self.now = max(self.now, due)
            self.tracker.advance(self.now)
            self._take()
        self.now = until
        return self

    def close(self) -> Story:
        self.tracker.close(self.now)
        self._take()
        return self

    def _take(self) -> None:
        self.told += self.tracker.take()

    @property
    def losses(self) -> list[Loss]:
        return [each for each in self.told if isinstance(each, Loss)]

    @property
    def kinds(self) -> list[str]:
        return [each.kind.value for each in self.losses]

    def path(self, number: int = 1) -> list[str]:
        """The states that a delegation was in."""
        return [
            each.dest for each in self.told if isinstance(each, Moved) and each.number == number
        ]
