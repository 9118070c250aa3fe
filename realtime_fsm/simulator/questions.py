"""What each response answers, and the how-many-th attempt at it that is.

A retry must not shift the replies that follow it, or a call with retries and one without cannot be
compared. So a response takes its reply by the *question* that it answers and the *attempt* at it.
What the question is follows from the protocol alone: the words of the user's item that server VAD
or a client's create answers, the instructions of a create that brings its own, or the tool whose
output is to be told of.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Any, TypeVar

from .script import Reply, Script

__all__ = ["Action", "Answer", "Replies"]

_MOST = 10_000  # of anything that is remembered: a server may run for days


@dataclass(frozen=True, slots=True)
class Answer:
    """A response that was asked for.

    Attributes:
        question: what it answers: what the user said or wrote, the instructions of its create, or
            ``"<question> > <tool>"`` for what is to be said of a tool's output. The same words in
            another item are ``"<words> #2"``; ``""`` is a create with nothing before it.
            ``"aside: ..."`` is a response outside the conversation.
        attempt: the number of the attempt at that question, from 1; 0 for a create that was
            refused because the slot was taken, which takes no reply.
        t: when, in seconds on the server's clock.
        by_vad: server VAD asked for it.
        response_id: None when there never was a response.
    """

    question: str
    attempt: int
    t: float
    by_vad: bool
    response_id: str | None


@dataclass(frozen=True, slots=True)
class Action:
    """Something that the server did itself: ran a tool, searched, asked for approval.

    Attributes:
        question: for which it did it.
        kind: the type of the item, such as ``mcp_call``.
        name: of the tool.
        t: when it began, in seconds on the server's clock.
    """

    question: str
    kind: str
    name: str
    t: float


@dataclass(slots=True, eq=False)
class _Ask:
    """An item that wants an answer: the user's, or a tool's output. *tried*: a response to it was
    asked for; *over*: the conversation in which it was answered."""

    question: str
    of_user: bool
    tried: bool = False
    over: str | None = None


class Replies:
    """Hands out a script's replies, over all connections of a server. Those that another server
    handed out in order, *like*, go to the same attempts at the same questions.

    Attributes:
        answers: the responses that were asked for, in order.
        actions: what the server did itself, in order.
    """

    __slots__ = (
        "_asks", "_attempts", "_calls", "_dealt", "_items", "_responses", "_script", "_taken", "actions",
        "answers",
    )  # fmt: skip

    def __init__(self, script: Script, like: Replies | None = None) -> None:
        self._script = script
        self._taken: int = 0 if like is None else like._taken
        # What each attempt at a question took from the list in order, there and here.
        self._dealt: dict[tuple[str, int], Reply] = {} if like is None else dict(like._dealt)
        self._attempts: Counter[str] = Counter()
        self._asks: dict[str, _Ask] = {}  # by item id, oldest first
        self._calls: dict[str, tuple[str, str]] = {}  # call id to question and tool
        self._items: dict[str, str] = {}  # output item to its response
        self._responses: dict[str, Answer] = {}
        self.answers: deque[Answer] = deque(maxlen=_MOST)
        self.actions: deque[Action] = deque(maxlen=_MOST)

    # --- what is asked

    def said(self, item_id: str, words: str) -> None:
        """The user's item is in the conversation. One that is replayed on another connection is
        known."""
        if item_id not in self._asks:
            base = words or item_id
            same = sum(_base(ask.question) == base for ask in self._asks.values())
            question = f"{base} #{same + 1}" if same else base
            _remember(self._asks, item_id, _Ask(question, of_user=True))

    def put_out(self, item_id: str, call_id: str | None) -> None:
        """A tool's output is in the conversation."""
        if item_id not in self._asks:
            _remember(self._asks, item_id, _Ask(self.of_output(str(call_id)), of_user=False))

    def question(
        self,
        params: Mapping[str, Any],
        items: Iterable[str],
        session_instructions: str,
        conversation: str,
    ) -> str:
        """Return what a client's create asks for; *items* are those of its *conversation*, the newest
        first.

        Instructions of its own say it. Else it is the newest item that still wants an answer; one
        that was tried in vain wants none any more once a newer one of the user's was answered. The last
        of all items wants one, too, if it had it in another conversation: nothing of that is here. Of
        tools' outputs that stand last together, the oldest comes first. If none wants one, it is the
        newest item: an answer asked for again.
        """
        own = str(params.get("instructions") or "")
        # Clients put the session's instructions, which these replace, in front of their own.
        own = own.removeprefix(session_instructions).strip()
        if params.get("conversation") == "none":
            topic = own or " ".join(str(v) for v in (params.get("metadata") or {}).values())
            return f"aside: {topic}"
        if own:
            return own
        known = [self._asks.get(item_id) for item_id in items]
        asks = [ask for ask in known if ask is not None]
        wanting = [
            ask
            for ask in asks
            if ask.over is None or (ask is known[0] and ask.over != conversation)
        ]
        outputs = takewhile(lambda ask: ask is not None and not ask.of_user, known)
        together = [ask for ask in outputs if ask in wanting]
        asked = next(iter(together[-1:] or wanting or asks), None)
        return asked.question if asked is not None else ""

    def asked_by(self, item_id: str) -> str:
        """Return the question of the user's item."""
        return self._asks[item_id].question if item_id in self._asks else ""

    # --- what is answered

    def take(
        self, question: str, *, t: float, by_vad: bool, directed: Reply | None = None
    ) -> Reply:
        """Return the reply of the next attempt at *question*: *directed* if the create says so
        itself, which takes none of the script.
        """
        self._try(question)
        self._attempts[question] += 1
        attempt = self._attempts[question]
        self.answers.append(Answer(question, attempt, t, by_vad, None))
        if directed is not None:
            return directed
        listed = self._script.answers.get(question)
        if listed:
            return listed[min(attempt, len(listed)) - 1]
        if (question, attempt) not in self._dealt:
            index, self._taken = self._taken, self._taken + 1
            replies = self._script.replies
            reply = replies[index] if index < len(replies) else self._script.default
            _remember(self._dealt, (question, attempt), reply)
        return self._dealt[question, attempt]

    def begun(self, response_id: str) -> None:
        """What was taken last is a response of this id."""
        self.answers[-1] = replace(self.answers[-1], response_id=response_id)
        _remember(self._responses, response_id, self.answers[-1])

    def refuse(self, question: str, *, t: float, by_vad: bool) -> None:
        """A create met a taken slot."""
        self._try(question)
        self.answers.append(Answer(question, 0, t, by_vad, None))

    def upcoming(self, question: str) -> int:
        """Return the number of the next attempt at *question*."""
        return self._attempts[question] + 1

    def pass_over(self, question: str, *, t: float) -> None:
        """The create of an attempt never arrived: the next one is the next attempt."""
        self._try(question)
        self._attempts[question] += 1
        self.answers.append(Answer(question, self._attempts[question], t, False, None))

    def _try(self, question: str) -> None:
        for ask in self._asks.values():
            ask.tried = ask.tried or ask.question == question

    def made(self, item_id: str, response_id: str) -> None:
        """A response has an item."""
        _remember(self._items, item_id, response_id)

    def called(self, call_id: str, tool: str, response_id: str) -> None:
        """A response calls a tool."""
        _remember(self._calls, call_id, (self.of_response(response_id)[0], tool))

    def acted(self, kind: str, name: str, response_id: str, *, t: float) -> None:
        """The server does something itself."""
        self.actions.append(Action(self.of_response(response_id)[0], kind, name, t))

    def over(self, response_id: str, conversation: str) -> None:
        """A response ended otherwise than by a failure, and not without a word: its question was
        answered, in this conversation."""
        question = self.of_response(response_id)[0]
        mine = [ask for ask in self._asks.values() if ask.question == question]
        for ask in mine:
            ask.over = conversation
        if any(ask.of_user for ask in mine):
            for ask in self._asks.values():
                if ask.question == question:
                    break
                if ask.tried and ask.over is None:
                    ask.over = conversation

    # --- whose a frame is

    def of_response(self, response_id: str) -> tuple[str, int]:
        """Return question and attempt of a response; nothing is ``("", 0)``."""
        answer = self._responses.get(response_id)
        return ("", 0) if answer is None else (answer.question, answer.attempt)

    def of_output(self, call_id: str) -> str:
        """Return the question that the output of a call is."""
        question, tool = self._calls.get(call_id, ("", call_id))
        return f"{question} > {tool}".strip()

    def of_item(self, item_id: str) -> tuple[str, int]:
        """Return question and attempt of an item; the user's own is of no attempt."""
        if item_id in self._items:
            return self.of_response(self._items[item_id])
        return self.asked_by(item_id), 0


_K = TypeVar("_K")
_T = TypeVar("_T")


def _remember(known: dict[_K, _T], key: _K, value: _T) -> None:
    known[key] = value
    if len(known) > _MOST:
        del known[next(iter(known))]


def _base(question: str) -> str:
    head, mark, number = question.rpartition(" #")
    return head if mark and number.isdecimal() else question
