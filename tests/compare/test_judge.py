"""G27: the differential judge, on constructed pairs of lives. Each clause is found where it is broken,
and not where it is not; each subtraction is needed, and none is larger than it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from realtime_fsm.compare import (
    CLAUSES,
    ENDS_PLAIN,
    Attempt,
    Collision,
    Deed,
    Ending,
    Heard,
    Life,
    Message,
    Question,
    Span,
    Speech,
    Wait,
    judge,
)

Q1, Q2 = "Where is it?", "What does it cost?"


def message(key: str = Q1, attempt: int = 1, seconds: float = 3.0, **more: Any) -> Message:
    number = more.pop("number", 1)
    name = more.pop("id", f"{key[:5]}{attempt}{number}")
    more = {"server": seconds, "local": seconds, "place": 0, **more}
    return Message(id=name, question=key, attempt=attempt, number=number, seconds=seconds, **more)


def heard(of: Message, begin: float, seconds: float | None = None) -> Heard:
    seconds = of.seconds if seconds is None else seconds
    return Heard(of.id, Span(begin, begin + seconds), seconds)


def life(messages: Sequence[Message] = (), pieces: Sequence[Heard] = (), **more: Any) -> Life:
    questions = more.pop("questions", (Question(Q1, 1.0), Question(Q2, 10.0)))
    return Life(questions=questions, messages=tuple(messages), heard=tuple(pieces), **more)


ONE, TWO = message(), message(Q2, place=1)
GOOD = life([ONE, TWO], [heard(ONE, 1.2), heard(TWO, 10.2)], seconds=20.0)


def worse(plain: Life, controlled: Life) -> list[tuple[str, str]]:
    return [(each.clause, each.question) for each in judge(plain, controlled).worse]


def better(plain: Life, controlled: Life) -> list[tuple[str, str]]:
    return [(each.clause, each.question) for each in judge(plain, controlled).better]


def test_the_same_is_the_same() -> None:
    verdict = judge(GOOD, GOOD)
    assert (verdict.word, verdict.worse, verdict.better, verdict.allowed) == ("same", (), (), ())


# --- the call


def test_a_session_lost_that_plain_keeps() -> None:
    lost = replace(GOOD, ended=Ending(12.0, "connection_lost"))
    assert worse(GOOD, lost) == [("session lost", "")]
    assert better(lost, GOOD) == [("session lost", "")]
    assert worse(lost, lost) == []


def test_a_session_that_both_lose_is_worse_where_less_was_asked_before() -> None:
    lost = replace(GOOD, ended=Ending(12.0, "quota"))
    earlier = life([ONE], [heard(ONE, 1.2)], questions=(Question(Q1, 1.0),), ended=lost.ended)
    assert worse(lost, earlier) == [("session lost", "")]
    assert worse(earlier, lost) == []
    gone = life([TWO], [heard(TWO, 10.2)], questions=GOOD.questions[1:], ended=lost.ended)
    assert worse(lost, gone) == [], "a handover threw the first question away"


def test_a_call_that_never_ends() -> None:
    hangs = replace(GOOD, hung="1 speeches never ended")
    assert worse(GOOD, hangs) == [("hang", "")]
    assert worse(hangs, hangs) == []
    assert better(hangs, GOOD) == [("hang", "")]


# --- unheard and cut short


def test_a_question_unheard_that_plain_answers() -> None:
    silent = life([ONE], [heard(ONE, 1.2)])
    assert worse(GOOD, silent) == [("unheard", Q2)]
    assert better(silent, GOOD) == [("unheard", Q2)]
    assert worse(silent, silent) == []


def test_a_question_that_was_not_asked_in_both_is_not_compared() -> None:
    shorter = life([ONE], [heard(ONE, 1.2)], questions=(Question(Q1, 1.0),))
    assert worse(GOOD, shorter) == []


@pytest.mark.parametrize("cut", [{"cuts": (10.3,)}, {"spoke": (Span(10.3, 11.0),)}], ids=str)
def test_somebody_cuts_in_before_the_answer_could_be_late(cut: Any) -> None:
    verdict = judge(GOOD, life([ONE], [heard(ONE, 1.2)], **cut))
    assert verdict.word == "same"
    (allowed,) = verdict.allowed
    assert "somebody cut in at 10.30 s, before it was late" in allowed.text


@pytest.mark.parametrize(
    "cut", [{"cuts": (10.5,)}, {"cuts": (9.9,)}, {"spoke": (Span(10.41, 11.0),)}], ids=str
)
def test_who_cuts_in_when_it_is_late_or_before_it_was_asked_explains_nothing(cut: Any) -> None:
    assert worse(GOOD, life([ONE], [heard(ONE, 1.2)], **cut)) == [("unheard", Q2)]


def test_who_cuts_in_while_a_named_wait_runs_calls_it_off() -> None:
    waits = (Wait("w", Span(10.1, 12.1), 2.0),)
    called_off = life([ONE], [heard(ONE, 1.2)], cuts=(12.2,), waits=waits)
    assert worse(GOOD, called_off) == []
    assert worse(GOOD, replace(called_off, waits=())) == [("unheard", Q2)]


def test_a_tenth_of_a_second_is_unheard() -> None:
    sliver = life([ONE, TWO], [heard(ONE, 1.2), heard(TWO, 10.2, 0.1)], remembers=False)
    assert worse(GOOD, replace(sliver, spoke=(Span(10.6, 11.0),))) == [("unheard", Q2)]


def test_less_than_a_word_on_plain_livekit_is_no_answer() -> None:
    sliver = life([ONE, TWO], [heard(ONE, 1.2), heard(TWO, 10.2, 0.2)])
    assert worse(sliver, life([ONE], [heard(ONE, 1.2)])) == []


def test_a_message_that_is_shorter_than_a_word_is_an_answer() -> None:
    short = message(Q2, seconds=0.4)
    said = life([short], [heard(short, 10.2)])
    assert worse(said, life()) == [("unheard", Q2)]


def test_an_answer_cut_short_that_plain_speaks_to_its_end() -> None:
    cut = replace(
        GOOD,
        heard=(heard(ONE, 1.2, 0.6), heard(TWO, 10.2)),
        messages=(message(server=0.6, local=0.6), TWO),
    )
    assert worse(GOOD, cut) == [("cut short", Q1)]
    assert worse(cut, cut) == []


def test_whoever_is_cut_off_by_the_user_or_the_application_is_not_cut_short() -> None:
    kept = message(server=0.6, local=0.6)
    cut = life([kept, TWO], [heard(kept, 1.2, 0.6), heard(TWO, 10.2)])
    assert worse(GOOD, replace(cut, spoke=(Span(1.7, 2.2),))) == []
    assert worse(GOOD, replace(cut, cuts=(1.8,))) == []
    assert worse(GOOD, replace(cut, spoke=(Span(3.0, 4.0),))) == [("cut short", Q1)], "after it"
    assert worse(GOOD, replace(cut, spoke=(Span(0.0, 1.0),))) == [("cut short", Q1)], "before it"
    late = replace(cut, spoke=(Span(0.0, 1.0),), turns=(Span(1.8, 1.8),))
    assert worse(GOOD, late) == [], "their words arrived then"


def test_an_answer_that_failed_midway_in_both_is_the_same() -> None:
    half = message(seconds=1.0, whole=False, server=1.0, local=1.0)
    failed = life([half, TWO], [heard(half, 1.2), heard(TWO, 10.2)])
    assert worse(failed, failed) == []
    less = life([half, TWO], [heard(half, 1.2, 0.4), heard(TWO, 10.2)], remembers=False)
    assert worse(failed, less) == [("cut short", Q1)]
    assert worse(less, failed) == []


def test_another_attempt_may_be_shorter_if_it_is_whole() -> None:
    second = message(attempt=2, seconds=1.0)
    again = life([second, TWO], [heard(second, 1.2), heard(TWO, 10.2)])
    assert worse(GOOD, again) == []


# --- twice


def test_words_twice_that_plain_has_once() -> None:
    again = message(attempt=2, place=2)
    twice = life(
        [ONE, TWO, again], [heard(ONE, 1.2), heard(again, 5.0), heard(TWO, 10.2)], remembers=False
    )
    assert worse(GOOD, twice) == [("words twice", Q1)]
    assert worse(twice, twice) == [], "the application asked again"
    assert better(twice, GOOD) == [("words twice", Q1)]


def test_the_same_message_played_again_is_words_twice() -> None:
    twice = replace(
        GOOD, heard=(heard(ONE, 1.2), heard(ONE, 5.0), heard(TWO, 10.2)), remembers=False
    )
    assert worse(GOOD, twice) == [("words twice", Q1)]


def test_less_than_a_word_before_a_second_attempt_is_not_twice() -> None:
    sliver = message(attempt=1, seconds=3.0, whole=False)
    second = message(attempt=2)
    retried = life(
        [sliver, second, TWO],
        [heard(sliver, 1.1, 0.2), heard(second, 1.4), heard(TWO, 10.2)],
        remembers=False,
    )
    assert worse(GOOD, retried) == []


@pytest.mark.parametrize("what", ["tool look_up ran", "the server's mcp_call book"])
def test_a_deed_twice_that_plain_does_once(what: str) -> None:
    once, twice = (Deed(Q1, what, 2.0),), (Deed(Q1, what, 2.0), Deed(Q1, what, 4.0))
    assert worse(replace(GOOD, deeds=once), replace(GOOD, deeds=twice)) == [("deed twice", Q1)]
    assert worse(GOOD, replace(GOOD, deeds=twice)) == [("deed twice", Q1)]
    assert worse(GOOD, replace(GOOD, deeds=once)) == []
    assert worse(replace(GOOD, deeds=twice), replace(GOOD, deeds=twice)) == []
    other = (*once, Deed(Q2, what, 11.0))
    assert worse(replace(GOOD, deeds=once), replace(GOOD, deeds=other)) == [], "another question"


def test_a_response_that_calls_a_tool_twice_does_it_twice() -> None:
    """Plain LiveKit's response failed."""
    both = tuple(Deed(Q1, "tool look_up ran", t, times=2) for t in (2.0, 2.1))
    assert worse(GOOD, replace(GOOD, deeds=both)) == []
    again = (*both, replace(both[0], t=4.0))
    assert worse(GOOD, replace(GOOD, deeds=again)) == [("deed twice", Q1)]


def test_who_asks_twice_may_be_answered_twice() -> None:
    asked = (Question(Q1, 1.0, times=2), Question(Q2, 10.0))
    again = message(attempt=2, place=2)
    twice = life(
        [ONE, TWO, again],
        [heard(ONE, 1.2), heard(again, 5.0), heard(TWO, 10.2)],
        questions=asked,
        deeds=(Deed(Q1, "tool look_up ran", 2.0), Deed(Q1, "tool look_up ran", 4.0)),
        remembers=False,
    )
    assert worse(GOOD, twice) == []


def test_a_tool_that_never_ran_and_runs_on_plain() -> None:
    done = replace(GOOD, deeds=(Deed(Q1, "tool look_up ran", 2.0),))
    assert worse(done, GOOD) == [("undone", Q1)]
    assert worse(done, done) == []
    searched = replace(GOOD, deeds=(Deed(Q1, "the server's mcp_call book", 2.0),))
    assert worse(searched, GOOD) == [], "that is the server's"
    not_asked = replace(GOOD, questions=GOOD.questions[1:])
    assert worse(done, not_asked) == []
    for cut in ({"spoke": (Span(2.3, 2.4),)}, {"cuts": (2.3,)}):
        assert ("undone", Q1) not in worse(done, replace(GOOD, **cut)), "somebody cut in"
    assert ("undone", Q1) in worse(done, replace(GOOD, cuts=(2.6,)))


def test_a_tool_of_an_answer_that_was_called_off_before_it_could_be_late() -> None:
    done = replace(GOOD, deeds=(Deed(Q2, "tool look_up ran", 10.1),))
    waits = (Wait("w", Span(10.1, 12.1), 2.0),)
    off = life([ONE], [heard(ONE, 1.2)], cuts=(12.2,), waits=waits)
    assert worse(done, off) == []
    assert [each.clause for each in judge(done, off).allowed] == ["unheard", "undone"]
    late = life([ONE], [heard(ONE, 1.2)], cuts=(12.8,), waits=waits)
    assert worse(done, late) == [("unheard", Q2), ("undone", Q2)]


# --- memory


@pytest.mark.parametrize(("whose", "far"), [("server", 0.3), ("local", 0.8)])
def test_memory_further_from_what_was_heard(whose: str, far: float) -> None:
    off = replace(ONE, **{whose: 3.0 - far})
    assert worse(GOOD, replace(GOOD, messages=(off, TWO))) == [("memory", Q1)]
    assert better(replace(GOOD, messages=(off, TWO)), GOOD) == [("memory", Q1)]
    within = replace(ONE, **{whose: 3.0 - 0.1})
    assert worse(GOOD, replace(GOOD, messages=(within, TWO))) == []


def test_of_a_memory_that_has_only_words_left_a_word_may_be_missing() -> None:
    off = replace(ONE, server=2.7, by_words=True)
    assert worse(GOOD, replace(GOOD, messages=(off, TWO))) == []
    further = replace(off, server=1.6)
    assert worse(GOOD, replace(GOOD, messages=(further, TWO))) == [("memory", Q1)]


def test_text_cannot_be_cut_at_the_server() -> None:
    read = replace(message(server=3.0, local=1.0, by_words=True), written=True)
    cut = life([read, TWO], [heard(read, 1.2, 1.0), heard(TWO, 10.2)], cuts=(2.2,))
    assert worse(life([TWO], [heard(TWO, 10.2)]), cut) == []
    sound = replace(cut, messages=(replace(read, written=False), TWO))
    assert worse(life([TWO], [heard(TWO, 10.2)]), sound) == [("memory", Q1)]
    unread = replace(cut, heard=(heard(TWO, 10.2),))
    assert ("memory", Q1) in worse(life([TWO], [heard(TWO, 10.2)]), unread)


def test_remembered_and_never_heard_is_far_from_heard() -> None:
    phantom = replace(TWO, id="phantom", attempt=2)
    assert set(worse(GOOD, replace(GOOD, messages=(ONE, TWO, phantom)))) == {("memory", Q2)}


def test_nearer_elsewhere_does_not_make_up_for_it() -> None:
    theirs = replace(GOOD, messages=(replace(ONE, server=0.0), TWO))
    ours = replace(GOOD, messages=(ONE, replace(TWO, server=2.0)))
    verdict = judge(theirs, ours)
    assert [(each.clause, each.question) for each in verdict.worse] == [("memory", Q2)]
    assert verdict.word == "worse"


def test_no_memory_is_compared_where_nobody_had_the_time_to_agree_on_it() -> None:
    off = replace(GOOD, messages=(replace(ONE, server=0.0), TWO))
    assert worse(GOOD, replace(off, remembers=False)) == []
    assert worse(replace(GOOD, remembers=False), off) == []


def test_what_the_next_agent_was_not_to_know_is_not_missing() -> None:
    left = replace(ONE, server=None, place=None, handover="after it")
    fresh = replace(GOOD, messages=(left, TWO))
    assert worse(fresh, fresh) == []
    assert worse(life([TWO], [heard(TWO, 10.2)]), fresh) == []
    handed_on = replace(GOOD, messages=(replace(ONE, knew=("after it",)), TWO))
    assert worse(handed_on, fresh) == [("memory", Q1)], "on plain it was handed on"
    assert worse(GOOD, fresh) == [], "on plain nothing was handed over"
    later = replace(GOOD, messages=(replace(ONE, knew=("after another",)), TWO))
    assert worse(later, fresh) == [], "only a later handover knew of it again"


def test_who_knows_a_part_of_it_knows_more_than_nothing() -> None:
    left = replace(GOOD, messages=(replace(ONE, server=None, place=None, handover="a"), TWO))
    part = replace(GOOD, messages=(replace(ONE, server=1.0, knew=("a",)), TWO))
    assert worse(left, part) == []
    assert worse(GOOD, part) == [("memory", Q1)], "plain knows all of it"
    cut = (heard(ONE, 1.2, 2.0), GOOD.heard[1])
    much = replace(part, messages=(replace(ONE, server=3.0, knew=("a",)), TWO), heard=cut)
    assert worse(replace(left, heard=cut), much) == [("memory", Q1)], "what nobody heard is no part"
    unheard = replace(left, heard=(heard(TWO, 10.2),))
    assert ("memory", Q1) in worse(
        unheard, replace(part, heard=(heard(ONE, 1.2, 0.2), GOOD.heard[1]))
    )


def test_remembered_in_another_order_than_heard() -> None:
    turned = replace(GOOD, messages=(replace(ONE, place=1), replace(TWO, place=0)))
    assert worse(GOOD, turned) == [("order", Q2)]
    assert worse(turned, turned) == []


def test_of_a_memory_that_has_only_words_a_short_word_counts_too() -> None:
    off = replace(ONE, server=2.7, by_words=True)
    assert worse(GOOD, replace(GOOD, messages=(replace(off, word=0.1), TWO))) == [("memory", Q1)]


# --- what the application is told

WELL, BADLY = (Speech((Q1, Q2), failed) for failed in (False, True))
CUT = life([replace(ONE, whole=False), replace(TWO, whole=False)], GOOD.heard, seconds=20.0)


def test_a_speech_that_ended_with_an_exception_and_was_heard_whole() -> None:
    good, bad = (replace(GOOD, speeches=(each,)) for each in (WELL, BADLY))
    assert worse(good, bad) == [("ends", Q1)]
    assert better(bad, good) == [("ends", Q1)]
    assert worse(bad, bad) == worse(good, good) == []


def test_a_speech_of_which_nothing_was_to_be_heard_may_end_with_an_exception() -> None:
    """G8 wants it visible; on plain LiveKit an empty turn ends well."""
    empty = replace(GOOD, messages=(message(seconds=0.0),), heard=())
    good, bad = (replace(empty, speeches=(Speech((Q1,), failed),)) for failed in (False, True))
    assert worse(good, bad) == []
    assert worse(replace(GOOD, speeches=good.speeches), replace(GOOD, speeches=bad.speeches)) == [
        ("ends", Q1)
    ]


def test_a_speech_that_ended_well_and_was_not_heard_whole() -> None:
    good, bad, told = (
        replace(CUT, speeches=(each,)) for each in (WELL, BADLY, replace(WELL, told=True))
    )
    assert worse(bad, good) == worse(told, good) == [("ends", Q1)]
    assert worse(bad, told) == [], "an error event told it"
    assert better(good, bad) == better(told, bad) == better(good, told) == [("ends", Q1)]


def test_speeches_of_other_questions_do_not_compare() -> None:
    other = replace(CUT, speeches=(Speech((Q2,), failed=False),))
    assert worse(replace(CUT, speeches=(BADLY,)), other) == []


def test_an_error_that_nobody_caught() -> None:
    fault = replace(GOOD, faults=("a task died",))
    assert worse(GOOD, fault) == [("fault", "")]
    assert better(fault, GOOD) == [("fault", "")]
    assert worse(fault, fault) == []


# --- lateness


def later(seconds: float, **more: Any) -> Life:
    return life([ONE, TWO], [heard(ONE, 1.2), heard(TWO, 10.2 + seconds)], seconds=20.0, **more)


def test_an_answer_that_comes_later_than_on_plain() -> None:
    assert worse(GOOD, later(0.3)) == [("late", Q2)]
    assert worse(GOOD, later(0.2)) == []
    assert better(later(0.3), GOOD) == [("late", Q2)]


def test_lateness_counts_from_the_question() -> None:
    shifted = life(
        [ONE, TWO], [heard(ONE, 4.2), heard(TWO, 13.2)],
        questions=(Question(Q1, 4.0), Question(Q2, 13.0)),
    )  # fmt: skip
    assert worse(GOOD, shifted) == []


def test_a_named_wait_is_subtracted_and_told() -> None:
    wait = Wait("turn_2 waits", Span(10.1, 12.1), 2.0)
    assert worse(GOOD, later(2.1)) == [("late", Q2)]
    verdict = judge(GOOD, later(2.1, waits=(wait,)))
    assert verdict.word == "same"
    (allowed,) = verdict.allowed
    (taken,) = allowed.subtracted
    assert (taken.reason, taken.name, taken.span) == ("a named wait", "turn_2 waits", wait.span)
    assert "10.10 to 12.10 s, 2.00 s: a named wait (turn_2 waits)" in str(allowed)


def test_no_wait_is_subtracted_beyond_its_bound() -> None:
    endless = Wait("turn_2 waits", Span(10.1, 12.1), 1.0)
    assert worse(GOOD, later(2.1, waits=(endless,))) == [("late", Q2)]
    assert worse(GOOD, later(1.1, waits=(endless,))) == []


def test_a_wait_before_the_question_or_after_the_answer_explains_nothing() -> None:
    for span in (Span(8.0, 10.0), Span(10.9, 12.9)):
        assert worse(GOOD, later(0.5, waits=(Wait("w", span, 9.0),))) == [("late", Q2)]


def test_the_waits_of_plain_do_not_count() -> None:
    waits = (Wait("w", Span(10.0, 12.0), 9.0),)
    assert worse(replace(GOOD, waits=waits), later(0.5)) == [("late", Q2)]


def test_words_that_plain_never_played_are_subtracted() -> None:
    retried = message(attempt=2, place=0)
    plain = life([TWO], [heard(TWO, 10.2)])
    ours = life([retried, TWO], [heard(retried, 9.0), heard(TWO, 12.1)])
    verdict = judge(plain, ours)
    assert not verdict.worse
    (allowed,) = verdict.allowed
    assert [(each.reason, each.name) for each in allowed.subtracted] == [
        ("words plain never played", Q1)
    ]
    assert allowed.subtracted[0].span == Span(10.0, 12.0), "only since the question"


def test_what_waits_for_a_late_answer_is_not_late_once_more() -> None:
    """Words that plain played as well are not subtracted; the lateness is that answer's."""
    ours = life([ONE, TWO], [heard(ONE, 9.0), heard(TWO, 12.1)])
    assert worse(GOOD, ours) == [("late", Q1)]
    later_still = life([ONE, TWO], [heard(ONE, 9.0), heard(TWO, 12.9)])
    assert worse(GOOD, later_still) == [("late", Q1), ("late", Q2)]


def test_answers_that_changed_places_are_not_late_if_the_other_came_earlier_by_all_of_it() -> None:
    asked = (Question(Q1, 10.0), Question(Q2, 10.0))
    plain = life([ONE, TWO], [heard(TWO, 10.2), heard(ONE, 13.2)], questions=asked)
    ours = life([ONE, TWO], [heard(ONE, 10.1), heard(TWO, 13.1)], questions=asked)
    verdict = judge(plain, ours)
    assert not verdict.worse
    told = [each.reason for f in verdict.allowed for each in f.subtracted]
    assert told == ["words plain played later"]
    slow = life([ONE, TWO], [heard(ONE, 11.0), heard(TWO, 14.0)], questions=asked)
    assert worse(plain, slow) == [("late", Q2)]


def test_frames_that_a_fault_held_up_make_nothing_late() -> None:
    held = (Span(10.2, 12.0),)
    ours = replace(later(1.8), held_up=held)
    assert not worse(GOOD, ours)
    assert worse(GOOD, replace(later(2.8), held_up=held)) == [("late", Q2)]
    slow = replace(GOOD, heard=later(1.8).heard, held_up=held)
    assert worse(slow, replace(later(2.1), held_up=held)) == [("late", Q2)], "in both lives"
    # Plain LiveKit asked meanwhile, before it was told that the slot is free (G1): nothing delayed it.
    begin, end = held[0].begin + 0.1, held[0].end
    asked = replace(slow, attempts=(Attempt(Q2, 1, Span(begin, 12.0)),))
    told = replace(later(2.1), held_up=held, attempts=(Attempt(Q2, 1, Span(end, 12.5)),))
    assert worse(asked, told) == []
    too = replace(told, attempts=asked.attempts)
    assert worse(asked, too) == [("late", Q2)], "so did we"
    at_last = replace(slow, attempts=(Attempt(Q2, 1, Span(end - 0.1, 12.0)),))
    much = replace(later(3.3), held_up=held, attempts=told.attempts)
    assert worse(at_last, much) == [("late", Q2)], "it was delayed until then, too"


def test_a_cut_counts_when_the_client_hears_of_it() -> None:
    """LiveKit drops what is queued when the server's word of the user's speech arrives."""
    ours = life([ONE], [heard(ONE, 1.2)], spoke=(Span(9.0, 10.5),), turns=(Span(10.1, 10.6),))
    assert not worse(GOOD, ours)


def test_of_words_that_plain_played_in_part_the_rest_is_subtracted() -> None:
    pieces = [heard(ONE, 1.2, 2.0), heard(THREE, 5.0), heard(TWO, 10.2)]
    plain = life([ONE, TWO, THREE], pieces, remembers=False)
    ours = life([ONE, TWO, THREE], [heard(THREE, 5.0), heard(ONE, 9.0), heard(TWO, 12.1)])
    finding = next(each for each in judge(plain, ours).worse if each.question == Q2)
    assert [each.span for each in finding.subtracted] == [Span(11.0, 12.0)]


def test_the_applications_own_sound_is_not_subtracted() -> None:
    plain, ours = (
        replace(each, heard=(*each.heard, Heard(None, Span(t, t + 2.0), 2.0)))
        for each, t in ((GOOD, 13.3), (later(2.1), 10.1))
    )
    assert worse(plain, ours) == [("late", Q2)], "it plays in both"


def test_time_in_which_the_user_spoke_is_subtracted_from_both() -> None:
    spoke = (Span(10.2, 11.2),)
    assert worse(GOOD, later(1.1, spoke=spoke)) == []
    plain = replace(later(1.1), spoke=spoke)
    assert worse(plain, later(1.6, spoke=spoke)) == [("late", Q2)]


def test_what_the_user_said_into_plains_wait_alone_makes_the_other_no_later() -> None:
    plain = later(1.1, spoke=(Span(9.0, 10.6),))
    assert worse(plain, later(1.2)) == []
    assert worse(plain, later(1.6)) == [("late", Q2)]


def test_the_time_of_an_answer_that_plain_never_had_is_subtracted() -> None:
    other = Attempt(Q1, 2, Span(10.1, 11.1))
    verdict = judge(GOOD, later(1.1, attempts=(other,)))
    assert not verdict.worse
    (allowed,) = verdict.allowed
    (taken,) = allowed.subtracted
    assert (taken.reason, taken.name) == ("an answer plain never had", f"{Q1}, attempt 2")
    assert taken.span == other.span
    had = replace(GOOD, attempts=(other,))
    assert worse(had, later(1.1, attempts=(other,))) == [("late", Q2)], "plain had it"
    mine = Attempt(Q2, 2, Span(10.1, 11.1))
    assert worse(GOOD, later(1.1, attempts=(mine,))) == [("late", Q2)], "of the question itself"


def test_what_is_ready_waits_for_no_other_answer() -> None:
    other, asked = Attempt(Q1, 2, Span(10.1, 11.1)), Attempt(Q2, 1, Span(10.2, 11.0))
    finding = judge(GOOD, later(1.1, attempts=(other, asked))).worse[0]
    assert [each.span for each in finding.subtracted] == [Span(10.1, 10.2)]


def test_an_answer_whose_end_was_never_told_holds_up_nothing_once_another_is_asked_for() -> None:
    endless = Attempt(Q1, 2, Span(10.0, 40.0))
    asked = Attempt(Q2, 1, Span(10.2, 11.0))
    silent = life([ONE], [heard(ONE, 1.2)], attempts=(endless,), cuts=(13.0,))
    assert worse(GOOD, silent) == [], "the server had it"
    assert worse(GOOD, replace(silent, attempts=(endless, asked))) == [("unheard", Q2)]
    other = replace(silent, attempts=(endless, Attempt(Q1, 3, Span(10.2, 10.3))))
    assert worse(GOOD, other) == [("unheard", Q2)]
    runs = replace(other, deeds=(Deed(Q1, "tool look_up ran", 10.1),))
    assert worse(GOOD, runs) == [], "the queue waits for its tool"


def test_no_answer_is_waited_for_without_end() -> None:
    endless = Attempt(Q1, 2, Span(10.0, 40.0))
    assert worse(GOOD, later(28.1, attempts=(endless,), making=28.0)) == []
    assert worse(GOOD, later(28.3, attempts=(endless,), making=28.0)) == [("late", Q2)]


THREE = message("Q3", place=2)


def queued(*begins: tuple[Message, float]) -> Life:
    """What was asked last was asked at 11.2 s."""
    pieces = [heard(of, begin) for of, begin in begins]
    questions = (*GOOD.questions, Question("Q3", 11.2))
    return life([ONE, TWO, THREE], pieces, questions=questions, remembers=False)


def test_what_is_queued_behind_the_same_answer_is_compared_since_its_end() -> None:
    plain = replace(queued((TWO, 10.2), (THREE, 13.3)), collisions=(Collision(Q2, 10.1),))
    assert worse(plain, queued((TWO, 12.2), (THREE, 15.3))) == [], "that one is not compared"
    assert worse(plain, queued((TWO, 12.2), (THREE, 15.6))) == [("late", "Q3")]


def test_what_comes_sooner_since_it_was_asked_is_not_late_behind_an_answer_that_was_over_sooner() -> (
    None
):
    plain = queued((TWO, 12.2), (THREE, 15.3))
    ours = queued((TWO, 10.2), (THREE, 13.6))
    assert worse(plain, ours) == [], "0.4 s behind it, where plain LiveKit has 0.1 s"
    assert worse(plain, queued((TWO, 10.2), (THREE, 15.6))) == [("late", "Q3")], "both ways"


def test_what_is_queued_behind_another_answer_is_compared_since_it_was_asked() -> None:
    plain = queued((TWO, 10.2), (ONE, 13.2), (THREE, 16.3))
    other = queued((ONE, 10.2), (TWO, 13.2), (THREE, 18.3))
    assert ("late", "Q3") in worse(plain, other)
    assert ("late", "Q3") not in worse(plain, queued((ONE, 10.2), (TWO, 13.2), (THREE, 16.3)))


def test_what_lies_in_two_reasons_counts_once() -> None:
    wait = Wait("w", Span(10.1, 11.1), 9.0)
    other = Wait("v", Span(10.1, 11.1), 9.0)
    assert worse(GOOD, later(2.1, waits=(wait, other))) == [("late", Q2)]


@pytest.mark.parametrize(
    "plain",
    [
        replace(GOOD, collisions=(Collision(Q2, 10.1),)),
        replace(GOOD, spoke=(Span(9.5, 10.5),)),
        replace(GOOD, spoke=(Span(9.5, 10.0),), turns=(Span(9.5, 10.5),)),
        replace(GOOD, spoke=(Span(11.0, 12.0),)),
        replace(GOOD, messages=(*GOOD.messages, message("x", id="x")), heard=(*GOOD.heard, Heard("x", Span(11.0, 12.0), 1.0))),
    ],
    ids=["collided", "began while the user spoke", "began before the user's turn was over", "talked over the user", "overlapped"],
)  # fmt: skip
def test_a_turn_in_which_plain_collided_is_better_and_not_compared_for_lateness(
    plain: Life,
) -> None:
    assert ("late", Q2) not in worse(plain, later(3.0))
    assert ("collision", Q2) in better(plain, later(3.0))


def test_a_collision_of_another_question_excuses_nothing() -> None:
    assert worse(replace(GOOD, collisions=(Collision(Q1, 1.1),)), later(0.5)) == [("late", Q2)]


def test_whose_answer_stood_in_the_way_collided_as_well() -> None:
    in_the_way = replace(GOOD, collisions=(Collision(Q1, 1.1, holder=Q2),))
    assert worse(in_the_way, later(0.5)) == []


def test_not_answered_in_both_is_not_late() -> None:
    assert worse(life([ONE], [heard(ONE, 1.2)]), later(9.0)) == []


# --- the verdict


def test_worse_in_one_thing_and_better_in_another_is_worse() -> None:
    plain = life([TWO], [heard(TWO, 10.2)])
    verdict = judge(plain, later(0.5))
    assert verdict.word == "worse"
    assert [each.clause for each in verdict.better] == ["unheard"]
    assert judge(plain, GOOD).word == "better"


def test_it_is_told_in_words() -> None:
    (finding,) = judge(GOOD, life([ONE], [heard(ONE, 1.2)])).worse
    assert str(finding) == (
        'unheard "What does it cost?": nothing was heard; on plain LiveKit 3.00 s were'
    )
    (finding,) = judge(life([ONE], [heard(ONE, 1.2)]), GOOD).better
    assert str(finding) == (
        'unheard "What does it cost?": on plain LiveKit nothing was heard; controlled 3.00 s were'
    )


def test_every_clause_is_described() -> None:
    assert all(text and text[0].islower() and not text.endswith(".") for text in CLAUSES.values())


def test_a_session_that_is_lost_by_an_attempt_that_plain_never_made_is_explained_and_counts() -> (
    None
):
    ended = Ending(12.0, "insufficient_quota")
    ours = replace(GOOD, ended=ended, attempts=(Attempt(Q1, 2, Span(11.0, 12.0)),))
    (finding,) = judge(GOOD, ours).worse
    assert finding.text.endswith(f"never heard ({Q1}, attempt 2)")
    plain = replace(GOOD, attempts=ours.attempts)
    (finding,) = judge(plain, ours).worse
    assert finding.text == "it ended at 12.00 s: insufficient_quota"


@pytest.mark.parametrize("code", sorted(ENDS_PLAIN))
def test_a_session_that_ended_of_what_plain_never_came_to_ask_is_explained(code: str) -> None:
    ended = Ending(14.0, f"{code}: no", code, told=12.0)
    first = Attempt("another", 1, Span(11.0, 12.0))
    ours = replace(GOOD, ended=ended, attempts=(first,))
    verdict = judge(GOOD, ours)
    assert not verdict.worse
    (allowed,) = verdict.allowed
    assert f"explained: {code} ends plain LiveKit, too" in allowed.text
    again = replace(ours, attempts=(replace(first, number=2),))
    assert worse(GOOD, again) == [("session lost", "")], "plain would not have asked again"
    assert worse(replace(GOOD, attempts=(first,)), ours) == [("session lost", "")], "plain asked"
    endless = Attempt(Q1, 2, Span(5.0, 20.0))  # its response.done got lost
    assert worse(GOOD, replace(ours, attempts=(endless, first))) == [], "it was told to the other"
    both = replace(ours, attempts=(replace(endless, number=1), first))
    asked = replace(GOOD, attempts=(first,))
    assert worse(asked, both) == [("session lost", "")], "plain had what it was told to"
    deaf = replace(GOOD, attempts=(replace(first, told=False),))
    assert worse(deaf, ours) == [], "it could not be told"
    for other in (replace(ended, code="server_error"), replace(ended, told=None)):
        assert worse(GOOD, replace(ours, ended=other)) == [("session lost", "")]


def test_what_was_awaited_when_a_session_ended_so_was_called_off() -> None:
    ended = Ending(10.3, "no", "insufficient_quota", told=10.3)
    ours = life(
        [ONE], [heard(ONE, 1.2)], ended=ended, attempts=(Attempt("x", 1, Span(10.25, 10.3)),)
    )
    assert worse(GOOD, ours) == []
    late = replace(ours, ended=replace(ended, t=10.5))
    assert worse(GOOD, late) == [("unheard", Q2)], "it was late by then"


def test_what_is_asked_while_livekit_waits_for_a_tool_that_never_ends() -> None:
    deaf = life([ONE], [heard(ONE, 1.2)], stuck=9.0)
    verdict = judge(GOOD, deaf)
    assert not verdict.worse
    assert [each.clause for each in verdict.allowed] == ["unheard"]
    assert worse(GOOD, replace(deaf, stuck=10.5)) == [("unheard", Q2)], "it began later"


# --- what changed places, and since when a wait counts


def test_g27_what_was_asked_into_the_users_words_comes_behind_the_answer_to_them() -> None:
    """Plain LiveKit plays it first; here the user's own answer is earlier by all that it waited for it."""
    asked = (Question(Q2, 9.5), Question(Q1, 10.0))
    short, long = message(Q2, seconds=2.0), message(Q1, seconds=5.0)
    first = life([short, long], [heard(short, 10.2), heard(long, 12.2)], questions=asked)
    spoke = (Span(9.0, 10.0),)
    second = life(
        [long, short], [heard(long, 10.2), heard(short, 15.2)], questions=asked, spoke=spoke
    )
    assert worse(first, second) == []
    # Not where the user did not speak, nor where the other answer gained less.
    assert worse(first, replace(second, spoke=())) == [("late", Q2)]
    waits = [heard(long, 11.5), heard(short, 16.5)]
    assert ("late", Q2) in worse(first, replace(second, heard=tuple(waits)))


def test_what_plain_asked_for_into_the_users_words_was_in_the_making_since_then() -> None:
    """As an application that commits the user's turn too early: ours waits for the end of the words (G24)."""
    asked = replace(GOOD, attempts=(Attempt(Q2, 1, Span(9.0, 10.5)),))
    assert worse(asked, later(1.0)) == []
    assert worse(asked, later(1.3)) == [("late", Q2)]
    assert worse(replace(asked, attempts=()), later(1.0)) == [("late", Q2)]


def test_so_does_what_is_told_of_its_tool_with_the_time_the_tool_takes() -> None:
    """Plain LiveKit asks for it at once, and has its tool run while it says something else."""
    tool = f"{Q2} > look_up"
    asked = message(tool, seconds=2.0)

    def ran(at: float, *pieces: Heard) -> Life:
        return life(
            [ONE, asked], pieces, questions=(Question(Q1, 1.0), Question(tool, at + 1.0)),
            attempts=(Attempt(tool, 1, Span(at + 1.0, at + 1.3)), Attempt(Q1, 1, Span(at + 3.2, at + 3.5))),
            deeds=(Deed(Q2, "tool look_up ran", at),), making=28.0, remembers=False,
        )  # fmt: skip

    plain = ran(0.5, heard(ONE, 1.2), heard(asked, 6.2))
    ours = ran(1.1, heard(asked, 2.2), heard(ONE, 4.4))
    assert worse(plain, ours) == []
    quick = replace(plain, deeds=(Deed(Q2, "tool look_up ran", 1.3),))
    assert worse(quick, ours) == [("late", Q1)], "it took longer"
    soon = ran(0.5, heard(ONE, 1.2), heard(asked, 4.2))
    assert worse(soon, ours) == [("late", Q1)], "the other one gained less than that"


def test_g27_what_is_told_of_a_tool_counts_since_the_user_asked() -> None:
    tool = f"{Q1} > look_up"
    told = message(tool, seconds=2.0)
    slow = life([told], [heard(told, 9.2)], questions=(Question(Q1, 1.0), Question(tool, 9.0)))
    soon = life([told], [heard(told, 5.2)], questions=(Question(Q1, 1.0), Question(tool, 3.0)))
    assert worse(slow, soon) == []
    later_still = life([told], [heard(told, 9.6)], questions=soon.questions)
    assert worse(slow, later_still) == [("late", tool)]


@pytest.mark.parametrize(("cut", "found"), [(11.9, []), (12.3, [("unheard", Q2)])], ids=str)
def test_g27_a_call_that_ends_before_what_plain_spoke_over_the_user(
    cut: float, found: list[tuple[str, str]]
) -> None:
    """Plain LiveKit talks over the user, which is not compared for lateness; ours waits."""
    over = replace(GOOD, spoke=(Span(10.0, 10.8),))
    assert worse(over, life([ONE], [heard(ONE, 1.2)], cuts=(cut,))) == found


OUTPUT = f"{Q2} > look_up"
TOLD = message(OUTPUT, place=2)


def told(*pieces: Heard, at: float = 11.0, **more: Any) -> Life:
    """A tool's output is there *at* a time."""
    questions = (*GOOD.questions, Question(OUTPUT, at))
    return life([TOLD] if pieces else [], pieces, questions=questions, **more)


def test_who_cuts_in_while_a_tool_runs_calls_off_what_is_told_of_it() -> None:
    plain = told(heard(TOLD, 11.2))
    verdict = judge(plain, told(spoke=(Span(10.5, 11.5),)))
    assert not verdict.worse
    assert "somebody cut in at 10.50 s" in verdict.allowed[0].text
    assert worse(plain, told(spoke=(Span(9.0, 9.9),))) == [("unheard", OUTPUT)], "not yet asked"
    cut = replace(plain, spoke=(Span(10.4, 10.9),))
    assert worse(cut, told(spoke=(Span(10.5, 11.5),))) == [("unheard", OUTPUT)], "so on plain"


def test_words_that_plain_had_played_when_it_was_asked_are_no_reason_to_be_late() -> None:
    """The caller asked sooner after the answer before: its failure was told sooner, say."""
    plain = replace(GOOD, heard=(heard(ONE, 1.2), heard(TWO, 10.2)))
    soon = (Question(Q1, 1.0), Question(Q2, 2.0))
    ours = replace(GOOD, heard=(heard(ONE, 1.2), heard(TWO, 4.4)), questions=soon)
    verdict = judge(plain, ours)
    assert not verdict.worse
    (taken,) = verdict.allowed[0].subtracted
    assert (taken.reason, taken.name) == ("words plain had played by then", Q1)
    assert taken.span == Span(2.0, 4.2)
    itself_late = replace(ours, heard=(heard(ONE, 1.5), heard(TWO, 4.7)))
    assert worse(plain, itself_late) == [("late", Q1)], "and that is told once"


def test_so_is_the_part_that_plain_had_played_of_words_that_went_on() -> None:
    plain = replace(
        GOOD, heard=(heard(ONE, 7.0), heard(TWO, 10.1)),
        questions=(Question(Q1, 6.9), Question(Q2, 9.5)),
    )  # fmt: skip
    ours = replace(plain, questions=(Question(Q1, 6.9), Question(Q2, 8.0)))
    verdict = judge(plain, ours)
    assert not verdict.worse
    (taken,) = verdict.allowed[0].subtracted
    assert (taken.reason, taken.name) == ("words plain had played by then", Q1)
    assert taken.span == Span(8.0, 9.5)
    later = replace(ours, heard=(heard(ONE, 7.0), heard(TWO, 10.4)))
    assert worse(plain, later) == [("late", Q2)], "by more than that part"


def test_so_are_the_applications_own_sounds() -> None:
    sound = [Heard(None, Span(t, t + 1.0), 1.0) for t in (3.0, 3.0)]
    plain = life([ONE, TWO], [sound[0], heard(TWO, 10.2)])
    ours = life(
        [ONE, TWO], [sound[1], heard(TWO, 4.2)], questions=(Question(Q1, 1.0), Question(Q2, 3.5))
    )
    assert worse(plain, ours) == []
    later = replace(ours, heard=(Heard(None, Span(3.3, 4.3), 1.0), heard(TWO, 4.5)))
    assert worse(plain, later) == [("late", Q2)], "it came later itself"
    still = replace(plain, heard=(Heard(None, Span(9.5, 10.5), 1.0), heard(TWO, 10.6)))
    assert worse(still, later) == [("late", Q2)], "it had not on plain"
    never = life([ONE, TWO], [heard(TWO, 10.2)])
    assert worse(never, later) == [], "plain never played it"


def test_the_answer_to_what_the_user_said_into_a_wait_goes_first() -> None:
    questions = (Question(Q1, 1.0), Question(Q2, 3.0))
    plain = life([ONE, TWO], [heard(ONE, 1.2), heard(TWO, 10.2)])
    ours = life(
        [ONE, TWO], [heard(TWO, 3.2), heard(ONE, 6.3)], questions=questions,
        spoke=(Span(2.0, 3.0),), remembers=False, waits=(Wait("w", Span(1.0, 2.0), 1.0),),
    )  # fmt: skip
    assert worse(plain, ours) == []
    assert worse(plain, replace(ours, spoke=())) == [("late", Q1)], "nobody said it"
    before = life(
        [ONE, TWO],
        [heard(ONE, 1.2), heard(TWO, 4.2)],
        questions=(Question(Q1, 1.0), Question(Q2, 1.1)),
    )
    assert ("late", Q1) in worse(before, ours), "on plain it was asked before that"


def test_an_answer_that_plain_played_out_of_order_is_late_only_if_the_other_is_not_earlier() -> (
    None
):
    turned = (replace(ONE, place=1), replace(TWO, place=0))
    questions = (Question(Q1, 1.0), Question(Q2, 1.1))
    plain = life(turned, [heard(ONE, 1.2), heard(TWO, 4.2)], questions=questions)
    ours = life(turned, [heard(TWO, 1.2), heard(ONE, 4.2)], questions=questions)
    assert worse(plain, ours) == []
    kept = replace(plain, messages=(ONE, TWO))
    ours_kept = replace(ours, remembers=False)
    slower = replace(ours_kept, heard=(heard(TWO, 1.6), heard(ONE, 4.6)))
    assert ("late", Q1) in worse(kept, slower), "the order was right"


# --- what the server still has, or has not


def test_what_stands_in_front_is_over_when_the_server_is_done_with_it() -> None:
    """A call by text is read to its end before its response is done, and nobody can be asked for then."""

    def told(begin: float, third: float, done: float, asked: float) -> Life:
        attempts = (Attempt(Q2, 1, Span(10.1, done)), Attempt("Q3", 1, Span(asked, third + 1.0)))
        questions = (*GOOD.questions, Question("Q3", 13.5))
        pieces = queued((TWO, begin), (THREE, third)).heard
        return replace(queued(), heard=pieces, attempts=attempts, questions=questions)

    # Plain LiveKit collided: of when Q2 was heard nothing is said.
    plain = replace(told(10.2, 13.7, 13.6, 13.6), collisions=(Collision(Q2, 10.1),))
    assert worse(plain, told(12.2, 15.7, 15.6, 15.6)) == [], "0.1 s in either life"
    assert worse(plain, told(12.2, 16.0, 15.6, 15.9)) == [("late", "Q3")]
    assert worse(plain, told(12.2, 16.0, 15.9, 15.9)) == [("late", "Q3")], "longer than on plain"
    assert worse(plain, told(12.2, 15.7, 15.6, 15.3)) == [("late", "Q3")], "it was asked before"


def test_of_plains_wait_no_more_of_the_users_words_is_taken_off_than_of_ours() -> None:
    """What lies under another reason is taken off ours once."""
    spoke, wait = Span(10.2, 11.2), Wait("w", Span(10.2, 12.2), 2.0)
    plain = replace(later(1.1), spoke=(spoke,))
    ours = later(3.2, spoke=(spoke,), waits=(wait,))
    assert worse(plain, ours) == []
    part = replace(wait, span=Span(11.2, 12.2))
    assert worse(plain, replace(ours, waits=(part,))) == [("late", Q2)], "taken off ours as well"
    assert worse(plain, later(3.4, spoke=(spoke,), waits=(wait,))) == [("late", Q2)]


def test_nothing_can_be_asked_before_the_server_has_ended_what_was_cancelled() -> None:
    cut = Attempt(Q1, 1, Span(9.0, 10.5), cancelled=10.0)
    asked = Attempt(Q2, 1, Span(10.5, 12.0))
    plain = replace(GOOD, attempts=(replace(cut, span=Span(9.0, 9.8)),))
    ours = later(0.5, attempts=(cut, asked))
    verdict = judge(plain, ours)
    assert not verdict.worse
    (taken,) = verdict.allowed[0].subtracted
    assert (taken.reason, taken.span) == ("its end after it was cancelled", Span(10.0, 10.5))
    for each in (
        replace(cut, cancelled=None),
        replace(cut, cancelled=10.4),
        replace(cut, span=Span(9.0, 10.6)),
    ):
        assert worse(plain, replace(ours, attempts=(each, asked))) == [("late", Q2)], str(each)
    still = replace(GOOD, attempts=(replace(cut, span=Span(9.0, 10.1)),))
    assert worse(still, ours) == [("late", Q2)], "and so it was on plain"
    tool = replace(cut, span=Span(9.0, 20.5))
    assert worse(plain, replace(ours, attempts=(tool, asked))) == [("late", Q2)], "it goes on"
    assert worse(plain, replace(ours, attempts=(replace(tool, tools=10.0), asked))) == []
    still = replace(GOOD, attempts=(replace(tool, tools=10.7),))
    assert worse(still, ours) == [], "on plain only the tool still ran"
    endless = replace(cut, span=Span(9.0, 15.5)), replace(asked, span=Span(15.5, 16.0))
    assert worse(plain, later(5.5, attempts=endless)) == []
    assert worse(plain, later(5.5, attempts=endless, ending=5.0)) == [("late", Q2)], "5 s at most"


def test_the_answer_to_what_the_user_was_saying_comes_first_heard_or_not() -> None:
    """It called a tool, and had no words. On plain LiveKit nobody spoke when this was asked."""
    spoke = (Span(9.0, 10.2),)
    questions = (*GOOD.questions, Question("Q3", 10.2))
    attempts = (Attempt("Q3", 1, Span(10.2, 11.0)), Attempt(Q2, 1, Span(10.6, 12.0)))
    plain = replace(GOOD, attempts=attempts[:1], questions=questions)
    ours = later(0.7, spoke=spoke, attempts=attempts, questions=questions)
    assert worse(plain, ours) == []
    assert worse(plain, replace(ours, questions=GOOD.questions)) == [("late", Q2)], "not theirs"
    slow = replace(ours, heard=later(1.0).heard)
    assert worse(plain, slow) == [("late", Q2)], "it was asked of the server by then"
    spoken = replace(plain, spoke=(Span(9.0, 10.05),))
    assert worse(spoken, ours) == [("late", Q2)], "so it was on plain"
    over = replace(spoken, attempts=(*plain.attempts, Attempt(Q2, 1, Span(10.02, 10.1))))
    assert worse(over, ours) == [], "it did not wait for them"
    after = replace(spoken, attempts=(*plain.attempts, Attempt(Q2, 1, Span(10.06, 10.1))))
    assert worse(after, ours) == [("late", Q2)], "it did"


def test_words_that_were_late_for_a_reason_are_one_for_what_is_asked_behind_them() -> None:
    between = life([ONE, TWO, THREE], [heard(ONE, 1.2), heard(THREE, 5.0), heard(TWO, 10.2)])
    plain = replace(between, remembers=False)
    soon = (Question(Q1, 1.0), Question(Q2, 2.0))
    wait = (Wait("w", Span(1.1, 1.5), 0.4),)
    ours = replace(GOOD, heard=(heard(ONE, 1.6), heard(TWO, 4.8)), questions=soon)
    assert worse(plain, replace(ours, waits=wait)) == []
    assert worse(plain, ours) == [("late", Q1), ("late", Q2)]


def test_what_was_said_as_the_connection_went_never_reached_the_server() -> None:
    """At the end that the server made of it, and at what plain LiveKit asked at another time."""
    asked = (GOOD.questions[0], replace(GOOD.questions[1], gone=(Q1, 1)))
    ours = life([ONE], [heard(ONE, 1.2)], questions=asked)
    plain = replace(GOOD, attempts=(Attempt(Q1, 1, Span(1.0, 1.5)),))
    verdict = judge(plain, ours)
    assert not verdict.worse
    assert "the connection went while it was said" in verdict.allowed[0].text
    assert worse(GOOD, ours) == [("unheard", Q2)], "plain never asked that, so nothing went there"
    met = replace(GOOD, collisions=(Collision(Q1, 1.1),))
    assert worse(met, ours) == [], "it asked, and met a taken slot"
    again = replace(asked[1], gone=(Q1, 2))
    assert worse(met, replace(ours, questions=(asked[0], again))) == [("unheard", Q2)]
    kept = replace(ours, questions=GOOD.questions)
    assert worse(plain, kept) == [("unheard", Q2)], "the server had it"


def test_what_was_asked_first_is_heard_first() -> None:
    """The caller, or the application, asks at other times than on plain LiveKit."""

    def asked(two: float, three: float, *pieces: Heard) -> Life:
        questions = (GOOD.questions[0], Question(Q2, two), Question("Q3", three))
        attempts = (Attempt("Q3", 1, Span(three, pieces[0].span.end + 0.1)),)
        return life(
            [TWO, THREE], pieces, questions=questions, attempts=attempts, making=28.0,
            remembers=False,
        )  # fmt: skip

    plain = asked(10.0, 10.5, heard(TWO, 10.2), heard(THREE, 13.3))
    ours = asked(10.0, 9.9, heard(THREE, 10.1), heard(TWO, 13.3))
    verdict = judge(plain, ours)
    assert not verdict.worse
    assert {each.reason for each in verdict.allowed[0].subtracted} == {"words plain played later"}
    behind = asked(10.0, 10.05, heard(THREE, 10.2), heard(TWO, 13.4))
    assert worse(plain, behind) == [("late", Q2)], "it was asked behind it"
    late = asked(10.0, 9.9, heard(THREE, 13.0), heard(TWO, 16.2))
    assert set(worse(plain, late)) == {("late", Q2), ("late", "Q3")}, "it is late itself"
    assert worse(plain, replace(late, held_up=(Span(10.1, 12.9),))) == [], (
        "for its frames stood still"
    )
    same = asked(10.0, 9.9, heard(THREE, 10.1), heard(TWO, 13.2))
    assert worse(same, replace(ours, heard=(heard(THREE, 10.1), heard(TWO, 13.5)))) == [
        ("late", Q2)
    ], "and so it was on plain"


def test_what_was_asked_for_into_the_users_words_answers_those() -> None:
    """Plain LiveKit answers the question before once more, and talks over the user."""
    begun = message(seconds=0.6, whole=False)
    again = message(attempt=2, place=1)
    once = (Attempt(Q1, 1, Span(1.0, 1.8)), Attempt(Q2, 1, Span(10.0, 10.8)))
    spoke = (Span(9.0, 10.0),)
    plain = life(
        [begun, again, TWO], [heard(begun, 1.2), heard(again, 9.6), heard(TWO, 12.8)],
        attempts=(*once, Attempt(Q1, 2, Span(9.5, 10.0))), spoke=spoke, remembers=False,
    )  # fmt: skip
    ours = life(
        [begun, TWO], [heard(begun, 1.2), heard(TWO, 10.2)],
        attempts=(*once, Attempt(Q2, 2, Span(10.8, 11.0))), spoke=spoke, remembers=False,
    )  # fmt: skip
    assert worse(plain, ours) == []
    assert worse(plain, replace(ours, attempts=once)) == [("cut short", Q1)], "it was never asked"
    first = replace(plain, messages=(replace(again, attempt=1), TWO), heard=plain.heard[1:])
    first = replace(first, attempts=(Attempt(Q1, 1, Span(9.5, 10.0)), once[1]))
    first = replace(first, questions=(Question(Q1, 9.3), Question(Q2, 10.0)))
    silent = replace(ours, messages=(TWO,), heard=ours.heard[1:], questions=first.questions)
    assert worse(first, silent) == [("unheard", Q1)], "what is asked for first answers no words"
    refused = replace(plain, collisions=(Collision(Q2, 10.0, holder=Q1),))
    assert worse(refused, ours) == [("cut short", Q1)], "so often it was asked for on plain"
    earlier = replace(plain, attempts=(*once, Attempt(Q1, 2, Span(8.9, 10.0))))
    assert worse(earlier, ours) == [("cut short", Q1)], "the user did not speak"
    soon = (Question(Q1, 0.4), Question(Q2, 10.0))
    there = replace(plain, spoke=(), questions=soon)
    here = replace(ours, questions=soon)
    assert worse(there, here) == [], "as long after the question the user speaks only in ours"
    late = replace(ours, questions=(Question(Q1, 1.0), Question(Q2, 10.0)))
    assert worse(there, late) == [("cut short", Q1)], "the user had spoken by then"
    written = replace(plain, spoke=(), attempts=(once[0], Attempt(Q1, 2, Span(10.5, 11.0))))
    assert worse(written, replace(ours, attempts=once)) == [], "its request for the next question"
    both = replace(written, attempts=(*written.attempts, once[1]))
    assert worse(both, replace(ours, attempts=once)) == [("cut short", Q1)], "that was made, too"
    before = replace(written, attempts=(once[0], Attempt(Q1, 2, Span(8.5, 9.0))))
    assert ("cut short", Q1) in worse(before, replace(ours, attempts=once)), "not asked yet"


def test_what_plain_had_waited_for_in_vain_is_waited_for() -> None:
    """The create before it got lost in both lives; here the caller did not wait for the failure."""
    lost, asked = Attempt(Q1, 1, Span(5.0, 9.0)), Attempt(Q2, 1, Span(10.2, 12.0))
    plain = life([TWO], [heard(TWO, 10.2)], attempts=(lost, asked))
    ours = life(
        [TWO], [heard(TWO, 14.1)],
        attempts=(replace(lost, span=Span(10.0, 14.0)), replace(asked, span=Span(14.0, 15.0))),
    )  # fmt: skip
    verdict = judge(plain, ours)
    assert not verdict.worse
    (taken,) = verdict.allowed[0].subtracted
    assert (taken.reason, taken.span) == ("what plain had waited for in vain", Span(10.0, 14.0))
    soon = replace(plain, attempts=(replace(lost, span=Span(8.0, 9.0)), asked))
    assert worse(soon, ours) == [("late", Q2)], "for no longer than on plain"
    still = replace(plain, attempts=(replace(lost, span=Span(6.5, 10.5)), asked))
    assert worse(still, ours) == [("late", Q2)], "so it did on plain"
    ready = replace(ours, attempts=(ours.attempts[0], replace(asked, span=Span(10.1, 15.0))))
    assert worse(plain, ready) == [("late", Q2)], "it was asked of the server by then"
    between = replace(ours, attempts=(*ours.attempts, Attempt("x", 1, Span(12.0, 12.1))))
    asked_x = replace(plain, attempts=(*plain.attempts, Attempt("x", 1, Span(4.0, 4.1))))
    assert worse(asked_x, between) == [("late", Q2)], "the server was free by then"
    made = replace(plain, messages=(ONE, TWO), heard=(heard(ONE, 6.0), *plain.heard))
    assert ("late", Q2) in worse(made, ours), "something came of it"


def test_what_is_asked_while_a_handover_is_under_way_is_thrown_away() -> None:
    """By LiveKit, as it would be on plain LiveKit, had it been asked then."""
    drain, name = Span(9.0, 12.0), "handed over after it"
    plain = replace(GOOD, handovers=((name, Span(5.0, 8.0)),))
    ours = life([ONE], [heard(ONE, 1.2)], handovers=((name, drain),))
    verdict = judge(plain, ours)
    assert not verdict.worse
    assert "a handover was under way when it was asked" in verdict.allowed[0].text
    for handovers in ((), ((name, Span(9.0, 9.9)),), ((name, Span(9.0, 12.3)),)):
        assert worse(plain, replace(ours, handovers=handovers)) == [("unheard", Q2)], handovers
    wait = replace(ours, waits=(Wait("w", Span(9.0, 11.9), 5.0),))
    assert worse(GOOD, ours) == [("unheard", Q2)], "it took longer than on plain"
    assert worse(GOOD, wait) == [], "for a reason"
    by_vad = replace(ours, attempts=(Attempt(Q2, 1, Span(10.0, 13.0)),))
    assert worse(plain, by_vad) == [("unheard", Q2)], "LiveKit asked for it"
    by_vad = replace(by_vad, spoke=(Span(9.2, 10.0),))
    assert worse(plain, by_vad) == [], "LiveKit spoke nobody then"
    asked = replace(by_vad, attempts=(*by_vad.attempts, Attempt(Q2, 2, Span(12.1, 13.0))))
    assert worse(plain, asked) == [("unheard", Q2)], "the server was asked"
    both = replace(plain, handovers=((name, drain),))
    assert worse(both, ours) == [("unheard", Q2)], "so it was on plain, which answers it"
    left = replace(ours, handovers=((name, Span(7.0, 9.5)),))
    assert worse(plain, replace(left, spoke=(Span(9.2, 10.0),))) == [], "while the user said it"
    assert worse(plain, replace(left, spoke=(Span(9.6, 10.0),))) == [("unheard", Q2)], "before that"


@pytest.mark.parametrize(("cut", "found"), [(15.5, []), (15.7, [("unheard", "Q3")])], ids=str)
def test_who_cuts_in_soon_after_the_answer_in_front_calls_it_off(
    cut: float, found: list[tuple[str, str]]
) -> None:
    plain = replace(queued((TWO, 10.2), (THREE, 13.3)), collisions=(Collision(Q2, 10.1),))
    assert worse(plain, queued((TWO, 12.2))) == [("unheard", "Q3")]
    ours = replace(queued((TWO, 12.2)), cuts=(cut,))
    assert worse(plain, ours) == found
    assert ("unheard", "Q3") in worse(plain, replace(ours, heard=())), "nothing was in front"


def test_what_lies_in_plains_wait_as_well_is_no_reason() -> None:
    """What is told of a tool's output counts since the user's question, also on plain LiveKit."""

    def life_of(output: float, begin: float) -> Life:
        questions = (*GOOD.questions, Question(OUTPUT, output))
        pieces = [heard(ONE, 1.2), heard(TWO, 10.2), heard(output_told, begin)]
        attempts = (Attempt(Q2, 1, Span(10.0, 11.0)), Attempt(OUTPUT, 1, Span(13.3, 14.0)))
        return life([ONE, TWO, output_told], pieces, questions=questions, attempts=attempts)

    output_told = replace(TOLD, id="told")
    plain = life_of(13.3, 13.5)
    assert worse(plain, life_of(11.0, 13.7)) == []
    assert worse(plain, life_of(11.0, 14.5)) == [("late", OUTPUT)], "its words are in both waits"
    silent = [
        replace(each, messages=(ONE, output_told), heard=(each.heard[0], each.heard[2]))
        for each in (plain, life_of(11.0, 14.5))
    ]
    assert worse(*silent) == [("late", OUTPUT)], "and so is the call"


def test_behind_what_plain_collided_with_that_is_late_for_a_reason() -> None:
    """Of what plain LiveKit collided with nothing is said; here another answer is in front as well."""
    again = message("again", attempt=2, place=3)
    asked = (Question(Q2, 10.0), Question("again", 10.1), Question("Q3", 13.3))
    plain = life(
        [TWO, THREE], [heard(TWO, 10.2), heard(THREE, 13.5)], questions=asked, remembers=False,
        collisions=(Collision("other", 10.1, holder=Q2),),
    )  # fmt: skip

    def ours(two: float, three: float) -> Life:
        pieces = [heard(TWO, two), heard(again, two + 3.1), heard(THREE, three)]
        made = ((Q2, two - 2.2, two + 2.9), ("Q3", three - 0.2, three + 1.0))
        return replace(
            plain, messages=(TWO, again, THREE), heard=tuple(pieces), collisions=(),
            attempts=tuple(Attempt(key, 1, Span(begin, end)) for key, begin, end in made),
            waits=(Wait("w", Span(10.0, 12.0), 2.0),),
        )  # fmt: skip

    assert worse(plain, ours(12.2, 18.6)) == []
    assert worse(plain, ours(12.4, 18.8)) == []
    assert worse(plain, ours(12.5, 18.9)) == [("late", "Q3")], "that one is late itself"
    assert worse(plain, ours(12.2, 19.0)) == [("late", "Q3")]
    # Plain LiveKit asked into the user's words, so it waited for none of them.
    spoke = (Span(10.0, 11.0),)
    over = replace(
        plain, heard=(heard(TWO, 11.2), heard(THREE, 14.5)), spoke=spoke,
        questions=(*asked[:2], Question("Q3", 14.3)),
    )  # fmt: skip
    slow = replace(ours(14.2, 20.6), spoke=spoke, waits=(Wait("w", Span(11.0, 13.0), 2.0),))
    assert worse(over, slow) == []
    assert worse(over, replace(slow, heard=ours(14.5, 20.9).heard)) == [("late", "Q3")]
    going_on = replace(over, attempts=(Attempt(Q2, 1, Span(10.0, 14.4)),))
    assert worse(going_on, slow) == [("late", "Q3")], "the server had it on plain, too"
    sooner = replace(over, attempts=(Attempt(Q2, 1, Span(10.0, 11.2)),))
    assert worse(sooner, slow) == [("late", "Q3")], "for no longer than there"


def test_a_tools_output_is_told_of_when_all_that_is_queued_was_spoken() -> None:
    """Another answer, which plain LiveKit never speaks, keeps the queue from running empty."""
    output_told, again = replace(TOLD, id="told"), message("again", place=3)
    asked = (
        *GOOD.questions, Question("again", 10.4), Question(OUTPUT, 10.5), Question("Q3", 12.0)
    )  # fmt: skip
    said = (output_told, THREE)
    pieces = [heard(output_told, 10.7), heard(THREE, 13.8)]
    plain = life(said, pieces, questions=asked, remembers=False)
    pieces = [heard(again, 10.6), heard(THREE, 13.6), heard(output_told, 16.7)]
    ours = life((*said, again), pieces, questions=asked, remembers=False)
    assert worse(plain, ours) == []
    assert worse(plain, replace(ours, heard=ours.heard[1:])) == [("late", OUTPUT)], "it ran empty"
    behind = replace(ours, heard=(ours.heard[0], heard(THREE, 14.1), heard(output_told, 17.2)))
    assert ("late", OUTPUT) in worse(plain, behind), "it is late itself"


def test_what_is_asked_before_a_tools_output_can_be_told_is_spoken_before_it() -> None:
    """And waits for what was being said, which on plain LiveKit was over."""
    output_told = replace(TOLD, id="told")
    said = (ONE, output_told, THREE)
    asked = (*GOOD.questions, Question(OUTPUT, 12.0), Question("Q3", 20.0))
    pieces = [heard(ONE, 9.0), heard(output_told, 12.2), heard(THREE, 20.2)]
    plain = life(said, pieces, questions=asked, remembers=False)
    sooner = (*GOOD.questions, Question("Q3", 10.4), Question(OUTPUT, 12.0))
    pieces = [heard(ONE, 9.0), heard(THREE, 12.2), heard(output_told, 15.3)]
    ours = life(said, pieces, questions=sooner, remembers=False)
    assert worse(plain, ours) == []
    late = replace(ours, heard=(heard(ONE, 9.0), heard(THREE, 12.7), heard(output_told, 15.8)))
    assert worse(plain, late) == [("late", OUTPUT), ("late", "Q3")], "it is late itself"
