"""LiveKit's fallback adapter, around ours and inside it, with models of different families."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from livekit.agents import llm

from realtime_fsm import RetryPolicy
from realtime_fsm.compare import judge
from realtime_fsm.lab.scenarios.providers.call import Call, play
from realtime_fsm.lab.scenarios.providers.rows import LOST, A, B
from realtime_fsm.lab.scenarios.providers.seen import Seen
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit.providers import STREAMS, family_of
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import Answer, GeminiLive, OpenAI, Phonic, Ultravox, VoiceLive

from .installed import need

WITHIN = Answer("One two three", 0.6, end="lost")
SECONDS: dict[str, Any] = {
    "ultravox": Ultravox,
    "phonic": Phonic,
    "openai": OpenAI,
    "azure": VoiceLive,
}


class Both(GeminiLive):
    """Gemini, whose every loss is the end (1007), and another provider behind it."""

    second: Any
    around = False
    marked = False

    async def _start(self) -> None:
        await super()._start()
        self._other = self.second({q: every[-1:] for q, every in self.answers.items()})
        self._other.marks, self._other._attempts = self.marks, self._attempts
        await self._stack.enter_async_context(self._other)

    def model(self, **options: Any) -> Any:
        models = [super().model(), self._other.model()]
        if self.around:
            policy = RetryPolicy(on_exhausted="escalate")
            models = [ControlledRealtimeModel(model, retry=policy) for model in models]
        return llm.RealtimeModelFallbackAdapter(models)

    async def _lose(self) -> None:
        await self._ws.close(1007, "Request contains an invalid argument.")


async def asked(call: Call) -> None:
    await call.done(call.ask("Hi"), 25)
    await asyncio.sleep(3)
    await call.done(call.ask("Next"), 25)
    await asyncio.sleep(2)


def played(second: str, answers: Any, *, around: bool, controlled: bool) -> Seen:
    need("google"), need(second)
    kind = type("Kind", (Both,), {"second": SECONDS[second], "around": around})
    return run_virtual(lambda: play(kind, answers, asked, controlled=controlled), limit=300)


@pytest.mark.parametrize("second", SECONDS)
@pytest.mark.parametrize("first", [A, LOST, WITHIN], ids=["healthy", "lost", "within"])
@pytest.mark.parametrize("where", ["inside", "around"])
def test_g27_a_fallback_to_another_family(second: str, first: Answer, where: str) -> None:
    answers = {"Hi": [first, A], "Next": [B]}
    plain = played(second, answers, around=False, controlled=False)
    ours = played(second, answers, around=where == "around", controlled=where == "inside")
    assert judge(plain.life, ours.life).worse == (), (plain, ours)
    assert ours.questions[-1].times == 1
    assert not ours.hangs


def test_a_reply_that_had_not_begun_is_asked_of_the_next_model() -> None:
    """Inside ours, the same handle speaks; plain LiveKit drops it."""
    answers = {"Hi": [LOST, A], "Next": [B]}
    plain = played("openai", answers, around=False, controlled=False)
    ours = played("openai", answers, around=False, controlled=True)
    assert plain.speeches[0].ended == "interrupted"
    assert [question.times for question in ours.questions] == [1, 1]
    assert ours.speeches[0].ended == "ok"


def test_what_is_allowed_is_what_every_model_allows() -> None:
    need("google")

    async def look() -> list[Any]:
        async with GeminiLive({}) as gemini, OpenAI({}) as server:
            google, engine = gemini.model(), server.model()
            found = []
            for models in ([engine], [google], [engine, google]):
                adapter = llm.RealtimeModelFallbackAdapter(models)
                found.append(family_of(adapter, object()))  # type: ignore[arg-type]
            return found

    engine, google, both = run_virtual(look)
    assert (engine.withdraws, engine.repeats) == (STREAMS.withdraws, STREAMS.repeats)
    assert (google.withdraws, google.patience, google.tells_of_user) == (False, 10.0, False)
    assert (both.withdraws, both.patience, both.tells_of_user) == (False, 10.0, False)
    assert both.control == "streams"
