"""The page of a result: one file, no script, nothing from the network."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator, Sequence
from html import escape
from importlib.resources import files
from typing import Literal

from .._version import __version__
from ..diagrams._svg_style import variables
from ..simulator.rule import Rule
from .compare import Change
from .result import Answer, Frame, Result

__all__ = ["page"]

Kind = Literal["deviates", "surprise", "unjudged", "kept"]
_SIGNS: dict[Kind, str] = {"deviates": "✕", "surprise": "≠", "unjudged": "○", "kept": "✓"}
_GROUPS: tuple[tuple[Kind, str, str], ...] = (
    ("deviates", "Deviates", "from what is documented, or was observed of the OpenAI service"),
    ("surprise", "Not as assumed", "nothing says what is right here; a client must take both"),
    ("unjudged", "Not judged", ""),
    ("kept", "Kept", ""),
)


def page(result: Result, changes: Sequence[Change] | None = None, since: str = "") -> str:
    """Return the page of a result.

    Args:
        result: of the run.
        changes: since an earlier one, None if there is none to compare with.
        since: its date.
    """
    return "\n".join(_document(result, changes, since)) + "\n"


def _document(result: Result, changes: Sequence[Change] | None, since: str) -> Iterator[str]:
    css = (files(__package__) / "assets" / "conform.css").read_text("utf-8")
    style = f"{variables(':root')}\n{css}"
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    title = f"Realtime conformance of {result.url}"
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield '<meta name="referrer" content="no-referrer">'
    yield f"<title>{_text(title)}</title>"
    yield f"<style>{style}</style>"
    yield "</head>"
    yield "<body>"
    yield '<a class="skip" href="#main">To the result</a>'
    yield '<main id="main">'
    yield f"<h1>{_foreign(result.url)}</h1>"
    about = [
        "Realtime conformance",
        result.date,
        result.model or "",
        {"ga": "current names", "beta": "beta names"}.get(result.dialect, result.dialect),
        "directed" if result.directed else "",
        f"{result.seconds:g} s",
        f"{result.responses} responses",
        f"{result.tokens} tokens" if result.tokens else "",
    ]
    yield f'<p class="about">{" · ".join(_foreign(each) for each in about if each)}</p>'
    yield _tiles(result)
    if result.ended or result.notes:
        yield _notice(result)
    if changes is not None:
        yield from _changes(changes, since)
    for kind, name, says in _GROUPS:
        yield from _group(kind, name, says, [(r, a) for r, a in result if _kind(r, a) == kind])
    yield f"<footer>realtime-fsm {__version__}; asked by {_text(result.version)}</footer>"
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _kind(rule: Rule, answer: Answer) -> Kind:
    if answer.verdict == "deviates":
        return "surprise" if rule.source == "assumed" else "deviates"
    return "kept" if answer.verdict == "kept" else "unjudged"


def _tiles(result: Result) -> str:
    deviates, surprises = len(result.deviations), len(result.surprises)
    tiles = (
        (result.count("kept"), "rules kept", ""),
        (deviates, "deviate", "bad" if deviates else ""),
        (surprises, "not as assumed", "warm" if surprises else ""),
        (result.count("not judged"), "not judged", ""),
    )
    items = [
        f"<li{f' class={chr(34)}{kind}{chr(34)}' if kind else ''}><b>{count}</b>"
        f"<span>{name}</span></li>"
        for count, name, kind in tiles
    ]
    return f'<ul class="tiles">{"".join(items)}</ul>'


def _notice(result: Result) -> str:
    title = f"Not all was asked: {result.ended}" if result.ended else "Of this server"
    notes = "".join(f"<li>{_foreign(note)}</li>" for note in result.notes)
    listed = f"<ul>{notes}</ul>" if notes else ""
    return f'<div class="notice" role="note"><b>{_foreign(title)}</b>{listed}</div>'


def _changes(changes: Sequence[Change], since: str) -> Iterator[str]:
    yield f"<h2>What changed since {_text(since)}</h2>"
    if not changes:
        yield '<p class="about">Nothing: every rule that was judged then has the same answer.</p>'
        return
    yield '<table class="changes"><tbody>'
    for change in changes:
        yield (
            f'<tr class="{change.kind}"><th scope="row">{_text(change.rule)}</th>'
            f"<td>{_foreign(change.text)}</td></tr>"
        )
    yield "</tbody></table>"


def _group(
    kind: Kind, name: str, says: str, answers: Sequence[tuple[Rule, Answer]]
) -> Iterator[str]:
    if not answers:
        return
    yield f"<h2>{name} <small>{len(answers)}</small></h2>"
    if says:
        yield f'<p class="about">{_text(says)}</p>'
    for rule, answer in answers:
        yield from _rule(kind, rule, answer)


def _rule(kind: Kind, rule: Rule, answer: Answer) -> Iterator[str]:
    value = ""
    if answer.value is not None and rule.field:
        shown = json.dumps(answer.value)
        value = f' <span class="tag">{_text(rule.field)} = {_text(shown)}</span>'
    head = (
        f'<span class="sign" aria-hidden="true">{_SIGNS[kind]}</span>'
        f'<span class="id">{_text(rule.id)}</span>'
        f'<span class="how">{_foreign(answer.how)}{value}</span>'
        f'<span class="says">{_text(rule.statement)} <span class="tag">{rule.source}</span></span>'
    )
    if not answer.frames:
        yield f'<div class="rule {kind}"><div class="line">{head}</div></div>'
        return
    opened = " open" if kind == "deviates" and len(answer.frames) <= 12 else ""
    yield f'<details class="rule {kind}"{opened}><summary>{head}</summary>'
    yield '<div class="frames"><table>'
    yield "<caption>The conversation, on a connection of its own</caption>"
    yield '<thead><tr><th scope="col">s</th><th scope="col">from</th><th scope="col">frame</th></tr></thead>'
    yield "<tbody>"
    for frame in answer.frames:
        yield _frame(frame)
    yield "</tbody></table></div></details>"


def _frame(frame: Frame) -> str:
    event = {name: value for name, value in frame.event.items() if name != "type"}
    kind = frame.event.get("type")
    name = _foreign(str(kind)) if kind is not None else "<i>text</i>"
    rest = event.get("text") if kind in (None, "closed") else _json(event)
    times = f" <small>&times;{frame.count}</small>" if frame.count > 1 else ""
    classes = f"by-{frame.by}{' by-error' if kind == 'error' else ''}"
    return (
        f'<tr class="{classes}"><td>{frame.t:.2f}</td><td>{frame.by}</td>'
        f"<td><b>{name}</b>{times} <code>{_text(str(rest or ''))}</code></td></tr>"
    )


def _json(event: object) -> str:
    text = json.dumps(event, ensure_ascii=False)
    return "" if text == "{}" else text if len(text) <= 600 else text[:600] + "…"


def _clean(text: str) -> str:
    """Without what a page cannot hold: control characters and halves of characters."""
    whole = text.encode("utf-8", "replace").decode()
    return "".join(c if c >= " " and not "\x7f" <= c <= "\x9f" else " " for c in whole)


def _text(text: str) -> str:
    return escape(_clean(text))


def _foreign(text: str) -> str:
    """A text whose direction does not reach beyond it."""
    return f'<bdi dir="auto">{_text(text)}</bdi>'
