"""Who can do what: one file for each party. An act is a function of the world and of its choice."""

from __future__ import annotations

from collections.abc import Callable

from . import clock, connection, driver, host, server, user

__all__ = ["ACTS"]

_ALL: tuple[Callable[..., None], ...] = (
    *(clock.tick,),
    *(user.ask, user.interrupt, user.speech, user.stop),
    *(driver.leave, driver.not_sent, driver.give_up),
    *(
        connection.drop,
        connection.deafen,
        connection.rollover,
        connection.reconnect,
        connection.session_failed,
        connection.close,
    ),
    *(
        server.serve,
        server.announce,
        server.beside,
        server.item,
        server.output,
        server.done,
        server.limited,
        server.answer,
    ),
    *(
        host.pull,
        host.sound,
        host.pause,
        host.resume,
        host.report,
        host.over,
        host.over_cut,
        host.over_done,
        host.truncate,
        host.unread,
    ),
)

#: By the first word of an action.
ACTS = {act.__name__: act for act in _ALL}
