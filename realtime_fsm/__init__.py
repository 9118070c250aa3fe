"""Response turns of realtime voice models as explicit state machines.

Importing this package pulls in neither LiveKit nor asyncio, and the core only when a name of it is used.
The LiveKit adapter is `realtime_fsm.livekit`, the server to test against `realtime_fsm.simulator`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from ._core.commands import (
        AnnounceTurn,
        CancelResponse,
        CheckConnection,
        Command,
        CreateResponse,
        DeleteItem,
        DeliverItem,
        EndAttempt,
        EndStreams,
        ExposeTurn,
        ProbeCancel,
        Recovering,
        ReplaceConnection,
        ReportFailure,
        ReportSession,
        RestoreItem,
        TruncateItem,
        TurnEnded,
        TurnMoved,
    )
    from ._core.controller import TurnController
    from ._core.difference import Difference, DifferenceKind
    from ._core.error_kinds import classify, error_info, retry_hint
    from ._core.errors import ErrorInfo, LocalProtocolError, TableError
    from ._core.events import (
        ActionEnded,
        AnnouncementLost,
        CallReceived,
        ConnectionLost,
        ConnectionReady,
        CreateGivenUp,
        CreateNotSent,
        CreateSent,
        ErrorReceived,
        Event,
        InputCleared,
        InputCommitted,
        InputIdle,
        ItemActivity,
        ItemDeleted,
        ItemKind,
        ItemStarted,
        ItemTruncated,
        MessagePulled,
        MessageShown,
        MessageTruncated,
        OutputReceived,
        PlaybackFinished,
        PlaybackPaused,
        PlaybackResumed,
        PlaybackStarted,
        RateLimitsUpdated,
        ResponseActivity,
        ResponseCreated,
        ResponseDone,
        ResponseStatus,
        SessionConfigured,
        SessionFailed,
        SpeechOver,
        SpeechStarted,
        SpeechStopped,
        Unreadable,
    )
    from ._core.frames import parse
    from ._core.policy import RetryPolicy
    from ._core.records import Attempt, Message, Response, Turn
    from ._core.states import (
        Activity,
        ErrorKind,
        MessageOutcome,
        Origin,
        PlaybackState,
        ResponseState,
        TurnOutcome,
        TurnState,
    )
    from ._error import RealtimeFSMError
    from ._input import InputError

__all__ = [
    "__version__",
    "Activity",
    "AnnounceTurn",
    "AnnouncementLost",
    "Attempt",
    "CallReceived",
    "CancelResponse",
    "Command",
    "ConnectionLost",
    "ConnectionReady",
    "CreateGivenUp",
    "CreateNotSent",
    "CreateResponse",
    "CreateSent",
    "DeleteItem",
    "DeliverItem",
    "Difference",
    "DifferenceKind",
    "EndAttempt",
    "EndStreams",
    "ErrorInfo",
    "ErrorKind",
    "ErrorReceived",
    "Event",
    "ExposeTurn",
    "InputCleared",
    "InputCommitted",
    "InputError",
    "InputIdle",
    "ItemDeleted",
    "ItemKind",
    "ItemStarted",
    "LocalProtocolError",
    "Message",
    "MessageOutcome",
    "ItemTruncated",
    "MessagePulled",
    "MessageShown",
    "MessageTruncated",
    "Origin",
    "OutputReceived",
    "PlaybackFinished",
    "PlaybackPaused",
    "PlaybackResumed",
    "PlaybackState",
    "PlaybackStarted",
    "ActionEnded",
    "ItemActivity",
    "CheckConnection",
    "ProbeCancel",
    "RateLimitsUpdated",
    "RealtimeFSMError",
    "Recovering",
    "ReplaceConnection",
    "ReportFailure",
    "ReportSession",
    "RestoreItem",
    "TruncateItem",
    "Response",
    "ResponseActivity",
    "ResponseCreated",
    "ResponseDone",
    "ResponseState",
    "ResponseStatus",
    "RetryPolicy",
    "SessionConfigured",
    "SessionFailed",
    "SpeechOver",
    "SpeechStarted",
    "SpeechStopped",
    "TableError",
    "Turn",
    "TurnController",
    "TurnEnded",
    "TurnMoved",
    "TurnOutcome",
    "TurnState",
    "Unreadable",
    "classify",
    "error_info",
    "parse",
    "retry_hint",
]

#: Where these are. The package is also that of a plugin of pytest, which takes none of them.
_HOMES = (
    "_core.controller",
    "_core.commands",
    "_core.difference",
    "_core.error_kinds",
    "_core.errors",
    "_core.events",
    "_core.frames",
    "_core.policy",
    "_core.records",
    "_core.states",
    "_error",
    "_input",
)


def __getattr__(name: str) -> Any:
    if name in __all__:
        for home in _HOMES:
            found = getattr(import_module(f"{__name__}.{home}"), name, None)
            if found is not None:
                globals()[name] = found
                return found
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
