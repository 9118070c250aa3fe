"""A call with a bit of everything, as bytes; run as a program it prints them."""

from __future__ import annotations

import asyncio
import logging
import sys

from realtime_fsm.simulator import Dropped, Failed, FunctionCall, Message, Reply, Unanswered
from realtime_fsm.testing import canonical, run_virtual, simulated_call

SCRIPT = [
    Reply(end=Failed("server_error")),
    Reply([Message("Good morning to you.", seconds=2.0), Message("And more.", seconds=2.0)]),
    Reply([FunctionCall("unknown", {"a": 1})]),
    Reply([Message("Let me think.", seconds=1.0)]),
    Reply(end=Dropped()),
    Reply([Message("I am back.", seconds=2.0)]),
    Reply(ack=Unanswered()),
    Reply([Message("Yes?", seconds=1.0)]),
]


async def _call() -> bytes:
    async with simulated_call(SCRIPT) as call:
        await call.say("Good morning.", 1.2)
        await call.until(lambda: call.heard > 2.5)
        await call.say("Wait.", 0.4)
        await call.idle()
        await call.say("Are you there?", 0.7)
        await call.idle()
        call.session.generate_reply(user_input="Hello?")
        await asyncio.sleep(20)
        await call.idle()
    return canonical(call.server.record)


def recorded() -> bytes:
    """Run the call and return its canonical record."""
    return run_virtual(_call)


if __name__ == "__main__":
    logging.disable(logging.ERROR)
    sys.stdout.buffer.write(recorded())
