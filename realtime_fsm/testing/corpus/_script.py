"""What a case of the level ``call`` says of the server, the network and the session."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from ..._input import InputError
from ...simulator import faults as f
from ...simulator import script as s
from ...simulator.config import ServerConfig
from ...simulator.errors import ErrorInfo
from ...simulator.rules import RULES
from ._case import Case, Line
from ._exact import policy_value
from ._grammar import Form, Word, match, split

__all__ = ["CLAUSES", "FAULTS", "SETUP", "Plan", "Tool", "plan"]

#: The clauses of ``S reply``, separated by commas.
CLAUSES = (
    Form(
        "message",
        "says <text:text> <seconds:s> [after <after:s>] [phase <phase:commentary|final_answer>]",
        "a message",
    ),
    Form("call", "calls <tool> [with <arguments:text>] [after <after:s>]", "a function call"),
    Form(
        "acts",
        "runs <tool> <seconds:s> [kind <kind:any>] [fails] [outlives]",
        "the server does it itself: a call of an MCP tool, or another kind of item",
    ),
    Form("reasoning", "reasons <seconds:s>"),
    Form("created", "created after <seconds:s>"),
    Form("refused", "refused <code:any> [unlinked] [message <message:text>] [type <type:any>]"),
    Form("unanswered", "unanswered [holds the slot]", "no created ever comes"),
    Form(
        "failed",
        "failed <code:any> [at <at:any>] [message <message:text>] [type <type:any>]",
        'at: `before_created`, `created` (the default), `end`, "item 2" or "500 ms"',
    ),
    Form("incomplete", "incomplete <reason:max_output_tokens|content_filter> [at <at:any>]"),
    Form("cancelled", "cancelled <reason:turn_detected|client_cancelled> [at <at:any>]"),
    Form("stalled", "stalls [at <at:any>]", "the server falls silent"),
    Form("done_lost", "done lost", "`response.done` never comes"),
    Form("dropped", "drops [at <at:any>]", "the connection breaks"),
    Form("closed", "closes <code:n> [at <at:any>] [error <error:any>]"),
    Form("pace", "pace <seconds:s>", "between two deltas of 100 ms"),
    Form("done_after", "done after <seconds:s>"),
)

_PLACE = "<side:server|client> <event:any> [<number:n>] [before]"

#: Faults: they happen at the n-th event of that type, and stand anywhere in the case.
FAULTS = (
    Form("lose", f"loses {_PLACE}"),
    Form("late", f"delays {_PLACE} [by <seconds:s>]"),
    Form("double", f"doubles {_PLACE}"),
    Form("reorder", f"reorders {_PLACE} [behind <behind:n>]"),
    Form("silence", f"is silent after {_PLACE} [for <seconds:s>]"),
    Form("break", f"breaks at {_PLACE}"),
    Form("hang_up", f"closes at {_PLACE} [code <code:n>] [error <error:any>]"),
    Form("half_open", f"is half-open after {_PLACE}"),
    Form("freeze", f"freezes after {_PLACE} [room <room:n>]", "bytes that it still takes"),
    Form("insert", f"sends <frame:text> at {_PLACE}", "a frame, as JSON"),
    Form("malform", f"malforms {_PLACE} [<shape:truncated|wrong_types|list|null|object>]"),
    Form("error", f"inserts <code:any> at {_PLACE} [linked] [instead]", "an error event"),
    Form("refuse", "refuses handshake <attempt:n> [to <last:n>] [status <status:n>]"),
    Form("accept", "accepts and closes <attempt:n> [to <last:n>] [code <code:n>] [on <on:any>]"),
    Form("refuse_each", "refuses each handshake [status <status:n>]"),
    Form(
        "accept_each", "accepts and closes each [code <code:n>] [on <on:any>] [error <error:any>]"
    ),
    Form("now_half_open", "goes half-open", "here and now"),
    Form("now_break", "breaks now", "here and now, without a close frame"),
)

SETUP = (
    Form("push", "push_to_talk", "no server VAD: the client commits"),
    Form("client_creates", "client_creates", "server VAD commits, and starts no responses"),
    Form("semantic", "semantic_vad", "of the server"),
    Form("client_vad", "client_vad", "LiveKit hears the microphone, and commits"),
    Form("uncut", "no_interruptions", "push_to_talk, and LiveKit allows none"),
    Form("text", "text", "the model answers by text, and nothing plays"),
    Form("greets", "greets", "the agent asks for a greeting when it enters"),
    Form(
        "models",
        "models <how:fallback|around_fallback>",
        "LiveKit's fallback adapter around controlled models, or ours around the adapter",
    ),
    Form("unattached", "unattached", "without `model.attach(session)`"),
    Form("duration", "max_session_duration <seconds:s>", "the plugin's rollover"),
    Form("sink", "sink <what:silent|slow|fast>", "never reports; half speed; five times"),
    Form("late_sink", "sink after <seconds:s>", "it is given its first sound"),
    Form(
        "tool",
        "tool <tool> [takes <seconds:s>] [then <then:stop|raise|ask|instruct|history|handoff>]",
        "the agent's; returns text, or: raises StopResponse, raises an error, asks for a reply, "
        "changes the instructions or the history, hands off to another agent",
    ),
    Form("steps", "max_tool_steps <count:n>"),
    Form("retry", "retry.<field> <value>", "a field of RetryPolicy"),
    Form("server", "server.<field> <value>", "a field of ServerConfig"),
)


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool of the agent."""

    name: str
    seconds: float = 0.0
    then: str | None = None


@dataclass(slots=True)
class Plan:
    """All that is known before the call."""

    script: s.Script = field(default_factory=s.Script)
    second: s.Script | None = None
    server: dict[str, Any] = field(default_factory=dict)
    retry: dict[str, Any] = field(default_factory=dict)
    faults: list[f.Fault] = field(default_factory=list)
    tools: list[Tool] = field(default_factory=list)
    flags: set[str] = field(default_factory=set)
    duration: float | None = None
    steps: int | None = None
    sink: str = ""
    delay: float = 0.0
    models: str = ""
    handshake: s.Handshake = field(default_factory=s.Accept)

    @property
    def config(self) -> ServerConfig:
        """The server's."""
        faults = f.Schedule(self.faults) if self.faults else None
        given = {"default_handshake": self.handshake, **self.server}
        return ServerConfig(**given, faults=faults)

    def messages(self) -> list[s.Message]:
        """All messages that the server may say."""
        scripts = [self.script] if self.second is None else [self.script, self.second]
        replies = [*(r for script in scripts for r in script.replies), scripts[0].default]
        return [item for reply in replies for item in reply.items if isinstance(item, s.Message)]

    @property
    def profile(self) -> str:
        """What the controller knows of it: that it is like the service, unless the case has it
        otherwise."""
        switches = {rule.field for rule in RULES.values()}
        return "auto" if switches & set(self.server) else "openai"


def plan(case: Case) -> Plan:
    """Return what *case* sets up. Raises :class:`InputError`."""
    made = Plan()
    for line in case.setup:
        _set_up(made, line)
    replies: list[s.Reply] = []
    reserve: list[s.Reply] = []
    for line in case.body:
        if line.actor == "S":
            second = line.words[:1] == (Word("second"),)
            (reserve if second else replies).append(_reply(line, line.words[second:]))
        elif line.actor == "N":
            made.handshake = _handshake(line) or made.handshake
            made.faults += _faults(line)
    made.script = s.Script(replies)
    made.second = s.Script(reserve) if reserve else None
    return made


# --- setup


def _set_up(made: Plan, line: Line) -> None:
    head, _, name = line.words[0].text.partition(".")
    if head == "retry" and name:
        made.retry[name] = policy_value(line)
        return
    if head == "server" and name:
        made.server[name] = _server_value(line, name)
        return
    form, values = match(SETUP, line.words, line.number, "setup")
    if form.key == "tool":
        made.tools.append(Tool(values["tool"], values.get("seconds", 0.0), values.get("then")))
    elif form.key == "duration":
        made.duration = values["seconds"]
    elif form.key == "steps":
        made.steps = values["count"]
    elif form.key == "sink":
        made.sink = values["what"]
    elif form.key == "late_sink":
        made.delay = values["seconds"]
    elif form.key == "models":
        made.models = values["how"]
    else:
        made.flags.add(form.key)


def _server_value(line: Line, name: str) -> Any:
    known = {each.name: each.default for each in fields(ServerConfig)}
    if name not in known or not isinstance(known[name], (bool, float, int, str)):
        simple = [each for each in known if isinstance(known[each], (bool, float, int, str))]
        what = "server. and one of " + ", ".join(simple)
        raise InputError("setup", line.words[0].text, what, line=line.number)
    default = known[name]
    kind = {bool: "true|false", float: "s", int: "n", str: "name"}[type(default)]
    form = Form(name, f"server.{name} <value:{kind}>")
    value = match((form,), line.words, line.number, "setup")[1]["value"]
    value = value == "true" if isinstance(default, bool) else value
    try:
        ServerConfig(**{name: value})
    except ValueError as error:
        raise InputError(f"setup server.{name}", value, str(error), line=line.number) from None
    return value


# --- replies


def _reply(line: Line, words: Sequence[Word]) -> s.Reply:
    if not words or words[0] != Word("replies"):
        found = words[0].text if words else None
        raise InputError("S", found, "'replies' and its clauses", line=line.number)
    items: list[Any] = []
    values: dict[str, Any] = {}
    for clause in split(words[1:], ","):
        if not clause and len(words) == 1:
            continue  # an empty, completed response
        _clause(line, clause, items, values)
    try:
        return s.Reply(items, **values)
    except ValueError as error:
        raise InputError("S replies", str(line)[10:], str(error), line=line.number) from None


def _clause(line: Line, clause: Sequence[Word], items: list[Any], values: dict[str, Any]) -> None:
    form, found = match(CLAUSES, clause, line.number, "S replies")
    key = form.key
    try:
        if key == "message":
            after, phase = found.get("after", 0.0), found.get("phase")
            items.append(
                s.Message(found["text"], seconds=found["seconds"], after=after, phase=phase)
            )
        elif key == "call":
            arguments, after = found.get("arguments", "{}"), found.get("after", 0.0)
            items.append(s.FunctionCall(found["tool"], arguments, after=after))
        elif key == "acts":
            kind, seconds = found.get("kind", "mcp_call"), found["seconds"]
            fails, outlives = "fails" in found, "outlives" in found
            items.append(
                s.ServerCall(
                    found["tool"], kind=kind, seconds=seconds, fails=fails, outlives=outlives
                )
            )
        elif key == "reasoning":
            items.append(s.Reasoning(found["seconds"]))
        elif key in ("created", "refused", "unanswered"):
            values["ack"] = _ack(key, found)
        elif key == "pace":
            values["pace"] = found["seconds"]
        elif key == "done_after":
            values["done_delay"] = found["seconds"]
        else:
            values["end"] = _end(key, found, line)
    except InputError:
        raise
    except ValueError as error:
        raise InputError(
            f"S replies {key}", json.dumps(found), str(error), line=line.number
        ) from None


def _ack(key: str, found: dict[str, Any]) -> s.Ack:
    if key == "created":
        return s.Created(found["seconds"])
    if key == "unanswered":
        return s.Unanswered(holds_slot="holds" in found)
    return s.Rejected(
        _code(found["code"]),
        type=found.get("type"),
        message=found.get("message"),
        linked=not found.get("unlinked"),
    )


def _code(text: str) -> str | None:
    return None if text == "null" else text


def _end(key: str, found: dict[str, Any], line: Line) -> s.End:
    at = _point(found.get("at", "created"), line)
    if key == "failed":
        told = {name: found.get(name) for name in ("type", "message")}
        return s.Failed(_code(found["code"]), **told, at=at)
    if key == "incomplete":
        return s.Incomplete(found["reason"], at=at)
    if key == "cancelled":
        return s.Cancelled(found["reason"], at=at)
    if key == "stalled":
        return s.Stalled(at=at)
    if key == "done_lost":
        return s.DoneLost()
    if key == "dropped":
        return s.Dropped(at=at)
    error = ErrorInfo(found["error"]) if "error" in found else None
    return s.Closed(found["code"], error=error, at=at)


def _point(text: str, line: Line) -> s.Point:
    known = {"before_created": s.BEFORE_CREATED, "created": s.CREATED, "end": s.END}
    if text in known:
        return known[text]
    number, _, unit = text.partition(" ")
    if unit == "ms" and number.isdecimal():
        return s.audio_ms(int(number))
    if number == "item" and unit.isdecimal():
        return s.item_added(int(unit))
    what = 'before_created, created, end, "item 2" or "500 ms"'
    raise InputError("S replies at", text, what, line=line.number)


# --- faults


def _faults(line: Line) -> list[f.Fault]:
    form, v = match(FAULTS, line.words, line.number, "N")
    if form.key in ("now_half_open", "now_break", "refuse_each", "accept_each"):
        return []
    if form.key not in ("refuse", "accept"):
        return [_fault(form.key, v, line)]
    attempts = range(v["attempt"], v.get("last", v["attempt"]) + 1)
    if form.key == "refuse":
        return [f.RefuseHandshake(attempt, v.get("status", 503)) for attempt in attempts]
    code, on = v.get("code", 1011), v.get("on", "connect")
    return [f.AcceptThenClose(attempt, code, on=on) for attempt in attempts]


def _handshake(line: Line) -> s.Handshake | None:
    """How each connection is taken, if the line says so."""
    form, v = match(FAULTS, line.words, line.number, "N")
    if form.key == "refuse_each":
        return s.Refuse(v.get("status", 503))
    if form.key != "accept_each":
        return None
    error = ErrorInfo(v["error"]) if "error" in v else None
    return s.Accept(s.Closed(v.get("code", 1011), error=error), on=v.get("on", "connect"))


def _frame(text: str, line: Line) -> dict[str, Any]:
    try:
        frame = json.loads(text)
    except ValueError:
        frame = None
    if not isinstance(frame, dict):
        raise InputError("N sends", text, "a frame as a JSON object", line=line.number)
    return frame


def _fault(key: str, v: dict[str, Any], line: Line) -> f.Fault:
    at = f.At(
        v["event"],
        v.get("number", 1),
        side=v["side"],
        when="before" if v.get("before") else "after",
    )
    if key == "error":
        linked, instead = bool(v.get("linked")), bool(v.get("instead"))
        return f.InjectError(at, _code(v["code"]), linked=linked, instead=instead)
    if key == "insert":
        return f.Insert(at, _frame(v["frame"], line))
    if key == "hang_up":
        return f.HangUp(at, v.get("code", 1011), error=v.get("error"))
    made: dict[str, f.Fault] = {
        "lose": f.Lose(at),
        "late": f.Late(at, v.get("seconds", 1.0)),
        "double": f.Double(at),
        "reorder": f.Reorder(at, v.get("behind", 1)),
        "silence": f.Silence(at, v.get("seconds", 1.0)),
        "break": f.BreakConnection(at),
        "half_open": f.HalfOpen(at),
        "freeze": f.Freeze(at, v.get("room", 65_536)),
        "malform": f.Malform(at, v.get("shape", "truncated")),
    }
    return made[key]
