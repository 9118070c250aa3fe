"""Checks events against the types that the ``openai`` package publishes, in both directions.

The types are imported when the first event is checked, so that importing the core stays light.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, get_args

from . import rules
from .rule import enforces

if TYPE_CHECKING:
    from pydantic import BaseModel, TypeAdapter, ValidationError

__all__ = [
    "ClientEventError",
    "Dialect",
    "parse_client_event",
    "prepare",
    "server_event_problems",
]

Dialect = Literal["ga", "beta"]


class ClientEventError(Exception):
    """A client event that the server answers with an ``error`` event.

    Attributes:
        code, message, param: of that error.
        event_id: of the client event, None if it has none that can be read.
    """

    def __init__(
        self, code: str, message: str, *, param: str | None = None, event_id: str | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.param = param
        self.event_id = event_id


@cache
def _models(side: Literal["client", "server"], dialect: Dialect) -> dict[str, type[BaseModel]]:
    if dialect == "ga":
        from openai.types import realtime as types
    else:
        from openai.types.beta import realtime as types  # type: ignore[no-redef]

    union: Any = types.RealtimeClientEvent if side == "client" else types.RealtimeServerEvent
    # The unions are Annotated[Union[...], PropertyInfo]; pydantic does not read PropertyInfo's
    # discriminator, so a wrong event would be reported once per member. Picking the member by its
    # `type` gives one clear report.
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in members}


@cache
def _adapter(model: type[BaseModel]) -> TypeAdapter[BaseModel]:
    from pydantic import TypeAdapter

    return TypeAdapter(model)


@cache
def prepare(dialect: Dialect) -> None:
    """Import the types now, and build what checks them. It takes up to a second, and a server that
    did it at its first event would find that its timers had run out meanwhile.
    """
    for kind in _models("client", dialect):
        # The checks are only built when they are used.
        with contextlib.suppress(ClientEventError):
            parse_client_event({"type": kind}, dialect)


@enforces(rules.BAD_EVENT, rules.TRUNCATE_INTEGER)
def parse_client_event(raw: str | Mapping[str, Any], dialect: Dialect = "ga") -> dict[str, Any]:
    """Return a client event as a dict.

    Raises:
        ClientEventError: not JSON, not an object, or not an event of the protocol.
    """
    from pydantic import ValidationError

    text = raw if isinstance(raw, str) else json.dumps(raw)
    try:
        event = json.loads(text)
    except ValueError:
        raise ClientEventError("invalid_json", "The message is not valid JSON.") from None
    if not isinstance(event, dict):
        raise ClientEventError("invalid_event", "The message is not a JSON object.")
    event_id = event.get("event_id")
    event_id = event_id if isinstance(event_id, str) else None
    kind = event.get("type")
    if kind is None:
        # Documented: this code and message are the API reference's own example of an error event.
        raise ClientEventError("invalid_event", "The 'type' field is missing.", event_id=event_id)
    models = _models("client", dialect)
    model = models.get(kind) if isinstance(kind, str) else None
    if model is None:
        supported = ", ".join(f"'{name}'" for name in sorted(models))
        message = f"Invalid value: '{kind}'. Supported values are: {supported}."
        raise ClientEventError("invalid_value", message, param="type", event_id=event_id)
    try:
        # Strict, because the server is: a decimal `audio_end_ms` is refused (openai-agents-js#552).
        parsed = _adapter(model).validate_json(_without_references(event, text), strict=True)
    except ValidationError as error:
        raise _as_client_error(error, event_id) from None
    for param in _unknown_names(parsed):
        # Older deployments take session fields that their types lack; the current one does not.
        if dialect == "ga" or not param.startswith("session."):
            message = f"Unknown parameter: '{param}'."
            raise ClientEventError("unknown_parameter", message, param=param, event_id=event_id)
    return event


def _without_references(event: dict[str, Any], text: str) -> str:
    """Return *text* without the item references of a create's ``input``, which the types lack."""
    params = event.get("response")
    if event["type"] != "response.create" or not isinstance(params, dict):
        return text
    if not isinstance(params.get("input"), list):
        return text
    kept = [
        item
        for item in params["input"]
        if not (isinstance(item, dict) and item.get("type") == "item_reference")
    ]
    return json.dumps({**event, "response": {**params, "input": kept}})


def _as_client_error(error: ValidationError, event_id: str | None) -> ClientEventError:
    # A union field is reported once per member; the member with the fewest complaints is the one
    # that was meant.
    by_member: dict[tuple[str, ...], list[Any]] = {}
    for detail in error.errors(include_url=False):
        member = tuple(str(part) for part in detail["loc"] if str(part)[:1].isupper())
        by_member.setdefault(member, []).append(detail)
    detail = min(by_member.values(), key=len)[0]
    param = ".".join(str(part) for part in detail["loc"] if not str(part)[:1].isupper())
    if detail["type"] == "missing":
        return ClientEventError(
            "missing_required_parameter",
            f"Missing required parameter: '{param}'.",
            param=param,
            event_id=event_id,
        )
    code = "invalid_value" if detail["type"] == "literal_error" else "invalid_type"
    message = f"Invalid {code[8:]} for '{param}': {detail['msg']}."
    return ClientEventError(code, message, param=param, event_id=event_id)


def server_event_problems(event: Mapping[str, Any], dialect: Dialect = "ga") -> list[str]:
    """Return what is wrong with a server event, an empty list if it is one of the protocol.

    Fields that the types do not know are reported too, except in the session, where the types lag
    behind.
    """
    from pydantic import ValidationError

    model = _models("server", dialect).get(str(event.get("type")))
    if model is None:
        return [f"type: unknown event {event.get('type')!r}"]
    try:
        parsed = _adapter(model).validate_json(json.dumps(event), strict=True)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors(include_url=False)
        ]
    kind = str(event["type"])
    return [
        f"{kind}.{name}: unknown field"
        for name in _unknown_names(parsed)
        if not name.startswith("session.")
    ]


def _unknown_names(value: Any, path: str = "") -> list[str]:
    """Return the paths of the fields that the types do not have."""
    from pydantic import BaseModel

    if isinstance(value, (list, tuple)):
        return [p for i, part in enumerate(value) for p in _unknown_names(part, f"{path}[{i}]")]
    if not isinstance(value, BaseModel):
        return []
    prefix = f"{path}." if path else ""
    found = [f"{prefix}{name}" for name in value.model_extra or {}]
    for name in type(value).model_fields:
        found += _unknown_names(getattr(value, name), f"{prefix}{name}")
    return found
