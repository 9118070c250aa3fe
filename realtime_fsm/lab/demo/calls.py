"""The four calls, as data."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, field

from ...simulator import CREATED, Dropped, Failed, Message, Reply, ServerConfig

__all__ = ["CALLS", "Call", "Question"]


@dataclass(frozen=True, slots=True)
class Question:
    """What the caller says.

    Attributes:
        text: The words.
        barge_in: Seconds after the call's first sound at which the caller interrupts with this
            question. None: asked without interrupting.
    """

    text: str
    _: KW_ONLY
    barge_in: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call, the same for both modes.

    Attributes:
        name: One word, for tables and JSON.
        title: What happens, for a person.
        questions: What the caller says, in order.
        replies: What the server does with its responses, in order.
        config: The server's delays, in seconds.
        seconds: When the caller hangs up, in seconds from the first question.
    """

    name: str
    title: str
    questions: tuple[Question, ...]
    replies: tuple[Reply, ...]
    config: ServerConfig = field(default_factory=ServerConfig)
    seconds: float = 3.0


CALLS = (
    Call(
        name="healthy",
        title="nothing goes wrong, two messages in one response",
        questions=(Question("Where is my parcel?"),),
        replies=(
            Reply(
                [
                    Message("Let me have a look.", seconds=0.8),
                    Message("It comes on Friday.", seconds=1.1),
                ]
            ),
        ),
        seconds=2.6,
    ),
    Call(
        name="rate limit",
        title="the first response fails before any output",
        questions=(Question("When do you close?"),),
        replies=(
            Reply(end=Failed("inference_rate_limit_exceeded")),
            Reply([Message("We close at six.", seconds=1.2)]),
        ),
    ),
    Call(
        name="dropped socket",
        title="the connection breaks right after response.created",
        questions=(Question("May I bring my dog?"),),
        replies=(
            Reply([Message("Dogs are welcome.", seconds=1.2)], end=Dropped(at=CREATED)),
            Reply([Message("Dogs are welcome.", seconds=1.2)]),
        ),
    ),
    Call(
        name="barge-in",
        title="the caller interrupts message 1 of 2 and asks something else",
        questions=(
            Question("How do I get there?"),
            Question("Is there parking?", barge_in=0.6),
        ),
        replies=(
            Reply(
                [
                    Message("Walk to the station.", seconds=1.2),
                    Message("Then turn left.", seconds=1.0),
                ],
                # Both messages are out long before the caller interrupts, the response is not over.
                done_delay=2.0,
                pace=0.01,
            ),
            Reply([Message("Behind the house.", seconds=1.1)]),
        ),
        config=ServerConfig(cancel_delay=0.3),
        seconds=3.4,
    ),
)
"""In the order in which they are shown."""
