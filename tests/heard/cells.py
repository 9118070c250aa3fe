"""One cell of the matrix: a real call is interrupted somewhere, then the three copies are read.

The model is what the sink played, segment by segment. Nothing of the library's own judgement is
asked for it.
"""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass
from typing import Any

import pytest
from livekit.agents import Agent, RunContext, function_tool, llm

import realtime_fsm as rf
from realtime_fsm.livekit._features import given_history, hand_over, history_of
from realtime_fsm.simulator import FunctionCall, Message, Reply, Script, ServerConfig
from realtime_fsm.testing import PacedAudioOutput

from ..livekit.call import VAD, Call, call
from ..livekit.fake_tts import FakeTTS

#: Ten words each, 200 ms a word.
TEXTS = [
    "One moment please while I look that up for you.",
    "Your parcel left the depot this morning at eight sharp.",
    "It will be with you tomorrow before noon at latest.",
]
MS_A_WORD = 200
SECONDS = 2.0
#: Milliseconds of a sink's frame; a truncate may be off by one of them.
FRAME = 20

CAUSES = ("user speech", "session.interrupt", "tool", "handoff")
#: Seconds of playback at which the interrupt comes.
POSITIONS = {
    "before the first frame": 0.0,
    "in 1": 0.7,
    "between 1 and 2": 2.0,
    "in 2": 2.9,
    "between 2 and 3": 4.0,
    "in 3": 4.5,
}
#: Seconds the server takes for 100 ms of audio.
GENERATION = {"complete": 0.001, "generating": 0.09}
PATHS = ("audio", "text and TTS")
TRANSCRIPTS = ("synchronised", "not synchronised")


@dataclass(frozen=True)
class Cell:
    cause: str
    position: str
    generation: str
    count: int
    path: str
    transcript: str

    @property
    def possible(self) -> bool:
        """Whether there is such a moment."""
        at = POSITIONS[self.position]
        if at >= SECONDS * self.count:
            return False
        # Text comes at once, whatever its sound takes.
        return self.path == "audio" or self.generation == "complete"

    def __str__(self) -> str:
        return f"{self.cause}, {self.position} of {self.count}, {self.generation}, {self.path}, {self.transcript}"


def all_cells() -> list[Cell]:
    cells = itertools.product(CAUSES, POSITIONS, GENERATION, (1, 2, 3), PATHS, TRANSCRIPTS)
    return [cell for cell in (Cell(*values) for values in cells) if cell.possible]


def pairs_of(cell: Cell) -> set[tuple[tuple[int, object], tuple[int, object]]]:
    values = (cell.cause, cell.position, cell.generation, cell.count, cell.path, cell.transcript)
    return set(itertools.combinations(enumerate(values), 2))


def covering_cells() -> list[Cell]:
    """Few cells with every pair of values that occurs at all: greedy, always the same."""
    left = all_cells()
    missing = set().union(*(pairs_of(cell) for cell in left))
    chosen: list[Cell] = []
    while missing:
        best = max(left, key=lambda cell: len(pairs_of(cell) & missing))
        chosen.append(best)
        missing -= pairs_of(best)
        left.remove(best)
    return chosen


class Sink(PacedAudioOutput):
    """Knows, if asked to, which words it has played, as a room's does."""

    def __init__(self, *, synchronised: bool = False) -> None:
        super().__init__()
        self._synchronised = synchronised

    def on_playback_finished(self, **report: Any) -> None:
        if self._synchronised:
            words = TEXTS[(len(self.segments) - 1) % len(TEXTS)].split()
            heard = round(report["playback_position"] * 1000) // MS_A_WORD
            report["synchronized_transcript"] = " ".join(words[:heard])
        super().on_playback_finished(**report)


class Interrupting(Agent):
    """Its tool waits until so much was played, and interrupts the speech it belongs to."""

    def __init__(self) -> None:
        super().__init__(instructions="Be brief.")
        self.now = asyncio.Event()
        self.ran = 0

    @function_tool
    async def look_up(self, context: RunContext[Any], city: str) -> str:
        """Look something up."""
        self.ran += 1
        await self.now.wait()
        context.session.interrupt()
        return f"sunny in {city}"


TOOL = FunctionCall("look_up", {"city": "Oslo"})


async def play(cell: Cell) -> None:
    """Run the cell and compare."""
    agent = Interrupting()
    items: list[Any] = [Message(text, seconds=SECONDS) for text in TEXTS[: cell.count]]
    if cell.cause == "tool":
        items.insert(0, TOOL)
    options: dict[str, Any] = {"sink": Sink(synchronised=cell.transcript == "synchronised")}
    if cell.cause == "user speech":
        options["turn_detection"] = VAD
    if cell.path != "audio":
        options |= {"modalities": ["text"], "tts": FakeTTS(ms_a_word=MS_A_WORD)}
    script = Script([Reply(items)], default=Reply([Message("Yes?", seconds=0.2)]))
    config = ServerConfig(pace=GENERATION[cell.generation])
    async with call(script, agent=agent, config=config, **options) as c:
        handle = c.session.generate_reply(user_input="Where is my parcel?")
        await c.until(lambda: c.turn.has_output, timeout=60)
        turn = c.turn
        seconds = POSITIONS[cell.position]
        if seconds:
            await c.until(lambda: c.sink.heard_seconds > 0, timeout=60)
            await asyncio.sleep(seconds - c.sink.heard_seconds)
        at = asyncio.get_running_loop().time()
        await interrupt(c, cell.cause, agent)
        await handle
        await c.until(lambda: not turn.live, timeout=60)
        await asyncio.sleep(3.0)
        compare(c, turn, cell, at)


async def interrupt(c: Call, cause: str, agent: Interrupting) -> None:
    if cause == "session.interrupt":
        c.session.interrupt()
    elif cause == "tool":
        agent.now.set()
    elif cause == "handoff":
        c.session.interrupt()
        history = history_of(c.session)
        next_agent = Agent(instructions="Be kind.", **given_history(history))
        hand_over(c.session, next_agent, history)
    else:
        await c.server.user_speaks("Stop!", seconds=0.2)


def generated(c: Call) -> list[str]:
    """Ids of the first response's messages, in order, from the wire."""
    ids = []
    response: str | None = None
    for each in c.server.record:
        if each.direction == "server" and each.type == "response.output_item.added":
            response = response or each.event["response_id"]
            if each.event["response_id"] == response and each.event["item"]["type"] == "message":
                ids.append(each.event["item"]["id"])
    return ids


def compare(c: Call, turn: rf.Turn, cell: Cell, at: float) -> None:
    ids = generated(c)
    server = {i.id: i for i in c.server.conversation if i.role == "assistant"}
    agent = {
        i.id: i.text_content or ""
        for i in history_of(c.session).items
        if isinstance(i, llm.ChatMessage) and i.role == "assistant"
    }
    # Later ones are the answer to what the user said.
    segments = [s for s in c.sink.segments if s.started_at is not None and s.started_at <= at]
    for number, (item_id, text) in enumerate(zip(ids, TEXTS, strict=False)):
        segment = segments[number] if number < min(len(segments), cell.count) else None
        heard = 0 if segment is None else round(segment.position * 1000)
        if not heard:
            assert item_id not in server, f"message {number + 1} was not heard"
            assert not agent.get(item_id), f"message {number + 1} was not heard"
            continue
        assert segment is not None
        item = server[item_id]
        if not segment.interrupted:
            assert (item.text, agent[item_id]) == (text, text)
            assert cell.path != "audio" or item.audio_ms == 1000 * SECONDS
        elif cell.path == "audio":
            assert abs(item.audio_ms - heard) <= FRAME
            if cell.transcript == "not synchronised":
                assert agent.get(item_id, "") == item.text
            else:
                assert agent.get(item_id, "") == " ".join(text.split()[: heard // MS_A_WORD])
        else:
            assert agent.get(item_id, "") == item.text
            if cell.transcript == "synchronised":
                assert item.text == " ".join(text.split()[: heard // MS_A_WORD])
        message = next(m for m in turn.messages if m.item_id == item_id)
        assert message.heard_ms == pytest.approx(heard, abs=FRAME)
    assert c.controller.differences() == {}
    sent_once(c)
    refused = [r.event["error"]["code"] for r in c.server.record if r.event["type"] == "error"]
    # The server cancels by itself when the user speaks; ours may come after it (G6).
    assert [code for code in refused if code != "response_cancel_not_active"] == []


def sent_once(c: Call) -> None:
    for kind in ("conversation.item.truncate", "conversation.item.delete"):
        touched = [e["item_id"] for e in c.server.sent(kind)]
        assert len(touched) == len(set(touched)), f"{kind}: once for each item"
    for each in c.server.sent("conversation.item.truncate"):
        assert type(each["audio_end_ms"]) is int
        assert each["audio_end_ms"] > 0
