"""Server VAD: what it commits, creates, interrupts, and loses."""

from __future__ import annotations

from collections.abc import Mapping

from ...simulator import rules
from ...simulator.rule import Rule
from ..errors import describe, error_of, response_id
from ..known import Unjudged
from ..question import asks
from ..speech import silence, speech
from ..talk import Talk

_STARTED = "input_audio_buffer.speech_started"
_STOPPED = "input_audio_buffer.speech_stopped"
_COMMITTED = "input_audio_buffer.committed"
_IDLE = "input_audio_buffer.timeout_triggered"
_IDLE_MS = 5000  # the shortest there is, documented
_TRIES = 2
_DEAF = "server VAD did not hear the speech that was played"


async def _listening(talk: Talk, **vad: object) -> None:
    if not talk.known.hears:
        raise Unjudged(_DEAF)
    heard = await talk.listen(**vad)
    if heard.error is not None:
        raise Unjudged(f"server VAD cannot be switched on: {describe(heard.error)}")


async def _committed(talk: Talk) -> Mapping[str, object]:
    """Speak until it is committed. Raises :class:`Unjudged` when it is not heard."""
    at = talk.mark()
    if not await talk.speak(lambda: talk.find(_COMMITTED, since=at)):
        if talk.find(_STARTED, since=at) is None:
            talk.known.hears = False
            raise Unjudged(_DEAF)
        raise Unjudged("server VAD heard the speech, and never committed it")
    found = talk.find(_COMMITTED, since=at)
    assert found is not None
    return found


@asks(rules.VAD_COMMITS, speech=2.5)
async def commits(talk: Talk) -> None:
    """Speech, with create_response and interrupt_response off."""
    rule = rules.VAD_COMMITS
    await _listening(talk, create_response=False, interrupt_response=False)
    committed = await _committed(talk)
    await talk.quiet()
    names = (_STARTED, _STOPPED, _COMMITTED, "conversation.item.added")
    found = [talk.find(name) for name in names]
    missing = [name for name, event in zip(names, found, strict=True) if event is None]
    if missing:
        talk.deviates(rule, f"no {', '.join(missing)}")
        return
    ids = [event.get("item_id") or (event.get("item") or {}).get("id") for event in found if event]
    times = [talk.when(event) for event in found]
    if len(set(ids)) > 1:
        pairs = ", ".join(f"{name} {answer_id}" for name, answer_id in zip(names, ids, strict=True))
        talk.deviates(rule, f"not under one id: {pairs}")
    elif times != sorted(times):
        talk.deviates(rule, "not in the order started, stopped, committed, item")
    elif talk.find("response.created") is not None:
        talk.deviates(rule, "a response was created, with create_response off")
    else:
        talk.kept(rule, f"all under the id {committed.get('item_id')}")
    await talk.finish()


@asks(rules.VAD_CREATES, speech=2.5, short=1)
async def creates(talk: Talk) -> None:
    """Speech, with server VAD as it is by default."""
    rule = rules.VAD_CREATES
    await _listening(talk)
    talk.known.spend()
    await _committed(talk)
    made = await talk.until(lambda: talk.find("response.created"))
    if made is None:
        patience = f"{talk.known.pace.patience:g} s"
        talk.deviates(rule, f"no response within {patience} after the commit")
    else:
        talk.kept(rule, "the end of speech starts a response; create_response is on by default")
    await talk.finish()


@asks(rules.VAD_IDLE, speech=_IDLE_MS / 1000 + 1, short=1)
async def idles(talk: Talk) -> None:
    """A silence that lasts longer than idle_timeout_ms."""
    rule = rules.VAD_IDLE
    await _listening(talk, idle_timeout_ms=_IDLE_MS)
    talk.known.spend()
    await talk.play(silence(_IDLE_MS + 1000), at_once=True)
    patience = _IDLE_MS / 1000 + talk.known.pace.patience
    told = await talk.until(lambda: talk.find(_IDLE), patience)
    if told is None:
        raise Unjudged(f"no {_IDLE} within {patience:g} s of silence")
    made = await talk.until(lambda: talk.find("response.created"))
    committed = talk.find(_COMMITTED)
    if committed is None or committed.get("item_id") != told.get("item_id"):
        talk.deviates(rule, "the silence was not committed under the id that was told")
    elif made is None:
        talk.deviates(rule, "the silence was committed, and not answered")
    else:
        talk.kept(rule, f"committed and answered after {_IDLE_MS / 1000:g} s")
    await talk.finish()


@asks(rules.VAD_INTERRUPTS, speech=2.5, long=1)
async def interrupts(talk: Talk) -> None:
    """Speech while a response runs, with interrupt_response."""
    rule = rules.VAD_INTERRUPTS
    await _listening(talk, create_response=False, interrupt_response=True)
    answer_id = await talk.begun("long")
    if not await talk.going(answer_id):
        raise Unjudged("the response ended at once")
    await talk.play(speech())
    await talk.play(silence(200))
    if await talk.until(lambda: talk.find(_STARTED)) is None:
        raise Unjudged(_DEAF)
    at = talk.mark()
    done = (
        await talk.done(answer_id, talk.known.pace.patience / 2)
        if not talk.ended(answer_id)
        else talk.ended(answer_id)
    )
    if done is None:
        since = talk.mark()
        await talk.quiet()
        if talk.deltas(answer_id, since):
            talk.deviates(rule, "the response went on")
        else:
            talk.found(rule, False, "the response stopped, and never got response.done")
    elif done.get("status") == "cancelled":
        details = done.get("status_details")
        reason = details.get("reason") if isinstance(details, Mapping) else details
        if reason == "turn_detected":
            talk.found(rule, True, "cancelled, turn_detected")
        else:
            talk.found(rule, True, f"cancelled; its reason is {reason!r}, not turn_detected")
    elif talk.deltas(answer_id, at):
        talk.deviates(rule, f"the response went on, and ended {done.get('status')!r}")
    else:
        talk.unjudged(rule, f"the response ended {done.get('status')!r} before it was interrupted")


@asks(rules.INTERRUPT_BEFORE_CREATED, speech=2.6, long=_TRIES)
async def interrupts_early(talk: Talk) -> None:
    """Speech right behind a create."""
    rule = rules.INTERRUPT_BEFORE_CREATED
    await _listening(talk, create_response=False, interrupt_response=True)
    for _ in range(_TRIES):
        at = talk.mark()
        await talk.create("long")
        await talk.play(speech(), at_once=True)
        await talk.play(silence(600), at_once=True)
        started = await talk.until(lambda: talk.find(_STARTED, since=at))  # noqa: B023
        if started is None:
            raise Unjudged(_DEAF)
        await talk.until(lambda: talk.find("response.done", since=at), 3.0)  # noqa: B023
        created = talk.find("response.created", since=at)
        done = talk.find("response.done", since=at)
        if created is not None and talk.when(created) < talk.when(started):
            talk.unjudged(rule, "the response was created before the speech was heard")
            await talk.finish()
            await talk.quiet()
            continue
        status = (done or {}).get("response", {}).get("status") if done else None
        if done is None and created is None:
            talk.unjudged(rule, "the response was dropped: neither created nor done")
        elif done is None:
            talk.deviates(rule, "it was created after the speech had begun, and went on")
            await talk.finish()
        elif status is None:
            talk.unjudged(rule, "response.done does not say how it ended")
        elif status != "cancelled":
            talk.deviates(rule, f"it was not interrupted, and ended {status!r}")
        elif created is None:
            talk.found(rule, "done", "response.done alone")
        else:
            talk.found(rule, "created_and_done", "response.created, then response.done")
        return


@asks(rules.VAD_LOSES, speech=5.0, long=_TRIES, short=1)
async def loses(talk: Talk) -> None:
    """Speech while a response runs that it may not interrupt, with create_response."""
    rule = rules.VAD_LOSES
    await _listening(talk, create_response=True, interrupt_response=False)
    for _ in range(_TRIES):
        at = talk.mark()
        answer_id = await talk.begun("long")
        await _committed(talk)
        if talk.ended(answer_id) is not None and talk.find("error", since=at) is None:
            talk.unjudged(rule, "the response ended before the speech was committed")
            await talk.finish()
            await talk.quiet()
            continue
        await _judge_loss(talk, rule, answer_id, at)
        return


async def _judge_loss(talk: Talk, rule: Rule, answer_id: str, at: int) -> None:
    def second() -> Mapping[str, object] | None:
        made = talk.all("response.created", since=at)
        return next((event for event in made if response_id(event) != answer_id), None)

    await talk.until(lambda: talk.find("error", since=at) or second(), talk.known.pace.quiet)
    error, other = talk.find("error", since=at), second()
    if error is not None:
        named = error_of(error).get("event_id")
        if talk.is_ours(named):
            talk.deviates(rule, f"the error names {named!r}, an event of ours: {describe(error)}")
        else:
            talk.found(rule, "error", describe(error))
        await talk.finish()
        return
    beside = other is not None and talk.ended(answer_id) is None
    await talk.finish()
    await talk.until(second, talk.known.pace.quiet * 2)
    if beside:
        talk.deviates(rule, "its response was created beside the one that runs")
    elif second() is not None:
        talk.deviates(rule, "its response was created once the running one had ended")
    elif await _creates(talk):
        talk.found(rule, "silent", "nothing says that it failed to create one")
    else:
        talk.unjudged(rule, "server VAD creates no response, also when none runs")
    await talk.finish()


async def _creates(talk: Talk) -> bool:
    """Whether server VAD answers speech now that nothing runs."""
    at = talk.mark()
    talk.known.spend()
    await _committed(talk)
    return await talk.until(lambda: talk.find("response.created", since=at)) is not None


@asks(rules.SEMANTIC_LATE, speech=9.3)
async def semantic(talk: Talk) -> None:
    """Speech, with semantic VAD that has much patience."""
    rule = rules.SEMANTIC_LATE
    if not talk.known.hears:
        raise Unjudged(_DEAF)
    audio = {
        "input": {
            "turn_detection": {
                "type": "semantic_vad",
                "eagerness": "low",
                "create_response": False,
                "interrupt_response": False,
            }
        }
    }
    heard = await talk.update(audio=audio)
    if heard.error is not None:
        raise Unjudged(f"no semantic VAD: {describe(heard.error)}")
    talk.session = {**talk.session, "audio": audio}
    await talk.play(speech())
    spoken = talk.frames[-1].t if talk.frames else 0.0
    for _ in range(40):
        if talk.find(_COMMITTED):
            break
        await talk.play(silence(200))
    stopped, committed = talk.find(_STOPPED), talk.find(_COMMITTED)
    if stopped is None or committed is None:
        raise Unjudged("semantic VAD did not commit the speech that was played")
    gap = talk.when(committed) - talk.when(stopped)
    late = talk.when(stopped) - spoken
    if gap > 0.15:
        how = f"speech_stopped {gap:.1f} s before the commit"
        talk.found(rule, "at_silence", how)
    elif late > 0.4:
        how = f"speech_stopped with the commit, {late:.1f} s after the speech"
        talk.found(rule, "at_commit", how)
    else:
        talk.unjudged(rule, "the turn was committed at once, so there was nothing to see")


@asks(rules.COMMIT_IN_SPEECH, speech=3.0)
async def commit_in_speech(talk: Talk) -> None:
    """A commit of the client's while server VAD hears speech."""
    rule = rules.COMMIT_IN_SPEECH
    await _listening(talk, create_response=False, interrupt_response=False)
    await talk.play(speech())
    if await talk.until(lambda: talk.find(_STARTED)) is None:
        raise Unjudged(_DEAF)
    if talk.find(_STOPPED) is not None:
        raise Unjudged("server VAD took the end of the speech for silence at once")
    commit = await talk.send("input_audio_buffer.commit")
    await talk.until(lambda: talk.find(_COMMITTED, since=commit.at) or talk.error_for(commit))
    error = talk.error_for(commit)
    if talk.find(_COMMITTED, since=commit.at) is None:
        said = describe(error) if error is not None else "not answered"
        talk.deviates(rule, f"the client's commit is {said}")
        return
    for _ in range(8):
        await talk.play(silence(200))
    await talk.quiet()
    if (times := len(talk.all(_COMMITTED))) > 1:
        talk.deviates(rule, f"server VAD committed as well: {times} times in all")
    else:
        talk.kept(rule, "the client's commit ends the turn, and VAD commits nothing")
