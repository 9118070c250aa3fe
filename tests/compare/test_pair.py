"""G27: one call lived twice, and `assert_not_worse`."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from livekit.agents import Agent, AgentTask, function_tool

from realtime_fsm.compare import ENDS_PLAIN, Heard, Life, Message, Question, Span, judge
from realtime_fsm.livekit._features import end_task, given_history, hand_over, history_of
from realtime_fsm.simulator import (
    At,
    BreakConnection,
    Created,
    Failed,
    FunctionCall,
    Insert,
    Lose,
    Rejected,
    Reply,
    Schedule,
    Script,
    ServerConfig,
    Unanswered,
    audio_ms,
)
from realtime_fsm.simulator import Message as Says
from realtime_fsm.testing import (
    Living,
    SimulatedCall,
    WorseThanPlainError,
    assert_not_worse,
    live_twice,
    run_virtual,
    simulated_call,
)

FAILED = Reply(end=Failed("server_error"))


def says(text: str, seconds: float = 1.0, **more: Any) -> Reply:
    return Reply([Says(text, seconds=seconds)], **more)


class Name(AgentTask[str]):
    def __init__(self) -> None:
        super().__init__(instructions="Ask.")

    @function_tool
    async def name(self) -> None:
        """Note it."""
        end_task(self, "Bob")


class Clerk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")

    @function_tool
    async def ask(self) -> str:
        """Ask for the name."""
        return await Name()

    @function_tool
    async def look_up(self) -> str:
        """Look it up."""
        return "42"


async def two_questions(living: Living) -> None:
    async with living([FAILED, says("It is here.", 2.0), says("It is free.")]) as call:
        await call.say("Where is it?")
        await call.idle()
        await call.say("What does it cost?")


def test_replies_in_order_go_to_the_same_attempts_in_both_lives() -> None:
    plain, controlled = live_twice(two_questions)
    heard = (
        {m.question: m.attempt for m in plain.messages},
        {m.question: m.attempt for m in controlled.messages},
    )
    assert heard == (
        {"What does it cost?": 1},
        {"Where is it?": 2, "What does it cost?": 1},
    )
    ours, theirs = (
        next(life.heard_of(m) for m in life.messages if m.question == "What does it cost?")
        for life in (controlled, plain)
    )
    assert ours == theirs == pytest.approx(1.0)


def test_a_retry_is_better_than_silence() -> None:
    verdict = assert_not_worse(two_questions)
    assert [(each.clause, each.question) for each in verdict.better] == [
        ("unheard", "Where is it?")
    ]


def test_the_same_call_twice_gives_the_same_lives() -> None:
    assert live_twice(two_questions) == live_twice(two_questions)


async def worse_at_something(living: Living) -> None:
    """What plain LiveKit answers is cut off in the controlled call."""
    end = {"end": Failed("server_error", at=audio_ms(500))} if living.controlled else {}
    answer = says("It is here, right in front of you.", 2.0, **end)
    async with living(Script(answers={"Where is it?": [answer]})) as call:
        await call.say("Where is it?")


def test_what_is_worse_is_told() -> None:
    with pytest.raises(WorseThanPlainError, match=r'cut short "Where is it\?": 0.50 s') as caught:
        assert_not_worse(worse_at_something)
    assert isinstance(caught.value, AssertionError)
    assert [each.clause for each in caught.value.verdict.worse] == ["cut short"]


def test_two_calls_that_were_lived_elsewhere() -> None:
    calls: list[SimulatedCall] = []

    async def live(controlled: bool) -> None:
        script = Script(answers={"Where is it?": [says("It is here.")]})
        async with simulated_call(script, controlled=controlled) as call:
            calls.append(call)
            await call.say("Where is it?")
            await call.idle()

    for controlled in (False, True):
        run_virtual(lambda which=controlled: live(which))
    plain, controlled_call = calls
    assert assert_not_worse(plain, controlled_call).word == "same"
    silent = Life(questions=plain.life().questions)
    with pytest.raises(WorseThanPlainError, match="nothing was heard"):
        assert_not_worse(plain.life(), silent)


def test_it_takes_two() -> None:
    with pytest.raises(TypeError, match="give the controlled one too"):
        assert_not_worse(Life())
    with pytest.raises(TypeError, match="one function that lives it twice"):
        assert_not_worse(two_questions, Life())


async def none_at_all(living: Living) -> None:
    await asyncio.sleep(1.0)


def test_a_function_has_to_live_one_call() -> None:
    with pytest.raises(ValueError, match="one call is to be lived, not 0"):
        live_twice(none_at_all)


async def mistaken(living: Living) -> None:
    async with living([says("Hello.")]) as call:
        call.no_such_thing  # type: ignore[attr-defined]  # noqa: B018


def test_a_mistake_of_the_test_is_raised() -> None:
    with pytest.raises(AttributeError, match="no_such_thing"):
        live_twice(mistaken)


async def impatient(living: Living) -> None:
    async with living(Script([], default=says("Hello."))) as call:
        await call.until(lambda: False, timeout=2.0)


def test_a_time_out_is_part_of_the_life() -> None:
    plain, controlled = live_twice(impatient)
    assert plain.hung == controlled.hung == "TimeoutError: not within 2 s"
    assert judge(plain, controlled).word == "same"


# --- what a witness sees


def lived(live: Any) -> tuple[Life, Life]:
    return live_twice(live)


def test_a_tools_reply_is_a_question_from_when_the_output_is_there() -> None:
    async def live(living: Living) -> None:
        script = [Reply([FunctionCall("look_up")]), says("It is 42.")]
        async with living(script, agent=Clerk()) as call:
            await call.say("Look it up.")

    for life in live_twice(live):
        assert [question.key for question in life.questions] == [
            "Look it up.",
            "Look it up. > look_up",
        ]
        assert [(deed.question, deed.what) for deed in life.deeds] == [
            ("Look it up.", "tool look_up ran")
        ]
        (message,) = life.messages
        assert message.question == "Look it up. > look_up"
        assert life.questions[1].at <= life.heard[0].span.begin


def test_without_server_vad_the_users_words_are_a_question_too() -> None:
    async def live(living: Living) -> None:
        script = Script(answers={"Where is it?": [says("It is here.")]})
        async with living(script, turn_detection=None) as call:
            await call.say("Where is it?", 0.7)

    for life in live_twice(live):
        assert [question.key for question in life.questions] == ["Where is it?"]
        assert life.spoke == (Span(0.0, pytest.approx(0.7)),)
        assert [m.question for m in life.messages] == ["Where is it?"]


def test_the_same_words_again_are_another_question() -> None:
    async def live(living: Living) -> None:
        script = Script(answers={"Hello?": [says("One.")], "Hello? #2": [says("Two.", 2.0)]})
        async with living(script) as call:
            for _ in range(2):
                await call.say("Hello?")
                await call.idle()

    for life in live_twice(live):
        assert [question.key for question in life.questions] == ["Hello?", "Hello? #2"]
        assert [m.seconds for m in life.messages] == pytest.approx([1.0, 2.0])


def test_what_was_heard_is_told_by_its_sound_whatever_its_length() -> None:
    """Two messages of one length, in one response, the second of which is cut off."""

    async def live(living: Living) -> None:
        script = [Reply([Says("One of it.", seconds=1.0), Says("Two of it.", seconds=1.0)])]
        async with living(script) as call:
            await call.say("Hello?")
            await call.until(lambda: call.heard >= 1.4)
            call.session.interrupt()

    for life in live_twice(live):
        first, second = life.messages
        assert life.heard_of(first) == pytest.approx(1.0)
        assert life.heard_of(second) == pytest.approx(0.4, abs=0.02)
        assert (first.number, second.number) == (1, 2)
        assert len(life.cuts) == 1


@pytest.mark.parametrize("modality", ["text"])
def test_a_call_by_text(modality: str) -> None:
    async def live(living: Living) -> None:
        async with living(
            [says("It is here, right in front of you.")], modalities=[modality]
        ) as call:
            call.read()
            await call.say("Where is it?")

    for life in live_twice(live):
        (message,) = life.messages
        assert life.heard_of(message) == pytest.approx(message.seconds)
        assert message.server == message.local == pytest.approx(message.seconds)


@pytest.mark.parametrize("on_again", [0.3, 3.0], ids=["while it comes", "later"])
def test_what_comes_while_no_output_is_on_is_shown(on_again: float) -> None:
    async def live(living: Living) -> None:
        async with living([says("It is here, right in front.", 2.0), says("Free.")]) as call:
            call.session.output.set_audio_enabled(False)
            call.session.generate_reply(user_input="Where is it?")
            await asyncio.sleep(on_again)
            call.session.output.set_audio_enabled(True)
            await call.idle()
            await call.say("What does it cost?")

    plain, controlled = live_twice(live)
    for life in (plain, controlled):
        assert [life.heard_of(m) for m in life.messages] == pytest.approx([2.0, 1.0], abs=0.01)
        assert life.pieces_of("Where is it?")[0].span.seconds == 0.0
        assert [m.by_words for m in life.messages] == [True, False]  # cut between two words
    assert judge(plain, controlled).word == "same"
    first, *rest = controlled.messages
    forgotten = replace(controlled, messages=(replace(first, server=0.0), *rest))
    assert [each.clause for each in judge(plain, forgotten).worse] == ["memory"]


def test_after_a_reconnect_memory_is_known_by_its_words() -> None:
    async def live(living: Living) -> None:
        broken = BreakConnection(At("response.created", question="And now?"))
        script = Script(
            answers={
                "Where is it?": [says("It is here, right in front.")],
                "And now?": [says("Gone.")],
            }
        )
        async with living(script, config=ServerConfig(faults=Schedule([broken]))) as call:
            await call.say("Where is it?")
            await call.idle()
            await call.say("And now?")

    _, controlled = live_twice(live)
    assert {m.question: m.server for m in controlled.messages} == {
        "Where is it?": pytest.approx(1.0),
        "And now?": pytest.approx(1.0),
    }


def test_less_than_a_word_is_not_told_to_a_new_connection() -> None:
    async def live(living: Living) -> None:
        broken = BreakConnection(At("response.created", question="And now?"))
        answers = {"Where is it?": [says("It is here.")], "And now?": [says("Gone.")]}
        config = ServerConfig(faults=Schedule([broken]))
        async with living(Script(answers=answers), config=config) as call:
            await call.say("Where is it?")
            await call.until(lambda: call.heard > 0.1)
            call.session.interrupt()
            await call.idle()
            await call.say("And now?")

    plain, controlled = live_twice(live)
    said = controlled.messages_of("Where is it?")[0]
    assert (said.server, said.by_words) == (0.0, True)
    assert 0.1 < controlled.heard_of(said) < 0.3
    assert not [each for each in judge(plain, controlled).worse if each.clause == "memory"]


def test_an_agent_with_a_model_of_its_own() -> None:
    async def live(living: Living) -> None:
        script = Script(answers={"Hello?": [says("One.")], "And you?": [says("Two.")]})
        async with living(script) as call:
            await call.say("Hello?")
            await call.idle()
            other = call.another_model()
            call.session.update_agent(Agent(instructions="Be kind.", llm=other))
            await asyncio.sleep(1.0)
            await call.say("And you?")

    plain, controlled = live_twice(live)
    for life in (plain, controlled):
        assert [m.question for m in life.messages] == ["Hello?", "And you?"]
    assert judge(plain, controlled).word == "same"


def test_totals() -> None:
    message = Message(id="a", question="q", attempt=1, seconds=2.0)
    piece = Heard("a", Span(0.0, 1.0), 1.0)
    life = Life(questions=(Question("q", 0.0),), messages=(message,), heard=(piece, piece))
    assert life.heard_of(message) == 2.0
    assert life.asked("other") is None


@pytest.mark.parametrize("controlled", [False, True], ids=["plain", "controlled"])
@pytest.mark.parametrize("code", [*sorted(ENDS_PLAIN), "server_error"])
def test_what_is_known_to_end_plain_livekit_does(code: str, controlled: bool) -> None:
    """A fact of LiveKit that the judge relies on, and what is seen of it."""
    lives: list[Life] = []

    async def call() -> None:
        script = [Reply(end=Failed(code))]
        async with simulated_call(script, controlled=controlled, check=False) as there:
            await there.say("Hello?")
            await asyncio.sleep(5.0)
            lives.append(there.life())

    run_virtual(call)
    ended = lives[0].ended
    assert (ended is not None) == (code in ENDS_PLAIN)
    if ended is not None and controlled:
        assert (ended.code, ended.told) == (code, pytest.approx(ended.t, abs=0.1))


@pytest.mark.parametrize("answered", [False, True])
def test_server_vads_answer_that_never_comes_is_a_named_wait(answered: bool) -> None:
    async def live(living: Living) -> None:
        words = says("It is here.", ack=Created() if answered else Unanswered())
        script = Script(answers={"Where is it?": [words], "Say so.": [says("So.")]})
        async with living(script, check=False) as call:
            await call.say("Where is it?", 1.0)
            await asyncio.sleep(0.001)
            call.session.generate_reply(instructions="Say so.")
            await asyncio.sleep(10.0)

    plain, controlled = lived(live)
    waits = [(w.name, w.span, w.bound) for w in controlled.waits]
    whole = Span(pytest.approx(1.0), pytest.approx(3.0))
    assert waits == ([] if answered else [("server VAD's answer, in vain", whole, 2.0)])
    assert plain.waits == ()
    assert judge(plain, controlled).worse == ()


def test_nor_is_it_one_where_the_answer_names_no_conversation() -> None:
    """As an out-of-band response has none; the answer is over just when it would have been given up."""

    async def live(living: Living) -> None:
        words = Reply([Says("It is here.", seconds=0.5)], done_delay=1.9)
        script = Script(answers={"Where is it?": [words], "Say so.": [says("So.")]})
        config = ServerConfig(leaves_out=("conversation_id",))
        async with living(script, config=config, check=False) as call:
            await call.say("Where is it?", 1.0)
            await asyncio.sleep(0.001)
            call.session.generate_reply(instructions="Say so.")
            await asyncio.sleep(10.0)

    assert lived(live)[1].waits == ()


@pytest.mark.parametrize("answered", [False, True])
def test_so_it_is_until_the_user_cuts_in(answered: bool) -> None:
    async def live(living: Living) -> None:
        words = says("It is here.", ack=Created() if answered else Unanswered())
        answers = {"Where is it?": [words, says("There.", 3.0)], "Two?": [says("It is two.")]}
        async with living(Script(answers=answers), check=False) as call:
            await call.say("Where is it?", 1.0)
            await asyncio.sleep(0.001)
            call.session.generate_reply()
            await asyncio.sleep(1.1)
            await call.say("Two?", 1.0)
            await asyncio.sleep(5.0)

    plain, controlled = lived(live)
    waits = [(w.name, w.span, w.bound) for w in controlled.waits]
    cut = Span(pytest.approx(1.0), pytest.approx(2.1, abs=0.01))
    assert waits == ([] if answered else [("server VAD's answer, in vain", cut, 2.0)])
    verdict = judge(plain, controlled)
    assert verdict.worse == ()
    assert [each.clause for each in verdict.allowed] == ([] if answered else ["unheard"])


@pytest.mark.parametrize("when", ["before", "after"])
def test_plain_is_deaf_to_a_response_that_another_ended_before(when: Any) -> None:
    async def live(living: Living) -> None:
        stray = {"type": "response.done", "response": {"id": "resp_other", "status": "completed"}}
        faults = Schedule([Insert(At("response.done", when=when, question="One?"), stray)])
        script = Script(answers={"One?": [FAILED], "Two?": [says("It is two.")]})
        async with living(script, check=False, config=ServerConfig(faults=faults)) as call:
            for words in ("One?", "Two?"):
                await call.say(words, 1.0)
                await asyncio.sleep(3.0)

    plain, _ = lived(live)
    told = {each.question: each.told for each in plain.attempts}
    assert told == {"One?": when == "after", "Two?": True}


@pytest.mark.parametrize("server", [True, False], ids=["the server", "the client"])
def test_what_was_said_as_the_server_left_is_known(server: bool) -> None:
    async def live(living: Living) -> None:
        script = Script(answers={"One?": [says("It is one.")], "Two?": [says("It is two.")]})
        async with living(script, check=False) as call:
            await call.say("One?", 1.0)
            await asyncio.sleep(3.0)
            asyncio.get_running_loop().call_later(0.5, call.server.drop if server else list)
            await call.say("Two?", 1.0)
            await asyncio.sleep(3.0)

    for life in lived(live):
        gone = {each.key: each.gone for each in life.questions}
        assert gone == {"One?": None, "Two?": ("One?", 1) if server else None}


@pytest.mark.parametrize(
    ("plain_hands_over", "ours", "found"),
    [
        (False, "nothing", []),
        (True, "nothing", []),
        (True, "less", ["memory"]),
        (True, "all", []),
    ],
)
def test_only_the_same_handover_is_compared(
    plain_hands_over: bool, ours: str, found: list[str]
) -> None:
    """A task is over, and the application hands over, behind the same question."""

    async def live(living: Living) -> None:
        script = {
            "Help me.": [Reply([Says("Well then, let me see.", seconds=2.0), FunctionCall("ask")])],
            "Bob.": [Reply([FunctionCall("name")])],
            "Help me. > ask": [says("Thank you.")],
        }
        async with living(Script(answers=script), agent=Clerk(), check=False) as call:
            for words in ("Help me.", "Bob."):
                await call.say(words, 0.5)
                await asyncio.sleep(6.0)
            if living.controlled or plain_hands_over:
                given = "all" if not living.controlled else ours
                context = history_of(call.session).copy()
                if given == "less":
                    context.items = [i for i in context.items if i.type != "message"]
                known = None if given == "nothing" else context
                hand_over(call.session, Agent(instructions="Go on.", **given_history(known)), known)
                await asyncio.sleep(3.0)

    plain, controlled = lived(live)
    worse = {(e.clause, e.question) for e in judge(plain, controlled).worse}
    assert sorted({clause for clause, _ in worse}) == found, worse
    assert any(m.knew for m in plain.messages_of("Help me."))


@pytest.mark.parametrize("other", [True, False], ids=["another model", "the same"])
@pytest.mark.parametrize("after", [0.1, 0.4], ids=["before it is answered", "after"])
def test_what_the_server_had_as_an_agent_with_another_model_took_over(
    other: bool, after: float
) -> None:
    async def live(living: Living) -> None:
        script = Script(answers={"One?": [says("It is one.")], "Two?": [says("It is two.")]})
        config = ServerConfig(vad_create_delay=0.3)
        async with living(script, config=config, check=False) as call:
            await call.say("One?", 1.0)
            await asyncio.sleep(after)
            model = {"llm": call.another_model()} if other else {}
            context = history_of(call.session).copy()
            agent = Agent(instructions="Go on.", **given_history(context), **model)
            hand_over(call.session, agent, context)
            await asyncio.sleep(3.0)
            await call.say("Two?", 1.0)
            await asyncio.sleep(3.0)

    plain, controlled = lived(live)
    gone = other and after < 0.3
    for each in (plain, controlled):
        assert [q.key for q in each.questions] == (["Two?"] if gone else ["One?", "Two?"])
    assert judge(plain, controlled).worse == ()


@pytest.mark.parametrize(("lost", "seconds"), [(False, 0.0), (True, 10.0)])
def test_an_attempt_that_was_never_made_is_over_when_nobody_waits_for_it(
    lost: bool, seconds: float
) -> None:
    async def live(living: Living) -> None:
        reply = says("So.") if lost else Reply(ack=Rejected("server_error"))
        faults = Schedule([Lose(At("response.create", side="client", question="Say so."))])
        config = ServerConfig(faults=faults if lost else Schedule())
        script = Script(answers={"Say so.": [reply], "One?": [says("It is one.")]})
        async with living(script, config=config, check=False) as call:
            await asyncio.sleep(1.0)
            call.session.generate_reply(instructions="Say so.")
            await asyncio.sleep(15.0)
            call.session.interrupt()  # a bare cancel, on plain
            await call.say("One?", 1.0)
            await asyncio.sleep(3.0)

    for each in lived(live):
        first = each.attempts[0]
        assert (first.question, first.cancelled) == ("Say so.", None)
        assert first.span == Span(pytest.approx(1.0), pytest.approx(1.0 + seconds, abs=0.1))


@pytest.mark.parametrize("refused", [0, 2])
def test_who_is_refused_another_connection_is_held_up(refused: int) -> None:
    async def live(living: Living) -> None:
        at = At("response.created", question="One?")
        faults = Schedule([BreakConnection(at, refused=refused)])
        script = Script(answers={"One?": [says("It is one.")]})
        async with living(script, config=ServerConfig(faults=faults), check=False) as call:
            await call.say("One?", 1.0)
            await asyncio.sleep(8.0)

    for each in lived(live):
        assert sum(span.seconds for span in each.held_up) == pytest.approx(
            4.1 if refused else 0.0, abs=0.01
        )


def test_a_response_may_call_a_tool_twice_where_plain_livekits_failed() -> None:
    async def live(living: Living) -> None:
        script = [FAILED, Reply([FunctionCall("look_up"), FunctionCall("look_up")]), says("42.")]
        async with living(script, agent=Clerk()) as call:
            await call.say("Look it up.")

    plain, controlled = live_twice(live)
    assert [each.times for each in controlled.deeds] == [2, 2]
    assert judge(plain, controlled).worse == ()
    third = replace(controlled.deeds[0], t=2.0)
    again = judge(plain, replace(controlled, deeds=(*controlled.deeds, third)))
    assert [each.clause for each in again.worse] == ["deed twice"]
