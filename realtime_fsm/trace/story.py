"""A call so far: what all rules look at. Built up fact by fact."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from .facts import (
    AgentState,
    Begun,
    Closed,
    Fact,
    Frame,
    Link,
    SpeechCreated,
    SpeechDone,
    ToolBegan,
    ToolEnded,
    TurnOver,
    UserState,
)
from .format import Header, Line
from .kept import Kept
from .questions import Questions
from .settings import Settings
from .sound import OF_SOUND, Sound
from .wire import AUDIO_DELTAS, Wire, body_of

__all__ = ["Story"]

_SPEECHES = 256  # that are not done; more is no call
_LOOKS = 2  # that one timer may take in one line: what it waits for is changed by lines alone
#: Who is no sign of life: watching, and the user's silence.
_IDLE = frozenset({"input_audio_buffer.append", "look", "recorded", "let_go", "forgot", "context"})
_ACTS = ("response.", "conversation.item.")
#: What takes effect here, and not in a part.
_OF_HOST = frozenset(
    {SpeechCreated, SpeechDone, AgentState, UserState, ToolBegan, ToolEnded, Closed, TurnOver}
)


@dataclass(eq=False)
class Story:
    """What happened by now. A fact takes effect here after the rules have seen it.

    Attributes:
        timed: whether times mean something.
        partial: its beginning was not seen: ids that nobody introduced may be of before.
        now: seconds, of the fact at hand.
        speeches: speech handles that are not done, by id.
        agent: its state, as the session last told.
        speaking: the user is, as far as was told.
        spoke: when the user last began to.
        sounds_until: when all audio received so far could have been heard.
        closed: the session's close.
        server_creates: server VAD starts responses by itself.
        active_at: when anything happened last, besides the user's audio.
        acted_at: when anything of a response or of the conversation did.
        tools: calls that were handed out and have no output, by call id.
        running: calls whose function runs, likewise.
        outcomes: of turns that ended.
    """

    settings: Settings = field(default_factory=Settings)
    wire: Wire = field(default_factory=Wire)
    header: Header | None = None
    timed: bool = True
    partial: bool = False
    now: float = 0.0
    speeches: dict[str, SpeechCreated] = field(default_factory=dict)
    agent: AgentState | None = None
    speaking: bool = False
    spoke: float = -1.0
    sounds_until: float = 0.0
    closed: Closed | None = None
    server_creates: bool = False
    active_at: float = 0.0
    acted_at: float = 0.0
    tools: Kept[str, Line] = field(default_factory=Kept)
    running: Kept[str, Line] = field(default_factory=Kept)
    outcomes: Kept[str, TurnOver] = field(default_factory=Kept)
    sound: Sound = field(init=False)
    questions: Questions = field(init=False)
    _timers: list[tuple[float, int, tuple[int, int], Callable[[], None]]] = field(
        default_factory=list
    )
    _numbers: Any = field(default_factory=count)
    _line: int = 0
    _looks: int = 0  # that the timer at hand has taken in this line

    def __post_init__(self) -> None:
        self.sound = Sound(self.wire)
        self.questions = Questions(self)

    # --- time

    def later(self, t: float, what: Callable[[], None]) -> None:
        """Look again at *t*, if the call goes on until then. A look that puts itself off names the
        moment that it waits for: one that does it again and again waits for the next line."""
        if self.timed:
            heapq.heappush(self._timers, (t, next(self._numbers), (self._line, self._looks), what))

    def advance(self, t: float) -> None:
        """It is *t* now: do what was left for later. The work is bounded, however far *t* is."""
        self._line += 1
        if not self._timers or self._timers[0][0] > t:
            self._looks = 0
            if t > self.now:
                self.now = t
            return
        waiting = []
        while self._timers and self._timers[0][0] <= t:
            timer = heapq.heappop(self._timers)
            when, _, (line, looks), what = timer
            looks = looks if line == self._line else 0
            if looks >= _LOOKS:
                waiting.append(timer)
                continue
            self.now, self._looks = max(self.now, when), looks + 1
            what()
        self._looks = 0
        for timer in waiting:
            heapq.heappush(self._timers, timer)
        self.now = max(self.now, t)

    def recent(self, t: float, limit: float) -> bool:
        """Whether less than *limit* seconds have passed since *t*. Without times: it is."""
        return not self.timed or self.now - t < limit

    @property
    def works(self) -> bool:
        """Whether a tool is under way."""
        return bool(self.tools or self.running)

    @property
    def still(self) -> bool:
        """Whether nothing is under way: no response, no speech, no sound."""
        return not (
            self.sound.playing
            or self.speeches
            or self.wire.alive(self.wire.connection)
            or self.sound.open
        )

    # --- facts

    def apply(self, fact: Fact) -> None:
        """Let the fact take effect."""
        line = fact.line
        if line.type not in _IDLE and line.t > self.active_at:
            self.active_at = line.t
        kind = type(fact)
        if kind is Frame:
            self._frame(line)
            self.questions.frame(line)
            return
        if kind is Link:
            self.wire.apply(line)
        elif isinstance(fact, Begun):
            self.header, self.timed = fact.header, fact.header.timed
        elif kind in _OF_HOST:
            self._host(fact)
        if kind in OF_SOUND:
            self.sound.apply(fact)
        self.questions.apply(fact)

    def _frame(self, line: Line) -> None:
        self.wire.apply(line)
        if line.type.startswith(_ACTS):
            self.acted_at = line.t
        takes = _TAKES.get(line.type)
        if takes is not None:
            takes(self, line)

    def _audio(self, line: Line) -> None:
        delta = line.event.get("delta")
        if isinstance(delta, (int, float)):
            self.sounds_until = max(self.sounds_until, line.t) + delta / 1000

    def _user_starts(self, line: Line) -> None:
        self.speaking, self.spoke = True, line.t

    def _user_stops(self, line: Line) -> None:
        self.speaking = False

    def _host(self, fact: Fact) -> None:
        if isinstance(fact, SpeechCreated):
            if len(self.speeches) < _SPEECHES:
                self.speeches[fact.speech] = fact
        elif isinstance(fact, SpeechDone):
            self.speeches.pop(fact.speech, None)
            if not self.speeches:
                self.tools.clear()
        elif isinstance(fact, AgentState):
            self.agent = fact
        elif isinstance(fact, UserState):
            self.speaking = fact.new == "speaking"
            self.spoke = fact.t if self.speaking else self.spoke
        elif isinstance(fact, ToolBegan):
            self.running[fact.call_id] = fact.line
        elif isinstance(fact, ToolEnded):
            self.running.pop(fact.call_id, None)
        elif isinstance(fact, Closed):
            self.closed = fact
        elif isinstance(fact, TurnOver):
            self.outcomes[fact.turn] = fact

    def _tool(self, line: Line) -> None:
        item = line.body("item")
        call_id = str(item.get("call_id"))
        if line.type == "conversation.item.create":
            self.tools.pop(call_id, None)
        elif item.get("type") == "function_call" and item.get("status") == "completed":
            made = self.wire.items.get(str(item.get("id")))
            create = None if made is None else made.response.create
            if create is None or not create.forbids_tools:
                self.tools[call_id] = line

    def _configured(self, line: Line) -> None:
        # GA: session.audio.input.turn_detection; beta: session.turn_detection.
        beta = line.body("session")
        inner = body_of(body_of(beta.get("audio")).get("input"))
        for where in (inner, beta):
            if "turn_detection" in where:
                found = where["turn_detection"]
                self.server_creates = (
                    isinstance(found, dict) and found.get("create_response") is not False
                )
                return


#: What takes which frame.
_TAKES: dict[str, Callable[[Story, Line], None]] = {
    **dict.fromkeys(AUDIO_DELTAS, Story._audio),
    "session.created": Story._configured,
    "session.updated": Story._configured,
    "input_audio_buffer.speech_started": Story._user_starts,
    "input_audio_buffer.speech_stopped": Story._user_stops,
    "response.output_item.done": Story._tool,
    "conversation.item.create": Story._tool,
}
