"""Writes a trace to a file, and never gets in the way of the call."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Callable, Iterable, Mapping
from typing import IO, Any, TypeAlias

from .._redact import shown
from .format import NAME, VERSION, Seen, dumps
from .frame_lines import AudioDelta, TextDelta
from .redact import redacted

__all__ = ["Fields", "TraceWriter", "line_of", "text_of", "write_record"]

_HELD = 256  # lines at most
#: Of one line, or what makes them when it is written.
Fields: TypeAlias = "Mapping[str, Any] | TextDelta | AudioDelta | Callable[[], Mapping[str, Any]]"

_log = logging.getLogger("realtime_fsm")


class TraceWriter:
    """Writes lines through a buffer; the owner calls :meth:`flush` now and then.

    A file that cannot be written ends the recording with one line in the log, and nothing else. An
    existing file is replaced.
    """

    def __init__(self, path: str | os.PathLike[str], header: Mapping[str, Any]) -> None:
        self._path = os.fspath(path)
        self._file: IO[str] | None = None
        self._lines: list[Fields] = []
        try:
            self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 - kept open
        except OSError as error:
            self._fail(error)
        self.write({"trace": NAME, "version": VERSION, **header})
        self.flush()

    @property
    def open(self) -> bool:
        """Whether lines are taken."""
        return self._file is not None

    @property
    def pending(self) -> bool:
        """Whether lines wait for :meth:`flush`."""
        return bool(self._lines)

    def write(self, fields: Fields) -> None:
        """Take one line, which nobody changes any more: it is made and JSON only when it is flushed, when
        nothing waits for it. Never raises."""
        if self._file is not None:
            self._lines.append(fields)
            if len(self._lines) >= _HELD:
                self.flush()

    def flush(self) -> None:
        """Hand all lines to the operating system. Never raises."""
        lines, self._lines = self._lines, []
        if self._file is None or not lines:
            return
        try:
            self._file.write("".join(map(_line, lines)))
            self._file.flush()
        except (OSError, ValueError) as error:
            self._fail(error)

    def close(self) -> None:
        """Write what is left and close the file. Never raises; does nothing a second time."""
        self.flush()
        file, self._file = self._file, None
        if file is not None:
            try:
                file.close()
            except OSError as error:
                self._fail(error)

    def _fail(self, error: Exception) -> None:
        file, self._file = self._file, None
        why = ": ".join(filter(None, (type(error).__name__, getattr(error, "strerror", None))))
        _log.warning("the trace %s cannot be written: %s", self._path, why)
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()


def text_of(fields: Fields) -> str:
    """A line as JSON, without its end."""
    short = fields.json() if isinstance(fields, (TextDelta, AudioDelta)) else None
    return short or dumps(fields() if callable(fields) else fields)


def _line(fields: Fields) -> str:
    try:
        return f"{text_of(fields)}\n"
    except Exception:
        return ""  # nothing that a frame can hold, so nothing worth the recording


def write_record(
    record: Iterable[Seen],
    path: str | os.PathLike[str],
    *,
    transcripts: bool = False,
    header: Mapping[str, Any] | None = None,
) -> None:
    """Write a simulated server's record as a trace: the wire only, as the server saw it.

    Args:
        record: such as ``server.record``.
        path: the file; replaced if it exists.
        transcripts: whether words are written, too.
        header: more fields for the first line.

    Raises:
        OSError: It cannot be written.
    """
    lines = list(record)
    first = {"trace": NAME, "version": VERSION, "mode": "server", "transcripts": transcripts}
    first["lines"] = len(lines)
    with open(path, "w", encoding="utf-8") as file:
        file.write(dumps({**first, **(header or {})}) + "\n")
        for each in lines:
            file.write(dumps(line_of(each, transcripts=transcripts)) + "\n")


def line_of(each: Seen, *, transcripts: bool) -> dict[str, Any]:
    """The fields of a line for an event of the wire."""
    fields: dict[str, Any] = {"t": round(each.t, 6), "by": each.direction}
    fields["type"], fields["connection"] = shown(str(each.type)), each.connection
    body = redacted({**each.event, "type": each.type}, transcripts=transcripts)
    del body["type"]
    return {**fields, **body} if each.direction == "net" else {**fields, "event": body}
