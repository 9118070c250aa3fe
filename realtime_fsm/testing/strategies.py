"""Hypothesis strategies for calls: what the server replies, what goes wrong, what the user does, and
how fast the sink plays.

Each shrinks towards a healthy, short call, and prints as the code that makes it::

    @given(script=scripts(tools=["get_weather"]), faults=schedules("mild"), actions=user_actions())
    def test_my_agent(script, faults, actions) -> None:
        run_virtual(lambda: one_call(script, faults, actions))

Needs Hypothesis, which this package does not install. All times are seconds.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias, get_args

try:
    from hypothesis import strategies as st
    from hypothesis.strategies import SearchStrategy
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "realtime_fsm.testing.strategies needs Hypothesis: pip install hypothesis", name=error.name
    ) from None

from ..simulator import faults as f
from ..simulator import script as s
from ..simulator.errors import ERROR_CLASSES
from ..simulator.fault_kinds import Shape

if TYPE_CHECKING:
    from .call import SimulatedCall
    from .sink import PacedAudioOutput

__all__ = [
    "Asks",
    "HearsOut",
    "Interrupts",
    "Says",
    "UserAction",
    "Waits",
    "acks",
    "ends",
    "function_calls",
    "messages",
    "perform",
    "replies",
    "schedules",
    "scripts",
    "sinks",
    "user_actions",
]

Item: TypeAlias = "s.Message | s.FunctionCall | s.Reasoning"

_WORDS = ("Yes.", "No.", "Hello", "there", "one", "moment", "please", "it", "rains", "tomorrow.")
_CALLING = 2  # replies that call tools
_CUT_SHORT = ("max_output_tokens", "content_filter")
_TRANSIENT = ERROR_CLASSES["transient"]


def _seconds(least: float, most: float) -> SearchStrategy[float]:
    """Tenths of a second, for they print well."""
    return st.integers(round(least * 10), round(most * 10)).map(lambda tenths: tenths / 10)


# --- what the server replies


def messages(*, max_seconds: float = 3.0) -> SearchStrategy[s.Message]:
    """Messages of 0.1 s to *max_seconds*."""
    text = st.lists(st.sampled_from(_WORDS), min_size=1, max_size=6).map(" ".join)
    return st.builds(s.Message, text, seconds=_seconds(0.1, max_seconds), after=_seconds(0.0, 0.5))


def function_calls(tools: Sequence[str]) -> SearchStrategy[s.FunctionCall]:
    """Calls of *tools*, without arguments."""
    return st.builds(s.FunctionCall, st.sampled_from(tools))


def acks(*, failures: bool = True) -> SearchStrategy[s.Ack]:
    """How a create is answered: at once, late, and with *failures* not, or by a refusal."""
    healthy: list[SearchStrategy[s.Ack]] = [
        st.just(s.Created()),
        st.builds(s.Created, after=_seconds(0.1, 2.0)),
    ]
    refused: list[SearchStrategy[s.Ack]] = [
        st.builds(s.Rejected, st.sampled_from(_TRANSIENT), linked=st.booleans()),
        st.just(s.Unanswered()),
        st.builds(s.Created, after=_seconds(2.0, 12.0)),
    ]
    return st.one_of(*healthy, *(refused if failures else ()))


def ends(items: Sequence[Item] = ()) -> SearchStrategy[s.End]:
    """How a response with *items* ends, and where."""
    generated = sum(round(i.seconds * 1000) for i in items if isinstance(i, s.Message))
    return _ends(len(items), generated)


@lru_cache(maxsize=1024)
def _ends(items: int, generated_ms: int) -> SearchStrategy[s.End]:
    points = [s.CREATED, s.BEFORE_CREATED, s.END]
    points += [s.item_added(number) for number in range(1, items + 1)]
    points += [s.audio_ms(ms) for ms in range(100, generated_ms + 1, 100)]
    at = st.sampled_from(points)
    # One that stalls before its created could not even be cancelled: nothing would ever follow.
    known = st.sampled_from([point for point in points if point != s.BEFORE_CREATED])
    return st.one_of(
        st.just(s.Completed()),
        st.builds(s.Failed, st.sampled_from((*_TRANSIENT, "no_such_code_yet")), at=at),
        st.builds(s.Incomplete, st.sampled_from(_CUT_SHORT), at=at),
        st.builds(s.Cancelled, at=at),
        st.builds(s.Dropped, at=at),
        st.builds(s.Closed, st.sampled_from((1000, 1001, 1011)), at=at),
        st.builds(s.Stalled, at=known),
        st.just(s.DoneLost()),
    )


def replies(
    *,
    tools: Sequence[str] = (),
    failures: bool = True,
    max_items: int = 3,
    max_seconds: float = 3.0,
) -> SearchStrategy[s.Reply]:
    """Replies of one to *max_items* messages, and calls of *tools* if any are named.

    Args:
        tools: Names of the tools that the agent has.
        failures: Whether creates are refused and responses fail.
        max_items: How many items there are at most.
        max_seconds: The longest message.
    """
    kinds: list[SearchStrategy[Item]] = [messages(max_seconds=max_seconds)]
    if tools:
        kinds.append(function_calls(tools))
    items = st.lists(st.one_of(kinds), min_size=1, max_size=max_items)
    return _replies(items, acks(failures=failures), failures)


@st.composite
def _replies(
    draw: st.DrawFn,
    of_items: SearchStrategy[list[Item]],
    of_acks: SearchStrategy[s.Ack],
    failures: bool,
) -> s.Reply:
    items, ack = draw(of_items), draw(of_acks)
    # Drawn in any case: with fewer choices a refusal would count as simpler than a healthy reply.
    end = draw(ends(items)) if failures else s.Completed()
    return s.Reply(items, ack=ack, end=end if isinstance(ack, s.Created) else s.Completed())


def scripts(
    *,
    tools: Sequence[str] = (),
    failures: bool = True,
    max_replies: int = 5,
    max_items: int = 3,
    max_seconds: float = 3.0,
) -> SearchStrategy[s.Script]:
    """Scripts of up to *max_replies* :func:`replies`; what comes after them is healthy.

    Tools are called in two replies at most: LiveKit gives up a speech that goes on calling, see
    ``max_tool_steps`` of its ``AgentSession``.
    """
    plain, calling = (
        replies(tools=names, failures=failures, max_items=max_items, max_seconds=max_seconds)
        for names in ((), tools)
    )
    return _scripts(st.lists(st.none(), max_size=max_replies), plain, calling)


@st.composite
def _scripts(
    draw: st.DrawFn,
    length: SearchStrategy[list[None]],
    plain: SearchStrategy[s.Reply],
    calling: SearchStrategy[s.Reply],
) -> s.Script:
    made: list[s.Reply] = []
    for _ in draw(length):
        calls = [r for r in made if any(isinstance(i, s.FunctionCall) for i in r.items)]
        made.append(draw(calling if len(calls) < _CALLING else plain))
    return s.Script(made)


# --- what goes wrong on the way

_SERVER = (
    "response.created", "response.output_item.added", "conversation.item.added",
    "response.content_part.added", "response.output_audio.delta", "response.output_item.done",
    "response.done", "session.updated", "error",
)  # fmt: skip
_CLIENT = (
    "response.create", "response.cancel", "conversation.item.create",
    "conversation.item.truncate", "session.update",
)  # fmt: skip


def _faults(profile: f.Profile) -> list[SearchStrategy[f.Fault]]:
    number = st.integers(1, 3)
    server = st.builds(
        f.At, st.sampled_from(_SERVER), number, when=st.sampled_from(("after", "before"))
    )
    client = st.builds(f.At, st.sampled_from(_CLIENT), number, side=st.just("client"))
    create = st.builds(f.At, st.just("response.create"), number, side=st.just("client"))
    either = st.one_of(server, client)
    mild: list[SearchStrategy[f.Fault]] = [
        st.builds(f.Late, server, _seconds(0.1, 1.0)),
        st.builds(f.Silence, server, _seconds(0.1, 1.0)),
        st.builds(
            f.InjectError,
            create,
            st.sampled_from(_TRANSIENT),
            linked=st.booleans(),
            instead=st.just(True),
        ),
    ]
    if profile == "mild":
        return mild
    rough = [
        *mild,
        st.builds(f.Late, either, _seconds(0.1, 6.0)),
        st.builds(f.Lose, either),
        st.builds(f.BreakConnection, server),
        st.builds(f.HangUp, server, st.sampled_from((1000, 1001, 1011, 1012))),
        st.builds(f.RefuseHandshake, st.integers(2, 4), st.sampled_from((429, 500, 503))),
    ]
    if profile == "rough":
        return rough
    codes = [code for codes in ERROR_CLASSES.values() for code in codes]
    return [
        *rough,
        st.builds(f.InjectError, server, st.sampled_from(codes), linked=st.booleans()),
        st.builds(f.Malform, either, st.sampled_from(get_args(Shape))),
        st.builds(f.Double, either),
        st.builds(f.Reorder, server, st.integers(1, 3)),
        st.builds(f.HalfOpen, server),
        st.builds(f.AcceptThenClose, st.integers(1, 3)),
    ]


def schedules(profile: f.Profile = "mild", *, max_faults: int = 4) -> SearchStrategy[f.Schedule]:
    """Schedules of up to *max_faults* faults of the kinds that *profile* has, as for
    :meth:`Schedule.random`; unlike those they shrink. Raises ``ValueError`` for an unknown profile.
    """
    if profile not in get_args(f.Profile):
        raise ValueError(f"profile is one of {', '.join(get_args(f.Profile))}, not {profile!r}")
    if profile == "none":
        return st.just(f.Schedule())
    return st.builds(f.Schedule, st.lists(st.one_of(_faults(profile)), max_size=max_faults))


# --- playback


def sinks() -> SearchStrategy[PacedAudioOutput]:
    """Sinks that play in real time, slower or faster."""
    from .sink import PacedAudioOutput

    return st.builds(PacedAudioOutput, speed=st.sampled_from((1.0, 2.0, 10.0, 0.5)))


# --- what the user does


@dataclass(frozen=True, slots=True)
class Says:
    """The user says *text* for *seconds*, over whatever the agent is saying."""

    text: str
    seconds: float = 1.0

    async def perform(self, call: SimulatedCall) -> None:
        """Return when the user has stopped. Nobody hears it while the connection is broken."""
        try:
            await call.say(self.text, self.seconds)
        except RuntimeError:
            await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class Waits:
    """Nothing happens for *seconds*."""

    seconds: float

    async def perform(self, call: SimulatedCall) -> None:
        """Return when they are over."""
        await asyncio.sleep(self.seconds)


@dataclass(frozen=True, slots=True)
class HearsOut:
    """The user lets the agent finish, but waits no longer than *patience* seconds."""

    patience: float = 60.0

    async def perform(self, call: SimulatedCall) -> None:
        """Return when the agent is silent."""
        with contextlib.suppress(asyncio.TimeoutError):
            await call.idle(quiet=0.5, timeout=self.patience)


@dataclass(frozen=True, slots=True)
class Asks:
    """The application asks for a reply to *text*, as by a button; it does not wait for it."""

    text: str

    async def perform(self, call: SimulatedCall) -> None:
        """Return at once. A session that is over takes nothing more."""
        with contextlib.suppress(RuntimeError):
            call.session.generate_reply(user_input=self.text)


@dataclass(frozen=True, slots=True)
class Interrupts:
    """The application interrupts the agent."""

    async def perform(self, call: SimulatedCall) -> None:
        """Return when the agent is silent. A session that is over is so already."""
        with contextlib.suppress(RuntimeError):
            await call.session.interrupt()


UserAction: TypeAlias = "Says | Waits | HearsOut | Asks | Interrupts"


_TEXTS = ("Hello?", "Where is my parcel?", "Wait.", "Thank you.")


def user_actions(
    *, max_actions: int = 5, application: bool = True
) -> SearchStrategy[list[UserAction]]:
    """Lists of one to *max_actions* things that happen on the user's side; :func:`perform` does
    them.

    Args:
        max_actions: How many there are at most.
        application: Whether the application asks and interrupts as well.
    """
    text = st.sampled_from(_TEXTS)
    user: list[SearchStrategy[UserAction]] = [
        st.builds(Says, text, seconds=_seconds(0.2, 2.0)),
        st.just(HearsOut()),
        st.builds(Waits, _seconds(0.1, 3.0)),
    ]
    app: list[SearchStrategy[UserAction]] = [st.builds(Asks, text), st.just(Interrupts())]
    one = st.one_of(*user, *(app if application else ()))
    return st.lists(one, min_size=1, max_size=max_actions)


async def perform(call: SimulatedCall, actions: Iterable[UserAction]) -> None:
    """Do *actions* one after another, and return after the last. What follows from them may still
    be under way: :meth:`SimulatedCall.idle` waits for it.
    """
    for action in actions:
        await action.perform(call)
