"""A run: every question, one after another, each on a connection of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

import aiohttp

from .._version import __version__
from . import questions  # noqa: F401 - registers them
from .contact import (
    connection,
    endpoint,
    first_contact,
    judge_names,
    public_url,
    ready,
    without_user,
)
from .dialect import Dialect
from .known import ConformError, Known, Pace, Refused, Unjudged
from .question import QUESTIONS, Question
from .result import Answer, Result
from .rules import ALL
from .seen import judge_what_happened
from .talk import Talk

__all__ = ["Options", "Run", "chosen", "conform"]

#: What comes of an event that does not have the shape it should.
MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
_FAILURES = 3  # connections that fail in a row before the run ends
_ROOM = 0.5  # seconds until a server may have room for a session
_MOST_SECONDS = 600.0
_MOST_RESPONSES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What to ask, and of whom.

    Attributes:
        url: ``wss://...`` as it is, or an ``https://`` base to which ``/realtime`` is added.
        model: goes into the URL's query.
        key: sent as ``Authorization: Bearer``.
        headers: sent with each handshake.
        dialect: None to see for oneself.
        only: ids of rules; all by default.
        directed: the server takes stage directions in the metadata, as the simulator does.
        expiry: how long to wait for the end of a session, seconds; 0 does not ask.
        mcp: the URL of an MCP server that the server can reach, for its tools to be called.
        pace: how long a run waits for what.
        time_limit: after which a run ends, seconds; *expiry* comes on top.
        response_limit: how many responses it may ask for.
    """

    url: str
    model: str | None = None
    key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    dialect: Dialect | None = None
    only: Sequence[str] = ()
    directed: bool = False
    expiry: float = 0.0
    mcp: str | None = None
    pace: Pace = field(default_factory=Pace)
    time_limit: float = _MOST_SECONDS
    response_limit: int = _MOST_RESPONSES


def chosen(options: Options) -> list[Question]:
    """Return the questions that a run asks. Raises :class:`ConformError` for an unknown rule."""
    unknown = [name for name in options.only if name not in ALL]
    if unknown:
        raise ConformError(f"there is no rule {unknown[0]!r}; docs/rules.md has them")
    return [one for one in QUESTIONS if _wanted(one, options)]


def _wanted(question: Question, options: Options) -> bool:
    if "directions" in question.needs and not options.directed:
        return False
    if "expiry" in question.needs and not options.expiry:
        return False
    if "server tool" in question.needs and not (options.directed or options.mcp):
        return False
    return not options.only or any(rule.id in options.only for rule in question.rules)


async def conform(
    options: Options,
    progress: Callable[[str], None] | None = None,
    *,
    http: aiohttp.ClientSession | None = None,
) -> Result:
    """Ask a server everything, and return what was found.

    Args:
        options: What to ask, and of whom.
        progress: Told of each question before it is asked.
        http: To connect with, one of its own by default.

    Raises:
        ConformError: Nothing can be asked of it.
    """
    run = Run(options, progress)
    await run.go(http)
    return run.result


class Run:
    """A run that can be stopped: *result* has what was found until then."""

    def __init__(self, options: Options, progress: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.questions = chosen(options)
        url = endpoint(options.url, options.model)
        headers = dict(options.headers)
        if options.key is not None:
            headers.setdefault("Authorization", f"Bearer {options.key}")
        password = urlsplit(url).password
        if any(name.lower() == "authorization" for name in headers):
            url = without_user(url)
        secrets = [options.key or "", password or "", *headers.values()]
        self.known = Known(
            url=url,
            headers=headers,
            pace=options.pace,
            limit=options.response_limit,
            directed=options.directed,
            expiry=options.expiry,
            mcp=options.mcp,
            dialect=options.dialect or "ga",
            forced=options.dialect is not None,
            secrets=tuple(each for each in secrets if len(each) > 5),
        )
        self.result = Result(
            url=public_url(url),
            model=options.model,
            date=date.today().isoformat(),  # noqa: DTZ011 - the day where the run is made
            version=__version__,
            directed=options.directed,
        )
        self._progress = progress or (lambda _: None)
        self._answers: dict[str, Answer] = {}
        self._began = 0.0

    async def go(self, http: aiohttp.ClientSession | None = None) -> None:
        """Ask everything. Raises :class:`ConformError` when nothing can be asked at all."""
        self._began = _now()
        self.known.deadline = self._began + self.options.time_limit + self.options.expiry
        try:
            async with contextlib.AsyncExitStack() as stack:
                if http is None:
                    http = await stack.enter_async_context(aiohttp.ClientSession())
                self._progress("first contact")
                async with connection(http, self.known) as talk:
                    await first_contact(talk)
                    self._take(talk)
                await self._ask_all(http)
        except ConformError as error:
            raise ConformError(self.known.plain(str(error))) from None
        except Unjudged as why:
            self.result.ended = self.known.plain(str(why))
        except asyncio.CancelledError:
            self.result.ended = "it was stopped"
            raise
        finally:
            self._close()

    async def _ask_all(self, http: aiohttp.ClientSession) -> None:
        failures = 0
        for question in self.questions:
            if "responses" in question.needs and not self.known.replies:
                self._skip(question, "response.create is not answered by response.created")
                continue
            self.known.left()
            self._progress(question.name.replace("_", " "))
            try:
                await self._ask_one(http, question)
                failures = 0
            except ConformError as error:
                failures += 1
                self._skip(question, str(error))
                if failures == _FAILURES:
                    why = f"the server can no longer be reached: {error}"
                    self.result.ended = self.known.plain(why)
                    return

    async def _ask_one(self, http: aiohttp.ClientSession, question: Question) -> None:
        """Ask a question, again if the server has no room for the session yet."""
        deadline = _now() + self.known.pace.patience
        while (refusal := await self._try(http, question)) is not None:
            self.known.note(f"sessions are refused at times, and tried again: {refusal}")
            if _now() > deadline:
                self._skip(question, refusal)
                return
            await asyncio.sleep(_ROOM)

    async def _try(self, http: aiohttp.ClientSession, question: Question) -> str | None:
        """Ask a question; return why the server takes no session, None if it did."""
        try:
            async with connection(http, self.known) as talk:
                await ready(talk)
                await _ask(question, talk)
                self._take(talk)
        except Refused as refused:
            return str(refused)
        except Unjudged as why:
            self._skip(question, str(why))
        return None

    def _take(self, talk: Talk) -> None:
        with contextlib.suppress(*MISSHAPEN):
            judge_what_happened(talk)
        for answer in talk.answers.values():
            self._answers[answer.rule] = _better(self._answers.get(answer.rule), answer)

    def _skip(self, question: Question, why: str) -> None:
        for rule in question.rules:
            answer = Answer(rule.id, "not judged", self.known.plain(why))
            self._answers.setdefault(rule.id, answer)

    def _close(self) -> None:
        """Give every rule that was asked about its answer, in the order of the rules."""
        known, result = self.known, self.result
        if self._answers:
            named = Answer(*judge_names(known))
            self._answers[named.rule] = named
        wanted = self.options.only or ALL
        for rule in ALL:
            if rule in wanted and (self._answers or result.ended):
                answer = self._answers.get(rule) or Answer(rule, "not judged", self._reason(rule))
                result.answers[rule] = answer
        result.dialect, result.notes = known.dialect, known.notes
        result.responses, result.tokens = known.responses, known.tokens
        result.seconds = round(_now() - self._began, 1)

    def _reason(self, rule: str) -> str:
        """Why there is no answer."""
        asked = [one for one in QUESTIONS if any(each.id == rule for each in one.rules)]
        if not asked:
            return "it takes a server or a search behind the server, which no question has"
        needs = {need for one in asked if not _wanted(one, self.options) for need in one.needs}
        if "expiry" in needs:
            return "it takes as long as a session lives; --expiry waits for it"
        if "server tool" in needs:
            return "it takes an MCP server that the server can reach; --mcp names one"
        if "directions" in needs:
            return "a client cannot make it happen; --directed asks a server under test to"
        return self.result.ended or "the question found no answer"


def _now() -> float:
    return asyncio.get_running_loop().time()


def _better(before: Answer | None, answer: Answer) -> Answer:
    """Of two answers to one rule, the one that says more."""
    if before is None:
        return answer
    ranks = {"deviates": 2, "kept": 1, "not judged": 0}
    if ranks[answer.verdict] > ranks[before.verdict]:
        best = answer
    elif ranks[answer.verdict] == ranks[before.verdict] and before.value is None:
        best = answer if answer.value is not None else before
    else:
        best = before
    value = best.value if best.value is not None else answer.value
    value = value if value is not None else before.value
    return Answer(best.rule, best.verdict, best.how, value, best.frames)


async def _ask(question: Question, talk: Talk) -> None:
    why = "the question found no answer"
    try:
        await question.ask(talk)
    except Unjudged as reason:
        why = str(reason)
    except MISSHAPEN as error:
        why = f"an event does not have the shape it should: {type(error).__name__} {error}"
    for rule in question.rules:
        if rule.id not in talk.answers:
            talk.unjudged(rule, why)
