"""G27: an item that the server hangs up on is left out, and only such a one."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import pytest

from realtime_fsm.lab.scenarios import SCENARIOS
from realtime_fsm.livekit._conversation import Conversation
from realtime_fsm.simulator import Message, Reply, ServerConfig
from realtime_fsm.simulator.faults import At, BreakConnection, HangUp, Schedule
from realtime_fsm.testing import simulated_call, virtual_time
from realtime_fsm.testing.corpus._script import plan

CREATE = "conversation.item.create"


class Talk:
    """A conversation, its connections and what was told of its items."""

    def __init__(self) -> None:
        self.made: list[str] = []
        self.suspected: list[str] = []
        self.proven: list[str] = []
        self.conversation = Conversation(self._send)
        self.conversation.blame.on_suspected = self.suspected.append
        self.conversation.blame.on_proven = self.proven.append

    def _send(self, frame: dict[str, Any]) -> None:
        if frame["type"] == CREATE:
            self.made.append(frame["item"]["id"])

    def connects(self, *items: str, confirmed: int, asked: bool = False) -> None:
        """What a replay tells, and how much of it the server takes."""
        self.made.clear()
        for item_id in items:
            self.conversation.sent({"type": CREATE, "item": {"id": item_id}, "event_id": item_id})
        self.conversation.replayed([])
        if asked:
            self.conversation.sent({"type": "response.create"})
        self.conversation.answered()
        for item_id in items[:confirmed]:
            self.conversation.added(item_id)

    def drops(self) -> None:
        self.conversation.hung_up()
        self.conversation.connection_lost([])
        self.conversation.connection_lost([])  # a handshake that failed


def poisoned() -> Talk:
    talk = Talk()
    for _ in range(2):
        talk.connects("a", "poison", confirmed=1)
        talk.drops()
    assert talk.suspected == ["poison"]
    talk.connects("a", confirmed=1, asked=True)
    assert "poison" not in talk.made
    return talk


def test_g27_it_is_blamed_once_the_connection_goes_on_without_it() -> None:
    talk = poisoned()
    assert not talk.proven
    talk.conversation.created()
    talk.conversation.created()
    assert talk.proven == ["poison"]


def test_g27_it_comes_back_where_leaving_it_out_does_not_help() -> None:
    talk = poisoned()
    talk.drops()
    talk.connects("a", confirmed=0)
    assert talk.made == ["poison"]
    assert not talk.proven


def test_g27_it_is_told_once_more_to_a_later_connection_and_stays_if_that_takes_it() -> None:
    talk = poisoned()
    talk.conversation.created()
    talk.drops()
    talk.connects("a", confirmed=1)
    assert talk.made == ["poison"]
    talk.conversation.added("poison")
    for _ in range(3):
        talk.drops()
        talk.connects("a", "poison", confirmed=2)
    assert not talk.conversation.blame.out


def test_g27_it_is_left_out_for_good_if_that_connection_ends_at_it_too() -> None:
    talk = poisoned()
    talk.conversation.created()
    talk.drops()
    talk.connects("a", confirmed=1)
    for _ in range(3):
        talk.drops()
        talk.connects("a", confirmed=1)
        assert not talk.made
    assert talk.proven == ["poison"], "told once"


def test_g27_a_connection_that_was_told_it_all_the_same_is_no_trial() -> None:
    """The plugin connects again by itself as well, and tells all it knows."""
    talk = poisoned()
    talk.connects("a", "poison", confirmed=1)
    talk.drops()
    assert "poison" in talk.conversation.blame.out
    talk.connects("a", confirmed=1)
    talk.conversation.created()
    assert talk.proven == ["poison"]


def test_g27_a_connection_that_was_told_it_all_the_same_and_took_it_blames_nobody() -> None:
    talk = poisoned()
    talk.connects("a", "poison", confirmed=2)
    talk.conversation.created()
    assert not talk.proven
    talk.drops()
    assert not talk.conversation.blame.out


def test_g27_what_the_server_went_past_is_not_blamed() -> None:
    talk = Talk()
    for _ in range(4):
        talk.connects("a", "b", confirmed=0, asked=True)  # it confirms no items
        talk.conversation.created()
        talk.drops()
    assert not talk.suspected


def test_g27_what_a_server_took_before_is_not_blamed() -> None:
    talk = Talk()
    talk.connects("a", "b", confirmed=2)
    for _ in range(4):
        talk.drops()
        talk.connects("a", "b", confirmed=1)
    assert not talk.suspected


@pytest.mark.parametrize(("size", "blamed"), [(100, False), (20_000, True)])
def test_g27_the_first_item_of_all_is_blamed_if_it_is_large(size: int, blamed: bool) -> None:
    talk = Talk()
    item = {"id": "a", "content": [{"type": "input_text", "text": "x" * size}]}
    for _ in range(2):
        talk.conversation.sent({"type": CREATE, "item": item, "event_id": "a"})
        talk.conversation.answered()
        talk.drops()
    assert bool(talk.suspected) is blamed


def test_g27_a_connection_that_answered_nothing_says_nothing() -> None:
    talk = Talk()
    for _ in range(4):
        talk.conversation.sent({"type": CREATE, "item": {"id": "a"}, "event_id": "a"})
        talk.drops()
    assert not talk.suspected


def test_g27_drops_at_random_moments_take_no_item_away() -> None:
    """Chance may put two in a row at an item that no server took yet; it is back with the next one."""
    for seed in range(300):
        rng, talk = random.Random(seed), Talk()
        items = [f"i{n}" for n in range(rng.randint(1, 6))]
        for _ in range(rng.randint(1, 12)):
            talk.connects(*(i for i in items if i not in talk.conversation.blame.out), confirmed=0)
            told = [i for i in items if i not in talk.conversation.blame.out]
            for item_id in told[: rng.randint(0, len(told))]:
                talk.conversation.added(item_id)
            talk.drops()
        for _ in range(2):
            told = [i for i in items if i not in talk.conversation.blame.out]
            talk.connects(*told, confirmed=len(told))
            for item_id in talk.made:
                talk.conversation.added(item_id)
            talk.conversation.created()
            talk.drops()
        assert not talk.conversation.blame.out, seed


@virtual_time
async def test_g27_connections_that_end_whatever_they_are_told_blame_nobody(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config: ServerConfig = plan(SCENARIOS["k"]).config
    async with simulated_call([], config=config, turn_detection=None, check=False) as call:
        call.session.generate_reply(user_input="Where is my parcel?")
        await asyncio.sleep(60.0)
        assert not call.closed
        assert not [e for e in call.errors if "left out" in str(e.error)]
    assert not [r for r in caplog.records if "left out" in r.message]


@virtual_time
async def test_g27_what_follows_the_push_of_such_an_item_is_answered() -> None:
    """openai-agents-js#501. The first connections after it are the plugin's own."""
    replies = [Reply([Message(f"Answer {n}.", seconds=0.5)]) for n in range(3)]
    async with simulated_call(replies, config=ServerConfig(largest_frame=20_000)) as call:
        await call.say("Hi.")
        await call.idle()
        agent = call.session.current_agent
        asked = agent.chat_ctx.copy()
        asked.add_message(role="user", content="A long text. " * 2_000)
        await agent.update_chat_ctx(asked)
        await call.session.generate_reply()
        assert len(call.sink.segments) == 2
        assert any("left out" in str(e.error) for e in call.errors)


@virtual_time
@pytest.mark.parametrize("seed", range(12))
async def test_g27_replays_that_are_dropped_keep_their_items(seed: int) -> None:
    """G16, with the real plugin: what a random drop in the replay takes is told again."""
    rng = random.Random(seed)
    fault = rng.choice((HangUp, BreakConnection))
    drops = [
        fault(
            At(
                rng.choice((CREATE, "response.create")),
                rng.randint(1, 3),
                side="client",
                connection=n,
            )
        )
        for n in (2, 3)
    ]
    replies = [Reply([Message(f"Answer {n}.", seconds=0.5)]) for n in range(6)]
    config = ServerConfig(faults=Schedule(drops))
    async with simulated_call(replies, config=config, turn_detection=None, check=False) as call:
        for n in range(3):
            await call.session.generate_reply(user_input=f"Question {n}?")
        call.server.drop()
        await call.session.generate_reply(user_input="Question 3?")
        await call.session.generate_reply(user_input="Question 4?")
        texts = [item.text for item in call.server.conversation]
        assert [t for t in texts if t.startswith("Question")] == [
            f"Question {n}?" for n in range(5)
        ]
        assert not [e for e in call.errors if "left out" in str(e.error)]
