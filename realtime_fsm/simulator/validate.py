"""Checks events against the types of ``openai.types.realtime``, in both directions."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any, get_args

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

__all__ = ["ClientEventError", "parse_client_event", "server_event_problems"]


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


def _models(union: Any) -> dict[str, type[BaseModel]]:
    # The unions are Annotated[Union[...], PropertyInfo]; pydantic does not read PropertyInfo's
    # discriminator, so a wrong event would be reported once per member. Picking the member by its
    # `type` gives one clear report.
    members = get_args(get_args(union)[0])
    return {get_args(member.model_fields["type"].annotation)[0]: member for member in members}


CLIENT_MODELS = _models(RealtimeClientEvent)
SERVER_MODELS = _models(RealtimeServerEvent)


@cache
def _adapter(model: type[BaseModel]) -> TypeAdapter[BaseModel]:
    return TypeAdapter(model)


def parse_client_event(raw: str | Mapping[str, Any]) -> dict[str, Any]:
    """Return a client event as a dict.

    Raises:
        ClientEventError: not JSON, not an object, or not an event of the protocol.
    """
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
    model = CLIENT_MODELS.get(kind) if isinstance(kind, str) else None
    if model is None:
        supported = ", ".join(f"'{name}'" for name in sorted(CLIENT_MODELS))
        message = f"Invalid value: '{kind}'. Supported values are: {supported}."
        raise ClientEventError("invalid_value", message, param="type", event_id=event_id)
    try:
        # Strict, because the server is: a decimal `audio_end_ms` is refused (openai-agents-js#552).
        parsed = _adapter(model).validate_json(text, strict=True)
    except ValidationError as error:
        raise _as_client_error(error, event_id) from None
    for where, part in (("", parsed), ("response.", getattr(parsed, "response", None))):
        for name in (part.model_extra or {}) if isinstance(part, BaseModel) else ():
            param = f"{where}{name}"
            message = f"Unknown parameter: '{param}'."
            raise ClientEventError("unknown_parameter", message, param=param, event_id=event_id)
    return event


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


def server_event_problems(event: Mapping[str, Any]) -> list[str]:
    """Return what is wrong with a server event, an empty list if it is one of the protocol.

    Fields that the types do not know are reported too, except in the session, where the types lag
    behind.
    """
    model = SERVER_MODELS.get(str(event.get("type")))
    if model is None:
        return [f"type: unknown event {event.get('type')!r}"]
    try:
        parsed = _adapter(model).validate_json(json.dumps(event), strict=True)
    except ValidationError as error:
        return [
            f"{'.'.join(map(str, d['loc']))}: {d['msg']}" for d in error.errors(include_url=False)
        ]
    return _unknown_fields(parsed, str(event["type"]))


def _unknown_fields(value: Any, path: str) -> list[str]:
    if isinstance(value, (list, tuple)):
        return [p for i, part in enumerate(value) for p in _unknown_fields(part, f"{path}[{i}]")]
    if not isinstance(value, BaseModel) or path.endswith(".session"):
        return []
    found = [f"{path}.{name}: unknown field" for name in value.model_extra or {}]
    for name in type(value).model_fields:
        found += _unknown_fields(getattr(value, name), f"{path}.{name}")
    return found
