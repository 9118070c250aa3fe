"""The life of a simulated call, for the differential judge: what was asked, heard, done and remembered.

The simulated server knows what each of its responses answers, and its sound says which message it is
of; so nothing has to be guessed from lengths or times.
"""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from livekit.agents import AgentTask, llm

from .._core.words import share_of
from ..compare import Deed, Ending, Life, Message, Question, Span
from ._noted import Handover
from ._promised import shows_wire
from ._served import MOMENT, Served
from ._witness import Witness
from ._words import Generated, Spoken

__all__ = ["life_of"]

_SPOKEN = 0.5  # seconds that a word takes, in a call by sound


def life_of(witness: Witness) -> Life:
    """What was lived by now."""
    return _Lived(witness).life()


class _Lived:
    def __init__(self, seen: Witness) -> None:
        self._seen = seen
        self._call = seen.call
        self._now = self._t(asyncio.get_running_loop().time())
        self._done = {call: self._t(t) for call, t in seen.tools_done.items()}
        self._served = Served(seen.call.server, self._now)
        self._spoken = Spoken(seen.call, self._now, seen.entered)

    def life(self) -> Life:
        call, seen, policy = self._call, self._seen, self._seen.waits.policy
        undone = 0 if self._asks else sum(not handle.done() for handle in call.speeches)
        # A tool that never ends, as one that asks the user does whom nobody answers, has its speech.
        undone = max(0, undone - sum(each not in self._done for _, each, _ in seen.tools))
        server, served = call.server, self._served
        turns = tuple(served.turns())
        return Life(
            questions=tuple(self._questions()),
            messages=tuple(self._remembered()),
            heard=self._spoken.heard,
            deeds=tuple(self._deeds()),
            waits=tuple(seen.waits.so_far(turns)),
            spoke=tuple(self._spoke()),
            turns=turns,
            handovers=tuple(
                (self._name_of(each), Span(self._t(each.t), self._t(t)))
                for t, each in seen.handed_over
            ),
            held_up=(*(Span(*each) for each in server.held_up), *served.shut_out()),
            cuts=tuple(map(self._t, seen.session.cuts)),
            attempts=tuple(served.attempts(self._done, policy.timeout)),
            collisions=tuple(served.collisions()),
            stuck=self._stuck(),
            ended=self._ending(),
            hung=f"{undone} speeches never ended" if undone else "",
            remembers=server.connected and not call.closed,
            making=policy.recovery_deadline + policy.first_output_timeout,
            ending=policy.cancel_timeout,
            seconds=self._now,
        )

    def _stuck(self) -> float | None:
        """When a tool began that never ended."""
        began = [t for t, call, _ in self._seen.tools if call not in self._done]
        return self._t(min(began)) if began else None

    def _ending(self) -> Ending | None:
        if self._seen.ended is None:
            return None
        at, why, code = self._t(self._seen.ended[0]), *self._seen.ended[1:]
        return Ending(at, why, code, self._served.told_of(code, at))

    @property
    def _asks(self) -> bool:
        """Whether an ``AgentTask`` waits for the user, who said no more: that is no hang."""
        try:
            return isinstance(self._seen.session.current_agent, AgentTask)
        except RuntimeError:  # the session is over
            return False

    def _t(self, loop_time: float) -> float:
        return loop_time - self._call.server.started_at

    def _questions(self) -> Iterator[Question]:
        """What was asked, in order. The same words again, in another item, are another question."""
        server, asked = self._call.server, list(self._asked())
        known_there = {each.question for each in server.answers}
        times = self._times(asked)
        counts: Counter[str] = Counter()
        found: list[Question] = []
        for t, words in sorted(asked):
            counts[words] += 1
            again = f"{words} #{counts[words]}"
            key = again if counts[words] > 1 and again in known_there else words
            found.append(Question(key, t, times[t, words], self._served.gone_at(t, words)))
        by_key = {question.key: question.times for question in found}
        edited = [self._t(t) for t in self._seen.edited]
        taken_back, more = self._served.taken_back(self._done, edited), Counter[str]()
        for done, call, owed in self._seen.outputs:
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
            at = self._done.get(call, self._t(done))
            said = key.rpartition(" > ")[0]
            ends = (
                piece.span.end
                for piece in self._spoken.heard
                if piece.message is not None
                and self._spoken.generated[piece.message].question == said
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
        for speech in self._call.server.speech:
            until = speech.t + speech.seconds
            if speech.words and speech.seconds and not self._thrown_away(speech.t, until):
                yield until, speech.words
        for _, until, words in self._call.pushed:
            if words:
                yield self._t(until), words
        for t, words in self._seen.session.asked:
            yield self._t(t), words

    def _thrown_away(self, begin: float, until: float) -> bool:
        """Whether the application handed over while the user spoke, and LiveKit cleared the input, or
        took another connection: the server never had the question. Or it had, and LiveKit took another
        connection, for another model, before it began to answer."""
        if any(begin <= self._t(t) <= until for t, _ in self._seen.handed_over):
            return not self._served.taken(begin, until)
        moved = (self._t(t) for t, handover in self._seen.handed_over if handover.moves)
        gone = min((t for t in moved if until < t <= until + MOMENT), default=until)
        created = (f.t for f in self._call.server.record if f.type == "response.created")
        return gone > until and not any(until <= t <= gone for t in created)

    def _times(self, asked: Iterable[tuple[float, str]]) -> Counter[tuple[float, str]]:
        """How often an answer to each question was asked for: once, and by each request that brings
        no words of its own, for what the user asked, or was asking, last.
        """
        begun = {(s.t + s.seconds, s.words): s.t for s in self._call.server.speech}
        times = Counter(asked)
        told = {(self._t(t), words) for t, words in self._seen.session.instructed}
        again_at = list(self._seen.session.asked_again)
        if self._call.plugin.capabilities.turn_detection:
            # Server VAD answers as well. Without it, this is how the turn ends.
            again_at += self._seen.session.committed
        for again in map(self._t, again_at):
            before = [e for e in times if e not in told and begun.get(e, e[0]) <= again]
            if before:
                times[max(before)] += 1
        return times

    def _spoke(self) -> Iterator[Span]:
        spans = [Span(s.t, s.t + s.seconds) for s in self._call.server.speech if s.seconds]
        spans += [Span(self._t(begin), self._t(end)) for begin, end, _ in self._call.pushed]
        yield from sorted(spans)

    def _deeds(self) -> Iterator[Deed]:
        server, nobodys = self._call.server, self._served.calls_of_nobody()
        ran = {call for _, call, _ in self._seen.tools}
        # The agent who has the call now may have no such tool, and the model is told so.
        told = [each for each in self._seen.called if each[1] not in ran]
        made = self._served.made_together()
        found = [
            Deed(
                server.question_of_output(call).rpartition(" > ")[0],
                f"tool {name} ran",
                self._t(t),
                made.get(call, 1),
            )
            for t, call, name in (*self._seen.tools, *told)
            if call not in nobodys
        ]
        found += [
            Deed(each.question, f"the server's {each.kind} {each.name}", each.t)
            for each in server.actions
        ]
        yield from sorted(found, key=lambda deed: deed.t)

    def _name_of(self, handover: Handover) -> str:
        """How it was handed over, and what that followed, in both lives."""
        if handover.by is not None:
            return self._call.server.question_of_output(handover.by)
        t = self._t(handover.t)
        asked = [words for at, words in sorted(self._asked()) if at <= t]
        return f"{handover.how} {f'after {asked[-1]}' if asked else 'at the beginning'}"

    def _left_behind_by(self, message: Generated) -> Handover | None:
        """The handover since which no agent knows of a message."""
        found: Handover | None = None
        for t, handover in reversed(self._seen.handed_over):
            known_as = self._call.server.known_as(message.id)
            if self._t(t) < message.begun or known_as in handover.known:
                break
            found = handover
        return found

    def _remembered(self) -> Iterator[Message]:
        shown = {piece.message for piece in self._spoken.heard if not piece.span.seconds}
        memory = {
            item.id: (place, item) for place, item in enumerate(self._call.server.conversation)
        }
        history = {
            item.id: item.text_content or ""
            for item in self._call.session.history.items
            if isinstance(item, llm.ChatMessage)
        }
        asked_to_cut, cut = (
            {str(r.event.get("item_id")) for r in self._call.server.record if r.type == kind}
            for kind in ("conversation.item.truncate", "conversation.item.truncated")
        )
        renewed = max((r.t for r in self._call.server.record if r.type == "accepted"), default=0.0)
        for each in self._spoken.generated.values():
            place, item = memory.get(each.id, (None, None))
            known_as = self._call.server.known_as(each.id)
            kept: float | None = 0.0
            left_by = ""
            if item is not None:
                kept = item.audio_ms / 1000 or share_of(item.text, each.text) * each.seconds
            elif each.id in self._seen.forgotten:
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
                server=kept if shows_wire(self._call) else None,  # else nobody can correct it
                handover=left_by,
                knew=tuple(
                    self._name_of(handover)
                    for t, handover in self._seen.handed_over
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
                word=_SPOKEN if shows_wire(self._call) else _seconds_of_a_word(each),
            )


def _seconds_of_a_word(message: Generated) -> float:
    return max(_SPOKEN, message.seconds / max(1, len(message.text.split())))
