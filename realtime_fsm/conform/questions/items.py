"""Items that a client creates, places, reads and deletes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from ..errors import describe, error_of
from ..question import asks
from ..talk import Heard, Talk

_CREATE = "conversation.item.create"


def _user(answer_id: str, text: str = "Hello.") -> dict[str, Any]:
    content = [{"type": "input_text", "text": text}]
    return {"id": answer_id, "type": "message", "role": "user", "content": content}


def _item_id(event: Mapping[str, Any] | None) -> object:
    item = (event or {}).get("item")
    return item.get("id") if isinstance(item, Mapping) else None


def _of(heard: Heard, type: str, answer_id: str) -> Mapping[str, Any] | None:
    return next(
        (e for e in heard.events if e.get("type") == type and _item_id(e) == answer_id), None
    )


async def _keeps(talk: Talk, answer_id: str) -> bool:
    """Whether the conversation has an item."""
    heard = await talk.ask("conversation.item.retrieve", item_id=answer_id)
    return _item_id(heard.first("conversation.item.retrieved")) == answer_id


@asks(rules.ITEM_CONFIRMED)
async def confirmed(talk: Talk) -> None:
    """A user message with an id of the client's."""
    heard = await talk.ask(_CREATE, item=_user("conform_1"))
    if heard.error is not None or heard.closed is not None:
        said = heard.closed or describe(heard.error)
        talk.deviates(rules.ITEM_CONFIRMED, f"a user message is refused: {said}")
        return
    added = _of(heard, "conversation.item.added", "conform_1")
    done = _of(heard, "conversation.item.done", "conform_1")
    if added is not None and (done is not None or talk.known.dialect == "beta"):
        talk.found(rules.ITEM_CONFIRMED, True, "it is confirmed under the client's id")
    elif added is not None:
        talk.deviates(rules.ITEM_CONFIRMED, "it is added, and never conversation.item.done")
    elif other := heard.first("conversation.item.added"):
        how = f"it is confirmed under another id, {_item_id(other)!r}"
        talk.deviates(rules.ITEM_CONFIRMED, how)
    elif await _keeps(talk, "conform_1"):
        talk.found(rules.ITEM_CONFIRMED, False, "it is kept, and not confirmed")
    else:
        talk.deviates(rules.ITEM_CONFIRMED, "it is not confirmed, and cannot be retrieved")


@asks(rules.PREVIOUS_ITEM, rules.PREVIOUS_ITEM_CODE)
async def placed(talk: Talk) -> None:
    """Items behind another one, at the root, and behind one that nobody made."""
    first = await talk.ask(_CREATE, item=_user("conform_1"))
    await talk.ask(_CREATE, item=_user("conform_2"))
    heard = await talk.ask(_CREATE, item=_user("conform_3"), previous_item_id="conform_1")
    root = await talk.ask(_CREATE, item=_user("conform_4"), previous_item_id="root")
    for each, what in ((first, "a user message"), (heard, "an item behind a known one"),
                       (root, "an item at the root")):  # fmt: skip
        if each.error is not None:
            talk.deviates(rules.PREVIOUS_ITEM, f"{what} is refused: {describe(each.error)}")
            talk.unjudged(rules.PREVIOUS_ITEM_CODE, f"{what} is refused, too")
            return
    added = _of(heard, "conversation.item.added", "conform_3")
    if added is not None and added.get("previous_item_id") != "conform_1":
        how = f"behind conform_1 it is confirmed behind {added.get('previous_item_id')!r}"
        talk.deviates(rules.PREVIOUS_ITEM, how)
    at_root = _of(root, "conversation.item.added", "conform_4")
    if at_root is not None and at_root.get("previous_item_id") not in (None, "root"):
        how = f"at the root it is confirmed behind {at_root.get('previous_item_id')!r}"
        talk.deviates(rules.PREVIOUS_ITEM, how)
    lost = await talk.ask(_CREATE, item=_user("conform_5"), previous_item_id="item_nobody_made")
    if not talk.refused(rules.PREVIOUS_ITEM, lost, "a place behind an unknown item"):
        talk.unjudged(rules.PREVIOUS_ITEM_CODE, "there is no such error")
        return
    code = error_of(lost.error).get("code")
    if code == "item_create_invalid_previous_item_id":
        talk.kept(rules.PREVIOUS_ITEM_CODE, str(code))
    else:
        talk.deviates(rules.PREVIOUS_ITEM_CODE, f"the code is {code!r}")
    if await _keeps(talk, "conform_5"):
        talk.deviates(rules.PREVIOUS_ITEM, "after the error the item was added all the same")
    else:
        talk.kept(rules.PREVIOUS_ITEM, "placed as asked; an unknown id is an error")


@asks(rules.DUPLICATE_ITEM)
async def duplicate(talk: Talk) -> None:
    """The same id twice."""
    if (first := await talk.ask(_CREATE, item=_user("conform_1"))).error is not None:
        talk.unjudged(rules.DUPLICATE_ITEM, f"no item can be created: {describe(first.error)}")
        return
    heard = await talk.ask(_CREATE, item=_user("conform_1", "Hello again."))
    if not talk.refused(rules.DUPLICATE_ITEM, heard, "an id that exists already"):
        return
    code = error_of(heard.error).get("code")
    if code == "item_create_duplicate_item_id":
        talk.kept(rules.DUPLICATE_ITEM, code)
    else:
        talk.deviates(rules.DUPLICATE_ITEM, f"refused with the code {code!r}")


@asks(rules.ASSISTANT_AUDIO)
async def assistant_audio(talk: Talk) -> None:
    """An assistant message of text, and one of audio."""
    text = {"type": "output_text", "text": "Hello."}
    good = {"id": "conform_1", "type": "message", "role": "assistant", "content": [text]}
    heard = await talk.ask(_CREATE, item=good)
    if heard.error is not None:
        why = f"assistant text is refused, too: {describe(heard.error)}"
        talk.unjudged(rules.ASSISTANT_AUDIO, why)
        return
    audio = {"type": "output_audio", "audio": "AAAA" * 1200}
    heard = await talk.ask(_CREATE, item={**good, "id": "conform_2", "content": [audio]})
    if talk.refused(rules.ASSISTANT_AUDIO, heard, "an assistant message of audio"):
        talk.kept(rules.ASSISTANT_AUDIO, describe(heard.error))


@asks(rules.KNOWN_CALL)
async def unknown_call(talk: Talk) -> None:
    """The output of a function call that nobody made."""
    if (first := await talk.ask(_CREATE, item=_user("conform_1"))).error is not None:
        talk.unjudged(rules.KNOWN_CALL, f"no item can be created: {describe(first.error)}")
        return
    item = {"type": "function_call_output", "call_id": "call_nobody_made", "output": "{}"}
    heard = await talk.ask(_CREATE, item=item)
    if heard.closed is not None:
        talk.deviates(rules.KNOWN_CALL, heard.closed)
    elif heard.error is not None:
        talk.found(rules.KNOWN_CALL, "refuse", describe(heard.error))
    else:
        talk.found(rules.KNOWN_CALL, "accept", "it is taken")


@asks(rules.UNKNOWN_ITEM)
async def unknown_item(talk: Talk) -> None:
    """To delete, truncate and retrieve what nobody made, after an item that is there was deleted."""
    await talk.ask(_CREATE, item=_user("conform_1"))
    control = await talk.ask("conversation.item.delete", item_id="conform_1")
    if control.first("conversation.item.deleted") is None:
        said = describe(control.error) if control.error is not None else "nothing answers"
        talk.unjudged(rules.UNKNOWN_ITEM, f"an item that is there cannot be deleted: {said}")
        return
    more = {"content_index": 0, "audio_end_ms": 0}
    refusals: list[str] = []
    for verb in ("delete", "truncate", "retrieve"):
        fields = more if verb == "truncate" else {}
        heard = await talk.ask(f"conversation.item.{verb}", item_id="item_nobody_made", **fields)
        if talk.refused(rules.UNKNOWN_ITEM, heard, f"to {verb} an unknown item"):
            refusals.append(describe(heard.error))
    if len(refusals) == 3:
        talk.kept(rules.UNKNOWN_ITEM, refusals[0])
