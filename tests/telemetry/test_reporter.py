"""What is told of a controller alone, where a real session is slow to get."""

from __future__ import annotations

import realtime_fsm as rf
from realtime_fsm.livekit.telemetry import AttemptOutcome, SessionInfo
from realtime_fsm.livekit.telemetry._reporter import Reporter

from .notes import Notes

LOST = rf.error_info("server_error", None, "")


class Line:
    """A controller with an observer, and a clock by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.notes = Notes()
        self.controller = rf.TurnController()
        session = SessionInfo(id="s", provider="p", model="m")
        self.reporter = Reporter([self.notes], session, self.controller, lambda: self.now)

    def run(self) -> None:
        self.reporter.notice_changes()
        for command in self.controller.commands():
            self.reporter.saw(command)

    def ask(self) -> rf.Turn:
        turn = self.controller.request(self.now)
        self.run()
        return turn

    def tell(self, *events: rf.Event) -> None:
        for event in events:
            self.controller.receive(event, self.now)
            self.run()

    def ends(self) -> list[tuple[int, AttemptOutcome]]:
        return [(a.number, end.outcome) for a, end in self.notes.of("attempt_ended")]


def sent(turn: rf.Turn) -> rf.CreateSent:
    return rf.CreateSent(turn_id=turn.id, attempt=turn.attempts, event_id=f"e_{turn.id}")


def test_a_turn_that_waits_is_told_when_it_is_asked() -> None:
    line = Line()
    first, second = line.ask(), line.ask()
    assert [turn.id for (turn,) in line.notes.of("turn_started")] == [first.id, second.id]
    assert [a.turn.id for (a,) in line.notes.of("attempt_started")] == [first.id]
    line.now = 2.0
    line.controller.interrupt(second, line.now)
    line.run()
    ((turn, ended, seconds),) = line.notes.of("turn_ended")
    assert (turn.id, ended.outcome, seconds) == (second.id, rf.TurnOutcome.INTERRUPTED, 2.0)


def test_g19_a_create_that_is_queued_outlives_the_connection() -> None:
    line = Line()
    turn = line.ask()
    line.tell(rf.ConnectionLost(error=LOST))
    assert line.ends() == [], "it leaves with the next connection"
    line.tell(rf.ConnectionReady(), sent(turn), rf.ConnectionLost(error=LOST))
    assert line.ends() == [(1, AttemptOutcome.CONNECTION_LOST)]


def test_an_interrupted_response_lasts_until_its_terminal() -> None:
    line = Line()
    turn = line.ask()
    line.tell(sent(turn), rf.ResponseCreated(response_id="r", client_event_id=f"e_{turn.id}"))
    line.controller.interrupt(turn, line.now)
    line.run()
    assert line.ends() == []
    line.now = 0.25
    line.tell(rf.ResponseDone(response_id="r", status=rf.ResponseStatus.CANCELLED))
    assert line.ends() == [(1, AttemptOutcome.CANCELLED)]
    ((_, end),) = line.notes.of("attempt_ended")
    assert (end.seconds, end.response_id, end.orphaned) == (0.25, "r", False)


def test_the_output_of_an_attempt_starts_once() -> None:
    line = Line()
    turn = line.ask()
    line.tell(sent(turn), rf.ResponseCreated(response_id="r", client_event_id=f"e_{turn.id}"))
    for item in ("a", "b"):
        line.now += 0.5
        message = rf.ItemKind.MESSAGE
        line.tell(
            rf.ItemStarted(response_id="r", item_id=item, kind=message),
            rf.OutputReceived(response_id="r", item_id=item, audio_ms=100),
        )
    assert [seconds for _, seconds in line.notes.of("output_started")] == [0.5]


def test_time_in_a_state_runs_from_when_it_was_entered() -> None:
    line = Line()
    turn = line.ask()
    line.now = 0.2
    line.tell(sent(turn))
    line.now = 0.5
    line.tell(rf.ResponseCreated(response_id="r", client_event_id=f"e_{turn.id}"))
    line.now = 1.5
    line.tell(rf.ItemStarted(response_id="r", item_id="a", kind=rf.ItemKind.MESSAGE))
    line.now = 2.0
    line.tell(rf.OutputReceived(response_id="r", item_id="a", audio_ms=100))
    line.now = 4.0
    line.tell(rf.ResponseDone(response_id="r", status=rf.ResponseStatus.COMPLETED))
    told = [(move.event, seconds) for _, move, seconds in line.notes.of("turn_moved")]
    assert told == [
        ("LANE_FREE", 0.0),
        ("RESPONSE_CREATED", 0.5),
        ("ITEM_STARTED", 1.0),
        ("OUTPUT_RECEIVED", 0.5),
        ("RESPONSE_COMPLETED", 2.5),
    ]


def test_g20_a_conflict_ends_the_attempt_and_not_the_turn() -> None:
    line = Line()
    turn = line.ask()
    conflict = rf.error_info("conversation_already_has_active_response", None, "")
    line.tell(sent(turn), rf.ErrorReceived(error=conflict, event_id=f"e_{turn.id}"))
    assert line.ends() == [(1, AttemptOutcome.CONFLICT)]
    assert not line.notes.of("turn_ended")
