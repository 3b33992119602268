"""What `check` and `demo` share: run a check, write its report, tell how it came out."""

from __future__ import annotations

import itertools
import sys
from dataclasses import replace
from pathlib import Path

from spytriage.cli.progress import shown_progress
from spytriage.handover import hand_over
from spytriage.models import Report
from spytriage.pipeline import Check, check
from spytriage.report import require_unused


def check_and_deliver(request: Check, output: Path, *, as_json: bool, quiet: bool) -> Report:
    """Run a check, write its report into a new folder and print the outcome.

    Returns:
        The report.

    Raises:
        SpytriageError: the check could not be done or the report not be written; nothing is left behind.
    """
    output = require_unused(output)  # before the long part
    with shown_progress(quiet=quiet or as_json) as progress:
        examined = check(replace(request, output=output), progress)
    report, files = hand_over(request, examined, output)
    if as_json:
        sys.stdout.buffer.write(files[0].read_bytes())
        sys.stdout.buffer.flush()
    elif not quiet:
        from rich.console import Console

        from spytriage.report.terminal import print_summary

        print_summary(report, output, Console())
    return report


def next_free_folder(name: str = "spytriage-report") -> Path:
    """Return spytriage-report, or spytriage-report-2 and so on when that is taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())
