"""``--diff REV`` on a scratch git repository."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from realtime_fsm import InputError, diagrams
from realtime_fsm.diagrams._diff import Comparison, compare
from realtime_fsm.diagrams._model import TURN, Rule, State, with_else

PACKAGE = Path(diagrams.__file__).parents[1]
SVG = "{http://www.w3.org/2000/svg}"


def git(folder: Path, *arguments: str) -> None:
    mine = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *mine, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """First commit: no table. Second one: the package. Then the working tree differs."""
    top = tmp_path_factory.mktemp("repository")
    git(top, "init", "-q")
    (top / "README.md").write_text("no table yet\n", "utf-8")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "empty")
    git(top, "tag", "empty")
    for folder in (top / "realtime_fsm", top / "realtime_fsm" / "_core"):
        folder.mkdir()
        for path in (PACKAGE / folder.relative_to(top / "realtime_fsm")).glob("*.py"):
            shutil.copy(path, folder / path.name)
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "table")
    git(top, "tag", "table")
    broken = top / "realtime_fsm" / "_core" / "turn_table.py"
    text = broken.read_text("utf-8")
    broken.write_text("raise RuntimeError('broken on purpose')\n", "utf-8")
    git(top, "commit", "-q", "-a", "-m", "broken")
    git(top, "tag", "broken")
    broken.write_text(edited(text), "utf-8")
    return top


def edited(text: str) -> str:
    """One rule more, one fewer, one with another reason and effect."""
    lines = text.splitlines(keepends=True)
    (superseded,) = [i for i, li in enumerate(lines) if "Row(S.RETRY_WAIT, E.SUPERSEDED" in li]
    lines[superseded] = (
        '    Row(S.CREATED, E.SUPERSEDED, S.DONE, None, X.end_superseded, None, "new | rule"),\n'
    )
    (again,) = [i for i, li in enumerate(lines) if "Row(S.RETRY_WAIT, E.BACKOFF_OVER" in li]
    lines[again] = (
        '    Row(S.RETRY_WAIT, E.BACKOFF_OVER, S.REQUESTED, None, X.keep_request, HUSH, "other words"),\n'
    )
    return "".join(lines)


def test_added_removed_and_changed_rules_are_found(repository: Path) -> None:
    found = diagrams.diff("table", "turn", repository / "realtime_fsm")
    marks = {(c.rule.mark, c.rule.source, c.rule.event) for c in found.changes}
    assert marks == {
        ("added", "CREATED", "SUPERSEDED"),
        ("removed", "RETRY_WAIT", "SUPERSEDED"),
        ("changed", "RETRY_WAIT", "BACKOFF_OVER"),
    }
    text = found.markdown()
    assert "| + | created | superseded |  | done | end superseded |  | new \\| rule |" in text
    assert "| \u2212 | retry_wait | superseded |  | done | end superseded |  | one reply" in text
    now = "| keep request | playback: speech over | other words |"
    was = "/ no effect, tells nobody, because: the same turn, the same handle |"
    assert f"| ~ | retry_wait | backoff over (timer) |  | requested {now} {was}" in text


def test_the_picture_tells_the_three_apart_without_colour(repository: Path) -> None:
    found = diagrams.diff("table", "turn", repository)
    root = ElementTree.fromstring(found.svg())
    classes = {
        (g.get("data-source"), g.get("data-dest")): set((g.get("class") or "").split())
        for g in root.iter(f"{SVG}g")
        if g.get("data-source")
    }
    assert "added" in classes["CREATED", "DONE"]
    assert "removed" in classes["RETRY_WAIT", "DONE"]
    assert "changed" in classes["RETRY_WAIT", "REQUESTED"]
    focus = {k for k, v in classes.items() if "faint" not in v}
    assert focus == {("CREATED", "DONE"), ("RETRY_WAIT", "DONE"), ("RETRY_WAIT", "REQUESTED")}
    signs = {t.text for t in root.iter(f"{SVG}text") if "sign" in (t.get("class") or "")}
    assert signs == {"+", "\u2212", "~"}
    style = found.svg().split("<style>")[1].split("</style>")[0]
    looks = {
        m: style.split(f".edge.{m} .wire{{")[1].split("}")[0]
        for m in ("added", "removed", "changed")
    }
    assert len(set(looks.values())) == 3
    assert "+ superseded / end superseded" in found.mermaid()


def test_a_machine_that_did_not_change(repository: Path) -> None:
    found = diagrams.diff("table", "playback", repository)
    assert not found.differs
    assert "No rule changed." in found.markdown()
    ElementTree.fromstring(found.svg())


@pytest.mark.parametrize(
    ("revision", "machine", "message"),
    [
        ("nowhere", "turn", "revision is 'nowhere', expected a commit that git knows"),
        ("--help", "turn", "revision is '--help', expected a commit that git knows"),
        (
            "empty",
            "turn",
            "revision is 'empty', expected one that has realtime_fsm/_core/turn_table.py",
        ),
        ("broken", "turn", "a package that imports: RuntimeError: broken on purpose"),
        ("table", "whole", "machine is 'whole', expected one of turn, response, playback"),
    ],
)
def test_what_cannot_be_compared_is_said(
    repository: Path, revision: str, machine: str, message: str
) -> None:
    with pytest.raises(InputError) as caught:
        diagrams.diff(revision, machine, repository)
    assert message in str(caught.value)


def test_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    folder = tmp_path / "plain"
    folder.mkdir()
    with pytest.raises(InputError, match="expected one within a git checkout"):
        diagrams.diff("HEAD", "turn", folder)


# --- how rules are matched


def changed(edit: Callable[[list[Rule]], list[Rule]]) -> list[tuple[str, str, str]]:
    new = replace(TURN, rules=with_else(edit(list(TURN.rules))))
    return [(c.rule.mark, c.rule.event, c.was) for c in compare(TURN, new)]


def index(source: str, event: str, guard: str) -> int:
    return [(r.source, r.event, r.guard) for r in TURN.rules].index((source, event, guard))


def test_nothing_changed() -> None:
    assert changed(lambda rules: rules) == []


@pytest.mark.parametrize(
    ("field", "value", "was"),
    [
        ("guard", "may_retry", "[is waiting]"),
        ("guard", "", "[is waiting]"),
        ("dest", None, "\u2192 done"),
        ("effect", "begin_cancelling", "/ end interrupted"),
        ("tells", "response: abandoned", "tells nobody"),
        ("reason", "so", "because: never asked for"),
        ("timer", True, "no timer"),
    ],
)
def test_each_field_of_a_rule_counts(field: str, value: object, was: str) -> None:
    i = index("REQUESTED", "INTERRUPTED", "is_waiting")

    def edit(rules: list[Rule]) -> list[Rule]:
        rules[i] = replace(rules[i], **{field: value})  # type: ignore[arg-type]
        return rules

    assert changed(edit) == [("changed", "INTERRUPTED", was)]


def test_the_order_of_rules_counts() -> None:
    i = index("STREAMING", "PLAYBACK_OVER", "ends_failed")

    def swap(rules: list[Rule]) -> list[Rule]:
        rules[i], rules[i + 1] = rules[i + 1], rules[i]
        return rules

    found = changed(swap)
    assert any(was.endswith("tried in another order") for _, _, was in found)
    assert {mark for mark, _, _ in found} == {"changed"}


def test_states_that_come_and_go_are_listed_and_drawn() -> None:
    gone = State("NAPPING", "napping", "normal")
    rule = Rule("NAPPING", "CLOSED", "DONE", reason="so")
    old = replace(TURN, states=(*TURN.states, gone), rules=(*TURN.rules, rule))
    for comparison, word in (
        (Comparison("x", old, TURN), "removed"),
        (Comparison("x", TURN, old), "added"),
    ):
        assert f"- State {word}: napping" in comparison.markdown()
        root = ElementTree.fromstring(comparison.svg())
        assert root.find(f".//{SVG}g[@data-state='NAPPING']") is not None
