"""Metrics of delegations, in the registry that a LiveKit worker exports."""

from __future__ import annotations

from weakref import WeakKeyDictionary

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram

from ...duplex import Loss, Moved
from ._observer import DuplexObserver, DuplexSessionInfo

_WHO = ("provider", "model")
_BUCKETS = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 120.0, 300.0)


class _Metrics:
    """Made once for a registry, which refuses a name the second time."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.delegations = Histogram(
            "realtime_fsm_delegation_seconds",
            "From a delegation to its end",
            (*_WHO, "target", "outcome"),
            buckets=_BUCKETS,
            registry=registry,
        )
        self.losses = Counter(
            "realtime_fsm_delegation_losses",
            "What was lost of delegated work, and of its sessions",
            (*_WHO, "kind"),
            registry=registry,
        )


_made: WeakKeyDictionary[CollectorRegistry, _Metrics] = WeakKeyDictionary()


class PrometheusDuplexObserver(DuplexObserver):
    """Counts delegations and losses; see ``docs/gpt-live.md`` for the metrics.

    Args:
        registry: Where the metrics are; by default the one LiveKit's worker exports.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        metrics = _made.get(registry)
        if metrics is None:
            metrics = _made[registry] = _Metrics(registry)
        self._metrics = metrics
        self._began: dict[tuple[DuplexSessionInfo, int], float] = {}

    def moved(self, session: DuplexSessionInfo, move: Moved) -> None:
        began = self._began.setdefault((session, move.number), move.t)
        if move.over:
            del self._began[session, move.number]
            labels = (session.provider, session.model, move.target, move.dest)
            self._metrics.delegations.labels(*labels).observe(move.t - began)

    def lost(self, session: DuplexSessionInfo, loss: Loss) -> None:
        self._metrics.losses.labels(session.provider, session.model, loss.kind.value).inc()

    def session_ended(self, session: DuplexSessionInfo) -> None:
        for key in [key for key in self._began if key[0] == session]:
            del self._began[key]
