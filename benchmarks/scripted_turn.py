"""One healthy turn of two messages, as a controller meets it: every event that moves something.

Further deltas are not in it; they have figures of their own.
"""

from __future__ import annotations

import realtime_fsm as rf

#: What the smallest tables that tell the same things apart have to take for such a turn. The turn: lane,
#: created, two items, two first outputs, completed, playback over. Its response: left, created, two
#: items, two first outputs, completed. Each message: pulled, started, reported.
TURN_TRIGGERS, RESPONSE_TRIGGERS, PLAYBACK_TRIGGERS = 8, 7, 6
TRIGGERS = TURN_TRIGGERS + RESPONSE_TRIGGERS + PLAYBACK_TRIGGERS
#: The bare walk through the states: sent, created, message 1, message 2, done.
STATE_CHANGES = 5


class Caller:
    """Plays turns through one controller, with a driver's calls around each event."""

    def __init__(self, controller: rf.TurnController | None = None) -> None:
        self.controller = controller or rf.TurnController()
        self.controller.playback_reported = self.controller.audible = True
        self.now = 0.0
        self.turns = 0

    def turn(self) -> None:
        self.turns += 1
        n, c = self.turns, self.controller
        response, first, second, create = f"resp_{n}", f"item_{n}_1", f"item_{n}_2", f"create_{n}"
        turn = c.request(self.now)
        self._drain()
        for event in (
            rf.CreateSent(turn_id=turn.id, attempt=1, event_id=create),
            rf.ResponseCreated(response_id=response, client_event_id=create),
            rf.ItemStarted(response_id=response, item_id=first, kind=rf.ItemKind.MESSAGE),
            rf.OutputReceived(response_id=response, item_id=first, audio_ms=1000.0),
            rf.MessagePulled(item_id=first),
            rf.PlaybackStarted(),
            rf.ItemStarted(response_id=response, item_id=second, kind=rf.ItemKind.MESSAGE),
            rf.OutputReceived(response_id=response, item_id=second, audio_ms=1000.0),
            rf.ResponseDone(response_id=response, status=rf.ResponseStatus.COMPLETED),
            rf.PlaybackFinished(position_ms=1000.0, interrupted=False),
            rf.MessagePulled(item_id=second),
            rf.PlaybackStarted(),
            rf.PlaybackFinished(position_ms=1000.0, interrupted=False),
        ):
            self.now += 0.05
            c.receive(event, self.now)
            self._drain()
        assert turn.outcome is rf.TurnOutcome.COMPLETED

    def play(self, turns: int) -> None:
        for _ in range(turns):
            self.turn()

    def _drain(self) -> None:
        while self.controller.commands():
            pass
        self.controller.next_deadline()
