"""Plays a scenario: the caller's side of a call, and a witness of all that can be seen of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping, Sequence
from dataclasses import replace
from inspect import Parameter, Signature
from pathlib import Path
from typing import Any

from livekit import rtc
from livekit.agents import AgentTask, CloseEvent, ErrorEvent, SpeechCreatedEvent, llm
from livekit.agents.voice import SpeechHandle

from ... import Recovering, TurnEnded, TurnMoved
from ...livekit._features import hand_over, history_of, realtime_session_of
from ...simulator.record import Record
from ...testing import PacedAudioOutput, SimulatedCall, run_virtual, simulated_call
from ...testing.clock import VirtualTimeError
from ...watch._moves import Moves
from .agents import Desk
from .drawing import asked_besides
from .editing import edited
from .evidence import Asked, Evidence, Reported, Spoken
from .output import FailingOutput
from .scenario import Aside, Edit, OutputFault, Scenario, Turn
from .strangers import is_aside

__all__ = ["play"]

_STEP = 0.1  # seconds between two looks
_QUIET = 0.6  # seconds without anything under way until the caller takes the answer for over
_PATIENCE = 40.0  # seconds without a sound until the caller gives the answer up
_STUCK = 60.0  # seconds after the last turn until a speech counts as never done
_CONNECTED = 30.0  # seconds the caller waits for a connection before speaking
_COUGH = 0.2  # seconds
_SILENCE = 0.2  # seconds, which a microphone has given before a commit
_RATE = 24_000
_CLEANED_UP = (
    20.0  # seconds; a correction that got lost is asked for again once the server says anything
)


def play(
    scenario: Scenario,
    *,
    plain: bool = False,
    trace: Path | None = None,
    check: bool = True,
    machines: bool = False,
) -> Evidence:
    """Run the call in virtual time, plain LiveKit or controlled, and return what was seen.

    *trace* is a file to record it in; *check*: whether a controlled call must leave no task or turn
    behind; *machines*: whether the trace tells how the machines of responses and playback move, too.
    """
    seen = Evidence()

    async def call() -> None:
        # Plain LiveKit leaves tasks behind in some failures; that is not what is counted here.
        check_it = check and not plain
        caller = _Caller(
            scenario, seen, plain=plain, trace=trace, check=check_it, machines=machines
        )
        await caller.call()

    try:
        run_virtual(call, limit=7200.0)
    except VirtualTimeError as error:
        seen.hang, seen.broken = True, _first_line(error)
    except Exception as error:
        seen.broken = f"{type(error).__name__}: {_first_line(error)}"
    seen.life = replace(seen.life, hung=seen.life.hung or seen.broken)
    return seen


def is_connected(record: Sequence[Record]) -> bool:
    """Whether a connection is up: an agent with a model of its own has one of its own."""
    up: set[int] = set()
    for each in record:
        if each.direction == "net":
            (up.add if each.type == "accepted" else up.discard)(each.connection)
    return bool(up)


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "")


class _Listener:
    """Has a signature at hand: LiveKit looks at it for each event, and parsing it takes longer."""

    __signature__ = Signature([Parameter("event", Parameter.POSITIONAL_ONLY)])

    def __init__(self, listener: Callable[[Any], None]) -> None:
        self._listener = listener

    def __call__(self, event: Any, /) -> None:
        self._listener(event)


class _HungUp(Exception):  # noqa: N818 - not an error
    """The call is over before its last turn."""


class _Caller:
    def __init__(
        self,
        scenario: Scenario,
        seen: Evidence,
        *,
        plain: bool,
        trace: Path | None,
        check: bool,
        machines: bool,
    ) -> None:
        self._check = check
        self._scenario = scenario
        self._seen = seen
        self._plain = plain
        self._trace = trace
        self._moves = Moves(self._machine) if machines and not plain else None
        self._loop = asyncio.get_running_loop()
        self._zero = self._loop.time()
        self._handles: list[tuple[float, SpeechHandle]] = []
        self._closed = False
        self._rests = False
        self._last_sound = 0.0
        self._acting: list[asyncio.Task[None]] = []
        self._call: SimulatedCall

    # --- the witness

    @property
    def _now(self) -> float:
        return self._loop.time() - self._zero

    @property
    def tool_seconds(self) -> float:
        """How long a tool of the agent takes."""
        return self._scenario.tool_seconds

    def note(self, who: str, text: str) -> None:
        self._seen.notes.append((self._now, who, text))

    def hears(self, text: AsyncIterable[Any]) -> AsyncIterator[Any]:
        """Note that a message is spoken from now on."""
        message = Spoken(self._now)
        self._seen.spoken.append(message)
        return self._reads(text, message)

    async def _reads(self, text: AsyncIterable[Any], message: Spoken) -> AsyncIterator[Any]:
        try:
            async for delta in text:
                message.text += str(delta)
                if self._scenario.modality == "text":
                    self._last_sound = self._now
                    if message.started is None:
                        message.started = self._now
                yield delta
            message.whole = True
        finally:
            if self._scenario.modality == "text":
                self._shown(message)
        if self._scenario.modality == "text":
            self.note("hears", f'by text "{message.text}"')

    def _shown(self, message: Spoken) -> None:
        """A call by text: this is all of the message that was shown."""
        told: dict[str, Any] = {"whole": message.whole, "text": message.text}
        if message.started is not None:
            told["begun"] = self._call.now - self._now + message.started
        if (speech := self._call.session.current_speech) is not None:
            told["speech"] = speech.id
        self._call.note("playback", "shown", **told)

    def _hear(self, sink: PacedAudioOutput) -> None:
        """Note what the caller hears, whatever the output tells LiveKit."""
        sink.watchers.append(self._hears)

    def _hears(self, what: str, more: Mapping[str, Any]) -> None:
        if what == "started":
            self._sounds()
        elif what == "finished":
            self._sounded(more["position"], cut=more["interrupted"])

    def _sounds(self) -> None:
        if self._seen.spoken:
            message = self._seen.spoken[-1]
            if message.started is None:
                message.started = self._now
            self.note("hears", f"message {len(self._seen.spoken)} begin")

    def _sounded(self, position: float, *, cut: bool) -> None:
        if self._seen.spoken and position > 0:
            how = "cut off after" if cut else "to its end,"
            words = " ".join(self._seen.spoken[-1].text.split()[:5])
            self.note("hears", f'"{words} ..." {how} {position:.2f} s')

    def _failed(self, event: ErrorEvent) -> None:
        recoverable = bool(getattr(event.error, "recoverable", False))
        text = str(getattr(event.error, "error", event.error))
        self._seen.reported.append(Reported(self._now, "error", text, not recoverable))

    def _speech_created(self, event: SpeechCreatedEvent) -> None:
        self._handles.append((self._now, event.speech_handle))
        number = len(self._handles)
        self.note("handle", f"{number} created")

        def done(handle: SpeechHandle) -> None:
            error = handle.exception()
            how = "interrupted" if handle.interrupted else "done"
            self.note("handle", f"{number} {how}, exception {error!r}")
            # An exception that comes with an interruption says no more than that.
            if error is not None:
                report = Reported(self._now, "handle", str(error), not handle.interrupted)
                self._seen.reported.append(report)

        event.speech_handle.add_done_callback(done)

    def _machine(self, kind: str, **told: Any) -> None:
        self._call.note("machine", kind, **told)

    def _follow(self) -> None:
        if self._moves is not None and self._call.model is not None:
            self._moves.follow(self._call.model.controller)

    def _turn_moved(self, move: TurnMoved) -> None:
        self._follow()
        self.note("turn", f"{move.turn_id}: {move.label} ({move.event})")

    def _recovering(self, plan: Recovering) -> None:
        self.note("turn", f"{plan.turn_id}: recovers from {plan.reason}, waits {plan.wait:.2f} s")

    def _turn_ended(self, end: TurnEnded) -> None:
        self.note("turn", f"{end.turn_id}: ended, {end.outcome.value}, error {end.error}")
        if end.error is not None:
            self._seen.reported.append(Reported(self._now, "turn", str(end.error), True))

    def _close_seen(self, event: CloseEvent) -> None:
        self._closed = True
        self.note("session", f"closed, {event.reason.value}")

    def _listen(self) -> None:
        session = self._call.session
        session.on("error", _Listener(self._failed))
        session.on("close", _Listener(self._close_seen))
        session.on("speech_created", _Listener(self._speech_created))
        self._hear(self._call.sink)
        if self._call.model is not None:
            self._call.model.on("turn_moved", _Listener(self._turn_moved))
            self._call.model.on("recovering", _Listener(self._recovering))
            self._call.model.on("turn_ended", _Listener(self._turn_ended))
        self._follow()

    # --- the call

    async def call(self) -> None:
        options: dict[str, Any] = {"max_session_duration": None}
        if self._scenario.voice == "push_to_talk":
            options["turn_detection"] = None
        if self._scenario.modality == "text":
            options["modalities"] = ["text"]
        async with simulated_call(
            self._scenario.script,
            agent=Desk(self),
            controlled=not self._plain,
            config=self._scenario.config,
            check=self._check,
            trace=self._trace,
            sink=FailingOutput(),
            **options,
        ) as self._call:
            self._seen.record = self._call.server.record
            if self._scenario.modality == "text":
                self._call.read()
            self._listen()
            try:
                await self._talk()
                await self._end()
            except _HungUp:
                self.note("caller", "the call is over")
            finally:
                for acting in self._acting:
                    acting.cancel()
                await asyncio.gather(*self._acting, return_exceptions=True)
                self._look_back()
        self._seen.facts = self._call.facts(rest=None)

    async def _talk(self) -> None:
        previous: Asked | None = None
        for number, turn in enumerate(self._scenario.turns, 1):
            if not await self._connected():
                break
            asked = await self._ask(turn, number, previous)
            await self._react(asked)
            cut_in = asked.turn.then == "speaks_over" and asked.interrupted is not None
            if not cut_in:
                await asyncio.sleep(turn.pause)
                asked.over = self._now
                self._call.note("caller", "let_go", key=asked.key)
            previous = asked
        if previous is not None and previous.over is None:
            previous.interrupted = None  # nobody asks anything else: listens after all
            self._call.note("caller", "cut_in", key=previous.key, how="listens")
            await self._answer(previous, None)

    async def _connected(self) -> bool:
        end = self._now + _CONNECTED
        while not self._closed and not is_connected(self._seen.record) and self._now < end:  # noqa: ASYNC110 - looking is all a caller can do
            await asyncio.sleep(_STEP)
        return not self._closed and is_connected(self._seen.record)

    async def _ask(self, turn: Turn, number: int, previous: Asked | None) -> Asked:
        begun, t = self._now, self._call.now
        told: dict[str, Any] = {}
        cuts_in = previous is not None and previous.over is None
        if previous is not None and previous.over is None:
            previous.over = begun
            self._call.note("caller", "let_go", key=previous.key)
        asked = Asked(turn, begun, begun, key=f"q{number}")
        self._seen.asked.append(asked)
        if turn.act is not None:
            after = turn.act.after + (turn.seconds if turn.kind == "speech" else 0.0)
            self._acting.append(asyncio.create_task(self._act(turn, number, max(0.0, after))))
        for edit in self._scenario.edits:
            if edit.turn == number:
                self._acting.append(asyncio.create_task(self._edit(edit)))
        spoken = turn.seconds if turn.kind == "speech" else 0.0
        for aside in self._scenario.asides:
            if aside.turn == number:
                self._acting.append(asyncio.create_task(self._aside(aside, aside.after + spoken)))
        for fault in self._scenario.outputs:
            if fault.turn == number:
                self._acting.append(asyncio.create_task(self._output(fault, fault.after + spoken)))
        session = self._call.session
        try:
            if turn.kind == "text":
                self.note("caller", f'writes "{turn.words}"')
                if cuts_in:
                    session.interrupt()
                told["speech"] = session.generate_reply(user_input=turn.words).id
            elif turn.kind == "app":
                self.note("app", f'asks for "{turn.words}"')
                told["speech"] = session.generate_reply(instructions=turn.words).id
            elif self._scenario.voice == "push_to_talk":
                self.note("caller", f'says "{turn.words}" for {turn.seconds:g} s')
                if cuts_in:
                    session.interrupt()  # what an application does when the button is pressed
                await self._call.say(turn.words, turn.seconds)
            else:
                self.note("caller", f'says "{turn.words}" for {turn.seconds:g} s')
                asked.item_id = await self._call.server.user_speaks(
                    turn.words, seconds=turn.seconds, item_id=f"item_caller{number:04d}"
                )
                await asyncio.sleep(turn.seconds)
        except RuntimeError as error:  # LiveKit's session is closing, or nobody is connected
            self._seen.reported.append(Reported(self._now, "request", str(error), True))
            told["refused"] = str(error)
        asked.at = self._last_sound = self._now
        if asked.item_id is not None:
            told["item_id"] = asked.item_id
        self._call.note("caller", "asked", key=asked.key, kind=turn.kind, begun=t, **told)
        return asked

    async def _act(self, turn: Turn, number: int, after: float) -> None:
        """The application does something besides. What tools do, they do when they are called."""
        assert turn.act is not None
        await asyncio.sleep(after)
        session, kind = self._call.session, turn.act.kind
        try:
            for words in asked_besides(turn, number) if kind in ("queue", "prompt") else ():
                self.note("app", f'asks for "{words}"')
                session.generate_reply(instructions=words)
            if kind in ("hand_over", "hand_over_fresh", "own_model"):
                self.note("app", f"hands over ({kind})")
                copied = history_of(session).copy()
                other = self._call.another_model() if kind == "own_model" else None
                context = None if kind == "hand_over_fresh" else copied
                hand_over(session, Desk(self, chat_ctx=context, model=other), context)
            elif kind == "commit":
                self.note("app", "commits the user's turn")
                # The plugin commits nothing but sound it was given; a microphone runs all the time.
                silence = rtc.AudioFrame.create(_RATE, 1, round(_SILENCE * _RATE))
                realtime_session_of(session).push_audio(silence)
                session.commit_user_turn()
            elif kind == "drain":
                self.note("app", "drains")
                await session.drain()
            elif kind == "shutdown":
                self.note("app", "shuts down, draining")
                session.shutdown(drain=True)
        except RuntimeError as error:  # the session is closing
            self.note("app", f"could not: {error}")

    async def _edit(self, edit: Edit) -> None:
        """The application changes its agent's history."""
        await asyncio.sleep(edit.after)
        agent = self._call.session.current_agent
        context = agent.chat_ctx.copy()
        if edit.kind == "stale":
            await asyncio.sleep(1.0)
        changed = edited(context, edit)
        kept = {item.id for item in changed.items}
        # An older copy leaves out what was said since, but not what is being said: nobody knows of that yet.
        said = self._call.session.history
        since = [i for i in agent.chat_ctx.items if said.get_by_id(i.id) is not None]
        left_out = [item.id for item in (*context.items, *since) if item.id not in kept]
        self._call.witness.forgotten.update(left_out)
        for item_id in left_out:
            self._call.note("caller", "forgot", item_id=item_id)
        self.note("app", f"updates the history ({edit.kind})")
        self._call.witness.edited.append(self._loop.time())
        try:
            await agent.update_chat_ctx(changed)
        except (
            RuntimeError,
            llm.RealtimeError,
        ) as error:  # the session is closing, or not connected
            self.note("app", f"could not: {error}")

    async def _aside(self, aside: Aside, after: float) -> None:
        """The application asks for a response out of band."""
        await asyncio.sleep(max(0.0, after))
        self.note("app", f"asks for {aside.kind} out of band")
        body = {
            "conversation": "none",
            "instructions": aside.words,
            "output_modalities": [aside.kind],
            "metadata": {"topic": "category"},
        }
        event = {"type": "response.create", "event_id": f"app_{aside.turn}", "response": body}
        try:
            realtime_session_of(self._call.session).send_event(event)  # type: ignore[attr-defined]
        except RuntimeError as error:  # the session is closing
            self.note("app", f"could not: {error}")

    async def _output(self, fault: OutputFault, after: float) -> None:
        """Something happens to the output."""
        await asyncio.sleep(after)
        self.note("output", fault.kind)
        sink = self._call.sink
        if fault.kind == "replaced":
            sink = FailingOutput()
            self._hear(sink)
            self._call.play_on(sink)
        elif isinstance(sink, FailingOutput):
            sink.fail(fault.kind)

    async def _react(self, asked: Asked) -> None:
        turn = asked.turn
        if turn.then == "listens":
            await self._answer(asked, None)
        elif await self._answer(asked, turn.after):
            asked.interrupted, asked.by = self._now, turn.then
            self._call.note("caller", "cut_in", key=asked.key, how=turn.then)
            if turn.then == "hangs_up":
                self.note("caller", "hangs up")
                asked.hung_up = True
                raise _HungUp
            if turn.then == "stops":
                self.note("app", "interrupts")
                self._call.session.interrupt()
                await self._answer(asked, None)
            elif turn.then == "coughs":
                await self._cough()
                await self._answer(asked, None)

    async def _cough(self) -> None:
        self.note("caller", "coughs")
        try:
            await self._call.server.user_speaks("", seconds=_COUGH)
        except RuntimeError:
            return  # nobody is connected: nobody hears it
        await asyncio.sleep(_COUGH / 2)
        self._call.session.clear_user_turn()
        await asyncio.sleep(_COUGH / 2)

    async def _answer(self, asked: Asked, cut_in: float | None) -> bool:
        """Wait until the answer is over; or return True when it is time to cut in."""
        quiet_since = self._now
        heard_before = heard_last = self._heard()
        while True:
            if self._closed:
                raise _HungUp
            now = self._now
            busy = self._busy()
            if busy:
                quiet_since = now
            if (heard := self._heard()) > heard_last:
                self._last_sound, heard_last = now, heard
            if cut_in is not None:
                by_sound = asked.turn.measure == "sound"
                so_far = heard - heard_before if by_sound else now - asked.at
                if so_far >= cut_in and (busy or not by_sound):
                    return True
            settled = now - quiet_since >= _QUIET
            if settled and self._has_word(asked):
                return False
            if now - self._last_sound >= _PATIENCE:
                self.note("caller", "gives the answer up")
                return False
            await asyncio.sleep(_STEP)

    def _heard(self) -> float:
        """Seconds heard; in a call by text as many as the words would take."""
        if self._scenario.modality == "text":
            return sum(len(m.text.split()) for m in self._seen.spoken) / 2.5
        return self._call.heard

    def _busy(self) -> bool:
        call = self._call
        return (
            call.server.active_response_id is not None
            or call.session.current_speech is not None
            or not call.sink.idle
            # A tool that runs is no current speech; one that waits for the caller is not busy.
            or (not self._is_asked and any(not handle.done() for _, handle in self._handles))
        )

    @property
    def _is_asked(self) -> bool:
        """Whether an ``AgentTask`` waits for the caller."""
        return isinstance(self._call.session.current_agent, AgentTask)

    def _has_word(self, asked: Asked) -> bool:
        """Whether the caller heard something, or was told that nothing comes."""
        if asked.interrupted is not None and asked.by != "coughs":
            return True
        said = (m for m in self._seen.spoken if m.begun >= asked.at and not is_aside(m.text))
        return any(message.started is not None for message in said) or any(
            r.final and r.t >= asked.at for r in self._seen.reported
        )

    async def _end(self) -> None:
        """Nobody asks anything any more: what is under way has to come to its end."""
        end = self._now + _STUCK
        while self._now < end and not self._closed:
            told = not self._call.server.silent
            if all(handle.done() for _, handle in self._handles) and not self._busy() and told:
                break
            await asyncio.sleep(_STEP)
        else:
            self._seen.stuck = sum(not handle.done() for _, handle in self._handles)
        await asyncio.sleep(_CLEANED_UP)
        self._rests = True

    def _look_back(self) -> None:
        seen, server = self._seen, self._call.server
        self._call.look(rest=self._rests and not self._closed and not self._call.busy)
        seen.life = self._call.life()
        hung_up = [a.interrupted for a in seen.asked if a.hung_up and a.interrupted is not None]
        if hung_up:
            # Nothing can be corrected in a call that is over.
            cuts = (*seen.life.cuts, *hung_up)
            seen.life = replace(seen.life, cuts=cuts, remembers=False, hung="")
        seen.seconds = self._now
        seen.collisions, seen.vad_collisions = server.collisions, server.vad_collisions
        if not self._plain:
            seen.differences = len(self._call.controller.differences())
        for asked in seen.asked:
            if asked.over is None:
                asked.over = self._now
