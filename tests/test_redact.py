"""What may be told of a value that a server chose."""

from __future__ import annotations

import base64
import random
import string
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime_fsm._redact import known_message, named, plain, shown, without_keys

PLAIN = [
    "item_001",
    "resp_001",
    "event_12",
    "call_1",
    "turn_1",
    "item_n1",
    "item-0001",
    "conv_1",
    "speech_1a2b3c4d5e6f",
    "item_BqX3J9kLmN0pQrStUvWxY",
    "resp_CFx1k2j3h4g5f6d7s8a9q",
    "event_BqX3J9kLmN0pQrStUvWxY",
    "sess_BqX3J9kLmN0pQrStUvWxY",
    "call_AbCdEfGhIjKlMnOp",
    "resp_67ccd2bed1ec8190b14f964abc0542670bb6a6b452d3795b",
    "msg_67ccd3acc8d48190a77525dc6de64b4104becb25c45c1d41",
    "123e4567-e89b-12d3-a456-426614174000",
    "event_123e4567-e89b-12d3-a456-426614174000",
    "response_create_3f9a1b2c4d5e",
    "chat_ctx_delete_3f9a1b2c4d5e",
    "rfsm_over_123456789012",
    "conversation_already_has_active_response",
    "input_audio_buffer_commit_empty",
    "inference_rate_limit_exceeded",
    "invalid_api_key",
    "api_key_expired",
    "token_limit_exceeded",
    "RESOURCE_EXHAUSTED",
    "DeploymentNotFound",
    "429",
    "http_401",
    "response.output_audio.delta",
    "conversation.item.input_audio_transcription.completed",
    "something.new",
    "mcp_list_tools.in_progress",
    "APIConnectionError",
    "RealtimeModelError",
    "audio/pcm",
    "get_weather",
    "desk-1",
    "risk_level",
    "gpt-4o-realtime-preview-2024-12-17",
    "gpt-realtime-2025-08-28",
    "claude-3-5-sonnet-20241022",
    "models/gemini-2.5-flash-native-audio-preview-09-2025",
    "openai/gpt-realtime",
    "eleven_multilingual_v2",
    "livekit.plugins.openai.realtime.RealtimeModel",
    "a",
    "0",
]


HEX = "0123456789abcdef"
RANDOM = random.Random(7)


def drawn(size: int, letters: str = string.ascii_letters + string.digits) -> str:
    return "".join(RANDOM.choice(letters) for _ in range(size))


KEYS = {
    "OpenAI": f"sk-proj-{drawn(48)}",
    "short": "sk-secret",
    "ephemeral": f"ek_{drawn(30)}",
    "Anthropic": f"sk-ant-api03-{drawn(60)}",
    "Stripe": f"sk_live_{drawn(24)}",
    "Google": f"AIza{drawn(35)}",
    "Google OAuth": f"ya29.a0AfH6SMB{drawn(30)}",
    "Amazon": "AKIAIOSFODNN7EXAMPLE",
    "Amazon, secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "xAI": f"xai-{drawn(80)}",
    "GitHub": f"ghp_{drawn(36)}",
    "GitHub, fine-grained": f"github_pat_{drawn(60)}",
    "GitLab": f"glpat-{drawn(20)}",
    "Slack": "xoxb-123-456-abcdef",
    "Hugging Face": f"hf_{drawn(34)}",
    "Groq": f"gsk_{drawn(52)}",
    "Replicate": f"r8_{drawn(37)}",
    "Perplexity": f"pplx-{drawn(48, HEX)}",
    "NVIDIA": f"nvapi-{drawn(60)}",
    "SendGrid": f"SG.{drawn(22)}.{drawn(43)}",
    "Twilio": f"AC{drawn(32, HEX)}",
    "Azure": drawn(32, HEX),
    "Azure, new": drawn(84),
    "Deepgram": drawn(40, HEX),
    "LiveKit": drawn(43),
    "Mailgun": f"key-{drawn(32, HEX)}",
    "a vendor of tomorrow": f"zz-{drawn(40)}",
    "Bearer": "Bearer abcd1234",
    "JWT": f"eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.{drawn(43)}",
    "three parts": f"MTk4NjIyNDgzNDcx.Cl2FMQ.{drawn(27)}",
    "base64": base64.b64encode(RANDOM.randbytes(48)).decode(),
    "a card": "4929175583046610",
    "a telephone": "491701234567",
    "words": "I have a rash",
    "words without spaces": "我的密码是四二",
    "words and a key": "the key is swordfish",
    "password": "password:hunter2",
    "escape": "\x1b[31mred",
    "half a character": "item_\ud83d",
    "turned": "item_\u202egnp",
    "long": "a" * 200,
    "nothing": "",
}


@pytest.mark.parametrize("value", PLAIN)
def test_ordinary_ids_codes_and_names_are_told(value: str) -> None:
    assert plain(value)
    assert shown(value) == named(value) == value


@pytest.mark.parametrize("before", ["", "item_", "resp_", "event_", "call-", "code.", "x-", "a/"])
@pytest.mark.parametrize("name", KEYS)
def test_keys_tokens_and_words_are_not(name: str, before: str) -> None:
    """Nor behind a prefix."""
    value = before + KEYS[name]
    if value in ("item_", "resp_", "event_", "call-", "code.", "x-", "a/"):
        return  # a prefix alone is no secret
    assert named(value) is None
    assert shown(value) != value
    assert shown(value) == shown(value), "the same wherever it is"
    assert plain(shown(value)), "and stays what it is"
    assert KEYS[name][:6] not in shown(value) or not KEYS[name]


@given(st.text(max_size=60))
def test_what_is_told_is_safe_to_print(value: str) -> None:
    for told in (shown(value), named(value) or ""):
        assert told.isascii()
        assert told == "" or told.isprintable()
        assert len(told) <= 96


@pytest.mark.parametrize("before", ["", "code.", "x_"])
@pytest.mark.parametrize(("size", "most"), [(16, 40), (20, 20), (32, 2)])
def test_what_is_drawn_at_random_is_hardly_ever_told(before: str, size: int, most: int) -> None:
    """Letters alone may look like words, now and then: of 2000 so many at most."""
    drawn_at_random = [drawn(size) for _ in range(1_000)] + [drawn(size, HEX) for _ in range(1_000)]
    assert sum(plain(before + each) for each in drawn_at_random) <= most


def test_uuids_are_told() -> None:
    for _ in range(200):
        assert plain(str(uuid.uuid4()))
        assert plain(f"item_{uuid.uuid4()}")


def test_other_things_than_texts() -> None:
    assert named(None) is None
    assert named(7) is None
    assert shown(None) == "NoneType"


def test_a_message_is_known_as_a_whole() -> None:
    """Not by its beginning: what follows may quote anything."""
    conflict = "Conversation already has an active response in progress: resp_1."
    end = " Wait until the response is finished before creating a new one."
    for known in (conflict, conflict + end, "Cancellation failed: no active response found"):
        assert known_message(known) == known
        assert known_message(f"{known} I have a rash") is None
        assert known_message(f"{known}\nI have a rash") is None
    secret = conflict.replace("resp_1", KEYS["OpenAI"])
    assert known_message(secret) is None
    assert known_message("The server had an error while processing your request: my rash") is None
    assert known_message(None) is None


def test_words_lose_their_keys_alone() -> None:
    for name, key in KEYS.items():
        if " " in key or not key.isascii() or len(key) < 16 or name in ("long", "a card"):
            continue
        told = without_keys(f"Take {key}, and item_BqX3J9kLmN0pQrStUvWxY of it.")
        assert told.startswith("Take ")
        assert key not in told
        assert "item_BqX3J9kLmN0pQrStUvWxY of it." in told
    said = "Donaudampfschifffahrt: the secret of https://example.com/docs/getting-started-with-it, 10%."
    assert without_keys(said) == said
    assert without_keys("w" * 30_000) == "w" * 30_000
