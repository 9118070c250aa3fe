"""Writes down a running call."""

from __future__ import annotations

import dataclasses
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timezone
from functools import cache
from importlib import metadata
from typing import Any

from livekit import rtc
from livekit.agents import llm
from livekit.agents.voice import SpeechHandle
from livekit.agents.voice.io import AudioOutput

from .. import TurnController
from .._redact import named
from ..duplex import Loss, Moved
from ..livekit import ControlledRealtimeModel
from ..livekit._duplex import MODEL, SESSION, is_duplex
from ..livekit._features import AgentSession, history_of
from ..livekit._guarded_output import GuardedOutput
from ..livekit._listener import hear_first
from ..livekit._log import get_logger
from ..livekit.duplex import DuplexWatcher
from .lines import Lines
from .redact import told
from .session_wire import SessionWire
from .writer import TraceWriter

__all__ = ["Recorder", "record"]

_ONE_ARGUMENT = inspect.signature(lambda event: None)
_LIBRARIES = ("realtime-fsm", "livekit-agents", "livekit-plugins-openai", "openai")

_CONTEXT = 64  # messages
#: What is recorded: models, and sessions that run already.
_MODELS: tuple[type[Any], ...] = tuple(k for k in (llm.RealtimeModel, MODEL) if k is not None)
_SESSIONS: tuple[type[Any], ...] = tuple(k for k in (llm.RealtimeSession, SESSION) if k is not None)


def record(
    source: llm.RealtimeModel | llm.RealtimeSession[Any] | llm.DuplexModel | llm.DuplexSession[Any],
    path: str | os.PathLike[str],
    *,
    transcripts: bool = False,
) -> Recorder:
    """Record the calls of a model, or one realtime session, to *path*.

    ::

        recorder = record(model, "call.jsonl")
        recorder.attach(session)

    Args:
        source: A `ControlledRealtimeModel`, any other realtime or full-duplex model, or a session of
            one that runs already. Of one without raw events the wire is not recorded.
        path: The trace; a file that is there is replaced.
        transcripts: Whether to write what was said, too. Never audio, and nothing like a key.

    Raises:
        TypeError: *source* is neither.
    """
    if not isinstance(source, (*_MODELS, *_SESSIONS)):
        raise TypeError(f"source must be a realtime model or session, got {source!r}")
    return Recorder(source, path, transcripts=transcripts)


class Recorder:
    """See :func:`record`. Nothing of it raises into the call, and it has no task."""

    def __init__(
        self,
        source: Any,
        path: str | os.PathLike[str],
        *,
        transcripts: bool = False,
    ) -> None:
        self._log = get_logger()
        self._transcripts = transcripts
        self._connections = 0
        self._sessions = 0
        self._undo: list[Callable[[], None]] = []
        self._session: AgentSession[Any] | None = None
        self._sink: AudioOutput | None = None
        self._sounding: dict[str, Any] = {}
        self._sinks = 0
        #: What plays at the end of the chain, and was counted last.
        self._played: AudioOutput | None = None
        self._left: list[AudioOutput] = []
        self._deleted = False  # since the context was written last
        self._unwatch: Callable[[], None] | None = None
        self._controlled: ControlledRealtimeModel | None = None
        runs = isinstance(source, _SESSIONS)
        model = _model_of(source) if runs else source
        self._controlled = model if isinstance(model, ControlledRealtimeModel) else None
        header = self._header(model)
        if runs:
            header["partial"] = True  # what it did before is not in it
        self._lines = self._begin(self._writer(path, header))
        self._guard(lambda: self._follow(source))

    def _writer(self, path: str | os.PathLike[str], header: dict[str, Any]) -> TraceWriter:
        return TraceWriter(path, header)

    def _begin(self, writer: TraceWriter) -> Lines:
        return Lines(writer)

    def _header(self, model: Any) -> dict[str, Any]:
        header: dict[str, Any] = {
            "started": datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            "mode": "plain",
            "model": model.label,
            "versions": _versions(),
            "transcripts": self._transcripts,
        }
        if is_duplex(model):
            header["dialect"] = "gpt-live"
        if self._controlled is not None:
            policy = self._controlled._policy
            header["mode"] = self._controlled._mode
            header["retry"] = {
                "max_retry": policy.max_retry,
                "timeout": policy.timeout,
                "on_exhausted": policy.on_exhausted,
                "after_exposure": policy.after_exposure,
            }
        return header

    # --- what a caller does

    def attach(self, session: AgentSession[Any]) -> None:
        """Record this session's speeches, states, errors, and what its sink plays, and close with
        it. Before or after its start.

        Raises:
            TypeError: Not an AgentSession.
        """
        if not isinstance(session, AgentSession):
            raise TypeError(f"session must be an AgentSession, got {session!r}")
        self._session = session
        for name, handler in {
            "agent_state_changed": self._agent_state,
            "user_state_changed": self._user_state,
            "speech_created": self._speech_created,
            "conversation_item_added": self._item_added,
            "function_tools_executed": self._tools_executed,
            "tool_execution_updated": self._tool_updated,
            "error": self._session_error,
            "close": self._session_closed,
        }.items():
            self._listen(session, name, handler)

    def watch(self, watcher: DuplexWatcher) -> None:
        """Record what this watcher of a full-duplex session tells: delegations, and what of them is
        lost. `check` takes a loss that was told for a visible one."""
        self._listen(watcher, "moved", self._delegation_moved)
        self._listen(watcher, "loss", self._loss)

    def close(self) -> None:
        """Stop, and close the file. Done by itself when the attached session closes."""
        if self._lines.closed:
            return
        self._guard(lambda: self._write("session", "recorded", {}))
        self._lines.close()
        for undo in reversed(self._undo):
            self._guard(undo)
        self._undo.clear()
        if self._unwatch is not None:
            self._guard(self._unwatch)

    def note(self, by: str, what: str, **fields: Any) -> None:
        """Write a line of somebody who sees more than we do. Never raises."""
        if not self._lines.closed:
            self._guard(lambda: self._write(by, what, fields))

    def items(self, items: Iterable[llm.ChatItem]) -> list[dict[str, Any]]:
        """Items of a memory, as they are written: their words, or how many characters."""
        return [self.remembered(i.id, i.type, getattr(i, "role", ""), _text(i)) for i in items]

    def remembered(self, id: str, kind: str, role: str, text: str, **more: Any) -> dict[str, Any]:
        """One of them."""
        count = len(text.split())
        said = {"text": self._words(text), "words": count}
        return {"id": id, "type": kind, "role": role, **said, **more}

    def context(self) -> list[dict[str, Any]]:
        """The newest messages that the current agent means the model to know."""
        try:
            items = history_of(self._session).items if self._session is not None else []
        except RuntimeError:  # it does not run
            items = []
        messages = [item for item in items if item.type == "message"]
        return self.items(messages[-_CONTEXT:])

    def leave(self, sink: AudioOutput) -> None:
        """What this sink plays is noted by somebody else."""
        self._left.append(sink)

    def _write(self, by: str, kind: str, fields: Mapping[str, Any]) -> None:
        self._lines.write(by, kind, told(fields, transcripts=self._transcripts))

    # --- listening

    def _follow(self, source: Any) -> None:
        if isinstance(source, _SESSIONS):
            self._follow_session(source)
        else:
            # Below our own model, so that a frame is written before what it leads to.
            inner = source if self._controlled is None else self._controlled._inner
            self._intercept(inner)
        if self._controlled is not None:
            self._listen(self._controlled, "turn_moved", self._turn_moved)
            self._listen(self._controlled, "recovering", self._recovering)
            self._listen(self._controlled, "turn_ended", self._turn_ended)
            self._listen(self._controlled, "stepped_aside", self._stepped_aside)

    def _intercept(self, model: Any) -> None:
        """See each session that the model makes, from its first frame: nothing announces them."""
        make, before = model.session, vars(model).get("session")

        def session(*args: Any, **kwargs: Any) -> Any:
            made = make(*args, **kwargs)
            self._guard(lambda: self._follow_session(made))
            return made

        vars(model)["session"] = session

        def undo() -> None:
            if vars(model).get("session") is not session:
                return
            del vars(model)["session"]
            if before is not None:  # another recorder was there
                vars(model)["session"] = before

        self._undo.append(undo)

    def _follow_session(self, session: Any) -> None:
        self._sessions += 1
        label = _model_of(session).label
        # LiveKit's adapter has the frames of a full-duplex session below it.
        session = getattr(session, "duplex_session", session)
        self._write("session", "realtime_session", {"number": self._sessions, "model": label})
        wire = self._wire()
        handlers: dict[str, Callable[[Any], None]] = {
            "openai_server_event_received": wire.server_event,
            "openai_client_event_queued": wire.client_event,
            "session_reconnected": wire.reconnected,
            "error": wire.error,
        }
        # A frame is written before what it leads to.
        heard = {name: self._guarded(handler) for name, handler in handlers.items()}
        self._undo.append(hear_first(session, heard))

    def _wire(self) -> SessionWire:
        return SessionWire(
            self._lines,
            self._next_connection,
            transcripts=self._transcripts,
            on_sound=self._look,
            on_delete=self._note_delete,
        )

    def _delegation_moved(self, move: Moved) -> None:
        self._write("session", "delegation_moved", _known(move._asdict()))

    def _loss(self, loss: Loss) -> None:
        fields = {f.name: getattr(loss, f.name) for f in dataclasses.fields(loss)}
        self._write("session", "loss", {**_known(fields), "kind": loss.kind.value})

    def _next_connection(self) -> int:
        self._connections += 1
        return self._connections

    def _listen(self, emitter: rtc.EventEmitter[Any], name: str, handler: Any) -> None:
        listener = self._guarded(handler)
        # EventEmitter inspects each callback's signature for each event; a ready one is cheap.
        listener.__signature__ = _ONE_ARGUMENT  # type: ignore[attr-defined]
        emitter.on(name, listener)
        self._undo.append(lambda: emitter.off(name, listener))

    def _guarded(self, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        lines, log = self._lines, self._log

        def heard(event: Any) -> None:
            if not lines.closed:
                try:
                    handler(event)
                except Exception:
                    log.debug("not recorded", exc_info=True)

        return heard

    def _guard(self, what: Callable[[], None]) -> None:
        try:
            what()
        except Exception:
            self._log.debug("not recorded", exc_info=True)

    # --- turns

    def _controller(self) -> TurnController | None:
        return None if self._controlled is None else self._controlled.controller

    def _response(self, turn_id: str, attempt: int) -> dict[str, Any]:
        controller = self._controller()
        turn = None if controller is None else controller.find(turn_id)
        current = None if turn is None else turn.attempt
        if current is None or current.number != attempt or current.response_id is None:
            return {}
        return {"response": current.response_id}

    def _turn_moved(self, move: Any) -> None:
        fields = {
            "turn": move.turn_id,
            "source": move.source.value,
            "event": move.event,
            "dest": move.dest.value,
            "attempt": move.attempt,
            "label": move.label,
        }
        self._write("turn", "moved", {**fields, **self._response(move.turn_id, move.attempt)})

    def _recovering(self, plan: Any) -> None:
        fields = {"turn": plan.turn_id, "attempt": plan.attempt, "wait": round(plan.wait, 3)}
        self._write("turn", "recovering", {**fields, **_reason(plan.reason)})

    def _turn_ended(self, end: Any) -> None:
        fields = {"turn": end.turn_id, "outcome": end.outcome.value}
        self._write(
            "turn", "ended", {**fields, **({} if end.error is None else _reason(end.error))}
        )

    def _stepped_aside(self, error: Any) -> None:
        self._write("session", "stepped_aside", _reason(error))

    # --- the session

    def _agent_state(self, event: Any) -> None:
        self._look()
        self._note_context()
        self._write("session", "agent_state", {"old": event.old_state, "new": event.new_state})

    def _user_state(self, event: Any) -> None:
        self._write("user", "state", {"old": event.old_state, "new": event.new_state})

    def _speech_created(self, event: Any) -> None:
        self._look()
        handle: SpeechHandle = event.speech_handle
        fields = {
            "speech": handle.id,
            "user_initiated": event.user_initiated,
            "source": event.source,
        }
        self._write("session", "speech_created", fields)
        handle.add_done_callback(lambda h: self._guard(lambda: self._speech_done(h)))

    def _speech_done(self, handle: SpeechHandle) -> None:
        if self._lines.closed:
            return
        error = handle.exception()
        fields: dict[str, Any] = {"speech": handle.id, "interrupted": handle.interrupted}
        fields["exception"] = None if error is None else type(error).__name__
        if code := named(getattr(error, "code", None)):
            fields["code"] = code
        self._write("session", "speech_done", fields)
        self._note_context()

    def _note_delete(self) -> None:
        self._deleted = True

    def _note_context(self) -> None:
        """What the application wants to be known, where something was deleted."""
        if self._deleted:
            self._deleted = False
            self._write("session", "context", {"items": self.context()})

    def _item_added(self, event: Any) -> None:
        item = event.item
        fields = {
            "item_id": getattr(item, "id", None),
            "item": getattr(item, "type", None),
            "role": getattr(item, "role", None),
        }
        text = getattr(item, "text_content", None)
        if isinstance(text, str):
            fields["text"] = self._words(text)
        if (interrupted := getattr(item, "interrupted", None)) is not None:
            fields["interrupted"] = interrupted
        self._write("session", "item_added", fields)

    def _words(self, text: str) -> str | int:
        return text if self._transcripts else len(text)

    def _tools_executed(self, event: Any) -> None:
        reply = bool(event.has_tool_reply)
        for call in event.function_calls:
            fields = {"call_id": call.call_id, "name": call.name, "reply": reply}
            self._write("session", "tool_executed", fields)

    def _tool_updated(self, event: Any) -> None:
        update = event.update
        if update.type == "tool_call_started":
            call = update.function_call
            self._write("session", "tool_began", {"call_id": call.call_id, "name": call.name})
        elif update.type == "tool_call_ended":
            self._write(
                "session", "tool_ended", {"call_id": update.call_id, "status": update.status}
            )

    def _session_error(self, event: Any) -> None:
        report = event.error
        error = getattr(report, "error", report)
        fields: dict[str, Any] = {
            "recoverable": getattr(report, "recoverable", None),
            "error": type(error).__name__,
        }
        body = getattr(error, "body", None)
        for name in ("code", "type"):
            found = getattr(body, name, None) or getattr(error, name, None)
            found = body.get(name) if isinstance(body, dict) else found
            if found := named(found):
                fields["code" if name == "code" else "error_type"] = found
        self._write("session", "error", fields)

    def _session_closed(self, event: Any) -> None:
        self._write("session", "close", {"reason": getattr(event.reason, "value", None)})
        self.close()

    # --- playback

    def _look(self) -> None:
        """Listen to the sink that plays: a room installs it late, and it may be swapped."""
        output = None if self._session is None else self._session.output
        sink = output.audio if output is not None and output.audio_enabled else None
        if sink is self._sink:
            return
        if self._unwatch is not None:
            self._unwatch()
        self._sink, self._unwatch = sink, None
        if sink is None or (leaf := _leaf(sink)) in self._left:
            return
        if leaf is not self._played:
            self._played = leaf
            self._sinks += 1
        before = len(self._undo)
        self._listen(sink, "playback_started", self._started)
        self._listen(sink, "playback_finished", self._finished)
        undo = self._undo[before:]
        del self._undo[before:]

        def unwatch() -> None:
            for each in undo:
                each()

        self._unwatch = unwatch

    def _playing(self) -> dict[str, Any]:
        """The sink, the current speech, and the message that the controller takes this for."""
        session, fields = self._session, dict[str, Any](sink=self._sinks)
        if session is not None and (speech := session.current_speech) is not None:
            fields["speech"] = speech.id
        return fields | self.message()

    def message(self) -> dict[str, Any]:
        """The message that plays, as the controller has it, if there is one."""
        controller = self._controller()
        for turn in () if controller is None else controller.turns:
            for message in turn.messages:
                if message.state.value in ("playing", "paused"):
                    return {"item_id": message.item_id}
        return {}

    def _started(self, _: object) -> None:
        self._sounding = self._playing()
        self._write("playback", "started", self._sounding)

    def _finished(self, report: Any) -> None:
        fields = {
            "position": round(report.playback_position * 1000, 3),
            "interrupted": report.interrupted,
        }
        # The controller may have heard of it first.
        item, self._sounding = self._playing() or self._sounding, {}
        self._write("playback", "finished", {**fields, **item})


def _known(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What a line tells besides its time."""
    known = {key: value for key, value in fields.items() if value not in (None, "") and key != "t"}
    return {k: round(v, 3) if isinstance(v, float) else v for k, v in known.items()}


def _model_of(session: Any) -> Any:
    """The model that made a session, of either kind."""
    duplex = getattr(session, "duplex_model", None)
    return session.realtime_model if duplex is None else duplex


def _text(item: llm.ChatItem) -> str:
    return (item.text_content or "") if isinstance(item, llm.ChatMessage) else ""


def _leaf(sink: AudioOutput) -> AudioOutput:
    """What plays at the end of a chain, behind our guard."""
    while True:
        below = sink.sink if isinstance(sink, GuardedOutput) else sink.next_in_chain
        if below is None:
            return sink
        sink = below


def _reason(error: Any) -> dict[str, Any]:
    return {"code": named(error.code), "kind": error.kind.value}


def _versions() -> dict[str, str]:
    return {name: version for name in _LIBRARIES if (version := _version(name))}


@cache
def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return ""
