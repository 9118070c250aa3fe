"""What ``realtime-fsm run`` was told, from flags and ``pyproject.toml``, and its way to other processes."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, cast, get_args

from .._core.policy import RetryPolicy
from .._core.states import ErrorKind
from .._input import InputError, from_toml, read_as

__all__ = ["VARIABLE", "Mode", "RunSettings"]

#: The environment variable that the processes of a worker find the settings in.
VARIABLE = "REALTIME_FSM_RUN"
Mode = Literal["control", "observe", "off"]
_TABLE = "tool.realtime-fsm"
_POLICY = {each.name for each in fields(RetryPolicy)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """How the models of a worker are controlled.

    Attributes:
        mode: As `realtime_fsm.livekit.ControlledRealtimeModel` takes it.
        record: Folder for a trace of each call, or None.
        retry: Fields of `RetryPolicy` that differ from its defaults.
        watch: Whether the calls can be watched in the browser.
        watch_words: Whether what is said can be read there, too.
    """

    mode: Mode = "control"
    record: str | None = None
    retry: Mapping[str, Any] = field(default_factory=dict)
    watch: bool = False
    watch_words: bool = False

    def __post_init__(self) -> None:
        if self.mode not in get_args(Mode):
            raise InputError("mode", self.mode, f"one of {', '.join(get_args(Mode))}")
        if self.record is not None and not isinstance(self.record, str):
            raise InputError("record", self.record, "a folder")
        for name in ("watch", "watch_words"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InputError(name, value, "true or false")
        self.policy()

    def policy(self) -> RetryPolicy:
        """The policy.

        Raises:
            InputError: A field is unknown, or its value impossible.
        """
        if not isinstance(self.retry, Mapping):
            raise InputError("retry", self.retry, "a table of RetryPolicy's fields")
        if unknown := sorted(set(self.retry) - _POLICY):
            known = ", ".join(sorted(_POLICY))
            raise InputError(f"retry.{unknown[0]}", self.retry[unknown[0]], f"one of {known}")
        values = dict(self.retry)
        if isinstance(kinds := values.get("kinds"), Mapping):
            values["kinds"] = {code: _kind(code, kind) for code, kind in kinds.items()}
        try:
            return RetryPolicy(**values)
        except ValueError as e:
            raise InputError("retry", dict(self.retry), f"values that can work ({e})") from None

    def dumped(self) -> str:
        """As `loaded` reads it."""
        return json.dumps(asdict(self))

    @classmethod
    def loaded(cls, text: str) -> RunSettings:
        """The settings that `dumped` wrote."""
        return cls(**json.loads(text))

    @classmethod
    def of_process(cls) -> RunSettings | None:
        """The settings of this process, if it runs below ``realtime-fsm run``."""
        text = os.environ.get(VARIABLE)
        return cls.loaded(text) if text else None

    @classmethod
    def read(
        cls,
        folder: Path,
        *,
        mode: str | None = None,
        record: str | None = None,
        retry: Sequence[str] = (),
        watch: bool = False,
        watch_words: bool = False,
    ) -> RunSettings:
        """From the nearest ``pyproject.toml`` at or above *folder*; what is given wins.

        Args:
            folder: Where the worker's script is.
            retry: ``field=value`` each, the value as TOML or a bare word.

        Raises:
            InputError: Something in it cannot be.
        """
        table = _of_pyproject(folder)
        given = dict(map(_assignment, retry))
        return cls(
            mode=cast(Mode, table.get("mode", "control") if mode is None else mode),
            record=table.get("record") if record is None else record,
            retry={**table.get("retry", {}), **given},
            watch=watch
            or watch_words
            or table.get("watch_words", False)
            or table.get("watch", False),
            watch_words=watch_words or table.get("watch_words", False),
        )


def _kind(code: str, kind: object) -> ErrorKind:
    try:
        return ErrorKind(kind)
    except ValueError:
        names = ", ".join(each.value for each in ErrorKind)
        raise InputError(f"retry.kinds.{code}", kind, f"one of {names}") from None


def _assignment(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip():
        raise InputError("--retry", text, "field=value")
    try:
        return name.strip(), from_toml(f"value = {value}")["value"]
    except InputError:
        return name.strip(), value.strip()


def _of_pyproject(folder: Path) -> Mapping[str, Any]:
    for each in (folder, *folder.parents):
        file = each / "pyproject.toml"
        if file.is_file():
            return _table_of(file)
    return {}


def _table_of(file: Path) -> Mapping[str, Any]:
    table: Any = read_as(file, from_toml)
    for name in _TABLE.split("."):
        table = table.get(name, {}) if isinstance(table, dict) else {}
    if not isinstance(table, dict):
        raise InputError(_TABLE, table, "a table", file=file)
    known = [each.name for each in fields(RunSettings)]
    if unknown := sorted(set(table) - set(known)):
        name = unknown[0]
        expected = f"one of {', '.join(known)}"
        raise InputError(f"{_TABLE}.{name}", table[name], expected, file=file)
    try:
        RunSettings(**table)
    except InputError as e:
        raise InputError(f"{_TABLE}.{e.field}", e.value, e.expected, file=file) from None
    record = table.get("record")
    return table if record is None else {**table, "record": str(file.parent / record)}
