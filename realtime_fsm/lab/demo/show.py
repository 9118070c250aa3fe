"""Shows calls as they run, and then the figures side by side. Plain, and at most 80 columns."""

from __future__ import annotations

import textwrap

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..._core import commands as cmd
from . import moments as m
from .calls import Call
from .result import NAMES, Mode, Result

__all__ = ["Show", "demo_console", "finding"]

_WIDTH = 80
_STYLES = {
    "caller": "bold",
    "turn": "cyan",
    "recovery": "yellow",
    "sound": "green",
    "handle": "",
    "error": "red",
    "hangs up": "dim",
}


def demo_console(*, stderr: bool = False) -> Console:
    """A console on standard output or error, no wider than the demo is meant to be."""
    console = Console(highlight=False, stderr=stderr)
    console.width = min(console.width, _WIDTH)
    return console


class Show:
    """Prints a demo to *console*. An instance shows one call after another."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._arrow = "→" if console.encoding.lower().startswith("utf") else "->"
        self._numbered = False
        self._labels: dict[int, str] = {}

    # --- while it runs

    def intro(self, calls: int) -> None:
        """Say what follows."""
        self._say(
            f"{calls} short calls, each twice: with the plain LiveKit realtime model, then with"
            " the same model inside ControlledRealtimeModel. The server is simulated on this"
            " machine; sound is played in memory, in real time. Times are seconds since the"
            " call's first question."
        )

    def begin(self, call: Call) -> None:
        """Begin a call without a word."""
        self._numbered = len(call.questions) > 1
        self._labels = {}

    def call(self, number: int, call: Call) -> None:
        """Begin a call."""
        self.begin(call)
        head = Text(f"\n{number}. {call.name}", style="bold")
        self._console.print(head.append(f": {call.title}", style="not bold"))

    def mode(self, mode: Mode) -> None:
        """Begin one of its two runs."""
        self._labels = {}
        self._console.print(Text(f"\n   {NAMES[mode]}", style="underline"))

    def moment(self, t: float, moment: m.Moment) -> None:
        """Show what happened *t* seconds after the first question."""
        if isinstance(moment, m.Asked):
            barge_in = "interrupts: " if moment.barge_in else ""
            self._line(t, "caller", f'{barge_in}"{moment.text}"')
        elif isinstance(moment, m.Moved):
            self._moved(t, moment)
        elif isinstance(moment, m.Recovers):
            plan = moment.plan
            text = f"{plan.reason.code or plan.reason.kind.value}; retrying in {plan.wait:.1f} s"
            self._line(t, "recovery", text)
        elif isinstance(moment, m.Ended):
            state = "failed" if moment.end.error else "done"
            why = moment.end.error.code if moment.end.error else None
            text = f"{self._arrow} {state}, {why or moment.end.outcome.value}"
            self._line(t, "turn", text, moment.turn)
        elif isinstance(moment, m.SoundStarted):
            self._line(t, "sound", "starts")
        elif isinstance(moment, m.SoundEnded):
            how = "is cut off" if moment.cut else "ends"
            self._line(t, "sound", f"{how}, {moment.seconds:.2f} s heard")
        elif isinstance(moment, m.HandleDone):
            how = "done, interrupted" if moment.interrupted else "done"
            self._line(t, "handle", f"{how}, exception {moment.exception}", moment.number)
        elif isinstance(moment, m.ErrorReported):
            kind = "recoverable" if moment.recoverable else "not recoverable"
            self._line(t, "error", f"{moment.text} ({kind})")
        elif isinstance(moment, m.HungUp):
            self._line(t, "hangs up", "")

    def _moved(self, t: float, moved: m.Moved) -> None:
        move = moved.move
        if move.dest.value in ("done", "failed") or move.event == "BACKOFF_OVER":
            return  # said by what follows it at once: the turn's end, or its request
        if move.event == "LANE_FREE":
            again = f", attempt {move.attempt}" if move.attempt > 1 else ""
            self._show_state(t, moved.turn, "requested", f"{again} (response.create sent)")
        elif move.label != self._labels.get(moved.turn):
            self._show_state(t, moved.turn, move.label, _beside(move))

    def _show_state(self, t: float, turn: int, label: str, beside: str) -> None:
        arrow = f"{self._arrow} " if turn in self._labels else ""
        self._labels[turn] = label
        self._line(t, "turn", f"{arrow}{label}{beside}", turn)

    def _line(self, t: float, kind: str, text: str, number: int | None = None) -> None:
        name = f"{kind} {number}" if number is not None and self._numbered else kind
        head = f"   {t:6.2f}  {name:<9} "
        room = max(20, self._console.width - len(head))
        for line in textwrap.wrap(text, room) or [""]:
            shown = Text(head.rstrip() if not line else head, style="dim" if not line else "")
            self._console.print(shown.append(line, style=_STYLES[kind]), soft_wrap=True)
            head = " " * len(head)

    # --- at the end

    def table(self, results: list[tuple[Result, Result]]) -> None:
        """Show the figures of each call, (plain, controlled)."""
        table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, expand=True)
        table.add_column("", no_wrap=True)
        table.add_column(NAMES["plain"], ratio=1)
        table.add_column(NAMES["controlled"], ratio=1)
        for number, pair in enumerate(results, 1):
            table.add_row(Text(f"{number}. {pair[0].call}", style="bold"))
            for name, *cells in _rows(pair):
                table.add_row(f"  {name}", *cells)
            table.add_section()
        self._console.print()
        self._console.print(table)
        self._say(
            "Silence: from a question to the first sound, or between sounds; (*) no sound came"
            " before the caller hung up. Remembers: what the model knows of its own messages."
            " Shows: what LiveKit's history has of them. ! marks what differs from what was heard."
        )

    def finding(self, results: list[tuple[Result, Result]]) -> None:
        """Say what the figures say."""
        self._console.print()
        self._say(finding(results), style="bold")

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(Text(textwrap.fill(text, self._console.width), style=style))


def _beside(move: cmd.TurnMoved) -> str:
    return {
        "CONNECTION_LOST": " (connection lost)",
        "RESPONSE_FAILED": " (response failed)",
    }.get(move.event, "")


def _rows(pair: tuple[Result, Result]) -> list[tuple[str | Text, ...]]:
    rows: list[tuple[str | Text, ...]] = [
        ("heard", *(f"{r.heard_seconds:.2f} s" for r in pair)),
        ("longest silence", *(_silence(r) for r in pair)),
        ("creates", *(str(r.creates) for r in pair)),
        ("collisions", *(_bad(str(r.collisions), r.collisions > 0) for r in pair)),
        ("exceptions", *(_lines(r.exceptions) for r in pair)),
        ("error events", *(_lines(r.error_events) for r in pair)),
        ("remembers", *(_memory(r) for r in pair)),
        ("shows", *(_shown(r) for r in pair)),
    ]
    if any(r.logged_errors.get("realtime_fsm") for r in pair):
        ours = (r.logged_errors.get("realtime_fsm", 0) for r in pair)
        rows.append(("our errors logged", *(_bad(str(n), n > 0) for n in ours)))
    if not all(answer.done for r in pair for answer in r.answers):
        never = (sum(not answer.done for answer in r.answers) for r in pair)
        rows.append(("handles never done", *(_bad(str(n), n > 0) for n in never)))
    return rows


def _bad(text: str, bad: bool) -> Text:
    return Text(text, style="red" if bad else "")


def _silence(result: Result) -> Text:
    worst = max(result.answers, key=lambda answer: answer.silence)
    unanswered = worst.first_sound is None
    return _bad(f"{worst.silence:.2f} s{' (*)' if unanswered else ''}", unanswered)


def _lines(codes: tuple[str, ...]) -> Text:
    # A code is one long word; its parts wrap better.
    return Text("\n".join(code.replace("_", " ") for code in codes) or "-")


def _memory(result: Result) -> Text:
    lines = [
        _bad(f'{"" if right else "! "}{item.seconds:.2f} s "{item.text}"', not right)
        for item, right in result.memory
    ]
    forgotten = len(result.heard) - sum(right for _, right in result.memory)
    if forgotten:
        lines.append(_bad(f"! {_count(forgotten, 'message')} heard, not remembered so", True))
    return Text("\n").join(lines) if lines else Text("-")


def _shown(result: Result) -> Text:
    lines = [_bad(f'{"" if right else "! "}"{text}"', not right) for text, right in result.shown]
    return Text("\n").join(lines) if lines else Text("-")


def finding(results: list[tuple[Result, Result]]) -> str:
    """What the figures of all calls, (plain, controlled), come to."""
    questions = sum(len(plain.answers) for plain, _ in results)
    return " ".join(
        _sum_up(NAMES[mode], [pair[index] for pair in results], questions)
        for index, mode in enumerate(NAMES)
    )


def _sum_up(name: str, results: list[Result], questions: int) -> str:
    unanswered = [answer for result in results for answer in result.unanswered]
    silent = sum(answer.exception is None for answer in unanswered)
    collisions = sum(result.collisions for result in results)
    wrong = sum(not result.memory_is_right for result in results)
    worst = max(result.longest_silence for result in results)
    answered = f"{questions - len(unanswered)} of {questions} questions answered"
    lost = f" ({silent} lost without an exception)" if silent else ""
    return (
        f"{name[0].upper()}{name[1:]}: {answered}{lost}, longest silence {worst:.2f} s,"
        f" {_count(collisions, 'collision')}, memory wrong in {wrong} of {len(results)} calls."
    )


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"
