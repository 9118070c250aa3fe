"""A test-suite of one's own: an agent's tests, without a key, a room or a microphone.

pip install "realtime-fsm[openai]" pytest hypothesis
pytest test_my_agent.py

The server is simulated, and time is virtual: a call of a minute takes milliseconds.
"""

from __future__ import annotations

from tools_and_handoff import Billing, Reception

from realtime_fsm.simulator import Dropped, Failed, FunctionCall, Message, Reply
from realtime_fsm.testing import check_all, simulated_call, virtual_time

FAILS = Reply(end=Failed("server_error"))
ASKS_FOR_HOURS = Reply([FunctionCall("opening_hours", {"day": "Monday"})])
TELLS_HOURS = Reply([Message("We open at nine.", seconds=1.2)])


@virtual_time
async def test_the_caller_hears_the_opening_hours_although_the_server_fails() -> None:
    script = [FAILS, ASKS_FOR_HOURS, FAILS, TELLS_HOURS]
    async with simulated_call(script, agent=Reception()) as call:
        await call.say("When do you open on Monday?", seconds=1.5)
        await call.idle()
        assert call.remembered[-1] == ("assistant", "We open at nine.")
        assert not call.errors
        check_all(call)


@virtual_time
async def test_what_the_model_did_as_livekit_tests_tell_it() -> None:
    """LiveKit's own assertions, on a call in which the first attempt and the connection are lost."""
    script = [FAILS, ASKS_FOR_HOURS, Reply(end=Dropped()), TELLS_HOURS]
    async with simulated_call(script, agent=Reception()) as call:
        result = await call.session.run(user_input="When do you open on Monday?")
        result.expect.next_event().is_function_call(
            name="opening_hours", arguments={"day": "Monday"}
        )
        result.expect.next_event().is_function_call_output(output="nine to six")
        result.expect.next_event().is_message(role="assistant")
        result.expect.no_more_events()


@virtual_time
async def test_the_colleague_who_takes_over_greets_although_her_first_reply_fails() -> None:
    script = [
        Reply([FunctionCall("to_billing")]),
        FAILS,
        Reply([Message("I put you through.", seconds=0.8)]),
        FAILS,
        Reply([Message("Billing. What is the number of your bill?", seconds=2.0)]),
    ]
    async with simulated_call(script, agent=Reception()) as call:
        await call.say("My bill is wrong.", seconds=1.0)
        await call.idle()
        assert isinstance(call.session.current_agent, Billing)
        assert call.remembered[-1] == ("assistant", "Billing. What is the number of your bill?")
        check_all(call)


@virtual_time
async def test_a_failure_that_lasts_is_told() -> None:
    """Four failures are one more than the policy retries: the application is told, the call goes on."""
    async with simulated_call([FAILS] * 4 + [TELLS_HOURS], agent=Reception()) as call:
        handle = call.session.generate_reply(user_input="When do you open?")
        await call.idle()
        assert handle.exception() is not None
        assert len(call.errors) == 1
        await call.say("Hello?", seconds=0.5)
        await call.idle()
        assert call.remembered[-1] == ("assistant", "We open at nine.")
