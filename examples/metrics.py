"""Metrics for Prometheus: how many turns fail, how many recover, how long callers wait.

Calls run in processes of their own, so the worker's endpoint adds up what they count. LiveKit does that where
PROMETHEUS_MULTIPROC_DIR names an empty folder. Dashboard and alerts: examples/production.

pip install "realtime-fsm[openai,telemetry]"
export OPENAI_API_KEY=...  LIVEKIT_URL=...  LIVEKIT_API_KEY=...  LIVEKIT_API_SECRET=...
PROMETHEUS_MULTIPROC_DIR=$(mktemp -d) python metrics.py start
curl localhost:9465/metrics | grep realtime_fsm
"""

from __future__ import annotations

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit.telemetry import PrometheusObserver

server = AgentServer(prometheus_port=9465)


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(voice="marin"), observers=[PrometheusObserver()]
    )
    session: AgentSession[None] = AgentSession(llm=model)
    model.attach(session)
    await session.start(Agent(instructions="You answer briefly."), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
