"""A full-duplex model in `ControlledRealtimeModel`: as LiveKit alone has it, in every mode (G27)."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from livekit.agents import llm

from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.livekit._features import AgentSession
from realtime_fsm.simulator.gpt_live import Backend, LiveConfig
from realtime_fsm.testing import virtual_time

from .live import LOOKS_UP, Assistant, live, needs_duplex

pytestmark = needs_duplex


async def conversation(wrap: Any) -> tuple[list[Any], float, str]:
    """Two delegations, one with a tool, and speech: the frames, the seconds heard, what was said."""
    async with live(LiveConfig(stream_ms=100), wrap=wrap) as call:
        call.server.say("Hello there.", seconds=1.0)
        await asyncio.sleep(3.0)
        call.server.hear("When does the train leave?")
        call.server.delegate(LOOKS_UP, Backend(says="At nine."))
        await asyncio.sleep(4.0)
        call.server.delegate(Backend(says="Fine."))
        await asyncio.sleep(4.0)
        assert call.duplex is not None
        said = [m.text_content for m in call.session.history.items if m.type == "message"]
        assert not call.errors
    return call.frames(), round(call.sink.heard_seconds, 1), " / ".join(map(str, said))


@pytest.mark.parametrize("mode", ["control", "observe", "off"])
@pytest.mark.parametrize("adapted", [False, True])
def test_every_mode_is_plain_livekit(
    mode: Any, adapted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def wrap(model: Any) -> Any:
        return ControlledRealtimeModel(
            llm.DuplexRealtimeAdapter(model) if adapted else model, mode=mode
        )

    @virtual_time
    async def both() -> tuple[Any, Any]:
        plain = await conversation(lambda model: model)
        with caplog.at_level(logging.INFO, "realtime_fsm"):
            return plain, await conversation(wrap)

    plain, ours = both()
    assert plain[1] > 2.5
    assert "Hello there." in plain[2]
    assert ours == plain
    told = [r.getMessage() for r in caplog.records if r.name == "realtime_fsm"]
    # One line; with mode="off" there is nothing of ours at all.
    assert len(told) == (0 if mode == "off" else 1)
    assert all("turns are the server's" in each for each in told)


@virtual_time
async def test_livekits_own_check_of_a_duplex_model_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A simulation by text refuses what speaks only through audio, by the adapter's class."""
    from livekit.plugins import openai

    monkeypatch.setattr(AgentSession, "_text_only", property(lambda self: True))
    for wrap in (lambda m: m, ControlledRealtimeModel):
        model = wrap(openai.realtime.GPTLiveModel(api_key="k", http_session=object()))  # type: ignore[arg-type,operator]
        session: AgentSession[Any] = AgentSession(llm=model, vad=None)
        with pytest.raises(RuntimeError, match="DuplexModel speaks only through audio"):
            await session.start(Assistant())
        await session.aclose()


def test_the_wrapper_is_an_adapter_and_shows_its_model() -> None:
    from livekit.plugins import openai

    inner = openai.realtime.GPTLiveModel(api_key="k")
    model = ControlledRealtimeModel(inner)
    assert isinstance(model, ControlledRealtimeModel)
    assert isinstance(model, llm.DuplexRealtimeAdapter)
    assert model.duplex_model is inner
    assert type(model) is type(ControlledRealtimeModel(inner))

    class Mine(ControlledRealtimeModel):
        pass

    assert isinstance(Mine(inner), Mine)
    assert not isinstance(
        ControlledRealtimeModel(openai.realtime.RealtimeModel(api_key="k")),
        llm.DuplexRealtimeAdapter,
    )
