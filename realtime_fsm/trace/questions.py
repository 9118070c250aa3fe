"""What was asked in a call, and what became of each question.

Who plays the caller says what they ask (:class:`Asked`). In other calls a question is a user's turn
that server VAD took, and each reply that the application asks for.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Literal, Protocol, get_args

from .facts import (
    Asked,
    Closed,
    CutIn,
    ErrorTold,
    Fact,
    ItemAdded,
    LetGo,
    Segment,
    SpeechCreated,
    SpeechDone,
    TextShown,
    ToolRan,
    TurnOver,
)
from .format import Line
from .kept import Kept
from .settings import Settings
from .sound import Heard, Sound
from .wire import Create, Item, Response, Wire

__all__ = ["FATES", "Answer", "Fate", "Question", "Questions"]

Fate = Literal[
    "answered", "interrupted", "superseded", "failed", "lost", "hung_up", "not_committed"
]
FATES: tuple[str, ...] = get_args(Fate)

#: Facts that tell something of a question.
_TELLS = frozenset(
    {
        Asked, CutIn, LetGo, SpeechCreated, SpeechDone, ItemAdded, ToolRan, ErrorTold, TurnOver,
        Closed,
    }
)  # fmt: skip
_MOMENT = 1e-6
_WORDS = 3  # in a row that are no accident
_STEPS = 16  # of tools that follow one another


@dataclass(eq=False, slots=True)
class Question:
    """Something that was asked.

    Attributes:
        key: names it.
        line: where it is told.
        begun, at: when the caller began to ask, and had finished.
        item_id: of the user's item; None where there is none, or it is not known.
        speech: the handle that asking returned.
        taken: when the server had it, and the line that tells it: much may come at one moment.
        cut_in: when the caller cut in on the answer, and how.
        over: when the caller stopped caring.
        watched, judged: whether a rule looks after it, and has said that it was lost.
    """

    key: str
    kind: str
    line: Line
    begun: float
    at: float
    item_id: str | None = None
    speech: str | None = None
    taken: Line | None = None
    cut_in: tuple[float, str] | None = None
    over: float | None = None
    watched: bool = False
    judged: bool = False

    @property
    def since(self) -> float:
        """When it was in the conversation."""
        if self.taken is not None:
            return self.taken.t
        return self.at if self.kind == "speech" else self.begun

    def precedes(self, t: float, number: float = math.inf) -> bool:
        """Whether it was in the conversation by then, and before the line of that number."""
        number_of = 0 if self.taken is None else self.taken.number
        return self.since <= t + _MOMENT and number_of < number


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a question.

    Attributes:
        fate: ``answered``: a message was heard to its end, and nothing that was promised with it (a
            tool's reply) is missing, or all that was to be done the server did by itself.
            ``interrupted``: the caller cut in on the answer.
            ``superseded``: the caller asked the next thing before anything was heard. ``failed``:
            the application was told so. ``lost``: none of these. ``hung_up``: the caller ended the
            call. ``not_committed``: the connection broke before the server took the speech.
        why: in words.
        heard: what was heard of the answer.
        first: when the first of it was heard.
        told: when the application was first told that it failed.
        reported: whether a recoverable ``error`` event came meanwhile.
    """

    fate: Fate
    why: str = ""
    heard: tuple[Heard, ...] = ()
    first: float | None = None
    told: float | None = None
    reported: bool = False

    @property
    def repeated(self) -> int:
        """Messages that began with the same words as one heard before. Without words: 0."""
        names = [name for heard in self.heard if (name := _name(heard))]
        return len(names) - len(set(names))


@dataclass(frozen=True, slots=True)
class _Told:
    """Something the application was told went wrong; *final*: for good."""

    t: float
    what: str
    final: bool


class Seen(Protocol):
    """What is known of the call besides."""

    wire: Wire
    sound: Sound
    settings: Settings
    now: float
    server_creates: bool


@dataclass(eq=False)
class Questions:
    """Built up by :meth:`apply`, fact by fact.

    Attributes:
        all: the newest questions, in order.
    """

    call: Seen
    all: deque[Question] = field(default_factory=lambda: deque(maxlen=256))
    asked: bool = False  # somebody says what is asked
    _told: deque[_Told] = field(default_factory=lambda: deque(maxlen=256))
    _taken: Kept[str, Line] = field(default_factory=Kept)
    _created: Kept[str, float] = field(default_factory=Kept)  # speeches
    _written: Kept[str, None] = field(default_factory=Kept)  # items of the user, by the client
    _spoke: deque[float] = field(default_factory=lambda: deque(maxlen=256))
    #: When the server told that the speech of an item had begun; and when a speech of the agent's
    #: was interrupted.
    _began: Kept[str, float] = field(default_factory=Kept)
    _stopped: Kept[str, float] = field(default_factory=Kept)
    _silent: Kept[str, None] = field(default_factory=Kept)  # calls that nobody is told of
    #: Calls whose outputs were sent and not answered yet; by create, those that it answers.
    _outputs: list[str] = field(default_factory=list)
    _answered: Kept[str, None] = field(default_factory=Kept)
    _reasons: Kept[int, list[str]] = field(default_factory=Kept)
    _asked_by: Create | None = None  # the newest create
    _heard: deque[Heard] = field(default_factory=lambda: deque(maxlen=512))
    #: What was found out since the newest fact: for which questions a message, or a response, is.
    _found: dict[int, tuple[object, list[Question]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.call.sound.told.append(self._heard.append)

    def apply(self, fact: Fact) -> None:
        """Take the next fact, but for a frame."""
        if self._found:
            self._found.clear()
        if type(fact) not in _TELLS:
            return
        if isinstance(fact, Asked):
            self._ask(fact)
        elif isinstance(fact, CutIn):
            if (question := self._find(fact.key)) is not None:
                question.cut_in = (fact.t, fact.how) if fact.how != "listens" else None
        elif isinstance(fact, LetGo):
            if (question := self._find(fact.key)) is not None and question.over is None:
                question.over = fact.t
        elif isinstance(fact, SpeechCreated):
            self._created[fact.speech] = fact.t
            if fact.user_initiated and fact.source == "generate_reply" and not self.asked:
                self._add(
                    Question(fact.speech, "app", fact.line, fact.t, fact.t, speech=fact.speech)
                )
        elif isinstance(fact, ItemAdded):
            if fact.role == "user" and fact.item_id in self._written and not self.asked:
                self._wrote(fact.t)
        elif isinstance(fact, ToolRan):
            if fact.reply is False:
                self._silent[fact.call_id] = None
        else:
            self._failure(fact)
            if isinstance(fact, SpeechDone) and fact.interrupted:
                self._stopped[fact.speech] = fact.t
            if not self.asked:
                self._cut(fact)

    def _find(self, key: str) -> Question | None:
        return next((q for q in reversed(self.all) if q.key == key), None)

    def _add(self, question: Question) -> None:
        self._outputs, self._asked_by = [], None  # what is asked for next is for this one
        question.taken = self._taken.get(question.item_id or "")
        self.all.append(question)

    def _ask(self, fact: Asked) -> None:
        if not self.asked:
            self.asked = True
            self.all.clear()  # what was taken for questions
        begun = fact.t if fact.begun is None else fact.begun
        question = Question(
            fact.key, fact.kind, fact.line, begun, fact.t, fact.item_id, fact.speech
        )
        self._add(question)
        if fact.refused is not None:
            self._told.append(_Told(fact.t, f"request: {fact.refused}", True))

    def frame(self, frame: Line) -> None:
        """Take the next frame."""
        if self._found:
            self._found.clear()
        kind = frame.type
        if frame.by == "client":
            self._because(frame)
        elif kind == "input_audio_buffer.speech_started":
            self._spoke.append(frame.t)
            self._began[str(frame.event.get("item_id"))] = frame.t
            if not self.asked:
                self._interrupt(frame.t, "coughs")
        elif kind == "input_audio_buffer.committed":
            item_id = str(frame.event.get("item_id"))
            self._taken.setdefault(item_id, frame)
            if self.asked:
                for question in self.all:
                    if question.item_id == item_id:
                        question.taken = self._taken[item_id]
            elif self.call.server_creates:
                self._took(frame, item_id)

    def _took(self, frame: Line, item_id: str) -> None:
        """The user has said something: what was asked before is over for them."""
        begun = self._spoke[-1] if self._spoke else frame.t
        for question in self.all:
            if question.over is None:
                question.cut_in, question.over = (begun, "speaks_over"), begun
        self._add(Question(item_id, "speech", frame, begun, frame.t, item_id))

    def _wrote(self, t: float) -> None:
        """The user has written something: what they said before, and nobody began to answer, is
        answered with it."""
        for question in self.all:
            waits = question.kind == "speech" and question.over is None
            if waits and not self._responses(question.since, t):
                question.cut_in, question.over = (t, "speaks_over"), t

    def _interrupt(self, t: float, how: str, speech: str | None = None) -> None:
        for question in self.all:
            if question.over is None and question.speech in (None, speech or question.speech):
                question.cut_in = question.cut_in or (t, how)

    def _cut(self, fact: Fact) -> None:
        """An interrupted speech, or a turn that gave way, was somebody's wish."""
        if isinstance(fact, SpeechDone) and fact.interrupted:
            created = self._created.get(fact.speech, fact.t)
            for question in self.all:
                if question.speech == fact.speech and question.over is None:
                    question.cut_in = (fact.t, "stops")
                elif question.speech is None and question.begun <= created:
                    question.cut_in = question.cut_in or (fact.t, "stops")
        elif isinstance(fact, TurnOver) and fact.outcome == "interrupted":
            self._interrupt(fact.t, "stops")

    def _failure(self, fact: Fact) -> None:
        if isinstance(fact, ErrorTold):
            final = fact.recoverable is False
            self._told.append(_Told(fact.t, f"error: {fact.code or fact.error}", final))
        elif isinstance(fact, TurnOver):
            if fact.kind is not None or fact.outcome == "failed":
                self._told.append(_Told(fact.t, f"turn: {fact.code or fact.outcome}", True))
        elif isinstance(fact, SpeechDone):
            if fact.exception is not None and not fact.interrupted:
                # An exception that comes with an interruption says no more than that.
                self._told.append(_Told(fact.t, f"handle: {fact.code or fact.exception}", True))
        elif isinstance(fact, Closed) and fact.reason == "error":
            self._told.append(_Told(fact.t, "the session ended", True))

    # --- what became of it

    def answer(self, question: Question) -> Answer:
        """What has become of a question by now."""
        over = self.call.now if question.over is None else question.over
        heard = self.heard(question)
        first = min((each.begun for each in heard), default=None)
        told = [t for t in self._told if question.begun <= t.t <= over + _MOMENT]
        final = [t for t in told if t.final]
        full = [each for each in heard if self._is_full(each)]
        owed, hushed = self._owed(question, full)
        late = question.item_id is not None and question.taken is None and question.kind == "speech"
        cut = question.cut_in
        fate: Fate
        if full and not owed:
            fate, why = "answered", ""
        elif cut is not None and cut[1] == "hangs_up":
            fate, why = "hung_up", ""
        elif late:
            fate, why = "not_committed", "the connection broke while the caller spoke"
        elif cut is not None and self._explains(question, cut, over):
            fate = "interrupted" if heard or cut[1] != "speaks_over" else "superseded"
            why = f"the caller {cut[1].replace('_', ' ')}"
        elif self._overtaken(question):
            fate, why = "interrupted", "the server told of earlier speech after it"
        elif self._too_late(question, heard):
            fate, why = "interrupted", "the caller had gone on"
        elif hushed:
            fate, why = "answered", "by a tool that is not to be answered"
        elif not heard and not final and self._acted(question):
            fate, why = "answered", "by what the server did by itself"
        elif final:
            fate, why = "failed", final[0].what
        elif owed:
            fate, why = "lost", "a tool was called, and nothing was said of it"
        elif heard:
            fate, why = "lost", "the answer stopped midway, and nobody was told"
        else:
            fate, why = "lost", "nothing was heard, and nobody was told"
        since = next((t.t for t in final if t.t > question.at), None)
        return Answer(fate, why, tuple(heard), first, since, bool(told) and fate == "lost")

    def heard(self, question: Question) -> list[Heard]:
        """What was heard in answer to a question."""
        return [
            each
            for each in self._heard
            if self._may_answer(each, question) and question in self._asked_for(each)
        ]

    def _may_answer(self, heard: Heard, question: Question) -> bool:
        """Whether it can be one of those for which it was asked, by itself alone: to look at all others
        for each message takes long in a long call."""
        if heard.speech is not None and question.speech == heard.speech:
            return True
        begun = question.begun <= heard.begun + _MOMENT
        return begun or question.precedes(*self._asked_by_then(heard))

    def _asked_by_then(self, heard: Heard) -> tuple[float, ...]:
        response = None if heard.item is None else heard.item.response
        return (heard.begun,) if response is None else _since(self._root(response))

    def _asked_for(self, heard: Heard) -> list[Question]:
        """The question whose speech it is, or the newest one that was asked before its response. Of
        what a tool has the application say both."""
        known = self._found.get(id(heard))
        if known is not None:
            return known[1]
        own = [q for q in self.all if heard.speech is not None and q.speech == heard.speech]
        before = self._newest(self._asked_by_then(heard))
        if not own or (not self.asked and before and self._calls(before[-1], own[0].begun)):
            own += before
        own += self._followed_up(own)
        self._found[id(heard)] = heard, own
        return own

    def _followed_up(self, own: list[Question]) -> list[Question]:
        """The one before, if the server only acted for it: what is asked for then is its answer."""
        if self.asked or not own:
            return []
        before = [q for q in self.all if q.begun < own[0].begun and q not in own][-1:]
        made = self._responses(before[0].since, own[0].begun) if before else []
        return before if made and all(response.only_acted for response in made) else []

    def _newest(self, by: tuple[float, ...]) -> list[Question]:
        """The newest question that had been asked, but for those whose speech is known. One that was
        interrupted by then says nothing of what is asked for again."""
        before = [q for q in self.all if q.precedes(*by)]
        open_ = [
            q for q in before
            if q.speech is None or self._stopped.get(q.speech, math.inf) <= by[0] + _MOMENT
        ]  # fmt: skip
        return open_[-1:] or before[-1:]

    def _acted(self, question: Question) -> bool:
        """Whether the server did something by itself for it, and nothing is to follow: LiveKit listens
        then, and what comes next is the application's to say (G28)."""
        made = sorted(self._of(question), key=_since)
        return bool(made) and made[-1].only_acted and made[-1].status == "completed"

    def _overtaken(self, question: Question) -> bool:
        """Whether LiveKit interrupted its speech for what the caller had said before, of which the
        server told only then."""
        stopped = self._stopped.get(question.speech or "")
        return stopped is not None and any(
            abs(self._began.get(earlier.item_id or "", -1.0) - stopped) <= _MOMENT
            for earlier in self.all
            if earlier.begun < question.begun
        )

    def _too_late(self, question: Question, heard: list[Heard]) -> bool:
        """Whether it was being heard after all when the caller, who had waited in vain, asked the
        next thing."""
        later = [q.begun for q in self.all if q.begun > question.begun]
        return any(
            each.cut and abs(begun - each.fact.t) <= _MOMENT and each.begun + each.seconds >= begun
            for each in heard
            for begun in later
        )

    def _calls(self, question: Question, until: float) -> bool:
        return any(response.calls for response in self._responses(question.since, until))

    def _because(self, frame: Line) -> None:
        """A reply to a tool goes on with the question for which that was called; so does a reply that
        is asked for again."""
        if frame.type == "input_audio_buffer.append":
            return
        item = frame.body("item")
        if frame.type == "response.create":
            if not self._outputs and self._asked_by is not None:
                answered = self._asked_by.response
                if answered is None or answered.status != "completed":
                    self._outputs += self._reasons.get(id(self._asked_by.sent), [])
            self._reasons[id(frame)] = [c for c in self._outputs if c not in self._silent]
            self._outputs = []
            self._asked_by = self.call.wire.creates[-1] if self.call.wire.creates else None
        elif item.get("role") == "user":
            self._written[str(item.get("id"))] = None
        elif item.get("type") == "function_call_output":
            call_id = str(item.get("call_id"))
            if call_id not in self._answered:  # else a new connection is told of it
                self._answered[call_id] = None
                self._outputs.append(call_id)

    def _root(self, response: Response) -> Response:
        """The response that began it, of those that follow one another by the tools they call."""
        for _ in range(_STEPS):
            create = response.create
            reasons = [] if create is None else self._reasons.get(id(create.sent), [])
            if not reasons:
                break
            called = [i for i in self.call.wire.items.values() if i.call_id in reasons]
            if not called:
                break
            response = called[-1].response
        return response

    def _of(self, question: Question) -> list[Response]:
        """The responses that were made for a question, as far as their tools tell."""
        found = []
        for response in self.call.wire.responses.values():
            if response.created is None or response.outside:
                continue
            root = self._root(response)
            asked = question.precedes(*_since(root))
            if not asked and question.speech is None:
                continue
            speeches = {
                heard.speech for i in (*root.items, *response.items)
                for heard in self.call.sound.of.get(i.id, ())
            }  # fmt: skip
            if not asked and question.speech not in speeches:
                continue
            known = self._found.get(id(response))
            if known is None:
                own = [q for q in self.all if q.speech is not None and q.speech in speeches]
                before = [] if own else [q for q in self.all if q.precedes(*_since(root))]
                known = self._found[id(response)] = response, own or before[-1:]
            if question in known[1]:
                found.append(response)
        return found

    def _is_full(self, heard: Heard) -> bool:
        """Whether a message was generated to its end, and heard to its end."""
        if heard.what in ("own", "several"):
            return not heard.cut
        item = heard.item
        if item is None or heard.cut or not _whole(item):
            return False
        short = item.ms / 1000 - self.call.settings.audio
        return not isinstance(heard.fact, Segment) or heard.seconds >= short

    def _owed(self, question: Question, full: list[Heard]) -> tuple[bool, bool]:
        """Whether a tool was called for it, and no message of a later response was heard; and whether
        it was one that is not to be answered."""
        calling = [response for response in self._of(question) if response.calls]
        if not calling:
            return False, False
        last = max(calling, key=_since)
        said = [(h.begun, 0) if h.item is None else _since(h.item.response) for h in full]
        if any(by > _since(last) for by in said):
            return False, False
        silent = any(call.call_id in self._silent for call in last.calls)
        return not silent, silent

    def _responses(self, begin: float, end: float) -> list[Response]:
        return [
            response
            for response in self.call.wire.responses.values()
            if response.created is not None
            and begin <= response.created.t <= end
            and not response.outside
        ]

    def _explains(self, question: Question, cut: tuple[float, str], over: float) -> bool:
        """Whether cutting in explains that the answer is missing.

        A cough explains it only where it met an answer, or an earlier one behind which it waited,
        or a request that nothing had answered, for LiveKit interrupts all that are queued: one that
        waits to be asked for again, because it failed or went with its connection, has to be given
        after it. Where the network is slow the
        answer may not have come yet; then the server tells, who heard the cough after it had begun
        to answer.
        """
        t, how = cut
        if how != "coughs":
            return True
        begin = question.since
        mine = self._responses(begin, over)
        met = any(
            _goes_on(r, t, mine) and ((r.created is not None and r.created.t <= t)
                                      or self._on_its_way(r, t, over))
            for r in mine
        )  # fmt: skip
        behind = any(
            _runs(r, t) and r.status != "failed" for r in self._responses(-1.0, begin - _MOMENT)
        )
        asked = any(
            begin <= create.sent.t <= t and not any(each.t < t for each in create.answers)
            for create in self.call.wire.creates
        )
        return met or behind or asked or any(each.begun <= t <= each.fact.t for each in self._heard)

    def _on_its_way(self, response: Response, cut: float, over: float) -> bool:
        """The server heard the cough after it had begun to answer."""
        created = response.created
        after = [t for t in self._spoke if created is not None and t >= created.t]
        return bool(after) and cut <= after[0] < over and response.status != "failed"


def _since(response: Response) -> tuple[float, int]:
    """When it was created, and in which line."""
    created = response.created
    return (-1.0, 0) if created is None else (created.t, getattr(created, "number", 0))


def _whole(item: Item) -> bool:
    # The end of an item may have been lost on the way; that of its response says it as well.
    return item.response.status == "completed" or item.status == "completed"


def _runs(response: Response, t: float) -> bool:
    end = response.done or response.lost or response.denied
    return end is None or end.t >= t


def _goes_on(response: Response, t: float, others: list[Response]) -> bool:
    """It runs, or its tool does, whose reply has not failed before."""
    replied = any(
        o.status == "failed" and o.created is not None and response.created is not None
        and o.created.t > response.created.t and o.done is not None and o.done.t < t
        for o in others
    )  # fmt: skip
    return _runs(response, t) or (bool(response.calls) and not replied)


def _name(heard: Heard) -> str:
    """The first words of a message."""
    text = heard.fact.text if isinstance(heard.fact, TextShown) else ""
    if heard.item is not None and heard.item.text:
        text = heard.item.text
    words = text.split() if isinstance(text, str) else []
    return " ".join(words[:_WORDS])
