"""What the pages print: their fenced blocks, and how the Python among them is run."""

from __future__ import annotations

import asyncio
import re
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [
    *(ROOT / name for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]
_FENCE = re.compile(r"^( *)(`{3,})(\{?[\w-]*\}?)[^\n]*\n(.*?)^\1\2 *$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: on which line of the page its text begins, its language, its text."""

    page: Path
    line: int
    language: str
    text: str


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of *page* in these languages; with none given, all."""
    source = page.read_text("utf-8")
    found = [
        Block(page, source.count("\n", 0, m.start()) + 2, m[3], textwrap.dedent(m[4]))
        for m in _FENCE.finditer(source)
    ]
    return [block for block in found if not languages or block.language in languages]


def prose(page: Path) -> str:
    """The page without its fenced blocks, line numbers kept."""
    return _FENCE.sub(lambda m: "\n" * m[0].count("\n"), page.read_text("utf-8"))


def execute(block: Block, names: dict[str, Any]) -> None:
    """Run a block; errors in it show the line of the page."""
    code = compile("\n" * (block.line - 1) + block.text, str(block.page), "exec")
    exec(code, names)


def run_page(page: Path, given: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Run the Python of a page from top to bottom as one module, and then the tests in it.

    An event loop is set and does not run: what makes a session finds it, and what runs a loop of
    its own may.

    Args:
        given: Names that the page speaks of and does not define.
    """
    names: dict[str, Any] = {"__name__": page.stem, **(given or {})}
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        for block in blocks(page, "python"):
            before = set(names)
            execute(block, names)
            for name in names.keys() - before:
                if name.startswith("test_"):
                    names[name]()
        loop.run_until_complete(asyncio.sleep(0))
    finally:
        if "recorder" in names:  # its session, which closes it, was never started
            names["recorder"].close()
        asyncio.set_event_loop(None)
        loop.close()
    return names
