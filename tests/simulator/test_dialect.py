"""The beta dialect, in virtual time and with LiveKit's plugin in Azure mode."""

from __future__ import annotations

from typing import Any

import pytest
from livekit.agents import llm
from livekit.plugins import openai

from realtime_fsm import simulator as sim

HELLO = sim.Message("one two three four", seconds=0.4)
CALL = sim.FunctionCall("f", {"q": 1}, call_id="call_x")
BETA = sim.ServerConfig(dialect="beta")


def connect(*replies: sim.Reply) -> sim.VirtualConnection:
    return sim.VirtualConnection(sim.Script(replies), BETA)


def checked(connection: sim.VirtualConnection) -> None:
    problems = {
        e["type"]: p for e in connection.events() if (p := sim.server_event_problems(e, "beta"))
    }
    assert problems == {}


@pytest.mark.parametrize("modalities", [["audio", "text"], ["text"]])
@pytest.mark.parametrize(
    "end", [None, sim.Failed("server_error", at=sim.END), sim.Incomplete("content_filter")]
)
def test_every_event_has_the_beta_type(modalities: list[str], end: Any) -> None:
    connection = connect(sim.Reply([HELLO, CALL], **({"end": end} if end else {})))
    connection.send("response.create", response={"modalities": modalities})
    connection.run()
    checked(connection)
    assert connection.done["modalities"] == modalities
    assert not [t for t in connection.types() if "output_audio" in t or "output_text" in t]
    if end is None or isinstance(end, sim.Failed):
        part = connection.done["output"][0]["content"][0]
        assert part["type"] == ("audio" if "audio" in modalities else "text")
        assert connection.events("conversation.item.created")


def test_the_session_is_flat() -> None:
    connection = connect()
    assert connection.types() == ["session.created", "conversation.created"]
    connection.send(
        "session.update",
        session={
            "modalities": ["text"],
            "voice": "verse",
            "instructions": "Be brief.",
            "turn_detection": None,
            "input_audio_format": "g711_ulaw",
            "input_audio_transcription": {"model": "whisper-1"},
            "max_response_output_tokens": 100,
            "temperature": 0.8,
        },
    )
    session = connection.events("session.updated")[0]["session"]
    assert (session["modalities"], session["voice"], session["turn_detection"]) == (
        ["text"],
        "verse",
        None,
    )
    assert (session["input_audio_format"], session["output_audio_format"]) == ("g711_ulaw", "pcm16")
    assert session["max_response_output_tokens"] == 100
    assert connection.core.session["audio"]["input"]["transcription"] == {"model": "whisper-1"}
    checked(connection)


def test_items_and_parameters_have_the_beta_names() -> None:
    connection = connect(sim.Reply([HELLO]))
    content = [{"type": "text", "text": "Hi"}]
    item = {"type": "message", "role": "assistant", "content": content}
    connection.send("conversation.item.create", item=item)
    assert connection.events("conversation.item.created")[0]["item"]["content"] == content
    params = {"voice": "verse", "max_response_output_tokens": 7}
    connection.send("response.create", response=params)
    connection.run()
    assert connection.done["max_output_tokens"] == 7
    checked(connection)
    connection.send("response.create", event_id="c", response={"output_modalities": ["text"]})
    assert (connection.error["code"], connection.error["param"]) == (
        "unknown_parameter",
        "response.output_modalities",
    )


def test_speech_has_the_beta_names() -> None:
    connection = connect(sim.Reply([HELLO]))
    transcription = {"model": "whisper-1"}
    connection.send("session.update", session={"input_audio_transcription": transcription})
    connection.speak("Hello?")
    connection.run()
    assert connection.done["status"] == "completed"
    checked(connection)


async def test_livekits_plugin_in_azure_mode() -> None:
    fast = sim.ServerConfig(dialect="beta", pace=0.0005, create_delay=0.0, cancel_delay=0.001)
    async with sim.RealtimeServer(sim.Script([sim.Reply([HELLO, CALL])]), config=fast) as server:
        model = openai.realtime.RealtimeModel.with_azure(
            azure_deployment="realtime",
            api_key="x",
            base_url=server.url.removesuffix("/v1") + "/openai",
            api_version="2024-10-01-preview",
        )
        session = model.session()
        context = llm.ChatContext.empty()
        context.add_message(role="user", content="Hello?", id="u1")
        context.add_message(role="assistant", content="Hello!", id="a1")
        await session.update_chat_ctx(context)
        generation = await session.generate_reply(instructions="Say hello.")
        heard, said = 0.0, ""
        async for message in generation.message_stream:
            async for text in message.text_stream:
                said += text
            async for frame in message.audio_stream:
                heard += frame.duration
        calls = [call.arguments async for call in generation.function_stream]
        assert (round(heard, 3), said, calls) == (0.4, HELLO.text, ['{"q": 1}'])
        assert [item.text for item in server.conversation[:2]] == ["Hello?", "Hello!"]
        assert server.sent("session.update")[0]["session"]["voice"]
        assert not server.received("error"), "everything that the plugin sends is valid"
        await session.aclose()
        await model.aclose()
