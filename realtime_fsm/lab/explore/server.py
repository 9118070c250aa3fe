"""What a Realtime server may do, as choices. A small model: no times, no content.

A frame to the client is delivered at the moment it is made: a server that reads late shows the
client the same orders as one whose frames travel slowly, so one queue is enough.
"""

from __future__ import annotations

from typing import Any, Optional

from .bound import Bound
from .snapshot import Names

__all__ = ["SPEECH", "Response", "Server"]

#: Where the user's speech stands.
SPEECH = ("quiet", "speaking", "committed")


class Response:
    """The response in the slot.

    Attributes:
        event_id: Of its create; None: server VAD's own.
        owner: The turn and the attempt it belongs to.
        announced: ``response.created`` was sent.
        items: Id, kind, and whether its output was sent.
    """

    __slots__ = ("announced", "event_id", "id", "items", "owner")

    def __init__(
        self, response_id: str, event_id: Optional[str], owner: Optional[tuple[str, int]]
    ) -> None:
        self.id = response_id
        self.event_id = event_id
        self.owner = owner
        self.announced = False
        self.items: list[tuple[str, str, bool]] = []


class Server:
    """One connection.

    Attributes:
        inbox: Frames of the client that it has not read: creates and cancels.
        active: The response in its one slot, announced or not.
        speech: Index into `SPEECH`.
        cancelled_below: The attempt whose response is cancelled by what is below the driver.
    """

    def __init__(self) -> None:
        self.inbox: list[tuple[Any, ...]] = []
        self.active: Optional[Response] = None
        self.speech = 0
        self.cancelled_below: Optional[tuple[str, int]] = None

    def actions(self, bound: Bound, *, vad: int, odd: int) -> list[tuple[Any, ...]]:
        """What the server can do now."""
        out: list[tuple[Any, ...]] = []
        active = self.active
        announced = active is not None and active.announced
        if self.inbox:
            out += [("serve", how) for how in self._answers(odd)]
        if active is not None and announced:
            out += self._generates(active, bound, odd)
            out += [("done", how) for how in ("completed", "failed", "incomplete")]
            if odd:
                out += [("done", "failed_fatal"), ("done", "unsaid")]
                out += [("limited", "before"), ("limited", "after")]
        elif active is not None:
            out.append(("announce",))
            # Seen in the wild: a terminal without created (twilio-samples/…-node#37).
            out += [("done", how) for how in ("completed", "failed", "incomplete", "cancelled")]
        if self.speech == 0 and vad:
            out.append(("speech", False))
            if announced:
                out.append(("speech", True))
        elif SPEECH[self.speech] == "speaking":
            out += [("stop", then) for then in ("commit", "clear", "")]
        elif SPEECH[self.speech] == "committed":
            free = ("accept", "refuse")
            out += [("answer", how) for how in (("conflict", "silence") if active else free)]
        return out

    def beside(self) -> list[tuple[Any, ...]]:
        """Somebody below the driver may ask for a response."""
        return [("beside",)] if self.active is None else []

    def _answers(self, odd: int) -> list[str]:
        kind, _, target, *_ = self.inbox[0]
        active = self.active
        if kind == "create":
            if active is not None:
                return ["conflict"]
            rare = ["hold", "refuse_unlinked", "refuse_fatal", "conflict"] if odd else []
            return ["accept", "refuse", "ignore", *rare]
        if active is None or target not in (None, active.id):
            return ["nothing"]
        # Public reports disagree on whether a cancel reaches a response before it is created.
        return ["cancel"] if active.announced else ["cancel", "nothing"]

    def _generates(self, active: Response, bound: Bound, odd: int) -> list[tuple[Any, ...]]:
        out: list[tuple[Any, ...]] = []
        items = active.items
        if len(items) < bound.messages:
            out.append(("item", "message"))
            if all(kind != "call" for _, kind, _ in items):
                out.append(("item", "call"))
            if odd:
                out += [("item", "unseen message"), ("item", "unseen call")]
                out += [("item", "action"), ("item", "unseen action")]
        if items and not items[-1][2]:
            out.append(("output",))
        return out

    def mentions(self) -> set[str]:
        """The ids that a frame of it can still bear."""
        found = {frame[1] for frame in self.inbox}
        if self.active is not None:
            found.add(self.active.id)
            if self.active.event_id is not None:
                found.add(self.active.event_id)
        return found

    # --- as data

    def pack(self, names: Names) -> tuple[Any, ...]:
        active = self.active
        return (
            tuple([_pack_frame(f, names) for f in self.inbox]),
            None
            if active is None
            else (
                names[active.id],
                names.of(active.event_id),
                None if active.owner is None else (names[active.owner[0]], active.owner[1]),
                active.announced,
                tuple([(names[i], kind, done) for i, kind, done in active.items]),
            ),
            self.speech,
            None
            if self.cancelled_below is None
            else (names[self.cancelled_below[0]], self.cancelled_below[1]),
        )

    @classmethod
    def unpack(cls, data: tuple[Any, ...]) -> Server:
        server = cls()
        inbox, active, server.speech, server.cancelled_below = data
        server.inbox = list(inbox)
        if active is not None:
            response_id, event_id, owner, announced, items = active
            server.active = response = Response(response_id, event_id, owner)
            response.announced = announced
            response.items = list(items)
        return server


def _pack_frame(frame: tuple[Any, ...], names: Names) -> tuple[Any, ...]:
    if frame[0] == "create":
        _, event_id, turn_id, attempt = frame
        return ("create", names[event_id], names[turn_id], attempt)
    kind, event_id, response_id = frame
    return (kind, names[event_id], names.of(response_id))
