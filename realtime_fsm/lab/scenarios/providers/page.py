"""docs/providers.md: what is promised for each family, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ....livekit.providers import CONTROLLED, Family
from ....testing.providers import FAKES
from .measure import Cell
from .rows import ROWS

__all__ = ["page", "promises"]

#: Of the clauses of the judge, those that the questions do not show.
_NOT_IN_SHORT = ("memory", "hang", "fault", "deed twice", "undone")
_SIGN = {"same": "=", "better": "+", "worse": "**worse**"}
_HEAD = """# Providers

A call with our model may never be worse than one without. What a provider's plugin lets anyone do differs: whether a request can be
withdrawn or repeated, what an interrupt ends, who retries after a lost connection. Each difference is a declared trait of a *family*, with
a contract test on the real plugin against a fake server of its provider.

| family | recognised by | what happens |
|---|---|---|
| OpenAI plugin, Azure OpenAI, xAI, ThunderPhone, LiveKit's hosted models, and what derives from them | the raw events that the session's class declares, and `send_event()` | controlled in full, by its frames |
| Azure Voice Live | the plugin's package, the capabilities and the raw events it shows | controlled by its requests and streams, and by its frames: how a response ended and why, what the server does by itself, who answers the user, what stands in a request's way; a cancel names its response, and what nobody heard is deleted |
| Gemini Live, Nova Sonic, Ultravox, Phonic | the plugin's package, and the capabilities it shows | controlled by its requests and streams |
| LiveKit's `RealtimeModelFallbackAdapter` around controlled models | the class, and the classes of its models | controlled by its requests and streams, as the least of its models allows |
| PersonaPlex | the plugin's package | passes through: it takes no requests |
| full-duplex models (GPT-Live, any `llm.DuplexModel`) | the class, `supports_overlapping_speech` | passes through, and can be [watched](gpt-live.md) |
| anything else | | passes through, until you say what it is; one warning says so |

A plugin that shows other capabilities or events than it did when its family was declared passes through too, with a warning that names them.

## Declaring a family

`ControlledRealtimeModel(inner, family="openai")` says that a model shows its raw events as the OpenAI plugin does, `family="google"` that it
behaves as Gemini's. A `Family` says it trait by trait:

```python
from livekit.plugins import openai

from realtime_fsm.livekit import ControlledRealtimeModel, Family

inner = openai.realtime.RealtimeModel()  # or a model of your own
mine = Family(
    name="mine",
    control="streams",  # "full": it shows OpenAI's raw events; "plain": leave it alone
    withdraws=False,  # a request that is given up may still be answered
    repeats=False,  # a request must not be made again
    patience=10.0,  # seconds that an answer may take
)
model = ControlledRealtimeModel(inner, family=mine)
```

Declare less rather than more: what is not promised is done as plain LiveKit does it. The fields are in the
[reference](reference-livekit.md).
"""

_MEASURED = """## Measured

The same calls with each real plugin (livekit-agents {version}) and a fake server of its provider, in virtual time, plain and controlled:
`realtime-fsm scenarios --providers`. `=`: the same for the user, the application and the memory; `+`: better; empty: the provider does not
have this call. {counts}.

A call is better or worse by the words of [G27](testing.md#never-worse-than-plain-livekit), and by whether the end of a `SpeechHandle` says
what happened, whether a tool ran that should, and what was left over.
"""

_TESTS = """## Test an agent with its plugin

`simulated_call(script, provider="google")` is [the kit](testing.md#gemini-live) with Gemini's plugin: what the user says, what is heard, recoveries,
errors and checks, in virtual time. The fake servers of [all providers](testing.md#with-the-plugin-you-run-with) are in `realtime_fsm.testing.providers`.
"""

_FALLBACK = """## With LiveKit's fallback adapter

Around ours (`RealtimeModelFallbackAdapter([ControlledRealtimeModel(a), ControlledRealtimeModel(b)])`): each child is controlled as its own family
allows; use `RetryPolicy(on_exhausted="escalate")` to have the adapter swap when a turn fails for good.

Inside ours (`ControlledRealtimeModel(RealtimeModelFallbackAdapter([a, b]))`): the adapter swaps on non-recoverable errors, as it does by itself. A
model in it that passes through makes the whole pass through. The adapter hides the frames of its models: what their servers run by themselves
(G28) does not show there, nor does an `incomplete` (G8).
"""


Cells = Mapping[str, Mapping[str, Cell]]


def page(measured: Sequence[tuple[str, Cells]]) -> str:
    """The page, from what was measured with each of these versions of LiveKit."""
    (version, cells), *others = measured
    parts = [
        _HEAD,
        promises(),
        _MEASURED.format(version=version, counts=_counts(cells)),
        _table(cells),
        _details(cells),
        *(_beside(cells, other, other_cells) for other, other_cells in others),
        _fakes(),
        _FALLBACK,
        _TESTS,
    ]
    return "\n".join(parts)


def promises() -> str:
    """Families and guarantees, for the guarantees that some family does not keep."""
    families = [f for f in CONTROLLED if f.promises]
    ids = sorted({g for f in families for g in f.promises}, key=lambda g: int(g[1:]))
    ids = [g for g in ids if any(_keeps(f, g) != "kept" for f in families)]
    lines = [
        "## What is promised",
        "",
        "The openai engine and its relatives keep [all guarantees](guarantees.md). Of the others, those that are not in this",
        "table are kept too.",
        "",
        "| | " + " | ".join(f.name for f in families) + " |",
        "|---|" + "---|" * len(families),
    ]
    lines += [f"| {g} | " + " | ".join(_keeps(f, g) for f in families) + " |" for g in ids]
    lines.append("")
    for family in families:
        lines += [f"**{family.name}**", ""]
        lines += [f"* {g}: {why}" for g, (keeps, why) in family.promises.items() if keeps != "kept"]
        lines.append("")
    return "\n".join(lines)


def _counts(cells: Cells) -> str:
    """What there is none of."""
    every = [cell for of in cells.values() for cell in of.values()]
    awaited = [cell for of in cells.values() for name, cell in of.items() if name != "closes"]
    worse = sum(cell.word == "worse" for cell in every)
    hangs = sum("never done" in cell.controlled for cell in awaited)
    twice = sum(cell.controlled.count("twice") > cell.plain.count("twice") for cell in every)
    return (
        f"{len(every)} calls; worse: {worse}; speeches that never end, controlled: {hangs}; answers spoken twice "
        f"that plain LiveKit speaks once: {twice}"
    )


def _beside(cells: Cells, version: str, others: Cells) -> str:
    """The same calls with another release: in short, and what differs."""
    differ = [
        f"* {family}, {row.what}: {found[row.name].word} (plain {found[row.name].plain}; controlled {found[row.name].controlled})"
        for family, found in others.items()
        for row in ROWS
        if row.name in found and found[row.name].word != cells[family][row.name].word
    ]
    lines = [
        f"### With livekit-agents {version}",
        "",
        f"The same with the newest plugins that can be imported there: {_counts(others)}.",
        "",
        *(["Otherwise than above:", "", *differ] if differ else ["Each is as above."]),
    ]
    return "\n".join(lines) + "\n"


def _fakes() -> str:
    """What keeps the fake servers honest."""
    by: dict[str, list[str]] = {}
    for family, fake in FAKES.items():
        by.setdefault(fake.types, []).append(family)
    lines = [
        "## What the fake servers are checked by",
        "",
        "A fake that knows our adapter's way alone would be no contract: each message that it sends or gets has to be one of the",
        "types that the provider's SDK publishes, and a plugin that sends anything else fails its test.",
        "",
        "| fake | a message is checked by |",
        "|---|---|",
        *(f"| {', '.join(families)} | {types} |" for types, families in by.items()),
    ]
    return "\n".join(lines) + "\n"


def _keeps(family: Family, guarantee: str) -> str:
    return family.promises.get(guarantee, ("kept", ""))[0]


def _table(cells: Cells) -> str:
    lines = ["| | " + " | ".join(cells) + " |", "|---|" + "---|" * len(cells)]
    for row in ROWS:
        signs = [_SIGN[of[row.name].word] if row.name in of else "" for of in cells.values()]
        lines.append(f"| {row.what} | " + " | ".join(signs) + " |")
    for word in ("better", "same", "worse"):
        counts = [str(sum(c.word == word for c in of.values())) for of in cells.values()]
        lines.append(f"| **{word}** | " + " | ".join(counts) + " |")
    return "\n".join(lines) + "\n"


def _details(cells: Cells) -> str:
    """What differs, question by question."""
    lines = [
        "### What differs",
        "",
        "For each question: seconds until its first sound, and how its `SpeechHandle` ended if not well.",
        "",
        "| | provider | plain | controlled | |",
        "|---|---|---|---|---|",
    ]
    for row in ROWS:
        same: dict[tuple[str, str, str], list[str]] = {}
        for family, of in cells.items():
            cell = of.get(row.name)
            if cell is not None and cell.word != "same":
                told = [why for why in cell.why if why.startswith(_NOT_IN_SHORT)]
                key = (cell.plain, cell.controlled, "; ".join(told))
                same.setdefault(key, []).append(family)
        lines += [
            f"| {row.what} | {', '.join(families)} | {plain} | {ours} | {told} |"
            for (plain, ours, told), families in same.items()
        ]
    return "\n".join(lines) + "\n"
