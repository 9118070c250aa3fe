"""Random calls: what became of each turn, the figures, and the command that prints them."""

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
from realtime_fsm import simulator as sim
from realtime_fsm.cli import app
from realtime_fsm.lab.simulate import (
    Edit,
    Scenario,
    Turn,
    call_seed,
    draw,
    merge,
    run_scenario,
    show,
    summarize,
)
from realtime_fsm.lab.simulate.pool import run_calls, seeds_of
from realtime_fsm.lab.simulate.run import run_call
from realtime_fsm.lab.simulate.scenario import Aside, EditKind
from realtime_fsm.trace import check

from .ordered import draw_in_order

BAD = sim.Reply(end=sim.Failed("server_error"))
CALLS = 6


def said(number: int, *seconds: float, **options: Any) -> sim.Reply:
    parts = [sim.Message(f"{number}.{n} and so on", seconds=s) for n, s in enumerate(seconds, 1)]
    return sim.Reply(parts, **options)


def fates(scenario: Scenario, *, plain: bool = False) -> list[str]:
    return [fate.fate for fate in run_scenario(scenario, plain=plain)[2].fates]


def report(calls: int = CALLS, shard: tuple[int, int] = (1, 1), jobs: int = 1) -> dict[str, Any]:
    results = run_calls(seeds_of(calls, 1, shard), "mild", jobs=jobs)
    figures = summarize(
        results, seed=1, faults="mild", plain=False, planned=calls, shard=shard, wall_seconds=1.0
    )
    return json.loads(json.dumps(figures))


def test_a_caller_takes_nothing_out_of_band_for_the_answer() -> None:
    aside = Aside(1, "audio", after=-0.2)
    script = sim.Script(
        answers={
            "1. Hello?": [said(1, 2.0, ack=sim.Unanswered()), said(1, 2.0)],
            f"aside: {aside.words}": [sim.Reply([sim.Message("1x.1.1 so", seconds=1.0)])],
            "2. And?": [said(2, 1.0)],
        }
    )
    turns = (Turn(words="1. Hello?"), Turn(words="2. And?"))
    assert fates(Scenario(turns=turns, script=script, asides=(aside,))) == ["answered"] * 2


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return report()


# --- the same seeds, the same figures


def test_a_scenario_is_drawn_the_same_and_its_callers_do_not_depend_on_the_faults() -> None:
    seed = call_seed(1, 7)
    assert draw(seed, "rough") == draw(seed, "rough")
    assert draw(seed, "none").turns == draw(seed, "hostile").turns
    assert draw(seed, "none") != draw(call_seed(1, 8), "none")
    assert draw(seed, acts=True).turns == draw(seed, "rough", acts=True).turns
    assert eval_names(repr(draw(seed, "rough"))), "a scenario can be printed"


def eval_names(text: str) -> bool:
    return text.startswith("Scenario(turns=(Turn(") and "object at 0x" not in text


@pytest.mark.long  # processes and shards show as much
def test_runs_are_repeatable(whole: dict[str, Any]) -> None:
    assert report() == whole


def test_two_processes_give_the_same(whole: dict[str, Any]) -> None:
    assert report(jobs=2) == whole


def test_shards_add_up_to_the_whole(whole: dict[str, Any]) -> None:
    shards = {f"{i}.json": report(shard=(i, 3)) for i in (3, 1, 2)}
    assert sum(shard["calls"] for shard in shards.values()) == CALLS
    assert merge(shards) == whole
    del shards["1.json"]
    assert merge(shards)["shards"] == ["2/3", "3/3"]


def test_what_does_not_belong_together_is_not_merged(whole: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"b: faults is 'none', expected 'mild' as in a"):
        merge({"a": whole, "b": {**whole, "faults": "none"}})
    with pytest.raises(
        InputError, match=r"b: shard is '1/1', expected one that is not in a already"
    ):
        merge({"a": whole, "b": whole})
    with pytest.raises(InputError, match=r"b: shard is '1/2', expected one of the same division"):
        merge({"a": whole, "b": {**whole, "shards": ["1/2"]}})
    with pytest.raises(InputError, match="a: seed is missing, expected a report"):
        merge({"a": {}})


# --- what becomes of a turn


def test_plain_livekit_loses_a_turn_on_a_server_error_and_we_answer_it() -> None:
    scenario = Scenario(
        turns=(Turn(), Turn()), script=sim.Script([BAD, said(2, 1.0), said(3, 1.0)])
    )
    result, _, judged = run_scenario(scenario, plain=True)
    assert [fate.fate for fate in judged.fates] == ["lost", "answered"]
    assert judged.fates[0].reported, "the error event did not say that the turn is lost"
    assert result.bad
    assert result.silence_ms > 30_000, "the caller waited in vain"
    result, _, judged = run_scenario(scenario)
    assert [fate.fate for fate in judged.fates] == ["answered", "answered"]
    assert not result.bad
    assert result.silence_ms < 1_000


@pytest.mark.parametrize(
    ("turn", "fate"),
    [
        (Turn(then="speaks_over", after=0.5), "interrupted"),
        (Turn(then="stops", after=0.5), "interrupted"),
        (Turn(then="coughs", after=0.5), "interrupted"),
        (Turn(kind="text"), "answered"),
        (Turn(kind="app"), "answered"),
    ],
    ids=str,
)
def test_what_the_caller_does(turn: Turn, fate: str) -> None:
    late = said(1, 3.0, pace=0.05)
    scenario = Scenario(turns=(turn, Turn()), script=sim.Script([late, said(2, 1.0), said(3, 1.0)]))
    assert fates(scenario) == [fate, "answered"]


def test_the_caller_does_not_wait_for_the_answer() -> None:
    turn = Turn(kind="text", then="speaks_over", after=0.5, measure="waiting")
    slow = said(1, 1.0, ack=sim.Created(after=2.0))
    script = sim.Script([slow, said(2, 1.0), said(3, 1.0)])
    assert fates(Scenario(turns=(turn, Turn()), script=script)) == ["superseded", "answered"]


def test_g16_the_last_answer_is_heard_although_it_has_to_be_asked_for_again() -> None:
    """Nobody asks anything else: the caller, who meant to speak over it, listens after all."""
    turn = Turn(then="speaks_over", after=0.3, measure="waiting")
    script = sim.Script([BAD, BAD, said(3, 3.0)])  # the second retry waits for two seconds
    result, _, judged = run_scenario(Scenario(turns=(turn,), script=script))
    assert [fate.fate for fate in judged.fates] == ["answered"]
    assert not result.bad, result.why


def test_a_cough_that_met_an_answer_on_its_way_is_one_that_met_an_answer() -> None:
    """The network is slow: the answer was cut off (``turn_detected``) before anything of it came."""
    late = sim.Silence(sim.At("response.created", side="server", when="before"), seconds=0.5)
    turn = Turn(then="coughs", after=0.2, measure="waiting")
    waits = sim.Script([said(1, 3.0, ack=sim.Created(after=0.1)), said(2, 1.0)])
    slow = sim.ServerConfig(faults=sim.Schedule((late,)))
    assert fates(Scenario(turns=(turn, Turn()), script=waits, config=slow)) == [
        "interrupted",
        "answered",
    ]


def test_a_cough_does_not_explain_that_a_retry_is_missing() -> None:
    turn = Turn(then="coughs", after=0.2, measure="waiting")
    busy = sim.Reply(end=sim.Failed("rate_limit_exceeded", message="try again in 2s"))
    scenario = Scenario(turns=(turn, Turn()), script=sim.Script([busy, said(2, 1.0), said(3, 1.0)]))
    assert fates(scenario) == ["answered", "answered"]
    assert fates(scenario, plain=True) == ["lost", "answered"]


LIMITED = sim.Reply(end=sim.Failed("rate_limit_exceeded", message="try again in 2s"))
LATER = (said(3, 1.0), said(4, 1.0), said(5, 1.0))


@pytest.mark.parametrize(
    ("script", "after"),
    [
        ([sim.Reply(end=sim.Dropped(at=sim.CREATED)), LIMITED, *LATER], 0.6),
        ([sim.Reply([sim.FunctionCall("look_up", {"what": "it"})]), LIMITED, *LATER], 0.6),
    ],
    ids=["its response went with the connection", "the reply of its tool failed"],
)
def test_a_cough_explains_nothing_where_the_answer_was_lost_before(
    script: list[sim.Reply], after: float
) -> None:
    turn = Turn(then="coughs", after=after, measure="waiting")
    scenario = Scenario(turns=(turn, Turn()), script=sim.Script(script))
    assert fates(scenario, plain=True)[0] == "lost"
    assert fates(scenario)[0] in ("answered", "failed")


@pytest.mark.parametrize("modality", ["audio", "text"])
def test_a_cough_does_not_meet_a_message_that_was_cut_off_before(modality: Any) -> None:
    stopped = Turn(kind="text", then="stops", after=0.5)
    turn = Turn(then="coughs", after=0.3, measure="waiting")
    scenario = Scenario(
        turns=(stopped, turn),
        script=sim.Script([said(1, 3.0, pace=0.05), LIMITED, *LATER]),
        modality=modality,
    )
    assert fates(scenario, plain=True) == ["interrupted", "lost"]
    assert fates(scenario) == ["interrupted", "answered"]


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("profile", "seed"),
    [
        ("mild", 114896432379366),  # a cough met the answer behind which this one was queued
        ("mild", 57282383354828),  # LiveKit interrupts before a tool's reply (G21)
        ("mild", 59977757233898),  # the caller hung up on the last answer, which was under way
        ("mild", 60682883642323),  # likewise
        ("mild", 215062968122959),  # the network is slow: a cough meets an answer on its way
        ("mild", 243300766258052),  # likewise
        ("rough", 163465294930136),  # likewise
        ("rough", 196901545428549),  # likewise
        ("rough", 63519970989403),  # the task of an interrupted speech interrupts too (G21)
        ("rough", 102346767035425),  # likewise
        ("hostile", 112684944315438),  # a message is announced twice
    ],
)
def test_g18_calls_that_lost_a_turn_once(profile: Any, seed: int) -> None:
    result = run_scenario(draw_in_order(seed, profile))[0]
    assert "lost" not in result.fates, result.why
    assert not result.bad, result.why


@pytest.mark.sampled(4)
@pytest.mark.parametrize(
    ("profile", "seed"),
    [
        ("rough", 211067979880208),  # a response that never began, and whose connection broke
        ("rough", 187084435252869),  # one that neither began nor ended
        ("rough", 229464161049945),  # what was put in the middle stood at the end after a reconnect
        ("rough", 266330041466463),  # an older message was pushed behind a newer one
        ("rough", 167553240712986),  # a late and repeated created after another session took over
        ("rough", 216177464146314),  # cut at its end, for its report was missing
        ("rough", 246102061742721),  # cut in its first word, of which the rest came late
        ("rough", 246824718795503),  # likewise, and put there anew for it could not be cut
        ("hostile", 104017595803688),  # a tool's output deleted all while another session took over
        ("hostile", 95836510760604),  # an item that is confirmed twice
    ],
)
def test_g16_calls_that_were_remembered_wrongly_once(profile: Any, seed: int) -> None:
    verdict = run_scenario(draw(seed, profile))[2].verdict
    assert not {"G3", "G15", "G16"} & verdict.broken.keys(), verdict.violations


def test_the_caller_hangs_up() -> None:
    turn = Turn(then="hangs_up", after=0.5)
    assert fates(Scenario(turns=(turn,), script=sim.Script([said(1, 3.0)]))) == ["hung_up"]


def test_a_turn_that_fails_says_why() -> None:
    scenario = Scenario(turns=(Turn(kind="text"),), script=sim.Script([], default=BAD))
    _, _, judged = run_scenario(scenario)
    assert judged.fates[0].fate == "failed"
    assert "server_error" in judged.fates[0].why


def test_an_answer_that_stops_midway_is_lost_unless_somebody_is_told() -> None:
    reply = said(1, 3.0, end=sim.Failed("server_error", at=sim.audio_ms(1000)))
    scenario = Scenario(turns=(Turn(kind="text"),), script=sim.Script([reply]))
    _, _, judged = run_scenario(scenario, plain=True)
    assert judged.fates[0].why == "the answer stopped midway, and nobody was told"
    assert fates(scenario) == ["failed"]


@pytest.mark.parametrize("plain", [True, False], ids=["plain", "controlled"])
def test_the_words_before_a_tool_call_are_no_answer(plain: bool) -> None:
    call = sim.Reply(
        [sim.Message("1.1 one moment", seconds=1.0), sim.FunctionCall("look_up", {"what": "x"})]
    )
    scenario = Scenario(turns=(Turn(),), script=sim.Script([call, said(2, 1.0)]))
    assert fates(scenario, plain=plain) == ["answered"]
    broken = replace(scenario, script=sim.Script([call, BAD, said(3, 1.0)]))
    assert fates(broken, plain=plain) == ["lost" if plain else "answered"]


@pytest.mark.parametrize("modality", ["audio", "text"])
@pytest.mark.parametrize("voice", ["server_vad", "push_to_talk"])
def test_ways_to_talk(modality: Any, voice: Any) -> None:
    script = sim.Script([said(1, 1.0), said(2, 1.0, 1.0)])
    scenario = Scenario(turns=(Turn(), Turn()), script=script, modality=modality, voice=voice)
    result, _, judged = run_scenario(scenario)
    assert [fate.fate for fate in judged.fates] == ["answered", "answered"]
    assert not result.bad


def test_a_speech_that_never_ends_is_a_hang() -> None:
    stalled = said(1, 2.0, end=sim.Stalled(at=sim.audio_ms(500)))
    result, _, _ = run_scenario(Scenario(turns=(Turn(),), script=sim.Script([stalled])), plain=True)
    assert result.hang
    assert any("never ended" in why for why in result.why)


def test_history_that_nobody_heard_is_a_mismatch() -> None:
    turn = Turn(then="stops", after=0.5)
    scenario = Scenario(turns=(turn,), script=sim.Script([said(1, 2.0, 2.0)]))
    result, _, judged = run_scenario(scenario, plain=True)
    assert result.mismatches == 2
    told = [each.text for each in judged.verdict.violations if each.id == "G16"]
    assert "the server remembers 1.000 s of item_002, 0.000 s were heard" in told


def test_a_dropped_connection_does_not_end_the_call() -> None:
    dropped = said(1, 2.0, end=sim.Dropped())
    turns = (Turn(kind="text"), Turn())
    scenario = Scenario(turns=turns, script=sim.Script([dropped, said(2, 1.0), said(3, 1.0)]))
    assert fates(scenario) == ["answered", "answered"]


# --- the command


@pytest.fixture
def simulate(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*options: str) -> Result:
        return CliRunner().invoke(app, ["simulate", *options])

    return invoke


@pytest.mark.parametrize("faults", ["none", "mild", "rough"])
def test_recorded_calls_keep_the_guarantees(
    simulate: Callable[..., Result], tmp_path: Path, faults: str
) -> None:
    """What the run says of a call, `check` says of its trace."""
    done = simulate("--calls", "5", "--faults", faults, "--jobs", "1", "--trace", str(tmp_path))
    assert done.exit_code == 0
    traces = sorted(tmp_path.glob("*.jsonl"))
    assert [path.stem for path in traces] == sorted(str(call_seed(1, n)) for n in range(5))
    for path in traces:
        with path.open("rb") as trace:
            report = check(trace)
        assert not report.violations, (path, report.violations)


def test_a_trace_that_cannot_be_written(simulate: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = simulate("--calls", "1", "--trace", str(tmp_path / "file"))
    assert done.exit_code == 2
    assert "--trace is " in done.stderr


def test_json(simulate: Callable[..., Result]) -> None:
    done = simulate("--calls", "2", "--seed", "3", "--jobs", "1", "--json")
    assert done.exit_code == 0
    assert not done.stderr
    figures = json.loads(done.stdout)
    assert {
        "calls", "turns", "answered", "interrupted", "failed", "lost", "violations", "hangs",
        "history_mismatches", "simulated_seconds", "wall_seconds", "bad_seeds",
    } <= figures.keys()  # fmt: skip
    assert figures["calls"] == 2
    assert figures["turns"] >= 8


def test_text_merge_and_strict(
    simulate: Callable[..., Result], tmp_path: Path, whole: dict[str, Any]
) -> None:
    bad = {"seed": 17, "why": ["turn 1 lost: nothing was heard, and nobody was told"]}
    for name in ("1", "2"):
        shard = {**whole, "shards": [f"{name}/2"], "violations": 1, "bad_calls": [bad]}
        (tmp_path / name).write_text(json.dumps(shard))
    files = [str(tmp_path / name) for name in ("1", "2")]
    done = simulate("--merge", *files)
    assert done.exit_code == 0
    assert f"{2 * CALLS} calls of seed 1, faults mild, controlled" in done.stdout
    assert "realtime-fsm simulate --replay 17 --faults mild\n" in done.stdout
    assert simulate("--merge", "--strict", *files).exit_code == 1


def test_replay_says_what_happened(simulate: Callable[..., Result]) -> None:
    done = simulate("--replay", "17", "--faults", "mild")
    assert done.exit_code == 0
    for words in ("<-       session.created", "caller ", "hears ", "turn 1, asked at"):
        assert words in done.stdout
    assert "audio.delta" not in done.stdout
    assert simulate("--replay", "17", "--faults", "mild").stdout == done.stdout


def test_a_written_scenario_can_be_shown() -> None:
    scenario = Scenario(turns=(Turn(),), script=sim.Script([BAD, said(2, 1.0)]))
    lines = list(show(scenario, *run_scenario(scenario)))
    text = "\n".join(lines)
    assert "<-       response.done resp#1 failed server_error" in text
    assert "retry_wait" in text
    assert "turn 1, asked at 0.00 s: answered" in text
    assert lines[-1] == "Nothing is wrong with this call."


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--calls", "0"], "--calls is 0, expected at least 1"),
        (["--jobs", "0"], "--jobs is 0, expected at least 1"),
        (["--faults", "wild"], "--faults is 'wild', expected one of none, mild, rough"),
        (["--shard", "3"], "--shard is '3', expected i/n, as in 2/8"),
        (["--shard", "3/2"], "--shard is '3/2', expected i/n with 1 <= i <= n"),
        (["--shard", "0/2"], "--shard is '0/2', expected i/n with 1 <= i <= n"),
        (["--merge"], "--merge is missing, expected reports"),
        (["--merge", "no-such-file"], "realtime-fsm: no-such-file: No such file"),
        (["report.json"], "report.json is a report: give --merge to merge reports"),
        (["--replay", "1", "--faults", "wild"], "--faults is 'wild'"),
    ],
)
def test_bad_input(simulate: Callable[..., Result], options: list[str], message: str) -> None:
    done = simulate(*options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not done.stdout


# --- what comes late, is refused, or is edited


def test_late_output_and_edits_are_drawn_where_things_fail_and_shift_nothing_else() -> None:
    kinds: Counter[str] = Counter()
    for index in range(200):
        scenario = draw(call_seed(1, index), "rough")
        kinds.update(edit.kind for edit in scenario.edits)
        busy = draw(call_seed(1, index), "rough", acts=True)
        kinds["stale"] += any(edit.kind == "stale" for edit in busy.edits)
        kinds["withheld"] += scenario.config.withheld_ms > 0
        for fault in scenario.config.faults.event_faults if scenario.config.faults else ():
            stalls = isinstance(fault, sim.Silence) and fault.seconds > 8
            refused = isinstance(fault, sim.InjectError) and fault.at.event.endswith("truncate")
            ignored = isinstance(fault, sim.Lose) and fault.at.event == "response.cancel"
            kinds.update({"stall": stalls, "refused": refused, "ignored": ignored})
    assert set(kinds) == {"withheld", "stall", "refused", "ignored", *get_args(EditKind)}
    assert min(kinds.values()) > 3, kinds
    for index in range(20):
        calm = draw(call_seed(1, index), "mild")
        assert (calm.edits, calm.config.withheld_ms) == ((), 0)


@pytest.mark.parametrize("plain", [False, True])
def test_each_edit_is_made_and_what_it_deletes_is_known(plain: bool) -> None:
    """By the witness: what the application deleted is not to be remembered."""
    said = {
        f"{n}. Hello?": [sim.Reply([sim.Message(f"{n}.1.1 one two", seconds=0.4)])]
        for n in range(1, 7)
    }
    for kind in get_args(EditKind):
        turns = tuple(Turn(words=words, pause=0.3) for words in said)
        scenario = Scenario(
            turns=turns, script=sim.Script(answers=said), edits=(Edit(6, kind, 0.2),)
        )
        _, seen, judged = run_scenario(scenario, plain=plain)
        assert f"updates the history ({kind})" in [text for _, _, text in seen.notes]
        kept = {m.question: m.server for m in seen.life.messages}
        gone = {"forget": 1, "trim": 1}.get(kind, 0)
        assert sum(each is None for each in kept.values()) == gone, (kind, kept)
        # Plain LiveKit deletes what came since a copy was made.
        assert (plain and kind == "stale") or 0.0 not in kept.values(), (kind, kept)
        assert plain or not judged.verdict.violations, (kind, judged.verdict.violations)


@pytest.mark.parametrize("seed", [142466782820012, 96986238435833])
def test_g18_a_cough_that_meets_a_request_nobody_has_answered_loses_nothing(seed: int) -> None:
    """LiveKit interrupts the speech that waits, and its handle says so: as without the library."""
    result = run_call(seed, "rough")
    assert "lost" not in result.fates
    assert not result.bad


@pytest.mark.parametrize(
    "seed", [149616336935812, 218575156316240, 37709548620941, 120233066892962]
)
def test_g18_what_was_overtaken_or_answered_at_last_is_not_lost(seed: int) -> None:
    """Speech of before of which the server tells late interrupts what LiveKit has queued, here as
    without the library; a retry that a cough met is heard under another handle; and who waited in
    vain may cut in on the answer after all."""
    result = run_call(seed, "rough")
    assert "lost" not in result.fates
    assert not result.bad
