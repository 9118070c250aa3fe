"""What happened in a recorded call, as far as a case can say it."""

from __future__ import annotations

from dataclasses import dataclass, field

__all__ = ["Act", "Draft", "Ordering", "Output", "Response"]


@dataclass(slots=True)
class Output:
    """One output item of a response.

    Attributes:
        kind: the item's type.
        added: when it was added, seconds.
        name: of a function.
        ms: audio received of it.
        chars: characters of its text.
        words: the text, where the trace has it.
        first, last: when its first and its last delta came; None without any.
        flowing: seconds from one delta to the next, without pauses.
        pauses: how many there were, the beginning counted.
        done: when its end came.
        before: *ms* when the response was cancelled; None: it was not.
        whole: it was received to its end.
    """

    kind: str
    added: float
    name: str = ""
    ms: float = 0.0
    chars: int = 0
    words: str = ""
    first: float | None = None
    last: float | None = None
    flowing: float = 0.0
    pauses: int = 0
    done: float | None = None
    before: float | None = None
    whole: bool = False


@dataclass(slots=True)
class Response:
    """What the server did about one request, or about what the user said.

    Attributes:
        asked: when it was requested, or the user's speech was committed; seconds.
        line: of the trace, where that stands.
        vad: server VAD asked for it.
        created: when ``response.created`` came.
        refused: when an error came in its place.
        outputs: its items, in order.
        ended: when its last event came.
        status: of ``response.done``; ``refused``; ``lost`` with its connection; empty if it never ended.
        code, type, reason: of its error.
        linked: a refusal names the request.
        held: it was never answered, and others were refused for it.
        client_ended: when the client cancelled it.
        silent: for how long nothing of it had come by then.
    """

    asked: float
    line: int
    vad: bool = False
    created: float | None = None
    refused: float | None = None
    outputs: list[Output] = field(default_factory=list)
    ended: float | None = None
    status: str = ""
    code: str = ""
    type: str = ""
    reason: str = ""
    linked: bool = True
    held: bool = False
    client_ended: float | None = None
    silent: float = 0.0


@dataclass(frozen=True, slots=True)
class Act:
    """What somebody did at a moment: a line of a case, without the time before it."""

    t: float
    text: str
    line: int


@dataclass(slots=True)
class Ordering:
    """One call.

    Attributes:
        mode: of the trace's header.
        setup: switches.
        acts: in order.
        responses: in the order in which the server took them.
        cancels_took: seconds from each cancel to the end of its response.
        denials_took: to "nothing to cancel".
        transcripts_took: from the commit of what the user said to its words.
        has: who has lines in the trace.
        obstacles: what happened that a case cannot say: the line, and why.
    """

    mode: str
    setup: list[str] = field(default_factory=list)
    acts: list[Act] = field(default_factory=list)
    responses: list[Response] = field(default_factory=list)
    cancels_took: list[float] = field(default_factory=list)
    denials_took: list[float] = field(default_factory=list)
    transcripts_took: list[float] = field(default_factory=list)
    has: set[str] = field(default_factory=set)
    obstacles: list[tuple[int, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Draft:
    """A case before it is written.

    Attributes:
        setup: switches.
        replies: the clauses of each ``S replies``.
        body: seconds to wait, and what is done then.
    """

    setup: tuple[str, ...] = ()
    replies: tuple[tuple[str, ...], ...] = ()
    body: tuple[tuple[float, str], ...] = ()

    @property
    def size(self) -> int:
        """How much there is to read."""
        return len(self.setup) + len(self.body) + sum(1 + len(each) for each in self.replies)
