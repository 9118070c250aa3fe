"""Install the newest of what is relied on, pre-releases included and past our own bounds:
``python -m tests.next.install``, in the environment that it is for.

The plugin of a pre-release may not be out yet, and the newest one there is may not work beside it. Then
older ones are tried, until one can be imported. Needs the standard library alone.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    from pip._vendor import tomli as tomllib

ROOT = Path(__file__).parents[2]
PLUGIN = "livekit-plugins-openai"
#: What is watched: each may be a pre-release, and of any version.
WATCHED = ("livekit-agents", PLUGIN, "openai", "transitions")
#: Older plugins that are tried.
_TRIES = 12
_IMPORTS = "from livekit.plugins import openai; openai.realtime.RealtimeModel"


def requirements(project: str) -> list[str]:
    """What a ``pyproject.toml`` asks for to run and to test, without bounds for what is watched."""
    read = tomllib.loads(project)
    asked = [
        *read["project"]["dependencies"],
        *read["project"]["optional-dependencies"]["openai"],
        *(each for each in read["dependency-groups"]["test"] if isinstance(each, str)),
    ]
    rest = [each for each in asked if name_of(each) not in WATCHED]
    # A version that is a pre-release lets pip take some, of this package alone.
    return [*rest, *(f"{name}>=0.0.dev0" for name in WATCHED)]


def name_of(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9._-]", requirement, maxsplit=1)[0].lower()


def versions(listing: str) -> list[str]:
    """The versions in what ``pip index versions`` prints, newest first."""
    found = re.search(r"Available versions: (.*)", listing)
    return [] if found is None else re.split(r",\s*", found[1].strip())


def install() -> str | None:
    """Install all of it. Returns the newest version of the plugin, if an older one is there instead."""
    _pip("install", "--upgrade", "pip>=25.1")
    wanted = requirements((ROOT / "pyproject.toml").read_text("utf-8"))
    _pip("install", "--upgrade", "--upgrade-strategy", "eager", *wanted)
    _pip("install", "--no-deps", "--editable", str(ROOT))
    if _imports():
        return None
    newest, *older = versions(_pip("index", "versions", "--pre", PLUGIN))
    for version in older[:_TRIES]:
        _pip("install", "--no-deps", f"{PLUGIN}=={version}")
        if _imports():
            return newest
    sys.exit(f"no {PLUGIN} of the last {_TRIES + 1} can be imported")


def _imports() -> bool:
    return subprocess.run([sys.executable, "-c", _IMPORTS], capture_output=True).returncode == 0


def _pip(*arguments: str) -> str:
    command = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check", *arguments]
    if arguments[0] == "index":
        command.remove("-q")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"pip {' '.join(_shown(arguments))} failed:\n{done.stderr}")
    return done.stdout


def _shown(arguments: Iterable[str]) -> list[str]:
    return [argument for argument in arguments if not argument.startswith("/")]


if __name__ == "__main__":
    if (newest := install()) is not None:
        print(
            f"{PLUGIN} {newest} cannot be imported beside this livekit-agents: an older one is there"
        )
