"""What of a script Gemini Live can do. The rest is refused: the field, its value, and why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from typing import Any

from ...simulator import faults as f
from ...simulator import script as s
from ...simulator.config import ServerConfig

__all__ = ["configured", "modelled", "playable"]

_FAILS = "Gemini Live has no message for a turn that fails; it closes: Closed(1011)"
#: Fields of ServerConfig that mean something, and those that are set by us.
_CONFIG = (
    "create_delay", "vad_create_delay", "pace", "commit_delay", "transcription_delay",
    "transcription_deltas", "failed_transcriptions", "max_session_duration", "handshakes",
    "default_handshake", "faults",
)  # fmt: skip
_SET: dict[str, Any] = {
    # A request cuts short what runs, at once; and nobody checks what a tool's output answers.
    "cancel_delay": 0.0,
    "cancel_before_created": True,
    "unknown_call_id": "accept",
    "rate_limits": "off",
}
_FAULTS = (
    f.Lose, f.Late, f.Silence, f.BreakConnection, f.HangUp, f.HalfOpen, f.Freeze, f.RefuseHandshake, f.AcceptThenClose,
)  # fmt: skip
#: Events of the simulator that are messages here too, by who sends them.
_PLACES = {
    "server": (
        "response.output_audio.delta", "response.output_audio_transcript.delta",
        "response.output_text.delta", "response.output_item.done", "response.done",
        "conversation.item.input_audio_transcription.delta",
        "conversation.item.input_audio_transcription.completed",
    ),
    "client": ("response.create", "conversation.item.create"),
}  # fmt: skip


def playable(script: s.Script) -> None:
    """Raises ``ValueError`` for the first thing that Gemini Live cannot do."""
    for where, reply in _replies(script):
        _reply(where, reply)


def _replies(script: s.Script) -> Iterator[tuple[str, s.Reply]]:
    for number, reply in enumerate(script.replies):
        yield f"replies[{number}]", reply
    for question, replies in script.answers.items():
        for number, reply in enumerate(replies):
            yield f"answers[{question!r}][{number}]", reply
    yield "default", script.default


def _no(field: str, value: object, why: str) -> ValueError:
    return ValueError(f"{field} is {value!r}: {why}")


def _reply(where: str, reply: s.Reply) -> None:
    end = reply.end
    if isinstance(reply.ack, s.Rejected):
        raise _no(f"{where}.ack", reply.ack, _FAILS)
    if isinstance(end, s.Failed):
        raise _no(f"{where}.end", end, _FAILS)
    if isinstance(end, s.Incomplete):
        raise _no(
            f"{where}.end", end, "Gemini Live's plugin does not show that a turn is incomplete"
        )
    if isinstance(end, s.Cancelled) and end.reason != "turn_detected":
        raise _no(f"{where}.end.reason", end.reason, "Gemini Live gives no reason for it")
    if isinstance(end, s.Closed):
        _closed(f"{where}.end", end)
    if reply.status_details is not None:
        raise _no(f"{where}.status_details", reply.status_details, "Gemini Live has none")
    _items(where, reply)


def _closed(where: str, end: s.Closed) -> None:
    if end.error is not None:
        raise _no(f"{where}.error", end.error, "Gemini Live closes without an error message")


def _items(where: str, reply: s.Reply) -> None:
    calls, messages = 0, 0
    for number, item in enumerate(reply.items):
        field = f"{where}.items[{number}]"
        if isinstance(item, s.ServerCall):
            raise _no(field, item, "its plugin does not show what Gemini Live runs by itself")
        if isinstance(item, s.Message):
            messages += 1
            if messages > 1:
                raise _no(field, item, "a turn of Gemini Live has one message")
            if calls:
                raise _no(field, item, "a turn of Gemini Live is over with its tool calls")
        elif isinstance(item, s.FunctionCall):
            calls += 1
            _arguments(f"{field}.arguments", item)
    if calls and (isinstance(reply.end, s.DoneLost) or reply.end == s.Stalled(at=s.END)):
        raise _no(f"{where}.end", reply.end, "nothing follows a tool call that could be missing")


def _arguments(field: str, call: s.FunctionCall) -> None:
    try:
        arguments = json.loads(call.arguments_json)
    except ValueError:
        arguments = None
    if not isinstance(arguments, dict):
        raise _no(field, call.arguments, "Gemini Live's arguments are an object")


def configured(config: ServerConfig) -> ServerConfig:
    """How the simulator is configured to stand behind Gemini's protocol.

    Raises ``ValueError`` for what Gemini Live does not have.
    """
    usual = ServerConfig()
    for each in fields(config):
        value = getattr(config, each.name)
        if each.name not in _CONFIG and value != getattr(usual, each.name):
            raise _no(f"config.{each.name}", value, "Gemini Live has nothing like it")
    for number, handshake in enumerate(config.handshakes):
        _handshake(f"config.handshakes[{number}]", handshake)
    _handshake("config.default_handshake", config.default_handshake)
    for number, fault in enumerate(config.faults.faults if config.faults is not None else ()):
        _fault(f"config.faults[{number}]", fault)
    return replace(config, **_SET)


def _handshake(where: str, handshake: s.Handshake) -> None:
    if isinstance(handshake, s.Accept):
        if isinstance(handshake.then, s.Closed):
            _closed(f"{where}.then", handshake.then)
        if handshake.on not in ("connect", "session.update", *_PLACES["client"]):
            raise _no(f"{where}.on", handshake.on, "Gemini Live's client sends no such thing")


def _fault(where: str, fault: f.Fault) -> None:
    if not isinstance(fault, _FAULTS):
        names = ", ".join(kind.__name__ for kind in _FAULTS)
        raise _no(where, fault, f"Gemini Live can have {names}")
    if isinstance(fault, f.HangUp) and fault.error is not None:
        raise _no(f"{where}.error", fault.error, "Gemini Live closes without an error message")
    if not isinstance(fault, (f.RefuseHandshake, f.AcceptThenClose)):
        known = _PLACES[fault.at.side]
        if fault.at.event not in known:
            raise _no(f"{where}.at.event", fault.at.event, f"here there are {', '.join(known)}")


def modelled(options: Mapping[str, Any]) -> None:
    """Raises ``ValueError`` for options of the plugin's model that this server cannot serve."""
    if options.get("vertexai"):
        raise _no("vertexai", True, "the server is that of the Gemini API")
    for name in ("http_options", "realtime_input_config"):
        if name in options:
            what = (
                "the server's own" if name == "http_options" else "its turn detection is Gemini's"
            )
            raise _no(name, options[name], what)
