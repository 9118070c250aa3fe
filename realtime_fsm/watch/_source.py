"""A call that can be watched: a recorder that writes to the hub, and only while somebody looks."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from livekit.agents import llm

from ..livekit._features import AgentSession
from ..livekit._listener import listener
from ..trace.format import NAME, VERSION, dumps
from ..trace.lines import Lines
from ..trace.recorder import _MODELS, _SESSIONS, Recorder
from ..trace.redact import told
from ..trace.writer import Fields, TraceWriter, text_of
from ._link import Link, NoLink, link_to
from ._moves import Moves
from ._place import HUB, SOCKET, WatchError, folder
from ._wire import control

__all__ = ["Watching", "watch"]

_log = logging.getLogger("realtime_fsm")
#: Of this process: with it an id is of one call alone, whatever forks.
_numbers = itertools.count(1)


def watch(
    source: llm.RealtimeModel | llm.RealtimeSession[Any] | llm.DuplexModel | llm.DuplexSession[Any],
    *,
    transcripts: bool = False,
    label: str = "",
    group: str = "",
) -> Watching:
    """Show the calls of a model, or one realtime session, in the browser while they run.

    ::

        watching = watch(model)
        watching.attach(session)

    Under ``realtime-fsm run --watch`` they join its page. Elsewhere they join the user's hub, which
    is started if there is none, and ends by itself; `address` tells where its page is. While nobody
    looks nothing is written down, so a page that is opened late tells from where it knows the call.
    Where nothing can be watched, a warning in the log says why.

    Args:
        source: As for `realtime_fsm.trace.record`.
        transcripts: Whether what is said is shown, too. Never audio.
        label: A name for the call.
        group: Calls of one group are shown side by side.

    Raises:
        TypeError: *source* is neither.
    """
    if not isinstance(source, (*_MODELS, *_SESSIONS)):
        raise TypeError(f"source must be a realtime model or session, got {source!r}")
    joined = os.environ.get(SOCKET)
    link: Link
    try:
        link = link_to(Path(joined) if joined else folder() / HUB, start=not joined)
    except WatchError as error:  # a call is not to fail for it
        _log.warning("calls cannot be watched: %s", error)
        link = NoLink()
    return Watching(source, link, transcripts=transcripts, label=label, group=group)


class Watching(Recorder):
    """See :func:`watch`. Nothing of it raises into the call, and while nobody looks
    it writes nothing."""

    def __init__(
        self,
        source: Any,
        link: Link,
        *,
        transcripts: bool,
        label: str,
        group: str,
    ) -> None:
        #: Names the call for the hub.
        self.id = f"{os.getpid()}-{secrets.token_hex(4)}-{next(_numbers)}"
        self._link = link
        self._label, self._group = label, group
        self._begun = time.time()
        self._failed = False
        self._over = False
        self._seen = 0  # how often somebody began to look, when we last wrote
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stream = _Stream(self)
        self._live = _LiveLines(self._stream, self)
        self._moves = Moves(self._move)
        super().__init__(source, "", transcripts=transcripts)
        self._guard(self._find_loop)
        link.add(self)

    def _begin(self, writer: TraceWriter) -> Lines:
        return self._live

    def _writer(self, path: str | os.PathLike[str], header: dict[str, Any]) -> TraceWriter:
        self._stream.header = header
        return self._stream

    # --- what a caller does

    def attach(self, session: AgentSession[Any]) -> None:
        """As `Recorder.attach`."""
        super().attach(session)
        self._guard(self._find_loop)
        # The others hear of it only while somebody looks.
        ended = listener(self._ended)
        session.on("close", ended)
        self._undo.append(lambda: session.off("close", ended))

    def close(self) -> None:
        """Nothing more is watched. Done by itself when the attached session closes."""
        if self._over:
            return
        self._live.closing = True  # if nobody looks, only what was listened to is undone
        super().close()
        self._over = True
        self._guard(lambda: self._moves.follow(None))
        self._link.remove(self, failed=self._failed)

    def _ended(self, event: Any) -> None:
        self._failed = getattr(event.reason, "value", None) == "error"
        self.close()

    # --- what the link asks

    def announced(self) -> bytes:
        """What the hub is told of it, whoever looks."""
        told = {"label": self._label, "group": self._group, "began": round(self._begun, 3)}
        mode = self._stream.header.get("mode", "")
        return control("call", call=self.id, mode=mode, words=self._transcripts, **told)

    def look(self) -> None:
        """Somebody begins to look, or nobody looks any more: write how it stands, or stop."""
        loop = self._loop
        if loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed
                loop.call_soon_threadsafe(self._guard, self._look_around)

    def _look_around(self) -> None:
        if self._over:
            return
        if self.looked_at:
            self._write("watch", "looks", {})
        else:
            self._moves.follow(None)

    # --- writing

    @property
    def looked_at(self) -> bool:
        """Whether lines go anywhere."""
        return self._link.looking and not self._over

    def _find_loop(self) -> None:
        with contextlib.suppress(RuntimeError):
            self._loop = asyncio.get_running_loop()

    def _write(self, by: str, kind: str, fields: Mapping[str, Any]) -> None:
        super()._write(by, kind, fields)
        if self.looked_at:
            self._moves.follow(self._controller())

    def _move(self, kind: str, **fields: Any) -> None:
        if self.looked_at:
            self._guard(lambda: self._lines.write("machine", kind, told(fields)))

    def begins(self) -> None:
        """The first line since somebody began to look: the header goes before it."""
        if self._seen == self._link.looked:
            return
        first, self._seen = self._seen == 0, self._link.looked
        header = {"trace": NAME, "version": VERSION, **self._stream.header}
        # What was before nobody saw: only a call that was looked at from its first moment is whole.
        if not first or self._live.missed:
            header["partial"] = True
        self._link.send(self.id, self._live.now(), dumps(header))
        if self._loop is None:
            self._find_loop()

    def sends(self, line: str) -> None:
        """A line."""
        self._link.send(self.id, self._live.now(), line)


class _Stream(TraceWriter):
    """Writes to the link instead of a file, line by line."""

    def __init__(self, call: Watching) -> None:
        self._call = call
        self.header: dict[str, Any] = {}

    @property
    def open(self) -> bool:
        return self._call.looked_at

    @property
    def pending(self) -> bool:
        return False

    def write(self, fields: Fields) -> None:
        if not self._call.looked_at:
            return
        try:
            line = text_of(fields)
        except Exception:
            return
        self._call.begins()
        self._call.sends(line)

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """There is nothing to close."""


class _LiveLines(Lines):
    """Lines that are taken only while somebody looks."""

    flush_after = 0.2  # seconds; somebody looks at what is heard

    def __init__(self, writer: TraceWriter, call: Watching) -> None:
        self._call = call
        self._ended = False
        self.closing = False
        #: Something happened while nobody looked.
        self.missed = False
        super().__init__(writer)

    @property
    def closed(self) -> bool:
        """Whether nobody looks, or it is over."""
        if self._ended:
            return True
        if self._call.looked_at or self.closing:
            return False
        self.missed = True
        return True

    @closed.setter
    def closed(self, value: bool) -> None:
        self._ended = value
