"""What a release says of itself on a package index: absolute links, and where the project lives.

The address is given once, when a release is built: ``make package REPOSITORY=https://host/owner/name``.
Without it, links stay relative and there are no project URLs. Hatchling runs this for each build.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

#: Markdown's links and images, and those of the HTML beside it.
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|!\[[^\]]*\]\([^)]*\))*)\]\((?!https?:)([^)\s]+)\)")
_ATTRIBUTE = re.compile(r'\b(src|srcset)="(?!https?:)([^"]+)"')
_PAGES = {"Documentation": "docs/index.md", "Changelog": "CHANGELOG.md"}


def absolute(text: str, repository: str, tag: str) -> str:
    """A page with its relative links led to *repository* as of *tag*; pictures to their bytes."""

    def link(found: re.Match[str]) -> str:
        picture, label, path = found.groups()
        label = _LINK.sub(link, label)
        if path.startswith("#"):
            return f"{picture}[{label}]({path})"
        return f"{picture}[{label}]({repository}/{'raw' if picture else 'blob'}/{tag}/{path})"

    def attribute(found: re.Match[str]) -> str:
        return f'{found[1]}="{repository}/raw/{tag}/{found[2]}"'

    return _ATTRIBUTE.sub(attribute, _LINK.sub(link, text))


class ReleaseHook(MetadataHookInterface):
    PLUGIN_NAME = "custom"

    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text("utf-8")
        repository = os.environ.get("REPOSITORY", "").rstrip("/")
        if repository:
            if not repository.startswith("https://"):
                raise ValueError(f"REPOSITORY is {repository!r}, wanted https://host/owner/name")
            tag = f"v{_version(self.root)}"
            text = absolute(text, repository, tag)
            pages = {name: f"{repository}/blob/{tag}/{page}" for name, page in _PAGES.items()}
            issues = f"{repository}/issues"
            metadata["urls"] = {"Repository": repository, **pages, "Issues": issues}
        metadata["readme"] = {"content-type": "text/markdown", "text": text}


def _version(root: str) -> str:
    found = re.search(r'"(.+)"', Path(root, "realtime_fsm", "_version.py").read_text("utf-8"))
    assert found is not None
    return found[1]
