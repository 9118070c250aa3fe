"""What passed between whom, for a person."""

from __future__ import annotations

from typing import NamedTuple

from ..._core import commands as cmd
from ..._core import events as ev

__all__ = ["Line", "words_of_command", "words_of_event"]


class Line(NamedTuple):
    """Something that passed between two of the participants, for a person."""

    at: float
    source: str
    target: str
    text: str


def words_of_event(event: ev.Event) -> tuple[str, str, str]:
    name = type(event).__name__
    fields = ", ".join(
        str(getattr(event, f))
        for f in ("turn_id", "response_id", "client_event_id", "item_id", "event_id")
        if getattr(event, f, None) is not None
    )
    status = getattr(event, "status", None)
    error = getattr(event, "error", None)
    extra = ([status.value] if status is not None else []) + (
        [error.code or error.kind.value] if error is not None else []
    )
    text = " ".join([name, *extra, fields]).strip()
    if name.startswith(("Playback", "Message", "SpeechOver")):
        return "Host", "Controller", text
    return "Server", "Controller", text


def words_of_command(c: cmd.Command) -> tuple[str, str, str]:
    if isinstance(c, cmd.TurnMoved):
        moved = f"{c.turn_id}: {c.source.value} --{c.event}--> {c.label}"
        return "Controller", "Controller", moved
    sent = (
        cmd.CancelResponse,
        cmd.CheckConnection,
        cmd.ProbeCancel,
        cmd.DeleteItem,
        cmd.TruncateItem,
    )
    if isinstance(c, sent):
        what = getattr(c, "response_id", None) or getattr(c, "item_id", "anything")
        return "Controller", "Server", f"{type(c).__name__} {what}"
    text = f"{type(c).__name__} {getattr(c, 'turn_id', '')}".strip()
    item = getattr(c, "item_id", None)
    return "Controller", "Host", text if item is None else f"{text} {item}"
