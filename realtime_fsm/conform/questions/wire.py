"""What is below and around the protocol: malformed frames, pings."""

from __future__ import annotations

from ...simulator import rules
from .. import rules as extra
from ..errors import error_of
from ..question import asks
from ..talk import Heard, Talk
from ..wire import ConnectionOver


@asks(rules.BAD_EVENT, extra.ERROR_LINK)
async def bad_events(talk: Talk) -> None:
    """What is no JSON, no object, no event, and events with wrong fields."""
    rule = rules.BAD_EVENT
    said: list[str] = []
    linked: list[str] = []
    texts = {"broken JSON": '{"type": "session.upd', "a list": "[]", "no type": '{"event_id": "x"}'}
    events = {
        "an unknown type": ("no.such.event", {}),
        "an unknown field": ("input_audio_buffer.clear", {"nonsense": 1}),
        "a wrong type of value": ("conversation.item.delete", {"item_id": 7}),
        "no item": ("conversation.item.create", {}),
    }
    for what, text in texts.items():
        heard = await _ask_text(talk, text)
        if heard.closed is not None:
            talk.deviates(rule, f"{what}: {heard.closed}")
            talk.unjudged(extra.ERROR_LINK, f"the connection did not outlive {what}")
            return
        if heard.error is None:
            said.append(what)
    for what, (kind, fields) in events.items():
        heard = await talk.ask(kind, **fields)
        if heard.closed is not None:
            talk.deviates(rule, f"{what}: {heard.closed}")
            return
        if heard.error is None:
            said.append(what)
        elif error_of(heard.error).get("event_id") != heard.sent.event_id:
            linked.append(f"{what} ({error_of(heard.error).get('event_id')!r})")
    if said:
        talk.deviates(rule, f"no error for {', '.join(said)}")
    else:
        talk.kept(rule, f"an error for each of {', '.join([*texts, *events])}")
    if linked:
        talk.deviates(extra.ERROR_LINK, f"not named: that of {', '.join(linked)}")
    elif len(said) == len(texts) + len(events):
        talk.unjudged(extra.ERROR_LINK, "no error came at all")
    else:
        talk.kept(extra.ERROR_LINK, "error.event_id is that of the event")


async def _ask_text(talk: Talk, text: str) -> Heard:
    at = talk.mark()
    sent = await talk.send_text(text)
    try:
        await talk.fence()
    except ConnectionOver as over:
        return Heard(sent, closed=str(over))
    errors = talk.all("error", since=at)
    return Heard(sent, error=errors[0] if errors else None)


@asks(extra.PONG)
async def pong(talk: Talk) -> None:
    """A WebSocket ping."""
    await talk.ws.ping(b"conform")
    if await talk.until(lambda: talk.pongs or None, min(5.0, talk.known.pace.patience)):
        talk.kept(extra.PONG, "a pong came")
    else:
        talk.deviates(extra.PONG, "no pong came")
