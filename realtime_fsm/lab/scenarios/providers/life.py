"""What was lived in a call with a provider's plugin, for the differential judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....compare import Deed, Ending, Heard, Life, Message, Question, Span, Speech, Wait
from ....testing.providers import Answer, Fake
from .seen import TOOL_OUTPUT, Seen

__all__ = ["life_of"]

_ENDS_WELL = ("ok", "interrupted", "never done")


def life_of(
    seen: Seen, fake: Fake, *, spoke: Sequence[Span], cuts: Sequence[float], waits: Sequence[Wait]
) -> Life:
    """The life of a call that was seen, and what its fake server was to say."""
    heard = tuple(
        Heard(
            _id(piece.question, piece.attempt) if piece.attempt else None,
            Span(piece.began, piece.began + piece.seconds),
            piece.seconds,
        )
        for piece in seen.heard
    )
    said = [text for role, text in seen.history if role == "assistant"]
    return Life(
        questions=tuple(_questions(seen)),
        messages=tuple(_messages(seen, fake, " ".join(said).split())),
        heard=heard,
        deeds=tuple(_deeds(seen, fake)),
        waits=tuple(waits),
        spoke=tuple(spoke),
        cuts=tuple(cuts),
        speeches=tuple(_speeches(seen)),
        faults=seen.faults,
        ended=None if seen.closed is None else Ending(seen.closed, "it ended by itself"),
        hung=", ".join(seen.hangs),
        remembers=seen.closed is None,
    )


def _id(question: str, attempt: int) -> str:
    return f"{question}/{attempt}"


def _questions(seen: Seen) -> Iterator[Question]:
    for text in dict.fromkeys(each.text for each in seen.questions):
        yield Question(text, next(each.t for each in seen.questions if each.text == text))


def _deeds(seen: Seen, fake: Fake) -> Iterator[Deed]:
    """Each output of a tool is a question of its own."""
    calling = (q for q, attempts in fake.answers.items() if any(each.call for each in attempts))
    question = next(calling, TOOL_OUTPUT)
    done = [each.t for each in seen.questions if each.text == TOOL_OUTPUT]
    for t in (*done, *[0.0] * (seen.tools - len(done))):
        yield Deed(question, "tool ran", t)


def _speeches(seen: Seen) -> Iterator[Speech]:
    for each in seen.speeches:
        if each.ended not in ("interrupted", "never done"):
            keys = (each.question, TOOL_OUTPUT) if seen.tools else (each.question,)
            yield Speech(keys, each.ended not in _ENDS_WELL, bool(seen.errors))


def _messages(seen: Seen, fake: Fake, remembered: list[str]) -> Iterator[Message]:
    """What was heard, as LiveKit remembers it; then what it remembers besides."""
    seconds: dict[tuple[str, int], float] = {}
    for piece in seen.heard:
        if piece.attempt:
            at = (piece.question, piece.attempt)
            seconds[at] = seconds.get(at, 0.0) + piece.seconds
    kept: dict[tuple[str, int], int] = {}
    for at, amount in seconds.items():
        answer = _answer(fake, *at)
        words = answer.text.split()
        share = min(1.0, amount / answer.seconds) if answer.seconds else 1.0
        kept[at] = _take(remembered, words[: int(len(words) * share + 0.01)])
    for at in (*seconds, *_scripted(fake)):
        if more := _take(remembered, _answer(fake, *at).text.split()):
            kept[at] = kept.get(at, 0) + more
    for at, words_kept in kept.items():
        yield _message(*at, _answer(fake, *at), words_kept)


def _scripted(fake: Fake) -> Iterator[tuple[str, int]]:
    for question, attempts in fake.answers.items():
        for number in range(1, len(attempts) + 1):
            yield question, number


def _answer(fake: Fake, question: str, attempt: int) -> Answer:
    """What the fake says in this attempt; the last of a script is said again and again."""
    attempts = fake.answers.get(question) or (Answer(),)
    return attempts[min(attempt, len(attempts)) - 1]


def _take(remembered: list[str], words: Sequence[str]) -> int:
    """How many of the words are remembered; they are taken out."""
    found = 0
    for word in words:
        if word in remembered:
            remembered.remove(word)
            found += 1
    return found


def _message(question: str, number: int, answer: Answer, kept: int) -> Message:
    word = answer.seconds / max(1, len(answer.text.split()))
    return Message(
        id=_id(question, number),
        question=question,
        attempt=number,
        seconds=answer.seconds,
        whole=answer.end == "done",
        local=kept * word,
        word=word,
    )
