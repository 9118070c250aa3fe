"""A recorded call as one HTML page. How to use it: ``docs/report.md``."""

from __future__ import annotations

from ._collect import collect
from ._page import Group, page
from ._story import Call, Message, Side, Turn

__all__ = ["Call", "Group", "Message", "Side", "Turn", "collect", "page"]
