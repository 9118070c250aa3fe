"""Spans of delegations, in LiveKit's traces."""

from __future__ import annotations

from livekit.agents import telemetry
from opentelemetry import trace

from ..._redact import named, shown
from ...duplex import Loss, Moved
from ._observer import DuplexObserver, DuplexSessionInfo


class OpenTelemetryDuplexObserver(DuplexObserver):
    """One span for each delegation, with an event for each loss of it; a loss of the session itself is a
    span of its own. Without a tracer provider they go nowhere.

    Args:
        tracer: Makes the spans; by default LiveKit's, which follows
            ``livekit.agents.telemetry.set_tracer_provider``.
    """

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer: trace.Tracer = telemetry.tracer if tracer is None else tracer
        self._spans: dict[tuple[DuplexSessionInfo, int], trace.Span] = {}

    def moved(self, session: DuplexSessionInfo, move: Moved) -> None:
        key = session, move.number
        if not move.source:
            span = self._tracer.start_span("delegation", attributes=_of(session))
            if not span.is_recording():
                return
            span.set_attribute("realtime_fsm.delegation.target", move.target)
            if move.delegation is not None:
                span.set_attribute("realtime_fsm.delegation.id", shown(move.delegation))
            self._spans[key] = span
        started = self._spans.get(key)
        if started is None:
            return
        state = {"realtime_fsm.event": move.event, "realtime_fsm.state": move.dest}
        started.add_event("delegation_moved", state)
        if move.over:
            started.set_attribute("realtime_fsm.delegation.outcome", move.dest)
            started.end()
            del self._spans[key]

    def lost(self, session: DuplexSessionInfo, loss: Loss) -> None:
        span = self._spans.get((session, loss.number))
        attributes = {"error.type": named(loss.code) or loss.kind.value}
        attributes["realtime_fsm.loss"] = loss.kind.value
        if span is not None:
            span.add_event("delegation_loss", attributes)
            span.set_status(trace.StatusCode.ERROR)
            return
        alone = self._tracer.start_span(
            "delegation_loss", attributes={**_of(session), **attributes}
        )
        alone.set_status(trace.StatusCode.ERROR)
        alone.end()

    def session_ended(self, session: DuplexSessionInfo) -> None:
        for key in [key for key in self._spans if key[0] == session]:
            self._spans.pop(key).end()


def _of(session: DuplexSessionInfo) -> dict[str, str]:
    return {"gen_ai.provider.name": session.provider, "gen_ai.request.model": session.model}
