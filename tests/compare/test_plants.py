"""G27: what the judge excuses hides no defect. One is planted into the controlled life of a random call that
is not worse: each is found. `test_judge.py` has the clauses one by one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from realtime_fsm.compare import Deed, Ending, Heard, Life, Span, judge
from realtime_fsm.lab.simulate.drawing import draw
from realtime_fsm.lab.simulate.pairs import live_pair
from realtime_fsm.simulator.faults import Profile

Plant = tuple[str, str, Life]

#: Calls in which an excuse hid some of it, and which.
CALLS: tuple[tuple[int, Profile], ...] = (
    (269196279258259, "mild"),  # asked for the first time into the user's words
    (217586145487373, "rough"),  # behind what had come to nothing long before
    (17352637064288, "compat"),  # behind an answer whose end was never told
)


@pytest.mark.parametrize(("seed", "profile"), CALLS)
def test_g27_what_is_planted_into_a_call_that_is_not_worse_is_found(
    seed: int, profile: Profile
) -> None:
    plain, ours = (each.life for each in live_pair(draw(seed, profile, acts=True)))
    assert judge(plain, ours).worse == ()
    planted = list(plants(plain, ours))
    assert len({name for name, _, _ in planted}) >= 6, "else it would prove little"
    assert [each[:2] for each in planted if not judge(plain, each[2]).worse] == []


def plants(plain: Life, ours: Life) -> Iterator[Plant]:
    """Lives that are worse than plain LiveKit's, each in one thing, which it is named after."""
    known = {each.key for each in plain.questions}
    for question in ours.questions:
        key, there = question.key, {each.id for each in plain.messages_of(question.key)}
        theirs, pieces = plain.pieces_of(key), ours.pieces_of(key)
        if key not in known or not pieces or len(there) != 1 or question.times > 1:
            continue
        yield from _late(plain, ours, key)
        if sum(piece.seconds for piece in theirs) < 1.0:
            continue
        mine = {each.id for each in ours.messages_of(key)}
        heard = tuple(piece for piece in ours.heard if piece.message not in mine)
        messages = tuple(each for each in ours.messages if each.id not in mine)
        yield "unheard", key, replace(ours, heard=heard, messages=messages)
        yield from _said(plain, ours, key)
    for deed in dict.fromkeys(replace(each, t=0.0) for each in ours.deeds):
        yield from _done(plain, ours, deed)
    if ours.ended is None:
        yield "session lost", "", replace(ours, ended=Ending(ours.seconds, "lost"))


def _late(plain: Life, ours: Life, key: str) -> Iterator[Plant]:
    begin = ours.pieces_of(key)[0].span.begin
    asked = [each.at for life in (plain, ours) if (each := life.asked(key)) is not None]
    if judge(plain, stalled(ours, begin, 30.0)).word != "worse":
        return  # plain LiveKit collided
    for seconds in (0.5, 1.5, 4.0):
        late = begin - asked[1] - (plain.pieces_of(key)[0].span.begin - asked[0]) + seconds
        if late > 0.25:
            yield f"{seconds} s late", key, stalled(ours, begin, seconds)


def _said(plain: Life, ours: Life, key: str) -> Iterator[Plant]:
    """Of an answer of one message."""
    found = ours.messages_of(key)
    if len(found) != 1:
        return
    (message,), seconds = found, ours.heard_of(found[0])
    again = replace(message, id="again", attempt=message.attempt + 1, server=None, local=None)
    piece = Heard("again", Span(ours.seconds, ours.seconds + seconds), seconds)
    if seconds > 1.0:
        twice = replace(ours, messages=(*ours.messages, again), heard=(*ours.heard, piece))
        yield "words twice", key, twice
    for whose in ("server", "local") if plain.remembers and ours.remembers else ():
        kept: Any = getattr(message, whose)
        theirs = getattr(plain.messages_of(key)[0], whose)
        right = theirs is not None and abs(theirs - plain.heard_of(plain.messages_of(key)[0])) < 0.1
        if right and kept is not None and kept < seconds + 0.1:
            far: Any = {whose: kept + 1.0}
            off = (replace(each, **far) if each is message else each for each in ours.messages)
            yield f"memory of {whose}", key, replace(ours, messages=tuple(off))


def _done(plain: Life, ours: Life, deed: Deed) -> Iterator[Plant]:
    def times(life: Life) -> int:
        return [(each.question, each.what) for each in life.deeds].count((deed.question, deed.what))

    asked = ours.asked(deed.question)
    if asked is None or asked.times > 1 or times(plain) != 1:
        return
    yield "deed twice", deed.question, replace(ours, deeds=(*ours.deeds, deed))
    if deed.what.startswith("tool "):
        left = (e for e in ours.deeds if (e.question, e.what) != (deed.question, deed.what))
        yield "undone", deed.question, replace(ours, deeds=tuple(left))


def stalled(life: Life, since: float, seconds: float) -> Life:
    """All that begins then or later, comes later."""

    def t(then: float) -> float:
        return then + seconds if then >= since else then

    def span(each: Span) -> Span:
        return Span(t(each.begin), t(each.end)) if each.begin >= since else each

    return replace(
        life,
        questions=tuple(replace(each, at=t(each.at)) for each in life.questions),
        heard=tuple(replace(each, span=span(each.span)) for each in life.heard),
        deeds=tuple(replace(each, t=t(each.t)) for each in life.deeds),
        waits=tuple(replace(each, span=span(each.span)) for each in life.waits),
        spoke=tuple(map(span, life.spoke)),
        turns=tuple(map(span, life.turns)),
        handovers=tuple((name, span(each)) for name, each in life.handovers),
        held_up=tuple(map(span, life.held_up)),
        cuts=tuple(map(t, life.cuts)),
        attempts=tuple(replace(each, span=span(each.span)) for each in life.attempts),
        seconds=t(life.seconds),
    )
