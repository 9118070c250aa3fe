"""`make matrix`: the tests on every Python that is installed, with both ends of livekit-agents, and with the
newest pre-release."""

from __future__ import annotations

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False
PYTHONS = ["3.10", "3.11", "3.12", "3.13"]


#: What touches LiveKit.
SUITES = ["tests/livekit", "tests/demo", "tests/scenarios", "tests/corpus", "tests/heard"]


@nox.session(python=PYTHONS)
def newest(session: nox.Session) -> None:
    """Everything, with the versions of constraints.txt."""
    session.install("-c", "constraints.txt", "-e", ".[openai]", *nox_groups("dev"))
    session.run("python", "-m", "pytest", *session.posargs)


@nox.session(python=PYTHONS)
def oldest(session: nox.Session) -> None:
    """What touches LiveKit, with the oldest release whose facts we rely on."""
    session.install("-c", "constraints-oldest.txt", "-e", ".[openai]", *nox_groups("test"))
    paths = session.posargs or SUITES
    session.run("python", "-m", "pytest", "-W", "default", *paths)


@nox.session(python=PYTHONS)
def pre(session: nox.Session) -> None:
    """The same with the newest releases there are, pre-releases included."""
    session.run("python", "-m", "tests.next.install")
    paths = session.posargs or SUITES
    session.run("python", "-m", "pytest", "-W", "default", *paths)


def nox_groups(*names: str) -> list[str]:
    """The requirements of these groups of pyproject.toml."""
    return nox.project.dependency_groups(nox.project.load_toml("pyproject.toml"), *names)
