"""Logs of the adapter: structlog in front, the standard ``logging`` tree behind.

Key-values become ``extra`` fields of ordinary records of the logger ``realtime_fsm``, so a
worker's own handlers and formatters see them, and nothing of structlog is configured globally.
No audio, transcript or key is ever passed to it.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import structlog

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
