"""A call, as the hub keeps it: its lines in a file that nobody else can open, and how it stands."""

from __future__ import annotations

import asyncio
import io
import json
import tempfile
from collections.abc import Mapping
from typing import IO, Any, Literal

from ..report import Group, Side, collect, page
from ..report._values import text as clean
from ._story import LiveStory

__all__ = ["MOST_BYTES", "State", "WatchedCall", "line_of", "report_of"]

#: Of one call; about a day of talking. What comes then is shown, and not kept.
MOST_BYTES = 64 * 1024 * 1024
_HEAD = 120  # bytes of a line that tell what it is
_AT_ONCE = 500  # lines that are read before others have their turn

#: ``lost``: its process died, or lost the hub. ``unseen``: it runs, and nobody has looked yet.
State = Literal["live", "ended", "failed", "lost"]
_ENDED = ("ended", "failed", "lost")


class WatchedCall:
    """See the module.

    Attributes:
        id: names it.
        number: in the order in which they were announced.
        owner: the connection that it comes by.
        state: how it stands.
        changed: counts changes of what the list tells of it.
        lines: how many came.
    """

    def __init__(self, id: str, number: int, told: Mapping[str, Any]) -> None:
        self.id, self.number = id, number
        self.owner: object = None
        self.label = clean(told.get("label"), 80)
        self.group = clean(told.get("group"), 80)
        self.mode = clean(told.get("mode"), 20)
        self.words = told.get("words") is True
        began = told.get("began")
        self.began = float(began) if isinstance(began, (int, float)) else 0.0
        speed = told.get("speed")
        self.speed = float(speed) if isinstance(speed, (int, float)) and 0 < speed < 1000 else 1.0
        self.program = ""
        self.pid = 0
        self.state: State = "live"
        self.changed = 1
        self.lines = 0
        self.dropped = 0
        self.bytes = 0
        self._file: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `close`
        self._open: dict[str, str] = {}
        self._turns: set[str] = set()
        self._counts = {"recovered": 0, "failed": 0}
        self._recovered: set[str] = set()
        self._waits = ""
        self._story: LiveStory | None = None
        self._reading: asyncio.Lock = asyncio.Lock()

    # --- what comes

    def take(self, raw: bytes) -> None:
        """One line of its trace."""
        self.lines += 1
        if self.bytes + len(raw) < MOST_BYTES:
            self.bytes += self._file.write(raw + b"\n")
        else:
            self.dropped += 1
        if b'"turn"' in raw[:_HEAD]:
            self._turn(line_of(raw))
        elif self.mode not in ("control", "observe"):
            self._frame(raw)
        if self._story is not None:
            self._story.feed(raw)

    def became(self, state: State) -> None:
        """It is over, or not any more."""
        if state != self.state:
            self.state = state
            self.changed += 1

    def _turn(self, value: Mapping[str, Any]) -> None:
        """What the list tells of turns."""
        if value.get("by") != "turn":
            return
        turn, kind = clean(value.get("turn")), value.get("type")
        if kind == "moved":
            self._turns.add(turn)
            self._open[turn] = clean(value.get("dest"))
            if value.get("dest") in ("done", "failed"):
                del self._open[turn]
        elif kind == "recovering":
            self._recovered.add(turn)
            self._waits = clean(value.get("code")) or clean(value.get("kind"))
        elif kind == "ended":
            self._open.pop(turn, None)
            if value.get("outcome") == "failed":
                self._counts["failed"] += 1
            elif value.get("outcome") == "completed" and turn in self._recovered:
                self._counts["recovered"] += 1
            self._recovered.discard(turn)
        self.changed += 1

    def _frame(self, raw: bytes) -> None:
        """Plain LiveKit has no turns: its responses are counted."""
        if b'"response.created"' in raw[:_HEAD]:
            self._turns.add(str(len(self._turns)))
            self.changed += 1
        elif b'"response.done"' in raw[:_HEAD]:
            response = line_of(raw).get("event", {})
            response = response.get("response") if isinstance(response, dict) else None
            if isinstance(response, dict) and response.get("status") == "failed":
                self._counts["failed"] += 1
                self.changed += 1

    # --- what is told

    @property
    def mark(self) -> int:
        """What of `row` a viewer has, as a number that changes with it."""
        return 2 * self.changed + (self.lines > 0)

    @property
    def over(self) -> bool:
        """Whether nothing more comes of it, as far as is known."""
        return self.state in _ENDED

    def row(self) -> dict[str, Any]:
        """What the list tells."""
        waits = [turn for turn, state in self._open.items() if state == "retry_wait"]
        now = next(reversed(self._open.values()), "") if not self.over else ""
        return {
            "id": self.id,
            "number": self.number,
            "label": self.label,
            "group": self.group,
            "mode": self.mode,
            "program": self.program,
            "pid": self.pid,
            "began": self.began,
            "speed": self.speed,
            "state": self.state,
            "seen": self.lines > 0,
            "now": now,
            "recovering": self._waits if waits and not self.over else "",
            "turns": len(self._turns),
            **self._counts,
        }

    async def story(self) -> LiveStory:
        """What the page draws. It is read when somebody first asks, and goes on with each line."""
        async with self._reading:
            if self._story is None:
                story = LiveStory()
                self._file.flush()
                done = 0
                while True:
                    # What came meanwhile is at the end of the same file.
                    lines = await self._lines(done)
                    if not lines:
                        break
                    for at in range(0, len(lines), _AT_ONCE):
                        for raw in lines[at : at + _AT_ONCE]:
                            story.feed(raw)
                        await asyncio.sleep(0)
                    done += len(lines)
                self._story = story
            return self._story

    async def _lines(self, after: int) -> list[bytes]:
        return self.trace().splitlines()[after:]

    def more(self, at: int, size: int) -> tuple[bytes, int]:
        """Whole lines from a place in the file on, about so many bytes, and the place after them."""
        if at >= self.bytes:
            return b"", at
        end = self._file.tell()
        self._file.seek(at)
        data = self._file.read(size)
        if len(data) == size:
            data += self._file.readline()
        self._file.seek(end)
        return data, at + len(data)

    def trace(self) -> bytes:
        """All lines that are kept."""
        at = self._file.tell()
        self._file.seek(0)
        found = self._file.read()
        self._file.seek(at)
        return found

    def close(self) -> None:
        """Forget it."""
        self._file.close()


def report_of(name: str, trace: bytes) -> str:
    """The report of a call, as far as it is."""
    side = collect(io.BytesIO(trace), name)
    if not side.lines:
        side = Side(name, notes=["nobody looked while it ran"])
    return page(name, [Group(name, [side])])


def line_of(raw: bytes) -> Mapping[str, Any]:
    """A line of a trace, whatever it is; nothing if it is none."""
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
