"""A real call that is watched: what it tells, and that it never waits for who looks."""

from __future__ import annotations

import asyncio
import contextlib
import io
import json
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from livekit.agents import Agent
from livekit.agents.voice import SpeechHandle
from livekit.plugins import openai

from realtime_fsm._core.machine import MACHINES, PLAYBACK_DEFINITION, RESPONSE_DEFINITION, arrows
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator import Failed, Message, RealtimeServer, Reply, Script, ServerConfig
from realtime_fsm.testing import PacedAudioOutput
from realtime_fsm.trace import check, record
from realtime_fsm.watch import _link as link_module
from realtime_fsm.watch import watch
from realtime_fsm.watch._link import Link
from realtime_fsm.watch._source import Watching
from realtime_fsm.watch._wire import control

from ..docs.blocks import ROOT, blocks
from ..real_time import LONG
from .hubs import Place, hub_at, until

FAILS = Reply(end=Failed("server_error"))
SECRET_WORD = "marmalade"
HELLO = Reply([Message(f"Hello, {SECRET_WORD}.", seconds=2.0), Message("Well?", seconds=1.0)])


class Call:
    """A session of an application, on the simulator."""

    def __init__(self, model: Any, session: AgentSession[Any], link: Link) -> None:
        self.model, self.session, self.link = model, session, link
        self.watching: Watching

    async def ask(self, words: str = "Hello?") -> SpeechHandle:
        handle = self.session.generate_reply(user_input=words)
        await asyncio.wait_for(_done(handle), LONG)
        return handle


async def _done(handle: SpeechHandle) -> None:
    await handle


@contextlib.asynccontextmanager
async def a_call(
    hub: Path, *replies: Reply, plain: bool = False, trace: Path | None = None, words: bool = False
) -> AsyncIterator[Call]:
    config = ServerConfig(pace=0.02)
    async with RealtimeServer(Script(list(replies)), config=config) as server:
        inner = openai.realtime.RealtimeModel(
            api_key="none", base_url=server.url, turn_detection=None
        )
        model: Any = inner if plain else ControlledRealtimeModel(inner)
        session: AgentSession[Any] = AgentSession(llm=model, vad=None)
        call = Call(model, session, Link(hub, start=False))
        call.watching = Watching(model, call.link, transcripts=words, label="a call", group="")
        if trace is not None:
            record(model, trace, transcripts=words).attach(session)
        call.watching.attach(session)
        if not plain:
            model.attach(session)
        sink = PacedAudioOutput(speed=10)
        session.output.audio = sink
        try:
            await session.start(Agent(instructions="Be brief."))
            yield call
        finally:
            await session.aclose()
            await model.aclose()
            await sink.aclose()


async def ended(hub: Place) -> str:
    """The trace of the hub's only call, once it is over."""
    await until(lambda: hub.hub.calls and all(each.over for each in hub.hub.calls.values()))
    (name,) = hub.hub.calls
    return (await hub.get(f"/calls/{name}/trace"))[1]


def lines_of(trace: str) -> list[dict[str, Any]]:
    return [json.loads(each) for each in trace.splitlines()]


def kinds(lines: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What happened, without what comes in pieces that depend on the time."""
    pieces = ("response.output_audio.delta", "input_audio_buffer.append")
    return [
        (each["by"], each["type"])
        for each in lines[1:]
        if each["by"] not in ("machine", "watch") and each["type"] not in pieces
    ]


@pytest.mark.parametrize("plain", [False, True])
async def test_a_call_is_told_as_a_recorder_writes_it(
    place: Path, tmp_path: Path, plain: bool
) -> None:
    trace = tmp_path / "trace.jsonl"
    async with hub_at(place / "h") as hub, hub.viewer():
        async with a_call(place / "h", HELLO, plain=plain, trace=trace) as call:
            await call.ask()
        told = await ended(hub)
    lines = lines_of(told)
    written = trace.read_text()
    assert "partial" not in lines[0]
    assert kinds(lines) == kinds(lines_of(written))
    report = check(io.BytesIO(told.encode()))
    assert not report.violations
    assert report.judged
    assert SECRET_WORD not in told


async def test_words_are_told_where_they_are_asked_for(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer():
        async with a_call(place / "h", HELLO, words=True) as call:
            await call.ask()
        told = await ended(hub)
    assert SECRET_WORD in told
    assert not any(len(each) > 20_000 for each in told.splitlines())  # no audio all the same


async def test_each_move_of_a_machine_is_told_and_is_a_row_of_its_table(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer():
        async with a_call(place / "h", FAILS, HELLO) as call:
            await call.ask()
        lines = lines_of(await ended(hub))
    moves = [each for each in lines[1:] if (each["by"], each["type"]) == ("machine", "moved")]
    for name, definition in (("response", RESPONSE_DEFINITION), ("playback", PLAYBACK_DEFINITION)):
        rows = {
            (str(a.source.value), a.event.name, str((a.dest or a.source).value))
            for a in arrows(definition.table)
        }
        mine = [each for each in moves if each["machine"] == name]
        assert mine
        assert {(m["source"], m["event"], m["dest"]) for m in mine} <= rows
    path = [m["dest"] for m in moves if m["machine"] == "response" and m["source"] != m["dest"]]
    assert path[:3] == ["sent", "active", "ended"]  # the one that fails
    assert path[-3:] == ["sent", "active", "ended"]
    items = [m["of"] for m in moves if m["machine"] == "playback" and m["dest"] == "finished"]
    assert len(items) == 2


async def test_two_that_watch_one_call_are_told_the_same(place: Path) -> None:
    async with hub_at(place / "h") as hub, hub.viewer():
        async with a_call(place / "h", HELLO, HELLO) as call:
            other = Watching(call.model, call.link, transcripts=False, label="2", group="")
            other.attach(call.session)
            await call.ask()
            call.watching.close()  # the first one that came
            await call.ask()
        first, second = hub.hub.calls
        await until(lambda: all(each.over for each in hub.hub.calls.values()))
        told = [lines_of((await hub.get(f"/calls/{name}/trace"))[1]) for name in (first, second)]
    finished = [
        sum(each.get("machine") == "playback" and each["dest"] == "finished" for each in lines)
        for lines in told
    ]
    assert finished == [2, 4]


async def test_nobody_looks_and_nothing_is_written(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hub_at(place / "h") as hub:
        async with a_call(place / "h", FAILS, HELLO) as call:
            await until(lambda: not call.link.looking)
            sent: list[object] = []
            monkeypatch.setattr(call.link, "send", lambda *told: sent.append(told))
            monkeypatch.setattr("realtime_fsm.watch._source.dumps", lambda _: sent.append("made"))
            await call.ask()
            assert call.model.controller._session.machines is MACHINES
        await until(lambda: hub.hub.calls and all(c.over for c in hub.hub.calls.values()))
        assert not sent
        (row,) = json.loads((await hub.get("/calls"))[1])["calls"]
        assert (row["state"], row["seen"], row["label"]) == ("ended", False, "a call")


async def test_who_comes_late_is_told_from_where_and_how_it_stands(place: Path) -> None:
    long = Reply([Message("And so on.", seconds=30.0)])
    async with hub_at(place / "h") as hub:
        async with a_call(place / "h", long, HELLO) as call:
            await until(lambda: not call.link.looking)
            handle = call.session.generate_reply(user_input="Hello?")
            await until(
                lambda: call.model.controller.turns and call.model.controller.turns[0].messages
            )
            async with hub.viewer():
                (found,) = hub.hub.calls.values()
                await until(lambda: found.lines > 3)
                await _interrupted(call, handle)
                await call.ask()
            assert call.link.looking  # a page that is loaded anew comes back
        lines = lines_of(await ended(hub))
    assert lines[0]["partial"] is True
    stands = [each for each in lines[1:] if (each["by"], each["type"]) == ("machine", "stands")]
    assert {each["machine"] for each in stands} == {"turn", "response", "playback"}
    assert ("turn", "ended") in kinds(lines)


async def _interrupted(call: Call, handle: SpeechHandle) -> None:
    call.session.interrupt()
    await asyncio.wait_for(_done(handle), LONG)


async def test_g27_a_hub_that_dies_is_no_trouble_for_the_call(place: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with hub_at(place / "h"):
            call = await stack.enter_async_context(a_call(place / "h", HELLO, FAILS, HELLO, HELLO))
            await until(lambda: not call.link.looking)
        assert (await call.ask()).exception() is None
        async with hub_at(place / "h") as again, again.viewer():
            await until(lambda: again.hub.calls and call.link.looking)
            assert (await call.ask()).exception() is None
            await until(lambda: next(iter(again.hub.calls.values())).lines > 5)
        assert (await call.ask()).exception() is None
        await until(lambda: not call.link.looking)
        assert call.model.controller._session.machines is MACHINES


async def test_g27_a_hub_that_takes_nothing_holds_no_call(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "MOST", 3_000)

    tasks: list[asyncio.Task[Any]] = []

    async def deaf(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())  # type: ignore[arg-type]
        writer.write(b'{"say":"look","on":true}\n')
        try:
            await asyncio.Event().wait()
        finally:
            writer.close()

    server = await asyncio.start_unix_server(deaf, str(place / "h"), limit=16)
    try:
        async with a_call(place / "h", HELLO, HELLO) as call:
            with monkeypatch.context() as deaf_socket:
                # The buffers of a socket hold more than a test may say.
                deaf_socket.setattr(call.link, "_deliver", lambda found: None)
                assert (await call.ask()).exception() is None
                assert (await call.ask()).exception() is None
                assert call.link._size <= 3_000
                assert sum(call.link._missed.values()) > 10
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def test_what_was_too_much_is_counted(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "MOST", 300)
    link = Link(place / "h", start=False)
    for n in range(50):
        link.send("a", n, "x" * 50)
    missed = link._missed["a"]
    assert missed == 50 - len(link._waiting)
    link._waiting.clear()
    link._size = 0
    link.send("a", 50, "y" * 20)
    gap, last = link._waiting
    assert json.loads(gap.split(b"\t")[1]) == {
        "t": 50, "by": "watch", "type": "missed", "lines": missed,
    }  # fmt: skip
    assert last == b"a\t" + b"y" * 20 + b"\n"


async def test_no_hub_at_all_is_no_trouble(place: Path) -> None:
    async with a_call(place / "none", FAILS, HELLO) as call:
        assert (await call.ask()).exception() is None
        assert not call.link.looking
        assert not call.link._waiting


async def test_calls_one_after_another_have_one_thread_at_a_time(place: Path) -> None:
    class Brief:
        def __init__(self, number: int) -> None:
            self.id = f"c{number}"

        def announced(self) -> bytes:
            return control("call", call=self.id)

        def look(self) -> None:
            pass

    link = Link(place / "h", start=False)
    most = 0
    async with hub_at(place / "h") as hub, hub.viewer():
        for number in range(300):
            call = Brief(number)
            link.add(call)
            link.send(call.id, 0.0, "{}")
            if number % 3:
                await asyncio.sleep(0.001)
            link.remove(call)
            names = [each.name for each in threading.enumerate()]
            most = max(most, names.count("realtime-fsm watch"))
        await until(lambda: link._thread is None)
        await until(lambda: hub.hub.calls and all(c.over for c in hub.hub.calls.values()))
    assert most <= 2  # one that ends, and its successor
    assert "realtime-fsm watch" not in [each.name for each in threading.enumerate()]


async def test_g27_where_nothing_can_be_watched_a_call_does_not_fail_for_it(
    place: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.chmod(place, 0o755)
    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(api_key="none", base_url="http://127.0.0.1:1")
    )
    watching = watch(model)
    session: AgentSession[Any] = AgentSession(llm=model, vad=None)
    watching.attach(session)
    assert not watching.looked_at
    watching.close()
    assert f"calls cannot be watched: {place} can be read by others" in caplog.text
    await model.aclose()


async def test_nothing_is_left_of_a_call(place: Path) -> None:
    tasks = asyncio.all_tasks()
    async with hub_at(place / "h") as hub, hub.viewer():
        async with a_call(place / "h", HELLO) as call:
            await call.ask()
        thread = call.link._thread
        await until(lambda: call.link._thread is None)
        await ended(hub)
        call.watching.close()  # once more
        assert call.watching._undo == []
        if thread is not None:
            thread.join(5)
        names = [each.name for each in threading.enumerate()]
        assert "realtime-fsm watch" not in names
    await until(lambda: asyncio.all_tasks() <= tasks)


async def test_the_hub_of_a_worker_is_joined_as_the_page_says(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The Python of docs/watch.md."""
    monkeypatch.setenv("REALTIME_FSM_WATCH", str(place / "worker"))
    model = ControlledRealtimeModel(
        openai.realtime.RealtimeModel(api_key="none", base_url="http://127.0.0.1:1")
    )
    (block,) = blocks(ROOT / "docs" / "watch.md", "python")
    names: dict[str, Any] = {"model": model, "session": AgentSession(llm=model, vad=None)}
    async with hub_at(place / "worker") as hub:
        exec(compile(block.text, "watch.md", "exec"), names)
        await until(lambda: hub.hub.calls)
        names["watching"].close()
        await until(lambda: next(iter(hub.hub.calls.values())).state == "ended")
    assert names["address"]() is None  # of the user's hub: there is none
    with pytest.raises(TypeError, match="realtime model or session"):
        names["watch"]("a model")
    await model.aclose()
