"""Logs of the adapter: fields by name in front, the standard ``logging`` tree behind.

They become ``extra`` fields of ordinary records of the logger ``realtime_fsm``, so a worker's own
handlers and formatters see them.
No audio, transcript or key is ever passed to it: what a server chose goes through
:mod:`realtime_fsm._redact`; of an exception the traceback and the type, since its message may quote
anything.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Mapping
from typing import Any

from .._core.errors import ErrorInfo
from .._redact import named

_LOGGER = logging.getLogger("realtime_fsm")


class LoggedError(Exception):
    """Stands for an exception in the log: its type, and not what it says."""


#: What these say in the message, for formatters that show no fields.
SENTENCES = {
    "recovering": "{turn}: {code}, retrying in {wait:g} s ({next} of {attempts})",
    "doubted": "{turn}: {code}, waiting {wait:g} s more at most",
    "retry dropped": "{turn}: {code}, not retried: the application went on",
    "turn failed": "{turn}: {code}, failed",
    "connection replaced": "connection replaced: {code}, the next one in {wait:g} s",
    "the connection is dead": "the connection is dead: silent for {silent:g} s",
}


class FieldLogger:
    """A standard logger that takes fields by name. Each method: what happened, and the fields."""

    __slots__ = ("_bound",)

    def __init__(self, bound: Mapping[str, object]) -> None:
        self._bound = bound  # fields of every line

    def debug(self, event: str, **fields: object) -> None:
        self._log(logging.DEBUG, event, fields)

    def info(self, event: str, **fields: object) -> None:
        self._log(logging.INFO, event, fields)

    def warning(self, event: str, **fields: object) -> None:
        self._log(logging.WARNING, event, fields)

    def error(self, event: str, **fields: object) -> None:
        self._log(logging.ERROR, event, fields)

    def exception(self, event: str, **fields: object) -> None:
        """An error, with the exception that is being handled."""
        self._log(logging.ERROR, event, {**fields, "exc_info": True})

    def _log(self, level: int, event: str, fields: dict[str, Any]) -> None:
        if not _LOGGER.isEnabledFor(level):
            return
        fields = {**self._bound, **fields}
        error = fields.pop("exc_info", None)
        if error is True:
            error = sys.exc_info()[1]
        message = SENTENCES[event].format_map(fields) if event in SENTENCES else event
        if "why" in fields:
            message = f"{message}. {fields['why']}"
        told = _without_message(error)
        _LOGGER.log(level, message, exc_info=told, extra=fields, stacklevel=3)


def _without_message(error: BaseException | None) -> Any:
    """An exception as its traceback and its type alone."""
    if error is None:
        return None
    return LoggedError, LoggedError(type(error).__qualname__), error.__traceback__


def get_logger(**bound: object) -> FieldLogger:
    """A logger of the ``realtime_fsm`` tree with these fields on every line."""
    return FieldLogger(bound)


def code_of(error: ErrorInfo) -> str:
    """The error in one word, for logs and traces: never the provider's sentence."""
    return named(error.code or error.type) or error.kind.value
