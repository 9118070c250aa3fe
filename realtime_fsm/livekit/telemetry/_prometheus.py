"""Metrics of turns, in the registry that a LiveKit worker exports."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from ..._core.commands import TurnEnded, TurnMoved
from ._observer import (
    AttemptEnd,
    AttemptInfo,
    AttemptOutcome,
    Correction,
    SessionInfo,
    TurnInfo,
    TurnObserver,
)

_WHO = ("provider", "model")
#: Seconds: from a quick acknowledgement to the longest answer.
_BUCKETS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


class _Metrics:
    """Made once for a registry, which refuses a name the second time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        def counter(name: str, about: str, *labels: str) -> Counter:
            return Counter(f"realtime_fsm_{name}", about, (*_WHO, *labels), registry=registry)

        def seconds(name: str, about: str, *labels: str) -> Histogram:
            return Histogram(
                f"realtime_fsm_{name}_seconds",
                about,
                (*_WHO, *labels),
                buckets=_BUCKETS,
                registry=registry,
            )

        self.turns = counter("turns", "Response turns that ended", "origin", "outcome")
        self.attempts = counter("attempts", "Responses asked for or begun, at their end", "outcome")
        self.recovery = seconds(
            "recovery", "From a turn's first failure to output again, or to its end", "outcome"
        )
        self.state = seconds("state", "Time that a turn spent in a state", "state")
        self.conflicts = counter("conflicts", "response.create that met an active response")
        self.orphans = counter("orphans", "response.create given up before an answer")
        self.ignored = counter("ignored_events", "Events that concerned nothing", "reason")
        self.corrections = counter(
            "history_corrections", "Messages cut to what was heard, or deleted", "kind"
        )


_made: WeakKeyDictionary[CollectorRegistry, _Metrics] = WeakKeyDictionary()


class PrometheusObserver(TurnObserver):
    """Counts turns; see ``docs/observability.md`` for the metrics.

    Args:
        registry: Where the metrics are; by default the one LiveKit's worker exports.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        metrics = _made.get(registry)
        if metrics is None:
            metrics = _made[registry] = _Metrics(registry)
        self._metrics = metrics

    def turn_moved(self, turn: TurnInfo, move: TurnMoved, seconds: float) -> None:
        if move.source is not move.dest:
            labels = (*_who(turn.session), move.source.value)
            self._metrics.state.labels(*labels).observe(seconds)

    def attempt_ended(self, attempt: AttemptInfo, end: AttemptEnd) -> None:
        who = _who(attempt.turn.session)
        self._metrics.attempts.labels(*who, end.outcome.value).inc()
        if end.outcome is AttemptOutcome.CONFLICT:
            self._metrics.conflicts.labels(*who).inc()
        if end.orphaned:
            self._metrics.orphans.labels(*who).inc()

    def recovery_ended(self, turn: TurnInfo, seconds: float, recovered: bool) -> None:
        outcome = "recovered" if recovered else "given_up"
        self._metrics.recovery.labels(*_who(turn.session), outcome).observe(seconds)

    def turn_ended(self, turn: TurnInfo, ended: TurnEnded, seconds: float) -> None:
        labels = (*_who(turn.session), turn.origin.value, ended.outcome.value)
        self._metrics.turns.labels(*labels).inc()

    def event_ignored(self, session: SessionInfo, reason: str, count: int) -> None:
        self._metrics.ignored.labels(*_who(session), reason).inc(count)

    def history_corrected(self, session: SessionInfo, correction: Correction) -> None:
        self._metrics.corrections.labels(*_who(session), correction.value).inc()


def _who(session: SessionInfo) -> tuple[str, str]:
    return session.provider, session.model
