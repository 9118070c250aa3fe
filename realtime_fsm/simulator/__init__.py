"""A Realtime server that enforces the protocol's rules and fails on request.

The core (:class:`ServerCore`) has no sockets and no clock; :class:`RealtimeServer` puts it on a
loopback WebSocket. What the server does is a :class:`Script` of :class:`Reply` objects.
"""

from .config import ServerConfig
from .conversation import ItemSnapshot
from .core import ServerCore
from .errors import KNOWN_ERRORS, ErrorInfo
from .record import Record
from .responses import Replies
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
    Refuse,
    Rejected,
    Reply,
    Script,
    Stalled,
    Unanswered,
    audio_ms,
    item_added,
)
from .validate import server_event_problems
from .virtual import VirtualConnection
from .websocket import RealtimeServer
from .wire import Close, Drop, Frame, Ids, Send

__all__ = [
    "BEFORE_CREATED",
    "CREATED",
    "END",
    "ITEM_ADDED",
    "KNOWN_ERRORS",
    "Accept",
    "Cancelled",
    "Close",
    "Closed",
    "Completed",
    "Created",
    "DoneLost",
    "Drop",
    "Dropped",
    "ErrorInfo",
    "Failed",
    "Frame",
    "FunctionCall",
    "Ids",
    "Incomplete",
    "ItemSnapshot",
    "Message",
    "Point",
    "RealtimeServer",
    "Record",
    "Refuse",
    "Rejected",
    "Replies",
    "Reply",
    "Script",
    "Send",
    "ServerConfig",
    "ServerCore",
    "Stalled",
    "Unanswered",
    "VirtualConnection",
    "audio_ms",
    "item_added",
    "server_event_problems",
]
