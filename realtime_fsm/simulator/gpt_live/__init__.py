"""A small GPT-Live server: strict fields, one chain of backend responses, refusals, caps, close reasons
and expiry, on a loopback WebSocket or in memory.

How much of it is known of the real service is in :func:`live_rules_table`: most of it is reported or
assumed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..._lazy import lazily
from .core import LiveCore
from .rules import RULES, LiveRule, live_rules_table
from .script import Backend, Call, LiveConfig

if TYPE_CHECKING:
    from .server import GPTLiveServer, InMemoryGPTLiveServer

__all__ = [
    "RULES",
    "Backend",
    "Call",
    "GPTLiveServer",
    "InMemoryGPTLiveServer",
    "LiveConfig",
    "LiveCore",
    "LiveRule",
    "live_rules_table",
]

# Imported when asked for, so that the core comes without asyncio and aiohttp.
__getattr__, __dir__ = lazily(__name__, {"server": ("GPTLiveServer", "InMemoryGPTLiveServer")})
