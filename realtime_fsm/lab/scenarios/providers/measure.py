"""Every row of every provider, plain and controlled, and what is kept of it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

from ....compare import Finding, judge
from ....testing.providers import FAKES, Fake, PluginMissing
from ....testing.virtual import run_virtual
from .call import play
from .rows import ROWS, ProviderRow
from .seen import Seen

__all__ = ["KEPT", "Cell", "kept_here", "load", "measure", "missing", "save"]

KEPT = (Path("docs/providers.json"), Path("docs/providers-2.json"))
"""Where what was measured is kept: with livekit-agents 1.x, and with 2.x."""

_LIMIT = 900.0  # virtual seconds


@dataclass(frozen=True)
class Cell:
    """One row of one provider.

    Attributes:
        word: ``same``, ``better`` or ``worse``: controlled, compared with plain.
        why: What is better, or worse.
        plain: What became of each question with plain LiveKit.
        controlled: The same, controlled.
    """

    word: str
    why: tuple[str, ...]
    plain: str
    controlled: str


def missing(family: str) -> str | None:
    """Why a provider's calls cannot be run here, or None."""
    fake = FAKES[family]

    async def start() -> None:
        async with fake({}):
            pass

    try:
        run_virtual(start)
    except PluginMissing as e:
        return str(e)
    return None


def measure(family: str, names: Iterable[str] = ()) -> Iterator[tuple[str, Cell]]:
    """Run the rows with these names, all by default."""
    wanted, fake = set(names), FAKES[family]
    for row in ROWS:
        if row.for_(fake) and (not wanted or row.name in wanted):
            yield row.name, _cell(fake, row)


def _cell(fake: type[Fake], row: ProviderRow) -> Cell:
    plain, ours = (
        run_virtual(
            lambda controlled=controlled: play(  # type: ignore[misc]
                fake, row.answers, row.row, controlled=controlled, tools=row.tools
            ),
            limit=_LIMIT,
        )
        for controlled in (False, True)
    )
    verdict = judge(plain.life, ours.life)
    why = tuple(map(_why, verdict.worse or verdict.better))
    return Cell(verdict.word, why, _in_short(plain), _in_short(ours))


def _why(finding: Finding) -> str:
    where = f' "{finding.question}"' if finding.question else ""
    # Which tasks are left over differs from run to run.
    text = finding.text.partition(" (")[0] if finding.clause == "fault" else finding.text
    return f"{finding.clause}{where}: {text}"


def _in_short(seen: Seen) -> str:
    """What became of each question: seconds to its first sound, and how its speech ended."""
    ends = {speech.question: speech.ended for speech in seen.speeches}
    parts = []
    for question in seen.questions:
        sound = "silence" if question.sound is None else f"{question.sound - question.t:.2f} s"
        twice = " twice" if question.times > 1 else ""
        end = ends.get(question.text, "ok")
        parts.append(f"{sound}{twice}" + ("" if end == "ok" else f" ({end})"))
    return ", ".join(parts) + ("; the session ended" if seen.closed is not None else "")


def kept_here() -> Path:
    """Where what is measured here is kept."""
    return KEPT[version("livekit-agents").startswith("2.")]


def save(path: Path, cells: dict[str, dict[str, Cell]]) -> None:
    """Keep what was measured, with the version of LiveKit."""
    rows = [
        json.dumps([family, name, asdict(cell)], ensure_ascii=False)
        for family, of in cells.items()
        for name, cell in of.items()
    ]
    body = ",\n".join([json.dumps(version("livekit-agents")), *rows])
    path.write_text(f"[\n{body}\n]\n", "utf-8")


def load(path: Path) -> tuple[str, dict[str, dict[str, Cell]]]:
    """What `save` kept: the version, and the cells by provider and row."""
    made_with, *rows = json.loads(path.read_text("utf-8"))
    cells: dict[str, dict[str, Cell]] = {}
    for family, name, cell in rows:
        cells.setdefault(family, {})[name] = Cell(**{**cell, "why": tuple(cell["why"])})
    return made_with, cells
