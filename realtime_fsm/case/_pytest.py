"""A case as a test of the kit, to put one's own agent into."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from ..simulator import script as s
from ..testing.corpus import Case
from ..testing.corpus._case import Line
from ..testing.corpus._forms import ACTIONS
from ..testing.corpus._grammar import match
from ..testing.corpus._script import FAULTS, Plan, plan

__all__ = ["as_pytest"]

_POINTS = {"before_created": "BEFORE_CREATED", "created": "CREATED", "end": "END"}
_FILE = '''"""{title}

{source}. {how}
"""

from __future__ import annotations
{imports}
{tools}
SCRIPT = [
{replies}
]


@virtual_time
async def test_{name}() -> None:
    agent = Agent(instructions="Be brief."{tooled})  # put yours here
    async with simulated_call({options}) as call:
{steps}
        check_all(call)
'''


def as_pytest(case: Case, *, name: str, how: str) -> str:
    """The test, as a file. *how*: what is to be known of it, in words.

    Raises:
        ValueError: It has something that the kit has not, such as a call that is hung up.
    """
    made = plan(case)
    used: set[str] = {"Reply"}
    replies = "\n".join(f"    {_reply(each, used)}," for each in made.script.replies)
    options = list(_options(made, used))
    steps = [f"        {each}" for each in _steps(case)]
    slept = any("asyncio." in each for each in (*steps, *_tools(made)))
    imports = [""]
    if slept:
        imports += ["import asyncio", ""]
    agents = {"Agent", *(["function_tool"] if made.tools else [])}
    agents |= {"StopResponse"} if any(each.then == "stop" for each in made.tools) else set()
    imports += _from("livekit.agents", agents)
    imports += _from("realtime_fsm", {"RetryPolicy"} & used)
    imports += _from("realtime_fsm.simulator", used - {"RetryPolicy"})
    imports += _from("realtime_fsm.testing", {"check_all", "simulated_call", "virtual_time"})
    return _FILE.format(
        title=case.title[:1].upper() + case.title[1:] + ".",
        source=case.source[:1].upper() + case.source[1:],
        how=how,
        imports="\n".join(imports),
        tools="\n".join(_tools(made)),
        replies=replies,
        name=name,
        tooled=", tools=[" + ", ".join(each.name for each in made.tools) + "]"
        if made.tools
        else "",
        options=", ".join(["SCRIPT", "agent=agent", *options]),
        steps="\n".join(steps),
    )


def _from(module: str, names: set[str]) -> list[str]:
    if not names:
        return []
    line = f"from {module} import {', '.join(sorted(names))}"
    if len(line) <= 100:
        return [line]
    return [f"from {module} import (", *(f"    {each}," for each in sorted(names)), ")"]


def _tools(made: Plan) -> Iterator[str]:
    for tool in made.tools:
        yield "\n"
        yield "@function_tool"
        yield f"async def {tool.name}() -> str:"
        yield '    """Do it."""'
        if tool.seconds:
            yield f"    await asyncio.sleep({tool.seconds:g})"
        if tool.then == "raise":
            yield '    raise RuntimeError("the tool failed")'
        elif tool.then == "stop":
            yield "    raise StopResponse"
        else:
            yield '    return "It is done."'
    if made.tools:
        yield ""


def _options(made: Plan, used: set[str]) -> Iterator[str]:
    if made.retry:
        used.add("RetryPolicy")
        yield "policy=RetryPolicy(" + ", ".join(f"{k}={v!r}" for k, v in made.retry.items()) + ")"
    if made.server:
        used.add("ServerConfig")
        given = ", ".join(f"{name}={value!r}" for name, value in made.server.items())
        yield f"config=ServerConfig({given})"
    if "push" in made.flags:
        yield "turn_detection=None"
    if "text" in made.flags:
        yield 'modalities=["text"]'


def _steps(case: Case) -> Iterator[str]:
    for line in case.body:
        if line.actor == "S":
            continue
        forms = FAULTS if line.actor == "N" else ACTIONS[line.actor]
        form, values = match(forms, line.words, line.number, line.actor)
        yield from _step(form.key, values, line)
    yield "await call.idle(timeout=120.0)"
    # What the case says of its speeches, as one sentence: a test of the kit has no names for them.
    failed = any(len(line.words) > 1 and line.words[1].text == "failed" for line in case.expect)
    told = "any(" if failed else "not any("
    yield f"assert {told}handle.exception() for handle in call.speeches)"


def _step(key: str, values: dict[str, Any], line: Line) -> Iterator[str]:
    if key == "wait":
        yield f"await asyncio.sleep({values['seconds']:g})"
    elif key == "say":
        yield f"await call.say({json.dumps(values['text'])}, {values['seconds']:g})"
    elif key == "start":
        yield (
            f"await call.server.user_speaks({json.dumps(values['text'])}, seconds={values['seconds']:g})"
        )
    elif key == "ask":
        words = f"user_input={json.dumps(values['text'])}" if "text" in values else ""
        yield f"call.session.generate_reply({words})"
    elif key in _CALLS:
        yield _CALLS[key]
    else:
        raise ValueError(f'"{line}" is not in the kit, which judges calls that came to rest')


_CALLS = {
    "interrupt": "call.session.interrupt()",
    "discard": "call.session.clear_user_turn()",
    "pauses": "call.sink.pause()",
    "resumes": "call.sink.resume()",
    "now_break": "call.server.drop()",
    "now_half_open": "call.server.half_open()",
}


def _reply(reply: s.Reply, used: set[str]) -> str:
    parts = []
    if reply.items:
        parts.append("[" + ", ".join(_made(each, used) for each in reply.items) + "]")
    for name, default in (("ack", s.Created()), ("end", s.Completed())):
        value = getattr(reply, name)
        if value != default:
            parts.append(f"{name}={_made(value, used)}")
    if reply.pace is not None:
        parts.append(f"pace={reply.pace:g}")
    if reply.done_delay:
        parts.append(f"done_delay={reply.done_delay:g}")
    return f"Reply({', '.join(parts)})"


def _made(value: Any, used: set[str]) -> str:
    """What makes the value, without what is as by default."""
    if isinstance(value, s.Point):
        if value.stage in _POINTS:
            used.add(_POINTS[value.stage])
            return _POINTS[value.stage]
        maker = "audio_ms" if value.stage == "audio" else "item_added"
        used.add(maker)
        return f"{maker}({value.value})"
    kind = type(value)
    if kind.__module__ == "builtins":
        return json.dumps(value) if isinstance(value, str) else repr(value)
    used.add(kind.__name__)
    told: list[str] = []
    for field in fields(value):
        given = getattr(value, field.name)
        if field.name == "_" or given == field.default:
            continue
        text = _made(given, used)
        told.append(text if not told and field.name in _FIRST else f"{field.name}={text}")
    return f"{kind.__name__}({', '.join(told)})"


_FIRST = ("text", "name", "code", "reason", "after", "seconds")


def test_name(title: str) -> str:
    """A name for a test, of what it shows."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:60] or "a_recorded_turn"
