"""Logs of the adapter: structlog in front, the standard ``logging`` tree behind.

Key-values become ``extra`` fields of ordinary records of the logger ``realtime_fsm``, so a
worker's own handlers and formatters see them, and nothing of structlog is configured globally.
No audio, transcript or key is ever passed to it: what a server chose goes through
:mod:`realtime_fsm._redact`; of an exception the traceback and the type, since its message may quote
anything.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import MutableMapping
from typing import Any, cast

import structlog

from .._core.errors import ErrorInfo
from .._redact import named


class LoggedError(Exception):
    """Stands for an exception in the log: its type, and not what it says."""


def _without_message(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The exception that is being handled as its traceback and its type alone."""
    error = sys.exc_info()[1]
    if event.pop("exc_info", False) and error is not None:
        event["exc_info"] = (
            LoggedError,
            LoggedError(type(error).__qualname__),
            error.__traceback__,
        )
    return event


#: What these say in the message, for formatters that show no fields.
SENTENCES = {
    "recovering": "{turn}: {code}, retrying in {wait:g} s ({next} of {attempts})",
    "doubted": "{turn}: {code}, waiting {wait:g} s more at most",
    "retry dropped": "{turn}: {code}, not retried: the application went on",
    "turn failed": "{turn}: {code}, failed",
    "connection replaced": "connection replaced: {code}, the next one in {wait:g} s",
    "the connection is dead": "the connection is dead: silent for {silent:g} s",
}


def _with_a_sentence(
    logger: object, method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """The message says what happens without the fields."""
    name = str(event["event"])
    event["event"] = SENTENCES[name].format_map(event) if name in SENTENCES else name
    if "why" in event:
        event["event"] = f"{event['event']}. {event['why']}"
    return event


_PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    _with_a_sentence,
    _without_message,
    structlog.stdlib.render_to_log_kwargs,
]


def get_logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """A logger of the ``realtime_fsm`` tree with these key-values on every line."""
    logger = structlog.wrap_logger(
        logging.getLogger("realtime_fsm"),
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    return cast(structlog.stdlib.BoundLogger, logger.bind(**bound))


def code_of(error: ErrorInfo) -> str:
    """The error in one word, for logs and traces: never the provider's sentence."""
    return named(error.code or error.type) or error.kind.value
