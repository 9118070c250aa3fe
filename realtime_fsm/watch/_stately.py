"""A call as Stately's inspector protocol has it: actors, the events they receive, their snapshots.

The protocol is that of ``@statelyai/inspect`` (github.com/statelyai/inspect, ``src/types.ts``), whose
``createWebSocketReceiver`` reads one JSON object from each message.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from ..diagrams._model import CHARTS
from ..diagrams._statechart import xstate
from ..diagrams._views import view
from ..report._values import number, text

__all__ = ["Stately"]

_VERSION = "0.7.2"  # of the package that it was tried with


@lru_cache(3)
def _definition(machine: str) -> str:
    return json.dumps(json.loads(xstate(view(CHARTS[machine]))), separators=(",", ":"))


class Stately:
    """The actors of one call.

    Args:
        call: its id, the root of all of them.
        began: when it did, seconds since the epoch.
    """

    def __init__(self, call: str, began: float) -> None:
        self._call, self._began = call, began
        self._known: set[str] = set()
        self._responses: dict[str, str] = {}
        self._numbers = itertools.count(1)

    def events(self, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """What a line of the trace says, in the protocol's words."""
        by, kind = line.get("by"), line.get("type")
        if (by, kind) == ("turn", "moved"):
            yield from self._moved("turn", text(line.get("turn")), line)
        elif (by, kind) == ("machine", "moved") and line.get("machine") in ("response", "playback"):
            machine = str(line["machine"])
            name = self._response(line) if machine == "response" else text(line.get("of"))
            yield from self._moved(machine, name, line)

    def _response(self, line: Mapping[str, Any]) -> str:
        """Each attempt of a turn has one, which is queued before it has an id."""
        turn = text(line.get("turn"))
        if turn not in self._responses or line.get("source") == "queued":
            self._responses[turn] = f"{turn or 'nobody'}, response {next(self._numbers)}"
        return self._responses[turn]

    def _moved(self, machine: str, name: str, line: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        actor, at = f"{self._call}/{name}", number(line.get("t")) or 0.0
        source, dest = text(line.get("source")).upper(), text(line.get("dest")).upper()
        event = {"type": text(line.get("event"))}
        told: dict[str, Any] = {
            "sessionId": actor,
            "rootId": self._call,
            "createdAt": str(round((self._began + at) * 1000)),
            "_version": _VERSION,
        }
        if actor not in self._known:
            self._known.add(actor)
            begun = {"status": "active", "value": source}
            made = {"name": name, "definition": _definition(machine), "parentId": self._call}
            yield {"type": "@xstate.actor", "id": f"{actor}#0", **made, "snapshot": begun, **told}
        final = CHARTS[machine].state(dest).final if dest in _states(machine) else False
        snapshot = {"status": "done" if final else "active", "value": dest}
        context = {
            key: line[key] for key in ("attempt", "label", "of") if line.get(key) is not None
        }
        number_ = f"{actor}#{next(self._numbers)}"
        yield {"type": "@xstate.event", "id": number_, "event": event, **told}
        yield {
            "type": "@xstate.snapshot",
            "id": number_,
            "event": event,
            "snapshot": {**snapshot, "context": context},
            **told,
        }


@lru_cache(3)
def _states(machine: str) -> frozenset[str]:
    return frozenset(state.name for state in CHARTS[machine].states)
