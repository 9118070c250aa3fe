"""Telling listeners of the application, whatever they do."""

from __future__ import annotations

from typing import Any, Protocol

from ._log import get_logger


class Emitter(Protocol):
    def emit(self, event: Any, *args: Any) -> None: ...


class Listeners:
    """An emitter whose listeners cannot harm the call: LiveKit's own passes a ``TypeError`` on.

    What one of them raises is logged once for each event.
    """

    __slots__ = ("_emitter", "_logged")

    def __init__(self, emitter: Emitter) -> None:
        self._emitter = emitter
        self._logged: set[str] = set()

    def emit(self, event: Any, *args: Any) -> None:
        try:
            self._emitter.emit(event, *args)
        except Exception:
            if event not in self._logged:
                self._logged.add(event)
                get_logger().exception("a listener raised", listens_to=event)
