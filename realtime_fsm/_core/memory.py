"""What the server is to remember of a response: what was heard of it (G16).

Effects of the response and of the turn use this: what nobody was given or heard goes, and what was heard
is cut where hearing ended.
"""

from __future__ import annotations

from .commands import DeleteItem, RestoreItem, TruncateItem
from .records import Message, Response, Turn
from .states import Correction, MessageOutcome
from .step import Step


def remove_unheard(turn: Turn, step: Step) -> None:
    """Handed out and never heard: not to be remembered. What was never handed out goes with its
    response."""
    for message in turn.messages:
        unheard = message.delivered and message.outcome is MessageOutcome.SKIPPED
        if unheard and message.correction is Correction.NONE:
            message.correction = Correction.REMOVED
            event_id = step.new_event_id("delete")
            step.out.append(DeleteItem(item_id=message.item_id, event_id=event_id))


def cut_back(response: Response, step: Step) -> None:
    """More of a message came than was heard, and the host does not cut it. What a lost connection had
    is restored on the next one."""
    turn = response.turn
    if turn is None or not step.lane.connection.up:
        return
    for message in turn.messages:
        if message.attempt == response.number and _outgrew(message, turn, response):
            message.correction = Correction.CUT
            if not message.received_ms:  # no audio that could be truncated: the words are replaced
                step.out.append(RestoreItem(item_id=message.item_id))
                continue
            event_id = step.new_event_id("truncate")
            heard = message.heard_ms or int(message.received_ms)
            step.out.append(
                TruncateItem(item_id=message.item_id, audio_end_ms=heard, event_id=event_id)
            )


def _outgrew(message: Message, turn: Turn, response: Response) -> bool:
    if not message.delivered or message.cut or message.released:
        return False
    if message.remembered_ms is not None:
        return False
    if message.outcome is MessageOutcome.PARTIAL:
        # Of an interrupted speech the host cuts what was playing.
        known = message.received_ms > 0 or message.transcript is not None
        return not turn.interrupted and message.heard_ms is not None and known
    if message.outcome is not MessageOutcome.FULL or message.late_ms is None:
        return False
    return response.over and (message.late_ms > 0 or not message.received_ms)
