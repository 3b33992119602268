"""What `check` and `demo` share: run a check, write its report, tell how it came out."""

from __future__ import annotations

import itertools
import os
import sys
from dataclasses import replace
from pathlib import Path

from spytriage.cli.progress import shown_progress
from spytriage.models import Report, Tlp
from spytriage.pipeline import Check, check
from spytriage.release import release
from spytriage.report import require_unused
from spytriage.signing import Signer


def check_and_deliver(
    request: Check, output: Path, *, as_json: bool, quiet: bool, tlp: Tlp, signer: Signer | None
) -> Report:
    """Run a check, write its report into a new folder, sign it when there is a key, and print the outcome.

    Returns:
        The report.

    Raises:
        SpytriageError: the check could not be done or the report not be written; nothing is left behind.
    """
    output = require_unused(output)  # before the long part
    with shown_progress(quiet=quiet or as_json) as progress:
        examined = check(replace(request, output=output), progress)
    examined = replace(examined, report=replace(examined.report, tlp=tlp, signer=signer.id if signer else None))
    report, files = release(request, examined, output, signer, on_terminal=not (quiet or as_json))
    try:
        _show(report, files[0], output, as_json=as_json, quiet=quiet)
    except (OSError, KeyboardInterrupt, SystemExit):  # rich ends the program when a pipe breaks
        # Nobody reads us any more, but the report is complete: the outcome stands.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    return report


def _show(report: Report, report_json: Path, output: Path, *, as_json: bool, quiet: bool) -> None:
    """Print the report or what it comes to."""
    if as_json:
        sys.stdout.buffer.write(report_json.read_bytes())
    elif not quiet:
        from rich.console import Console

        from spytriage.report.terminal import print_summary

        print_summary(report, output, Console())
    sys.stdout.flush()


def next_free_folder(name: str = "spytriage-report") -> Path:
    """Return spytriage-report, or spytriage-report-2 and so on when that is taken."""
    names = itertools.chain([name], (f"{name}-{number}" for number in itertools.count(2)))
    return next(path for path in map(Path, names) if not path.exists())
