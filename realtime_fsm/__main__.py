"""``realtime-fsm``, and ``python -m realtime_fsm``."""

import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. Ctrl-C is quiet while it is imported, too."""
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        sys.stderr.write("Stopped.\n")
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
