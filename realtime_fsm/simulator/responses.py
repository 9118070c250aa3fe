"""The rules of responses: the single slot, creation, cancellation, the ways to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .config import ServerConfig
from .conversation import Conversation
from .generation import Generation
from .response import Response, Status
from .script import (
    Cancelled,
    Closed,
    Completed,
    Created,
    DoneLost,
    Dropped,
    Failed,
    Incomplete,
    Rejected,
    Reply,
    Script,
    Stalled,
    Unanswered,
)
from .session import Session
from .wire import Wire

__all__ = ["Replies", "Responses"]

NOTHING_TO_CANCEL = "Cancellation failed: no active response found"


class Replies:
    """Hands out a script's replies, over all connections of a server."""

    __slots__ = ("_script", "taken")

    def __init__(self, script: Script) -> None:
        self._script = script
        self.taken = 0

    def next(self) -> Reply:
        """Return the reply of the next response."""
        index, self.taken = self.taken, self.taken + 1
        return (
            self._script.replies[index]
            if index < len(self._script.replies)
            else self._script.default
        )


class Responses:
    """The responses of one connection.

    Attributes:
        active: the response in the default conversation's slot, created or not.
        collisions: creates of the client that were refused because the slot was taken.
        vad_collisions: the same for server VAD's own creates.
    """

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        session: Session,
        config: ServerConfig,
        replies: Replies,
    ) -> None:
        self._wire = wire
        self._conversation = conversation
        self._session = session
        self._config = config
        self._replies = replies
        self._generation = Generation(wire, conversation, config.pace)
        self._alive: dict[str, Response] = {}
        self.active: Response | None = None
        self.collisions = 0
        self.vad_collisions = 0

    # --- creation ---

    def create(self, event: Mapping[str, Any]) -> None:
        """Handle ``response.create``."""
        params = event.get("response") or {}
        event_id = event.get("event_id")
        conversation = params.get("conversation") or "auto"
        if conversation not in ("auto", "none"):
            message = f"Invalid value: '{conversation}'. Supported values are: 'auto' and 'none'."
            self._wire.send_error(
                "invalid_value", message, event_id=event_id, param="response.conversation"
            )
            return
        # Documented: an out-of-band response runs beside the default conversation's and takes no
        # slot.
        if conversation == "auto" and self._refuses(event_id):
            self.collisions += 1
            return
        self._admit(
            delay=self._config.create_delay,
            event_id=event_id,
            conversation_id=self._conversation.id if conversation == "auto" else None,
            modalities=params.get("output_modalities") or self._session.modalities,
            metadata=params.get("metadata"),
        )

    def create_by_vad(self) -> None:
        """Start the response that server VAD owes to a committed user turn."""
        # Observed: livekit#6817. A response of the client that got there first makes VAD's own lose
        # the slot. That the loser is announced by an error without event_id is inferred from
        # openai-agents-python#1466.
        if self._refuses(None):
            self.vad_collisions += 1
            return
        self._admit(
            delay=self._config.vad_create_delay,
            event_id=None,
            conversation_id=self._conversation.id,
            modalities=self._session.modalities,
            metadata=None,
        )

    def _refuses(self, event_id: str | None) -> bool:
        # Observed: livekit#2064, livekit#6817. One active response per default conversation; the
        # refused create is never answered by anything else. That the slot is taken at acceptance,
        # so before `response.created`, is what makes the client lose in livekit#6817.
        if self.active is None:
            return False
        self._wire.send_error(
            "conversation_already_has_active_response",
            f"Conversation already has an active response in progress: {self.active.id}. "
            "Wait until the response is finished before creating a new one.",
            event_id=event_id,
        )
        return True

    def _admit(
        self,
        *,
        delay: float,
        event_id: str | None,
        conversation_id: str | None,
        modalities: list[str],
        metadata: dict[str, str] | None,
    ) -> None:
        reply = self._replies.next()
        ack = reply.ack
        if isinstance(ack, Rejected):
            body = {**ack.body(), "param": None, "event_id": event_id if ack.linked else None}
            self._wire.after(delay, lambda: self._wire.send("error", error=body))
            return
        if isinstance(ack, Unanswered) and not ack.holds_slot:
            return
        if isinstance(ack, Created) and ack.after is not None:
            delay = ack.after
        response = Response(
            id=self._wire.ids.next("resp"),
            reply=reply,
            conversation_id=conversation_id,
            modalities=modalities,
            create_delay=delay,
            metadata=metadata,
            input_items=len(self._conversation),
        )
        self._alive[response.id] = response
        if response.in_conversation:
            self.active = response
        if isinstance(ack, Created):
            response.steps = self._generation.run(response)
            self._step(response, response.steps)

    # --- progress ---

    def _step(self, response: Response, steps: Iterator[float]) -> None:
        if response.over:
            return
        for delay in steps:
            if delay > 0:
                self._wire.after(delay, lambda: self._step(response, steps))
                return
        self._end(response)

    def _end(self, response: Response) -> None:
        """End a response as its reply says."""
        end = response.reply.end
        if isinstance(end, Completed):
            self._finish(response, "completed", None)
        elif isinstance(end, Failed):
            self._finish(response, "failed", {"type": "failed", "error": end.body()})
        elif isinstance(end, Incomplete):
            self._finish(response, "incomplete", {"type": "incomplete", "reason": end.reason})
        elif isinstance(end, Cancelled):
            self._finish(response, "cancelled", {"type": "cancelled", "reason": end.reason})
        elif isinstance(end, DoneLost):
            if end.frees_slot:
                self._forget(response)
        elif isinstance(end, (Closed, Dropped)):
            self._wire.hang_up(end)
        else:
            assert isinstance(end, Stalled)

    def _finish(self, response: Response, status: Status, details: dict[str, Any] | None) -> None:
        # Assumed: the open item of a response that does not complete ends "incomplete" (documented
        # for the status, not for each cause).
        self._generation.close(response, "incomplete")
        response.status = status
        response.status_details = (
            details if response.reply.status_details is None else response.reply.status_details
        )
        self._forget(response)
        self._wire.send("response.done", response=response.payload())

    def _forget(self, response: Response) -> None:
        response.over = True
        del self._alive[response.id]
        if self.active is response:
            self.active = None

    # --- cancellation ---

    def cancel(self, event: Mapping[str, Any]) -> None:
        """Handle ``response.cancel``, bare or with a ``response_id``."""
        event_id = event.get("event_id")
        response_id = event.get("response_id")
        # Documented: without an id, the response in progress in the default conversation.
        response = self._alive.get(response_id) if response_id else self.active
        if response is None or not (response.created or self._config.cancel_before_created):
            self._nothing_to_cancel(event_id)
            return
        self._wire.after(
            self._config.cancel_delay, lambda: self._cancelled_by_client(response, event_id)
        )

    def _cancelled_by_client(self, response: Response, event_id: str | None) -> None:
        # Observed: agents-js#220, pipecat#3795. The response may have ended meanwhile, by itself or
        # by another cancel; then there is nothing to cancel, and a newer response is not touched.
        if response.over:
            self._nothing_to_cancel(event_id)
        else:
            self._finish(response, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})

    def _nothing_to_cancel(self, event_id: str | None) -> None:
        self._wire.send_error("response_cancel_not_active", NOTHING_TO_CANCEL, event_id=event_id)

    def cancel_by_vad(self) -> None:
        """Cancel the active response because the user speaks.

        Observed: a response interrupted before its ``response.created`` ends by a ``response.done``
        alone (livekit-agents 1.8.9 guards against it). Assumed: the server's own cancel takes no
        time.
        """
        if self.active is not None:
            self._finish(self.active, "cancelled", {"type": "cancelled", "reason": "turn_detected"})
