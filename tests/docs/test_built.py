"""The built pages: no warning, every public name, links that work, nothing from the network."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import zlib
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from .blocks import ROOT

#: Modules whose names the reference has to have.
PUBLIC = [
    "realtime_fsm",
    "realtime_fsm.conform",
    "realtime_fsm.diagrams",
    "realtime_fsm.lab.explore",
    "realtime_fsm.livekit",
    "realtime_fsm.livekit.telemetry",
    "realtime_fsm.profiles",
    "realtime_fsm.report",
    "realtime_fsm.lab.scenarios",
    "realtime_fsm.lab.simulate",
    "realtime_fsm.simulator",
    "realtime_fsm.testing",
    "realtime_fsm.testing.corpus",
    "realtime_fsm.testing.strategies",
    "realtime_fsm.trace",
]


class Page(HTMLParser):
    """What a page links to, what it loads, and where it can be linked to."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        self.ids |= {values[name] for name in ("id", "name") if name in values}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and values.get("rel") != "canonical":
            self.loads.append(values.get("href", ""))
        elif "src" in values:
            self.loads.append(values["src"])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pages, built as `make docs` does: a warning fails."""
    pytest.importorskip("sphinx", reason="the docs group is not installed")
    out = tmp_path_factory.mktemp("docs")
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "sphinx",
            "-q",
            "-W",
            "--keep-going",
            "-b",
            "html",
            "-d",
            str(out / "doctrees"),
            str(ROOT / "docs"),
            str(out / "html"),
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out / "html"


@pytest.fixture(scope="module")
def pages(built: Path) -> dict[Path, Page]:
    return {path.resolve(): Page(path) for path in built.rglob("*.html")}


def test_every_public_name_is_in_the_reference(built: Path) -> None:
    inventory = (built / "objects.inv").read_bytes().split(b"\n", 4)[4]
    known = {line.split(" ", 1)[0] for line in zlib.decompress(inventory).decode().splitlines()}
    missing = [
        f"{module}.{name}"
        for module in PUBLIC
        for name in importlib.import_module(module).__all__
        if name != "__version__" and f"{module}.{name}" not in known
    ]
    assert missing == [], "add them to docs/reference-*.md"


def test_links_between_the_pages_lead_somewhere(built: Path, pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in pages.items():
        for link in page.links:
            if re.match(r"[a-z]+:", link):
                continue
            file, _, anchor = unquote(link).partition("#")
            target = (path.parent / file).resolve() if file else path
            gone = not target.exists()
            if gone or (anchor and target in pages and anchor not in pages[target].ids):
                broken.append(f"{path.relative_to(built.resolve())}: {link}")
    assert broken == []


def test_nothing_is_loaded_from_the_network(built: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 30
    remote = [load for page in pages.values() for load in page.loads if "//" in load]
    for path in (*built.rglob("*.css"), *built.rglob("*.svg")):
        text = path.read_text("utf-8")
        remote += re.findall(r"(?:url\(|@import)\s*['\"]?((?:https?:)?//[^'\")]+)", text)
    assert remote == []
