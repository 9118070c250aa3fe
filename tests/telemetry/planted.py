"""Frames with a secret in every field: of each event that the server, or the client, may send."""

from __future__ import annotations

import itertools
import json
import types
from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from openai.types.realtime import RealtimeClientEvent, RealtimeServerEvent
from pydantic import BaseModel

#: Keys as vendors shape them (none is one), a token, and what somebody said.
SECRETS = (
    "sk-proj-Zk3vT9qLw2Xb7Rm4Nc8Yd1Hf6Jg5Ks0Pa",
    "AIzaSyD8kq3Lm9Zx2Wv7Tn4Rb1Yc6Hf5Jg0KpQe",
    "AKIAZQ3XW7RM4NC8YD1H",
    "xai-Qm7Wz2Xb9Rn4Tc8Yv1Hd6Jf5Kg0Ls3PaZk",
    "ghp_8Kq3Lm9Zx2Wv7Tn4Rb1Yc6Hf5Jg0KpQeZs2A",
    "item_sk-ant-api03-Wz2Xb9Rn4Tc8Yv1Hd6Jf5Kg0Ls3PaZkQm7",
    "Bearer 7Wz2Xb9Rn4Tc8Yv1Hd6",
    "9f8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d",
    "resp_9f8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d3e2f1a0b",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYzzzzzzzzKEY",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwZXJpd2lua2xlIn0.Xb9Rn4Tc8Yv1Hd6Jf5Kg0Ls3PaZk",
    "MTk4NjIyNDgzNDcx.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se",
    "I have a rash and my name is Ada",
    "4929175583046610",
)
#: What of them must not be found anywhere, whatever was cut off or put before it.
TRACES = tuple(each.removeprefix("item_").removeprefix("resp_").removeprefix("Bearer ")[:16] for each in SECRETS)  # fmt: skip


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if get_origin(annotation) is not None:
        for each in get_args(annotation):
            yield from _models(each)
    elif isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation


SERVER = tuple(_models(RealtimeServerEvent))
CLIENT = tuple(_models(RealtimeClientEvent))
Plant = Callable[[], str]


def event(model: type[BaseModel], secret: Plant, *, everywhere: bool) -> dict[str, Any]:
    """An event of this model with a secret in each string, at every level, and in fields that nobody
    knows, as name and as value.

    Args:
        everywhere: also where the model wants one of a few words. Else these stay, so that the event
            gets further.
    """
    found = _body(model, secret, everywhere, 0)
    found["type"] = get_args(model.model_fields["type"].annotation)[0]
    return found


def _body(model: type[BaseModel], secret: Plant, everywhere: bool, depth: int) -> dict[str, Any]:
    fields = {
        field.alias or name: _value(field.annotation, secret, everywhere, depth + 1)
        for name, field in model.model_fields.items()
    }
    return fields | {secret(): secret(), "unheard_of": {"id": secret(), secret(): [secret()]}}


def _value(annotation: Any, secret: Plant, everywhere: bool, depth: int) -> Any:
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return secret() if everywhere else inner[0]
    if origin in (Union, types.UnionType):
        wanted = [each for each in inner if each is not type(None)]
        models = [each for each in wanted if list(_models(each))]
        return _value((models or wanted)[0], secret, everywhere, depth)
    if origin is list:
        return [_value(inner[0], secret, everywhere, depth)]
    if origin is dict:
        return {secret(): secret(), "client_event_id": secret(), "note": secret()}
    if origin is not None:
        return _value(inner[0], secret, everywhere, depth)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return _body(annotation, secret, everywhere, depth) if depth < 8 else None
    if isinstance(annotation, TypeVar) or annotation is object:
        return {"id": secret(), secret(): secret()}
    return {int: 1, float: 0.5, bool: True}.get(annotation, secret())


def frames(
    models: tuple[type[BaseModel], ...], *, everywhere: bool
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each event, as often as it takes for each field to have had each kind of secret."""
    for model in models:
        for start in range(len(SECRETS)):
            kinds = itertools.islice(itertools.cycle(SECRETS), start, None)
            yield model.__name__, event(model, lambda kinds=kinds: next(kinds), everywhere=everywhere)  # type: ignore[misc]  # fmt: skip


def leaks(text: str) -> list[str]:
    """What of a secret is in a text, as it is or written as JSON."""
    return [each for each in TRACES if each in text or json.dumps(each)[1:-1] in text]
