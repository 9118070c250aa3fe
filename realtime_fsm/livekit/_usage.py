"""What the plugin reports of a response it was not shown: its usage, and how it failed."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from livekit.agents import APIError, llm
from livekit.agents.metrics import RealtimeModelMetrics
from livekit.agents.metrics.base import Metadata

from .._core.errors import ErrorInfo


def usage_of(
    done: Mapping[str, Any], model: llm.RealtimeModel, *, created_at: float, first_at: float | None
) -> RealtimeModelMetrics:
    """The metrics of a ``response.done``, as the plugin makes them.

    Args:
        created_at: When the response was created, seconds since the epoch.
        first_at: When its first audio came, likewise, or None.
    """
    response = _map(done, "response")
    usage = _map(response, "usage")
    duration = time.time() - created_at
    output_tokens = _tokens(usage, "output_tokens")
    input_details = _map(usage, "input_token_details")
    output_details = _map(usage, "output_token_details")
    cached_details = _map(input_details, "cached_tokens_details")
    kinds = ("audio_tokens", "text_tokens", "image_tokens")
    return RealtimeModelMetrics(
        timestamp=created_at,
        request_id=str(response.get("id") or ""),
        ttft=-1 if first_at is None else first_at - created_at,
        duration=duration,
        cancelled=response.get("status") == "cancelled",
        label=model.label,
        input_tokens=_tokens(usage, "input_tokens"),
        output_tokens=output_tokens,
        total_tokens=_tokens(usage, "total_tokens"),
        tokens_per_second=output_tokens / duration if duration > 0 else 0,
        input_token_details=RealtimeModelMetrics.InputTokenDetails(
            cached_tokens=_tokens(input_details, "cached_tokens"),
            cached_tokens_details=RealtimeModelMetrics.CachedTokenDetails(
                **{kind: _tokens(cached_details, kind) for kind in kinds}
            ),
            **{kind: _tokens(input_details, kind) for kind in kinds},
        ),
        output_token_details=RealtimeModelMetrics.OutputTokenDetails(
            **{kind: _tokens(output_details, kind) for kind in kinds}
        ),
        metadata=Metadata(model_name=model.model, model_provider=model.provider),
    )


def failure_of(error: ErrorInfo, label: str, *, recoverable: bool) -> llm.RealtimeModelError:
    """The ``error`` event of a response that failed."""
    body = {"code": error.code, "type": error.type, "message": error.message}
    return llm.RealtimeModelError(
        timestamp=time.time(),
        label=label,
        error=APIError(f"response failed: {error}", body=body, retryable=recoverable),
        recoverable=recoverable,
    )


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = value.get(key)
    return found if isinstance(found, Mapping) else {}


def _tokens(value: Mapping[str, Any], key: str) -> int:
    found = value.get(key)
    return found if isinstance(found, int) and not isinstance(found, bool) else 0
