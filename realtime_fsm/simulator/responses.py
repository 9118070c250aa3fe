"""The rules of responses: the single slot, creation, cancellation, the ways to end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from . import rules
from . import script as s
from .config import ServerConfig
from .conversation import Conversation
from .directions import directed
from .errors import Refusal
from .generation import Generation
from .questions import Replies
from .rate_limits import RateLimits
from .response import Response, Status
from .rule import enforces
from .session import Session, check_modalities, check_tokens
from .wire import Wire

__all__ = ["Responses"]

NOTHING_TO_CANCEL = "Cancellation failed: no active response found"


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
        *,
        stuck: bool = False,
    ) -> None:
        self._stuck = stuck
        self._wire = wire
        self._conversation = conversation
        self._session = session
        self._config = config
        self._replies = replies
        self._generation = Generation(wire, conversation, session, config, replies)
        self._limits = RateLimits(wire)
        self._alive: dict[str, Response] = {}
        self.active: Response | None = None
        self.collisions = 0
        self.vad_collisions = 0

    # --- creation ---

    @enforces(rules.OUT_OF_BAND)
    def create(self, event: Mapping[str, Any]) -> None:
        """Handle ``response.create``. Raises :class:`Refusal` for parameters that cannot be."""
        params = event.get("response") or {}
        event_id = event.get("event_id")
        conversation = params.get("conversation") or "auto"
        self._check(params, conversation)
        question = self.question(params)
        if conversation == "auto" and self._refuses(event_id):
            self._replies.refuse(question, t=self._wire.now, by_vad=False)
            self.collisions += 1
            return
        self._admit(
            question,
            delay=self._config.create_delay,
            event_id=event_id,
            by_vad=False,
            conversation_id=self._conversation.id if conversation == "auto" else None,
            params=params,
        )

    def question(self, params: Mapping[str, Any]) -> str:
        """Return what a client's create would ask for now."""
        newest_first = (item.id for item in reversed(self._conversation.snapshot()))
        instructions = str(self._session.data.get("instructions") or "")
        return self._replies.question(params, newest_first, instructions, self._conversation.id)

    @enforces(rules.METADATA, rules.CREATE_RANGES, rules.VOICE_LOCKED, rules.INPUT_REFERENCES)
    def _check(self, params: Mapping[str, Any], conversation: str) -> None:
        if conversation not in ("auto", "none"):
            message = f"Invalid value: '{conversation}'. Supported values are: 'auto' and 'none'."
            raise Refusal("invalid_value", message, "response.conversation")
        metadata = params.get("metadata") or {}
        if len(metadata) > 16 or any(len(k) > 64 or len(v) > 512 for k, v in metadata.items()):
            message = "Invalid 'response.metadata': too many pairs, or a key or value is too long."
            raise Refusal("invalid_value", message, "response.metadata")
        check_tokens(params.get("max_output_tokens"), "response.max_output_tokens")
        check_modalities(params.get("output_modalities"), "response.output_modalities")
        voice = ((params.get("audio") or {}).get("output") or {}).get("voice")
        self._session.check_voice(voice, "response.audio.output.voice")
        for number, item in enumerate(params.get("input") or ()):
            if item.get("type") == "item_reference" and item.get("id") not in self._conversation:
                # The code and the wording are assumed.
                message = f"The item with id '{item.get('id')}' does not exist."
                raise Refusal("invalid_value", message, f"response.input[{number}].id")

    @enforces(rules.VAD_CREATES, rules.VAD_LOSES)
    def create_by_vad(self, item_id: str) -> None:
        """Start the response that server VAD owes to a committed user turn."""
        question = self._replies.asked_by(item_id)
        if self._refuses(None, silently=self._config.vad_conflict == "silent"):
            self._replies.refuse(question, t=self._wire.now, by_vad=True)
            self.vad_collisions += 1
            return
        self._admit(
            question,
            delay=self._config.vad_create_delay,
            event_id=None,
            by_vad=True,
            conversation_id=self._conversation.id,
            params={},
        )

    @enforces(rules.ONE_ACTIVE, rules.REFUSED_CREATE, rules.CONFLICT_LINK)
    def _refuses(self, event_id: str | None, *, silently: bool = False) -> bool:
        if self.active is None:
            return False
        if not silently:
            named = {"linked": event_id, "null": None, "foreign": f"event_{self.active.id}"}
            self._wire.send_error(
                "conversation_already_has_active_response",
                f"Conversation already has an active response in progress: {self.active.id}. "
                "Wait until the response is finished before creating a new one.",
                event_id=named[self._config.conflict_event_id],
            )
        return True

    def _admit(
        self,
        question: str,
        *,
        delay: float,
        event_id: str | None,
        by_vad: bool,
        conversation_id: str | None,
        params: Mapping[str, Any],
    ) -> None:
        reply = self._replies.take(
            question, t=self._wire.now, by_vad=by_vad, directed=directed(params)
        )
        if self._stuck:
            reply = s.Reply(end=s.Failed("server_error"))
        ack = reply.ack
        if isinstance(ack, s.Rejected):
            body = {**ack.body(), "param": None, "event_id": event_id if ack.linked else None}
            self._wire.after(delay, lambda: self._wire.send("error", error=body))
            return
        if isinstance(ack, s.Unanswered) and not ack.holds_slot:
            return
        if isinstance(ack, s.Created) and ack.after is not None:
            delay = ack.after
        response = Response(
            id=self._wire.ids.next("resp"),
            reply=reply,
            conversation_id=conversation_id,
            modalities=params.get("output_modalities") or self._session.modalities,
            create_delay=delay,
            event_id=event_id,
            by_vad=by_vad,
            metadata=params.get("metadata") if self._config.metadata_echo else None,
            max_output_tokens=params.get("max_output_tokens") or self._session.max_output_tokens,
            input_items=len(self._conversation),
        )
        self._replies.begun(response.id)
        self._alive[response.id] = response
        if response.in_conversation and self._config.slot_taken == "accepted":
            self.active = response
        if isinstance(ack, s.Created):
            response.steps = self._generation.run(response, self._begin)
            self._step(response, response.steps)

    @enforces(rules.SLOT_TAKEN)
    def _begin(self, response: Response) -> bool:
        """Announce a response, unless it has to take the slot now and another is in it."""
        if response.in_conversation and self._config.slot_taken == "created":
            silently = response.by_vad and self._config.vad_conflict == "silent"
            if self._refuses(response.event_id, silently=silently):
                if response.by_vad:
                    self.vad_collisions += 1
                else:
                    self.collisions += 1
                self._forget(response)
                return False
            self.active = response
        self._announce(response)
        return True

    @enforces(rules.RATE_LIMITS)
    def _announce(self, response: Response) -> None:
        response.created = True
        self._wire.send("response.created", response=response.payload())
        if self._config.rate_limits == "after_created":
            self._limits.send(0)

    # --- progress ---

    def _step(self, response: Response, steps: Iterator[float]) -> None:
        if response.over:
            return
        for delay in steps:
            if delay > 0:
                self._wire.after(delay, lambda: self._step(response, steps))
                return
        if not response.over:
            self._end(response)

    def _end(self, response: Response) -> None:
        """End a response as its reply says."""
        end = response.reply.end
        if isinstance(end, s.Completed):
            self._finish(response, "completed", None)
        elif isinstance(end, s.Failed):
            self._finish(response, "failed", {"type": "failed", "error": end.body()})
        elif isinstance(end, s.Incomplete):
            self._finish(response, "incomplete", {"type": "incomplete", "reason": end.reason})
        elif isinstance(end, s.Cancelled):
            self._finish(response, "cancelled", {"type": "cancelled", "reason": end.reason})
        elif isinstance(end, s.DoneLost):
            self._replies.over(response.id, self._conversation.id)
            if end.frees_slot:
                self._forget(response)
        elif isinstance(end, (s.Closed, s.Dropped)):
            self._wire.hang_up(end)
        else:
            assert isinstance(end, s.Stalled)

    @enforces(rules.DONE_ALWAYS, rules.FAILED_ITEM)
    def _finish(self, response: Response, status: Status, details: dict[str, Any] | None) -> None:
        if status == "failed" and self._config.open_item_of_failed == "vanishes":
            self._generation.abandon(response)
        self._generation.close(response, "incomplete")
        response.status = status
        response.status_details = (
            details if response.reply.status_details is None else response.reply.status_details
        )
        self._forget(response)
        if status != "failed" and (status != "completed" or response.items):
            self._replies.over(response.id, self._conversation.id)
        self._wire.send("response.done", response=response.payload())
        if self._config.rate_limits == "after_done" and response.created:
            self._limits.send(response.usage()["total_tokens"])

    def _forget(self, response: Response) -> None:
        response.over = True
        del self._alive[response.id]
        if self.active is response:
            self.active = None

    # --- cancellation ---

    @enforces(rules.CANCEL_TARGET, rules.CANCEL_NOTHING, rules.CANCEL_BEFORE_CREATED)
    def cancel(self, event: Mapping[str, Any]) -> None:
        """Handle ``response.cancel``, bare or with a ``response_id``."""
        event_id = event.get("event_id")
        response_id = event.get("response_id")
        by_id = response_id and not self._config.one_response_id
        response = self._alive.get(str(response_id)) if by_id else self._current()
        if response is None or not (response.created or self._config.cancel_before_created):
            self._nothing_to_cancel(event_id)
            return
        self._wire.after(
            self._config.cancel_delay, lambda: self._cancelled_by_client(response, event_id)
        )

    def _current(self) -> Response | None:
        """The response in the slot, or else the first that is to take it."""
        waiting = (one for one in self._alive.values() if one.in_conversation)
        return self.active or next(waiting, None)

    @enforces(rules.CANCEL_RACE)
    def _cancelled_by_client(self, response: Response, event_id: str | None) -> None:
        if response.over:
            self._nothing_to_cancel(event_id)
        elif self._config.cancelled_done:
            self._finish(response, "cancelled", {"type": "cancelled", "reason": "client_cancelled"})
        else:
            self._drop(response)

    @enforces(rules.DONE_ALWAYS)
    def _drop(self, response: Response) -> None:
        """End a response without a word."""
        response.open = None
        self._forget(response)
        self._replies.over(response.id, self._conversation.id)

    def _nothing_to_cancel(self, event_id: str | None) -> None:
        self._wire.send_error("response_cancel_not_active", NOTHING_TO_CANCEL, event_id=event_id)

    @enforces(rules.VAD_INTERRUPTS, rules.INTERRUPT_BEFORE_CREATED)
    def cancel_by_vad(self) -> None:
        """Cancel the active response because the user speaks.

        Assumed: the server's own cancel takes no time.
        """
        response = self._current()
        if response is None:
            return
        if not self._config.interrupted_done:
            self._drop(response)
            return
        if not response.created and self._config.interrupted_before_created != "done":
            self._announce(response)
        self._finish(response, "cancelled", {"type": "cancelled", "reason": "turn_detected"})
