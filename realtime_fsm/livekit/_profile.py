"""Which profile the server of a model has."""

from __future__ import annotations

from livekit.agents import llm

from ..profiles import Profile, pick, shipped

__all__ = ["resolve"]


def resolve(profile: Profile | str, inner: llm.RealtimeModel) -> Profile:
    """Return the profile that is meant; ``"auto"`` goes by the host of the model's URL.

    Raises:
        TypeError: It is neither a profile nor a name.
        ValueError: No profile has that name.
    """
    if isinstance(profile, Profile):
        return profile
    if not isinstance(profile, str):
        raise TypeError(f"profile must be a Profile or a name, got {profile!r}")
    if profile == "auto":
        # The plugins of OpenAI's protocol give the host of their URL as the provider.
        return pick(str(inner.provider))
    if profile not in shipped():
        names = ", ".join(["auto", *shipped()])
        raise ValueError(f"profile must be one of {names}, or a Profile, got {profile!r}")
    return shipped()[profile]
