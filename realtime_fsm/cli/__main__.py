"""``python -m realtime_fsm.cli``."""

from . import main

if __name__ == "__main__":
    main()
