"""How much later an answer came than on plain LiveKit, and what of that has a reason.

The reasons are few, and there is no other: the controlled call played words that plain never
played, or only later, or before the question, or the server made them; the user spoke; a fault of the run held up the frames; a
wait that the trace names ran, up to its bound.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from .life import Attempt, Heard, Life, Span, total

__all__ = ["LATE", "Subtracted", "called_off", "collided", "late", "thrown_away"]

LATE = 0.2
"""Seconds by which an answer may be later."""
_TALKS_OVER = 0.5  # seconds into the user's speech by which who was interrupted has stopped

_AT_ONCE = 0.05  # seconds
_OWN = "the application's own sound"
# Seconds later by which an answer may be called off that plain LiveKit spoke over the user.
_OVER_THE_USER = 2.0

Reason = Literal[
    "words plain never played", "words plain played later", "words plain had played by then",
    "an answer plain never had", "what plain had waited for in vain", "its end after it was cancelled", "the answer to what the user was saying",
    "the user spoke", "frames were held up", "a named wait",
]  # fmt: skip


_STOOD: tuple[Reason, ...] = ("the user spoke", "frames were held up")


@dataclass(frozen=True, slots=True)
class Subtracted:
    """A time that is not counted as late. *name* is what it was: whose words, or which wait."""

    reason: Reason
    name: str
    span: Span

    def __str__(self) -> str:
        name = f" ({self.name})" if self.name else ""
        span = self.span
        return f"- {span.begin:.2f} to {span.end:.2f} s, {span.seconds:.2f} s: {self.reason}{name}"


def late(
    plain: Life, controlled: Life, key: str
) -> tuple[float, float, tuple[Subtracted, ...]] | None:
    """Compare the first sound of the answers to one question, since it was asked. Where in both lives the
    same other answer was heard before it, it is no later than it is since that one was over: that
    one's lateness is told once. What is told of a tool's output is no later than it is since the question
    was asked that called the tool.

    Returns seconds that the controlled one came later without a reason, seconds that it came later
    at all, and what was subtracted. None where there is nothing to compare: not answered in both, or
    plain LiveKit collided, on either side, overlapped or talked over the user.
    """
    ours, theirs = _awaited(controlled, key), _awaited(plain, key)
    if ours is None or theirs is None or _not_compared(plain, key):
        return None
    # What plain LiveKit asked for into the user's words was in the making since then (G24).
    begins = (each.span.begin for each in _attempts_at(plain, key))
    theirs = Span(min([theirs.begin, *begins]), theirs.end)
    return _lateness(plain, theirs, controlled, ours, key)


def _lateness(
    plain: Life, theirs: Span, controlled: Life, ours: Span, key: str
) -> tuple[float, float, tuple[Subtracted, ...]]:
    found = [_later(plain, theirs, controlled, ours, key)]
    since = _since_in_front(plain, theirs, controlled, ours, key)
    if since is not None:
        theirs, ours = since
        found.append(_later(plain, theirs, controlled, ours, key))
    first, again = (life.asked(key.partition(" > ")[0]) for life in (plain, controlled))
    if " > " in key and first is not None and again is not None:
        # What a tool's output is told of is no later than it is since the user asked.
        ours, theirs = Span(again.at, ours.end), Span(first.at, theirs.end)
        found.append(_later(plain, theirs, controlled, ours, key))
    return min(found, key=lambda each: each[0])


def _since_in_front(
    plain: Life, theirs: Span, controlled: Life, ours: Span, key: str
) -> tuple[Span, Span] | None:
    """Both waits since the end of the same other answer that was heard before in both lives; None if there
    is none."""
    front = _in_front(controlled, ours.end, key)
    before = _in_front(plain, theirs.end, key)
    if front is None or before is None or front[0] != before[0]:
        return None
    over = front[1] + min(front[2], before[2])  # no more of it than on plain
    if over <= ours.begin:
        return None
    return Span(max(before[1] + before[2], theirs.begin), theirs.end), Span(over, ours.end)


def _later(
    plain: Life, theirs: Span, controlled: Life, ours: Span, key: str
) -> tuple[float, float, tuple[Subtracted, ...]]:
    subtracted = _reasons(plain, controlled, key, ours, theirs.begin)
    net = ours.seconds - _taken_off(subtracted) - _net(plain, theirs, controlled, key, subtracted)
    return net, ours.seconds - theirs.seconds, subtracted


def called_off(
    plain: Life, controlled: Life, key: str, theirs: Span | None = None, *, slack: float = LATE
) -> tuple[float, tuple[Subtracted, ...]] | None:
    """Whether somebody cut in before the answer could be late: it would have come by now on plain
    LiveKit no earlier than *slack* seconds ago. LiveKit then drops all that is queued. *theirs*: what
    is awaited on plain LiveKit, from the end of the question; by default the first sound.

    Returns when that was, and what was subtracted; None if nobody did, or not before that.
    """
    asked, theirs = controlled.asked(key), theirs or _awaited(plain, key)
    if asked is None or theirs is None:
        return None
    # LiveKit hears of the user's speech when the server's word of it arrives.
    cuts = [span.begin for span in (*controlled.spoke, *controlled.turns)] + list(controlled.cuts)
    since = _since_called(plain, controlled, key, asked.at)
    cut = min((t for t in cuts if t > since), default=None)
    if cut is None:
        return None
    if collided(plain, key):
        slack = max(slack, _OVER_THE_USER)  # that is not compared for lateness
    waited = Span(asked.at, max(asked.at, cut))
    waits = (theirs, waited), _since_in_front(plain, theirs, controlled, waited, key)
    for theirs, waited in filter(None, waits):
        subtracted = _reasons(plain, controlled, key, waited, theirs.begin)
        net = waited.seconds - _taken_off(subtracted)
        net -= _net(plain, theirs, controlled, key, subtracted)
        if round(net, 3) <= slack:
            return cut, subtracted
    return None


def thrown_away(
    plain: Life, controlled: Life, key: str
) -> tuple[float, tuple[Subtracted, ...]] | None:
    """Whether LiveKit refused to ask this, or to speak server VAD's answer, for a handover waited for what
    went on, which took no longer than on plain LiveKit, where this was asked at another time. Or the user began to say
    it, and then the handover left that connection.

    Returns when it was asked, and what was subtracted from that wait; None if the server was asked by LiveKit,
    or answers the user's words at another time, too.
    """
    there, here = plain.asked(key), controlled.asked(key)
    if there is None or here is None:
        return None
    if any(_in(there.at, span) for _, span in plain.handovers):
        return None
    made = _attempts_at(controlled, key)
    if made and not any(abs(words.end - here.at) < _AT_ONCE for words in controlled.spoke):
        return None  # LiveKit asked for it
    # It waits for what was there before, whatever server VAD answers.
    without = replace(controlled, attempts=tuple(a for a in controlled.attempts if a not in made))
    for name, span in controlled.handovers:
        if any(not _in(each.span.begin, span) for each in made):
            continue
        subtracted = _reasons(plain, without, key, span, there.at)
        known = total(each for same, each in plain.handovers if same == name)
        into = any(
            _in(span.end, words)
            for words in controlled.spoke
            if abs(words.end - here.at) < _AT_ONCE
        )
        if (_in(here.at, span) or into) and span.seconds - _taken_off(subtracted) <= known + LATE:
            return here.at, subtracted
    return None


def _in(t: float, span: Span) -> bool:
    return span.begin <= t <= span.end


def _since_called(plain: Life, controlled: Life, key: str, at: float) -> float:
    """Since when an answer can be called off that was asked for *at* a time. What is told of a tool's
    output, since the question that called the tool: its speech is interrupted, unless somebody cut into
    that on plain LiveKit as well, which tells it all the same."""
    first, again = (life.asked(key.partition(" > ")[0]) for life in (plain, controlled))
    there = plain.asked(key)
    if " > " not in key or first is None or again is None or there is None:
        return at
    cuts = [span.begin for span in (*plain.spoke, *plain.turns)] + list(plain.cuts)
    return at if any(first.at < t <= there.at for t in cuts) else again.at


def _awaited(life: Life, key: str) -> Span | None:
    """From the end of a question to the first sound of an answer to it."""
    asked, pieces = life.asked(key), life.pieces_of(key)
    if asked is None or not pieces:
        return None
    return Span(asked.at, min(piece.span.begin for piece in pieces))


def _in_front(life: Life, until: float, key: str) -> tuple[str, float, float] | None:
    """The question whose answer was heard last before a time, the end of that, and how long the server
    had it after that, if only then this question was asked of it."""
    before = [
        (piece.span.end, message)
        for piece in life.heard
        if (message := life.message(piece)) is not None and piece.span.end <= until
    ]
    if not before:
        return None
    end, message = max(before, key=lambda each: each[0])
    at, asked = (message.question, message.attempt), _asked_of_server(life, key)
    over = [a.span.end for a in life.attempts if (a.question, a.number) == at]
    return message.question, end, max((t - end for t in over if end < t <= asked), default=0.0)


def _stood_in(life: Life, awaited: Span, held_up: Iterable[Span]) -> list[Span]:
    parts = (span.within(awaited) for span in (*life.spoke, *held_up))
    return [part for part in parts if part is not None]


def _unasked(life: Life, key: str) -> list[Span]:
    """The times in which frames stood still, each until the server was asked for this."""
    begins = [each.span.begin for each in _attempts_at(life, key)]
    return [
        Span(
            span.begin,
            min((t for t in begins if span.begin <= t < span.end - 0.01), default=span.end),
        )
        for span in life.held_up
    ]


def _taken_off(subtracted: Iterable[Subtracted]) -> float:
    return total(each.span for each in subtracted)


def _net(
    plain: Life, theirs: Span, controlled: Life, key: str, subtracted: tuple[Subtracted, ...]
) -> float:
    """Seconds of plain's wait, but for what the user spoke into both waits, or the frames stood still in
    both: they make neither of them late. Of ours counts what has no other reason. Nor did frames delay plain
    LiveKit that asked while they stood still, before it was told that the slot is free (G1)."""
    others = [each for each in subtracted if each.reason not in _STOOD]
    alone = _taken_off(subtracted) - _taken_off(others)
    ours_too = _unasked(controlled, key) != list(controlled.held_up)
    stood = _stood_in(plain, theirs, plain.held_up if ours_too else _unasked(plain, key))
    return theirs.seconds - min(total(stood), alone)


def _reasons(
    plain: Life, controlled: Life, key: str, awaited: Span, since: float
) -> tuple[Subtracted, ...]:
    """What is not late of a wait. *since* when plain LiveKit's counts: what was over by then is no part of
    it."""
    there = plain.asked(key)
    since = min(since, there.at) if there is not None else since
    reasons = [
        *(Subtracted("words plain never played", *each) for each in _new_words(plain, controlled)),
        *(
            Subtracted("words plain played later", *each)
            for each in _earlier_words(plain, controlled, key)
        ),
        *(
            Subtracted("words plain had played by then", *each)
            for each in _words_before(plain, controlled, key, since)
        ),
        *(
            Subtracted("an answer plain never had", *each)
            for each in _new_answers(plain, controlled, key)
        ),
        *(
            Subtracted("what plain had waited for in vain", *each)
            for each in _in_vain(plain, controlled, key, since)
        ),
        *(
            Subtracted("its end after it was cancelled", *each)
            for each in _cancelled(plain, controlled, key, since)
        ),
        *(
            Subtracted("the answer to what the user was saying", *each)
            for each in _answer_to_them(plain, controlled, key)
        ),
        *(Subtracted("the user spoke", "", span) for span in controlled.spoke),
        *(Subtracted("frames were held up", "", span) for span in controlled.held_up),
        *(
            Subtracted("a named wait", wait.name, _at_most(wait.span, wait.bound))
            for wait in controlled.waits
        ),
    ]
    within = ((each, each.span.within(awaited)) for each in reasons)
    found = (replace(each, span=part) for each, part in within if part is not None)
    return tuple(sorted(found, key=lambda each: each.span))


def _at_most(span: Span, seconds: float) -> Span:
    return Span(span.begin, min(span.end, span.begin + seconds))


def _new_answers(plain: Life, controlled: Life, key: str) -> list[tuple[str, Span]]:
    """When the server had an attempt at another question that plain never had. Nothing else can be
    asked for meanwhile (G1, G5); so it is no reason once this question was."""
    known = {(each.question, each.number) for each in plain.attempts}
    new = (a for a in controlled.attempts if (a.question, a.number) not in known)
    return _served(controlled, key, (each for each in new if each.question != key))


def _in_vain(plain: Life, controlled: Life, key: str, since: float) -> list[tuple[str, Span]]:
    """When what nothing was heard of in either life stood in front, which on plain was over by then; for no
    longer than there."""
    lives = (plain, controlled)
    said = (life.message(piece) for life in lives for piece in life.heard)
    spoken = {(message.question, message.attempt) for message in said if message is not None}
    acted = {each.key.rpartition(" > ")[0] for life in lives for each in life.questions}
    over = {
        at: each.span.seconds
        for each in plain.attempts
        if (at := (each.question, each.number)) not in spoken
        and each.question not in acted
        and each.span.end <= since
    }
    return _served(
        controlled,
        key,
        (
            replace(each, span=_at_most(each.span, over[at]))
            for each in controlled.attempts
            if each.question != key and (at := (each.question, each.number)) in over
        ),
    )


def _attempts_at(life: Life, key: str) -> list[Attempt]:
    return [each for each in life.attempts if each.question == key]


def _served(life: Life, key: str, attempts: Iterable[Attempt]) -> list[tuple[str, Span]]:
    """When the server had these attempts, before this question was asked of it, or anything else: it was free
    by then, whenever the end of one was told. LiveKit's queue waits for the tools that one called as well."""
    asked, acted = _asked_of_server(life, key), {each.question for each in life.deeds}

    def until(attempt: Attempt) -> float:
        begins = [each.span.begin for each in life.attempts if attempt.question not in acted]
        return min([asked, *(t for t in begins if t > attempt.span.begin)])

    return [
        (f"{each.question}, attempt {each.number}", span)
        for each in attempts
        if (span := _at_most(each.span, life.making).within(Span(0.0, until(each)))) is not None
    ]


def _as_long(plain: Life, controlled: Life, question: str) -> list[Attempt]:
    """The attempts at a question, each for no longer than plain LiveKit's server had it."""
    known = {each.number: each.span.seconds for each in _attempts_at(plain, question)}
    return [
        replace(each, span=_at_most(each.span, known.get(each.number, each.span.seconds)))
        for each in _attempts_at(controlled, question)
    ]


def _cancelled(plain: Life, controlled: Life, key: str, since: float) -> list[tuple[str, Span]]:
    """When the server had not yet ended what was cancelled, and nothing could be asked for (G5), which on
    plain was over by then, or had not begun when this was asked."""
    there, asked = plain.asked(key), _asked_of_server(controlled, key)
    if there is None:
        return []
    alive = {
        (each.question, each.number)
        for each in plain.attempts
        if each.span.begin <= there.at and since <= each.ended
    }
    return [
        (
            f"{each.question}, attempt {each.number}",
            _at_most(Span(each.cancelled, each.ended), controlled.ending),
        )
        for each in controlled.attempts
        if each.cancelled is not None
        and each.question != key
        and (each.question, each.number) not in alive
        and each.cancelled <= each.ended <= asked
    ]


def _answer_to_them(plain: Life, controlled: Life, key: str) -> list[tuple[str, Span]]:
    """When the server answered what the user was saying when this was asked, which comes first (G24),
    heard or not; on plain nobody was saying it then, or the server was asked for this all the same."""
    there, here = plain.asked(key), controlled.asked(key)
    if there is None or here is None:
        return []
    spoke = [span for span in plain.spoke if _in(there.at, span)]
    over = any(_in(each.span.begin, span) for each in _attempts_at(plain, key) for span in spoke)
    if spoke and not over:
        return []
    said = [span for span in controlled.spoke if _in(here.at, span)]
    theirs = {
        each.key
        for each in controlled.questions
        if any(abs(span.end - each.at) < _AT_ONCE for span in said)
    }
    words = [(key, piece.span) for key in theirs for piece in controlled.pieces_of(key) if over]
    return words + _served(
        controlled, key, (a for a in controlled.attempts if a.question in theirs)
    )


def _asked_of_server(life: Life, key: str) -> float:
    """When the attempt was asked for whose answer was heard first, or the last one, if none was; never,
    if it was not asked for at all."""
    made = {each.number: each.span.begin for each in _attempts_at(life, key)}
    said = (message for piece in life.pieces_of(key) if (message := life.message(piece)))
    number = next((message.attempt for message in said), max(made, default=0))
    return made.get(number, math.inf)


def _new_words(plain: Life, controlled: Life) -> list[tuple[str, Span]]:
    """When the controlled call played what plain never played, and what that was.

    A message is the same in both lives if it is the same one of the same attempt at the same
    question; of one that plain played in part, the rest is new.
    """
    played: dict[tuple[str, int, int], float] = {}
    for message in plain.messages:
        at = (message.question, message.attempt, message.number)
        played[at] = max(played.get(at, 0.0), plain.heard_of(message))
    found: list[tuple[str, Span]] = []
    so_far: dict[str, float] = {}
    own = Counter(round(piece.seconds, 1) for piece in plain.heard if piece.message is None)
    for piece in controlled.heard:
        said = controlled.message(piece)
        if said is None:
            known_sound = round(piece.seconds, 1)
            if own[known_sound] < 1:
                found.append((_OWN, piece.span))
            own[known_sound] -= 1
            continue
        before = so_far.get(said.id, 0.0)
        so_far[said.id] = before + piece.seconds
        known = played.get((said.question, said.attempt, said.number), 0.0)
        if (new := _beyond(piece, known - before)) is not None:
            found.append((said.question, new))
    return found


def _earlier_words(plain: Life, controlled: Life, key: str) -> list[tuple[str, Span]]:
    """When the controlled call played the answer to another question that plain played after this
    one, and what that was: the two changed places, and that one came earlier by all of it. One that
    answers what the user said into the wait goes first however early it came (G24), and so does one that
    was asked for first, or queued before a tool's output could be told of, and on plain not, if it is not
    late itself."""
    theirs = _awaited(plain, key)
    found: list[tuple[str, Span]] = []
    for question in {m.question for m in controlled.messages if m.question != key}:
        other, before = _awaited(plain, question), _awaited(controlled, question)
        if theirs is None or other is None or before is None or other.end < theirs.end:
            continue
        pieces = [piece.span for piece in controlled.pieces_of(question)]
        gained = other.seconds - before.seconds
        behind = _asked_into(controlled, key, before) or _out_of_order(plain, key, question)
        first = _asked_in_turn(controlled, question, key) and _asked_in_turn(plain, key, question)
        queued = _queued(controlled, key, question) and not _queued(plain, key, question)
        since = _played_by_then(plain, controlled, question, before)
        held_up = (span.within(before) for span in controlled.held_up)
        since += total(part for part in held_up if part is not None)
        turned = gained + since >= -LATE and (first or queued)
        if gained >= total(pieces) or _cuts_in(controlled, key, before, theirs, other) or turned:
            found += [(question, span) for span in pieces]
            made = _served(controlled, key, _as_long(plain, controlled, question))
            made += _tool_ran(plain, controlled, question)
            if turned or gained >= total([*pieces, *(span for _, span in made)]):
                found += made
        elif behind and gained >= _length(plain, key) - LATE:
            found.append((question, Span(before.begin, pieces[-1].end)))
    return found


def _tool_ran(plain: Life, controlled: Life, key: str) -> list[tuple[str, Span]]:
    """From when a tool ran until what is told of it was asked for, for no longer than on plain LiveKit:
    LiveKit's queue waits for it."""
    question, _, tool = key.rpartition(" > ")
    ran = []
    for life in (plain, controlled):
        asked = life.asked(key)
        began = [
            each.t
            for each in life.deeds
            if (each.question, each.what) == (question, f"tool {tool} ran")
        ]
        if asked is None or not began:
            return []
        ran.append(Span(min(began), asked.at))
    return [(key, _at_most(ran[1], ran[0].seconds))]


def _played_by_then(plain: Life, controlled: Life, key: str, awaited: Span) -> float:
    """Seconds of a wait in which the controlled call played what plain had played when this was asked."""
    there = plain.asked(key)
    said = ((controlled.message(piece), piece.span.within(awaited)) for piece in controlled.heard)
    known = ((plain.pieces_of(of.question), part) for of, part in said if of and part)
    return sum(
        part.seconds
        for own, part in known
        if there and own and all(piece.span.end <= there.at for piece in own)
    )


def _cuts_in(life: Life, key: str, before: Span, theirs: Span, other: Span) -> bool:
    """Whether the user asked another question while this one was awaited, which on plain LiveKit was
    heard by then."""
    asked = life.asked(key)
    said = any(abs(span.end - before.begin) < _AT_ONCE for span in life.spoke)
    return asked is not None and said and asked.at <= before.begin and theirs.end <= other.begin


def _asked_in_turn(life: Life, key: str, other: str) -> bool:
    """Whether this was asked before another one."""
    first, second = life.asked(key), life.asked(other)
    return first is not None and second is not None and first.at < second.at


def _queued(life: Life, key: str, other: str) -> bool:
    """Whether another question came before this, what is told of a tool's output, could be told, or while it
    waited: LiveKit speaks all that is queued first."""
    output, asked = life.asked(key), life.asked(other)
    if " > " not in key or output is None or asked is None:
        return False
    if asked.at < output.at:
        return True
    busy = output.at
    for each in life.questions:
        if each.key != key and each.at <= busy:
            busy = max([busy, *(piece.span.end for piece in life.pieces_of(each.key))])
    return asked.at < busy


def _out_of_order(life: Life, key: str, other: str) -> bool:
    """Whether this answer was heard before another one, and is remembered after it."""
    return any((a.question, b.question) == (key, other) for a, b in life.inverted())


def _words_before(plain: Life, controlled: Life, key: str, since: float) -> list[tuple[str, Span]]:
    """When the controlled call played what plain had played by then, or its server had what plain's had
    done by then, and what that was: the caller asked sooner after it. What came later itself, without a
    reason, is none."""
    here = controlled.asked(key)
    if here is None:
        return []
    found: list[tuple[str, Span]] = []
    for question in {m.question for m in controlled.messages if m.question != key}:
        before, ours = _awaited(plain, question), _awaited(controlled, question)
        pieces = [piece.span for piece in controlled.pieces_of(question)]
        played = _first([piece.span for piece in plain.pieces_of(question)], until=since)
        if not (before and ours and played and any(span.end > here.at for span in pieces)):
            continue
        if before.begin < since and _in_time(plain, before, controlled, ours, question):
            found += [(question, span) for span in _first(pieces, seconds=total(played))]
            if all(each.span.end <= since for each in _attempts_at(plain, question)):
                found += _served(controlled, key, _as_long(plain, controlled, question))
    for one, other in zip(_own_sounds(plain), _own_sounds(controlled), strict=False):
        in_time = other[0] <= one[0] + LATE and one[1].seconds == other[1].seconds
        if in_time and one[1].span.end <= since:
            found.append((_OWN, other[1].span))
    return found


def _in_time(plain: Life, theirs: Span, controlled: Life, ours: Span, key: str) -> bool:
    """Whether an answer that came in both lives is not late itself."""
    if ours.seconds <= theirs.seconds + LATE:
        return True
    seconds, _, subtracted = _lateness(plain, theirs, controlled, ours, key)
    if _not_compared(plain, key):
        # Plain LiveKit did not wait for the user: all of its wait counts.
        seconds = min(seconds, ours.seconds - _taken_off(subtracted) - theirs.seconds)
    return round(seconds, 3) <= LATE


def _own_sounds(life: Life) -> list[tuple[float, Heard]]:
    """The application's own sounds, each with the seconds since what was asked before it."""
    own = [piece for piece in life.heard if piece.message is None]
    asked = [each.at for each in life.questions]
    return [
        (piece.span.begin - max((t for t in asked if t <= piece.span.begin), default=0.0), piece)
        for piece in own
    ]


def _asked_into(life: Life, key: str, other: Span) -> bool:
    """Whether a question was asked while the user spoke the one that was awaited so: it comes behind that
    one's answer, as server VAD has it."""
    asked = life.asked(key)
    words = (span for span in life.spoke if abs(span.end - other.begin) < _AT_ONCE)
    return asked is not None and any(span.begin <= asked.at <= span.end for span in words)


def _first(
    spans: Iterable[Span], *, seconds: float = math.inf, until: float = math.inf
) -> list[Span]:
    """What there is of these spans until a time, and no more than so many seconds."""
    found: list[Span] = []
    for span in sorted(spans):
        part = span.within(Span(-math.inf, min(until, span.begin + seconds)))
        if part is not None:
            found.append(part)
            seconds -= part.seconds
    return found


def _length(life: Life, key: str) -> float:
    return total(piece.span for piece in life.pieces_of(key))


def _beyond(piece: Heard, known: float) -> Span | None:
    """When the sound after the first *known* seconds of a piece was heard."""
    if known <= 0:
        return piece.span
    share = known / piece.seconds if piece.seconds else 1.0
    begin = piece.span.begin + share * piece.span.seconds
    return Span(begin, piece.span.end) if begin < piece.span.end else None


def _not_compared(plain: Life, key: str) -> bool:
    return collided(plain, key) or any(each.holder == key for each in plain.collisions)


def collided(life: Life, key: str) -> bool:
    """Whether a create for the question met a taken slot, its answer overlapped another, or it
    talked over the user."""
    if any(each.question == key for each in life.collisions):
        return True
    mine = life.pieces_of(key)
    others = [piece for piece in life.heard if piece not in mine]
    for piece in mine:
        if any(_overlap(piece.span, other.span) > 0.05 for other in others):
            return True
        # Until the server says that the user has stopped nobody knows: semantic VAD waits for more.
        if any(
            t.begin + 0.05 < piece.span.begin < t.end - 0.05 for t in (*life.spoke, *life.turns)
        ):
            return True
        if any(_overlap(piece.span, speech) > _TALKS_OVER for speech in life.spoke):
            return True
    return False


def _overlap(one: Span, other: Span) -> float:
    part = one.within(other)
    return part.seconds if part is not None else 0.0
