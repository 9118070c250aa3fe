"""``python -m realtime_fsm`` is ``realtime-fsm``."""

from .cli import main

if __name__ == "__main__":
    main()
