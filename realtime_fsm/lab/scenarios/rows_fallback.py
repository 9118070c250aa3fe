"""A fallback adapter around the model, or around two."""

from __future__ import annotations

from ...simulator.script import Failed, Rejected, Reply, audio_ms
from .scenario import Expect, Scenario
from .steps import Ask
from .words import ANSWER, OTHER, long

__all__ = ["ROWS"]

_ESCALATE = {"on_exhausted": "escalate"}
_QUOTA = "insufficient_quota"

ROWS = (
    Scenario(
        id="w",
        title="FallbackAdapter([m]), server_error, no output",
        models="fallback",
        policy=_ESCALATE,
        replies=(Reply(end=Failed("server_error")), ANSWER),
        steps=(Ask(),),
        plain=Expect(handles=("ok",), errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2),
    ),
    Scenario(
        id="w2",
        title="FallbackAdapter([m, m2]), insufficient_quota, no output",
        models="around fallback",
        replies=(Reply(end=Failed(_QUOTA)),),
        second=(OTHER,),
        steps=(Ask(),),
        plain=Expect(handles=("interrupted",), errors=(_QUOTA,)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2),
        unchecked=("G8", "G13", "G16"),
        note="our model is around the adapter: retried on the second model",
    ),
    Scenario(
        id="w3",
        title="FallbackAdapter([m, m2]), the create is refused",
        models="fallback",
        policy=_ESCALATE,
        replies=(Reply(ack=Rejected("server_error")), ANSWER),
        second=(OTHER,),
        steps=(Ask(),),
        plain=Expect(handles=("server_error",), errors=("server_error",)),
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2),
        note="retried on the model that answers",
    ),
    Scenario(
        id="w4",
        title="FallbackAdapter([m, m2]), insufficient_quota after 500 of 2000 ms",
        models="fallback",
        policy=_ESCALATE,
        replies=(Reply([long()], end=Failed(_QUOTA, at=audio_ms(500)), pace=0.05),),
        second=(OTHER,),
        steps=(Ask(),),
        plain=Expect(heard=(0.2, 0.6), handles=("interrupted", "ok"), creates=2, errors=(_QUOTA,)),
        controlled=Expect(heard=(0.5, 0.6), handles=(_QUOTA, "ok"), creates=2, errors=(_QUOTA,)),
        unchecked=("G13", "G16"),
        note="what was received plays out (the checks left out compare one server with all that was"
        " heard)",
    ),
)
