"""The lines of frames, as a recorder writes them; and those of deltas, which are a third of a trace and
more, without JSON and redaction where neither would change anything.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from .._redact import short_shown, shown, without_keys
from .format import Line
from .redact import redacted, words_in

__all__ = ["DELTA", "AudioDelta", "TextDelta", "delta_of", "frame_line"]

_WHOLE, _ID = r"(0|[1-9]\d{0,8})", r"([\w#-]{1,96})"
_FLOAT = r"((?:0|[1-9]\d{0,8})\.\d{1,9})"
#: A delta's line, without words.
DELTA = re.compile(
    rf'\{{"t":{_FLOAT},"by":"server",'
    r'"type":"(response\.(?:output_)?(?:audio|audio_transcript|text)\.delta)",'
    rf'"connection":{_WHOLE},"event":\{{'
    rf'(?:"event_id":"{_ID}",)?"response_id":"{_ID}","item_id":"{_ID}",'
    rf'(?:"output_index":{_WHOLE},)?"content_index":{_WHOLE},'
    r'"delta":(?:(0|[1-9]\d{0,6}),"words":(0|[1-9]\d{0,6})|((?:0|[1-9]\d{0,6})\.\d{1,9}))\}'
    rf'(?:,"n":[1-9]\d{{0,8}})?(?:,"until":{_FLOAT})?\}}\n',
    re.ASCII,
)
_OF_TEXT = frozenset(
    {"type", "event_id", "response_id", "item_id", "output_index", "content_index", "delta"}
)
_OF_AUDIO = ("response_id", "item_id", "content_index")
_LONGEST_ID = 96
_LARGEST_INDEX = 9_999


def frame_line(
    t: float, by: str, kind: str, connection: int, frame: Mapping[str, Any], transcripts: bool
) -> dict[str, Any]:
    """The line of any frame."""
    event = redacted(frame, transcripts=transcripts)
    event.pop("type", None)
    return {"t": t, "by": by, "type": shown(kind), "connection": connection, "event": event}


class TextDelta(NamedTuple):
    """A frame of the server's with text, which nobody changes any more."""

    t: float
    kind: str  # a name of the protocol's
    connection: int
    frame: Mapping[str, Any]
    transcripts: bool

    def __call__(self) -> dict[str, Any]:
        """Its line."""
        t, kind, connection, frame, transcripts = self
        return frame_line(t, "server", kind, connection, frame, transcripts)

    def json(self) -> str | None:
        """The same as JSON, if it is as most are."""
        t, kind, connection, frame, transcripts = self
        if transcripts or frame.keys() != _OF_TEXT:
            return None
        event, response, item = frame["event_id"], frame["response_id"], frame["item_id"]
        output, content, delta = frame["output_index"], frame["content_index"], frame["delta"]
        if not (_is_id(event) and _is_id(response) and _is_id(item)):
            return None
        if not (_is_index(output) and _is_index(content) and type(delta) is str):
            return None
        return (
            f'{{"t":{t!r},"by":"server","type":"{kind}","connection":{connection},"event":{{'
            f'"event_id":"{short_shown(event)}","response_id":"{short_shown(response)}",'
            f'"item_id":"{short_shown(item)}","output_index":{output},"content_index":{content},'
            f'"delta":{len(delta)},"words":{words_in(frame, "delta")}}}}}'
        )


class AudioDelta(NamedTuple):
    """Frames of the server's with audio of one item, *n* that followed one another: the first of them,
    milliseconds, and when the last came if there are several."""

    t: float
    kind: str
    connection: int
    ids: Mapping[str, Any]
    ms: float
    n: int
    until: float | None

    @staticmethod
    def ids_of(frame: Mapping[str, Any]) -> dict[str, Any]:
        """What is kept of the first frame."""
        return {key: frame[key] for key in _OF_AUDIO if key in frame}

    def __call__(self) -> dict[str, Any]:
        """Their line."""
        t, kind, connection, ids, ms, n, until = self
        line = {"t": t, "by": "server", "type": kind, "connection": connection}
        line |= {"event": {**redacted(ids), "delta": ms}, "n": n}
        return line if until is None else {**line, "until": until}

    def json(self) -> str | None:
        """The same as JSON, if it is as most are."""
        t, kind, connection, ids, ms, n, until = self
        if len(ids) != len(_OF_AUDIO):
            return None
        response, item, content = ids.values()
        if not (_is_id(response) and _is_id(item) and _is_index(content)):
            return None
        end = "" if until is None else f',"until":{until!r}'
        return (
            f'{{"t":{t!r},"by":"server","type":"{kind}","connection":{connection},"event":{{'
            f'"response_id":"{short_shown(response)}","item_id":"{short_shown(item)}",'
            f'"content_index":{content},"delta":{ms!r}}},"n":{n}{end}}}'
        )


def _is_id(value: object) -> bool:
    return type(value) is str and len(value) <= _LONGEST_ID


def _is_index(value: object) -> bool:
    return type(value) is int and 0 <= value <= _LARGEST_INDEX


def delta_of(number: int, found: re.Match[str], transcripts: bool) -> tuple[Line, float]:
    """What a line that `DELTA` matches tells, and its time."""
    t, kind, connection, event_id, response_id, item_id, *numbers = found.groups()
    output, content, chars, count, ms, until = numbers
    safe = without_keys if transcripts else short_shown
    event: dict[str, Any] = {} if event_id is None else {"event_id": safe(event_id)}
    event["response_id"], event["item_id"] = safe(response_id), safe(item_id)
    if output is not None:
        event["output_index"] = int(output)
    event["content_index"] = int(content)
    if ms is not None:
        event["delta"] = float(ms)
    else:
        event["delta"], event["words"] = int(chars), int(count)
    last = None if until is None else float(until)
    return Line(number, 0.0, "server", kind, int(connection), event, last), float(t)
