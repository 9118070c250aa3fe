"""What a call's process and a hub say to each other over the socket: one line each.

A line of a call is the call's id, a tab, and a line of its trace as it would stand in the file.
Everything else is an object: ``hello``, ``call``, ``over`` from the process, ``look`` from the hub.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

__all__ = ["LONGEST", "VERSION", "control", "of_call", "parsed"]

VERSION = 1
#: Bytes of a line.
LONGEST = 4 * 1024 * 1024


def control(what: str, **fields: Any) -> bytes:
    """A line that is not of a call's trace."""
    return json.dumps({"say": what, **fields}, separators=(",", ":")).encode() + b"\n"


def of_call(call: str, line: str) -> bytes:
    """A line of a call's trace."""
    return f"{call}\t{line}\n".encode("utf-8", "replace")


def parsed(line: bytes) -> tuple[str, bytes] | Mapping[str, Any] | None:
    """What a line says: (id of the call, line of its trace), or an object; None if it is neither."""
    call, tab, rest = line.rstrip(b"\n").partition(b"\t")
    if tab:
        return call.decode("ascii", "replace"), rest
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
