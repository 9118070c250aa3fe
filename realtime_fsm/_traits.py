"""What may be believed of a server. Plain data; the careful value of each is its default."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerTraits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTraits:
    """What a controller may rely on. False means that the server may do either.

    Attributes:
        metadata_echo: ``response.created`` and ``response.done`` carry the metadata of the create,
            so a response without ours is somebody else's.
        unique_ids: no two responses bear the same id, so a ``response.created`` with a known one was
            said twice.
        conflict_ids: the error for a taken slot names the create, so one that names nothing is not
            about ours.
        cancelled_ends: a response that was cancelled ends by ``response.done``, so its end is worth
            waiting for.
        dropped_ends: so does a response that the user's speech cut off, so one without an end is
            still alive.
    """

    metadata_echo: bool = False
    unique_ids: bool = False
    conflict_ids: bool = False
    cancelled_ends: bool = False
    dropped_ends: bool = False
