"""The user's hub: ``python -m realtime_fsm.watch``."""

from __future__ import annotations

import sys

from ._place import WatchError
from ._serve import run_hub

if __name__ == "__main__":
    try:
        run_hub()
    except WatchError as error:
        sys.exit(f"realtime-fsm: {error}")
    except KeyboardInterrupt:
        pass
