"""What came of the scenarios: for a terminal, as a page of the docs, as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from importlib import resources
from typing import Any

from livekit.agents import __version__ as livekit_agents_version
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..._version import __version__
from ...testing.corpus import Line
from ...testing.corpus._forms import EXPECT
from ...testing.corpus._grammar import match
from ...testing.corpus._outcome import Outcome
from .groups import GROUPS, SCENARIOS
from .suite import MEASURED_WITH, NEWER, Judged, run_all

__all__ = ["as_json", "page", "print_table", "summary"]

_HEADINGS = (
    "heard", "silence", "repeated", "unheard", "handles", "creates", "collisions", "connections",
)  # fmt: skip
_SHORT = 26  # characters of an exception's text


def _cells(seen: Outcome | None) -> tuple[str, ...]:
    if seen is None:
        return ("",) * len(_HEADINGS)
    heard = " + ".join(f"{seconds:.2f}" for seconds in seen.heard) or "0"
    if seen.shown:
        heard = "text"
    handles = ", ".join(_short(handle.ended) for handle in seen.handles)
    refused = ", refused" * len(seen.refused)
    return (
        heard,
        f"{seen.silence:.2f}{'*' if seen.unanswered else ''}",
        str(seen.repeated),
        str(seen.unheard),
        f"{handles}{refused}" or "-",
        str(seen.creates),
        str(seen.collisions),
        str(seen.attempts),
    )


def compared(each: Judged) -> str:
    """How the controlled call compares with plain LiveKit, in a word, and if worse in what."""
    verdict = each.verdict
    if verdict is None or not verdict.worse:
        return "" if verdict is None else verdict.word
    return f"worse: {', '.join(dict.fromkeys(finding.clause for finding in verdict.worse))}"


def _short(text: str) -> str:
    text = text.replace("conversation_already_has_active_response", "already active")
    return text if len(text) <= _SHORT else f"{text[:_SHORT].rstrip()}…"


def print_table(judged: Sequence[Judged], console: Console) -> None:
    """Print a table of both modes, and what does not hold."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("scenario", no_wrap=True)
    table.add_column("", no_wrap=True)
    for name in _HEADINGS:
        table.add_column(name, justify="left" if name == "handles" else "right")
    table.add_column("compared")
    for each in judged:
        style = "" if not each.surprising else "red"
        if each.plain is not None:
            table.add_row(each.scenario.id, "plain", *_cells(each.plain), style="dim")
        name = "" if each.plain is not None else each.scenario.id
        mark = " (open)" if each.scenario.status == "open" else ""
        cells = (*_cells(each.controlled), compared(each))
        table.add_row(name, f"controlled{mark}", *cells, style=style)
    console.print(table)
    for each in judged:
        for line in [*_problems(each)]:
            console.print(Text(line), soft_wrap=True)
    console.print(Text(summary(judged), style="bold"), soft_wrap=True)


def _problems(each: Judged) -> Iterable[str]:
    if each.scenario.status == "open":
        holds = ", but holds now: remove its line status:" if each.holds else ""
        yield f"{each.scenario.id}: open, {each.scenario.reason}{holds}"
        return
    for problem in each.plain_problems:
        yield f"{each.scenario.id}: plain: {problem}"
    for problem in each.problems:
        yield f"{each.scenario.id}: {problem}"


def summary(judged: Sequence[Judged]) -> str:
    """How many hold, the longest silence, and the words heard twice."""
    hold = sum(each.holds for each in judged)
    still = sum(each.scenario.status == "open" for each in judged)
    both = [each for each in judged if each.plain is not None]
    words = Counter(each.verdict.word for each in judged if each.verdict is not None)
    counted = ", ".join(f"{words[word]} {word}" for word in ("better", "same", "worse"))
    lines = [
        f"controlled: {hold} of {len(judged)} hold, {still} are known to be open.",
        f"compared with plain, call by call: {counted}.",
    ]
    for mode, outcomes in (
        ("plain", [each.plain for each in both]),
        ("controlled", [each.controlled for each in both]),
    ):
        seen = [outcome for outcome in outcomes if outcome is not None]
        if seen:
            lines.append(
                f"{mode}: longest silence {max(o.silence for o in seen):.2f} s,"
                f" {sum(o.unanswered for o in seen)} calls with a question that nobody answered or"
                f" reported, {sum(o.repeated for o in seen)} words repeated,"
                f" {sum(o.unheard for o in seen)} words remembered that nobody heard,"
                f" {sum(o.collisions for o in seen)} collisions."
            )
    return "\n".join(lines)


def as_json(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures, for ``json.dumps``."""
    return {
        "realtime_fsm": __version__,
        "livekit_agents": livekit_agents_version,
        "scenarios": [
            {
                "id": each.scenario.id,
                "title": each.scenario.title,
                "open": each.scenario.reason,
                "holds": each.holds,
                "problems": each.problems,
                "plain_problems": each.plain_problems,
                "compared": None if each.verdict is None else each.verdict.word,
                "worse": [] if each.verdict is None else [str(f) for f in each.verdict.worse],
                "plain": None if each.plain is None else each.plain.as_json(),
                "controlled": each.controlled.as_json(),
            }
            for each in judged
        ],
    }


# --- the page

_INTRO = f"""# Scenarios

Generated by `realtime-fsm scenarios --page > docs/scenarios.md`; a test compares it. Each call has a real
`AgentSession` and the real OpenAI plugin (livekit-agents {MEASURED_WITH}) against the [simulated server](rules.md), in virtual time.
They are cases in the [notation of the corpus](corpus-notation.md), in `realtime_fsm/lab/scenarios/cases`; the core rows are derived from them.

```console
realtime-fsm scenarios                 # all, as a table; fails if one does not hold
realtime-fsm scenarios c j3 turns      # these, or a group
realtime-fsm scenarios c --json        # the figures
make scenarios                         # all, and each field of each frame wrong in turn
```

What is shown of each call, plain LiveKit first:

* **heard**: seconds of each message of which anything was heard.
* **silence**: the longest wait, in seconds, from a question to the first sound, or between sounds until the speech is
  done; if no sound comes, until the handle says why (`exception()`), or the user interrupts. `*`: none of it before the
  call ended.
* **repeated**: words heard twice. **unheard**: words that the model remembers to have said and nobody heard.
* **handles**: what became of each `SpeechHandle`: `ok`, `interrupted`, `never done`, or its `exception()`; `refused` is a
  question that LiveKit did not take.
* **creates**: `response.create` sent; **collisions**: those that met a response still alive;
  **connections**: asked for.
* **compared**: the same call lived twice, each attempt at a question with the same reply, is better than plain LiveKit, as
  good, or worse, and in what ([G27](testing.md#never-worse-than-plain-livekit)). Empty: there are two models, or the policy
  is to repeat words.

A controlled call must do what the scenario states, and pass every check of [`check_all`](testing.md). **open**: it does not, yet;
the reason is below the table, and a test fails when it begins to.
"""

_TITLES = {
    "baseline": "What plain LiveKit does when a response goes wrong",
    "variants": "The same with what comes next, or with another setting",
    "turns": "Core rows, whoever ends the user's turns",
    "composition": "With LiveKit's fallback adapter",
}


def page() -> str:
    """The page ``docs/scenarios.md``."""
    parts = [_INTRO]
    for name, scenarios in GROUPS.items():
        judged = list(run_all(each.id for each in scenarios))
        parts.append(f"## {_TITLES[name]}\n\n{_doc(name)}{_markdown(judged)}")
        notes = [
            f"* `{each.scenario.id}`: {_note(each)}"
            for each in judged
            if each.scenario.note or each.scenario.status == "open"
        ]
        if notes:
            parts.append("\n".join(notes) + "\n")
        parts.append(summary(judged).replace("\n", "  \n") + "\n")
    parts.append(_newer())
    return "\n".join(parts)


def _newer() -> str:
    """Where plain LiveKit of another release does something else."""
    lines = [
        f"## What plain LiveKit does otherwise with livekit-agents {NEWER}\n",
        "A pre-release. In all other rows it does the same, and so does the controlled call in all of them.\n",
        f"| | call | {MEASURED_WITH} | {NEWER} |",
        "|---|---|---|---|",
    ]
    for each in SCENARIOS.values():
        if each.newer:
            cells = (f"`{each.id}`", each.title, _said(each.plain), _said(each.newer))
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _said(lines: Sequence[Line]) -> str:
    read = [match(EXPECT, line.words, line.number, line.actor) for line in lines]
    said = {form.key: values for form, values in read}
    heard = (
        " + ".join(f"{seconds:.2f}" for seconds in said.get("hears", {}).get("seconds", ())) or "0"
    )
    number = said["creates"]["count"] if "creates" in said else 1
    any_number = any(values.get("what") == "creates" for _, values in read)
    creates = "" if any_number else f"; creates: {number}"
    fates = said["speeches"]["fates"]
    handles = ", ".join("discarded" if "discarded" in each else each for each in fates)
    return f"{heard} s heard; the handle: {handles}{creates}"


def _note(each: Judged) -> str:
    texts = [each.scenario.note] if each.scenario.note else []
    if each.scenario.status == "open":
        texts.append(f"**open**: {each.scenario.reason}")
    return "; ".join(texts)


def _doc(group: str) -> str:
    if group != "composition":
        return ""
    text = (resources.files(__package__) / "cases" / f"{group}.txt").read_text("utf-8")
    intro = [line[2:] for line in text.splitlines() if line.startswith("#")][1:]
    return "\n".join(intro).strip() + "\n\n"


def _markdown(judged: Sequence[Judged]) -> str:
    lines = [
        "| | call | | " + " | ".join((*_HEADINGS, "compared")) + " |",
        "|---|---|---|" + "---|" * (len(_HEADINGS) + 1),
    ]
    for each in judged:
        title = each.scenario.title.replace("|", "\\|")
        if each.plain is not None:
            cells = (*_cells(each.plain), "")
            lines.append(_line(f"`{each.scenario.id}`", title, "plain", cells))
        first = ("", "") if each.plain is not None else (f"`{each.scenario.id}`", title)
        mark = ", **open**" if each.scenario.status == "open" else ""
        cells = (*_cells(each.controlled), compared(each))
        lines.append(_line(*first, f"controlled{mark}", cells))
    return "\n".join(lines) + "\n"


def _line(*cells: str | tuple[str, ...]) -> str:
    flat = [c for cell in cells for c in ((cell,) if isinstance(cell, str) else cell)]
    return (
        "| "
        + " | ".join(
            cell.replace("|", "\\|").replace("*", "\\*") if n > 2 else cell
            for n, cell in enumerate(flat)
        )
        + " |"
    )
