"""The page: empty but for its frame. Its script fills it with what the hub tells."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from ..report._map import machine_map
from ..report._page import DRAWING, LEGEND, document

__all__ = ["live_page"]

_SCRIPTS = ("data.js", "machines.js", "call.js", "list.js", "live.js")
_NEEDS = (
    "This page shows calls while they run. It needs its script, which this browser does not run."
)


@lru_cache(8)
def live_page(host: str) -> str:
    """The page.

    Args:
        host: name and port that it is served under; it may connect to nothing else.
    """
    assets = files(__package__) / "assets"
    main = [
        '<p id="state" class="about" role="status">Looking for calls…</p>',
        '<div id="trouble" class="notice" role="alert" hidden></div>',
        '<section id="list" aria-label="Calls"></section>',
        '<section id="stage" aria-label="What is looked at"></section>',
        LEGEND,
    ]
    after = [
        '<aside id="detail" role="dialog" aria-labelledby="detail-title" hidden></aside>',
        f'<template id="machine">{machine_map("turn")}</template>',
        f'<template id="machine-response">{machine_map("response")}</template>',
        f'<template id="machine-playback">{machine_map("playback")}</template>',
    ]
    return document(
        "Calls, live",
        "",
        main,
        after,
        scripts=DRAWING,
        needs=_NEEDS,
        more_script="\n".join((assets / name).read_text("utf-8") for name in _SCRIPTS),
        more_style=(assets / "live.css").read_text("utf-8"),
        connect=f"http://{host} ws://{host}",
    )
