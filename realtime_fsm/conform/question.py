"""What a question is, and the list of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..simulator.rule import Rule

if TYPE_CHECKING:
    from .talk import Talk

__all__ = ["QUESTIONS", "Need", "Question", "asks"]

Need = Literal["responses", "directions", "expiry", "server tool"]
Ask = Callable[["Talk"], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One conversation with the server that answers one rule or a few.

    Attributes:
        name: of the function that asks.
        rules: what it answers.
        ask: asks it, on a connection of its own.
        needs: what has to be there for it; ``responses`` is a server that answers
            ``response.create`` at all, ``server tool`` is directions or an MCP server.
        short, long: how many responses of each kind it asks for at most; *spoken* of them with
            audio.
        speech: seconds of speech that it plays at most.
    """

    name: str
    rules: tuple[Rule, ...]
    ask: Ask
    needs: tuple[Need, ...] = ()
    short: int = 0
    long: int = 0
    spoken: int = 0
    speech: float = 0.0


QUESTIONS: list[Question] = []
"""Every question, in the order in which they are asked."""


def asks(
    *rules: Rule,
    needs: tuple[Need, ...] = (),
    short: int = 0,
    long: int = 0,
    spoken: int = 0,
    speech: float = 0.0,
) -> Callable[[Ask], Ask]:
    """Register a function as the question for *rules*."""

    def register(ask: Ask) -> Ask:
        needed = (*needs, *(("responses",) if short or long else ()))
        QUESTIONS.append(
            Question(
                name=getattr(ask, "__name__", "?"), rules=rules, ask=ask, needs=needed,
                short=short, long=long, spoken=spoken, speech=speech,
            )
        )  # fmt: skip
        return ask

    return register
