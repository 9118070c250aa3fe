"""The model to pass as ``AgentSession(llm=...)``."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Literal

from livekit.agents import llm

from .._core.controller import TurnController
from .._core.errors import LocalProtocolError
from .._core.policy import RetryPolicy
from ..profiles import Profile
from ._aside import report_step
from ._duplex import adapted, duplex_class, is_duplex
from ._facts import unsafe
from ._features import AgentSession
from ._listener import GuardedEmitter
from ._log import get_logger
from ._pass_on import passes_on
from ._profile import resolve
from ._session import ControlledRealtimeSession
from ._speech import SpeechTracker
from .providers import DUPLEX, NAMED, Family, family_of

if TYPE_CHECKING:
    from typing_extensions import Self

    from ._observe import Observation, Observer
    from .telemetry import TurnObserver

_MODES = ("control", "observe", "off")
_REMEMBERED = 1000


@passes_on(llm.RealtimeModel)
class ControlledRealtimeModel(
    llm.RealtimeModel,
    GuardedEmitter[Literal["recovering", "turn_moved", "turn_ended", "observed", "stepped_aside"]],
):
    """A realtime model whose response turns are dependable.

    ::

        model = ControlledRealtimeModel(openai.realtime.RealtimeModel())
        model.attach(session := AgentSession(llm=model))
        await session.start(agent, room=ctx.room)

    Attributes and methods this class does not have are the inner model's. Emits ``recovering``
    (`realtime_fsm.Recovering`), ``turn_moved`` (`realtime_fsm.TurnMoved`), ``turn_ended``
    (`realtime_fsm.TurnEnded`), with ``mode="observe"`` ``observed`` (`Observation`), and
    ``stepped_aside`` (`realtime_fsm.ErrorInfo`) should an internal error make a session plain
    LiveKit from there on.

    Args:
        inner: The model to control: the OpenAI plugin's and its relatives. Any other, and a
            full-duplex one (``llm.DuplexModel``), passes through as it is, which one log line
            says; see ``docs/providers.md``.
        retry: How turns recover.
        mode: ``"control"``; ``"observe"`` for the plain inner model and a record of what the
            controller would have done; or ``"off"`` for the plain inner model.
        observers: Who is told of every turn; see ``docs/observability.md``. With
            ``mode="control"`` only.
        family: How ``inner`` is to be spoken to, where it is not recognised or you know better:
            a `Family`, or the name of one: ``"openai"`` (by its raw events, in full), ``"google"``,
            ``"aws"``, ``"ultravox"``, ``"phonic"``, or ``"streams"`` (by what every realtime
            session shows).
        profile: What is known of the server: a name, a `realtime_fsm.profiles.Profile`, or
            ``"auto"``, by the host of its URL; of an unknown server nothing is believed.

    Raises:
        TypeError: ``inner`` is no `llm.RealtimeModel` or `llm.DuplexModel`, ``retry`` no
            `RetryPolicy`, ``family`` no `Family`, ``profile`` no profile, or one of the
            ``observers`` no `realtime_fsm.livekit.TurnObserver`.
        ValueError: Unknown ``mode``, ``profile`` or name of a ``family``.
    """

    def __new__(cls, inner: llm.RealtimeModel | llm.DuplexModel, **_: Any) -> Self:
        return super().__new__(duplex_class(cls) if is_duplex(inner) else cls)

    def __init__(
        self,
        inner: llm.RealtimeModel | llm.DuplexModel,
        *,
        retry: RetryPolicy | None = None,
        mode: Literal["control", "observe", "off"] = "control",
        observers: Iterable[TurnObserver] = (),
        family: Family | str | None = None,
        profile: Profile | str = "auto",
    ) -> None:
        given, inner = inner, adapted(inner)
        self._duplex: Any = None if given is inner else given
        if not isinstance(inner, llm.RealtimeModel):
            raise TypeError(f"inner must be an llm.RealtimeModel or llm.DuplexModel, got {inner!r}")
        if retry is not None and not isinstance(retry, RetryPolicy):
            raise TypeError(f"retry must be a RetryPolicy, got {retry!r}")
        if mode not in _MODES:
            raise ValueError(f"mode must be 'control', 'observe' or 'off', got {mode!r}")
        observers = _checked(observers)
        self._by_name = isinstance(family, str)
        if isinstance(family, str):
            if family not in NAMED:
                raise ValueError(f"family must be a Family or one of {[*NAMED]}, got {family!r}")
            family = NAMED[family]
        elif family is not None and not isinstance(family, Family):
            raise TypeError(f"family must be a Family or one of {[*NAMED]}, got {family!r}")
        llm.RealtimeModel.__init__(self, capabilities=inner.capabilities)
        GuardedEmitter.__init__(self)
        self._inner = inner
        self._policy = RetryPolicy() if retry is None else retry
        self._mode = "off" if unsafe() else mode
        self._observers = observers
        self._family = family
        self._profile = resolve(profile, inner)
        self._told = False
        self._speeches = SpeechTracker()
        self._controller: TurnController | None = None
        self._observer: Observer | None = None
        #: What would have been done, oldest first; the last thousand. With ``mode="observe"``.
        self.observations: deque[Observation] = deque(maxlen=_REMEMBERED)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        if self._duplex is not None:
            return getattr(self._duplex, name)
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
        """The controller of the newest session, or None before the first one, with
        ``mode="off"``, and where the inner model passes through."""
        return self._controller

    def attach(self, session: AgentSession[Any]) -> None:
        """Take playback and interruptions from this AgentSession, before or after its start. On the
        one it is attached to already this does nothing.

        Raises:
            TypeError: Not an AgentSession.
            LocalProtocolError: Attached to another session, or the session is closed.
        """
        if self._mode == "off":
            return
        if not isinstance(session, AgentSession):
            raise TypeError(f"attach: session must be an AgentSession, got {session!r}")
        try:
            self._speeches.attach(session)
        except LocalProtocolError:
            raise
        except Exception as e:
            self._speeches.give_up(e)

    def session(
        self, *, turn_detection_disabled: bool = False, **more: Any
    ) -> llm.RealtimeSession[Any]:
        def open_inner() -> llm.RealtimeSession[Any]:
            return self._inner.session(turn_detection_disabled=turn_detection_disabled, **more)

        inner = open_inner()
        if self._mode == "off":
            return inner
        try:
            family = self._family_of(inner)
        except Exception as e:
            report_step(self, e)
            return inner
        if family.control == "full" and not callable(getattr(inner, "send_event", None)):
            why = "It is declared as controlled in full, and its session has no send_event()."
            family = Family(name=family.name, control="plain", why=why)
        if family.control == "plain":
            self._tell_plain(family, inner)
            return inner
        if self._mode == "observe":
            return self._watched(inner, family)
        try:
            session = ControlledRealtimeSession(
                self,
                inner,
                open_inner,
                family=family,
                policy=self._policy,
                speeches=self._speeches,
                observer=self,
                observers=self._observers,
                traits=self._profile.traits(),
            )
        except Exception as e:
            report_step(self, e)
            return inner
        self._controller = session.driver.controller
        return session

    def _family_of(self, inner: llm.RealtimeSession[Any]) -> Family:
        if self._family is None:
            return family_of(self._inner, inner)
        return self._family.of(self._inner) if self._by_name else self._family

    def _tell_plain(self, family: Family, inner: llm.RealtimeSession[Any]) -> None:
        """Say once that nothing is controlled, and why."""
        if self._told:
            return
        self._told = True
        log, made = get_logger(), type(inner).__qualname__
        if family is DUPLEX:
            log.info("a full-duplex model passes through", inner=made, why=family.why)
        else:
            log.warning(
                "not controlled: the inner model passes through",
                inner=made,
                family=family.name,
                why=family.why,
            )

    def _watched(self, inner: llm.RealtimeSession[Any], family: Family) -> llm.RealtimeSession[Any]:
        if family.control != "full":
            get_logger().info("nothing to observe: no raw events", inner=type(inner).__qualname__)
            return inner
        from ._observe import Observer

        if self._observer is not None:
            self._observer.close()  # an agent has another session
        try:
            self._observer = observer = Observer(
                inner,
                self._policy,
                self._speeches,
                model=self,
                note=self.observations.append,
            )
            self._controller = observer.controller
        except Exception as e:
            report_step(self, e, "nothing is observed")
        return inner

    async def aclose(self) -> None:
        await self._inner.aclose()


def _checked(observers: Iterable[TurnObserver]) -> tuple[TurnObserver, ...]:
    """Observers are loaded where there are any."""
    found = tuple(observers)
    if found:
        from .telemetry import TurnObserver

        for each in found:
            if not isinstance(each, TurnObserver):
                raise TypeError(f"observers must be TurnObserver, got {each!r}")
    return found
