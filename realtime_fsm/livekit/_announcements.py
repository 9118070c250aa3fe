"""Announcements of items that may never be handed out: LiveKit makes a placeholder of each in the
agent's history.

That of a message that is about to be said goes there at once, as in plain LiveKit: an agent that takes over
with a copy made before its first word knows of it then. If it is never said it is deleted, and the
placeholder with it. The others are held back until it is known.
"""

from __future__ import annotations

import dataclasses
from collections import OrderedDict

from livekit.agents import llm

from ._driver import Driver
from ._history import History

#: Announcements kept of items that were neither handed out nor deleted.
_WITHHELD = 64


class Announcements:
    """``remote_item_added`` of one inner session, on its way to the host."""

    def __init__(self, driver: Driver, history: History) -> None:
        self._driver = driver
        self._history = history
        self.held: OrderedDict[str, llm.RemoteItemAddedEvent] = OrderedDict()

    def take(self, announcement: llm.RemoteItemAddedEvent) -> None:
        """Pass it on, or keep it."""
        item = announcement.item
        if self._history.is_dropped(item.id):
            return
        if self._history.replaces(item.id) and not self._driver.is_entered(item.id):
            return  # made again for a server that had it; the agent that has taken over does without
        if isinstance(item, llm.ChatMessage):
            # LiveKit's placeholder would share the list that the plugin writes the text into, and
            # go on to show words that nobody heard.
            copy = item.model_copy(update={"content": list(item.content)})
            announcement = dataclasses.replace(announcement, item=copy)
            if item.role == "assistant":
                self._history.shown_in(copy)
            if item.role == "user" and not item.content:
                self._driver.user_spoke(item.id)
                # LiveKit keeps its place only behind an item that the agent's history ends with,
                # which may be one that was deleted because nobody heard it. None is the end.
                announcement = dataclasses.replace(announcement, previous_item_id=None)
        controller = self._driver.controller
        if controller.withholds(item.id) and controller.message(item.id) is None:
            self.held[item.id] = announcement
            self._history.announced(item.id, entered=False)
            while len(self.held) > _WITHHELD:
                self.held.popitem(last=False)
        else:
            self._forward(announcement)

    def settle(self, item_id: str, *, forward: bool) -> None:
        """The item was handed out, or never will be."""
        announcement = self.held.pop(item_id, None)
        if forward and announcement is not None:
            self._forward(announcement)

    def _forward(self, announcement: llm.RemoteItemAddedEvent) -> None:
        item_id, before = announcement.item.id, announcement.previous_item_id
        if before is not None and self._driver.comes_last(before):
            # LiveKit makes a placeholder only behind what the history ends with, which after a
            # handoff is a note of that. None is the end.
            announcement = dataclasses.replace(announcement, previous_item_id=None)
        self._driver.forward("remote_item_added", announcement)
        self._history.announced(item_id, entered=self._driver.is_entered(item_id))
