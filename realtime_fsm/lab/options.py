"""What options may be: checked before anything slow is imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .._input import CommandError, InputError, from_json, read_as
from .._output import check_writable

__all__ = [
    "PROFILES",
    "PROVIDERS",
    "Profile",
    "check_keep",
    "check_profile",
    "check_providers",
    "checked",
    "parse_shard",
    "read_reports",
]

Profile = Literal["none", "mild", "rough", "hostile", "compat"]
PROFILES: tuple[str, ...] = get_args(Profile)
#: As `realtime_fsm.testing.providers.FAKES` has them.
PROVIDERS = (
    *("openai", "openai-azure", "openai-azure-beta", "inference", "xai", "thunderphone"),
    *("azure", "google", "aws", "ultravox", "phonic", "nvidia"),
)
_KEPT = b'{"seed": '  # how a file of --keep begins


def check_profile(value: str) -> Profile:
    """Return *value* if it is a profile. Raises :class:`InputError`."""
    if value not in PROFILES:
        raise InputError("--faults", value, f"one of {', '.join(PROFILES)}")
    return cast("Profile", value)


def check_providers(names: Sequence[str]) -> None:
    """Raise :class:`InputError` for a name that there is no fake for."""
    for name in names:
        if name not in PROVIDERS:
            raise InputError("the provider", name, f"one of {', '.join(PROVIDERS)}")


def check_keep(path: Path) -> None:
    """Raise OSError or `CommandError` for a file that no calls can be kept in."""
    check_writable(path)
    if path.exists():
        with path.open("rb") as file:
            if not _KEPT.startswith(file.read(len(_KEPT))):
                raise CommandError(f"{path} holds no calls of simulate --keep")


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
