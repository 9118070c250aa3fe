"""What is judged of a call whose provider's plugin lets nobody keep every guarantee."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..simulator.observed import ObservedServer

if TYPE_CHECKING:
    from ..compare import Life

__all__ = ["cannot", "misremembered", "shows_wire"]

#: What is promised in part, and judged as far as it is: failures that the plugin shows, and what
#: LiveKit remembers.
_JUDGED = ("G8", "G16")
_SOUND = 0.15  # seconds that a sink may play or not


def _provider(call: Any) -> str:
    server = getattr(call, "server", call)
    return server.provider if isinstance(server, ObservedServer) else "openai"


def shows_wire(call: Any) -> bool:
    """Whether what went over the wire is judged as such, of a call, a server or its record."""
    return _provider(call) == "openai"


def cannot(call: Any) -> Mapping[str, str]:
    """Guarantees that are not judged of it, and why."""
    if shows_wire(call):
        return {}
    from ..livekit.providers import NAMED  # a record of ours is judged without LiveKit

    promises = NAMED[_provider(call)].promises
    return {
        guarantee: why
        for guarantee, (keeps, why) in promises.items()
        if keeps != "kept" and guarantee not in _JUDGED
    }


def misremembered(life: Life) -> Iterator[str]:
    """Messages that LiveKit remembers otherwise than they were heard."""
    heard: defaultdict[str | None, float] = defaultdict(float)
    for piece in life.heard:
        heard[piece.message] += piece.seconds
    for each in life.messages:
        if each.local is not None and abs(each.local - heard[each.id]) > each.word + _SOUND:
            yield (
                f"LiveKit remembers {each.local:.2f} s of {each.id}, the answer to "
                f'"{each.question}", of which {heard[each.id]:.2f} s were heard'
            )
