"""Puts the controller around the models that a worker's sessions and agents are given.

Constructors are public; what is private is listed in `realtime_fsm.livekit._private`.
"""

from __future__ import annotations

import functools
import logging
import os
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any, Optional

from .._core.policy import RetryPolicy
from .settings import RunSettings

_log = logging.getLogger("realtime_fsm")
_numbers = count(1)
#: Sees the object, and the arguments; may change the options, and return other arguments.
Before = Callable[[Any, tuple[Any, ...], dict[str, Any]], Optional[tuple[Any, ...]]]
After = Callable[[Any], None]


def install() -> None:
    """Control what is constructed in this process from now on. Called once ``livekit.agents`` is
    imported; nothing of it raises into the worker."""
    try:
        settings = RunSettings.of_process()
        if settings is not None:
            Hook(settings).install()
    except Exception:
        _log.exception("realtime-fsm run: the models of this process are not controlled")


class Hook:
    """See `install`."""

    def __init__(self, settings: RunSettings) -> None:
        from livekit.agents import llm

        from ..livekit import ControlledRealtimeModel
        from ..trace import record  # now: an import in the middle of a call would hold it up

        self._settings = settings
        self._recorder = record
        self._policy = settings.policy()
        self._controlled = ControlledRealtimeModel
        self._realtime = llm.RealtimeModel
        self._fallback = llm.RealtimeModelFallbackAdapter
        self._watch = _watch_of(settings)
        #: What was put around which model: an application may give one to several agents.
        self._made: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        #: The models inside a fallback adapter.
        self._inside: weakref.WeakKeyDictionary[Any, list[Any]] = weakref.WeakKeyDictionary()
        #: The sessions that a model of ours was attached to.
        self._sessions: weakref.WeakKeyDictionary[Any, weakref.WeakSet[Any]]
        self._sessions = weakref.WeakKeyDictionary()

    def install(self) -> None:
        """Put this around the constructors."""
        from livekit.agents import Agent

        from ..livekit._private import activity_class, session_class

        self._around(session_class(), "__init__", before=self._replace, after=self._session_made)
        self._around(Agent, "__init__", before=self._replace)
        self._around(Agent, "update_options", before=self._replace)
        self._around(self._fallback, "__init__", before=self._replace_inside)
        if (activity := activity_class()) is None:
            _log.warning("realtime-fsm run: models of agents are not attached; see docs/run.md")
        else:
            self._around(activity, "__init__", before=self._agent_begins)

    def _around(self, cls: type, name: str, *, before: Before, after: After | None = None) -> None:
        plain = getattr(cls, name, None)
        if plain is None:
            return  # `Agent.update_options` takes no models before livekit-agents 1.8

        @functools.wraps(plain)
        def controlled(self: Any, *args: Any, **options: Any) -> Any:
            args = _guarded(before, self, args, options) or args
            result = plain(self, *args, **options)
            if after is not None:
                _guarded(after, self)
            return result

        setattr(cls, name, controlled)

    # --- what is constructed

    def _replace(self, made: object, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """An AgentSession, or an Agent, is given a model."""
        model = options.get("llm")
        if isinstance(model, str):
            from livekit.agents import inference

            model = inference.llm_from_model_string(model)
        if isinstance(model, self._realtime):
            options["llm"] = self._around_model(model, self._policy)

    def _replace_inside(
        self, adapter: Any, args: tuple[Any, ...], options: dict[str, Any]
    ) -> tuple[Any, ...]:
        """A fallback adapter is given its models. It swaps on a fatal error alone."""
        policy = self._policy
        if "on_exhausted" not in self._settings.retry:
            policy = replace(policy, on_exhausted="escalate")
        models = args[0] if args else options.pop("models")
        self._inside[adapter] = inside = [self._around_model(each, policy) for each in models]
        return (inside, *args[1:])

    def _session_made(self, session: Any) -> None:
        self._attach(session.llm, session)

    def _agent_begins(self, made: object, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """An agent takes over in a session: its own model is attached."""
        agent, session = args
        self._attach(agent.llm, session)

    # --- models

    def _around_model(self, model: Any, policy: RetryPolicy) -> Any:
        if isinstance(model, self._controlled):
            _log.info("realtime-fsm run: %s is controlled already", model.label)
            return model
        if isinstance(model, self._fallback):
            return model  # the models inside were controlled when it was given them
        if model not in self._made:
            self._made[model] = self._controlled(model, retry=policy, mode=self._settings.mode)
            _log.info(
                "realtime-fsm run: %s is controlled, mode %s", model.label, self._settings.mode
            )
        return self._made[model]

    def _attach(self, model: Any, session: Any) -> None:
        made = list(self._made.values())
        for each in self._inside.get(model, [model]) if isinstance(model, self._realtime) else []:
            sessions = self._sessions.setdefault(each, weakref.WeakSet())
            if any(each is ours for ours in made) and session not in sessions:
                sessions.add(session)
                each.attach(session)
                self._record(each, session)
                if self._watch is not None:
                    self._watch(each).attach(session)

    def _record(self, model: Any, session: Any) -> None:
        if self._settings.record is None:
            return
        name = f"{time.strftime('%Y%m%dT%H%M%S')}-{os.getpid()}-{next(_numbers)}.jsonl"
        self._recorder(model, Path(self._settings.record) / name).attach(session)


def _watch_of(settings: RunSettings) -> Callable[..., Any] | None:
    """Imported before a call begins, which should not wait for it."""
    if not settings.watch:
        return None
    from ..watch import watch

    return functools.partial(watch, transcripts=settings.watch_words)


def _guarded(what: Callable[..., Any], *args: Any) -> Any:
    """A worker is never hurt by what is put around it."""
    try:
        return what(*args)
    except Exception:
        _log.exception("realtime-fsm run: not controlled")
        return None
