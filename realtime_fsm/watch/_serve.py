"""A hub with its page: around a worker, in a thread of a command, or as a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

from ._hub import Hub
from ._place import HUB, WatchError, folder, token
from ._web import Web

__all__ = ["Local", "own_socket", "run_hub", "serving"]

_IDLE = 30.0  # seconds that the user's hub stays without calls and viewers
_LOOK = 1.0  # seconds between two looks at that


def own_socket() -> Path:
    """A path for the socket of a hub that belongs to this process.

    Raises:
        WatchError: There is no place for it.
    """
    return folder() / f"{os.getpid()}-{secrets.token_hex(3)}.sock"


@contextlib.asynccontextmanager
async def serving(
    path: Path, *, host: str = "127.0.0.1", port: int | None = None
) -> AsyncIterator[tuple[Hub, Web]]:
    """A hub that takes calls at *path*, and its page.

    Args:
        path: of its socket.
        host: the address that the page is served at.
        port: as `Web.start` takes it.

    Raises:
        WatchError: It cannot be served.
    """
    hub = Hub()
    web = Web(hub, token(), host=host)
    try:
        await hub.listen(path)
    except OSError as error:
        raise WatchError(f"{path}: {error.strerror or error}") from None
    try:
        await web.start(port)
        yield hub, web
    finally:
        await web.close()
        await hub.close()


class Local:
    """A hub in a thread of this process: for a command that plays calls itself."""

    def __init__(self, *, port: int | None = None) -> None:
        self.path = own_socket()
        self.url = ""
        self._port = port
        self._hub: Hub | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ready = threading.Event()
        self._trouble: WatchError | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="realtime-fsm hub", daemon=True)

    def __enter__(self) -> Local:
        """Begin to serve.

        Raises:
            WatchError: It cannot be served.
        """
        self._thread.start()
        self._ready.wait()
        if self._trouble is not None:
            raise self._trouble
        return self

    def __exit__(self, *_: object) -> None:
        loop, stop = self._loop, self._stop
        if loop is not None and stop is not None:
            with contextlib.suppress(RuntimeError):
                loop.call_soon_threadsafe(stop.set)
        self._thread.join(5.0)

    @property
    def viewers(self) -> int:
        """How many look now."""
        return 0 if self._hub is None else self._hub.viewers

    def wait_for_viewer(self, seconds: float) -> bool:
        """Wait until somebody looks; False: nobody did, for so long."""
        until = time.monotonic() + seconds
        while not self.viewers and time.monotonic() < until:
            time.sleep(0.05)
        return self.viewers > 0

    def wait_until_nobody_looks(self) -> None:
        """Wait until the last page is closed."""
        while self.viewers:
            time.sleep(0.2)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except WatchError as error:
            self._trouble = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        async with serving(self.path, port=self._port) as (hub, web):
            self._hub, self.url = hub, web.url
            self._ready.set()
            await self._stop.wait()


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[bool]:
    """Whether no other process is within this."""
    import fcntl  # not on Windows, where this is never reached

    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True


def run_hub() -> None:
    """Be the user's hub, until no call and no viewer is left. At once over if there is one."""
    place = folder()
    with _alone(place / f"{HUB}.lock") as alone:
        if alone:
            asyncio.run(_be_hub(place))


async def _be_hub(place: Path) -> None:
    address = place / f"{HUB}.url"
    async with serving(place / HUB) as (hub, web):
        made = os.open(address, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(made, "w") as file:
            file.write(web.url)
        try:
            idle = 0.0
            while idle < _IDLE:
                await asyncio.sleep(_LOOK)
                idle = idle + _LOOK if hub.idle else 0.0
        finally:
            with contextlib.suppress(OSError):
                address.unlink()
