"""`make next`: what it installs, and what it makes of tests and scenarios."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from .install import PLUGIN, WATCHED, name_of, requirements, tomllib, versions
from .report import Found, markdown, of_junit, of_scenarios, outside

PROJECT = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")

JUNIT = """<testsuites><testsuite>
<testcase name="test_a"/>
<testcase name="test_b"><skipped message="no graph"/></testcase>
<testcase name="test_c"><failure message="AssertionError: LiveKit changed. Relied on: x. Look at y.&#10;assert 0">...</failure></testcase>
<testcase name="test_d"><error message="TypeError: 'a'&#10;more"/></testcase>
<testcase name="test_e"><failure message="AssertionError: LiveKit changed. Relied on: x. Look at y."/></testcase>
</testsuite></testsuites>"""


def row(id: str, **other: object) -> dict[str, object]:
    fixed = {"title": "t", "open": "", "holds": True, "problems": [], "compared": "same"}
    return {"id": id, **fixed, **other}


def test_what_is_watched_is_installed_without_bounds_and_everything_else_with() -> None:
    wanted = requirements(PROJECT)
    assert [each for each in wanted if name_of(each) in WATCHED] == [
        f"{name}>=0.0.dev0" for name in WATCHED
    ]
    project = tomllib.loads(PROJECT)["project"]
    rest = [each for each in project["dependencies"] if name_of(each) not in WATCHED]
    assert rest
    assert set(rest) <= set(wanted)
    assert "pytest" in {name_of(each) for each in wanted}


@pytest.mark.parametrize(
    ("requirement", "name"),
    [
        ("livekit-agents>=1.7.0,<2.1", "livekit-agents"),
        ("tomli>=2; python_version < '3.11'", "tomli"),
        ("livekit-plugins-aws[realtime]>=1", "livekit-plugins-aws"),
        ("OpenAI", "openai"),
    ],
)
def test_the_name_of_a_requirement(requirement: str, name: str) -> None:
    assert name_of(requirement) == name


def test_the_versions_that_pip_tells() -> None:
    listing = f"{PLUGIN} (2.0.0)\nAvailable versions: 2.0.0, 2.0.0b1, 1.8.9\n  INSTALLED: 1.8.9\n"
    assert versions(listing) == ["2.0.0", "2.0.0b1", "1.8.9"]
    assert versions("ERROR: No matching distribution found") == []


def test_a_canarys_advice_is_told_once_and_other_failures_by_name() -> None:
    found = of_junit("canaries", JUNIT)
    assert found.counts == {"passed": 1, "failed": 3, "skipped": 1}
    assert found.broken == [
        "LiveKit changed. Relied on: x. Look at y.",
        "`test_d`: TypeError: 'a'",
    ]


def test_scenarios_that_do_not_hold_are_told_unless_that_is_known() -> None:
    rows = [
        row("a"),
        row("b", holds=False, problems=["2 creates, not 1"], compared="worse"),
        row("c", holds=False, open="waits behind"),
        row("d", compared=None),
    ]
    found = of_scenarios(json.dumps({"scenarios": rows}))
    assert found.broken == ["`b` t: 2 creates, not 1"]
    assert found.counts == {"hold": 2, "of": 4, "better": 0, "same": 2, "worse": 1}


@pytest.mark.parametrize("text", ["", "Traceback", "{}"])
def test_scenarios_that_could_not_be_run_are_told(text: str) -> None:
    assert of_scenarios(text, "ImportError: x\nmore").broken == ["ImportError: x"]


def test_versions_past_our_bounds_are_told() -> None:
    project = """[project]
dependencies = ["livekit-agents>=1.7.0,<2.1", "transitions>=0.9.3,<0.10", "rich>=13"]
optional-dependencies.openai = ["livekit-plugins-openai>=1.7.0,<2.1"]"""
    installed = {"livekit-agents": "2.0.0b1", "transitions": "1.0", PLUGIN: "2.1.0rc1"}
    assert outside(installed, project) == [
        "transitions 1.0 is not allowed by `transitions>=0.9.3,<0.10`",
        f"{PLUGIN} 2.1.0rc1 is not allowed by `{PLUGIN}>=1.7.0,<2.1`",
    ]


def test_the_page_says_what_would_have_to_change_or_that_nothing_does() -> None:
    good = Found("scenarios", {"hold": 2, "of": 2}, [])
    bad = Found("canaries", {}, ["LiveKit changed. x", "LiveKit changed. x"])
    assert markdown({"a": "1"}, [], [good]).endswith("change\n\nNothing.\n")
    page = markdown({"a": "1"}, ["a 1 is not allowed"], [good, bad])
    assert "| canaries | not run |" in page
    assert page.endswith("* a 1 is not allowed\n* LiveKit changed. x\n")
