"""Updates of the session: what they change, and what cannot be changed."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from ..errors import describe
from ..known import Unjudged
from ..question import asks
from ..talk import Heard, Talk
from ..wire import ConnectionOver

_OTHER_MODELS = {
    "ga": ("gpt-realtime-mini", "gpt-realtime"),
    "beta": ("gpt-4o-mini-realtime-preview", "gpt-4o-realtime-preview"),
}


def _session(heard: Heard) -> Mapping[str, Any]:
    session = (heard.first("session.updated") or {}).get("session")
    return session if isinstance(session, Mapping) else {}


def _voice(session: Mapping[str, Any]) -> object:
    audio = session.get("audio")
    output = audio.get("output") if isinstance(audio, Mapping) else None
    return output.get("voice") if isinstance(output, Mapping) else None


async def _must(talk: Talk, what: str, **session: Any) -> Heard:
    """Make a change that has to be possible. Raises :class:`Unjudged` when it is not."""
    heard = await talk.update(**session)
    if heard.error is not None:
        raise Unjudged(f"{what} is refused: {describe(heard.error)}")
    if heard.first("session.updated") is None:
        raise Unjudged(f"{what} is not answered")
    return heard


@asks(rules.UPDATE_PARTIAL)
async def partial(talk: Talk) -> None:
    """Instructions first, then an update that has none."""
    rule, words = rules.UPDATE_PARTIAL, "Speak like a pilot."
    heard = await talk.update(instructions=words)
    if heard.error is None and heard.first("session.updated") is None:
        talk.deviates(rule, heard.closed or "an update is not answered")
        return
    if heard.error is not None:
        talk.unjudged(rule, f"an update of the instructions is refused: {describe(heard.error)}")
        return
    first = _session(heard)
    if first.get("instructions") != words:
        talk.deviates(rule, f"session.updated has the instructions {first.get('instructions')!r}")
        return
    then = _session(await _must(talk, "an update of the tools", tools=[]))
    if then.get("instructions") != words:
        talk.deviates(rule, f"an update without instructions left {then.get('instructions')!r}")
    elif "audio" not in then and "output_modalities" not in then:
        talk.deviates(rule, f"session.updated has only {', '.join(sorted(map(str, then)))}")
    else:
        talk.kept(
            rule, "what an update does not name stays, and the whole configuration comes back"
        )


@asks(rules.CREATE_RANGES)
async def ranges(talk: Talk) -> None:
    """Values out of range, each with instructions that must not be taken either."""
    rule = rules.CREATE_RANGES
    await _must(talk, "a good update", max_output_tokens=300, instructions="Be brief.")
    bad: dict[str, dict[str, Any]] = {
        "max_output_tokens 0": {"max_output_tokens": 0},
        "speed 9": {"audio": {"output": {"speed": 9}}},
        "a VAD threshold of 2": {
            "audio": {"input": {"turn_detection": {"type": "server_vad", "threshold": 2}}}
        },
    }
    if talk.known.dialect == "ga":
        bad["both modalities"] = {"output_modalities": ["audio", "text"]}
    taken = []
    for what, session in bad.items():
        heard = await talk.update(**session, instructions="Be long.")
        if heard.closed is not None:
            talk.deviates(rule, f"{what}: {heard.closed}")
            return
        if heard.error is None:
            taken.append(what)
    after = _session(await _must(talk, "a good update", max_output_tokens=300))
    if taken:
        talk.deviates(rule, f"taken: {', '.join(taken)}")
    elif after.get("instructions") == "Be long.":
        talk.deviates(rule, "the rest of a refused update is applied all the same")
    else:
        talk.kept(rule, f"refused: {', '.join(bad)}")


@asks(rules.VOICE_LOCKED, short=1, spoken=1)
async def voice(talk: Talk) -> None:
    """Another voice after the assistant has spoken, that was taken before."""
    rule = rules.VOICE_LOCKED
    first = (talk.known.first_session or {}).get("audio") or {}
    own = ((first.get("output") or {}) if isinstance(first, Mapping) else {}).get("voice")
    own = own if isinstance(own, str) else "alloy"
    other = "echo" if own != "echo" else "alloy"
    await _must(talk, f"the voice {other!r}", audio={"output": {"voice": other}})
    await _must(talk, f"the voice {own!r}", audio={"output": {"voice": own}})
    answer_id = await talk.begun("short", spoken=True)
    await talk.done(answer_id)
    if talk.find("response.output_audio.delta", response_id=answer_id) is None:
        talk.unjudged(rule, "the response had no audio")
        return
    heard = await talk.update(audio={"output": {"voice": other}})
    if talk.refused(rule, heard, "another voice after audio"):
        talk.kept(rule, describe(heard.error))
    elif heard.closed is None and _voice(_session(heard)) == own:
        talk.deviates(rule, "the update is answered as if it was taken, with the voice unchanged")


@asks(rules.MODEL_FIXED)
async def model(talk: Talk) -> None:
    """Another model in an update."""
    rule = rules.MODEL_FIXED
    current = (talk.known.first_session or {}).get("model")
    if not isinstance(current, str):
        talk.unjudged(rule, "session.created names no model")
        return
    if talk.known.dialect == "ga":  # the beta knows only models of its own time
        await _must(talk, "an update with the session's own model", model=current)
    other = next(one for one in _OTHER_MODELS[talk.known.dialect] if one != current)
    heard = await talk.update(model=other)
    if heard.closed is not None:
        talk.deviates(rule, heard.closed)
    elif heard.error is not None:
        talk.found(rule, "refuse", describe(heard.error))
    elif _session(heard).get("model") == other:
        talk.deviates(rule, f"the session says that its model is {other} now")
    elif _session(heard).get("model") == current:
        talk.found(rule, "ignore", f"the session stays with {current}")
    else:
        talk.unjudged(rule, "session.updated does not say what the model is")


@asks(rules.TRACING_FIXED)
async def tracing(talk: Talk) -> None:
    """Tracing switched on, and off again."""
    rule = rules.TRACING_FIXED
    on = _session(await _must(talk, "tracing", tracing="auto"))
    if on.get("tracing") is None:
        talk.unjudged(rule, "tracing is taken and not switched on")
        return
    heard = await talk.update(tracing=None)
    if talk.refused(rule, heard, "to switch tracing off"):
        talk.kept(rule, describe(heard.error))


@asks(rules.SPEED_BETWEEN, long=1)
async def speed(talk: Talk) -> None:
    """The speed between responses, and within one."""
    rule = rules.SPEED_BETWEEN
    await _must(talk, "the speed 1.1", audio={"output": {"speed": 1.1}})
    answer_id = await talk.begun("long")
    heard = await talk.update(audio={"output": {"speed": 1.2}})
    if talk.ended(answer_id) is not None:
        talk.unjudged(rule, "the response ended before the update was answered")
        return
    if talk.refused(rule, heard, "another speed while a response runs"):
        talk.kept(rule, describe(heard.error))
    await talk.finish()


@asks(rules.SESSION_TYPE)
async def kind(talk: Talk) -> None:
    """A session that is to become one for transcription."""
    if talk.known.dialect == "beta":
        talk.unjudged(rules.SESSION_TYPE, "a session of the beta has no type")
        return
    heard = await talk.update(type="transcription")
    if talk.refused(rules.SESSION_TYPE, heard, "another type of session"):
        talk.kept(rules.SESSION_TYPE, describe(heard.error))


@asks(rules.OUTPUT_CLEAR)
async def output_clear(talk: Talk) -> None:
    """output_audio_buffer.clear, which is for WebRTC and SIP."""
    heard = await talk.ask("output_audio_buffer.clear")
    if heard.closed is not None:
        talk.deviates(rules.OUTPUT_CLEAR, heard.closed)
    elif heard.error is not None:
        talk.deviates(rules.OUTPUT_CLEAR, f"answered by an error: {describe(heard.error)}")
    elif heard.events:
        types = ", ".join(str(event["type"]) for event in heard.events)
        talk.deviates(rules.OUTPUT_CLEAR, f"answered by {types}")
    else:
        talk.kept(rules.OUTPUT_CLEAR, "ignored")


@asks(rules.EXPIRY, needs=("expiry",))
async def expiry(talk: Talk) -> None:
    """A session that is left alone until it ends."""
    known = talk.known
    with contextlib.suppress(ConnectionOver):
        await talk.until(lambda: None, known.expiry)
    error = talk.find("error")
    if talk.over is None:
        talk.unjudged(rules.EXPIRY, f"it did not expire within {known.expiry:g} s")
    elif talk.ws.close_code == 1001 and "session_expired" in str(error):
        talk.kept(rules.EXPIRY, describe(error))
    else:
        said = describe(error) if error is not None else "no error came"
        talk.deviates(rules.EXPIRY, f"{said}; {talk.over}")
