"""Two tellers, each with a model and a voice of their own; written the older way, with worker options."""

from __future__ import annotations

import os

from livekit.agents import (
    Agent,
    AgentSession,
    JobContext,
    JobProcess,
    WorkerOptions,
    cli,
    function_tool,
)
from livekit.plugins import openai


def model(voice: str) -> openai.realtime.RealtimeModel:
    return openai.realtime.RealtimeModel(voice=voice, base_url=os.environ["REALTIME_URL"])


class Intro(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You find out what the story shall be about.")

    @function_tool
    async def begin(self) -> tuple[Agent, str]:
        """Called when the listener has chosen."""
        return Teller(), "The story begins."


class Teller(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="You tell the story.", llm=model("sage"))

    async def on_enter(self) -> None:
        self.session.generate_reply()


def prewarm(process: JobProcess) -> None:
    process.userdata["model"] = model("alloy")


async def entrypoint(ctx: JobContext) -> None:
    session = AgentSession[None](llm=ctx.proc.userdata["model"], turn_detection="realtime_llm")
    await session.start(Intro(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, prewarm_fnc=prewarm))
