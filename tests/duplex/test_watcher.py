"""The watcher on the real plugin: each loss is told once, by event, log line, metric and span."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from typing import Any

import pytest
from livekit.plugins import openai
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import CollectorRegistry

from realtime_fsm.duplex import Loss, WatchPolicy
from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit.duplex import (
    DuplexObserver,
    DuplexWatcher,
    OpenTelemetryDuplexObserver,
    PrometheusDuplexObserver,
    _watcher,
    watch,
)
from realtime_fsm.simulator.gpt_live import Backend, Call, LiveConfig
from realtime_fsm.testing import run_virtual, virtual_time

from .live import LOOKS_UP, Assistant, Live, live, needs_duplex

pytestmark = needs_duplex

POLICY = WatchPolicy(call_after=5.0, stall_after=20.0)


class Told:
    """All that was told, on every way."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "realtime_fsm")
        self.caplog = caplog
        self.registry = CollectorRegistry()
        self.spans = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.spans))
        self.tracer = provider.get_tracer("test")
        self.events: list[Loss] = []
        self.watcher: DuplexWatcher | None = None

    def watch(self, source: Any, **options: Any) -> DuplexWatcher:
        observers = [
            PrometheusDuplexObserver(self.registry),
            OpenTelemetryDuplexObserver(self.tracer),
        ]
        options.setdefault("policy", POLICY)
        self.watcher = watch(source, observers=observers, **options)
        self.watcher.on("loss", self.events.append)
        return self.watcher

    def kinds(self) -> list[str]:
        """What was lost; the four ways tell the same."""
        events = [each.kind.value for each in self.events]
        lines = [r.kind for r in self.caplog.records if hasattr(r, "kind")]
        counted: Counter[str] = Counter()
        for metric in self.registry.collect():
            for sample in metric.samples:
                if sample.name == "realtime_fsm_delegation_losses_total":
                    counted[sample.labels["kind"]] += round(sample.value)
        spans = [
            attributes["realtime_fsm.loss"]
            for span in self.spans.get_finished_spans()
            for attributes in [span.attributes or {}, *((e.attributes or {}) for e in span.events)]
            if "realtime_fsm.loss" in attributes
        ]
        assert events == lines
        assert Counter(events) == counted == Counter(spans)
        return events


async def a_failed_backend(call: Live) -> None:
    call.server.delegate(Backend(ends="failed", code="server_error"))
    await asyncio.sleep(3)


async def a_backend_cut_short(call: Live) -> None:
    call.server.delegate(Backend(ends="incomplete", code="max_output_tokens"))
    await asyncio.sleep(3)


async def a_refused_continuation(call: Live) -> None:
    call.server.refuse("response.create", "some_code")
    call.server.delegate(LOOKS_UP)
    await asyncio.sleep(3)


async def a_refused_result(call: Live) -> None:
    call.server.refuse("response.item.create", "string_above_max_length")
    call.server.delegate(LOOKS_UP)
    await asyncio.sleep(3)


async def a_lost_connection(call: Live) -> None:
    call.server.delegate(Backend(seconds=5.0))
    await asyncio.sleep(1)
    call.server.drop()
    await asyncio.sleep(5)


async def an_expiry(call: Live) -> None:
    call.server.end("expired")
    await asyncio.sleep(3)


async def a_backend_that_says_nothing(call: Live) -> None:
    call.server.delegate(Backend(ends=None))
    await asyncio.sleep(60)


LOSSES = {
    a_failed_backend: ("backend_failed", "server_error"),
    a_backend_cut_short: ("backend_failed", "max_output_tokens"),
    a_refused_continuation: ("continuation_refused", "some_code"),
    a_refused_result: ("continuation_refused", "string_above_max_length"),
    a_lost_connection: ("result_lost", None),
    an_expiry: ("session_expired", "expired"),
    a_backend_that_says_nothing: ("stalled", "running"),
}


@pytest.mark.parametrize("lose", LOSSES, ids=lambda each: each.__name__)
@pytest.mark.parametrize("wrapped", [False, True])
def test_each_loss_is_told_once(lose: Any, wrapped: bool, caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog)

    @virtual_time
    async def run() -> None:
        async with live(wrap=ControlledRealtimeModel if wrapped else lambda m: m) as call:
            told.watch(call.duplex)
            await lose(call)
            await asyncio.sleep(300)

    run()
    kind, code = LOSSES[lose]
    assert told.kinds() == [kind]
    (loss,) = told.events
    assert loss.code == code


@virtual_time
async def test_a_tool_that_takes_too_long(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog)

    async def slow() -> str:
        await asyncio.sleep(100)
        return "at nine"

    async with live(tool=slow) as call:
        told.watch(call.duplex)
        call.server.delegate(LOOKS_UP)
        await asyncio.sleep(200)
        assert told.kinds() == ["call_open"]
        assert told.events[0].seconds == pytest.approx(5.0, abs=0.1)
        (tracker,) = told.watcher.trackers  # type: ignore[union-attr]
        assert not tracker.live


@virtual_time
async def test_a_late_result_is_nobodys(caplog: pytest.LogCaptureFixture) -> None:
    """The connection goes while a tool runs; what it returns is no result for the next session."""
    told = Told(caplog)

    async def slow() -> str:
        await asyncio.sleep(3)
        return "at nine"

    async with live(tool=slow) as call:
        told.watch(call.duplex)
        call.server.delegate(LOOKS_UP)
        await asyncio.sleep(1)
        call.server.drop()
        await asyncio.sleep(30)
        assert call.server.connections == 2
        assert not call.server.sent("response.item.create")
    assert told.kinds() == ["result_lost"]


@virtual_time
async def test_a_storm_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    """A session that the safety filter closes at once is opened again at once, without an error."""
    told = Told(caplog)
    config = LiveConfig(ends=lambda number: "content" if number < 400 else None)
    async with live(config, before=told.watch) as call:
        await asyncio.sleep(30)
        assert call.server.connections == 400
        assert not call.errors
    assert told.kinds() == ["connection_storm"]
    assert told.events[0].code == "content"


@virtual_time
async def test_a_healthy_conversation_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """Twenty delegations, with no, one and two calls, and the session is recycled in between."""
    told = Told(caplog)
    two = Backend(calls=(Call("look_up", '{"what": "a"}'), Call("look_up", '{"what": "b"}')))
    async with live(LiveConfig(stream_ms=100), before=told.watch, max_session_duration=40) as call:
        for n in range(20):
            work = [Backend(says="Yes."), LOOKS_UP, two, LOOKS_UP][n % 4]
            call.server.delegate(*([work, LOOKS_UP] if n % 4 == 3 else [work]))
            await asyncio.sleep(3)
        (tracker,) = told.watcher.trackers  # type: ignore[union-attr]
        assert tracker.connections.number == 2
        assert not tracker.unknown
        assert not tracker.ignored
        assert not call.errors
    assert told.kinds() == []
    outcomes = Counter(
        sample.labels["outcome"]
        for metric in told.registry.collect()
        for sample in metric.samples
        if sample.name == "realtime_fsm_delegation_seconds_count"
        for _ in range(round(sample.value))
    )
    assert outcomes == {"completed": 20}
    assert len(told.spans.get_finished_spans()) == 20
    assert not [r for r in caplog.records if r.name == "realtime_fsm"]


def test_the_wire_is_untouched() -> None:
    """Frames with and without the watcher are identical, with losses in the call as well."""

    async def frames(before: Any) -> list[Any]:
        async with live(LiveConfig(stream_ms=100), before=before) as call:
            for lose in LOSSES:
                await lose(call)
                await asyncio.sleep(2)
            await asyncio.sleep(30)
        return call.frames()

    plain = run_virtual(frames(lambda model: None))
    watched = run_virtual(frames(lambda model: watch(model, policy=POLICY)))
    assert len(plain) > 500
    assert plain == watched


@virtual_time
async def test_an_apology_is_opt_in_and_one_for_each_root() -> None:
    async with live() as call:
        watch(call.duplex, apology="Tell the caller that it did not work.")
        for _ in range(3):
            call.server.delegate(Backend(seconds=5.0))
        await asyncio.sleep(1)
        call.server.drop()
        await asyncio.sleep(5)
        said = [e["content"] for e in call.server.sent("session.commentary.append")]
        assert said == ["Tell the caller that it did not work."]
        kinds = {frame["type"] for frame in call.server.sent()}
        assert kinds == {"session.start", "session.commentary.append"}


@virtual_time
async def test_an_apology_is_said_by_the_session_that_can() -> None:
    """On a session that the service has closed nobody would hear it."""
    async with live() as call:
        watch(call.duplex, apology="Sorry.")
        call.server.delegate(Backend(seconds=5.0))
        await asyncio.sleep(1)
        call.server.end("expired")
        await asyncio.sleep(5)
        said = [r for r in call.server.record if r.type == "session.commentary.append"]
        assert [(r.connection, r.event["content"]) for r in said] == [(2, "Sorry.")]
        assert len(call.server.received("session.commentary.appended")) == 1


@virtual_time
async def test_an_apology_may_be_made_of_the_loss_and_may_be_wrong(
    caplog: pytest.LogCaptureFixture,
) -> None:
    words = {"server_error": "Sorry.", "max_output_tokens": None}
    async with live() as call:
        watcher = watch(call.duplex, apology=lambda loss: words[str(loss.code)])
        await a_failed_backend(call)
        await a_backend_cut_short(call)
        call.server.delegate(Backend(ends="failed", code="unforeseen"))
        await asyncio.sleep(3)
        assert [e["content"] for e in call.server.sent("session.commentary.append")] == ["Sorry."]
        assert len(watcher.losses) == 3
    assert "an apology failed" in caplog.text


@virtual_time
async def test_work_of_the_application(caplog: pytest.LogCaptureFixture) -> None:
    told = Told(caplog)
    async with live(delegation="client") as call:
        told.watch(call.duplex)
        call.duplex.on(
            "delegation_created",
            lambda d: call.duplex.append_commentary("At nine.", delegation_id=d.id),
        )
        call.server.delegate()
        await asyncio.sleep(60)
        assert told.kinds() == []
        call.server.refuse("session.commentary.append", "too_much")
        call.server.delegate()
        await asyncio.sleep(60)
    assert told.kinds() == ["continuation_refused", "call_open"]


@virtual_time
async def test_nothing_outlives_the_session() -> None:
    """G7: no timer, no listener, no task; and what is under way at the end is not told as lost."""
    async with live() as call:
        moved: list[Any] = []
        duplex = call.duplex
        watcher = watch(duplex)
        watcher.on("moved", moved.append)
        call.server.delegate(Backend(ends=None))
        await asyncio.sleep(1)
        (followed,) = watcher._followed
        assert followed._timer is not None
        timer = followed._timer
    assert timer.cancelled()
    assert watcher.trackers == ()
    assert watcher.losses == []
    assert moved[-1].dest == "lost"
    assert "aclose" not in vars(duplex)
    assert not duplex._events.get("openai_server_event_received")


@virtual_time
async def test_a_loss_is_told_at_once_and_a_move_soon() -> None:
    """Healthy frames are read together; what may lose something is read at once, with all before it."""
    async with live() as call:
        loop, told = asyncio.get_running_loop(), []
        watcher = watch(call.duplex)
        watcher.on("moved", lambda move: told.append((move.dest, loop.time() - move.t)))
        watcher.on("loss", lambda loss: told.append((loss.kind.value, loop.time() - loss.t)))
        call.server.delegate(Backend(seconds=2.0, ends="failed"))
        await asyncio.sleep(5)
        assert [name for name, _ in told] == ["created", "running", "failed", "backend_failed"]
        assert [late for _, late in told] == [pytest.approx(0.5)] * 2 + [0.0, 0.0]


@virtual_time
async def test_a_tracker_that_breaks_harms_no_closing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """G32: the session is closed all the same."""
    async with live() as call:
        watcher = watch(call.duplex)
        (tracker,) = watcher.trackers
        monkeypatch.setattr(tracker, "close", lambda now: 1 / 0)
    assert "not watched to its end" in caplog.text
    assert call.server.sent("session.close")


@virtual_time
async def test_a_handoff(caplog: pytest.LogCaptureFixture) -> None:
    """Another agent may have another session: each is watched, and the one before is let go."""
    told = Told(caplog)
    async with live(before=told.watch) as call:
        call.server.delegate()
        await asyncio.sleep(1)
        other = Assistant()
        call.session.update_agent(other)
        await other.entered.wait()
        await asyncio.sleep(2)
        assert told.watcher is not None
        assert len(told.watcher.trackers) == 1
        call.server.delegate(Backend(ends="failed"))
        await asyncio.sleep(3)
    assert told.kinds() == ["backend_failed"]
    assert told.watcher.trackers == ()


@virtual_time
async def test_nothing_that_looks_like_a_key_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    key = "sk-proj-abcdefghijklmnop1234"
    told = Told(caplog)
    async with live(before=told.watch) as call:
        call.server.delegate(
            Backend(calls=(Call("look_up", '{"what": "x"}', key),), ends="failed", code=key)
        )
        await asyncio.sleep(3)
    assert told.kinds() == ["backend_failed"]
    assert told.events[0].code == key
    ours = [r for r in caplog.records if r.name == "realtime_fsm"]
    assert ours
    assert key not in str([vars(r) for r in ours])
    assert key not in "".join(span.to_json() for span in told.spans.get_finished_spans())


@virtual_time
async def test_it_can_be_closed_before() -> None:
    async with live() as call:
        watcher = watch(call.duplex)
        watcher.close()
        watcher.close()
        await a_failed_backend(call)
        assert watcher.losses == []
    model = openai.realtime.GPTLiveModel(api_key="k")
    watch(model).close()
    assert "session" not in vars(model)


@virtual_time
async def test_a_rude_application_harms_nothing(caplog: pytest.LogCaptureFixture) -> None:
    """A listener and an observer that raise, and a frame that a listener before us took apart."""

    class Rude(DuplexObserver):
        def moved(self, session: Any, move: Any) -> None:
            raise RuntimeError("observer")

    async with live() as call:
        call.duplex.on("openai_server_event_received", lambda frame: frame.pop("delegation", None))
        watcher = watch(call.duplex, observers=[Rude()])
        watcher.on("loss", lambda loss: 1 / 0)
        kinds = watcher.losses
        await a_failed_backend(call)
        call.server.delegate()
        await asyncio.sleep(5)
        assert [each.kind.value for each in kinds] == ["backend_failed"]
        (tracker,) = watcher.trackers
        assert not tracker.ignored, "a frame was read as somebody had changed it"
    assert "a listener failed" in caplog.text
    assert "an observer failed" in caplog.text


@virtual_time
async def test_an_error_of_ours_ends_the_watching_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """G32."""
    async with live() as call:
        watcher = watch(call.duplex)
        (tracker,) = watcher.trackers
        monkeypatch.setattr(tracker, "received", lambda frame, now: 1 / 0)
        call.server.delegate(LOOKS_UP)
        await asyncio.sleep(5)
        assert len(call.server.sent("response.create")) == 1
        assert watcher.trackers == ()
    assert caplog.text.count("not watched any more") == 1


@virtual_time
async def test_frames_put_in_by_hand(caplog: pytest.LogCaptureFixture) -> None:
    """Unknown types and fields are counted; frames that are no events warn once."""
    async with live() as call:
        watcher = watch(call.duplex)
        (tracker,) = watcher.trackers
        call.server.send_text('{"type": "session.mood.changed", "mood": "fine"}')
        call.server.send_text('{"type": "session.updated", "session": {}, "version": "1.1"}')
        await asyncio.sleep(1)
        assert tracker.unknown == {"session.mood.changed": 1, "session.updated: version": 1}
        assert not [r for r in caplog.records if r.name == "realtime_fsm"]
        call.server.send_text('{"type": 3}')
        call.server.send_text('{"type": 4}')
        await asyncio.sleep(1)
        call.server.delegate(Backend(ends="failed"))
        await asyncio.sleep(2)
        assert [each.kind.value for each in watcher.losses] == ["backend_failed"]
    told = [r.getMessage() for r in caplog.records if "cannot be watched" in r.getMessage()]
    assert len(told) == 1
    assert "tests/duplex/test_canaries.py" in told[0]


@pytest.mark.parametrize("declared", [False, True])
@virtual_time
async def test_a_plugin_whose_raw_events_moved(
    declared: bool, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One warning that names the canary, and the call goes on."""
    if declared:
        monkeypatch.setattr(_watcher, "declared_events", lambda session: {"provider_event"})
    watchers: list[DuplexWatcher] = []

    def moved(model: Any) -> None:
        watchers.append(watch(model))
        make = model.session

        def session() -> Any:
            made = make()
            emit = made.emit
            made.emit = lambda name, *args: emit(name.replace("openai_", "provider_"), *args)
            return made

        model.session = session

    async with live(before=moved) as call:
        for _ in range(3):
            call.server.delegate(LOOKS_UP)
            await asyncio.sleep(3)
        assert len(call.server.sent("response.create")) == 3
        assert watchers[0].losses == []
    warnings = [r.getMessage() for r in caplog.records if "cannot be watched" in r.getMessage()]
    assert len(warnings) == 1
    assert "tests/duplex/test_canaries.py" in warnings[0]


@pytest.mark.parametrize("source", [None, object(), openai.realtime.RealtimeModel(api_key="k")])
def test_what_cannot_be_watched(source: Any) -> None:
    with pytest.raises(TypeError, match=r"llm\.DuplexSession"):
        watch(source)


def test_what_is_no_observer() -> None:
    with pytest.raises(TypeError, match="observers must be"):
        watch(openai.realtime.GPTLiveModel(api_key="k"), observers=[print])  # type: ignore[list-item]
