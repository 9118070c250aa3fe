"""Plays a case: a real AgentSession and the real OpenAI plugin, and a simulated server."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

from livekit.agents import NOT_GIVEN, Agent, StopResponse, function_tool
from livekit.agents.voice import SpeechHandle
from openai.types.realtime.realtime_audio_input_turn_detection import ServerVad

from ..._core.policy import RetryPolicy
from ...livekit._features import (
    AgentSession,
    history_of,
    push_history,
    push_instructions,
    realtime_session_of,
)
from ..call import SimulatedCall, simulated_call
from ..sink import PacedAudioOutput
from ._case import Case, Line
from ._forms import ACTIONS
from ._grammar import match
from ._script import FAULTS, Plan, Tool

__all__ = ["Player"]

_STEP = 0.005  # seconds between two looks
_QUIET = 0.5  # seconds
_PATIENCE = 40.0  # seconds without anything until a call counts as hung


class _Agent(Agent):
    """Has the case's tools, and counts how often each runs."""

    def __init__(self, player: Player, tools: list[Tool]) -> None:
        self._player = player
        super().__init__(instructions="Be brief.", tools=[self._made(tool) for tool in tools])

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

    Attributes:
        problems: what did not go on as the case says.
        log: what went over the wire.
        handles: the speeches that were asked for, by name; *raw*: replies of the realtime session
            itself; *refused*: what the session did not take.
        ran: how often each tool ran.
        said: what the user says, and how many speeches there were before it.
        speaking: when the user does.
        took: seconds that the call took.
        over: it was hung up.
    """

    def __init__(
        self, case: Case, made: Plan, *, controlled: bool, make: Callable[..., Any] = simulated_call
    ) -> None:
        self._make = make
        self.case = case
        self.plan = made
        self.controlled = controlled
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

    # --- the call

    async def play(self, look: Callable[[Player], None] = lambda _: None) -> None:
        """Do what the case says, and *look* at what came of it before the call is over."""
        made = self.plan
        options: dict[str, Any] = {}
        if "push" in made.flags:
            options["turn_detection"] = None
        elif "client_creates" in made.flags:
            options["turn_detection"] = ServerVad(
                type="server_vad", create_response=False, interrupt_response=True
            )
        if "text" in made.flags:
            options["modalities"] = ["text"]
        if made.duration is not None:
            options["max_session_duration"] = made.duration
        session: dict[str, Any] = {}
        if made.steps is not None:
            session["max_tool_steps"] = made.steps
        asyncio.get_running_loop().set_exception_handler(lambda _, context: None)
        async with self._make(
            made.script,
            agent=_Agent(self, made.tools),
            policy=RetryPolicy(**made.retry),
            controlled=self.controlled,
            config=made.config,
            profile=made.profile,
            attach="unattached" not in made.flags,
            sink=self._sink(),
            session=session,
            check=self.controlled and "G7" not in self.case.skip,
            **options,
        ) as call:
            self.call = call
            if "text" in made.flags:
                call.session.output.audio = None
            try:
                await self._body()
                look(self)
            finally:
                self._write_log()

    def _sink(self) -> PacedAudioOutput:
        speed = {"slow": 0.5, "fast": 5.0}.get(self.plan.sink, 1.0)
        return PacedAudioOutput(speed=speed, report=self.plan.sink != "silent")

    async def _body(self) -> None:
        loop = asyncio.get_running_loop()
        start = loop.time()
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
                await self._rest()
        except asyncio.TimeoutError as error:
            self.problems.append(f"hang: {error}")
        self.took = loop.time() - start

    async def _rest(self) -> None:
        """Wait until each speech is done, and for a while nothing has been under way."""
        loop = asyncio.get_running_loop()
        busy_at = loop.time()

        def settled() -> bool:
            nonlocal busy_at
            # A speech that waits for a confirmation is not the session's current one.
            if self.call.busy or not all(handle.done() for handle in self.call.speeches):
                busy_at = loop.time()
            return loop.time() - busy_at >= _QUIET

        await self._until(settled, "for the end")

    async def _do(self, key: str, values: dict[str, Any], line: Line) -> None:
        call, session = self.call, self.call.session
        if key == "ask":
            self._ask(values["name"], values.get("text"))
        elif key == "raw":
            self.raw[values["name"]] = realtime_session_of(session).generate_reply()
        elif key == "say":
            self._speaks(values)
            await self._attempt(self._say(values["text"], values["seconds"]))
        elif key == "start":
            self._speaks(values)
            await call.server.user_speaks(values["text"], seconds=values["seconds"])
        elif key == "interrupt":
            name = values.get("name")
            if name is not None:
                self._handle(name, line).interrupt()
            else:
                session.interrupt()
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
            await asyncio.sleep(values["seconds"])
        elif key == "until_idle":
            await self._rest()
        else:
            await self._until(self._condition(key, values, line), str(line))

    def _speaks(self, values: dict[str, Any]) -> None:
        now = asyncio.get_running_loop().time()
        self.said.append((values["name"], len(self.call.speeches)))
        self.speaking.append((now, now + values["seconds"]))

    async def _say(self, text: str, seconds: float) -> None:
        if "client_creates" not in self.plan.flags:
            await self.call.say(text, seconds)
            return
        # The server hears when the user stops, though it answers nothing.
        await self.call.server.user_speaks(text, seconds=seconds)
        await asyncio.sleep(seconds)

    async def _attempt(self, doing: Any) -> None:
        # Nobody hears it while the connection is broken.
        with contextlib.suppress(RuntimeError):
            await doing

    def _ask(self, name: str, text: str | None) -> None:
        given = NOT_GIVEN if text is None else text
        try:
            self.handles[name] = self.call.session.generate_reply(user_input=given)
        except RuntimeError as error:  # the session is over
            self.refused[name] = error

    async def _until(self, what: Callable[[], object], words: str) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while not what():
            if loop.time() >= end:
                raise asyncio.TimeoutError(f"waited in vain: {words}")
            await asyncio.sleep(_STEP)

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
