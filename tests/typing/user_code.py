"""What a user would write, for mypy and pyright in their strict modes. It is not run."""

from __future__ import annotations

from livekit.agents import Agent, AgentSession, APIConnectOptions
from livekit.plugins import openai

from realtime_fsm import (
    CancelResponse,
    Command,
    CreateResponse,
    CreateSent,
    ErrorKind,
    Recovering,
    RetryPolicy,
    Turn,
    TurnController,
    TurnEnded,
    TurnMoved,
    TurnOutcome,
    TurnState,
    parse,
)
from realtime_fsm.livekit import ControlledRealtimeModel, Observation
from realtime_fsm.simulator import (
    At,
    BreakConnection,
    Failed,
    Message,
    Reply,
    Schedule,
    ServerConfig,
)
from realtime_fsm.testing import SimulatedCall, check_all, simulated_call, virtual_time
from realtime_fsm.trace import Report, check, record


def embed() -> AgentSession[None]:
    policy = RetryPolicy(max_retry=2, kinds={"busy": ErrorKind.TRANSIENT})
    model = ControlledRealtimeModel(openai.realtime.RealtimeModel(), retry=policy)
    session: AgentSession[None] = AgentSession(llm=model)
    model.attach(session)

    def on_recovering(event: Recovering) -> None:
        print(event.attempt, event.wait, event.reason.code)

    def on_moved(event: TurnMoved) -> None:
        print(event.source.value, event.dest is TurnState.STREAMING)

    def on_ended(event: TurnEnded) -> None:
        if event.outcome is TurnOutcome.FAILED and event.error is not None:
            print(event.error.code, event.error.kind)

    model.on("recovering", on_recovering)
    model.on("turn_moved", on_moved)
    model.on("turn_ended", on_ended)
    recorder = record(model, "call.jsonl")
    recorder.attach(session)
    return session


def look(model: ControlledRealtimeModel) -> list[str]:
    observed: list[Observation] = list(model.observations)
    controller: TurnController | None = model.controller
    turns: tuple[Turn, ...] = () if controller is None else tuple(controller.turns)
    return [each.reason for each in observed] + [turn.id for turn in turns]


def policies() -> tuple[RetryPolicy, float]:
    policy = RetryPolicy.from_conn_options(APIConnectOptions(max_retry=1), on_exhausted="escalate")
    return policy, policy.recovery_deadline


def audit(path: str) -> Report:
    with open(path, "rb") as file:
        report = check(file, source=path)
    for violation in report.violations:
        print(violation.id, violation.text, [line.number for line in violation.lines])
    return report


def drive(frame: dict[str, object], now: float) -> float | None:
    controller = TurnController(RetryPolicy())
    turn = controller.request(now=now)
    commands: list[Command] = list(controller.commands())
    for command in commands:
        if isinstance(command, CreateResponse):
            controller.receive(
                CreateSent(turn_id=command.turn_id, attempt=command.attempt, event_id="e1"), now
            )
        elif isinstance(command, CancelResponse):
            print(command.response_id)
    if (event := parse(frame)) is not None:
        controller.receive(event, now)
    print(turn.state, turn.error)
    deadline: float | None = controller.next_deadline()
    return deadline


@virtual_time
async def test_a_call() -> None:
    script = [Reply(end=Failed("server_error")), Reply([Message("Hello.", seconds=1.0)])]
    config = ServerConfig(faults=Schedule([BreakConnection(At("response.created"))]))
    agent = Agent(instructions="")
    async with simulated_call(script, agent=agent, config=config) as call:
        await call.say("Hello?")
        await call.idle()
        check_all(call)
        print(heard(call))


def heard(call: SimulatedCall) -> float:
    return call.heard
