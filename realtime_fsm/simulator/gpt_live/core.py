"""The GPT-Live server's side of one connection: no sockets, no clock, no asyncio."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..script import Closed
from ..wire import Frame, Ids, Wire
from . import rules
from .rules import enforces
from .script import Backend, Call, CloseReason, LiveConfig
from .shapes import problem_of
from .voice import Voice

__all__ = ["LiveCore"]

_ITEMS = 128
_APPEND_CHARS = 2000  # 500 tokens of four


@dataclass(slots=True, eq=False)
class _Response:
    """A response of the backend that runs, or is to run."""

    delegation: str | None
    plan: Backend
    rest: deque[Backend]
    id: str = ""
    asked: list[str] = field(default_factory=list)
    create_id: str | None = None


class LiveCore:
    """One session of the service.

    Args:
        config: how it behaves.
        ids: counters shared by the connections of a server.
        number: the connection's, from 1.
        refusals: codes with which the next events of a type are refused, by type; taken as they are used.
    """

    def __init__(
        self,
        config: LiveConfig,
        *,
        ids: Ids,
        number: int,
        refusals: dict[str, list[str]],
    ) -> None:
        self._config = config
        self._number = number
        self._refusals = refusals
        self._wire = Wire(ids)
        self._began = 0.0
        self._delegation = ""
        self._started = False
        self._muted = False
        self._running: _Response | None = None
        self._waiting: deque[_Response] = deque()
        #: Calls without a result, and what the delegation they belong to does next.
        self._open: dict[str, _Response] = {}
        self._answered: _Response | None = None
        self._clients: set[str] = set()
        self.voice = Voice(self._wire)
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "session.start": self._start,
            "session.update": self._update,
            "session.close": self._close_asked,
            "session.input_audio.append": lambda event: None,
            "session.input_audio.mute": lambda event: self._mute(event, muted=True),
            "session.input_audio.unmute": lambda event: self._mute(event, muted=False),
            "session.instructions.append": self._append,
            "session.thinking.append": self._append,
            "session.commentary.append": self._append,
            "response.item.create": self._item,
            "response.create": self._create,
        }

    # --- the transport

    @property
    def closed(self) -> bool:
        """Nothing more is sent."""
        return self._wire.closed

    def connect(self, now: float) -> None:
        """The handshake is over."""
        self._wire.now = self._began = self.voice.began = now

    def disconnected(self) -> None:
        """The peer is gone."""
        self._wire.hang_up(None)

    def take(self) -> list[Frame]:
        """The frames that go out now."""
        return self._wire.take()

    def next_deadline(self) -> float | None:
        """When `advance` has something to do."""
        return self._wire.next_deadline()

    def advance(self, now: float) -> None:
        """Time went by."""
        self._wire.run_due(now)

    @enforces(rules.START_FIRST, rules.STRICT_FIELDS, rules.REQUIRED_FIELDS)
    def receive(self, text: str, now: float) -> None:
        """A text frame came."""
        self._wire.run_due(now)
        try:
            event = json.loads(text)
        except ValueError:
            event = None
        if not isinstance(event, dict):
            self._refuse({}, "invalid_json", "Not a JSON object.")
            return
        if problem := problem_of(event):
            self._refuse(event, *problem)
            return
        kind = event["type"]
        if not self._started and kind not in ("session.start", "session.close"):
            self._refuse(event, "session_not_started", "The session has not started.")
            return
        refusals = self._refusals.get(kind)
        if refusals:
            self._refuse(event, refusals.pop(0), "Refused.")
            return
        self._handlers[kind](event)

    # --- what goes out

    @enforces(rules.COMMANDS_NAMED)
    def _send(self, kind: str, about: Mapping[str, Any] | str | None = None, **fields: Any) -> None:
        """An event; *about* is the client's event that it answers, or its id."""
        named = about if about is None or isinstance(about, str) else about.get("event_id")
        if named is not None and self._config.names_commands:
            fields["client_event_id"] = named
        self._wire.send(kind, **fields)

    @enforces(rules.ERROR_NAMES_COMMAND)
    def _refuse(
        self, event: Mapping[str, Any], code: str, message: str, param: str | None = None
    ) -> None:
        error = {"type": "invalid_request_error", "code": code, "message": message, "param": param}
        if event.get("event_id") is not None:
            error["client_event_id"] = event["event_id"]
        self._wire.send("error", error=error)

    @enforces(rules.ENVELOPE)
    def _inner(self, of: _Response, kind: str, **fields: Any) -> None:
        about = of.create_id if kind == "response.created" else None
        event = {"type": kind, **fields}
        self._send("response.event", about, delegation_id=of.delegation, event=event)

    @property
    def offset_ms(self) -> int:
        """Where the session's timeline stands."""
        return round((self._wire.now - self._began) * 1000)

    def _usage(self) -> dict[str, Any]:
        return {"seconds": self.offset_ms / 1000}

    # --- the session

    @enforces(rules.STARTED_ONCE, rules.STARTUP_CAP, rules.EXPIRY)
    def _start(self, event: Mapping[str, Any]) -> None:
        session = event["session"] if isinstance(event["session"], dict) else {}
        if self._started:
            self._refuse(event, "session_already_started", "The session has started.")
            return
        if not isinstance(session.get("model"), str):
            name = "session.model"
            self._refuse(event, "missing_required_parameter", f"Missing: '{name}'.", name)
            return
        if isinstance(session.get("input"), list) and len(session["input"]) > _ITEMS:
            what = f"At most {_ITEMS} items."
            self._refuse(event, "array_above_max_length", what, "session.input")
            return
        delegation = session.get("delegation")
        kind = delegation.get("type") if isinstance(delegation, dict) else "responses"
        self._delegation = str(kind)
        self._started = True
        resource = {
            "id": self._wire.ids.next("sess"),
            "model": session["model"],
            "status": "active",
        }
        self._send("session.started", event, session=resource)
        if (reason := self._config.ends(self._number)) is not None:
            self.end(reason)
            return
        if self._config.duration is not None:
            self._wire.after(self._config.duration, lambda: self.end("expired"))
        if self._config.stream_ms:
            self.voice.stream(self._config.stream_ms)

    @enforces(rules.IMMUTABLE)
    def _update(self, event: Mapping[str, Any]) -> None:
        session = event["session"] if isinstance(event["session"], dict) else {}
        delegation = session.get("delegation")
        kind = delegation.get("type") if isinstance(delegation, dict) else None
        if kind != self._delegation:
            name = "session.delegation.type"
            self._refuse(event, "immutable_parameter", "It cannot be changed.", name)
            return
        self._send("session.updated", event, session={"delegation": delegation})

    @enforces(rules.CLOSE_ASKED)
    def _close_asked(self, event: Mapping[str, Any]) -> None:
        self.end("close_requested", about=event)

    @enforces(rules.CLOSE_REASONS, rules.SOCKET_AFTER_CLOSED, rules.LOST_WITH_SESSION)
    def end(self, reason: CloseReason, about: Mapping[str, Any] | None = None) -> None:
        """End the session for a reason."""
        self._send("session.closed", about, reason=reason, session={}, usage=self._usage())
        self._wire.hang_up(Closed(code=1000))

    def _mute(self, event: Mapping[str, Any], *, muted: bool) -> None:
        self._muted = muted
        self._send(f"session.input_audio.{'muted' if muted else 'unmuted'}", event)

    # --- what the model is told

    @enforces(
        rules.APPEND_CAP,
        rules.APPEND_CODE,
        rules.NO_ID_UNDER_RESPONSES,
        rules.KNOWN_DELEGATION,
        rules.APPENDED,
    )
    def _append(self, event: Mapping[str, Any]) -> None:
        named, content = event["delegation_id"], event["content"]
        if not isinstance(content, str) or len(content) > _APPEND_CHARS:
            self._refuse(event, "string_above_max_length", "At most 500 tokens.", "content")
        elif named is not None and self._delegation != "client":
            what = "A delegation id needs client delegation."
            self._refuse(event, "invalid_value", what, "delegation_id")
        elif named is not None and named not in self._clients:
            self._refuse(event, "unknown_delegation", "No such delegation.", "delegation_id")
        else:
            kind = f"{event['type']}ed"
            self._wire.after(
                self._config.ack_delay,
                lambda: self._send(kind, event, delegation_id=named, offset_ms=self.offset_ms),
            )

    # --- delegations

    @enforces(rules.DELEGATION_METADATA, rules.ONE_CHAIN)
    def delegate(self, *work: Backend) -> str:
        """The voice model hands work on. To a backend: one response after another as given, then one
        that is the answer. Returns the delegation's id."""
        name = self._wire.ids.next("dlg")
        target = "client" if self._delegation == "client" else "responses"
        told = {"id": name, "type": "delegation", "target": target}
        self._send("session.delegation.created", offset_ms=self.offset_ms, delegation=told)
        if target == "client":
            self._clients.add(name)
            return name
        plans = deque(work or (Backend(),))
        self._waiting.append(_Response(name, plans.popleft(), plans))
        self._next()
        return name

    def _next(self) -> None:
        if self._running is None and not self._open and self._answered is None and self._waiting:
            self._run(self._waiting.popleft())

    @enforces(rules.REDUCED_SNAPSHOTS, rules.ITEM_WITHOUT_RESPONSE)
    def _run(self, of: _Response) -> None:
        self._running = of
        of.id = self._wire.ids.next("resp")
        snapshot = {"id": of.id, "status": "in_progress", "output": []}
        self._inner(of, "response.created", response=snapshot)
        plan = of.plan
        for n, call in enumerate(plan.calls):
            at = plan.seconds * (n + 1) / (len(plan.calls) + 1)
            self._wire.after(at, lambda call=call: self._calls(of, call))  # type: ignore[misc]
        if plan.ends is not None:
            self._wire.after(plan.seconds, lambda: self._finish(of))

    def _calls(self, of: _Response, call: Call) -> None:
        call_id = call.call_id or self._wire.ids.next("call")
        of.asked.append(call_id)
        item = {
            "type": "function_call", "id": self._wire.ids.next("fc"), "status": "completed",
            "call_id": call_id, "name": call.name, "arguments": call.arguments,
        }  # fmt: skip
        self._inner(of, "response.output_item.done", item=item)
        self._open[call_id] = of

    @enforces(rules.FAILED_DISCARDS)
    def _finish(self, of: _Response) -> None:
        plan = of.plan
        self._running = None
        snapshot: dict[str, Any] = {"id": of.id, "status": plan.ends, "output": []}
        if plan.ends == "completed":
            snapshot["usage"] = {
                "input_tokens": 10, "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
                "output_tokens": 5, "output_tokens_details": {"reasoning_tokens": 0}, "total_tokens": 15,
            }  # fmt: skip
        else:
            for call_id in of.asked:
                self._open.pop(call_id, None)
            error = {"code": plan.code, "message": "The backend failed."}
            details = {"reason": plan.code}
            snapshot |= (
                {"error": error} if plan.ends == "failed" else {"incomplete_details": details}
            )
        self._inner(of, f"response.{plan.ends}", response=snapshot)
        if plan.ends == "completed" and not plan.calls and plan.says:
            self.voice.say(plan.says)
        self._next()

    @enforces(rules.NEEDS_RESPONSES, rules.UNKNOWN_CALL)
    def _item(self, event: Mapping[str, Any]) -> None:
        if self._delegation == "client":
            what = "response.item.create requires Responses delegation."
            self._refuse(event, "invalid_request", what)
            return
        item = event["item"] if isinstance(event["item"], dict) else {}
        if item.get("type") != "function_call_output":
            return
        of = self._open.pop(str(item.get("call_id")), None)
        if of is None:
            self._refuse(event, "unknown_call_id", "No such call.", "item.call_id")
            return
        self._answered = of

    @enforces(
        rules.NEEDS_RESPONSES, rules.OUTPUTS_REQUIRED, rules.ONE_AT_A_TIME, rules.OWN_RESPONSE
    )
    def _create(self, event: Mapping[str, Any]) -> None:
        if self._delegation == "client":
            what = "response.create requires Responses delegation."
            self._refuse(event, "invalid_request", what)
        elif self._open:
            missing = ", ".join(self._open)
            code = "function_call_outputs_required"
            self._refuse(event, code, f"No output for {missing}.")
        elif self._running is not None:
            self._refuse(event, "response_already_in_progress", "A response is running.")
        else:
            before, self._answered = self._answered, None
            plans = deque[Backend]() if before is None else before.rest
            plan = plans.popleft() if plans else Backend(says="" if before is None else "Done.")
            named = None if before is None else before.delegation
            self._run(_Response(named, plan, plans, create_id=event.get("event_id")))
