"""Adds up calls, merges runs, and says in words what came out. A report is one JSON object."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..._input import InputError
from .judge import FATES
from .run import CallResult
from .waiting import bins_of, percentile

__all__ = ["describe", "merge", "shards_of", "summarize"]

_SHOWN = 10  # bad calls that are named in the text

# These say what was run; runs that differ in one of them cannot be added up.
_SAME = ("seed", "faults", "mode", "planned")
_ADDED = (
    "calls", "turns", *FATES, "lost_after_error", "violations", "collisions", "hangs", "crashes",
    "history_mismatches", "differences",
    "repeated_words", "simulated_ms",
)  # fmt: skip


def summarize(
    results: Iterable[CallResult],
    *,
    seed: int,
    faults: str,
    plain: bool,
    planned: int,
    shard: tuple[int, int] = (1, 1),
    wall_seconds: float = 0.0,
) -> dict[str, Any]:
    """Return the report of the calls of one shard. The same calls give the same report in any
    order, *wall_seconds* apart.
    """
    calls = sorted(results, key=lambda result: result.seed)
    fates: Counter[str] = Counter()
    for call in calls:
        fates.update(call.fates)
    counts = {
        "calls": len(calls),
        "turns": sum(fates.values()),
        **{fate: fates[fate] for fate in FATES},
        "lost_after_error": sum(call.lost_after_error for call in calls),
        "violations": sum(call.violations for call in calls),
        "collisions": sum(call.collisions for call in calls),
        "hangs": sum(call.hang for call in calls),
        "crashes": sum(bool(call.crash) for call in calls),
        "history_mismatches": sum(call.mismatches for call in calls),
        "differences": sum(call.differences for call in calls),
        "repeated_words": sum(call.repeated for call in calls),
        "simulated_ms": sum(call.simulated_ms for call in calls),
    }
    return _finished(
        {
            "seed": seed,
            "faults": faults,
            "mode": "plain" if plain else "controlled",
            "planned": planned,
            "shards": [f"{shard[0]}/{shard[1]}"],
            **counts,
            "broken": _added(call.broken for call in calls),
            "longest_silence_ms": max((call.silence_ms for call in calls), default=0),
            "first_audio_bins": bins_of(ms for call in calls for ms in call.first_audio_ms),
            "bad_calls": [{"seed": call.seed, "why": list(call.why)} for call in calls if call.bad],
            "wall_seconds": round(wall_seconds, 3),
        }
    )


def merge(reports: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Return the report of the run whose shards these are, by the names of their files.

    Seconds of the wall clock are those of the slowest. Raises :class:`InputError` when they are not
    shards of one run, or one is given twice.
    """
    if not reports:
        raise InputError("--merge", None, "reports that --json printed")
    (first_name, first), *others = reports.items()
    for name, report in reports.items():
        missing = [
            key for key in (*_SAME, *_ADDED, "broken", "shards", "bad_calls") if key not in report
        ]
        if missing:
            raise InputError(missing[0], None, "a report of simulate --json", file=name)
    for name, other in others:
        for key in _SAME:
            if other[key] != first[key]:
                expected = f"{first[key]!r} as in {first_name}"
                raise InputError(key, other[key], expected, file=name)
    shards = shards_of(reports)
    bins: Counter[str] = Counter()
    for report in reports.values():
        bins.update(report["first_audio_bins"])
    bad = sorted(
        (call for report in reports.values() for call in report["bad_calls"]),
        key=lambda call: call["seed"],
    )
    return _finished(
        {
            **{key: first[key] for key in _SAME},
            "shards": shards,
            **{key: sum(report[key] for report in reports.values()) for key in _ADDED},
            "broken": _added(report["broken"] for report in reports.values()),
            "longest_silence_ms": max(r["longest_silence_ms"] for r in reports.values()),
            "first_audio_bins": dict(bins),
            "bad_calls": bad,
            "wall_seconds": max(report["wall_seconds"] for report in reports.values()),
        }
    )


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return {name: total[name] for name in sorted(total, key=lambda name: int(name[1:]))}


def shards_of(reports: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return which shards there are; all of them are the whole, ``1/1``."""
    found: dict[tuple[int, int], str] = {}
    for name, report in reports.items():
        for shard in report["shards"]:
            i, _, n = str(shard).partition("/")
            key = (int(n), int(i))
            if key in found:
                expected = f"one that is not in {found[key]} already"
                raise InputError("shard", shard, expected, file=name)
            if any(known[0] != key[0] for known in found):
                expected = "one of the same division as the others"
                raise InputError("shard", shard, expected, file=name)
            found[key] = name
    count = next(iter(found))[0]
    if len(found) == count:
        return ["1/1"]
    return [f"{number}/{count}" for count, number in sorted(found)]


def _finished(report: dict[str, Any]) -> dict[str, Any]:
    """Put what follows from the other figures in, and all of it in a fixed order."""
    bins = {int(ms): n for ms, n in report["first_audio_bins"].items()}
    report["first_audio_bins"] = {str(ms): bins[ms] for ms in sorted(bins)}
    report["first_audio_p50_ms"] = percentile(bins, 0.50)
    report["first_audio_p99_ms"] = percentile(bins, 0.99)
    report["simulated_seconds"] = report["simulated_ms"] / 1000
    report["longest_silence_seconds"] = report["longest_silence_ms"] / 1000
    report["bad_seeds"] = [call["seed"] for call in report["bad_calls"]]
    return report


# --- in words


def describe(report: Mapping[str, Any]) -> Iterator[str]:
    """Say what came out, line by line."""
    turns = report["turns"]
    shards = report["shards"]
    part = "" if list(shards) == ["1/1"] else f", shards {' '.join(shards)}"
    mode = "plain LiveKit" if report["mode"] == "plain" else "controlled"
    yield (
        f"{report['calls']} calls of seed {report['seed']}, faults {report['faults']}, {mode}{part}"
    )
    yield ""
    rows: Sequence[tuple[str, str, str]] = (
        ("turns", str(turns), ""),
        *((_NAMES[fate], str(report[fate]), _share(report[fate], turns)) for fate in FATES),
        ("lost after an error event", str(report["lost_after_error"]), ""),
        ("creates against evidence", str(report["violations"]), ""),
        ("creates that met a taken slot", str(report["collisions"]), ""),
        ("hangs", str(report["hangs"]), ""),
        ("crashes", str(report["crashes"]), ""),
        ("history mismatches", str(report["history_mismatches"]), ""),
        ("  that the controller tells of", _told(report), ""),
        ("messages heard twice", str(report["repeated_words"]), ""),
        ("guarantees broken", _counted(report["broken"]), ""),
        ("longest silence", f"{report['longest_silence_seconds']:.2f} s", ""),
        ("time to first audio, p50", _ms(report["first_audio_p50_ms"]), ""),
        ("time to first audio, p99", _ms(report["first_audio_p99_ms"]), ""),
    )
    for name, value, beside in rows:
        yield f"  {name:<30}{value:>9}{beside:>9}".rstrip()
    yield ""
    simulated, wall = report["simulated_seconds"], report["wall_seconds"]
    speed = f", {simulated / wall:.0f} times real time" if wall else ""
    yield f"{simulated:.0f} s simulated in {wall:.1f} s{speed}"
    yield from _bad_calls(report)


_NAMES = {
    "answered": "  answered",
    "interrupted": "  interrupted by the caller",
    "superseded": "  superseded by the caller",
    "failed": "  failed with a reason",
    "lost": "  LOST",
    "hung_up": "  the caller hung up",
    "not_committed": "  never taken by the server",
}


def _told(report: Mapping[str, Any]) -> str:
    """Plain LiveKit has nothing that compares heard, shown and remembered."""
    return "-" if report["mode"] == "plain" else str(report["differences"])


def _counted(broken: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in broken.items()) or "none"


def _share(count: int, turns: int) -> str:
    return f"{100 * count / turns:.1f} %" if turns else ""


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value / 1000:.2f} s"


def _bad_calls(report: Mapping[str, Any]) -> Iterator[str]:
    bad = report["bad_calls"]
    if not bad:
        return
    options = f" --faults {report['faults']}" if report["faults"] != "none" else ""
    options += " --plain" if report["mode"] == "plain" else ""
    yield ""
    yield f"{len(bad)} bad calls{f', the first {_SHOWN}' if len(bad) > _SHOWN else ''}:"
    for call in bad[:_SHOWN]:
        yield f"  {call['seed']}: {call['why'][0]}" + (
            f" (and {len(call['why']) - 1} more)" if len(call["why"]) > 1 else ""
        )
        yield f"    realtime-fsm simulate --replay {call['seed']}{options}"
