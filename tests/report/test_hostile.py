"""Whatever is in a trace is shown as text; what cannot be read is told, and the rest is shown."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_fsm.report import collect
from realtime_fsm.trace import check

from .hostile import LONG, SCRIPT, STRINGS, write
from .reading import Read, read_lines, read_path

HEADER = {"trace": "realtime-fsm", "version": 1, "mode": "control"}


def own(read: Read) -> list[tuple[str, int]]:
    """The elements of a page, but for those that repeat."""
    return [
        (tag, len(told)) for tag, told in read.tags if tag in ("script", "style", "img", "iframe")
    ]


def test_hostile_strings_make_no_element(tmp_path: Path) -> None:
    read = read_path(write(tmp_path / "hostile.jsonl"))
    harmless = read_lines(HEADER, {"t": 0, "by": "user", "type": "state"})
    scripts = [told for tag, told in read.tags if tag == "script"]
    assert [told for told in scripts if told.get("type") != "application/json"] == [{}]
    assert not [tag for tag, _ in own(read) if tag in ("img", "iframe")]
    assert len([1 for tag, _ in read.tags if tag == "style"]) == 1
    assert not [t for t, told in read.tags for k in told if k.startswith("on")]
    # The one script is the page's own: no string of the trace got into it.
    assert read.html.split("<script>")[-1] == harmless.html.split("<script>")[-1]


def test_hostile_strings_arrive_whole_as_data(tmp_path: Path) -> None:
    read = read_path(write(tmp_path / "hostile.jsonl"))
    turns = read.call["turns"]
    assert len(turns) == len(STRINGS)
    for turn, string in zip(turns, STRINGS, strict=True):
        if string != LONG:
            assert turn["id"].endswith(string)
            assert turn["words"] == turn["messages"][0]["words"] == string
    (long,) = (turn for turn in turns if "(30000 characters)" in turn["words"])
    assert len(long["words"]) < 4_100
    assert len(long["id"]) < 300
    assert SCRIPT not in read.html


def test_the_page_is_written_whatever_halves_of_characters_are_in_it(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl")
    html = read_path(tmp_path / "a.jsonl").html
    assert html.encode("utf-8")
    assert not [c for c in html if c < " " and c != "\n"]


# --- partial and bad input


def moved(t: Any = 1.0, turn: Any = "turn_1", **more: Any) -> dict[str, Any]:
    fields = {"source": "requested", "event": "LANE_FREE", "dest": "requested", "attempt": 1}
    return {"t": t, "by": "turn", "type": "moved", "turn": turn, **fields, **more}


def test_a_trace_that_was_cut_off_gives_a_page_that_says_where(controlled: Path) -> None:
    whole = controlled.read_text("utf-8")
    cut = whole[: len(whole) * 2 // 3]
    read = read_lines(cut.rstrip("\n"))
    number = cut.count("\n")
    assert read.call["turns"]
    assert "The recording was cut off" in read.text
    told = (f"line {number + 1}: ", f"last line is {number}", f"last line is {number + 1}")
    assert any(each in read.text for each in told)


def test_a_trace_without_its_beginning_says_so(controlled: Path) -> None:
    lines = controlled.read_text("utf-8").splitlines()[40:]
    read = read_lines(*lines)
    assert "line 1: no header: the beginning of the trace is missing" in read.text
    assert read.call["turns"][-1]["outcome"] == "completed"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('{"t": 1, "by":', "line 3: not JSON"),
        ({"t": "soon", "by": "user", "type": "state"}, "line 3: t is 'soon', expected seconds"),
        ({"t": 0.1, "by": "user", "type": "state"}, "line 3: out of order"),
        ({"trace": "realtime-fsm", "version": 9}, "line 3: version 9 is unknown"),
        ({"t": 3, "by": "server", "type": "x", "event": 7}, "line 3: event is 7"),
    ],
)
def test_a_bad_line_is_named_and_the_rest_is_shown(line: object, told: str) -> None:
    read = read_lines(HEADER, moved(), line, moved(t=2.0))
    assert told in read.text
    assert [turn["id"] for turn in read.call["turns"]] == ["turn_1"]


def test_nothing_to_read_gives_a_page_that_says_so() -> None:
    for text in ("", "hello", "{", "\x00\xff"):
        read = read_lines(text)
        assert "Nothing could be read" in read.text


def test_a_log_without_times_is_shown_in_its_order(controlled: Path) -> None:
    raw = [
        {**each["event"], "type": each["type"]}
        for each in map(json.loads, controlled.read_text("utf-8").splitlines())
        if each.get("by") in ("server", "client")
    ]
    read = read_lines(*raw)
    assert read.call["timed"] is False
    assert "There are no times in it" in read.text
    starts = [turn["start"] for turn in read.call["turns"]]
    assert starts == sorted(set(starts))
    assert len(starts) >= 7


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(["turn_1", "turn_2", "resp_1", "resp_2", "item_1", "item_2"])
TYPES = st.sampled_from(
    ["moved", "recovering", "ended", "started", "finished", "state", "error", "lost", "close",
     "item_added", "response.create", "response.created", "response.done", "response.cancel",
     "response.output_item.added", "response.output_audio.delta", "conversation.item.truncate",
     "conversation.item.delete", "conversation.item.create", "recorded",
     "response.output_audio_transcript.done", "input_audio_buffer.speech_started"]
)  # fmt: skip
FIELDS = st.fixed_dictionaries(
    {},
    optional={
        "turn": NAMES | VALUES, "response": st.fixed_dictionaries({"id": NAMES}) | NAMES | VALUES,
        "response_id": NAMES | VALUES, "item_id": NAMES | VALUES, "delta": VALUES,
        "item": st.fixed_dictionaries({"id": NAMES, "type": st.just("message"), "content": VALUES})
        | VALUES,
        "source": VALUES, "dest": VALUES, "event": VALUES, "attempt": VALUES, "label": VALUES,
        "position": VALUES, "audio_end_ms": VALUES, "wait": VALUES, "code": VALUES,
        "error": VALUES, "outcome": VALUES, "text": VALUES, "transcript": VALUES, "new": VALUES,
    },
)  # fmt: skip


@st.composite
def anything(draw: st.DrawFn) -> dict[str, Any]:
    by = draw(
        st.sampled_from(["server", "client", "net", "playback", "user", "turn", "session"])
        | st.text(max_size=4)
    )
    fields = draw(FIELDS)
    line = {"t": draw(st.floats(0, 50) | VALUES), "by": by, "type": draw(TYPES)}
    if by in ("server", "client"):
        more = {"connection": draw(st.integers() | VALUES), "until": draw(VALUES)}
        return {**line, **more, "event": fields}
    return {**line, **fields}


@given(st.lists(anything(), max_size=25), st.booleans())
def test_any_lines_that_check_can_read_give_a_page(
    lines: list[dict[str, Any]], header: bool
) -> None:
    """G25, as far as the report goes: total over its input."""
    texts = [json.dumps(each) for each in ([HEADER] if header else []) + lines]
    data = "\n".join(texts).encode() + b"\n"
    verdict = check(io.BytesIO(data))
    side = collect(io.BytesIO(data), "x")
    assert side.unreadable == verdict.unreadable
    assert len(side.calls) == verdict.calls
    assert sum(sum(call.broken.values()) for call in side.calls) == len(verdict.violations)
    read = read_lines(*texts)
    assert len([key for key in read.data if "events" not in key]) == verdict.calls
