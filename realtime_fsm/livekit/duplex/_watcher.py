"""Watches the delegations of running sessions: listens, and sends nothing of itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any, Literal, Union

from ..._redact import named, shown
from ...duplex import DelegationTracker, Loss, LossKind, Moved, WatchPolicy
from ...duplex.fields import FREQUENT
from .._duplex import MODEL, SESSION
from .._listener import GuardedEmitter
from .._log import get_logger
from ..providers import declared_events
from ._observer import DuplexObserver, DuplexSessionInfo

#: What a user is told of: nil, a sentence, or what makes one of the loss.
Apology = Union[str, Callable[[Loss], Union[str, None]]]

_WORDS = {
    LossKind.BACKEND_FAILED: "the backend failed",
    LossKind.CONTINUATION_REFUSED: "a continuation was refused",
    LossKind.CALL_OPEN: "a call is open for long",
    LossKind.RESULT_LOST: "a result was lost with its connection",
    LossKind.STALLED: "a delegation stands still",
    LossKind.CONNECTION_STORM: "one connection after another",
    LossKind.SESSION_EXPIRED: "the session expired",
}
#: Losses after which nobody answers what the user asked.
_UNANSWERED = frozenset(
    {LossKind.BACKEND_FAILED, LossKind.CONTINUATION_REFUSED, LossKind.RESULT_LOST}
)
#: What a session tells in other words than by frames; by them it is noticed that there are no frames.
_WITNESSES = ("function_call", "input_speech_started")
_RAW = frozenset({"openai_server_event_received", "openai_client_event_queued"})
#: Seconds that healthy frames wait for one another.
_TOGETHER = 0.5
_MOVED = "Its raw events are not where they were: see tests/duplex/test_canaries.py."


class DuplexWatcher(GuardedEmitter[Literal["loss", "moved"]]):
    """What `watch` returns. Emits ``loss`` (`realtime_fsm.duplex.Loss`) for each loss, once, and ``moved``
    (`realtime_fsm.duplex.Moved`). It ends with its session.

    Attributes:
        losses: What was lost so far, of sessions that are watched, oldest first; the last thousand.
    """

    def __init__(
        self,
        *,
        policy: WatchPolicy | None = None,
        apology: Apology | None = None,
        observers: Iterable[DuplexObserver] = (),
    ) -> None:
        super().__init__()
        self.losses: list[Loss] = []
        self._policy = policy or WatchPolicy()
        self._apology = apology
        self._observers = tuple(observers)
        self._followed: list[_Followed] = []
        self._count = 0
        self._warned = False
        self._undo: list[Callable[[], None]] = []
        self._log = get_logger()

    @property
    def trackers(self) -> tuple[DelegationTracker, ...]:
        """One for each session that is watched now."""
        return tuple(each.tracker for each in self._followed)

    def close(self) -> None:
        """Watch no more. Done by itself for a session that is closed."""
        for undo in self._undo:
            undo()
        self._undo.clear()
        for each in tuple(self._followed):
            each.close()

    # --- sessions

    def _follow(self, session: Any) -> None:
        self._count += 1
        model = session.duplex_model
        info = DuplexSessionInfo(self._count, str(model.provider), str(model.model))
        self._followed.append(_Followed(self, session, info))

    def _follow_all(self, model: Any) -> None:
        """Each session that the model makes, from its first frame: nothing announces them."""
        make, before = model.session, vars(model).get("session")

        def session(*args: Any, **kwargs: Any) -> Any:
            made = make(*args, **kwargs)
            try:
                self._follow(made)
            except Exception:
                self._log.warning("not watched", exc_info=True)
            return made

        vars(model)["session"] = session
        self._undo.append(partial(_put_back, model, "session", session, before))

    # --- telling

    def _tell(self, info: DuplexSessionInfo, told: list[Moved | Loss]) -> str | None:
        """Returns what the model is to say of it: of one root once, whatever went with it."""
        apologies: list[str] = []
        for each in told:
            if isinstance(each, Loss):
                self._lost(info, each)
                if each.kind in _UNANSWERED and (words := self._words(each)):
                    apologies.append(words)
            else:
                self.emit("moved", each)
                if self._observers:
                    self._observe("moved", info, each)
        return apologies[0] if apologies else None

    def _lost(self, info: DuplexSessionInfo, loss: Loss) -> None:
        self.losses.append(loss)
        del self.losses[:-1000]
        told = {
            "kind": loss.kind.value,
            "delegation": None if loss.delegation is None else shown(loss.delegation),
            "target": loss.target or None,
            "code": named(loss.code),
            "call_id": None if loss.call_id is None else shown(loss.call_id),
            "seconds": None if loss.seconds is None else round(loss.seconds, 1),
            "connections": loss.connections,
            "connection": loss.connection,
            "session": info.number,
        }
        fields = {key: value for key, value in told.items() if value is not None}
        self._log.warning(f"full-duplex model: {_WORDS[loss.kind]}", **fields)
        self.emit("loss", loss)
        self._observe("lost", info, loss)

    def _words(self, loss: Loss) -> str | None:
        if not callable(self._apology):
            return self._apology
        try:
            return self._apology(loss)
        except Exception:
            self._log.warning("an apology failed", exc_info=True)
            return None

    def _observe(self, what: str, *args: Any) -> None:
        for observer in self._observers:
            self._tell_observer(observer, what, *args)

    def _tell_observer(self, observer: DuplexObserver, what: str, *args: Any) -> None:
        try:
            getattr(observer, what)(*args)
        except Exception:
            name = type(observer).__name__
            self._log.warning("an observer failed", observer=name, exc_info=True)

    def _warn_moved(self) -> None:
        if not self._warned:
            self._warned = True
            self._log.warning("the full-duplex model cannot be watched", why=_MOVED)


class _Followed:
    """One session, listened to."""

    def __init__(self, watcher: DuplexWatcher, session: Any, info: DuplexSessionInfo) -> None:
        self.tracker = DelegationTracker(watcher._policy)
        self._watcher = watcher
        self._session = session
        self._info = info
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._seen = False
        self._closed = False
        #: Frames that are not read yet: whether received, and when.
        self._frames: list[tuple[bool, Any, float]] = []
        self._reads: asyncio.TimerHandle | None = None
        self._sorry: str | None = None
        self._handlers: dict[str, Callable[[Any], bool]] = {
            "openai_server_event_received": self._server,
            "openai_client_event_queued": self._client,
            "session_reconnected": self._reconnected,
            **dict.fromkeys(_WITNESSES, self._witness),
        }
        if not declared_events(type(session)) >= _RAW:
            watcher._warn_moved()
        emit, before = session.emit, vars(session).get("emit")

        # Before any listener, which may change a frame; and told after all of them, since a recorder
        # writes the frame that it is about. LiveKit's emitter takes longer to call a listener than this
        # takes with the frames of audio, of which there are many.
        def told(event: Any, *args: Any) -> Any:
            heard = False
            if args:
                frame = args[0]
                if frame.__class__ is dict and frame.get("type") in FREQUENT:
                    return emit(event, *args)
                handler = self._handlers.get(event)
                if handler is not None:
                    heard = self._hear(handler, frame)
            try:
                return emit(event, *args)
            finally:
                if heard:
                    self._settle()

        vars(session)["emit"] = told
        self._put_back = [partial(_put_back, session, "emit", told, before)]
        aclose, before = session.aclose, vars(session).get("aclose")

        async def closing() -> None:
            self.close()
            await aclose()

        vars(session)["aclose"] = closing
        self._put_back.append(partial(_put_back, session, "aclose", closing, before))

    def close(self) -> None:
        """Listen no more. Raises nothing: the session is closed next."""
        if self._closed:
            return
        self._closed = True
        self._watcher._followed.remove(self)
        for timer in (self._timer, self._reads):
            if timer is not None:
                timer.cancel()
        for put_back in self._put_back:
            put_back()
        try:
            self._read()
            self.tracker.close(self._loop.time())
            self._watcher._tell(self._info, self.tracker.take())
        except Exception:
            self._watcher._log.error("not watched to its end", exc_info=True)
        self._watcher._observe("session_ended", self._info)

    # --- what is heard

    def _hear(self, handler: Callable[[Any], bool], told: Any) -> bool:
        """Whether something may have moved. Raises nothing into LiveKit (G32)."""
        if self._closed:
            return False
        try:
            return handler(told)
        except Exception as e:
            self._failed(e)
            return False

    def _server(self, frame: Any) -> bool:
        self._seen = True
        self._queue(True, frame)
        return _is_urgent(frame)

    def _client(self, frame: Any) -> bool:
        self._seen = True
        self._queue(False, frame)
        return False

    def _reconnected(self, _: Any) -> bool:
        self._read()
        self.tracker.reconnected(self._loop.time())
        return True

    def _witness(self, _: Any) -> bool:
        if not self._seen:
            self._watcher._warn_moved()
        return False

    def _queue(self, received: bool, frame: Any) -> None:
        """A frame waits for others: read together they cost a third. What may lose something is read at
        once, with all before it."""
        # Its own: a listener, or the plugin, may change what it is given.
        copy = dict(frame) if isinstance(frame, dict) else None
        self._frames.append((received, copy, self._loop.time()))
        if self._reads is None:
            self._reads = self._loop.call_later(_TOGETHER, self._settle)

    def _read(self) -> None:
        frames, self._frames = self._frames, []
        if self._reads is not None:
            self._reads.cancel()
            self._reads = None
        for received, frame, t in frames:
            (self.tracker.received if received else self.tracker.sent)(frame, t)
        if self.tracker.unreadable:
            self._watcher._warn_moved()

    def _settle(self) -> None:
        """Tell what happened, and see to it that what becomes due is told. Raises nothing."""
        if self._closed:
            return
        try:
            self._read()
            told = self.tracker.take()
            if told:
                self._sorry = self._watcher._tell(self._info, told) or self._sorry
            if self._sorry is not None and not self.tracker.connections.over:
                # On a session that is over nobody would hear it: the next one says it.
                words, self._sorry = self._sorry, None
                self._session.append_commentary(words)
            if told and self._timer is None and self.tracker.live:
                # Nothing that begins from now on is due before.
                policy = self.tracker.policy
                self._set_timer(told[0].t + min(policy.call_after, policy.stall_after))
        except Exception as e:
            self._failed(e)

    def _set_timer(self, due: float | None) -> None:
        self._timer = None if due is None else self._loop.call_at(due, self._tick)

    def _tick(self) -> None:
        try:
            self._read()
            self.tracker.advance(self._loop.time())
            self._set_timer(self.tracker.next_deadline())
        except Exception as e:
            self._failed(e)
        self._settle()

    def _failed(self, error: Exception) -> None:
        """An internal error: this session is not watched any more, and goes on as it is."""
        self._watcher._log.error("not watched any more", exc_info=True)
        self._frames.clear()
        self.close()


def _is_urgent(frame: Any) -> bool:
    """Whether a frame may lose something, or is none."""
    if not isinstance(frame, dict):
        return True
    kind = frame.get("type")
    if kind != "response.event":
        return kind in ("error", "session.closed") or not isinstance(kind, str)
    inner = frame.get("event")
    kind = inner.get("type") if isinstance(inner, dict) else None
    return kind in ("response.failed", "response.incomplete")


def _put_back(on: Any, name: str, ours: Any, before: Any) -> None:
    """Take a function of ours off an object again, unless another one is over it."""
    if vars(on).get(name) is ours:
        del vars(on)[name]
        if before is not None:
            vars(on)[name] = before


def watch(
    source: Any,
    *,
    policy: WatchPolicy | None = None,
    apology: Apology | None = None,
    observers: Iterable[DuplexObserver] = (),
) -> DuplexWatcher:
    """Watch the delegated work of a full-duplex session, and tell once of each loss that plain LiveKit does
    not tell: by the event ``loss``, a log line, and observers.

    ::

        class Assistant(Agent):
            async def on_enter(self) -> None:
                self.watcher = watch(self.duplex_session)
                self.watcher.on("loss", lambda loss: print(loss.kind, loss.code))

    It sends nothing, and asks for nothing again; only with *apology* it lets the model say something.

    Args:
        source: ``agent.duplex_session``; or a ``llm.DuplexModel``, for each of its sessions from the first
            frame on.
        policy: From when on something counts as lost.
        apology: What the model is asked to say when nobody will answer what the user asked: as
            ``append_commentary``, so 500 tokens at most. A function of the `Loss`, which may return None.
        observers: Who is told besides, such as `PrometheusDuplexObserver`.

    Raises:
        RuntimeError: This livekit-agents has no full-duplex models; they came with 1.8.1.
        TypeError: *source* is neither, or one of the *observers* no `DuplexObserver`.
    """
    if MODEL is None or SESSION is None:
        raise RuntimeError("this livekit-agents has no full-duplex models: they came with 1.8.1")
    observers = tuple(observers)
    for observer in observers:
        if not isinstance(observer, DuplexObserver):
            raise TypeError(f"observers must be DuplexObserver, got {observer!r}")
    watcher = DuplexWatcher(policy=policy, apology=apology, observers=observers)
    if isinstance(source, SESSION):
        watcher._follow(source)
    elif isinstance(source, MODEL):
        watcher._follow_all(source)
    else:
        raise TypeError(f"source must be a llm.DuplexSession or llm.DuplexModel, got {source!r}")
    return watcher
