"""What the server says. No two texts have three words in a row in common: what is heard twice was
said twice."""

from __future__ import annotations

from ...simulator.script import Message, Reply

__all__ = ["ANSWER", "LATER_TEXT", "OTHER", "long"]

ANSWER = Reply([Message("Good morning to you my friend.", seconds=0.6)])
OTHER = Reply([Message("Yes there is one behind our house.", seconds=0.6)])
LATER_TEXT = "And now everything is in good order."
PARCEL = "Your parcel left the depot this morning at eight and arrives tomorrow."


def long(seconds: float = 2.0) -> Message:
    """One message of so many seconds, twelve words."""
    return Message(PARCEL, seconds=seconds)
