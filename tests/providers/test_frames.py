"""What is told of a response beside its streams, or after them: how it ended, what the server does by
itself, who answers the user, and what only trails."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import pytest

from realtime_fsm.lab.scenarios.providers.call import Call, play
from realtime_fsm.lab.scenarios.providers.seen import Seen
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.simulator import script as sim
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import Answer
from realtime_fsm.testing.providers._script import Answers

from .installed import need

NOTHING: Answers = {}
Scripted = Mapping[str, Sequence[sim.Reply]]
ANSWER = sim.Reply([sim.Message("One two three four.", seconds=0.8)])


def voice_live(replies: Scripted) -> Any:
    """Azure Voice Live with a script of the simulator's."""
    fake: Any = need("azure")

    class Scripted(fake):  # type: ignore[misc]
        def script(self) -> sim.Script:
            return sim.Script(answers={q: list(all_) for q, all_ in replies.items()})

    return Scripted


def both(
    fake: Any, row: Callable[[Call], Awaitable[None]], answers: Answers = NOTHING
) -> tuple[Seen, Seen]:
    """The same call on plain LiveKit, and controlled."""
    plain, ours = (
        run_virtual(
            lambda controlled=controlled: play(fake, answers, row, controlled=controlled),
            limit=600,
        )
        for controlled in (False, True)
    )
    assert not ours.hangs, ours
    assert ours.closed is None, ours
    return plain, ours


async def asked(call: Call) -> None:
    await call.done(call.ask("Hi"), 60)
    await asyncio.sleep(3)


async def asked_twice(call: Call) -> None:
    await asked(call)
    await call.done(call.ask("Next"), 20)


def creates(seen: Seen) -> int:
    return sum(what.startswith("asked") for _, what in seen.wire)


# --- Voice Live


def test_g28_voice_live_what_the_server_did_is_not_done_twice() -> None:
    """A response with an ``mcp_call`` that fails has acted: asked again, the server would act again."""
    failed = sim.Reply([sim.ServerCall("book")], end=sim.Failed("server_error", at=sim.END))
    plain, ours = both(voice_live({"Hi": [failed, ANSWER]}), asked)
    assert creates(plain) == 1
    assert creates(ours) == 1
    assert [s.ended for s in ours.speeches] == ["RealtimeError"]  # and it is told


def test_g28_voice_live_is_at_work_while_it_acts() -> None:
    """A call of twenty seconds is no stall."""
    slow = sim.Reply(
        [sim.ServerCall("search", seconds=20.0), sim.Message("Found it.", seconds=0.6)]
    )
    plain, ours = both(voice_live({"Hi": [slow]}), asked)
    assert creates(plain) == creates(ours) == 1
    assert [s.ended for s in ours.speeches] == ["ok"]
    for seen in (plain, ours):
        assert sum(h.seconds for h in seen.heard) == pytest.approx(0.6, abs=0.1)


def test_g8_voice_live_tells_incomplete() -> None:
    """``max_output_tokens``: what was said is heard, and the turn says that there was more."""
    cut = sim.Reply(
        [sim.Message("One two three", seconds=0.6)],
        end=sim.Incomplete("max_output_tokens", at=sim.END),
    )
    _, ours = both(voice_live({"Hi": [cut]}), asked)
    assert [turn.split()[1] for turn in ours.turns] == ["incomplete"]
    assert [s.ended for s in ours.speeches] == ["RealtimeError"]


@pytest.mark.parametrize("code", ["insufficient_quota", "invalid_api_key"])
@pytest.mark.parametrize("refused", [False, True])
def test_g10_voice_live_what_will_not_change_fails_its_turn_alone(code: str, refused: bool) -> None:
    """It is not asked again; the session goes on where plain LiveKit's does."""
    failed = sim.Reply(ack=sim.Rejected(code)) if refused else sim.Reply(end=sim.Failed(code))
    plain, ours = both(voice_live({"Hi": [failed, ANSWER], "Next": [ANSWER]}), asked_twice)
    assert plain.closed is None
    assert [s.ended for s in ours.speeches] == ["RealtimeError", "ok"]
    assert creates(ours) == creates(plain) == 2


def test_g24_voice_live_shows_who_answers() -> None:
    """``create_response: false``: the application answers, and nothing is waited for."""
    fake: Any = need("azure")
    from azure.ai.voicelive.models import ServerVad

    class Mine(fake):  # type: ignore[misc]
        def model(self, **options: Any) -> Any:
            return super().model(turn_detection=ServerVad(create_response=False))

        def script(self) -> sim.Script:
            return sim.Script(answers={"Hi": [ANSWER]}, default=ANSWER)

    async def row(call: Call) -> None:
        await call.user_says("Hello there")
        await asyncio.sleep(0.6)
        await call.done(call.ask("Hi"), 20)
        await asyncio.sleep(2)

    plain, ours = both(Mine, row)
    first = [next(h.began for h in seen.heard) for seen in (plain, ours)]
    assert first[1] - first[0] <= 0.2


def between(fake: Any, passes: Callable[[dict[str, Any]], float]) -> Any:
    """Its server is told each frame of the plugin's so many seconds late, as *passes* leaves it."""

    class Between(fake):  # type: ignore[misc]
        def _new_core(self, number: int, opening: Any) -> Any:
            core = super()._new_core(number, opening)
            receive, loop = core.receive, asyncio.get_running_loop()

            def meddled(text: str, now: float) -> None:
                frame = json.loads(text)
                late = passes(frame)
                if late:
                    loop.call_later(late, receive, json.dumps(frame), now + late)
                else:
                    receive(json.dumps(frame), now)

            core.receive = meddled
            return core

    return Between


def test_g6_voice_live_a_cancel_ends_what_it_names() -> None:
    """The user cuts in, the server ends the answer by itself, and the cancel comes when it answers them:
    plain LiveKit's names nothing, and takes that answer away."""
    cancels: list[set[str]] = []

    def late(frame: dict[str, Any]) -> float:
        if frame["type"] != "response.cancel":
            return 0.0
        cancels.append(set(frame))
        return 1.3

    async def row(call: Call) -> None:
        call.ask("Hi")
        await call.heard(0.6)
        await call.user_says("Next")
        await asyncio.sleep(6)

    long = Answer("Eight nine ten eleven twelve thirteen fourteen.", 4.0, pace=0.15)
    answers = {"Hi": [long], "Next": [Answer("One two three four five six.", 3.0, pace=0.15)]}
    plain, ours = both(between(need("azure"), late), row, answers)
    heard = [sum(h.seconds for h in s.heard if h.question == "Next") for s in (plain, ours)]
    assert heard[0] < 2.0
    assert heard[1] == pytest.approx(3.0, abs=0.1)
    assert cancels == [{"type"}, {"type", "response_id", "event_id"}]
    assert not ours.errors


def test_g20_voice_live_a_request_waits_for_what_is_in_its_way() -> None:
    """Somebody asked past the session. Plain LiveKit's request is refused, and never made again."""
    long = sim.Reply([sim.Message("Eight nine ten eleven twelve.", seconds=4.0)], pace=0.1)

    async def row(call: Call) -> None:
        session: Any = realtime_session_of(call.session)
        getattr(session, "_inner", session).generate_reply()
        await asyncio.sleep(0.5)
        await call.done(call.ask("Hi"), 20)

    plain, ours = both(voice_live({"": [long], "Hi": [ANSWER]}), row)
    assert [s.ended for s in plain.speeches] == ["RealtimeError"]
    assert [s.ended for s in ours.speeches] == ["ok"]
    assert [h.began for h in ours.heard] == [pytest.approx(4.0, abs=0.2)]
    assert not ours.errors


@pytest.mark.parametrize("refused", [False, True])
def test_g16_voice_live_what_nobody_heard_is_deleted(refused: bool) -> None:
    """Cut in its first message: the second one is neither in LiveKit's history nor in the server's. A
    delete that is refused is nobody's failure (G6)."""
    spoken: Any = voice_live(
        {
            "Hi": [
                sim.Reply([sim.Message(f"{n} two three.", seconds=2.0) for n in ("One", "More")])
            ],
            "Next": [ANSWER],
        }
    )
    deleted: list[str] = []

    def passes(frame: dict[str, Any]) -> float:
        if frame["type"] == "conversation.item.delete":
            deleted.append(frame["item_id"])
            frame["item_id"] = "item_nowhere" if refused else frame["item_id"]
        return 0.0

    async def row(call: Call) -> None:
        call.ask("Hi")
        await call.heard(0.6)
        await asyncio.sleep(0.3)
        await call.interrupt()
        await call.done(call.ask("Next"), 20)
        await asyncio.sleep(2)

    _, ours = both(between(spoken, passes), row)
    assert len(deleted) == 1
    assert [s.ended for s in ours.speeches] == ["interrupted", "ok"]
    assert not ours.errors
    assert not [f for f in ours.faults if "realtime_fsm" in f]


@pytest.mark.parametrize(
    "raw", [None, 7, "response.done", {}, {"type": None}, {"type": "response.done"}, [], object()]
)
def test_g25_what_cannot_be_read_is_ignored(raw: Any) -> None:
    """A frame put in by hand, of no shape that the SDK has."""

    async def row(call: Call) -> None:
        session: Any = realtime_session_of(call.session)
        getattr(session, "_inner", session).emit("azure_server_event_received", raw)
        await asked(call)

    _, ours = both(voice_live({"Hi": [ANSWER]}), row)
    assert [s.ended for s in ours.speeches] == ["ok"]
    assert not [f for f in ours.faults if "realtime_fsm" in f]


# --- Ultravox


def test_g27_ultravox_a_transcript_that_trails_is_no_empty_answer() -> None:
    """ "Listening" before the last transcript: the plugin makes an empty response of that, which is
    nothing to ask again for."""
    fake: Any = need("ultravox")

    class Late(fake):  # type: ignore[misc]
        async def _finish(self, text: str) -> None:
            await self._state("listening")
            await self._transcript("agent", text=text, final=True)

    async def row(call: Call) -> None:
        await call.user_says("Hello there")
        await call.quiet(12)
        await asyncio.sleep(3)
        await call.done(call.ask("Hi"), 20)
        await asyncio.sleep(3)

    answer = Answer("One two three four.", 0.8)
    plain, ours = both(Late, row, {"Hello there": [answer], "Hi": [answer]})
    for seen in (plain, ours):
        assert [h.question for h in seen.heard] == ["Hello there", "Hi"]
        assert creates(seen) == creates(plain)
    assert not ours.errors


def test_g27_ultravox_a_user_who_goes_on_is_not_talked_over() -> None:
    """ "Thinking", then "listening" again, with nothing to clear: nobody is to speak now."""

    async def row(call: Call) -> None:
        fake: Any = call.fake
        for _ in range(3):
            await fake._state("thinking")
            await asyncio.sleep(0.3)
            await fake._state("listening")
            await asyncio.sleep(1.2)
        await call.user_says("Hello there")
        await asyncio.sleep(5)

    plain, ours = both(need("ultravox"), row, {"Hello there": [Answer("One two three.", 0.8)]})
    for seen in (plain, ours):
        assert [h.question for h in seen.heard] == ["Hello there"]
        assert creates(seen) == 0
    assert not ours.errors


def test_g27_ultravox_what_was_asked_gives_way_to_a_user_who_cuts_in() -> None:
    """The user speaks while the reply is thought about: they are answered, and not talked over."""

    async def row(call: Call) -> None:
        call.ask("Hi")
        await asyncio.sleep(1.0)
        await call.user_says("Hello there")
        await asyncio.sleep(8)

    answer = Answer("One two three.", 0.8)
    answers = {"Hi": [Answer(end="empty"), answer], "Hello there": [answer]}
    _, ours = both(need("ultravox"), row, answers)
    assert [h.question for h in ours.heard] == ["Hello there"]


# --- Gemini


@pytest.mark.parametrize("late", [0.0, 0.1, 3.0])
def test_g27_gemini_the_words_of_what_was_answered_ask_for_nothing(late: float) -> None:
    """A transcript of the user's may come after the answer; the plugin begins a response with it, which
    stays open. Nothing is said again; what is asked for next is heard, and mutes nothing."""
    fake: Any = need("google")

    class Late(fake):  # type: ignore[misc]
        words = ""

        async def _heard(self, text: str) -> None:
            self.words = text

        async def _finish(self, text: str) -> None:
            await super()._finish(text)
            if self.words:
                words, self.words = self.words, ""
                await asyncio.sleep(late)
                await super()._heard(words)

    async def row(call: Call) -> None:
        await call.user_says("Hello there")
        await call.quiet(12)
        await asyncio.sleep(30)
        await call.user_says("More")
        await call.quiet(12)
        await asyncio.sleep(5)
        await call.done(call.ask("Hi"), 20)
        await asyncio.sleep(25)

    answer = Answer("One two three four.", 0.8)
    answers = {"Hello there": [answer], "Hi": [answer], "More": [answer]}
    _, ours = both(Late, row, answers)
    assert [(h.question, h.attempt) for h in ours.heard] == [
        ("Hello there", 1),
        ("More", 1),
        ("Hi", 1),
    ]
    assert [s.ended for s in ours.speeches] == ["ok"]
    assert not ours.errors


def test_g27_gemini_who_speaks_for_long_is_not_talked_over() -> None:
    """Transcripts begin a response while the user still speaks, for half a minute here. What follows them
    may be silent, and is then asked for."""

    async def row(call: Call) -> None:
        fake: Any = call.fake
        for number in range(30):
            await fake._heard(f" word{number}")
            await asyncio.sleep(1)
        await call.user_says("Hello there")
        await asyncio.sleep(15)
        await call.user_says("More")
        await asyncio.sleep(30)

    answer = Answer("One two three four.", 0.8)
    answers = {"Hello there": [answer], "More": [Answer(end="silent"), answer]}
    plain, ours = both(need("google"), row, answers)
    assert [h.question for h in plain.heard] == ["Hello there"]
    assert [h.question for h in ours.heard] == ["Hello there", "More"]
    assert ours.heard[0].began == pytest.approx(plain.heard[0].began, abs=0.1)


def test_g18_gemini_a_silent_turn_after_one_without_words_is_asked_for() -> None:
    """No transcript came of the first question. The second is known by its own, and is answered."""
    fake: Any = need("google")

    class Wordless(fake):  # type: ignore[misc]
        async def _heard(self, text: str) -> None:
            if text != "Hello there":
                await super()._heard(text)

    async def row(call: Call) -> None:
        await call.user_says("Hello there")
        await call.quiet(12)
        await asyncio.sleep(5)
        await call.user_says("More")
        await asyncio.sleep(5)

    answer = Answer("One two three four.", 0.8)
    _, ours = both(Wordless, row, {"Hello there": [answer], "More": [answer]})
    assert [h.question for h in ours.heard] == ["Hello there", "More"]
