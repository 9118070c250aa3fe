"""A trace whose every string tries to be more than text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

SCRIPT = "</script><script>window.pwned=1</script><!--<script>"
IMAGE = "<img src=x onerror=window.pwned=2>"
ARABIC = "\u202e مرحبا كيف حالك \u2067"
EMOJI = "👩‍👩‍👧‍👦🏴‍☠️ \u2028\u2029 \ud83d"
LONG = "w" * 30_000
STRINGS = (SCRIPT, IMAGE, ARABIC, EMOJI, LONG, "${1}{{7*7}}", "__proto__", "\x00\x1b[31m")


def lines() -> list[dict[str, Any]]:
    """A call of one turn for each string, which is in every place of it where a string may be."""
    out: list[dict[str, Any]] = [
        {
            "trace": "realtime-fsm",
            "version": 1,
            "mode": "control",
            "started": SCRIPT,
            "model": IMAGE,
            "transcripts": True,
            "versions": {SCRIPT: IMAGE, "n": 3},
        }
    ]
    for n, bad in enumerate(STRINGS):
        out += _turn(n, bad)
    return out


def _turn(n: int, bad: str) -> list[dict[str, Any]]:
    name, item, response = f"{n}{bad}", f"item {n}{bad}", f"resp {n}"
    move = {"turn": name, "attempt": 1, "label": bad, "response": response}
    told = {"response_id": response, "item_id": item}
    error = {"code": bad, "kind": bad}
    # fmt: off
    said = [
        ("server", "conversation.item.input_audio_transcription.completed", 0.0, {"transcript": bad}),
        ("server", "response.created", 1.0, {"response": {"id": response, "metadata": {"a": bad}}}),
        ("turn", "moved", 1.0, {**move, "source": "requested", "event": "RESPONSE_CREATED", "dest": "created"}),
        ("server", "response.output_item.added", 1.1,
         {"response_id": response, "item": {"id": item, "type": "message", "status": bad}}),
        ("turn", "moved", 1.2, {**move, "source": "created", "event": bad, "dest": bad}),
        ("server", "response.output_audio.delta", 1.3, {**told, "delta": 900.0}),
        ("server", "response.output_audio_transcript.done", 1.3, {**told, "transcript": bad}),
        ("playback", "started", 1.3, {"item_id": item}),
        ("turn", "recovering", 1.4, {"turn": name, "attempt": 1, "wait": 0.5, **error}),
        ("server", "error", 1.5, {"error": {"code": bad, "type": bad}, "event_id": bad}),
        ("playback", "finished", 2.2, {"item_id": item, "position": 900.0, "interrupted": False}),
        ("session", "error", 2.3, {"recoverable": False, "error": bad, "code": bad}),
        ("turn", "ended", 2.4, {"turn": name, "outcome": bad, **error}),
        (bad, bad, 2.5, {"anything": bad}),
    ]
    # fmt: on
    return [
        {"t": n * 10 + t, "by": by, "type": kind}
        | ({"connection": 1, "event": more} if by == "server" else more)
        for by, kind, t, more in said
    ]


def write(path: Path) -> Path:
    """The trace as a file."""
    path.write_text("".join(json.dumps(line) + "\n" for line in lines()), "utf-8")
    return path
