"""What the delegation tables move, and what comes with an event. Plain data; times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple, Optional

from .states import ClientState, DelegationState, LossKind


@dataclass(frozen=True, slots=True)
class WatchPolicy:
    """From when on something counts as lost. All times are seconds.

    Attributes:
        call_after: A call may be open, and a client delegation unanswered, for so long.
        stall_after: Nothing may be heard of a delegation that waits for the service for so long.
        storm_connections: More connections than that within ``storm_window`` are a storm.
        storm_window: See there.

    Raises:
        ValueError: A time that is not above zero, or fewer than two connections.
    """

    call_after: float = 30.0
    stall_after: float = 120.0
    storm_connections: int = 5
    storm_window: float = 10.0

    def __post_init__(self) -> None:
        for name in ("call_after", "stall_after", "storm_window"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0 seconds, got {getattr(self, name)!r}")
        if self.storm_connections < 2:
            raise ValueError(f"storm_connections must be 2 or more, got {self.storm_connections!r}")


@dataclass(slots=True, eq=False)
class Delegation:
    """Work that a backend Responses model does.

    Attributes:
        id: The service's; None: the application asked for the response itself.
        number: From 1, over all delegations of a session.
        connection: The number of its connection, from 1.
        created_at: When it began.
        moved_at: When something was last heard of it.
        running: Responses that run, by id, oldest first, each with the calls it asked for so far and when.
            An id that the service did not tell is "".
        open: Calls of completed responses that have no result: id to when they came.
        given: Results were sent since the last ``response.create``.
        create_id: The event_id of the ``response.create`` that is not answered.
        results: The event_ids of results that were sent, each with its call.
        overdue: Calls that were told to be open for long.
        stalled: It was told that nothing is heard of it.
    """

    id: str | None
    number: int
    connection: int
    created_at: float
    moved_at: float
    state: DelegationState = DelegationState.CREATED
    running: dict[str, dict[str, float]] = field(default_factory=dict)
    open: dict[str, float] = field(default_factory=dict)
    given: bool = False
    create_id: str | None = None
    results: dict[str, str] = field(default_factory=dict)
    overdue: set[str] = field(default_factory=set)
    stalled: bool = False

    @property
    def calls(self) -> dict[str, float]:
        """Every call without a result, of running responses too: id to when it came."""
        out = dict(self.open)
        for asked in self.running.values():
            out.update(asked)
        return out


@dataclass(slots=True, eq=False)
class ClientDelegation:
    """Work that the application does.

    Attributes:
        id: The service's.
        number, connection, created_at, moved_at: As for a `Delegation`.
        answers: The event_ids of answers that the service has not confirmed.
    """

    id: str
    number: int
    connection: int
    created_at: float
    moved_at: float
    state: ClientState = ClientState.CREATED
    answers: set[str] = field(default_factory=set)


@dataclass(slots=True)
class Step:
    """One event being applied to one delegation. For guards and effects.

    Attributes:
        response_id: The response it is about; "" where the service does not tell.
        call_id: The call it is about.
        event_id: Of the client's event that was sent, or is answered.
        owed: Another delegation of the session waits for a result or for the service.
        told: What is lost was told already, of another delegation that shares it.
        taken: The row that was taken.
    """

    now: float
    response_id: str = ""
    call_id: str = ""
    event_id: str = ""
    owed: bool = False
    told: bool = False
    taken: Any = None


_OVER = frozenset({"completed", "failed", "incomplete", "answered", "lost"})


class Moved(NamedTuple):
    """A row was taken.

    Attributes:
        delegation: The service's id; None: a response that the application asked for.
        target: ``responses`` or ``client``.
        source, event, dest: The names of states and event, lower case as they stand in traces; of the
            first one the source is "" and the event ``began``.
    """

    t: float
    delegation: Optional[str]
    number: int
    target: str
    source: str
    event: str
    dest: str

    @property
    def over(self) -> bool:
        """It is its last one."""
        return self.dest in _OVER


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """Something was lost that plain LiveKit does not tell, once.

    Attributes:
        t: When it was noticed, on the caller's clock.
        delegation: Whose; None: the session's own, or a response that the application asked for.
        number: The delegation's number from 1; 0: the session's own.
        target: ``responses`` or ``client``; "" where the session lost it.
        code: The service's word for why: an error's code, a reason, the state it stands still in.
        call_id: The call, where it is one call's.
        seconds: For how long it had been waited for; of a storm, its length so far.
        connections: Of a storm: how many connections so far.
        connection: On which connection, from 1.
    """

    kind: LossKind
    t: float
    delegation: str | None = None
    number: int = 0
    target: str = ""
    code: str | None = None
    call_id: str | None = None
    seconds: float | None = None
    connections: int | None = None
    connection: int = 0
