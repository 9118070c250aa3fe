"""An item at which the server hangs up, again and again.

A replay has it again, and would end there until the budget is spent. A connection is ordered: what the
server did not confirm first is what it ended at. That may be chance, so the item is suspected when two
connections in a row ended there; the next one is told all but this item. Only if that one goes on was
it the item. If it ends as well, nothing was.
"""

from __future__ import annotations

from collections.abc import Callable

#: Connections in a row that end at one item until it is suspected.
_ENOUGH = 2


class Blame:
    """One session's, over its connections.

    Attributes:
        out: Items that the present connection is not told.
        on_trial: One of them, while it is not known whether it was that.
        on_suspected: Called with an item that is left out to see whether that helps.
        on_proven: Called, once, with an item without which the connection went on.
    """

    def __init__(self) -> None:
        self.out: set[str] = set()
        self.on_trial: str | None = None
        self.on_suspected: Callable[[str], None] = lambda item_id: None
        self.on_proven: Callable[[str], None] = lambda item_id: None
        self._suspect: str | None = None
        self._times = 0
        #: Each is told to one more connection: two losses may have been chance.
        self._proven: set[str] = set()
        self._for_good: set[str] = set()

    def ended_at(self, item_id: str | None) -> None:
        """A connection is lost; the item it ended at, if it was one."""
        tried, self.on_trial = self.on_trial, None
        self.out = set(self._for_good)
        if tried is not None and tried != item_id:
            self._suspect = None  # it ended without it
        elif item_id in self._proven:
            self._for_good.add(item_id)
            self.out.add(item_id)
        elif item_id is None or item_id != self._suspect:
            self._suspect, self._times = item_id, 1
        else:
            self._times += 1
            if self._times >= _ENOUGH:
                self.on_trial = item_id
                self.out.add(item_id)
                self.on_suspected(item_id)

    def went_on(self) -> None:
        """The server answers what came after the items."""
        if self.on_trial is not None:
            item_id, self.on_trial, self._suspect = self.on_trial, None, None
            self._proven.add(item_id)
            self.on_proven(item_id)

    def confirmed(self, item_id: str) -> None:
        """The server took an item."""
        self._proven.discard(item_id)
        if item_id == self._suspect:
            self._suspect = self.on_trial = None
