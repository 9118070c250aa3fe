"""A slow server under each policy that the docs advise, and under the default: nobody hears less, or
anything twice, than with plain LiveKit (G4, G27)."""

from __future__ import annotations

import ast
import asyncio

import pytest
from livekit.agents import APIConnectOptions

from realtime_fsm import ErrorKind, RetryPolicy
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.testing import run_virtual, simulated_call

from ..docs.blocks import ROOT, blocks

PAGES = ("README.md", "docs/policy.md", "docs/recovery.md", "docs/embed.md")
WORDS = ["One two three.", "Four five six.", "Seven eight nine."]


def _advised() -> dict[str, RetryPolicy]:
    """Each policy that a page prints, but for those made of the reader's own objects."""
    found = {"RetryPolicy()": RetryPolicy()}
    for page in PAGES:
        for block in blocks(ROOT / page, "python"):
            for node in ast.walk(ast.parse(block.text)):
                text = ast.unparse(node) if isinstance(node, ast.Call) else ""
                if text.startswith("RetryPolicy") and "session." not in text:
                    names = {"RetryPolicy": RetryPolicy, "ErrorKind": ErrorKind,
                             "APIConnectOptions": APIConnectOptions}  # fmt: skip
                    found[text] = eval(text, names)
    return found


POLICIES = _advised()


def test_the_pages_advise_policies() -> None:
    assert len(POLICIES) > 6, list(POLICIES)


async def _heard(policy: RetryPolicy | None, delay: float, *, vad: bool) -> float:
    script = [Reply([Message(words, seconds=2.0)]) for words in WORDS]
    config = ServerConfig(vad_create_delay=delay) if vad else ServerConfig(create_delay=delay)
    controlled = policy is not None
    async with simulated_call(
        script, policy=policy, controlled=controlled, config=config, check=controlled
    ) as call:
        if vad:
            await call.say("Hello?", seconds=1.0)
        else:
            call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(40)
        return round(call.sink.heard_seconds, 1)


@pytest.mark.parametrize("delay", [3.0, 6.0, 9.0, 12.0, 16.0])
def test_g27_a_late_answer_of_server_vad_is_heard_once(delay: float) -> None:
    """What was asked in its place is given up when it comes after all (G18): one question, one answer."""
    assert run_virtual(_heard(None, delay, vad=True)) == 2.0
    heard = {
        name: run_virtual(_heard(policy, delay, vad=True)) for name, policy in POLICIES.items()
    }
    assert heard == dict.fromkeys(POLICIES, 2.0)


@pytest.mark.parametrize("delay", [3.0, 6.0, 9.0])
def test_g4_a_slow_create_is_heard_as_on_plain_livekit(delay: float) -> None:
    assert run_virtual(_heard(None, delay, vad=False)) == 2.0
    heard = {
        name: run_virtual(_heard(policy, delay, vad=False)) for name, policy in POLICIES.items()
    }
    assert heard == dict.fromkeys(POLICIES, 2.0)
