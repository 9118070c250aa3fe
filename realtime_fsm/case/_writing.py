"""Writes an ordering as a case of the corpus."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from statistics import median

from ._ordering import Draft, Ordering, Output, Response

__all__ = ["draft", "word", "written"]

_SPEAKS = re.compile(r'U (starts|says) (\w+ ".*") ([\d.]+)s')
_CREATED = {True: 0.02, False: 0.005}  # what the simulated server takes by default
_CANCELLED, _TRANSCRIBED = 0.03, 0.01
_DIFFERS = 0.02  # seconds
_REST = 2.0  # seconds of a message that nobody received
_PACE = 0.02
_WORDS = ["we", "open", "at", "nine", "and", "close", "at", "six", "on", "every", "day", "of", "the", "week", "but", "for", "Sunday", "when", "the", "shop", "is", "shut", "and", "nobody", "is", "there", "to", "ask", "so", "please", "call", "again", "on", "Monday", "or", "leave", "a", "message", "with", "your", "name"]  # fmt: skip


def draft(ordering: Ordering, first: int = 0, last: int | None = None) -> Draft:
    """The acts from *first* up to *last*, and what the server did about them."""
    acts = ordering.acts[first:last]
    begin = acts[0].t if first and acts else float("-inf")
    after = ordering.acts[last].t if last is not None and last < len(ordering.acts) else None
    responses = [
        each
        for each in sorted(ordering.responses, key=lambda r: r.asked)
        if each.asked >= begin and (after is None or each.asked < after)
    ]
    body, now = [], acts[0].t if acts else 0.0
    for act in acts:
        body.append((max(0.0, act.t - now), act.text))
        now = max(now, act.t)
    delays = {vad: _delay(ordering, vad) for vad in _CREATED}
    replies = tuple(
        tuple(_clauses(each, at, delays[each.vad])) for at, each in enumerate(responses, 1)
    )
    setup = [*ordering.setup, *_delays(ordering, responses, delays)]
    return Draft(tuple(setup), replies, tuple(body))


def _delays(
    ordering: Ordering, responses: Sequence[Response], delays: dict[bool, float]
) -> Iterator[str]:
    """What the server does later than the simulated one does, or otherwise."""
    for vad, name in ((True, "vad_create_delay"), (False, "create_delay")):
        if any(each.vad is vad for each in responses) and delays[vad] != _CREATED[vad]:
            yield f"server.{name} {_s(delays[vad])}"
    if any(each.kind == "reasoning" for response in responses for each in response.outputs):
        yield "server.reasoning_items item"
    for name, took, usual in (
        ("cancel_delay", ordering.cancels_took or ordering.denials_took, _CANCELLED),
        ("transcription_delay", ordering.transcripts_took, _TRANSCRIBED),
    ):
        if took and abs(median(took) - usual) > _DIFFERS:
            yield f"server.{name} {_s(median(took))}"


def _delay(ordering: Ordering, vad: bool) -> float:
    """How long the server takes for a response, mostly."""
    took = [
        at - each.asked
        for each in ordering.responses
        if each.vad is vad and (at := each.created or each.refused) is not None
    ]
    usual = _CREATED[vad]
    return usual if not took or abs(median(took) - usual) < 0.01 else max(0.0, median(took))


def written(
    made: Draft, *, id: str, title: str, source: str, guarantees: str, expect: Sequence[str]
) -> str:
    """The draft in the notation of the corpus."""
    lines = [f"id: {id}", f"title: {title}", f"source: {source}", f"guarantees: {guarantees}"]
    if made.setup:
        lines.append("setup: " + "; ".join(made.setup))
    lines += [("S replies " + ", ".join(clauses)).rstrip() for clauses in made.replies]
    waited = 0.0  # of the gap, by the line before
    for at, (gap, text) in enumerate(made.body):
        if gap - waited >= 0.001:
            lines.append(f"T {_s(gap - waited)}")
        said = _SPEAKS.fullmatch(text)
        waited = 0.0 if said is None else float(said[3])
        after = made.body[at + 1][0] if at + 1 < len(made.body) else float("inf")
        if said is not None and (said[1] == "says" or after >= waited):
            text = f"U says {said[2]} {_s(waited)}"
        else:
            waited = 0.0
        lines.append(text)
    lines += [f"expect: {each}" for each in expect]
    return "\n".join(lines) + "\n"


def _clauses(response: Response, number: int, delay: float) -> list[str]:
    if response.status == "refused":
        code, kind = response.code or "null", response.type
        said = f"refused {word(code)}" + ("" if response.linked else " unlinked")
        return [said + (f" type {word(kind)}" if kind and kind != code else "")]
    if response.created is None:
        if response.status == "failed":
            return [f"failed {word(response.code or response.type or 'null')} at before_created"]
        if response.status == "lost":
            return ["drops at before_created"]
        return ["unanswered holds the slot" if response.held else "unanswered"]
    clauses = []
    after = response.created - response.asked
    if abs(after - delay) > _DIFFERS:
        clauses.append(f"created after {_s(after)}")
    came = response.created
    cut = response.status != "completed"
    for index, output in enumerate(response.outputs, 1):
        last = index == len(response.outputs)
        clauses += _output(response, output, came, f"{number}.{index}", open=cut and last)
        came = max(came, output.last or output.done or output.added)
    pace = _pace(response)
    if pace is not None:
        clauses.append(f"pace {_s(pace)}")
    clauses += _end(response, came)
    return clauses


def _output(response: Response, output: Output, came: float, name: str, *, open: bool) -> list[str]:
    late = output.added - came
    after = f" after {_s(late)}" if late > _DIFFERS else ""
    if output.kind == "message":
        seconds = _ms(output) / 1000
        if open and not output.whole:
            seconds += _REST
        return [f"says {_text(output, name, seconds)} {_s(max(0.1, seconds))}{after}"]
    if output.kind == "function_call":
        return [f"calls {word(output.name or 'tool')}{after}"]
    if output.kind == "reasoning":
        until = output.done
        if until is None or open:
            until = (response.ended or came) + _REST
        return [f"reasons {_s(max(0.1, until - output.added))}{after}"]
    return []


def _end(response: Response, came: float) -> list[str]:
    status = response.status
    if _gave_up(response):
        ms = sum(each.before or 0.0 for each in response.outputs if each.kind == "message")
        return [f'stalls at "{round(ms)} ms"' if ms >= 1 else f"stalls{_silent_at(response)}"]
    told = word(response.code or response.type or "null")
    at = _point(response)
    if status == "completed":
        late = (response.ended or came) - came
        return [f"done after {_s(late)}"] if late > _DIFFERS else []
    if status == "failed":
        kind = response.type
        return [f"failed {told}{at}" + (f" type {word(kind)}" if kind and response.code else "")]
    if status == "incomplete":
        reason = response.reason
        known = reason in ("max_output_tokens", "content_filter")
        return [f"incomplete {reason if known else 'max_output_tokens'}{at}"]
    if status == "cancelled" or (not status and response.client_ended is not None):
        # By the client, or the user's speech: they are in the case, and find it under way.
        if not response.outputs:
            return [f"stalls{at}"]
        whole = all(each.whole for each in response.outputs)
        return [f"done after {_s((response.ended or came) - came + _REST)}"] if whole else []
    if status == "lost":
        return [f"drops{at}"]
    if response.outputs and all(each.whole for each in response.outputs):
        return ["done lost"]
    return [f"stalls{at}"]


def _gave_up(response: Response) -> bool:
    """Whether the client cancelled it since nothing of it came any more; what came later, nobody
    waited for."""
    return response.client_ended is not None and response.silent > _REST


def _silent_at(response: Response) -> str:
    return f' at "item {len(response.outputs)}"' if response.outputs else " at created"


def _point(response: Response) -> str:
    """How far it came, as the notation says it."""
    if not response.outputs:
        return " at created"
    if all(each.whole for each in response.outputs):
        return " at end"
    ms = sum(_ms(each) for each in response.outputs if each.kind == "message")
    if response.outputs[-1].kind == "message" and _ms(response.outputs[-1]) >= 1:
        return f' at "{round(ms)} ms"'
    return f' at "item {len(response.outputs)}"'


def _ms(output: Output) -> float:
    """How much of a message came, in milliseconds of sound: of a text, what takes as long to come."""
    if output.ms or output.first is None or output.last is None:
        return output.ms
    return 100.0 + (output.last - output.first) / _PACE * 100


def _pace(response: Response) -> float | None:
    """Seconds between two deltas of 100 ms, where it is not as ever."""
    steps, seconds = 0.0, 0.0
    for each in response.outputs:
        if each.ms > 200 and each.first is not None and each.last is not None:
            steps += each.ms / 100 - each.pauses
            seconds += each.flowing
    if steps < 2:
        return None
    pace = seconds / steps
    return round(pace, 3) if abs(pace - _PACE) > 0.004 else None


def _text(output: Output, name: str, seconds: float) -> str:
    if output.words:
        return json.dumps(output.words)
    text, at = name, 0
    letters = output.chars if output.whole and output.chars else seconds * 12
    while len(text) + len(_WORDS[at % len(_WORDS)]) / 2 < letters:
        text, at = f"{text} {_WORDS[at % len(_WORDS)]}", at + 1
    return json.dumps(text)


def word(text: str) -> str:
    """A word, in quotes where it is none."""
    plain = text.replace("_", "").replace("-", "").replace(".", "").isalnum()
    return text if plain else json.dumps(text)


def _s(seconds: float) -> str:
    return f"{max(0.001, round(seconds, 3)):g}s"
