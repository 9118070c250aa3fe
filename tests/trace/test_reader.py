"""Whatever is wrong with a file: a message with the line's number, and a verdict on the rest."""

from __future__ import annotations

import io
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_fsm.trace import Header, Issue, Line, check, read
from realtime_fsm.trace.format import dumps
from realtime_fsm.trace.frame_lines import DELTA, AudioDelta, TextDelta

HEADER = {"trace": "realtime-fsm", "version": 1}
SECRET = "sk-proj-Zk3vT9qLw2Xb7Rm4Nc8Yd1Hf6"


def entries(data: bytes | str) -> list[Any]:
    return list(read(io.BytesIO(data.encode() if isinstance(data, str) else data)))


def text(*lines: object) -> str:
    return "".join((each if isinstance(each, str) else json.dumps(each)) + "\n" for each in lines)


def line(t: float, kind: str = "response.created", **event: Any) -> dict[str, Any]:
    return {"t": t, "by": "server", "type": kind, "connection": 1, "event": event}


def issues(data: bytes | str) -> list[tuple[int, str]]:
    return [(each.number, each.text) for each in entries(data) if isinstance(each, Issue)]


@pytest.mark.parametrize(
    ("lines", "number", "words"),
    [
        ([HEADER, line(0), '{"t": 1.0, "by": "ser'], 3, "not JSON"),
        ([HEADER, line(2), line(1)], 3, "out of order: 1.000 s after 2.000 s"),
        ([HEADER, {**line(0), "t": "soon"}], 2, "t is 'soon', expected seconds"),
        ([HEADER, {**line(0), "by": None}], 2, "by is None, expected a string"),
        ([HEADER, {**line(0), "connection": "x"}], 2, "connection is 'x', expected a whole number"),
        ([HEADER, {**line(0), "event": 7}], 2, "event is 7, expected an object"),
        ([HEADER, [1, 2]], 2, "not a JSON object"),
        ([line(0), line(1)], 1, "no header"),
        ([{**HEADER, "version": 9}, line(0)], 1, "version 9 is unknown"),
        ([{**HEADER, "version": "1"}], 1, "version is '1', expected 1"),
        ([{"trace": "other"}], 1, "a trace of 'other'"),
    ],
)
def test_issues(lines: list[object], number: int, words: str) -> None:
    found = issues(text(*lines))
    assert [each for each in found if each[0] == number and words in each[1]], found


def test_what_is_wrong_is_not_shown_when_it_may_be_a_secret() -> None:
    for bad in (SECRET, "I have a rash", "\x1b[2J", "a" * 100):
        for name in ("t", "by", "type", "connection", "event", "version", "trace"):
            lines = [HEADER, line(0), {**line(1), name: bad}, {**HEADER, name: bad}]
            told = [text for _, text in issues(text(*lines))]
            assert told or name in ("by", "type")
            assert not [each for each in told if bad in each or len(each) > 120]


def test_a_trace_cut_off_in_mid_line_has_a_verdict(clean_path: Path) -> None:
    data = clean_path.read_bytes()
    cut = data[: len(data) * 2 // 3]
    cut = cut[: cut.rindex(b'"event"')]
    report = check(io.BytesIO(cut), source="cut")
    number = cut.count(b"\n") + 1
    assert [(each.number, each.text) for each in report.issues] == [(number, "cut off in mid-line")]
    assert report.broken == {}
    assert report.exit_code == 0
    assert "G1" in report.judged


def test_mixed_versions_and_calls_one_after_another(clean_path: Path) -> None:
    clean = clean_path.read_text("utf-8")
    report = check(io.BytesIO((clean + clean).encode()))
    assert (report.calls, report.broken, report.issues) == (2, {}, [])
    mixed = clean + text({**HEADER, "version": 2}, "anything") + clean
    report = check(io.BytesIO(mixed.encode()))
    assert (report.calls, report.broken) == (2, {})
    (issue,) = [each.text for each in report.issues if "version" in each.text]
    assert "version 2 is unknown, this is a reader of version 1" in issue


def test_unknown_kinds_of_lines_are_kept_and_ignored() -> None:
    found = entries(text(HEADER, {"t": 0, "by": "weather", "type": "rain", "mm": 3}))
    assert isinstance(found[0], Header)
    assert isinstance(found[1], Line)
    assert (found[1].by, found[1].event) == ("weather", {"mm": 3})
    data = text(HEADER, {"t": 0, "by": "weather", "type": "rain"})
    assert check(io.BytesIO(data.encode())).lines == {"other": 1}


def test_nothing_to_read() -> None:
    for data in (b"", b"\n\n", b"hello\n", b"[]", b"\xff\xfe\x00"):
        assert check(io.BytesIO(data)).exit_code == 2


# --- raw logs

CREATE = {"type": "response.create", "event_id": "a", "response": {}}
CREATED = {"type": "response.created", "event_id": "e1", "response": {"id": "r1"}}
AGAIN = {"type": "response.create", "event_id": "b", "response": {}}
EVENTS = [CREATE, CREATED, AGAIN]


def stamped(n: int) -> str:
    return f"2026-05-01T10:00:0{n}.500Z"


RAW = {
    "bare": text(*EVENTS),
    "an array": json.dumps(EVENTS),
    "an array in lines": json.dumps(EVENTS, indent=2),
    "objects in lines": "\n".join(json.dumps(each, indent=2) for each in EVENTS),
    "wrapped": text(
        *({"direction": "x", "timestamp": n, "event": e} for n, e in enumerate(EVENTS))
    ),
    "wrapped as text": text(
        *({"ts": stamped(n), "data": json.dumps(e)} for n, e in enumerate(EVENTS))
    ),
    "LiveKit's debug log": text(
        *(
            {"message": "<<<", "level": "DEBUG", "timestamp": stamped(n), "lk.pii.event": e}
            for n, e in enumerate(EVENTS)
        )
    ),
    "with a prefix": "".join(
        f"2026-05-01 10:00:0{n},123 DEBUG livekit.plugins.openai >>> {json.dumps(e)}\n"
        for n, e in enumerate(EVENTS)
    ),
    "LiveKit's console": "".join(
        f"2026-05-01 10:00:0{n} - DEBUG - >>> {json.dumps({'lk.pii.event': e})}\n"
        for n, e in enumerate(EVENTS)
    ),
    "as Python prints it": "".join(f"DEBUG event: {e}\n" for e in EVENTS),
    "among other lines": text("starting up {}", *EVENTS, "bye"),
    "milliseconds": text(*({**e, "timestamp": 1.7e12 + 1000 * n} for n, e in enumerate(EVENTS))),
}


@pytest.mark.parametrize("log", RAW.values(), ids=RAW.keys())
def test_raw_logs(log: str) -> None:
    """G1: the second create meets a response that is alive, whatever the log looks like."""
    report = check(io.BytesIO(log.encode()))
    assert report.issues == []
    assert report.lines == {"client": 2, "server": 1}
    assert report.broken == {"G1": 1}
    (violation,) = report.violations
    assert [each.type for each in violation.lines] == ["response.created", "response.create"]
    assert report.header is not None
    assert report.header.mode == "raw"
    if report.header.timed:
        assert violation.lines[1].t - violation.lines[0].t == pytest.approx(1.0)
    else:
        assert report.not_judged["G24"] == "no times"


def test_the_openai_sdks_lines() -> None:
    from openai.types.realtime import ResponseCancelEvent, ResponseCreateEvent

    events = [
        ResponseCreateEvent(type="response.create"),
        ResponseCancelEvent(type="response.cancel"),
    ]
    log = "".join(each.model_dump_json() + "\n" for each in events)
    found = [each for each in entries(log) if isinstance(each, Line)]
    assert [(each.by, each.type) for each in found] == [
        ("client", "response.create"),
        ("client", "response.cancel"),
    ]


def test_a_raw_log_of_the_server_alone() -> None:
    report = check(io.BytesIO(text(CREATED).encode()))
    assert report.exit_code == 0
    assert report.not_judged["G1"] == "no client lines"


def test_a_raw_log_is_redacted_as_it_is_read() -> None:
    delta = {"type": "response.output_audio.delta", "item_id": "i", "delta": "A" * 6400}
    words = {"type": "response.output_text.delta", "item_id": "i", "delta": "my secret"}
    audio, spoken = [each for each in entries(text(delta, words)) if isinstance(each, Line)]
    assert audio.event["delta"] == 100.0
    assert spoken.event["delta"] == 9


# --- deltas, which are read without JSON


def test_deltas_as_a_recorder_writes_them_are_read_the_short_way(clean_path: Path) -> None:
    lines = clean_path.read_text("utf-8").splitlines(keepends=True)
    deltas = [each for each in lines if '.delta","connection"' in each]
    assert len(deltas) > 20
    assert all(DELTA.fullmatch(each) for each in deltas if "arguments" not in each)
    spaced = "".join(json.dumps(json.loads(each)) + "\n" for each in lines)
    assert repr(entries("".join(lines))) == repr(entries(spaced))


names = st.sampled_from(["item_1", "#0f12ab34cd56", SECRET, "a" * 96])
wholes = st.sampled_from([0, 1, 10, 9_999_999, 10**8, 10**15])
floats = st.sampled_from([0.0, 0.25, 100.0, 86_400_001.5, 1e-7, 1e16])


@given(names, names, wholes, floats | wholes, wholes, st.none() | floats, st.booleans())
def test_short_and_long_way_read_the_same(
    item_id: str, event_id: str, n: int, delta: float, words: int, until: float | None, said: bool
) -> None:
    event: dict[str, Any] = {"event_id": event_id, "response_id": "r1", "item_id": item_id}
    event |= {"output_index": n, "content_index": 0, "delta": delta}
    event |= {"words": words} if isinstance(delta, int) else {}
    told = {**line(0.5, "response.output_audio.delta"), "connection": n, "event": event, "n": 1}
    told |= {} if until is None else {"until": until}
    header = json.dumps({**HEADER, "transcripts": said}) + "\n"
    short = json.dumps(told, separators=(",", ":")) + "\n"
    assert repr(entries(header + short)) == repr(entries(header + json.dumps(told) + "\n"))


IDS = {"response_id": "resp_1", "item_id": "item_1", "content_index": 0}
TEXT = {
    "type": "response.text.delta",
    "event_id": "e1",
    **IDS,
    "output_index": 0,
    "delta": "One moment",
}
ODD: list[Any] = [10**15, -1, 0.5, True, None, "", "two words", 'a "quote"', "b" * 97, SECRET, [1]]


def text_delta(frame: dict[str, Any], *, transcripts: bool = False) -> TextDelta:
    return TextDelta(0.25, "response.text.delta", 2, frame, transcripts)


def audio_delta(frame: dict[str, Any], until: float | None = None) -> AudioDelta:
    return AudioDelta(0.25, "response.audio.delta", 2, AudioDelta.ids_of(frame), 20.0, 2, until)


@pytest.mark.parametrize("seen", [text_delta(TEXT), audio_delta(IDS), audio_delta(IDS, 0.5)])
def test_deltas_are_written_the_short_way(seen: TextDelta | AudioDelta) -> None:
    short = seen.json()
    assert short is not None
    assert json.loads(short) == json.loads(dumps(seen()))
    assert DELTA.fullmatch(short + "\n")


@pytest.mark.parametrize("field", TEXT)
def test_short_and_long_way_write_the_same(field: str) -> None:
    without = {key: value for key, value in TEXT.items() if key != field}
    for frame in (without, {**TEXT, "more": 1}, *({**TEXT, field: odd} for odd in ODD)):
        for seen in (text_delta(frame), audio_delta(frame)):
            short = seen.json()
            assert short is None or json.loads(short) == json.loads(dumps(seen()))


def test_words_that_are_to_be_kept_are_not_written_the_short_way() -> None:
    assert text_delta(TEXT, transcripts=True).json() is None


@pytest.mark.parametrize("number", ["01", "-1", "1e3", "\u0661", "1.", "NaN"])
@pytest.mark.parametrize("field", ["content_index", "delta", "words"])
def test_no_other_number_is_read_the_short_way(field: str, number: str) -> None:
    event = {"response_id": "r1", "item_id": "i1", "content_index": 7, "delta": 7, "words": 7}
    told = json.dumps(line(0.5, "response.output_text.delta", **event), separators=(",", ":"))
    assert DELTA.fullmatch(told + "\n")
    assert not DELTA.fullmatch(told.replace(f'"{field}":7', f'"{field}":{number}') + "\n")


# --- anything


@given(st.binary(max_size=400))
def test_any_bytes(data: bytes) -> None:
    check(io.BytesIO(data))


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "event_id", "response", "item", "error", "code", "delta", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
pairs = st.sampled_from(
    [
        ("client", "response.create"), ("client", "response.cancel"),
        ("client", "conversation.item.create"), ("client", "conversation.item.truncate"),
        ("client", "conversation.item.delete"), ("server", "response.created"),
        ("server", "response.done"), ("server", "response.output_item.added"),
        ("server", "response.output_item.done"), ("server", "response.output_audio.delta"),
        ("server", "error"), ("server", "session.created"), ("server", "session.updated"),
        ("server", "input_audio_buffer.committed"), ("net", "lost"), ("playback", "started"),
        ("playback", "finished"), ("turn", "moved"), ("turn", "ended"), ("session", "error"),
        ("session", "speech_created"), ("session", "speech_done"), ("session", "close"),
        ("session", "agent_state"), ("session", "tool_executed"), ("user", "state"),
    ]
)  # fmt: skip
fields = st.dictionaries(
    st.sampled_from(
        ["response", "item", "item_id", "response_id", "event_id", "error", "turn", "event",
         "position", "speech", "delta", "audio_end_ms", "code", "session", "new", "call_id"]
    ),
    json_values | st.sampled_from(["r1", "i1", {"id": "r1"}, {"id": "i1", "type": "message"}]),
    max_size=5,
)  # fmt: skip


@given(st.lists(st.tuples(pairs, fields, st.integers(0, 40)), max_size=12))
def test_any_lines(drawn: list[tuple[tuple[str, str], dict[str, Any], int]]) -> None:
    """Well-formed lines that say nonsense."""
    lines = []
    for n, ((by, kind), body, step) in enumerate(drawn):
        own = {"connection": 1 + n // 6, "event": body} if by in ("client", "server") else body
        lines.append({**own, "t": n * step, "by": by, "type": kind})
    report = check(io.BytesIO(text(HEADER, *lines).encode()))
    assert sum(report.lines.values()) == len(lines)


# --- size


class Endless(io.RawIOBase):
    """The same call over and over, never in memory as a whole."""

    def __init__(self, turns: int) -> None:
        self._lines = self._make(turns)
        #: The most memory there was before each turn.
        self.peaks: list[int] = []

    def _make(self, turns: int) -> Iterator[bytes]:
        yield text(HEADER).encode()
        for n in range(turns):
            self.peaks.append(tracemalloc.get_traced_memory()[1])
            t, r, i = n * 5.0, f"r{n}", f"i{n}"
            item = {"id": i, "type": "message", "role": "assistant"}
            for each in (
                {"t": t, "by": "session", "type": "speech_created", "speech": f"s{n}"},
                {**line(t, "response.create", event_id=f"c{n}"), "by": "client"},
                line(t + 0.1, "response.created", response={"id": r}),
                line(t + 0.2, "response.output_item.added", response_id=r, item=item),
                line(t + 0.3, "response.output_audio.delta", item_id=i, delta=1000.0),
                {"t": t + 0.4, "by": "playback", "type": "started"},
                line(t + 0.5, "response.done", response={"id": r, "status": "completed"}),
                {"t": t + 1.4, "by": "playback", "type": "finished", "position": 1000.0},
                {"t": t + 1.5, "by": "session", "type": "speech_done", "speech": f"s{n}"},
            ):
                yield (json.dumps(each) + "\n").encode()

    def readline(self, size: int | None = -1) -> bytes:
        return next(self._lines, b"")

    def read(self, size: int = -1) -> bytes:
        return self.readline()


@pytest.mark.parametrize("turns", [900, pytest.param(1500, marks=pytest.mark.long)])
def test_memory_does_not_grow_with_the_length(turns: int) -> None:
    check(cast(IO[bytes], Endless(10)))  # imports, caches
    tracemalloc.start()
    try:
        endless = Endless(turns)
        report = check(cast(IO[bytes], endless))
    finally:
        tracemalloc.stop()
    assert report.broken == {}
    assert report.lines["server"] == turns * 4
    assert endless.peaks[-1] < endless.peaks[600] * 1.12


def test_a_line_without_an_end_is_not_read_whole() -> None:
    data = text(HEADER).encode() + b"x" * (17 * 1024 * 1024) + b"\n" + text(line(1.0)).encode()
    found = entries(data)
    assert [(each.number, each.text) for each in found if isinstance(each, Issue)] == [
        (2, "longer than 16 MiB")
    ]
    assert isinstance(found[-1], Line)


def test_any_number_of_a_connection_is_read_at_once() -> None:
    lines = [
        {"t": 0, "by": "server", "type": "response.created", "connection": 1, "event": {}},
        {"t": 1, "by": "server", "type": "session.created", "connection": 10**15, "event": {}},
    ]
    data = "\n".join(json.dumps(each) for each in ({"trace": "realtime-fsm", "version": 1}, *lines))
    assert check(io.BytesIO(data.encode())).lines["server"] == 2
