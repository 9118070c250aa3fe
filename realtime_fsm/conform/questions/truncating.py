"""Cutting what was said to what was heard."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from .. import rules as extra
from ..errors import describe, error_of
from ..known import Unjudged
from ..question import asks
from ..talk import Heard, Talk

_TRUNCATE = "conversation.item.truncate"
_ALL = (
    rules.TRUNCATE_BOUND, extra.TRUNCATE_MESSAGE, rules.TRUNCATE_INTEGER, rules.TRUNCATE_TYPE,
    rules.TRUNCATE_TEXT,
)  # fmt: skip
_SHORTER = re.compile(r"Audio content of (\d+) ?ms is already shorter than (\d+) ?ms")
_BEYOND = 3_600_000  # ms
_ROUNDING = 100  # ms; audio comes in frames, and some servers count those they have not sent


async def _cut(talk: Talk, item_id: str, end: object) -> Heard:
    return await talk.ask(_TRUNCATE, item_id=item_id, content_index=0, audio_end_ms=end)


async def _words(talk: Talk, item_id: str) -> str | None:
    """The transcript of an item as the server has it, None when it cannot be read."""
    heard = await talk.ask("conversation.item.retrieve", item_id=item_id)
    item = (heard.first("conversation.item.retrieved") or {}).get("item")
    content = item.get("content") if isinstance(item, Mapping) else None
    if not isinstance(content, list):
        return None
    parts = [part for part in content if isinstance(part, Mapping)]
    return " ".join(str(part.get("transcript") or part.get("text") or "") for part in parts)


def _spoken_item(talk: Talk, answer_id: str) -> str:
    """The item of a response that has audio."""
    delta = talk.find("response.output_audio.delta", response_id=answer_id)
    if delta is None or not isinstance(delta.get("item_id"), str):
        raise Unjudged("the response had no audio that names its item")
    return str(delta["item_id"])


def _ms(talk: Talk, item_id: str) -> float:
    return sum(seen.ms for seen in talk.frames if seen.event.get("item_id") == item_id)


@asks(*_ALL, short=1, spoken=1)
async def truncated(talk: Talk) -> None:
    """A spoken item, cut in ways that cannot be, and then in half."""
    answer_id = await talk.begun("ten", spoken=True)
    if await talk.done(answer_id) is None:
        raise Unjudged("the response did not end in time")
    item_id = _spoken_item(talk, answer_id)
    whole = await _words(talk, item_id)
    beyond = await _cut(talk, item_id, _BEYOND)
    text_id = "conform_text"
    await talk.ask("conversation.item.create", item=_text(text_id))
    typed = await _cut(talk, text_id, 0)
    half = int(_ms(talk, item_id) // 2)
    control = await _cut(talk, item_id, half)
    left = await _words(talk, item_id)
    crooked = [await _cut(talk, item_id, value) for value in (100.5, None)]
    confirmed = control.first("conversation.item.truncated")
    if confirmed is None:
        said = describe(control.error) if control.error is not None else "no answer"
        raise Unjudged(f"truncation does not work at all: {said}")
    if beyond.error is not None:
        talk.found(rules.TRUNCATE_BOUND, "refuse", describe(beyond.error))
        _judge_message(talk, str(error_of(beyond.error).get("message")), _ms(talk, item_id))
    elif (cut := beyond.first("conversation.item.truncated")) is not None:
        how = f"to cut at {_BEYOND} ms is confirmed with {cut.get('audio_end_ms')} ms"
        talk.found(rules.TRUNCATE_BOUND, "clamp", how)
    else:
        talk.deviates(rules.TRUNCATE_BOUND, beyond.closed or "it is not answered at all")
    if beyond.error is None:
        talk.unjudged(extra.TRUNCATE_MESSAGE, "a cut beyond the audio is no error")
    oks = [talk.refused(rules.TRUNCATE_INTEGER, heard, f"audio_end_ms {what}")
           for heard, what in zip(crooked, ("100.5", "null"), strict=True)]  # fmt: skip
    if all(oks):
        talk.kept(rules.TRUNCATE_INTEGER, describe(crooked[0].error))
    if talk.refused(rules.TRUNCATE_TYPE, typed, "to truncate a user's text"):
        talk.kept(rules.TRUNCATE_TYPE, describe(typed.error))
    _judge_text(talk, whole, left)


def _judge_message(talk: Talk, message: str, received: float) -> None:
    """Whether the refusal says how much audio there is."""
    said = _SHORTER.search(message)
    if said is None:
        talk.deviates(extra.TRUNCATE_MESSAGE, f"it says: {message}")
    elif abs(int(said[1]) - received) > _ROUNDING or int(said[2]) != _BEYOND:
        how = f"{message}; received were {received:.0f} ms"
        talk.deviates(extra.TRUNCATE_MESSAGE, how)
    else:
        talk.kept(extra.TRUNCATE_MESSAGE, message)


def _judge_text(talk: Talk, whole: str | None, left: str | None) -> None:
    if left is None or not whole:
        why = "the item's words cannot be read: conversation.item.retrieve does not show them"
        talk.unjudged(rules.TRUNCATE_TEXT, why)
    elif left == "":
        talk.found(rules.TRUNCATE_TEXT, "deleted", "the whole transcript is gone")
    elif len(left) < len(whole):
        talk.found(rules.TRUNCATE_TEXT, "share", "a part of the transcript is left")
    else:
        talk.deviates(rules.TRUNCATE_TEXT, "the transcript is still whole")


@asks(rules.AFTER_TRUNCATE, long=1, spoken=1)
async def truncated_open(talk: Talk) -> None:
    """A spoken item that is cut while it is still generated."""
    rule = rules.AFTER_TRUNCATE
    answer_id = await talk.begun("long", spoken=True)
    await talk.until(
        lambda: (
            talk.find("response.output_audio.delta", response_id=answer_id) or talk.ended(answer_id)
        )
    )
    item_id = _spoken_item(talk, answer_id)
    await talk.going(answer_id, more=4)
    heard = await _cut(talk, item_id, int(min(200, _ms(talk, item_id))))
    if heard.first("conversation.item.truncated") is None:
        said = describe(heard.error) if heard.error is not None else heard.closed or "no answer"
        talk.unjudged(rule, f"an item that is being generated cannot be truncated: {said}")
        return
    before = await _words(talk, item_id)
    if talk.ended(answer_id) is not None:
        talk.unjudged(rule, "the response ended before its item was truncated")
        return
    went_on = await talk.going(answer_id, more=6)
    after = await _words(talk, item_id)
    await talk.finish()
    if before is None or after is None:
        talk.unjudged(rule, "the item cannot be read: conversation.item.retrieve does not show it")
    elif not went_on:
        talk.deviates(rule, "the response ended, and sent nothing more")
    elif len(after) > len(before):
        talk.deviates(rule, f"what came later was remembered: {after[-60:]!r}")
    else:
        talk.kept(rule, "what came later was sent, and not remembered")


@asks(rules.DELETED_OPEN, long=1)
async def deleted_open(talk: Talk) -> None:
    """An item that is deleted while it is generated."""
    rule = rules.DELETED_OPEN
    answer_id = await talk.begun("long")
    if not await talk.going(answer_id):
        talk.unjudged(rule, "the response ended at once")
        return
    added = talk.find("response.output_item.added", response_id=answer_id)
    item = (added or {}).get("item")
    item_id = item.get("id") if isinstance(item, Mapping) else None
    heard = await talk.ask("conversation.item.delete", item_id=item_id)
    if heard.error is not None or heard.closed is not None:
        talk.deviates(rule, f"it is refused: {heard.closed or describe(heard.error)}")
        await talk.finish()
        return
    if (done := talk.ended(answer_id)) is not None and done.get("status") == "completed":
        talk.unjudged(rule, "the response was over too soon to tell")
        return
    went_on = await talk.going(answer_id, more=3)
    gone = (await talk.ask("conversation.item.retrieve", item_id=item_id)).error is not None
    await talk.finish()
    if not went_on:
        talk.deviates(rule, "the response ended with it")
    elif not gone:
        talk.deviates(rule, "it can still be retrieved")
    else:
        talk.kept(rule, "it is forgotten, and the response went on")


def _text(answer_id: str) -> dict[str, Any]:
    content = [{"type": "input_text", "text": "Hello."}]
    return {"id": answer_id, "type": "message", "role": "user", "content": content}
