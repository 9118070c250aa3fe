"""How recovery behaves. Plain data, checked when it is built."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

#: LiveKit waits this long before the first retry whatever ``retry_interval`` says
#: (``APIConnectOptions._interval_for_retry``).
FIRST_RETRY_INTERVAL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a turn recovers. All times in seconds.

    Attributes:
        max_retry: Further attempts after the first, 0 or more. As in LiveKit.
        retry_interval: Wait before the second and later retries; the first waits 0.1 s.
            As in LiveKit.
        timeout: How long a ``response.create`` may stay unanswered. The OpenAI plugin gives
            up at 10 s by itself, so a larger value has no effect there.
        recovery_deadline: Longest time from a turn's first failure until a new attempt must
            have been acknowledged; then the turn fails.
        first_output_timeout: Longest silence of the server between ``response.created`` and
            the first output item. Long, since models think.
        stall_timeout: Longest silence of the server within a response that has begun to
            speak; also how much longer than its audio a playback report may take.
        cancel_timeout: How long a cancelled turn waits for the server's terminal and for
            playback to report.
        speech_timeout: How long the lane stays closed for user speech of which no end is
            reported.
        after_exposure: What happens when a response fails after some of it was handed to
            the user. ``"stop"``: what was received plays out and the turn fails.
        on_exhausted: ``"fail_turn"``: a turn that failed for good leaves the session alive.
            ``"escalate"``: its error is reported as non-recoverable, which ends an
            AgentSession and makes a fallback adapter around us swap.

    Raises:
        ValueError: A field has an impossible value; the message names field and value.
    """

    max_retry: int = 3
    retry_interval: float = 2.0
    timeout: float = 5.0
    recovery_deadline: float = 8.0
    first_output_timeout: float = 20.0
    stall_timeout: float = 8.0
    cancel_timeout: float = 5.0
    speech_timeout: float = 60.0
    after_exposure: Literal["stop"] = "stop"
    on_exhausted: Literal["fail_turn", "escalate"] = "fail_turn"

    def __post_init__(self) -> None:
        if isinstance(self.max_retry, bool) or not isinstance(self.max_retry, int):
            raise ValueError(f"max_retry must be an int, got {self.max_retry!r}")
        if self.max_retry < 0:
            raise ValueError(f"max_retry must be 0 or more, got {self.max_retry!r}")
        self._check_seconds("retry_interval", self.retry_interval, zero=True)
        for name in (
            "timeout",
            "recovery_deadline",
            "first_output_timeout",
            "stall_timeout",
            "cancel_timeout",
            "speech_timeout",
        ):
            self._check_seconds(name, getattr(self, name), zero=False)
        after: object = self.after_exposure
        if after == "regenerate":
            raise ValueError("after_exposure='regenerate' is not available yet; use 'stop'")
        if after != "stop":
            raise ValueError(f"after_exposure must be 'stop', got {after!r}")
        if self.on_exhausted not in ("fail_turn", "escalate"):
            raise ValueError(
                f"on_exhausted must be 'fail_turn' or 'escalate', got {self.on_exhausted!r}"
            )

    @staticmethod
    def _check_seconds(name: str, value: Any, *, zero: bool) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a number of seconds, got {value!r}")
        if not math.isfinite(value) or value < 0 or (value == 0 and not zero):
            least = "0 or more" if zero else "more than 0"
            raise ValueError(f"{name} must be finite and {least} seconds, got {value!r}")

    @classmethod
    def from_conn_options(cls, options: Any, **overrides: Any) -> RetryPolicy:
        """The policy that LiveKit's ``APIConnectOptions`` asks for.

        Args:
            options: Anything with ``max_retry``, ``retry_interval`` and ``timeout``. LiveKit's
                ``timeout`` is how long one request may take, as ours is; capped at the plugin's
                own 10 s.
            **overrides: Fields of `RetryPolicy` that win over it.

        Raises:
            ValueError: As the constructor.
            TypeError: ``options`` lacks one of the three fields.
        """
        try:
            values: dict[str, Any] = {
                "max_retry": options.max_retry,
                "retry_interval": options.retry_interval,
                "timeout": min(options.timeout, 10.0),
            }
        except AttributeError as e:
            raise TypeError(f"options must be an APIConnectOptions, got {options!r}") from e
        return cls(**{**values, **overrides})

    def interval(self, retries: int) -> float:
        """Seconds to wait before retry number ``retries + 1``, without a server's hint."""
        return (
            min(FIRST_RETRY_INTERVAL, self.retry_interval) if retries == 0 else self.retry_interval
        )

    @property
    def longest_hint(self) -> float:
        """A server's "try again in N s" is followed up to this many seconds."""
        return self.recovery_deadline / 2
