"""Tools that the server runs itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...simulator import rules
from .. import rules as extra
from ..errors import describe, response_id
from ..question import asks
from ..talk import Talk

_ENDS = ("response.mcp_call.completed", "response.mcp_call.failed")


@asks(extra.SERVER_TOOL, rules.MCP_EVENTS, needs=("server tool",), short=2)
async def server_tool(talk: Talk) -> None:
    """A call of a tool that the server runs, and what follows it without being asked for."""
    rule = extra.SERVER_TOOL
    answer_id = await talk.begun("server tool", **_tools(talk))
    end = await talk.until(lambda: talk.find(*_ENDS) or _failed(talk, answer_id))
    if end is None or end.get("type") not in _ENDS:
        talk.unjudged(rule, _why_not(talk, end))
        talk.unjudged(rules.MCP_EVENTS, _why_not(talk, end))
        return
    _judge_events(talk, end)
    done = await talk.done(answer_id)
    await talk.quiet()
    others = [event for event in talk.all("response.created") if response_id(event) != answer_id]
    if done is None:
        talk.deviates(rule, "the response with the call does not end")
    elif others:
        talk.judge(rule, "deviates", "another response follows by itself", "follows")
    elif _speaks_after(done):
        talk.judge(rule, "deviates", "the same response goes on to speak of it", "goes on")
    else:
        answer = await talk.done(await talk.begun("short"))
        status = (answer or {}).get("status")
        if status in ("completed", "incomplete"):
            talk.judge(rule, "kept", "nothing follows until it is asked for", "asked for")
        elif answer is not None and status is None:
            talk.unjudged(rule, "response.done does not say how the answer ended")
        else:
            talk.deviates(rule, f"nothing follows, and when it is asked for it ends {status!r}")
    await talk.finish()


def _judge_events(talk: Talk, end: Mapping[str, Any]) -> None:
    names = ("response.mcp_call_arguments.done", "response.mcp_call.in_progress")
    found = [talk.find(name) for name in names]
    missing = [name for name, event in zip(names, found, strict=True) if event is None]
    ids = {event.get("item_id") for event in (*found, end) if event is not None}
    if missing:
        talk.deviates(rules.MCP_EVENTS, f"no {', '.join(missing)}")
    elif len(ids) > 1 or None in ids:
        talk.deviates(rules.MCP_EVENTS, "not under one item id")
    else:
        talk.kept(rules.MCP_EVENTS, "its arguments, in_progress and its end, under one item id")


def _tools(talk: Talk) -> dict[str, Any]:
    if talk.known.mcp is None:
        return {}
    mcp = {
        "type": "mcp",
        "server_label": "conform",
        "server_url": talk.known.mcp,
        "require_approval": "never",
    }
    return {"tools": [mcp], "tool_choice": "required"}


def _failed(talk: Talk, answer_id: str) -> Mapping[str, Any] | None:
    """What says that there will be no call."""
    done = talk.ended(answer_id)
    calls = [item for item in (done or {}).get("output") or ()
             if isinstance(item, Mapping) and item.get("type") == "mcp_call"]  # fmt: skip
    if done is not None and not calls:
        return {"type": "response.done", "status": done.get("status")}
    return talk.find("mcp_list_tools.failed")


def _why_not(talk: Talk, end: Mapping[str, Any] | None) -> str:
    if end is not None and end["type"] == "mcp_list_tools.failed":
        return "the server could not list the tools of the MCP server"
    if (error := talk.find("error")) is not None:
        return f"no tool of the server's was called: {describe(error)}"
    return "no tool of the server's was called"


def _speaks_after(done: Mapping[str, Any]) -> bool:
    """Whether a message stands behind the call in its response."""
    kinds = [item.get("type") for item in done.get("output") or () if isinstance(item, Mapping)]
    return "mcp_call" in kinds and "message" in kinds[kinds.index("mcp_call") :]
