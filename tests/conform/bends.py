"""Ways in which servers deviate that the simulator has no switch for, each with what is to be found.

Many were seen in servers of others: a create that waits for the running response, a cancel that
reaches whatever runs, a voice that changes, a truncation that is ignored.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

from .bent import Bend, Event, error, walk

__all__ = ["BENDS"]

#: Name to the bend and the rules that deviate with it.
BENDS: dict[str, tuple[type[Bend], frozenset[str]]] = {}


def found_as(*rules: str) -> Callable[[type[Bend]], type[Bend]]:
    def register(bend: type[Bend]) -> type[Bend]:
        BENDS[bend.__name__] = (bend, frozenset(rules))
        return bend

    return register


def is_create(event: Event) -> bool:
    return bool(event["type"] == "response.create")


def params(event: Event) -> Event:
    made: Event = event.get("response") or {}
    return made


# --- the single slot


@found_as("refused-create", "out-of-band")
class CreatesWait(Bend):
    """As aimock: one after another, also those beside the conversation."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.running = False
        self.waiting: list[Event] = []

    def client(self, event: Event) -> None:
        if is_create(event) and self.running:
            self.waiting.append(event)
            return
        self.running = self.running or is_create(event)
        self.to_server(event)

    def server(self, event: Event) -> None:
        self.to_client(event)
        if event["type"] in ("response.done", "error"):
            self.running = self.alive is not None
            if self.waiting and not self.running:
                self.running = True
                self.to_server(self.waiting.pop(0))


@found_as("one-active", "refused-create")
class CreatesBeside(Bend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.asked = 0

    def client(self, event: Event) -> None:
        self.asked += is_create(event)
        if is_create(event) and self.asked > 1:
            event["response"] = {**params(event), "conversation": "none"}
        self.to_server(event)

    def server(self, event: Event) -> None:
        self.asked -= event["type"] == "response.done"
        self.to_client(event)


@found_as("refused-create")
class CreatesReplace(Bend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.waiting: list[Event] = []
        self.asked = False

    def client(self, event: Event) -> None:
        if is_create(event) and params(event).get("conversation") != "none":
            if self.asked:
                self.waiting.append(event)
                if self.alive:
                    self.to_server({"type": "response.cancel"})
                return
            self.asked = True
        self.to_server(event)

    def server(self, event: Event) -> None:
        self.to_client(event)
        if event["type"] == "response.created" and self.waiting:
            self.to_server({"type": "response.cancel"})
        if event["type"] == "response.done" and self.alive is None:
            self.asked = False
            if self.waiting:
                self.asked = True
                self.to_server(self.waiting.pop(0))


@found_as("refused-create", "vad-loses")
class ConflictsAreSilent(Bend):
    def server(self, event: Event) -> None:
        code = (event.get("error") or {}).get("code")
        if code != "conversation_already_has_active_response":
            self.to_client(event)


@found_as("conflict-code")
class ConflictsHaveNoCode(Bend):
    def server(self, event: Event) -> None:
        body = event.get("error") or {}
        if body.get("code") == "conversation_already_has_active_response":
            body["code"] = None
        self.to_client(event)


@found_as("conflict-link")
class ConflictsNameTheOther(Bend):
    """The error names the create that was taken."""

    first: str | None = None

    def client(self, event: Event) -> None:
        if is_create(event) and self.alive is None and self.first is None:
            self.first = event.get("event_id")
        self.to_server(event)

    def server(self, event: Event) -> None:
        body = event.get("error") or {}
        if body.get("event_id") and body["code"] == "conversation_already_has_active_response":
            body["event_id"] = self.first
        self.to_client(event)


# --- cancels


@found_as("cancel-target", "cancel-race")
class CancelsReachWhateverRuns(Bend):
    """As speech-to-speech."""

    def client(self, event: Event) -> None:
        if event["type"] == "response.cancel":
            event.pop("response_id", None)
        self.to_server(event)


@found_as("cancel-target", "cancel-nothing")
class CancelsAreIgnored(Bend):
    def client(self, event: Event) -> None:
        if event["type"] != "response.cancel":
            self.to_server(event)


@found_as("cancel-nothing")
class CancelsOfNothingAreSilent(Bend):
    def server(self, event: Event) -> None:
        if (event.get("error") or {}).get("code") != "response_cancel_not_active":
            self.to_client(event)


# --- creates


@found_as("out-of-band")
class NothingIsOutOfBand(Bend):
    def client(self, event: Event) -> None:
        if is_create(event) and params(event).get("conversation") == "none":
            self.to_client(error(event, "unknown_parameter"))
        else:
            self.to_server(event)


@found_as("out-of-band")
class OutOfBandIsRemembered(Bend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.items: set[str] = set()

    def server(self, event: Event) -> None:
        self.to_client(event)
        beside = event.get("response_id") != self.alive
        if event["type"] == "response.output_item.added" and beside:
            self.items.add(event["item"]["id"])

    def client(self, event: Event) -> None:
        if event["type"] == "conversation.item.retrieve" and event["item_id"] in self.items:
            item = {"id": event["item_id"], "type": "message"}
            self.to_client({"type": "conversation.item.retrieved", "item": item})
        else:
            self.to_server(event)


@found_as("input-references")
class InputIsIgnored(Bend):
    def client(self, event: Event) -> None:
        if is_create(event):
            params(event).pop("input", None)
        self.to_server(event)


@found_as("metadata")
class MetadataInCreatedAlone(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "response.done":
            event["response"]["metadata"] = None
        self.to_client(event)


@found_as("metadata")
class MetadataIsCut(Bend):
    def client(self, event: Event) -> None:
        if is_create(event) and len(params(event).get("metadata") or {}) > 16:
            kept = [(k, v) for k, v in params(event)["metadata"].items() if k == "conform"]
            params(event)["metadata"] = dict(kept)
        self.to_server(event)


@found_as()
class NoLimitOfTokens(Bend):
    """Nothing deviates that is asked about, and a note says it."""

    def client(self, event: Event) -> None:
        if is_create(event) and "max_output_tokens" in params(event):
            self.to_client(error(event, "unknown_parameter"))
        else:
            self.to_server(event)


# --- ends


@found_as("cut-item", "failed-item")
class CutItemsAreCompleted(Bend):
    def server(self, event: Event) -> None:
        for each in walk(event):
            if each.get("status") == "incomplete":
                each["status"] = "completed"
        self.to_client(event)


@found_as("unbilled")
class FailuresCost(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "response.done" and event["response"]["status"] == "failed":
            event["response"]["usage"] = {"total_tokens": 40}
        self.to_client(event)


@found_as("call-output")
class OutputsAreRefused(Bend):
    def client(self, event: Event) -> None:
        item = event.get("item") or {}
        if item.get("type") == "function_call_output" and item["call_id"] != "call_nobody_made":
            self.to_client(error(event, "invalid_value"))
        else:
            self.to_server(event)


# --- items


@found_as("previous-item")
class PlacesAreIgnored(Bend):
    def client(self, event: Event) -> None:
        event.pop("previous_item_id", None)
        self.to_server(event)


@found_as("previous-item")
class LostPlacesAreTheEnd(Bend):
    """An unknown place is an error, and the item is added all the same."""

    def client(self, event: Event) -> None:
        if event.get("previous_item_id") == "item_nobody_made":
            self.to_client(error(event, "item_create_invalid_previous_item_id"))
            event.pop("previous_item_id")
        self.to_server(event)


@found_as("previous-item-code", "duplicate-item")
class ErrorsOfItemsHaveNoCode(Bend):
    def server(self, event: Event) -> None:
        body = event.get("error") or {}
        if str(body.get("code")).startswith("item_create"):
            body["code"] = None
        self.to_client(event)


@found_as("item-confirmed")
class IdsAreReplaced(Bend):
    def server(self, event: Event) -> None:
        if event["type"].startswith("conversation.item."):
            for each in walk(event):
                for name in ("id", "item_id", "previous_item_id"):
                    if str(each.get(name)).startswith("conform_"):
                        each[name] = f"msg_{each[name]}"
        self.to_client(event)


@found_as("assistant-audio")
class AssistantAudioIsTaken(Bend):
    def client(self, event: Event) -> None:
        for each in walk(event.get("item")):
            if each.get("type") == "output_audio":
                each.update({"type": "output_text", "text": "(audio)"})
                del each["audio"]
        self.to_server(event)


@found_as("unknown-item")
class DeletesOfNothingAreConfirmed(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "conversation.item.delete" and event["item_id"] == "item_nobody_made":
            self.to_client({"type": "conversation.item.deleted", "item_id": event["item_id"]})
        else:
            self.to_server(event)


# --- truncation


@found_as("unknown-item")
class TruncationIsIgnored(Bend):
    """As speech-to-speech: then nothing can be said of its bounds."""

    def client(self, event: Event) -> None:
        if event["type"] != "conversation.item.truncate":
            self.to_server(event)


@found_as("truncate-integer")
class TruncationRounds(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "conversation.item.truncate":
            event["audio_end_ms"] = int(event["audio_end_ms"] or 0)
        self.to_server(event)


@found_as("truncate-text")
class TruncationLeavesTheWords(Bend):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.words: dict[str, Event] = {}

    def server(self, event: Event) -> None:
        if event["type"] == "conversation.item.retrieved":
            event["item"] = self.words.setdefault(event["item"]["id"], event["item"])
        self.to_client(event)


@found_as("truncate-message")
class RefusedCutsSayNothing(Bend):
    def server(self, event: Event) -> None:
        body = event.get("error") or {}
        if "already shorter" in str(body.get("message")):
            body["message"] = "Invalid value."
        self.to_client(event)


@found_as("after-truncate")
class WhatComesLaterIsRemembered(Bend):
    words = ""

    def server(self, event: Event) -> None:
        if event["type"] == "conversation.item.retrieved" and self.alive:
            self.words += " more"
            for part in event["item"].get("content") or ():
                part["transcript"] = f"{part.get('transcript')}{self.words}"
        self.to_client(event)


@found_as("deleted-open")
class OpenItemsStay(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "conversation.item.delete" and self.alive:
            self.to_client(error(event, "item_in_use"))
        else:
            self.to_server(event)


@found_as("deleted-open")
class DeletingEndsTheResponse(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "conversation.item.delete" and self.alive:
            self.to_server({"type": "response.cancel"})
        self.to_server(event)


# --- the session


class Forgives(Bend):
    """Takes an update without what it would refuse."""

    path: tuple[str, ...] = ()

    def refuses(self, value: Any) -> bool:
        return True

    def client(self, event: Event) -> None:
        if event["type"] == "session.update":
            *way, last = self.path
            into: Any = event["session"]
            for key in way:
                into = into.get(key) if isinstance(into, dict) else None
            if isinstance(into, dict) and last in into and self.refuses(into[last]):
                del into[last]
        self.to_server(event)


@found_as("value-ranges")
class AnyLimitIsTaken(Forgives):
    path = ("max_output_tokens",)

    def refuses(self, value: Any) -> bool:
        return bool(value == 0)


@found_as("value-ranges")
class RefusedUpdatesAreAppliedInPart(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "session.update" and event["session"].get("max_output_tokens") == 0:
            words = {"type": "realtime", "instructions": event["session"]["instructions"]}
            self.to_server({"type": "session.update", "session": words})
        self.to_server(event)


@found_as("voice-locked")
class VoicesChange(Bend):
    def client(self, event: Event) -> None:
        output = ((event.get("session") or {}).get("audio") or {}).get("output") or {}
        output.pop("voice", None)
        self.to_server(event)


@found_as("model-fixed")
class ModelsChange(Bend):
    model: str | None = None

    def client(self, event: Event) -> None:
        self.model = (event.get("session") or {}).get("model") or self.model
        self.to_server(event)

    def server(self, event: Event) -> None:
        if event["type"] == "session.updated" and self.model:
            event["session"]["model"] = self.model
        self.to_client(event)


@found_as("tracing-fixed")
class TracingChanges(Forgives):
    path = ("tracing",)

    def refuses(self, value: Any) -> bool:
        return value is None


@found_as("speed-between-turns")
class SpeedChanges(Forgives):
    path = ("audio", "output", "speed")

    def refuses(self, value: Any) -> bool:
        return self.alive is not None


@found_as("session-type")
class TypesChange(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "session.update":
            event["session"]["type"] = "realtime"
        self.to_server(event)


@found_as("update-partial")
class UpdatesReplaceAll(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "session.updated":
            event["session"]["instructions"] = self.words
        self.to_client(event)

    words: str | None = None

    def client(self, event: Event) -> None:
        if event["type"] == "session.update":
            self.words = event["session"].get("instructions", "")
        self.to_server(event)


@found_as("output-clear")
class OutputIsCleared(Bend):
    def client(self, event: Event) -> None:
        if event["type"] == "output_audio_buffer.clear":
            self.to_client({"type": "output_audio_buffer.cleared"})
        else:
            self.to_server(event)


@found_as()
class AudioCannotBeSet(Bend):
    """Of VAD nothing is claimed, and a note says it."""

    def client(self, event: Event) -> None:
        if "audio" in (event.get("session") or {}):
            self.to_client(error(event, "unknown_parameter"))
        else:
            self.to_server(event)


@found_as("first-event")
class NothingComesFirst(Bend):
    def server(self, event: Event) -> None:
        if event["type"] != "session.created":
            self.to_client(event)


# --- audio and VAD


@found_as("append")
class AppendsAreConfirmed(Bend):
    def client(self, event: Event) -> None:
        self.to_server(event)
        if event["type"] == "input_audio_buffer.append":
            self.to_client({"type": "input_audio_buffer.appended"})


@found_as("commit-empty")
class EmptyCommitsAreTaken(Bend):
    def server(self, event: Event) -> None:
        if (event.get("error") or {}).get("code") == "input_audio_buffer_commit_empty":
            event = {"type": "input_audio_buffer.committed", "item_id": "item_none"}
        self.to_client(event)


@found_as("commit-empty")
class ClearsAreSilent(Bend):
    def server(self, event: Event) -> None:
        if event["type"] != "input_audio_buffer.cleared":
            self.to_client(event)


@found_as("commit-only")
class CommitsAreAnswered(Bend):
    def client(self, event: Event) -> None:
        self.to_server(event)
        if event["type"] == "input_audio_buffer.commit":
            self.to_server({"type": "response.create", "response": {}})


@found_as("transcription")
class NoTranscripts(Bend):
    def server(self, event: Event) -> None:
        if "input_audio_transcription" not in event["type"]:
            self.to_client(event)


class Detects(Bend):
    """VAD with a flag that does not follow the client."""

    flags: ClassVar[Event] = {}

    def client(self, event: Event) -> None:
        audio = (event.get("session") or {}).get("audio") or {}
        vad = (audio.get("input") or {}).get("turn_detection")
        if vad:
            vad.update(self.flags)
        self.to_server(event)


@found_as("vad-interrupts", "interrupt-before-created")
class SpeechInterruptsNothing(Detects):
    flags: ClassVar[Event] = {"interrupt_response": False}


@found_as("vad-commits")
class SpeechIsAlwaysAnswered(Detects):
    flags: ClassVar[Event] = {"create_response": True}


@found_as("vad-creates")
class SpeechIsNeverAnswered(Detects):
    """That it loses no create then is no deviation of its own: there is none."""

    flags: ClassVar[Event] = {"create_response": False}


@found_as("vad-commits")
class SpeechHasSeveralIds(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.speech_stopped":
            event["item_id"] = "item_other"
        self.to_client(event)


@found_as("commit-in-speech")
class VadCommitsAsWell(Bend):
    speaking = False

    def client(self, event: Event) -> None:
        if event["type"] == "input_audio_buffer.commit" and self.speaking:
            self.to_client({"type": "input_audio_buffer.committed", "item_id": "item_mine"})
        else:
            self.to_server(event)

    def server(self, event: Event) -> None:
        if event["type"].startswith("input_audio_buffer.speech"):
            self.speaking = event["type"].endswith("started")
        self.to_client(event)


@found_as("vad-loses")
class WhatWasLostIsMadeUpFor(Bend):
    """As speech-to-speech: VAD's response comes once the running one has ended."""

    owed = False

    def server(self, event: Event) -> None:
        body = event.get("error") or {}
        if body.get("code", "").startswith("conversation_already") and not body["event_id"]:
            self.owed = True
            return
        self.to_client(event)
        if event["type"] == "response.done" and self.owed:
            self.owed = False
            self.to_server({"type": "response.create", "response": {}})


@found_as()
class DeafVad(Bend):
    """Nothing is claimed of what was not heard."""

    detects = False

    def client(self, event: Event) -> None:
        audio = (event.get("session") or {}).get("audio") or {}
        if "turn_detection" in (audio.get("input") or {}):
            self.detects = audio["input"]["turn_detection"] is not None
        if event["type"] != "input_audio_buffer.append" or not self.detects:
            self.to_server(event)


# --- errors and frames


@found_as("error-link", "conflict-link")
class ErrorsNameNothing(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "error":
            event["error"]["event_id"] = None
        self.to_client(event)


@found_as("bad-event")
class UnknownEventsAreIgnored(Bend):
    def client(self, event: Event) -> None:
        if event["type"] != "no.such.event":
            self.to_server(event)


@found_as("bad-event")
class BrokenFramesEndIt(Bend):
    """As speech-to-speech."""

    def text(self, text: str) -> str | None:
        return None


@found_as("pong")
class NoPongs(Bend):
    pongs = False


@found_as("beta-names")
class OneOldName(Bend):
    def server(self, event: Event) -> None:
        if event["type"] == "conversation.item.added":
            event["type"] = "conversation.item.created"
        self.to_client(event)
