"""From a recorded call to a test: what ``realtime-fsm case`` does. See ``docs/case.md``."""

from __future__ import annotations
