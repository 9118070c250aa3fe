"""What a process holds, and whether it grows."""

from __future__ import annotations

import asyncio
import gc
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields

import psutil

#: Of the memory at the beginning, this much more at the end is no leak: the allocator's doing.
MEMORY_SLACK = 0.05


@dataclass(frozen=True, slots=True)
class Sample:
    """Taken when no call is open.

    Attributes:
        rss_mb: Resident memory, MiB.
        tasks: asyncio tasks that have not ended, this one included.
        futures: Futures that are not done, tasks left out.
        timers: Timers of the loop that were not cancelled.
        fds: Open file descriptors.
    """

    rss_mb: float
    tasks: int
    futures: int
    timers: int
    fds: int

    def __str__(self) -> str:
        named = asdict(self).items()
        return "  ".join(f"{name} {value:g}" for name, value in named)


def sample() -> Sample:
    """Collect garbage, then look."""
    gc.collect()
    process = psutil.Process()
    loop = asyncio.get_running_loop()
    pending = [f for f in gc.get_objects() if isinstance(f, asyncio.Future) and not f.done()]
    tasks = [f for f in pending if isinstance(f, asyncio.Task)]
    timers = [t for t in getattr(loop, "_scheduled", ()) if not t.cancelled()]
    return Sample(
        rss_mb=round(process.memory_info().rss / 2**20, 1),
        tasks=len(tasks),
        futures=len(pending) - len(tasks),
        timers=len(timers),
        fds=process.num_fds(),
    )


def growth(samples: Sequence[Sample], *, memory: bool = True) -> list[str]:
    """What is more in the last third than in the second one, in words; [] if nothing is.

    The first third is warming up. Counts may not grow at all; with *memory*, RSS by
    `MEMORY_SLACK`.
    """
    third = len(samples) // 3
    if not third:
        raise ValueError(f"growth needs 3 samples, not {len(samples)}")
    found = []
    for field in fields(Sample):
        before, after = (
            statistics.median(getattr(s, field.name) for s in part)
            for part in (samples[third : 2 * third], samples[2 * third :])
        )
        allowed = before * (1 + MEMORY_SLACK) if field.name == "rss_mb" else before
        if after > allowed and (memory or field.name != "rss_mb"):
            found.append(f"{field.name} grew from {before:g} to {after:g}")
    return found
