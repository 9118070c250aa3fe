"""Faults as they happen to a connection, in virtual time, and on the loopback socket."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from realtime_fsm import simulator as sim

HELLO = sim.Message("one two three four", seconds=0.4)
CREATE = sim.At("response.create", side="client")


def run(*faults: sim.Fault, creates: int = 1) -> sim.VirtualConnection:
    config = sim.ServerConfig(faults=sim.Schedule(faults))
    connection = sim.VirtualConnection(sim.Script([sim.Reply([HELLO])] * 4), config)
    for number in range(creates):
        connection.send("response.create", event_id=f"c{number + 1}")
        connection.run()
    return connection


CLEAN = run()


def times(connection: sim.VirtualConnection) -> list[tuple[float, str]]:
    return [
        (round(t, 6), str(frame.event["type"]))
        for t, frame in connection.log
        if isinstance(frame, sim.Send)
    ]


def test_without_faults_nothing_changes() -> None:
    plain = sim.VirtualConnection(sim.Script([sim.Reply([HELLO])]))
    plain.send("response.create", event_id="c1")
    plain.run()
    assert plain.log == CLEAN.log


# --- the server's events ---


def test_an_event_is_lost() -> None:
    connection = run(sim.Lose(sim.At("response.created")))
    assert connection.types() == [t for t in CLEAN.types() if t != "response.created"]
    assert connection.core.happened == (sim.Lose(sim.At("response.created")),)  # type: ignore[union-attr]


def test_only_the_kth_event_is_lost() -> None:
    connection = run(sim.Lose(sim.At("response.output_audio.delta", 3)))
    assert connection.types().count("response.output_audio.delta") == 3


def test_a_late_event_holds_up_what_follows() -> None:
    connection = run(sim.Late(sim.At("response.content_part.added"), 3.0))
    assert connection.types() == CLEAN.types()
    late = connection.types().index("response.content_part.added")
    assert times(connection)[:late] == times(CLEAN)[:late]
    assert {t for t, _ in times(connection)[late:]} == {times(CLEAN)[late][0] + 3.0}


@pytest.mark.parametrize(("when", "held"), [("before", 1), ("after", 2)])
def test_silence_starts_where_it_says(when: Any, held: int) -> None:
    connection = run(sim.Silence(sim.At("response.created", when=when), 2.0))
    quiet = [t for t, _ in times(connection)[held:]]
    assert connection.types() == CLEAN.types()
    assert min(quiet) == pytest.approx(times(CLEAN)[1][0] + 2.0)


def test_an_event_comes_twice() -> None:
    connection = run(sim.Double(sim.At("response.done")))
    first, second = connection.events("response.done")
    assert first == second


@pytest.mark.parametrize(("behind", "place"), [(1, 2), (2, 3)])
def test_an_event_is_overtaken(behind: int, place: int) -> None:
    connection = run(sim.Reorder(sim.At("response.created"), behind))
    expected = [t for t in CLEAN.types() if t != "response.created"]
    expected.insert(place, "response.created")
    assert connection.types() == expected


def test_an_event_that_nothing_overtakes_comes_all_the_same() -> None:
    connection = run(sim.Reorder(sim.At("rate_limits.updated"), 5, within=0.5))
    assert connection.types() == CLEAN.types()
    assert connection.time_of("rate_limits.updated") == pytest.approx(
        CLEAN.time_of("rate_limits.updated") + 0.5
    )


@pytest.mark.parametrize(
    ("shape", "raw"),
    [("truncated", None), ("wrong_types", None), ("list", []), ("null", None), ("object", {})],
)
def test_a_frame_is_malformed(shape: Any, raw: Any) -> None:
    connection = run(sim.Malform(sim.At("response.created"), shape))
    (frame,) = (f for _, f in connection.log if isinstance(f, sim.Send) and f.raw is not None)
    assert frame.event == {"type": None, "text": frame.text}
    if shape == "truncated":
        with pytest.raises(ValueError, match=r"."):
            json.loads(frame.text)
    elif shape == "wrong_types":
        assert sim.server_event_problems(json.loads(frame.text))
    else:
        assert json.loads(frame.text) == raw


# --- errors ---


@pytest.mark.parametrize("code", [c for codes in sim.ERROR_CLASSES.values() for c in codes])
def test_an_error_of_every_class(code: str) -> None:
    connection = run(sim.InjectError(sim.At("response.output_item.added"), code, linked=True))
    assert (connection.error["code"], connection.error["event_id"]) == (code, "c1")
    types = connection.types()
    assert types[types.index("error") - 1] == "response.output_item.added"
    assert not sim.server_event_problems(connection.events("error")[0])
    assert connection.done["status"] == "completed"


@pytest.mark.parametrize("linked", [False, True])
def test_a_create_is_refused(linked: bool) -> None:
    connection = run(
        sim.InjectError(CREATE, "server_error", linked=linked, instead=True), creates=2
    )
    assert connection.error["event_id"] == ("c1" if linked else None)
    assert len(connection.events("response.created")) == 1
    assert connection.events("response.created")[0]["response"]["id"] == "resp_001"


# --- the client's events ---


def test_a_lost_create_is_never_answered() -> None:
    assert run(sim.Lose(CREATE)).types() == ["session.created"]
    assert run(sim.Lose(CREATE), creates=2).types() == CLEAN.types()


def test_a_late_create_keeps_its_place() -> None:
    connection = sim.VirtualConnection(
        sim.Script([sim.Reply([HELLO])]),
        sim.ServerConfig(faults=sim.Schedule([sim.Late(CREATE, 2.0)])),
    )
    connection.send("response.create", event_id="c1")
    connection.send("conversation.item.delete", event_id="d", item_id="nobody")
    connection.run()
    assert connection.time_of("response.created") == pytest.approx(2.005)
    assert connection.time_of("error") == pytest.approx(2.0), "what follows does not overtake it"


def test_a_doubled_create_collides_with_itself() -> None:
    connection = run(sim.Double(CREATE))
    assert (connection.core.collisions, connection.error["event_id"]) == (1, "c1")


@pytest.mark.parametrize("shape", ["truncated", "wrong_types", "list", "null", "object"])
def test_a_malformed_create_is_refused(shape: Any) -> None:
    connection = run(sim.Malform(CREATE, shape))
    assert connection.error["type"] == "invalid_request_error"
    assert not connection.events("response.created")


# --- ends ---


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_connection_breaks(when: Any) -> None:
    connection = run(
        sim.BreakConnection(sim.At("response.output_item.added", when=when)), creates=2
    )
    assert connection.ending == sim.Drop()
    last = "response.output_item.added" if when == "after" else "response.created"
    assert connection.types()[-1] == last
    assert connection.core.closed
    assert connection.core.next_deadline() is None


def test_what_is_under_way_is_lost_with_the_connection() -> None:
    connection = run(
        sim.Silence(sim.At("response.created"), 5.0),
        sim.BreakConnection(sim.At("response.content_part.added")),
    )
    assert connection.types() == ["session.created", "response.created"]
    assert connection.ending == sim.Drop()


def test_the_server_hangs_up() -> None:
    connection = run(
        sim.HangUp(sim.At("response.created"), 1001, reason="bye", error="session_expired")
    )
    assert connection.ending == sim.Close(1001, "bye")
    assert connection.error["code"] == "session_expired"


def test_a_half_open_connection_is_silent_for_ever() -> None:
    connection = run(sim.HalfOpen(sim.At("response.created")), creates=3)
    assert connection.types() == ["session.created", "response.created"]
    assert (connection.ending, connection.core.closed) == (None, False)
    assert connection.core.next_deadline() is None
    assert connection.core.half_open  # type: ignore[union-attr]


# --- counting ---


def test_events_are_counted_over_the_connections_of_a_server() -> None:
    lost = sim.Schedule(
        [sim.Lose(sim.At("session.created", 2)), sim.Lose(sim.At("session.created", connection=3))]
    )
    faults = sim.FaultRun(lost)
    seen = []
    for number in range(1, 5):
        core = sim.FaultyCore(sim.ServerCore(sim.Script()), faults, connection=number)
        core.connect(0.0)
        seen.append(len(core.take()))
    assert seen == [1, 0, 0, 1]
    assert len(faults.happened) == 2


def test_any_event_can_be_counted() -> None:
    connection = run(sim.Lose(sim.At("*", 3)))
    assert connection.types() == [t for i, t in enumerate(CLEAN.types()) if i != 2]


@pytest.mark.parametrize("seed", range(60))
def test_the_same_seed_is_the_same_run(seed: int) -> None:
    def once(step: float | None) -> list[Any]:
        config = sim.ServerConfig(faults=sim.Schedule.random(seed, "hostile"))
        connection = sim.VirtualConnection(sim.Script([sim.Reply([HELLO])] * 4), config)
        connection.send("session.update", session={"type": "realtime", "instructions": "x"})
        for number in range(3):
            connection.send("response.create", event_id=f"c{number}")
            connection.run(2.0)
            connection.send("response.cancel")
            for _ in range(8):
                connection.run(0.5 if step is None else step)
                if step is not None:
                    connection.run(0.5 - step)
        connection.run()
        return connection.log

    assert once(None) == once(None)
    assert once(None) == once(0.125), "however often the transport looks at the clock"


# --- on a socket ---


async def test_faults_on_the_socket() -> None:
    faults = sim.Schedule(
        [
            sim.RefuseHandshake(1, 503, "later"),
            sim.AcceptThenClose(2, 1012),
            sim.Malform(sim.At("response.created", connection=3), "truncated"),
            sim.BreakConnection(sim.At("response.done")),
            sim.HalfOpen(sim.At("session.updated", connection=4)),
        ]
    )
    config = sim.ServerConfig(pace=0.0005, create_delay=0.0, faults=faults)
    async with (
        sim.RealtimeServer(sim.Script([sim.Reply([HELLO])]), config=config) as server,
        aiohttp.ClientSession() as http,
    ):
        url = server.url + "/realtime"
        with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
            await http.ws_connect(url)
        assert refused.value.status == 503
        async with http.ws_connect(url) as ws:
            messages = [await ws.receive() for _ in range(2)]
            assert (messages[1].type, messages[1].data) == (aiohttp.WSMsgType.CLOSE, 1012)
        async with http.ws_connect(url) as ws:
            await ws.send_json({"type": "response.create"})
            texts = [m.data async for m in ws if m.type is aiohttp.WSMsgType.TEXT]
            with pytest.raises(ValueError, match=r"."):
                json.loads(texts[1])
            assert json.loads(texts[-1])["type"] == "response.done"
            assert ws.close_code == aiohttp.WSCloseCode.ABNORMAL_CLOSURE
        async with http.ws_connect(url, timeout=aiohttp.ClientWSTimeout(ws_close=0.05)) as ws:
            await ws.receive()
            for _ in range(2):
                await ws.send_json({"type": "session.update", "session": {"type": "realtime"}})
            assert json.loads((await ws.receive()).data)["type"] == "session.updated"
            with pytest.raises(asyncio.TimeoutError):
                await ws.receive(timeout=0.1)
