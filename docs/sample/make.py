"""Makes the sample call: ``make sample``. Its page is made with the documentation.

Virtual time gives the same call each time; the ids that are drawn at random are numbered, and the
clock is set. The order of what happens at one moment may still differ, since LiveKit waits for
sets of tasks: a trace that differs in nothing else is left as it is.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import re
import tempfile
from pathlib import Path

from livekit.agents import Agent, function_tool

from realtime_fsm.report import Group, collect, page
from realtime_fsm.simulator import CREATED, Dropped, Failed, FunctionCall, Message, Reply, audio_ms
from realtime_fsm.testing import run_virtual, simulated_call

HERE = Path(__file__).parent
_RANDOM = re.compile(r"\b([a-z]+(?:_[a-z]+)*)_[0-9a-f]{12}\b")
_STARTED = "2026-01-01T12:00:00.000+00:00"

SCRIPT = [
    Reply(
        [Message("Let me have a look.", seconds=1.3), Message("One moment, please.", seconds=1.2)]
    ),
    Reply([FunctionCall("find_parcel", {})]),
    Reply([Message("It comes on Friday, before noon.", seconds=2.2)]),
    Reply(end=Failed("inference_rate_limit_exceeded")),
    Reply(end=Failed("inference_rate_limit_exceeded")),
    Reply([Message("Yes, a neighbour can take it.", seconds=1.8)]),
    Reply([Message("You find the form on our page, in the first menu on the left.", seconds=5.0),
           Message("Then choose the day.", seconds=1.5)]),
    Reply([Message("It costs nothing.", seconds=1.2)]),
    Reply(end=Dropped(at=CREATED)),
    Reply([Message("We are here until six.", seconds=1.6)]),
    Reply([Message("On Sunday we are closed, I am afraid.", seconds=2.6)],
          end=Failed("server_error", at=audio_ms(900))),
    Reply([Message("Good bye.", seconds=0.9)]),
]  # fmt: skip


class Parcels(Agent):
    @function_tool
    async def find_parcel(self) -> str:
        """Say where the parcel is."""
        await asyncio.sleep(0.4)
        return "Friday, before noon"


async def _call(path: Path) -> None:
    agent = Parcels(instructions="You help with parcels. Be brief.")
    async with simulated_call(SCRIPT, agent=agent, trace=path, transcripts=True) as call:
        for text, seconds in (("Hello, where is my parcel?", 1.6), ("Can you find it?", 1.1)):
            await call.say(text, seconds)
            await call.idle()
        await call.say("Can somebody else take it?", 1.4)
        await call.idle()
        heard = call.heard
        await call.say("How do I change the day?", 1.5)
        await call.until(lambda: call.heard > heard + 2.0)
        await call.say("What does that cost?", 1.0)
        await call.idle()
        for text in ("How long are you there?", "And on Sunday?", "Thank you."):
            await call.say(text, 1.0)
            await call.idle()


def trace() -> str:
    """The sample call, as a trace."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "call.jsonl"
        run_virtual(lambda: _call(path))
        text = path.read_text("utf-8")
    counts: dict[str, itertools.count[int]] = {}
    names: dict[str, str] = {}

    def name(found: re.Match[str]) -> str:
        if found[0] not in names:
            counter = counts.setdefault(found[1], itertools.count(1))
            names[found[0]] = f"{found[1]}_n{next(counter)}"
        return names[found[0]]

    first, _, rest = _RANDOM.sub(name, text).partition("\n")
    header = json.dumps({**json.loads(first), "started": _STARTED}, separators=(",", ":"))
    return f"{header}\n{rest}"


def happened(text: str) -> list[tuple[str, ...]]:
    """What a trace tells, whatever the order within one moment and the numbers of ids."""
    names = ("t", "by", "type", "turn", "source", "event", "dest", "attempt", "outcome", "wait")
    lines = [json.loads(line) for line in text.splitlines()[1:]]
    return sorted(
        tuple(str(line[name]) for name in names if isinstance(line.get(name), (str, int, float)))
        for line in lines
    )


def html() -> str:
    """Its page."""
    path = HERE / "call.jsonl"
    with path.open("rb") as file:
        side = collect(file, path.name)
    return page("A call to a parcel service", [Group(path.name, [side])], note=_NOTE)


_NOTE = (
    "A simulated call: a tool, two refused answers, an interruption, a connection that breaks, an"
    " answer that fails half heard."
)


def main() -> None:
    """Write the call."""
    logging.disable(logging.CRITICAL)
    path, made = HERE / "call.jsonl", trace()
    if not path.exists() or happened(path.read_text("utf-8")) != happened(made):
        path.write_text(made, "utf-8", newline="\n")


if __name__ == "__main__":
    main()
