"""What wheel and sdist have to hold."""

from __future__ import annotations

import tarfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: In the sdist beside the package: what its tests, its pages and its Makefile need.
BESIDE = ("tests", "docs", "diagrams", "examples")


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def sdist_names(sdist: Path) -> set[str]:
    """Without the folder that everything is in."""
    with tarfile.open(sdist) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def wanted(folder: str) -> set[str]:
    """Every file of a folder, but for what Python leaves behind."""
    return {
        str(path.relative_to(ROOT))
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".pyc"
    }


def problems(wheel: set[str], sdist: set[str]) -> list[str]:
    """What is missing from the two, or has no business in the wheel."""
    package = wanted("realtime_fsm")
    found = [f"not in the wheel: {name}" for name in sorted(package - wheel)]
    found += [
        f"has no business in the wheel: {name}"
        for name in sorted(wheel - package)
        if ".dist-info/" not in name
    ]
    if not any(name.endswith(".dist-info/licenses/LICENSE") for name in wheel):
        found.append("not in the wheel: LICENSE")
    everything = package.union(*(wanted(folder) for folder in BESIDE))
    everything |= {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile"}
    return found + [f"not in the sdist: {name}" for name in sorted(everything - sdist)]
