"""Spans of turns and attempts, in LiveKit's traces."""

from __future__ import annotations

from livekit.agents import telemetry
from opentelemetry import trace

from ..._core.commands import Recovering, TurnEnded, TurnMoved
from ..._core.states import TurnOutcome
from ..._redact import shown
from .._log import code_of
from ._observer import AttemptEnd, AttemptInfo, AttemptOutcome, TurnInfo, TurnObserver

_BAD = frozenset(AttemptOutcome) - {
    AttemptOutcome.COMPLETED,
    AttemptOutcome.INCOMPLETE,
    AttemptOutcome.CANCELLED,
    AttemptOutcome.GIVEN_UP,
}


class OpenTelemetryObserver(TurnObserver):
    """One span for each turn, with a child for each attempt; see ``docs/observability.md``.

    They go where LiveKit's own spans go, so without a tracer provider nowhere, at next to no cost.

    Args:
        tracer: Makes the spans; by default LiveKit's, which follows
            ``livekit.agents.telemetry.set_tracer_provider``.
    """

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer: trace.Tracer = telemetry.tracer if tracer is None else tracer
        self._turns: dict[TurnInfo, trace.Span] = {}
        self._attempts: dict[AttemptInfo, trace.Span] = {}

    def turn_started(self, turn: TurnInfo) -> None:
        span = self._tracer.start_span("response_turn")
        if not span.is_recording():
            return
        span.set_attributes(
            {
                "gen_ai.provider.name": _provider(turn),
                "gen_ai.request.model": turn.session.model,
                "realtime_fsm.session.id": turn.session.id,
                "realtime_fsm.turn.id": turn.id,
                "realtime_fsm.turn.origin": turn.origin.value,
            }
        )
        self._turns[turn] = span

    def turn_moved(self, turn: TurnInfo, move: TurnMoved, seconds: float) -> None:
        span = self._turns.get(turn)
        if span is None:
            return
        span.add_event(
            "turn_moved",
            {
                "realtime_fsm.event": move.event,
                "realtime_fsm.source": move.source.value,
                "realtime_fsm.state": move.label,
                "realtime_fsm.attempt.number": move.attempt,
            },
        )

    def attempt_started(self, attempt: AttemptInfo) -> None:
        parent = self._turns.get(attempt.turn)
        if parent is None:
            return
        model = attempt.turn.session.model
        self._attempts[attempt] = self._tracer.start_span(
            f"generate_content {model}",
            context=trace.set_span_in_context(parent),
            kind=trace.SpanKind.CLIENT,
            attributes={
                "gen_ai.operation.name": "generate_content",
                "gen_ai.provider.name": _provider(attempt.turn),
                "gen_ai.request.model": model,
                "realtime_fsm.turn.id": attempt.turn.id,
                "realtime_fsm.attempt.number": attempt.number,
            },
        )

    def output_started(self, attempt: AttemptInfo, seconds: float) -> None:
        span = self._attempts.get(attempt)
        if span is not None:
            span.set_attribute("gen_ai.response.time_to_first_chunk", seconds)

    def attempt_ended(self, attempt: AttemptInfo, end: AttemptEnd) -> None:
        span = self._attempts.pop(attempt, None)
        if span is None:
            return
        span.set_attribute("realtime_fsm.attempt.outcome", end.outcome.value)
        span.set_attribute("realtime_fsm.attempt.orphaned", end.orphaned)
        if end.response_id is not None:
            span.set_attribute("gen_ai.response.id", shown(end.response_id))
        if end.outcome in _BAD:
            span.set_attribute("error.type", end.outcome.value)
            span.set_status(trace.StatusCode.ERROR)
        span.end()

    def recovering(self, turn: TurnInfo, recovering: Recovering) -> None:
        span = self._turns.get(turn)
        if span is None:
            return
        span.add_event(
            "recovering",
            {
                "error.type": code_of(recovering.reason),
                "realtime_fsm.attempt.number": recovering.attempt,
                "realtime_fsm.wait": recovering.wait,
            },
        )

    def recovery_ended(self, turn: TurnInfo, seconds: float, recovered: bool) -> None:
        span = self._turns.get(turn)
        if span is not None:
            span.set_attribute("realtime_fsm.turn.recovery_seconds", seconds)
            span.set_attribute("realtime_fsm.turn.recovered", recovered)

    def reading_started(self, turn: TurnInfo) -> None:
        """LiveKit opens ``agent_turn`` only with the first output, so a turn cannot be its child,
        and the attempts before that output were over when it began."""
        agent_turn = trace.get_current_span().get_span_context()
        span = self._turns.get(turn)
        if span is None or not agent_turn.is_valid:
            return
        link = {"realtime_fsm.link": "agent_turn"}
        span.add_link(agent_turn, link)
        for attempt, attempt_span in self._attempts.items():
            if attempt.turn == turn:
                attempt_span.add_link(agent_turn, link)

    def turn_ended(self, turn: TurnInfo, ended: TurnEnded, seconds: float) -> None:
        span = self._turns.pop(turn, None)
        if span is None:
            return
        span.set_attribute("realtime_fsm.turn.outcome", ended.outcome.value)
        if ended.error is not None:
            span.set_attribute("error.type", code_of(ended.error))
        if ended.outcome is TurnOutcome.FAILED:
            span.set_status(trace.StatusCode.ERROR)
        span.end()


def _provider(turn: TurnInfo) -> str:
    """The registry's spelling, where LiveKit knows it (since 1.8)."""
    provider = turn.session.provider
    spelled = getattr(telemetry.trace_types, "gen_ai_provider_name", None)
    return (spelled(provider) if callable(spelled) else None) or provider
