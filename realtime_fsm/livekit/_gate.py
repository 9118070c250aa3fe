"""Which frames the inner session may see.

The plugin has one slot, for "the current generation", and looks at no id: a ``response.created`` puts
a new one there, a ``response.done`` closes whatever is there, and what comes between goes to it. So it
is shown one response at a time (G3). A frame is hidden only on evidence: it names another response than
the one in flight. One that names none is shown. What was shown is shown to its end, since a hidden
``response.done`` would leave the slot taken, and the plugin waits for it before a planned reconnect.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable

from .._core.session import remember


class Gate:
    """One connection's; nothing in here knows of LiveKit.

    Args:
        alive: Whether a response is still awaited. One whose end got lost gives up its slot.
    """

    def __init__(self, alive: Callable[[str], bool]) -> None:
        self._alive = alive
        #: The response the inner session holds, or None.
        self.slot: str | None = None
        #: What was shown last, and whether its end was.
        self._shown: OrderedDict[str, bool] = OrderedDict()
        self._hidden: OrderedDict[str, None] = OrderedDict()
        #: This server names a response by one id in all its frames.
        self._consistent = False
        #: Something of what the slot holds was shown.
        self._begun = False

    def reset(self) -> None:
        """The inner session dropped what it held, as it does on a new connection."""
        self.slot = None

    def taken(self, response_id: str) -> bool:
        """Whether another response is in flight."""
        return self.slot not in (None, response_id) and self._alive(self.slot or "")

    def hides_created(self, response_id: str | None, *, outside: bool, stale: bool) -> bool:
        """A ``response.created``.

        Args:
            response_id: None if it has none that can be used.
            outside: The response is out of band.
            stale: The response is over.
        """
        if response_id is None:
            self.slot = None  # whatever the inner session makes of it
            return False
        if response_id == self.slot:
            return True  # said twice: it would begin anew, and the streams it has would never end
        if outside or stale or self.taken(response_id):
            remember(self._hidden, response_id, None)
            return True
        self._hidden.pop(response_id, None)
        remember(self._shown, response_id, False)
        self.slot, self._begun = response_id, False
        return False

    def hides(self, response_id: str | None, *, outside: bool = False, done: bool = False) -> bool:
        """Any other ``response.*``.

        Args:
            done: It is a ``response.done``.
        """
        if response_id is not None:
            if outside or response_id in self._hidden:
                return True
            if response_id == self.slot:
                self._consistent = True
            elif self.slot is not None and (
                self._consistent or response_id in self._shown or (done and not self._begun)
            ):
                return True
        self._begun = True
        if done:
            if self.slot is not None:
                self._shown[self.slot] = True
            self.slot = None
        return False

    def hidden(self, response_id: str) -> bool:
        """Whether it is kept from the inner session."""
        return response_id in self._hidden

    def shown_to_its_end(self, response_id: str | None) -> bool:
        """Whether the inner session has seen the ``response.done`` of a response it held."""
        return self._shown.get(response_id or "", False)
