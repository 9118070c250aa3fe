"""The words of messages that came as streams, and which of them were heard."""

from __future__ import annotations

import math
from collections import OrderedDict

from .._core.controller import TurnController
from .._core.states import MessageOutcome
from .._core.words import heard_words

#: Nobody speaks faster.
_WORDS_A_SECOND = 5
#: Messages that are remembered.
_REMEMBERED = 64


class StreamedWords:
    """One session's."""

    def __init__(self, controller: TurnController) -> None:
        self._controller = controller
        #: As they came.
        self._words: OrderedDict[str, list[str]] = OrderedDict()

    def came(self, item_id: str, piece: str) -> None:
        """A message has these words too."""
        self._words.setdefault(item_id, []).append(piece)
        while len(self._words) > _REMEMBERED:
            self._words.popitem(last=False)

    def heard_text(self, item_id: str) -> str | None:
        """What was heard of a message that was cut, perhaps nothing; None of any other."""
        message = self._controller.message(item_id)
        if message is None or message.outcome in (None, MessageOutcome.FULL):
            return None
        if message.outcome is MessageOutcome.SKIPPED:
            return ""
        if message.heard_ms is None or message.transcript is not None:
            return message.transcript
        text = "".join(self._words.get(item_id, ()))
        # Some send the text ahead of the sound, so that all of it stands for what has come so far.
        spoken = math.ceil(message.heard_ms / 1000 * _WORDS_A_SECOND)
        said = heard_words(text, message.heard_ms, message.received_ms).split()
        return " ".join(said[:spoken])
