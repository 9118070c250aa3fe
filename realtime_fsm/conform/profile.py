"""The profile that a run found."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from ..profiles import Fact, Profile
from .result import Result

__all__ = ["profile_of"]


def profile_of(result: Result, name: str | None = None) -> Profile:
    """Return what was found as a profile: every rule that was judged, measured on that day."""
    host = urlsplit(result.url).hostname or "server"
    made = re.sub(r"[^a-z0-9]+", "-", (name or host).lower()).strip("-") or "server"
    asked = f"{result.url}, {result.model}" if result.model else result.url
    facts = {
        rule.id: Fact(
            rule=rule.id,
            value=answer.value,
            kept=answer.verdict == "kept",
            source="measured",
            reference=asked,
            date=result.date,
            version=result.version,
        )
        for rule, answer in result
        if answer.verdict != "not judged"
    }
    title = f"{host}, as realtime-fsm conform found it"
    return Profile(name=made, title=title, hosts=(host,), facts=facts)
