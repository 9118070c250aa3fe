"""A user who types into LiveKit's own console, in a terminal of their own."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import struct
import termios
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

_CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
#: From here on it is listened to: what is typed before a session began is never answered.
_BEGUN = "using transcript io"
#: The console looks for a sound card even when the user types.
_NO_SOUND_CARD = "def query_devices(device=None, kind=None): return {'name': 'none'}\n"


class Terminal:
    """What was shown so far, without colors."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._bytes = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor, self._read)

    @property
    def text(self) -> str:
        return _CODES.sub("", self._bytes.decode(errors="replace"))

    def _read(self) -> None:
        try:
            self._bytes += os.read(self._descriptor, 65536)
        except OSError:  # the other end is closed
            self.close()

    def close(self) -> None:
        self._loop.remove_reader(self._descriptor)

    async def shows(self, words: str, *, seconds: float = 40.0) -> None:
        if not await self._shows(words, seconds):
            raise AssertionError(f"{words!r} is not shown:\n{self.text[-3000:]}")

    async def types(self, line: str) -> None:
        """Until it is taken: the console throws away what is typed while it draws."""
        taken = f"● You\r\n    {line}"
        await self.shows(_BEGUN)
        for _ in range(20):
            os.write(self._descriptor, line.encode() + b"\r")
            if await self._shows(taken, 2.0):
                return
        raise AssertionError(f"{line!r} is not taken:\n{self.text[-3000:]}")

    async def _shows(self, words: str, seconds: float) -> bool:
        for _ in range(round(seconds / 0.05)):
            if words in self.text:
                return True
            await asyncio.sleep(0.05)
        return False


@asynccontextmanager
async def console(*command: str, env: Mapping[str, str], folder: Path) -> AsyncIterator[Terminal]:
    """*command* in a terminal; at the end it is interrupted, and has to end by itself."""
    (folder / "sounddevice.py").write_text(_NO_SOUND_CARD, "utf-8")
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 300, 0, 0))
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, **env, "PYTHONPATH": str(folder), "TERM": "xterm"},
    )
    os.close(theirs)
    terminal = Terminal(ours)
    try:
        yield terminal
        process.send_signal(signal.SIGINT)
        await asyncio.wait_for(process.wait(), 30)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
        terminal.close()
        os.close(ours)
