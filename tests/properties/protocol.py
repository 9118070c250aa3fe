"""The same surroundings with the simulator's protocol core for a server.

The server keeps the protocol's rules and fails as its script says, its line as a schedule says.
Frames go through the parser that the adapter uses.
"""

from __future__ import annotations

from typing import Any

import realtime_fsm as rf
from realtime_fsm.simulator import (
    FaultRun,
    FaultyCore,
    Ids,
    Replies,
    Schedule,
    Script,
    Send,
    ServerConfig,
    ServerCore,
)

from .environment import Environment

#: The longest history that is waited for at the end, seconds.
_LONG = 600.0


class ProtocolEnvironment(Environment):
    """Frames cross the line when they are made, unless a fault holds them."""

    def __init__(
        self,
        policy: rf.RetryPolicy,
        script: Script,
        config: ServerConfig,
        faults: Schedule,
        *,
        vad: bool,
    ) -> None:
        super().__init__(policy)
        self._config, self._vad = config, vad
        self._replies, self._ids, self._faults = Replies(script), Ids(), FaultRun(faults)
        self._connections = 0
        self._flowing = False

    def open(self) -> None:
        """A connection, and what a client says first on it."""
        self._connections += 1
        core = ServerCore(self._replies, self._config, ids=self._ids)
        self.core = FaultyCore(core, self._faults, connection=self._connections)
        self.core.connect(self.now)
        detection = {"type": "server_vad", "create_response": True, "interrupt_response": True}
        audio = {"input": {"turn_detection": detection if self._vad else None}}
        self.send({"type": "session.update", "session": {"type": "realtime", "audio": audio}})
        self.flow()

    # --- the line

    def send(self, frame: dict[str, Any]) -> None:
        if self.connected:
            self.core.receive(frame, self.now)

    def run(self) -> None:
        super().run()
        self.flow()

    def flow(self) -> None:
        """Deliver what has arrived: never while commands are carried out."""
        if self._flowing:
            return
        self._flowing = True
        try:
            while self.connected and (frames := self.core.take()):
                for frame in frames:
                    if not isinstance(frame, Send):
                        self.drop()
                        break
                    self._deliver(frame.event)
        finally:
            self._flowing = False

    def _deliver(self, frame: Any) -> None:
        self.c.frame_received(self.now)
        event = rf.parse(frame)
        if event is None:
            return
        if isinstance(event, rf.ResponseDone):
            self.past.append(event.response_id)
        self.tell(event)

    def _do(self, command: rf.Command) -> None:
        if isinstance(command, rf.CreateResponse):
            self.outgoing.append(command)
        elif isinstance(command, rf.CancelResponse):
            self.send(
                {
                    "type": "response.cancel",
                    "event_id": command.event_id,
                    "response_id": command.response_id,
                }
            )
        elif isinstance(command, rf.CheckConnection):
            self.send(
                {
                    "type": "session.update",
                    "event_id": command.event_id,
                    "session": {"type": "realtime"},
                }
            )
        elif isinstance(command, rf.ProbeCancel):
            self.send({"type": "response.cancel", "event_id": command.event_id})
        elif isinstance(command, rf.DeleteItem):
            self.send(
                {
                    "type": "conversation.item.delete",
                    "event_id": command.event_id,
                    "item_id": command.item_id,
                }
            )
        elif isinstance(command, rf.ReplaceConnection):
            self.outgoing.clear()
            self._disconnect()

    def leave(self, gone: bool = False) -> None:
        if gone:
            super().leave(gone)
            return
        create = self.outgoing.popleft()
        event_id = self.fresh("e")
        self.tell(rf.CreateSent(turn_id=create.turn_id, attempt=create.attempt, event_id=event_id))
        response = {"metadata": {"client_event_id": event_id}}
        self.send({"type": "response.create", "event_id": event_id, "response": response})
        self.flow()

    def _disconnect(self) -> None:
        super()._disconnect()
        self.core.disconnected()

    def reconnect(self) -> None:
        self._disconnect()
        self.connected = True
        self.tell(rf.ConnectionReady())
        self.open()

    # --- the user, and time

    def speaks(self, seconds: float) -> None:
        self.core.user_speaks(self.now, seconds, "Hello?")
        self.flow()

    def wait(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(20_000):
            at = self._next()
            if at is None or at > end:
                break
            self._step(at)
        else:
            raise AssertionError("busy: deadlines never stop")
        self.now = end
        self.core.advance(end)
        self.flow()

    def _next(self) -> float | None:
        due = (self.c.next_deadline(), self.core.next_deadline() if self.connected else None)
        return min((at for at in due if at is not None), default=None)

    def _step(self, at: float) -> None:
        self.now = max(self.now, at)
        if self.connected:
            self.core.advance(self.now)
            self.flow()
        self.c.advance(self.now)
        self.run()

    def fall_silent(self) -> None:
        """The host and the user do nothing any more. The server ends what it began."""
        end = self.now + _LONG
        while (at := self._next()) is not None and at <= end:
            self._step(at)
        self.watch.end(self.c)
