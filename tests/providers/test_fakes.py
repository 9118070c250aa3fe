"""The fakes are what the plugins and their SDKs take for the provider.

What is judged here is plain LiveKit: what a fake does that no server would do, a plugin shows. (Each row
is looked at in `test_rows.py`.)
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from realtime_fsm.lab.options import PROVIDERS
from realtime_fsm.lab.scenarios.providers.call import Call, play
from realtime_fsm.lab.scenarios.providers.rows import A, asked
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import FAKES, Answer, Fake, PluginMissing

from .installed import missing, need


def test_a_missing_plugin_names_the_extra() -> None:
    class Unknown(FAKES["google"]):  # type: ignore[misc, name-defined]
        async def _start(self) -> None:
            from realtime_fsm.testing.providers._fake import need

            need("livekit.plugins.no_such_provider")

    async def start() -> None:
        async with Unknown({}):
            pass

    with pytest.raises(PluginMissing, match=r"realtime-fsm\[providers\]"):
        run_virtual(start)


@pytest.mark.parametrize("family", ["google", "phonic", "ultravox"])
def test_a_message_the_provider_does_not_know_is_a_violation(family: str) -> None:
    fake: Any = need(family)
    received = fake._received

    class Stricter(fake):  # type: ignore[misc]
        async def _received(self, message: Any) -> None:
            await received(self, message)
            raise AssertionError("no known message")

    seen = run_virtual(lambda: play(Stricter, {"Hi": [A]}, asked, controlled=False))
    assert any("no known message" in fault for fault in seen.faults)


def test_the_command_line_knows_every_fake() -> None:
    assert tuple(FAKES) == PROVIDERS


@pytest.mark.parametrize("family", [f for f in FAKES if FAKES[f].takes_requests])
def test_answers_are_by_question_and_attempt(family: str) -> None:
    """The k-th attempt at a question has its k-th answer, and the sound says which it was."""

    async def twice(call: Call) -> None:
        await call.done(call.ask("Hi"))
        await call.done(call.ask("Next"))

    answers = {"Hi": [A], "Next": [Answer("Five six seven.", 0.6)]}
    fake: type[Fake] = need(family)
    seen = run_virtual(lambda: play(fake, answers, twice, controlled=False))
    assert [(h.question, h.attempt) for h in seen.heard] == [("Hi", 1), ("Next", 1)]
    assert [round(h.seconds, 1) for h in seen.heard] == [0.8, 0.6]


def test_which_are_run_here() -> None:
    """So that a run says what it could not do."""
    absent = {family: missing(family) for family in FAKES if missing(family)}
    print(json.dumps({"run": [f for f in FAKES if f not in absent], "not run": absent}))
    assert "openai" not in absent  # the extra of the tests


@pytest.mark.parametrize(
    ("family", "message"),
    [
        ("aws", {"event": {"noSuchEvent": {}}}),
        ("google", {"no_such_field": {}}),
        ("ultravox", {"type": "no_such_event"}),
    ],
)
def test_what_no_type_knows_is_not_sent(family: str, message: dict[str, Any]) -> None:
    """The same for what a fake would say: its types refuse it."""
    fake: Any = need(family)

    async def say() -> None:
        async with fake({}) as server:
            if family == "aws":
                server.check(message)
            elif family == "google":
                server._types.LiveServerMessage(**message)
            else:
                server._events.parse_ultravox_event(message)

    with pytest.raises((ValueError, AssertionError)):
        run_virtual(say)


def test_voice_live_says_what_the_sdk_knows() -> None:
    fake: Any = need("azure")

    async def say() -> list[str]:
        async with fake({}) as server:
            models = server._models
            for kind in ("response.created", "no.such.event"):
                server._check(models.ServerEvent._deserialize({"type": kind}, []))
            return list(server.violations)

    assert run_virtual(say) == ["the SDK does not know no.such.event"]


def test_every_fake_says_what_its_messages_are_checked_by() -> None:
    assert all(fake.types for fake in FAKES.values())
