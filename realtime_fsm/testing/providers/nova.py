"""Nova Sonic: in place of the Bedrock client, a bidirectional stream of JSON events."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import uuid
from types import SimpleNamespace
from typing import Any
from unittest import mock

from ._fake import Fake, need
from ._script import ARGUMENTS

__all__ = ["NovaSonic"]

_MODULE = "livekit.plugins.aws.experimental.realtime"
#: The plugin looks for credentials however it is made.
_CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "fake",
    "AWS_SECRET_ACCESS_KEY": "fake",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_SPECULATIVE = json.dumps({"generationStage": "SPECULATIVE"})
_FINAL = json.dumps({"generationStage": "FINAL"})


class _Stream:
    """One bidirectional stream: what the client sends by ``send``, it reads by ``receive``."""

    def __init__(self, fake: NovaSonic) -> None:
        self._fake = fake
        self._events: asyncio.Queue[Any] = asyncio.Queue()
        self._blocks: dict[str, dict[str, Any]] = {}
        self.input_stream = self.output_stream = self
        self.closed = False

    async def await_output(self) -> tuple[None, _Stream]:
        return None, self

    async def receive(self) -> Any:
        event = await self._events.get()
        if isinstance(event, Exception):
            raise event
        if event is None:
            return None
        return SimpleNamespace(value=SimpleNamespace(bytes_=json.dumps(event).encode()))

    async def close(self) -> None:
        self.closed = True
        self._events.put_nowait(None)

    async def send(self, chunk: Any) -> None:
        with self._fake.judging():
            data = json.loads(chunk.value.bytes_)
            self._fake.check(data)
            await self._received(data["event"])

    async def _received(self, event: dict[str, Any]) -> None:
        ((kind, body),) = event.items()
        if kind == "contentStart":
            self._blocks[body["contentName"]] = {**body, "text": ""}
        elif kind in ("textInput", "toolResult"):
            self._blocks[body["contentName"]]["text"] += body["content"]
        elif kind == "contentEnd":
            block = self._blocks.pop(body["contentName"], {})
            if block.get("type") == "TOOL":
                await self._fake.asked("tool")
            elif block.get("interactive") and block["type"] == "TEXT":
                await self._fake.asked(block["text"])

    def put(self, event: Any) -> None:
        self._events.put_nowait(event)


class NovaSonic(Fake):
    """Nova Sonic in place of the plugin's Bedrock client; see `Fake`. Python 3.12 and later.

    The SDK has no types for the events, which go as bytes: the plugin's own are used.
    """

    family = "aws"
    types = "the plugin's `events`, both ways; the call and its failures: `aws_sdk_bedrock_runtime.models`"

    async def _start(self) -> None:
        self._module = need(f"{_MODULE}.realtime_model")
        self._events = need(f"{_MODULE}.events")
        self._models = need("aws_sdk_bedrock_runtime.models")
        fake = self

        async def connect(session: Any) -> None:
            session._bedrock_client = fake

        self._stack.enter_context(mock.patch.dict(os.environ, _CREDENTIALS))
        self._stack.enter_context(
            mock.patch.object(self._module.RealtimeSession, "_initialize_client", connect)
        )
        self._streams: list[_Stream] = []
        self._audio = ""

    def model(self, **options: Any) -> Any:
        return self._module.RealtimeModel.with_nova_sonic_2(**options)

    @property
    def ready(self) -> bool:
        return bool(self._streams)

    async def invoke_model_with_bidirectional_stream(self, request: Any) -> _Stream:
        assert isinstance(request, self._models.InvokeModelWithBidirectionalStreamOperationInput)
        self.note("connected")
        self._streams.append(_Stream(self))
        return self._streams[-1]

    def check(self, data: Any) -> None:
        """Raise if the plugin's types do not know this event of the client's."""
        self._events.Event.model_validate(data)

    def _send(self, kind: str, **fields: Any) -> None:
        data = {"event": {kind: {"sessionId": "session", **fields}}}
        assert self._events.SonicEventBuilder.get_event_type(data) != "other_event", kind
        self._streams[-1].put(data)

    def _text(self, role: str, text: str, stage: str) -> None:
        content = str(uuid.uuid4())
        self._send(
            "contentStart",
            contentId=content,
            type="TEXT",
            role=role,
            additionalModelFields=stage,
        )
        self._send("textOutput", contentId=content, role=role, content=text)
        self._send("contentEnd", contentId=content, type="TEXT", stopReason="PARTIAL_TURN")

    async def _heard(self, text: str) -> None:
        self._text("USER", text, _FINAL)

    async def _begin(self, text: str, *, spoken: bool) -> None:
        if not spoken:
            self._send("completionStart", completionId="completion")
        self._text("ASSISTANT", text, _SPECULATIVE)
        self._audio = str(uuid.uuid4())
        self._send("contentStart", contentId=self._audio, type="AUDIO", role="ASSISTANT")

    async def _say(self, words: str, audio: bytes) -> None:
        self._send("audioOutput", contentId=self._audio, content=base64.b64encode(audio).decode())

    async def _finish(self, text: str) -> None:
        self._send("contentEnd", contentId=self._audio, type="AUDIO", stopReason="END_TURN")
        self._send("completionEnd", completionId="completion", stopReason="END_TURN")

    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        if barge_in:
            self._send(
                "textOutput",
                contentId=str(uuid.uuid4()),
                role="ASSISTANT",
                content='{ "interrupted" : true }',
            )

    async def _empty(self, *, spoken: bool) -> None:
        self._send("completionStart", completionId="completion")
        self._send("completionEnd", completionId="completion", stopReason="END_TURN")

    async def _call(self, name: str) -> None:
        content = str(uuid.uuid4())
        self._send("contentStart", contentId=content, type="TOOL", role="TOOL")
        self._send(
            "toolUse",
            contentId=content,
            toolUseId=f"call_{len(self.marks)}",
            toolName=name,
            content=json.dumps(ARGUMENTS),
        )
        self._send("contentEnd", contentId=content, type="TOOL", stopReason="TOOL_USE")

    async def _fail(self) -> None:
        self._streams[-1].put(self._models.ModelStreamErrorException(message="stream broke"))

    async def _lose(self) -> None:
        self._streams[-1].put(self._models.ModelTimeoutException(message="timed out"))
