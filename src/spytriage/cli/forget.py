"""`spytriage forget`: delete cases, and say what cannot be deleted."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spytriage.cli.options import checked_on, language_option, yes_or_no
from spytriage.errors import SpytriageError
from spytriage.i18n import _, ngettext
from spytriage.text import printable

_PATH = click.Path(path_type=Path)


@click.command(
    "forget",
    help=_(
        "Delete cases whose consent has run out: report, sealed files, the zip beside the folder, and the name that "
        "a batch knows the phone by.\n\n"
        "CASE is the folder of a report, or its zip. custody.jsonl stays, with a line that says that the case was "
        "deleted; it names nobody. Other files in the folder are left alone. What cannot be deleted from here is told. "
        "`spytriage doctor DIR` lists what is overdue.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage forget report-17\n"
        "  spytriage forget report-17 --now         the person asks for it before their day"
    ),
)
@click.argument("paths", nargs=-1, required=True, type=_PATH, metavar="CASE...")
@click.option("--now", is_flag=True, help=_("Delete also what may still be kept."))
@click.option("--yes", "-y", is_flag=True, help=_("Do not ask."))
@language_option()
def command(paths: tuple[Path, ...], now: bool, yes: bool) -> int:
    """Delete cases; exit code 1 when something is left that should have gone."""
    from spytriage.forget import forget, out_of_reach, read_case, require_due

    cases = [read_case(path) for path in paths]  # all are looked at before the first is touched
    for case in cases:
        if not now:
            require_due(case, checked_on())
    _agree(len(cases), yes=yes)
    all_gone = True
    for case in cases:
        done = forget(case, checked_on())
        all_gone = all_gone and done.noted and not done.left
        for path in done.removed:
            click.echo(_("Deleted: {path}").format(path=printable(str(path))))
        for path in done.struck:
            click.echo(_("Not named any more in: {path}").format(path=printable(str(path))))
        for path in done.left:
            click.echo(_("Not deleted: {path}").format(path=printable(str(path))))
        if not done.noted:
            text = (
                _(
                    "No line could be written to the custody of {path}: the disk is full, or may not be written to. "
                    "The report is therefore left. Make room, and run the same command again."
                )
                if done.unwritten
                else _("No line was added to the custody of {path}: it is missing or broken.")
            )
            click.echo(text.format(path=printable(str(case.folder))))
    click.echo(_("Not reached from here:"))
    for sentence in out_of_reach():
        click.echo(f"  - {sentence}")
    return int(not all_gone)


def _agree(count: int, *, yes: bool) -> None:
    """Ask on a terminal; elsewhere --yes has to be given.

    Raises:
        SpytriageError: nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise SpytriageError(
            _("Nothing was deleted: nobody can be asked here."), hint=_("Give --yes if you are certain.")
        )
    text = ngettext("Delete {count} case for good?", "Delete {count} cases for good?", count)
    if not yes_or_no(text.format(count=count)):
        raise click.Abort
