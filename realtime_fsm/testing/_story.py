"""What a record says of creates, responses, items and cancels, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ..simulator.record import Record
from ..trace.check import Checker
from ..trace.format import Line, Seen
from ..trace.rule import Call, Problem, Rule, Settings
from ..trace.wire import Wire, body_of

__all__ = ["Story", "judged", "require"]

_SHOWN = 12  # events in the account of one problem


class Story(Wire):
    """The record, read from its beginning; :meth:`read` stops after each event."""

    def __init__(self, wire: Any) -> None:
        super().__init__(bounded=False)
        self.record = _record(wire)

    def read(self) -> Iterator[Record]:
        """Yield each event *before* it takes effect here."""
        for each in self.record:
            yield each
            self.apply(each)

    def all(self) -> Story:
        """Read to the end."""
        for _ in self.read():
            pass
        return self


def judged(
    rule: type[Rule], wire: Any, *, patience: float = Settings().patience
) -> tuple[Story, list[Problem]]:
    """Judge a record by a rule of ``realtime-fsm check``."""
    story = Story(wire)
    settings = Settings(unread=0.0, patience=patience)
    problems: list[Problem] = []
    call = Call(settings=settings, wire=story)
    checker = Checker(lambda _, problem: problems.append(problem), call=call, rules=[rule])
    for number, each in enumerate(story.record, 1):
        event = each.event
        checker.feed(Line(number, each.t, each.direction, each.type, each.connection, event))
    checker.end()
    return story, problems


def _record(wire: Any) -> list[Record]:
    server = getattr(wire, "server", wire)
    return list(getattr(server, "record", server))


# --- how a problem is told


def require(id: str, name: str, problems: Sequence[Problem]) -> None:
    if not problems:
        return
    lines: list[str] = []
    for problem in problems:
        lines.append(f"{id} {name}: {problem.text}")
        lines += [f"    {_line(each)}" for each in problem.events[-_SHOWN:]]
    raise AssertionError("\n".join(lines))


def _line(each: Seen) -> str:
    event = each.event
    body, item, error = (body_of(event.get(key)) for key in ("response", "item", "error"))
    shown = {
        "event_id": event.get("event_id") if each.direction == "client" else None,
        "response": event.get("response_id") or body.get("id"),
        "item": event.get("item_id") or item.get("id"),
        "status": body.get("status") if each.type == "response.done" else None,
        "call": event.get("call_id") or item.get("call_id"),
        "audio_end_ms": event.get("audio_end_ms"),
        "error": error.get("code"),
        "answers": error.get("event_id"),
    }
    words = "  ".join(f"{key}={value}" for key, value in shown.items() if value is not None)
    head = f"{each.t:9.3f} s  connection {each.connection}  {each.direction:6}  {each.type}"
    return f"{head}  {words}".rstrip()
