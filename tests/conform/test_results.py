"""What is made of a result: JSON, text, page, JUnit, badge, comparison, profile."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from realtime_fsm import InputError
from realtime_fsm.conform import Answer, Frame, Result
from realtime_fsm.conform.compare import compare
from realtime_fsm.conform.formats import badge, junit
from realtime_fsm.conform.frames import Seen, clipped, shown
from realtime_fsm.conform.page import page
from realtime_fsm.conform.profile import profile_of
from realtime_fsm.conform.text import change_lines, lines
from realtime_fsm.profiles import dump, load

HOSTILE = "</script><script>alert(1)</script>\"'&<b>\x00\ud800\u202e"


def result(**answers: Answer) -> Result:
    made = Result(url="wss://h/v1/realtime", model="m", date="2026-06-01", version="0.1.0")
    made.answers = {name.replace("_", "-"): answer for name, answer in answers.items()}
    made.seconds, made.responses = 12.3, 4
    return made


def answer(rule: str, verdict: str, how: str = "so", value: bool | str | None = None) -> Answer:
    frames = (
        Frame(0.0, "client", {"type": "response.create", "event_id": "c"}),
        Frame(0.1, "server", {"type": "error", "error": {"message": how}}, 3),
        Frame(0.2, "net", {"type": "closed", "text": how}),
        Frame(0.3, "server", {"type": None, "text": how}),
    )
    return Answer(rule, verdict, how, value, frames)  # type: ignore[arg-type]


ONE = result(
    one_active=answer("one-active", "kept"),
    metadata=answer("metadata", "deviates", HOSTILE, False),
    truncate_text=answer("truncate-text", "deviates", "gone", "deleted"),
    session_expiry=answer("session-expiry", "not judged"),
)


def test_json_reads_back_as_it_was() -> None:
    clean = result(one_active=answer("one-active", "kept", "ä", True))
    clean.notes, clean.ended, clean.directed = ["a note"], "it was stopped", True
    assert Result.from_json(clean.to_json()) == clean


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "the text is missing, expected JSON"),
        ("[]", "realtime_fsm_conform is missing"),
        ('{"realtime_fsm_conform": 99}', "is 99, expected 1, as in a result"),
        ('{"realtime_fsm_conform": 1}', "url is missing, expected a whole result"),
        (ONE.to_json().replace('"not judged"', '"maybe"'), "verdict of 'session-expiry'"),
    ],
)
def test_what_is_no_result_says_so(text: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        Result.from_json(text)


def test_deviations_and_surprises_are_told_apart() -> None:
    assert [rule.id for rule, _ in ONE.deviations] == ["metadata"]
    assert [rule.id for rule, _ in ONE.surprises] == ["truncate-text"]
    assert ONE.values == {"metadata": False, "truncate-text": "deleted"}


def test_the_text_says_all_of_it() -> None:
    ONE.notes = ["a note"]
    text = "\n".join(lines(ONE))
    for part in ("12.3 s, 4 responses", "note: a note", "1 deviating", "false: ", "1 not as was",
                 "1 not judged", "1 of 4 kept", "  one-active"):  # fmt: skip
        assert part in text
    assert max(map(len, text.splitlines())) <= 100
    ONE.ended = "the time for the run is over"
    assert "Not all was asked: the time" in "\n".join(lines(ONE))
    ONE.notes, ONE.ended = [], None


def test_a_comparison_names_what_became_worse_first() -> None:
    old = result(
        one_active=answer("one-active", "deviates"),
        metadata=answer("metadata", "kept", value=True),
        pong=answer("pong", "kept", "in one way"),
        append=answer("append", "not judged"),
    )
    new = result(
        one_active=answer("one-active", "kept"),
        metadata=answer("metadata", "deviates", value=False),
        pong=answer("pong", "kept", "in another"),
        append=answer("append", "kept"),
        known_call=answer("known-call", "kept"),
    )
    changes = compare(old, new)
    assert [(c.rule, c.kind) for c in changes] == [
        ("metadata", "worse"), ("one-active", "better"), ("append", "other")
    ]  # fmt: skip
    assert changes[0].text.startswith("kept (true) → deviates (false): ")
    told = "\n".join(change_lines(changes, old.date))
    assert "3 changed since 2026-06-01" in told
    assert "nothing changed since" in "\n".join(change_lines(compare(old, old), old.date))


def test_junit_is_xml_with_a_failure_for_what_is_documented_alone() -> None:
    root = ElementTree.fromstring(junit(ONE))
    assert (root.get("tests"), root.get("failures"), root.get("skipped")) == ("4", "1", "1")
    (failed,) = [case for case in root if case.find("failure") is not None]
    assert (failed.get("name") or "").startswith("metadata: ")
    partial = result()
    partial.ended = "<stopped>"
    assert "&lt;stopped&gt;" in junit(partial)


def test_the_badge_has_the_date() -> None:
    root = ElementTree.fromstring(badge(ONE))
    assert root.get("aria-label") == "realtime conformance: 2 of 3 · 2026-06-01"
    partial = result()
    partial.ended = "stopped"
    assert "incomplete · 2026-06-01" in badge(partial)


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.urls: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append(tag)
        self.urls += [value or "" for name, value in attrs if name in ("src", "href")]


def test_the_page_is_one_file_and_shows_everything_as_text() -> None:
    hostile = result(metadata=answer("metadata", "deviates", HOSTILE, False))
    hostile.url = hostile.model = hostile.ended = hostile.version = HOSTILE
    hostile.notes = [HOSTILE]
    text = page(hostile, compare(hostile, ONE), HOSTILE)
    tags = _Tags()
    tags.feed(text)
    assert "script" not in tags.seen
    assert tags.urls == ["#main"]
    assert "default-src 'none'" in text
    text.encode("utf-8")
    assert "\x00" not in text
    whole = page(ONE)
    for part in ("rules kept", "Deviates", "Not as assumed", "Not judged", "metadata_echo = false"):
        assert part in whole
    assert "prefers-color-scheme:dark" in whole.replace(" ", "")
    assert "What changed" not in whole
    assert "Nothing: every rule" in page(ONE, [], "2026-06-01")


def test_frames_are_shown_without_audio_and_secrets() -> None:
    audio = {"type": "response.output_audio.delta", "delta": "AAAA" * 6400}
    loose: dict[str, Any] = {
        "type": None,
        "text": "x" * 5000,
        "number": float("nan"),
        "deep": [[[{}]]] * 50,
    }
    key = {"type": "error", "error": {"message": "the key sk-secret is wrong"}}
    sent = [Seen(0.0, "server", e, e) for e in (audio, audio, loose, key)]
    sent.append(Seen(0.0, "client", key, key, fence=True))
    frames = shown(sent, ["sk-secret"])
    assert [frame.count for frame in frames] == [2, 1, 1]
    assert frames[0].event["delta"] == "<400 ms of audio>"
    assert len(frames[1].event["text"]) < 400
    assert frames[2].event["error"] == {"message": "the key *** is wrong"}
    many = shown([Seen(0.0, "server", {"type": str(n)}, {"type": str(n)}) for n in range(500)])
    assert len(many) < 60
    assert any("left out" in str(frame.event.get("text")) for frame in many)
    nested: object = "x"
    for _ in range(50):
        nested = {"deeper": [nested]}
    assert len(str(clipped(nested))) < 500


def test_what_was_found_is_a_profile(tmp_path: Path) -> None:
    made = profile_of(ONE)
    assert (made.name, made.hosts) == ("h", ("h",))
    assert set(made.facts) == {"one-active", "metadata", "truncate-text"}
    fact = made.facts["metadata"]
    assert (fact.source, fact.date, fact.version) == ("measured", "2026-06-01", "0.1.0")
    assert (fact.value, fact.kept) == (False, False)
    file = tmp_path / "h.toml"
    file.write_text(dump(made), "utf-8")
    assert load(file) == made
