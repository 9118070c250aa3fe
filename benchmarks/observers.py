"""What each way of observing costs when it is switched on: whole calls, side by side."""

from __future__ import annotations

import logging
import os
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from realtime_fsm.livekit import TurnObserver
from realtime_fsm.livekit.telemetry import OpenTelemetryObserver, PrometheusObserver

from .calls import Result, call
from .canned import Recording
from .rounds import Figure
from .sessions import added_us, in_turns

#: Names of the sides, as in ``bench.json``.
HOOK = "hook"
PROMETHEUS = "prometheus"
OTEL_OFF = "opentelemetry_without_provider"
OTEL = "opentelemetry"
LOGS = "debug_logs"
ALL = "all"
_NOTHING = "nothing"


@dataclass(frozen=True)
class Cost:
    """What one of them adds to a controlled call.

    Attributes:
        turn_us: Microseconds of CPU time a turn.
        turn_ratio: A turn with it divided by a turn without.
        call_ratio: The whole call with it divided by the call without.
    """

    turn_us: Figure
    turn_ratio: Figure
    call_ratio: Figure


def costs(recording: Recording, *, rounds: int) -> dict[str, Cost]:
    """Each of them alone, and all together, against a call without any."""

    def observed(*observers: TurnObserver) -> Callable[[], Awaitable[Result]]:
        return lambda: call(recording, controlled=True, observers=observers)

    async def logged(*observers: TurnObserver) -> Result:
        with _debug_logs():
            return await call(recording, controlled=True, observers=observers)

    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    traced = OpenTelemetryObserver(provider.get_tracer("benchmarks"))
    counted = PrometheusObserver(CollectorRegistry())

    async def with_spans(run: Callable[[], Awaitable[Result]]) -> Result:
        result = await run()
        exporter.clear()
        return result

    found = in_turns(
        {
            _NOTHING: observed(),
            HOOK: observed(TurnObserver()),
            PROMETHEUS: observed(counted),
            OTEL_OFF: observed(OpenTelemetryObserver()),
            OTEL: lambda: with_spans(observed(traced)),
            LOGS: logged,
            ALL: lambda: with_spans(lambda: logged(TurnObserver(), counted, traced)),
        },
        rounds=rounds,
    )
    nothing = found.pop(_NOTHING)
    return {name: _cost(results, nothing) for name, results in found.items()}


def _cost(more: Sequence[Result], less: Sequence[Result]) -> Cost:
    pairs = list(zip(more, less, strict=True))
    return Cost(
        turn_us=added_us([*more], [*less]),
        turn_ratio=Figure.of([sum(m.turns) / sum(x.turns) for m, x in pairs]),
        call_ratio=Figure.of([m.total / x.total for m, x in pairs]),
    )


@contextmanager
def _debug_logs() -> Iterator[None]:
    """Every event that we log, written as text to a file that keeps nothing."""
    logger = logging.getLogger("realtime_fsm")
    level, propagates = logger.level, logger.propagate
    with open(os.devnull, "w", encoding="utf-8") as nowhere:
        handler: logging.StreamHandler[TextIO] = logging.StreamHandler(nowhere)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        logger.propagate = False
        try:
            yield
        finally:
            logger.propagate = propagates
            logger.setLevel(level)
            logger.removeHandler(handler)
