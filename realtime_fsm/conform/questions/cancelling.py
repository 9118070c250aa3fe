"""Cancels: whom they reach, and when they find nothing."""

from __future__ import annotations

from ...simulator import rules
from ..errors import describe
from ..question import asks
from ..talk import Talk
from ..wire import Sent

_TRIES = 3
_CREATED = "response.created"


@asks(rules.CANCEL_TARGET, short=0, long=2)
async def cancel_target(talk: Talk) -> None:
    """Two responses side by side: one is cancelled by its id, the other one by a bare cancel."""
    first = await talk.begun("long")
    second = await talk.created(await talk.create("long", conversation="none"))
    if second is not None:
        await talk.send("response.cancel", response_id=second)
        if not await _stops(talk, second):
            talk.deviates(rules.CANCEL_TARGET, "the response that was named did not stop")
            return
        if talk.ended(first) is not None:
            status = (talk.ended(first) or {}).get("status")
            if status == "cancelled":
                talk.deviates(rules.CANCEL_TARGET, "the other response was cancelled, too")
            else:
                talk.unjudged(rules.CANCEL_TARGET, "the other response ended by itself meanwhile")
            return
    await talk.send("response.cancel")
    if not await _stops(talk, first):
        talk.deviates(rules.CANCEL_TARGET, "a bare cancel did not stop the conversation's response")
    elif second is None:
        talk.kept(
            rules.CANCEL_TARGET, "a bare one stops the response; there is no second beside it"
        )
    else:
        talk.kept(rules.CANCEL_TARGET, "by its id the one beside, bare the conversation's")


async def _stops(talk: Talk, answer_id: str) -> bool:
    """Whether a response ends as cancelled, or falls silent for good."""
    done = await talk.done(answer_id, talk.known.pace.patience / 2)
    if done is not None:
        # That a status is missing is another rule's matter.
        return done.get("status") in ("cancelled", None)
    since = talk.mark()
    await talk.quiet()
    return talk.deltas(answer_id, since) == 0


@asks(rules.CANCEL_NOTHING)
async def cancel_nothing(talk: Talk) -> None:
    """A bare cancel, and one of an unknown response, while nothing runs."""
    bare = await talk.ask("response.cancel")
    if not talk.refused(rules.CANCEL_NOTHING, bare, "a bare cancel of nothing"):
        return
    named = await talk.ask("response.cancel", response_id="resp_nobody_made")
    if talk.refused(rules.CANCEL_NOTHING, named, "a cancel of an unknown response"):
        talk.kept(rules.CANCEL_NOTHING, describe(bare.error))


@asks(rules.CANCEL_RACE, short=1, long=1)
async def cancel_too_late(talk: Talk) -> None:
    """A cancel of a response that has ended, while a newer one runs."""
    old = await talk.begun("short")
    if await talk.done(old) is None:
        talk.unjudged(rules.CANCEL_RACE, "the first response did not end in time")
        return
    new = await talk.begun("long")
    heard = await talk.ask("response.cancel", response_id=old)
    await talk.quiet()
    status = (talk.ended(new) or {}).get("status")
    said = describe(heard.error) if heard.error is not None else "answered by nothing"
    if status == "cancelled":
        talk.deviates(rules.CANCEL_RACE, "the newer response was cancelled")
    elif heard.closed is not None:
        talk.deviates(rules.CANCEL_RACE, heard.closed)
    else:
        talk.kept(rules.CANCEL_RACE, f"the newer response went on ({said})")
    await talk.finish()


def _answered(talk: Talk, create: Sent, cancel: Sent) -> object:
    """What shows how a create and the cancel behind it fare."""
    began = talk.find(_CREATED, "response.done", since=create.at)
    return began or talk.linked_error(create) or talk.linked_error(cancel)


@asks(rules.CANCEL_BEFORE_CREATED, long=_TRIES)
async def cancel_early(talk: Talk) -> None:
    """A bare cancel right behind a create; one error is enough to show that it does not reach."""
    for _ in range(_TRIES):
        create = await talk.create("long")
        cancel = await talk.send("response.cancel")
        await talk.until(lambda: _answered(talk, create, cancel))  # noqa: B023
        made = await talk.created(create) if talk.find(_CREATED, since=create.at) else None
        error = talk.linked_error(cancel) or (talk.error_for(cancel) if made else None)
        if error is None and made is not None and talk.at_once(create):
            why = "response.created comes at once: no cancel comes before it"
            talk.unjudged(rules.CANCEL_BEFORE_CREATED, why)
            await talk.finish()
            return
        if made is None and error is None:
            # Cancelled before it was announced: its end may come without a beginning.
            if talk.find("response.done", since=create.at) is None:
                why = "neither the create nor the cancel behind it was answered"
                talk.unjudged(rules.CANCEL_BEFORE_CREATED, why)
                return
        elif error is None and made is not None:
            await talk.until(lambda: talk.ended(made) or talk.error_for(cancel), 2.0)  # noqa: B023
            error = talk.error_for(cancel)
            if error is None and talk.ended(made) is None and await talk.going(made):
                how = "it was not cancelled, and the cancel was not answered"
                talk.found(rules.CANCEL_BEFORE_CREATED, False, how)
                await talk.finish()
                return
            if (talk.ended(made) or {}).get("status") == "completed" and error is None:
                why = "the response was over before it could be told"
                talk.unjudged(rules.CANCEL_BEFORE_CREATED, why)
                return
        if error is not None and not (made or await talk.created(create)):
            why = "the cancel is refused, and the create is not answered"
            talk.unjudged(rules.CANCEL_BEFORE_CREATED, why)
            return
        if error is not None:
            how = f"the response was created all the same; the cancel: {describe(error)}"
            talk.found(rules.CANCEL_BEFORE_CREATED, False, how)
            await talk.finish()
            return
    how = f"in {_TRIES} tries a cancel right behind the create ended the response"
    talk.found(rules.CANCEL_BEFORE_CREATED, True, how)
