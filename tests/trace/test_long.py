"""What is done for each turn does not grow with the call."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from realtime_fsm.trace.check import Report, check
from realtime_fsm.trace.questions import Question


def call_of(turns: int) -> bytes:
    """A plain call: each time the user speaks, and is answered and heard."""
    vad = {"type": "server_vad", "create_response": True, "interrupt_response": True}
    session = {"audio": {"input": {"turn_detection": vad}}}
    lines: list[dict[str, Any]] = [{"trace": "realtime-fsm", "version": 1, "mode": "plain"}]

    def line(t: float, by: str, kind: str, **fields: Any) -> None:
        lines.append({"t": round(t, 3), "by": by, "type": kind, **fields})

    def server(t: float, kind: str, **event: Any) -> None:
        line(t, "server", kind, connection=1, event=event)

    server(0.0, "session.created", session=session)
    line(0.1, "client", "session.update", connection=1, event={"session": session})
    server(0.1, "session.updated", session=session)
    for n in range(turns):
        t, said, item, response = 1.0 + 10 * n, f"item_u{n}", f"item_a{n}", f"resp_{n}"
        server(t, "input_audio_buffer.speech_started", item_id=said)
        server(t + 1, "input_audio_buffer.speech_stopped", item_id=said)
        server(t + 1, "input_audio_buffer.committed", item_id=said)
        server(t + 1.1, "response.created", response={"id": response, "status": "in_progress"})
        message = {"id": item, "type": "message", "role": "assistant"}
        server(t + 1.2, "response.output_item.added", response_id=response, item=message)
        server(t + 1.3, "response.output_audio.delta", response_id=response, item_id=item, delta=2000)  # fmt: skip
        line(t + 1.3, "playback", "started", item_id=item, sink=1)
        done = {**message, "status": "completed"}
        server(t + 1.5, "response.output_item.done", response_id=response, item=done)
        server(t + 1.5, "response.done", response={"id": response, "status": "completed", "output": [done]})  # fmt: skip
        line(t + 3.3, "playback", "finished", item_id=item, sink=1, position=2000, interrupted=False)  # fmt: skip
    line(1.0 + 10 * turns, "session", "recorded")
    return b"".join(json.dumps(each).encode() + b"\n" for each in lines)


def test_a_question_is_looked_at_as_often_in_a_long_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not with each message that was ever heard, for each question that there was."""
    looked = [0]
    precedes = Question.precedes

    def counted(self: Question, *by: float) -> bool:
        looked[0] += 1
        return precedes(self, *by)

    monkeypatch.setattr(Question, "precedes", counted)

    def of(turns: int) -> tuple[float, Report]:
        looked[0] = 0
        report = check(io.BytesIO(call_of(turns)))
        return looked[0] / turns, report

    (short, first), (long, second) = of(30), of(120)
    assert first.judged == second.judged
    assert "G18" in second.judged
    assert not second.broken
    assert short > 0
    assert long < 6 * short  # each of them meets each message once, and no more
