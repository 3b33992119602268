"""Run the command line: `python -m spytriage`, and the program `spytriage`."""

import signal


def main() -> None:
    """Load the command line and run it."""
    # Until it listens itself, Ctrl-C just ends the program: nothing has begun, and nobody needs a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    from spytriage.cli import main as run  # noqa: PLC0415

    run()


if __name__ == "__main__":
    main()
