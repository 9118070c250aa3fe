"""Found by every Python below ``realtime-fsm run``. Standard library only, and quiet: such a process may
be another program, in another environment."""

import atexit
import importlib.abc
import importlib.machinery
import importlib.util
import os
import sys
from types import ModuleType
from typing import Any, Optional

_HERE = os.path.dirname(os.path.abspath(__file__))
_WAITS_FOR = "livekit.agents"


class _Loader(importlib.abc.Loader):
    """Loads as *below* does, and then puts the hook in."""

    def __init__(self, below: Any) -> None:
        self._below = below

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> Optional[ModuleType]:
        created: Optional[ModuleType] = self._below.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        self._below.exec_module(module)
        try:
            from realtime_fsm.run import hook
        except ImportError:
            return  # another environment
        hook.install()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._below, name)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds ``livekit.agents``, once."""

    def find_spec(
        self, fullname: str, path: Any = None, target: Any = None
    ) -> Optional[importlib.machinery.ModuleSpec]:
        if fullname != _WAITS_FOR:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader)
        return spec

    def say_if_unused(self) -> None:
        if self in sys.meta_path:
            words = "livekit.agents was not imported, so nothing was controlled"
            sys.stderr.write(f"realtime-fsm: {words}\n")


def _chain() -> None:
    """An environment may have a sitecustomize of its own, which this one hides."""
    elsewhere = [p for p in sys.path if os.path.abspath(p or os.curdir) != _HERE]
    spec = importlib.machinery.PathFinder.find_spec("sitecustomize", elsewhere)
    if spec is not None and spec.loader is not None:
        module = importlib.util.module_from_spec(spec)
        sys.modules["sitecustomize"] = module
        spec.loader.exec_module(module)


if os.environ.get("REALTIME_FSM_RUN"):
    _finder = _Finder()
    sys.meta_path.insert(0, _finder)
    if os.environ.get("REALTIME_FSM_RUN_PID") == str(os.getpid()) or (
        hasattr(os, "getppid") and os.environ.get("REALTIME_FSM_RUN_PARENT") == str(os.getppid())
    ):
        atexit.register(_finder.say_if_unused)
_chain()
