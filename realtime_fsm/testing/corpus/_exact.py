"""Runs a case on the controller alone: events in, and exactly these frames out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import MISSING, fields
from functools import lru_cache
from typing import Any

from ..._core import commands as cmd
from ..._core import events as ev
from ..._core.controller import TurnController
from ..._core.policy import RetryPolicy
from ..._core.records import Turn
from ..._core.states import MessageOutcome, Origin
from ..._input import InputError
from ._case import Case, Line, Result
from ._events import CLIENT, EVENTS, HOST, NOTES, WIRE, event_of
from ._grammar import Form, match

__all__ = ["EXPECT", "SETUP", "check", "run_exact"]

_MOMENT = 1e-6  # seconds; sums of times are not exact
_REST = 10_000  # deadlines until a controller counts as restless

SETUP = (
    Form("vad", "server_vad", "server VAD starts and stops responses"),
    Form("plays", "playback", "a sink plays sound and reports; without it none does"),
    Form("retry", "retry.<name> <value>", "a field of RetryPolicy"),
)
EXPECT = (
    Form("failed", "<turn> failed [<code:any>]"),
    Form("outcome", "<turn> <outcome:completed|interrupted|incomplete|superseded>"),
    Form("attempts", "<turn> takes <count:n> attempts"),
    Form("hands", "<turn> hands out <items:name*>", "messages and calls, in order"),
    Form("heard", "<item> heard <ms:ms>", "of that message"),
    Form("skipped", "<item> unheard"),
    Form("reports", "<count:n> reports", "failures that the application is told of"),
    Form("recovers", "<count:n> recoveries", "`recovering` events"),
    Form("lives", "session lives"),
    Form("dies", "session ends"),
    Form("stale", "<count:n> ignored", "events that concerned nobody"),
    Form("same", "heard is history", "and no difference is left"),
)


@lru_cache(maxsize=1)
def _forms() -> dict[str, tuple[Form, ...]]:
    """The forms of each actor."""
    known: dict[str, tuple[Form, ...]] = {"C": CLIENT, "U": HOST, "T": NOTES}
    for actor, _, form in EVENTS:
        known[actor] = (*known.get(actor, ()), form)
    return known


_EVENT_OF = {form.key: event for _, event, form in EVENTS}


def _policy(case: Case) -> RetryPolicy:
    values: dict[str, Any] = {}
    for line in case.setup:
        form, found = _setup(line)
        if form.key == "retry":
            values[found["name"]] = found["value"]
    return RetryPolicy(**values)


def _setup(line: Line) -> tuple[Form, dict[str, Any]]:
    head, _, name = line.words[0].text.partition(".")
    if head != "retry":
        return match(SETUP[:2], line.words, line.number, "setup")
    return SETUP[2], {"name": name, "value": policy_value(line)}


def policy_value(line: Line) -> Any:
    """The value of a line ``retry.<field> <value>``. Raises :class:`InputError`."""
    name = line.words[0].text.partition(".")[2]
    known = {f.name: f.default for f in fields(RetryPolicy) if f.default is not MISSING}
    if name not in known or len(line.words) != 2:
        what = "retry. and one of " + ", ".join(known) + ", and a value"
        raise InputError("setup", str(line)[6:], what, line=line.number)
    kinds = ((int, "n"), (float, "s"), (str, "name"))
    kind = next(kind for of, kind in kinds if isinstance(known[name], of))
    form = Form("retry", f"{line.words[0].text} <value:{kind}>")
    value = match((form,), line.words, line.number, "setup")[1]["value"]
    try:
        RetryPolicy(**{name: value})
    except ValueError as error:
        raise InputError(f"setup retry.{name}", value, str(error), line=line.number) from None
    return value


def check(case: Case) -> None:
    """Raise :class:`InputError` if a line has no form."""
    _policy(case)
    for line in case.body:
        match(_forms()[line.actor], line.words, line.number, line.actor)
    for line in case.expect:
        match(EXPECT, line.words, line.number, "expect")


def run_exact(case: Case, controller: Callable[[RetryPolicy], TurnController]) -> Result:
    """Run *case* on what *controller* makes of the policy, and return what was wrong."""
    return _Bench(case, controller).run()


class _Stop(Exception):  # noqa: N818 - not an error: the case is over
    pass


class _Bench:
    def __init__(self, case: Case, controller: Callable[[RetryPolicy], TurnController]) -> None:
        self._case = case
        self._c = controller(_policy(case))
        self._now = 0.0
        self._turns: dict[str, Turn] = {}
        self._names: dict[str, str] = {}  # of turns, by id
        self._refs: dict[str, str] = {}  # client event ids, by what a case calls them
        self._unsent: dict[str, cmd.CreateResponse] = {}
        self._due: list[cmd.Command] = []  # for the wire, and not told by a line yet
        self._all: list[cmd.Command] = []
        self._cancelled: set[str] = set()
        self._problems: list[str] = []
        self._log: list[str] = []
        self._at = 0  # line

    def run(self) -> Result:
        for line in self._case.setup:
            form, _ = _setup(line)
            if form.key == "vad":
                configured = ev.SessionConfigured(server_creates=True, server_interrupts=True)
                self._c.receive(configured, self._now)
            elif form.key == "plays":
                self._c.playback_reported = self._c.audible = True
        self._drain()
        try:
            for line in self._case.body:
                self._line(line)
            self._told("the end")
            self._rest()
            for line in self._case.expect:
                self._expect(line)
        except _Stop:
            pass
        return Result(tuple(self._problems), tuple(self._log))

    # --- lines

    def _line(self, line: Line) -> None:
        self._at = line.number
        form, values = match(_forms()[line.actor], line.words, line.number, line.actor)
        self._log.append(f"{self._now:9.3f} s  {line}")
        if line.actor == "C" and form.key not in _EVENT_OF:
            self._client(form.key, values)
            return
        self._told(str(line))
        if form.key == "wait":
            self._wait(values["seconds"])
        elif form.key == "ask":
            origin = Origin.APPLICATION if values.get("application") else Origin.CLIENT
            of_user = not values.get("besides")
            asked = self._c.request(self._now, origin=origin, of_user=of_user)
            self._name(values["turn"], asked)
        elif form.key == "interrupt":
            self._c.interrupt(self._turn(values["turn"]), self._now)
        elif form.key == "close":
            self._c.close(self._now)
        elif form.key == "playback":
            self._c.playback_reported = values["what"] != "nothing"
            self._c.audible = values["what"] == "sound"
        else:
            self._receive(event_of(_EVENT_OF[form.key], values, self._resolve))
        self._drain()

    def _receive(self, event: ev.Event) -> None:
        if isinstance(event, (ev.CreateSent, ev.CreateNotSent)):
            self._unsent.pop(f"{event.turn_id}#{event.attempt}", None)
        if isinstance(event, ev.CreateSent):
            self._refs.setdefault(f"{self._names[event.turn_id]}#{event.attempt}", event.event_id)
        before = {turn.id for turn in self._c.turns}
        self._c.receive(event, self._now)
        # A response that nobody asked for makes a turn, which is called like it.
        response_id: str | None = getattr(event, "response_id", None)
        for turn in (*self._c.turns, *self._c.finished):
            if response_id and turn.id not in before and turn.id not in self._names:
                self._name(response_id, turn)

    def _client(self, key: str, values: dict[str, Any]) -> None:
        """The frame that the line tells of must be the next one."""
        wanted = " ".join(
            ["response.cancel" if key == "probe" else key, *map(str, values.values())]
        )
        soonest = self._c.next_deadline()
        if not self._due and soonest is not None and soonest <= self._now:
            self._c.advance(self._now)  # what is due at once
            self._drain()
        if not self._due:
            self._fail(f"nothing was sent, expected {wanted}")
        command = self._due.pop(0)
        if isinstance(command, cmd.CreateResponse) and key == "create":
            name = values["turn"]
            if name not in self._turns:
                turn = self._c.find(command.turn_id)
                if turn is not None and turn.id not in self._names:
                    self._name(name, turn)
            if self._names.get(command.turn_id) == name:
                if not values.get("queued"):
                    self._send(command)
                return
        elif isinstance(command, cmd.CancelResponse) and key == "cancel":
            if command.response_id == values["response"]:
                self._refs[f"cancel:{command.response_id}"] = command.event_id
                return
        elif isinstance(command, cmd.CheckConnection) and key == "check":
            self._refs["check"] = command.event_id
            return
        elif isinstance(command, cmd.ProbeCancel) and key == "probe":
            self._refs["probe"] = command.event_id
            return
        elif isinstance(command, cmd.ReplaceConnection) and key == "reconnect":
            if abs(command.wait - values.get("wait", 0.0)) < _MOMENT:
                return
        elif isinstance(command, cmd.TruncateItem) and key == "truncate":
            told = (command.item_id, str(command.audio_end_ms))
            if told == (values["item"], str(values["ms"])):
                self._refs[f"truncate:{command.item_id}"] = command.event_id
                return
        elif isinstance(command, cmd.RestoreItem) and key == "restore":
            if command.item_id == values["item"]:
                return
        elif (
            isinstance(command, cmd.DeleteItem)
            and key == "delete"
            and command.item_id == values["item"]
        ):
            self._refs[f"delete:{command.item_id}"] = command.event_id
            return
        self._fail(f"{self._shown(command)} was sent, expected {wanted}")

    def _send(self, command: cmd.CreateResponse) -> None:
        event_id = f"{self._names[command.turn_id]}#{command.attempt}"
        self._refs[event_id] = event_id
        self._unsent.pop(f"{command.turn_id}#{command.attempt}", None)
        sent = ev.CreateSent(turn_id=command.turn_id, attempt=command.attempt, event_id=event_id)
        self._c.receive(sent, self._now)
        self._drain()

    # --- names

    def _name(self, name: str, turn: Turn) -> None:
        if name in self._turns:
            raise InputError("turn", name, "a name that is not taken", line=self._at)
        self._turns[name] = turn
        self._names[turn.id] = name

    def _turn(self, name: str) -> Turn:
        if name not in self._turns:
            known = ", ".join(self._turns) or "none yet"
            raise InputError("turn", name, f"a turn of this case ({known})", line=self._at)
        return self._turns[name]

    def _resolve(self, field: str, name: str) -> str:
        if field == "turn_id":
            return self._turn(name).id
        if field not in ("event_id", "client_event_id"):
            return name
        if name in self._turns:
            return self._refs.get(f"{name}#{self._turns[name].attempts}", name)
        return self._refs.get(name, name)

    # --- time

    def _wait(self, seconds: float) -> None:
        end = self._now + seconds
        for _ in range(_REST):
            at = self._c.next_deadline()
            if at is None or at > end + _MOMENT:
                break
            self._now = max(self._now, at)
            self._c.advance(self._now)
            self._drain()
        else:
            self._fail("deadlines never stop")
        self._now = max(self._now, end)

    def _rest(self) -> None:
        """Nothing happens any more but time: each turn must end, and nothing more be sent (G7)."""
        for _ in range(_REST):
            at = self._c.next_deadline()
            if at is None:
                break
            self._now = max(self._now, at)
            self._c.advance(self._now)
            self._drain()
            self._told("the end")
        else:
            self._fail("deadlines never stop")
        for turn in self._c.turns:
            self._problems.append(f"G7: {self._names.get(turn.id, turn.id)} hangs in {turn.label}")
        ends = [c.turn_id for c in self._all if isinstance(c, cmd.TurnEnded)]
        for turn_id, name in self._names.items():
            if ends.count(turn_id) != 1:
                self._problems.append(f"G7: {name} ended {ends.count(turn_id)} times")

    # --- what came out

    def _drain(self) -> None:
        for command in self._c.commands():
            self._all.append(command)
            if not isinstance(command, WIRE):
                continue
            self._due.append(command)
            self._log.append(f"{self._now:9.3f} s      {self._shown(command)}")
            if isinstance(command, cmd.CreateResponse):
                self._unsent[f"{command.turn_id}#{command.attempt}"] = command
            elif isinstance(command, cmd.CancelResponse):
                if command.response_id in self._cancelled:
                    self._problems.append(f"G6: {command.response_id} was cancelled again")
                self._cancelled.add(command.response_id)

    def _told(self, before: str) -> None:
        if self._due:
            extra = ", ".join(self._shown(command) for command in self._due)
            self._fail(f"{extra} was sent, expected nothing before {before!r}")

    def _shown(self, command: cmd.Command) -> str:
        if isinstance(command, cmd.CreateResponse):
            return f"response.create {self._names.get(command.turn_id, command.turn_id)}"
        if isinstance(command, cmd.CancelResponse):
            return f"response.cancel {command.response_id}"
        if isinstance(command, cmd.DeleteItem):
            return f"item.delete {command.item_id}"
        if isinstance(command, cmd.TruncateItem):
            return f"item.truncate {command.item_id} {command.audio_end_ms}"
        if isinstance(command, cmd.RestoreItem):
            return f"item.restore {command.item_id}"
        if isinstance(command, cmd.ReplaceConnection):
            return f"reconnects after {command.wait:g}s"
        return "response.cancel"

    def _fail(self, what: str) -> None:
        self._problems.append(f"line {self._at}: {what}")
        raise _Stop

    # --- expectations

    def _expect(self, line: Line) -> None:
        self._at = line.number
        form, values = match(EXPECT, line.words, line.number, "expect")
        wrong = self._wrong(form.key, values)
        if wrong is not None:
            self._problems.append(f"{' '.join(w.text for w in line.words)}: {wrong}")

    def _wrong(self, key: str, values: dict[str, Any]) -> str | None:
        if key in ("failed", "outcome", "attempts", "hands"):
            return self._wrong_turn(key, values, self._turn(values["turn"]))
        if key in ("heard", "skipped"):
            message = self._c.message(values["item"])
            if message is None:
                return "no such message"
            if key == "skipped":
                return None if message.outcome is MessageOutcome.SKIPPED else str(message.outcome)
            return _unless(message.heard_ms == values["ms"], f"{message.heard_ms} ms")
        if key in ("reports", "recovers"):
            kind = cmd.ReportFailure if key == "reports" else cmd.Recovering
            found = sum(isinstance(command, kind) for command in self._all)
            return _unless(found == values["count"], str(found))
        if key == "stale":
            found = sum(self._c.ignored.values())
            return _unless(found == values["count"], f"{found}: {dict(self._c.ignored)}")
        if key == "same":
            return _unless(not self._c.differences(), str(self._c.differences()))
        ended = [command for command in self._all if isinstance(command, cmd.ReportSession)]
        return _unless(len(ended) == (1 if key == "dies" else 0), f"{len(ended)} such reports")

    def _wrong_turn(self, key: str, values: dict[str, Any], turn: Turn) -> str | None:
        outcome = "live" if turn.outcome is None else turn.outcome.value
        code = turn.error.code if turn.error is not None else None
        if key == "failed":
            right = outcome == "failed" and values.get("code") in (None, code)
            return _unless(right, f"{outcome} {code}")
        if key == "outcome":
            return _unless(outcome == values["outcome"], f"{outcome} {code or ''}".strip())
        if key == "attempts":
            return _unless(turn.attempts == values["count"], str(turn.attempts))
        handed = [
            command.item_id
            for command in self._all
            if isinstance(command, cmd.DeliverItem) and command.turn_id == turn.id
        ]
        return _unless(handed == values["items"], " ".join(handed) or "nothing")


def _unless(right: bool, found: str) -> str | None:
    return None if right else found
