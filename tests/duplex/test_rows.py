"""Each row of the delegation tables by what is seen of it: from a moment, one event, and all that follows."""

from __future__ import annotations

from typing import Any

import pytest

from realtime_fsm.duplex import ClientDelegation, Delegation
from realtime_fsm.duplex.delegation_table import FINAL

from . import frames as fr

#: Frames that bring a delegation to where a case begins; those of the client are marked.
Frames = list[tuple[str, Any]]


def s(*frames: Any) -> Frames:
    return [("server", frame) for frame in frames]


def c(*frames: Any) -> Frames:
    return [("client", frame) for frame in frames]


CREATED = s(fr.delegated("d"))
RUNS = CREATED + s(fr.created("d", "r1"))
ASKED = RUNS + s(fr.call("d", "k"))
OWES = ASKED + s(fr.ended("d", "r1"))
OWES_TWO = ASKED + s(fr.call("d", "k2"), fr.ended("d", "r1"))
READY = OWES + c(fr.result("k", "i"))
SENT = READY + c(fr.create("c"))
REFUSED = SENT + s(fr.error("c"))
TWO_RUN = ASKED + s(fr.created("d", "r2"))
OLDER = OWES + s(fr.created("d", "r2"), fr.call("d", "k2"))
GIVEN = ASKED + c(fr.result("k", "i"))
PARTIAL = OWES_TWO + c(fr.result("k", "i"), fr.create("c"))
FAILED = fr.ended("d", "r1", "failed")
CUT = fr.ended("d", "r1", "incomplete")
LOST = s(fr.closed("connection_lost"))
TIME = [("time", 1000.0)]
OVER = [("over", None)]
BF, CR, CO, RL, ST = (
    ["backend_failed"], ["continuation_refused"], ["call_open"], ["result_lost"], ["stalled"],
)  # fmt: skip

#: From where, what happens; the state then, what was told to be lost by it, the calls that are open (of the
#: application's work: the answers that are not taken).
BACKEND: list[tuple[Frames, Frames, str, list[str], list[str]]] = [
    (CREATED, s(fr.created("d", "r1")), "running", [], []),
    (CREATED, s(fr.call("d", "k")), "owing", [], ["k"]),
    (CREATED, s(fr.ended("d", "r1")), "completed", [], []),
    (CREATED, s(FAILED), "failed", BF, []),
    (CREATED, s(CUT), "incomplete", BF, []),
    (CREATED, TIME, "created", ST, []),
    (CREATED, LOST, "lost", RL, []),
    (CREATED, OVER, "lost", [], []),
    (RUNS, s(fr.call("d", "k")), "running", [], ["k"]),
    (RUNS, s(fr.ended("d", "r1")), "completed", [], []),
    (RUNS, s(FAILED), "failed", BF, []),
    (RUNS, s(CUT), "incomplete", BF, []),
    (RUNS, TIME, "running", ST, []),
    (RUNS, LOST, "lost", RL, []),
    (RUNS, OVER, "lost", [], []),
    (ASKED, c(fr.result("k")), "running", [], []),
    (ASKED, s(fr.ended("d", "r1")), "owing", [], ["k"]),
    (ASKED, s(FAILED), "failed", BF, []),
    (ASKED, s(CUT), "incomplete", BF, []),
    (ASKED, TIME, "running", CO, ["k"]),
    (ASKED, s(fr.created("d", "r2")), "running", [], ["k"]),
    (GIVEN, s(fr.ended("d", "r1")), "ready", [], []),
    (GIVEN, s(FAILED), "ready", BF, []),
    (GIVEN, s(CUT), "ready", BF, []),
    (GIVEN, s(fr.error("i")), "running", CR, ["k"]),
    (TWO_RUN, s(fr.ended("d", "r1")), "running", [], ["k"]),
    (TWO_RUN, s(fr.ended("d", "r2")), "running", [], ["k"]),
    (TWO_RUN, s(FAILED), "running", BF, []),
    (TWO_RUN, s(CUT), "running", BF, []),
    (TWO_RUN, s(fr.ended("d", "r1"), fr.ended("d", "r2")), "owing", [], ["k"]),
    (TWO_RUN, s(FAILED, fr.ended("d", "r2")), "completed", BF, []),
    (TWO_RUN, s(CUT, fr.ended("d", "r2")), "completed", BF, []),
    (OLDER, s(fr.ended("d", "r2")), "owing", [], ["k", "k2"]),
    (OLDER, s(fr.ended("d", "r2", "failed")), "owing", BF, ["k"]),
    (OLDER, s(fr.ended("d", "r2", "incomplete")), "owing", BF, ["k"]),
    (OWES, s(fr.call("d", "k2")), "owing", [], ["k", "k2"]),
    (OWES, c(fr.result("k")), "ready", [], []),
    (OWES, s(fr.created("d", "r2")), "running", [], ["k"]),
    (OWES, c(fr.create("c")), "create_sent", [], ["k"]),
    (OWES, c(fr.create("c")) + s(fr.error("c")), "refused", CR, ["k"]),
    (OWES, TIME, "owing", CO, ["k"]),
    (OWES, LOST, "lost", RL, ["k"]),
    (OWES, OVER, "lost", [], ["k"]),
    (OWES_TWO, c(fr.result("k", "i")), "owing", [], ["k2"]),
    (OWES_TWO, c(fr.result("k", "i")) + s(fr.error("i")), "refused", CR, ["k", "k2"]),
    (READY, c(fr.create("c")), "create_sent", [], []),
    (READY, s(fr.created("d", "r2")), "running", [], []),
    (READY, s(fr.created("d", "r2"), fr.ended("d", "r2")), "completed", [], []),
    (READY, s(fr.error("i")), "refused", CR, ["k"]),
    (READY, TIME, "ready", ST, []),
    (READY, LOST, "lost", RL, []),
    (READY, OVER, "lost", [], []),
    (SENT, s(fr.created("d", "r2")), "running", [], []),
    (SENT, s(fr.created("d", "r2"), fr.ended("d", "r2")), "completed", [], []),
    (SENT, s(fr.created("d", "r2"), fr.error("c")), "running", [], []),
    (SENT, s(fr.ended("d", "r2")), "completed", [], []),
    (SENT, s(fr.ended("d", "r2", "failed")), "failed", BF, []),
    (SENT, s(fr.ended("d", "r2", "incomplete")), "incomplete", BF, []),
    (SENT, s(fr.error("c")), "refused", CR, []),
    (SENT, s(fr.error("i")), "refused", CR, ["k"]),
    (SENT, s(fr.error("i"), fr.error("c")), "refused", CR, ["k"]),
    (SENT, s(fr.error("i"), fr.error("c"), fr.error("c")), "refused", CR, ["k"]),
    (SENT, TIME, "create_sent", ST, []),
    (SENT, LOST, "lost", RL, []),
    (SENT, OVER, "lost", [], []),
    (PARTIAL, c(fr.result("k2", "i2")), "create_sent", [], []),
    (PARTIAL, s(fr.error("c")), "refused", CR, ["k2"]),
    (REFUSED, c(fr.create("c2")), "create_sent", [], []),
    (REFUSED, c(fr.create("c2")) + s(fr.error("c2")), "refused", CR, []),
    (REFUSED, s(fr.created("d", "r2")), "running", [], []),
    (REFUSED, s(fr.error("i")), "refused", [], ["k"]),
    (REFUSED, s(fr.error("i")) + c(fr.result("k", "i2")), "refused", [], []),
    (REFUSED, TIME, "refused", [], []),
    (REFUSED, LOST, "lost", [], []),
    (REFUSED, OVER, "lost", [], []),
]

HANDED = s(fr.delegated("d", "client"))
AT_WORK = HANDED + c(fr.append("d", "thinking", "t"))
ANSWERED = HANDED + c(fr.append("d", event_id="a"))
LATE = [*HANDED, *TIME]
LATE_ANSWER = LATE + c(fr.append("d", event_id="a"))
CLIENT: list[tuple[Frames, Frames, str, list[str], list[str]]] = [
    (HANDED, c(fr.append("d", "thinking", "t")), "working", [], []),
    (HANDED, c(fr.append("d", event_id="a")), "working", [], ["a"]),
    (HANDED, TIME, "overdue", CO, []),
    (HANDED, LOST, "lost", RL, []),
    (HANDED, OVER, "lost", [], []),
    (AT_WORK, c(fr.append("d", "thinking", "t2")), "working", [], []),
    (AT_WORK, c(fr.append("d", event_id="a")), "working", [], ["a"]),
    (AT_WORK, TIME, "overdue", CO, []),
    (AT_WORK, LOST, "lost", RL, []),
    (AT_WORK, OVER, "lost", [], []),
    (ANSWERED, c(fr.append("d", event_id="b")), "working", [], ["a", "b"]),
    (ANSWERED, s(fr.appended("a", "d")), "answered", [], []),
    (ANSWERED, s(fr.error("a")), "working", CR, []),
    (LATE, c(fr.append("d", "thinking", "t")), "overdue", [], []),
    (LATE, c(fr.append("d", event_id="a")), "overdue", [], ["a"]),
    (LATE, TIME, "overdue", [], []),
    (LATE, LOST, "lost", RL, []),
    (LATE, OVER, "lost", [], []),
    (LATE_ANSWER, s(fr.appended("a", "d")), "answered", [], []),
    (LATE_ANSWER, s(fr.error("a")), "overdue", CR, []),
]


def play(story: fr.Story, frames: Frames) -> None:
    for by, what in frames:
        if by == "time":
            story.wait(what)
        elif by == "over":
            story.close()
        else:
            (story.server if by == "server" else story.client)(what)


@pytest.mark.parametrize(("before", "then", "state", "kinds", "owed"), BACKEND + CLIENT)
def test_a_row(before: Frames, then: Frames, state: str, kinds: list[str], owed: list[str]) -> None:
    story = fr.Story()
    story.client(fr.start())
    play(story, before[:1])
    (work,) = story.tracker.live
    play(story, before[1:])
    told, ignored = len(story.losses), story.tracker.ignored.total()
    play(story, then)
    assert work.state.name.lower() == state
    assert [loss.kind.value for loss in story.losses[told:]] == kinds
    known = work.answers if isinstance(work, ClientDelegation) else work.calls
    assert sorted(known) == owed
    if isinstance(work, Delegation):
        assert bool(work.running) == (state == "running") or state == "lost"
        # Its create will be refused as well, which is told already.
        waits = state == "create_sent" or (before, then) == (SENT, s(fr.error("i")))
        over = work.state in FINAL
        assert over or (work.create_id is not None) == waits
    # What is answered twice, or was answered otherwise, concerns nothing.
    late = then[-1:] == s(fr.error("c")) and (state == "running" or then[-2:-1] == then[-1:])
    assert story.tracker.ignored.total() == ignored + late
