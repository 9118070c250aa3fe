"""One call as a sequence of lines that a person can read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from ...testing import canonical
from .drawing import draw
from .evidence import Evidence
from .judge import Judged
from .pairs import compare_scenario, live_pair, questions_table
from .run import CallResult, run_scenario
from .scenario import Profile, Scenario

__all__ = ["replay", "replay_pair", "show"]

# One of these comes for each tenth of a second, or says again what its neighbours said.
_LEFT_OUT = frozenset(
    {
        "response.output_audio.delta", "response.output_audio_transcript.delta",
        "response.output_text.delta", "input_audio_buffer.append", "rate_limits.updated",
        "response.content_part.added", "response.content_part.done", "response.output_audio.done",
        "response.output_audio_transcript.done", "response.output_text.done",
        "response.function_call_arguments.delta", "response.function_call_arguments.done",
        "conversation.item.done", "conversation.item.input_audio_transcription.delta",
    }
)  # fmt: skip
_RANKS = {"caller": 0, "app": 0, "--": 1, "->": 1, "<-": 1, "turn": 2, "tool": 3, "hears": 4}
_ARROWS = {"client": "->", "server": "<-", "net": "--"}


def replay(seed: int, profile: Profile = "none", *, plain: bool = False) -> Iterator[str]:
    """Play the call of that seed, and say line by line what happened and what became of it."""
    scenario = draw(seed, profile)
    result, seen, judged = run_scenario(scenario, plain=plain)
    yield f"Call {seed}, faults {profile}, {'plain LiveKit' if plain else 'controlled'}"
    yield from show(scenario, result, seen, judged)


def replay_pair(seed: int, profile: Profile = "none") -> Iterator[str]:
    """Live the call of that seed twice, and say what is worse and better, question by question, and
    what happened in each."""
    scenario = draw(seed, profile, acts=True)
    plain, controlled = live_pair(scenario)
    result, _ = compare_scenario(scenario, plain, controlled)
    yield f"Call {seed}, faults {profile}, lived twice"
    yield from _head(scenario)
    for name, seen in (("plain LiveKit", plain), ("controlled", controlled)):
        yield ""
        yield f"--- {name}"
        yield from _timeline(seen)
    yield ""
    yield "When each question was asked; seconds to the first sound; seconds heard:"
    yield from questions_table(plain.life, controlled.life)
    yield ""
    for title, differences in (
        ("WORSE", result.worse),
        ("better", result.better),
        ("allowed", result.allowed),
    ):
        for each in differences:
            yield f"{title}: {each.text}"
    yield f"The controlled call is {_VERDICTS[result.verdict]}."


_VERDICTS = {"same": "as good as plain LiveKit", "better": "better", "worse": "WORSE"}


def show(scenario: Scenario, result: CallResult, seen: Evidence, judged: Judged) -> Iterator[str]:
    """Say what happened in a call that was played, and what became of it."""
    yield from _head(scenario)
    yield ""
    yield from _timeline(seen)
    yield ""
    for number, (asked, fate) in enumerate(zip(seen.asked, judged.fates, strict=True), 1):
        sound = f", sound after {fate.first_sound:.2f} s" if fate.first_sound is not None else ""
        why = f": {fate.why}" if fate.why else ""
        name = fate.fate.replace("_", " ")
        yield f"turn {number}, asked at {asked.begun:.2f} s: {name}{why}{sound}"
    for why in result.why:
        yield f"BAD: {why}"
    if not result.bad:
        yield "Nothing is wrong with this call."


def _head(scenario: Scenario) -> Iterator[str]:
    yield f"{scenario.voice}, answers in {scenario.modality}, tool takes {scenario.tool_seconds} s"
    for number, turn in enumerate(scenario.turns, 1):
        when = "" if turn.then == "listens" else f" after {turn.after:g} s of {turn.measure}"
        act = "" if turn.act is None else f", {turn.act.kind} at {turn.act.after:g} s"
        yield (
            f"  turn {number}: {turn.kind} of {turn.seconds:g} s, the caller"
            f" {turn.then.replace('_', ' ')}{when}, pause {turn.pause:g} s{act}"
        )
    for each in (*scenario.edits, *scenario.asides, *scenario.outputs):
        yield f"  besides: {each}"
    for fault in scenario.config.faults.faults if scenario.config.faults else ():
        yield f"  fault: {fault}"


def _timeline(seen: Evidence) -> Iterator[str]:
    lines: list[tuple[float, str, str]] = list(seen.notes)
    lines += [
        (r.t, r.what, f"{r.text}{'' if r.final else ' (recoverable)'}")
        for r in seen.reported
        if r.what in ("error", "request")
    ]
    for line in canonical(seen.record).splitlines():
        each = json.loads(line)
        if each["event"].get("type") not in _LEFT_OUT:
            lines.append((each["t"], _ARROWS[each["direction"]], _brief(each["event"])))
    # LiveKit's tasks run in no fixed order within an instant, so the order there is by who it was.
    for t, who, text in sorted(lines, key=lambda line: (round(line[0], 6), _RANKS.get(line[1], 5))):
        yield f"{t:9.3f}  {who:<8} {text}"


def _brief(event: dict[str, Any]) -> str:
    """The type of an event, and what tells it from others of its type."""
    words = [str(event.get("type"))]
    for part in ("response", "item", "error"):
        inner = event.get(part)
        if not isinstance(inner, dict):
            continue
        kind = inner.get("type")
        words += [str(kind)] if part == "item" and kind not in (None, "message") else []
        words += [str(inner[key]) for key in ("id", "role", "status", "code") if inner.get(key)]
        details = inner.get("status_details")
        if isinstance(details, dict):
            error = details.get("error")
            code = error.get("code") if isinstance(error, dict) else None
            words += [str(code or details.get("reason") or "")]
        if part == "error":
            words += [f'"{inner.get("message")}"', f"answers {inner.get('event_id')}"]
    keys = ("event_id", "response_id", "item_id", "audio_end_ms", "transcript", "code", "reason")
    # The server's own event ids are of no use to anybody.
    skipped = 0 if str(event.get("type")) in _OF_CLIENTS else 1
    words += [f"{key}={event[key]}" for key in keys[skipped:] if event.get(key) not in (None, "")]
    return " ".join(word for word in words if word)


_OF_CLIENTS = frozenset(
    {
        "response.create", "response.cancel", "conversation.item.create",
        "conversation.item.delete", "conversation.item.truncate",
    }
)  # fmt: skip
