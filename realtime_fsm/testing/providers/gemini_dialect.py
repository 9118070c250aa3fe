"""What a server of Gemini Live and its client say to each other, in the terms of our simulator.

The simulator plays a script, remembers the conversation and knows what each response answers; this
translates, one connection at a time, and keeps nothing but what the translation needs. It has no
clock: times come in, and :attr:`GeminiDialect.deadline` says when to ask again.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ...simulator.record import without_audio
from ...trace.wire import body_of
from ._fake import RATE, need
from ._genai import PLACEHOLDER, instructions_in, texts_of

__all__ = ["GeminiDialect", "Generation"]

_MIME = f"audio/pcm;rate={RATE}"
_AUDIO = "response.output_audio.delta"
_TRANSCRIPT = "conversation.item.input_audio_transcription"


@dataclass(slots=True, eq=False)
class Generation:
    """What the plugin takes for one reply. It begins with the user's words, or with output.

    Attributes:
        item: the simulator's message in it.
        name: the plugin's id for it, which LiveKit remembers.
    """

    item: str | None = None
    name: str | None = None


class GeminiDialect:
    """One connection.

    Args:
        responding: whether a response is under way, as the simulator says.
        has: whether it remembers an item of this id.
        known: the id of an item that other connections had, and this one has not: its role and
            words. Gemini's messages name no items.
        restore: the events that bring back what a handle stands for.
        handle: a handle for what is remembered now.

    Attributes:
        messages: for the client, in order; who sends them takes them out.
        events: for the simulator, as from its client, likewise.
        generations: in the order in which they began.
        violations: what cannot be translated.
    """

    def __init__(
        self,
        responding: Callable[[], bool],
        has: Callable[[str], bool],
        known: Callable[[str, str], str | None],
        restore: Callable[[str], list[dict[str, Any]]],
        handle: Callable[[], str],
    ) -> None:
        self._types = need("google.genai.types")
        self._responding = responding
        self._has = has
        self._known = known
        self._restore = restore
        self._handle = handle
        self.messages: list[Any] = []
        self.events: list[dict[str, Any]] = []
        self.generations: list[Generation] = []
        self.violations: list[str] = []
        self._ready = False
        self._generation: Generation | None = None
        self._calls: list[Any] = []
        self._unanswered: set[str] = set()  # calls
        self._in_parts: set[str] = set()  # items of the user of which words were told
        #: Until when what was sent plays: Gemini's turn is complete when it believes that it was heard.
        self._plays_until = 0.0
        self._complete_at: float | None = None
        self._speaking = False
        self._held: list[str | None] = []
        self._cut_at = -1.0

    # --- from the simulator

    def says(self, event: Mapping[str, Any], now: float) -> None:
        """An event of the simulator's."""
        kind = str(event.get("type"))
        if kind == _AUDIO:
            self._speak(event, now)
        elif kind == "response.output_audio_transcript.delta":
            text = self._types.Transcription(text=event["delta"])
            self._output(event, output_transcription=text)
        elif kind == "response.output_text.delta":
            self._output(event, model_turn=self._turn(text=event["delta"]))
        elif kind.startswith(_TRANSCRIPT):
            self._hear(event, kind)
        elif kind == "response.output_item.done":
            self._call(body_of(event.get("item")))
        elif kind == "response.done":
            self._done(body_of(event.get("response")), now)
        elif kind == "input_audio_buffer.speech_started":
            self._speaking = True
            self._cut_in(now)
        elif kind == "input_audio_buffer.speech_stopped":
            self._speaking = False
        elif kind == "session.updated" and not self._ready:
            self._ready = True
            self._send(setup_complete=self._types.LiveServerSetupComplete())
        elif kind == "error":
            self._error(body_of(event.get("error")))

    def _speak(self, event: Mapping[str, Any], now: float) -> None:
        data = base64.b64decode(event["delta"])
        self._plays_until = max(self._plays_until, now) + len(data) / 2 / RATE
        blob = self._types.Blob(data=data, mime_type=_MIME)
        self._output(event, model_turn=self._turn(inline_data=blob))

    def _turn(self, **part: Any) -> Any:
        return self._types.Content(parts=[self._types.Part(**part)], role="model")

    def _output(self, event: Mapping[str, Any], **fields: Any) -> None:
        generation = self._begun()
        generation.item = generation.item or str(event["item_id"])
        self._content(**fields)

    def _hear(self, event: Mapping[str, Any], kind: str) -> None:
        item, text = str(event.get("item_id")), ""
        if kind.endswith(".delta"):
            self._in_parts.add(item)
            text = str(event["delta"])
        elif kind.endswith(".completed") and item not in self._in_parts:
            text = str(event["transcript"])
        if text:
            self._begun()
            self._content(input_transcription=self._types.Transcription(text=text))

    def _call(self, item: Mapping[str, Any]) -> None:
        if item.get("type") == "function_call" and item.get("status") == "completed":
            self._calls.append(
                self._types.FunctionCall(
                    id=item["call_id"], name=item["name"], args=json.loads(item["arguments"])
                )
            )

    def hangs_up(self) -> None:
        """The connection is about to end: what is complete was sent before."""
        if self._calls:
            self._begun()
            self._unanswered |= {call.id for call in self._calls}
            self._send(tool_call=self._types.LiveServerToolCall(function_calls=self._calls))
            self._calls = []
            self._generation = None

    def _done(self, response: Mapping[str, Any], now: float) -> None:
        if self._calls:
            self.hangs_up()  # the turn goes on with their outputs
        elif response.get("status") == "cancelled":
            if self._cut_at != now:
                self._interrupted()
        else:
            if response.get("output"):
                self._content(generation_complete=True)
            self._complete_at = max(now, self._plays_until)
            self.advance(now)
        held, self._held = self._held, []
        for instructions in held[-1:]:  # one ends the other
            self._create(instructions)

    def _cut_in(self, now: float) -> None:
        """The user speaks into what is believed to play."""
        if self._spoke:
            self._cut_at = now
            self._interrupted()

    @property
    def _spoke(self) -> bool:
        """Whether something was said in a turn that is not complete."""
        return self._generation is not None and self._generation.item is not None

    def _interrupted(self) -> None:
        self._content(interrupted=True)
        self._complete()

    def _complete(self) -> None:
        self._complete_at, self._generation = None, None
        self._plays_until = 0.0
        self._content(turn_complete=True)
        update = self._types.LiveServerSessionResumptionUpdate
        self._send(session_resumption_update=update(new_handle=self._handle(), resumable=True))

    @property
    def deadline(self) -> float | None:
        """When :meth:`advance` has something to do."""
        return self._complete_at

    def advance(self, now: float) -> None:
        """It is *now*."""
        if self._complete_at is not None and self._complete_at <= now:
            self._complete()

    def _error(self, error: Mapping[str, Any]) -> None:
        if error.get("code") == "session_expired":
            self._send(go_away=self._types.LiveServerGoAway(time_left="0s"))
        else:
            self.violations.append(f"{error.get('code')}: {error.get('message')}")

    def _begun(self) -> Generation:
        if self._generation is None:
            self._generation = Generation()
            self.generations.append(self._generation)
        return self._generation

    def _content(self, **fields: Any) -> None:
        self._send(server_content=self._types.LiveServerContent(**fields))

    def _send(self, **fields: Any) -> None:
        self.messages.append(self._types.LiveServerMessage(**fields))

    # --- from the client

    def receives(self, text: str) -> None:
        """A message of the client's."""
        try:
            message = self._types.LiveClientMessage.model_validate_json(text)
        except ValueError as e:
            self.violations.append(f"{type(e).__name__}: {e}")
            return
        if message.setup is not None:
            self._set_up(message.setup)
        elif message.client_content is not None:
            self._told(message.client_content)
        elif message.tool_response is not None:
            self._answered(message.tool_response)
        elif message.realtime_input is None:  # the user's audio: who tests says what they say
            self.violations.append(f"not understood: {text[:200]}")

    def _set_up(self, setup: Any) -> None:
        told = setup.system_instruction
        modalities = getattr(setup.generation_config, "response_modalities", None) or ()
        text_only = [each.value for each in modalities] == ["TEXT"]
        transcribes = setup.input_audio_transcription is not None
        session = {
            "type": "realtime",
            "instructions": " ".join(p.text or "" for p in told.parts or ()) if told else "",
            "output_modalities": ["text" if text_only else "audio"],
            "audio": {"input": {"transcription": {"model": "whisper-1"} if transcribes else None}},
        }
        self.events.append({"type": "session.update", "session": session})
        resumption = setup.session_resumption
        if resumption is not None and resumption.handle:
            self.events += self._restore(resumption.handle)

    def _told(self, content: Any) -> None:
        instructions = None
        texts = texts_of(content)
        if content.turn_complete:
            if texts and texts[-1] == ("user", PLACEHOLDER):
                texts.pop()
                instructions = texts.pop()[1] if texts and texts[-1][0] == "model" else None
            elif texts and (found := instructions_in(texts[-1][1])) is not None:
                texts.pop()
                instructions = found
        for role, text in texts:
            self._item("user" if role == "user" else "assistant", text)
        if content.turn_complete:
            self._create(instructions)

    def _item(self, role: str, text: str) -> None:
        kind = "input_text" if role == "user" else "output_text"
        item = {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}
        if (known := self._known(role, text)) is not None:
            item["id"] = known
        self.events.append({"type": "conversation.item.create", "item": item})

    def _answered(self, response: Any) -> None:
        reply = False
        for each in response.function_responses or ():
            output_id = f"output_{each.id}"
            if not self._has(output_id):  # it is sent again on a new connection
                item = {
                    "id": output_id,
                    "type": "function_call_output",
                    "call_id": each.id,
                    "output": json.dumps(each.response),
                }
                self.events.append({"type": "conversation.item.create", "item": item})
            self._unanswered.discard(each.id)
            scheduling = getattr(each.scheduling, "value", each.scheduling)
            reply = reply or scheduling != "SILENT"
        if reply and not self._unanswered:
            if self._responding():  # to the user, who went on meanwhile
                self._held.append(None)
            else:
                self._create()

    def _create(self, instructions: str | None = None) -> None:
        """A reply is asked for, which ends what runs. While the user speaks it has to wait, as their
        answer comes first."""
        if self._speaking:
            self._held.append(instructions)
            return
        if self._responding():
            self.events.append({"type": "response.cancel"})
        elif self._spoke:
            self._interrupted()
        event: dict[str, Any] = {"type": "response.create"}
        if instructions:
            event["response"] = {"instructions": instructions}
        self.events.append(event)


def shown(message: Any) -> dict[str, Any]:
    """A message of the server's as JSON has it; audio is its length in ms."""
    body: dict[str, Any] = message.model_dump(mode="json", by_alias=True, exclude_none=True)
    for part in body.get("serverContent", {}).get("modelTurn", {}).get("parts", ()):
        if "inlineData" in part:
            data = part["inlineData"].pop("data")
            part["inlineData"]["ms"] = without_audio({"type": _AUDIO, "delta": data})["delta"]
    return body
