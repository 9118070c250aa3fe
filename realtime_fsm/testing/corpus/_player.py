"""Plays a case: a real AgentSession and the real OpenAI plugin, and a simulated server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass, replace
from typing import Any

from livekit.agents import NOT_GIVEN, Agent, ModelSettings, StopResponse, function_tool
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.run_result import RunResult

from ..._core.policy import RetryPolicy
from ...livekit._features import (
    AgentSession,
    history_of,
    push_history,
    push_instructions,
    realtime_session_of,
)
from ...simulator.observed import ObservedServer
from ...simulator.script import Script
from ..call import SimulatedCall, simulated_call
from ._case import Case, Line
from ._forms import ACTIONS
from ._grammar import match
from ._models import Models
from ._outcome import Outcome
from ._script import FAULTS, Plan, Tool
from ._sink import LateOutput
from ._turns import Turns
from ._witness import Witness, describe

__all__ = ["RESTED", "Player", "Rest"]

_PATIENCE = 40.0  # seconds without anything until a call counts as hung


@dataclass(frozen=True, slots=True)
class Rest:
    """When a call is over, in seconds: at least *after* after its last line, when nothing has been
    under way for *quiet*; if that does not come within *patience* it *hangs*, or is over as it is.
    The player looks every *step*.
    """

    after: float = 0.0
    quiet: float = 0.5
    patience: float = _PATIENCE
    hangs: bool = True
    step: float = 0.005


RESTED = Rest()


class _Agent(Agent):
    """Has the case's tools, counts how often each runs, and tells which message is being spoken."""

    def __init__(self, player: Player, tools: list[Tool]) -> None:
        self._player = player
        super().__init__(instructions="Be brief.", tools=[self._made(tool) for tool in tools])

    async def on_enter(self) -> None:
        if "greets" in self._player.plan.flags:
            self._player.ask(self.session, "greeting", instructions="Greet the user.")

    def transcription_node(
        self, text: AsyncIterable[Any], model_settings: ModelSettings
    ) -> AsyncIterator[Any]:
        # LiveKit asks for the text of each message before its sound, in the order they are spoken.
        return self._player.witness.reads(text)

    def _made(self, tool: Tool) -> Any:
        async def work(raw_arguments: dict[str, object]) -> Any:
            return await self._player.tool(tool, self)

        schema = {
            "name": tool.name,
            "description": "Does it.",
            "parameters": {"type": "object", "properties": {}},
        }
        return function_tool(work, raw_schema=schema)


class Player:
    """Plays a case once.

    Args:
        case: Of the level ``call``.
        made: What it says of everything before the call.
        controlled: Whether our model is around the plugin's.
        make: Called as :func:`simulated_call`.
        rest: When the call is over.
        speed: Of generation, playback and the user, in times real time.
        sockets: Over real sockets and in real time, and not in virtual time.

    Attributes:
        problems: what did not go on as the case says.
        log: what went over the wire.
        handles: the speeches that were asked for, by name; *raw*: replies of the realtime session
            itself; *refused*: what the session did not take.
        ran: how often each tool ran.
        said: what the user says, and how many speeches there were before it.
        speaking: when the user does.
        started_at: when its first line was done; *took*: seconds that the call took.
        over: it was hung up.
        seen: what was seen, once it was judged.
    """

    def __init__(
        self,
        case: Case,
        made: Plan,
        *,
        controlled: bool,
        make: Callable[..., Any] = simulated_call,
        rest: Rest = RESTED,
        speed: float = 1.0,
        sockets: bool = False,
    ) -> None:
        self._make = make
        self.case = case
        self.plan = made
        self.controlled = controlled
        self._rest_at_end = rest
        self._speed = speed
        self.sockets = sockets
        self._turns = Turns(made.flags)
        self._running: list[asyncio.Task[None]] = []
        self.servers: list[ObservedServer] = []
        self.witness: Witness
        self.seen: Outcome | None = None
        self.problems: list[str] = []
        self.log: list[str] = []
        self.handles: dict[str, SpeechHandle] = {}
        self.ran: dict[str, int] = {}
        self.said: list[tuple[str, int]] = []
        self.speaking: list[tuple[float, float]] = []
        self.raw: dict[str, asyncio.Future[Any]] = {}
        self.refused: dict[str, Exception] = {}
        self.took = 0.0
        self.call: SimulatedCall
        self.over = False
        self.started_at = 0.0

    # --- the call

    async def play(self, look: Callable[[Player], None] = lambda _: None) -> None:
        """Do what the case says, and *look* at what came of it before the call is over."""
        made = self.plan
        self.witness = Witness(made.messages(), text="text" in made.flags)
        options: dict[str, Any] = dict(self._turns.model)
        session: dict[str, Any] = dict(self._turns.session)
        if "text" in made.flags:
            options["modalities"] = ["text"]
        if made.duration is not None:
            options["max_session_duration"] = made.duration
        if made.steps is not None:
            session["max_tool_steps"] = made.steps
        config = replace(made.config, pace=made.config.pace / self._speed)
        policy = RetryPolicy(**made.retry)
        async with Models(made, config, sockets=self.sockets, faster=self._faster) as models:
            composed = models.composed(policy if self.controlled else None, options)
            async with self._make(
                self._faster(made.script),
                agent=_Agent(self, made.tools),
                policy=policy,
                controlled=self.controlled and composed is None,
                config=config,
                server=models.first,
                profile=made.profile,
                attach="unattached" not in made.flags,
                sink=self._sink(),
                session=session if composed is None else {**session, "llm": composed},
                check=self.controlled and "G7" not in self.case.skip,
                **options,
            ) as call:
                self.call = call
                self.servers = [*models.servers] or [call.server]
                models.attach(call.session)
                self.witness.meet(call)
                if "text" in made.flags:
                    call.read()
                if self._turns.microphone is not None:
                    call.session.input.audio = self._turns.microphone
                self.begun()
                try:
                    await self._body()
                    look(self)
                finally:
                    await self._stop()
                    self._write_log()

    def begun(self) -> None:
        """The call is connected; for those who watch it."""

    def _faster(self, script: Script) -> Script:
        replies = [
            each if each.pace is None else replace(each, pace=each.pace / self._speed)
            for each in script.replies
        ]
        return replace(script, replies=replies)

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _sink(self) -> LateOutput:
        speed = {"slow": 0.5, "fast": 5.0}.get(self.plan.sink, 1.0) * self._speed
        return LateOutput(self.plan.delay, speed=speed, report=self.plan.sink != "silent")

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self._speed)

    async def _body(self) -> None:
        loop = asyncio.get_running_loop()
        start = self.started_at = loop.time()
        try:
            for line in self.case.body:
                if line.actor == "S":
                    continue
                if line.actor == "N":
                    form, _ = match(FAULTS, line.words, line.number, "N")
                    with contextlib.suppress(RuntimeError):  # nobody is connected
                        if form.key == "now_half_open":
                            self.call.server.half_open()
                        elif form.key == "now_break":
                            self.call.server.drop()
                    continue
                form, values = match(ACTIONS[line.actor], line.words, line.number, line.actor)
                await self._do(form.key, values, line)
            if not self.over:
                await self._sleep(self._rest_at_end.after)
                await self._rest(self._rest_at_end)
        except asyncio.TimeoutError as error:
            self.problems.append(f"hang: {error}")
        self.took = loop.time() - start

    async def _rest(self, rest: Rest) -> None:
        """Wait until each speech is done, and for a while nothing has been under way."""
        loop = asyncio.get_running_loop()
        busy_at = loop.time()

        def settled() -> bool:
            nonlocal busy_at
            # A speech that waits for a confirmation is not the session's current one.
            if self.call.busy or not all(handle.done() for handle in self.call.speeches):
                busy_at = loop.time()
            return loop.time() - busy_at >= rest.quiet / self._speed

        try:
            await self._until(settled, "for the end", rest.patience)
        except asyncio.TimeoutError:
            if rest.hangs:
                raise

    async def _do(self, key: str, values: dict[str, Any], line: Line) -> None:
        call, session = self.call, self.call.session
        if key == "ask":
            text, cuts = values.get("text", NOT_GIVEN), "interrupting" in values
            self.ask(session, values["name"], cuts=cuts, user_input=text)
        elif key == "run":
            self._run(values["text"])
        elif key == "raw":
            self.raw[values["name"]] = realtime_session_of(session).generate_reply()
        elif key == "say":
            self._speaks(values)
            await self._attempt(self._say(values["text"], values["seconds"] / self._speed))
            if "client_creates" not in self.plan.flags:  # else the application asks
                self.witness.asked()
        elif key == "start":
            self._speaks(values)
            await call.server.user_speaks(values["text"], seconds=values["seconds"])
        elif key in ("interrupt", "cut"):
            await self._interrupt(values.get("name"), line, wait=key == "cut")
        elif key == "stray":
            realtime_session_of(session).interrupt()
        elif key == "instructions":
            await push_instructions(session, values["text"])
        elif key == "history":
            history = history_of(session).copy()
            history.add_message(role="system", content=values["text"])
            await push_history(session, history)
        elif key == "commit":
            realtime_session_of(session).commit_audio()
        elif key == "discard":
            session.clear_user_turn()
        elif key == "hang_up":
            self.over = True
            await asyncio.wait_for(session.aclose(), 20.0)
        elif key in ("pauses", "resumes"):
            (self.call.sink.pause if key == "pauses" else self.call.sink.resume)()
        elif key == "swaps":
            self.call.play_on(self._sink())
        elif key == "wait":
            await self._sleep(values["seconds"])
        elif key == "at":
            now = asyncio.get_running_loop().time()
            await self._sleep(max(0.0, values["seconds"] - (now - self.started_at) * self._speed))
        elif key == "until_idle":
            await self._rest(RESTED)
        else:
            await self._until(self._condition(key, values, line), str(line))

    def _speaks(self, values: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        self.said.append((values["name"], len(self.call.speeches)))
        self.speaking.append((now, now + values["seconds"] / self._speed))

    async def _say(self, text: str, seconds: float) -> None:
        server = self.call.server
        if self._turns.microphone is not None:
            await server.user_speaks(text, seconds=0.0)
            self._turns.microphone.speak(seconds)
        elif "client_creates" in self.plan.flags:
            # The server hears when the user stops, though it answers nothing.
            await server.user_speaks(text, seconds=seconds)
        else:
            await self.call.say(text, seconds)
            return
        await asyncio.sleep(seconds)

    async def _interrupt(self, name: str | None, line: Line, *, wait: bool) -> None:
        self.witness.interrupted()
        try:
            if name is not None:
                self._handle(name, line).interrupt()
                return
            over = self.call.session.interrupt()
        except RuntimeError as error:
            self.witness.refused(error)
            return
        if wait:
            await over

    async def _attempt(self, doing: Any) -> None:
        # Nobody hears it while the connection is broken.
        with contextlib.suppress(RuntimeError):
            await doing

    def ask(
        self, session: AgentSession[Any], name: str, *, cuts: bool = False, **given: Any
    ) -> None:
        """The application asks for a reply; *cuts*: and interrupts."""
        self.witness.asked()
        try:
            if cuts:
                self.witness.interrupted()
                session.interrupt()
            self.handles[name] = session.generate_reply(**given)
            self.witness.take(self.handles[name])
        except RuntimeError as error:  # the session is over
            self.refused[name] = error
            self.witness.refused(error)

    def _run(self, text: str) -> None:
        self.witness.asked()

        async def run() -> None:
            try:
                result: RunResult[Any] = await self.call.session.run(user_input=text)
            except Exception as error:
                self.witness.results.append(describe(error))
            else:
                messages = [event for event in result.events if event.type == "message"]
                self.witness.results.append(f"{len(messages)} messages")

        self._running.append(asyncio.create_task(run()))

    async def _until(
        self, what: Callable[[], object], words: str, patience: float = _PATIENCE
    ) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + patience
        while not what():
            if loop.time() >= end:
                raise asyncio.TimeoutError(f"waited in vain: {words}")
            await asyncio.sleep(self._rest_at_end.step)

    def _condition(self, key: str, values: dict[str, Any], line: Line) -> Callable[[], object]:
        server = self.call.server
        if key == "until_heard":
            return lambda: self.heard >= values["seconds"] - 1e-6
        if key == "until_sent":
            return lambda: len(server.sent(values["type"])) >= values.get("count", 1)
        if key == "until_received":
            return lambda: len(server.received(values["type"])) >= values.get("count", 1)
        if key == "until_done":
            return lambda: (handle := self.speech(values["name"])) and handle.done()
        return lambda: self.ran.get(values["tool"], 0) >= 1

    def _handle(self, name: str, line: Line) -> SpeechHandle:
        handle = self.speech(name)
        if handle is None:
            raise LookupError(f"line {line.number}: there is no speech {name} yet")
        return handle

    # --- the agent's tools

    async def tool(self, tool: Tool, agent: Agent) -> Any:
        self.ran[tool.name] = self.ran.get(tool.name, 0) + 1
        await asyncio.sleep(tool.seconds)
        session: AgentSession[Any] = self.call.session
        if tool.then == "stop":
            raise StopResponse
        if tool.then == "raise":
            raise RuntimeError("the tool failed")
        if tool.then == "ask":
            session.generate_reply(instructions="Say that it is done.")
        elif tool.then == "instruct":
            await push_instructions(session, "Be very brief.")
        elif tool.then == "history":
            history = history_of(session).copy()
            history.add_message(role="system", content="The caller is in a hurry.")
            await push_history(session, history)
        elif tool.then == "handoff":
            return _Agent(self, []), "You are through."
        return "It is done."

    # --- what is seen

    def outcome(self) -> Outcome:
        """What was seen by now."""
        mode = "controlled" if self.controlled else "plain"
        ran = sum(self.ran.values())
        return self.witness.outcome(self.case.id, mode, self.servers, ran)

    @property
    def heard(self) -> float:
        return self.call.heard

    def speech(self, name: str) -> SpeechHandle | None:
        """The speech of that name, if there is one by now."""
        if name in self.handles:
            return self.handles[name]
        for at, (known, first) in enumerate(self.said):
            if known != name:
                continue
            last = self.said[at + 1][1] if at + 1 < len(self.said) else None
            asked = list(self.handles.values())
            found = [h for h in self.call.speeches[first:last] if h not in asked]
            return found[0] if found else None
        return None

    def _write_log(self) -> None:
        for each in self.call.server.record:
            if "delta" not in each.type and "append" not in each.type:
                who = f"connection {each.connection}  {each.direction:6}"
                error = each.event.get("error")
                code = error.get("code") if isinstance(error, dict) else ""
                self.log.append(f"{each.t:9.3f} s  {who}  {each.type} {code}".rstrip())
