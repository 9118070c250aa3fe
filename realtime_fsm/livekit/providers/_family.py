"""What differs between families of realtime plugins: declared, so that nothing branches on a name."""

from __future__ import annotations

import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from livekit.agents import llm

from ..._core import events as ev
from ..._core.policy import RetryPolicy

Control = Literal["full", "streams", "plain"]
Keeps = Literal["kept", "partly", "cannot"]

#: A guarantee's id, how far it is kept, and why no further.
Promises = Mapping[str, tuple[Keeps, str]]
#: Puts an event of OpenAI's protocol on the wire.
Sends = Callable[[Mapping[str, Any]], None]


def any_error(report: llm.RealtimeModelError) -> bool:
    """What a plugin reports as recoverable is a lost connection, if it reports nothing else."""
    return True


def no_error(report: llm.RealtimeModelError) -> bool:
    return False


def nothing(raw: object) -> ev.Event | None:
    return None


def by_the_plugin(session: llm.RealtimeSession[Any]) -> Sends | None:
    return None


def as_declared(model: llm.RealtimeModel) -> Mapping[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """The traits of a family of realtime plugins.

    Attributes:
        name: What it is called in logs.
        control: ``"full"``: it shows its raw events as the OpenAI plugin does, and takes
            ``send_event()``. ``"streams"``: it is controlled by what every `llm.RealtimeSession`
            shows, and the traits below say what that means. ``"plain"``: it passes through.
        why: With ``"plain"``, what keeps it from being controlled, one sentence.
        tells_of_user: ``input_speech_started`` and ``_stopped`` tell when the user speaks, and that
            an answer is due. Some plugins emit them around each reply.
        interrupt_ends: After ``interrupt()`` the streams of what runs are closed. Elsewhere it goes
            on, unheard.
        cancels: ``interrupt()`` cancels what runs and does nothing else, so that it may be called
            when the host did not interrupt.
        withdraws: A request that is given up is not answered later.
        repeats: The same request can be made again, with all it carried, the user's words too.
        announces: A reply that was asked for is announced as one of the server's own, before its
            future resolves.
        resends: After a lost connection the plugin itself repeats what was not answered.
        answers_all: A response without output is a failure. Some models may choose to say nothing.
        cuts_show: Speech of the user's that ends a response is told, also when nothing of it had come.
            Elsewhere an empty answer to the user is left alone, for the user may have gone on; what
            was asked for is asked for again two seconds later.
        patience: Seconds that a request may stay unanswered at least, however early the plugin gives
            up by itself: what comes late is adopted, for it cannot be stopped.
        owes_replies: The model is to answer a tool's output by itself, and may be asked if it does
            not.
        words_begin: A transcript of the user's begins a response, also when it comes after the answer.
        tells_loss: Whether this recoverable error is a lost connection. The plugin then connects
            again, which it tells by metrics with an ``acquire_time``.
        losses: How many connections in a row that brought nothing the plugin survives; None: any number. No
            more than half of them are used for asking again.
        shows: The name of the event by which its session shows what the server sends, "": none.
        reads: What one of these means to a turn, if anything. With ``control="streams"`` it is heard for
            what streams do not tell: how a response ended and why, that the server is at work, what it
            does by itself, who answers the user. The end of a response without an id says that what is
            announced in the same moment is only that end, and no other response.
        sends: How ``response.cancel`` and ``conversation.item.delete`` go to the server past the plugin,
            from its session; None if it has no such way. A cancel then names its response, and what
            nobody heard is deleted.
        adapts: What differs of these for this model.
        expects: Capabilities without which the rest does not hold.
        promises: For the page on providers.
    """

    name: str
    control: Control
    why: str = ""
    tells_of_user: bool = True
    interrupt_ends: bool = True
    cancels: bool = True
    withdraws: bool = True
    repeats: bool = True
    announces: bool = False
    resends: bool = False
    answers_all: bool = True
    cuts_show: bool = True
    patience: float = 0.0
    owes_replies: bool = False
    words_begin: bool = False
    tells_loss: Callable[[llm.RealtimeModelError], bool] = no_error
    losses: int | None = None
    shows: str = ""
    reads: Callable[[Any], ev.Event | None] = nothing
    sends: Callable[[llm.RealtimeSession[Any]], Sends | None] = by_the_plugin
    adapts: Callable[[llm.RealtimeModel], Mapping[str, Any]] = as_declared
    expects: Mapping[str, bool] = field(default_factory=dict)
    promises: Promises = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if self.control not in typing.get_args(Control):
            raise ValueError(f"control must be one of {typing.get_args(Control)}")

    def plain(self, why: str) -> Family:
        """The same, passed through for this reason."""
        return replace(self, control="plain", why=why)

    def of(self, model: llm.RealtimeModel) -> Family:
        """The family with what this model has of its own."""
        return replace(self, **self.adapts(model))

    def policy(self, policy: RetryPolicy) -> RetryPolicy:
        """What of a policy can be had here: nothing is asked again that cannot be repeated."""
        if self.control != "streams":
            return policy
        return replace(
            policy,
            max_retry=policy.max_retry if self.repeats else 0,
            timeout=max(policy.timeout, self.patience),
        )

    def moved(
        self, capabilities: llm.RealtimeCapabilities, session: type | None = None
    ) -> list[str]:
        """What is not as it was when this was declared: capabilities, and what the class of a
        session shows."""
        moved = [
            name
            for name, value in self.expects.items()
            if getattr(capabilities, name, value) != value
        ]
        if self.shows and session is not None and self.shows not in declared_events(session):
            moved.append(self.shows)
        return moved


def least(name: str, families: Sequence[Family]) -> Family:
    """What holds for each of these, of which any may be the one that speaks."""
    return Family(
        name=name,
        control="streams",
        tells_of_user=all(f.tells_of_user for f in families),
        interrupt_ends=all(f.interrupt_ends for f in families),
        cancels=all(f.cancels for f in families),
        withdraws=all(f.withdraws for f in families),
        repeats=all(f.repeats for f in families),
        announces=any(f.announces for f in families),
        resends=any(f.resends for f in families),
        answers_all=all(f.answers_all for f in families),
        cuts_show=all(f.cuts_show for f in families),
        patience=max(f.patience for f in families),
        owes_replies=all(f.owes_replies for f in families),
        words_begin=all(f.words_begin for f in families),
        tells_loss=lambda report: all(f.tells_loss(report) for f in families),
        losses=min((f.losses for f in families if f.losses is not None), default=None),
    )


def declared_events(session: type) -> set[str]:
    """The events that a session's class declares besides those of every session, as
    ``llm.RealtimeSession[Literal["…"]]``."""
    names: set[str] = set()
    for base in (b for cls in session.__mro__ for b in getattr(cls, "__orig_bases__", ())):
        for argument in typing.get_args(base):
            names.update(name for name in typing.get_args(argument) if isinstance(name, str))
    return names


def packages_of(made: Any) -> list[str]:
    """The packages under ``livekit.plugins`` that an object's classes are from."""
    modules = (cls.__module__.split(".") for cls in type(made).__mro__)
    return [m[2] for m in modules if m[:2] == ["livekit", "plugins"] and len(m) > 2]
