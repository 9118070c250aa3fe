"""The controller's events and what a driver sees, as lines of the level ``exact``.

The names in a form are the fields of the event, so one table serves reading and writing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields
from enum import Enum
from typing import Any, get_type_hints

from ..._core import commands as cmd
from ..._core import events as ev
from ..._core.error_kinds import error_info
from ..._core.errors import ErrorInfo
from ..._core.states import ErrorKind
from ._grammar import Form

__all__ = ["CLIENT", "EVENTS", "HOST", "NOTES", "WHY", "WIRE", "event_of", "line_of"]

#: Why, as far as its code does not say it.
WHY = (
    "[message <message:text>] [type <type:any>] "
    "[kind <kind:transient|fatal|conflict|client_bug|session_end|normal|empty|unknown>] "
    "[wait <retry_after:s>]"
)

#: Actor, event, form. ``ref`` is a client event: ``B`` or ``B#2`` (the create of a turn, by
#: attempt), ``cancel:V``, ``delete:m1``, ``probe``, or any id.
EVENTS: tuple[tuple[str, type[ev.Event], Form], ...] = (
    (
        "S",
        ev.SessionConfigured,
        Form(
            "session",
            "session.updated [server_creates] [server_interrupts]",
            "who starts and stops responses; without either word there is no server VAD",
        ),
    ),
    (
        "S",
        ev.ResponseCreated,
        Form(
            "created",
            "response.created <response_id> [for <client_event_id:ref>] [out_of_band] "
            "[deltas_hidden]",
            "without `for` nobody here asked for it",
        ),
    ),
    (
        "S",
        ev.ItemStarted,
        Form(
            "item",
            "output_item.added <response_id> <item_id> <kind:message|function_call|other>",
        ),
    ),
    (
        "S",
        ev.OutputReceived,
        Form("delta", "delta <response_id> <item_id> [<audio_ms:ms>]", "no time: text"),
    ),
    (
        "S",
        ev.CallReceived,
        Form("call", "output_item.done <response_id> <item_id>", "of a function call"),
    ),
    (
        "S",
        ev.ActionEnded,
        Form("acted", "action_done <response_id> <item_id>", "of what the server did by itself"),
    ),
    (
        "S",
        ev.ItemActivity,
        Form("item_activity", "item_activity <item_id>", "of an item, no response named"),
    ),
    ("S", ev.ResponseActivity, Form("activity", "activity <response_id>", "any other event of it")),
    (
        "S",
        ev.ResponseDone,
        Form(
            "done",
            "response.done <response_id> <status:completed|incomplete|cancelled|failed> "
            "[code <code:any>] [for <client_event_id:ref>] [out_of_band] " + WHY,
        ),
    ),
    (
        "S",
        ev.ErrorReceived,
        Form(
            "error",
            "error <code:any> [for <event_id:ref>] " + WHY,
            "`null` is no code; without `for` it names no event of ours",
        ),
    ),
    ("S", ev.SpeechStarted, Form("speech_started", "speech_started")),
    ("S", ev.SpeechStopped, Form("speech_stopped", "speech_stopped")),
    ("S", ev.InputCommitted, Form("committed", "committed", "what the user said is a turn")),
    ("S", ev.InputCleared, Form("cleared", "cleared")),
    ("S", ev.InputIdle, Form("idle", "idle", "server VAD answers that the user is silent")),
    ("S", ev.ItemTruncated, Form("truncated", "item.truncated <item_id> <audio_end_ms:ms>")),
    ("S", ev.ItemDeleted, Form("deleted", "item.deleted <item_id>")),
    ("S", ev.RateLimitsUpdated, Form("limits", "rate_limits.updated [reset <reset_after:s>]")),
    ("S", ev.Unreadable, Form("unreadable", "unreadable <reason:text>", "a malformed frame")),
    (
        "N",
        ev.ConnectionLost,
        Form("lost", "lost <code:any> [for_good] " + WHY, "for_good: none follows by itself"),
    ),
    ("N", ev.ConnectionReady, Form("ready", "ready", "without a loss before it: a rollover")),
    ("N", ev.SessionFailed, Form("failed", "session_failed <code:any> " + WHY)),
    ("P", ev.MessagePulled, Form("pulled", "pulls <item_id>", "its turn to play has come")),
    ("P", ev.PlaybackStarted, Form("started", "started")),
    ("P", ev.PlaybackFinished, Form("finished", "finished <position_ms:ms> [interrupted]")),
    ("P", ev.PlaybackPaused, Form("paused", "paused")),
    ("P", ev.PlaybackResumed, Form("resumed", "resumed")),
    (
        "P",
        ev.MessageTruncated,
        Form("host_truncates", "truncates <item_id> <audio_end_ms:ms>", "the host does so"),
    ),
    ("P", ev.MessageShown, Form("shown", "shows <item_id> <text:text>", "in its history")),
    (
        "P",
        ev.AnnouncementLost,
        Form("unread", "unread <turn_id>", "the host does not read what it was told of"),
    ),
    (
        "P",
        ev.SpeechOver,
        Form("over", "speech_over <turn_id> [interrupted]", "nothing of its speech plays any more"),
    ),
    (
        "C",
        ev.CreateSent,
        Form("sent", "sent <turn_id> <attempt:n> <event_id:ref>", "the create leaves only now"),
    ),
    (
        "C",
        ev.CreateNotSent,
        Form("not_sent", "not_sent <turn_id> <attempt:n> <code:any> " + WHY, "and never will"),
    ),
    (
        "C",
        ev.CreateGivenUp,
        Form(
            "given_up",
            "gives_up <turn_id> <attempt:n> <code:any> " + WHY,
            "what is below the driver waits no longer",
        ),
    ),
)

#: What a client does to the connection.
WIRE = (
    cmd.CreateResponse,
    cmd.CancelResponse,
    cmd.CheckConnection,
    cmd.ProbeCancel,
    cmd.DeleteItem,
    cmd.TruncateItem,
    cmd.RestoreItem,
    cmd.ReplaceConnection,
)

#: What the client must put on the wire, right here and nothing else.
CLIENT = (
    Form(
        "create",
        "response.create <turn> [queued]",
        "and it leaves at once, unless it is queued below the driver",
    ),
    Form("cancel", "response.cancel <response>"),
    Form("check", "check", "something harmless that every server answers"),
    Form("probe", "response.cancel", "bare: the probe"),
    Form("delete", "item.delete <item>"),
    Form("truncate", "item.truncate <item> <ms>", "what was not heard of it is cut off"),
    Form("restore", "item.restore <item>", "what was heard of it is put on the new conversation"),
    Form("reconnect", "reconnects [after <wait:s>]", "the connection is given up, another is made"),
)

#: What the host does.
HOST = (
    Form(
        "ask",
        "asks <turn> [application] [besides]",
        "`generate_reply()`, or a create of its own; besides: about nothing new of the user's",
    ),
    Form("interrupt", "interrupts <turn>"),
    Form("close", "closes"),
    Form("playback", "plays <what:sound|text|nothing>", "what the sink reports, from here on"),
)

NOTES = (Form("wait", "<seconds:s>", "time passes, deadline by deadline"),)

#: Words of a form to fields that are named otherwise, or are the opposite.
_FLAGS: Mapping[str, tuple[str, bool]] = {"deltas_hidden": ("deltas_shown", False)}
_ERROR_FIELDS = ("code", "type", "message", "kind", "retry_after")
_FORMS = {event: (actor, form) for actor, event, form in EVENTS}


def event_of(
    event: type[ev.Event], values: Mapping[str, Any], resolve: Callable[[str, str], str]
) -> ev.Event:
    """The event with these values. *resolve* gives the id behind a name, by field."""
    hints = get_type_hints(event)
    made: dict[str, Any] = {}
    for name, value in values.items():
        if name in _FLAGS:
            field, given = _FLAGS[name]
            made[field] = given
        elif name in hints:
            hint = hints[name]
            if isinstance(hint, type) and issubclass(hint, Enum):
                made[name] = hint(value)
            elif hint is int:
                made[name] = int(value)
            else:
                made[name] = resolve(name, value) if isinstance(value, str) else value
    for name in ("server_creates", "server_interrupts", "interrupted"):
        if name in hints:
            made.setdefault(name, False)
    if event is ev.RateLimitsUpdated:
        made.setdefault("reset_after", None)
    if "error" in hints and ("code" in values or values.keys() & set(_ERROR_FIELDS)):
        made["error"] = _error(values)
    return event(**made)


def _error(values: Mapping[str, Any]) -> ErrorInfo:
    code = values.get("code")
    info = error_info(
        None if code == "null" else code, values.get("type"), values.get("message", "")
    )
    if "kind" not in values and "retry_after" not in values:
        return info
    return ErrorInfo(
        kind=ErrorKind(values["kind"]) if "kind" in values else info.kind,
        code=info.code,
        type=info.type,
        message=info.message,
        retry_after=values.get("retry_after", info.retry_after),
    )


def line_of(event: ev.Event, name: Callable[[str, str], str]) -> str:
    """*event* as a line. *name* gives the name of an id, by field."""
    actor, form = _FORMS[type(event)]
    values: dict[str, Any] = {}
    for field in fields(event):
        value = getattr(event, field.name)
        if isinstance(value, ErrorInfo):
            values.update(_told(value))
        elif isinstance(value, Enum):
            values[field.name] = value.value
        elif isinstance(value, bool):
            values[field.name] = value or None
        elif isinstance(value, str):
            values[field.name] = name(field.name, value)
        elif field.name != "audio_ms" or value:
            values[field.name] = value
    if isinstance(event, ev.ResponseCreated):
        values["deltas_hidden"] = not event.deltas_shown
    return f"{actor} {form.write(values)}"


def _told(error: ErrorInfo) -> dict[str, Any]:
    """An error, without what its code says anyway."""
    values: dict[str, Any] = {"code": error.code or "null", "type": error.type}
    values["message"] = error.message or None
    usual = error_info(error.code, error.type, error.message)
    if usual.kind is not error.kind:
        values["kind"] = error.kind.value
    if usual.retry_after != error.retry_after:
        values["retry_after"] = error.retry_after
    return values
