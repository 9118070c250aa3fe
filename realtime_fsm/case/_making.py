"""Makes a case of one turn of a recorded call."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from itertools import zip_longest

from .._input import CommandError, InputError
from ..report._story import Turn
from ..testing.corpus import parse
from ..testing.corpus._call import fates_of
from ._living import live, shows, steps
from ._ordering import Draft, Ordering
from ._recorded import Incident, Recorded, incident
from ._search import reduced, windows
from ._writing import draft, word, written

__all__ = ["CaseError", "Made", "bare", "finished", "make"]

_MOST_RUNS = 400
_PATIENCE = 20.0  # seconds after which a caller hangs up


class CaseError(CommandError):
    """Why no case can be made of a turn, in words."""


@dataclass(frozen=True, slots=True)
class Made:
    """A case, and what it shows.

    Attributes:
        text: in the notation of the corpus.
        found: what became of the turn, and becomes of it in the case.
        left: guarantees that were broken about the turn, and are not in the case.
        runs: how many times a case was lived for it.
        passes: whether the case holds with the controller around the model.
    """

    text: str
    found: Incident
    left: tuple[str, ...]
    runs: int
    passes: bool


def make(
    recorded: Recorded, call: int, turn: Turn, *, id: str, source: str, rule: str = ""
) -> Made:
    """Make the smallest case in which the same becomes of *turn* of a call.

    Args:
        recorded: the file.
        call: the call's number, from 0.
        turn: one of that call.
        id: of the case.
        source: where it was recorded, in words.
        rule: reproduce the breach of this guarantee alone.

    Raises:
        CaseError: There is none, and why.
    """
    ordering = recorded.orderings[call]
    wanted = incident(recorded.side, call, turn)
    if rule:
        wanted = wanted.only(rule)
        if not wanted.rules:
            raise CaseError(f"{rule} was not broken about turn {turn.number + 1}")
    _possible(recorded, ordering, call, turn)
    search = _Search(ordering, call, turn)
    found = search.find(wanted)
    if found is None:
        raise CaseError(_in_the_way(search, recorded.steps[call]))
    made, shown = found
    left = tuple(each for each in wanted.ids if each not in shown.ids)
    return search.finish(made, shown, left, id=id, source=source)


class _Search:
    def __init__(self, ordering: Ordering, call: int, turn: Turn) -> None:
        self.ordering = ordering
        self.turn = turn
        self.plain = ordering.mode != "control"
        self.has = frozenset(ordering.has)
        self.runs = 0

    def shows(self, made: Draft, wanted: Incident) -> bool:
        if self.runs >= _MOST_RUNS:
            return False
        try:
            text = bare(made)
            parse(text)
        except InputError:  # a part that says nothing any more
            return False
        self.runs += 1
        side, broken = live(text, plain=self.plain, has=self.has)
        return broken.issuperset(wanted.ids) and shows(side, wanted)

    def find(self, wanted: Incident) -> tuple[Draft, Incident] | None:
        """A part of the call that shows it; or, of several breaches, one of them."""
        end = self.turn.end if self.turn.end is not None else float("inf")
        parts = list(windows(self.ordering, self.turn.asked, end))
        single = [wanted.only(each) for each in wanted.ids] if len(wanted.ids) > 1 else []
        for each in (wanted, *reversed(single)):
            for part in parts:
                if part.body and self.shows(part, each):
                    return reduced(part, partial(self.shows, wanted=each)), each
        return None

    def finish(
        self, made: Draft, found: Incident, left: tuple[str, ...], *, id: str, source: str
    ) -> Made:
        names = " ".join(found.ids) or "G8"
        ended = f"a turn ends {found.outcome}" + (f", {found.code}" if found.code else "")
        title = "; ".join(sorted(text for _, text in found.rules)) or ended
        text, holds = finished(made, id=id, title=title, source=source, guarantees=names)
        passes = holds and (self.plain or not found.rules)
        return Made(text, found, left, self.runs, passes)


def finished(made: Draft, **told: str) -> tuple[str, bool]:
    """The case, with what becomes of each speech with the controller, and whether that is as it must be."""
    fates, wrong, lives = _outlook(made, told)
    if any(each.startswith("hang") for each in wrong):
        # The server holds on to something for ever: somebody has to hang up.
        over = replace(made, body=(*made.body, (_PATIENCE, "U hangs up")))
        hung_up = _outlook(over, told)
        if not hung_up[1]:
            made, (fates, wrong, lives) = over, hung_up
    expect = [] if wrong else [f"{name} {_expected(fate)}" for name, fate in fates.items()]
    expect.append("session lives" if lives else "session ends")
    return written(made, **told, expect=expect), not wrong


def _outlook(made: Draft, told: dict[str, str]) -> tuple[dict[str, str], list[str], bool]:
    """What becomes of each speech with the controller, what is wrong, and whether the session lives."""
    (case,) = parse(written(made, **told, expect=["session lives"]))
    fates, problems, lives = fates_of(case, controlled=True)
    return fates, [each for each in problems if not each.startswith("the session")], lives


def _expected(fate: str) -> str:
    """A fate as the notation has it."""
    ended, _, code = fate.partition(" ")
    return f"{ended} {word(code)}" if code else ended


def bare(made: Draft) -> str:
    """The draft as a case that says nothing of itself."""
    return written(made, id="X1", title="?", source="?", guarantees="G18", expect=["session lives"])


def _possible(recorded: Recorded, ordering: Ordering, call: int, turn: Turn) -> None:
    """Raises where something of the turn is missing, or no case has such a thing."""
    first = turn.events[0].line if turn.events else 0
    last = turn.events[-1].line if turn.events else 0
    for gap in recorded.gaps:
        if first <= gap.number <= last:
            raise CaseError(f"line {gap.number}: {gap.text}: what happened there is not known")
    if not ordering.has & {"server"}:
        raise CaseError("there are no lines of the server: its model shows no raw events")
    if not ordering.acts:
        raise CaseError("nobody asks anything in it: there are no lines of the client or the user")


def _in_the_way(search: _Search, recorded: list[tuple[int, str]]) -> str:
    """Where the call, lived anew, is another one."""
    if search.ordering.obstacles:
        line, why = search.ordering.obstacles[0]
        return f"line {line}: {why}"
    try:
        lived = steps(bare(draft(search.ordering)), plain=search.plain)
    except InputError as error:
        return str(error)
    for (line, told), anew in zip_longest(recorded, lived, fillvalue=(0, "")):
        found = anew if isinstance(anew, str) else ""
        if told != found:
            if not line:
                return f"lived anew, the call goes on where the recorded one ended: {found}"
            return f"line {line}: {told}; lived anew, there is {found or 'nothing more'} instead"
    return "lived anew, the call has the same events in the same order, and is judged otherwise"
