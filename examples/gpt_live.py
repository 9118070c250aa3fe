"""A LiveKit worker on GPT-Live that says when delegated work is lost, and logs it.

pip install "realtime-fsm[openai]"
export OPENAI_API_KEY=...  LIVEKIT_URL=...  LIVEKIT_API_KEY=...  LIVEKIT_API_SECRET=...
python gpt_live.py dev
"""

from __future__ import annotations

import logging

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli, function_tool
from livekit.plugins import openai

from realtime_fsm.duplex import Loss, LossKind, WatchPolicy
from realtime_fsm.livekit.duplex import watch

logger = logging.getLogger("gpt-live")

server = AgentServer()


def apology(loss: Loss) -> str | None:
    """What the model is asked to say, in its own words; nothing after a refusal that we are to blame for."""
    if loss.kind is LossKind.CONTINUATION_REFUSED:
        return None
    return "Tell the caller that looking this up did not work, and offer to try again."


class Assistant(Agent):
    """An agent with one tool, which the backend model calls."""

    def __init__(self) -> None:
        super().__init__(instructions="You are a friendly voice assistant. Answer briefly.")

    async def on_enter(self) -> None:
        # The one line that matters.
        watcher = watch(self.duplex_session, policy=WatchPolicy(call_after=20.0), apology=apology)
        watcher.on("loss", on_loss)

    @function_tool
    async def opening_hours(self, day: str) -> str:
        """Tell when the shop opens on a day."""
        return f"On {day} we open at nine."


def on_loss(loss: Loss) -> None:
    """For instance a counter, or a page to whoever is on call."""
    logger.error("lost: %s (%s)", loss.kind.value, loss.code)


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    session: AgentSession[None] = AgentSession(llm=openai.realtime.GPTLiveModel())
    await session.start(Assistant(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
