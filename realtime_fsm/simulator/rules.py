"""The rules that the simulated server enforces, each with its source.

What nobody outside the provider knows is marked ``assumed``; where it matters to a client, a field
of :class:`ServerConfig` selects between the alternatives, so that a test can be run under each.
"""

from __future__ import annotations

from .rule import ENFORCED, Rule, Source

__all__ = ["RULES", "rules_table"]

RULES: dict[str, Rule] = {}
"""Every rule, by id."""


def _rule(
    id: str,
    source: Source,
    reference: str,
    statement: str,
    field: str | None = None,
    *values: object,
) -> Rule:
    made = Rule(
        id=id,
        statement=statement,
        source=source,
        reference=reference,
        field=field,
        alternatives=values,
    )
    RULES[id] = made
    return made


# --- what the server does itself ---

MCP_EVENTS = _rule(
    "mcp-events", "documented", "response.mcp_call.in_progress",
    "A call of an MCP tool is an item with its arguments, then in_progress, completed or failed, by "
    "item id alone.",
)  # fmt: skip
MCP_LISTS = _rule(
    "mcp-lists", "documented", "mcp_list_tools.in_progress",
    "An MCP server among the tools is asked for its own: an item, in_progress, completed.",
)  # fmt: skip
SEARCH_EVENTS = _rule(
    "search-events", "assumed", "the Responses API has them so",
    "A search is an item: in_progress, searching, completed, by item id alone.",
)  # fmt: skip

# --- responses: creation ---

ONE_ACTIVE = _rule(
    "one-active", "documented", "response.create",
    "At most one response at a time writes to the default conversation, whoever asked for it.",
)  # fmt: skip
SLOT_TAKEN = _rule(
    "slot-taken", "assumed",
    "livekit/agents#6817 shows a create refused before the client saw the other response's "
    "created; when the server took the slot cannot be told from outside",
    "A response takes the slot when its create is accepted, before response.created.",
    "slot_taken", "accepted", "created",
)  # fmt: skip
REFUSED_CREATE = _rule(
    "refused-create", "observed", "livekit/agents#2064, livekit/agents#6817",
    "A refused response.create is answered by one error event; no created or done follows.",
)  # fmt: skip
CONFLICT_LINK = _rule(
    "conflict-link", "observed",
    "livekit/agents#6817 (the event_id of the create), tleyden/arty#81 (null)",
    "The error for a taken slot names the client's create. Another server may name an id of its own.",
    "conflict_event_id", "linked", "null", "foreign",
)  # fmt: skip
RESPONSE_IDS = _rule(
    "response-ids", "documented", "response.created",
    "Each response has an id of its own. A server that only resembles the service may use one again.",
    "one_response_id", False, True,
)  # fmt: skip
OUT_OF_BAND = _rule(
    "out-of-band", "documented", "response.create",
    "A response with conversation none runs beside others and is not remembered.",
)  # fmt: skip
INPUT_REFERENCES = _rule(
    "input-references", "documented", "response.create",
    "input may refer to items of the conversation by id; an unknown one is refused.",
)  # fmt: skip
METADATA = _rule(
    "metadata", "documented", "response.create",
    "metadata comes back with the response; at most 16 keys of 64 and values of 512 characters.",
    "metadata_echo", True, False,
)  # fmt: skip
CREATE_RANGES = _rule(
    "value-ranges", "documented", "session.update",
    "max_output_tokens is 1 to 4096 or inf, speed 0.25 to 1.5, a VAD threshold 0 to 1, and one "
    "output modality is chosen; else the whole event is refused.",
)  # fmt: skip

# --- responses: events and ends ---

EVENT_ORDER = _rule(
    "event-order", "documented", "conversation.item.added",
    "created; per item: added, part added, deltas, the done events; at the end response.done.",
)  # fmt: skip
DONE_ALWAYS = _rule(
    "done-always", "documented", "response.done",
    "Every response ends by response.done with its status, status_details, items and usage (False: "
    "one that the client cancels ends without a word).",
    "cancelled_done", True, False,
)  # fmt: skip
CUT_ITEM = _rule(
    "cut-item", "documented", "response.output_item.done",
    "The open item of a cancelled or incomplete response ends by its done events, incomplete.",
)  # fmt: skip
FAILED_ITEM = _rule(
    "failed-item", "assumed",
    "the documentation names interrupted, incomplete and cancelled responses, not failed ones",
    "The open item of a failed response stays in the conversation, incomplete.",
    "open_item_of_failed", "incomplete", "vanishes",
)  # fmt: skip
CUT_CALL = _rule(
    "cut-call", "documented", "response.function_call_arguments.done",
    "The arguments of a function call that is cut short are announced as done all the same.",
    "cut_call_announced", True, False,
)  # fmt: skip
UNBILLED = _rule(
    "unbilled", "observed", "twilio-samples/speech-assistant-openai-realtime-api-node#37",
    "A response that fails without output reports no tokens.",
)  # fmt: skip
RATE_LIMITS = _rule(
    "rate-limits", "documented", "rate_limits.updated",
    "rate_limits.updated is sent for every response. The reference puts it at the beginning of "
    "the response; where it really stands is not known, so a client must take it anywhere.",
    "rate_limits", "after_done", "after_created", "off",
)  # fmt: skip
REASONING = _rule(
    "reasoning", "assumed",
    "the published item types have no reasoning item; what reasoning models emit is not documented",
    "Reasoning takes time and tokens and is not shown as an output item.",
    "reasoning_items", "hidden", "item",
)  # fmt: skip

# --- responses: cancellation ---

CANCEL_TARGET = _rule(
    "cancel-target", "documented", "response.cancel",
    "A cancel reaches the response it names, a bare one the default conversation's.",
)  # fmt: skip
CANCEL_NOTHING = _rule(
    "cancel-nothing", "documented", "response.cancel",
    "A cancel that finds nothing is answered by an error and changes nothing.",
)  # fmt: skip
CANCEL_RACE = _rule(
    "cancel-race", "observed", "openai/openai-agents-js#220, pipecat-ai/pipecat#3795",
    "A response may end by itself before a cancel takes effect; a newer one is not touched.",
)  # fmt: skip
CANCEL_BEFORE_CREATED = _rule(
    "cancel-before-created", "observed", "livekit/agents#6223",
    "A cancel does not reach a response whose response.created is not out yet.",
    "cancel_before_created", False, True,
)  # fmt: skip
VAD_INTERRUPTS = _rule(
    "vad-interrupts", "documented", "session.update",
    "With interrupt_response the start of speech cancels the default conversation's response, which "
    "ends by response.done (False: it is dropped without a word, livekit/agents#6729).",
    "interrupted_done", True, False,
)  # fmt: skip
INTERRUPT_BEFORE_CREATED = _rule(
    "interrupt-before-created", "assumed",
    "LiveKit's plugin (1.8.9) guards against a done without created during interruptions; there is "
    "no public capture of one",
    "A response that server VAD interrupts before response.created ends by response.done alone.",
    "interrupted_before_created", "done", "created_and_done",
)  # fmt: skip

# --- items ---

ITEM_CONFIRMED = _rule(
    "item-confirmed", "documented", "conversation.item.create",
    "A created item is confirmed by added and done (False: it is kept, but never confirmed).",
    "confirm_items", True, False,
)  # fmt: skip
PREVIOUS_ITEM = _rule(
    "previous-item", "documented", "conversation.item.create",
    "previous_item_id says where an item goes; an unknown id is an error and nothing is added.",
)  # fmt: skip
PREVIOUS_ITEM_CODE = _rule(
    "previous-item-code", "assumed", "no public capture of the error; the name follows its siblings",
    "The error for an unknown previous_item_id is item_create_invalid_previous_item_id.",
)  # fmt: skip
DUPLICATE_ITEM = _rule(
    "duplicate-item", "assumed", "seen only as a special case in LiveKit's plugin (1.8.9)",
    "An id that exists already is refused with item_create_duplicate_item_id.",
)  # fmt: skip
ASSISTANT_AUDIO = _rule(
    "assistant-audio", "observed", "openai/openai-agents-js#963",
    "A client cannot create assistant audio: the text of the part is missing.",
)  # fmt: skip
KNOWN_CALL = _rule(
    "known-call", "documented", "conversation.item.create (beta: call_id)",
    "A function_call_output must answer a function call of the conversation.",
    "unknown_call_id", "refuse", "accept",
)  # fmt: skip
UNKNOWN_ITEM = _rule(
    "unknown-item", "documented", "conversation.item.delete",
    "To delete, truncate or retrieve an item that does not exist is an error.",
)  # fmt: skip
TRUNCATE_TYPE = _rule(
    "truncate-type", "observed", "livekit/agents#6157",
    "Only assistant messages that hold audio can be truncated.",
)  # fmt: skip
TRUNCATE_BOUND = _rule(
    "truncate-bound", "documented", "conversation.item.truncate",
    "To truncate beyond the audio is an error (its text: pipecat-ai/pipecat#1963), not a clamp.",
    "truncate_beyond", "refuse", "clamp",
)  # fmt: skip
TRUNCATE_INTEGER = _rule(
    "truncate-integer", "observed", "openai/openai-agents-js#552",
    "audio_end_ms is an integer; decimals and null are refused.",
)  # fmt: skip
TRUNCATE_TEXT = _rule(
    "truncate-text", "assumed",
    "the transcript is documented to be deleted; what the model then knows of the words is not",
    "Of a truncated message the model keeps the words' share that was heard.",
    "truncated_text", "share", "deleted",
)  # fmt: skip
AFTER_TRUNCATE = _rule(
    "after-truncate", "assumed", "reports say nothing of audio made between truncate and cancel",
    "What is generated for an item after its truncation is sent, but not remembered.",
)  # fmt: skip
DELETED_OPEN = _rule(
    "deleted-open", "assumed", "no report of an item deleted while it was generated",
    "Deleting an item that is being generated forgets it; the response goes on.",
)  # fmt: skip

# --- session ---

UPDATE_PARTIAL = _rule(
    "update-partial", "documented", "session.update",
    "An update changes only the fields it has, and is answered by the whole configuration.",
)  # fmt: skip
VOICE_LOCKED = _rule(
    "voice-locked", "documented", "session.update (its error: openai/openai-python#2607)",
    "The voice cannot change once the session has produced audio.",
)  # fmt: skip
MODEL_FIXED = _rule(
    "model-fixed", "assumed",
    "documented is that the model cannot be updated, not how an attempt is answered",
    "Another model in an update is ignored.",
    "model_change", "ignore", "refuse",
)  # fmt: skip
TRACING_FIXED = _rule(
    "tracing-fixed", "documented", "session.update",
    "Tracing cannot be changed once it is on.",
)  # fmt: skip
SPEED_BETWEEN = _rule(
    "speed-between-turns", "documented", "session.update",
    "The speed changes only while no response is in progress.",
)  # fmt: skip
SESSION_TYPE = _rule(
    "session-type", "assumed", "this server has no transcription sessions",
    "The type of a session cannot change.",
)  # fmt: skip
EXPIRY = _rule(
    "session-expiry", "observed",
    "pollen-robotics/reachy_mini_conversation_app#134, "
    "twilio-samples/speech-assistant-openai-realtime-api-python#10",
    "At its maximum duration a session ends by the error session_expired and close 1001.",
)  # fmt: skip
BAD_EVENT = _rule(
    "bad-event", "documented", "error",
    "An event that is malformed, unknown or has wrong fields gets an error; the session goes on.",
)  # fmt: skip
OUTPUT_CLEAR = _rule(
    "output-clear", "assumed", "documented for WebRTC and SIP only",
    "output_audio_buffer.clear is ignored on a WebSocket.",
)  # fmt: skip
BETA_NAMES = _rule(
    "beta-names", "documented", "conversation.item.created (beta)",
    "Older deployments use the beta names and the flat session.", "dialect", "ga", "beta",
)  # fmt: skip

# --- the user's audio ---

APPEND = _rule(
    "append", "documented", "input_audio_buffer.append",
    "Appended audio is not confirmed; more than 15 MiB in one event is refused.",
)  # fmt: skip
COMMIT_EMPTY = _rule(
    "commit-empty", "observed", "livekit/agents#6642",
    "A commit of less than 100 ms of audio is an error.",
)  # fmt: skip
COMMIT_ONLY = _rule(
    "commit-only", "documented", "input_audio_buffer.commit",
    "A client's commit makes an item and no response.",
)  # fmt: skip
VAD_COMMITS = _rule(
    "vad-commits", "documented", "input_audio_buffer.committed",
    "Server VAD commits: started, stopped, committed, the item, all under one id.",
)  # fmt: skip
VAD_IDLE = _rule(
    "vad-idle", "documented", "input_audio_buffer.timeout_triggered",
    "Server VAD with idle_timeout_ms commits a silence that lasts, and answers it.",
)  # fmt: skip
VAD_CREATES = _rule(
    "vad-creates", "documented", "session.update",
    "With create_response the end of speech starts a response; both flags are on by default.",
)  # fmt: skip
VAD_LOSES = _rule(
    "vad-loses", "assumed",
    "documented is that it may fail to create one; openai/openai-agents-python#1466 suggests how "
    "it shows",
    "VAD's own create that finds the slot taken is reported by an error without event_id.",
    "vad_conflict", "error", "silent",
)  # fmt: skip
SEMANTIC_LATE = _rule(
    "semantic-late", "assumed",
    "the longest waits are documented (8, 4 and 2 s by eagerness), not when speech_stopped is sent",
    "Semantic VAD announces the end of speech when it commits, which may be seconds late; speech "
    "meanwhile goes on with the same item.",
    "speech_stopped", "at_commit", "at_silence",
)  # fmt: skip
COMMIT_IN_SPEECH = _rule(
    "commit-in-speech", "assumed", "no report of a client's commit while server VAD hears speech",
    "A client's commit or clear while server VAD hears speech ends that turn; VAD commits nothing.",
)  # fmt: skip
TRANSCRIPTION = _rule(
    "transcription", "documented", "conversation.item.input_audio_transcription.completed",
    "The transcript comes by itself, in deltas or whole, before or after the response's events, "
    "or fails with an event of its own.",
)  # fmt: skip


def rules_table() -> str:
    """Return all rules as a Markdown table, for the documentation."""
    lines = [
        "| rule | what the server does | source | reference or reason | selected by |",
        "|---|---|---|---|---|",
    ]
    for rule in RULES.values():
        values = " · ".join(f"`{value!r}`" for value in rule.alternatives).replace("'", '"')
        chosen = f"`{rule.field}`: {values}" if rule.field else ""
        lines.append(
            f"| {rule.id} | {rule.statement} | {rule.source} | {rule.reference} | {chosen} |"
        )
    return "\n".join(lines) + "\n"


def unenforced() -> list[str]:
    """Return the ids of rules that no imported code enforces."""
    return [name for name in RULES if name not in ENFORCED]
