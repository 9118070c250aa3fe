"""Creates: the single slot, what stands beside it, and what a create may carry."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from .. import rules as extra
from ..errors import describe, error_of, response_id
from ..question import asks
from ..talk import Talk
from ..wire import Sent

_TRIES = 3  # at a race that may be lost by chance
_CONFLICT = "conversation_already_has_active_response"


@asks(
    rules.ONE_ACTIVE, rules.SLOT_TAKEN, rules.REFUSED_CREATE, rules.CONFLICT_LINK,
    extra.CONFLICT_CODE, short=_TRIES, long=_TRIES,
)  # fmt: skip
async def two_creates(talk: Talk) -> None:
    """Two creates in a row; an error before the first response.created shows when the slot is taken."""
    for attempt in range(1, _TRIES + 1):
        at = talk.mark()
        first = await talk.create("long")
        second = await talk.create("short")
        await talk.until(lambda: _settled(talk, second, at))  # noqa: B023
        error = _refusal(talk, second, at)
        if error is None:
            await _not_refused(talk, at)
            return
        # Not by the error, for one that names no event may be that of the other create.
        if not await talk.until(lambda: talk.find("response.created", since=at)):  # noqa: B023
            talk.unjudged(rules.ONE_ACTIVE, f"both creates were refused: {describe(error)}")
            return
        early = talk.when(error) < talk.when(talk.find("response.created", since=at))
        await talk.finish()
        await talk.fence()
        if len(talk.all("response.created", since=at)) > 1:
            how = "an error came, and then the refused create was answered all the same"
            talk.deviates(rules.REFUSED_CREATE, how)
        else:
            talk.kept(rules.REFUSED_CREATE, f"refused: {describe(error)}")
        talk.kept(rules.ONE_ACTIVE, "the second create was refused")
        _form(talk, error_of(error), second.event_id)
        if early:
            how = "the error came before the first response.created"
            talk.found(rules.SLOT_TAKEN, "accepted", how)
            return
        if talk.at_once(first):
            why = "response.created comes at once: there is nothing between it and the create"
            talk.unjudged(rules.SLOT_TAKEN, why)
            return
        if attempt == _TRIES:
            how = f"in {_TRIES} tries the error came after the first response.created"
            talk.found(rules.SLOT_TAKEN, "created", how)


def _settled(talk: Talk, second: Sent, at: int) -> object:
    """What shows how the second create fares."""
    both = len(talk.all("response.created", since=at)) > 1
    return _refusal(talk, second, at) or talk.find("response.done", since=at) or both or None


def _refusal(talk: Talk, second: Sent, at: int) -> Mapping[str, Any] | None:
    """The error that answers the second create. Some name the first one, which is answered."""
    answered = talk.find("response.created", since=at) is not None
    return talk.error_for(second) or (talk.find("error", since=at) if answered else None)


def _form(talk: Talk, error: Mapping[str, Any], event_id: str) -> None:
    """What the error for a taken slot looks like."""
    named = error.get("event_id")
    if named == event_id:
        talk.found(rules.CONFLICT_LINK, "linked", "error.event_id is that of the create")
    elif named is None:
        talk.found(rules.CONFLICT_LINK, "null", "error.event_id is null")
    elif talk.is_ours(named):
        talk.deviates(rules.CONFLICT_LINK, f"error.event_id is {named!r}, another event of ours")
    else:
        talk.found(rules.CONFLICT_LINK, "foreign", f"error.event_id is {named!r}, never sent")
    code = error.get("code")
    if code == _CONFLICT:
        talk.kept(extra.CONFLICT_CODE, code)
    else:
        talk.deviates(extra.CONFLICT_CODE, f"the code is {code!r}: {error.get('message')}")


async def _not_refused(talk: Talk, at: int) -> None:
    """The second create met no error: is it answered later, beside the first one, or never?"""
    if len(talk.all("response.created", since=at)) < 2:
        await talk.finish()
        await talk.until(lambda: len(talk.all("response.created", since=at)) > 1 or None)
    made = talk.all("response.created", since=at)
    if not made:
        why = "neither of two creates was answered in time"
        for rule in (rules.ONE_ACTIVE, rules.REFUSED_CREATE):
            talk.unjudged(rule, why)
        return
    first_id = response_id(made[0])
    end = next((e for e in talk.all("response.done") if response_id(e) == first_id), None)
    if len(made) < 2:
        talk.kept(rules.ONE_ACTIVE, "the second create was not answered at all")
        how = "a create while another response runs is ignored without a word"
        talk.deviates(rules.REFUSED_CREATE, how)
    elif talk.when(made[1]) < talk.when(end):
        how = "a second response was created while the first one ran"
        talk.deviates(rules.ONE_ACTIVE, how)
        talk.deviates(rules.REFUSED_CREATE, how)
    else:
        status = (talk.ended(str(first_id)) or {}).get("status")
        talk.kept(rules.ONE_ACTIVE, "the second response began after the first one had ended")
        how = "the create took the place of the running response" if status == "cancelled" else (
            "the create waited for the running response to end")  # fmt: skip
        talk.deviates(rules.REFUSED_CREATE, f"it is not refused: {how}")
    for rule in (rules.SLOT_TAKEN, rules.CONFLICT_LINK, extra.CONFLICT_CODE):
        talk.unjudged(rule, "a create while another response runs gets no error")


@asks(rules.RESPONSE_IDS, short=2)
async def two_responses(talk: Talk) -> None:
    """Two responses, one after the other."""
    first = await talk.begun("short")
    if await talk.done(first) is None:
        talk.unjudged(rules.RESPONSE_IDS, "the first response did not end in time")
        return
    sent = await talk.create("short")
    second = await talk.until(lambda: talk.find("response.created", since=sent.at))
    if second is None:
        talk.unjudged(rules.RESPONSE_IDS, "a second response was asked for and not created")
    elif response_id(second) == first:
        talk.found(rules.RESPONSE_IDS, True, f"both have the id {first!r}")
    else:
        talk.found(rules.RESPONSE_IDS, False, "each has an id of its own")
    await talk.finish()


@asks(rules.OUT_OF_BAND, short=1, long=1)
async def out_of_band(talk: Talk) -> None:
    """A response with conversation none, while another one runs."""
    at = talk.mark()
    running = await talk.begun("long")
    sent = await talk.create("short", conversation="none")
    beside = await talk.created(sent)
    busy = talk.ended(running) is None
    if beside is None:
        error = talk.error_for(sent)
        how = f"refused: {describe(error)}" if error is not None else "not answered"
        talk.deviates(rules.OUT_OF_BAND, f"beside a running response it is {how}")
        return
    if not busy and await talk.done(running) is not None:
        first = talk.find("response.created", since=sent.at)
        end = next(e for e in talk.all("response.done") if response_id(e) == running)
        waited = talk.when(first) - talk.frames[sent.at].t
        usual = talk.when(talk.find("response.created")) - talk.frames[at].t
        if talk.when(end) < talk.when(first) and waited > 3 * usual + 0.3:
            talk.deviates(rules.OUT_OF_BAND, "it waits for the running response to end")
            await talk.finish()
            return
        if talk.when(end) < talk.when(first):
            why = "the running response ended before the other one was created"
            talk.unjudged(rules.OUT_OF_BAND, why)
            return
    if await talk.done(beside) is None:
        talk.deviates(rules.OUT_OF_BAND, "it was created and did not end")
        return
    await talk.finish()
    ids = [
        event["item"].get("id")
        for event in talk.all("response.output_item.added")
        if event.get("response_id") == beside and isinstance(event.get("item"), dict)
    ]
    added = [e["item"].get("id") for e in talk.all("conversation.item.added")
             if isinstance(e.get("item"), dict)]  # fmt: skip
    if any(answer_id in added for answer_id in ids):
        talk.deviates(rules.OUT_OF_BAND, "its item was added to the conversation")
    elif ids and (await talk.ask("conversation.item.retrieve", item_id=ids[0])).error is None:
        talk.deviates(rules.OUT_OF_BAND, "its item can be retrieved from the conversation")
    else:
        talk.kept(rules.OUT_OF_BAND, "it ran beside the other one, and its item is not remembered")


@asks(rules.INPUT_REFERENCES, short=3)
async def input_references(talk: Talk) -> None:
    """A response whose input names an item of the conversation, then one that nobody made."""
    item = _user("conform_ref")
    await talk.ask("conversation.item.create", item=item)
    sent = await talk.create("short", conversation="none", input=[_reference("conform_ref")])
    made = await talk.created(sent)
    if made is None:
        error = talk.error_for(sent)
        how = describe(error) if error is not None else "nothing came"
        if await talk.created(await talk.create("short", conversation="none")) is None:
            why = f"no response outside the conversation, with or without input: {how}"
            talk.unjudged(rules.INPUT_REFERENCES, why)
        else:
            talk.deviates(rules.INPUT_REFERENCES, f"a reference to an item is not taken: {how}")
        await talk.finish()
        return
    await talk.done(made)
    heard = await talk.heard(
        await talk.create("short", conversation="none", input=[_reference("item_nobody_made")])
    )
    if talk.refused(rules.INPUT_REFERENCES, heard, "a reference to an unknown item"):
        talk.kept(rules.INPUT_REFERENCES, f"an unknown one: {describe(heard.error)}")
    await talk.finish()


@asks(rules.METADATA, short=2)
async def metadata(talk: Talk) -> None:
    """A create with metadata, then one with too many pairs."""
    answer_id = await talk.begun("short", metadata={"asked_by": "conform"})
    created = next(e for e in talk.all("response.created") if response_id(e) == answer_id)
    done = await talk.done(answer_id)
    carriers = [("response.created", created["response"]), ("response.done", done or {})]
    without = [
        name
        for name, response in carriers
        if (response.get("metadata") or {}).get("asked_by") != "conform"
    ]
    if not without:
        talk.found(rules.METADATA, True, "it comes back in response.created and response.done")
    elif "response.created" in without:
        talk.found(rules.METADATA, False, f"it does not come back in {' and '.join(without)}")
    else:
        talk.deviates(rules.METADATA, "it comes back in response.created, not in response.done")
    heard = await talk.heard(
        await talk.create("short", metadata={f"key_{n}": "x" for n in range(17)})
    )
    talk.refused(rules.METADATA, heard, "metadata of 17 keys")
    await talk.finish()


def _user(answer_id: str, text: str = "Hello.") -> dict[str, object]:
    content = [{"type": "input_text", "text": text}]
    return {"id": answer_id, "type": "message", "role": "user", "content": content}


def _reference(answer_id: str) -> dict[str, str]:
    return {"type": "item_reference", "id": answer_id}
