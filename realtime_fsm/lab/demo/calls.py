"""The four calls: cases of the corpus's notation, and what of them is shown."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources

from ...testing.corpus import Case, parse

__all__ = ["CALLS", "Call"]


@dataclass(frozen=True, slots=True)
class Call:
    """One call, the same for both modes."""

    case: Case

    @property
    def name(self) -> str:
        """One word or two, for tables and JSON."""
        return self.case.id

    @property
    def title(self) -> str:
        """What happens, for a person."""
        return self.case.title

    @property
    def questions(self) -> tuple[str, ...]:
        """What the caller says, in order."""
        lines = [[word.text for word in line.words] for line in self.case.body if line.actor == "U"]
        return tuple(words[2] for words in lines if words[0] == "asks")

    @property
    def seconds(self) -> float:
        """When the caller hangs up, in seconds from the first question."""
        (at,) = (line.words[1].text for line in self.case.body if line.words[0].text == "at")
        return float(at.removesuffix("s"))


CALLS = tuple(map(Call, parse((resources.files(__package__) / "calls.txt").read_text("utf-8"))))
"""In the order in which they are shown."""
