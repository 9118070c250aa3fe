"""Asks the real service, with a key, and writes what it answered: ``make live``.

The result goes to ``docs/live/openai.json``, and ``docs/live.md`` shows it with its date.
"""

from __future__ import annotations

import sys
from pathlib import Path

from realtime_fsm.conform import ConformError, Result, command
from realtime_fsm.conform.compare import compare
from realtime_fsm.conform.text import change_lines, lines

HERE = Path(__file__).parent
SAVED = HERE / "openai.json"
PAGE = HERE.parent / "live.md"

_HEAD = """# The real service

Most of what is known of the OpenAI service is documented or reported; some is [assumed](rules.md). `make live` asks it, with a key in `OPENAI_API_KEY`
and for less than half a dollar, and writes this page anew: see [how a server is graded](conform.md).

"""


def page(result: Result | None) -> str:
    """Return ``docs/live.md``."""
    if result is None:
        return f"{_HEAD}Last asked: never.\n"
    shown = "\n".join(lines(result))
    return f"{_HEAD}Last asked: {result.date}.\n\n```text\n{shown}\n```\n"


def saved() -> Result | None:
    """Return the last result, None if there is none."""
    return Result.from_json(SAVED.read_text("utf-8")) if SAVED.exists() else None


def _warn(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def main() -> int:
    """Ask, and write both files. Returns the exit status."""
    before, told = saved(), []
    request = command.Request(target="https://api.openai.com/v1", as_json=True)
    try:
        code = command.run(request, write=told.append, warn=_warn)
    except ConformError as error:
        _warn(f"make live: {error}")
        return 2
    text = "\n".join(told) + "\n"
    result = Result.from_json(text)
    SAVED.write_text(text, "utf-8")
    PAGE.write_text(page(result), "utf-8")
    for line in lines(result):
        sys.stdout.write(f"{line}\n")
    if before is not None:
        for line in change_lines(compare(before, result), before.date):
            sys.stdout.write(f"{line}\n")
    return code


if __name__ == "__main__":
    if sys.argv[1:] == ["--page"]:
        PAGE.write_text(page(saved()), "utf-8")
    else:
        sys.exit(main())
