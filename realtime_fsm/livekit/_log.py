"""Logs of the adapter: structlog in front, the standard ``logging`` tree behind.

Key-values become ``extra`` fields of ordinary records of the logger ``realtime_fsm``, so a
worker's own handlers and formatters see them, and nothing of structlog is configured globally.
No audio, transcript or key is ever passed to it.
"""

from __future__ import annotations

import logging
import re
from typing import Any, cast

import structlog

from .._errors import ErrorInfo

#: What an error code looks like. A server may put anything there, what was said included.
_CODE = re.compile(r"[a-z][a-z0-9_.]{0,63}")

_PROCESSORS: list[Any] = [
    structlog.stdlib.filter_by_level,
    structlog.processors.format_exc_info,
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
    code = error.code or error.type or ""
    return code if _CODE.fullmatch(code) else error.kind.value
