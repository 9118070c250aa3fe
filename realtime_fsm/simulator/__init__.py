"""A Realtime server that enforces the protocol's rules and fails on request.

The core (:class:`ServerCore`) has no sockets and no clock; :class:`RealtimeServer` puts it on a
loopback WebSocket, :class:`InMemoryServer` needs no socket at all. What the server does is a
:class:`Script` of :class:`Reply` objects, what goes wrong on the way is a :class:`Schedule` of
faults, and how much of it is known of the real service is in :func:`rules_table`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._input import InputError
from .._lazy import lazily
from .config import ServerConfig
from .conversation import ItemSnapshot
from .core import ServerCore
from .errors import ERROR_CLASSES, KNOWN_ERRORS, ErrorInfo
from .faults import (
    AcceptThenClose,
    At,
    BreakConnection,
    Double,
    Fault,
    Freeze,
    HalfOpen,
    HangUp,
    InjectError,
    Insert,
    Late,
    Lose,
    Malform,
    RefuseHandshake,
    Reorder,
    Schedule,
    Silence,
)
from .faulty import FaultRun, FaultyCore
from .profiled import configured
from .questions import Action, Answer, Replies
from .record import Record
from .rule import Rule
from .rules import RULES, rules_table
from .script import (
    BEFORE_CREATED,
    CREATED,
    END,
    ITEM_ADDED,
    Accept,
    Cancelled,
    Closed,
    Completed,
    Created,
    DoneLost,
    Dropped,
    Failed,
    FunctionCall,
    Incomplete,
    Message,
    Point,
    Reasoning,
    Refuse,
    Rejected,
    Reply,
    Script,
    ServerCall,
    Stalled,
    Unanswered,
    audio_ms,
    item_added,
)
from .validate import server_event_problems
from .virtual import VirtualConnection
from .wire import Close, Drop, Frame, Ids, Send

if TYPE_CHECKING:
    from .memory import InMemoryServer
    from .websocket import RealtimeServer

__all__ = [
    "BEFORE_CREATED",
    "CREATED",
    "END",
    "ERROR_CLASSES",
    "ITEM_ADDED",
    "KNOWN_ERRORS",
    "RULES",
    "Accept",
    "AcceptThenClose",
    "Action",
    "Answer",
    "At",
    "BreakConnection",
    "Cancelled",
    "Close",
    "Closed",
    "Completed",
    "Created",
    "DoneLost",
    "Double",
    "Drop",
    "Dropped",
    "ErrorInfo",
    "Failed",
    "Fault",
    "FaultRun",
    "FaultyCore",
    "Frame",
    "Freeze",
    "FunctionCall",
    "HalfOpen",
    "HangUp",
    "Ids",
    "InMemoryServer",
    "Incomplete",
    "InjectError",
    "Insert",
    "ItemSnapshot",
    "Late",
    "Lose",
    "Malform",
    "Message",
    "Point",
    "RealtimeServer",
    "Reasoning",
    "Record",
    "Refuse",
    "RefuseHandshake",
    "Rejected",
    "Reorder",
    "Replies",
    "Reply",
    "Rule",
    "Schedule",
    "ScheduleError",
    "Script",
    "Send",
    "ServerConfig",
    "ServerCall",
    "ServerCore",
    "Silence",
    "Stalled",
    "Unanswered",
    "VirtualConnection",
    "audio_ms",
    "configured",
    "item_added",
    "rules_table",
    "server_event_problems",
]

# Imported when asked for, so that the core comes without asyncio and aiohttp.
__getattr__, __dir__ = lazily(
    __name__, {"memory": ("InMemoryServer",), "websocket": ("RealtimeServer",)}
)

#: Its name before 0.1.
ScheduleError = InputError
