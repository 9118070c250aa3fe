"""Writes a case from what happened to a controller."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import MISSING, dataclass, field, fields
from typing import TypeAlias

from ..._core import commands as cmd
from ..._core import events as ev
from ..._core.controller import TurnController
from ..._core.errors import ErrorInfo
from ..._core.policy import RetryPolicy
from ..._core.records import Turn
from ..._core.states import Origin, TurnOutcome
from ._events import CLIENT, line_of
from ._grammar import Form

__all__ = [
    "Asked",
    "Closed",
    "Happening",
    "Interrupted",
    "Plays",
    "RecordingController",
    "notation",
]


@dataclass(frozen=True, slots=True)
class Asked:
    """The host asked for a turn."""

    turn_id: str
    application: bool = False
    besides: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The host interrupted a turn."""

    turn_id: str


@dataclass(frozen=True, slots=True)
class Plays:
    """What the sink reports from here on: ``sound``, ``text`` or ``nothing``."""

    what: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The host closed the controller."""


Happening: TypeAlias = "ev.Event | cmd.Command | Asked | Interrupted | Plays | Closed"

_RECONNECT = next(form for form in CLIENT if form.key == "reconnect")
_SECONDS = Form("wait", "<seconds:s>")
_MOMENT = 1e-9


class RecordingController(TurnController):
    """A controller that remembers what happened to it, for tests::

        controller = RecordingController(policy)
        ...
        print(controller.case(id="new", title="what went wrong", guarantees="G1"))

    Attributes:
        history: (time, what happened) in order, as :func:`notation` takes it.
    """

    def __init__(self, policy: RetryPolicy | None = None, *, keep: int = 32) -> None:
        super().__init__(policy, keep=keep)
        self.history: list[tuple[float, Happening]] = []
        self._last = 0.0

    def request(self, now: float, *, origin: Origin = Origin.CLIENT, of_user: bool = True) -> Turn:
        turn = super().request(now, origin=origin, of_user=of_user)
        self._note(now, Asked(turn.id, origin is Origin.APPLICATION, besides=not of_user))
        return turn

    def interrupt(self, turn: Turn, now: float) -> None:
        super().interrupt(turn, now)
        self._note(now, Interrupted(turn.id))

    def receive(self, event: ev.Event, now: float) -> bool:
        known = super().receive(event, now)
        self._note(now, event)
        return known

    def more_output(self, item_id: str, audio_ms: float, now: float) -> bool:
        return False  # the long way, which is recorded

    def goes_on(self, response_id: str, item_id: str, now: float) -> bool:
        return False

    def advance(self, now: float) -> None:
        super().advance(now)
        self._last = max(self._last, now)

    def close(self, now: float) -> None:
        super().close(now)
        self._note(now, Closed())

    def commands(self) -> list[cmd.Command]:
        commands = super().commands()
        self.history += [(self._last, command) for command in commands]
        return commands

    @property
    def playback_reported(self) -> bool:
        return super().playback_reported

    @playback_reported.setter
    def playback_reported(self, value: bool) -> None:
        self._session.playback_reported = value
        self._plays()

    @property
    def audible(self) -> bool:
        return super().audible

    @audible.setter
    def audible(self, value: bool) -> None:
        self._session.audible = value
        self._plays()

    def case(self, *, id: str, title: str, guarantees: str, source: str = "a property test") -> str:
        """Return what happened as a case, see :func:`notation`."""
        return notation(
            self.history,
            id=id,
            title=title,
            guarantees=guarantees,
            source=source,
            policy=self.policy,
        )

    def _note(self, now: float, what: Happening) -> None:
        self._last = max(self._last, now)
        self.history.append((now, what))

    def _plays(self) -> None:
        sounds = "sound" if self.audible else "text"
        what = Plays(sounds if self.playback_reported else "nothing")
        told = [each for _, each in self.history if isinstance(each, Plays)]
        if what != (told[-1] if told else Plays("nothing")):
            self.history.append((self._last, what))


def notation(
    history: Iterable[tuple[float, Happening]],
    *,
    id: str,
    title: str,
    guarantees: str,
    source: str = "a property test",
    policy: RetryPolicy | None = None,
) -> str:
    """Return *history* as a case of the level ``exact``, to be pasted into the corpus.

    Its frames and its expectations are what came out, right or wrong: correct them to what should.

    Args:
        history: (time in seconds, what happened) in order: events, commands, and what the host
            did (`Asked`, `Interrupted`, `Plays`, `Closed`). Commands follow what caused them.
        id: The name of the case.
        title: What happens, in a few words.
        guarantees: Ids of guarantees, such as ``"G1 G5"``.
        source: Where it was found.
        policy: The controller's; what differs from the default is written.
    """
    head = [f"id: {id}", f"title: {title}", f"source: {source}", f"guarantees: {guarantees}"]
    head.append("level: exact")
    head += [f"setup: retry.{name} {value}" for name, value in _changed(policy or RetryPolicy())]
    writer = _Writer(list(history))
    return "\n".join([*head, *writer.lines(), *writer.expectations()]) + "\n"


def _changed(policy: RetryPolicy) -> Iterator[tuple[str, str]]:
    for each in fields(RetryPolicy):
        value = getattr(policy, each.name)
        if each.default is not MISSING and value != each.default:
            is_time = isinstance(value, float)
            yield each.name, _SECONDS.write({"seconds": value}) if is_time else str(value)


@dataclass
class _Writer:
    history: Sequence[tuple[float, Happening]]
    now: float = 0.0
    names: dict[str, str] = field(default_factory=dict)  # of turns, by id
    refs: dict[str, str] = field(default_factory=dict)  # what a case calls a client event's id
    ends: list[cmd.TurnEnded] = field(default_factory=list)
    died: bool = False
    _response: str | None = None

    def lines(self) -> Iterator[str]:
        at_once = self._sent_at_once()
        for at, (time, what) in enumerate(self.history):
            line = self._line(at, what, at_once)
            if line is None:
                continue
            if time > self.now + _MOMENT:
                yield f"T {_SECONDS.write({'seconds': round(time - self.now, 9)})}"
                self.now = time
            yield line

    def expectations(self) -> Iterator[str]:
        for end in self.ends:
            if end.turn_id in self.names:
                yield f"expect: {self._name(end.turn_id)} {_outcome(end.outcome, end.error)}"
        yield "expect: session ends" if self.died else "expect: session lives"

    def _sent_at_once(self) -> set[int]:
        """Indices of creates that left before anything else happened, and of their departures."""
        found: set[int] = set()
        waiting: dict[tuple[str, int], int] = {}
        since = 0.0
        for at, (time, what) in enumerate(self.history):
            if isinstance(what, cmd.CreateResponse):
                waiting[what.turn_id, what.attempt] = at
            elif isinstance(what, ev.CreateSent) and (what.turn_id, what.attempt) in waiting:
                created = waiting.pop((what.turn_id, what.attempt))
                if time == since:
                    found |= {at, created}
            elif not isinstance(what, cmd.Command):
                waiting.clear()
            since = time
        return found

    def _line(self, at: int, what: Happening, at_once: set[int]) -> str | None:
        if isinstance(what, cmd.Command):
            return self._command(what, "" if at in at_once else " queued")
        self._response = getattr(what, "response_id", None)
        if isinstance(what, Asked):
            self.names[what.turn_id] = what.turn_id
            marks = " application" * what.application + " besides" * what.besides
            return f"U asks {what.turn_id}{marks}"
        if isinstance(what, Interrupted):
            return f"U interrupts {self._name(what.turn_id)}"
        if isinstance(what, Plays):
            return f"U plays {what.what}"
        if isinstance(what, Closed):
            return "U closes"
        if isinstance(what, ev.CreateSent):
            self.refs[what.event_id] = f"{self._name(what.turn_id)}#{what.attempt}"
            if at in at_once:
                return None
        return line_of(what, self._ref)

    def _command(self, command: cmd.Command, queued: str) -> str | None:
        if isinstance(command, cmd.TurnMoved) and command.turn_id not in self.names:
            # A turn that nobody asked for is called like its response.
            if self._response is not None:
                self.names[command.turn_id] = self._response
        elif isinstance(command, cmd.TurnEnded):
            self.ends.append(command)
        elif isinstance(command, cmd.ReportSession):
            self.died = True
        elif isinstance(command, cmd.CreateResponse):
            self.names.setdefault(command.turn_id, command.turn_id)
            return f"C response.create {self._name(command.turn_id)}{queued}"
        elif isinstance(command, cmd.CancelResponse):
            self.refs[command.event_id] = f"cancel:{command.response_id}"
            return f"C response.cancel {command.response_id}"
        elif isinstance(command, cmd.CheckConnection):
            self.refs[command.event_id] = "check"
            return "C check"
        elif isinstance(command, cmd.ProbeCancel):
            self.refs[command.event_id] = "probe"
            return "C response.cancel"
        elif isinstance(command, cmd.DeleteItem):
            self.refs[command.event_id] = f"delete:{command.item_id}"
            return f"C item.delete {command.item_id}"
        elif isinstance(command, cmd.TruncateItem):
            self.refs[command.event_id] = f"truncate:{command.item_id}"
            return f"C item.truncate {command.item_id} {command.audio_end_ms}"
        elif isinstance(command, cmd.RestoreItem):
            return f"C item.restore {command.item_id}"
        elif isinstance(command, cmd.ReplaceConnection):
            return f"C {_RECONNECT.write({'wait': command.wait or None})}"
        return None

    def _name(self, turn_id: str) -> str:
        return self.names.get(turn_id, turn_id)

    def _ref(self, of: str, id: str) -> str:
        if of == "turn_id":
            return self._name(id)
        return self.refs.get(id, id) if of in ("event_id", "client_event_id") else id


def _outcome(outcome: TurnOutcome, error: ErrorInfo | None) -> str:
    code = f" {error.code}" if error is not None and error.code is not None else ""
    return outcome.value + (code if outcome is TurnOutcome.FAILED else "")
