"""Keeps the facts of a call that runs, in memory, as a recorder writes them to a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from livekit.agents import llm

from .facts import Fact, facts_of
from .format import Header, Line
from .recorder import Recorder
from .writer import Fields

__all__ = ["Witness"]


class _Memory:
    """Takes lines as a file does. It is never open, so that nobody flushes it by a timer."""

    open = False

    def __init__(self, header: Mapping[str, Any]) -> None:
        told = {k: header[k] for k in ("started", "mode", "model", "versions", "transcripts")}
        retry = header.get("retry", {})
        self.entries: list[Header | Line] = [Header(**told, retry=retry, fields=header)]

    def write(self, fields: Fields) -> None:
        fields = fields() if callable(fields) else fields
        by, kind, event = fields["by"], str(fields["type"]), fields.get("event")
        if by not in ("server", "client"):
            event = {k: v for k, v in fields.items() if k not in ("t", "by", "type")}
        line = Line(
            len(self.entries), fields["t"], by, kind, fields.get("connection", 0), event or {},
            fields.get("until"),
        )  # fmt: skip
        self.entries.append(line)

    def flush(self) -> None:
        pass

    def close(self) -> None:
        pass


class Witness(Recorder):
    """A :class:`Recorder` that writes nothing to disk, and keeps words."""

    def __init__(self, source: llm.RealtimeModel | llm.RealtimeSession[Any]) -> None:
        super().__init__(source, "", transcripts=True)

    def _writer(self, path: str | os.PathLike[str], header: dict[str, Any]) -> Any:
        self._memory = _Memory(header)
        return self._memory

    @property
    def now(self) -> float:
        """Seconds since the call began."""
        return self._lines.now()

    def facts(self) -> list[Fact]:
        """What was seen by now."""
        self._lines.flush_audio()
        return list(facts_of(self._memory.entries))
