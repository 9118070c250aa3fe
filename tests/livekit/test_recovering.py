"""The ``recovering`` event, and the word that fills the gap (docs/recovery.md)."""

from __future__ import annotations

import asyncio
from typing import Any

import realtime_fsm as rf
from realtime_fsm.simulator import Failed, Reply
from realtime_fsm.testing import virtual_time

from ..docs.blocks import ROOT, blocks, execute
from .call import HELLO, VAD, call
from .fake_tts import FakeTTS

PAGE = ROOT / "docs" / "recovery.md"


@virtual_time
async def test_the_filler_of_the_page_is_heard_before_the_answer() -> None:
    (excuse,) = (each for each in blocks(PAGE, "python") if "def excuse" in each.text)
    names: dict[str, Any] = {}
    execute(excuse, names)
    limited = Failed("rate_limit_exceeded", message="Please try again in 2s.")
    async with call([Reply(end=limited), HELLO], turn_detection=VAD, tts=FakeTTS()) as c:
        assert c.model is not None
        names["excuse"](c.model, c.session)
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
