"""What a run found, as JSON, as pyperf's JSON and as a table."""

from __future__ import annotations

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyperf  # type: ignore[import-untyped]
from rich.table import Table

from .rounds import Figure
from .run import TARGETS, Results

_LIBRARIES = ("livekit-agents", "livekit-plugins-openai", "transitions", "python-statemachine")


def as_data(found: Results) -> dict[str, Any]:
    """Every key of `TARGETS` with its figure, then what helps to read them."""
    growth = found.growth
    return {
        **{key: _rounded(figure.value) for key, figure in found.figures.items()},
        "spread": {key: [_rounded(f.low), _rounded(f.high)] for key, f in found.figures.items()},
        "targets": TARGETS,
        "details": {
            key: [_rounded(f.value), _rounded(f.low), _rounded(f.high)]
            for key, f in found.details.items()
        },
        "observers": {
            name: {
                key: [_rounded(f.value), _rounded(f.low), _rounded(f.high)]
                for key, f in vars(cost).items()
            }
            for name, cost in found.observers.items()
        },
        "growth": None
        if growth is None
        else {
            "turns": growth.turns,
            "ratio": [
                [_rounded(r.value), _rounded(r.low), _rounded(r.high)] for r in growth.ratios
            ],
            "rss_mb": [_rounded(mb) for mb in growth.rss_mb],
        },
        "where": {
            "python": platform.python_version(),
            "machine": f"{platform.machine()}, {os.cpu_count()} CPUs",
            "load": round(os.getloadavg()[0], 1),
            **{name: version(name) for name in _LIBRARIES},
        },
    }


def write(found: Results, path: Path) -> None:
    """The figures to *path*, the rounds beside it as ``….pyperf.json``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(as_data(found), indent=2) + "\n", "utf-8")
    rounds = path.with_suffix(".pyperf.json")
    rounds.unlink(missing_ok=True)
    suite = pyperf.BenchmarkSuite(
        [
            pyperf.Benchmark([pyperf.Run(values, metadata={"name": name}, collect_metadata=False)])
            for name, values in found.rounds.items()
        ]
    )
    suite.dump(str(rounds))


def table(found: Results) -> Table:
    """For a terminal."""
    out = Table("what", "median", "quartiles", "target", "")
    for key, figure in found.figures.items():
        target = TARGETS[key]
        met = "met" if figure.value <= target else "missed"
        out.add_row(key, number(figure.value), _quartiles(figure), f"≤ {number(target)}", met)
    out.add_section()
    for key, figure in found.details.items():
        out.add_row(key, number(figure.value), _quartiles(figure), "", "")
    out.add_section()
    for name, cost in found.observers.items():
        for key, figure in vars(cost).items():
            out.add_row(f"{name}: {key}", number(figure.value), _quartiles(figure), "", "")
    return out


def number(value: float) -> str:
    """Three digits, or whole."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _quartiles(figure: Figure) -> str:
    return "" if figure.low == figure.high else f"{number(figure.low)} … {number(figure.high)}"


def _rounded(value: float) -> float:
    return float(f"{value:.4g}") if abs(value) < 1000 else round(value)
