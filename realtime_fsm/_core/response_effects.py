"""Effects of the response table: each changes a response, and appends commands, as in `realtime_fsm._core.turn_effects`."""

from __future__ import annotations

import math

from .commands import CancelResponse, CheckConnection, DeleteItem, ProbeCancel
from .errors import ErrorInfo
from .events import (
    ActionEnded,
    CallReceived,
    CreateSent,
    ItemStarted,
    OutputReceived,
    ResponseCreated,
    ResponseDone,
)
from .memory import cut_back
from .records import Response
from .states import ErrorKind
from .step import Step

#: Seconds within which a create is acknowledged, nearly always. Before that "nothing to cancel"
#: may speak of a create that is not a response yet (livekit/agents#6223).
_ACKNOWLEDGED = 1.0
#: Seconds within which the terminal of a response must come that "is not active" any more: the wire
#: is ordered.
_RACE = 0.1
#: Seconds between two looks whether the words of a question are known.
_WORDS = 0.5
#: Seconds within which a response must show itself, or go on, that a conflict names and nobody
#: here waits for.
SHOWS_ITSELF = 2.0
#: In place of the event id of a cancel that what is below the driver sends.
BELOW = ""

TIMED_OUT = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="create_timeout", message="response.create was not answered"
)
SLOW = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="slow", message="response.create is not answered yet"
)


# --- effects: the create


def note_sent(response: Response, step: Step) -> None:
    note_sent_late(response, step)
    response.deadline = step.now + step.policy.first_doubt


def doubt(response: Response, step: Step) -> None:
    """Have the server asked whether it lives, by what cancels nothing."""
    step.failure = SLOW
    response.deadline = response.sent_at + step.policy.timeout
    step.out.append(CheckConnection(event_id=step.new_event_id("check")))


def note_sent_late(response: Response, step: Step) -> None:
    assert isinstance(step.event, CreateSent)
    response.event_id, response.sent_at = step.event.event_id, step.now


def wait_to_leave(response: Response, step: Step) -> None:
    response.deadline = step.now + step.policy.longest_queued


def wait_for_answer(response: Response, step: Step) -> None:
    response.deadline = step.now + step.policy.first_doubt


def wait_a_moment(response: Response, step: Step) -> None:
    """Until it is acknowledged, as it would be: what is asked before that proves nothing."""
    at = max(step.now, response.sent_at + _ACKNOWLEDGED)
    response.deadline = at if response.deadline is None else min(response.deadline, at)


def wait_for_a_sign(response: Response, step: Step) -> None:
    response.deadline = step.now + step.policy.answer_timeout


def stop_waiting(response: Response, step: Step) -> None:
    response.deadline = None


def time_out_queued(response: Response, step: Step) -> None:
    step.failure = TIMED_OUT
    wait_for_answer(response, step)


def time_out(response: Response, step: Step) -> None:
    step.failure = TIMED_OUT
    wait_for_answer(response, step)


def time_out_and_probe(response: Response, step: Step) -> None:
    step.failure = TIMED_OUT
    probe(response, step)


def probe(response: Response, step: Step) -> None:
    """Ask with a bare cancel, once."""
    response.probe_id = step.new_event_id("probe")
    response.asked_at = step.now
    response.deadline = step.now + step.policy.patience(step.policy.first_doubt)
    step.out.append(ProbeCancel(event_id=response.probe_id))


def wait_for_probe(response: Response, step: Step) -> None:
    response.deadline = response.asked_at + step.policy.first_doubt


def note_cancel_below(response: Response, step: Step) -> None:
    response.cancel_id = BELOW


def leave_cancel_below(response: Response, step: Step) -> None:
    note_cancel_below(response, step)
    response.deadline = step.now  # nothing more to wait for: ask


# --- effects: it shows itself


def acknowledge(response: Response, step: Step) -> None:
    """The server named it. A conflict may have named it before, and its cancel may be out."""
    created = step.event
    assert isinstance(created, ResponseCreated)
    response.response_id = created.response_id
    response.deltas_shown = created.deltas_shown
    response.last_activity = step.now
    response.deadline = None
    if step.rumour is not None and step.rumour.cancel_id is not None:
        response.cancel_id, response.asked_at = step.rumour.cancel_id, step.rumour.asked_at


def adopt(response: Response, step: Step) -> None:
    """Late, and wanted: its turn takes it in place of what it was going to ask for."""
    acknowledge(response, step)
    step.response = response


def blame_probe(response: Response, step: Step) -> None:
    step.failure = TIMED_OUT


def acknowledge_late(response: Response, step: Step) -> None:
    acknowledge(response, step)
    if response.cancel_id == BELOW:
        response.asked_at = step.now
    wait_for_terminal(response, step)


def cancel_late(response: Response, step: Step) -> None:
    acknowledge(response, step)
    cancel(response, step)


def note_id(response: Response, step: Step) -> None:
    """Its terminal is the first that names it."""
    assert isinstance(step.event, ResponseDone)
    response.response_id = step.event.response_id


def note_named(response: Response, step: Step) -> None:
    """A conflict tells of it: that is believed for a while. What was asked before had its time."""
    response.last_activity, response.asked_at = step.now, -math.inf
    response.deadline = step.now + patience_with(response, step)


def note_outlived(response: Response, step: Step) -> None:
    """Its cancel had its time, and it holds the slot: it has that time once more. Longer than that would be
    past the deadline of whoever waits for the slot (G27)."""
    note_named(response, step)
    wait_for_terminal(response, step)
    response.denied = True


def note_stuck(response: Response, step: Step) -> None:
    """It keeps the slot for good. What that costs is looked at when it is due: now."""
    response.stuck = True
    response.asked_at = response.deadline = step.now


def wait_for_words(response: Response, step: Step) -> None:
    response.deadline = step.now + _WORDS


def note_activity(response: Response, step: Step) -> None:
    response.last_activity = step.now


# --- effects: its output


def note_item(response: Response, step: Step) -> None:
    """Nobody was given it yet."""
    assert isinstance(step.event, (ItemStarted, OutputReceived))
    if step.event.item_id not in response.undelivered:
        response.undelivered += (step.event.item_id,)


def note_delivery(response: Response, step: Step) -> None:
    """Its turn hands it out: that cannot be taken back (G9)."""
    assert isinstance(step.event, (OutputReceived, CallReceived))
    response.has_output = True
    response.undelivered = _without(response.undelivered, step.event.item_id)


def note_action(response: Response, step: Step) -> None:
    """As good as handed out: to ask again would make the server do it twice (G9, G28)."""
    assert isinstance(step.event, (ItemStarted, ActionEnded))
    response.has_output = True
    response.acting += (step.event.item_id,)


def note_action_end(response: Response, step: Step) -> None:
    assert isinstance(step.event, ActionEnded)
    response.acting = _without(response.acting, step.event.item_id)


def _without(items: tuple[str, ...], item_id: str) -> tuple[str, ...]:
    return tuple(i for i in items if i != item_id) if item_id in items else items


def note_late(response: Response, step: Step) -> None:
    """The server makes more of what was handed out than anybody will be given."""
    assert isinstance(step.event, OutputReceived)
    message = response.message(step.event.item_id)
    if message is not None:
        message.late_ms = (message.late_ms or 0.0) + step.event.audio_ms


def correct_memory(response: Response, step: Step) -> None:
    """The server's items of it are complete now: to each what was heard of it."""
    for item_id in response.undelivered:  # before the next create on the same ordered socket
        step.out.append(DeleteItem(item_id=item_id, event_id=step.new_event_id("delete")))
    response.undelivered = ()
    cut_back(response, step)


def end_late(response: Response, step: Step) -> None:
    note_id(response, step)
    cut_back(response, step)


# --- effects: its cancel


def cancel(response: Response, step: Step) -> None:
    """By its id, at most once (G6)."""
    assert response.response_id is not None
    response.cancel_id = step.new_event_id("cancel")
    response.asked_at = step.now
    response.deadline = step.now + step.policy.patience(step.policy.cancel_timeout)
    step.out.append(CancelResponse(response_id=response.response_id, event_id=response.cancel_id))


def wait_for_terminal(response: Response, step: Step) -> None:
    response.deadline = step.now + step.policy.cancel_timeout


def wait_to_end(response: Response, step: Step) -> None:
    response.deadline = response.last_sign + step.policy.cancel_timeout


def wait_to_show(response: Response, step: Step) -> None:
    response.deadline = response.last_sign + patience_with(response, step)


def patience_with(response: Response, step: Step) -> float:
    """Seconds of silence until what a conflict told of is given up, or cancelled. An answer of server
    VAD may come very late, and a cancel would take it from the user, whom plain LiveKit lets wait (G27)."""
    if response.cancel_id is not None:
        return step.policy.stall_timeout
    if response.denied:  # what does not run answers nobody
        return 0.0
    if response.stranger:
        return SHOWS_ITSELF
    if step.lane.speech.answer_may_come:
        return max(step.policy.stall_timeout, step.policy.first_output_timeout)
    return step.policy.stall_timeout


def expect_terminal(response: Response, step: Step) -> None:
    """It is due at once, or was lost."""
    at = step.now + _RACE
    response.deadline = at if response.deadline is None else min(response.deadline, at)
    response.last_activity = response.asked_at = -math.inf


def note_denial(response: Response, step: Step) -> None:
    response.denied = True
    response.cancel_id = None
    response.asked_at = -math.inf
