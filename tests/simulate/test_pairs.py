"""G27: calls lived twice: how they are drawn, compared, added up and shown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from realtime_fsm import InputError
from realtime_fsm.cli import app
from realtime_fsm.compare import CLAUSES, Life
from realtime_fsm.compare.life import Attempt, Heard, Message, Question, Span
from realtime_fsm.lab.simulate import (
    Act,
    Scenario,
    Turn,
    call_seed,
    draw,
    run_pair,
)
from realtime_fsm.lab.simulate.pairs import (
    compare_scenario,
    describe_pairs,
    live_pair,
    merge_pairs,
    summarize_pairs,
)
from realtime_fsm.lab.simulate.pool import run_pairs, seeds_of
from realtime_fsm.lab.simulate.scenario import ActKind
from realtime_fsm.lab.simulate.waiting import Waited, add_up, rows, summed, waited
from realtime_fsm.simulator import Failed, FunctionCall, Reply, Script
from realtime_fsm.simulator import Message as Says

CALLS = 4
WORSE_SEED = 79982050202168  # replies asked for while the caller speaks (kind F)


def report(
    faults: Any = "none", shard: tuple[int, int] = (1, 1), jobs: int = 1, calls: int = CALLS
) -> dict[str, Any]:
    results = run_pairs(seeds_of(calls, 1, shard), faults, jobs=jobs)
    figures = summarize_pairs(
        results, seed=1, faults=faults, planned=calls, shard=shard, wall_seconds=1.0
    )
    return json.loads(json.dumps(figures))


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return report("mild")


# --- how a call is drawn


def test_every_act_is_drawn_where_nothing_fails() -> None:
    """Handoffs, tools, tasks, drains, own models, queued replies, turns that the client ends."""
    kinds: Counter[str] = Counter()
    voices: Counter[str] = Counter()
    tools = 0
    for index in range(300):
        scenario = draw(call_seed(1, index), acts=True)
        voices[scenario.voice] += 1
        kinds.update(turn.act.kind for turn in scenario.turns if turn.act is not None)
        tools += any(key.endswith("> look_up") for key in scenario.script.answers)
        assert scenario.config.faults is None
        for replies in scenario.script.answers.values():
            assert all(
                isinstance(reply.end, type(Reply().end)) and reply.items for reply in replies
            )
    assert set(kinds) == set(get_args(ActKind))
    assert min(kinds.values()) > 20
    assert tools > 100
    assert min(voices.values()) > 50


def test_replies_and_faults_depend_on_the_question_alone() -> None:
    """What else is asked shifts nothing: with and without what the application does besides."""
    for index in range(20):
        seed = call_seed(1, index)
        calm, busy = draw(seed, "rough"), draw(seed, "rough", acts=True)
        calm_turns = [t.words for t in calm.turns]
        assert calm_turns == [t.words for t in busy.turns]
        for turn, other in zip(calm.turns, busy.turns, strict=True):
            calls_a_tool = other.act is not None and f"{turn.words} > {other.act.kind}" in (
                busy.script.answers
            )
            named = f"{turn.words} > note_name" in busy.script.answers
            if not calls_a_tool and not named:
                key = turn.words
                assert calm.script.answers[key] == busy.script.answers[key]
        assert calm.config.pace == busy.config.pace


def test_every_message_has_a_name_of_its_own() -> None:
    for index in range(50):
        scenario = draw(call_seed(1, index), acts=True)
        names = [
            item.text.split()[0]
            for replies in scenario.script.answers.values()
            for reply in replies
            for item in reply.items
            if isinstance(item, Says)
        ]
        assert len(names) == len(set(names))


def test_faults_of_a_profile_are_at_questions() -> None:
    for profile in ("mild", "rough", "hostile"):
        schedules = [draw(call_seed(1, n), profile, acts=True).config.faults for n in range(60)]  # type: ignore[arg-type]
        faults = [f for schedule in schedules if schedule for f in schedule.event_faults]
        assert faults
        assert all(fault.at.question is not None for fault in faults)


# --- the same pair, the same verdict


@pytest.mark.sampled(2)
@pytest.mark.parametrize("faults", ["none", "rough"])
@pytest.mark.parametrize("index", [1, 2])
def test_a_pair_gives_the_same_verdict_twice(index: int, faults: Any) -> None:
    seed = call_seed(1, index)
    assert run_pair(seed, faults) == run_pair(seed, faults)


def test_processes_and_shards_give_the_same(whole: dict[str, Any]) -> None:
    assert report("mild", jobs=2) == whole
    shards = {f"{i}.json": report("mild", shard=(i, 2)) for i in (2, 1)}
    assert merge_pairs(shards) == whole
    other = {**shards["1.json"], "faults": "none"}
    with pytest.raises(InputError, match="faults is"):
        merge_pairs({"a": shards["2.json"], "b": other})
    with pytest.raises(InputError, match="expected a report of simulate --compare"):
        merge_pairs({"a": {"mode": "compare"}})


def said(name: str, seconds: float, **more: Any) -> Reply:
    return Reply([Says(f"{name} and so on", seconds=seconds)], **more)


def test_a_written_call_can_be_compared() -> None:
    script = Script(
        answers={
            "1. Hello?": [Reply(end=Failed("server_error")), said("1.2.1", 1.0)],
            "2. And?": [said("2.1.1", 2.0)],
        }
    )
    scenario = Scenario(turns=(Turn(words="1. Hello?"), Turn(words="2. And?")), script=script)
    result, verdict = compare_scenario(scenario, *live_pair(scenario))
    assert (result.verdict, verdict.word) == ("better", "better")
    assert [each.clause for each in result.better] == ["unheard"]
    assert result.better[0].kind == "unheard: failed"
    assert result.questions == 2


@pytest.mark.parametrize("kind", get_args(ActKind))
def test_what_an_application_does_besides_happens_in_both_lives(kind: ActKind) -> None:
    """The acts are real: each leaves its mark on the call."""
    turns = (
        Turn(words="1. Hello?", act=Act(kind, after=0.3)),
        Turn(words="2. And?"),
    )
    called = kind in ("transfer", "transfer_fresh", "ask", "filler", "end_call")
    drawn = draw(call_seed(1, 0), acts=True)
    answers = {
        "1. Hello?": [Reply([FunctionCall(kind, {"what": "1"})]) if called else said("1.1.1", 2.0)],
        "1. Ask the name": [said("1a.1.1", 1.0)],
        "2. And?": [
            Reply([FunctionCall("note_name", {"what": "2"})])
            if kind == "ask"
            else said("2.1.1", 1.0)
        ],
    }
    scenario = replace(
        drawn, turns=turns, script=Script(answers=answers), voice="server_vad", modality="audio"
    )
    plain, controlled = live_pair(scenario)
    for seen in (plain, controlled):
        assert not seen.broken, seen.broken
        app = [text for _, who, text in seen.notes if who in ("app", "tool", "session")]
        assert app, f"nothing of {kind} happened"
        if kind == "commit":
            types = [each.type for each in seen.record]
            sent = types.index("input_audio_buffer.commit")
            assert "input_audio_buffer.committed" in types[sent:], "the microphone gave no sound"
    keys = {question.key for question in plain.life.questions}
    asked = {"queue": "1. Say second", "prompt": "1. Say besides", "filler": "1. Say wait"}
    if kind in asked:
        assert asked[kind] in keys


@pytest.mark.parametrize("kind", ["hand_over", "hand_over_fresh", "own_model"])
@pytest.mark.parametrize("shift", [-0.0005, 0.0005], ids=["before", "after"])
def test_g27_a_handover_next_to_the_answers_creation_is_as_on_plain_livekit(
    kind: ActKind, shift: float
) -> None:
    drawn = draw(call_seed(1, 0), acts=True)
    turns = (
        Turn(words="1. Hello?", act=Act(kind, after=0.1 + shift)),
        Turn(words="2. And?"),
    )
    answers = {"1. Hello?": [said("1.1.1", 2.0)], "2. And?": [said("2.1.1", 1.0)]}
    scenario = replace(
        drawn,
        turns=turns,
        script=Script(answers=answers),
        config=replace(drawn.config, vad_create_delay=0.1),
        voice="server_vad",
        modality="audio",
    )
    plain, controlled = live_pair(scenario)
    result, _ = compare_scenario(scenario, plain, controlled)
    assert result.verdict != "worse", "\n".join(each.text for each in result.worse)
    for life in (plain.life, controlled.life):
        heard = {each.message for each in life.heard}
        spoken = any(m.question == "1. Hello?" and m.id in heard for m in life.messages)
        assert spoken or shift < 0, "created before the hand-over it is spoken"


def test_no_act_falls_on_a_frame() -> None:
    """Which is first would depend on the last bit of a sum, differently in two lives."""
    acts = [t.act for n in range(50) for t in draw(call_seed(1, n), acts=True).turns if t.act]
    assert all(round(act.after * 1000 % 1, 6) == 0.5 for act in acts)


# --- words


def test_a_hung_up_call_is_neither_a_hang_nor_compared_by_memory() -> None:
    turn = Turn(words="1. Hello?", then="hangs_up", after=0.5)
    scenario = Scenario(turns=(turn,), script=Script(answers={"1. Hello?": [said("1.1.1", 3.0)]}))
    for seen in live_pair(scenario):
        assert not seen.life.hung
        assert not seen.life.remembers
        assert len(seen.life.cuts) == 1
    assert compare_scenario(scenario, *live_pair(scenario))[0].verdict == "same"


def test_a_report_is_described_by_kind() -> None:
    figures = report(calls=1)
    bad = {
        "seed": 17,
        "worse": [{"clause": "late", "kind": "late: queue", "text": 'late "q": 1 s\n    - a'}],
    }
    merged = merge_pairs({"a": {**figures, "worse": 1, "worse_calls": [bad, {**bad, "seed": 18}]}})
    assert merged["worse_kinds"] == {"late: queue": [17, 18]}
    assert merged["worse_clauses"]["late"] == 2
    text = "\n".join(describe_pairs(merged))
    assert '     2  late: queue\n        late "q": 1 s\n          - a\n' in text
    assert "realtime-fsm simulate --compare --replay 17\n" in text


def _life(*answers: tuple[float, float | None], failed: int = 0) -> Life:
    """A call in which the n-th question ends at a time and its answer of 1 s begins at another."""
    heard = [(f"q{n}", begin) for n, (_, begin) in enumerate(answers, 1) if begin is not None]
    return Life(
        questions=tuple(Question(f"q{n}", at) for n, (at, _) in enumerate(answers, 1)),
        messages=tuple(Message(id=key, question=key, attempt=1, seconds=1.0) for key, _ in heard),
        heard=tuple(Heard(key, Span(begin, begin + 1.0), 1.0) for key, begin in heard),
        attempts=(Attempt(f"q{failed}", 2, Span(0.0, 1.0)),) if failed else (),
        seconds=60.0,
    )


def test_how_long_the_caller_waited_is_told_of_both_lives() -> None:
    """First sounds, and silences: after a failure, and without the words of another answer."""
    plain = _life((0.0, 0.1), (10.0, None), (30.0, 30.4), (50.0, None))
    controlled = _life((0.0, 0.0), (10.0, 15.0), (30.0, 30.2), (50.0, 52.0), failed=2)
    assert waited(plain, controlled, ["q2"]) == Waited((100, 400), (100, 400), 20_000, 20_000)
    assert waited(controlled, plain, []) == Waited((0, 5000, 200, 2000), (0, 200), 5000, 5000)
    assert waited(plain, controlled, []).silence_after_failure == 0
    # q1 is answered while q2 waits: no silence. So is what the user says.
    overlapping = _life((0.0, 4.0), (1.0, 5.5))
    assert waited(overlapping, overlapping, []).silence == 4000
    spoken = replace(_life((0.0, None), (30.0, 30.0)), spoke=(Span(10.0, 29.0),))
    assert waited(spoken, spoken, []).silence == 10_000


def test_waits_are_added_up_and_printed() -> None:
    one = summed([Waited((100, 205), (100,), 900, 300), Waited((), (), 5000, 0)])
    two = summed([Waited((7000,), (), 7000, 6500)])
    assert one["first_bins"] == {"100": 1, "210": 1}
    assert add_up([one, two]) == summed(
        [Waited((100, 205), (100,), 900, 300), Waited((7000,), (), 7000, 6500)]
    )
    assert [row[1:] for row in rows(add_up([one, two]), summed([]))] == [
        ("0.21 s", "-"), ("7.00 s", "-"), ("0.10 s", "-"), ("0.10 s", "-"),
        ("7.00 s", "0.00 s"), ("6.50 s", "0.00 s"),
    ]  # fmt: skip


def test_waits_are_kept_and_merged(simulate: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "calls.jsonl"
    shown = [
        simulate("--calls", "2", "--faults", "rough", "--jobs", "1", "--json", "--keep", str(file))
        for _ in range(2)  # the second reads what the first kept
    ]
    first, again = (json.loads(each.stdout)["waited"] for each in shown)
    assert first == again
    assert first["controlled"]["first_p99_ms"] > 0 < first["plain"]["silence_ms"]
    (tmp_path / "a.json").write_text(shown[0].stdout)
    merged = simulate("--merge", str(tmp_path / "a.json"), "--json")
    assert json.loads(merged.stdout)["waited"] == first
    assert "longest silence" in simulate("--merge", str(tmp_path / "a.json")).stdout


def test_clauses_are_counted_in_every_report(whole: dict[str, Any]) -> None:
    assert list(whole["worse_clauses"]) == list(whole["better_clauses"]) == list(CLAUSES)
    assert whole["calls"] == CALLS == sum(whole[word] for word in ("same", "better", "worse"))


# --- the command


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*options: str) -> Result:
        return CliRunner().invoke(app, ["simulate", "--compare", *options])

    return invoke


def test_json_and_exit_status(simulate: Callable[..., Result], whole: dict[str, Any]) -> None:
    done = simulate("--calls", str(CALLS), "--faults", "mild", "--jobs", "1", "--json")
    figures = json.loads(done.stdout)
    assert {**figures, "wall_seconds": 1.0} == whole
    assert done.exit_code == (1 if whole["worse"] else 0)


def test_merge_and_exit_status(
    simulate: Callable[..., Result], tmp_path: Path, whole: dict[str, Any]
) -> None:
    good = {**whole, "worse": 0, "worse_calls": []}
    bad = {"seed": 17, "worse": [{"clause": "late", "kind": "late: queue", "text": "late"}]}
    for name, found in (("good", good), ("bad", {**whole, "worse": 1, "worse_calls": [bad]})):
        (tmp_path / name).write_text(json.dumps(found))
    assert simulate("--merge", str(tmp_path / "good")).exit_code == 0
    done = simulate("--merge", str(tmp_path / "bad"))
    assert done.exit_code == 1
    assert "1 worse call, by kind:" in done.stdout
    assert "realtime-fsm simulate --compare --replay 17 --faults mild" in done.stdout


def test_replay_shows_both_lives(simulate: Callable[..., Result]) -> None:
    done = simulate("--replay", str(WORSE_SEED))
    assert done.exit_code == 0
    for words in (
        "--- plain LiveKit",
        "--- controlled",
        "When each question was asked",
        "The controlled call is ",
    ):
        assert words in done.stdout
    assert simulate("--replay", str(WORSE_SEED)).stdout == done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--plain"], "--compare lives each call both ways: without --plain and --trace"),
        (["--trace", "x"], "--compare lives each call both ways: without --plain and --trace"),
        (["--calls", "0"], "--calls is 0, expected at least 1"),
        (["--faults", "wild"], "--faults is 'wild', expected one of none, mild, rough"),
        (["--replay", "1", "--faults", "wild"], "--faults is 'wild'"),
    ],
)
def test_bad_input(simulate: Callable[..., Result], options: list[str], message: str) -> None:
    done = simulate(*options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not done.stdout
