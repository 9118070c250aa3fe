"""How far the search goes."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from functools import cached_property

from ..._core.policy import RetryPolicy
from ..._input import InputError

__all__ = ["DROPS", "INTERRUPTS", "MS", "ODDITIES", "TIMEOUTS", "TURNS", "VAD_TURNS", "Bound"]

#: What is left of each number of a bound stands at its place in `World.left`.
TURNS, VAD_TURNS, INTERRUPTS, DROPS, ODDITIES, TIMEOUTS = range(6)
#: Audio of a message's one delta, milliseconds.
MS = 1000.0


@dataclass(frozen=True, kw_only=True)
class Bound:
    """What may happen at most, and how recovery behaves.

    Attributes:
        turns: Responses that the host asks for.
        messages: Output items of one response; at most one of them is a function call.
        attempts: Attempts of one turn.
        vad_turns: How often the user speaks, with server VAD.
        interrupts: How often a turn is interrupted.
        drops: How often the connection is lost.
        timeouts: How often a timer other than the backoff's fires before everybody but the
            timers falls silent for good.
        oddities: How often something happens that a server or what is below the driver does
            rarely; docs/explore.md lists them.
        odd: Which those may be: "any", only that somebody "beside" us asks for a response, or any "other".
        sink: A sink reports playback.
        audible: That sink tells when a message begins to sound, and can be paused.
        frames: The driver tells of every frame; a connection may go silent without being lost.
        policy: Times and ``after_exposure``; its ``max_retry`` is ``attempts - 1``.

    Raises:
        InputError: A number is impossible; the message names field and value.
    """

    turns: int = 2
    messages: int = 2
    attempts: int = 2
    vad_turns: int = 1
    interrupts: int = 1
    drops: int = 1
    timeouts: int = 1
    oddities: int = 0
    odd: str = "any"
    sink: bool = True
    audible: bool = False
    frames: bool = False
    policy: RetryPolicy = field(default_factory=RetryPolicy)

    def __post_init__(self) -> None:
        if self.odd not in ("any", "beside", "other"):
            raise InputError("odd", self.odd, "any, beside or other")
        for one in fields(self):
            value = getattr(self, one.name)
            if one.type != "int":
                continue
            least = 1 if one.name in ("messages", "attempts") else 0
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise InputError(one.name, value, f"an int of {least} or more")

    @cached_property
    def in_force(self) -> RetryPolicy:
        """The policy. Server VAD has as long for its answer as nobody waits behind it: how long is no rule.
        Where no frames are told, to look for one before a time-out, or to doubt, is a timer that
        changes nothing; it would use up ``timeouts``."""
        policy = replace(
            self.policy,
            max_reconnect=self.policy.max_retry,
            vad_answer_timeout=self.policy.timeout,
        )
        if self.frames:
            return policy
        longest = max(self.policy.timeout, self.policy.cancel_timeout)
        return replace(policy, answer_timeout=longest, doubt_after=self.policy.timeout)
