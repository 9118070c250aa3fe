"""One controller and everything around it: the server, the wire, the host's playback, the user.

`World.actions` says what can happen next, `World.apply` lets it happen and judges the answer,
`World.pack` and `World.unpack` turn the whole into data and back. What is modelled, what is not
and why is in docs/explore.md.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

from .. import _commands as cmd
from .. import _events as ev
from .._classify import error_info
from .._controller import TurnController
from .._errors import ErrorInfo
from .._states import MessageOutcome, TurnState
from .._turn import Turn
from .bound import Bound
from .oracle import Oracle, Violation
from .rows import Rules
from .server import SPEECH, Response, Server
from .snapshot import PAST_RESPONSE, Names, pack, unpack

__all__ = ["Action", "Line", "World"]

#: A choice: what happens, and which of several.
Action = tuple[Any, ...]

_TRANSIENT = error_info("server_error", None, "")
_FATAL = error_info("insufficient_quota", None, "")
_LOST = error_info(None, "server_error", "the connection is gone")
_EXPIRED = error_info("session_expired", None, "")
_ACTIVE = "conversation_already_has_active_response"
_NOT_ACTIVE = error_info("response_cancel_not_active", None, "Cancellation failed")
_MS = 1000.0


class Line(NamedTuple):
    """Something that passed between two of the participants, for a person."""

    at: float
    source: str
    target: str
    text: str


class World:
    """A controller in its surroundings.

    Args:
        bound: How much may happen.
        rules: The tables in force.
        log: Where `Line` s go; None while nobody reads them.
    """

    def __init__(self, bound: Bound, rules: Rules, log: Optional[list[Line]] = None) -> None:
        self.bound = bound
        self.rules = rules
        self.log = log
        self.policy = bound.policy
        self.now = 0.0
        self.controller = TurnController(self.policy, keep=4)
        self.controller._core.machine = rules.machine
        self.controller._core.seen[PAST_RESPONSE] = True
        self.controller.playback_reported = bound.sink
        self.controller.audible = bound.audible
        self.oracle = Oracle(self.policy)
        self.server = Server()
        #: Creates commanded and not on the wire: turn, attempt.
        self.queued: list[tuple[str, int]] = []
        #: Messages that wait for their turn to play: item, turn.
        self.playlist: list[tuple[str, str]] = []
        #: What plays: item, turn, whether it has begun to sound, whether it is paused.
        self.playing: Optional[tuple[str, str, bool, bool]] = None
        self.left = [
            *(bound.turns, bound.vad_turns, bound.interrupts, bound.drops, bound.oddities),
            bound.timeouts,
        ]
        self.count = 0
        self.closed = False
        self._answers: list[cmd.Command] = []
        if bound.vad_turns:
            self._tell(ev.SessionConfigured(server_creates=True, server_interrupts=True))
            if log is not None:
                log.clear()

    # --- what can happen

    def actions(self) -> list[Action]:
        """Everything that can happen now, in an order that never changes."""
        if self.closed:
            return []
        turns, _, interrupts, drops, oddities, timeouts = self.left
        out: list[Action] = []
        if timeouts < 0:  # silence for good: nothing but timers
            return [("tick",)] if self.controller.next_deadline() is not None else []
        if turns:
            out.append(("ask",))
        live = self.controller.turns
        if self.oracle.dead:  # what was received plays out
            out += self._host_actions(live)
            if self.controller.next_deadline() is not None:
                out.append(("tick",))
            return out
        if interrupts:
            out += [
                ("interrupt", n) for n, t in enumerate(live) if t.state is not TurnState.CANCELLING
            ]
        if self.oracle.connected:
            if self.queued:
                out.append(("leave",))
            out += self.server.actions(self.bound, vad=self.left[1], odd=oddities)
            if drops:
                out.append(("drop",))
        else:
            out.append(("reconnect",))
        out += self._host_actions(live)
        if oddities:
            out += self._odd_actions(live)
        if self.controller.next_deadline() is not None:
            out.append(("tick",))
        return out

    def _host_actions(self, live: tuple[Turn, ...]) -> list[Action]:
        out: list[Action] = []
        playing = self.playing
        if self._next_to_play() is not None:
            out.append(("pull",))
        if playing is not None and self.bound.sink:
            _, turn_id, sounding, paused = playing
            record = self.oracle.turns.get(turn_id)
            cut = record is None or record.interrupted
            out += [("report", how) for how in (("cut", "unheard") if cut else ("full", "cut"))]
            if self.bound.audible and not sounding:
                out.append(("sound",))
            if paused:
                out += [("resume",), ("truncate", True)]
                out += [("over_cut", n) for n, t in enumerate(live) if t.id == turn_id]
        for n, turn in enumerate(live):
            if self.oracle.turns[turn.id].interrupted:
                out.append(("over", n))
        return out

    def _odd_actions(self, live: tuple[Turn, ...]) -> list[Action]:
        out: list[Action] = [("session_failed",), ("close",)]
        if self.queued:
            out.append(("not_sent",))
        for n, turn in enumerate(live):
            if turn.state is TurnState.REQUESTED and turn.on_wire:
                out.append(("give_up", n))
            paused = self.playing is not None and self.playing[3]
            if turn.state is TurnState.STREAMING and not paused:
                out += [("over_cut", n), ("over_done", n)]
        if self.oracle.connected:
            out += [("rollover",), ("drop", "expired")]
        if self.bound.audible and self.playing is not None and not self.playing[3]:
            out.append(("pause",))
        if self.bound.sink:
            if self.playing is not None and not self.playing[3]:
                out.append(("truncate", True))
            elif self.playing is None and self.playlist:
                out.append(("truncate", False))
        return out

    def _next_to_play(self) -> Optional[tuple[str, str]]:
        for one in self.playlist:
            if not self.oracle.turns[one[1]].interrupted:
                return one
        return None

    # --- what happens

    def apply(self, action: Action) -> None:
        """Let one of `actions` happen. Raises `Violation`, or whatever the controller raised."""
        getattr(self, f"_do_{action[0]}")(*action[1:])
        self._settled()

    def _do_tick(self) -> None:
        at = self.controller.next_deadline()
        assert at is not None
        self.now = max(self.now, at)
        self._note("Controller", "Controller", "the next timer is due")
        self.oracle.now = self.now
        before = set(self.oracle.turns)
        self.controller.advance(self.now)
        self._run()
        # To ask again after a backoff is no time-out.
        if not any(
            isinstance(c, cmd.CreateResponse) and c.turn_id in before for c in self._answers
        ):
            self.left[5] = max(self.left[5] - 1, -1)
        if self.left[5] < 0 and self.playing is not None and self.playing[3]:
            self._do_resume()  # no host pauses for ever

    def _do_ask(self) -> None:
        self.left[0] -= 1
        self._note("User", "Controller", "asks for a response")
        before = set(self.oracle.turns)
        turn = self.controller.request(self.now)
        if turn.id not in before:
            self.oracle.new_turn(turn.id)
        self._run()
        if self.oracle.dead and turn.live:
            raise Violation("G10: a turn waits for a session that is dead")

    def _do_interrupt(self, number: int) -> None:
        self.left[2] -= 1
        turn = self.controller.turns[number]
        self._note("User", "Controller", f"interrupts {turn.id}")
        active = self.server.active
        record = self.oracle.turns[turn.id]
        wanted = active is not None and active.announced and self._wanted(active) is record
        record.interrupted = True
        if self.oracle.voice_until is None or self.oracle.voice_until <= self.now:
            self.oracle.owed = False  # this turn was to be the answer
        self.controller.interrupt(turn, self.now)
        self._run()
        if turn.live and turn.state is not TurnState.CANCELLING:
            raise Violation(f"G23: an interrupt leaves its turn {turn.label}")
        if wanted and active is not None and active.id not in self.oracle.cancelled:
            raise Violation("G23: an interrupt does not cancel the response")

    # the driver

    def _do_leave(self) -> None:
        turn_id, attempt = self.queued.pop(0)
        event_id = self._fresh("e_")
        self.oracle.sent(turn_id, attempt, event_id)
        self.server.inbox.append(("create", event_id, turn_id, attempt))
        self._note("Controller", "Server", f"response.create {event_id} of {turn_id}")
        self._tell(ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id), quiet=True)

    def _do_not_sent(self) -> None:
        self.left[4] -= 1
        turn_id, attempt = self.queued.pop(0)
        self.oracle.not_sent(turn_id, attempt)
        self._tell(ev.CreateNotSent(turn_id=turn_id, attempt=attempt, error=_TRANSIENT))

    def _do_give_up(self, number: int) -> None:
        self.left[4] -= 1
        turn = self.controller.turns[number]
        self.server.cancelled_below = (turn.id, turn.attempts)
        self.oracle.given_up_below()
        self._tell(ev.CreateGivenUp(turn_id=turn.id, attempt=turn.attempts, error=_TRANSIENT))

    # the connection

    def _do_drop(self, how: str = "") -> None:
        self.left[4 if how else 3] -= 1
        lost = [t for t in self.oracle.turns if self._loses(t)]
        owed = self.oracle.owed
        self._cut()
        self.oracle.connected = False
        self._tell(ev.ConnectionLost(error=_EXPIRED if how else _LOST))
        self._kept(lost, owed=owed)

    def _do_rollover(self) -> None:
        self.left[4] -= 1
        lost = [t for t in self.oracle.turns if self._loses(t)]
        owed = self.oracle.owed
        self._cut()
        self._tell(ev.ConnectionReady())
        self._kept(lost, owed=owed)

    def _loses(self, turn_id: str) -> bool:
        return self.oracle.retryable(turn_id, self.oracle.turns[turn_id].asked)

    def _kept(self, lost: list[str], *, owed: bool) -> None:
        # What is owed is asked anew, and takes the place of what was to be retried.
        for turn_id in lost if not owed and not self.oracle.dead else ():
            if turn_id not in self.oracle.turns:
                raise Violation("G19: a turn is lost with its connection")
        if owed and not self.oracle.turns and not self.oracle.dead:
            raise Violation("G18: a committed turn is lost with its connection")
        if owed:
            self.oracle.owed = False

    def _cut(self) -> None:
        self.server = Server()
        self.oracle.disconnected()

    def _do_reconnect(self) -> None:
        self.oracle.connected = True
        self._tell(ev.ConnectionReady())

    def _do_session_failed(self) -> None:
        self.left[4] -= 1
        self.oracle.dead = True
        self._tell(ev.SessionFailed(error=_TRANSIENT))
        self._all_ended("G10: a turn outlives its session")

    def _do_close(self) -> None:
        self.closed = True
        self._note("User", "Controller", "closes the session")
        self.controller.close(self.now)
        self._run()
        self._all_ended("G7: a turn outlives close()")

    def _all_ended(self, complaint: str) -> None:
        playing = {t.id for t in self.controller.turns if t.generation_over and not self.closed}
        if set(self.oracle.turns) - playing:
            raise Violation(complaint)
        self.queued.clear()
        self.server = Server()

    # the server's answers

    def _do_serve(self, how: str) -> None:
        frame = self.server.inbox.pop(0)
        if frame[0] == "create":
            self._serve_create(how, *frame[1:])
        else:
            self._serve_cancel(how, *frame[1:])

    def _serve_create(self, how: str, event_id: str, turn_id: str, attempt: int) -> None:
        owner = (turn_id, attempt)
        if how == "accept":
            self.server.active = Response(self._fresh("resp_"), event_id, owner)
            self._announce()
        elif how == "hold":
            self.left[4] -= 1
            self.server.active = Response(self._fresh("resp_"), event_id, owner)
        elif how == "refuse":
            self._refuse(_TRANSIENT, event_id, owner)
        elif how == "refuse_unlinked":
            self.left[4] -= 1
            self._refuse(_TRANSIENT, event_id, owner, linked=False)
        elif how == "refuse_fatal":
            self.left[4] -= 1
            self._die_of(ev.ErrorReceived(error=_FATAL, event_id=event_id), event_id)
        elif how == "conflict":
            active = self.server.active
            self._conflict(PAST_RESPONSE if active is None else active.id, event_id, turn_id)

    def _refuse(
        self, error: ErrorInfo, event_id: str, owner: tuple[str, int], *, linked: bool = True
    ) -> None:
        self.oracle.rejected(event_id)
        retry = self.oracle.retryable(*owner)
        self._tell(ev.ErrorReceived(error=error, event_id=event_id if linked else None))
        if retry and owner[0] not in self.oracle.turns:
            raise Violation("G9: a turn is lost though it could be asked again")

    def _conflict(self, response_id: str, event_id: str, turn_id: str) -> None:
        if self.server.active is not None:
            self.oracle.conflict(response_id)
        self.oracle.rejected(event_id)
        lost = self.oracle.may_fail_by_conflict(turn_id)
        error = error_info(_ACTIVE, None, f"active response in progress: {response_id}.")
        self._tell(ev.ErrorReceived(error=error, event_id=event_id))
        if not lost and turn_id not in self.oracle.turns:
            raise Violation("G20: a conflict loses the request")

    def _serve_cancel(self, how: str, event_id: str, response_id: Optional[str]) -> None:
        active = self.server.active
        if how == "cancel":
            assert active is not None
            self._finish("cancelled")
            return
        if response_id is not None:
            self.oracle.over(response_id)
        else:
            # On an ordered wire this settles the creates before it. Not every server orders them
            # so ("The probe is not a proof", docs/decisions.md), but it is what a client knows.
            for key in [k for k in self.oracle.believed if k.startswith("e_")]:
                if all(frame[1] != key for frame in self.server.inbox):
                    self.oracle.rejected(key)
        self._tell(ev.ErrorReceived(error=_NOT_ACTIVE, event_id=event_id))

    def _do_announce(self) -> None:
        self._announce()

    def _announce(self) -> None:
        response = self.server.active
        assert response is not None
        response.announced = True
        owner = response.owner
        before = set(self.oracle.turns)
        self.oracle.created(response.id, response.event_id)
        if owner is None and self.server.speech != SPEECH.index("speaking"):
            self.oracle.speech(None)
        wanted = owner is None or self._wanted(response) is not None
        self._tell(ev.ResponseCreated(response_id=response.id, client_event_id=response.event_id))
        if owner is None:
            new = [t for t in self.oracle.turns if t not in before]
            if len(new) != 1:
                raise Violation("G18: server VAD's response is no turn")
            response.owner = (new[0], 1)
            record = self.oracle.turns[new[0]]
            record.asked, record.given_up, record.settled = 1, False, True
        released = response.id in self.oracle.cancelled
        if owner is not None and owner == self.server.cancelled_below:
            if released:
                raise Violation("G6: what is cancelled below is cancelled again")
            self.oracle.cancelled_below(response.id)
            self.server.inbox.append(("cancel", self._fresh("below_"), response.id))
        elif released is wanted:
            raise Violation(
                "G3: a response that is waited for is cancelled"
                if wanted
                else "G4: a response nobody waits for is not cancelled"
            )

    def _wanted(self, response: Response) -> Any:
        """The record of the turn that waits for this response, or None."""
        if response.owner is None:
            return None
        record = self.oracle.turns.get(response.owner[0])
        return record if record is not None and record.expects(response.owner[1]) else None

    def _do_item(self, kind: str) -> None:
        response = self.server.active
        assert response is not None
        item = self._fresh("item_")
        response.items.append((item, kind, False))
        what = ev.ItemKind.MESSAGE if kind == "message" else ev.ItemKind.FUNCTION_CALL
        self._tell(ev.ItemStarted(response_id=response.id, item_id=item, kind=what))

    def _do_output(self) -> None:
        response = self.server.active
        assert response is not None
        item, kind, _ = response.items[-1]
        response.items[-1] = (item, kind, True)
        wanted = self._wanted(response) is not None
        event: ev.Event
        if kind == "message":
            event = ev.OutputReceived(response_id=response.id, item_id=item, audio_ms=_MS)
        else:
            event = ev.CallReceived(response_id=response.id, item_id=item)
        self._tell(event)
        self._delivered(item, wanted=wanted, call=kind != "message")

    def _delivered(self, item: str, *, wanted: bool, call: bool) -> None:
        handed = [c for c in self._answers if isinstance(c, cmd.DeliverItem)]
        name = "G17" if call else "G13"
        if wanted and [c.item_id for c in handed] != [item]:
            raise Violation(f"{name}: what was received is not handed out once")
        if not wanted and handed:
            raise Violation("G4: output of a response that was given up is handed out")
        for c in handed if not call else ():
            if c.turn_id in self.oracle.turns:
                self.playlist.append((item, c.turn_id))

    def _do_done(self, how: str) -> None:
        if how in ("failed_fatal", "unsaid"):
            self.left[4] -= 1
        if how == "unsaid":
            self._note("Server", "Server", "the response is over, and its terminal is lost")
            self.server.active = None
        else:
            self._finish(how)

    def _finish(self, how: str) -> None:
        response = self.server.active
        assert response is not None
        self.server.active = None
        status = ev.ResponseStatus(how.partition("_")[0])
        error = {"failed": _TRANSIENT, "failed_fatal": _FATAL}.get(how)
        if status is ev.ResponseStatus.INCOMPLETE:
            error = error_info("max_output_tokens", None, "")
        record = self._wanted(response)
        owner = response.owner
        retry = how == "failed" and owner is not None and self.oracle.retryable(*owner)
        self.oracle.over(response.id, response.event_id)
        self._tell(
            ev.ResponseDone(
                response_id=response.id,
                status=status,
                error=error,
                client_event_id=response.event_id,
            )
        )
        live = owner is not None and owner[0] in self.oracle.turns
        if retry and not live:
            raise Violation("G9: a turn is lost though it could be asked again")
        if live and record is not None and record.expects(owner[1] if owner else 0):
            raise Violation("G8: a turn does not notice that its response is over")
        exposed = live and record is not None and record.exposed
        if (
            how == "failed"
            and exposed
            and record is not None
            and not (record.reported or record.given_up)
        ):
            raise Violation("G8: a failure after exposure is not visible")
        self._echo(response)

    def _die_of(self, event: ev.Event, event_id: str) -> None:
        self.oracle.rejected(event_id)
        self.oracle.dead = True
        self._tell(event)
        self._all_ended("G10: a turn outlives a fatal error")

    # the user's speech

    def _do_speech(self, cuts: bool) -> None:
        self.left[1] -= 1
        self.server.speech = SPEECH.index("speaking")
        self.oracle.speech(self.policy.speech_timeout)
        self._tell(ev.SpeechStarted())
        if cuts:
            self._finish("cancelled")

    def _do_stop(self, then: str) -> None:
        self.server.speech = SPEECH.index("quiet")
        if self.oracle.voice_until is not None:
            self.oracle.speech(self.policy.timeout)
        self._tell(ev.SpeechStopped())
        if then == "clear":
            self.oracle.speech(None)
            self._tell(ev.InputCleared())
        elif then == "commit":
            self.server.speech = SPEECH.index("committed")
            self.oracle.owed = True
            self._tell(ev.InputCommitted())

    def _do_answer(self, how: str) -> None:
        self.server.speech = SPEECH.index("quiet")
        if how == "accept":
            self.server.active = Response(self._fresh("resp_"), None, None)
            self._announce()
        elif how == "refuse":
            self.oracle.refused_unlinked()
            self._tell(ev.ErrorReceived(error=_TRANSIENT))
        elif how == "conflict":
            assert self.server.active is not None
            name = self.server.active.id
            self.oracle.conflict(name)
            error = error_info(_ACTIVE, None, f"active response in progress: {name}.")
            self._tell(ev.ErrorReceived(error=error))

    # the host

    def _do_pull(self) -> None:
        one = self._next_to_play()
        assert one is not None
        self.playlist.remove(one)
        item, turn_id = one
        self.playing = (item, turn_id, not self.bound.audible, False)
        self._tell(ev.MessagePulled(item_id=item))
        if not self.bound.audible and self.bound.sink:
            self._tell(ev.PlaybackStarted())

    def _do_sound(self) -> None:
        assert self.playing is not None
        self.playing = (*self.playing[:2], True, self.playing[3])
        self._tell(ev.PlaybackStarted())

    def _do_pause(self) -> None:
        self.left[4] -= 1
        assert self.playing is not None
        self.playing = (*self.playing[:3], True)
        self._tell(ev.PlaybackPaused())

    def _do_resume(self) -> None:
        assert self.playing is not None
        self.playing = (*self.playing[:3], False)
        self._tell(ev.PlaybackResumed())

    def _do_report(self, how: str) -> None:
        assert self.playing is not None
        item = self.playing[0]
        self.playing = None
        before = self._outcomes()
        known = item in before
        heard = {"full": _MS, "cut": _MS / 2, "unheard": 0.0}[how]
        message = self.controller.message(item)
        self._tell(ev.PlaybackFinished(position_ms=heard, interrupted=how != "full"))
        if known and message is not None and message.outcome is None:
            raise Violation("G14: a message has no outcome after its report")
        for other, outcome in self._outcomes().items():
            if other != item and before.get(other) is not outcome:
                raise Violation("G14: a report changes another message")

    def _outcomes(self) -> dict[str, Optional[MessageOutcome]]:
        return {m.item_id: m.outcome for t in self.controller.turns for m in t.messages}

    def _do_over(self, number: int) -> None:
        self._speech_over(self.controller.turns[number])

    def _do_over_cut(self, number: int) -> None:
        if self.playing is None or not self.playing[3]:
            self.left[4] -= 1
        turn = self.controller.turns[number]
        self.oracle.turns[turn.id].interrupted = True
        self._speech_over(turn)

    def _do_over_done(self, number: int) -> None:
        self.left[4] -= 1
        self._speech_over(self.controller.turns[number], interrupted=False)

    def _speech_over(self, turn: Turn, *, interrupted: bool = True) -> None:
        if self.playing is not None and self.playing[1] == turn.id:
            self.playing = None
        self._tell(ev.SpeechOver(turn_id=turn.id, interrupted=interrupted))

    def _do_truncate(self, playing: bool) -> None:
        if self.playing is None or not self.playing[3]:
            self.left[4] -= 1
        if playing:
            assert self.playing is not None
            item, self.playing = self.playing[0], None
        else:
            item, _ = self.playlist.pop(0)
        self._tell(ev.MessageTruncated(item_id=item, audio_end_ms=_MS / 2))

    def end(self) -> Optional[str]:
        """What is wrong if nothing more comes, not even a timer; None if all is well."""
        if self.closed:
            return None
        if self.controller.turns:
            return f"liveness: {self.controller.turns[0].label} for ever"
        holders = self.controller._core.lane.holders
        # A create that never leaves holds the lane; turns behind it end by their own deadline.
        if any(a.event_id is not None or a.response_id is not None for a in holders):
            return "liveness: the lane stays taken"
        if self.oracle.dead:
            return None
        return "G18: a committed turn gets no answer" if self.oracle.owed else None

    # --- what comes too late or twice

    def _echo(self, response: Response) -> None:
        """G3: what is repeated of a response that is over changes nothing."""
        events: list[ev.Event] = [
            ev.ResponseCreated(response_id=response.id, client_event_id=response.event_id),
            ev.ResponseDone(
                response_id=response.id,
                status=ev.ResponseStatus.FAILED,
                client_event_id=response.event_id,
            ),
        ]
        for item, kind, _ in response.items:
            if kind == "message":
                events.append(
                    ev.OutputReceived(response_id=response.id, item_id=item, audio_ms=_MS)
                )
            else:
                events.append(ev.CallReceived(response_id=response.id, item_id=item))
        self._changes_nothing(events)

    def check_stale(self) -> None:
        """G3, G14, G23: late events, surplus reports and interrupts of what ended do nothing."""
        if self.closed or self.left[5] < 0:
            return
        past = PAST_RESPONSE
        events: list[ev.Event] = [
            ev.ResponseCreated(response_id=past),
            ev.ItemStarted(response_id=past, item_id="late", kind=ev.ItemKind.MESSAGE),
            ev.OutputReceived(response_id=past, item_id="late", audio_ms=_MS),
            ev.CallReceived(response_id=past, item_id="late"),
            ev.ResponseDone(response_id=past, status=ev.ResponseStatus.FAILED),
            ev.CreateSent(turn_id="gone", attempt=1, event_id="late"),
            ev.CreateNotSent(turn_id="gone", attempt=1, error=_TRANSIENT),
            ev.MessagePulled(item_id="late"),
            ev.SpeechOver(turn_id="gone", interrupted=True),
        ]
        if self.playing is None and self.bound.sink:
            events += [
                ev.PlaybackStarted(),
                ev.PlaybackFinished(position_ms=_MS, interrupted=False),
            ]
        self._changes_nothing(events)
        self._causes_nothing(self._repeated())
        for turn in self.controller.turns:
            if turn.state is TurnState.CANCELLING:
                self.controller.interrupt(turn, self.now)
        for c in self.controller.commands():
            if not isinstance(c, cmd.TurnMoved):
                raise Violation(f"G23: a second interrupt causes {c}")

    def _repeated(self) -> list[ev.Event]:
        """What a server said of the response that is alive, once more."""
        active = self.server.active
        if active is None or not active.announced or self._wanted(active) is None:
            return []
        created = ev.ResponseCreated(response_id=active.id, client_event_id=active.event_id)
        calls = [
            ev.CallReceived(response_id=active.id, item_id=item)
            for item, kind, done in active.items
            if kind == "call" and done
        ]
        return [created, *calls]

    def _changes_nothing(self, events: list[ev.Event]) -> None:
        before = self.pack()
        self._causes_nothing(events)
        if self.pack() != before:
            raise Violation(f"G3: one of {[type(e).__name__ for e in events]} too late changes")

    def _causes_nothing(self, events: list[ev.Event]) -> None:
        for event in events:
            self.controller.receive(event, self.now)
            for c in self.controller.commands():
                if not isinstance(c, cmd.TurnMoved):
                    raise Violation(f"G3: {type(event).__name__} too late causes {c}")
        self.controller.ignored.clear()

    # --- the machinery

    def _tell(self, event: ev.Event, *, quiet: bool = False) -> None:
        if not quiet:
            self._note(*_words(event))
        self._answers = []
        self.oracle.now = self.now
        self.controller.receive(event, self.now)
        self._run()

    def _run(self) -> None:
        self._answers = self.controller.commands()
        known = self.oracle.turns
        for turn in self.controller.turns:
            if turn.id not in known:
                self._starts(turn.id)
        for c in self._answers:
            turn_id = getattr(c, "turn_id", None)
            self._note_command(c)
            if isinstance(c, cmd.TurnMoved) and turn_id not in known and self._is_new(c):
                self._starts(c.turn_id)
            self.oracle.command(c)
            if isinstance(c, cmd.CreateResponse):
                self.queued.append((c.turn_id, c.attempt))
            elif isinstance(c, cmd.CancelResponse):
                self.server.inbox.append(("cancel", c.event_id, c.response_id))
            elif isinstance(c, cmd.ProbeCancel):
                self.server.inbox.append(("cancel", c.event_id, None))
            elif isinstance(c, cmd.TurnEnded):
                self._ended(c.turn_id)

    def _is_new(self, c: cmd.TurnMoved) -> bool:
        """Server VAD's own, or one that is owed to a session that dies at the same moment."""
        how = ("RESPONSE_CREATED", 1), ("SESSION_FAILED", 0)
        return c.source is TurnState.REQUESTED and (c.event, c.attempt) in how

    def _starts(self, turn_id: str) -> None:
        self.oracle.new_turn(turn_id)
        self.oracle.owed = False

    def _ended(self, turn_id: str) -> None:
        """The host's streams of it are closed; what it never played is removed (G16)."""
        deleted = {c.item_id for c in self._answers if isinstance(c, cmd.DeleteItem)}
        unheard = [item for item, turn in self.playlist if turn == turn_id]
        if self.bound.sink and not self.closed and not set(unheard) <= deleted:
            raise Violation("G16: a message nobody heard stays in the conversation")
        self.playlist = [one for one in self.playlist if one[1] != turn_id]
        if self.playing is not None and self.playing[1] == turn_id:
            self.playing = None

    def _settled(self) -> None:
        controller = self.controller
        if {t.id for t in controller.turns} != set(self.oracle.turns) and not self.closed:
            raise Violation("G7: a turn ended without saying so")
        for reason in controller.ignored:
            if " in " in reason:
                raise Violation(f"no rule for {reason}")
        controller.ignored.clear()

    def _fresh(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def _note(self, source: str, target: str, text: str) -> None:
        if self.log is not None:
            self.log.append(Line(self.now, source, target, text))

    def _note_command(self, c: cmd.Command) -> None:
        if self.log is not None:
            self.log.append(Line(self.now, *_command_words(c)))

    # --- as data

    def pack(self) -> tuple[Any, ...]:
        """Everything that can matter from here on; see `realtime_fsm.explore.snapshot`."""
        names = Names()
        if self.left[5] < 0:
            # Nobody but timers acts any more: what surrounds the controller is of no consequence.
            core = pack(self.controller, names, (), losing=False)
            left = (0, 0, 0, 0, 0, -1)
            return (core, self.oracle.pack(names), *_NOTHING, left, self.closed, len(names))
        losing = bool(self.left[3] or self.left[4])
        core = pack(self.controller, names, self.server.mentions(), losing=losing)
        return (
            core,
            self.oracle.pack(names),
            self.server.pack(names),
            tuple([(names[t], n) for t, n in self.queued]),
            tuple([(names[i], names[t]) for i, t in self.playlist]),
            None
            if self.playing is None
            else (names[self.playing[0]], names[self.playing[1]], *self.playing[2:]),
            tuple(self.left),
            self.closed,
            len(names),
        )

    @classmethod
    def unpack(cls, data: tuple[Any, ...], bound: Bound, rules: Rules) -> World:
        """The world with this data, at ``now = 0``."""
        world: World = object.__new__(cls)
        core, oracle, server, queued, playlist, playing, left, closed, used = data
        world.bound, world.rules, world.log = bound, rules, None
        world.policy = bound.policy
        world.now = 0.0
        world.controller = unpack(core, bound.policy, rules.machine, used)
        world.oracle = Oracle(bound.policy)
        world.oracle.unpack(oracle)
        world.server = Server.unpack(server)
        world.queued, world.playlist, world.playing = list(queued), list(playlist), playing
        world.left, world.count, world.closed = list(left), used, closed
        world._answers = []
        return world


_NOTHING: tuple[Any, ...] = (Server().pack(Names()), (), (), None)


def _words(event: ev.Event) -> tuple[str, str, str]:
    name = type(event).__name__
    fields = ", ".join(
        str(getattr(event, f))
        for f in ("turn_id", "response_id", "client_event_id", "item_id", "event_id")
        if getattr(event, f, None) is not None
    )
    status = getattr(event, "status", None)
    error = getattr(event, "error", None)
    extra = ([status.value] if status is not None else []) + (
        [error.code or error.kind.value] if error is not None else []
    )
    text = " ".join([name, *extra, fields]).strip()
    if name.startswith(("Playback", "Message", "SpeechOver")):
        return "Host", "Controller", text
    return "Server", "Controller", text


def _command_words(c: cmd.Command) -> tuple[str, str, str]:
    if isinstance(c, cmd.TurnMoved):
        moved = f"{c.turn_id}: {c.source.value} --{c.event}--> {c.label}"
        return "Controller", "Controller", moved
    if isinstance(c, (cmd.CancelResponse, cmd.ProbeCancel, cmd.DeleteItem)):
        what = getattr(c, "response_id", None) or getattr(c, "item_id", "anything")
        return "Controller", "Server", f"{type(c).__name__} {what}"
    text = f"{type(c).__name__} {getattr(c, 'turn_id', '')}".strip()
    item = getattr(c, "item_id", None)
    return "Controller", "Host", text if item is None else f"{text} {item}"
