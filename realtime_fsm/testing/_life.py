"""Sees a simulated call for the differential judge: what was asked, heard, done and remembered.

The simulated server knows what each of its responses answers, and its sound says which message it is
of; so nothing has to be guessed from lengths or times.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from livekit.agents import DEFAULT_API_CONNECT_OPTIONS, Agent, AgentTask, CloseReason, llm
from livekit.agents.voice import SpeechHandle

from .._core.words import share_of
from ..compare import Attempt, Collision, Deed, Ending, Heard, Life, Message, Question, Span
from ..livekit._features import AgentSession, handed_on, history_of
from ..simulator.generation import mark_of
from ..simulator.record import Record
from ..trace.wire import body_of
from ._promised import shows_wire
from ._seen import SeenCall
from ._waits import Waits
from .sink import PacedAudioOutput, Segment

__all__ = ["Witness", "WitnessedSession"]

_WORD = 0.4  # seconds that a word takes, in a call by text
_SPOKEN = 0.5  # and in one by sound
_AGAIN = DEFAULT_API_CONNECT_OPTIONS.retry_interval
_CREATE = "response.create"
_MOMENT = 1.0  # seconds after the user's words until the server has them


@dataclass(frozen=True, slots=True, eq=False)
class _Handover:
    """To an agent who knows these items; *how*, in words; *by* a tool call, None for the application
    itself; *moves*: that agent has another model, so LiveKit takes another connection."""

    t: float
    how: str
    by: str | None
    known: frozenset[str]
    moves: bool


def _handover(
    history: llm.ChatContext, how: str, by: str | None = None, moves: bool = False
) -> _Handover:
    # What is being said has no words yet in a copy; the next agent does not get to know it.
    known = frozenset(
        item.id
        for item in history.items
        if not isinstance(item, llm.ChatMessage) or item.text_content
    )
    return _Handover(asyncio.get_running_loop().time(), how, by, known, moves)


def _running(session: AgentSession[Any]) -> Agent | None:
    try:
        return session.current_agent
    except RuntimeError:  # none runs yet
        return None


def _model_of(session: AgentSession[Any], agent: Agent) -> Any:
    return agent.llm or session.llm


class WitnessedSession(AgentSession[Any]):
    """Notes what the application asks of it."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        #: (when, the user's words or the instructions), of each reply that was asked for.
        self.asked: list[tuple[float, str]] = []
        #: those that instructions asked for.
        self.instructed: list[tuple[float, str]] = []
        #: when it asked for an answer to what was asked last, and when it ended the user's turn.
        self.asked_again: list[float] = []
        self.committed: list[float] = []
        #: when the application interrupted.
        self.cuts: list[float] = []
        #: the tool call that is about to hand over.
        self.hands_over: str | None = None
        #: the last handover to each agent, by its id.
        self.next_agents: dict[str, _Handover] = {}

    def generate_reply(self, **arguments: Any) -> SpeechHandle:
        """See ``AgentSession``."""
        now = asyncio.get_running_loop().time()
        said = arguments.get("user_input") or arguments.get("instructions")
        handle = super().generate_reply(**arguments)
        if isinstance(said, str):
            self.asked.append((now, said))
            if not arguments.get("user_input"):
                self.instructed.append((now, said))
        elif said is None:
            self.asked_again.append(now)
        return handle

    def commit_user_turn(self, **options: Any) -> asyncio.Future[str]:
        """See ``AgentSession``."""
        future = super().commit_user_turn(**options)
        self.committed.append(asyncio.get_running_loop().time())
        return future

    def update_agent(self, agent: Agent, **given: Any) -> None:
        """See ``AgentSession``."""
        by, self.hands_over = self.hands_over, None
        history = handed_on(self, agent, **given)
        before = _running(self)
        kept_back = before and history_of(self).items and not history.items
        moves = before is not None and _model_of(self, before) is not _model_of(self, agent)
        super().update_agent(agent, **given)
        how = "handed over without a history" if kept_back else "handed over"
        self.next_agents[agent.id] = _handover(history, how, by, moves)

    def interrupt(self, *, force: bool = False) -> asyncio.Future[None]:
        """See ``AgentSession``."""
        self.cuts.append(asyncio.get_running_loop().time())
        return super().interrupt(force=force)


@dataclass(slots=True, eq=False)
class _Generated:
    """A message as it went over the wire."""

    id: str
    question: str
    attempt: int
    number: int
    begun: float
    seconds: float = 0.0
    text: str = ""
    whole: bool = False
    written: bool = False


@dataclass(eq=False)
class Witness:
    """Sees one call, from its beginning.

    Attributes:
        call: that call.
        tools: tools that ran: when, which call, and which tool.
        outputs: of tools: when LiveKit told of it, of which call, and whether a reply is to tell of it.
        called: tool calls that LiveKit told the end of, whether the tool ran or is unknown.
        tools_done: when each tool call came to its end.
        waits: what the controlled model waits for.
        ended: when an error ended the session, and which.
        handed_over: when another agent took over, and how that came.
        forgotten: items that the application has deleted.
        edited: when it pushed a history of its own.
        entered: when LiveKit entered messages of the agent's in its history, which, and their words.
    """

    call: SeenCall
    tools: list[tuple[float, str, str]] = field(default_factory=list)
    outputs: list[tuple[float, str, bool]] = field(default_factory=list)
    called: list[tuple[float, str, str]] = field(default_factory=list)
    tools_done: dict[str, float] = field(default_factory=dict)
    waits: Waits = field(init=False)
    ended: tuple[float, str, str] | None = None
    handed_over: list[tuple[float, _Handover]] = field(default_factory=list)
    forgotten: set[str] = field(default_factory=set)
    edited: list[float] = field(default_factory=list)
    entered: list[tuple[float, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.waits = Waits(self.call)
        self.call.session.on("function_tools_executed", self._tools_ran)
        self.call.session.on("tool_execution_updated", self._tool_updated)
        self.call.session.on("conversation_item_added", self._item_added)
        self.call.session.on("error", self._failed)
        self.call.session.on("close", self._closed)
        if self.call.model is not None:
            self.waits.watch(self.call.model)

    # --- while it goes on

    def _tools_ran(self, event: Any) -> None:
        now = self._loop.time()
        for call, output in event.zipped():
            # Of a tool that only hands over, or ends something, nothing is to be said.
            owed = output is not None and getattr(output, "reply_required", event.has_tool_reply)
            self.outputs.append((now, call.call_id, owed))
            self.called.append((now, call.call_id, call.name))
            if event.has_agent_handoff:
                self._session.hands_over = call.call_id

    def _item_added(self, event: Any) -> None:
        if isinstance(event.item, llm.ChatMessage) and event.item.role == "assistant":
            text = event.item.text_content or ""
            self.entered.append((self._loop.time(), event.item.id, text))
        if isinstance(event.item, llm.AgentHandoff) and event.item.old_agent_id is not None:
            handover = self._session.next_agents.pop(event.item.new_agent_id, None)
            if handover is None:  # an AgentTask takes over, or is done
                task = isinstance(self._session.current_agent, AgentTask)
                how = "a task takes over" if task else "a task is over"
                handover = _handover(history_of(self._session), how)
            self.handed_over.append((self._loop.time(), handover))

    def _tool_updated(self, event: Any) -> None:
        if event.update.type == "tool_call_started":
            call = event.update.function_call
            self.tools.append((self._loop.time(), call.call_id, call.name))
        elif event.update.type == "tool_call_ended":
            self.tools_done.setdefault(event.update.call_id, self._loop.time())

    def _failed(self, event: Any) -> None:
        # Of a realtime model LiveKit takes no such error, not even one: it begins to close.
        kind = getattr(event.error, "type", "")
        if kind == "realtime_model_error" and not event.error.recoverable:
            self._ended(event.error)

    def _closed(self, event: Any) -> None:
        if event.reason is CloseReason.ERROR:
            self._ended(event.error)

    def _ended(self, error: Any) -> None:
        if self.ended is None:
            error = getattr(error, "error", error)
            code = body_of(getattr(error, "body", None)).get("code")
            self.ended = (self._loop.time(), str(error), str(code or ""))

    # --- afterwards

    def life(self) -> Life:
        """What was lived by now."""
        call, now, policy = self.call, self._now, self.waits.policy
        generated = {each.id: each for each in self._generated()}
        heard = tuple(self._heard(generated))
        messages = tuple(self._remembered(generated, heard))
        undone = 0 if self._asks else sum(not handle.done() for handle in call.speeches)
        # A tool that never ends, as one that asks the user does whom nobody answers, has its speech.
        undone = max(0, undone - sum(each not in self.tools_done for _, each, _ in self.tools))
        server = call.server
        return Life(
            questions=tuple(self._questions(heard, generated)),
            messages=messages,
            heard=heard,
            deeds=tuple(self._deeds()),
            waits=tuple(self.waits.so_far(self._turns())),
            spoke=tuple(self._spoke()),
            turns=tuple(self._turns()),
            handovers=tuple(
                (self._name_of(each), Span(self._t(each.t), self._t(t)))
                for t, each in self.handed_over
            ),
            held_up=(*(Span(*each) for each in server.held_up), *self._shut_out()),
            cuts=tuple(map(self._t, self._session.cuts)),
            attempts=tuple(self._attempts()),
            collisions=tuple(self._collisions()),
            stuck=self._stuck(),
            ended=self._ending(),
            hung=f"{undone} speeches never ended" if undone else "",
            remembers=server.connected and not call.closed,
            making=policy.recovery_deadline + policy.first_output_timeout,
            ending=policy.cancel_timeout,
            seconds=self._t(now()),
        )

    def _stuck(self) -> float | None:
        """When a tool began that never ended."""
        began = [t for t, call, _ in self.tools if call not in self.tools_done]
        return self._t(min(began)) if began else None

    def _ending(self) -> Ending | None:
        if self.ended is None:
            return None
        at, why, code = self._t(self.ended[0]), *self.ended[1:]
        told = [each.t for each in self.call.server.record if each.t <= at and code in _codes(each)]
        return Ending(at, why, code, max(told, default=None))

    def _taken_back(self) -> set[str]:
        """The tool calls that the application deleted before the server had their outputs, which it
        refuses then."""
        calls = {
            str(item.get("id")): str(item["call_id"])
            for each in self.call.server.record
            if "call_id" in (item := body_of(each.event.get("item")))
            and item.get("type") == "function_call"
        }
        done = {call: self._t(t) for call, t in self.tools_done.items()}
        deleted = (
            (each.t, calls[str(each.event.get("item_id"))])
            for each in self.call.server.record
            if each.type == "conversation.item.deleted" and each.event.get("item_id") in calls
        )
        edited = [self._t(t) for t in self.edited]
        return {
            call
            for t, call in deleted
            if t <= done.get(call, t) and any(0 <= t - at < _MOMENT for at in edited)
        }

    @property
    def _session(self) -> WitnessedSession:
        assert isinstance(self.call.session, WitnessedSession)
        return self.call.session

    @property
    def _asks(self) -> bool:
        """Whether an ``AgentTask`` waits for the user, who said no more: that is no hang."""
        try:
            return isinstance(self._session.current_agent, AgentTask)
        except RuntimeError:  # the session is over
            return False

    def _now(self) -> float:
        return self._loop.time()

    def _t(self, loop_time: float) -> float:
        return loop_time - self.call.server.started_at

    def _questions(
        self, heard: Iterable[Heard], generated: Mapping[str, _Generated]
    ) -> Iterator[Question]:
        """What was asked, in order. The same words again, in another item, are another question."""
        server, asked = self.call.server, list(self._asked())
        known_there = {each.question for each in server.answers}
        times = self._times(asked)
        counts: Counter[str] = Counter()
        found: list[Question] = []
        for t, words in sorted(asked):
            counts[words] += 1
            again = f"{words} #{counts[words]}"
            key = again if counts[words] > 1 and again in known_there else words
            found.append(Question(key, t, times[t, words], self._gone_at(t, words)))
        by_key = {question.key: question.times for question in found}
        taken_back, more = self._taken_back(), Counter[str]()
        for done, call, owed in self.outputs:
            key = server.question_of_output(call)
            if not owed:
                continue
            if call in taken_back:
                # The reply to it answers what was asked before, once more.
                t = self._t(done)
                late = (a for a in server.answers if a.t >= t and a.attempt > 1 and not a.by_vad)
                more.update(each.question for each in itertools.islice(late, 1))
                continue
            # Of its output is told when it is there, and what was said before the call is over.
            at = self._t(self.tools_done.get(call, done))
            said = key.rpartition(" > ")[0]
            ends = (
                piece.span.end
                for piece in heard
                if piece.message is not None
                and generated[piece.message].question == said
                and piece.span.begin < self._t(done)
            )
            at = max((at, *ends))
            found.append(Question(key, at, by_key.get(key.partition(" > ")[0], 1)))
        known: set[str] = set()
        for question in sorted(found, key=lambda each: each.at):
            if question.key not in known:
                known.add(question.key)
                yield replace(question, times=question.times + more[question.key])

    def _asked(self) -> Iterator[tuple[float, str]]:
        """When the user and the application were done asking, and what."""
        for speech in self.call.server.speech:
            until = speech.t + speech.seconds
            if speech.words and speech.seconds and not self._thrown_away(speech.t, until):
                yield until, speech.words
        for _, until, words in self.call.pushed:
            if words:
                yield self._t(until), words
        for t, words in self._session.asked:
            yield self._t(t), words

    def _thrown_away(self, begin: float, until: float) -> bool:
        """Whether the application handed over while the user spoke, and LiveKit cleared the input, or
        took another connection: the server never had the question. Or it had, and LiveKit took another
        connection, for another model, before it began to answer."""
        if any(begin <= self._t(t) <= until for t, _ in self.handed_over):
            return not self._taken(begin, until)
        moved = (self._t(t) for t, handover in self.handed_over if handover.moves)
        gone = min((t for t in moved if until < t <= until + _MOMENT), default=until)
        created = (f.t for f in self.call.server.record if f.type == "response.created")
        return gone > until and not any(until <= t <= gone for t in created)

    def _taken(self, begin: float, until: float) -> bool:
        return any(
            begin <= record.t <= until + _MOMENT and record.type == "input_audio_buffer.committed"
            for record in self.call.server.record
        )

    def _gone_at(self, until: float, words: str) -> tuple[str, int] | None:
        """At which attempt the server's end of the connection went while the user spoke; None if it did
        not, or the server had the words."""
        server = self.call.server
        said = (s for s in server.speech if (s.t + s.seconds, s.words) == (until, words))
        begin = min((s.t for s in said), default=until)
        ends = (f.t for f in self._net() if f.t >= begin and f.type in ("closed", "dropped"))
        end = min(ends, default=until)
        if end >= until or self._taken(begin, until):
            return None
        made = [(a.question, a.attempt) for a in server.answers if a.attempt and a.t <= end]
        return made[-1] if made else None

    def _times(self, asked: Iterable[tuple[float, str]]) -> Counter[tuple[float, str]]:
        """How often an answer to each question was asked for: once, and by each request that brings
        no words of its own, for what the user asked, or was asking, last.
        """
        begun = {(s.t + s.seconds, s.words): s.t for s in self.call.server.speech}
        times = Counter(asked)
        told = {(self._t(t), words) for t, words in self._session.instructed}
        again_at = list(self._session.asked_again)
        if self.call.plugin.capabilities.turn_detection:
            # Server VAD answers as well. Without it, this is how the turn ends.
            again_at += self._session.committed
        for again in map(self._t, again_at):
            before = [e for e in times if e not in told and begun.get(e, e[0]) <= again]
            if before:
                times[max(before)] += 1
        return times

    def _spoke(self) -> Iterator[Span]:
        spans = [Span(s.t, s.t + s.seconds) for s in self.call.server.speech if s.seconds]
        spans += [Span(self._t(begin), self._t(end)) for begin, end, _ in self.call.pushed]
        yield from sorted(spans)

    def _turns(self) -> Iterator[Span]:
        """When the server took the user to be speaking."""
        begun: float | None = None
        for frame in self.call.server.record:
            if frame.type == "input_audio_buffer.speech_started":
                begun = frame.t
            elif frame.type == "input_audio_buffer.speech_stopped" and begun is not None:
                yield Span(begun, frame.t)
                begun = None

    def _calls_of_nobody(self) -> set[str]:
        """Tool calls that were not made to their end, or in answer to a request that allowed none."""
        server = self.call.server
        forbid = {
            each.t
            for each in server.record
            if each.type == _CREATE
            and body_of(each.event.get("response")).get("tool_choice") == "none"
        }
        without = {
            (a.question, a.attempt)
            for a in server.answers
            if any(abs(a.t - t) < 1e-6 for t in forbid)
        }
        calls = (
            body_of(each.event.get("item"))
            for each in server.record
            if each.type == "response.output_item.done"
        )
        return {
            call
            for item in calls
            if (call := str(item.get("call_id") or ""))
            and (
                item.get("status") == "incomplete"
                or server.answered_by(str(item.get("id"))) in without
            )
        }

    def _deeds(self) -> Iterator[Deed]:
        server, nobodys = self.call.server, self._calls_of_nobody()
        ran = {call for _, call, _ in self.tools}
        # The agent who has the call now may have no such tool, and the model is told so.
        told = [each for each in self.called if each[1] not in ran]
        made = self._made_together()
        found = [
            Deed(
                server.question_of_output(call).rpartition(" > ")[0],
                f"tool {name} ran",
                self._t(t),
                made.get(call, 1),
            )
            for t, call, name in (*self.tools, *told)
            if call not in nobodys
        ]
        found += [
            Deed(each.question, f"the server's {each.kind} {each.name}", each.t)
            for each in server.actions
        ]
        yield from sorted(found, key=lambda deed: deed.t)

    def _made_together(self) -> dict[str, int]:
        """How many calls of its tool the response of each tool call made."""
        made = {
            str(item["call_id"]): (frame.event.get("response_id"), item.get("name"))
            for frame in self.call.server.record
            if frame.type == "response.output_item.done"
            and "call_id" in (item := body_of(frame.event.get("item")))
        }
        number = Counter(made.values())
        return {call: number[by] for call, by in made.items()}

    def _attempts(self) -> Iterator[Attempt]:
        """The responses of the conversation, as the server lived them, with the tools they called:
        LiveKit lets what is queued wait for both."""
        server = self.call.server
        over = {
            str(body_of(frame.event.get("response")).get("id")): frame.t
            for frame in server.record
            if frame.type == "response.done"
        }
        done = {call: self._t(t) for call, t in self.tools_done.items()}
        tools: dict[str, float] = {}
        for frame in server.record:
            call = body_of(frame.event.get("item")).get("call_id")
            if frame.type == "response.output_item.done" and call in done:
                made_by = str(frame.event.get("response_id"))
                tools[made_by] = max(tools.get(made_by, 0.0), done[call])
        cancels: dict[str, float] = {}
        for frame in server.record:
            if frame.type == "response.cancel" and frame.event.get("response_id"):
                cancels.setdefault(str(frame.event["response_id"]), frame.t)
        unheard = self._ended_before()
        for each in server.answers:
            if each.attempt and not _is_aside(each.question):
                known = str(each.response_id)
                gone, deaf = self._gone(each.t)
                if each.response_id is None:
                    gone = min(gone, self._refused(each.t), each.t + self.waits.policy.timeout)
                end = max(each.t, over.get(known, gone), tools.get(known, 0.0))
                yield Attempt(
                    each.question,
                    each.attempt,
                    Span(each.t, end),
                    told=known in over.keys() - unheard or not (known in over or deaf),
                    cancelled=cancels.get(known),
                )

    def _refused(self, t: float) -> float:
        """When the create of a time was refused; never, if it was not."""
        record = self.call.server.record
        sent = {
            r.event.get("event_id") for r in record if r.type == _CREATE and abs(r.t - t) < 1e-6
        }
        errors = (r for r in record if r.type == "error" and r.t >= t)
        told = (
            r.t for r in errors if body_of(r.event.get("error")).get("event_id") in sent - {None}
        )
        return min(told, default=math.inf)

    def _shut_out(self) -> Iterator[Span]:
        """From when the server's end of a connection went until it took another, if it refused some
        before; LiveKit's plugin tries as often."""
        since, refused = math.inf, False
        for frame in self.call.server.record:
            if frame.type in ("closed", "dropped"):
                since, refused = frame.t, False
            elif frame.type in ("refused", "accepted"):
                if frame.t > since and (refused or frame.type == "refused"):
                    yield Span(since, min(frame.t, since + _AGAIN))
                refused = frame.type == "refused"
                since = frame.t if refused and since < math.inf else math.inf

    def _net(self) -> list[Record]:
        """What became of the connections: few records of many, each asked for its type at a price."""
        return [each for each in self.call.server.record if each.direction == "net"]

    def _gone(self, t: float) -> tuple[float, bool]:
        """When the connection of a time was over, and whether nothing arrived on it any more."""
        net, record = self._net(), self.call.server.record
        at = max((f.connection for f in net if f.t <= t and f.type == "accepted"), default=0)
        since = [f for f in record if f.t >= t and f.connection == at]
        ends = ("closed", "dropped", "disconnected")
        over = (f.t for f in since if f.direction == "net" and f.type in ends)
        deaf = all(f.direction != "server" for f in since)
        return min(over, default=self._t(self._now())), deaf

    def _ended_before(self) -> set[str]:
        """The responses that a ``response.done`` of none, which a fault put in, ended at the client
        before their own."""
        server, stray = self.call.server, False
        ids, found = {str(each.response_id) for each in server.answers}, set[str]()
        for frame in server.record:
            known = str(body_of(frame.event.get("response")).get("id"))
            if frame.type == "response.created":
                stray = False
            elif frame.type == "response.done":
                if stray:
                    found.add(known)
                stray = known not in ids
        return found

    def _name_of(self, handover: _Handover) -> str:
        """How it was handed over, and what that followed, in both lives."""
        if handover.by is not None:
            return self.call.server.question_of_output(handover.by)
        t = self._t(handover.t)
        asked = [words for at, words in sorted(self._asked()) if at <= t]
        return f"{handover.how} {f'after {asked[-1]}' if asked else 'at the beginning'}"

    def _collisions(self) -> Iterator[Collision]:
        holder = ""
        for each in self.call.server.answers:
            if each.attempt:
                holder = each.question
            else:
                yield Collision(each.question, each.t, holder)

    def _generated(self) -> Iterator[_Generated]:
        """The messages of the conversation that went over the wire, as far as they did."""
        server = self.call.server
        found: dict[str, _Generated] = {}
        numbers: Counter[tuple[str, int]] = Counter()
        for each in server.record:
            if each.direction != "server":
                continue
            event, kind = each.event, each.type
            item = body_of(event.get("item"))
            if kind == "response.output_item.added" and item.get("type") == "message":
                item_id = str(item.get("id"))
                of = server.answered_by(item_id)
                if not of[1]:
                    continue  # the server never made it: a fault put its frames in
                if item_id not in found and not _is_aside(of[0]):
                    numbers[of] += 1
                    found[item_id] = _Generated(item_id, *of, numbers[of], each.t)
            elif (known := found.get(str(event.get("item_id") or item.get("id")))) is None:
                continue
            elif kind == "response.output_audio.delta" and isinstance(event.get("delta"), float):
                known.seconds += event["delta"] / 1000
            elif kind in ("response.output_audio_transcript.delta", "response.output_text.delta"):
                known.text += str(event.get("delta"))
            elif kind == "response.output_item.done":
                known.whole = item.get("status") == "completed"
        for known in found.values():
            if not known.seconds:
                known.written = True
                known.seconds = _WORD * len(known.text.split())
            yield known

    def _heard(self, generated: dict[str, _Generated]) -> Iterator[Heard]:
        pieces = [*self._sounded(generated), *self._read(generated)]
        pieces += self._shown(generated, {piece.message for piece in pieces})
        yield from sorted(pieces, key=lambda piece: piece.span)

    def _sounded(self, generated: dict[str, _Generated]) -> Iterator[Heard]:
        by_mark = {mark_of(item_id): item_id for item_id in generated}
        segments: list[Segment] = [s for sink in self.call.sinks for s in sink.so_far()]
        for segment in segments:
            if segment.started_at is None or segment.position <= 0:
                continue
            begin, so_far = self._t(segment.started_at), 0.0
            speed = segment.position / max(segment.finished_at - segment.started_at, 1e-9)
            for mark, seconds in segment.marks:
                heard = min(seconds, segment.position - so_far)
                if heard > 0:
                    span = Span(begin + so_far / speed, begin + (so_far + heard) / speed)
                    yield Heard(by_mark.get(mark), span, heard)
                so_far += seconds

    def _read(self, generated: dict[str, _Generated]) -> Iterator[Heard]:
        unread = list(generated.values())
        for line in self.call.screen.lines if self.call.screen else ():
            text = line.text.strip()
            message = next((m for m in unread if text and m.text.startswith(text)), None)
            if message is not None:
                unread.remove(message)
            seconds = _WORD * len(text.split())
            span = Span(self._t(line.begun), self._t(line.ended))
            yield Heard(message.id if message else None, span, seconds)

    def _shown(
        self, generated: Mapping[str, _Generated], sounded: Collection[str | None]
    ) -> Iterator[Heard]:
        """What LiveKit said while no output was on (``set_audio_enabled(False)``): its words are shown."""
        off = list(self._off())
        known = {self.call.server.known_as(each.id): each for each in generated.values()}
        for at, item_id, text in self.entered if self.call.screen is None else ():
            message, t = known.get(item_id), self._t(at)
            if message is None or message.id in sounded:
                continue
            if any(span.within(Span(message.begun, t)) for span in off):
                seconds = share_of(text, message.text) * message.seconds
                yield Heard(message.id, Span(t, t), seconds)

    def _off(self) -> Iterator[Span]:
        """When none of the sinks was on, once there was one."""
        switched = [(t, sink, on) for sink in self.call.sinks for t, on in sink.switched]
        attached, since = set[PacedAudioOutput](), math.inf
        for t, sink, on in sorted(switched, key=lambda each: each[0]):
            if not attached and since < t:
                yield Span(self._t(since), self._t(t))
            (attached.add if on else attached.discard)(sink)
            since = t
        if not attached and switched:
            yield Span(self._t(since), self._t(self._now()))

    def _left_behind_by(self, message: _Generated) -> _Handover | None:
        """The handover since which no agent knows of a message."""
        found: _Handover | None = None
        for t, handover in reversed(self.handed_over):
            known_as = self.call.server.known_as(message.id)
            if self._t(t) < message.begun or known_as in handover.known:
                break
            found = handover
        return found

    def _remembered(
        self, generated: dict[str, _Generated], heard: Iterable[Heard]
    ) -> Iterator[Message]:
        shown = {piece.message for piece in heard if not piece.span.seconds}
        memory = {
            item.id: (place, item) for place, item in enumerate(self.call.server.conversation)
        }
        history = {
            item.id: item.text_content or ""
            for item in self.call.session.history.items
            if isinstance(item, llm.ChatMessage)
        }
        asked_to_cut, cut = (
            {str(r.event.get("item_id")) for r in self.call.server.record if r.type == kind}
            for kind in ("conversation.item.truncate", "conversation.item.truncated")
        )
        renewed = max((r.t for r in self.call.server.record if r.type == "accepted"), default=0.0)
        for each in generated.values():
            place, item = memory.get(each.id, (None, None))
            known_as = self.call.server.known_as(each.id)
            kept: float | None = 0.0
            left_by = ""
            if item is not None:
                kept = item.audio_ms / 1000 or share_of(item.text, each.text) * each.seconds
            elif each.id in self.forgotten:
                kept = None
            elif (handover := self._left_behind_by(each)) is not None:
                # The next agent was not to know of it, or could not: the history that the
                # application gave on is older.
                known = self._t(handover.t) >= each.begun
                kept, left_by = None, self._name_of(handover) if known else ""
            yield Message(
                id=each.id,
                question=each.question,
                attempt=each.attempt,
                number=each.number,
                seconds=each.seconds,
                whole=each.whole,
                server=kept if shows_wire(self.call) else None,  # else nobody can correct it
                handover=left_by,
                knew=tuple(
                    self._name_of(handover)
                    for t, handover in self.handed_over
                    if self._t(t) >= each.begun and known_as in handover.known
                ),
                # A connection is not told of what no word was heard of, and what the server did not
                # cut is replaced by its words. What is shown are words.
                by_words=each.id in shown
                or (
                    (each.begun < renewed or each.id in asked_to_cut - cut)
                    if item is None
                    else not item.audio_ms
                ),
                written=each.written,
                local=share_of(history.get(known_as, ""), each.text) * each.seconds,
                place=place,
                word=_SPOKEN if shows_wire(self.call) else _seconds_of_a_word(each),
            )


def _codes(frame: Record) -> tuple[Any, Any]:
    """The code and the type of the error that a frame tells of."""
    details = body_of(body_of(frame.event.get("response")).get("status_details"))
    error = body_of(frame.event.get("error") or details.get("error"))
    return error.get("code"), error.get("type")


def _is_aside(question: str) -> bool:
    """Whether nobody is to hear an answer to it; what is said of its tool's output is heard."""
    return question.startswith("aside:") and " > " not in question


def _seconds_of_a_word(message: _Generated) -> float:
    return max(_SPOKEN, message.seconds / max(1, len(message.text.split())))
