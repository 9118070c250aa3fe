"""Reads the ordering of one call out of the lines of its trace."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable

from ..trace import Header, Line
from ..trace.wire import ACTIVE, AUDIO_DELTAS, CONFLICTS, LOST, NOT_ACTIVE, body_of
from ._ordering import Act, Ordering, Output, Response

__all__ = ["OrderingReader"]

_TEXT_DELTAS = (
    "response.output_audio_transcript.delta", "response.audio_transcript.delta",
    "response.output_text.delta", "response.text.delta",
)  # fmt: skip
_WRITTEN = ("response.output_text.delta", "response.text.delta")
_SAME = 0.15  # seconds within which two signs are of one act
_RETRIED = ("max_retry", "timeout", "on_exhausted", "after_exposure")
_SILENT = ("session.created", "session.updated")


class OrderingReader:
    """Takes the header and the lines of one call, in order."""

    def __init__(self, header: Header) -> None:
        self.ordering = Ordering(header.mode)
        self._policy(header)
        self._asked: dict[str, Response] = {}  # creates without an answer, by event id
        self._committed: Response | None = None  # what server VAD owes an answer
        self._by_id: dict[str, Response] = {}
        self._items: dict[str, tuple[Response, Output]] = {}
        self._calls: dict[str, tuple[float, str]] = {}  # tools that run: since when, the name
        self._tools: dict[str, tuple[float, str]] = {}
        self._settings: dict[str, None] = {}
        self._vad = self._creates = True
        self._pushed = 0.0  # milliseconds that wait for a commit
        self._spoke = self._interrupted = self._answered = float("-inf")
        self._talks: tuple[float, int] | None = None
        self._wrote = ""
        self._cancels: list[float] = []  # that have no answer
        self._speeches: dict[str, None] = {}
        self._names = 0
        self._texts = 0
        self._connection = 0
        self._sink = 1
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
            ("server", "response.created"): self._created,
            ("server", "response.output_item.added"): self._added,
            ("server", "response.output_item.done"): self._item_done,
            ("server", "response.done"): self._done,
            ("server", "error"): self._refused,
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
            if line.type in LOST:
                self._lost(line)
            return
        handler = self._handlers.get((line.by, line.type))
        if handler is not None:
            handler(line)
        elif line.by == "server" and line.type.startswith("response."):
            self._delta(line)

    def finish(self) -> Ordering:
        """There are no more lines."""
        for seconds, name in self._tools.values():
            then = next((t for n, t in self._settings_of_tools() if n == name), "")
            takes = f" takes {seconds:.3g}s" if seconds >= 0.01 else ""
            self.ordering.setup.append(f"tool {name}{takes}{then}")
        self.ordering.setup += [each for each in self._settings if not each.startswith("tool ")]
        return self.ordering

    def _settings_of_tools(self) -> Iterable[tuple[str, str]]:
        for each in self._settings:
            if each.startswith("tool "):
                _, name, then = each.split(" ", 2)
                yield name, f" {then}"

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
        session = body_of(line.event.get("session"))
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

    def _heard(self, line: Line) -> None:
        if self._vad and self._creates:
            self._committed = Response(line.t, line.number, vad=True)

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

    def _told(self, line: Line) -> None:
        item = body_of(line.event.get("item"))
        kind = item.get("type")
        if kind == "function_call_output":
            self._answered = line.t
            began = self._calls.get(str(item.get("call_id")))
            if began is not None and began[1] not in self._tools:
                self._tools[began[1]] = (line.t - began[0], began[1])
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
        self._cancels.append(line.t)
        for response in self._by_id.values():
            if not response.status and response.client_ended is None:
                response.client_ended = line.t
        if not self.ordering.has & {"session"}:
            self._cut(line)

    def _speech_done(self, line: Line) -> None:
        self._speeches.pop(str(line.event.get("speech")), None)
        if line.event.get("interrupted") is True:
            self._cut(line)

    def _closed(self, line: Line) -> None:
        """A call that is hung up over something is no call that came to its rest."""
        if line.event.get("reason") == "user_initiated" and (
            self._speeches or any(not each.status for each in self._by_id.values())
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
        began = self._calls.get(str(line.event.get("call_id")))
        if began is not None:
            self._tools[began[1]] = (line.t - began[0], began[1])
            if line.event.get("status") == "error":
                self._settings[f"tool {began[1]} then raise"] = None

    def _tool_executed(self, line: Line) -> None:
        name = line.event.get("name")
        if line.event.get("reply") is False and isinstance(name, str):
            self._settings[f"tool {name} then stop"] = None

    # --- responses

    def _create(self, line: Line) -> None:
        asked = body_of(line.event.get("response"))
        if asked.get("conversation") == "none":
            self.ordering.obstacles.append(
                (line.number, "a response outside of the conversation, which no case asks for")
            )
            return
        made = Response(line.t, line.number)
        self._asked[str(line.event.get("event_id"))] = made
        self.ordering.responses.append(made)
        if not self.ordering.has & {"session", "turn"} and not (
            line.t - max(self._answered, self._spoke) < 1.0
        ):
            self._asks(line)

    def _created(self, line: Line) -> None:
        body = body_of(line.event.get("response"))
        if "conversation_id" in body and body["conversation_id"] is None:
            return
        known = body_of(body.get("metadata")).get("client_event_id")
        made = self._asked.pop(str(known), None) if known else None
        if made is None and self._committed is not None:
            made, self._committed = self._committed, None
            self.ordering.responses.append(made)
        if made is None and self._asked:
            made = self._asked.pop(next(iter(self._asked)))
        if made is None:
            made = Response(line.t, line.number)
            self.ordering.responses.append(made)
        made.created = made.ended = line.t
        self._by_id[str(body.get("id"))] = made

    def _added(self, line: Line) -> None:
        response = self._by_id.get(str(line.event.get("response_id")))
        item = body_of(line.event.get("item"))
        if response is None:
            return
        made = Output(str(item.get("type")), line.t, str(item.get("name") or ""))
        response.outputs.append(made)
        response.ended = line.t
        self._items[str(item.get("id"))] = (response, made)

    def _delta(self, line: Line) -> None:
        found = self._items.get(str(line.event.get("item_id")))
        if found is None:
            return
        response, output = found
        last = line.t if line.until is None else line.until
        response.ended = last
        delta = line.event.get("delta")
        if line.type in AUDIO_DELTAS and isinstance(delta, (int, float)):
            output.ms += delta
        elif line.type in _TEXT_DELTAS:
            output.chars += delta if isinstance(delta, int) else len(str(delta))
            output.words += delta if isinstance(delta, str) else ""
            if line.type not in _WRITTEN:
                return
        else:
            return
        output.first = line.t if output.first is None else output.first
        output.last = last

    def _item_done(self, line: Line) -> None:
        item = body_of(line.event.get("item"))
        found = self._items.get(str(item.get("id")))
        if found is None:
            return
        response, output = found
        response.ended = line.t
        output.done = line.t
        output.whole = item.get("status") != "incomplete"
        if output.kind == "function_call":
            output.name = str(item.get("name") or output.name)
            self._calls[str(item.get("call_id"))] = (line.t, output.name)

    def _done(self, line: Line) -> None:
        body = body_of(line.event.get("response"))
        response = self._by_id.get(str(body.get("id")))
        if response is None:
            response = self._done_alone(line)
            if response is None:
                return
        details = body_of(body.get("status_details"))
        error = body_of(details.get("error"))
        if response.status:
            return
        response.status = str(body.get("status"))
        response.code = str(error.get("code") or "")
        response.type = str(error.get("type") or "")
        response.reason = str(details.get("reason") or "")
        response.ended = line.t
        if response.status == "cancelled" and response.client_ended is not None:
            self.ordering.cancels_took.append(line.t - response.client_ended)
            if response.client_ended in self._cancels:
                self._cancels.remove(response.client_ended)

    def _done_alone(self, line: Line) -> Response | None:
        """An end without a beginning."""
        if self._asked:
            return self._asked.pop(next(iter(self._asked)))
        made, self._committed = self._committed, None
        if made is not None:
            self.ordering.responses.append(made)
        return made

    def _refused(self, line: Line) -> None:
        error = body_of(line.event.get("error"))
        code, named = str(error.get("code") or ""), error.get("event_id")
        if code == NOT_ACTIVE and self._cancels:
            self.ordering.cancels_took.append(line.t - self._cancels.pop(0))
        if code == ACTIVE or code in CONFLICTS:
            # The simulated server refuses that by itself; what was refused takes no reply.
            refused = self._asked.pop(str(named), None)
            if code == ACTIVE and refused is not None:
                self.ordering.responses.remove(refused)
            return
        made = self._asked.pop(str(named), None) if named else None
        if made is None and named is None:
            if self._committed is not None and not self._asked:
                made, self._committed = self._committed, None
                self.ordering.responses.append(made)
            elif len(self._asked) == 1:
                made = self._asked.pop(next(iter(self._asked)))
            if made is not None:
                made.linked = False
        if made is None:
            return
        made.status, made.code, made.refused = "refused", code, line.t
        made.type = str(error.get("type") or "")

    def _lost(self, line: Line) -> None:
        open_ones = [r for r in self._by_id.values() if not r.status]
        if self._committed is not None and line.t - self._committed.asked < 5.0:
            self.ordering.responses.append(self._committed)
            open_ones.append(self._committed)
        open_ones += self._asked.values()
        for each in open_ones:
            each.status = "lost"
        self._asked.clear()
        self._committed = None
        if not open_ones:
            self._act(line, "N breaks now")


def _s(seconds: float) -> str:
    return f"{round(seconds, 3):g}s"


def quoted(text: str) -> str:
    """Text as the notation has it."""
    return json.dumps(text)
