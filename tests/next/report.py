"""What came of the tests and scenarios, as a page that says what would have to change."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from packaging.requirements import Requirement

from .install import name_of, tomllib

#: A canary's message begins with it; what follows is the advice.
_ADVICE = "LiveKit changed."
_LONGEST = 400


@dataclass(frozen=True)
class Found:
    """What came of one suite.

    Attributes:
        heading: Its name.
        counts: How many of what: ``passed``, ``failed``, ``skipped``.
        broken: A line for each that does not hold: the advice of a canary, or what was seen.
    """

    heading: str
    counts: Mapping[str, int]
    broken: Sequence[str]


def of_junit(heading: str, xml: str) -> Found:
    """The result of a run of pytest, as its ``--junitxml`` tells it."""
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    broken = []
    for case in ET.fromstring(xml).iter("testcase"):
        failure = case.find("failure")
        failure = case.find("error") if failure is None else failure
        if failure is not None:
            counts["failed"] += 1
            broken.append(_line(case.get("name", ""), failure.get("message", "")))
        else:
            counts["skipped" if case.find("skipped") is not None else "passed"] += 1
    return Found(heading, counts, list(dict.fromkeys(broken)))


def _line(name: str, message: str) -> str:
    before, told, advice = message.partition(_ADVICE)
    if told:
        return f"{_ADVICE} {_first(advice)}"
    return f"`{name}`: {_first(before)}"


def _first(text: str) -> str:
    line = text.strip().partition("\n")[0].strip()
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def of_scenarios(text: str, complaints: str = "") -> Found:
    """The result of ``realtime-fsm scenarios --json``."""
    try:
        rows = json.loads(text)["scenarios"]
    except (ValueError, KeyError):
        return Found("scenarios", {}, [_first(complaints) or "no scenario was run"])
    broken = [
        f"`{row['id']}` {row['title']}: {'; '.join(row['problems'])}"
        for row in rows
        if not row["holds"] and not row["open"]
    ]
    words = {"better": 0, "same": 0, "worse": 0}
    for row in rows:
        if row["compared"] is not None:
            words[row["compared"]] += 1
    counts = {"hold": sum(row["holds"] for row in rows), "of": len(rows), **words}
    return Found("scenarios", counts, broken)


def outside(installed: Mapping[str, str], project: str) -> list[str]:
    """Which of the installed versions a ``pyproject.toml`` does not allow yet."""
    read = tomllib.loads(project)["project"]
    asked = [*read["dependencies"], *read["optional-dependencies"]["openai"]]
    return [
        f"{name} {installed[name]} is not allowed by `{each}`"
        for each in asked
        if (name := name_of(each)) in installed
        and not Requirement(each).specifier.contains(installed[name], prereleases=True)
    ]


def markdown(installed: Mapping[str, str], bounds: Sequence[str], found: Sequence[Found]) -> str:
    """The page."""
    lines = ["# With the newest releases", ""]
    lines += [f"* {name} {version}" for name, version in installed.items()]
    lines += ["", "| | |", "|---|---|"]
    for each in found:
        counted = ", ".join(f"{count} {word}" for word, count in each.counts.items())
        lines.append(f"| {each.heading} | {counted or 'not run'} |")
    changes = [*bounds, *(line for each in found for line in each.broken)]
    lines += ["", "## What would have to change", ""]
    lines += [f"* {change}" for change in dict.fromkeys(changes)] or ["Nothing."]
    return "\n".join(lines) + "\n"
