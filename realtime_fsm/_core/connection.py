"""The connection: whether anything can be sent on it, and how many were lost in a row (G11, G19)."""

from __future__ import annotations

from .errors import ErrorInfo
from .states import ConnectionState as C
from .states import ErrorKind, Word

#: Seconds after which a connection has proven itself (kazunori279/interpretab#13).
HEALTHY = 60.0

#: How many losses in a row, at most, have another connection at once, as on plain LiveKit: what the user
#: says while there is none is answered late (G27).
AT_ONCE = 2

SILENT = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="connection_silent", message="the connection is dead"
)
CONTRADICTED = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="slot_stuck", message="the slot is taken, and nothing is active"
)
ROLLOVER = ErrorInfo(
    kind=ErrorKind.SESSION_END, code="rollover", message="the connection was replaced"
)


class ConnectionEvent(Word):
    """What a response tells of the connection it is on."""

    SILENT = "nothing at all came since something was asked that every server answers"
    STUCK = "nothing leaves"
    CONTRADICTED = "a response has the slot that is not active, the server says, again and again"


class Connection:
    """One session's connections, one after another.

    Attributes:
        state: Where the present one stands.
        epoch: Its number, from 0 (G19).
        up_since: When it was made, seconds; None where nobody told, and after a loss that counts.
        losses: Connections lost in a row, none of which had proven itself.
        last_frame: When something last came from the server; None where frames are not shown.
        at_stake: What was said on it waits for its answer, and would be lost with it.
        end_announced: The server said that this one ends: that is no loss.
        failure: Why the session below cannot be used any more, or None.
    """

    __slots__ = (
        "at_stake",
        "end_announced",
        "epoch",
        "failure",
        "last_frame",
        "losses",
        "state",
        "up_since",
    )

    def __init__(self) -> None:
        self.state = C.UP
        self.epoch = 0
        self.up_since: float | None = None
        self.losses = 0
        self.last_frame: float | None = None
        self.failure: ErrorInfo | None = None
        self.at_stake = self.end_announced = False

    @property
    def up(self) -> bool:
        """Whether something may be sent."""
        return self.state is C.UP

    @property
    def proven(self) -> bool:
        """Whether nothing speaks for it being stuck."""
        return self.state is not C.UNPROVEN

    @property
    def dead(self) -> bool:
        """Whether there will be no other."""
        return self.state is C.DEAD

    def is_silent_since(self, asked_at: float) -> bool:
        """Whether nothing came since something was asked; never, where frames are not shown."""
        return self.up and self.last_frame is not None and self.last_frame < asked_at

    def age(self, now: float) -> float:
        """Seconds since it was made; 0 where nobody told."""
        return 0.0 if self.up_since is None else now - self.up_since

    def ready(self, now: float) -> None:
        """Another one is usable."""
        self.epoch += 1
        self.end_announced = False
        if not self.dead:
            self.state, self.up_since = C.UP, now

    def carried(self, now: float) -> None:
        """Something left, so there is one: the same one, unless its loss was told."""
        if not self.dead:
            self.state = C.UP
            self.up_since = now if self.up_since is None else self.up_since

    def stuck(self) -> None:
        """Nothing leaves, it seems."""
        if self.up:
            self.state = C.UNPROVEN

    def lost(self, now: float, *, for_good: bool) -> bool:
        """It is gone. Returns whether that counts against the budget: a handshake that failed after
        a loss is no other connection, unless what is below gave up."""
        counts = not self.dead and (self.state is not C.DOWN or for_good)
        planned, self.end_announced = self.end_announced, False
        if not self.dead:
            self.state = C.DOWN
        if planned:
            self.up_since = None
            return False
        if counts:
            if self.up_since is not None and now - self.up_since >= HEALTHY:
                self.losses = 0
            self.up_since = None  # what comes next has to prove itself
            self.losses += 1
        return counts

    def announce_end(self) -> None:
        """The server ends it soon, as it does when its time is over."""
        self.end_announced = True

    def progressed(self) -> None:
        """Something useful came over it."""
        self.losses = 0

    def fail(self, error: ErrorInfo) -> None:
        """The session below is dead."""
        self.state, self.failure = C.DEAD, error
