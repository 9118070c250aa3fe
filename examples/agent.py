"""A LiveKit worker whose replies survive transient failures of the realtime model.

pip install "realtime-fsm[openai]"
export OPENAI_API_KEY=...  LIVEKIT_URL=...  LIVEKIT_API_KEY=...  LIVEKIT_API_SECRET=...
python agent.py dev
"""

from __future__ import annotations

import logging

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import openai

from realtime_fsm import Recovering, RetryPolicy, TurnEnded, TurnOutcome
from realtime_fsm.livekit import ControlledRealtimeModel

logger = logging.getLogger("agent")
# `transitions` writes ten lines per transition when a worker logs at DEBUG or INFO.
logging.getLogger("transitions").setLevel(logging.WARNING)

server = AgentServer()


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    # The one line that matters: the controlled model around the plain one.
    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(voice="marin"),
        retry=RetryPolicy(max_retry=3, recovery_deadline=8.0),
    )
    session: AgentSession[None] = AgentSession(llm=model)
    model.attach(session)

    @model.on("recovering")
    def on_recovering(event: Recovering) -> None:
        logger.info("one moment: %s, next try in %.1f s", event.reason.code, event.wait)

    @model.on("turn_ended")
    def on_turn_ended(event: TurnEnded) -> None:
        if event.outcome is TurnOutcome.FAILED:
            logger.error("%s failed: %s", event.turn_id, event.error)
        else:
            logger.info("%s: %s", event.turn_id, event.outcome.value)

    await session.start(
        Agent(instructions="You are a friendly voice assistant. Answer briefly."),
        room=ctx.room,
    )
    await session.generate_reply(instructions="Greet the caller and offer your help.")


if __name__ == "__main__":
    cli.run_app(server)
