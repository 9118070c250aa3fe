"""`realtime-fsm serve` as a process of its own."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_COMMAND = [sys.executable, "-c", "from realtime_fsm.cli import main; main()", "serve"]
_START = "realtime-fsm: listening on "
_PATIENCE = 60.0  # seconds for the process to end


@dataclass
class Serving:
    """A server that runs. *url* is its base URL; the rest is known after :meth:`stop`."""

    process: subprocess.Popen[str]
    url: str
    out: str = ""
    err: str = ""

    @property
    def socket_url(self) -> str:
        return self.url.replace("http://", "ws://")

    def stop(self, number: int = signal.SIGINT) -> int:
        """Stop it by a signal; return its exit code."""
        self.process.send_signal(number)
        self.out, self.err = self.process.communicate(timeout=_PATIENCE)
        return self.process.returncode

    def logged(self, direction: str) -> list[str]:
        """The types of the events that --log wrote."""
        columns = [line.split() for line in self.out.splitlines()]
        return [c[4] for c in columns if len(c) > 4 and c[3] == direction]


@contextlib.contextmanager
def serving(*options: str) -> Iterator[Serving]:
    """Run the command on a free port of loopback until the block ends."""
    process = subprocess.Popen(
        [*_COMMAND, "--port", "0", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith(_START), line + process.communicate(timeout=_PATIENCE)[1]
        yield Serving(process, line.removeprefix(_START).split()[0])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate(timeout=_PATIENCE)


def script_file(folder: Path, replies: list[Any]) -> str:
    path = folder / "script.json"
    path.write_text(json.dumps(replies), "utf-8")
    return str(path)
