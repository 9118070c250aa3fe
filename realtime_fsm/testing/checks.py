"""Assertions named after the guarantees, for any call: controlled, or plain LiveKit.

Each takes a :class:`SimulatedCall`, best when it is at rest (:meth:`SimulatedCall.idle`) and before
it is closed. Those that only need the wire take a server or its record as well. They judge by what
went over the wire, what the sink played, and what the session shows; they share no code with the
controller. Each raises ``AssertionError`` with the guarantee's id and the events it rests on::

    async with simulated_call(script, agent=MyAgent()) as call:
        await call.say("Good morning.")
        await call.idle()
        check_all(call)

All times are seconds; those of the record count from the start of the server.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from ..simulator.record import Record
from ..trace.heard import pair
from ..trace.heard_rules import TruncateBounds
from ..trace.lane_rules import BenignCancel, CancelBarrier, CreateSettles, SingleFlight
from ..trace.rule import Problem
from ..trace.turn_rules import ToolOnce
from ..trace.wire import NOT_ACTIVE, Item, body_of
from ._story import Story, judged, require

if TYPE_CHECKING:
    from livekit.agents.voice import SpeechHandle

    from ..simulator.observed import ObservedServer
    from .call import SimulatedCall
    from .sink import Segment

__all__ = [
    "check_all",
    "check_benign_cancel",
    "check_cancel_barrier",
    "check_creates_settle",
    "check_failures_visible",
    "check_heard_is_history",
    "check_message_order",
    "check_single_flight",
    "check_tools_once",
    "check_truncate_bounds",
    "check_turns_end",
]

Wire: TypeAlias = "SimulatedCall | ObservedServer | Iterable[Record]"

_PATIENCE = 4.9  # seconds after which a frame without an answer need not be believed in any more
_TOLERANCE = 0.15  # seconds of audio; the longest frame that a sink may play or not
_CUT = 0.03  # seconds between where the sink stopped and where the message was cut; one frame


# --- the lane


def check_single_flight(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G1: no create leaves against evidence, received before, that the lane is taken.

    Evidence is a create that nothing has answered, and a response that was created and is not over.
    What arrives in the same instant may not have been read, and is not held against the client; an
    unanswered create, and a response whose cancel is unanswered, are believed in for *patience*.

    Raises ``AssertionError``.
    """
    _, problems = judged(SingleFlight, call, patience=patience)
    require("G1", "single flight", problems)


def check_creates_settle(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G2: each create settles: created, refused, void, without an answer for *patience*, or gone
    with its connection. In a call in which no speech is under way, the others were given up. No two
    have the same id, by which they are told apart.

    Raises ``AssertionError``.
    """
    story, problems = judged(CreateSettles, call)
    end = story.record[-1].t if story.record else 0.0
    session = getattr(call, "session", None)
    if session is not None and session.current_speech is None:
        patience = 0.0
    problems += [
        Problem("a create never settled", [create.sent])
        for create in story.creates
        if not create.answers and end - create.sent.t < patience
    ]
    require("G2", "create settles", problems)


def check_cancel_barrier(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G5: between a cancel and the end of its response no create leaves. A cancel without an answer
    is believed in for *patience*.

    Raises ``AssertionError``.
    """
    _, problems = judged(CancelBarrier, call, patience=patience)
    require("G5", "cancel barrier", problems)


def check_benign_cancel(call: Wire) -> None:
    """G6: a cancel names its response, and is sent once for it; "nothing to cancel" is no error of
    the session. A bare cancel may only ask what became of a create without an answer.

    Raises ``AssertionError``.
    """
    story, problems = judged(BenignCancel, call)
    for error in getattr(call, "errors", ()):
        if _code(error) == NOT_ACTIVE:
            told = [
                r for r in story.record if body_of(r.event.get("error")).get("code") == NOT_ACTIVE
            ]
            problems.append(Problem('"nothing to cancel" became an error event', told))
    require("G6", "benign cancel", problems)


def _code(event: Any) -> object:
    error = getattr(event.error, "error", event.error)
    return getattr(error, "code", None)


# --- turns


def check_turns_end(call: SimulatedCall, *, speeches: Iterable[SpeechHandle] | None = None) -> None:
    """G7: now that the call should be at rest, nothing of a turn is left: no speech is under way,
    nothing plays, the agent is not thinking or speaking, and each of *speeches* is done. Turns that
    :class:`ControlledRealtimeModel` began have ended once.

    Raises ``AssertionError``.
    """
    story = Story(call).all()
    last = [r for r in story.record if "delta" not in r.type][-4:]
    problems = []
    if call.session.current_speech is not None:
        problems.append(Problem("a speech is still under way", last))
    elif call.session.agent_state in ("thinking", "speaking"):
        text = f"the agent is {call.session.agent_state}, although no speech is under way"
        problems.append(Problem(text, last))
    if not all(sink.idle for sink in _sinks(call)):
        problems.append(Problem("audio is still playing", last))
    open_ones = [handle.id for handle in _speeches(call, speeches) if not handle.done()]
    problems += [Problem(f"speech {name} is not done", []) for name in open_ones]
    ends = Counter(event.turn_id for event in call.ended)
    turns = dict.fromkeys(event.turn_id for event in call.moves)
    problems += [
        Problem(f"turn {turn} ended {ends[turn]} times", []) for turn in turns if ends[turn] != 1
    ]
    require("G7", "one terminal", problems)


def check_failures_visible(
    call: SimulatedCall, *, speeches: Iterable[SpeechHandle] | None = None
) -> None:
    """G8: a response that failed or was cut short by the provider, and that no later one made good
    before the user's next item, is an ``error`` event of the session. Where the call's *speeches*
    are known, so many of them have an ``exception()``, unless a tool was called whose reply is
    heard.

    Raises ``AssertionError``.
    """
    failed = _unhealed(Story(call).all())
    problems = []
    if len(call.errors) < len(failed):
        text = f"{len(failed)} turns failed, and the session had {len(call.errors)} error events"
        problems.append(Problem(text, failed))
    handles = list(_speeches(call, speeches))
    told = [handle for handle in handles if handle.done() and handle.exception() is not None]
    if handles and len(told) < len(failed):
        text = f"{len(failed)} turns failed, and {len(told)} speeches have an exception"
        problems.append(Problem(text, failed))
    require("G8", "status-aware", problems)


def _unhealed(story: Story) -> list[Record]:
    """The last failure of each turn that failed for good. A turn ends with the user's next item."""
    found: list[Record] = []
    open_failure: Record | None = None
    known: set[str] = set()
    for each in story.record:
        item = body_of(each.event.get("item"))
        if each.type == "response.done":
            status = body_of(each.event.get("response")).get("status")
            called = any(
                i.type == "function_call" and i.status == "completed"
                for i in story.responses[str(each.event["response"]["id"])].items
            )
            if status in ("failed", "incomplete") and not called:
                open_failure = each
            elif status in ("completed", "cancelled"):
                open_failure = None
        elif item.get("role") == "user" and str(item.get("id")) not in known:
            # Items that are replayed after a reconnect are no news.
            known.add(str(item.get("id")))
            found += [open_failure] if open_failure is not None else []
            open_failure = None
    return [*found, open_failure] if open_failure is not None else found


def _speeches(
    call: SimulatedCall, speeches: Iterable[SpeechHandle] | None
) -> Iterable[SpeechHandle]:
    return getattr(call, "speeches", ()) if speeches is None else speeches


# --- what was heard


@dataclass(eq=False)
class _Heard:
    """Which message each segment of the sink played, and seconds heard by item id."""

    pairs: list[tuple[Item, Segment]]
    strange: list[Segment]  # segments of no message

    def seconds(self, item_id: str) -> float:
        return sum(segment.position for item, segment in self.pairs if item.id == item_id)


def _sinks(call: Any) -> list[Any]:
    """A call may have had several sinks, or show one, or be a record of the wire alone."""
    sink = getattr(call, "sink", None)
    return getattr(call, "sinks", [] if sink is None else [sink])


def _segments(call: Any) -> list[Segment]:
    """What the sinks played, one of them after another: a message ends where it began."""
    segments = (segment for sink in _sinks(call) for segment in sink.segments)
    return sorted(segments, key=lambda segment: segment.finished_at)


def _heard(call: SimulatedCall, story: Story) -> _Heard:
    """Pair segments with messages."""
    segments = [segment for segment in _segments(call) if segment.position > 0]
    queues = [
        [item for item in response.items if item.type == "message" and item.ms > 0]
        for response in story.responses.values()
    ]
    best = pair(queues, segments, _TOLERANCE)
    known = {id(segment) for _, segment in best}
    return _Heard(best, [segment for segment in segments if id(segment) not in known])


def check_message_order(call: SimulatedCall) -> None:
    """G13: the messages of a response are heard one after another, in order, none left out. Only an
    interrupt, a deletion or a lost connection explains that the last ones were not heard.

    Raises ``AssertionError``.
    """
    story = Story(call).all()
    heard, problems = _heard(call, story), []
    for segment in heard.strange:
        text = f"{segment.position:.3f} s were heard that are no message in its turn"
        problems.append(Problem(text, [i.added for i in story.items.values()]))
    segments = [s for s in _segments(call) if s.started_at is not None]
    for before, after in pairwise(segments):
        if after.started_at is not None and after.started_at < before.finished_at - 1e-6:
            problems.append(Problem("two messages overlap", []))
    full = {item.id for item, segment in heard.pairs if not segment.interrupted}
    cut = {item.response.id for item, segment in heard.pairs if segment.interrupted}
    for response in story.responses.values():
        messages = [i for i in response.items if i.type == "message" and i.ms > 0]
        numbers = [n for n, item in enumerate(messages) if heard.seconds(item.id)]
        for number, item in enumerate(messages):
            if item.id in full or (number == max(numbers, default=-1) and response.id in cut):
                continue
            later = bool(numbers) and number < max(numbers)
            if later or (full & {m.id for m in messages} and not _explained(story, item)):
                text = f"message {number + 1} of {response.id} was left out"
                problems.append(Problem(text, [m.added for m in messages]))
    require("G13", "message order", problems)


def _explained(story: Story, item: Item) -> bool:
    response = item.response
    if response.status != "completed" or response.cancels:
        return True
    later = [each for each in story.record if each.t >= item.added.t]
    return any(
        each.type in ("input_audio_buffer.speech_started", "disconnected")
        or (
            each.type == "conversation.item.delete"
            and each.direction == "client"
            and each.event.get("item_id") == item.id
        )
        or (
            each.type == "conversation.item.truncate"
            and str(each.event.get("item_id")) in {i.id for i in response.items}
        )
        for each in later
    )


def check_truncate_bounds(call: Wire) -> None:
    """G15: ``audio_end_ms`` is an integer, above 0 and within what the item had received, and sent
    once per item. With a sink to look at: as much as was heard of a message that was cut.

    Raises ``AssertionError``.
    """
    story, problems = judged(TruncateBounds, call)
    told = {id(event.event) for problem in problems for event in problem.events}
    for each in story.record:
        ms: Any = each.event.get("audio_end_ms")
        truncates = each.direction == "client" and each.type == "conversation.item.truncate"
        if truncates and id(each.event) not in told and not _was_cut_at(call, ms / 1000):
            problems.append(Problem(f"no message was cut at {ms} ms", [each]))
    require("G15", "truncate bounds", problems)


def _was_cut_at(call: Wire, seconds: float) -> bool:
    if not _sinks(call):
        return True
    positions = [segment.position for segment in _segments(call) if segment.interrupted]
    return any(abs(position - seconds) < _CUT for position in positions)


def check_heard_is_history(call: SimulatedCall) -> None:
    """G16: of each message the server, and LiveKit, remember what was heard, and nothing of one that
    was not heard. In a call by text only LiveKit and the server are compared.

    Raises ``AssertionError``.
    """
    story = Story(call).all()
    heard, problems = _heard(call, story), []
    spoken = any(item.ms for item in story.items.values())
    remembered: dict[str, str] = {}
    for item in call.server.conversation:
        if item.type != "message" or item.role != "assistant" or not (item.text or item.audio_ms):
            continue
        remembered[item.id] = item.text
        known = story.items.get(item.id)
        events = [known.added] if known is not None else []
        seconds = heard.seconds(item.id)
        kept = item.audio_ms / 1000
        # After a reconnect the server has the words without the audio.
        if spoken and (seconds == 0 or (kept and abs(kept - seconds) > _CUT)):
            text = f"the server remembers {kept or len(item.text.split())}"
            unit = "s" if kept else "words"
            text = f"{text} {unit} of {item.id} ({item.text!r}), {seconds:.3f} s were heard"
            problems.append(Problem(text, events))
    for item_id in dict.fromkeys(i.id for i, _ in heard.pairs):
        if item_id not in remembered and heard.seconds(item_id) > _TOLERANCE:
            text = f"{heard.seconds(item_id):.3f} s of {item_id} were heard, and are not remembered"
            problems.append(Problem(text, [story.items[item_id].added]))
    problems += _local(call, remembered)
    require("G16", "heard = history", problems)


def _local(call: SimulatedCall, remembered: dict[str, str]) -> Iterator[Problem]:
    """Compare LiveKit's history with the server's, by item id."""
    local = {
        item.id: item.text_content or ""
        for item in call.session.history.items
        if item.type == "message" and item.role == "assistant"
    }
    for item_id, text in local.items():
        if text and item_id not in remembered:
            yield Problem(f"LiveKit remembers {item_id} ({text!r}), the server does not", [])
    for item_id, text in remembered.items():
        if text and not local.get(item_id):
            yield Problem(f"the server remembers {item_id} ({text!r}), LiveKit does not", [])
        elif text and not _alike(text.split(), local[item_id].split()):
            words = f"{item_id}: the server remembers {text!r}, LiveKit {local[item_id]!r}"
            yield Problem(words, [])


def _alike(one: list[str], other: list[str]) -> bool:
    """Whether both say the same, but for the word in which it was cut."""
    both = min(len(one), len(other))
    return one[:both] == other[:both] and abs(len(one) - len(other)) <= 1


# --- tools


def check_tools_once(call: Wire) -> None:
    """G17: each function call that arrived whole got one output, unless the user or the client cut
    in or the connection was lost; and the create that follows waits for the calling response's end.

    Raises ``AssertionError``.
    """
    _, problems = judged(ToolOnce, call)
    require("G17", "tool once", problems)


# --- all


def check_all(
    call: SimulatedCall,
    *,
    except_: Collection[str] = (),
    speeches: Iterable[SpeechHandle] | None = None,
    patience: float = _PATIENCE,
) -> None:
    """Run every check, but for the ids in *except_*, and report all that fail.

    Args:
        call: The call, at rest and not yet closed.
        except_: Ids of guarantees that are not checked, such as ``("G16",)``.
        speeches: Its speech handles, see :func:`check_failures_visible`.
        patience: Seconds that an unanswered frame is believed in; not more than the shortest
            time-out of the client.

    Raises:
        AssertionError: One or more do not hold; each is told.
        ValueError: *except_* names an id that no check has.
    """
    handles = None if speeches is None else list(speeches)
    checks: dict[str, Callable[[], None]] = {
        "G1": lambda: check_single_flight(call, patience=patience),
        "G2": lambda: check_creates_settle(call, patience=patience),
        "G5": lambda: check_cancel_barrier(call, patience=patience),
        "G6": lambda: check_benign_cancel(call),
        "G7": lambda: check_turns_end(call, speeches=handles),
        "G8": lambda: check_failures_visible(call, speeches=handles),
        "G13": lambda: check_message_order(call),
        "G15": lambda: check_truncate_bounds(call),
        "G16": lambda: check_heard_is_history(call),
        "G17": lambda: check_tools_once(call),
    }
    if unknown := [name for name in except_ if name not in checks]:
        raise ValueError(f"no check for {', '.join(unknown)}; there are {', '.join(checks)}")
    failures: list[str] = []
    for name, check in checks.items():
        if name not in except_:
            failures += _failure_of(check)
    if failures:
        raise AssertionError("\n".join(failures))


def _failure_of(check: Callable[[], None]) -> list[str]:
    try:
        check()
    except AssertionError as error:
        return [str(error)]
    return []
