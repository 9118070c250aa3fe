"""What is asked about: the simulator's rules, and a few that only a wire can show."""

from __future__ import annotations

from ..simulator.rule import Rule, Source
from ..simulator.rules import RULES

__all__ = ["ALL", "EXTRA", "KEPT_TOO"]

EXTRA: dict[str, Rule] = {}
"""The rules that the simulator has no code for, by id."""


def _rule(id: str, source: Source, reference: str, statement: str) -> Rule:
    made = Rule(id=id, source=source, reference=reference, statement=statement)
    EXTRA[id] = made
    return made


FIRST_EVENT = _rule(
    "first-event", "documented", "session.created",
    "The first event of a connection is session.created, before the client says anything.",
)  # fmt: skip
ERROR_LINK = _rule(
    "error-link", "documented", "error",
    "An error that an event of the client caused names it in error.event_id.",
)  # fmt: skip
CONFLICT_CODE = _rule(
    "conflict-code", "observed", "livekit/agents#2064, livekit/agents#6817",
    "The error for a taken slot has the code conversation_already_has_active_response.",
)  # fmt: skip
CALL_OUTPUT = _rule(
    "call-output", "documented", "response.function_call_arguments.done",
    "A forced function is called; its output is taken, and a further response answers.",
)  # fmt: skip
SEVERAL_MESSAGES = _rule(
    "several-messages", "observed", "livekit/agents#6424",
    "A response may hold several messages, each with its own events, one after another.",
)  # fmt: skip
PONG = _rule(
    "pong", "documented", "RFC 6455",
    "A WebSocket ping is answered by a pong.",
)  # fmt: skip
TRUNCATE_MESSAGE = _rule(
    "truncate-message", "observed", "pipecat-ai/pipecat#1963, pipecat-ai/pipecat#3677",
    "The error for a cut beyond the audio says how much of it there is: "
    "Audio content of 1000ms is already shorter than 2000ms.",
)  # fmt: skip
SERVER_TOOL = _rule(
    "server-tool", "observed", "jamesrochabrun/SwiftOpenAI#192, microsoft-foundry/voicelive-samples#324",
    "A response ends with the call of a tool that the server runs itself; what comes of the call is "
    "spoken when the client asks for another response.",
)  # fmt: skip

ALL: dict[str, Rule] = {**RULES, **EXTRA}
"""Every rule that a run has an answer to, by id."""

KEPT_TOO: dict[str, tuple[object, ...]] = {
    # The reference puts it at the beginning of the response, others saw it at the end.
    "rate-limits": ("after_created",),
}
"""Alternatives beside the default that are as documented."""
