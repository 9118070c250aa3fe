"""The ``recovering`` event, and the word that fills the gap (docs/recovery.md)."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any

import pytest

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, Reply
from realtime_fsm.testing import virtual_time

from .call import HELLO, VAD, call
from .fake_tts import FakeTTS

PAGE = Path(__file__).parents[2] / "docs" / "recovery.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.S)


def names_of(block: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(block, "recovery.md", "exec"), names)
    return names


@virtual_time
async def test_the_filler_of_the_page_is_heard_before_the_answer() -> None:
    excuse = next(b for b in BLOCKS if "def excuse" in b)
    limited = Failed("rate_limit_exceeded", message="Please try again in 2s.")
    async with call([Reply(end=limited), HELLO], turn_detection=VAD, tts=FakeTTS()) as c:
        assert c.model is not None
        names_of(excuse)["excuse"](c.model, c.session)
        said: list[str] = []
        c.session.on(
            "conversation_item_added",
            lambda e: said.append(e.item.text_content) if e.item.role == "assistant" else None,
        )
        await c.server.user_speaks("Hello?", seconds=0.3)
        await c.until(lambda: len(said) == 2)
        await asyncio.sleep(1.0)
        assert said == ["One moment, please.", "Good morning to you my friend."]
        assert c.turn.outcome is rf.TurnOutcome.COMPLETED
        assert c.server.creates == 1


@pytest.mark.parametrize("block", [b for b in BLOCKS if "def excuse" not in b])
async def test_the_other_blocks_of_the_page_run(block: str) -> None:
    names_of(block)
