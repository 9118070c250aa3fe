"""G25: each field of each frame of a real call wrong, with the real session and plugin.

Here a part of them, the same each time; ``make scenarios`` runs them all.
"""

from __future__ import annotations

import json
import warnings

import pytest

from realtime_fsm.lab.scenarios.bad_input import (
    Mutation,
    frames_of_a_call,
    mutations,
    run_mutation,
)

_EVERY = 29  # a prime, so that all kinds of wrong values are met
_ALL = list(mutations())
_DONE = ("response", "status_details")
_NAMED = [
    Mutation("response.created", (), "truncated JSON"),
    Mutation("response.done", (), "null"),
    Mutation("response.done", (), "list"),
    Mutation("session.created", (), "object"),
    Mutation("response.done", _DONE, "text", number=5),
    Mutation("response.done", ("response", "status"), "null"),
    Mutation("response.done", ("response", "output"), "of nulls"),
    Mutation("response.created", ("response", "id"), "null"),
    Mutation("response.created", ("response", "id"), "duplicate", number=3),
    Mutation("response.output_item.added", ("item", "id"), "duplicate", number=3),
    Mutation("response.output_item.added", ("item", "id"), "null"),
    Mutation("response.output_item.added", ("item", "id"), "list"),
    Mutation("response.output_item.added", ("item", "id"), "object"),
    Mutation("response.output_audio.delta", ("delta",), "number"),
    Mutation("conversation.item.truncated", ("audio_end_ms",), "huge"),
    Mutation("conversation.item.truncated", ("audio_end_ms",), "negative"),
    Mutation("rate_limits.updated", ("rate_limits",), "of nulls"),
    Mutation("input_audio_buffer.speech_started", ("audio_start_ms",), "huge"),
]


def _cases() -> list[object]:
    return [pytest.param(each, id=str(each)) for each in dict.fromkeys([*_NAMED, *_ALL[::_EVERY]])]


@pytest.mark.sampled(4, kind=lambda mutation: mutation.event)
@pytest.mark.parametrize("mutation", _cases())
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")
def test_g25_one_wrong_field_neither_hangs_a_call_nor_silences_it(mutation: Mutation) -> None:
    verdict = run_mutation(mutation)
    assert verdict.kind in ("goes on", "ends visibly"), verdict.why


def test_all_events_of_the_call_are_made_wrong_in_all_ways() -> None:
    types = {frame["type"] for frame in frames_of_a_call()}
    assert {each.event for each in _ALL} == types
    assert len(types) >= 20
    assert len(set(_ALL)) == len(_ALL) > 1500


def test_a_mutation_changes_one_field() -> None:
    frame = {"type": "x", "item": {"id": "item_002", "n": 1}, "list": [{"a": "b"}]}
    seen = {"id": ["item_001"]}

    def wrong(path: tuple[str | int, ...], how: str) -> object:
        return json.loads(Mutation("x", path, how).apply(frame, seen))

    assert wrong(("item", "id"), "duplicate") == {**frame, "item": {"id": "item_001", "n": 1}}
    assert wrong(("item", "n"), "huge") == {**frame, "item": {"id": "item_002", "n": 10**30}}
    assert wrong(("list", 0, "a"), "missing") == {**frame, "list": [{}]}
    assert wrong((), "null") is None
    with pytest.raises(ValueError, match=r"delimiter|Expecting|Unterminated"):
        wrong((), "truncated JSON")


def test_a_call_that_is_left_in_silence_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our replacement of a dead session the call would not go on."""
    from realtime_fsm.livekit import _session

    monkeypatch.setattr(_session.ControlledRealtimeSession, "generate_reply", _never)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        verdict = run_mutation(_NAMED[0])
    assert verdict.kind == "hang"


def _never(self: object, **_: object) -> object:
    import asyncio

    return asyncio.get_running_loop().create_future()
