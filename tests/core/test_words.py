"""One rule for the words of a message that was cut (G16)."""

from __future__ import annotations

import math

import pytest

from realtime_fsm._core.words import heard_words
from realtime_fsm.simulator.conversation import Item

WORDS = "one two three four five six seven eight nine ten"


@pytest.mark.parametrize(
    ("heard", "received", "count"),
    [
        *((0, 1000, 0), (99, 1000, 0), (100, 1000, 1), (199, 1000, 1), (999, 1000, 9)),
        *((1000, 1000, 10), (5000, 1000, 10), (-5, 1000, 0)),
        (300, 0, 10),  # nobody counts
        *((0.3, 1.0, 3), (0.7, 1.0, 7), (math.inf, 1.0, 10)),  # seconds, as they are rounded
    ],
)
def test_g16_a_word_that_was_begun_does_not_count(
    heard: float, received: float, count: int
) -> None:
    assert heard_words(WORDS, heard, received).split() == WORDS.split()[:count]


@pytest.mark.parametrize("heard", range(0, 1001, 7))
def test_g16_the_simulated_server_keeps_the_same(heard: int) -> None:
    item = Item(id="m", type="message", role="assistant", part="output_audio")
    item.hold(WORDS, 1000)
    item.truncate(heard, keep_words=True)
    assert item.text == heard_words(WORDS, heard, 1000)
