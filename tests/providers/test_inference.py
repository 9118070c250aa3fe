"""LiveKit Inference: models of several providers behind the openai engine. All are known, and controlled."""

from __future__ import annotations

import os
from typing import Any

import pytest

from realtime_fsm.compare import judge
from realtime_fsm.lab.scenarios.providers.call import play
from realtime_fsm.lab.scenarios.providers.rows import ROWS, ProviderRow
from realtime_fsm.livekit.providers import family_of
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import XAI, Inference

from .installed import OF_RELATIVES, name_of, need

GEMINI: Any = type("Gemini", (Inference,), {"vendor": "google/gemini-3.8-live"})
#: Its sessions say what xAI's own plugin says.
GROK: Any = type("Grok", (Inference,), {"vendor": "xai/grok-voice", "_own_words": XAI._own_words})
VENDORS = {"google": GEMINI, "xai": GROK}
EVERY = os.environ.get("PROVIDERS") == "all"


@pytest.mark.parametrize("vendor", VENDORS)
def test_it_is_controlled_in_full(vendor: str) -> None:
    need("inference")

    async def look() -> Any:
        async with VENDORS[vendor]({}) as server:
            model = server.model()
            session = model.session()
            try:
                return family_of(model, session)
            finally:
                await session.aclose()

    found = run_virtual(look)
    assert (found.name, found.control) == ("openai", "full")


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in ROWS
        if row.for_(Inference) and (EVERY or row.name in (*OF_RELATIVES, "dropped"))
    ],
    ids=name_of,
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_g27_worse_nowhere(vendor: str, row: ProviderRow) -> None:
    """Also where xAI drops a response without its end, and VAD's next one shows itself."""
    need("inference")
    plain, ours = (
        run_virtual(
            lambda controlled=controlled: play(  # type: ignore[misc]
                VENDORS[vendor], row.answers, row.row, controlled=controlled, tools=row.tools
            ),
            limit=600,
        )
        for controlled in (False, True)
    )
    assert judge(plain.life, ours.life).worse == (), (plain, ours)
    assert ours.turns
    assert not ours.hangs
    if row.name == "dropped":
        assert [question.times for question in ours.questions[1:]] == [1, 1]
        assert all(q.sound is not None and q.sound - q.t < 2.0 for q in ours.questions[1:])
