"""``realtime-fsm``, and ``python -m realtime_fsm``."""

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line. Ctrl-C is quiet while it is imported, too, and while it ends."""
    try:
        from .cli import main as run

        run()
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the workers are being ended
        sys.stderr.write("Stopped.\n")
        raise SystemExit(130) from None
    finally:
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    main()
