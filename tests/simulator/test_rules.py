"""The registry of rules: complete, honest, and the same as the switches."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

import realtime_fsm.simulator.websocket
from realtime_fsm.simulator import RULES, Rule, ServerConfig, rules_table
from realtime_fsm.simulator.rule import ENFORCED
from realtime_fsm.simulator.rules import unenforced

ALL = list(RULES.values())
SWITCHES = {rule.field: rule for rule in ALL if rule.field}
ISSUE = re.compile(r"[\w.-]+/[\w.-]+#\d+")
DEFAULTS = ServerConfig()


def test_every_rule_is_enforced_somewhere() -> None:
    assert unenforced() == []
    assert set(ENFORCED) == set(RULES)
    assert "responses.Responses._refuses" in ENFORCED["one-active"]


@pytest.mark.parametrize("rule", ALL, ids=lambda rule: rule.id)
def test_every_rule_says_how_it_is_known(rule: Rule) -> None:
    assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id)
    assert rule.statement.endswith(".")
    if rule.source == "documented":
        assert re.match(r"[a-z_]+(\.[a-z_]+)+|error|response\.", rule.reference), rule.reference
    elif rule.source == "observed":
        assert ISSUE.search(rule.reference)
    else:
        assert len(rule.reference.split()) >= 5, "an assumption says why"


@pytest.mark.parametrize("rule", SWITCHES.values(), ids=lambda rule: rule.id)
def test_every_switch_has_its_alternatives(rule: Rule) -> None:
    assert rule.field is not None
    assert getattr(DEFAULTS, rule.field) == rule.alternatives[0]
    for value in rule.alternatives:
        dataclasses.replace(DEFAULTS, **{rule.field: value})


def test_every_switch_of_the_configuration_belongs_to_a_rule() -> None:
    switches = {
        field.name
        for field in dataclasses.fields(ServerConfig)
        if "Literal" in str(field.type) or field.type == "bool"
    }
    assert switches == set(SWITCHES)


def test_the_table_has_all_rules() -> None:
    lines = rules_table().splitlines()
    assert len(lines) == len(ALL) + 2
    assert all(line.count("|") == 6 for line in lines), "no cell breaks the table"
    assert '`slot_taken`: `"accepted"` · `"created"`' in rules_table()


def test_a_rule_with_a_switch_needs_alternatives() -> None:
    with pytest.raises(ValueError, match="belong together"):
        Rule(id="x", statement="X.", source="assumed", reference="because", field="pace")


@pytest.mark.parametrize(
    "bad", [{"slot_taken": "never"}, {"dialect": "alpha"}, {"cancel_delay": -1.0}]
)
def test_a_switch_takes_only_what_it_has(bad: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(bad))):
        ServerConfig(**bad)  # type: ignore[arg-type]


def test_no_rule_is_asserted_in_a_comment_only() -> None:
    source = Path(realtime_fsm.simulator.websocket.__file__).parent
    used = "".join(path.read_text() for path in source.glob("*.py") if path.name != "rules.py")
    names = re.findall(r"^([A-Z_]+) = _rule\(", (source / "rules.py").read_text(), re.MULTILINE)
    assert len(names) == len(ALL)
    assert [name for name in names if f"rules.{name}" not in used] == []
