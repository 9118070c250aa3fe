"""The model to pass as ``AgentSession(llm=...)``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any, Literal

from livekit import rtc
from livekit.agents import AgentSession, llm

from .._controller import TurnController
from .._policy import RetryPolicy
from ..profiles import Profile
from ._log import get_logger
from ._observe import Observation, Observer
from ._profile import resolve
from ._session import ControlledRealtimeSession
from ._speech import Speeches
from .telemetry import TurnObserver

_MODES = ("control", "observe", "off")
_REMEMBERED = 1000


class ControlledRealtimeModel(
    llm.RealtimeModel,
    rtc.EventEmitter[Literal["recovering", "turn_moved", "turn_ended", "observed"]],
):
    """A realtime model whose response turns are dependable.

    ::

        model = ControlledRealtimeModel(openai.realtime.RealtimeModel())
        model.attach(session := AgentSession(llm=model))
        await session.start(agent, room=ctx.room)

    Attributes and methods this class does not have are the inner model's. Emits ``recovering``
    (`realtime_fsm.Recovering`), ``turn_moved`` (`realtime_fsm.TurnMoved`), ``turn_ended``
    (`realtime_fsm.TurnEnded`) and, with ``mode="observe"``, ``observed`` (`Observation`).

    Args:
        inner: The model to control. With raw events (the OpenAI plugin and its relatives) in
            full; any other in a reduced mode, see ``docs/reduced-mode.md``; a full-duplex one
            (``supports_overlapping_speech``) not at all.
        retry: How turns recover.
        mode: ``"control"``; ``"observe"`` for the plain inner model and a record of what the
            controller would have done; or ``"off"`` for the plain inner model.
        observers: Who is told of every turn; see ``docs/observability.md``. With
            ``mode="control"`` only.
        profile: What is known of the server: a name, a `realtime_fsm.profiles.Profile`, or
            ``"auto"``, by the host of its URL; of an unknown server nothing is believed.

    Raises:
        TypeError: ``inner`` is no `llm.RealtimeModel`, ``retry`` no `RetryPolicy`, one of the
            ``observers`` no `realtime_fsm.livekit.TurnObserver`, or ``profile`` no profile.
        ValueError: Unknown ``mode`` or ``profile``.
    """

    def __init__(
        self,
        inner: llm.RealtimeModel,
        *,
        retry: RetryPolicy | None = None,
        mode: Literal["control", "observe", "off"] = "control",
        observers: Iterable[TurnObserver] = (),
        profile: Profile | str = "auto",
    ) -> None:
        if not isinstance(inner, llm.RealtimeModel):
            raise TypeError(f"inner must be an llm.RealtimeModel, got {inner!r}")
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise TypeError(f"retry must be a RetryPolicy, got {retry!r}")
        if mode not in _MODES:
            raise ValueError(f"mode must be 'control', 'observe' or 'off', got {mode!r}")
        observers = tuple(observers)
        for observer in observers:
            if not isinstance(observer, TurnObserver):
                raise TypeError(f"observers must be TurnObserver, got {observer!r}")
        llm.RealtimeModel.__init__(self, capabilities=inner.capabilities)
        rtc.EventEmitter.__init__(self)
        self._inner = inner
        self._policy = RetryPolicy() if retry is None else retry
        self._mode = mode
        self._observers = observers
        self._profile = resolve(profile, inner)
        self._speeches = Speeches()
        self._controller: TurnController | None = None
        #: What would have been done, oldest first; the last thousand. With ``mode="observe"``.
        self.observations: deque[Observation] = deque(maxlen=_REMEMBERED)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    @property
    def model(self) -> str:
        return self._inner.model

    @property
    def provider(self) -> str:
        return self._inner.provider

    @property
    def label(self) -> str:
        return self._inner.label

    @property
    def capabilities(self) -> llm.RealtimeCapabilities:
        return self._inner.capabilities

    @property
    def metrics_metadata(self) -> Any:
        return self._inner.metrics_metadata

    @property
    def profile(self) -> Profile:
        """What is known of the server."""
        return self._profile

    @property
    def controller(self) -> TurnController | None:
        """The controller of the newest session, or None before the first one and with
        ``mode="off"``."""
        return self._controller

    def attach(self, session: AgentSession[Any]) -> None:
        """Take playback and interruptions from this AgentSession, before or after its start.

        Raises:
            TypeError: Not an AgentSession.
            LocalProtocolError: Attached already, or the session is closed.
        """
        if self._mode == "off":
            return
        self._speeches.attach(session)

    def session(self, *, turn_detection_disabled: bool = False) -> llm.RealtimeSession[Any]:
        def open_inner() -> llm.RealtimeSession[Any]:
            return self._inner.session(turn_detection_disabled=turn_detection_disabled)

        if self._mode == "off":
            return open_inner()
        if getattr(self.capabilities, "supports_overlapping_speech", False):  # since 1.8
            get_logger().info("a full-duplex model passes through", inner=self._inner.label)
            return open_inner()
        if self._mode == "observe":
            return self._watched(open_inner())
        session = ControlledRealtimeSession(
            self,
            open_inner,
            policy=self._policy,
            speeches=self._speeches,
            observer=self,
            observers=self._observers,
        )
        self._controller = session.driver.controller
        return session

    def _watched(self, inner: llm.RealtimeSession[Any]) -> llm.RealtimeSession[Any]:
        if not callable(getattr(inner, "send_event", None)):
            get_logger().info("nothing to observe: no raw events", inner=type(inner).__qualname__)
            return inner
        observer = Observer(
            inner,
            self._policy,
            self._speeches,
            model=self,
            note=self.observations.append,
        )
        self._controller = observer.controller
        return inner

    async def aclose(self) -> None:
        await self._inner.aclose()
