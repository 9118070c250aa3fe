"""Full-duplex models (GPT-Live), watched, not steered: see ``docs/gpt-live.md``.

::

    from realtime_fsm.livekit.duplex import watch

    watcher = watch(agent.duplex_session)
    watcher.on("loss", print)
"""

from ._observer import DuplexObserver, DuplexSessionInfo
from ._otel import OpenTelemetryDuplexObserver
from ._prometheus import PrometheusDuplexObserver
from ._watcher import Apology, DuplexWatcher, watch

__all__ = [
    "Apology",
    "DuplexObserver",
    "DuplexSessionInfo",
    "DuplexWatcher",
    "OpenTelemetryDuplexObserver",
    "PrometheusDuplexObserver",
    "watch",
]
