"""A front desk: a tool that has a conversation of its own before it answers."""

from __future__ import annotations

import os

from livekit.agents import (
    Agent,
    AgentServer,
    AgentSession,
    AgentTask,
    JobContext,
    cli,
    function_tool,
)
from livekit.plugins import openai

server = AgentServer()


class AskName(AgentTask[str]):
    def __init__(self) -> None:
        super().__init__(instructions="Find out the guest's name.")

    async def on_enter(self) -> None:
        self.session.generate_reply(instructions="Ask for the name.")

    @function_tool
    async def take_name(self) -> None:
        """Called when the guest has said their name."""
        self.complete("Ada")


class FrontDesk(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You are the front desk of a hotel.")

    @function_tool
    async def check_in(self) -> str:
        """Called when a guest arrives."""
        return f"{await AskName()} has room twelve."


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model = openai.realtime.RealtimeModel(base_url=os.environ["REALTIME_URL"])
    session = AgentSession[None](llm=model, turn_detection="realtime_llm")
    await session.start(agent=FrontDesk(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
