"""How recovery behaves. Plain data, checked when it is built."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from .errors import ErrorInfo
from .states import ErrorKind

#: LiveKit waits this long before the first retry whatever ``retry_interval`` says
#: (``APIConnectOptions._interval_for_retry``).
FIRST_RETRY_INTERVAL = 0.1
#: Seconds; the default of ``recovery_deadline``.
RECOVERY_DEADLINE = 8.0
#: Seconds; the default of ``timeout``, and how long the OpenAI plugin waits whatever we say.
TIMEOUT = 10.0


class _GivesWay(float):
    """A default that gives way to a shorter bound; what was given by hand must fit below it."""


#: Seconds; the default of ``retry_interval``, which gives way to a shorter ``recovery_deadline``.
RETRY_INTERVAL = _GivesWay(2.0)
#: Seconds; the default of ``doubt_after``, which gives way to a shorter ``timeout``.
DOUBT_AFTER = _GivesWay(5.0)
#: Seconds; the default of ``vad_answer_timeout``, which does so too.
VAD_ANSWER_TIMEOUT = _GivesWay(2.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How a turn recovers. All times in seconds.

    Attributes:
        max_retry: Further attempts after the first, 0 or more. As in LiveKit, but of responses
            alone: 0 ends no call at a drop that plain LiveKit survives.
        max_reconnect: How often in a row a connection may be lost before a response completed on
            one or one held for 60 s. After more, what waits for an answer fails with each loss, and
            is asked no more; ``on_exhausted="escalate"`` ends the session. A next connection is
            made all the same, as with plain LiveKit, each `retry_interval` after the loss. What the
            server announced (``session_expired``) does not count.
        retry_interval: Wait before the second and later retries; the first waits 0.1 s.
            As in LiveKit. A shorter `recovery_deadline` leaves no room for the default: then there
            is one retry.
        timeout: How long a ``response.create`` may stay unanswered; then it is asked again. By
            default as long as the OpenAI plugin itself waits, so a larger value has no effect
            there. What comes later is heard all the same, unless a newer one was acknowledged.
        doubt_after: After how long an unanswered ``response.create`` is doubted: the application
            hears ``recovering``, and the server is sent something harmless that it must answer. If
            nothing at all comes within ``answer_timeout`` the connection is replaced. A shorter
            `timeout` shortens the default.
        recovery_deadline: Longest time from a turn's first failure until a new attempt must
            have been acknowledged, and while another request waits behind it until there is
            output of it; then the turn fails.
        first_output_timeout: Longest silence of the server between ``response.created`` and
            the first output item. Long, since models think.
        stall_timeout: Longest silence of the server within a response that has begun, until it is
            asked for again. Of one that was heard in part, which cannot be, the application hears
            ``recovering``; it may go on up to `first_output_timeout`. Also how much
            longer than its audio a playback report may take.
        action_timeout: Longest silence of the server while something runs that it does by itself
            (an MCP call, a search): how long one may take that tells no progress.
        cancel_timeout: How long a cancelled turn waits for the server's terminal and for
            playback to report.
        speech_timeout: How long the lane stays closed for user speech of which no end is
            reported.
        vad_answer_timeout: How long server VAD's own answer to speech that has ended is waited for
            while another request waits behind it; while none does, `timeout`, which it must not be
            above. A shorter `timeout` shortens the default.
        playback_grace: How much later than its audio a sink's report may come; then the next
            message or speech is played without it.
        answer_timeout: How long a connection may stay silent after a cancel was sent on it,
            which every server answers; then it is taken for dead and replaced. While nobody waits,
            or what waits is the answer to something said of which there are no words yet, after
            `timeout` more.
        alive_interval: How long a connection may be silent; then the server is asked for a sign of
            life by a ``session.update`` that changes nothing, and the connection is replaced if
            nothing comes within ``answer_timeout``. Only servers are asked that are known to answer.
            None: never, so that the wire of a healthy call is that of plain LiveKit.
        after_exposure: What happens when a response fails after some of it was handed to
            the user. ``"stop"``: what was received plays out and the turn fails.
            ``"regenerate"``: what was received plays out, the conversation is cut to what was
            heard, and the response is asked for again; not once a tool was called, whose
            reply will speak.
        follow_ups: How many further replies are asked for, one after another, where a response
            completed with nothing but what the server did by itself (an MCP call, a search), or
            with no message that is not marked ``phase: commentary``. Each is a
            ``generate_reply()`` of the attached AgentSession, once all of it has played and
            nothing runs any more; not while the user speaks, an approval is asked for, or
            something else was asked. 0: none, as with plain LiveKit.
        on_exhausted: ``"fail_turn"``: turns that failed for good leave the session alive, however
            many. ``"pipeline"``: as in LiveKit's pipeline it ends at the failure after
            ``max_unrecoverable_errors`` in a row, counted anew when the agent speaks.
            ``"escalate"``: its error is reported as non-recoverable, which ends an
            AgentSession and makes a fallback adapter around us swap; so does the end of
            `max_reconnect`.
        kinds: What errors mean that the library does not know, or knows differently: an
            `ErrorKind` by the provider's ``code`` or ``type``; the code wins.

    Raises:
        ValueError: A field has an impossible value; the message names field and value.
    """

    max_retry: int = 3
    max_reconnect: int = 3
    retry_interval: float = RETRY_INTERVAL
    timeout: float = TIMEOUT
    doubt_after: float = DOUBT_AFTER
    recovery_deadline: float = RECOVERY_DEADLINE
    first_output_timeout: float = 20.0
    stall_timeout: float = 8.0
    action_timeout: float = 120.0
    cancel_timeout: float = 5.0
    speech_timeout: float = 60.0
    vad_answer_timeout: float = VAD_ANSWER_TIMEOUT
    playback_grace: float = 2.0
    answer_timeout: float = 3.0
    alive_interval: float | None = 10.0
    after_exposure: Literal["stop", "regenerate"] = "stop"
    follow_ups: int = 0
    on_exhausted: Literal["fail_turn", "pipeline", "escalate"] = "fail_turn"
    kinds: Mapping[str, ErrorKind] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("max_retry", "max_reconnect", "follow_ups"):
            self._check_number(name, getattr(self, name))
        self._check_seconds("retry_interval", self.retry_interval, zero=True)
        for name in (
            "timeout",
            "doubt_after",
            "recovery_deadline",
            "first_output_timeout",
            "stall_timeout",
            "action_timeout",
            "cancel_timeout",
            "speech_timeout",
            "vad_answer_timeout",
            "playback_grace",
            "answer_timeout",
        ):
            self._check_seconds(name, getattr(self, name), zero=False)
        for name in ("doubt_after", "vad_answer_timeout"):
            value = getattr(self, name)
            if value > self.timeout and not isinstance(value, _GivesWay):
                raise ValueError(
                    f"{name} must not be above timeout ({self.timeout!r}), got {value!r}"
                )
        self._check_deadline()
        if self.alive_interval is not None:
            self._check_seconds("alive_interval", self.alive_interval, zero=False)
        if self.after_exposure not in ("stop", "regenerate"):
            raise ValueError(
                f"after_exposure must be 'stop' or 'regenerate', got {self.after_exposure!r}"
            )
        if self.on_exhausted not in ("fail_turn", "pipeline", "escalate"):
            raise ValueError(
                "on_exhausted must be 'fail_turn', 'pipeline' or 'escalate', "
                f"got {self.on_exhausted!r}"
            )
        self._check_kinds(self.kinds)

    def _check_deadline(self) -> None:
        """A retry has to fit in. The default interval only does without its second one."""
        for name, wait in (
            ("the first retry's wait", self.interval(0) if self.max_retry else 0.0),
            ("retry_interval", self.retry_interval if self.max_retry > 1 else 0.0),
        ):
            if wait > self.recovery_deadline and not isinstance(wait, _GivesWay):
                raise ValueError(
                    f"recovery_deadline must not be below {name} ({wait!r}), "
                    f"got {self.recovery_deadline!r}"
                )

    @staticmethod
    def _check_kinds(kinds: Any) -> None:
        if not isinstance(kinds, Mapping):
            raise ValueError(f"kinds must be a mapping of codes to ErrorKind, got {kinds!r}")
        for name, kind in kinds.items():
            if not isinstance(name, str) or not isinstance(kind, ErrorKind):
                raise ValueError(f"kinds must map a code to an ErrorKind, got {name!r}: {kind!r}")

    @staticmethod
    def _check_number(name: str, value: Any) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{name} must be an int, got {value!r}")
        if value < 0:
            raise ValueError(f"{name} must be 0 or more, got {value!r}")

    @staticmethod
    def _check_seconds(name: str, value: Any, *, zero: bool) -> None:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"{name} must be a number of seconds, got {value!r}")
        if not 0 <= value <= sys.float_info.max or (value == 0 and not zero):
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
                name: getattr(options, name) for name in ("max_retry", "retry_interval", "timeout")
            }
        except AttributeError as e:
            raise TypeError(f"options must be an APIConnectOptions, got {options!r}") from e
        for name in ("retry_interval", "timeout"):
            cls._check_seconds(name, values[name], zero=name == "retry_interval")
        values["timeout"] = min(values["timeout"], TIMEOUT)
        values["recovery_deadline"] = max(RECOVERY_DEADLINE, values["retry_interval"])
        return cls(**{**values, **overrides})

    def interval(self, retries: int) -> float:
        """Seconds to wait before retry number ``retries + 1``, without a server's hint."""
        return (
            min(FIRST_RETRY_INTERVAL, self.retry_interval) if retries == 0 else self.retry_interval
        )

    def reclassified(self, error: ErrorInfo) -> ErrorInfo:
        """The error with the kind that `kinds` gives it."""
        for name in (error.code, error.type):
            if name is not None and name in self.kinds:
                return replace(error, kind=self.kinds[name])
        return error

    def patience(self, timeout: float) -> float:
        """Seconds until something that was asked is looked at again: at *timeout*, or sooner to
        see whether the connection said anything at all."""
        return min(timeout, self.answer_timeout)

    @property
    def first_doubt(self) -> float:
        """Seconds until an unanswered ``response.create`` is doubted."""
        return min(self.doubt_after, self.timeout)

    @property
    def longest_queued(self) -> float:
        """Seconds a ``response.create`` may take to leave: a first handshake may be slow."""
        return max(self.timeout, self.recovery_deadline)

    @property
    def longest_hint(self) -> float:
        """A server's "try again in N s" is followed up to this many seconds."""
        return self.recovery_deadline / 2
