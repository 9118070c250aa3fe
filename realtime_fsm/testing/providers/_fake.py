"""What the fakes of all providers have in common."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Coroutine, Iterator
from importlib import import_module
from typing import Any, ClassVar

from livekit.agents import llm

from ._script import Answer, Answers

__all__ = ["CHUNK", "RATE", "Fake", "PluginMissing", "WebFake", "need", "pcm"]

RATE = 24000
"""Samples per second of all audio that fakes send."""
CHUNK = 0.2
"""Seconds of audio in one chunk."""

_BEFORE_OUTPUT = 0.05
_DEFAULT = Answer("And now everything is in good order.", 0.6)


class PluginMissing(ImportError):  # noqa: N818 - says what happened
    """A provider's plugin, or what it needs, is not installed."""


def need(module: str) -> Any:
    """Import a module of a provider's plugin.

    Raises `PluginMissing`, which names the extra, if it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as e:
        raise PluginMissing(
            f"{module} is not installed ({e}): pip install 'realtime-fsm[providers]'"
        ) from e


def pcm(mark: int, seconds: float = CHUNK) -> bytes:
    """Audio whose every sample is *mark*, so that a sink knows what it plays."""
    return struct.pack("<h", mark) * round(RATE * seconds)


class Fake(ABC):
    """A provider on loopback (or in place of its client object), scripted by question and attempt.

    Use it as an async context manager. Every message it sends is built from the types of the
    provider's SDK (or its plugin), and every message it receives is parsed by them, so a plugin
    that changed its protocol fails here and not in a call.

    Attributes:
        wire: What the plugin asked and did, with the time in seconds of the loop's clock.
        answers: Its script.
        marks: Which question and attempt the audio with mark k (from 1) answers.
        violations: Messages of the plugin that the types do not know.
    """

    family: ClassVar[str]
    #: What says whether a message is one of the protocol's.
    types: ClassVar[str]
    #: Whether anything but the user's speech makes it speak.
    takes_requests: ClassVar[bool] = True
    #: Whether its audio bears marks; elsewhere its words have to tell.
    marked: ClassVar[bool] = True
    #: Whether it says what it is told to.
    can_say: ClassVar[bool] = False
    #: Whether there are sounds of the user's that interrupt, and that it does not answer.
    ignores_noise: ClassVar[bool] = True

    def __init__(self, answers: Answers) -> None:
        self.answers = answers
        self._attempts: Counter[str] = Counter()
        self._question = ""
        self._tasks: set[asyncio.Task[None]] = set()
        self._stack = contextlib.AsyncExitStack()
        self._running: asyncio.Task[None] | None = None
        self._begun = False
        self.wire: list[tuple[float, str]] = []
        self.marks: list[tuple[str, int]] = []
        self.violations: list[str] = []

    async def __aenter__(self) -> Fake:
        await self._start()
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    # --- for a test

    @abstractmethod
    def model(self) -> llm.RealtimeModel:
        """The real plugin's model, connected to this server."""

    @property
    @abstractmethod
    def ready(self) -> bool:
        """Whether the plugin is connected, and configured."""

    async def user_says(self, text: str) -> None:
        """The user speaks, which interrupts; the provider's turn detection asks for an answer."""
        self.note(f"user: {text}")
        await self._stop_running(barge_in=True)
        await self._heard(text)
        self._answer(text, spoken=True)

    async def noise(self) -> None:
        """What the user utters interrupts, and is not answered."""
        self.note("noise")
        await self._stop_running(barge_in=True, always=True)

    async def lose(self) -> None:
        """The connection is lost now."""
        self.note("lost")
        await self._lose()

    # --- for the protocols

    @contextlib.contextmanager
    def judging(self) -> Iterator[None]:
        """What is not as the types say is kept, and the connection goes on."""
        try:
            yield
        except Exception as e:
            self.violations.append(f"{type(e).__name__}: {e}")

    def note(self, what: str) -> None:
        self.wire.append((asyncio.get_running_loop().time(), what))

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._over)
        return task

    def _over(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.violations.append(f"{type(error).__name__}: {error}")

    async def asked(self, question: str | None, *, again: bool = False) -> None:
        """The plugin asks for a reply: to this, or, with None, to what was asked last.

        Args:
            again: It says the same thing in another way; it does not count as an attempt.
        """
        question = self._question if question is None else question
        self.note(f"asked: {question}")
        await self._stop_running(barge_in=False)
        if again and self._attempts[question]:
            self._attempts[question] -= 1
        self._answer(question, spoken=False)

    def _answer(self, question: str, *, spoken: bool) -> None:
        self._question = question
        self._attempts[question] += 1
        attempt = self._attempts[question]
        answers = self.answers.get(question) or (_DEFAULT,)
        self.marks.append((question, attempt))
        answer = answers[min(attempt, len(answers)) - 1]
        self._running = self.spawn(self._perform(answer, len(self.marks), spoken=spoken))

    async def _stop_running(self, *, barge_in: bool, always: bool = False) -> None:
        running, self._running = self._running, None
        under_way = running is not None and not running.done()
        if running is not None and under_way:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        begun, self._begun = self._begun, False
        if under_way or always:
            await self._interrupted(barge_in=barge_in, begun=begun and under_way)

    async def _perform(self, answer: Answer, mark: int, *, spoken: bool) -> None:
        if answer.end in ("silent", "dropped") and not answer.text:
            return
        await asyncio.sleep(answer.after + _BEFORE_OUTPUT)
        if answer.call is not None:
            await self._call(answer.call)
            return
        if answer.text:
            self._begun = True
            await self._begin(answer.text, spoken=spoken)
            for words in _in_chunks(answer):
                await self._say(words, pcm(mark))
                await asyncio.sleep(answer.pace)
        if answer.end == "lost":
            await self._lose()
        elif answer.end == "error":
            await self._fail()
        elif answer.end == "empty":
            await self._empty(spoken=spoken)
        elif answer.end == "done":
            await self._finish(answer.text)

    # --- the protocol

    @abstractmethod
    async def _start(self) -> None:
        """Listen; what is to be undone goes on ``self._stack``."""

    @abstractmethod
    async def _heard(self, text: str) -> None:
        """Tell that the user said this."""

    @abstractmethod
    async def _begin(self, text: str, *, spoken: bool) -> None:
        """A reply begins, to what the user *spoke* or to a request."""

    @abstractmethod
    async def _say(self, words: str, audio: bytes) -> None:
        """One chunk of a reply."""

    @abstractmethod
    async def _finish(self, text: str) -> None:
        """The reply is over."""

    @abstractmethod
    async def _interrupted(self, *, barge_in: bool, begun: bool) -> None:
        """What ran was cut by the user (*barge_in*) or by another request; *begun*: within it."""

    @abstractmethod
    async def _empty(self, *, spoken: bool) -> None:
        """The turn is over and has no output."""

    @abstractmethod
    async def _call(self, name: str) -> None:
        """Call a tool."""

    @abstractmethod
    async def _fail(self) -> None:
        """Report a failure of the provider's."""

    @abstractmethod
    async def _lose(self) -> None:
        """Close the connection."""


def _in_chunks(answer: Answer) -> Iterator[str]:
    """The words of each chunk; all of them have come with the last."""
    words = answer.text.split()
    chunks = max(1, round(answer.seconds / CHUNK))
    said = 0
    for number in range(1, chunks + 1):
        upto = -(-len(words) * number // chunks)
        yield "".join(f"{word} " for word in words[said:upto])
        said = upto


class WebFake(Fake):
    """One with a web server of its own, and one WebSocket at a time."""

    _ws: Any = None

    async def _listen(self, path: str, **posts: Any) -> None:
        """Serve the WebSocket at *path*, and what is posted to others."""
        aiohttp, self._web = need("aiohttp"), need("aiohttp.web")
        app = self._web.Application()
        app.router.add_get(path, self._serve)
        for name, handler in posts.items():
            app.router.add_post(f"/{name}", handler)
        runner = self._web.AppRunner(app, access_log=None, shutdown_timeout=0.2)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        await self._web.TCPSite(runner, "127.0.0.1", 0).start()
        self._port = runner.addresses[0][1]
        self._http = await self._stack.enter_async_context(aiohttp.ClientSession())
        self._stack.push_async_callback(self._hang_up)

    @property
    def ready(self) -> bool:
        """Whether the plugin is connected."""
        return self._ws is not None

    async def _hang_up(self) -> None:
        if self._ws is not None:
            await self._ws.close()

    @abstractmethod
    async def _serve(self, request: Any) -> Any:
        """The WebSocket."""
