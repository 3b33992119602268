"""`spytriage recheck`: what newer indicators say of cases that were checked before."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.keys import signer_for, signing_options
from spytriage.cli.options import PATH, checked_on, language_option, set_options
from spytriage.i18n import _, deferred, ngettext
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.recheck import Row

_WORDS = {
    "new": deferred("newer indicators match. Read the addendum, then call the person back"),
    "similar": deferred("only a resemblance to newer indicators, too weak to be called a match. Read the addendum"),
    "withdrawn": deferred("an indicator of a finding is no longer published. Read the addendum"),
    "unchanged": deferred("nothing new"),
    "report-only": deferred("nothing was kept, so that only the report could be compared"),
    "overdue": deferred("the consent has run out. Not opened: delete it with `spytriage forget`"),
    "duplicate": deferred("another case has this name. Recheck it by itself"),
    "not-a-case": deferred("not a report of spytriage"),
    "other-version": deferred("written by another version of spytriage. Use a newer one"),
    "wrong-identity": deferred("this identity does not open it, or it was changed"),
    "damaged": deferred("damaged. Verify it with `spytriage verify`"),
    "not-written": deferred("its addendum could not be written. Make room and recheck it again"),
    "crashed": deferred("could not be read to the end. Verify it with `spytriage verify`"),
}


@click.command(
    "recheck",
    help=_(
        "Look for newer indicators in cases whose observables were kept, with an addendum for each that changed.\n\n"
        "CASES are folders that `check --keep-observables` wrote, zips that `pack` made of them, or folders that hold "
        "many of these. What was kept is opened in memory only. summary.json has a row for every case, also for one "
        "that could not be rechecked. A case whose consent has run out is not opened.\n\n"
        "Exit code: 3 newer indicators match a case, 5 none does but a case could not be rechecked, 0 none does, "
        "1 error, 2 wrong usage.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage recheck cases/ --identity key.txt -o recheck-june\n"
        "  spytriage recheck cases/ -i new.stix2 --previous may.stix2 --identity key.txt -o recheck-june\n"
        "  spytriage recheck report-17 report-23.zip --identity key.txt --sign-key lab.key -o recheck-june"
    ),
)
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="CASES...")
@set_options
@click.option(
    "--previous", "previous_paths", multiple=True, type=PATH, metavar="FILE|DIR",
    help=_("Sets that cases were checked with: what is new beside them is looked up, which is faster. Repeatable."),
)  # fmt: skip
@click.option(
    "--identity", required=True, type=PATH, metavar="FILE",
    help=_("Your secret key: the file of age-keygen, or an SSH key of type ed25519."),
)  # fmt: skip
@click.option("--output", "-o", required=True, type=PATH, metavar="DIR", help=_("New folder for addenda and summary."))
@signing_options
@click.option("--jobs", "-j", type=click.IntRange(1, 64), default=2, show_default=True, help=_("How many processes."))
@click.option("--quiet", "-q", is_flag=True, help=_("Print nothing; the exit code tells the outcome."))
@language_option()
def command(
    paths: tuple[Path, ...],
    indicator_paths: tuple[Path, ...],
    set_names: tuple[str, ...],
    previous_paths: tuple[Path, ...],
    identity: Path,
    output: Path,
    sign_key: Path | None,
    sign_password_file: Path | None,
    jobs: int,
    quiet: bool,
) -> int:
    """Recheck cases; the exit code says whether something new was found."""
    from spytriage.evidence import parse_identities, read_identity_file
    from spytriage.indicators import load, select
    from spytriage.indicators.store import installed_sets
    from spytriage.recheck import SUMMARY, Request, exit_code, find_cases, recheck, whole_folder, write_summary
    from spytriage.scan import forbid_core_dumps, forbid_network

    forbid_network()
    forbid_core_dumps()
    signer, secret, today = signer_for(sign_key, sign_password_file), read_identity_file(identity), checked_on()
    parse_identities(secret, identity)
    earlier = [installed_sets(today), *([load(previous_paths, today)] if previous_paths else [])]
    request = Request.make(select(indicator_paths, set_names, today), earlier, secret, today, signer)
    cases, rows = find_cases(paths)
    with whole_folder(output) as folder:
        rows += _shown(recheck(cases, request, folder, signer, jobs), len(cases), quiet=quiet)
        write_summary(rows, request, folder, signer)
    if not quiet:
        _tell(rows, output / SUMMARY)
    return exit_code(rows)


def _shown(rows: Iterator[Row], count: int, *, quiet: bool) -> list[Row]:
    """Take the rows as they come, with a bar on a terminal."""
    if quiet or not sys.stderr.isatty():
        return list(rows)
    with click.progressbar(rows, length=count, file=sys.stderr) as shown:
        return list(shown)


def _tell(rows: Sequence[Row], written: Path) -> None:
    """Print the cases that somebody has to do something about, and how many of each kind there are."""
    from spytriage.recheck import Status

    for row in sorted(rows, key=lambda row: (list(Status).index(row.status), row.case)):
        if row.status is not Status.UNCHANGED:
            counts = "" if not row.depth else f"  +{row.new} ={row.still_there} -{row.withdrawn}"
            click.echo(f"{row.status.value:<15} {printable(row.case)}{counts}")
    for status in Status:
        if count := sum(row.status is status for row in rows):
            click.echo(ngettext("{count} case: {word}", "{count} cases: {word}", count).format(
                count=count, word=_(_WORDS[status.value])
            ))  # fmt: skip
    click.echo(_("Summary: {path}").format(path=printable(str(written))))
