"""The rules of the GPT-Live server, each with how it is known.

``documented``: by the provider's public reference, as its API description and Azure's client libraries
repeat it (types ``Live…``). ``reported``: by somebody who has seen it, in public. ``assumed``: nobody
outside knows; the reference says why it was assumed so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

__all__ = ["ENFORCED", "RULES", "LiveRule", "enforces", "live_rules_table"]

Source = Literal["documented", "reported", "assumed"]
_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class LiveRule:
    """One rule of the service.

    Attributes:
        id: a short name that stays.
        source: see this module.
        reference: the type or event that says so; a public issue; or why it was assumed.
        statement: what the server does.
    """

    id: str
    source: Source
    reference: str
    statement: str


RULES: dict[str, LiveRule] = {}
#: The id of each rule, and the names of what enforces it.
ENFORCED: dict[str, list[str]] = {}


def _rule(id: str, source: Source, reference: str, statement: str) -> LiveRule:
    RULES[id] = made = LiveRule(id, source, reference, statement)
    return made


def enforces(*rules: LiveRule) -> Callable[[_F], _F]:
    """Mark a function as the place where these are enforced; it is not changed."""

    def mark(place: _F) -> _F:
        for rule in rules:
            ENFORCED.setdefault(rule.id, []).append(place.__qualname__)
        return place

    return mark


# --- the session

START_FIRST = _rule(
    "start-first", "reported", "livekit/agents: llm/_realtime/gpt_live.py, _send_task",
    "The first event is `session.start`, answered by `session.started`; anything before that answer is refused.",
)  # fmt: skip
STARTED_ONCE = _rule(
    "started-once", "assumed", "its configuration is immutable, so a second one cannot mean anything",
    "A second `session.start` on a connection is refused.",
)  # fmt: skip
STRICT_FIELDS = _rule(
    "strict-fields", "documented", "LiveLiveError.code, whose example is unknown_parameter",
    "A field or an event that the service does not know is refused with `unknown_parameter`, or `unknown_event`, and `param`.",
)  # fmt: skip
REQUIRED_FIELDS = _rule(
    "required-fields", "documented", "LiveThinkingAppendParam.delegation_id: required, nullable",
    "`delegation_id` and `content` of an append are required, even if the first is null.",
)  # fmt: skip
ERROR_NAMES_COMMAND = _rule(
    "error-names-command", "documented", "LiveLiveError.client_event_id",
    "An `error` that a client event caused has its `event_id` as `error.client_event_id`, if it had one.",
)  # fmt: skip
COMMANDS_NAMED = _rule(
    "commands-named", "documented", "LiveServerEvent.client_event_id",
    "A server event that answers a client event has its `event_id` as `client_event_id`, if it had one.",
)  # fmt: skip
STARTUP_CAP = _rule(
    "startup-cap", "reported", "livekit/agents: llm/_realtime/gpt_live.py, _MAX_INPUT_ITEMS",
    "`session.start` takes 128 items of history; more are refused.",
)  # fmt: skip
IMMUTABLE = _rule(
    "immutable", "reported", "livekit/agents: llm/_realtime/gpt_live_types.py, SessionUpdateConfig",
    "`session.update` takes settings of the delegation within its startup type, and nothing else.",
)  # fmt: skip
CLOSE_ASKED = _rule(
    "close-asked", "documented", "LiveSessionClosed.reason: close_requested",
    "`session.close` is answered by `session.closed` with the final usage, then the socket closes.",
)  # fmt: skip
CLOSE_REASONS = _rule(
    "close-reasons", "documented", "LiveSessionClosed.reason",
    "A session ends with `session.closed`: `close_requested`, `expired`, `content`, `remote_hangup` or `connection_lost`.",
)  # fmt: skip
EXPIRY = _rule(
    "expiry", "documented", "LiveSessionClosed.reason: expired is the session duration limit",
    "A session that reached its longest duration ends with `expired`.",
)  # fmt: skip
SOCKET_AFTER_CLOSED = _rule(
    "socket-after-closed", "assumed", "nothing can follow the event that says the session is over",
    "After `session.closed` the socket closes with code 1000.",
)  # fmt: skip

# --- what the model is told

APPEND_CAP = _rule(
    "append-cap", "documented", "LiveThinkingAppendParam.content: limited to 500 tokens",
    "An append has at most 500 tokens. Here a token is four characters.",
)  # fmt: skip
APPEND_CODE = _rule(
    "append-code", "assumed", "the Realtime service says so of a string that is too long",
    "A longer one is refused with `string_above_max_length`.",
)  # fmt: skip
NO_ID_UNDER_RESPONSES = _rule(
    "no-id-under-responses", "documented", "LiveThinkingAppendParam.delegation_id: not accepted with Responses",
    "Under Responses delegation an append has no delegation id.",
)  # fmt: skip
KNOWN_DELEGATION = _rule(
    "known-delegation", "assumed", "the id is documented as that of an existing client delegation",
    "Under client delegation an append names a delegation of this session, or none.",
)  # fmt: skip
APPENDED = _rule(
    "appended", "reported", "livekit/agents: GPTLiveSession, at the estimated context-injection end",
    "An append that was taken is confirmed by `session.….appended`, a while later.",
)  # fmt: skip

# --- delegations

DELEGATION_METADATA = _rule(
    "delegation-metadata", "documented", "LiveDelegationCreated.delegation: metadata, not the task text",
    "`session.delegation.created` has an id, a target and `offset_ms`, and no text of the task.",
)  # fmt: skip
ENVELOPE = _rule(
    "envelope", "documented", "LiveResponseEvent",
    "The backend's events come within `response.event`, with the `delegation_id` outside.",
)  # fmt: skip
REDUCED_SNAPSHOTS = _rule(
    "reduced-snapshots", "documented", "LiveResponseEvent.event: snapshots omit input, clear output",
    "`response.created` and the ends of a response have no output: calls come by `response.output_item.done`.",
)  # fmt: skip
ITEM_WITHOUT_RESPONSE = _rule(
    "item-without-response", "reported", "livekit/agents-js#2495",
    "`response.output_item.done` does not say to which response it belongs.",
)  # fmt: skip
OWN_RESPONSE = _rule(
    "own-response", "reported", "livekit/agents: llm/_realtime/gpt_live.py, _handle_response_event",
    "A response that the client asks for by itself has no delegation.",
)  # fmt: skip
NEEDS_RESPONSES = _rule(
    "needs-responses", "documented", "LiveResponseCreateParam: requires Responses delegation",
    "`response.item.create` and `response.create` are refused under client delegation.",
)  # fmt: skip
OUTPUTS_REQUIRED = _rule(
    "outputs-required", "reported", "livekit/agents#7266",
    "A `response.create` while any call of the session has no result is refused with `function_call_outputs_required`.",
)  # fmt: skip
ONE_CHAIN = _rule(
    "one-chain", "reported", "livekit/agents#7266",
    "The backend is one chain: what is delegated while a response runs or a call is open waits until the chain is free.",
)  # fmt: skip
ONE_AT_A_TIME = _rule(
    "one-at-a-time", "assumed", "the Realtime service refuses a create while a response is active",
    "A `response.create` while a response of the backend runs is refused with `response_already_in_progress`.",
)  # fmt: skip
FAILED_DISCARDS = _rule(
    "failed-discards", "reported", "livekit/agents#7266",
    "The calls of a response that failed or was cut short are discarded; a result for one is refused.",
)  # fmt: skip
UNKNOWN_CALL = _rule(
    "unknown-call", "assumed", "a refusal has some code; the Responses API says no tool call was found",
    "A result for a call that is not open is refused with `unknown_call_id`.",
)  # fmt: skip
LOST_WITH_SESSION = _rule(
    "lost-with-session", "assumed", "each connection starts a session, which names no earlier one",
    "A new connection knows nothing of delegations and calls of the one before.",
)  # fmt: skip


def live_rules_table() -> str:
    """Return all rules as a Markdown table, for the documentation."""
    lines = ["| rule | what the server does | source | reference or reason |", "|---|---|---|---|"]
    lines += [f"| {r.id} | {r.statement} | {r.source} | {r.reference} |" for r in RULES.values()]
    return "\n".join(lines) + "\n"
