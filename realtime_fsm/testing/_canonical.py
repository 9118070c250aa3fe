"""A record of events as bytes that are the same for the same run."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..simulator.record import Record

__all__ = ["canonical"]

_TOKEN = re.compile(r"[A-Za-z0-9_-]{8,}")
_PREFIX = re.compile(r"([a-z_]*[a-z])_[^_]+$")


def canonical(record: Iterable[Record]) -> bytes:
    """Return *record* as one line of JSON an event, with ids renamed in order of first appearance.

    LiveKit and its plugin draw ids at random: ``item_3f9c…`` becomes ``item#1``. Ids in the text of
    errors are renamed as well. Times are rounded to microseconds. Two runs of the same script in
    virtual time give the same bytes.
    """
    names = _Names()
    return b"".join(
        json.dumps(
            {
                "t": round(each.t, 6) + 0.0,  # + 0.0 turns -0.0 into 0.0
                "connection": each.connection,
                "direction": each.direction,
                "event": names.rename(each.event),
            },
            sort_keys=True,
            ensure_ascii=False,
        ).encode()
        + b"\n"
        for each in record
    )


class _Names:
    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._counts: Counter[str] = Counter()

    def rename(self, value: Any, key: str = "") -> Any:
        if isinstance(value, dict):
            return {name: self.rename(each, name) for name, each in value.items()}
        if isinstance(value, list):
            return [self.rename(each) for each in value]
        if not isinstance(value, str):
            return value
        if key == "id" or key.endswith("_id"):
            return self._name(value)
        return _TOKEN.sub(lambda match: self._names.get(match[0], match[0]), value)

    def _name(self, id: str) -> str:
        if len(id) < 8 and id.isalpha():
            return id  # "root" and the like are words
        if id not in self._names:
            prefix = _PREFIX.match(id)
            kind = prefix[1] if prefix else "id"
            self._counts[kind] += 1
            self._names[id] = f"{kind}#{self._counts[kind]}"
        return self._names[id]
