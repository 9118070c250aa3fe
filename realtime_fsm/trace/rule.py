"""What a rule is, and what it may look at: the call so far."""

from __future__ import annotations

import heapq
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any, ClassVar, TypeVar

from .format import Header, Line, Seen
from .wire import AUDIO_DELTAS, Wire, body_of

__all__ = ["Call", "Handler", "Kept", "Problem", "Rule", "Settings"]

Handler = Callable[[Any], None]
K = TypeVar("K")
V = TypeVar("V")
_KEPT = 256
_ACTIVE = ("server", "client", "playback", "turn")
_SPEECHES = 256  # that are not done; more is no call
_LOOKS = 2  # that one timer may take in one line: what it waits for is changed by lines alone


class Kept(OrderedDict[K, V]):
    """Remembers the newest 256, so that a call of any length takes the same memory."""

    def __setitem__(self, key: K, value: V) -> None:
        super().__setitem__(key, value)
        if len(self) > _KEPT:
            self.popitem(last=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tolerances, in seconds.

    Attributes:
        patience: an unanswered create, or cancel, is believed in for so long.
        unread: what arrived so shortly before may not have been acted on.
        audio: the longest stretch of sound that a sink may play or not.
        quiet: nothing happens for so long: the call stands still.
        answer: within so long a turn is answered, or asked again, or said to have failed.
        reconnects: connections in a row without any progress.
    """

    patience: float = 4.9
    unread: float = 0.005
    audio: float = 0.15
    quiet: float = 30.0
    answer: float = 15.0
    reconnects: int = 10


@dataclass(eq=False, slots=True)
class Problem:
    """One breach: what, and the events it rests on."""

    text: str
    events: Sequence[Seen]


@dataclass(eq=False, slots=True)
class Speech:
    """A speech handle that is not done."""

    id: str
    created: Line


@dataclass(eq=False)
class Call:
    """What all rules look at. A line takes effect here after the rules have seen it.

    Attributes:
        timed: whether times mean something.
        partial: its beginning was not seen: ids that nobody introduced may be of before.
        now: seconds, of the line at hand.
        speeches: speech handles that are not done, by id.
        agent_state: as the session last told.
        speaking: the user is, as far as was told.
        playing: the line that began what plays now.
        sounds_until: when all audio received so far could have been heard.
        closed: the session's close.
        server_creates: server VAD starts responses by itself.
        active_at: when anything happened last, besides the user's audio.
        tools: calls that were handed out and have no output, by call id.
        problems: what was found and not taken yet.
    """

    settings: Settings = field(default_factory=Settings)
    wire: Wire = field(default_factory=Wire)
    header: Header | None = None
    timed: bool = True
    partial: bool = False
    now: float = 0.0
    speeches: dict[str, Speech] = field(default_factory=dict)
    agent_state: Line | None = None
    speaking: bool = False
    playing: Line | None = None
    sounds_until: float = 0.0
    closed: Line | None = None
    server_creates: bool = False
    active_at: float = 0.0
    tools: dict[str, Line] = field(default_factory=dict)
    problems: deque[tuple[Rule, Problem]] = field(default_factory=deque)
    _timers: list[tuple[float, int, int, Callable[[], None]]] = field(default_factory=list)
    _numbers: Any = field(default_factory=count)
    _looks: int = 0  # that the timer at hand has taken in this line

    def later(self, t: float, what: Callable[[], None]) -> None:
        """Look again at *t*, if the trace goes on until then. A look that puts itself off names the
        moment that it waits for: one that does it again and again waits for the next line."""
        if self.timed:
            heapq.heappush(self._timers, (t, next(self._numbers), self._looks, what))

    def advance(self, t: float) -> None:
        """It is *t* now: do what was left for later. The work is bounded, however far *t* is."""
        waiting = []
        while self._timers and self._timers[0][0] <= t:
            timer = heapq.heappop(self._timers)
            when, _, looks, what = timer
            if looks >= _LOOKS:
                waiting.append(timer)
                continue
            self.now, self._looks = max(self.now, when), looks + 1
            what()
        self._looks = 0
        for when, number, _, what in waiting:
            heapq.heappush(self._timers, (when, number, 0, what))
        self.now = max(self.now, t)

    def apply(self, line: Line) -> None:
        """Let the line take effect."""
        if line.by in _ACTIVE and line.type != "input_audio_buffer.append":
            self.active_at = line.t
        if line.by in ("server", "client", "net"):
            self.wire.apply(line)
            if line.type in AUDIO_DELTAS:
                delta = line.event.get("delta")
                if isinstance(delta, (int, float)):
                    self.sounds_until = max(self.sounds_until, line.t) + delta / 1000
            elif line.type in ("session.created", "session.updated"):
                self._configured(line.event.get("session"))
            elif line.type == "input_audio_buffer.speech_started":
                self.speaking = True
            elif line.type == "input_audio_buffer.speech_stopped":
                self.speaking = False
            else:
                self._tool(line)
        elif line.by == "session":
            self._session(line)
        elif line.by == "user":
            if line.type == "state":
                self.speaking = line.event.get("new") == "speaking"
        elif line.by == "playback":
            if line.type == "started":
                self.playing = line
            elif line.type == "finished":
                self.playing = None

    def _session(self, line: Line) -> None:
        if line.type == "speech_created" and len(self.speeches) < _SPEECHES:
            name = str(line.event.get("speech"))
            self.speeches[name] = Speech(name, line)
        elif line.type == "speech_done":
            self.speeches.pop(str(line.event.get("speech")), None)
            if not self.speeches:
                self.tools.clear()
        elif line.type == "agent_state":
            self.agent_state = line
        elif line.type == "close":
            self.closed = line

    def _tool(self, line: Line) -> None:
        item = body_of(line.event.get("item"))
        call_id = str(item.get("call_id"))
        if line.type == "response.output_item.done" and item.get("type") == "function_call":
            if item.get("status") == "completed" and len(self.tools) < _SPEECHES:
                self.tools[call_id] = line
        elif line.type == "conversation.item.create":
            self.tools.pop(call_id, None)

    def _configured(self, session: object) -> None:
        if not isinstance(session, dict):
            return
        # GA: session.audio.input.turn_detection; beta: session.turn_detection.
        audio = session.get("audio")
        inner = audio.get("input") if isinstance(audio, dict) else None
        for where in (inner, session):
            if isinstance(where, dict) and "turn_detection" in where:
                found = where["turn_detection"]
                self.server_creates = (
                    isinstance(found, dict) and found.get("create_response") is not False
                )
                return


class Rule:
    """One guarantee, as far as a trace shows it. A new object for each call.

    Subclasses give ``id``, ``name``, the ``needs`` (kinds of lines without which nothing can be
    said; ``time`` for times), and handlers.
    """

    id: ClassVar[str]
    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ("server", "client")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.wire = call.wire
        self.settings = call.settings

    def handlers(self) -> dict[tuple[str, str], Handler]:
        """What to call with which (by, type), before the line takes effect."""
        return {}

    def end(self) -> None:
        """There are no more lines."""

    def broken(self, text: str, events: Sequence[Seen | None]) -> None:
        """Report a breach."""
        problem = Problem(text, [each for each in events if each is not None])
        self.call.problems.append((self, problem))

    def recent(self, t: float, limit: float) -> bool:
        """Whether less than *limit* seconds have passed since *t*. Without times: it is."""
        return not self.call.timed or self.call.now - t < limit
