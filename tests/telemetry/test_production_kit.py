"""The dashboard and the alert rules speak of metrics, labels and values that exist."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from realtime_fsm import Origin, TurnOutcome, TurnState
from realtime_fsm.livekit.telemetry import AttemptOutcome, Correction
from realtime_fsm.livekit.telemetry._prometheus import _Metrics

KIT = Path(__file__).parents[2] / "examples" / "production"
DASHBOARD: dict[str, Any] = json.loads((KIT / "dashboard.json").read_text("utf-8"))
RULES: list[dict[str, Any]] = [
    rule
    for group in yaml.safe_load((KIT / "alerts.yml").read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
#: Which values a label has, by metric (or by name alone).
VALUES = {
    ("turns", "outcome"): {each.value for each in TurnOutcome},
    ("turns", "origin"): {each.value for each in Origin},
    ("attempts", "outcome"): {each.value for each in AttemptOutcome},
    ("recovery_seconds", "outcome"): {"recovered", "given_up"},
    ("state_seconds", "state"): {each.value for each in TurnState},
    ("history_corrections", "kind"): {each.value for each in Correction},
}


def exposed() -> dict[str, set[str]]:
    """The names that a scrape has, and the labels of each."""
    found: dict[str, set[str]] = {}
    for metric in vars(_Metrics(CollectorRegistry())).values():
        labels = set(metric._labelnames)
        if metric._type == "counter":
            found[f"{metric._name}_total"] = labels
        else:
            found[f"{metric._name}_bucket"] = labels | {"le"}
            found[f"{metric._name}_count"] = found[f"{metric._name}_sum"] = labels
    return found


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        yield from (target["expr"] for target in panel["targets"])
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]
    yield from (rule["expr"] for rule in RULES)


EXPRESSIONS = sorted(set(expressions()))


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_what_is_asked_for_exists(expression: str) -> None:
    names = exposed()
    asked = re.findall(r"(realtime_fsm_\w+)(?:\{([^}]*)\})?", expression)
    assert asked
    known = set().union(*(names[name] for name, _ in asked))
    for name, matchers in asked:
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in names[name]
            short = re.sub(r"realtime_fsm_|_(total|bucket|count)$", "", name)
            if label not in ("provider", "model"):
                assert set(value.split("|")) <= VALUES[short, label]
    for labels in re.findall(r"by \(([^)]*)\)", expression):
        assert {label.strip() for label in labels.split(",")} <= known


def test_every_metric_is_on_the_dashboard() -> None:
    shown = " ".join(t["expr"] for panel in DASHBOARD["panels"] for t in panel["targets"])
    missing = [n for n in exposed() if re.sub(r"_(bucket|count|sum)$", "", n) not in shown]
    assert not missing


def test_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) == 23
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(ids) == len(set(ids))


def test_alerts_say_what_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert {"summary", "description"} == set(rule["annotations"])
        used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
        assert used <= set(
            re.findall(r"\w+", " ".join(re.findall(r"by \(([^)]*)\)", rule["expr"])))
        )
