"""The five findings of the review of livekit/agents PR#6242, which retries inside ``generate_reply``.

A real AgentSession with a model of ours around a provider that shows no raw events, in virtual time.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from livekit.agents import Agent, llm
from livekit.agents.voice import SpeechHandle

from realtime_fsm import RetryPolicy
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.testing import virtual_time
from realtime_fsm.testing._screen import Screen

from .pending_provider import Answers, PendingProvider

_POLICY = RetryPolicy(retry_interval=0.2, timeout=2.0)


@dataclass
class Asked:
    provider: PendingProvider
    handle: SpeechHandle
    took: float
    said: list[str]
    errors: int


async def ask(*answers: Answers, policy: RetryPolicy = _POLICY) -> Asked:
    """Ask once, and wait until the handle is done, at most 30 s."""
    provider = PendingProvider(answers)
    model = ControlledRealtimeModel(provider, retry=policy, family="streams")
    session: AgentSession[None] = AgentSession(llm=model, vad=None)
    errors: list[object] = []
    session.on("error", errors.append)
    model.attach(session)
    session.output.transcription = Screen()
    await session.start(Agent(instructions="Be brief."))
    loop = asyncio.get_running_loop()
    begun = loop.time()
    handle = session.generate_reply(user_input="Hello?")
    await asyncio.wait_for(handle.wait_for_playout(), 30.0)
    took = loop.time() - begun
    said = [
        item.text_content or ""
        for item in session.history.items
        if isinstance(item, llm.ChatMessage) and item.role == "assistant"
    ]
    await session.aclose()
    return Asked(provider, handle, took, said, len(errors))


@virtual_time
async def test_an_inner_future_cancelled_at_the_first_attempt_leaves_nobody_waiting() -> None:
    """G2, G7: it is over, so the turn is asked again; the caller is answered."""
    asked = await ask("cancelled", "speaks")
    assert asked.handle.exception() is None
    assert asked.said == ["Good morning."]
    assert asked.took < _POLICY.timeout + 1.0


@pytest.mark.parametrize("first", ["rate limit", "never", "empty"])
@virtual_time
async def test_an_inner_future_cancelled_at_a_later_attempt_leaves_nobody_waiting(
    first: Answers,
) -> None:
    """G2, G7."""
    asked = await ask(first, "cancelled", "speaks")
    assert asked.handle.exception() is None
    assert asked.said == ["Good morning."]
    assert asked.took < 2 * _POLICY.timeout + 1.0


@virtual_time
async def test_inner_futures_that_are_always_cancelled_become_an_exception() -> None:
    """G7, G9: bounded, and visible."""
    policy = RetryPolicy(max_retry=2, retry_interval=0.2, timeout=2.0)
    asked = await ask(*["cancelled"] * 9, policy=policy)  # type: ignore[list-item]
    assert isinstance(asked.handle.exception(), llm.RealtimeError)
    assert len(asked.provider.futures) == 3
    assert asked.took < policy.recovery_deadline + policy.timeout
    assert asked.errors == 1


@virtual_time
async def test_a_rate_limit_is_retried() -> None:
    """G9: it is the main transient case."""
    asked = await ask("rate limit", "rate limit", "speaks")
    assert asked.handle.exception() is None
    assert asked.said == ["Good morning."]
    assert len(asked.provider.futures) == 3


@virtual_time
async def test_a_rate_limit_that_stays_is_an_exception_with_its_code() -> None:
    """G8."""
    asked = await ask(*["rate limit"] * 9)  # type: ignore[list-item]
    error = asked.handle.exception()
    assert isinstance(error, llm.RealtimeError)
    assert error.code == "rate_limit_exceeded"
    assert len(asked.provider.futures) == 4


@pytest.mark.parametrize("first", ["rate limit", "cancelled", "never", "empty"])
@virtual_time
async def test_the_earlier_request_is_settled_before_the_retry(first: Answers) -> None:
    """G1, G4: else the provider has two at once, and cancels or mixes them up."""
    asked = await ask(first, "speaks")
    assert asked.provider.unsettled == [0, 0]
    assert asked.handle.exception() is None


@virtual_time
async def test_a_provider_with_pending_state_works_by_its_streams() -> None:
    """A new request cancels the old future there: that must not end the new one."""
    asked = await ask("never", "never", "speaks")
    assert asked.handle.exception() is None
    assert asked.said == ["Good morning."]
    assert len(asked.provider.futures) == 3
    assert [future.cancelled() for future in asked.provider.futures] == [True, True, False]
