"""The questions, in the order in which they are asked: the whole response is first."""

from __future__ import annotations

from importlib import import_module

for _name in (
    "whole",
    "creating",
    "ending",
    "cancelling",
    "items",
    "truncating",
    "session",
    "audio",
    "vad",
    "tools",
    "wire",
):
    import_module(f".{_name}", __name__)
