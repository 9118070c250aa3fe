"""How responses end: cancelled, failed, with several items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from .. import rules as extra
from ..errors import describe
from ..question import asks
from ..talk import LOOKUP, Talk
from .whole import disorder


@asks(rules.CUT_ITEM, rules.DONE_ALWAYS, short=1, long=2)
async def cut_message(talk: Talk) -> None:
    """A long response that is cancelled after its first words."""
    for _ in range(2):
        answer_id = await talk.begun("long")
        if not await talk.going(answer_id):
            talk.unjudged(rules.CUT_ITEM, "the response ended before it could be cancelled")
            continue
        cancel = await talk.send("response.cancel", response_id=answer_id)
        await talk.until(lambda: talk.ended(answer_id) or talk.error_for(cancel))  # noqa: B023
        if talk.ended(answer_id) is None:
            await _no_end(talk, answer_id)
            return
        status = (talk.ended(answer_id) or {}).get("status")
        if status != "cancelled":
            talk.unjudged(rules.CUT_ITEM, f"the response ended {status!r} before it was cancelled")
            continue
        talk.found(rules.DONE_ALWAYS, True, "a cancelled response ends by response.done, too")
        await talk.rest(talk.known.pace.settle)
        _judge_cut(talk, answer_id)
        return


def _judge_cut(talk: Talk, answer_id: str) -> None:
    item = _item_done(talk, answer_id)
    if item is None:
        talk.deviates(rules.CUT_ITEM, "its open item never got response.output_item.done")
    elif item.get("status") != "incomplete":
        talk.deviates(rules.CUT_ITEM, f"its open item is done with status {item.get('status')!r}")
    else:
        talk.kept(rules.CUT_ITEM, "its open item is done, incomplete")


async def _no_end(talk: Talk, answer_id: str) -> None:
    """A cancelled response has no end: did it stop all the same?"""
    patience = f"{talk.known.pace.patience:g} s"
    why = "the cancelled response had no response.done"
    since = talk.mark()
    await talk.quiet()
    if talk.deltas(answer_id, since):
        talk.deviates(rules.DONE_ALWAYS, f"a cancelled response went on for more than {patience}")
    elif await talk.created(await talk.create("short")) is None:
        how = f"a cancelled response neither ended within {patience} nor made room for another"
        talk.deviates(rules.DONE_ALWAYS, how)
    else:
        how = "a cancelled response made room for another one, without a response.done"
        talk.found(rules.DONE_ALWAYS, False, how)
    talk.unjudged(rules.CUT_ITEM, why)


@asks(rules.CUT_CALL, long=1)
async def cut_call(talk: Talk) -> None:
    """A function call that is cancelled while its arguments are written."""
    answer_id = await talk.begun("long call", **LOOKUP)
    started = await talk.until(
        lambda: (
            talk.find("response.function_call_arguments.delta", response_id=answer_id)
            or talk.ended(answer_id)
        )
    )
    if started is None or started.get("type") is None:
        talk.unjudged(rules.CUT_CALL, "the model wrote no arguments of a function call")
        return
    await talk.send("response.cancel", response_id=answer_id)
    done = await talk.done(answer_id, talk.known.pace.patience / 2)
    status = (done or {}).get("status")
    if done is not None and status != "cancelled":
        talk.unjudged(rules.CUT_CALL, f"the response ended {status!r} before it was cancelled")
        return
    await talk.rest(talk.known.pace.settle)
    said = talk.find("response.function_call_arguments.done", response_id=answer_id)
    if said is not None:
        talk.found(rules.CUT_CALL, True, "the arguments so far are announced as done")
    elif done is None:
        talk.unjudged(rules.CUT_CALL, "the cancelled response had no response.done")
    else:
        talk.found(rules.CUT_CALL, False, "the arguments so far are not announced as done")


@asks(extra.CALL_OUTPUT, short=2)
async def call_and_output(talk: Talk) -> None:
    """A function call, its output, and the response that uses it."""
    answer_id = await talk.begun("call", **LOOKUP)
    done = await talk.done(answer_id)
    calls = [item for item in (done or {}).get("output") or ()
             if isinstance(item, Mapping) and item.get("type") == "function_call"]  # fmt: skip
    said = talk.find("response.function_call_arguments.done", response_id=answer_id)
    if not calls and said is None:
        talk.deviates(extra.CALL_OUTPUT, "tool_choice names a function, and it was not called")
        return
    call_id = calls[0].get("call_id") if calls else (said or {}).get("call_id")
    item = {"type": "function_call_output", "call_id": call_id, "output": '{"found": "yes"}'}
    heard = await talk.ask("conversation.item.create", item=item)
    if heard.error is not None:
        talk.deviates(extra.CALL_OUTPUT, f"the output is refused: {describe(heard.error)}")
        return
    answer = await talk.done(await talk.begun("short"))
    status = (answer or {}).get("status")
    if status in ("completed", "incomplete"):
        talk.kept(extra.CALL_OUTPUT, "called, its output taken, and answered")
    elif answer is not None and status is None:
        talk.unjudged(extra.CALL_OUTPUT, "response.done does not say how the answer ended")
    else:
        talk.deviates(extra.CALL_OUTPUT, f"the response after the output ended {status!r}")


@asks(rules.UNBILLED, rules.FAILED_ITEM, needs=("directions",), short=2)
async def failing(talk: Talk) -> None:
    """Two responses that are directed to fail, one of them within an item."""
    done = await talk.done(await talk.begun("fail"))
    if (done or {}).get("status") != "failed":
        talk.unjudged(rules.UNBILLED, "the server did not fail when it was directed to")
        talk.unjudged(rules.FAILED_ITEM, "the server did not fail when it was directed to")
        return
    judge_unbilled(talk, done or {})
    answer_id = await talk.begun("fail in an item")
    done = await talk.done(answer_id)
    judge_failed_item(talk, answer_id, done or {})
    added = talk.find("response.output_item.added", response_id=answer_id)
    if rules.FAILED_ITEM.id not in talk.answers and added is not None:
        heard = await talk.ask("conversation.item.retrieve", item_id=added["item"].get("id"))
        gone = heard.error is not None
        how = "it vanishes without done events" if gone else "it stays, without done events"
        if gone:
            talk.found(rules.FAILED_ITEM, "vanishes", how)
        else:
            talk.deviates(rules.FAILED_ITEM, how)


def judge_unbilled(talk: Talk, done: Mapping[str, Any]) -> None:
    """What a response that failed without output costs."""
    usage = done.get("usage")
    total = usage.get("total_tokens") if isinstance(usage, Mapping) else None
    if done.get("output"):
        return
    if total:
        talk.deviates(rules.UNBILLED, f"it reports {total} tokens")
    else:
        talk.kept(rules.UNBILLED, "it reports no tokens")


def judge_failed_item(talk: Talk, answer_id: str, done: Mapping[str, Any]) -> None:
    """What became of the item that was open when its response failed."""
    if done.get("status") != "failed":
        talk.unjudged(rules.FAILED_ITEM, f"the response ended {done.get('status')!r}")
        return
    item = _item_done(talk, answer_id)
    if item is not None and item.get("status") == "incomplete":
        talk.found(rules.FAILED_ITEM, "incomplete", "it is done, incomplete")
    elif item is not None:
        how = f"its item is done with status {item.get('status')!r}"
        talk.deviates(rules.FAILED_ITEM, how)


@asks(rules.REASONING, needs=("directions",), short=1)
async def reasoning(talk: Talk) -> None:
    """A response that is directed to reason."""
    done = await talk.done(await talk.begun("reason"))
    shown = [item for item in (done or {}).get("output") or ()
             if isinstance(item, Mapping) and item.get("type") == "reasoning"]  # fmt: skip
    if shown:
        talk.found(rules.REASONING, "item", "it is shown as an output item")
    elif (done or {}).get("status") == "completed":
        talk.found(rules.REASONING, "hidden", "it is not shown as an output item")
    else:
        talk.unjudged(rules.REASONING, "the response did not complete")


@asks(extra.SEVERAL_MESSAGES, needs=("directions",), short=1)
async def several_messages(talk: Talk) -> None:
    """A response that is directed to hold two messages."""
    answer_id = await talk.begun("two messages")
    done = await talk.done(answer_id)
    await talk.rest(talk.known.pace.settle)
    messages = [item for item in (done or {}).get("output") or ()
                if isinstance(item, Mapping) and item.get("type") == "message"]  # fmt: skip
    if len(messages) < 2:
        talk.unjudged(extra.SEVERAL_MESSAGES, "the response had one message only")
    else:
        judge_several(talk, answer_id)


def judge_several(talk: Talk, answer_id: str) -> None:
    """Do the messages of a response follow one another? What each has to have is another rule's."""
    wrong = [each for each in disorder(talk.frames, answer_id) if "began before" in each]
    if wrong:
        talk.deviates(extra.SEVERAL_MESSAGES, "; ".join(wrong[:4]))
    else:
        talk.kept(extra.SEVERAL_MESSAGES, "one after another")


def _item_done(talk: Talk, answer_id: str) -> Mapping[str, Any] | None:
    """The last item of a response that was announced as done."""
    done = [e["item"] for e in talk.all("response.output_item.done")
            if e.get("response_id") == answer_id and isinstance(e.get("item"), Mapping)]  # fmt: skip
    return done[-1] if done else None
