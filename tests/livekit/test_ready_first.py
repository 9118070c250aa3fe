"""G29: what is ready to be heard does not wait behind what only waits.

`tests/compare/kinds.py`, kind F, compares such calls with plain LiveKit; here is what that cannot show.
"""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from livekit.agents import Agent, function_tool
from livekit.agents.voice import SpeechHandle

from realtime_fsm.livekit import _order
from realtime_fsm.livekit._guard import Guard
from realtime_fsm.simulator import Created, Failed, FunctionCall, Message, Reply, Script
from realtime_fsm.testing import SimulatedCall, simulated_call, virtual_time

ANSWER = Reply([Message("This is the answer.", seconds=2.0)])
PROMPT = Reply([Message("Are you there?", seconds=1.0)])


class Looks(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.looked_at: float | None = None

    @function_tool
    async def look(self) -> str:
        """Look it up."""
        self.looked_at = asyncio.get_running_loop().time()
        return "found"


async def ask(call: SimulatedCall, *instructions: str) -> float:
    """The user speaks for two seconds, the application asks for replies meanwhile. Returns when the
    user had stopped."""
    asking = asyncio.create_task(call.say("Where is it?", seconds=2.0))
    await asyncio.sleep(0.5)
    for words in instructions:
        call.session.generate_reply(instructions=words)
    await asking
    return asyncio.get_running_loop().time()


def begins(call: SimulatedCall) -> list[float]:
    return [s.started_at for s in call.sink.segments if s.started_at is not None]


@virtual_time
@pytest.mark.parametrize("replies", [1, 3])
async def test_g29_an_answer_that_is_ready_is_heard_at_once(replies: int) -> None:
    asked = [f"Prompt {n}." for n in range(replies)]
    answers = {"Where is it?": [ANSWER], **{words: [PROMPT] for words in asked}}
    async with simulated_call(Script(answers=answers)) as call:
        stopped = await ask(call, *asked)
        await call.idle()
        first, *later = begins(call)
        assert first - stopped <= 0.2
        assert len(later) == replies
        assert [s.position for s in call.sink.segments] == pytest.approx([2.0, *[1.0] * replies])
        assert all(handle.done() and handle.exception() is None for handle in call.speeches)


@virtual_time
async def test_g29_the_second_answer_too_passes_a_reply_that_keeps_failing() -> None:
    failed = Reply(end=Failed("server_error"))
    answers = {
        "Where is it?": [ANSWER],
        "Prompt.": [failed, failed, failed, PROMPT],
        "And then?": [ANSWER],
    }
    async with simulated_call(Script(answers=answers), check=False) as call:
        await ask(call, "Prompt.")
        await call.until(lambda: call.heard > 1.9)
        await asyncio.sleep(0.1)
        await call.say("And then?", 0.3)
        stopped = asyncio.get_running_loop().time()
        await call.idle()
        assert begins(call)[1] - stopped <= 0.2


@virtual_time
async def test_g29_a_reply_passes_two_that_were_asked_for_before_and_fail() -> None:
    failed = Reply(end=Failed("server_error"))
    answers = {
        "Where is it?": [ANSWER],
        "First.": [failed, failed, failed, PROMPT],
        "Then.": [failed, failed, failed, PROMPT],
        "Last.": [Reply([Message("Last of all.", seconds=0.5)])],
    }
    async with simulated_call(Script(answers=answers), check=False) as call:
        stopped = await ask(call, "First.", "Then.", "Last.")
        await call.idle()
        assert begins(call)[0] - stopped <= 0.2
        assert begins(call)[1] - stopped <= 2.0 + 0.4
        assert [s.position for s in call.sink.segments] == pytest.approx([2.0, 0.5, 1.0, 1.0])


@virtual_time
async def test_g29_what_is_ready_while_another_speaks_is_heard_before_what_still_waits() -> None:
    """The server remembers it first, too: the earlier one is asked again only then."""
    answers = {
        "Where is it?": [ANSWER],
        "First.": [Reply(end=Failed("rate_limit_exceeded")), PROMPT],
        "Then.": [Reply([Message("Then that.", seconds=0.5)])],
    }
    async with simulated_call(Script(answers=answers)) as call:
        await ask(call, "First.", "Then.")
        await call.idle()
        assert [s.position for s in call.sink.segments] == pytest.approx([2.0, 0.5, 1.0])


@virtual_time
async def test_g29_a_tool_of_the_answer_runs_at_once() -> None:
    answers = {
        "Where is it?": [Reply([FunctionCall("look")])],
        "Where is it? > look": [PROMPT],
        "Prompt.": [Reply([Message("Are you there?", seconds=1.0)], ack=Created(after=3.0))],
    }
    agent = Looks()
    async with simulated_call(Script(answers=answers), agent=agent) as call:
        stopped = await ask(call, "Prompt.")
        await call.idle()
        assert agent.looked_at is not None
        assert agent.looked_at - stopped <= 0.2
        assert call.heard == pytest.approx(2.0)


@virtual_time
@pytest.mark.parametrize("name", ["_clear_authorization", "_mark_generation_done"])
async def test_g29_where_a_name_is_missing_livekits_order_stays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = _order.put_back

    def without(session: Any, handle: SpeechHandle) -> bool:
        class Without:
            def __getattr__(self, wanted: str) -> Any:
                if wanted == name:
                    raise AttributeError(wanted)
                return getattr(handle, wanted)

        return original(session, Without())  # type: ignore[arg-type]

    monkeypatch.setattr(_order, "put_back", without)
    answers = {"Where is it?": [ANSWER], "Prompt.": [PROMPT]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        await ask(call, "Prompt.")
        await call.idle()
        assert [s.position for s in call.sink.segments] == pytest.approx([1.0, 2.0])


@pytest.mark.parametrize("own_task", [True, False])
async def test_g29_only_a_speech_whose_own_task_waits_is_put_back(
    own_task: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tool, or the application, may ask below LiveKit while the speech plays."""
    head, ready = SpeechHandle.create(), SpeechHandle.create()
    head._authorize_generation()
    moved: list[SpeechHandle] = []
    monkeypatch.setattr(_order, "put_back", lambda _, handle: moved.append(handle))
    speeches = SimpleNamespace(owner=lambda: head, session=object(), speech=lambda turn_id: ready)
    order = _order.Order(speeches, Guard())  # type: ignore[arg-type]
    future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if own_task:
        head._tasks.append(asyncio.current_task())  # type: ignore[arg-type]
    order.asked(future)
    assert not moved
    order.ready("turn_2")
    assert moved == [head] * own_task
    order.close()


@virtual_time
async def test_g29_who_is_put_back_can_still_be_interrupted() -> None:
    answers = {"Where is it?": [ANSWER], "Prompt.": [PROMPT]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        await ask(call, "Prompt.")
        prompt = call.speeches[0]
        await asyncio.sleep(0.5)
        assert call.session.current_speech is not prompt
        prompt.interrupt()
        await call.idle()
        assert prompt.done()
        assert prompt.interrupted
        assert [s.position for s in call.sink.segments] == pytest.approx([2.0])


@virtual_time
async def test_g29_nothing_is_left_behind_when_a_call_ends_meanwhile() -> None:
    unanswered = Reply([Message("Late.", seconds=1.0)], ack=Created(after=20.0))
    answers = {"Where is it?": [ANSWER], "Prompt.": [unanswered]}
    async with simulated_call(Script(answers=answers), check=False) as call:
        await ask(call, "Prompt.")
        await asyncio.sleep(0.02)
        await call.session.aclose()
        assert all(handle.done() for handle in call.speeches)
