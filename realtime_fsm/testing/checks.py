"""Assertions named after the guarantees, for any call: controlled, or plain LiveKit.

Each takes a :class:`SimulatedCall`, best when it is at rest (:meth:`SimulatedCall.idle`) and before
it is closed. Those that only need the wire take a server or its record as well. They are the rules of
``realtime-fsm check``, over the same facts: what went over the wire, what the sink played, and what
the session shows; they share no code with the controller. Each raises ``AssertionError`` with the
guarantee's id and the events it rests on::

    async with simulated_call(script, agent=MyAgent()) as call:
        await call.say("Good morning.")
        await call.idle()
        check_all(call)

Where a provider's plugin lets nobody keep a guarantee, its check raises ``ValueError``, which says why,
and ``check_all`` leaves it out: see ``docs/providers.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from ..simulator.record import Record
from ..trace.facts import Fact, Look, SpeechCreated, SpeechDone, facts_of
from ..trace.format import Header, Line
from ..trace.settings import Settings
from ..trace.show import details
from ..trace.verdict import RULES, Violation, judge_facts
from ._promised import cannot, misremembered, shows_wire

if TYPE_CHECKING:
    from livekit.agents.voice import SpeechHandle

    from ..simulator.observed import ObservedServer
    from .call import SimulatedCall

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

_PATIENCE = Settings().patience
_SHOWN = 12  # lines in the account of one breach


def check_single_flight(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G1: no create leaves against evidence, received before, that the lane is taken.

    Evidence is a create that nothing has answered, and a response that was created and is not over.
    What arrives in the same instant may not have been read, and is not held against the client; an
    unanswered create, and a response whose cancel is unanswered, are believed in for *patience*.

    Raises ``AssertionError``.
    """
    _check(call, ["G1"], patience=patience)


def check_creates_settle(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G2: each create settles: created, refused, void, without an answer for *patience*, or gone
    with its connection. In a call in which no speech is under way, the others were given up. No two
    have the same id, by which they are told apart.

    Raises ``AssertionError``.
    """
    _check(call, ["G2"], patience=patience)


def check_cancel_barrier(call: Wire, *, patience: float = _PATIENCE) -> None:
    """G5: between a cancel and the end of its response no create leaves. A cancel without an answer
    is believed in for *patience*.

    Raises ``AssertionError``.
    """
    _check(call, ["G5"], patience=patience)


def check_benign_cancel(call: Wire) -> None:
    """G6: a cancel names its response, and is sent once for it; "nothing to cancel" is no error of
    the session. A bare cancel may only ask what became of a create without an answer.

    Raises ``AssertionError``.
    """
    _check(call, ["G6"])


def check_turns_end(call: SimulatedCall, *, speeches: Iterable[SpeechHandle] | None = None) -> None:
    """G7: now that the call should be at rest, nothing of a turn is left: no speech is under way,
    nothing plays, the agent is not thinking or speaking, and each of *speeches* is done. Turns that
    :class:`ControlledRealtimeModel` began have ended once.

    Raises ``AssertionError``.
    """
    _check(call, ["G7"], speeches=speeches)


def check_failures_visible(
    call: SimulatedCall, *, speeches: Iterable[SpeechHandle] | None = None
) -> None:
    """G8: a response that failed or was cut short by the provider, and that no later one made good
    before the next question, is an ``error`` event of the session, and the ``exception()`` of one of
    *speeches*, if one was under way and was not interrupted; unless a tool was called whose reply is
    heard.

    Raises ``AssertionError``.
    """
    _check(call, ["G8"], speeches=speeches)


def check_message_order(call: SimulatedCall) -> None:
    """G13: the messages of a response are heard one after another, in order, none left out. Only an
    interrupt, a deletion or a lost connection explains that the last ones were not heard.

    Raises ``AssertionError``.
    """
    _check(call, ["G13"])


def check_truncate_bounds(call: Wire) -> None:
    """G15: ``audio_end_ms`` is an integer, above 0 and within what the item had received, and sent
    once per item. With a sink to look at: as much as was heard of a message that was cut.

    Raises ``AssertionError``.
    """
    _check(call, ["G15"])


def check_heard_is_history(call: SimulatedCall) -> None:
    """G16: of each message the server, and LiveKit, remember what was heard, in that order, and
    nothing of one that was not heard. What the application deleted need not be remembered. In a call
    by text only LiveKit and the server are compared.

    Raises ``AssertionError``.
    """
    _check(call, ["G16"])


def check_tools_once(call: Wire) -> None:
    """G17: each function call that arrived whole got one output, unless the user or the client cut
    in, the connection was lost, or nobody is to answer it; and the create that follows waits for the
    calling response's end.

    Raises ``AssertionError``.
    """
    _check(call, ["G17"])


def check_all(
    call: SimulatedCall,
    *,
    except_: Collection[str] = (),
    speeches: Iterable[SpeechHandle] | None = None,
    patience: float = _PATIENCE,
) -> None:
    """Run every rule of ``realtime-fsm check``, but for the ids in *except_*, and report all that
    are broken.

    Args:
        call: The call, at rest and not yet closed.
        except_: Ids of guarantees that are not checked, such as ``("G16",)``.
        speeches: The speech handles that G7, G8 and G18 look at; by default all.
        patience: Seconds that an unanswered frame is believed in; not more than the shortest
            time-out of the client.

    Raises:
        AssertionError: One or more do not hold; each is told.
        ValueError: *except_* names an id that no check has.
    """
    check_so_far(call, except_=except_, speeches=speeches, patience=patience, rest=True)


def check_so_far(
    call: SimulatedCall,
    *,
    except_: Collection[str] = (),
    speeches: Iterable[SpeechHandle] | None = None,
    patience: float = _PATIENCE,
    rest: bool,
) -> None:
    """:func:`check_all`, also of a call that is not at *rest*, such as one that was hung up."""
    ids = [rule.id for rule in RULES]
    if unknown := [name for name in except_ if name not in ids]:
        raise ValueError(f"no check for {', '.join(unknown)}; there are {', '.join(ids)}")
    left_out = {*except_, *cannot(call)}
    wanted = [name for name in ids if name not in left_out]
    _check(call, wanted, patience=patience, speeches=speeches, rest=rest)


# --- how it is judged, and told


def _check(
    call: Any,
    ids: Collection[str],
    *,
    patience: float = _PATIENCE,
    speeches: Iterable[SpeechHandle] | None = None,
    rest: bool = True,
) -> None:
    for name, why in cannot(call).items():
        if name in ids:
            raise ValueError(f"{name} is not judged of this provider: {why}; see docs/providers.md")
    settings = Settings(patience=patience)
    by_words = "G16" in ids and not shows_wire(call)  # nothing corrects what the server remembers
    rules = [rule for rule in RULES if rule.id in ids and not (by_words and rule.id == "G16")]
    facts = _facts(call) if rest else call.facts(rest=False)
    if speeches is not None:
        facts = _of_speeches(facts, {handle.id for handle in speeches})
    # Only what happened by now is judged: the call goes on.
    verdict = judge_facts(facts, rules=rules, settings=settings, cut=True)
    order = [rule.id for rule in rules]
    found = sorted(verdict.violations, key=lambda each: order.index(each.id))
    told = [_told(each) for each in found]
    if by_words:
        told += [f"G16 heard = history: {each}" for each in misremembered(call.life())]
    if told:
        raise AssertionError("\n".join(told))


def _facts(call: Any) -> Sequence[Fact]:
    """Those of a call; of a server, or its record, the wire and that it should be at rest."""
    if hasattr(call, "facts"):
        facts: Sequence[Fact] = call.facts()
        return facts
    record = list(getattr(call, "record", call))
    header = Header(mode="server", versions={}, retry={}, fields={})
    lines = [
        Line(number, each.t, each.direction, each.type, each.connection, each.event)
        for number, each in enumerate(record, 1)
    ]
    end = lines[-1].t if lines else 0.0
    rest = Line(len(lines) + 1, end, "watch", "look", 0, {"rest": True})
    return list(facts_of([header, *lines, rest]))


def _of_speeches(facts: Iterable[Fact], ids: set[str]) -> list[Fact]:
    """What is told of these speeches, and all that is told of none."""
    found: list[Fact] = []
    for fact in facts:
        if isinstance(fact, Look) and fact.speeches is not None:
            event = {**fact.line.event, "speeches": [s for s in fact.speeches if s in ids]}
            line = Line(fact.line.number, fact.t, "watch", "look", 0, event)
            found += facts_of([line])
        elif not isinstance(fact, (SpeechCreated, SpeechDone)) or fact.speech in ids:
            found.append(fact)
    return found


def _told(violation: Violation) -> str:
    lines = [f"{violation.id} {violation.name}: {violation.text}"]
    lines += [f"    {_line(each)}" for each in violation.lines[-_SHOWN:]]
    return "\n".join(lines)


def _line(each: Line) -> str:
    connection = f"connection {each.connection}" if each.connection else " " * 12
    return f"{each.t:9.3f} s  {connection}  {each.by:8}  {each.type}  {details(each)}".rstrip()
