"""Run the command line with `python -m spytriage`."""

from spytriage.cli import main

if __name__ == "__main__":
    main()
