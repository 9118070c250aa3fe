"""A worker that knows nothing of realtime-fsm; started by the tests with a simulated server's URL."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from typing import Any

from livekit.agents import Agent, AgentServer, JobContext, JobExecutorType, llm
from livekit.plugins import openai

from realtime_fsm.testing import PacedAudioOutput

try:
    from livekit.agents import LiveSession as AgentSession
except ImportError:  # before 2.0
    from livekit.agents import AgentSession

#: Where LiveKit runs the call: ``forkserver``, ``spawn`` or ``thread``.
WHERE = os.environ["WHERE"]
#: Who is given the model: the ``session``, the ``agent``, or a ``fallback`` adapter.
WHOSE = os.environ["WHOSE"]
server = AgentServer(
    port=0,
    num_idle_processes=1,
    job_executor_type=JobExecutorType.THREAD if WHERE == "thread" else JobExecutorType.PROCESS,
    multiprocessing_context="spawn" if WHERE == "spawn" else "forkserver",
)


def plain_model() -> llm.RealtimeModel:
    return openai.realtime.RealtimeModel(
        api_key="none", base_url=os.environ["SIMULATED"], turn_detection=None
    )


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model: Any = plain_model()
    if WHOSE == "fallback":
        model = llm.RealtimeModelFallbackAdapter([model])
    session: AgentSession[None]
    if WHOSE == "agent":
        session, agent = AgentSession(vad=None), Agent(instructions="Be brief.", llm=model)
    else:
        session, agent = AgentSession(llm=model, vad=None), Agent(instructions="Be brief.")
    sink = PacedAudioOutput(speed=20)
    session.output.audio = sink
    await session.start(agent)
    handle = session.generate_reply(user_input="Hello?")
    await handle
    told = {
        "heard": round(sink.heard_seconds, 2),
        "exception": repr(handle.exception()),
        "model": type(agent.llm if WHOSE == "agent" else session.llm).__name__,
        "arguments": sys.argv[1:],
    }
    print("told", json.dumps(told), flush=True)
    await session.aclose()
    await sink.aclose()
    ctx.shutdown()


async def main() -> None:
    running = asyncio.create_task(server.run(unregistered=True))
    started = asyncio.Event()
    server.on("worker_started", started.set)
    await started.wait()
    await server.simulate_job("room", fake_job=True)
    while not server.active_jobs:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    while server.active_jobs:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await server.aclose()
    running.cancel()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main())
