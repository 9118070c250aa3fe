"""Reads a page as a program would: its elements, its text, its data."""

from __future__ import annotations

import io
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from realtime_fsm.report import Group, Side, collect, page


class Read(HTMLParser):
    """A page, parsed. *data* is by the id of its script; *tags* are all that were opened."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.html = html
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.data: dict[str, Any] = {}
        self.text = ""
        self._script: str | None = None
        self._inside = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        self.tags.append((tag, told))
        self._inside = tag
        if tag == "script" and told.get("type") == "application/json":
            self._script = told["id"]

    def handle_endtag(self, tag: str) -> None:
        self._script, self._inside = None, ""

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self.data[self._script] = json.loads(data, parse_constant=_refuse)
        elif self._inside not in ("script", "style"):
            self.text += data

    @property
    def call(self) -> dict[str, Any]:
        """The first call."""
        found: dict[str, Any] = self.data["call-0"]
        return found


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is not JSON")


def read_side(side: Side) -> Read:
    return Read(page(side.label, [Group(side.label, [side])]))


def read_path(path: Path) -> Read:
    with path.open("rb") as file:
        return read_side(collect(file, path.name))


def read_lines(*lines: object) -> Read:
    """The page of a trace made of these lines; what is no text is written as JSON."""
    texts = [each if isinstance(each, str) else json.dumps(each) for each in lines]
    data = "\n".join(texts).encode("utf-8", "surrogatepass") + b"\n"
    return read_side(collect(io.BytesIO(data), "lines"))
