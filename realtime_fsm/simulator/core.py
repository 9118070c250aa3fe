"""One connection of the simulated Realtime server, without sockets and clocks.

Feed it with :meth:`ServerCore.receive` and :meth:`ServerCore.advance`, send what
:meth:`ServerCore.take` returns, and call :meth:`ServerCore.advance` again at
:meth:`ServerCore.next_deadline`::

    core = ServerCore(Script([Reply([Message("Hello.")])]))
    core.connect(now=0.0)
    core.receive({"type": "response.create", "event_id": "c1"}, now=0.0)
    while (deadline := core.next_deadline()) is not None:
        core.advance(deadline)
    frames = core.take()
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from . import rules
from .config import ServerConfig
from .conversation import Conversation, Item, ItemSnapshot, item_from_client
from .deviations import deviate
from .dialect import from_beta, to_beta
from .errors import ErrorInfo, Refusal
from .questions import Replies
from .responses import Responses
from .rule import enforces
from .script import Accept, Closed, Script
from .session import Session
from .user_audio import UserAudio
from .validate import ClientEventError, parse_client_event, prepare
from .wire import Frame, Ids, Wire

__all__ = ["ServerCore"]


class ServerCore:
    """One connection. *script*'s replies and *ids* are shared by the connections of one server;
    *model* is what the connection's URL asks for, *connection* its number in that server.

    Every ``now`` is seconds on the caller's clock and must not go backwards.
    """

    def __init__(
        self,
        script: Script | Replies,
        config: ServerConfig | None = None,
        *,
        ids: Ids | None = None,
        opening: Accept | None = None,
        model: str | None = None,
        connection: int = 1,
    ) -> None:
        self._config = config or ServerConfig()
        self._left_out = frozenset(self._config.leaves_out)
        prepare(self._config.dialect)
        self._opening = opening or Accept()
        self._wire = Wire(ids or Ids())
        self._session = Session(self._wire.ids.next("sess"), self._config, model)
        self._conversation = Conversation(self._wire.ids.next("conv"), self._config)
        self._listed: set[str] = set()
        self._replies = replies = script if isinstance(script, Replies) else Replies(script)
        self._responses = Responses(
            self._wire,
            self._conversation,
            self._session,
            self._config,
            replies,
            stuck=connection in self._config.stuck,
        )
        self._user = UserAudio(
            self._wire, self._conversation, self._session, self._config, self._responses, replies
        )
        self._handlers: dict[str, Callable[[Mapping[str, Any]], None]] = {
            "session.update": self._update_session,
            "response.create": self._responses.create,
            "response.cancel": self._responses.cancel,
            "conversation.item.create": self._create_item,
            "conversation.item.delete": self._delete_item,
            "conversation.item.truncate": self._truncate_item,
            "conversation.item.retrieve": self._retrieve_item,
            "input_audio_buffer.append": self._user.append,
            "input_audio_buffer.commit": self._user.commit,
            "input_audio_buffer.clear": self._user.clear,
            "output_audio_buffer.clear": self._clear_output,
        }

    # --- what the driver calls ---

    def connect(self, now: float) -> None:
        """Open the connection: queues ``session.created``."""
        self._wire.now = self._user.started_at = now
        self._wire.send("session.created", session=self._session.snapshot())
        if self._config.dialect == "beta":
            conversation = {"id": self._conversation.id, "object": "realtime.conversation"}
            self._wire.send("conversation.created", conversation=conversation)
        if self._config.max_session_duration is not None:
            self._wire.after(self._config.max_session_duration, self._expire)
        self._hang_up_after("connect")

    def receive(self, event: str | Mapping[str, Any], now: float) -> None:
        """Handle a client event. An invalid one is answered by an ``error`` event; this never
        raises for it.
        """
        self.advance(now)
        if self._wire.closed:
            return
        largest = self._config.largest_frame
        if largest is not None and isinstance(event, str) and len(event) > largest:
            self._wire.hang_up(Closed(1009, reason="message too big"))
            return
        try:
            parsed = parse_client_event(event, self._config.dialect)
        except ClientEventError as error:
            self._wire.send_error(
                error.code, error.message, event_id=error.event_id, param=error.param
            )
            return
        try:
            if self._config.dialect == "beta":
                parsed = from_beta(parsed)
            self._handlers[parsed["type"]](parsed)
        except Refusal as error:
            self._wire.send_error(
                error.code, error.message, event_id=parsed.get("event_id"), param=error.param
            )
        self._hang_up_after(parsed["type"])

    def user_speaks(
        self, now: float, seconds: float, transcript: str, item_id: str | None = None
    ) -> str | None:
        """Let the user speak for *seconds*, starting now; return the id of the user item to come.

        With server VAD everything else follows by itself. Without it the speech only fills the
        buffer until the client commits it, and None is returned.
        """
        self.advance(now)
        return None if self._wire.closed else self._user.speaks(seconds, transcript, item_id)

    def user_idles(self, now: float) -> str | None:
        """Let the user have been silent for as long as ``idle_timeout_ms``; return the id of the user
        item to come, None without server VAD or while the user speaks."""
        self.advance(now)
        return None if self._wire.closed else self._user.idles()

    def advance(self, now: float) -> None:
        """Do what is due until *now*."""
        self._wire.run_due(now)

    def next_deadline(self) -> float | None:
        """Return when :meth:`advance` has something to do next, or None."""
        return self._wire.next_deadline()

    def take(self) -> list[Frame]:
        """Return the frames to send, in order, and forget them. A ``Close`` or ``Drop`` is the last
        one ever.
        """
        frames: Iterable[Frame | None] = self._wire.take()
        if self._left_out or self._config.one_response_id:
            frames = [self._deviating(frame) for frame in frames if frame is not None]
        if self._config.dialect == "beta":
            frames = [to_beta(frame) for frame in frames if frame is not None]
        return [frame for frame in frames if frame is not None]

    @enforces(rules.RESPONSE_IDS)
    def _deviating(self, frame: Frame) -> Frame | None:
        return deviate(frame, self._left_out, self._config.one_response_id)

    def disconnected(self) -> None:
        """The peer is gone: nothing is sent any more and no timer is left."""
        self._wire.hang_up(None)

    # --- what a test looks at ---

    @property
    def closed(self) -> bool:
        """Whether the connection is over."""
        return self._wire.closed

    @property
    def active_response_id(self) -> str | None:
        """The response in the default conversation's slot."""
        return self._responses.active.id if self._responses.active is not None else None

    @property
    def collisions(self) -> int:
        """How many creates of the client met a taken slot."""
        return self._responses.collisions

    @property
    def vad_collisions(self) -> int:
        """How many creates of server VAD met a taken slot."""
        return self._responses.vad_collisions

    def about(self, event: Mapping[str, Any]) -> tuple[str, int]:
        """Return the question that an event of either side is about, and the attempt at it: 0 where
        it is the question itself, ``("", 0)`` where it is about none.
        """
        replies, kind = self._replies, event.get("type")
        response, item = event.get("response"), event.get("item")
        if kind == "response.create":
            question = self._responses.question(response if isinstance(response, dict) else {})
            return question, replies.upcoming(question)
        if kind == "response.cancel":
            return replies.of_response(str(event.get("response_id") or self.active_response_id))
        if "response_id" in event or isinstance(response, dict):
            inner = response.get("id") if isinstance(response, dict) else None
            return replies.of_response(str(event.get("response_id") or inner))
        inner = item.get("id") if isinstance(item, dict) else None
        return replies.of_item(str(event.get("item_id") or inner))

    def passed_over(self, event: Mapping[str, Any], now: float) -> None:
        """A client's event never arrived. If it asked for a response, that was an attempt."""
        if event.get("type") == "response.create":
            self._replies.pass_over(self.about(event)[0], t=now)

    @property
    def conversation(self) -> tuple[ItemSnapshot, ...]:
        """What the model remembers, in order."""
        return self._conversation.snapshot()

    @property
    def ids(self) -> Ids:
        """The counters that all ids of the server come from."""
        return self._wire.ids

    @property
    def session(self) -> dict[str, Any]:
        """A copy of the session's configuration."""
        return self._session.snapshot()

    # --- client events that need no file of their own ---

    def _update_session(self, event: Mapping[str, Any]) -> None:
        self._session.update(event["session"], responding=self._responses.active is not None)
        self._wire.send("session.updated", session=self._session.snapshot())
        self._list_tools()

    @enforces(rules.MCP_LISTS)
    def _list_tools(self) -> None:
        """Ask MCP servers that are new among the tools for theirs."""
        for tool in self._session.data.get("tools") or ():
            label = str(tool.get("server_label"))
            if tool.get("type") == "mcp" and label not in self._listed:
                self._listed.add(label)
                item = Item(self._wire.ids.next("mcp_list_tools"), "mcp_list_tools")
                item.name, item.status = label, "in_progress"
                before = self._conversation.add(item)
                self._wire.send(
                    "conversation.item.added", previous_item_id=before, item=item.payload()
                )
                self._wire.send("mcp_list_tools.in_progress", item_id=item.id)
                item.status = "completed"
                self._wire.send("mcp_list_tools.completed", item_id=item.id)
                self._wire.send(
                    "conversation.item.done", previous_item_id=before, item=item.payload()
                )

    @enforces(rules.ITEM_CONFIRMED)
    def _create_item(self, event: Mapping[str, Any]) -> None:
        raw = event["item"]
        item = item_from_client(raw, raw.get("id") or self._wire.ids.next("item"))
        before = self._conversation.add(item, event.get("previous_item_id"))
        if item.role == "user":
            self._replies.said(item.id, item.text)
        elif item.type == "function_call_output":
            self._replies.put_out(item.id, item.call_id)
        if self._config.confirm_items:
            self._wire.send("conversation.item.added", previous_item_id=before, item=item.payload())
            self._wire.send("conversation.item.done", previous_item_id=before, item=item.payload())

    def _delete_item(self, event: Mapping[str, Any]) -> None:
        self._conversation.delete(event["item_id"])
        self._wire.send("conversation.item.deleted", item_id=event["item_id"])

    def _truncate_item(self, event: Mapping[str, Any]) -> None:
        cut = {key: event[key] for key in ("item_id", "content_index", "audio_end_ms")}
        cut["audio_end_ms"] = self._conversation.truncate(**cut)
        self._wire.send("conversation.item.truncated", **cut)

    def _retrieve_item(self, event: Mapping[str, Any]) -> None:
        item = self._conversation.get(event["item_id"])
        self._wire.send("conversation.item.retrieved", item=item.payload())

    @enforces(rules.OUTPUT_CLEAR)
    def _clear_output(self, event: Mapping[str, Any]) -> None:
        pass  # a server that sends over a WebSocket holds no output audio

    @enforces(rules.EXPIRY)
    def _expire(self) -> None:
        minutes = (self._config.max_session_duration or 0.0) / 60
        message = f"Your session hit the maximum duration of {minutes:g} minutes."
        error = ErrorInfo("session_expired", message=message)
        self._wire.hang_up(Closed(1001, reason=message, error=error))

    def _hang_up_after(self, event_type: str) -> None:
        if self._opening.then is not None and self._opening.on == event_type:
            self._wire.hang_up(self._opening.then)
