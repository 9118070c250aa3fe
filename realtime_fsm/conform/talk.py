"""One connection to the server under test: asks, and keeps what was found."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..simulator.directions import KEY
from ..simulator.rule import Rule
from .errors import error_of, is_unknown, response_id
from .frames import shown
from .known import Unjudged
from .result import Answer, Value, Verdict
from .rules import KEPT_TOO
from .speech import BYTES_PER_MS, silence, speech
from .wire import ConnectionOver, Sent, Wire

__all__ = ["LOOKUP", "Heard", "Talk"]

_CHUNK_MS = 40  # of audio in one append
_LOOKUP: dict[str, Any] = {
    "type": "function",
    "name": "lookup",
    "description": "Looks a text up.",
    "parameters": {
        "type": "object",
        "properties": {"text": {"type": "string"}},
        "required": ["text"],
    },
}
_KINDS: dict[str, tuple[str, int]] = {
    "short": ("Say the word yes, and nothing else.", 60),
    "ten": ("Count aloud from one to ten, and say nothing else.", 200),
    "long": ("Count in words from one to three hundred, one after another. Do not stop.", 600),
    "call": ("Call the function lookup with the text yes.", 100),
    "long call": (
        "Call the function lookup; its text is a story of two hundred words about a harbor.",
        500,
    ),
    "two messages": ("Say one moment. Then, in a message of its own, say yes.", 100),
    "reason": ("Think about it, then say the word yes, and nothing else.", 200),
    "server tool": ("Call one of your tools, with anything.", 200),
    "fail": ("Say the word yes, and nothing else.", 60),
    "fail in an item": ("Say the word yes, and nothing else.", 60),
}
LOOKUP: dict[str, Any] = {
    "tools": [_LOOKUP],
    "tool_choice": "required",
}
"""Parameters of a create that has to be answered by a function call."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a server made of an event.

    Attributes:
        events: what came between it and the answer to what was sent after it.
        error: the error that answers it.
        closed: how the connection ended over it, if it did.
    """

    sent: Sent
    events: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    closed: str | None = None

    def first(self, *types: str) -> Mapping[str, Any] | None:
        """Return the first event of these types."""
        return next((event for event in self.events if event.get("type") in types), None)


@dataclass(slots=True)
class Talk(Wire):
    """A connection on which one question is asked.

    Attributes:
        answers: what was found so far, by rule id.
    """

    answers: dict[str, Answer] = field(default_factory=dict)
    _claimed: dict[int, str] = field(default_factory=dict)

    # --- asking ---

    async def ask(self, type: str, **fields: Any) -> Heard:
        """Send an event, and return what the server makes of it."""
        return await self.heard(await self.send(type, **fields))

    async def heard(self, sent: Sent) -> Heard:
        """Return what the server has made of an event, once it has answered a later one."""
        closed = None
        try:
            await self.fence()
        except ConnectionOver as over:
            closed = str(over)
        events = tuple(
            seen.event for seen in self.frames[sent.at :] if seen.by == "server" and not seen.fence
        )
        return Heard(sent, events, self.error_for(sent), closed)

    async def update(self, **session: Any) -> Heard:
        """Ask for a change of the session, and return the answer."""
        if "type" not in session:
            session["type"] = "realtime"
        sent = await self.send("session.update", session=session)
        try:
            answer = await self.until(
                lambda: self.find("session.updated", since=sent.at) or self.error_for(sent)
            )
            self.time_answer(sent, answer)
        except ConnectionOver as over:
            return Heard(sent, closed=str(over))
        events = tuple(seen.event for seen in self.frames[sent.at :] if seen.by == "server")
        return Heard(sent, events, self.error_for(sent))

    async def listen(self, **vad: Any) -> Heard:
        """Switch server VAD on for this connection."""
        audio = {"input": {"turn_detection": {"type": "server_vad", **vad}}}
        heard = await self.update(audio=audio)
        if heard.error is None:
            self.session = {**self.session, "audio": audio}
        return heard

    # --- responses ---

    async def create(self, kind: str, *, spoken: bool = False, **params: Any) -> Sent:
        """Ask for a response of that kind. Raises :class:`Unjudged` when there may be no more."""
        self.known.spend()
        text, tokens = _KINDS[kind]
        modalities = ["audio"] if spoken else ["text"]
        usual: dict[str, Any] = {
            "instructions": text,
            "max_output_tokens": tokens,
            "output_modalities": modalities,
        }
        made = {name: value for name, value in usual.items() if name in self.known.params}
        made.update(params)
        if self.known.directed:
            made["metadata"] = {**params.get("metadata", {}), KEY: kind}
        return await self.send("response.create", response=made)

    async def created(self, sent: Sent) -> str | None:
        """Return the id of the response that answers *sent*, None if none does.

        Raises :class:`Unjudged` when it cannot be told from an earlier one.
        """
        event = await self.until(lambda: self._answer(sent))
        if event is None or event["type"] == "error":
            return None
        found = response_id(event)
        assert found is not None
        if found in self._claimed.values():
            raise Unjudged(f"its responses have one id, {found!r}")
        self._claimed[self._index(event)] = found
        return found

    def _answer(self, sent: Sent) -> Mapping[str, Any] | None:
        for event in self.all("response.created", since=sent.at):
            if response_id(event) and self._index(event) not in self._claimed:
                return event
        return self.error_for(sent)

    def _index(self, event: Mapping[str, Any]) -> int:
        return next(i for i, seen in enumerate(self.frames) if seen.event is event)

    async def begun(self, kind: str, *, spoken: bool = False, **params: Any) -> str:
        """Ask for a response, and return its id. Raises :class:`Unjudged` when it is not created."""
        sent = await self.create(kind, spoken=spoken, **params)
        made = await self.created(sent)
        if made is None:
            error = error_of(self.error_for(sent))
            said = f": {error.get('message')}" if error else " in time"
            raise Unjudged(f"a response was asked for and not created{said}")
        return made

    def ended(self, answer_id: str) -> Mapping[str, Any] | None:
        """Return the response as its ``response.done`` has it, None while it has none."""
        for event in self.all("response.done"):
            if response_id(event) == answer_id:
                response: Mapping[str, Any] = event["response"]
                return response
        return None

    async def done(self, answer_id: str, patience: float | None = None) -> Mapping[str, Any] | None:
        """Wait for the end of a response, and return it; None when it does not come in time."""
        return await self.until(lambda: self.ended(answer_id), patience)

    def deltas(self, answer_id: str, since: int = 0) -> int:
        """How many deltas of a response came."""
        return sum(
            seen.by == "server" and seen.type.endswith(".delta") and seen.event.get("response_id") == answer_id
            for seen in self.frames[since:]
        )  # fmt: skip

    async def going(self, answer_id: str, *, more: int = 1) -> bool:
        """Wait for *more* deltas of a response; whether they came before its end."""
        since = self.mark()

        def moved() -> bool | None:
            if self.deltas(answer_id, since) >= more:
                return True
            return False if self.ended(answer_id) is not None else None

        return bool(await self.until(moved))

    async def finish(self) -> None:
        """Cancel what still runs, and give it a moment to end."""
        alive = [answer_id for event in self.all("response.created")
                 if (answer_id := response_id(event)) and self.ended(answer_id) is None]  # fmt: skip
        for answer_id in alive:
            await self.send("response.cancel", response_id=answer_id)
        if alive:
            await self.until(
                lambda: (
                    True if all(self.ended(answer_id) is not None for answer_id in alive) else None
                ),
                max(self.known.pace.quiet, 1.0),
            )

    def at_once(self, sent: Sent) -> bool:
        """Whether a create was answered as quickly as anything is: then nothing comes in between."""
        created = self.find("response.created", since=sent.at)
        took = self.when(created) - self.frames[sent.at].t
        return took < 1.2 * self.known.rtt + 0.01

    # --- the user ---

    async def play(self, audio: bytes, *, at_once: bool = False) -> None:
        """Append audio, as fast as it sounds or at once."""
        size = _CHUNK_MS * BYTES_PER_MS
        began = self.now()
        for number, at in enumerate(range(0, len(audio), size), start=1):
            chunk = base64.b64encode(audio[at : at + size]).decode()
            await self.send("input_audio_buffer.append", audio=chunk, event_id=None)
            due = began + number * _CHUNK_MS / 1000 / self.known.pace.speech_rate
            if not at_once and (wait := due - self.now()) > 0:
                await self.rest(wait)

    async def speak(self, until: Callable[[], object], *, silent_ms: int = 3000) -> bool:
        """Speak, then play silence until *until* gives something; whether it did."""
        await self.play(speech())
        for _ in range(0, silent_ms, 200):
            if until():
                return True
            await self.play(silence(200))
        return bool(await self.until(lambda: until() or None))

    # --- answers ---

    def judge(self, rule: Rule, verdict: Verdict, how: str, value: Value | None = None) -> None:
        """Keep an answer. A deviation is not replaced by a better verdict, only by another value."""
        before = self.answers.get(rule.id)
        if before is not None:
            value = before.value if value is None else value
            if before.verdict == "deviates":
                if verdict == "deviates" and how not in before.how:
                    how = f"{before.how}; {how}"
                elif verdict != "deviates":
                    verdict, how = before.verdict, before.how
        frames = shown(self.frames, self.known.secrets)
        self.answers[rule.id] = Answer(rule.id, verdict, self.known.plain(how), value, frames)

    def kept(self, rule: Rule, how: str) -> None:
        """The server does what the rule says."""
        self.judge(rule, "kept", how)

    def deviates(self, rule: Rule, how: str) -> None:
        """The server does something else."""
        self.judge(rule, "deviates", how)

    def unjudged(self, rule: Rule, why: str) -> None:
        """Nothing can be said."""
        self.judge(rule, "not judged", why)

    def found(self, rule: Rule, value: Value, how: str) -> None:
        """One of the rule's alternatives holds."""
        good = value in (rule.alternatives[0], *KEPT_TOO.get(rule.id, ()))
        self.judge(rule, "kept" if good else "deviates", how, value)

    def refused(self, rule: Rule, heard: Heard, what: str) -> bool:
        """Whether an event was answered by an error, as it should; else that is the answer."""
        if heard.closed is not None:
            self.deviates(rule, f"{what}: {heard.closed}")
        elif heard.error is None:
            if heard.first("response.created") is not None:
                self.deviates(rule, f"{what} is no error: a response was created")
                return False
            types = sorted({str(event.get("type")) for event in heard.events})
            said = f"answered by {', '.join(types)}" if types else "answered by nothing"
            self.deviates(rule, f"{what} is no error: {said}")
        elif is_unknown(heard.error, heard.sent.type):
            message = error_of(heard.error).get("message")
            self.unjudged(rule, f"the server does not know {heard.sent.type}: {message}")
        else:
            return True
        return False
