"""The GPT-Live server: each of its rules, in memory and over a socket."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import aiohttp
import pytest

from realtime_fsm.simulator import Accept, Refuse
from realtime_fsm.simulator.gpt_live import (
    RULES,
    Backend,
    Call,
    GPTLiveServer,
    InMemoryGPTLiveServer,
    LiveConfig,
    LiveCore,
    live_rules_table,
)
from realtime_fsm.simulator.gpt_live.rules import ENFORCED
from realtime_fsm.simulator.wire import Close, Ids, Send

Event = dict[str, Any]
CLIENT: Event = {"delegation": {"type": "client"}}


class Session:
    """One core, driven by hand."""

    def __init__(self, config: LiveConfig | None = None, **session: Any) -> None:
        self.core = LiveCore(config or LiveConfig(), ids=Ids(), number=1, refusals={})
        self.core.connect(0.0)
        self.now = 0.0
        self.events: list[Event] = []
        self.closes: list[Close] = []
        self.started = self.send("session.start", session={"model": "gpt-live-1", **session})

    def send(self, kind: str, **fields: Any) -> list[Event]:
        """Send an event; return what it is answered by at once."""
        self.core.receive(json.dumps({"type": kind, "event_id": "x", **fields}), self.now)
        return self._take()

    def wait(self, seconds: float = 1.0) -> list[Event]:
        self.now += seconds
        self.core.advance(self.now)
        return self._take()

    def delegate(self, *work: Backend) -> str:
        name = self.core.delegate(*work)
        self._take()
        return name

    def _take(self) -> list[Event]:
        frames = self.core.take()
        found = [f.event for f in frames if isinstance(f, Send)]
        self.closes += [f for f in frames if isinstance(f, Close)]
        self.events += found
        return found

    def inner(self) -> list[str]:
        return [e["event"]["type"] for e in self.events if e["type"] == "response.event"]


def code(events: list[Event]) -> str:
    (event,) = events
    assert event["type"] == "error"
    assert event["error"]["client_event_id"] == "x"
    return str(event["error"]["code"])


def result(call_id: str) -> Event:
    return {"item": {"type": "function_call_output", "call_id": call_id, "output": "1"}}


LOOKS_UP = Backend(calls=(Call(call_id="k"),))


def test_every_rule_is_enforced_and_says_how_it_is_known() -> None:
    assert set(ENFORCED) == set(RULES)
    assert {rule.source for rule in RULES.values()} == {"documented", "reported", "assumed"}
    for rule in RULES.values():
        assert rule.statement.endswith(".")
        assert rule.source != "assumed" or len(rule.reference.split()) >= 5, "it says why"
        assert rule.source != "reported" or "/" in rule.reference, "who reported it"
    lines = live_rules_table().splitlines()
    assert len(lines) == len(RULES) + 2
    assert all(line.count("|") == 5 for line in lines)


def test_a_session_starts_and_names_the_command() -> None:
    (started,) = Session().started
    assert started["type"] == "session.started"
    assert started["client_event_id"] == "x"
    (started,) = Session(LiveConfig(names_commands=False)).started
    assert "client_event_id" not in started


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ({"type": "session.whisper"}, "unknown_event"),
        ({"type": 3}, "unknown_event"),
        ({"type": "response.create", "response": {}}, "unknown_parameter"),
        ({"type": "session.commentary.append", "content": "x"}, "missing_required_parameter"),
        ({"type": "session.thinking.append", "delegation_id": None}, "missing_required_parameter"),
        ({"type": "session.update", "session": {"voice": "x"}}, "unknown_parameter"),
        ({"type": "session.update", "session": 3}, "invalid_type"),
        ({"type": "session.update", "session": {}}, "immutable_parameter"),
        (
            {"type": "session.update", "session": {"delegation": {"type": "client"}}},
            "immutable_parameter",
        ),
        (
            {"type": "session.start", "session": {"model": "gpt-live-1"}},
            "session_already_started",
        ),
        (
            {"type": "session.commentary.append", "delegation_id": None, "content": "x" * 2001},
            "string_above_max_length",
        ),
        (
            {"type": "session.commentary.append", "delegation_id": "dlg_1", "content": "x"},
            "invalid_value",
        ),
        ({"type": "response.item.create", **result("k9")}, "unknown_call_id"),
    ],
    ids=lambda each: each if isinstance(each, str) else each["type"],
)
def test_what_is_refused(event: Event, expected: str) -> None:
    session = Session()
    session.core.receive(json.dumps({"event_id": "x", **event}), 0.0)
    assert code(session._take()) == expected


def test_nothing_before_the_start() -> None:
    core = LiveCore(LiveConfig(), ids=Ids(), number=1, refusals={})
    core.connect(0.0)
    core.receive('{"type": "response.create"}', 0.0)
    core.receive("no json", 0.0)
    codes = [f.event["error"]["code"] for f in core.take() if isinstance(f, Send)]
    assert codes == ["session_not_started", "invalid_json"]


def test_a_start_that_is_too_long_or_names_no_model() -> None:
    assert code(Session(input=[{}] * 129).started) == "array_above_max_length"
    core = Session().core
    core = LiveCore(LiveConfig(), ids=Ids(), number=1, refusals={})
    core.connect(0.0)
    core.receive('{"type": "session.start", "session": {}}', 0.0)
    (frame,) = core.take()
    assert isinstance(frame, Send)
    assert frame.event["error"]["code"] == "missing_required_parameter"


def test_a_delegation_with_a_call() -> None:
    session = Session()
    name = session.delegate(LOOKS_UP, Backend(says="At nine."))
    session.wait()
    assert session.inner() == [
        "response.created", "response.output_item.done", "response.completed"
    ]  # fmt: skip
    told = session.events[1]
    assert told["delegation"] == {"id": name, "type": "delegation", "target": "responses"}
    assert all(e["delegation_id"] == name for e in session.events if "event" in e)
    done = next(e["event"] for e in session.events if "item" in e.get("event", {}))
    assert "response" not in done
    assert "response_id" not in done
    assert code(session.send("response.create")) == "function_call_outputs_required"
    assert session.send("response.item.create", **result("k")) == []
    (begun,) = session.send("response.create")
    assert begun["client_event_id"] == "x"
    assert begun["delegation_id"] == name
    session.wait()
    assert session.inner()[-1] == "response.completed"
    assert any(e["type"] == "session.output_transcript.delta" for e in session.events)
    assert sum(e["type"] == "session.output_audio.delta" for e in session.events) > 5


def test_one_chain() -> None:
    """What is delegated while a call is open waits for its continuation."""
    session = Session()
    session.delegate(LOOKS_UP)
    session.wait()
    second = session.delegate(Backend())
    session.wait()
    assert all(e["delegation_id"] != second for e in session.events if "event" in e)
    session.send("response.item.create", **result("k"))
    session.send("response.create")
    assert code(session.send("response.create")) == "response_already_in_progress"
    session.wait()
    whose = [e["delegation_id"] for e in session.events if "event" in e]
    assert whose == sorted(whose)
    assert whose[-2:] == [second, second]
    assert session.inner()[-1] == "response.completed"


def test_the_calls_of_a_failed_response_are_discarded() -> None:
    session = Session()
    session.delegate(Backend(calls=(Call(call_id="k"),), ends="failed"))
    session.wait()
    assert session.events[-1]["event"]["response"]["error"]["code"] == "server_error"
    assert code(session.send("response.item.create", **result("k"))) == "unknown_call_id"


def test_what_the_client_asks_for_itself() -> None:
    session = Session()
    session.send("response.item.create", item={"type": "message", "role": "user", "content": "x"})
    (begun,) = session.send("response.create")
    assert begun["delegation_id"] is None


def test_client_delegation() -> None:
    session = Session(**CLIENT)
    name = session.delegate()
    assert session.events[-1]["delegation"]["target"] == "client"
    assert code(session.send("response.create")) == "invalid_request"
    assert code(session.send("response.item.create", **result("k"))) == "invalid_request"
    wrong = session.send("session.commentary.append", delegation_id="dlg_9", content="x")
    assert code(wrong) == "unknown_delegation"
    assert session.send("session.commentary.append", delegation_id=name, content="At nine.") == []
    (taken,) = session.wait(0.1)
    assert taken["type"] == "session.commentary.appended"
    assert (taken["client_event_id"], taken["delegation_id"]) == ("x", name)


def test_mute() -> None:
    session = Session()
    assert session.send("session.input_audio.mute")[0]["type"] == "session.input_audio.muted"
    assert session.send("session.input_audio.unmute")[0]["type"] == "session.input_audio.unmuted"
    assert session.send("session.input_audio.append", audio="") == []


def test_how_a_session_ends() -> None:
    session = Session(LiveConfig(duration=10.0))
    assert session.wait(9.9) == []
    (over,) = session.wait(0.2)
    assert (over["type"], over["reason"]) == ("session.closed", "expired")
    assert over["usage"]["seconds"] == pytest.approx(10.0)
    assert session.closes == [Close(1000, "")]
    assert session.core.closed
    asked = Session()
    (over,) = asked.send("session.close")
    assert over["reason"] == "close_requested"
    unsafe = Session(LiveConfig(ends=lambda number: "content"))
    assert unsafe.events[-1]["reason"] == "content"


@pytest.mark.parametrize("wrong", [{"duration": 0}, {"ack_delay": -1}, {"stream_ms": -1}])
def test_a_configuration_that_cannot_be_meant(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        LiveConfig(**wrong)


def test_the_core_is_light() -> None:
    heavy = ("livekit", "aiohttp", "asyncio", "socket", "openai")
    code = (
        "import sys, realtime_fsm.simulator.gpt_live\n"
        f"print([name for name in {heavy} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("path", ["", "/openai/v1", "/v1"])
async def test_over_a_socket(path: str) -> None:
    async with GPTLiveServer(LiveConfig(stream_ms=100)) as server, aiohttp.ClientSession() as http:
        url = server.url.removesuffix("/v1") + path + "/live/sessions"
        async with http.ws_connect(url) as ws:
            await ws.send_json({"type": "session.start", "session": {"model": "gpt-live-1"}})
            await server.wait_for("session.started", direction="server")
            server.delegate()
            await server.wait_for("response.event", direction="server", count=2)
            server.end("remote_hangup")
            seen = [m async for m in ws]
        assert json.loads(seen[-1].data)["reason"] == "remote_hangup"
        assert server.connections == 1
        assert server.received("session.output_audio.delta")[0]["delta"] == 100.0


async def test_only_on_loopback() -> None:
    with pytest.raises(ValueError, match="loopback only"):
        GPTLiveServer(host="192.0.2.1")


async def test_a_handshake_that_is_refused() -> None:
    config = LiveConfig(handshake=lambda n: Refuse(503) if n == 1 else Accept())
    async with InMemoryGPTLiveServer(config) as server:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await server.http_session.ws_connect("http://x")
        await server.http_session.ws_connect("http://x")
        assert (server.attempts, server.connections) == (2, 1)


async def test_what_a_test_does_needs_somebody_to_be_connected() -> None:
    async with InMemoryGPTLiveServer() as server:
        for act in (
            server.delegate,
            lambda: server.say("x"),
            lambda: server.hear("x"),
            server.drop,
        ):
            with pytest.raises(RuntimeError, match="nobody is connected"):
                act()
        await server.http_session.ws_connect("http://x")
        with pytest.raises(ValueError, match="reason must be one of"):
            server.end("boredom")  # type: ignore[arg-type]
        with pytest.raises(asyncio.TimeoutError):
            await server.wait_for("session.start", timeout=0.01)


def test_every_public_name_is_there() -> None:
    import realtime_fsm.simulator.gpt_live as package

    assert all(getattr(package, name) is not None for name in package.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        package.nonsense  # noqa: B018
