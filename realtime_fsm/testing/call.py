"""A whole call for a test: a real AgentSession and the real plugin against the simulated server."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from inspect import Parameter, Signature
from typing import Any, Literal, TypeAlias, get_args

from livekit import rtc
from livekit.agents import Agent, CloseEvent, ErrorEvent, llm
from livekit.agents.voice import SpeechHandle
from livekit.plugins import openai
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from .. import Recovering, RetryPolicy, Turn, TurnController, TurnEnded, TurnMoved
from ..compare import Life
from ..livekit import ControlledRealtimeModel
from ..livekit._features import AgentSession, realtime_session_of
from ..profiles import Profile
from ..simulator.config import ServerConfig
from ..simulator.memory import InMemoryServer
from ..simulator.observed import ObservedServer
from ..simulator.script import Reply, Script
from ..simulator.websocket import RealtimeServer
from ..trace.facts import Fact
from ..trace.recorder import Recorder, record
from ._life import life_of
from ._noted import WitnessedSession
from ._screen import Screen
from ._watch import Watch
from ._witness import Witness
from .providers.gemini_server import GeminiServer
from .sink import PacedAudioOutput

__all__ = ["SimulatedCall", "simulated_call"]

Server: TypeAlias = InMemoryServer | RealtimeServer | GeminiServer
Provider: TypeAlias = Literal["openai", "google"]

_RATE = 24_000
_STEP = 0.01  # seconds between two looks
_RESTARTS = 0.5  # seconds in which Gemini's plugin connects again, for the agent's tools


@dataclass(eq=False)
class SimulatedCall:
    """What a test does in a call, and looks at.

    Attributes:
        session: the session under test, started.
        plugin: LiveKit's model.
        model: ours around it; None with ``controlled=False``.
        server: the other side of the wire.
        sink: what the user hears, after :meth:`play_on` the newest one.
        sinks: that one, and those before it.
        errors: the session's ``error`` events.
        closed: the session's ``close`` events.
        moves: the model's ``turn_moved`` events.
        recoveries: the model's ``recovering`` events.
        ended: the model's ``turn_ended`` events.
        speeches: the handles of all speeches, in the order of their creation.
        pushed: what the user said without server VAD: from when, until when, on the loop's clock,
            and the words.
        screen: where a call by text is read, see :meth:`read`.
        lived: what was lived in it, once it is over; see :meth:`life`.
    """

    session: AgentSession[Any]
    plugin: llm.RealtimeModel
    model: ControlledRealtimeModel | None
    server: Server
    sink: PacedAudioOutput
    errors: list[ErrorEvent] = field(default_factory=list)
    closed: list[CloseEvent] = field(default_factory=list)
    moves: list[TurnMoved] = field(default_factory=list)
    recoveries: list[Recovering] = field(default_factory=list)
    ended: list[TurnEnded] = field(default_factory=list)
    speeches: list[SpeechHandle] = field(default_factory=list)
    sinks: list[PacedAudioOutput] = field(init=False)
    _watch: Watch = field(init=False)
    pushed: list[tuple[float, float, str]] = field(default_factory=list)
    witness: Witness = field(init=False)
    lived: Life | None = None
    screen: Screen | None = None
    _speaks_until: float = 0.0
    _tools: dict[str, Agent] = field(default_factory=dict)  # that run, by call: whose they are
    _another: Callable[[dict[str, Any]], llm.RealtimeModel] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.sinks = [self.sink]
        self._watch = Watch(self.session, self.model or self.plugin)
        self._watch.hear(self.sink)
        self.witness = Witness(self)

    # --- doing ---

    def play_on(self, sink: PacedAudioOutput) -> None:
        """Swap the output, as a room that is joined later does. A message that plays ends on the
        sink it began on.
        """
        self._watch.hear(sink)
        self.session.output.audio = self.sink = sink
        self.sinks.append(sink)

    def read(self) -> None:
        """Read what the agent says instead of hearing it; for a model that answers by text."""
        self.session.output.audio = None
        self.session.output.transcription = self.screen = Screen()

    async def say(self, text: str, seconds: float = 1.0) -> None:
        """Let the user say *text*, and return when they have stopped.

        With server VAD (the default) the agent answers by itself. Without it silence is pushed for
        *seconds* and committed, as by push-to-talk: :meth:`AgentSession.commit_user_turn`.

        Raises ``RuntimeError`` when the model is not connected.
        """
        loop = asyncio.get_running_loop()
        self._speaks_until = loop.time() + seconds
        if self.plugin.capabilities.turn_detection:
            await self.server.user_speaks(text, seconds=seconds)
            await asyncio.sleep(seconds)
            return
        begun = loop.time()
        await asyncio.sleep(seconds)
        self.pushed.append((begun, loop.time(), text))
        await self.server.user_speaks(text, seconds=0.0)  # only the words: the audio is pushed
        realtime_session_of(self.session).push_audio(
            rtc.AudioFrame.create(_RATE, 1, round(seconds * _RATE))
        )
        self.session.commit_user_turn()

    def another_model(self, **options: Any) -> llm.RealtimeModel:
        """Return one more model of the same server, controlled or plain as that of the call, for an
        agent with a model of its own. It is closed with the call.
        """
        return self._another(options)

    async def until(self, what: Callable[[], object], *, timeout: float = 60.0) -> None:
        """Wait until *what* returns something true; it is asked every 10 ms.

        Raises ``asyncio.TimeoutError`` after *timeout* seconds.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout
        while not what():
            if loop.time() >= end:
                raise asyncio.TimeoutError(f"not within {timeout:g} s")
            await asyncio.sleep(_STEP)

    async def idle(self, *, quiet: float = 1.0, timeout: float = 60.0) -> None:
        """Wait until nobody speaks, no tool runs, nothing is being generated or recovered, and it has
        stayed so for *quiet* seconds.

        Raises ``asyncio.TimeoutError`` after *timeout* seconds.
        """
        loop = asyncio.get_running_loop()
        busy_at = loop.time()

        def settled() -> bool:
            nonlocal busy_at
            if self.busy:
                busy_at = loop.time()
            return loop.time() - busy_at >= quiet

        await self.until(settled, timeout=timeout)

    # --- looking ---

    def life(self) -> Life:
        """What was lived by now, or in the whole call once it is over; see
        :func:`assert_not_worse`."""
        return life_of(self.witness) if self.lived is None else self.lived

    @property
    def busy(self) -> bool:
        """Whether somebody speaks, or a turn of the agent is under way."""
        return (
            asyncio.get_running_loop().time() < self._speaks_until
            or self.server.active_response_id is not None
            or self.session.current_speech is not None
            or not all(sink.idle for sink in self.sinks)
            or bool(self.model is not None and self.model.controller and self.controller.turns)
            or self._works
        )

    @property
    def _works(self) -> bool:
        """Whether a tool of the agent at hand runs: that of another waits for this one."""
        agent = self.session.current_agent if self._tools else None
        return any(agent is each for each in self._tools.values())

    def _tool_updated(self, event: Any) -> None:
        if event.update.type == "tool_call_started":
            self._tools[event.update.function_call.call_id] = self.session.current_agent
        elif event.update.type == "tool_call_ended":
            self._tools.pop(event.update.call_id, None)

    def facts(self, *, rest: bool | None = True) -> list[Fact]:
        """All that was seen of the call by now, and a look at it, as every judge has it: see
        :mod:`realtime_fsm.trace.facts`. *rest*: whether all should have come to its end; None: without
        the look."""
        return self._watch.facts(self, rest=rest)

    def look(self, *, rest: bool = True) -> None:
        """Note what is to be seen now. *rest*: whether all should have come to its end."""
        self._watch.look(self, rest=rest)

    @property
    def now(self) -> float:
        """Seconds since the call began, as in its facts."""
        return self._watch.now

    def note(self, by: str, what: str, **fields: Any) -> None:
        """Note something that only the test knows, in the terms of :mod:`realtime_fsm.trace.facts`."""
        self._watch.note(by, what, **fields)

    @property
    def controller(self) -> TurnController:
        """The controller of the call. Raises ``RuntimeError`` with ``controlled=False``."""
        if self.model is None or self.model.controller is None:
            raise RuntimeError("the call is not controlled")
        return self.model.controller

    @property
    def turn(self) -> Turn:
        """The newest turn, live or finished. Raises ``RuntimeError`` when there was none."""
        turns = [*self.controller.finished, *self.controller.turns]
        if not turns:
            raise RuntimeError("there was no turn yet")
        return turns[-1]

    @property
    def heard(self) -> float:
        """Seconds of the agent's audio that the user has heard."""
        return sum(sink.heard_seconds for sink in self.sinks)

    @property
    def history(self) -> list[tuple[str, str]]:
        """(role, text) of the session's messages: what the agent believes was said."""
        return [
            (item.role, item.text_content or "")
            for item in self.session.history.items
            if isinstance(item, llm.ChatMessage)
        ]

    @property
    def remembered(self) -> list[tuple[str, str]]:
        """(role, text) of the server's messages: what the model believes was said."""
        return [(item.role or "", item.text) for item in self.server.conversation if item.role]


@contextlib.asynccontextmanager
async def simulated_call(
    script: Script | Sequence[Reply] = (),
    *,
    agent: Agent | None = None,
    policy: RetryPolicy | None = None,
    controlled: bool = True,
    mode: Literal["control", "off"] = "control",
    provider: Provider = "openai",
    config: ServerConfig | None = None,
    server: Server | None = None,
    sink: PacedAudioOutput | None = None,
    attach: bool = True,
    session: Mapping[str, Any] | None = None,
    check: bool = True,
    trace: str | os.PathLike[str] | None = None,
    transcripts: bool = False,
    recorder: Callable[[llm.RealtimeModel], Recorder] | None = None,
    like: SimulatedCall | None = None,
    profile: Profile | str = "auto",
    **model: Any,
) -> AsyncIterator[SimulatedCall]:
    """Run a call of *agent* with a real ``AgentSession`` and the real plugin of *provider*.

    In virtual time (:func:`virtual_time`, :func:`run_virtual`) it takes milliseconds; on an
    ordinary loop it takes as long as the script says::

        @virtual_time
        async def test_my_agent_survives_a_server_error() -> None:
            script = [Reply(end=Failed("server_error")), Reply([Message("Hello.", seconds=1.5)])]
            async with simulated_call(script, agent=MyAgent()) as call:
                await call.say("Good morning.", seconds=1.2)
                await call.idle()
                assert call.heard == pytest.approx(1.5)
                assert not call.errors

    Args:
        script: What the server replies.
        agent: The agent under test, without an ``llm`` of its own.
        policy: How turns recover.
        controlled: Whether :class:`ControlledRealtimeModel` is around the plugin's model.
        mode: Its mode.
        provider: Whose plugin: ``openai``, or ``google`` for Gemini Live.
        config: The server's delays, switches and faults.
        server: A started server to use instead; *script* and *config* are then its own.
        sink: The audio output; by default one that plays in real time.
        attach: Whether the model is attached to the session, as it should be.
        session: More arguments for ``AgentSession``.
        check: Whether to check at the end that each turn ended once and no task is left.
        trace: A file to record the call in, see ``docs/trace.md``.
        transcripts: Whether that has the words, too.
        recorder: Makes one more recorder of the session's model.
        like: Another call of the same script: each attempt at a question takes the reply that it
            took there, also where replies are listed in order.
        profile: What is known of the server; by default nothing, as of any that is unknown.
        **model: More arguments for the plugin's ``RealtimeModel``. OpenAI's ``turn_detection`` is a
            server VAD unless given; None is push-to-talk.

    Raises:
        AssertionError: The check at the end failed, and nothing else did.
        ValueError: *agent* brings its own ``llm``; there is no simulator of *provider*, or it has
            nothing for a field of *script*, *config* or *model*, which is named with its value.
        PluginMissing: The plugin of *provider* is not installed: an ``ImportError`` that names the
            extra which brings it.
    """
    if agent is not None and isinstance(agent.llm, (llm.LLM, llm.RealtimeModel)):
        raise ValueError("the agent brings its own llm, so it would not talk to the simulator")
    before = asyncio.all_tasks()
    async with contextlib.AsyncExitStack() as stack:
        like_server = None if like is None else like.server
        served: Server
        if server is None:
            script = script if isinstance(script, Script) else Script(script)
            begun = _server(provider, script, config, like_server)
            served = await stack.enter_async_context(begun)
        else:
            served = server
        make_plugin = _maker(served, model)

        def make(**options: Any) -> tuple[llm.RealtimeModel, ControlledRealtimeModel | None]:
            made = make_plugin(**options)
            if not controlled:
                return made, None
            return made, ControlledRealtimeModel(made, retry=policy, mode=mode, profile=profile)

        plugin, controller = make()
        options = {"llm": controller or plugin, "vad": None, **(session or {})}
        call = SimulatedCall(
            WitnessedSession(**options), plugin, controller, served, sink or PacedAudioOutput()
        )
        _listen(call)

        def another(options: dict[str, Any]) -> Any:
            inner, own = make(**options)
            stack.push_async_callback(inner.aclose)
            if own is not None:
                call.witness.waits.watch(own)
                if attach:
                    own.attach(call.session)
            return own or inner

        call._another = another
        if trace is not None:
            call._watch.also(record(controller or plugin, trace, transcripts=transcripts))
        if recorder is not None:
            call._watch.also(recorder(controller or plugin))
        stack.callback(call._watch.close)
        if controller is not None and attach:
            controller.attach(call.session)
        call.session.output.audio = call.sink
        stack.push_async_callback(_close_sinks, call)
        stack.push_async_callback(plugin.aclose)
        stack.push_async_callback(_close, call, controlled)
        await call.session.start(agent or Agent(instructions="Be brief."))
        await _connected(served)
        try:
            yield call
        finally:
            call.lived = life_of(call.witness)
    if check:
        await _check(call, before)


def _server(
    provider: Provider, script: Script, config: ServerConfig | None, like: ObservedServer | None
) -> InMemoryServer | GeminiServer:
    """The simulator of a provider, not yet started."""
    if provider not in get_args(Provider):
        known = ", ".join(get_args(Provider))
        raise ValueError(f"there is no simulator of provider {provider!r}, but of {known}")
    kind = GeminiServer if provider == "google" else InMemoryServer
    return kind(script, config=config, like=like)


def _maker(server: Server, given: dict[str, Any]) -> Callable[..., llm.RealtimeModel]:
    """What makes models of the real plugin for this server."""
    if isinstance(server, GeminiServer):
        return functools.partial(server.model, **given)
    if isinstance(server, InMemoryServer):
        given.setdefault("http_session", server.http_session)
    vad = ServerVad(type="server_vad", create_response=True, interrupt_response=True)
    given.setdefault("turn_detection", vad)
    arguments = {"api_key": "simulated", "base_url": server.url, **given}
    return functools.partial(openai.realtime.RealtimeModel, **arguments)


class _Into:
    """Appends events to a list.

    LiveKit looks at the signature of each listener for each event; that of ``list.append`` has to
    be parsed each time, which takes longer than all else that happens to the event.
    """

    __signature__ = Signature([Parameter("event", Parameter.POSITIONAL_ONLY)])

    def __init__(self, events: list[Any]) -> None:
        self._events = events

    def __call__(self, event: Any, /) -> None:
        self._events.append(event)


def _listen(call: SimulatedCall) -> None:
    call.session.on("error", _Into(call.errors))
    call.session.on("close", _Into(call.closed))
    call.session.on("speech_created", lambda event: call.speeches.append(event.speech_handle))
    call.session.on("tool_execution_updated", call._tool_updated)
    if call.model is not None:
        call.model.on("turn_moved", _Into(call.moves))
        call.model.on("recovering", _Into(call.recoveries))
        call.model.on("turn_ended", _Into(call.ended))


async def _connected(server: Server) -> None:
    """Wait for the first connection to be ready. A script may refuse it: then go on."""
    with contextlib.suppress(asyncio.TimeoutError):
        await server.wait_for("session.updated", direction="server", timeout=1.0)
    if isinstance(server, GeminiServer):
        await asyncio.sleep(_RESTARTS)


async def _close(call: SimulatedCall, controlled: bool) -> None:
    call.look(rest=not call.busy)
    try:
        await call.session.aclose()
    except Exception:
        # LiveKit's own session raises the error that ended it a second time.
        if controlled:
            raise


async def _close_sinks(call: SimulatedCall) -> None:
    for sink in call.sinks:
        await sink.aclose()


async def _check(call: SimulatedCall, before: set[asyncio.Task[Any]]) -> None:
    await asyncio.sleep(0)
    left = {task for task in asyncio.all_tasks() - before if not task.done()}
    assert not left, f"tasks are left after the call: {left}"
    if call.model is None or call.model.controller is None:
        return
    assert not call.controller.turns, f"turns are left after the call: {call.controller.turns}"
    ends = [event.turn_id for event in call.ended]
    begun = dict.fromkeys(event.turn_id for event in call.moves)
    uneven = [turn for turn in begun if ends.count(turn) != 1]
    assert not uneven, f"turns that did not end exactly once: {uneven}"
