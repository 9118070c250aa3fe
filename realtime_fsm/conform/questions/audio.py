"""The input buffer without server VAD: append, commit, clear, transcripts."""

from __future__ import annotations

from collections.abc import Mapping

from ...simulator import rules
from ..errors import describe
from ..known import Unjudged
from ..question import asks
from ..speech import silence, speech
from ..talk import Talk

_COMMIT = "input_audio_buffer.commit"
_TRANSCRIPT = "conversation.item.input_audio_transcription"


@asks(rules.APPEND)
async def append(talk: Talk) -> None:
    """A fifth of a second of silence."""
    at = talk.mark()
    await talk.play(silence(200), at_once=True)
    await talk.fence()
    came = [s for s in talk.frames[at:] if s.by == "server" and not s.fence]
    error = next((seen.event for seen in came if seen.type == "error"), None)
    if error is not None:
        talk.deviates(rules.APPEND, f"refused: {describe(error)}")
    elif came:
        talk.deviates(rules.APPEND, f"confirmed by {came[0].type}")
    else:
        talk.kept(rules.APPEND, "not confirmed (the limit of 15 MiB was not tried)")


@asks(rules.COMMIT_EMPTY)
async def commit_empty(talk: Talk) -> None:
    """A commit of nothing, and of a twentieth of a second; after a clear, which is answered."""
    rule = rules.COMMIT_EMPTY
    cleared = await talk.ask("input_audio_buffer.clear")
    nothing = await talk.ask(_COMMIT)
    if not talk.refused(rule, nothing, "a commit of nothing"):
        return
    await talk.play(silence(50), at_once=True)
    little = await talk.ask(_COMMIT)
    if not talk.refused(rule, little, "a commit of 50 ms"):
        return
    if cleared.error is not None or cleared.first("input_audio_buffer.cleared") is None:
        said = describe(cleared.error) if cleared.error is not None else "not answered"
        talk.deviates(rule, f"a clear of the empty buffer is {said}")
    else:
        talk.kept(rule, describe(nothing.error))


@asks(rules.COMMIT_ONLY, speech=1.3)
async def commit_only(talk: Talk) -> None:
    """Speech that the client commits."""
    rule = rules.COMMIT_ONLY
    await talk.play(speech(), at_once=True)
    heard = await talk.ask(_COMMIT)
    await talk.until(lambda: talk.find("input_audio_buffer.committed") or heard.error or None)
    committed = talk.find("input_audio_buffer.committed")
    if committed is None:
        said = describe(heard.error) if heard.error is not None else "not answered"
        talk.deviates(rule, f"a commit of 1.3 s of speech is {said}")
        return
    await talk.quiet()
    added = [e for e in talk.all("conversation.item.added")
             if isinstance(e.get("item"), Mapping)
             and e["item"].get("id") == committed.get("item_id")]  # fmt: skip
    if talk.find("response.created") is not None:
        talk.deviates(rule, "a response was created that nobody asked for")
    elif not added:
        talk.deviates(rule, "it is committed, and its item is not added under the id that it names")
    else:
        talk.kept(rule, "an item, and no response")
    await talk.finish()


@asks(rules.TRANSCRIPTION, speech=1.3)
async def transcription(talk: Talk) -> None:
    """Speech, committed, with transcription switched on."""
    rule = rules.TRANSCRIPTION
    heard = await talk.update(
        audio={"input": {"transcription": {"model": "whisper-1"}, "turn_detection": None}}
    )
    if heard.error is not None:
        raise Unjudged(f"no transcription: {describe(heard.error)}")
    await talk.play(speech(), at_once=True)
    await talk.send(_COMMIT)
    end = await talk.until(
        lambda: talk.find(f"{_TRANSCRIPT}.completed", f"{_TRANSCRIPT}.failed") or talk.find("error")
    )
    if end is None:
        talk.deviates(rule, f"no transcript within {talk.known.pace.patience:g} s, nor its failure")
    elif end["type"] == "error":
        talk.deviates(rule, f"an error in its place: {describe(end)}")
    elif talk.find("conversation.item.added", "conversation.item.done") is None:
        talk.deviates(rule, "the transcript came without the item it belongs to")
    else:
        deltas = len(talk.all(f"{_TRANSCRIPT}.delta"))
        how = f"in {deltas} deltas" if deltas else "whole"
        failed = " (it failed)" if end["type"].endswith("failed") else ""
        talk.kept(rule, f"it came by itself, {how}{failed}")
