"""One controller and everything around it: the server, the wire, the host's playback, the user.

What can happen next, and who does it, is in `realtime_fsm.lab.explore.acts`; `World.pack` and
`World.unpack` turn the whole into data and back. What is modelled, what is not and why is in
docs/explore.md.
"""

from __future__ import annotations

from typing import Any, Optional

from ..._core import commands as cmd
from ..._core import events as ev
from ..._core.controller import TurnController
from ..._core.states import ResponseState, TurnState
from .bound import DROPS, ODDITIES, TIMEOUTS, Bound
from .lines import Line, words_of_command, words_of_event
from .oracle import Oracle, Violation
from .rows import Rules
from .server import Server
from .snapshot import PAST_RESPONSE, Names, forget, pack, unpack

__all__ = ["Action", "World"]

#: A choice: what happens, and which of several.
Action = tuple[Any, ...]


#: What a server sends; a driver tells of each that something came.
FRAMES = (
    *(ev.ResponseCreated, ev.ItemStarted, ev.OutputReceived, ev.CallReceived, ev.ResponseDone),
    *(ev.ErrorReceived, ev.RateLimitsUpdated, ev.SessionConfigured),
    *(ev.SpeechStarted, ev.SpeechStopped, ev.InputCommitted, ev.InputCleared, ev.InputIdle),
)


class World:
    """A controller in its surroundings.

    Args:
        bound: How much may happen.
        rules: The tables in force.
        log: Where `Line` s go; None while nobody reads them.
    """

    def __init__(self, bound: Bound, rules: Rules, log: Optional[list[Line]] = None) -> None:
        self.bound = bound
        self.rules = rules
        self.log = log
        self.policy = bound.in_force
        self.now = 0.0
        self.controller = TurnController(self.policy, keep=16)
        self.controller._session.machines = rules.machines
        forget(self.controller._session, PAST_RESPONSE)
        self.controller.playback_reported = bound.sink
        self.controller.audible = bound.audible
        self.oracle = Oracle(self.policy)
        self.server = Server()
        #: Creates commanded and not on the wire: turn, attempt.
        self.queued: list[tuple[str, int]] = []
        #: Creates on the wire that nothing answered: turn, attempt, event id.
        self.open: list[tuple[str, int, str]] = []
        #: Messages that wait for their turn to play: item, turn.
        self.playlist: list[tuple[str, str]] = []
        #: What plays: item, turn, whether it has begun to sound, whether it is paused.
        self.playing: Optional[tuple[str, str, bool, bool]] = None
        self.left = [
            *(bound.turns, bound.vad_turns, bound.interrupts, bound.drops, bound.oddities),
            bound.timeouts,
        ]
        self.count = 0
        self.closed = False
        self.answers: list[cmd.Command] = []
        if bound.vad_turns or bound.frames:
            vad = bool(bound.vad_turns)
            self.tell(ev.SessionConfigured(server_creates=vad, server_interrupts=vad))
            if log is not None:
                log.clear()

    def end(self) -> Optional[str]:
        """What is wrong if nothing more comes, not even a timer; None if all is well."""
        if self.closed:
            return None
        if self.controller.turns:
            return f"liveness: {self.controller.turns[0].label} for ever"
        if self.oracle.deaf and self.oracle.unanswered and not self.oracle.dead:
            return "G4: a dead connection is not noticed"
        holders = self.controller._session.lane.holders
        # A create that never leaves holds the lane; turns behind it end by their own deadline.
        if any(r.state not in (ResponseState.QUEUED, ResponseState.WITHDRAWN) for r in holders):
            return "liveness: the lane stays taken"
        if self.oracle.dead:
            return None
        return "G18: a committed turn gets no answer" if self.oracle.owed else None

    def tell(self, event: ev.Event, *, quiet: bool = False) -> None:
        if not quiet:
            self.note(*words_of_event(event))
        self.answers = []
        self.oracle.now = self.now
        if self.bound.frames and isinstance(event, FRAMES):
            self.oracle.frame()
            self.controller.frame_received(self.now)
        self.controller.receive(event, self.now)
        self.run()

    def run(self) -> None:
        self.answers = self.controller.commands()
        known = self.oracle.turns
        for turn in self.controller.turns:
            if turn.id not in known:
                self._starts(turn.id)
        for c in self.answers:
            turn_id = getattr(c, "turn_id", None)
            self._note_command(c)
            if isinstance(c, cmd.TurnMoved) and turn_id not in known and self._is_new(c):
                self._starts(c.turn_id)
            self.oracle.command(c)
            if isinstance(c, cmd.CreateResponse):
                self.queued.append((c.turn_id, c.attempt))
            elif isinstance(c, cmd.CancelResponse):
                self.server.inbox.append(("cancel", c.event_id, c.response_id))
            elif isinstance(c, cmd.ProbeCancel):
                self.server.inbox.append(("cancel", c.event_id, None))
            elif isinstance(c, cmd.ReplaceConnection):
                self.queued.clear()  # what has not left goes with the connection that is replaced
            elif isinstance(c, cmd.TurnEnded):
                self._ended(c.turn_id)

    def _is_new(self, c: cmd.TurnMoved) -> bool:
        """Server VAD's own, or one that it owes and cannot start, or in a session that dies."""
        how = ("RESPONSE_CREATED", 1), ("ANSWER_REFUSED", 0), ("SESSION_FAILED", 0)
        return c.source is TurnState.REQUESTED and (c.event, c.attempt) in how

    def _starts(self, turn_id: str) -> None:
        self.oracle.new_turn(turn_id)
        self.oracle.owed = False

    def _ended(self, turn_id: str) -> None:
        """The host's streams of it are closed; what it never played is removed (G16)."""
        deleted = {c.item_id for c in self.answers if isinstance(c, cmd.DeleteItem)}
        unheard = [item for item, turn in self.playlist if turn == turn_id]
        if self.bound.sink and not self.closed and not set(unheard) <= deleted:
            raise Violation("G16: a message nobody heard stays in the conversation")
        self.playlist = [one for one in self.playlist if one[1] != turn_id]
        if self.playing is not None and self.playing[1] == turn_id:
            self.playing = None

    def settled(self) -> None:
        """Nothing that happened was left without a rule, or a turn without its end."""
        controller = self.controller
        if {t.id for t in controller.turns} != set(self.oracle.turns) and not self.closed:
            raise Violation("G7: a turn ended without saying so")
        for reason in controller.ignored:
            if " in " in reason:
                raise Violation(f"no rule for {reason}")
        controller.ignored.clear()

    def fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def note(self, source: str, target: str, text: str) -> None:
        if self.log is not None:
            self.log.append(Line(self.now, source, target, text))

    def _note_command(self, c: cmd.Command) -> None:
        if self.log is not None:
            self.log.append(Line(self.now, *words_of_command(c)))

    def pack(self) -> tuple[Any, ...]:
        """Everything that can matter from here on; see `realtime_fsm.lab.explore.snapshot`."""
        names = Names()
        if self.left[TIMEOUTS] < 0:
            # Nobody but timers acts any more: what surrounds the controller is of no consequence.
            core = pack(self.controller, names, (), losing=self.bound.frames)
            left = (0, 0, 0, 0, 0, -1)
            oracle = self.oracle.pack(names, ())
            return (core, oracle, *_NOTHING, left, self.closed, len(names))
        losing = bool(self.left[DROPS] or self.left[ODDITIES] or self.bound.frames)
        known = self._mentioned()
        core = pack(self.controller, names, known, losing=losing)
        return (
            core,
            self.oracle.pack(names, known),
            self.server.pack(names),
            tuple([(names[t], n) for t, n in self.queued]),
            # What is below can give them up as long as something odd may happen.
            tuple([(names[t], n, names[e]) for t, n, e in self.open if self.left[ODDITIES]]),
            tuple([(names[i], names[t]) for i, t in self.playlist]),
            None
            if self.playing is None
            else (names[self.playing[0]], names[self.playing[1]], *self.playing[2:]),
            tuple(self.left),
            self.closed,
            len(names),
        )

    def _mentioned(self) -> set[str]:
        """The event ids and response ids that somebody can still mention."""
        known = self.server.mentions()
        if self.left[ODDITIES]:  # a create that is given up below is known by its turn
            known |= {event_id for _, _, event_id in self.open}
        return known

    @classmethod
    def unpack(cls, data: tuple[Any, ...], bound: Bound, rules: Rules) -> World:
        """The world with this data, at ``now = 0``."""
        world: World = object.__new__(cls)
        core, oracle, server, queued, sent, playlist, playing, left, closed, used = data
        world.bound, world.rules, world.log = bound, rules, None
        world.policy = bound.in_force
        world.now = 0.0
        world.controller = unpack(core, bound.in_force, rules.machines, used)
        world.oracle = Oracle(bound.in_force)
        world.oracle.unpack(oracle)
        world.server = Server.unpack(server)
        world.queued, world.open = list(queued), list(sent)
        world.playlist, world.playing = list(playlist), playing
        world.left, world.count, world.closed = list(left), used, closed
        world.answers = []
        return world


_NOTHING: tuple[Any, ...] = (Server().pack(Names()), (), (), (), None)
