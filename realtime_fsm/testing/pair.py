"""One call lived twice, on plain LiveKit and controlled: is it worse with us? (G27)"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from ..compare import Life, Verdict, judge
from .call import SimulatedCall, simulated_call
from .clock import VirtualTimeError
from .virtual import run_virtual

__all__ = ["Living", "WorseThanPlainError", "assert_not_worse", "live_twice"]

_LIMIT = 3600.0  # virtual seconds
_PATIENCE = 60.0  # seconds until what is under way counts as never done
_ROUND_TRIP = 1.0  # seconds in which memories are cleaned up

Live: TypeAlias = "Callable[[Living], Awaitable[object]]"


class WorseThanPlainError(AssertionError):
    """The controlled call is worse than plain LiveKit.

    Attributes:
        verdict: in what.
    """

    def __init__(self, verdict: Verdict) -> None:
        told = "\n".join(map(str, verdict.worse))
        super().__init__(
            f"G27 never worse: the controlled call is worse than plain LiveKit\n{told}"
        )
        self.verdict = verdict


@dataclass(eq=False)
class Living:
    """Makes the calls of one of the two lives. Use it as :func:`simulated_call`.

    Attributes:
        controlled: which of the two.
        calls: those that it made.
    """

    controlled: bool
    calls: list[SimulatedCall]
    _other: list[SimulatedCall]

    def __call__(
        self, *arguments: Any, **options: Any
    ) -> contextlib.AbstractAsyncContextManager[SimulatedCall]:
        """Return what ``simulated_call()`` returns, for these arguments."""
        return self._call(*arguments, **options)

    @contextlib.asynccontextmanager
    async def _call(self, *arguments: Any, **options: Any) -> Any:
        number = len(self.calls)
        options["controlled"] = self.controlled
        if not self.controlled:
            options["check"] = False  # plain LiveKit leaves tasks behind in some failures
        if number < len(self._other):
            options["like"] = self._other[number]
        async with simulated_call(*arguments, **options) as call:
            self.calls.append(call)
            yield call
            await _rest(call)


async def _rest(call: SimulatedCall) -> None:
    """What is under way comes to its end in both lives, or never does."""

    def over() -> bool:
        return not call.busy and all(handle.done() for handle in call.speeches)

    with contextlib.suppress(asyncio.TimeoutError):
        await call.until(over, timeout=_PATIENCE)
        await asyncio.sleep(_ROUND_TRIP)


def live_twice(live: Live, *, limit: float = _LIMIT) -> tuple[Life, Life]:
    """Let *live* live its call twice, in virtual time; return the plain life and the controlled one.

    *live* is an async function that is given a :class:`Living`, and uses it as ``simulated_call``.
    Where replies are listed in order, each attempt at a question takes the same in both.

    Raises ``ValueError`` when *live* made no call, or more than one, and what it raises itself;
    but a time-out, or a session that LiveKit has closed, is part of the life.
    """
    controlled = Living(True, [], [])
    plain = Living(False, [], controlled.calls)
    ours, theirs = _lived(live, controlled, limit), _lived(live, plain, limit)
    return theirs, ours


def _lived(live: Live, living: Living, limit: float) -> Life:
    broken = ""
    try:
        run_virtual(lambda: live(living), limit=limit)
    except (asyncio.TimeoutError, VirtualTimeError, RuntimeError) as error:
        first = next(iter(str(error).splitlines()), "")
        broken = f"{type(error).__name__}: {first}"
    if len(living.calls) != 1 or living.calls[0].lived is None:
        raise ValueError(f"one call is to be lived, not {len(living.calls)} ({broken})")
    life = living.calls[0].lived
    return replace(life, hung=life.hung or broken)


def assert_not_worse(
    live: Live | SimulatedCall | Life,
    controlled: SimulatedCall | Life | None = None,
    *,
    limit: float = _LIMIT,
) -> Verdict:
    """G27: the controlled call is not worse than the same call on plain LiveKit.

    ::

        async def a_parcel(simulated_call) -> None:
            async with simulated_call(script, agent=MyAgent()) as call:
                await call.say("Where is my parcel?")
                await call.idle()

        def test_never_worse() -> None:
            assert_not_worse(a_parcel)

    Args:
        live: An async function that lives the call, see :func:`live_twice`; or the plain call, or
            its :meth:`~SimulatedCall.life`, if there is a *controlled* one.
        controlled: That.
        limit: How many virtual seconds a call may take.

    Returns:
        What is the same, and what is better.

    Raises:
        WorseThanPlainError: an ``AssertionError``; it tells each thing that is worse.
    """
    if controlled is None:
        if isinstance(live, (SimulatedCall, Life)):
            raise TypeError("a plain call alone compares with nothing: give the controlled one too")
        plain, ours = live_twice(live, limit=limit)
    else:
        if not isinstance(live, (SimulatedCall, Life)):
            raise TypeError("two calls, or one function that lives it twice")
        plain, ours = _life(live), _life(controlled)
    verdict = judge(plain, ours)
    if verdict.worse:
        raise WorseThanPlainError(verdict)
    return verdict


def _life(call: SimulatedCall | Life) -> Life:
    return call if isinstance(call, Life) else call.life()
