"""What the options of ``realtime-fsm simulate`` may be: checked before anything slow is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .._input import InputError, from_json, read_as

__all__ = ["PROFILES", "Profile", "check_profile", "checked", "parse_shard", "read_reports"]

Profile = Literal["none", "mild", "rough", "hostile", "compat"]
PROFILES: tuple[str, ...] = get_args(Profile)


def check_profile(value: str) -> Profile:
    """Return *value* if it is a profile. Raises :class:`InputError`."""
    if value not in PROFILES:
        raise InputError("--faults", value, f"one of {', '.join(PROFILES)}")
    return cast("Profile", value)


def parse_shard(value: str) -> tuple[int, int]:
    """Return (i, n) of ``i/n``, with 1 <= i <= n. Raises :class:`InputError`."""
    number, slash, count = value.partition("/")
    if not (slash and number.isdecimal() and count.isdecimal()):
        raise InputError("--shard", value, "i/n, as in 2/8")
    if not 1 <= int(number) <= int(count):
        raise InputError("--shard", value, "i/n with 1 <= i <= n")
    return int(number), int(count)


def checked(
    calls: int, faults: str, shard: str, jobs: int | None
) -> tuple[Profile, tuple[int, int]]:
    """Return the profile and the shard. Raises :class:`InputError` about any of these."""
    if calls < 1:
        raise InputError("--calls", calls, "at least 1")
    if jobs is not None and jobs < 1:
        raise InputError("--jobs", jobs, "at least 1")
    return check_profile(faults), parse_shard(shard)


def read_reports(files: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """Return the reports that are to be merged, by file. Raises :class:`InputError`."""
    if not files:
        raise InputError("--merge", None, "reports that --json printed")
    reports = {}
    for file in files:
        report = read_as(file, from_json)
        if not isinstance(report, dict):
            raise InputError("the report", report, "a JSON object", file=file)
        if str(file) in reports:
            raise InputError("--merge", str(file), "each report once")
        reports[str(file)] = report
    return reports
