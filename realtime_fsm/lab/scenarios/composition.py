"""With LiveKit's fallback adapter: ours inside it, and ours around it.

Inside, ``on_exhausted="escalate"`` makes the adapter swap once our retries are used up. Around, ours
retries on the model that the adapter swapped to. What LiveKit's adapter does
not allow:

* It repeats the reply on the next model only if the agent was speaking or thinking when the fatal
  error came. A turn that failed before its first output is neither, so inside it ours can only fail
  it visibly; the next question is answered by the next model. Around it, ours repeats it.
* It interrupts the agent when it swaps, and has the reply generated again. Inside it, ours fails
  once what was received is heard.
* It swaps on its own models' fatal errors alone. Around it, retries that are used up cannot make it
  swap; the turn fails visibly.
"""

from __future__ import annotations

from ...simulator.script import Failed, Rejected, Reply, audio_ms
from .scenario import Expect, Scenario
from .steps import Ask, Wait
from .words import ANSWER, OTHER, long

__all__ = ["COMPOSITION"]

_ESCALATE = {"on_exhausted": "escalate", "retry_interval": 0.2}
_QUOTA = "insufficient_quota"
_NO_QUOTA = Reply(end=Failed(_QUOTA))
_FAILED = Reply(end=Failed("server_error"))
_TWO_QUESTIONS = (Ask(), Wait(6.0), Ask("Is there parking?"))
#: These checks compare one server with all that was heard.
_TWO_SERVERS = ("G8", "G13", "G16")

COMPOSITION = (
    Scenario(
        id="inside/fatal",
        title="inside: insufficient_quota before output; then a second question",
        models="fallback",
        policy=_ESCALATE,
        replies=(_NO_QUOTA,),
        second=(OTHER,),
        steps=_TWO_QUESTIONS,
        plain=None,
        controlled=Expect(heard=(0.6,), handles=(_QUOTA, "ok"), creates=2, errors=(_QUOTA,)),
        unchecked=_TWO_SERVERS,
        note="the adapter does not repeat a reply that has not begun",
    ),
    Scenario(
        id="inside/retries",
        title="inside: all four attempts fail; then a second question",
        models="fallback",
        policy=_ESCALATE,
        replies=(_FAILED,) * 4,
        second=(OTHER,),
        steps=_TWO_QUESTIONS,
        plain=None,
        controlled=Expect(
            heard=(0.6,), handles=("server_error", "ok"), creates=5, errors=("server_error",)
        ),
        unchecked=_TWO_SERVERS,
        note="retry first, then fall back",
    ),
    Scenario(
        id="inside/refused",
        title="inside: the create is refused four times; then a second question",
        models="fallback",
        policy=_ESCALATE,
        replies=(Reply(ack=Rejected("server_error")),) * 4,
        second=(OTHER,),
        steps=_TWO_QUESTIONS,
        plain=None,
        controlled=Expect(
            heard=(0.6,), handles=("server_error", "ok"), creates=5, errors=("server_error",)
        ),
        unchecked=_TWO_SERVERS,
    ),
    Scenario(
        id="inside/after output",
        title="inside: server_error after 500 of 2000 ms",
        models="fallback",
        policy=_ESCALATE,
        replies=(Reply([long()], end=Failed("server_error", at=audio_ms(500)), pace=0.05),),
        second=(OTHER,),
        steps=(Ask(),),
        plain=None,
        controlled=Expect(
            heard=(0.5, 0.6), handles=("server_error", "ok"), creates=2, errors=("server_error",)
        ),
        unchecked=_TWO_SERVERS,
        note="the agent was speaking: repeated on the second model",
    ),
    Scenario(
        id="inside/both fatal",
        title="inside: insufficient_quota on both models",
        models="fallback",
        policy=_ESCALATE,
        replies=(_NO_QUOTA,),
        second=(_NO_QUOTA,),
        steps=_TWO_QUESTIONS,
        plain=None,
        controlled=Expect(
            handles=(_QUOTA, _QUOTA),
            creates=2,
            errors=(_QUOTA, f"FATAL {_QUOTA}"),
            closed=True,
            state=None,
        ),
        unchecked=_TWO_SERVERS,
    ),
    Scenario(
        id="around/retry",
        title="around: server_error before output",
        models="around fallback",
        replies=(_FAILED, ANSWER),
        second=(OTHER,),
        steps=(Ask(),),
        plain=None,
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=2),
        note="retried on the first model",
    ),
    Scenario(
        id="around/fatal",
        title="around: server_error, then insufficient_quota, before output",
        models="around fallback",
        replies=(_FAILED, _NO_QUOTA),
        second=(OTHER,),
        steps=(Ask(),),
        plain=None,
        controlled=Expect(heard=(0.6,), handles=("ok",), creates=3),
        unchecked=_TWO_SERVERS,
        note="retry first, then fall back: one handle over both models",
    ),
    Scenario(
        id="around/fatal after output",
        title="around: insufficient_quota after 500 of 2000 ms",
        models="around fallback",
        replies=(Reply([long()], end=Failed(_QUOTA, at=audio_ms(500)), pace=0.05),),
        second=(OTHER,),
        steps=(Ask(),),
        plain=None,
        controlled=Expect(
            heard=(0.2, 0.6), handles=("interrupted", "ok"), creates=2, errors=(_QUOTA,)
        ),
        unchecked=_TWO_SERVERS,
        note="as in plain LiveKit: the adapter interrupts, and has the reply generated again",
    ),
    Scenario(
        id="around/failed after output",
        title="around: server_error after 500 of 2000 ms",
        models="around fallback",
        replies=(Reply([long()], end=Failed("server_error", at=audio_ms(500)), pace=0.05),),
        second=(OTHER,),
        steps=(Ask(),),
        plain=None,
        controlled=Expect(heard=(0.5,), handles=("server_error",), errors=("server_error",)),
    ),
    Scenario(
        id="around/retries",
        title="around: all four attempts fail; then a second question",
        models="around fallback",
        policy={"retry_interval": 0.2},
        replies=(_FAILED,) * 4,
        second=(OTHER,),
        steps=_TWO_QUESTIONS,
        plain=None,
        controlled=Expect(
            heard=(0.5,), handles=("server_error", "ok"), creates=5, errors=("server_error",)
        ),
        note="the adapter swaps on its own models' fatal errors alone",
    ),
)
