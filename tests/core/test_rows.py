"""Every rule of the table in its place: where a turn stands, what happens, what comes of it.

One line is one short history through the controller. A rule that is removed, redirected, negated or
without its effect fails here, if nowhere else (``python -m tests.mutants.rows``).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

import realtime_fsm as rf
from realtime_fsm import ResponseStatus as Status

from .harness import Bench


def without_time() -> rf.RetryPolicy:
    """One whose deadline is over before the first retry, which none can be given."""
    policy = rf.RetryPolicy(timeout=5.0)
    object.__setattr__(policy, "recovery_deadline", 0.05)
    return policy


POLICIES = {
    "-": rf.RetryPolicy(timeout=5.0),
    "no retry": rf.RetryPolicy(timeout=5.0, max_retry=0, max_reconnect=0, on_exhausted="escalate"),
    "no time": without_time(),
    "regenerate": rf.RetryPolicy(timeout=5.0, after_exposure="regenerate"),
    "no retry, regenerate": rf.RetryPolicy(
        timeout=5.0,
        max_retry=0,
        max_reconnect=0,
        after_exposure="regenerate",
        on_exhausted="escalate",
    ),
}

# --- where a turn stands


def waiting(b: Bench) -> rf.Turn:
    b.got(rf.ConnectionLost(error=rf.error_info("lost", None, "")))
    return b.ask()


def waiting_behind(b: Bench) -> rf.Turn:
    """The same, and not the first."""
    waiting(b)
    return b.ask()


def queued(b: Bench) -> rf.Turn:
    return b.ask()


def sent(b: Bench) -> rf.Turn:
    turn = b.ask()
    b.sent(turn)
    return turn


def contended(b: Bench) -> rf.Turn:
    """Its create met another response as often as it may."""
    turn = b.ask()
    for n in range(5):
        active = f"Conversation already has an active response in progress: resp_{n}"
        b.refused(b.sent(turn), "conversation_already_has_active_response", active)
        b.done(f"resp_{n}")
        b.wait(1.0)
    b.sent(turn)
    return turn


def created(b: Bench) -> rf.Turn:
    turn = b.ask()
    b.created(turn, "r1")
    return turn


def item(b: Bench) -> rf.Turn:
    turn = created(b)
    b.item("r1", "m1")
    return turn


def playing(b: Bench) -> rf.Turn:
    return b.speaking()


def heard(b: Bench) -> rf.Turn:
    turn = b.speaking()
    b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False))
    return turn


def played_out(b: Bench) -> rf.Turn:
    """Generation failed, and the sink never reports."""
    turn = playing(b)
    b.failed("r1")
    return turn


def retrying(b: Bench) -> rf.Turn:
    turn = created(b)
    b.failed("r1")
    return turn


def stopping_sent(b: Bench) -> rf.Turn:
    turn = sent(b)
    b.interrupt(turn)
    return turn


def stopping(b: Bench) -> rf.Turn:
    """Cancelled, nothing of it was handed out."""
    turn = item(b)
    b.interrupt(turn)
    return turn


def stopping_playing(b: Bench) -> rf.Turn:
    turn = playing(b)
    b.interrupt(turn)
    return turn


def stopping_nothing(b: Bench) -> rf.Turn:
    """Cancelled while it plays, and the server has nothing to cancel; its terminal was lost."""
    turn = stopping_playing(b)
    (cancel,) = b.those(rf.CancelResponse)
    b.refused(cancel.event_id, "response_cancel_not_active")
    return turn


def stopping_sent_playing(b: Bench) -> rf.Turn:
    """Cancelled while an earlier attempt plays and another create is out. Nothing leads here: a
    second attempt waits until the first has played. If it is reached, it ends all the same."""
    turn = sent(b)
    turn.messages += (rf.Message(item_id="m0", number=1, delivered=True),)
    b.interrupt(turn)
    return turn


def owed(b: Bench) -> rf.Turn:
    """Server VAD could not start the response that it owes for what the user said."""
    b.got(rf.SessionConfigured(server_creates=True, server_interrupts=True))
    b.got(rf.SpeechStarted(), rf.SpeechStopped(), rf.InputCommitted())
    b.refused(None, "server_error")
    return (*b.c.turns, *b.c.finished)[0]


def asked_again(b: Bench) -> rf.Turn:
    """Its retry is on the wire."""
    turn = retrying(b)
    b.wait(0.5)
    b.sent(turn)
    return turn


def created_again(b: Bench) -> rf.Turn:
    turn = retrying(b)
    b.wait(0.5)
    b.created(turn, "r2")
    return turn


PLACES: dict[str, Callable[[Bench], rf.Turn]] = {
    f.__name__: f
    for f in (
        *(
            waiting,
            waiting_behind,
            queued,
            sent,
            contended,
            created,
            item,
            playing,
            heard,
            played_out,
            retrying,
        ),
        *(owed, asked_again, created_again),
        *(stopping, stopping_sent, stopping_playing, stopping_nothing, stopping_sent_playing),
    )
}


# --- what happens


def _done(status: Status, code: str | None = None) -> Callable[[Bench, rf.Turn], object]:
    def happen(b: Bench, turn: rf.Turn) -> object:
        error = rf.error_info(code, None, "") if code else None
        done = rf.ResponseDone(
            response_id="r1", status=status, error=error, client_event_id=f"create_{b._creates}"
        )
        return b.got(done)

    return happen


def _refused(code: str) -> Callable[[Bench, rf.Turn], object]:
    return lambda b, turn: b.refused(f"create_{b._creates}", code)


def _lost(b: Bench, turn: rf.Turn) -> object:
    return b.got(rf.ConnectionLost(error=rf.error_info("lost", "server_error", "")))


EVENTS: dict[str, Callable[[Bench, rf.Turn], object]] = {
    "completed": _done(Status.COMPLETED),
    "incomplete": _done(Status.INCOMPLETE, "max_output_tokens"),
    "cancelled": _done(Status.CANCELLED, "turn_detected"),
    "failed": _done(Status.FAILED, "server_error"),
    "failed for good": _done(Status.FAILED, "insufficient_quota"),
    "refused": _refused("server_error"),
    "conflict": _refused("conversation_already_has_active_response"),
    "lost": _lost,
    "half a second": lambda b, turn: b.wait(0.5),
    "7.9 s": lambda b, turn: b.wait(7.9),
    "8 s": lambda b, turn: b.wait(8.0),
    "twelve seconds": lambda b, turn: b.wait(12.0),
    "another is asked": lambda b, turn: (b.ask(), b.wait(0.0)),
    "20 s": lambda b, turn: b.wait(20.0),
    "session failed": lambda b, turn: b.got(
        rf.SessionFailed(error=rf.error_info("gone", None, ""))
    ),
    "closed": lambda b, turn: (b.c.close(b.now), b._drain()),
    "interrupted": lambda b, turn: b.interrupt(turn),
    "item": lambda b, turn: b.item("r1", "m2"),
    "output": lambda b, turn: b.got(rf.OutputReceived(response_id="r1", item_id="m1", audio_ms=10)),
    "call": lambda b, turn: b.got(rf.CallReceived(response_id="r1", item_id="f1")),
    "action": lambda b, turn: b.item("r1", "a1", rf.ItemKind.ACTION),
    "stray": lambda b, turn: b.got(rf.OutputReceived(response_id="r1", item_id="m7")),
    "ready": lambda b, turn: b.got(rf.ConnectionReady()),
    "nothing": lambda b, turn: None,
}
EVENTS |= {
    "late": lambda b, turn: b.got(
        rf.ResponseCreated(response_id="r1", client_event_id=f"create_{b._creates}")
    ),
    "created": lambda b, turn: b.created(turn, "r2"),
    "asked": lambda b, turn: b.ask(),
    "pulled": lambda b, turn: b.got(rf.MessagePulled(item_id="m1")),
    "reported": lambda b, turn: b.got(rf.PlaybackFinished(position_ms=1000, interrupted=False)),
    "speech over": lambda b, turn: b.got(rf.SpeechOver(turn_id=turn.id, interrupted=False)),
}

#: place, event, policy; then: state, outcome, error, what the driver is told.
RULES = """
waiting          | lost                       | -          => requested - -:
waiting          | 8 s                        | -          => failed failed connection_lost: ReportFailure EndStreams TurnEnded
waiting          | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
waiting          | closed                     | -          => done interrupted -: EndStreams TurnEnded
waiting          | interrupted                | -          => done interrupted -: EndStreams TurnEnded
waiting          | speech over                | -          => done interrupted -: EndStreams TurnEnded
waiting          | ready, lost, ready, lost, 7.9 s | -      => retry_wait - lost: CreateResponse Recovering ReplaceConnection
waiting          | ready, closed              | -          => done interrupted -: CreateResponse EndStreams TurnEnded

queued           | lost                       | -          => requested - -:
queued           | lost                       | no retry   => failed failed lost: ReportSession ReportFailure EndStreams TurnEnded
queued           | 8 s                        | -          => failed failed create_timeout: ReportFailure EndStreams TurnEnded
queued           | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
queued           | closed                     | -          => done interrupted -: EndStreams TurnEnded
queued           | interrupted                | -          => cancelling - -: EndStreams
queued           | half a second, lost, 7.9 s | -          => requested - -:
queued           | half a second, lost, 8 s   | -          => failed failed create_timeout: ReportFailure EndStreams TurnEnded
queued           | speech over                | -          => cancelling - -: EndStreams

sent             | completed                  | -          => retry_wait - empty_response: Recovering
sent             | completed                  | no retry   => failed failed empty_response: ReportFailure EndStreams TurnEnded
sent             | incomplete                 | -          => done incomplete max_output_tokens: ReportFailure EndStreams TurnEnded
sent             | cancelled                  | -          => done interrupted -: EndStreams TurnEnded
sent             | failed                     | -          => retry_wait - server_error: Recovering
sent             | failed                     | no retry   => failed failed server_error: ReportFailure EndStreams TurnEnded
sent             | failed for good            | -          => failed failed insufficient_quota: ReportFailure EndStreams TurnEnded
sent             | refused                    | -          => retry_wait - server_error: Recovering
sent             | refused                    | no retry   => failed failed server_error: ReportFailure EndStreams TurnEnded
sent             | conflict                   | -          => requested - conversation_already_has_active_response:
sent             | lost                       | -          => retry_wait - lost: Recovering
sent             | lost                       | no retry   => failed failed lost: ReportSession ReportFailure EndStreams TurnEnded
sent             | lost                       | no time    => failed failed lost: ReportFailure EndStreams TurnEnded
sent             | 8 s                        | -          => retry_wait - create_timeout: ProbeCancel Recovering
sent             | 8 s                        | no retry   => failed failed create_timeout: ProbeCancel ReportFailure EndStreams TurnEnded
sent             | 20 s                       | -          => failed failed create_timeout: ProbeCancel Recovering CreateResponse ReportFailure EndStreams TurnEnded
sent             | 20 s                       | no retry   => failed failed create_timeout: ProbeCancel ReportFailure EndStreams TurnEnded
sent             | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
sent             | closed                     | -          => done interrupted -: EndStreams TurnEnded
sent             | interrupted                | -          => cancelling - -: EndStreams
sent             | speech over                | -          => cancelling - -: EndStreams

contended        | conflict                   | -          => failed failed conversation_already_has_active_response: ReportFailure EndStreams TurnEnded

created          | completed                  | -          => retry_wait - empty_response: Recovering
created          | completed                  | no retry   => failed failed empty_response: ReportFailure EndStreams TurnEnded
created          | incomplete                 | -          => done incomplete max_output_tokens: ReportFailure EndStreams TurnEnded
created          | cancelled                  | -          => done interrupted -: EndStreams TurnEnded
created          | failed                     | -          => retry_wait - server_error: Recovering
created          | failed                     | no retry   => failed failed server_error: ReportFailure EndStreams TurnEnded
created          | failed for good            | -          => failed failed insufficient_quota: ReportFailure EndStreams TurnEnded
created          | lost                       | -          => retry_wait - lost: Recovering
created          | lost                       | no retry   => failed failed lost: ReportSession ReportFailure EndStreams TurnEnded
created          | lost                       | no time    => failed failed lost: ReportFailure EndStreams TurnEnded
created          | 20 s                       | -          => retry_wait - stalled: Recovering CancelResponse
created          | 20 s                       | no retry   => failed failed stalled: ReportFailure EndStreams CancelResponse TurnEnded
created          | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
created          | closed                     | -          => done interrupted -: EndStreams CancelResponse TurnEnded
created          | interrupted                | -          => cancelling - -: EndStreams CancelResponse
created          | item                       | -          => streaming - -:
created          | call                       | -          => streaming - -: ExposeTurn DeliverItem
created          | action                     | -          => streaming - -: ExposeTurn
created          | action, failed             | -          => failed failed server_error: ExposeTurn ReportFailure EndStreams TurnEnded
created          | speech over                | -          => cancelling - -: EndStreams CancelResponse
created          | stray, completed           | -          => retry_wait - empty_response: Recovering DeleteItem
created          | stray, failed              | -          => retry_wait - server_error: Recovering DeleteItem
created          | stray, failed for good     | -          => failed failed insufficient_quota: ReportFailure EndStreams DeleteItem TurnEnded
created          | stray, incomplete          | -          => done incomplete max_output_tokens: ReportFailure EndStreams DeleteItem TurnEnded
created          | stray, cancelled           | -          => done interrupted -: EndStreams DeleteItem TurnEnded
created          | stray, session failed      | -          => failed failed gone: ReportSession ReportFailure EndStreams DeleteItem TurnEnded
created          | stray, lost                | -          => retry_wait - lost: Recovering DeleteItem
created          | stray, lost                | no time    => failed failed lost: ReportFailure EndStreams DeleteItem TurnEnded
created          | stray, completed           | no retry   => failed failed empty_response: ReportFailure EndStreams DeleteItem TurnEnded

item             | completed                  | -          => retry_wait - empty_response: Recovering DeleteItem
item             | completed                  | no retry   => failed failed empty_response: ReportFailure EndStreams DeleteItem TurnEnded
item             | incomplete                 | -          => done incomplete max_output_tokens: ReportFailure EndStreams DeleteItem TurnEnded
item             | cancelled                  | -          => done interrupted -: EndStreams DeleteItem TurnEnded
item             | failed                     | -          => retry_wait - server_error: Recovering DeleteItem
item             | failed                     | no retry   => failed failed server_error: ReportFailure EndStreams DeleteItem TurnEnded
item             | failed for good            | -          => failed failed insufficient_quota: ReportFailure EndStreams DeleteItem TurnEnded
item             | lost                       | -          => retry_wait - lost: Recovering DeleteItem
item             | lost                       | no retry   => failed failed lost: ReportSession ReportFailure EndStreams DeleteItem TurnEnded
item             | lost                       | no time    => failed failed lost: ReportFailure EndStreams DeleteItem TurnEnded
item             | 8 s                        | -          => retry_wait - stalled: Recovering CancelResponse
item             | 8 s                        | no retry   => failed failed stalled: ReportFailure EndStreams CancelResponse TurnEnded
item             | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams DeleteItem TurnEnded
item             | closed                     | -          => done interrupted -: EndStreams CancelResponse TurnEnded
item             | interrupted                | -          => cancelling - -: EndStreams CancelResponse
item             | item                       | -          => streaming - -:
item             | output                     | -          => streaming - -: ExposeTurn DeliverItem
item             | call                       | -          => streaming - -: ExposeTurn DeliverItem
item             | output, completed, pulled, reported | -          => done completed -: ExposeTurn DeliverItem EndStreams TurnEnded
item             | speech over                | -          => streaming - -:
item             | speech over, failed        | -          => failed failed server_error: ReportFailure EndStreams DeleteItem TurnEnded

playing          | completed                  | -          => streaming - -: EndStreams
playing          | incomplete                 | -          => streaming - max_output_tokens: ReportFailure EndStreams
playing          | cancelled                  | -          => streaming - -: EndStreams
playing          | failed                     | -          => streaming - server_error: ReportFailure EndStreams
playing          | failed                     | regenerate => streaming - server_error: EndAttempt
playing          | failed for good            | -          => streaming - insufficient_quota: ReportFailure EndStreams
playing          | lost                       | -          => streaming - lost: ReportFailure EndStreams
playing          | lost                       | no retry   => streaming - lost: ReportSession ReportFailure EndStreams
playing          | lost                       | regenerate => streaming - lost: EndAttempt
playing          | 8 s                        | -          => streaming - -: Recovering
playing          | 8 s, twelve seconds        | -          => streaming - stalled: Recovering ReportFailure EndStreams CancelResponse
playing          | 8 s, another is asked      | -          => streaming - -: Recovering
playing          | 8 s                        | regenerate => streaming - stalled: EndAttempt CancelResponse
playing          | session failed             | -          => streaming - gone: ReportSession ReportFailure EndStreams
playing          | closed                     | -          => done interrupted -: EndStreams CancelResponse TurnEnded
playing          | interrupted                | -          => cancelling - -: EndStreams CancelResponse
playing          | call                       | -          => streaming - -: DeliverItem
playing          | completed, reported        | -          => done completed -: EndStreams TurnEnded
playing          | incomplete, reported       | -          => done incomplete max_output_tokens: ReportFailure EndStreams TurnEnded
playing          | cancelled, reported        | -          => done interrupted -: EndStreams TurnEnded
playing          | failed, reported           | -          => failed failed server_error: ReportFailure EndStreams TurnEnded
playing          | failed, reported           | regenerate => retry_wait - server_error: EndAttempt Recovering
playing          | lost, reported             | regenerate => retry_wait - lost: EndAttempt Recovering
playing          | lost, reported             | -          => failed failed lost: ReportFailure EndStreams TurnEnded
playing          | reported                   | -          => streaming - -:
playing          | completed, 20 s            | -          => done completed -: EndStreams TurnEnded
playing          | completed, session failed  | -          => streaming - -: EndStreams ReportSession
playing          | failed, speech over        | regenerate => failed failed server_error: EndAttempt ReportFailure EndStreams TurnEnded
playing          | call, completed, reported  | -          => done completed -: DeliverItem EndStreams TurnEnded
playing          | call, failed, reported     | regenerate => failed failed server_error: DeliverItem ReportFailure EndStreams TurnEnded
playing          | speech over                | -          => streaming - -:
playing          | speech over, completed     | -          => done completed -: EndStreams TurnEnded
playing          | stray, failed              | -          => streaming - server_error: ReportFailure EndStreams DeleteItem
playing          | stray, incomplete          | -          => streaming - max_output_tokens: ReportFailure EndStreams DeleteItem
playing          | stray, cancelled           | -          => streaming - -: EndStreams DeleteItem
playing          | stray, session failed      | -          => streaming - gone: ReportSession ReportFailure EndStreams DeleteItem
playing          | stray, failed              | regenerate => streaming - server_error: EndAttempt DeleteItem
playing          | stray, lost                | -          => streaming - lost: ReportFailure EndStreams DeleteItem
playing          | stray, lost                | regenerate => streaming - lost: EndAttempt DeleteItem

heard            | completed                  | -          => done completed -: EndStreams TurnEnded
heard            | incomplete                 | -          => done incomplete max_output_tokens: ReportFailure EndStreams TurnEnded
heard            | cancelled                  | -          => done interrupted -: EndStreams TurnEnded
heard            | failed                     | -          => failed failed server_error: ReportFailure EndStreams TurnEnded
heard            | failed                     | regenerate => retry_wait - server_error: Recovering
heard            | failed for good            | -          => failed failed insufficient_quota: ReportFailure EndStreams TurnEnded
heard            | lost                       | -          => failed failed lost: ReportFailure EndStreams TurnEnded
heard            | lost                       | no retry   => failed failed lost: ReportSession ReportFailure EndStreams TurnEnded
heard            | lost                       | regenerate => retry_wait - lost: Recovering
heard            | 8 s, twelve seconds        | -          => failed failed stalled: Recovering ReportFailure EndStreams CancelResponse TurnEnded
heard            | 8 s                        | regenerate => retry_wait - stalled: Recovering CancelResponse
heard            | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
heard            | closed                     | -          => done interrupted -: EndStreams CancelResponse TurnEnded
heard            | interrupted                | -          => cancelling - -: EndStreams CancelResponse
heard            | call                       | -          => streaming - -: DeliverItem
heard            | stray, failed              | regenerate => retry_wait - server_error: Recovering DeleteItem
heard            | stray, lost                | regenerate => retry_wait - lost: Recovering DeleteItem

played_out       | 20 s                       | -          => failed failed server_error: TurnEnded
played_out       | session failed             | -          => streaming - server_error: ReportSession
played_out       | closed                     | -          => done interrupted server_error: TurnEnded

retrying         | half a second              | -          => requested - server_error: CreateResponse
retrying         | 8 s                        | -          => failed failed server_error: CreateResponse ReportFailure EndStreams TurnEnded
retrying         | session failed             | -          => failed failed gone: ReportSession ReportFailure EndStreams TurnEnded
retrying         | closed                     | -          => done interrupted server_error: EndStreams TurnEnded
retrying         | interrupted                | -          => done interrupted server_error: EndStreams TurnEnded
retrying         | half a second, created     | -          => created - server_error: CreateResponse
retrying         | asked                      | -          => done superseded server_error: EndStreams TurnEnded CreateResponse
retrying         | speech over                | -          => failed failed server_error: ReportFailure EndStreams TurnEnded
retrying         | half a second, speech over | -          => failed failed server_error: CreateResponse ReportFailure EndStreams TurnEnded

stopping         | completed                  | -          => done interrupted -: DeleteItem TurnEnded
stopping         | incomplete                 | -          => done interrupted -: DeleteItem TurnEnded
stopping         | cancelled                  | -          => done interrupted -: DeleteItem TurnEnded
stopping         | failed                     | -          => done interrupted -: DeleteItem TurnEnded
stopping         | failed for good            | -          => done interrupted -: DeleteItem TurnEnded
stopping         | lost                       | -          => done interrupted -: DeleteItem TurnEnded
stopping         | lost                       | no retry   => done interrupted -: ReportSession TurnEnded
stopping         | 8 s                        | -          => done interrupted -: TurnEnded DeleteItem
stopping         | session failed             | -          => done interrupted -: ReportSession TurnEnded
stopping         | closed                     | -          => done interrupted -: TurnEnded
stopping         | interrupted                | -          => cancelling - -:
stopping         | item                       | -          => cancelling - -:
stopping         | output                     | -          => cancelling - -:
stopping         | call                       | -          => cancelling - -:
stopping         | item, completed            | -          => done interrupted -: DeleteItem DeleteItem TurnEnded
stopping         | call, completed            | -          => done interrupted -: DeleteItem TurnEnded

stopping_sent    | completed                  | -          => done interrupted -: TurnEnded
stopping_sent    | incomplete                 | -          => done interrupted -: TurnEnded
stopping_sent    | cancelled                  | -          => done interrupted -: TurnEnded
stopping_sent    | failed                     | -          => done interrupted -: TurnEnded
stopping_sent    | failed for good            | -          => done interrupted -: TurnEnded
stopping_sent    | refused                    | -          => done interrupted -: TurnEnded
stopping_sent    | conflict                   | -          => done interrupted -: TurnEnded
stopping_sent    | lost                       | -          => done interrupted -: TurnEnded
stopping_sent    | lost                       | no retry   => done interrupted -: ReportSession TurnEnded
stopping_sent    | 8 s                        | -          => done interrupted -: ProbeCancel TurnEnded
stopping_sent    | session failed             | -          => done interrupted -: ReportSession TurnEnded
stopping_sent    | closed                     | -          => done interrupted -: TurnEnded
stopping_sent    | late, item, cancelled      | -          => done interrupted -: CancelResponse DeleteItem TurnEnded

stopping_playing | completed                  | -          => cancelling - -:
stopping_playing | incomplete                 | -          => cancelling - -:
stopping_playing | cancelled                  | -          => cancelling - -:
stopping_playing | failed                     | -          => cancelling - -:
stopping_playing | lost                       | -          => cancelling - -:
stopping_playing | lost                       | no retry   => done interrupted -: ReportSession TurnEnded
stopping_playing | 8 s                        | -          => done interrupted -: TurnEnded
stopping_playing | session failed             | -          => done interrupted -: ReportSession TurnEnded
stopping_playing | closed                     | -          => done interrupted -: TurnEnded
stopping_playing | interrupted                | -          => cancelling - -:
stopping_playing | output                     | -          => cancelling - -:
stopping_playing | cancelled, reported        | -          => done interrupted -: TurnEnded
stopping_playing | reported                   | -          => cancelling - -:
stopping_playing | reported, cancelled        | -          => done interrupted -: TurnEnded
stopping_playing | speech over                | -          => cancelling - -:

stopping_nothing | half a second              | -          => cancelling - -:
stopping_sent_playing | conflict                   | -          => done interrupted -: DeleteItem TurnEnded

owed             | nothing                    | -          => retry_wait - server_error:
owed             | nothing                    | no retry   => failed failed server_error:
owed             | half a second              | -          => requested - server_error: CreateResponse
owed             | interrupted                | -          => done interrupted server_error: EndStreams TurnEnded

asked_again      | 8 s                        | -          => failed failed create_timeout: ProbeCancel Recovering ReportFailure EndStreams TurnEnded
asked_again      | speech over                | -          => failed failed server_error: ReportFailure EndStreams TurnEnded

created_again    | speech over                | -          => failed failed server_error: ReportFailure EndStreams CancelResponse TurnEnded

waiting_behind   | ready, 8 s                 | -          => requested - -: CreateResponse ReportFailure EndStreams TurnEnded
"""


@pytest.mark.parametrize("rule", [line for line in RULES.splitlines() if line])
def test_rule(rule: str) -> None:
    before, _, after = rule.partition("=>")
    assert happened(before) == " ".join(after.split())


def happened(before: str) -> str:
    place, event, policy = (cell.strip() for cell in before.split("|"))
    b = Bench(POLICIES[policy], playback=True)
    turn = PLACES[place](b)
    b.all.clear()
    for each in event.split(", "):
        EVENTS[each](b, turn)
    outcome = turn.outcome.value if turn.outcome else "-"
    error = (turn.error.code or turn.error.kind.value) if turn.error else "-"
    told = [type(c).__name__ for c in b.all if not isinstance(c, rf.TurnMoved)]
    return f"{turn.state.value} {outcome} {error}: {' '.join(told)}".strip()


# --- the playback of one message


def handed_out(b: Bench) -> rf.Turn:
    turn = created(b)
    b.message("r1", "m1")
    return turn


def pulled(b: Bench) -> rf.Turn:
    turn = handed_out(b)
    b.got(rf.MessagePulled(item_id="m1"))
    return turn


def paused(b: Bench) -> rf.Turn:
    turn = pulled(b)
    b.got(rf.PlaybackStarted(), rf.PlaybackPaused())
    return turn


def text_pulled(b: Bench) -> rf.Turn:
    """A TTS speaks it: no audio is received here."""
    turn = created(b)
    b.message("r1", "m1", audio_ms=0)
    b.got(rf.MessagePulled(item_id="m1"))
    return turn


def next_pulled(b: Bench, turn: rf.Turn) -> None:
    b.message("r1", "m2")
    b.got(rf.MessagePulled(item_id="m2"))


def other_pulled(b: Bench, turn: rf.Turn) -> None:
    other = b.ask()
    b.created(other, "r2")
    b.message("r2", "m9")
    b.got(rf.MessagePulled(item_id="m9"))


PLAYBACK_PLACES = {f.__name__: f for f in (handed_out, pulled, paused, text_pulled)}
PLAYBACK_EVENTS: dict[str, Callable[[Bench, rf.Turn], object]] = {
    "started": lambda b, turn: b.got(rf.PlaybackStarted()),
    "paused": lambda b, turn: b.got(rf.PlaybackPaused()),
    "resumed": lambda b, turn: b.got(rf.PlaybackResumed()),
    "reported": EVENTS["reported"],
    "cut": lambda b, turn: b.got(rf.PlaybackFinished(position_ms=400.7, interrupted=True)),
    "cut at nan": lambda b, turn: b.got(
        rf.PlaybackFinished(position_ms=float("nan"), interrupted=True)
    ),
    "truncated": lambda b, turn: b.got(rf.MessageTruncated(item_id="m1", audio_end_ms=300)),
    "truncated too late": lambda b, turn: b.got(
        rf.MessageTruncated(item_id="m1", audio_end_ms=3000)
    ),
    "next pulled": next_pulled,
    "pulled": EVENTS["pulled"],
    "speech over": EVENTS["speech over"],
    "speech cut": lambda b, turn: b.got(rf.SpeechOver(turn_id=turn.id, interrupted=True)),
    "completed": EVENTS["completed"],
    "other pulled": other_pulled,
    "5 s": lambda b, turn: b.wait(5.0),
    "20 s": EVENTS["20 s"],
}

#: place, events => playback, outcome, milliseconds heard; the turn.
PLAYBACK_RULES = """
handed_out | truncated                     => finished partial 300; streaming
handed_out | completed, truncated          => finished partial 300; done
handed_out | truncated too late            => finished partial 1000; streaming
handed_out | speech over                   => finished skipped 0; streaming
handed_out | reported                      => waiting - None; streaming; 1 surplus
handed_out | started                       => waiting - None; streaming; 1 surplus
handed_out | pulled, reported              => finished full 1000; streaming
pulled | started                           => playing - None; streaming
pulled | paused                            => paused - None; streaming
pulled | pulled                            => playing - None; streaming
pulled | reported                          => finished full 1000; streaming
pulled | reported, reported                => finished full 1000; streaming; 1 surplus
pulled | cut                               => finished partial 400; streaming
pulled | cut at nan                        => finished skipped 0; streaming
pulled | truncated                         => finished partial 300; streaming
pulled | truncated, reported               => finished partial 300; streaming; 1 surplus
pulled | truncated too late                => finished partial 1000; streaming
pulled | next pulled                       => finished full 1000; streaming
pulled | speech over                       => finished full 1000; streaming
pulled | started, speech over              => finished full 1000; streaming
pulled | speech cut                        => finished skipped 0; cancelling
pulled | started, speech cut               => finished partial None; cancelling
pulled | completed, truncated              => finished partial 300; done
pulled | completed, speech over            => finished full 1000; done
pulled | completed, reported               => finished full 1000; done
pulled | completed, other pulled           => finished full 1000; done
pulled | completed, 20 s                   => finished full 1000; done
text_pulled | speech over                  => finished skipped 0; streaming
text_pulled | started, speech over         => finished full None; streaming
text_pulled | reported                     => finished full 1000; streaming
text_pulled | cut                          => finished partial 400; streaming
text_pulled | next pulled                  => finished skipped 0; streaming
text_pulled | started, next pulled         => finished full None; streaming
paused | started                           => paused - None; streaming
paused | started, cut                      => finished partial 400; streaming
paused | resumed                           => playing - None; streaming
paused | resumed, resumed, reported        => finished full 1000; streaming
paused | reported                          => finished full 1000; streaming
paused | cut                               => finished partial 400; streaming
paused | truncated                         => finished partial 300; streaming
paused | next pulled                       => finished full 1000; streaming
paused | speech over                       => finished full 1000; streaming
paused | speech cut                        => finished partial None; cancelling
paused | completed, reported               => finished full 1000; done
paused | completed, truncated              => finished partial 300; done
paused | completed, speech over            => finished full 1000; done
paused | completed, other pulled           => finished full 1000; done
paused | completed, 5 s, resumed, 5 s      => playing - None; streaming
paused | completed, 20 s                   => paused - None; streaming
paused | completed, resumed, 20 s          => finished full 1000; done
"""


@pytest.mark.parametrize("rule", [line for line in PLAYBACK_RULES.splitlines() if line])
def test_g14_rule_of_playback(rule: str) -> None:
    """G14, G15: each message gets one outcome, within what was received."""
    before, _, after = rule.partition("=>")
    assert played(before) == " ".join(after.split())


def played(before: str) -> str:
    place, events = (cell.strip() for cell in before.split("|"))
    b = Bench(playback=True)
    b.c.audible = True
    turn = PLAYBACK_PLACES[place](b)
    for event in events.split(", "):
        PLAYBACK_EVENTS[event](b, turn)
    message = turn.messages[0]
    outcome = message.outcome.value if message.outcome else "-"
    surplus = b.c.ignored["surplus playback report"]
    told = f"{message.state.value} {outcome} {message.heard_ms}; {turn.state.value}"
    return told + (f"; {surplus} surplus" if surplus else "")
