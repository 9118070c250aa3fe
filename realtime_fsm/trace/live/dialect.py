"""The events of GPT-Live in a trace: which they are, and which guarantees mean something there."""

from __future__ import annotations

__all__ = ["CLIENT_TYPES", "LIVE_TYPES", "MEANINGLESS", "is_live"]

#: What the client sends, and no client of the Realtime protocol does.
CLIENT_TYPES = frozenset(
    {
        "session.start", "session.close", "session.input_audio.append", "session.input_audio.mute",
        "session.input_audio.unmute", "session.instructions.append", "session.thinking.append",
        "session.commentary.append", "response.item.create",
    }
)  # fmt: skip
_SERVER_TYPES = frozenset(
    {
        "session.started", "session.closed", "session.usage.updated", "session.delegation.created",
        "session.instructions.appended", "session.thinking.appended", "session.commentary.appended",
        "session.input_audio.muted", "session.input_audio.unmuted", "session.output_audio.delta",
        "session.output_transcript.delta", "session.input_transcript.delta", "response.event",
    }
)  # fmt: skip
#: Events that only this protocol has.
LIVE_TYPES = CLIENT_TYPES | _SERVER_TYPES
#: Events that both protocols have.
_SHARED = frozenset({"session.update", "session.updated", "response.create", "error"})
#: How the kinds of the other protocol begin, besides these.
_REALTIME = (
    "session.created", "session.deleted", "conversation.", "input_audio_buffer.", "output_audio_buffer.",
    "rate_limits.", "transcription_session.", "mcp_list_tools.", "response.created", "response.done",
    "response.cancel", "response.output_", "response.content_part", "response.function_call",
    "response.audio", "response.text", "response.mcp_call",
)  # fmt: skip


def is_live(kind: str) -> bool | None:
    """Whether an event is of GPT-Live; None: of either, or of a kind that is new to us."""
    if kind in LIVE_TYPES:
        return True
    return False if kind not in _SHARED and kind.startswith(_REALTIME) else None


_SERVERS = "GPT-Live: its turns are the server's"
#: The other guarantees, and why they mean nothing there.
MEANINGLESS = {
    "G4": f"{_SERVERS}, and no request is given up",
    "G5": "GPT-Live: no client event cancels",
    "G6": "GPT-Live: no client event cancels",
    "G7": _SERVERS,
    "G9": "GPT-Live: nothing is asked again",
    "G10": "GPT-Live: nothing is asked again",
    "G12": "GPT-Live: each loss is told by who watches, see G8",
    "G13": "GPT-Live: there are no messages, but one stream of sound",
    "G15": "GPT-Live: no client event truncates",
    "G16": "GPT-Live: its memory cannot be corrected",
    "G20": "GPT-Live: nothing conflicts but a continuation, see G1",
    "G24": _SERVERS,
    "G26": _SERVERS,
    "G28": "GPT-Live: nothing is asked again",
}
