"""Every rule that has alternatives, under each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from realtime_fsm import simulator as sim

TEN = sim.Message("one two three four five six seven eight nine ten", seconds=1.0)
CALL = sim.FunctionCall("f", {"a": 1}, call_id="call_x")

Check = Callable[[Any, dict[str, Any]], None]
CHECKS: dict[str, Check] = {}


def check(rule: str) -> Callable[[Check], Check]:
    def register(function: Check) -> Check:
        CHECKS[rule] = function
        return function

    return register


opened: list[sim.VirtualConnection] = []


def connect(
    switches: dict[str, Any], *replies: sim.Reply, **delays: float
) -> sim.VirtualConnection:
    config = sim.ServerConfig(**switches, **delays)
    opened.append(sim.VirtualConnection(sim.Script(replies or [sim.Reply([TEN])] * 3), config))
    return opened[-1]


def vad(connection: sim.VirtualConnection, **fields: Any) -> None:
    detection = {"type": "server_vad", **fields}
    audio = {"input": {"turn_detection": detection}}
    connection.send("session.update", session={"type": "realtime", "audio": audio})


def truncate(connection: sim.VirtualConnection, ms: int) -> None:
    connection.send("response.create")
    connection.run()
    connection.send(
        "conversation.item.truncate", item_id="item_001", content_index=0, audio_end_ms=ms
    )


CASES = [(r.id, r.field, value) for r in sim.RULES.values() if r.field for value in r.alternatives]


@pytest.mark.parametrize(("rule", "field", "value"), CASES)
def test_each_alternative(rule: str, field: str, value: object) -> None:
    opened.clear()
    CHECKS[rule](value, {field: value})
    assert opened
    for event in (event for connection in opened for event in connection.events()):
        problems = sim.server_event_problems(event, "beta" if value == "beta" else "ga")
        # The published types know no reasoning item, which is why it is hidden by default.
        assert not problems or (rule == "reasoning" and value == "item"), problems


@check("slot-taken")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches, create_delay=1.0)
    connection.send("response.create", event_id="c1")
    connection.run(0.1)
    connection.send("response.create", event_id="c2")
    assert connection.types().count("error") == (value == "accepted")
    connection.run()
    assert connection.error["event_id"] == "c2"
    assert connection.types().index("error") < connection.types().index("response.created") or (
        value == "created"
    )
    assert (connection.core.collisions, len(connection.events("response.created"))) == (1, 1)
    assert connection.core.active_response_id is None


@check("conflict-link")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    connection.send("response.create", event_id="c1")
    connection.send("response.create", event_id="c2")
    named = {"linked": "c2", "null": None, "foreign": "event_resp_001"}
    assert connection.error["event_id"] == named[value]


@check("failed-item")
def _(value: Any, switches: dict[str, Any]) -> None:
    failing = sim.Reply([TEN, TEN], end=sim.Failed("server_error", at=sim.audio_ms(1500)))
    connection = connect(switches, failing)
    connection.send("response.create")
    connection.run()
    held = [item.status for item in connection.core.conversation]
    assert held == (["completed", "incomplete"] if value == "incomplete" else ["completed"])
    assert [item["status"] for item in connection.done["output"]] == held
    assert len(connection.events("response.output_item.done")) == len(held)
    connection.send("response.create")
    connection.run()
    assert connection.done["status"] == "completed"


@check("cut-call")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(
        switches, sim.Reply([CALL], end=sim.Failed("server_error", at=sim.ITEM_ADDED))
    )
    connection.send("response.create")
    connection.run()
    announced = connection.events("response.function_call_arguments.done")
    assert [event["arguments"] for event in announced] == ([""] if value else [])
    assert connection.events("response.output_item.done")[0]["item"]["status"] == "incomplete"


@check("rate-limits")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    for _ in range(2):
        connection.send("response.create")
        connection.run()
    types, events = connection.types(), connection.events("rate_limits.updated")
    if value == "off":
        assert events == []
        return
    before = "response.done" if value == "after_done" else "response.created"
    assert [types[i - 1] for i, t in enumerate(types) if t == "rate_limits.updated"] == [before] * 2
    left = [{one["name"]: one["remaining"] for one in event["rate_limits"]} for event in events]
    assert left[0]["requests"] > left[1]["requests"]
    assert (left[0]["tokens"] > left[1]["tokens"]) is (value == "after_done")


@check("reasoning")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches, sim.Reply([sim.Reasoning(2.0, tokens=70), TEN]))
    connection.send("response.create")
    connection.run()
    message = connection.events("response.output_item.added")[-1]
    assert message["output_index"] == (0 if value == "hidden" else 1)
    assert [item["type"] for item in connection.done["output"]] == (
        ["message"] if value == "hidden" else ["reasoning", "message"]
    )
    assert connection.time_of("response.content_part.added") > 2.0
    assert connection.done["usage"]["output_token_details"]["text_tokens"] == 80
    assert [item.type for item in connection.core.conversation] == ["message"]


@check("cancel-before-created")
def _(value: Any, switches: dict[str, Any]) -> None:
    for slot in ("accepted", "created"):
        connection = connect({**switches, "slot_taken": slot}, create_delay=1.0)
        connection.send("response.create")
        connection.send("response.cancel", event_id="x")
        connection.run()
        assert connection.done["status"] == ("cancelled" if value else "completed")
        assert [e["error"]["event_id"] for e in connection.events("error")] == [
            "x" for _ in range(not value)
        ]


@check("interrupt-before-created")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches, create_delay=1.0)
    vad(connection, create_response=False)
    connection.send("response.create")
    connection.speak("Wait!")
    connection.run()
    assert len(connection.events("response.created")) == (value == "created_and_done")
    assert connection.done["status_details"] == {"type": "cancelled", "reason": "turn_detected"}


@check("item-confirmed")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Hi"}]}
    connection.send("conversation.item.create", item=item)
    confirmed = connection.events("conversation.item.added") + connection.events(
        "conversation.item.done"
    )
    assert len(confirmed) == (2 if value else 0)
    assert [item.text for item in connection.core.conversation] == ["Hi"]


@check("known-call")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches, sim.Reply([CALL]))
    for call_id in ("call_nobody", "call_x"):
        connection.send("response.create")
        connection.run()
        item = {"type": "function_call_output", "call_id": call_id, "output": "4"}
        connection.send("conversation.item.create", event_id=call_id, item=item)
    refused = [event["error"]["event_id"] for event in connection.events("error")]
    assert refused == (["call_nobody"] if value == "refuse" else [])


@check("truncate-bound")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    truncate(connection, 5000)
    cut = [event["audio_end_ms"] for event in connection.events("conversation.item.truncated")]
    assert cut == ([] if value == "refuse" else [1000])
    assert len(connection.events("error")) == (value == "refuse")
    assert connection.core.conversation[0].audio_ms == 1000


@check("truncate-text")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    truncate(connection, 300)
    (item,) = connection.core.conversation
    assert (item.audio_ms, item.text) == (300, "one two three" if value == "share" else "")


@check("model-fixed")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    for model in ("gpt-realtime-2", "gpt-realtime-2", "gpt-realtime-mini"):
        connection.send("session.update", session={"type": "realtime", "model": model})
    assert connection.core.session["model"] == "gpt-realtime-2"
    assert len(connection.events("error")) == (value == "refuse")


@check("beta-names")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    connection.send("response.create")
    connection.run()
    assert bool(connection.events("response.audio.delta")) is (value == "beta")
    assert bool(connection.events("response.output_audio.delta")) is (value == "ga")


@check("vad-loses")
def _(value: Any, switches: dict[str, Any]) -> None:
    for slot in ("accepted", "created"):
        connection = connect({**switches, "slot_taken": slot})
        vad(connection)
        connection.speak("Hello?", seconds=1.0)
        connection.run(0.9)
        connection.send("response.create", event_id="c1")
        connection.run()
        errors = [event["error"]["event_id"] for event in connection.events("error")]
        assert errors == ([None] if value == "error" else [])
        assert (connection.core.collisions, connection.core.vad_collisions) == (0, 1)


@check("semantic-late")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches, semantic_commit_delay=30.0)
    vad(connection, type="semantic_vad", eagerness="high")
    item = connection.speak("I would like, uhm", seconds=1.0)
    connection.run(2.0)
    assert connection.speak("a coffee", seconds=1.0) == item, "the turn goes on"
    connection.run_until("response.created")
    kinds = [t.rpartition(".")[2] for t in connection.types() if t.startswith("input_audio")]
    announced = ["speech_started", "speech_stopped"]
    assert kinds == [*announced * (1 + (value == "at_silence")), "committed"]
    assert connection.time_of("input_audio_buffer.committed") == pytest.approx(5.0)
    stopped = connection.time_of("input_audio_buffer.speech_stopped")
    assert stopped == pytest.approx(5.0 if value == "at_commit" else 1.0)
    (user,) = (item for item in connection.core.conversation if item.role == "user")
    assert (user.text, user.audio_ms) == ("I would like, uhm a coffee", 2000)


@check("metadata")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    connection.send("response.create", response={"metadata": {"a": "b"}})
    connection.run()
    assert connection.done["metadata"] == ({"a": "b"} if value else None)


@check("done-always")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    connection.send("response.create")
    connection.run_until("response.output_audio.delta")
    connection.send("response.cancel")
    connection.run()
    assert len(connection.events("response.done")) == value
    connection.send("response.create")
    connection.run()
    assert connection.done["status"] == "completed", "the slot was freed, and only that one is mute"


@check("vad-interrupts")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    vad(connection, create_response=False)
    connection.send("response.create")
    connection.run_until("response.output_audio.delta")
    connection.speak("Wait!", seconds=0.5)
    connection.run()
    assert [event["response"]["status"] for event in connection.events("response.done")] == (
        ["cancelled"] if value else []
    )
    assert connection.core.active_response_id is None


@check("response-ids")
def _(value: Any, switches: dict[str, Any]) -> None:
    connection = connect(switches)
    for _ in range(2):
        connection.send("response.create")
        connection.run()
    ids = {event["response"]["id"] for event in connection.events("response.created")}
    assert len(ids) == (1 if value else 2)
    connection.send("response.create")
    connection.run_until("response.created", 3)
    alive = connection.events("response.created")[-1]["response"]["id"]
    connection.send("response.cancel", response_id=alive)
    connection.run()
    assert connection.done["status"] == "cancelled"
