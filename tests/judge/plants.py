"""One breach of each guarantee, planted into a call that has none: a scene of its own, at a moment at
which nothing is under way, or at the end. The rest of the call comes later by as much."""

from __future__ import annotations

import copy
import random
from collections.abc import Callable
from typing import Any

from realtime_fsm.trace.facts import FactReader
from realtime_fsm.trace.format import Header, Line
from realtime_fsm.trace.quiet import Quiet

__all__ = ["HEALTHY", "PLANTS", "planted"]

Lines = list[dict[str, Any]]
_BEFORE, _AFTER = 2.0, 40.0  # seconds around a scene


class Scene:
    """A question of the application, and its answer: one message of a second, heard. Lines by name,
    seconds from its begin; what is planted changes, drops and adds some."""

    def __init__(self, connection: int) -> None:
        self.connection = connection
        self.forgotten = ""  # whose memory lacks the message
        self.lines: dict[str, dict[str, Any]] = {}
        self.text = "planted words"
        self.session(
            "speech_created", 0.0, speech="S", user_initiated=True, source="generate_reply"
        )
        self.moved("asked", 0.0, "LANE_FREE", "requested")
        self.create("create", 0.0)
        self.created("created", 0.1)
        self.moved("moved", 0.1, "RESPONSE_CREATED", "created", response="R")
        self.message("M", 0.2)
        self.done("done", 0.3)
        self.moved("whole", 0.3, "RESPONSE_COMPLETED", "streaming", response="R")
        self.play("M", 0.2, 1.2)
        self.moved("played", 1.2, "PLAYBACK_OVER", "done")
        self.put("ended", 1.2, "turn", "ended", turn="T", outcome="completed")
        self.session(
            "item_added", 1.2, item_id="M", item="message", role="assistant", text=13,
            interrupted=False,
        )  # fmt: skip
        self.session("speech_done", 1.2, speech="S", interrupted=False, exception=None)

    def put(self, name: str, t: float, by: str, kind: str, /, **fields: Any) -> None:
        self.lines[name] = {"t": t, "by": by, "type": kind, **fields}

    def wire(self, name: str, t: float, by: str, kind: str, *, on: int = 0, **event: Any) -> None:
        self.put(name, t, by, kind, connection=self.connection + on, event=event)

    def session(self, kind: str, t: float, name: str = "", /, **fields: Any) -> None:
        self.put(name or kind, t, "session", kind, **fields)

    def moved(self, name: str, t: float, event: str, dest: str, **fields: Any) -> None:
        of = {"turn": "T", "source": "x", "event": event, "dest": dest, "attempt": 1, "label": dest}
        self.put(name, t, "turn", "moved", **{**of, **fields})

    def create(self, name: str, t: float, *, id: str = "E") -> None:
        self.wire(name, t, "client", "response.create", event_id=id, response=_metadata(id))

    def created(self, name: str, t: float, *, id: str = "R", of: str = "E") -> None:
        response = {"id": id, "status": "in_progress", **_metadata(of)}
        self.wire(name, t, "server", "response.created", response=response)

    def done(self, name: str, t: float, *, id: str = "R", of: str = "E", **more: Any) -> None:
        output = [{"id": "M", "type": "message"}]
        response = {"id": id, "status": "completed", "output": output, **_metadata(of), **more}
        self.wire(name, t, "server", "response.done", response=response)

    def message(self, id: str, t: float, *, of: str = "R") -> None:
        item = {"id": id, "type": "message", "role": "assistant", "status": "in_progress"}
        whole = {**item, "status": "completed"}
        self.wire(
            f"{id} added", t, "server", "response.output_item.added", response_id=of, item=item
        )
        for kind, delta in (("output_audio.delta", 1000.0), ("output_audio_transcript.delta", 13)):
            self.wire(
                f"{id} {kind}",
                t,
                "server",
                f"response.{kind}",
                response_id=of,
                item_id=id,
                delta=delta,
            )
        self.wire(
            f"{id} done", t, "server", "response.output_item.done", response_id=of, item=whole
        )

    def play(self, id: str, begin: float, end: float, *, sink: int = 1, **more: Any) -> None:
        of = {"sink": sink, "speech": "S", "captured": begin}
        self.put(f"{id} began", begin, "playback", "started", **of)
        over = {"position": (end - begin) * 1000, "pushed": 1000.0, "interrupted": False, **more}
        self.put(f"{id} played", end, "playback", "finished", **of, **over)

    def error(self, t: float, code: str, *, name: str = "error", id: str | None = None) -> None:
        self.wire(name, t, "server", "error", error={"type": code, "code": code, "event_id": id})

    def drop(self, *names: str) -> None:
        for name in names:
            del self.lines[name]

    def retried(self, kind: str) -> None:
        """The first attempt ended with an item of that kind, and another one follows."""
        item = {"id": "I", "type": kind, "call_id": "K", "status": "completed"}
        for name in ("added", "done"):
            self.wire(
                f"I {name}",
                0.15,
                "server",
                f"response.output_item.{name}",
                response_id="R",
                item=item,
            )
        self.again()

    def again(self) -> None:
        self.lines["created"]["event"]["response"]["id"] = "R"
        for name in ("create", "created", "moved"):
            line = copy.deepcopy(self.lines[name])
            line["t"] += 2.0
            text = {"E": "E2", "R": "R2"}
            line = _renamed(line, text)
            line["attempt"] = 2
            self.lines[f"{name} again"] = line
        self.done("done again", 2.3, id="R2", of="E2")
        for name in ("ended", "speech_done"):
            self.lines[name]["t"] = 2.4

    def retries(self, number: int, *, wait: float = 0.1) -> None:
        """So many attempts fail before the one that is heard; *wait*: what is said between them."""
        for n in range(1, number + 1):
            t, name = 0.45 * (n - number - 1), f"{100 + n}"
            self.moved(f"asked {n}", t, "LANE_FREE", "requested", attempt=n)
            self.create(f"create {n}", t, id=f"E{name}")
            self.created(f"created {n}", t + 0.05, id=f"R{name}", of=f"E{name}")
            self.done(
                f"done {n}", t + 0.1, id=f"R{name}", of=f"E{name}", status="failed", output=[]
            )
            self.moved(f"failed {n}", t + 0.1, "RESPONSE_FAILED", "retry_wait", attempt=n,
                       response=f"R{name}")  # fmt: skip
            self.put(f"waits {n}", t + 0.1, "turn", "recovering", turn="T", attempt=n, wait=wait,
                     code="server_error", kind="transient")  # fmt: skip
        self.lines["speech_created"]["t"] = -2.0
        for line in self.lines.values():
            if line["by"] == "turn" and line["t"] >= 0.0 and "attempt" in line:
                line["attempt"] = number + 1

    def tool(self) -> None:
        """The answer is preceded by a response that calls a tool."""
        item = {"id": "I", "type": "function_call", "call_id": "K", "status": "completed"}
        self.create("create call", -1.5, id="E2")
        self.created("created call", -1.4, id="R2", of="E2")
        for name in ("added", "done"):
            self.wire(f"I {name}", -1.3, "server", f"response.output_item.{name}",
                      response_id="R2", item=item)  # fmt: skip
        self.done("done call", -1.2, id="R2", of="E2", output=[item])
        self.session("tool_began", -1.2, call_id="K", name="work")
        self.session("tool_ended", -0.2, call_id="K", status="done")
        self.session("tool_executed", -0.2, call_id="K", name="work", reply=True)
        self.output("output", -0.1)
        self.lines["speech_created"]["t"] = -1.6

    def output(self, name: str, t: float, *, id: str = "O") -> None:
        item = {"id": id, "type": "function_call_output", "call_id": "K", "output": 2}
        self.wire(name, t, "client", "conversation.item.create", item=item)


def _metadata(id: str) -> dict[str, Any]:
    return {"metadata": {"client_event_id": id}}


def healthy(scene: Scene) -> None:
    """Nothing is wrong."""


def three_retries(s: Scene) -> None:
    """Nothing is wrong."""
    s.retries(3)


def a_tool(s: Scene) -> None:
    """Nothing is wrong."""
    s.tool()


def single_flight(s: Scene) -> None:
    s.create("another", 0.25, id="E2")


def settled_twice(s: Scene) -> None:
    s.error(0.6, "server_error", id="E")


def of_another(s: Scene) -> None:
    s.moved("stolen", 1.4, "PLAYBACK_OVER", "done", turn="T2", response="R")
    s.put("ended too", 1.4, "turn", "ended", turn="T2", outcome="completed")


def orphan(s: Scene) -> None:
    s.wire("given up", 0.05, "client", "response.cancel", event_id="C")


def barrier(s: Scene) -> None:
    s.wire("cancel", 0.22, "client", "response.cancel", response_id="R")
    s.create("too soon", 0.25, id="E2")


def bare_cancel(s: Scene) -> None:
    s.wire("cancel", 0.25, "client", "response.cancel", event_id="C")


def ended_twice(s: Scene) -> None:
    s.put("ended too", 1.3, "turn", "ended", turn="T", outcome="completed")


def silent_failure(s: Scene) -> None:
    s.lines["done"]["event"]["response"]["status"] = "failed"
    s.lines["whole"]["event"] = "RESPONSE_FAILED"


def words_again(s: Scene) -> None:
    s.again()


def too_many_retries(s: Scene) -> None:
    s.retries(4)


def retried_at_once(s: Scene) -> None:
    s.retries(2, wait=2.0)


def call_again(s: Scene) -> None:
    s.retried("function_call")
    s.drop("M began", "M played")


def cancelled_again(s: Scene) -> None:
    for n in (1, 2):
        s.wire(
            f"cancel {n}",
            0.2 + n / 50,
            "client",
            "response.cancel",
            response_id="R",
            event_id=f"C{n}",
        )
    s.lines["done"]["event"]["response"]["status"] = "cancelled"


def never_ended(s: Scene) -> None:
    s.drop("ended", "played")


def cut_short_unseen(s: Scene) -> None:
    s.lines["done"]["event"]["response"]["status"] = "incomplete"
    s.lines["whole"]["event"] = "RESPONSE_INCOMPLETE"


def heard_and_deleted(s: Scene) -> None:
    s.wire("deleted", 1.4, "client", "conversation.item.delete", item_id="M")
    s.forgotten = "memory"


def not_remembered(s: Scene) -> None:
    s.forgotten = "history"


def remembered_unheard(s: Scene) -> None:
    s.drop("M began", "M played")


def cut_by_a_fraction(s: Scene) -> None:
    not_cut(s)
    s.wire("cut", 0.8, "client", "conversation.item.truncate", item_id="M", audio_end_ms=500.5)


def cut_twice(s: Scene) -> None:
    not_cut(s)
    for n in (1, 2):
        s.wire(
            f"cut {n}",
            0.7 + n / 10,
            "client",
            "conversation.item.truncate",
            item_id="M",
            audio_end_ms=500,
        )


def conflict_forgotten(s: Scene) -> None:
    s.create("refused", 1.5, id="E2")
    s.error(1.6, "conversation_already_has_active_response", id="E2")


def fatal_goes_on(s: Scene) -> None:
    s.error(1.5, "insufficient_quota")
    s.create("asked", 1.7, id="E2")


def endless(s: Scene) -> None:
    for n in range(1, 14):
        s.wire(f"up {n}", 1.5 + n / 10, "server", "session.created", on=n, session={"id": f"s{n}"})


def told_twice(s: Scene) -> None:
    s.error(1.5, "server_error")
    for n in (1, 2):
        s.session("error", 1.5 + n / 10, f"told {n}", recoverable=True, error="E", code="x")


def two_at_once(s: Scene) -> None:
    s.put("too", 0.5, "playback", "started", sink=2, speech="S", captured=0.5)
    s.put("too played", 0.6, "playback", "finished", sink=2, speech="S", position=0.0,
          interrupted=True)  # fmt: skip


def cut_beyond(s: Scene) -> None:
    s.wire("cut", 1.3, "client", "conversation.item.truncate", item_id="M", audio_end_ms=9000)


def not_cut(s: Scene) -> None:
    s.play("M", 0.2, 0.7, interrupted=True)
    s.lines["speech_done"]["interrupted"] = s.lines["item_added"]["interrupted"] = True
    s.lines["ended"]["outcome"] = "interrupted"


def tool_twice(s: Scene) -> None:
    for n in (1, 2):
        s.output(f"output {n}", 1.3, id=f"O{n}")


def output_not_sent(s: Scene) -> None:
    s.tool()
    s.drop("output")


def run_twice(s: Scene) -> None:
    s.tool()
    s.session("tool_began", -0.5, "began again", call_id="K", name="work")


def asked_before_the_call_was_over(s: Scene) -> None:
    s.tool()
    s.lines["done call"]["t"] = 0.05


def no_answer(s: Scene) -> None:
    s.drop(*(set(s.lines) - {"speech_created", "speech_done"}))


def old_cancel(s: Scene) -> None:
    s.wire("up", 1.5, "server", "session.created", on=1, session={"id": "s"})
    s.wire("cancel", 1.6, "client", "response.cancel", on=1, response_id="R")


def conflict_ends(s: Scene) -> None:
    s.error(1.5, "conversation_already_has_active_response")
    s.session("error", 1.6, "told", recoverable=False, error="E", code=None)


def in_speech(s: Scene) -> None:
    on = {"type": "server_vad", "create_response": True}
    session = {"audio": {"input": {"turn_detection": on}}}
    s.wire("set", -1.0, "server", "session.updated", session=session)
    s.wire("speaks", -0.5, "server", "input_audio_buffer.speech_started", item_id="U")


def failure_ends(s: Scene) -> None:
    s.lines["done"]["event"]["response"]["status"] = "failed"
    s.lines["whole"]["event"] = "RESPONSE_FAILED"
    s.session("error", 1.3, "told", recoverable=False, error="E", code="server_error")


def action_again(s: Scene) -> None:
    s.retried("mcp_call")


#: What is planted, by guarantee; whether the call goes on after it.
PLANTS: list[tuple[str, Callable[[Scene], None], bool]] = [
    ("G1", single_flight, True),
    ("G2", settled_twice, True),
    ("G3", of_another, True),
    ("G4", orphan, True),
    ("G5", barrier, True),
    ("G6", bare_cancel, True),
    ("G6", cancelled_again, True),
    ("G7", ended_twice, True),
    ("G7", never_ended, True),
    ("G8", silent_failure, True),
    ("G8", cut_short_unseen, True),
    ("G9", words_again, True),
    ("G9", call_again, True),
    ("G9", too_many_retries, True),
    ("G9", retried_at_once, True),
    ("G10", fatal_goes_on, True),
    ("G11", endless, False),
    ("G12", told_twice, True),
    ("G13", two_at_once, True),
    ("G15", cut_beyond, True),
    ("G15", cut_by_a_fraction, True),
    ("G15", cut_twice, True),
    ("G16", not_cut, True),
    ("G16", heard_and_deleted, True),
    ("G16", not_remembered, True),
    ("G16", remembered_unheard, True),
    ("G17", tool_twice, True),
    ("G17", output_not_sent, True),
    ("G17", run_twice, True),
    ("G17", asked_before_the_call_was_over, True),
    ("G18", no_answer, True),
    ("G19", old_cancel, False),
    ("G20", conflict_ends, False),
    ("G20", conflict_forgotten, True),
    ("G24", in_speech, True),
    ("G26", failure_ends, False),
    ("G28", action_again, True),
]
HEALTHY: tuple[Callable[[Scene], None], ...] = (healthy, three_retries, a_tool)
"""Scenes in which nothing is wrong."""


def planted(
    call: Lines, plant: Callable[[Scene], None], rng: random.Random, *, goes_on: bool
) -> Lines:
    """The lines of a call, the header first, with a scene in it."""
    header, *lines = copy.deepcopy(call)
    end = next(n for n, line in enumerate(lines) if line["type"] == "look")
    at = rng.choice([*_quiet(lines[:end]), end]) if goes_on else end
    connection = max((line.get("connection", 1) for line in lines[:at]), default=1)
    scene = Scene(connection)
    plant(scene)
    begin = (lines[at - 1]["t"] if at else 0.0) + _BEFORE
    told = [_renamed(line, {}) for line in scene.lines.values()]
    for line in told:
        line["t"] += begin
    told.sort(key=lambda line: float(line["t"]))
    later = told[-1]["t"] + _AFTER - lines[at]["t"]
    before = {line["item_id"] for line in lines[:at] if line["type"] == "item_added"}
    for line in lines[at:]:
        line["t"] += later
        if line["type"] in ("look", "context") and "M added" in scene.lines:
            _remember(line, before, scene.forgotten)
    return [header, *lines[:at], *told, *lines[at:]]


def _remember(line: dict[str, Any], before: set[str], forgotten: str) -> None:
    """What was said in it is remembered, behind what was said before."""
    item = {"id": "planted-M", "type": "message", "role": "assistant", "text": 13, "words": 2}
    for name in ("history", "context", "memory", "items"):
        if (known := line.get(name)) is not None and name != forgotten:
            audio = {"audio_ms": 1000.0} if name == "memory" else {}
            at = max((n for n, each in enumerate(known, 1) if each["id"] in before), default=0)
            line[name] = [*known[:at], {**item, **audio}, *known[at:]]


def _quiet(lines: Lines) -> list[int]:
    """Before which lines nothing is under way."""
    quiet = Quiet(Header(mode="control", versions={}, retry={}, fields={}))
    facts = FactReader()
    found = []
    for n, line in enumerate(lines):
        told = facts.read(Line(n + 1, line["t"], line["by"], line["type"], line.get("connection", 0),
                    line.get("event", line) if line["by"] in ("server", "client") else line))  # fmt: skip
        if told is not None and quiet.feed(told) and n:
            found.append(n)
    return found


def _renamed(value: Any, names: dict[str, str]) -> Any:
    """A copy in which ids are those of no other part of the call."""
    if isinstance(value, dict):
        return {key: _renamed(each, names) for key, each in value.items()}
    if isinstance(value, list):
        return [_renamed(each, names) for each in value]
    if names:
        return names.get(value, value) if isinstance(value, str) else value
    if isinstance(value, str) and value.rstrip("0123456789") in tuple("SETRMIKOUC"):
        return f"planted-{value}"
    return value
