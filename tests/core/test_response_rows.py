"""Every rule of the response table in its place, as `test_rows` does for a turn's.

One line is one short history through the controller: where a response stands, what happens, and what
comes of it: its state, in how many seconds that is looked at again, and what the driver is told that
goes to the server. A rule that is broken in any way fails here, if nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import realtime_fsm as rf
from realtime_fsm import ResponseStatus as Status

from .harness import Bench

ACTIVE = "conversation_already_has_active_response"
NOT_ACTIVE = "response_cancel_not_active"
WIRE = (
    *(rf.CreateResponse, rf.CancelResponse, rf.ProbeCancel, rf.DeleteItem, rf.TruncateItem),
    rf.RestoreItem,
    *(rf.ReplaceConnection, rf.ReportSession, rf.DeliverItem),
)

# --- where a response stands


def queued(b: Bench) -> rf.Response:
    turn = b.ask()
    assert turn.attempt is not None
    return turn.attempt


def withdrawn(b: Bench) -> rf.Response:
    response = queued(b)
    b.interrupt(b.c.turns[0])
    return response


def sent(b: Bench) -> rf.Response:
    response = queued(b)
    b.sent(b.c.turns[0])
    return response


def unanswered(b: Bench) -> rf.Response:
    """Interrupted at once; the user speaks, so that nothing may be asked yet."""
    response = sent(b)
    b.interrupt(b.c.turns[0])
    b.got(rf.SpeechStarted())
    b.wait(1.0)
    return response


def probed(b: Bench) -> rf.Response:
    response = sent(b)
    b.c.frame_received(0.5)
    b.wait(5.0)
    b.c.frame_received(b.now)
    return response


def doubted(b: Bench) -> rf.Response:
    response = sent(b)
    b.c.frame_received(0.5)
    b.wait(5.0)
    b.c.frame_received(b.now)
    return response


def probed_stopping(b: Bench) -> rf.Response:
    """Interrupted before it was acknowledged, and asked after."""
    response = sent(b)
    b.interrupt(b.c.turns[0])
    b.wait(1.0)
    b.c.frame_received(b.now)
    return response


def sent_again(b: Bench) -> rf.Response:
    """The retry, with little time left."""
    sent(b)
    b.refused("create_1", "server_error")
    b.wait(0.5)
    b.sent(b.c.turns[0])
    response = b.c.turns[0].attempt
    assert response is not None
    return response


def active(b: Bench) -> rf.Response:
    turn = b.ask()
    b.created(turn, "resp_1")
    b.item("resp_1", "m1")
    assert turn.attempt is not None
    return turn.attempt


def cancelling(b: Bench) -> rf.Response:
    response = active(b)
    b.interrupt(b.c.turns[0])
    b.c.frame_received(b.now)
    return response


def rumoured(b: Bench) -> rf.Response:
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE, "response in progress: resp_9")
    response = b.c.owner_of("resp_9")
    assert response is not None
    b.c.frame_received(b.now)
    return response


def nameless(b: Bench) -> rf.Response:
    turn = b.ask()
    b.refused(b.sent(turn), ACTIVE)
    (response,) = b.c._session.lane.holders
    return response


def named_by_its_own_conflict(b: Bench) -> rf.Response:
    """A conflict names it before it shows itself, and it is cancelled for that."""
    response = sent(b)
    b.refused(None, ACTIVE, "response in progress: resp_1")
    b.wait(8.0)
    assert b.cancels == ["resp_1"]
    b.c.frame_received(b.now)
    return response


def stuck_active(b: Bench) -> rf.Response:
    """Nothing leaves, it seems; server VAD's response shows itself all the same."""
    withdrawn(b)
    b.wait(5.0)
    assert not b.c.connected
    b.got(rf.ResponseCreated(response_id="resp_9"))
    response = b.c.owner_of("resp_9")
    assert response is not None
    return response


def stuck_cancelling(b: Bench) -> rf.Response:
    response = stuck_active(b)
    assert response.turn is not None
    b.interrupt(response.turn)
    b.wait(1.0)
    return response


def stuck_rumoured(b: Bench) -> rf.Response:
    withdrawn(b)
    b.wait(5.0)
    b.refused(None, ACTIVE, "response in progress: resp_9")
    response = b.c.owner_of("resp_9")
    assert response is not None
    return response


def playing_given_up(b: Bench) -> rf.Response:
    """It stalled; what was received plays out."""
    turn = b.speaking(response_id="resp_1")
    b.item("resp_1", "m2")
    b.wait(8.0)
    b.wait(12.0)
    assert turn.attempt is not None
    return turn.attempt


def playing_forgotten(b: Bench) -> rf.Response:
    """The same, and its terminal never came."""
    turn = b.speaking(response_id="resp_1")
    b.message("resp_1", "m2", audio_ms=60_000)
    b.wait(8.0)
    b.wait(12.0)
    b.wait(6.0)
    assert turn.attempt is not None
    return turn.attempt


def ended(b: Bench) -> rf.Response:
    """Refused, and so its turn waits for its retry."""
    response = sent(b)
    b.refused("create_1", "invalid_value")
    return response


def spoken(b: Bench) -> rf.Response:
    """Completed, with an item that nobody was given, while a message plays."""
    turn = b.speaking(response_id="resp_1")
    b.item("resp_1", "m2")
    b.done("resp_1")
    assert turn.attempt is not None
    return turn.attempt


def failed_queued(b: Bench) -> rf.Response:
    response = queued(b)
    b.got(rf.SessionFailed(error=rf.error_info("gone", None, "")))
    return response


def forgotten(b: Bench) -> rf.Response:
    """Its cancel was never answered, nor was anything else said."""
    response = cancelling(b)
    b.wait(6.0)
    return response


def forgotten_create(b: Bench) -> rf.Response:
    response = sent(b)
    b.interrupt(b.c.turns[0])
    b.wait(7.0)
    return response


def forgotten_rumour(b: Bench) -> rf.Response:
    """It was not there when its cancel was."""
    response = rumoured(b)
    b.interrupt(b.c.turns[0])
    b.wait(2.0)
    (cancel,) = b.those(rf.CancelResponse)
    b.refused(cancel.event_id, NOT_ACTIVE)
    return response


PLACES: dict[str, Callable[[Bench], rf.Response]] = {
    f.__name__: f
    for f in (
        *(queued, withdrawn, sent, doubted, sent_again, unanswered, probed, probed_stopping),
        *(active, cancelling),
        *(rumoured, nameless, named_by_its_own_conflict),
        *(stuck_active, stuck_cancelling, stuck_rumoured, playing_given_up, playing_forgotten),
        *(ended, spoken, failed_queued, forgotten, forgotten_create, forgotten_rumour),
    )
}

#: Doubt and time-out at once.
FIVE = rf.RetryPolicy(timeout=5.0)
#: Others.
POLICIES = {
    "named_by_its_own_conflict": rf.RetryPolicy(timeout=20.0, doubt_after=20.0),
    "doubted": rf.RetryPolicy(),
    "probed_stopping": rf.RetryPolicy(timeout=2.0),
    "sent_again": rf.RetryPolicy(recovery_deadline=3.0),
}


# --- what happens


def _name(response: rf.Response) -> str:
    return response.response_id or "resp_1"


def _done(status: Status) -> Callable[[Bench, rf.Response], object]:
    def happen(b: Bench, r: rf.Response) -> object:
        error = None if status is Status.COMPLETED else rf.error_info("server_error", None, "")
        return b.got(
            rf.ResponseDone(
                response_id=_name(r), status=status, error=error, client_event_id=r.event_id
            )
        )

    return happen


def _nothing_to_cancel(b: Bench, r: rf.Response) -> object:
    return b.refused(r.cancel_id or r.probe_id or "rfsm_none", NOT_ACTIVE)


def _lost(b: Bench, r: rf.Response) -> object:
    return b.got(rf.ConnectionLost(error=rf.error_info("lost", "server_error", "")))


def _given_up(b: Bench, r: rf.Response) -> object:
    turn = r.turn
    assert turn is not None
    error = rf.error_info(None, None, "timed out")
    return b.got(rf.CreateGivenUp(turn_id=turn.id, attempt=r.number, error=error))


def _turn(b: Bench, r: rf.Response) -> rf.Turn:
    return r.turn or (*b.c.turns, *b.c.finished)[0]


EVENTS: dict[str, Callable[[Bench, rf.Response], object]] = {
    "action": lambda b, r: b.item(_name(r), "a1", rf.ItemKind.ACTION),
    "120 s": lambda b, r: b.wait(120.0),
    "acted": lambda b, r: b.got(rf.ActionEnded(response_id=_name(r), item_id="a1")),
    "left": lambda b, r: b.sent(_turn(b, r)),
    "not sent": lambda b, r: b.got(
        rf.CreateNotSent(turn_id=_turn(b, r).id, attempt=1, error=rf.error_info("no", None, ""))
    ),
    "given up below": _given_up,
    "created": lambda b, r: b.got(
        rf.ResponseCreated(response_id=_name(r), client_event_id=r.event_id)
    ),
    "shown": lambda b, r: b.got(rf.ResponseCreated(response_id="resp_9")),
    "other shown": lambda b, r: b.got(rf.ResponseCreated(response_id="resp_8")),
    "refused": lambda b, r: b.refused(r.event_id, "server_error"),
    "conflict": lambda b, r: b.refused(r.event_id, ACTIVE),
    "named": lambda b, r: b.refused(None, ACTIVE, f"response in progress: {_name(r)}"),
    "nothing to cancel": _nothing_to_cancel,
    "item": lambda b, r: b.item(_name(r), "m2"),
    "output": lambda b, r: b.got(rf.OutputReceived(response_id=_name(r), item_id="m1")),
    "stray": lambda b, r: b.got(rf.OutputReceived(response_id=_name(r), item_id="m3")),
    "late": lambda b, r: b.got(rf.OutputReceived(response_id=_name(r), item_id="m1", audio_ms=500)),
    "played": lambda b, r: b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False)),
    "cut short": lambda b, r: b.got(rf.PlaybackFinished(position_ms=400, interrupted=True)),
    "call": lambda b, r: b.got(rf.CallReceived(response_id=_name(r), item_id="f1")),
    "completed": _done(Status.COMPLETED),
    "incomplete": _done(Status.INCOMPLETE),
    "cancelled": _done(Status.CANCELLED),
    "failed": _done(Status.FAILED),
    "interrupted": lambda b, r: b.interrupt(_turn(b, r)),
    "asked": lambda b, r: b.ask(),
    "frame": lambda b, r: b.frame(),
    "at stake": lambda b, r: setattr(b.c, "at_stake", True),
    "silent": lambda b, r: b.frame(-1.0),
    "speech over": lambda b, r: b.got(rf.SpeechOver(turn_id=_turn(b, r).id, interrupted=False)),
    "speech": lambda b, r: b.got(rf.SpeechStarted()),
    "no speech": lambda b, r: b.got(rf.InputCleared()),
    "lost": _lost,
    "lost for good": lambda b, r: b.got(
        rf.ConnectionLost(error=rf.error_info("lost", "server_error", ""), for_good=True)
    ),
    "ready": lambda b, r: b.got(rf.ConnectionReady()),
    "session failed": lambda b, r: b.got(rf.SessionFailed(error=rf.error_info("gone", None, ""))),
}
EVENTS |= {
    f"{seconds:g} s": lambda b, r, seconds=seconds: b.wait(seconds)
    for seconds in (0, 0.05, 0.1, 0.4, 0.5, 1, 2, 3, 4.5, 5, 8)
}

#: place, events; then: state, in how many seconds that is looked at again; the turn's, and how many
#: messages it has; what goes to the server.
RULES = """
queued |                                                   => queued 8 requested - 0:
queued | left                                              => sent 5 requested - 0:
queued | not sent                                          => ended - retry_wait 8 0:
queued | interrupted                                       => withdrawn 5 cancelling 5 0:
queued | 8 s                                               => withdrawn 5 failed - 0:
queued | 8 s, 5 s                                          => withdrawn - failed - 0:
queued | 1 s, lost                                         => queued 8 requested - 0:
queued | 1 s, lost, 2 s, ready                             => queued 8 requested - 0:
queued | lost for good                                     => ended - retry_wait 8 0: ReplaceConnection
queued | session failed                                    => ended - failed - 0: ReportSession

withdrawn | left                                           => unanswered 5 cancelling 5 0:
withdrawn | 1 s, left                                      => unanswered 5 cancelling 4 0:
withdrawn | not sent                                       => ended - done - 0:
withdrawn | 5 s                                            => withdrawn - done - 0:
withdrawn | 5 s, ready                                     => withdrawn 5 done - 0:
withdrawn | 5 s, left                                      => unanswered 5 done - 0:
withdrawn | 1 s, lost                                      => withdrawn 4 cancelling 4 0:
withdrawn | 1 s, lost, ready                               => withdrawn 5 cancelling 4 0:
withdrawn | lost for good                                  => ended - done - 0: ReplaceConnection
withdrawn | session failed                                 => ended - done - 0: ReportSession
withdrawn | 8 s, 5 s                                       => withdrawn - done - 0:

sent |                                                     => sent 5 requested - 0:
sent | created                                             => active - created 20 0:
sent | interrupted                                         => unanswered 1 cancelling 5 0:
sent | 0.5 s, interrupted                                  => unanswered 0.5 cancelling 5 0:
sent | 2 s, interrupted                                    => unanswered 0 cancelling 5 0:
sent | 4.5 s, interrupted                                  => unanswered 0 cancelling 5 0:
sent | given up below                                      => unanswered 0 retry_wait 8 0:
sent | given up below, 0.1 s                               => probed 2.9 retry_wait 7.9 0: ProbeCancel
sent | refused                                             => ended - retry_wait 8 0:
sent | conflict                                            => ended - requested - 0:
sent | completed                                           => ended - retry_wait 8 0:
sent | incomplete                                          => ended - done - 0:
sent | cancelled                                           => ended - done - 0:
sent | failed                                              => ended - retry_wait 8 0:
sent | failed, created                                     => ended - retry_wait 8 0:
sent | completed, created                                  => ended - retry_wait 8 0:
sent | incomplete, created                                 => ended - done - 0:
sent | cancelled, created                                  => ended - done - 0:
sent | speech over                                         => unanswered 1 cancelling 5 0:
sent | lost                                                => ended - retry_wait 8 0:
sent | session failed                                      => ended - failed - 0: ReportSession
sent | 5 s                                                 => probed 3 retry_wait 8 0: ProbeCancel
sent | speech, 5 s                                         => unanswered 5 retry_wait 8 0:
sent | speech, 5 s, created                                => active - created 20 0:
sent | speech, 5 s, created, item                          => active - streaming 8 1:

doubted | conflict, 8 s                                    => ended - requested - 0: CreateResponse
doubted | completed, created                               => ended - retry_wait 8 0:
doubted | incomplete, created                              => ended - done - 0:
doubted | cancelled, created                               => ended - done - 0:
doubted | failed, created                                  => ended - retry_wait 8 0:

unanswered |                                               => unanswered 5 cancelling 4 0:
unanswered | created                                       => cancelling 3 cancelling 5 0: CancelResponse
unanswered | 1 s, created                                  => cancelling 3 cancelling 5 0: CancelResponse
unanswered | given up below                                => unanswered 5 cancelling 4 0:
unanswered | given up below, created                       => cancelling 5 cancelling 5 0:
unanswered | refused                                       => ended - done - 0:
unanswered | refused, created                              => cancelling 3 done - 0: CancelResponse
unanswered | refused, created, cancelled                   => ended - done - 0: CancelResponse
unanswered | conflict                                      => ended - done - 0:
unanswered | completed                                     => ended - done - 0:
unanswered | incomplete                                    => ended - done - 0:
unanswered | cancelled                                     => ended - done - 0:
unanswered | failed                                        => ended - done - 0:
unanswered | completed, created                            => ended - done - 0:
unanswered | incomplete, created                           => ended - done - 0:
unanswered | cancelled, created                            => ended - done - 0:
unanswered | failed, created                               => ended - done - 0:
unanswered | lost                                          => ended - done - 0:
unanswered | session failed                                => ended - done - 0: ReportSession
unanswered | 5 s                                           => unanswered 5 done - 0:
unanswered | no speech, 5 s                                => probed 3 done - 0: ProbeCancel
unanswered | interrupted                                   => unanswered 5 cancelling 4 0:

probed |                                                   => probed 3 retry_wait 8 0:
probed | created                                           => active - created 20 0:
probed | created, cancelled                                => ended - retry_wait 8 0:
probed | given up below                                    => probed 3 retry_wait 8 0:
probed | given up below, created                           => cancelling 5 retry_wait 8 0:
probed | refused                                           => ended - retry_wait 8 0:
probed | conflict                                          => ended - retry_wait 8 0:
probed | completed                                         => ended - retry_wait 8 0:
probed | incomplete                                        => ended - retry_wait 8 0:
probed | cancelled                                         => ended - retry_wait 8 0:
probed | failed                                            => ended - retry_wait 8 0:
probed | nothing to cancel                                 => ended - retry_wait 8 0:
probed | 3 s                                               => probed 2 retry_wait 5 0:
probed | silent, 3 s                                       => ended - retry_wait 5 0: ReplaceConnection
probed | 5 s                                               => forgotten - requested 3 0: CreateResponse
probed | 5 s, created                                      => active - created 20 0: CreateResponse
probed | lost                                              => ended - retry_wait 8 0:
probed | session failed                                    => ended - failed - 0: ReportSession

doubted |                                                  => doubted 5 requested - 0:
doubted | created                                          => active - created 20 0:
doubted | 3 s                                              => doubted 2 requested - 0:
doubted | silent, 3 s                                      => doubted 2 requested - 0:
doubted | 5 s                                              => probed 3 retry_wait 8 0: ProbeCancel
doubted | speech, 5 s                                      => unanswered 5 retry_wait 8 0:
doubted | interrupted                                      => unanswered 0 cancelling 5 0:
doubted | speech over                                      => unanswered 0 cancelling 5 0:
doubted | given up below                                   => unanswered 0 retry_wait 8 0:
doubted | refused                                          => ended - retry_wait 8 0:
doubted | conflict                                         => ended - requested - 0:
doubted | completed                                        => ended - retry_wait 8 0:
doubted | incomplete                                       => ended - done - 0:
doubted | cancelled                                        => ended - done - 0:
doubted | failed                                           => ended - retry_wait 8 0:
doubted | lost                                             => ended - retry_wait 8 0:
doubted | session failed                                   => ended - failed - 0: ReportSession

sent_again | 3 s                                           => probed 2.5 failed - 0: ProbeCancel
sent_again | speech over                                   => unanswered 1 failed - 0:

probed_stopping |                                          => probed 2 cancelling 4 0:
probed_stopping | created                                  => cancelling 3 cancelling 5 0: CancelResponse
probed_stopping | given up below, created                  => cancelling 5 cancelling 5 0:
probed_stopping | refused                                  => ended - done - 0:
probed_stopping | conflict                                 => ended - done - 0:
probed_stopping | completed                                => ended - done - 0:
probed_stopping | completed, created                       => ended - done - 0:
probed_stopping | incomplete                               => ended - done - 0:
probed_stopping | incomplete, created                      => ended - done - 0:
probed_stopping | cancelled                                => ended - done - 0:
probed_stopping | cancelled, created                       => ended - done - 0:
probed_stopping | failed                                   => ended - done - 0:
probed_stopping | failed, created                          => ended - done - 0:
probed_stopping | nothing to cancel                        => ended - done - 0:
probed_stopping | lost                                     => ended - done - 0:
probed_stopping | silent, 3 s                              => probed 2 cancelling 1 0:
probed_stopping | silent, asked, 3 s                       => ended - done - 0: ReplaceConnection
probed_stopping | 1 s                                      => probed 1 cancelling 3 0:
probed_stopping | 2 s                                      => forgotten - done - 0:

active |                                                   => active - streaming 8 1:
active | item                                              => active - streaming 8 2:
active | item, failed                                      => ended - retry_wait 8 2: DeleteItem DeleteItem
active | output                                            => active - streaming 8 1: DeliverItem
active | output, failed                                    => ended - streaming 60 1: DeliverItem
active | output, interrupted, cancelled                    => ended - cancelling 5 1: DeliverItem CancelResponse
active | stray                                             => active - streaming 8 1:
active | stray, failed                                     => ended - retry_wait 8 1: DeleteItem DeleteItem
active | call                                              => active - streaming 8 1: DeliverItem
active | call, failed                                      => ended - failed - 1: DeliverItem DeleteItem
active | action                                            => active - streaming 120 1:
active | action, acted                                     => active - streaming 8 1:
active | action, acted, completed                          => ended - done - 1:
active | action, failed                                    => ended - failed - 1: DeleteItem
active | action, 120 s                                     => cancelling 3 failed - 1: CancelResponse
active | action, lost                                      => ended - failed - 1: DeleteItem
active | action, interrupted                               => cancelling 3 cancelling 5 1: CancelResponse
active | acted                                             => active - streaming 8 1:
active | completed                                         => ended - retry_wait 8 1: DeleteItem
active | incomplete                                        => ended - done - 1: DeleteItem
active | cancelled                                         => ended - done - 1: DeleteItem
active | failed                                            => ended - retry_wait 8 1: DeleteItem
active | interrupted                                       => cancelling 3 cancelling 5 1: CancelResponse
active | named                                             => active - streaming 8 1:
active | lost                                              => ended - retry_wait 8 1: DeleteItem
active | session failed                                    => ended - failed - 1: ReportSession DeleteItem

cancelling |                                               => cancelling 3 cancelling 5 1:
cancelling | item                                          => cancelling 3 cancelling 5 2:
cancelling | action, acted, cancelled                      => ended - done - 1: DeleteItem
cancelling | item, cancelled                               => ended - done - 2: DeleteItem DeleteItem
cancelling | stray, cancelled                              => ended - done - 1: DeleteItem DeleteItem
cancelling | stray, stray, cancelled                       => ended - done - 1: DeleteItem DeleteItem
cancelling | output, cancelled                             => ended - done - 1: DeleteItem
cancelling | call, cancelled                               => ended - done - 1: DeleteItem
cancelling | completed                                     => ended - done - 1: DeleteItem
cancelling | incomplete                                    => ended - done - 1: DeleteItem
cancelling | cancelled                                     => ended - done - 1: DeleteItem
cancelling | failed                                        => ended - done - 1: DeleteItem
cancelling | nothing to cancel                             => cancelling 0.1 cancelling 5 1:
cancelling | nothing to cancel, 0.1 s                      => forgotten - done - 1: DeleteItem
cancelling | nothing to cancel, 0.05 s, named, 0.1 s       => cancelling 4.9 cancelling 4.85 1:
cancelling | interrupted                                   => cancelling 3 cancelling 5 1:
cancelling | 3 s                                           => cancelling 2 cancelling 2 1:
cancelling | silent, 3 s                                   => cancelling 3 cancelling 2 1:
cancelling | silent, 3 s, frame, 3 s                       => forgotten - done - 1: DeleteItem
cancelling | silent, asked, 3 s                            => ended - done - 1: DeleteItem ReplaceConnection
cancelling | silent, 2 s, asked, 2 s                       => ended - done - 1: DeleteItem ReplaceConnection
cancelling | 5 s                                           => forgotten - done - 1: DeleteItem
cancelling | 4.5 s, named, 0.5 s                           => cancelling 4.5 done - 1:
cancelling | 4.5 s, item, 0.5 s                            => cancelling 4.5 done - 2:
cancelling | 4.5 s, created, 0.5 s                         => forgotten - done - 1: DeleteItem
cancelling | lost                                          => ended - done - 1: DeleteItem
cancelling | session failed                                => ended - done - 1: ReportSession

playing_given_up | late, failed                            => ended - streaming 9 2: DeleteItem
playing_given_up | late, failed, played                    => ended - failed - 2: DeleteItem TruncateItem
playing_given_up | played, late, failed                    => ended - failed - 2: DeleteItem TruncateItem
playing_given_up | played, late, 5 s, 1 s                  => forgotten - failed - 2: DeleteItem TruncateItem
playing_given_up | played, failed                          => ended - failed - 2: DeleteItem
playing_given_up | late, item, failed, played              => ended - failed - 2: DeleteItem TruncateItem
playing_given_up | late, interrupted, cut short, failed    => ended - done - 2: DeleteItem
playing_given_up | late, lost, played                      => ended - failed - 2: DeleteItem
playing_forgotten | late                                   => forgotten - streaming 63 2:
playing_forgotten | late, failed                           => ended - streaming 63 2:
playing_forgotten | played, failed                         => ended - streaming 68 2:
playing_forgotten | played, late, failed                   => ended - streaming 68 2: TruncateItem

rumoured |                                                 => rumoured 2 requested - 0:
rumoured | shown                                           => ended - requested - 0:
rumoured | completed                                       => ended - requested - 0: CreateResponse
rumoured | incomplete                                      => ended - requested - 0: CreateResponse
rumoured | cancelled                                       => ended - requested - 0: CreateResponse
rumoured | failed                                          => ended - requested - 0: CreateResponse
rumoured | item                                            => rumoured 2 requested - 0:
rumoured | stray                                           => rumoured 2 requested - 0:
rumoured | call                                            => rumoured 2 requested - 0:
rumoured | action                                          => rumoured 2 requested - 0:
rumoured | acted                                           => rumoured 2 requested - 0:
rumoured | 1 s, item, 1 s                                  => rumoured 1 requested - 0:
rumoured | named                                           => rumoured 2 requested - 0:
rumoured | 1 s, named, 1 s                                 => rumoured 3 requested - 0: CancelResponse
rumoured | 2 s                                             => rumoured 3 requested - 0: CancelResponse
rumoured | 2 s, frame, 3 s                                 => rumoured 5 requested - 0: CancelResponse
rumoured | 2 s, 3 s                                        => ended - requested 8 0: CancelResponse ReplaceConnection
rumoured | 2 s, frame, 8 s                                 => forgotten - requested - 0: CancelResponse CreateResponse
rumoured | 2 s, nothing to cancel                          => forgotten - requested - 0: CancelResponse CreateResponse
rumoured | 2 s, shown                                      => cancelling 5 requested - 0: CancelResponse
rumoured | 2 s, shown, item                                => cancelling 5 requested - 0: CancelResponse
rumoured | 2 s, shown, cancelled                           => ended - requested - 0: CancelResponse CreateResponse
rumoured | 2 s, other shown                                => ended - requested - 0: CancelResponse
rumoured | lost                                            => ended - requested 8 0:
rumoured | session failed                                  => ended - failed - 0: ReportSession

nameless |                                                 => rumoured 8 requested - 0:
nameless | shown                                           => ended - requested - 0:
nameless | 8 s                                             => forgotten - requested - 0: CreateResponse
nameless | lost                                            => ended - requested 8 0:

named_by_its_own_conflict | created                        => active - created 20 0:
named_by_its_own_conflict | created, interrupted           => cancelling 5 cancelling 5 0:
named_by_its_own_conflict | created, nothing to cancel     => active - created 20 0:
named_by_its_own_conflict | interrupted, created           => cancelling 5 cancelling 5 0:

ended | created                                            => ended - failed - 0:
ended | completed                                          => ended - failed - 0:
unanswered | refused, completed, created                   => ended - done - 0:
ended | incomplete                                         => ended - failed - 0:
unanswered | refused, incomplete, created                  => ended - done - 0:
ended | cancelled                                          => ended - failed - 0:
unanswered | refused, cancelled, created                   => ended - done - 0:
ended | failed                                             => ended - failed - 0:
unanswered | refused, failed, created                      => ended - done - 0:
ended | given up below                                     => ended - failed - 0:
ended | 1 s, given up below, created                       => cancelling 5 failed - 0:

spoken | interrupted                                       => ended - cancelling 5 2: DeleteItem
spoken | created                                           => ended - streaming 9 2:

failed_queued | left                                       => ended - failed - 0:
failed_queued | left, created                              => cancelling 3 failed - 0: CancelResponse
failed_queued | not sent                                   => ended - failed - 0:

stuck_active | frame                                       => active - created 20 0:
stuck_active | ready                                       => ended - retry_wait 8 0:

stuck_cancelling | frame                                   => cancelling 5 cancelling 4 0:
stuck_cancelling | ready                                   => ended - done - 0:

stuck_rumoured | frame                                     => rumoured 5 done - 0:
stuck_rumoured | ready                                     => ended - done - 0:

playing_given_up | interrupted                             => cancelling 3 cancelling 5 2:

playing_forgotten | interrupted                            => forgotten - cancelling 5 2:
playing_forgotten | played, named, 8 s, late, named, 0 s   => ended - streaming 60 2: TruncateItem ReplaceConnection

forgotten |                                                => forgotten - done - 1:
forgotten | created                                        => cancelling 5 done - 1:
forgotten | created, 8 s                                   => forgotten - done - 1:
forgotten | named                                          => cancelling 5 done - 1:
forgotten | named, 8 s                                     => forgotten - done - 1:
forgotten | named, 8 s, named                              => cancelling 0 done - 1:
forgotten | named, 8 s, named, 0 s                         => ended - done - 1: ReplaceConnection
forgotten | at stake, named, 8 s, named, 0 s               => cancelling 0.5 done - 1:
forgotten | at stake, named, 8 s, named, 0 s, other shown  => forgotten - done - 1:
forgotten | cancelled                                      => ended - done - 1:
forgotten | cancelled, created                             => ended - done - 1:
forgotten | completed                                      => ended - done - 1:
forgotten | completed, named                               => ended - done - 1:
forgotten | incomplete                                     => ended - done - 1:
forgotten | incomplete, named                              => ended - done - 1:
forgotten | failed                                         => ended - done - 1:
forgotten | failed, named                                  => ended - done - 1:
forgotten | item                                           => forgotten - done - 1:

forgotten_create | created                                 => cancelling 3 done - 0: CancelResponse
forgotten_create | completed                               => ended - done - 0:
forgotten_create | completed, created                      => ended - done - 0:
forgotten_create | incomplete                              => ended - done - 0:
forgotten_create | incomplete, created                     => ended - done - 0:
forgotten_create | cancelled                               => ended - done - 0:
forgotten_create | cancelled, created                      => ended - done - 0:
forgotten_create | failed                                  => ended - done - 0:
forgotten_create | failed, created                         => ended - done - 0:
forgotten_create | given up below                          => forgotten - done - 0:
forgotten_create | given up below, created                 => cancelling 5 done - 0:

forgotten_rumour |                                         => forgotten - done - 0:
forgotten_rumour | shown                                   => forgotten - done - 0:
forgotten_rumour | named                                   => rumoured 0 done - 0:
forgotten_rumour | named, 1 s                              => rumoured 2 done - 0: CancelResponse
forgotten_rumour | named, 0 s, nothing to cancel           => cancelling 0 done - 0: CancelResponse
forgotten_rumour | named, 0 s, nothing to cancel, 0 s      => ended - done - 0: CancelResponse ReplaceConnection
forgotten_rumour | at stake, named, 0 s, nothing to cancel, 0 s => cancelling 0.5 done - 0: CancelResponse
forgotten_rumour | failed                                  => ended - done - 0:
"""


@pytest.mark.parametrize("rule", [line for line in RULES.splitlines() if line])
def test_rule(rule: str) -> None:
    before, _, after = rule.partition("=>")
    assert happened(before) == " ".join(after.split())


def happened(words: str) -> str:
    """What comes of a place and events."""
    place, events = (w.strip() for w in words.split("|"))
    b = Bench(POLICIES.get(place, FIVE), playback=True)
    response = PLACES[place](b)
    turn = _turn(b, response)
    b.all.clear()
    for event in filter(None, (e.strip() for e in events.split(","))):
        EVENTS[event](b, response)
    told = [type(c).__name__ for c in b.all if isinstance(c, WIRE)]
    own, ends_by = response.deadline, b.ends_by(turn) if turn.live else None
    when, late = (_in(at, b.now) for at in (None if response.over else own, ends_by))
    stands = f"{response.state.value} {when} {turn.state.value} {late} {len(turn.messages)}"
    return " ".join([f"{stands}:", *told])


def _in(at: float | None, now: float) -> str:
    return "-" if at is None else f"{round(at - now, 3):g}"
