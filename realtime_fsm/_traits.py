"""What may be believed of a server. Plain data; the careful value of each is its default."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ServerTraits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerTraits:
    """What a controller may rely on.

    Attributes:
        metadata_echo: ``response.created`` and ``response.done`` carry the metadata of the create,
            so a response without ours is somebody else's. False: they may not.
        unique_ids: no two responses bear the same id, so a ``response.created`` with a known one was
            said twice. False: they may.
        conflict_ids: the error for a taken slot names the create, so one that names nothing is not
            about ours. False: it may not.
        cancelled_ends: a response that the client cancelled ends by ``response.done``, so that is
            waited for. False: it does not, so the server is asked at once whether it is over. None:
            nobody knows; it is asked after a moment.
        dropped_ends: the same of a response that the user's speech cut off.
    """

    metadata_echo: bool = False
    unique_ids: bool = False
    conflict_ids: bool = False
    cancelled_ends: bool | None = None
    dropped_ends: bool | None = None
