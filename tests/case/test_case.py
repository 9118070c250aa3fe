"""From a recorded call to a test: the same rule and the same outcome, failing before and passing after."""

from __future__ import annotations

import contextlib
import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm._core import commands as cmd
from realtime_fsm._input import CommandError
from realtime_fsm.case import command
from realtime_fsm.case._pytest import as_pytest
from realtime_fsm.case.command import Request
from realtime_fsm.lab.simulate import Scenario, Turn
from realtime_fsm.lab.simulate.caller import play
from realtime_fsm.livekit._driver import Driver
from realtime_fsm.simulator import Failed, FunctionCall, Message, Rejected, Reply, Script, audio_ms
from realtime_fsm.testing.corpus import parse, run

from ..report.hostile import write

KINDS = {
    "failed": ([Reply(end=Failed("server_error"))], "G18"),
    "refused": ([Reply(ack=Rejected("rate_limit_exceeded", linked=False))], "G18"),
    "midway": (
        [
            Reply(
                [Message("Your parcel arrives tomorrow.", seconds=2.0)],
                end=Failed("server_error", at=audio_ms(700)),
            )
        ],
        "G8",
    ),
    "tool": ([Reply([FunctionCall("look_up")]), Reply(end=Failed("server_error"))], "G18"),
}


@cache
def _recorded(kind: str, tmp: Path) -> Path:
    """A plain call of four questions, of which the second fails."""
    path = tmp / f"{kind}.jsonl"
    replies = [Reply([Message("Hello.", seconds=0.8)]), *KINDS[kind][0]]
    turns = tuple(Turn(words=f"{n}. Hello?", pause=1.0 + n / 7) for n in range(1, 5))
    play(Scenario(turns=turns, script=Script(replies)), plain=True, trace=path, check=False)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calls")


@pytest.mark.parametrize("kind", KINDS)
def test_a_case_fails_as_the_call_did_and_passes_controlled(kind: str, folder: Path) -> None:
    rule, output = KINDS[kind][1], folder / f"{kind}.txt"
    assert command.run(Request(_recorded(kind, folder), rule=rule, output=output)) == 0
    (case,) = parse(output.read_text("utf-8"))
    # One question is left of four, and no reply that was not needed.
    assert sum(line.actor == "U" for line in case.body) == 1, case.text
    assert sum(line.actor == "S" for line in case.body) == len(KINDS[kind][0]), case.text
    assert any(each.startswith(rule) for each in run(case, plain=True).problems)
    assert run(case).holds


@pytest.mark.parametrize("kind", ["failed", "tool"])
def test_a_test_of_the_kit_passes_and_fails_on_plain_livekit(kind: str, folder: Path) -> None:
    output = folder / f"test_{kind}.py"
    assert command.run(Request(_recorded(kind, folder), pytest=True, output=output)) == 0
    text = output.read_text("utf-8")
    for plain in (False, True):
        if plain:
            text = text.replace("agent=agent", "agent=agent, controlled=False")
        names: dict[str, object] = {}
        exec(compile(text, str(output), "exec"), names)  # what pytest does with it
        (test,) = (each for name, each in names.items() if name.startswith("test_"))
        assert callable(test)
        if plain:
            with pytest.raises(AssertionError, match=KINDS[kind][1]):
                test()
        else:
            test()


def test_what_the_kit_has_not_is_named() -> None:
    (case,) = parse(
        "id: R1\ntitle: hung up\nsource: a call\nguarantees: G6\nU asks B\nU hangs up\nexpect: session ends\n"
    )
    with pytest.raises(ValueError, match='"U hangs up" is not in the kit'):
        as_pytest(case, name="x", how="x")


# --- a mistake of ours, and its repair


def _not(driver: Driver, command: cmd.DeleteItem) -> None:
    """The server is not told what nobody heard."""


def _twice(driver: Driver, command: cmd.CancelResponse) -> None:
    """A cancel that is sent twice."""
    for event_id in (command.event_id, f"{command.event_id}_again"):
        assert driver.link is not None
        driver.link.cancel(command.response_id, event_id)


PLANTED = {"G16": (cmd.DeleteItem, _not), "G6": (cmd.CancelResponse, _twice)}


def _with_mistake(rule: str, path: Path) -> None:
    """A call of four questions, the second of which is interrupted."""
    pace = 0.2 if rule == "G6" else 0.02  # is it still generated when it is interrupted?
    texts = ("One two three four five six seven.", "Eight nine ten.")
    says = Reply([Message(text, seconds=3.0) for text in texts], pace=pace)
    turns = tuple(
        Turn(words=f"{n}. Hello?", then="stops" if n == 2 else "listens", after=1.0)
        for n in range(1, 5)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Driver._HANDLERS, *PLANTED[rule])
        play(Scenario(turns=turns, script=Script(default=says)), trace=path, check=False)


@pytest.mark.parametrize("rule", PLANTED)
def test_a_mistake_of_the_controller_fails_until_it_is_repaired(rule: str, tmp_path: Path) -> None:
    path, output = tmp_path / "call.jsonl", tmp_path / "case.txt"
    _with_mistake(rule, path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(Driver._HANDLERS, *PLANTED[rule])
        assert command.run(Request(path, rule=rule, output=output)) == 0
        (case,) = parse(output.read_text("utf-8"))
        assert any(each.startswith(rule) for each in run(case).problems)
    assert run(case).holds, run(case).problems
    assert sum(line.actor == "U" for line in case.body) <= 2, case.text


def test_a_raw_log_becomes_a_case(folder: Path) -> None:
    """A log of OpenAI's events, as an application writes them, with times and nothing else."""
    log, output = folder / "raw.log", folder / "raw.txt"
    with log.open("w") as file:
        for text in _recorded("failed", folder).read_text("utf-8").splitlines()[1:]:
            line = json.loads(text)
            if line["by"] in ("server", "client"):
                event = {"type": line["type"], **line["event"]}
                file.write(json.dumps({"timestamp": line["t"], "event": event}) + "\n")
    assert command.run(Request(log, turn="2", output=output)) == 0
    (case,) = parse(output.read_text("utf-8"))
    assert "failed server_error" in case.text
    assert not run(case, plain=True).holds
    assert run(case).holds


# --- what no case can be made of


def _without(line: str, trace: Path, folder: Path) -> Path:
    """The trace, of which a line in its second turn cannot be read."""
    lines = trace.read_text("utf-8").splitlines()
    found = [n for n, each in enumerate(lines) if '"type":"response.created"' in each]
    lines.insert(found[1] + 1, line)
    changed = folder / "changed.jsonl"
    changed.write_text("\n".join(lines) + "\n", "utf-8")
    return changed


def test_a_gap_in_the_turn_is_named(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace = _without('{"t":2,"by":"server"', _recorded("failed", folder), folder)
    assert command.run(Request(trace, turn="2")) == 1
    assert re.search(r"no case of turn 2 .*: line \d+: not JSON", capsys.readouterr().err)


SAYS = ("session", {"type": "speech_created", "speech": "speech_1", "source": "say"})
OUTSIDE = ("client", {"type": "response.create", "response": {"conversation": "none"}})
ACTS = (
    "server",
    {
        "type": "response.output_item.added",
        "response_id": "resp_1",
        "item": {"id": "item_9", "type": "mcp_call"},
    },
)


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (SAYS, "line 8: the application says a text by itself"),
        (OUTSIDE, "line 8: a response outside of the conversation"),
        (ACTS, r"line 8: the server acts by itself \(mcp_call\)"),
    ],
    ids=["say", "outside", "mcp"],
)
def test_what_no_case_has_is_named(
    what: tuple[str, dict[str, Any]],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A call that broke a guarantee that has to do with it: a speech that is never done."""
    created = {"id": "resp_1", "status": "in_progress", "conversation_id": "c"}
    wire: list[tuple[float, str, dict[str, Any]]] = [
        (0.0, "server", {"type": "session.created", "session": {}}),
        (0.0, "client", {"type": "session.update", "session": {"turn_detection": {"type": "x"}}}),
        (1.0, "server", {"type": "input_audio_buffer.speech_started"}),
        (2.0, "server", {"type": "input_audio_buffer.speech_stopped"}),
        (2.0, "server", {"type": "input_audio_buffer.committed", "item_id": "item_1"}),
        (2.1, "server", {"type": "response.created", "response": created}),
        (2.2, *what),
        (2.3, "server", {"type": "response.done", "response": {**created, "status": "completed"}}),
        (2.4, "session", {"type": "speech_created", "speech": "speech_2", "source": "x"}),
        (50.0, "session", {"type": "agent_state", "old": "thinking", "new": "thinking"}),
        (51.0, "session", {"type": "recorded"}),
    ]
    trace = tmp_path / "call.jsonl"
    lines: list[dict[str, Any]] = [{"trace": "realtime-fsm", "version": 1, "mode": "plain"}]
    for t, by, event in wire:
        kind, rest = event["type"], {k: v for k, v in event.items() if k != "type"}
        more = rest if by == "session" else {"connection": 1, "event": rest}
        lines.append({"t": t, "by": by, "type": kind, **more})
    trace.write_text("".join(json.dumps(each) + "\n" for each in lines))
    assert command.run(Request(trace, rule="G7")) == 1
    assert re.search(told, capsys.readouterr().err)


def test_where_the_calls_part_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is repaired by now does not happen again."""
    path = tmp_path / "call.jsonl"
    _with_mistake("G6", path)
    assert command.run(Request(path, rule="G6")) == 1
    told = (
        r"no case of turn 2 .*: line \d+: client response.cancel; lived anew, there is client conv"
    )
    assert re.search(told, capsys.readouterr().err)


def test_a_trace_without_a_server_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "no-server.jsonl"
    trace.write_text(
        '{"trace":"realtime-fsm","version":1,"mode":"control"}\n'
        '{"t":0,"by":"turn","type":"moved","turn":"turn_1","source":"requested","event":"X","dest":"failed","attempt":1}\n'
        '{"t":1,"by":"turn","type":"ended","turn":"turn_1","outcome":"failed","code":"server_error"}\n'
    )
    assert command.run(Request(trace)) == 1
    assert "no lines of the server" in capsys.readouterr().err


def test_a_turn_that_is_not_there(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"--turn is '99', expected 1 to \d"):
        command.run(Request(_recorded("failed", folder), turn="99"))
    with pytest.raises(ValueError, match="--call is 3, expected one of the 1"):
        command.run(Request(_recorded("failed", folder), call=3))


def test_nothing_to_read(tmp_path: Path) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.write_text("")
    for path, words in (
        (empty, "nothing could be read"),
        (tmp_path / "none.jsonl", "cannot be read"),
    ):
        with pytest.raises(CommandError, match=words):
            command.run(Request(path))


def test_whatever_stands_in_a_trace_nothing_is_raised(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Strings that try to be more than text, and lines whose fields are of the wrong kind."""
    hostile = write(tmp_path / "hostile.jsonl")
    lines = _recorded("tool", tmp_path).read_text("utf-8").splitlines()
    twisted = tmp_path / "twisted.jsonl"
    bad: list[Any] = [None, [], {}, "x; y, z\n# w", 1e300, -1, True]
    with twisted.open("w") as file:
        for number, text in enumerate(lines):
            value = json.loads(text)
            for name in [*value.get("event", {})][: number % 3]:
                value["event"][name] = bad[(number + len(name)) % len(bad)]
            file.write(json.dumps(value) + "\n")
    for trace in (hostile, twisted):
        with contextlib.suppress(ValueError):  # there is no such turn
            assert command.run(Request(trace, turn="2")) in (0, 1)
        assert "Traceback" not in capsys.readouterr().err
