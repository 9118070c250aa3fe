"""Reads the ordering of one call out of the lines of its trace."""

from __future__ import annotations

from collections.abc import Callable

from ..trace import Header, Line
from ..trace.wire import LOST, body_of
from ._ordering import Act, Ordering
from ._replies import ReplyReader

__all__ = ["OrderingReader"]

_TRANSCRIBED = "conversation.item.input_audio_transcription.completed"
_SAME = 0.15  # seconds within which two signs are of one act
_RETRIED = ("max_retry", "timeout", "on_exhausted", "after_exposure")


class OrderingReader:
    """Takes the header and the lines of one call, in order."""

    def __init__(self, header: Header) -> None:
        self.ordering = Ordering(header.mode)
        self._policy(header)
        self._replies = ReplyReader(self.ordering)
        self._tools: dict[str, float] = {}  # how long each takes, seconds
        self._then: dict[str, str] = {}  # what a tool does besides answering
        self._settings: dict[str, None] = {}
        self._vad = self._creates = True
        self._pushed = 0.0  # milliseconds that wait for a commit
        self._spoke = self._interrupted = self._answered = float("-inf")
        self._talks: tuple[float, int] | None = None
        self._committed: dict[str, float] = {}  # what the user said, without its words so far
        self._wrote = ""
        self._speeches: dict[str, None] = {}
        self._names = 0
        self._texts = 0
        self._handlers: dict[tuple[str, str], Callable[[Line], None]] = {
            ("client", "session.update"): self._updated,
            ("client", "response.create"): self._create,
            ("client", "response.cancel"): self._cancel,
            ("client", "conversation.item.create"): self._told,
            ("client", "input_audio_buffer.append"): self._push,
            ("client", "input_audio_buffer.commit"): self._commit,
            ("client", "input_audio_buffer.clear"): self._discard,
            ("server", "input_audio_buffer.speech_started"): self._starts,
            ("server", "input_audio_buffer.speech_stopped"): self._stops,
            ("server", "input_audio_buffer.committed"): self._heard,
            ("server", "response.created"): self._replies.created,
            ("server", "response.output_item.added"): self._replies.added,
            ("server", "response.output_item.done"): self._replies.item_done,
            ("server", "response.done"): self._replies.done,
            ("server", "error"): self._replies.refused,
            ("server", _TRANSCRIBED): self._transcribed,
            ("session", "speech_created"): self._speech,
            ("session", "speech_done"): self._speech_done,
            ("session", "tool_ended"): self._tool_ended,
            ("session", "tool_executed"): self._tool_executed,
            ("session", "close"): self._closed,
            ("playback", "paused"): lambda line: self._act(line, "P pauses"),
            ("playback", "resumed"): lambda line: self._act(line, "P resumes"),
        }

    def line(self, line: Line) -> None:
        """The next line."""
        self.ordering.has.add(line.by)
        if line.by == "net":
            if line.type in LOST and not self._replies.lost(line):
                self._act(line, "N breaks now")
            return
        handler = self._handlers.get((line.by, line.type))
        if handler is not None:
            handler(line)
        elif line.by == "server" and line.type.startswith("response."):
            self._replies.delta(line)

    def finish(self) -> Ordering:
        """There are no more lines."""
        for name, seconds in self._tools.items():
            then = f" then {self._then[name]}" if name in self._then else ""
            takes = f" takes {_s(seconds)}" if seconds >= 0.01 else ""
            self.ordering.setup.append(f"tool {name}{takes}{then}")
        self.ordering.setup += self._settings
        return self.ordering

    def _policy(self, header: Header) -> None:
        for name in _RETRIED:
            value = header.retry.get(name)
            default = {"max_retry": 3, "timeout": 10.0, "on_exhausted": "fail_turn"}.get(
                name, "stop"
            )
            if value is None or value == default:
                continue
            told = f"{value:g}s" if name == "timeout" else str(value)
            self.ordering.setup.append(f"retry.{name} {told}")

    def _act(self, line: Line, text: str) -> None:
        self.ordering.acts.append(Act(line.t, text, line.number))

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{kind}{self._names}"

    # --- the session

    def _updated(self, line: Line) -> None:
        session = line.body("session")
        for where in (body_of(body_of(session.get("audio")).get("input")), session):
            if "turn_detection" in where:
                found = where["turn_detection"]
                self._vad = isinstance(found, dict)
                self._creates = self._vad and found.get("create_response") is not False
        switch = "push_to_talk" if not self._vad else "" if self._creates else "client_creates"
        for each in ("push_to_talk", "client_creates"):
            self._settings.pop(each, None)
        if switch:
            self._settings[switch] = None
        asked = session.get("output_modalities") or session.get("modalities")
        if asked == ["text"]:
            self._settings["text"] = None

    # --- the user and the application

    def _starts(self, line: Line) -> None:
        self._talks = (line.t, line.number)
        self._spoke = line.t

    def _stops(self, line: Line) -> None:
        if self._talks is not None:
            self._spoken(*self._talks, until=line.t)

    def _discard(self, line: Line) -> None:
        if self._talks is not None:
            began, number = self._talks
            self._spoken(began, number, until=line.t + max(0.05, line.t - began))
        self._act(line, "U discards")

    def _spoken(self, began: float, number: int, *, until: float) -> None:
        self._talks = None
        name, seconds = self._name("V"), max(0.05, until - began)
        words = f"Question {self._names}."
        act = Act(began, f'U starts {name} "{words}" {_s(seconds)}', number)
        at = len(self.ordering.acts)
        while at and self.ordering.acts[at - 1].t > began:
            at -= 1
        self.ordering.acts.insert(at, act)

    def _push(self, line: Line) -> None:
        ms = line.event.get("audio")
        if isinstance(ms, (int, float)):
            self._pushed += ms

    def _commit(self, line: Line) -> None:
        seconds, self._pushed = max(0.05, self._pushed / 1000), 0.0
        self._spoke = line.t
        if self._vad:
            self._act(line, "U commits")
            return
        acts = self.ordering.acts
        if acts and acts[-1].text.startswith("U asks B") and line.t - acts[-1].t <= _SAME:
            acts.pop()  # LiveKit tells of the speech first, and then commits what was said
        name = self._name("V")
        act = Act(
            line.t - seconds, f'U says {name} "Question {self._names}." {_s(seconds)}', line.number
        )
        self.ordering.acts.append(act)
        self.ordering.acts.sort(key=lambda each: round(each.t, 3))

    def _transcribed(self, line: Line) -> None:
        at = self._committed.pop(str(line.event.get("item_id")), None)
        if at is not None:
            self.ordering.transcripts_took.append(line.t - at)

    def _heard(self, line: Line) -> None:
        self._committed[str(line.event.get("item_id"))] = line.t
        if self._vad and self._creates:
            self._replies.owed(line)

    def _speech(self, line: Line) -> None:
        self._speeches[str(line.event.get("speech"))] = None
        source, asked = line.event.get("source"), line.event.get("user_initiated")
        if source == "say":
            self.ordering.obstacles.append(
                (line.number, "the application says a text by itself, which no case has")
            )
        elif asked is True and line.t - self._spoke > _SAME:
            self._asks(line)

    def _asks(self, line: Line) -> None:
        words, self._wrote = self._wrote, ""
        self._act(line, f"U asks {self._name('B')}{words}")

    def _create(self, line: Line) -> None:
        if not self._replies.create(line):
            return
        # Of a log of raw events, nothing else tells that the application asked.
        told = self.ordering.has & {"session", "turn"}
        if not told and line.t - max(self._answered, self._spoke) >= 1.0:
            self._asks(line)

    def _told(self, line: Line) -> None:
        item = line.body("item")
        kind = item.get("type")
        if kind == "function_call_output":
            self._answered = line.t
            began = self._replies.calls.get(str(item.get("call_id")))
            if began is not None:
                self._tools.setdefault(began[1], line.t - began[0])
        elif item.get("role") == "user":
            self._texts += 1
            words = f' "Question {self._texts}."'
            acts = self.ordering.acts
            # LiveKit tells of the speech before the words leave.
            if acts and acts[-1].text.startswith("U asks B") and line.t - acts[-1].t <= _SAME:
                if '"' not in acts[-1].text:
                    acts[-1] = Act(acts[-1].t, acts[-1].text + words, acts[-1].line)
            else:
                self._wrote = words

    def _cancel(self, line: Line) -> None:
        self._replies.cancel(line)
        if not self.ordering.has & {"session"}:
            self._cut(line)

    def _speech_done(self, line: Line) -> None:
        self._speeches.pop(str(line.event.get("speech")), None)
        if line.event.get("interrupted") is True:
            self._cut(line)

    def _closed(self, line: Line) -> None:
        """A call that is hung up over something is no call that came to its rest."""
        if line.event.get("reason") == "user_initiated" and (
            self._speeches or self._replies.under_way
        ):
            acts = self.ordering.acts
            if acts and acts[-1].text == "U interrupts" and line.t - acts[-1].t <= _SAME:
                acts.pop()  # that is what hanging up does
            self._act(line, "U hangs up")

    def _cut(self, line: Line) -> None:
        """Something was interrupted: by the user's speech, which does so by itself, or by the
        application."""
        acts = self.ordering.acts
        if line.t - max(self._spoke, self._interrupted) > _SAME and self._talks is None:
            made = Act(line.t, "U interrupts", line.number)
            # One that is asked for in the same moment is not what was interrupted.
            before = (
                bool(acts) and acts[-1].text.startswith("U asks") and line.t - acts[-1].t < 0.01
            )
            acts.insert(len(acts) - before, made)
        self._interrupted = line.t

    def _tool_ended(self, line: Line) -> None:
        began = self._replies.calls.get(str(line.event.get("call_id")))
        if began is not None:
            self._tools[began[1]] = line.t - began[0]
            if line.event.get("status") == "error":
                self._then[began[1]] = "raise"

    def _tool_executed(self, line: Line) -> None:
        name = line.event.get("name")
        if line.event.get("reply") is False and isinstance(name, str):
            self._then.setdefault(name, "stop")


def _s(seconds: float) -> str:
    return f"{round(seconds, 3):g}s"
