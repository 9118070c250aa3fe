"""G14, G16: the controller against the simplest model there is, the list of what was played."""

from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

import realtime_fsm as rf

from ..core.harness import Bench

POLICY = rf.RetryPolicy(max_retry=100, max_reconnect=100, recovery_deadline=1e6)
SPEAKING = (rf.TurnState.CREATED, rf.TurnState.STREAMING)
ODD = (math.nan, math.inf, -math.inf, -3.0, 0.4, 1e9)


class Listener(RuleBasedStateMachine):
    """A host that plays one message after another, on connections that come and go."""

    def __init__(self) -> None:
        super().__init__()
        self.b = Bench(POLICY, playback=True)
        self.b.c.audible = True
        self.played: list[tuple[str, int]] = []  # the model
        self.server: dict[str, float] = {}
        self.turn: rf.Turn | None = None
        self.items: list[str] = []
        self.received: dict[str, float] = {}
        self.next = 0  # of the items, the next to be pulled
        self.playing: str | None = None
        self.sounding = False
        self.response: str | None = None
        self.connected = True
        self.lost: set[str] = set()
        self.deleted: list[str] = []
        self.count = 0
        self.done_commands = 0

    # --- what the controller wants

    def obey(self) -> None:
        while self.done_commands < len(self.b.all):
            command = self.b.all[self.done_commands]
            self.done_commands += 1
            if isinstance(command, rf.DeleteItem):
                self.deleted.append(command.item_id)
                if self.server.pop(command.item_id, None) is not None:
                    self.b.got(rf.ItemDeleted(item_id=command.item_id))
            elif isinstance(command, rf.RestoreItem):
                assert command.item_id in self.lost, "it was never lost"
                message = self.b.c.message(command.item_id)
                assert message is not None
                assert message.heard_ms is not None
                self.server[command.item_id] = message.heard_ms
                self.b.got(rf.ItemTruncated(item_id=command.item_id, audio_end_ms=message.heard_ms))

    # --- the server

    @precondition(lambda self: self.turn is None and self.connected)
    @rule()
    def ask(self) -> None:
        self.turn = self.b.ask()
        self.items, self.next, self.playing = [], 0, None
        self.answer()

    def answer(self) -> None:
        assert self.turn is not None
        self.count += 1
        self.response = f"r{self.count}"
        self.b.created(self.turn, self.response)

    @precondition(lambda self: self.response is not None and len(self.items) < 4)
    @rule(ms=st.one_of(st.none(), st.floats(5.0, 900.0)))
    def begin_message(self, ms: float | None) -> None:
        assert self.response is not None
        self.count += 1
        item_id = f"m{self.count}"
        self.b.item(self.response, item_id)
        self.items.append(item_id)
        self.received[item_id] = 0.0
        self.server[item_id] = 0.0
        if ms is not None:
            self.generate(ms)

    @precondition(lambda self: self.response is not None and self.items)
    @rule(ms=st.floats(5.0, 900.0))
    def generate_more(self, ms: float) -> None:
        self.generate(ms)

    def generate(self, ms: float) -> None:
        item_id = self.items[-1]
        if item_id in self.lost or item_id not in self.server:
            return  # of an attempt that was given up
        assert self.response is not None
        self.b.got(rf.OutputReceived(response_id=self.response, item_id=item_id, audio_ms=ms))
        self.received[item_id] += ms
        self.server[item_id] += ms

    @precondition(lambda self: self.response is not None)
    @rule(
        status=st.sampled_from(
            [rf.ResponseStatus.COMPLETED, rf.ResponseStatus.COMPLETED, rf.ResponseStatus.INCOMPLETE]
        )
    )
    def end_generation(self, status: rf.ResponseStatus) -> None:
        assert self.response is not None
        self.b.done(self.response, status)
        self.response = None

    @precondition(lambda self: self.connected)
    @rule(for_long=st.booleans())
    def break_connection(self, for_long: bool) -> None:
        error = rf.ErrorInfo(kind=rf.ErrorKind.TRANSIENT, code="connection_lost")
        self.lost |= set(self.items)
        self.server.clear()
        self.response, self.connected = None, False
        self.b.got(rf.ConnectionLost(error=error))
        if not for_long:
            self.connect()

    @precondition(lambda self: not self.connected)
    @rule()
    def connect_at_last(self) -> None:
        self.connect()

    def connect(self) -> None:
        over = {} if self.turn is None else dict.fromkeys(self.items)
        self.server = {item_id: ms for item_id, ms in self.played if item_id not in over}
        self.connected = True
        self.b.got(rf.ConnectionReady())
        turn = self.turn
        if turn is not None and turn.state is rf.TurnState.RETRY_WAIT:
            self.b.wait(5.0)  # nothing of it was handed out yet
            self.answer()

    # --- the host

    @precondition(
        lambda self: (
            self.turn is not None
            and self.playing is None
            and self.next < len(self.items)
            and self.received[self.items[self.next]] > 0
        )
    )
    @rule(sounds=st.sampled_from([True, True, False]))
    def pull(self, sounds: bool) -> None:
        self.pull_next()
        if sounds:
            self.sound_now()

    def pull_next(self) -> None:
        self.playing = self.items[self.next]
        self.next += 1
        self.b.got(rf.MessagePulled(item_id=self.playing))
        self.sounding = False

    def sound_now(self) -> None:
        self.b.got(rf.PlaybackStarted())
        self.sounding = True

    @precondition(
        lambda self: (
            self.playing is not None
            and self.sounding
            and self.next < len(self.items)
            and self.received[self.items[self.next]] > 0
        )
    )
    @rule()
    def a_report_is_missing(self) -> None:
        """The host goes on all the same, so the one before has played."""
        assert self.playing is not None
        self.played.append((self.playing, int(self.received[self.playing])))
        self.pull_next()

    @precondition(lambda self: self.playing is not None and not self.sounding)
    @rule()
    def sound(self) -> None:
        self.sound_now()

    @precondition(lambda self: self.playing is not None and self.sounding)
    @rule(seconds=st.floats(0.0, 100.0))
    def pause_and_resume(self, seconds: float) -> None:
        self.b.got(rf.PlaybackPaused())
        self.b.wait(seconds if self.response is None and self.connected else 0.0)
        self.b.got(rf.PlaybackResumed())

    @precondition(
        lambda self: (
            self.playing is not None
            and self.sounding
            and (self.response is None or self.playing != self.items[-1])
        )
    )
    @rule()
    def play_to_the_end(self) -> None:
        assert self.playing is not None
        item_id, self.playing = self.playing, None
        self.played.append((item_id, int(self.received[item_id])))
        self.b.got(rf.PlaybackFinished(position_ms=self.received[item_id], interrupted=False))

    @precondition(lambda self: self.turn is not None and self.turn.state in SPEAKING)
    @rule(position=st.one_of(st.floats(0.0, 1500.0), st.sampled_from(ODD)))
    def interrupt(self, position: float) -> None:
        turn, playing = self.turn, self.playing
        assert turn is not None
        self.b.interrupt(turn)
        if playing is not None:
            self.playing = None
            if not self.sounding:
                position = 0.0
            # What there is of it can be heard, and no more.
            heard = (
                0 if math.isnan(position) else int(min(max(position, 0), self.received[playing]))
            )
            if heard:
                self.played.append((playing, heard))
            self.b.got(rf.PlaybackFinished(position_ms=position, interrupted=True))
            self.b.got(rf.MessageTruncated(item_id=playing, audio_end_ms=position))
            if heard and playing in self.server and playing not in self.lost:
                self.server[playing] = heard
                self.b.got(rf.ItemTruncated(item_id=playing, audio_end_ms=heard))
        if self.response is not None:
            self.b.done(self.response, rf.ResponseStatus.CANCELLED)
            self.response = None
        self.b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True))
        assert not turn.live

    @precondition(
        lambda self: (
            self.turn is not None
            and self.playing is None
            and self.response is None
            and self.turn.generation_over
            and all(self.received[i] == 0 for i in self.items[self.next :])
        )
    )
    @rule()
    def speech_over(self) -> None:
        assert self.turn is not None
        self.b.got(rf.SpeechOver(turn_id=self.turn.id, interrupted=False))
        assert not self.turn.live

    @rule(
        event=st.sampled_from(
            [
                rf.MessagePulled(item_id="nobody's"),
                rf.MessageTruncated(item_id="nobody's", audio_end_ms=5.0),
                rf.MessageShown(item_id="nobody's", text="hm"),
                rf.SpeechOver(turn_id="nobody's", interrupted=True),
                rf.PlaybackResumed(),
            ]
        )
    )
    def stale(self, event: rf.Event) -> None:
        self.b.got(event)

    @precondition(lambda self: self.playing is None)
    @rule(
        position=st.one_of(st.floats(0.0, 900.0), st.sampled_from(ODD)), interrupted=st.booleans()
    )
    def surplus(self, position: float, interrupted: bool) -> None:
        assert not self.b.got(rf.PlaybackFinished(position_ms=position, interrupted=interrupted))
        assert not self.b.got(rf.PlaybackStarted())

    # --- what has to be so

    @invariant()
    def the_server_has_what_was_played(self) -> None:
        self.obey()
        if self.turn is not None and not self.turn.live:
            self.turn = None
        assert len(self.deleted) == len(set(self.deleted)), "asked once for each"
        if self.turn is not None or not self.connected:
            return
        kept = {item_id: int(ms) for item_id, ms in self.server.items()}
        # Of an item without a sound nothing is heard and nothing is remembered.
        assert {i: ms for i, ms in kept.items() if ms} == dict(self.played)
        assert self.b.c.differences() == {}

    @invariant()
    def outcomes_are_what_was_played(self) -> None:
        heard = dict(self.played)
        for turn in self.b.c.finished:
            for message in turn.messages:
                if message.delivered:
                    assert (message.heard_ms or 0) == heard.get(message.item_id, 0)


TestListener = Listener.TestCase
# Most histories are dull; these are quick.
TestListener.settings = settings(max_examples=5 * settings().max_examples)
