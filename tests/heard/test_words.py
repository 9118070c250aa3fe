"""G16: a word that was begun counts the same for the controller, the server, a new connection, the report,
`check` and the comparison: by one function."""

from __future__ import annotations

import asyncio
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm._core.words import heard_count, heard_words, share_of
from realtime_fsm.report import collect
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import simulated_call, virtual_time
from realtime_fsm.trace import check

from ..report.reading import read_side

TEXT = "one two three four five six seven eight nine ten"
SECONDS = 2.0


@dataclass
class Told:
    """What each of them says of the message that was cut."""

    heard: float = 0.0
    by: dict[str, str] = field(default_factory=dict)
    seconds_kept: float = 0.0


async def cut(at: float, trace: Path) -> Told:
    """Cut at so many seconds; then the connection is lost."""
    told, script = Told(), [Reply([Message(TEXT, seconds=SECONDS)], pace=0.01)]
    options: dict[str, Any] = {"trace": trace, "transcripts": True, "turn_detection": None}
    async with simulated_call(script, check=False, **options) as call:
        handle = call.session.generate_reply(user_input="hi")
        await call.until(lambda: call.heard > 0)
        await asyncio.sleep(at - call.heard)
        handle.interrupt()
        await asyncio.sleep(1.0)
        told.by["server"], told.by["agent"] = call.remembered[-1][1], call.history[-1][1]
        told.heard = (call.turn.messages[0].heard_ms or 0) / 1000
        call.server.drop()
        await asyncio.sleep(3.0)
        told.by["new connection"] = call.remembered[-1][1]
        # The new connection has no sound of it: the comparison counts its words.
        (message,) = call.life().messages
        told.seconds_kept = message.server or 0.0
    with trace.open("rb") as file:
        page = read_side(collect(file, "call"))
    (shown,) = [m for turn in page.call["turns"] for m in turn["messages"]]
    told.by["report"] = shown["heardWords"]
    assert f"{shown['heardWords']} {shown['unheardWords']}".strip() == TEXT
    return told


# A word takes 0.2 s; the sink's frames 0.02 s.
@pytest.mark.parametrize("at", [0.21, 0.5, 0.59, 0.61, 1.19, 1.97])
@virtual_time
async def test_g16_one_rule_for_a_word_that_was_begun(at: float, tmp_path: Path) -> None:
    told = await cut(at, tmp_path / "call.jsonl")
    words = heard_words(TEXT, told.heard, SECONDS)
    assert (
        len(words.split()) == int(told.heard / 0.2 + 1e-6) == heard_count(10, told.heard, SECONDS)
    )
    assert told.by == dict.fromkeys(told.by, words)
    assert told.seconds_kept == pytest.approx(share_of(words, TEXT) * SECONDS)
    with (tmp_path / "call.jsonl").open("rb") as file:
        assert not check(file).violations


@pytest.mark.parametrize(("more", "broken"), [(0, False), (1, False), (2, True), (5, True)])
@virtual_time
async def test_g16_check_counts_the_words_that_a_new_connection_is_told(
    more: int, broken: bool, tmp_path: Path
) -> None:
    """By the same function. One word more is allowed for: who counts begun words is no liar."""
    trace = tmp_path / "call.jsonl"
    told = await cut(0.5, trace)
    words = TEXT.split()[: len(told.by["report"].split()) + more]
    lines = [json.loads(line) for line in trace.read_text().splitlines()]
    for line in lines:
        item = line.get("event", {}).get("item", {}) if isinstance(line.get("event"), dict) else {}
        if line.get("type") == "conversation.item.create" and item.get("role") == "assistant":
            item["content"] = [{"type": "output_text", "text": " ".join(words)}]
    data = "\n".join(map(json.dumps, lines)).encode()
    found = [each.id for each in check(io.BytesIO(data)).violations if "is told" in each.text]
    assert bool(found) is broken


@pytest.mark.parametrize("off", [True, False], ids=["off", "on"])
@virtual_time
async def test_g16_words_that_are_shown_while_no_output_is_on_count(off: bool) -> None:
    script = [Reply([Message(TEXT, seconds=SECONDS)], pace=0.05)]
    async with simulated_call(script, turn_detection=None) as call:
        call.session.output.set_audio_enabled(not off)
        handle = call.session.generate_reply(user_input="hi")
        await asyncio.sleep(0.5)
        handle.interrupt()
        await asyncio.sleep(1.0)
        shown, kept = call.history[-1][1], call.remembered[-1][1]
        assert shown == kept == " ".join(TEXT.split()[: len(shown.split())])
        # Words come twice as fast as they are heard.
        assert len(shown.split()) in ((4, 5) if off else (2,))
        assert not call.controller.differences()
