"""Who hears an emitter before its listeners, and in which order."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import pytest
from livekit import rtc

from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit._listener import hear_first
from realtime_fsm.simulator import Message, Reply
from realtime_fsm.testing import simulated_call, virtual_time
from realtime_fsm.trace import record


class Heard(list[str]):
    def by(self, name: str) -> dict[str, Callable[[Any], object]]:
        return {"it": lambda frame: self.append(f"{name}:{frame}")}


def test_who_only_looks_on_hears_it_first_and_listeners_last() -> None:
    emitter: rtc.EventEmitter[str] = rtc.EventEmitter()
    heard = Heard()
    emitter.on("it", lambda *args: heard.append(f"listener:{[*args]}"))
    hear_first(emitter, heard.by("changes"), changes=True)
    hear_first(emitter, heard.by("one"))
    hear_first(emitter, heard.by("two"))
    emitter.emit("it", 1)
    emitter.emit("else", 2)
    emitter.emit("it")
    assert heard == ["one:1", "two:1", "changes:1", "listener:[1]", "listener:[]"]


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_g7_nothing_is_left_behind_in_whatever_order_they_end(order: tuple[int, ...]) -> None:
    emitter: rtc.EventEmitter[str] = rtc.EventEmitter()
    heard = Heard()
    ends = [hear_first(emitter, heard.by(str(n)), changes=n == 1) for n in range(3)]
    for number, n in enumerate(order):
        ends[n]()
        ends[n]()
        heard.clear()
        emitter.emit("it", 1)
        assert sorted(heard) == sorted(f"{left}:1" for left in order[number + 1 :])
    assert "emit" not in vars(emitter)


def test_what_another_put_in_its_place_stays() -> None:
    emitter: Any = rtc.EventEmitter[str]()
    heard = Heard()
    emitter.emit = below = lambda event, *args: heard.append("below")
    end = hear_first(emitter, heard.by("ours"))
    ours = emitter.emit

    def above(event: str, *args: Any) -> None:
        heard.append("above")
        ours(event, *args)

    emitter.emit = above
    emitter.emit("it", 1)
    assert heard == ["above", "ours:1", "below"]
    end()
    assert emitter.emit is above
    heard.clear()
    emitter.emit("it", 1)
    assert heard == ["above", "below"]
    emitter.emit = ours
    hear_first(emitter, heard.by("again"))()
    assert emitter.emit in (ours, below)


@virtual_time
async def test_a_recorder_that_comes_late_writes_frames_as_they_came(tmp_path: Any) -> None:
    replies = [Reply([Message("Good morning to you.", seconds=1.0)])] * 2
    async with simulated_call(replies) as call:
        await call.session.generate_reply(user_input="one")
        session: Any = realtime_session_of(call.session)
        recorder = record(session._inner, tmp_path / "late.jsonl")
        await call.session.generate_reply(user_input="two")
        recorder.close()
    text = (tmp_path / "late.jsonl").read_text("utf-8")
    assert "response.output_audio.delta" in text
    assert "hidden" not in text
