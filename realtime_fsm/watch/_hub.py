"""Where the calls of a user come together: takes their lines, and knows who looks."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import re
import socket
import struct
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..report._values import text as clean
from ..report._values import whole
from ._call import WatchedCall
from ._wire import LONGEST, control, parsed

__all__ = ["Hub"]

_MOST_CALLS = 500  # that are over, and are kept
_MOST_BYTES = 1024 * 1024 * 1024  # of all of them
_LINGER = 10.0  # seconds: a page that is loaded anew comes back
_BACKLOG = 256
_NAME = re.compile(r"[A-Za-z0-9_.-]{1,80}")


class Hub:
    """See the module.

    Attributes:
        calls: by id, in the order in which they were announced.
    """

    def __init__(self) -> None:
        self.calls: dict[str, WatchedCall] = {}
        self._numbers = 0
        self._sources: set[asyncio.StreamWriter] = set()
        self._viewers = 0
        self._looking = False
        self._timer: asyncio.TimerHandle | None = None
        self._changed: set[Callable[[], None]] = set()
        self._server: asyncio.AbstractServer | None = None
        self._path: Path | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    async def listen(self, path: Path) -> None:
        """Take the calls of processes that find this socket.

        Raises:
            OSError: It cannot be made, or another hub has it.
        """
        if await _answers(path):
            raise OSError(errno.EADDRINUSE, "another hub listens there", str(path))
        _remove(path)  # of a hub that was killed
        self._server = await asyncio.start_unix_server(
            self._serve, str(path), limit=LONGEST, backlog=_BACKLOG
        )
        self._path = path
        os.chmod(path, 0o600)

    async def close(self) -> None:
        """Take nothing more, and forget everything."""
        if self._timer is not None:
            self._timer.cancel()
        if self._server is not None:
            self._server.close()
        for writer in list(self._sources):
            writer.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._path is not None:
            _remove(self._path)
        for call in self.calls.values():
            call.close()
        self.calls.clear()

    @property
    def idle(self) -> bool:
        """Neither a call nor a viewer is there."""
        return not self._viewers and not self._sources

    @property
    def viewers(self) -> int:
        """How many look."""
        return self._viewers

    # --- who looks

    @contextlib.contextmanager
    def look(self, changed: Callable[[], None]) -> Iterator[None]:
        """Somebody looks meanwhile. *changed* is called when anything is new; it returns at once."""
        self._viewers += 1
        self._changed.add(changed)
        self._set_looking()
        try:
            yield
        finally:
            self._changed.discard(changed)
            self._viewers -= 1
            self._set_looking()

    def _set_looking(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._viewers and not self._looking:
            self._tell(True)
        elif not self._viewers and self._looking:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(_LINGER, self._tell, False)

    def _tell(self, on: bool) -> None:
        self._looking = on
        for writer in self._sources:
            writer.write(control("look", on=on))

    def _note(self) -> None:
        for changed in self._changed:
            changed()

    # --- calls

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            if _is_ours(writer):
                await self._take(reader, writer)
        except (OSError, ValueError):  # it is gone, or a line was too long
            pass
        except asyncio.CancelledError:
            pass  # of `close`
        finally:
            self._tasks.discard(task)
            self._sources.discard(writer)
            for call in self.calls.values():
                if call.owner is writer:
                    call.owner = None
                    if not call.over:
                        call.became("lost")
            writer.close()
            self._note()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sources.add(writer)
        writer.write(control("look", on=self._looking))
        program, pid = "", 0
        while raw := await reader.readline():
            what = parsed(raw)
            if isinstance(what, tuple):
                call = self.calls.get(what[0])
                mine = call is not None and call.owner is writer and not call.over
                # What comes before its process knows that nobody looks has no end.
                if call is not None and mine and self._looking:
                    call.take(what[1])
                    self._note()
            elif what is not None and what.get("say") == "hello":
                program, pid = clean(what.get("program"), 80), whole(what.get("pid"))
            elif what is not None and what.get("say") in ("call", "over"):
                call = self._named(what, writer)
                if call is None:
                    continue
                call.program, call.pid = program, pid
                if what["say"] == "over":
                    call.became("failed" if what.get("failed") is True else "ended")
                    self._forget()
                self._note()

    def _named(self, told: Mapping[str, Any], writer: asyncio.StreamWriter) -> WatchedCall | None:
        """The call that is told of, which is this connection's from now on."""
        name = told.get("call")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            return None
        call = self.calls.get(name)
        if call is None and told["say"] == "over":
            return None
        if call is None:
            self._numbers += 1
            call = self.calls[name] = WatchedCall(name, self._numbers, told)
        elif call.owner is not None and call.owner is not writer:
            return None
        call.owner = writer
        call.became("live")
        return call

    def _forget(self) -> None:
        """The oldest of those that are over, where there are too many."""
        over = [call for call in self.calls.values() if call.over]
        size = sum(call.bytes for call in over)
        while over and (len(over) > _MOST_CALLS or size > _MOST_BYTES):
            oldest = over.pop(0)
            size -= oldest.bytes
            del self.calls[oldest.id]
            oldest.close()


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink()


async def _answers(path: Path) -> bool:
    try:
        _, writer = await asyncio.open_unix_connection(str(path))
    except OSError:
        return False
    writer.close()
    return True


def _is_ours(writer: asyncio.StreamWriter) -> bool:
    """Whether a process of the same user is at the other end, where the system tells."""
    connection = writer.get_extra_info("socket")
    if not sys.platform.startswith("linux"):
        return True
    size = struct.calcsize("3i")
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return struct.unpack("3i", found)[1] in (os.getuid(), 0)
