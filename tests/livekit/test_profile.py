"""Which profile a controlled model has."""

from __future__ import annotations

from typing import Any

import pytest
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel
from realtime_fsm.profiles import CAREFUL, Profile, shipped


def inner(**options: Any) -> Any:
    return openai.realtime.RealtimeModel(api_key="x", **options)


def test_a_server_is_known_by_the_host_of_its_url() -> None:
    assert ControlledRealtimeModel(inner()).profile == shipped()["openai"]
    xai = inner(base_url="https://api.x.ai/v1")
    assert ControlledRealtimeModel(xai).profile == shipped()["xai"]
    azure = openai.realtime.RealtimeModel.with_azure(
        azure_deployment="d", azure_endpoint="https://a.openai.azure.com", api_key="x"
    )
    assert ControlledRealtimeModel(azure).profile == shipped()["azure"]


def test_of_an_unknown_server_nothing_is_believed() -> None:
    model = ControlledRealtimeModel(inner(base_url="http://127.0.0.1:8765/v1"))
    assert model.profile is CAREFUL
    assert not model.profile.traits().metadata_echo


def test_a_profile_may_be_named_or_given() -> None:
    own = Profile(name="own", title="Our gateway")
    assert ControlledRealtimeModel(inner(), profile=own).profile is own
    assert ControlledRealtimeModel(inner(), profile="vllm-omni").profile.name == "vllm-omni"


@pytest.mark.parametrize(("wrong", "error"), [("no-such", ValueError), (7, TypeError)])
def test_what_is_no_profile_is_refused(wrong: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="profile must be"):
        ControlledRealtimeModel(inner(), profile=wrong)
