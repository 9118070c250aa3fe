"""The demo in a terminal: each call in both modes at once, side by side, as it happens."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

from rich.columns import Columns
from rich.console import Console, ConsoleOptions, Group, RenderResult
from rich.live import Live
from rich.panel import Panel
from rich.text import Text

from . import moments as m
from .calls import Call
from .result import MODES, NAMES, Mode
from .show import Show

__all__ = ["LiveCall", "can_be_live"]

NARROWEST = 80
WIDEST = 150
_LINES = 20  # of what happened, in a pane: all of the longest call
_AROUND = 8  # lines of the screen that a pane needs besides
_PER_SECOND = 15
_STATES = {
    "requested": "cyan", "created": "cyan", "streaming": "bold green", "retry_wait": "bold yellow",
    "cancelling": "bold magenta", "done": "green", "failed": "bold red",
}  # fmt: skip


def can_be_live(console: Console) -> bool:
    """Whether there is a terminal, wide enough for two panes."""
    return console.is_terminal and not console.is_dumb_terminal and console.width >= NARROWEST


class LiveCall:
    """A call on the screen, from :meth:`__enter__` on; it stays there when it is over."""

    def __init__(self, console: Console, number: int, call: Call) -> None:
        width = min(console.width, WIDEST)
        self._call = call
        self._title = f"{number}. {call.name}"
        self._panes = [_Pane(mode, call, (width - 1) // 2, console) for mode in MODES]
        self._live = Live(self, console=console, refresh_per_second=_PER_SECOND)

    @property
    def observers(self) -> tuple[m.Observer, m.Observer]:
        """To be told what happens in plain LiveKit, and controlled."""
        plain, controlled = self._panes
        return plain.moment, controlled.moment

    def __enter__(self) -> LiveCall:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        head = Text(f"\n{self._title}", style="bold")
        yield head.append(f": {self._call.title}", style="not bold")
        yield Columns([pane.panel() for pane in self._panes], padding=(0, 0, 0, 1))


class _Pane:
    """One of the two: the turn's state, what the user hears, what happened."""

    def __init__(self, mode: Mode, call: Call, width: int, console: Console) -> None:
        self._mode = mode
        self._seconds = call.seconds
        self._width = width
        self._signs = ("█", "·", "▲", "✕") if _speaks_utf(console) else ("#", ".", "^", "x")
        self._told = io.StringIO()
        self._show = Show(_quiet(self._told, width - 4, console))
        self._show.begin(call)
        # What is higher than the screen cannot be drawn in place.
        self._height = max(1, min(_LINES, console.height - _AROUND))
        self._state = Text("nothing asked yet", style="dim")
        self._began: float | None = None
        self._now = 0.0
        self._over = False
        self._asked: list[float] = []
        self._sounds: list[tuple[float, float | None]] = []
        self._cuts: list[float] = []

    def moment(self, t: float, moment: m.Moment) -> None:
        """Take note of what happened *t* seconds after the first question."""
        if self._began is None:
            self._began = time.monotonic() - t
        self._now = t
        self._show.moment(t, moment)
        if isinstance(moment, m.Asked):
            self._asked.append(t)
            if self._mode == "plain" or len(self._asked) == 1:
                self._state = Text("asked", style="cyan")
        elif isinstance(moment, m.Moved):
            self._state = Text(moment.move.label, style=_STATES[moment.move.dest.value])
        elif isinstance(moment, m.Ended):
            style = _STATES["failed" if moment.end.error else "done"]
            self._state = Text(moment.end.outcome.value, style=style)
        elif isinstance(moment, m.SoundStarted):
            self._sounds.append((t, None))
            if self._mode == "plain":
                self._state = Text("speaking", style="bold green")
        elif isinstance(moment, m.SoundEnded):
            if self._sounds and self._sounds[-1][1] is None:
                self._sounds[-1] = (self._sounds[-1][0], t)
            if moment.cut:
                self._cuts.append(t)
        elif isinstance(moment, (m.HandleDone, m.ErrorReported)):
            self._handle(moment)
        elif isinstance(moment, m.HungUp):
            self._over = True

    def _handle(self, moment: m.HandleDone | m.ErrorReported) -> None:
        if self._mode == "plain" and isinstance(moment, m.HandleDone):
            error = moment.exception
            self._state = Text(error or "handle done", style="bold red" if error else "green")

    def panel(self) -> Panel:
        """The pane as it is now."""
        now = self._now
        if self._began is not None and not self._over:
            now = time.monotonic() - self._began
        name = "turn   " if self._mode == "controlled" else "call   "
        clock = Text(f"{now:5.1f} s", style="dim")
        state = Text.assemble((name, "dim"), self._state)
        state.truncate(self._width - 13, overflow="ellipsis", pad=True)
        hears = Text.assemble(("hears  ", "dim"), self._bar(now))
        inside = Group(state.append_text(clock), hears, Text(""), *self._lines())
        border = "green" if self._mode == "controlled" else "blue"
        title = Text(NAMES[self._mode], style="bold")
        return Panel(
            inside, title=title, title_align="left", width=self._width, border_style=border
        )

    def _bar(self, now: float) -> Text:
        """The call from left to right: sound, silence, and what is still to come."""
        sound, silence, asked, cut = self._signs
        cells = self._width - 11
        step = max(self._seconds, self._now) / cells
        bar = Text()
        for n in range(cells):
            begin, end = n * step, (n + 1) * step
            if any(begin <= t < end for t in self._cuts):
                bar.append(cut, style="bold red")
            elif any(a < end and begin < (now if b is None else b) for a, b in self._sounds):
                bar.append(sound, style="green" if begin <= now else "")
            elif any(begin <= t < end for t in self._asked):
                bar.append(asked, style="bold cyan")
            else:
                bar.append(silence if begin <= now else " ", style="dim")
        return bar

    def _lines(self) -> Iterator[Text]:
        lines = self._told.getvalue().splitlines()
        shown = [Text.from_ansi(line) for line in lines[-self._height :]]
        yield from shown
        yield from (Text("") for _ in range(self._height - len(shown)))


def _quiet(file: io.StringIO, width: int, console: Console) -> Console:
    """A console that writes to *file* as *console* would to its terminal."""
    return Console(
        file=file,
        width=width,
        highlight=False,
        force_terminal=True,
        no_color=console.no_color,
        color_system="standard" if console.color_system else None,
        legacy_windows=False,
    )


def _speaks_utf(console: Console) -> bool:
    return console.encoding.lower().startswith("utf")
