"""What if it is otherwise than assumed: a plugin that moved, traits declared wrongly, a model that means
to be silent, an error of ours, a rude application."""

from __future__ import annotations

import asyncio
import logging
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from livekit.agents import APIConnectOptions, llm

from realtime_fsm.compare import judge
from realtime_fsm.lab.scenarios.providers.call import Call, Row, play
from realtime_fsm.lab.scenarios.providers.rows import EMPTY, LONG, ROWS, SILENT, A, B
from realtime_fsm.lab.scenarios.providers.seen import Seen
from realtime_fsm.livekit import ControlledRealtimeModel, Family
from realtime_fsm.livekit._driver import Driver
from realtime_fsm.livekit._features import realtime_session_of
from realtime_fsm.livekit._private import may_stay_silent, own_retries
from realtime_fsm.livekit._session import ControlledRealtimeSession
from realtime_fsm.livekit._streams import StreamLink
from realtime_fsm.livekit.providers import CONTROLLED, family_of
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import Answer, Fake

from .installed import need

STREAMS = ("azure", "google", "aws", "ultravox", "phonic")
HEALTHY = ("asked", "spoken", "spoken, asked", "noise, asked", "two at once", "tool", "spoken, tool", "slow", "withdrawn")  # fmt: skip
BY_FAMILY = {f.name: f for f in CONTROLLED}
BY_NAME = {row.name: row for row in ROWS}


def played(
    provider: str, answers: Any, row: Row, *, controlled: bool = True, **options: Any
) -> Seen:
    fake: type[Fake] = need(provider)
    tools = options.pop("tools", False)
    return run_virtual(
        lambda: play(fake, answers, row, controlled=controlled, tools=tools, options=options),
        limit=600,
    )


# --- what each family shows


@pytest.mark.parametrize("family", STREAMS)
def test_the_plugin_is_as_it_was_declared(family: str) -> None:
    """The traits that a session shows. Fails on a release that moved one, and names it."""
    fake = need(family)
    (declared,) = (f for f in CONTROLLED if f.name == family)

    async def look() -> tuple[Family, list[str]]:
        async with fake({}) as server:
            model: Any = server.model()
            session = model.session()
            try:
                return family_of(model, session), declared.moved(
                    session.capabilities, type(session)
                )
            finally:
                await asyncio.sleep(1)
                await session.aclose()

    found, moved = run_virtual(look)
    assert moved == [], f"{family}: look at its traits again"
    assert (found.name, found.control) == (family, "streams")


@pytest.mark.parametrize("family", STREAMS)
def test_a_plugin_that_moved_passes_through(
    family: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """G27, with one warning that names what changed."""
    fake: Any = need(family)
    model_of = fake.model

    def moved(self: Any, **options: Any) -> Any:
        model = model_of(self, **options)
        model._capabilities.auto_tool_reply_generation ^= True
        return model

    monkeypatch.setattr(fake, "model", moved)
    with caplog.at_level(logging.WARNING, "realtime_fsm"):

        async def look() -> Any:
            async with fake({}) as server:
                controlled = ControlledRealtimeModel(server.model())
                session = controlled.session()
                await asyncio.sleep(1)
                await session.aclose()
                return controlled, session

        controlled, session = run_virtual(look)
    assert not isinstance(session, ControlledRealtimeSession)
    assert controlled.controller is None
    (told,) = [r for r in caplog.records if r.name == "realtime_fsm"]
    assert told.levelno == logging.WARNING
    assert "auto_tool_reply_generation changed" in told.getMessage()


@pytest.mark.parametrize("family", [f for f in STREAMS if BY_FAMILY[f].shows])
def test_a_plugin_that_shows_other_events_passes_through(
    family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """G27: its frames tell what must not be asked for twice."""
    need(family)
    declared = BY_FAMILY[family]

    class Session(llm.RealtimeSession[Literal["something_else"]]): ...

    assert declared.moved(SimpleNamespace(**declared.expects), Session) == [declared.shows]


def test_a_proactive_gemini_may_stay_silent() -> None:
    """It is not asked again for what it chose not to answer."""
    fake: Any = need("google")

    class Proactive(fake):  # type: ignore[misc]
        def model(self, **options: Any) -> Any:
            made = super().model(proactivity=True)
            assert may_stay_silent(made), "RealtimeModel._opts.proactivity has moved"
            return made

    async def spoken(call: Call) -> None:
        await call.user_says("Hello there")
        await asyncio.sleep(5)

    answers = {"Hello there": [EMPTY, A]}
    seen = run_virtual(lambda: play(Proactive, answers, spoken, controlled=True))
    assert seen.heard == ()
    assert seen.errors == ()
    usual = played("google", answers, spoken)
    assert [h.attempt for h in usual.heard] == [2]


@pytest.mark.parametrize("survives", [1, 2, 3])
def test_g10_gemini_a_service_that_fails_is_not_asked_until_the_call_ends(survives: int) -> None:
    """The plugin ends the call after so many lost connections in a row that brought nothing."""
    fake: Any = need("google")

    class Failing(fake):  # type: ignore[misc]
        def model(self, **options: Any) -> Any:
            made = super().model(conn_options=APIConnectOptions(max_retry=survives))
            told = own_retries(made)
            assert told == survives, "RealtimeModel._opts.conn_options.max_retry has moved"
            return made

    async def row(call: Call) -> None:
        await call.done(call.ask("Hi"), 60)
        await asyncio.sleep(3)  # the plugin waits longer before its next connection
        await call.done(call.ask("Next"), 25)

    answers = {"Hi": [Answer(end="error")] * 9, "Next": [B]}
    plain, ours = (
        run_virtual(
            lambda controlled=controlled: play(  # type: ignore[misc]
                Failing, answers, row, controlled=controlled
            )
        )
        for controlled in (False, True)
    )
    assert judge(plain.life, ours.life).worse == ()
    asked = sum(what == "asked: Hi" for _, what in ours.wire)
    assert asked == (1 if survives == 1 else 2)


@pytest.mark.parametrize("family", ["google", "ultravox"])
def test_g17_a_model_that_calls_its_tool_again_is_not_asked_again(family: str) -> None:
    """The reply to a tool's output never comes, and asked for it the model calls the tool once more."""
    calls = BY_NAME["tool"].answers["Weather?"][0]
    answers = {"Weather?": [calls], "tool": [SILENT, calls, SILENT, calls]}

    async def row(call: Call) -> None:
        call.ask("Weather?")
        await asyncio.sleep(90)

    seen = played(family, answers, row, tools=True)
    assert seen.tools == 2
    assert not seen.hangs


@pytest.mark.parametrize("taken_over", [False, True])
@pytest.mark.parametrize("family", ["google", "ultravox", "phonic"])
def test_g27_the_reply_to_a_tool_takes_its_time(family: str, taken_over: bool) -> None:
    """As in plain LiveKit, also where another agent takes over meanwhile. Phonic's plugin opens a response
    with the output, and another in its place when the reply begins: that is no failure, and no wait."""

    async def row(call: Call) -> None:
        await call.user_says("Look.")
        await asyncio.sleep(0.8)
        if taken_over:
            call.session.update_agent(type(call.agent)(True))
        await asyncio.sleep(5.0)

    answers = {"Look.": [Answer(call="look_up")], "tool": [Answer("It is sunny.", 0.8, after=1.5)]}
    plain, ours = (
        played(family, answers, row, controlled=controlled, tools=True)
        for controlled in (False, True)
    )
    assert ours.errors == plain.errors == ()
    (theirs,), (heard,) = plain.heard, ours.heard
    assert heard.began == pytest.approx(theirs.began, abs=0.05)
    assert heard.seconds == pytest.approx(theirs.seconds)


@pytest.mark.parametrize(("family", "when"), [("google", 0.3), ("phonic", 2.0)])
def test_g17_a_call_of_an_interrupted_response_runs(family: str, when: float) -> None:
    """As in plain LiveKit, where nothing of the response had come: the server goes on, and waits for
    the output of the call."""

    async def row(call: Call) -> None:
        await call.user_says("Look.")
        await asyncio.sleep(when)
        await call.interrupt()
        await asyncio.sleep(8.0)

    calls = [Answer(call="look_up", after=1.5), Answer("It is sunny.", 0.8, after=1.0)]
    answers = {"Look.": [Answer(call="look_up", after=1.0)], "tool": calls}
    plain, ours = (
        played(family, answers, row, controlled=controlled, tools=True)
        for controlled in (False, True)
    )
    assert ours.tools == plain.tools == 2
    (theirs,), (heard,) = plain.heard, ours.heard
    assert heard.began == pytest.approx(theirs.began, abs=0.05)
    assert any(t.startswith("turn_") and "interrupted" in t for t in ours.turns)


def test_a_call_after_words_that_were_cut_does_not_run() -> None:
    """As in plain LiveKit, which looks for no more of what it has cut."""
    fake: Any = need("google")

    class WordsFirst(fake):  # type: ignore[misc]
        async def _finish(self, text: str) -> None:
            await self._call("look_up")

    async def row(call: Call) -> None:
        await call.user_says("Look.")
        await asyncio.sleep(0.5)
        await call.interrupt()
        await asyncio.sleep(3.0)

    answers = {"Look.": [Answer("Well, " * 9, 3.0)]}
    plain, ours = (
        run_virtual(
            lambda controlled=controlled: play(  # type: ignore[misc]
                WordsFirst, answers, row, controlled=controlled, tools=True
            )
        )
        for controlled in (False, True)
    )
    assert ours.tools == plain.tools == 0
    (theirs,), (heard,) = plain.heard, ours.heard
    assert heard.interrupted
    assert heard.seconds == pytest.approx(theirs.seconds)


def test_voice_live_takes_events_past_the_plugin() -> None:
    """Canary: RealtimeSession._send, and the SDK's classes (providers/_azure.py)."""
    fake = need("azure")

    async def look() -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = []
        async with fake({}) as server:
            session: Any = server.model().session()
            session.on("azure_client_event_sent", lambda e: sent.append(e.as_dict()))
            send = BY_FAMILY["azure"].sends(session)
            assert send is not None, "Voice Live: how does the plugin send an event now?"
            await asyncio.sleep(1)
            send({"type": "response.cancel", "event_id": "a", "response_id": "resp_1"})
            send({"type": "conversation.item.delete", "event_id": "b", "item_id": "item_1"})
            await asyncio.sleep(1)
            await session.aclose()
        return sent[-2:]

    assert run_virtual(look) == [
        {"type": "response.cancel", "event_id": "a", "response_id": "resp_1"},
        {"type": "conversation.item.delete", "event_id": "b", "item_id": "item_1"},
    ]


def test_g27_voice_live_without_that_way_is_cancelled_as_the_plugin_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    need("azure")
    monkeypatch.setattr("realtime_fsm.livekit.providers._azure.sender_of", lambda session: None)
    row = BY_NAME["barge-in"]
    plain, ours = (
        played("azure", row.answers, row.row, controlled=controlled) for controlled in (False, True)
    )
    assert judge(plain.life, ours.life).worse == ()
    assert [what for _, what in ours.wire] == [what for _, what in plain.wire]


# --- the rows can fail


@pytest.mark.parametrize(
    ("family", "name", "wrong"),
    [
        ("google", "spoken, asked", {"tells_of_user": True}),
        ("google", "interrupted, asked", {"interrupt_ends": True}),
        ("google", "slow", {"patience": 0.0}),
        ("ultravox", "asked", {"announces": False}),
        ("phonic", "noise, asked", {"tells_of_user": True}),
        ("phonic", "tool", {"repeats": True}),
    ],
)
def test_a_trait_declared_wrongly_is_noticed(family: str, name: str, wrong: dict[str, Any]) -> None:
    """Of each trait there is a row that tells it."""
    from dataclasses import replace

    need(family)
    (declared,) = (f for f in CONTROLLED if f.name == family)
    row = BY_NAME[name]
    right = played(family, row.answers, row.row, tools=row.tools)
    other = replace(declared, **wrong)
    with_it = played(family, row.answers, row.row, tools=row.tools, family=other)
    assert judge(right.life, with_it.life).worse


# --- the healthy path


@pytest.mark.sampled(4)
@pytest.mark.parametrize("family", STREAMS)
@pytest.mark.parametrize("name", HEALTHY)
def test_the_wire_of_a_healthy_call_is_that_of_plain_livekit(family: str, name: str) -> None:
    row = BY_NAME[name]
    if not row.for_(need(family)):
        pytest.skip(f"{family} has no such call")
    plain, ours = (
        played(family, row.answers, row.row, controlled=controlled, tools=row.tools)
        for controlled in (False, True)
    )
    sent = [what for _, what in ours.wire if what != "response.cancel"]
    assert sent == [what for _, what in plain.wire if what != "response.cancel"]


# --- an error of ours


@pytest.mark.sampled(4)
@pytest.mark.parametrize("family", STREAMS)
@pytest.mark.parametrize(
    "where", ["receive", "ask", "generated", "answered", "generation", "error"]
)
def test_g32_an_error_of_ours_leaves_plain_livekit(
    family: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Raised once, in the middle of the second reply: all three questions are answered."""
    owner, name = {
        "receive": (Driver, "receive"),
        "ask": (Driver, "ask"),
        "generated": (Driver, "generated"),
        "answered": (StreamLink, "_answered"),
        "generation": (StreamLink, "_on_generation"),
        "error": (StreamLink, "_over"),
    }[where]
    armed = [False]
    real = getattr(owner, name)

    def raising(self: Any, *args: Any, **kwargs: Any) -> Any:
        if armed[0]:
            armed[0] = False
            raise RuntimeError("of ours")
        return real(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, raising)

    async def three(call: Call) -> None:
        await call.done(call.ask("Hi"))
        armed[0] = True
        await call.done(call.ask("Next"))
        armed[0] = False
        await asyncio.sleep(1)
        await call.done(call.ask("More"))

    answers = {"Hi": [A], "Next": [B], "More": [Answer("And one more.", 0.6)]}
    seen = played(family, answers, three)
    assert [q.times for q in seen.questions] == [1, 1, 1], seen
    assert seen.closed is None
    assert not seen.hangs


# --- a rude application


@pytest.mark.parametrize("family", STREAMS)
def test_interrupts_at_any_time_harm_nothing(family: str) -> None:
    """Before, within and after a reply, several at once: the last question is answered."""

    async def rude(call: Call) -> None:
        for wait in (0.0, 0.02, 0.05, 0.06, 0.3, 1.2):
            call.ask("Hi")
            await asyncio.sleep(wait)
            await call.interrupt()
            await call.interrupt()
        await asyncio.sleep(3)
        call.questions.clear()
        await call.done(call.ask("Next"))
        await asyncio.sleep(1)

    seen = played(family, {"Hi": [LONG], "Next": [B]}, rude)
    assert [(q.text, q.times) for q in seen.questions] == [("Next", 1)]
    assert {s.ended for s in seen.speeches} <= {"interrupted", "ok"}
    assert seen.closed is None
    assert not seen.hangs


@pytest.mark.parametrize("family", STREAMS)
def test_a_request_that_is_cancelled_leaves_nothing_behind(family: str) -> None:
    """The application speaks to the session below AgentSession itself."""

    async def below(call: Call) -> None:
        session: Any = realtime_session_of(call.session)
        futures = [session.generate_reply(instructions="Hi") for _ in range(3)]
        for future in futures:
            future.cancel()
        await asyncio.sleep(0.5)
        await call.done(call.ask("Next"))

    seen = played(family, {"Hi": [A], "Next": [B]}, below)
    assert not seen.hangs
    assert seen.closed is None
    assert not [f for f in seen.faults if "realtime_fsm" in f]
