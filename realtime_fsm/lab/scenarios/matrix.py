"""The core rows with each way of ending the user's turns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from ...testing.corpus import Case, Line, parse

__all__ = ["CORE", "TURNS", "matrix"]

CORE = ("c", "d", "e", "g", "h", "j3", "l", "m", "o2", "q", "t")
"""Rows that hold whoever ends the user's turns; with server VAD row c is row n."""

#: Each with the line of ``setup:`` that says so.
TURNS = {
    "server_vad": "",
    "semantic_vad": "semantic_vad",
    "create_response=False": "client_creates",
    "manual": "push_to_talk",
    "client": "client_vad",
    "no interruptions": "no_interruptions",
}

_DETECTED = ("server_vad", "semantic_vad", "client")

_BOTH = "as usual; hears 0.8s 0.6s; speeches ok ok; whatever creates"
#: Who speaks again stops the response that does not end.
_CUT = "as usual; hears 0.5s 0.6s; speeches interrupted ok; whatever creates"
_REFUSED = '; refused "does not allow interruptions"'
#: Where the mode itself makes another call of it.
_OTHERWISE: dict[tuple[str, str], str] = {
    ("server_vad", "t"): _CUT,
    ("semantic_vad", "t"): _CUT.replace("0.5s", "0.46s"),
    ("create_response=False", "t"): _CUT,
    ("client", "t"): _CUT,
    # LiveKit waits for the end of the user's turn before it interrupts.
    ("client", "m"): _CUT.replace("0.5s", "1.6s"),
    ("no interruptions", "l"): "as usual; hears 1s 1.5s; speeches ok; whatever creates" + _REFUSED,
    ("no interruptions", "m"): _BOTH.replace("0.8s", "8s") + _REFUSED,
    ("no interruptions", "o2"): _BOTH,
    ("manual", "o2"): _BOTH,
    ("create_response=False", "o2"): _BOTH,
    # The end of the user's turn interrupts what the application asked for meanwhile.
    ("client", "o2"): _CUT.replace("hears 0.5s 0.6s", "hears 0.6s"),
}


def matrix(rows: Iterable[Case]) -> tuple[Case, ...]:
    """Each core row of *rows* in each mode."""
    known = {row.id: row for row in rows}
    return tuple(_in(turns, known[name]) for turns in TURNS for name in CORE)


def _in(turns: str, row: Case) -> Case:
    setup = [_text(line) for line in row.setup if _text(line) != "push_to_talk"]
    expected = _OTHERWISE.get((turns, row.id)) or "; ".join(_kept(row.expect))
    body = [str(line) for line in row.body]
    lines = [
        f"id: {turns}/{row.id}",
        f"title: {row.title}",
        *(f"setup: {each}" for each in [TURNS[turns], *setup] if each),
        *(_asked_for(turns, body) if row.id == "o2" else _spoken(turns, body)),
        f"expect: {expected}",
    ]
    return parse("\n".join(lines))[0]


def _kept(lines: Iterable[Line]) -> Iterator[str]:
    """What a mode does not change."""
    for line in lines:
        text = _text(line)
        if not text.startswith(("silence ", "remembers ")) and not text.endswith(" creates"):
            yield text
    yield "whatever creates"


def _text(line: Line) -> str:
    return str(line).partition(" ")[2]


def _spoken(turns: str, body: list[str]) -> Iterator[str]:
    """The same, but that the user speaks what the application asked for them."""
    for line, following in zip(body, [*body[1:], ""], strict=True):
        asks, name, words = _asked(line)
        if turns == "no interruptions" or (not asks and not line.startswith("U interrupts")):
            yield line
        elif asks:
            yield from _asked_for(turns, [f"U says {name} {words} 600ms"])
        elif not _asked(following)[0] or turns not in _DETECTED:
            yield line  # as an application does when the button is pressed


def _asked_for(turns: str, body: Iterable[str]) -> Iterator[str]:
    """The same, and if nobody answers what the user says, the application asks for it."""
    for line in body:
        yield line
        if line.startswith("U says") and turns == "create_response=False":
            yield from ("T 50ms", f"U asks {line.split()[2]}A")


def _asked(line: str) -> tuple[bool, str, str]:
    if not line.startswith("U asks "):
        return False, "", ""
    name, _, words = line[len("U asks ") :].partition(" ")
    return True, name, words
