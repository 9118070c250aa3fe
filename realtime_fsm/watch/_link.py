"""The way from a call's process to the hub: a thread, so that nothing of it can hold a call."""

from __future__ import annotations

import atexit
import contextlib
import multiprocessing.util
import os
import selectors
import socket
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from pathlib import Path
from typing import Protocol

from ._wire import control, of_call, parsed

__all__ = ["MOST", "Link", "Linked", "NoLink", "link_to"]

#: Bytes that wait for the hub at most; what comes then is counted, and not sent.
MOST = 4 * 1024 * 1024
_TOGETHER = 0.02  # seconds that a line waits for others
_DEAD = 10.0  # seconds; a hub that takes nothing for so long is given up
_AGAIN = (0.2, 0.5, 1.0, 2.0, 5.0)  # seconds between two attempts to find it
_START = 10.0  # seconds that a hub has to start
_LAST = 1.0  # seconds that a process which ends waits for its last lines to be taken


class Linked(Protocol):
    """A call on a link."""

    id: str

    def announced(self) -> bytes:
        """What the hub is told of it, whoever looks."""

    def look(self) -> None:
        """Somebody begins to look, or nobody looks any more. From the link's thread."""


class Link:
    """See `link_to`. Methods may be called from any thread, never wait and never raise."""

    def __init__(self, path: Path, *, start: bool) -> None:
        self.path = path
        #: How often somebody began to look, and whether somebody does. Until the hub answers
        #: nobody knows, and the beginning of a call is kept for it.
        self.looked = 1
        self.looking = True
        self._start = start
        self._lock = threading.Lock()
        self._calls: dict[str, Linked] = {}
        self._waiting: deque[bytes] = deque()
        self._size = 0
        self._missed: Counter[str] = Counter()
        self._woken = threading.Event()
        self._pipe: int | None = None
        self._thread: threading.Thread | None = None
        self._connected = False

    # --- calls

    def add(self, call: Linked) -> None:
        """Tell the hub of a call, until `remove`."""
        with self._lock:
            self._calls[call.id] = call
            if self._connected:
                self._put(call.announced())
            if self._thread is None:
                self._thread = threading.Thread(
                    target=self._run, name="realtime-fsm watch", daemon=True
                )
                self._thread.start()
        self._wake()

    def remove(self, call: Linked, *, failed: bool = False) -> None:
        """The call is over."""
        with self._lock:
            if self._calls.pop(call.id, None) is not None and self._connected:
                self._put(control("over", call=call.id, failed=failed))
            self._missed.pop(call.id, None)
        self._wake()

    def send(self, call: str, t: float, line: str) -> None:
        """A line of a call's trace. Too many of them are counted instead."""
        if not self.looking:
            return
        data = of_call(call, line)
        with self._lock:
            if self._size + len(data) > MOST or (self._missed and self._size > MOST // 2):
                self._missed[call] += 1
                return
            if missed := self._missed.pop(call, 0):
                told = f'{{"t":{t},"by":"watch","type":"missed","lines":{missed}}}'
                self._put(of_call(call, told))
            self._put(data)
        self._wake()

    def flush(self, seconds: float = _LAST) -> None:
        """Wait until what was sent is taken, or so long. For a process that ends."""
        until = time.monotonic() + seconds
        while self._connected and self._waiting and time.monotonic() < until:
            self._wake()
            time.sleep(0.005)

    def _put(self, data: bytes) -> None:
        self._waiting.append(data)
        self._size += len(data)

    def _wake(self) -> None:
        if self._woken.is_set():
            return
        self._woken.set()
        with self._lock, contextlib.suppress(OSError):
            if self._pipe is not None:  # whoever closes it takes it away first
                os.write(self._pipe, b".")

    # --- its thread

    def _run(self) -> None:
        failures = 0
        while not self._over():
            found = self._connect()
            if found is None:
                self._lose()  # nobody looks
                self._woken.clear()
                self._woken.wait(_AGAIN[min(failures, len(_AGAIN) - 1)])
                failures += 1
                continue
            failures = 0
            with found, contextlib.suppress(OSError):
                if self._talk(found):
                    return
            self._lose()

    def _over(self) -> bool:
        """Whether there is nothing left to do. Then the next call starts another thread, and knows
        nothing of who looks."""
        with self._lock:
            if self._calls or (self._waiting and self._connected):
                return False
            self._thread = None
            self._forget()
            self.looked += 1
            self.looking = True
            return True

    def _forget(self) -> None:
        self._connected = False
        self._waiting.clear()
        self._size = 0
        self._missed.clear()

    def _connect(self) -> socket.socket | None:
        found = _connected(self.path)
        if found is None and self._start:
            self._start = False  # once: one that ends by itself is not wanted
            _start_hub()
            until = time.monotonic() + _START
            while found is None and time.monotonic() < until:
                time.sleep(0.05)
                found = _connected(self.path)
        return found

    def _talk(self, found: socket.socket) -> bool:
        """Carry lines until there are none any more (True), or the hub is gone."""
        found.settimeout(_DEAD)
        hello = {"pid": os.getpid(), "program": Path(sys.argv[0] if sys.argv else "").name}
        with self._lock:
            self._connected = True
            first = [control("hello", **hello), *(c.announced() for c in self._calls.values())]
            self._waiting.extendleft(reversed(first))  # before what was kept
            self._size += sum(map(len, first))
        read, write = os.pipe()
        os.set_blocking(write, False)
        with self._lock:
            self._pipe = write
        heard = b""
        ready = selectors.DefaultSelector()
        try:
            ready.register(found, selectors.EVENT_READ)
            ready.register(read, selectors.EVENT_READ)
            while not self._over():
                if not self._waiting:
                    which = {key.fd for key, _ in ready.select()}
                    if found.fileno() in which:
                        more = found.recv(65_536)
                        if not more:
                            return False
                        *lines, heard = (heard + more).split(b"\n")
                        for line in lines:
                            self._told(line)
                    if read in which:
                        os.read(read, 4096)
                        time.sleep(_TOGETHER)
                self._woken.clear()  # what comes from here on wakes anew
                self._deliver(found)
            return True
        finally:
            with self._lock:
                if self._pipe == write:  # the next thread may have its own by now
                    self._pipe = None
            ready.close()
            os.close(read)
            os.close(write)

    def _deliver(self, found: socket.socket) -> None:
        with self._lock:
            data = b"".join(self._waiting)
            count = len(self._waiting)
        if not data:
            return
        found.sendall(data)
        with self._lock:
            # Only now: `flush` waits until it is taken.
            for _ in range(count):
                self._size -= len(self._waiting.popleft())

    def _told(self, line: bytes) -> None:
        value = parsed(line)
        if isinstance(value, dict) and value.get("say") == "look":
            self._look(value.get("on") is True)

    def _look(self, on: bool) -> None:
        if on is self.looking:
            return
        self.looked += on
        self.looking = on
        with self._lock:
            calls = list(self._calls.values())
        for call in calls:
            call.look()

    def _lose(self) -> None:
        """There is no hub, or not any more."""
        with self._lock:
            self._forget()
        self._look(False)


class NoLink(Link):
    """Of calls that nobody can watch here."""

    def __init__(self) -> None:
        super().__init__(Path(), start=False)
        self.looking = False

    def add(self, call: Linked) -> None:
        """There is nobody to tell."""

    def remove(self, call: Linked, *, failed: bool = False) -> None:
        """Likewise."""


def _connected(path: Path) -> socket.socket | None:
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    made.settimeout(1.0)
    try:
        made.connect(str(path))
    except OSError:
        made.close()
        return None
    return made


def _start_hub() -> None:
    """A hub of its own process; of two that start at once one ends by itself.

    By a shell that ends at once, so that it is no child of ours: it outlives this process, and whoever
    ends a child has to be waited for.
    """
    with contextlib.suppress(OSError):
        subprocess.run(
            ["/bin/sh", "-c", '"$0" -m realtime_fsm.watch &', sys.executable],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            check=False,
        )


_links: dict[tuple[int, Path], Link] = {}


def link_to(path: Path, *, start: bool = False) -> Link:
    """The link of this process to the hub with that socket.

    Args:
        path: the socket.
        start: whether a hub is started if there is none.
    """
    key = (os.getpid(), path)  # a fork has no thread of it
    link = _links.get(key)
    if link is None:
        link = _links[key] = Link(path, start=start)
        atexit.register(link.flush)
        # A process of multiprocessing, as LiveKit's are, ends without `atexit`.
        multiprocessing.util.Finalize(None, link.flush, exitpriority=10)
    return link
