"""A restaurant: agents that share what they know of the guest and hand them on."""

from __future__ import annotations

import os
from dataclasses import dataclass

from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    JobContext,
    RunContext,
    cli,
    function_tool,
)
from livekit.plugins import openai

server = AgentServer()


@dataclass
class Guest:
    name: str | None = None
    table: str | None = None


class Greeter(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You greet guests and hand them to the right colleague.")

    async def on_enter(self) -> None:
        await self.session.generate_reply(instructions="Greet the guest.")

    @function_tool
    async def to_reservation(self, context: RunContext[Guest]) -> tuple[Agent, str]:
        """Called when the guest wants a table."""
        context.userdata.name = "Ada"
        return Reservation(), "Transferring to the reservation desk."


class Reservation(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You take reservations.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the time.")

    @function_tool
    async def reserve(self, context: RunContext[Guest]) -> str:
        """Called when the time is known."""
        context.userdata.table = "seven"
        return f"Table seven is reserved for {context.userdata.name}."


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model = openai.realtime.RealtimeModel(voice="coral", base_url=os.environ["REALTIME_URL"])
    session = AgentSession[Guest](userdata=Guest(), llm=model, turn_detection="realtime_llm")
    await session.start(agent=Greeter(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
