"""Full-duplex models (GPT-Live), watched: where delegated work stands, and what of it is lost.

Imports neither LiveKit nor asyncio. What watches a running session is `realtime_fsm.livekit.duplex`.
"""

from .records import ClientDelegation, Delegation, Loss, Moved, WatchPolicy
from .states import ClientEvent, ClientState, DelegationEvent, DelegationState, LossKind
from .tracker import DelegationTracker

__all__ = [
    "ClientDelegation",
    "ClientEvent",
    "ClientState",
    "Delegation",
    "DelegationEvent",
    "DelegationState",
    "DelegationTracker",
    "Loss",
    "LossKind",
    "Moved",
    "WatchPolicy",
]
