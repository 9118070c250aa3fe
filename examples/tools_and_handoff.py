"""Tools and a handoff, with replies that survive transient failures.

A response that calls a tool is never asked for again once the tool was called: the tool runs once. The response
that speaks of its result is retried by itself, and so is the first one of the agent that takes over.

pip install "realtime-fsm[openai]"
export OPENAI_API_KEY=...  LIVEKIT_URL=...  LIVEKIT_API_KEY=...  LIVEKIT_API_SECRET=...
python tools_and_handoff.py dev
"""

from __future__ import annotations

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, function_tool
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel

HOURS = {"saturday": "ten to two", "sunday": "closed"}


class Reception(Agent):
    """Answers what is simple, and hands over what is not."""

    def __init__(self) -> None:
        super().__init__(
            instructions="You are the reception of a bicycle shop. Be brief. Hand over what is about bills."
        )

    @function_tool
    async def opening_hours(self, day: str) -> str:
        """Look up when the shop is open.

        Args:
            day: A day of the week, in English.
        """
        return HOURS.get(day.lower(), "nine to six")

    @function_tool
    async def to_billing(self) -> tuple[Agent, str]:
        """Hand the caller over to the colleague who knows about bills."""
        return Billing(), "You are being put through."


class Billing(Agent):
    """Greets the caller as soon as it takes over."""

    def __init__(self) -> None:
        super().__init__(instructions="You answer questions about bills. Be brief.")

    async def on_enter(self) -> None:
        self.session.generate_reply(
            instructions="Say who you are and ask for the number of the bill."
        )


server = AgentServer()


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model = ControlledRealtimeModel(openai.realtime.RealtimeModel(voice="marin"))
    session: AgentSession[None] = AgentSession(llm=model)
    model.attach(session)
    await session.start(Reception(), room=ctx.room)
    await session.generate_reply(instructions="Greet the caller.")


if __name__ == "__main__":
    cli.run_app(server)
