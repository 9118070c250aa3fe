"""A phrase for the silence while a failed answer is asked for again.

The phrase comes through a TTS, since the realtime model is what fails. Two things matter:

* Not for each failure: the first retry comes after a tenth of a second, which nobody notices.
* Once for each turn, however often it is retried.
* Not while an answer stalls that was heard in part: the phrase would wait behind its end.

pip install "realtime-fsm[openai]"
export OPENAI_API_KEY=...  LIVEKIT_URL=...  LIVEKIT_API_KEY=...  LIVEKIT_API_SECRET=...
python one_moment.py dev
"""

from __future__ import annotations

from livekit.agents import Agent, AgentServer, AgentSession, JobContext, cli
from livekit.plugins import openai

from realtime_fsm import Recovering, TurnEnded
from realtime_fsm.livekit import ControlledRealtimeModel

LONG = 1.0  # seconds of silence that deserve a word


def say_one_moment(model: ControlledRealtimeModel, session: AgentSession[None]) -> None:
    """Let the agent say a phrase when an answer takes long because it failed."""
    excused: set[str] = set()

    @model.on("recovering")
    def recovering(event: Recovering) -> None:
        stalls = event.reason.code == "stalling"
        if event.wait >= LONG and not stalls and event.turn_id not in excused:
            excused.add(event.turn_id)
            # Never generate_reply() here: a new request takes the place of the turn that recovers.
            session.say("One moment, please.", add_to_chat_ctx=False)

    @model.on("turn_ended")
    def ended(event: TurnEnded) -> None:
        excused.discard(event.turn_id)


server = AgentServer()


@server.rtc_session()
async def entrypoint(ctx: JobContext) -> None:
    model = ControlledRealtimeModel(openai.realtime.RealtimeModel(voice="marin"))
    session: AgentSession[None] = AgentSession(llm=model, tts=openai.TTS(voice="marin"))
    model.attach(session)
    say_one_moment(model, session)
    await session.start(Agent(instructions="You answer briefly."), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(server)
