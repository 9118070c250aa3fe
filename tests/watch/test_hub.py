"""The hub and what it serves: who may look, what is told, and what harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest

from realtime_fsm.watch import WatchError
from realtime_fsm.watch import _call as call_module
from realtime_fsm.watch import _hub as hub_module
from realtime_fsm.watch import _web as web_module
from realtime_fsm.watch._address import is_ours
from realtime_fsm.watch._hub import Hub
from realtime_fsm.watch._place import folder, token
from realtime_fsm.watch._player import play
from realtime_fsm.watch._serve import serving
from realtime_fsm.watch._web import Web

from ..real_time import LONG
from .hubs import HEADER, Place, hub_at, line, moved, until

FAILING = [
    moved(0.1, "turn_1", "requested", "RESPONSE_CREATED", "created"),
    moved(0.2, "turn_1", "created", "RESPONSE_FAILED", "retry_wait"),
    line(0.2, "turn", "recovering", turn="turn_1", attempt=1, wait=0.5, code="server_error"),
]


async def rows(place: Place) -> list[dict[str, Any]]:
    _, text = await place.get("/calls")
    found: list[dict[str, Any]] = json.loads(text)["calls"]
    return found


# --- who may


async def test_only_whoever_has_the_token_may_look(place: Path) -> None:
    async with hub_at(place / "h") as hub:
        for path in ("/", "/calls", "/stream", "/live", "/calls/x/report", "/calls/x/trace", "/no"):
            async with hub.http.get(f"{hub.base}{path}") as answer:
                assert answer.status == 403
                assert "token is missing" in await answer.text()
            async with hub.http.get(f"{hub.base}{path}?token=wrong") as answer:
                assert answer.status == 403
                assert "token is wrong" in await answer.text()
        bearer = {"Authorization": f"Bearer {hub.token}"}
        async with hub.http.get(f"{hub.base}/calls", headers=bearer) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1:1", ""])
async def test_a_name_of_somebody_else_that_leads_here_is_served_nothing(
    place: Path, host: str
) -> None:
    """DNS rebinding: the browser of a page of evil.example would send that name."""
    async with hub_at(place / "h") as hub:
        status, text = await hub.get("/calls", Host=host)
        assert (status, "its own address" in text) == (403, True)


async def test_at_all_addresses_only_names_of_this_machine_are_served(place: Path) -> None:
    async with serving(place / "h", host="0.0.0.0", port=0) as (_, web):
        port = int(urlsplit(web.url).port or 0)
        assert socket.gethostname() in web.url
        assert not web.local
        own = (f"127.0.0.1:{port}", f"192.0.2.7:{port}", f"[2001:db8::1]:{port}")
        for host, ours in (
            *((name, True) for name in (*own, f"{socket.gethostname()}:{port}")),
            *((name, False) for name in ("evil.example", f"evil.example:{port}", "192.0.2.7")),
        ):
            assert is_ours(host, "0.0.0.0", port) is ours, host
    assert Web(Hub(), "t", host="::1").local


async def test_many_sources_at_once(place: Path, controlled: Path) -> None:
    """As `python -m tests.watch.measure crowd`, but short."""
    async with hub_at(place / "h") as hub, hub.viewer() as viewer:
        films = [play(controlled, place / "h", speed=500, label=str(n)) for n in range(40)]
        await asyncio.gather(*films)
        states: dict[str, str] = {}
        while set(states.values()) != {"ended"} or len(states) < 40:
            for row in (await viewer.receive_json(timeout=LONG))["rows"]:
                states[row["id"]] = row["state"]
        lengths = {call.lines for call in hub.hub.calls.values()}
        assert lengths == {len(controlled.read_text().splitlines())}  # noqa: ASYNC240


async def test_another_page_may_not_connect(place: Path) -> None:
    async with hub_at(place / "h") as hub:
        for origin in ("http://evil.example", "null", "https://127.0.0.1:1"):
            status, text = await hub.get("/live", Origin=origin)
            assert (status, "Another page" in text) == (403, True)
        assert (await hub.get("/calls", Origin=hub.base))[0] == 200


async def test_what_is_served_is_kept_and_framed_by_nobody(place: Path) -> None:
    async with hub_at(place / "h") as hub:
        async with hub.http.get(f"{hub.base}/?token={hub.token}") as answer:
            text = await answer.text()
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["X-Frame-Options"] == "DENY"
            assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "default-src 'none'" in text
        assert f"connect-src {hub.base} {hub.base.replace('http', 'ws')};" in text
        assert "unsafe" not in text.split("</head>")[0].split("Policy")[1].split(">")[0]


def test_the_folder_is_the_users_own(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(token()) >= 24
    assert token() == token()
    assert os.stat(place / "token").st_mode & 0o777 == 0o600
    place.chmod(0o755)
    with pytest.raises(WatchError, match="can be read by others: make its mode 700"):
        folder()
    place.chmod(0o700)
    monkeypatch.setattr(os, "getuid", lambda: place.stat().st_uid + 1)
    with pytest.raises(WatchError, match="belongs to another user"):
        folder()


def test_a_place_that_is_no_folder(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "file").touch()
    monkeypatch.setenv("REALTIME_FSM_WATCH_DIR", str(place / "file"))
    with pytest.raises(WatchError, match="is no folder"):
        folder()
    (place / "link").symlink_to(place)
    monkeypatch.setenv("REALTIME_FSM_WATCH_DIR", str(place / "link"))
    with pytest.raises(WatchError, match="is no folder"):
        folder()


async def test_the_socket_is_for_the_user_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_at(place / "h") as hub:
        assert os.stat(place / "h").st_mode & 0o077 == 0
        # What the system says of who is at the other end, if it is somebody else.
        monkeypatch.setattr(hub_module, "_is_ours", lambda writer: False)
        async with hub.source() as source:
            source.call("a")
            with contextlib.suppress(ConnectionError):
                assert await source._reader.read() == b""
        assert not hub.hub.calls


async def test_a_port_in_use(place: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        web = Web(Hub(), "t" * 20)
        with pytest.raises(WatchError, match=f"127.0.0.1:{port} cannot be listened on: "):
            await web.start(port)
        await web.close()
    nowhere = Web(Hub(), "t" * 20, host="no.such.host.invalid")
    with pytest.raises(WatchError, match=r"^no.such.host.invalid:0 cannot be listened on: \w+"):
        await nowhere.start(0)


async def test_the_usual_port_in_use_is_no_trouble(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        monkeypatch.setattr(web_module, "PORT", taken.getsockname()[1])
        web = Web(Hub(), "t" * 20)
        await web.start()
        assert str(taken.getsockname()[1]) not in web.url
        await web.close()


async def test_two_hubs_at_one_place(place: Path) -> None:
    async with hub_at(place / "h"):
        with pytest.raises(WatchError, match="another hub listens there"):
            async with hub_at(place / "h"):
                pass
    (place / "h").touch()  # left by one that was killed
    async with hub_at(place / "h"):
        pass
    assert not (place / "h").exists()


# --- what is told


async def test_the_list_tells_how_each_call_stands(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer(), hub.source() as source:
        for name in ("a", "b", "c"):
            source.call(name, label=name.upper())
        source.say("a", HEADER, *FAILING)
        source.say("b", HEADER, *FAILING)
        source.say("b", moved(0.9, "turn_1", "streaming", "PLAYBACK_OVER", "done"))
        source.say("b", line(0.9, "turn", "ended", turn="turn_1", outcome="completed"))
        source.over("b")
        source.over("c", failed=True)
        await until(lambda: len(hub.hub.calls) == 3 and hub.hub.calls["c"].over)
        a, b, c = await rows(hub)
        assert (a["label"], a["state"], a["recovering"], a["now"]) == (
            "A", "live", "server_error", "retry_wait",
        )  # fmt: skip
        assert (b["state"], b["recovered"], b["turns"], b["now"]) == ("ended", 1, 1, "")
        assert (c["state"], c["seen"]) == ("failed", False)


async def test_a_process_that_dies_leaves_its_calls_as_lost(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer():
        async with hub.source() as source:
            source.call("a")
            source.say("a", HEADER, *FAILING)
            source.writer.write(b"a\t" + FAILING[0].encode()[:20])  # in the middle of a line
            await until(lambda: "a" in hub.hub.calls and hub.hub.calls["a"].lines >= 4)
        await until(lambda: hub.hub.calls["a"].state == "lost")
        assert (await rows(hub))[0]["recovering"] == ""
        status, html = await hub.get("/calls/a/report")
        assert status == 200
        assert "The recording was cut off" in html
        # It comes back: the same process lost the hub only for a moment.
        async with hub.source() as source:
            source.call("a")
            await until(lambda: hub.hub.calls["a"].state == "live")


async def test_who_looks_is_told_to_the_processes(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "_LINGER", 0.05)
    async with hub_at(place / "h") as hub, hub.source() as source:
        assert await source.told() == {"say": "look", "on": False}
        async with hub.viewer(), hub.viewer():
            assert await source.told() == {"say": "look", "on": True}
        assert await source.told() == {"say": "look", "on": False}
        async with hub.viewer():
            assert await source.told() == {"say": "look", "on": True}


async def test_a_page_that_is_loaded_anew_stops_nothing(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.source() as source:
        await source.told()
        async with hub.viewer():
            await source.told()
        async with hub.viewer() as viewer:
            await viewer.receive_json(timeout=LONG)
            with pytest.raises((asyncio.TimeoutError, TimeoutError)):
                await asyncio.wait_for(source._reader.readline(), 0.1)


async def test_the_stream_of_a_call_is_its_trace(place: Path, controlled: Path) -> None:
    text = controlled.read_text()  # noqa: ASYNC240
    async with hub_at(place / "h") as hub, hub.viewer():
        film = asyncio.ensure_future(play(controlled, place / "h", speed=100, label="it"))
        await until(lambda: hub.hub.calls)
        (name,) = hub.hub.calls
        status, streamed = await hub.get(f"/calls/{name}/stream")  # ends with the call
        await film
        assert status == 200
        written = text.splitlines()
        assert streamed.splitlines()[1:] == written[1:]
        assert json.loads(streamed.splitlines()[0]) == json.loads(written[0])
        assert (await hub.get(f"/calls/{name}/trace"))[1] == streamed


async def test_the_stream_of_all_calls_names_the_call_in_each_line(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer(), hub.source() as source:
        source.call("a")
        source.call("b")
        source.say("a", HEADER)
        source.say("b", HEADER)
        url = f"{hub.base}/stream?token={hub.token}"
        async with hub.http.get(url) as answer:
            first = [json.loads(await answer.content.readline()) for _ in range(2)]
            assert {each["call"] for each in first} == {"a", "b"}
            source.say("b", FAILING[0])
            later = json.loads(await asyncio.wait_for(answer.content.readline(), LONG))
            assert (later["call"], later["by"], later["turn"]) == ("b", "turn", "turn_1")


async def test_a_late_viewer_gets_the_call_from_its_beginning(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer(), hub.source() as source:
        source.call("a")
        source.say("a", HEADER, *FAILING)
        await until(lambda: hub.hub.calls and hub.hub.calls["a"].lines == 4)
        async with hub.viewer("a") as viewer:
            news = await news_of(viewer)
            assert news["head"]["mode"] == "control"
            assert [each[1]["id"] for each in news["turns"]] == ["turn_1"]
            assert len(news["turns"][0][1]["moves"]) == 2
            assert news["missing"] == []
            source.say("a", moved(0.7, "turn_1", "retry_wait", "BACKOFF_OVER", "requested"))
            later = await news_of(viewer)
            assert later["from"] == news["version"]
            assert "head" not in later
            assert len(later["turns"][0][1]["moves"]) == 3


async def test_what_nobody_saw_is_told(place: Path) -> None:
    partial = json.dumps({**json.loads(HEADER), "partial": True})
    async with hub_at(place / "h") as hub, hub.viewer("a") as viewer, hub.source() as source:
        source.call("a")
        source.say("a", partial, line(61.0, "watch", "missed", lines=12), FAILING[0], HEADER)
        await until(lambda: hub.hub.calls and hub.hub.calls["a"].lines == 4)
        missing: list[str] = []
        while len(missing) < 3:
            missing = (await news_of(viewer))["missing"]
        assert missing == [
            "The beginning is missing: nobody looked when the call began.",
            "12 lines are missing before 1:01.0",
            "Something is missing after 1:01.0: nobody looked.",
        ]


async def news_of(viewer: aiohttp.ClientWebSocketResponse) -> dict[str, Any]:
    while True:
        told: dict[str, Any] = await viewer.receive_json(timeout=LONG)
        if "news" in told:
            news: dict[str, Any] = told["news"]
            return news


async def test_statelys_inspector_is_told_of_actors_and_their_snapshots(place: Path) -> None:
    """As `@statelyai/inspect` 0.7 reads it, whose receiver and XState's machines it was tried with."""
    machine = {"machine": "response", "turn": "turn_1"}
    lines = [
        line(0.1, "machine", "moved", of=None, source="queued", event="LEFT", dest="sent", **machine),
        FAILING[0],
        line(0.2, "machine", "moved", of="r", source="sent", event="CREATED", dest="active", **machine),
        FAILING[1],
        line(0.3, "machine", "moved", machine="odd", of=None, source="a", event="b", dest="c"),
        "{",
    ]  # fmt: skip
    async with hub_at(place / "h") as hub, hub.source() as source:
        socket = hub.http.ws_connect(f"{hub.base}/inspect?token={hub.token}")
        async with socket as told, hub.viewer():
            source.call("a", began=1_700_000_000)
            source.say("a", HEADER, *lines)
            found = [await told.receive_json(timeout=LONG) for _ in range(10)]
    kinds = [each["type"].removeprefix("@xstate.") for each in found]
    assert kinds == ["actor", "event", "snapshot"] * 2 + ["event", "snapshot"] * 2
    by_actor: dict[str, list[dict[str, Any]]] = {}
    for each in found:
        by_actor.setdefault(each["sessionId"], []).append(each)
        assert each["rootId"] == "a"
        assert each["createdAt"].startswith("1700000000")
    assert set(by_actor) == {"a/turn_1", "a/turn_1, response 1"}
    for events in by_actor.values():
        states = json.loads(events[0]["definition"])["states"]
        state = events[0]["snapshot"]["value"]
        for each in events[1:]:
            if each["type"] == "@xstate.snapshot":
                rows = states[state]["on"][each["event"]["type"]]
                state = each["snapshot"]["value"]
                assert state in [row["target"] for row in rows]
                assert state in states


# --- what harms nobody


async def test_whatever_a_source_sends_harms_nobody(place: Path) -> None:
    async with (
        hub_at(place / "h") as hub,
        hub.viewer(),
        hub.source() as rude,
        hub.source() as source,
    ):
        source.call("good")
        source.say("good", HEADER)
        await until(lambda: hub.hub.calls and hub.hub.calls["good"].lines == 1)
        rude.writer.write(b"\n\x00\xff\n[]\n17\n{\n" + b'{"say":"call"}\n{"say":"call","call":7}\n')
        rude.writer.write(b'{"say":"call","call":"<script>"}\n{"say":"over","call":"../x"}\n')
        rude.writer.write(b'{"say":"hello","program":{"a":[]},"pid":"x"}\n{"say":"look","on":1}\n')
        rude.say("good", FAILING[0])  # a call of somebody else
        rude.over("good")
        rude.call("mine", label="<img src=x>" * 50, began="yesterday", speed=-1, group=["x"])
        rude.say(
            "mine", HEADER, "null", "[]", "{", '{"t":"x","by":7}', '{"by":"turn","type":"moved"}'
        )
        rude.say("mine", "[" * 3000, line(1e300, "turn", "moved", turn={"a": 1}, dest=7))
        rude.say("mine", line(0.5, "machine", "moved", machine=7, dest=["x"]), "\ud800")
        rude.say("nobody", HEADER)
        async with hub.viewer("mine", "good", "no") as viewer:
            news = await news_of(viewer)
            assert news["lines"] >= 1
        await until(lambda: hub.hub.calls["mine"].lines == 10)
        assert hub.hub.calls["good"].lines == 1
        assert not hub.hub.calls["good"].over
        assert set(hub.hub.calls) == {"good", "mine"}
        for path in ("report", "trace", "turns/0"):
            assert (await hub.get(f"/calls/mine/{path}"))[0] in (200, 404)
        assert (await hub.get("/calls/mine/turns/99"))[0] == 404
        assert (await hub.get("/calls/other/report")) == (
            404, "There is no such call, or it was long ago.\n",
        )  # fmt: skip


async def test_a_line_too_long_ends_its_process_connection_alone(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "LONGEST", 4096)
    async with hub_at(place / "h") as hub, hub.source() as rude, hub.source() as source:
        rude.call("a")
        rude.writer.write(b"a\t" + b"x" * 100_000)
        with contextlib.suppress(ConnectionError):
            await rude._reader.read()  # until it is closed
        source.call("b")
        await until(lambda: "b" in hub.hub.calls)
        assert hub.hub.calls["a"].state == "lost"


async def test_whatever_a_viewer_sends_harms_nobody(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.source() as source:
        source.call("a")
        async with hub.viewer() as viewer:
            for told in ("", "{", "[]", "{}", '{"watch": 7}', '{"watch": [7, {}]}', "[" * 9999):
                await viewer.send_str(told)
            await viewer.send_bytes(b"\x00")
            await viewer.send_json({"watch": ["no", *["a"] * 50]})
            await viewer.receive_json(timeout=LONG)
            source.say("a", HEADER)
            assert (await news_of(viewer))["lines"] <= 1


async def test_a_viewer_that_reads_nothing_holds_nobody(
    place: Path, controlled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web_module, "_DEAD", 0.3)
    async with hub_at(place / "h") as hub:
        with socket.create_connection(("127.0.0.1", int(hub.base.rpartition(":")[2]))) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
            told = f"GET /stream?token={hub.token} HTTP/1.1\r\nHost: {hub.base[7:]}\r\n\r\n"
            slow.sendall(told.encode())
            await until(lambda: hub.hub.viewers == 1)
            for _ in range(12):  # more than the buffers of a connection hold
                await asyncio.wait_for(play(controlled, place / "h", speed=1e6), LONG)
            async with hub.viewer() as viewer:
                assert len((await viewer.receive_json(timeout=LONG))["rows"]) == 12


async def test_the_trace_of_a_call_is_bounded(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_module, "MOST_BYTES", 600)
    async with hub_at(place / "h") as hub, hub.viewer("a") as viewer, hub.source() as source:
        source.call("a")
        source.say("a", HEADER, *FAILING * 20)
        await until(lambda: hub.hub.calls and hub.hub.calls["a"].lines == 61)
        assert len((await hub.get("/calls/a/trace"))[1]) < 600
        assert hub.hub.calls["a"].dropped > 50
        await news_of(viewer)


async def test_the_oldest_calls_are_forgotten(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "_MOST_CALLS", 3)
    async with hub_at(place / "h") as hub, hub.source() as source, hub.viewer() as viewer:
        for n in range(10):
            source.call(f"c{n}")
            if n:
                source.over(f"c{n}")
        await until(lambda: "c9" in hub.hub.calls and hub.hub.calls["c9"].over)
        assert list(hub.hub.calls) == ["c0", "c7", "c8", "c9"]  # the first one runs still
        known: set[str] = set()
        while known != set(hub.hub.calls):
            told = await viewer.receive_json(timeout=LONG)
            known = (known | {row["id"] for row in told["rows"]}) - set(told["gone"])


async def test_nothing_is_left_of_a_hub(place: Path) -> None:
    before, tasks = len(os.listdir("/proc/self/fd")), asyncio.all_tasks()
    for _ in range(3):
        async with hub_at(place / "h") as hub, hub.source() as source:
            source.call("a")
            source.say("a", HEADER, *FAILING)
            async with hub.viewer("a") as viewer, hub.viewer("a"):
                await news_of(viewer)
    await until(lambda: asyncio.all_tasks() == tasks)
    await until(lambda: len(os.listdir("/proc/self/fd")) <= before + 1)
    assert not (place / "h").exists()
