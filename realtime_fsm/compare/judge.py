"""Is the controlled call worse than plain LiveKit? The words of G27, one function a clause.

Nothing is subtracted from a session lost, a question unheard, words or deeds twice, and memory. From
lateness are subtracted the times that G27 names, each of which is told (:class:`Subtracted`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from .lateness import LATE, Subtracted, called_off, collided, late, thrown_away
from .life import Attempt, Ending, Life, Message, Question, Span, Speech

__all__ = ["CLAUSES", "ENDS_PLAIN", "Clause", "Finding", "Verdict", "judge"]

Clause = Literal[
    "session lost", "hang", "unheard", "cut short", "words twice", "deed twice", "undone", "memory",
    "order", "late", "ends", "fault", "collision",
]  # fmt: skip
CLAUSES: dict[Clause, str] = {
    "session lost": "the session ended, and plain LiveKit's goes on",
    "hang": "the call, or a speech of it, never came to its end, and plain LiveKit's does",
    "unheard": "nothing was heard of an answer that plain LiveKit speaks",
    "cut short": "an answer ended early that plain LiveKit speaks to its end",
    "words twice": "an answer was spoken again that plain LiveKit speaks once",
    "deed twice": "a tool ran, or the server acted, again, and on plain LiveKit once",
    "undone": "a tool never ran that runs on plain LiveKit",
    "memory": "the server or LiveKit remembers further from what was heard than on plain LiveKit",
    "order": "the server remembers in another order than was heard, and on plain LiveKit in that one",
    "late": "the first sound of an answer came more than 0.2 s later than on plain LiveKit",
    "ends": "how a speech ended is not what was heard, and nothing else tells it, as it does on plain LiveKit",
    "fault": "an error that nobody caught, or something left over, and less on plain LiveKit",
    "collision": "plain LiveKit's request met a taken slot, overlapped, or talked over the user:"
    " only ever better",
}

_AT_ONCE = 0.05  # seconds

ENDS_PLAIN = frozenset(
    {
        "insufficient_quota", "credit_balance_exhausted", "invalid_api_key", "account_deactivated",
        "billing_hard_limit_reached",
    }
)  # fmt: skip
"""Codes of errors that end the session of plain LiveKit."""

WORD = 0.5
"""Seconds; less than a word says nothing, and no text is left of it."""
TOLERANCE = 0.15
"""Seconds of a message that may differ between what was generated and heard: the longest frame."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference between the two lives.

    Attributes:
        clause: of G27.
        question: which it concerns; empty for the call as a whole.
        text: what it is, in words.
        subtracted: for lateness: what was taken off, and is not late.
    """

    clause: Clause
    question: str
    text: str
    subtracted: tuple[Subtracted, ...] = ()

    def __str__(self) -> str:
        where = f' "{self.question}"' if self.question else ""
        taken = "".join(f"\n    {each}" for each in self.subtracted)
        return f"{self.clause}{where}: {self.text}{taken}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out of a comparison.

    Attributes:
        worse: how the controlled call is worse.
        better: how it is better.
        allowed: what is not counted as worse: lateness that what was subtracted explains, a
            question unheard, and its tools, since somebody cut in before its answer could be late,
            and a session that ended of what would have ended plain LiveKit's, had it asked, or heard.
    """

    worse: tuple[Finding, ...]
    better: tuple[Finding, ...]
    allowed: tuple[Finding, ...] = ()

    @property
    def word(self) -> Literal["worse", "better", "same"]:
        """It in one word. Worse in one thing and better in another is worse."""
        return "worse" if self.worse else "better" if self.better else "same"


def judge(plain: Life, controlled: Life) -> Verdict:
    """Compare the same call, lived on plain LiveKit and controlled."""
    allowed = list(_explained(plain, controlled))
    if allowed and controlled.ended is not None:
        # What was awaited then is as if somebody had hung up.
        ended = controlled.ended
        controlled = replace(controlled, cuts=(*controlled.cuts, ended.t), ended=None)
    worse = [*_worse(plain, controlled, allowed), *_late(plain, controlled, allowed)]
    # What is better is what would be worse the other way round. Waits are the controlled call's.
    turned = [*_worse(controlled, plain, []), *_late(controlled, plain, [])]
    better = [*turned, *_kept(plain, controlled)]
    better = [
        replace(each, text=_turned(each.text))
        for each in better
        if (each.clause, each.question) not in _keys(worse)
    ]
    return Verdict(tuple(worse), tuple(better), tuple(allowed))


def _turned(text: str) -> str:
    """A difference, told of plain LiveKit."""
    return f"on plain LiveKit {text.replace('on plain LiveKit', 'controlled')}"


def _kept(plain: Life, controlled: Life) -> Iterator[Finding]:
    for question in _asked_in_both(plain, controlled):
        key = question.key
        if controlled.pieces_of(key) and collided(plain, key) and not collided(controlled, key):
            yield Finding("collision", key, "it collided, overlapped, or talked over the user")
    for theirs, ours in _speeches(plain, controlled):
        # An exception reaches whoever waits for the speech, an event anybody or nobody.
        if _truth(controlled, ours) > _truth(plain, theirs) > 0:
            yield Finding("ends", ours.questions[0], _ended(theirs))


def _keys(findings: list[Finding]) -> set[tuple[str, str]]:
    return {(each.clause, each.question) for each in findings}


def _worse(plain: Life, controlled: Life, allowed: list[Finding]) -> Iterator[Finding]:
    yield from _unheard(plain, controlled, allowed)
    yield from _undone(plain, controlled, allowed)
    for rule in (_session_lost, _twice, _deeds, _memory, _order, _ends, _faults):
        yield from rule(plain, controlled)


# --- the call


def _explained(plain: Life, controlled: Life) -> Iterator[Finding]:
    """The session ended of an error that ends plain LiveKit's too, told to the first attempt at what
    plain LiveKit never came to ask, or was told nothing of. That it ended of what is asked *again* has no
    explanation."""
    ended = _lost(plain, controlled)
    if ended is None or ended.told is None or ended.code not in ENDS_PLAIN:
        return
    attempt = _new_attempt(plain, controlled, ended.told)
    if attempt is not None and attempt.number == 1:
        why = (
            f"it ended at {ended.t:.2f} s: {ended.why}; explained: {ended.code} ends plain LiveKit"
        )
        why += f", too, which never heard of this ({attempt.question}, attempt 1)"
        yield Finding("session lost", "", why)


def _lost(plain: Life, controlled: Life) -> Ending | None:
    ended = controlled.ended
    worse = plain.ended is None or _earlier(controlled, plain)
    return ended if worse else None


def _session_lost(plain: Life, controlled: Life) -> Iterator[Finding]:
    if (ended := _lost(plain, controlled)) is not None:
        why = f"it ended at {ended.t:.2f} s: {ended.why}"
        if (attempt := _new_attempt(plain, controlled, ended.t)) is not None:
            # It counts all the same.
            name = f"{attempt.question}, attempt {attempt.number}"
            why += f"; told to an attempt of which plain LiveKit never heard ({name})"
        yield Finding("session lost", "", why)
    elif controlled.hung and not plain.hung:
        yield Finding("hang", "", controlled.hung)


def _new_attempt(plain: Life, controlled: Life, t: float) -> Attempt | None:
    """The attempt that was asked for last before a time, if it was under way and plain LiveKit was told
    nothing of it. The end of one before may have been lost."""
    known = {(each.question, each.number) for each in plain.attempts if each.told}
    ran = [a for a in controlled.attempts if a.span.begin <= t <= a.span.end + _AT_ONCE]
    last = max(ran, key=lambda each: each.span.begin, default=None)
    return last if last and (last.question, last.number) not in known else None


def _earlier(one: Life, other: Life) -> bool:
    """Whether less was asked before the end of *one*: something is missing behind the last that it has."""
    asked = {each.key for each in one.questions}
    return bool(other.questions) and other.questions[-1].key not in asked


# --- what was heard


def _asked_in_both(plain: Life, controlled: Life) -> Iterator[Question]:
    for question in dict.fromkeys(each.key for each in plain.questions):
        found = controlled.asked(question)
        if found is not None:
            yield found


def _attempts(life: Life, key: str) -> dict[int, list[tuple[Message, float]]]:
    """The messages of each attempt at a question, with the seconds heard."""
    found: dict[int, list[tuple[Message, float]]] = {}
    for message in life.messages_of(key):
        found.setdefault(message.attempt, []).append((message, life.heard_of(message)))
    return found


def _amount(messages: list[tuple[Message, float]]) -> float:
    return sum(heard for _, heard in messages)


def _spoken(messages: list[tuple[Message, float]]) -> bool:
    """Whether a word of it was heard."""
    there = sum(message.seconds for message, _ in messages)
    return _amount(messages) >= max(TOLERANCE, min(WORD, there - TOLERANCE))


def _full(messages: list[tuple[Message, float]]) -> bool:
    """Whether all of it was generated and heard to its end."""
    return all(
        message.whole and heard >= message.seconds - TOLERANCE for message, heard in messages
    )


def _unheard(plain: Life, controlled: Life, allowed: list[Finding]) -> Iterator[Finding]:
    for question in _asked_in_both(plain, controlled):
        key = question.key
        elsewhere = _asked_elsewhere(plain, controlled, key)
        ours = list(_attempts(controlled, key).values())
        theirs = [found for n, found in _attempts(plain, key).items() if n not in elsewhere]
        if not any(map(_spoken, theirs)):
            continue
        got, most = (max(map(_amount, each), default=0.0) for each in (ours, theirs))
        if got < TOLERANCE:
            text = f"nothing was heard; on plain LiveKit {most:.2f} s were"
            cut = called_off(plain, controlled, key)
            found = Finding("unheard", key, text)
            yield from _missing(found, plain, controlled, question, cut, allowed)
            continue
        short = any(map(_full, theirs)) or got < most - WORD
        if short and not any(map(_full, ours)) and not _cut_off(controlled, key):
            text = f"{got:.2f} s were heard, not to the end; on plain LiveKit {most:.2f} s"
            yield Finding("cut short", key, text)


def _asked_elsewhere(plain: Life, controlled: Life, key: str) -> set[int]:
    """The repeated attempts at a question that plain LiveKit asked for while the user said another one, or the
    controlled call if it asked as long after the question: there that one has one more, since the request
    waited for their words (G24), and answers those.
    So are those that came of a request for what plain LiveKit never had answered: it does not ask again by itself.
    What is asked for the first time answers nobody's words, and an attempt that met a taken slot counts."""
    there, here = plain.asked(key), controlled.asked(key)
    later = 0.0 if there is None or here is None else here.at - there.at
    more = {
        each.key for each in plain.questions if _made(controlled, each.key) > _made(plain, each.key)
    }
    never = [each.at for each in plain.questions if each.key in more and not _made(plain, each.key)]
    return {
        attempt.number
        for attempt in plain.attempts
        if attempt.question == key
        and attempt.number > 1
        and (
            _asked_into(plain, attempt.span.begin) in more
            or _asked_into(controlled, attempt.span.begin + later) in more
            or any(at < attempt.span.begin for at in never)
        )
    }


def _asked_into(life: Life, t: float) -> str | None:
    """The question that the user was saying."""
    said = [span.end for span in life.spoke if span.begin < t < span.end]
    near = (each.key for each in life.questions for end in said if abs(end - each.at) < _AT_ONCE)
    return next(near, None)


def _made(life: Life, key: str) -> int:
    asked = [each.question for each in life.attempts] + [each.question for each in life.collisions]
    return asked.count(key)


def _missing(
    found: Finding,
    plain: Life,
    life: Life,
    asked: Question,
    cut: tuple[float, tuple[Subtracted, ...]] | None,
    allowed: list[Finding],
) -> Iterator[Finding]:
    """What never came, unless somebody cut in before it was late, a handover threw it away, LiveKit lets
    nobody speak since before the question, or the server's end of the connection went while the user said it, at what plain
    asked, too: no controller can change that."""
    if cut is not None:
        text = f"{found.text}; somebody cut in at {cut[0]:.2f} s, before it was late"
        allowed.append(replace(found, text=text, subtracted=cut[1]))
    elif (thrown := thrown_away(plain, life, asked.key)) is not None:
        text = f"{found.text}; a handover was under way when it was asked, at {thrown[0]:.2f} s"
        allowed.append(replace(found, text=text, subtracted=thrown[1]))
    elif life.stuck is not None and life.stuck < asked.at:
        text = f"{found.text}; LiveKit waited for a tool that never ends"
        allowed.append(replace(found, text=text))
    elif asked.gone in _tried(plain):
        text = f"{found.text}; the connection went while it was said"
        allowed.append(replace(found, text=text))
    else:
        yield found


def _tried(life: Life) -> set[tuple[str, int]]:
    """The attempts that were asked for, also where a first one met a taken slot."""
    made = {(each.question, each.number) for each in life.attempts}
    return made | {(each.question, 1) for each in life.collisions}


_CUTS = 0.5  # seconds between somebody cutting in and the silence


def _cut_off(life: Life, key: str) -> bool:
    """Whether the user spoke into the last of an answer, also if that arrived late, or the application
    stopped it."""
    pieces = life.pieces_of(key)
    end = max((piece.span.end for piece in pieces), default=0.0)
    begun = [span.begin for span in (*life.spoke, *life.turns)] + list(life.cuts)
    return any(end - _CUTS <= t <= end + TOLERANCE for t in begun)


def _twice(plain: Life, controlled: Life) -> Iterator[Finding]:
    for question in _asked_in_both(plain, controlled):
        ours, theirs = (
            sum(map(_times, _attempts(life, question.key).values())) for life in (controlled, plain)
        )
        if ours > max(theirs, question.times):
            text = f"an answer was heard {ours} times; on plain LiveKit {theirs}"
            yield Finding("words twice", question.key, text)


def _times(messages: list[tuple[Message, float]]) -> int:
    """How often an attempt was heard: more of it than there is was repeated."""
    if not _spoken(messages):
        return 0
    return max(1 + (heard > message.seconds + WORD) for message, heard in messages)


# --- what was done


def _deeds(plain: Life, controlled: Life) -> Iterator[Finding]:
    ours, theirs = (
        Counter((each.question, each.what) for each in life.deeds) for life in (controlled, plain)
    )
    for (question, what), times in ours.items():
        asked = controlled.asked(question)
        same = (each for each in controlled.deeds if (each.question, each.what) == (question, what))
        # One response may call a tool twice, where plain LiveKit's, which failed, called none.
        most = 1 if theirs[question, what] else max(each.times for each in same)
        if times > max(theirs[question, what], most, asked.times if asked is not None else 1):
            text = f"{what} {times} times; on plain LiveKit {theirs[question, what]}"
            yield Finding("deed twice", question, text)


def _undone(plain: Life, controlled: Life, allowed: list[Finding]) -> Iterator[Finding]:
    """A tool that never ran, though the question was asked."""
    done = {(each.question, each.what) for each in controlled.deeds}
    for deed in plain.deeds:
        key = deed.question
        then, now = plain.asked(key), controlled.asked(key)
        missing = deed.what.startswith("tool ") and (key, deed.what) not in done
        if not missing or then is None or now is None:
            continue
        finding = Finding("undone", key, f"{deed.what.removesuffix(' ran')} never ran")
        cut = called_off(plain, controlled, key, Span(then.at, deed.t), slack=_CUTS)
        yield from _missing(finding, plain, controlled, now, cut, allowed)


# --- what is remembered


def _memory(plain: Life, controlled: Life) -> Iterator[Finding]:
    if not (plain.remembers and controlled.remembers):
        return
    keys = dict.fromkeys(m.question for m in (*plain.messages, *controlled.messages))
    for key in keys:
        if _left_behind(controlled, key, _handed_on(plain, key)):
            yield Finding(
                "memory", key, "the next agent does not know of it; on plain LiveKit it does"
            )
        for whose in ("server", "LiveKit"):
            ours, text = _distance(controlled, key, whose)
            theirs, _ = _distance(plain, key, whose)
            if whose == "server":
                theirs += min(_forgotten(plain, key), _missing_from(controlled, key))
            if ours > theirs + max(
                (_slack(m, whose) for m in controlled.messages_of(key)), default=TOLERANCE
            ):
                text = f"{whose} remembers {text}; on plain LiveKit it is {theirs:.2f} s off"
                yield Finding("memory", key, text)


def _handed_on(life: Life, key: str) -> set[str]:
    """The handovers at which an answer that was heard, and is remembered, was handed on."""
    heard = (m for m in life.messages_of(key) if m.server and life.heard_of(m) > WORD)
    return {name for m in heard for name in m.knew}


def _left_behind(life: Life, key: str, handovers: Container[str]) -> bool:
    """Whether all that was heard of an answer was kept from the agent who came next, by one of these
    handovers."""
    heard = [m for m in life.messages_of(key) if life.heard_of(m) > WORD]
    return bool(heard) and all(m.server is None and m.handover in handovers for m in heard)


def _forgotten(life: Life, key: str) -> float:
    """The seconds heard of an answer of which the agent who came next knows nothing."""
    return sum(life.heard_of(m) for m in life.messages_of(key) if m.server is None and m.handover)


def _missing_from(life: Life, key: str) -> float:
    """The seconds heard that a part lacks: who knows a part is no further from what was heard than who knows
    nothing."""
    return sum(
        max(0.0, life.heard_of(m) - m.server) for m in life.messages_of(key) if m.server is not None
    )


def _distance(life: Life, key: str, whose: str) -> tuple[float, str]:
    """How far a memory of the answers to a question is from what was heard, in seconds, and the
    worst of it in words."""
    distance, worst, text = 0.0, 0.0, ""
    for message in life.messages_of(key):
        kept = message.server if whose == "server" else message.local
        if kept is None:
            continue
        heard = life.heard_of(message)
        if whose == "server" and message.written and kept > heard > 0:
            continue
        off = abs(kept - heard)
        if off <= _slack(message, whose):
            continue
        distance += off
        if off > worst:
            worst, text = off, f"{kept:.2f} s of {message.id}, of which {heard:.2f} s were heard"
    return distance, text


def _slack(message: Message, whose: str) -> float:
    """What is remembered by its words is cut between two of them."""
    by_words = whose != "server" or message.by_words
    return message.word + TOLERANCE if by_words else TOLERANCE


def _order(plain: Life, controlled: Life) -> Iterator[Finding]:
    if not (plain.remembers and controlled.remembers):
        return
    ours, theirs = controlled.inverted(), plain.inverted()
    if len(ours) > len(theirs):
        first, second = ours[0]
        text = (
            f'the answer to "{first.question}" was heard before that to "{second.question}", and is'
            " remembered after it"
        )
        yield Finding("order", second.question, text)


# --- what the application is told


def _ends(plain: Life, controlled: Life) -> Iterator[Finding]:
    for theirs, ours in _speeches(plain, controlled):
        if _truth(controlled, ours) == 0 < _truth(plain, theirs):
            yield Finding("ends", ours.questions[0], _ended(ours))


def _speeches(plain: Life, controlled: Life) -> Iterator[tuple[Speech, Speech]]:
    of_plain = {each.questions: each for each in plain.speeches}
    for ours in controlled.speeches:
        if ours.questions in of_plain:
            yield of_plain[ours.questions], ours


def _ended(speech: Speech) -> str:
    return f"its speech ended {'with an exception' if speech.failed else 'well'}"


def _truth(life: Life, speech: Speech) -> int:
    """What the end of a speech tells: 2 the truth, 1 not, but an error event does, 0 nothing true."""
    whole = any(
        _full(messages) and _amount(messages) > 0  # of an empty turn nothing was heard
        for key in speech.questions
        for messages in _attempts(life, key).values()
    )
    return 2 if speech.failed != whole else int(speech.told and not speech.failed)


def _faults(plain: Life, controlled: Life) -> Iterator[Finding]:
    if len(controlled.faults) > len(plain.faults):
        text = f"{len(controlled.faults)}; on plain LiveKit {len(plain.faults)}"
        yield Finding("fault", "", f"{text} ({'; '.join(controlled.faults)})")


# --- lateness


def _late(plain: Life, controlled: Life, allowed: list[Finding]) -> Iterator[Finding]:
    for question in _asked_in_both(plain, controlled):
        found = late(plain, controlled, question.key)
        if found is None:
            continue
        seconds, whole, subtracted = found
        text = f"{whole:.2f} s later than on plain LiveKit"
        if subtracted:
            text += f", {max(seconds, 0.0):.2f} s of them without a reason"
        finding = Finding("late", question.key, text, subtracted)
        if round(seconds, 3) > LATE:
            yield finding
        elif round(whole, 3) > LATE:
            allowed.append(finding)
