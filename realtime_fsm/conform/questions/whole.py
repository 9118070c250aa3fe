"""One whole response: asked first, for it shows whether there are any."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from ...simulator import rules
from ..errors import describe, error_of, response_id
from ..frames import Seen
from ..known import Unjudged
from ..question import asks
from ..talk import Talk

__all__ = ["disorder"]


@asks(rules.EVENT_ORDER, rules.DONE_ALWAYS, rules.RATE_LIMITS, short=3)
async def whole_response(talk: Talk) -> None:
    """A short response, from its create to what follows its end."""
    answer_id = await _first(talk)
    done = await talk.done(answer_id)
    if done is None:
        talk.deviates(rules.DONE_ALWAYS, f"no response.done within {talk.known.pace.patience:g} s")
        return
    # What explains a status may be left out where there is nothing to explain.
    explained = ("status_details",) if done.get("status") != "completed" else ()
    missing = [name for name in ("status", "output", "usage", *explained) if name not in done]
    if missing:
        talk.deviates(rules.DONE_ALWAYS, f"response.done has no {', '.join(missing)}")
    elif not isinstance(done["output"], list):
        talk.deviates(rules.DONE_ALWAYS, f"the output in response.done is {done['output']!r}")
    elif not isinstance(done["usage"], Mapping):
        talk.deviates(rules.DONE_ALWAYS, f"the usage in response.done is {done['usage']!r}")
    else:
        talk.kept(rules.DONE_ALWAYS, "response.done has status, output and usage")
    await talk.quiet()
    if done.get("status") == "completed":
        wrong = disorder(talk.frames, answer_id)
        if wrong:
            talk.deviates(rules.EVENT_ORDER, "; ".join(wrong[:4]))
        else:
            talk.kept(rules.EVENT_ORDER, "as documented")
    else:
        talk.unjudged(rules.EVENT_ORDER, f"the response ended {done.get('status')!r}")
    limits, end = talk.find("rate_limits.updated"), talk.find("response.done")
    if limits is None:
        talk.found(rules.RATE_LIMITS, "off", "no rate_limits.updated came")
    elif talk.when(limits) < talk.when(end):
        talk.found(rules.RATE_LIMITS, "after_created", "it came before response.done")
    else:
        talk.found(rules.RATE_LIMITS, "after_done", "it came after response.done")


async def _first(talk: Talk) -> str:
    """Ask for a response with fewer and fewer parameters, until one is created."""
    known = talk.known
    said = ""
    for fewer in (set(), {"max_output_tokens"}, {"output_modalities", "instructions"}):
        known.params -= fewer
        sent = await talk.create("short")
        made = await talk.created(sent)
        if made is not None:
            if "instructions" not in known.params:
                known.note("response.create takes no parameters: responses cannot be kept short")
            elif "max_output_tokens" not in known.params:
                known.note("response.create takes no max_output_tokens")
            return made
        error = talk.error_for(sent)
        said = describe(error) if error is not None else "nothing came"
        if error_of(error).get("code") in _FATAL or error_of(error).get("type") in _FATAL:
            break
        await talk.quiet()
    known.replies = False
    known.note(f"response.create is not answered by response.created: {said}")
    if done := talk.find("response.done"):
        said += f", but response.done ({(done.get('response') or {}).get('status')})"
    raise Unjudged(f"response.create is not answered by response.created: {said}")


_FATAL = ("insufficient_quota", "invalid_api_key", "account_deactivated",
          "billing_hard_limit_reached", "credit_balance_exhausted")  # fmt: skip


def disorder(frames: Sequence[Seen], answer_id: str) -> list[str]:
    """Return what is out of order in a response that completed."""
    mine = [
        seen.event
        for seen in frames
        if seen.by == "server" and _is_of(seen.event, answer_id, frames)
    ]
    types = [str(event["type"]) for event in mine]
    wrong = []
    if types.count("response.done") > 1:
        wrong.append("response.done came twice")
    if types and types[0] != "response.created":
        wrong.append(f"{types[0]} came before response.created")
    end = types.index("response.done") if "response.done" in types else len(types)
    late = sorted({t for t in types[end + 1 :] if t.startswith("response.")} - {"response.done"})
    if late:
        wrong.append(f"{', '.join(late)} came after response.done")
    added = [event["item"] for event in mine if event["type"] == "response.output_item.added"]
    if not added:
        wrong.append("no response.output_item.added")
    ends: list[int] = []
    for number, item in enumerate(added):
        item_id = item.get("id") if isinstance(item, Mapping) else None
        steps = [
            (index, str(event["type"]))
            for index, event in enumerate(mine)
            if event.get("item_id") == item_id or (event.get("item") or {}).get("id") == item_id
        ]
        wrong += [f"item {number + 1}: {each}" for each in _item_disorder(item, steps)]
        if ends and steps and steps[0][0] < ends[-1]:
            wrong.append(f"item {number + 1} began before item {number} was done")
        ends.append(steps[-1][0] if steps else 0)
    return wrong


def _is_of(event: Mapping[str, Any], answer_id: str, frames: Sequence[Seen]) -> bool:
    if event.get("response_id") == answer_id or response_id(event) == answer_id:
        return True
    if not str(event["type"]).startswith("conversation.item."):
        return False
    item = event.get("item")
    item_id = item.get("id") if isinstance(item, Mapping) else None
    return item_id is not None and any(
        seen.type == "response.output_item.added"
        and seen.event.get("response_id") == answer_id
        and (seen.event.get("item") or {}).get("id") == item_id
        for seen in frames
    )


def _item_disorder(item: Mapping[str, Any], steps: Sequence[tuple[int, str]]) -> list[str]:
    where = {kind: index for index, kind in reversed(steps)}
    message = item.get("type") == "message"
    spoken = "response.output_audio.delta" in where
    order = ["response.output_item.added", "conversation.item.added"]
    if message:
        order += ["response.content_part.added",
                  "response.output_audio.delta" if spoken else "response.output_text.delta",
                  "response.output_audio.done" if spoken else "response.output_text.done",
                  "response.content_part.done"]  # fmt: skip
    elif item.get("type") == "function_call":
        order += ["response.function_call_arguments.done"]
    order.append("response.output_item.done")
    missing = [kind for kind in order if kind not in where]
    if missing:
        return [f"no {', '.join(missing)}"]
    return [f"{then} came before {first}" for first, then in pairwise(order)
            if where[then] < where[first]]  # fmt: skip
