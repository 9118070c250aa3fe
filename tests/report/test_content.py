"""What a page says is what happened in the call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm._core.turn_table import TABLE
from realtime_fsm.report import Group, collect, page
from realtime_fsm.simulator import Failed, Message, Rejected, Reply, audio_ms
from realtime_fsm.testing import SimulatedCall, check_all, run_virtual, simulated_call

from .reading import Read, read_lines, read_path

HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}


def turns(read: Read) -> dict[str, dict[str, Any]]:
    return {turn["id"]: turn for turn in read.call["turns"]}


async def recorded(path: Path, **options: Any) -> SimulatedCall:
    """One healthy turn, one that recovers, one that fails half heard, one that is interrupted."""
    script = [
        Reply([Message("One.", seconds=0.8), Message("Two.", seconds=1.1)]),
        Reply(ack=Rejected("server_error")),
        Reply([Message("Three.", seconds=1.2)]),
        Reply([Message("Half of it.", seconds=3.0)], end=Failed("server_error", at=audio_ms(900))),
        Reply([Message("A long answer.", seconds=6.0), Message("Never heard.", seconds=1.0)]),
        Reply([Message("Five.", seconds=0.5)]),
    ]
    async with simulated_call(
        script, trace=path, transcripts=True, turn_detection=None, **options
    ) as call:
        for text in ("a", "b", "c"):
            call.session.generate_reply(user_input=text)
            await call.idle()
        heard = call.heard
        call.session.generate_reply(user_input="d")
        await call.until(lambda: call.heard > heard + 1.5)
        await call.session.interrupt()
        await call.idle()
        call.session.generate_reply(user_input="e")
        await call.idle()
        check_all(call)
        return call


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[SimulatedCall, Read]:
    path = tmp_path_factory.mktemp("content") / "call.jsonl"
    call = run_virtual(lambda: recorded(path))
    return call, read_path(path)


def test_the_turns_are_those_of_the_call(played: tuple[SimulatedCall, Read]) -> None:
    call, read = played
    found = turns(read)
    assert list(found) == [end.turn_id for end in call.ended]
    assert [t["outcome"] for t in found.values()] == [end.outcome.value for end in call.ended]
    assert [bool(t["backoffs"]) for t in found.values()] == [False, True, False, False, False]
    assert [len(t["attempts"]) for t in found.values()] == [1, 2, 1, 1, 1]
    for turn_id, turn in found.items():
        moves = [m for m in call.moves if m.turn_id == turn_id]
        assert [m[1:] for m in turn["moves"]] == [
            [m.source.value, m.event, m.dest.value, m.attempt] for m in moves
        ]


def test_messages_are_as_received_heard_and_remembered(
    played: tuple[SimulatedCall, Read],
) -> None:
    """G16, as the page shows it."""
    call, read = played
    found = [m for turn in read.call["turns"] for m in turn["messages"]]
    heard = [s.position for s in call.sink.segments if s.position > 0]
    assert [m["heardMs"] / 1000 for m in found if m["heardMs"]] == pytest.approx(heard, abs=0.002)
    remembered = {item.id: item.audio_ms for item in call.server.conversation if item.audio_ms}
    assert {m["id"]: m["keptMs"] for m in found if m["keptMs"]} == pytest.approx(remembered, abs=2)
    assert all(m["right"] for m in found)
    # The failed answer's sound ends where its audio ends; the interrupted one is cut.
    assert [m["words"] for m in found if m["cut"]] == ["A long answer."]
    unheard = [m for m in found if not m["heardMs"]]
    assert [(m["words"], m["how"]) for m in unheard] == [("Never heard.", "deleted")]
    assert [m["words"] for m in found][:3] == ["One.", "Two.", "Three."]


def test_audio_is_heard_after_it_is_received(played: tuple[SimulatedCall, Read]) -> None:
    for turn in played[1].call["turns"]:
        for message in turn["messages"]:
            for begun, ended in message["heard"]:
                assert message["received"][0] <= begun <= ended


def test_the_summary_says_the_same(played: tuple[SimulatedCall, Read]) -> None:
    read = played[1]
    tiles = re.findall(r"<b>([^<]*)</b><span>([^<]*)</span>", read.html)
    told = {name: value for value, name in tiles}
    assert (told["turns"], told["recovered"], told["failed"], told["interrupted"]) == (
        "5",
        "1",
        "1",
        "1",
    )
    assert told["guarantees broken"] == "0"
    assert told["remembered ≠ heard"] == "0"
    lost = sum(turn["lost"] for turn in read.call["turns"])
    assert told["lost to recovery"] == f"{lost:.2f} s"
    assert lost > 0.05


def test_cancels_cuts_deletions_and_errors_are_marked(played: tuple[SimulatedCall, Read]) -> None:
    marks = played[1].call["marks"]
    kinds = [kind for _, kind, *_ in marks]
    assert kinds.count("truncate") == 1
    assert kinds.count("delete") == 1
    texts = [text for _, kind, text, *_ in marks if kind == "error"]
    assert any("server_error" in text for text in texts)
    assert [text for _, kind, text, *_ in marks if kind == "asked"] == [
        f"the user: {each}" for each in "abcde"
    ]
    assert [t for t, *_ in marks] == sorted(t for t, *_ in marks)


def test_the_events_of_a_turn_are_the_lines_of_the_trace(controlled: Path) -> None:
    read = read_path(controlled)
    lines = controlled.read_text("utf-8").splitlines()
    for n, turn in enumerate(read.call["turns"]):
        events = read.data["call-0-events-0"][n]["events"]
        assert events, turn["id"]
        for line, _, by, kind, _, _ in events:
            assert f'"by":"{by}","type":"{kind}"' in lines[line - 1]
    failed = read.data["call-0-events-0"][5]["events"]
    assert any(kind == "recovering" for _, _, _, kind, _, _ in failed)


def test_plain_calls_are_told_by_their_responses(plain: Path) -> None:
    read = read_path(plain)
    assert [t["outcome"] for t in read.call["turns"]] == [
        "completed",
        "completed",
        "completed",
        "interrupted",
        "completed",
    ]
    assert all(turn["derived"] for turn in read.call["turns"])
    assert [round(m["heardMs"] / 1000) for t in read.call["turns"] for m in t["messages"]] == [
        1,
        2,
        1,
        1,
        1,
    ]
    assert "G6" in read.text


def test_the_map_has_every_state_and_arrow_of_the_table() -> None:
    read = read_lines(HEADER, {"t": 0, "by": "user", "type": "state"})
    drawn = {
        (told["data-source"], told["data-dest"]) for _, told in read.tags if "data-source" in told
    }
    wanted = set()
    for row in TABLE:
        for source in row.source if isinstance(row.source, tuple) else (row.source,):
            wanted.add((source.name, (row.dest or source).name))
    assert drawn == wanted


def test_one_silence_is_lost_once_however_often_it_is_asked_again() -> None:
    def line(t: float, kind: str, **fields: Any) -> dict[str, Any]:
        return {"t": t, "by": "turn", "type": kind, "turn": "turn_1", **fields}

    def moved(t: float, event: str, source: str, dest: str, attempt: int) -> dict[str, Any]:
        more = {"event": event, "source": source, "dest": dest, "label": dest, "response": "r"}
        return line(t, "moved", attempt=attempt, **more)

    def server(t: float, kind: str, **event: Any) -> dict[str, Any]:
        return {"t": t, "by": "server", "type": kind, "connection": 1, "event": event}

    item = {"id": "m", "type": "message"}
    read = read_lines(
        HEADER,
        moved(0, "LANE_FREE", "requested", "requested", 1),
        line(1, "recovering", attempt=2, wait=0.1, code="server_error"),
        moved(1.5, "BACKOFF_OVER", "retry_wait", "requested", 2),
        line(2, "recovering", attempt=3, wait=2.0, code="server_error"),
        moved(4, "BACKOFF_OVER", "retry_wait", "requested", 3),
        server(4.5, "response.created", response={"id": "r"}),
        moved(4.5, "RESPONSE_CREATED", "requested", "created", 3),
        server(4.6, "response.output_item.added", response_id="r", item=item),
        server(5, "response.output_audio.delta", response_id="r", item_id="m", delta=800.0),
        line(6, "ended", outcome="completed"),
    )
    (turn,) = read.call["turns"]
    assert [each[:2] for each in turn["backoffs"]] == [[1, 1.5], [2, 4]]
    assert (turn["lost"], turn["first"], turn["recovered"]) == (4, 5, True)


def test_what_a_new_connection_is_told_is_not_asked_again(controlled: Path) -> None:
    call = read_path(controlled).call
    assert len(call["connections"]) == 2
    assert not [mark for mark in call["marks"] if mark[1] == "asked"]


def test_calls_of_one_file_stand_one_below_the_other(controlled: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.jsonl"
    path.write_bytes(controlled.read_bytes() * 2)
    read = read_path(path)
    assert len([1 for tag, _ in read.tags if tag == "article"]) == 2
    first, second = read.data["call-0"], read.data["call-1"]
    assert [t["id"] for t in first["turns"]] == [t["id"] for t in second["turns"]]


def test_files_stand_side_by_side(controlled: Path, plain: Path) -> None:
    sides = []
    for path in (plain, controlled):
        with path.open("rb") as file:
            sides.append(collect(file, path.stem))
    read = Read(page("Both", [Group("a call", sides)]))
    assert ("div", {"class": "sides two"}) in read.tags
    assert {"call-0", "call-1"} <= read.data.keys()


def test_nothing_is_loaded_from_anywhere(controlled: Path) -> None:
    read = read_path(controlled)
    assert not [told for _, told in read.tags if "src" in told]
    assert not [told for tag, told in read.tags if tag in ("link", "img", "iframe")]
    assert not re.search(r"(?:https?:)?//(?!www\.w3\.org)[a-z]+\.", read.html)
    (policy,) = (told["content"] for _, told in read.tags if "http-equiv" in told)
    assert policy is not None
    assert "unsafe" not in policy
    assert policy.startswith("default-src 'none';")
    assert not [
        told for _, told in read.tags if any(k.startswith("on") or k == "style" for k in told)
    ]
