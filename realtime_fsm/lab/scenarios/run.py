"""Runs one scenario in one mode: a real AgentSession and the real plugin, and a simulated server."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from livekit.agents import llm
from livekit.plugins import openai

from ... import RetryPolicy
from ...compare import Verdict
from ...compare import judge as judge_lives
from ...livekit import ControlledRealtimeModel
from ...simulator.memory import InMemoryServer
from ...simulator.observed import ObservedServer
from ...simulator.script import Message, Reply, Script
from ...simulator.websocket import RealtimeServer
from ...simulator.wire import Ids
from ...testing import SimulatedCall, check_all, run_virtual, simulated_call
from .outcome import Outcome
from .play import Player
from .scenario import Mode, Scenario
from .sink import SlowOutput
from .turns import detection, session_options

__all__ = ["LATER", "collect_complaints", "compare_scenario", "play_scenario", "run_scenario"]

LATER = Reply([Message("And now everything is in good order.", seconds=0.5)])
"""What the server says when the scenario's replies are used up."""

_LOGGERS = ("livekit", "asyncio", "realtime_fsm", "aiohttp", "transitions")
_LIMIT = 900.0  # virtual seconds


def run_scenario(
    scenario: Scenario, mode: Mode = "controlled", *, sockets: bool = False, speed: float = 1.0
) -> Outcome:
    """Run *scenario* and return what was seen.

    Args:
        scenario: What happens.
        mode: Plain LiveKit, or the controlled model.
        sockets: Over real sockets and in real time; by default in virtual time.
        speed: Of generation, playback and the user, in times real time.

    Raises ``VirtualTimeError`` when the call cannot go on.
    """
    if sockets:
        return asyncio.run(play_scenario(scenario, mode, sockets=True, speed=speed))
    return run_virtual(lambda: play_scenario(scenario, mode, speed=speed), limit=_LIMIT)


async def play_scenario(
    scenario: Scenario, mode: Mode, *, sockets: bool = False, speed: float = 1.0
) -> Outcome:
    """The same on the running loop."""
    with collect_complaints() as complaints:
        outcome, _ = await _play(scenario, mode, sockets=sockets, speed=speed)
    return replace(outcome, complaints=tuple(complaints))


def compare_scenario(scenario: Scenario) -> Verdict | None:
    """Live *scenario* twice in virtual time, each attempt at a question with the same reply, and say
    whether the controlled call is worse than on plain LiveKit (G27). None where there are two
    models, for each has attempts of its own, and they cannot be paired; and where the policy is to
    repeat words.

    Raises ``VirtualTimeError`` when a call cannot go on.
    """
    two_models = scenario.models != "one" or scenario.second is not None
    if two_models or scenario.policy.get("after_exposure") == "regenerate":
        return None
    calls: list[SimulatedCall] = []

    async def live(mode: Mode) -> None:
        like = calls[0].server if calls else None
        calls.append((await _play(scenario, mode, sockets=False, speed=1.0, like=like))[1])

    with collect_complaints():
        for mode in ("controlled", "plain"):
            run_virtual(partial(live, mode), limit=_LIMIT)
    controlled, plain = (call.life() for call in calls)
    return judge_lives(plain, controlled)


async def _play(
    scenario: Scenario,
    mode: Mode,
    *,
    sockets: bool,
    speed: float,
    like: ObservedServer | None = None,
) -> tuple[Outcome, SimulatedCall]:
    controlled = mode == "controlled"
    config = replace(scenario.config, pace=scenario.config.pace / speed)
    policy = RetryPolicy(**scenario.policy) if controlled else None
    async with contextlib.AsyncExitStack() as stack:
        servers: list[InMemoryServer | RealtimeServer] = []
        ids = Ids()
        for replies in (scenario.replies, scenario.second):
            if replies is not None:
                script = Script([_faster(r, speed) for r in replies], default=LATER)
                server: InMemoryServer | RealtimeServer = (
                    RealtimeServer(script, config=config, ids=ids)
                    if sockets
                    else InMemoryServer(script, config=config, ids=ids, like=like)
                )
                servers.append(await stack.enter_async_context(server))
        player = Player(scenario, speed, servers)
        options = {"turn_detection": detection(scenario.turns), **scenario.options}
        session = session_options(scenario.turns, player)
        if scenario.text:
            options["modalities"] = ["text"]
        own: list[ControlledRealtimeModel] = []
        if scenario.models != "one":
            plugins = [_plugin(server, options) for server in servers]
            stack.push_async_callback(_close_all, plugins)
            session["llm"] = _composed(scenario, plugins, policy, own)
        manager = simulated_call(
            agent=player.agent,
            policy=policy,
            controlled=controlled and not own,
            server=servers[0],
            sink=SlowOutput(scenario.output_delay, speed=speed),
            session=session,
            check=False,
            **options,
        )
        call = await stack.enter_async_context(manager)
        player.meet(call, own)
        await player.play()
        broken = _broken(call, scenario) if controlled else ()
        return player.outcome(mode, broken), call


def _faster(reply: Reply, speed: float) -> Reply:
    return reply if reply.pace is None else replace(reply, pace=reply.pace / speed)


def _plugin(
    server: InMemoryServer | RealtimeServer, options: dict[str, Any]
) -> openai.realtime.RealtimeModel:
    over = {"http_session": server.http_session} if isinstance(server, InMemoryServer) else {}
    return openai.realtime.RealtimeModel(
        **{"api_key": "simulated", "base_url": server.url, **over, **options}
    )


def _composed(
    scenario: Scenario,
    plugins: list[openai.realtime.RealtimeModel],
    policy: RetryPolicy | None,
    own: list[ControlledRealtimeModel],
) -> llm.RealtimeModel:
    """The model of the session; ours are added to *own*."""
    if policy is None:
        return llm.RealtimeModelFallbackAdapter(list(plugins))
    if scenario.models == "fallback":
        own += [ControlledRealtimeModel(plugin, retry=policy) for plugin in plugins]
        return llm.RealtimeModelFallbackAdapter(list(own))
    own.append(
        ControlledRealtimeModel(llm.RealtimeModelFallbackAdapter(list(plugins)), retry=policy)
    )
    return own[0]


async def _close_all(plugins: list[openai.realtime.RealtimeModel]) -> None:
    for plugin in plugins:
        await plugin.aclose()


def _broken(call: SimulatedCall, scenario: Scenario) -> tuple[str, ...]:
    try:
        check_all(call, except_=scenario.unchecked)
    except AssertionError as error:
        return tuple(str(error).splitlines())
    return ()


# --- what nobody shall see on the terminal


class _Complaints(logging.Handler):
    """Keeps what our code logged as an error, and asyncio of ours: tasks that died, futures that
    nobody looked at, callbacks that raised."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        text = f"{record.getMessage()}: {error!r}"
        if record.name.startswith("realtime_fsm") or (
            record.name == "asyncio" and "realtime_fsm" in f"{text} {_where(error)}"
        ):
            self.found.append(text)


def _where(error: BaseException | None) -> str:
    """The files that an exception went through."""
    trace = error.__traceback__ if error is not None else None
    files = []
    while trace is not None:
        files.append(trace.tb_frame.f_code.co_filename)
        trace = trace.tb_next
    return " ".join(files)


@contextlib.contextmanager
def collect_complaints() -> Iterator[list[str]]:
    """Log nothing meanwhile, and collect errors of our own."""
    handler = _Complaints()
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    before = [(logger.handlers[:], logger.propagate) for logger in loggers]
    for logger in loggers:
        logger.handlers[:], logger.propagate = [handler], False
    try:
        yield handler.found
    finally:
        for logger, (handlers, propagate) in zip(loggers, before, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
