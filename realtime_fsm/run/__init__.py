"""``realtime-fsm run``: the controller around every realtime model of a worker that knows nothing of it.

The worker's own script runs in its own interpreter. ``site/sitecustomize.py`` is put in front of its
``PYTHONPATH``, so it is there in each process that LiveKit starts for a call, however it starts it
(forkserver, spawn, a thread); it waits for ``livekit.agents`` to be imported, and then `hook` puts the
controller in.
"""

from .settings import RunSettings

__all__ = ["RunSettings"]
