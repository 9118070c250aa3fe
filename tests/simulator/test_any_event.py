"""Whatever a client sends is answered, never raised, and answered in the published types."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest

from realtime_fsm.simulator import (
    Message,
    Reply,
    Script,
    ServerConfig,
    VirtualConnection,
    server_event_problems,
)
from realtime_fsm.simulator.validate import Dialect

MESSAGE = {"id": "a", "type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}  # fmt: skip
ANSWER = {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]}
CALL = {"type": "function_call", "name": "f", "call_id": "c", "arguments": "{}", "status": "completed"}  # fmt: skip
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": "4"}
VAD = {"type": "semantic_vad", "eagerness": "low", "create_response": True, "interrupt_response": True}  # fmt: skip
SESSION = {
    "type": "realtime", "model": "gpt-realtime", "output_modalities": ["audio"], "instructions": "x",
    "tools": [{"type": "function", "name": "f", "parameters": {}}], "tool_choice": "auto",
    "max_output_tokens": 100, "tracing": "auto",
    "audio": {
        "input": {"format": {"type": "audio/pcm", "rate": 24000}, "turn_detection": VAD,
                  "transcription": {"model": "whisper-1"}, "noise_reduction": {"type": "near_field"}},
        "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "cedar", "speed": 1.0},
    },
}  # fmt: skip
FLAT = {
    "model": "gpt-realtime", "modalities": ["audio", "text"], "instructions": "x", "voice": "verse",
    "input_audio_format": "pcm16", "output_audio_format": "pcm16", "turn_detection": VAD,
    "input_audio_transcription": {"model": "whisper-1"}, "tool_choice": "auto", "speed": 1.0,
    "max_response_output_tokens": 100, "tracing": "auto", "temperature": 0.8,
}  # fmt: skip
SHARED: list[dict[str, Any]] = [
    *({"type": "conversation.item.create", "previous_item_id": "root", "item": item}
      for item in (MESSAGE, ANSWER, CALL, OUTPUT)),
    {"type": "conversation.item.truncate", "item_id": "a", "content_index": 0, "audio_end_ms": 1},
    {"type": "conversation.item.retrieve", "item_id": "a"},
    {"type": "conversation.item.delete", "item_id": "a"},
    {"type": "response.cancel", "response_id": "resp_001", "event_id": "x"},
    {"type": "input_audio_buffer.append", "audio": "AAAA"},
    {"type": "input_audio_buffer.commit"},
    {"type": "input_audio_buffer.clear"},
    {"type": "output_audio_buffer.clear"},
]  # fmt: skip
GA = [
    *SHARED,
    {"type": "session.update", "session": SESSION},
    {"type": "response.create", "response": {
        "output_modalities": ["audio"], "conversation": "auto", "metadata": {"k": "v"},
        "input": [MESSAGE, {"type": "item_reference", "id": "a"}], "max_output_tokens": "inf",
        "audio": {"output": {"voice": "cedar"}}, "instructions": "x", "tool_choice": "none",
    }},
]  # fmt: skip
BETA = [
    *SHARED,
    {"type": "session.update", "session": FLAT},
    {"type": "response.create", "response": {
        "modalities": ["text"], "conversation": "none", "metadata": {"k": "v"}, "voice": "verse",
        "input": [MESSAGE, {"type": "item_reference", "id": "a"}],
        "max_response_output_tokens": "inf", "output_audio_format": "pcm16",
    }},
]  # fmt: skip
WRONG: tuple[Any, ...] = (None, 0, -1, 1.5, True, "", "x", [], {}, [None], {"x": None}, "inf")


def variants(value: Any) -> Iterator[Any]:
    """Every copy of *value* in which one thing, at any depth, is missing or something else."""
    yield from (copy.deepcopy(wrong) for wrong in WRONG)
    keys: list[Any] = []
    if isinstance(value, dict):
        keys = list(value)
        yield from ({k: v for k, v in value.items() if k != key} for key in keys)
        yield {**value, "surprise": 1}
    elif isinstance(value, list):
        keys = list(range(len(value)))
    for key in keys:
        for variant in variants(value[key]):
            changed = copy.deepcopy(value)
            changed[key] = variant
            yield changed


@pytest.mark.parametrize(("dialect", "events"), [("ga", GA), ("beta", BETA)])
def test_any_event_is_answered(dialect: Dialect, events: list[dict[str, Any]]) -> None:
    replies = Script(default=Reply([Message("a", seconds=0.1)]))
    for event in events:
        connection = VirtualConnection(replies, ServerConfig(dialect=dialect))
        for variant in variants(event):
            if isinstance(variant, dict):
                connection.send_text(json.dumps(variant))
        connection.speak("Hello?")
        connection.run()
        found = {
            e["type"]: p for e in connection.events() if (p := server_event_problems(e, dialect))
        }
        assert found == {}, event["type"]
