"""The delegation tables as machines, checked when this is imported."""

from __future__ import annotations

from enum import Enum

from .._core.machine import Definition, build
from . import client_table as client
from . import delegation_table as backend
from .states import ClientEvent, ClientState, DelegationEvent, DelegationState, LossKind

_LISTENERS: dict[type[Enum], str] = {LossKind: "application"}

DELEGATION_DEFINITION = Definition(
    backend.DELEGATION_TABLE,
    DelegationState,
    DelegationEvent,
    backend.BIRTHS,
    backend.FINAL,
    backend.TIMERS,
    backend.UNTIMED,
    _LISTENERS,
)
CLIENT_DEFINITION = Definition(
    client.CLIENT_TABLE,
    ClientState,
    ClientEvent,
    (ClientState.CREATED,),
    client.FINAL,
    client.TIMERS,
    client.UNTIMED,
    _LISTENERS,
)
DELEGATION_MACHINE = build(DELEGATION_DEFINITION)
CLIENT_MACHINE = build(CLIENT_DEFINITION)
