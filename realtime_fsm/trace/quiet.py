"""Finds the moment from which on a call can be judged of which something is missing before it.

What was under way in the part that is missing is not known: a response may be alive, a message may
play. It is over when the call has begun something new after it, which the server allows only when
nothing else is alive, and that has ended, and then nothing happened for a while.
"""

from __future__ import annotations

from .format import Line
from .wire import AUDIO_DELTAS, body_of

__all__ = ["Quiet"]

_STILL = 1.0  # seconds; what belongs together comes closer together than this
_PLAYS = 30.0  # seconds for which something may play that began before
_BUSY = ("server", "client", "net", "playback", "turn", "session")
_OVER = ("done", "failed")


class Quiet:
    """Takes the lines after what is missing, one by one.

    Args:
        timed: whether their times mean something.
        played: whether the trace has lines of what is played, if anything is.
    """

    def __init__(self, *, timed: bool, played: bool) -> None:
        self._timed = timed
        self._first: float | None = None
        #: What played before is over: something else began to.
        self._played = not played
        self._begun = False  # a response, or a connection, since
        self._since: float | None = None  # when anything happened last
        self._connection = 0
        self._open: set[tuple[str, str]] = set()
        self._asked = 0
        self._playing = False
        self._speaking = False
        self._busy_agent = False
        self._sounds_until = 0.0

    def feed(self, line: Line) -> bool:
        """Whether nothing was under way before this line, which takes effect afterwards."""
        quiet = self._begun and not (
            self._open or self._asked or self._playing or self._speaking or self._busy_agent
        )
        self._first = line.t if self._first is None else self._first
        if quiet and self._timed:
            since = max(self._since or 0.0, self._sounds_until)
            over = self._played or line.t - self._first >= _PLAYS
            quiet = over and line.t - since >= _STILL
        self._apply(line)
        return quiet

    def _apply(self, line: Line) -> None:
        if line.by in _BUSY and line.type != "input_audio_buffer.append":
            self._since = line.t
        kind = line.type
        if line.by == "server":
            self._server(line)
        elif line.by == "client":
            self._connected(line)
            body = body_of(line.event.get("response"))
            if kind == "response.create" and body.get("conversation") != "none":
                self._asked += 1
            elif kind == "conversation.item.create":
                self._open.discard(("call", _name(body_of(line.event.get("item")), "call_id")))
        elif line.by == "playback":
            self._playing = kind == "started"
            self._played = self._played or self._playing
        elif line.by == "user" and kind == "state":
            self._speaking = line.event.get("new") == "speaking"
        elif line.by == "turn":
            over = kind == "ended" or line.event.get("dest") in _OVER
            self._mark("turn", _name(line.event, "turn"), over=over)
        elif line.by == "session":
            self._session(line)

    def _server(self, line: Line) -> None:
        self._connected(line)
        kind, event = line.type, line.event
        if kind == "session.created":
            self._begun = True
        elif kind == "response.created":
            self._begun = True
            self._asked = max(0, self._asked - 1)
            self._mark("response", _name(body_of(event.get("response")), "id"), over=False)
        elif kind == "response.done":
            self._mark("response", _name(body_of(event.get("response")), "id"), over=True)
        elif kind == "error":
            self._asked = 0
        elif kind == "input_audio_buffer.speech_started":
            self._speaking = True
        elif kind == "input_audio_buffer.speech_stopped":
            self._speaking = False
        elif kind in AUDIO_DELTAS:
            delta = event.get("delta")
            if isinstance(delta, (int, float)):
                self._sounds_until = max(self._sounds_until, line.t) + delta / 1000
        elif kind == "response.output_item.done":
            item = body_of(event.get("item"))
            if item.get("type") == "function_call":
                self._mark("call", _name(item, "call_id"), over=False)

    def _session(self, line: Line) -> None:
        if line.type in ("speech_created", "speech_done"):
            over = line.type == "speech_done"
            self._mark("speech", _name(line.event, "speech"), over=over)
            if over:
                self._open = {each for each in self._open if each[0] != "call"}
        elif line.type == "agent_state":
            self._busy_agent = line.event.get("new") in ("thinking", "speaking")

    def _connected(self, line: Line) -> None:
        """With the next connection the one before is gone, and all that was alive on it."""
        if line.connection > self._connection:
            self._open = {each for each in self._open if each[0] not in ("response", "call")}
            self._asked = 0
            self._connection = line.connection

    def _mark(self, what: str, name: str, *, over: bool) -> None:
        if over:
            self._open.discard((what, name))
        elif len(self._open) < 1_000:
            self._open.add((what, name))


def _name(event: dict[str, object], key: str) -> str:
    return str(event.get(key))
