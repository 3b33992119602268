"""`spytriage unseal`: open sealed evidence, for whom it was sealed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from spytriage.cli.options import PATH, language_option
from spytriage.i18n import _, ngettext
from spytriage.text import printable

if TYPE_CHECKING:
    from spytriage.evidence import SealedFinding


@click.command(
    "unseal",
    help=_(
        "Open sealed evidence and check that it belongs to its report.\n\n"
        "Shows raw records of the phone: messages, telephone numbers, addresses. Use a machine and a room where that "
        "is all right. Nothing is written unless --output is given.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage unseal report-014/evidence.age --identity key.txt\n"
        "  spytriage unseal report-014/evidence.age --identity key.txt --finding F2 --output K-014-F2"
    ),
)
@click.argument("evidence", type=PATH, metavar="EVIDENCE.AGE")
@click.option(
    "--identity",
    "-i",
    required=True,
    type=PATH,
    metavar="FILE",
    help=_("Your secret key: the file of age-keygen, or an SSH key of type ed25519."),
)
@click.option("--report", type=PATH, metavar="FILE", help=_("The report.json. Default: the one beside the evidence."))
@click.option("--finding", "refs", multiple=True, metavar="ID", help=_("Only this finding, such as F2. Repeatable."))
@click.option("--output", "-o", type=PATH, metavar="DIR", help=_("Write the records into this new folder instead."))
@language_option()
def command(evidence: Path, identity: Path, report: Path | None, refs: tuple[str, ...], output: Path | None) -> None:
    """Check, warn, then show or write."""
    from spytriage.evidence import read_identities, unseal
    from spytriage.scan import forbid_core_dumps, forbid_network

    forbid_network()
    forbid_core_dumps()
    opened = unseal(evidence, read_identities(identity), report or evidence.with_name("report.json"))
    findings = opened.only(refs)
    _warn(findings)
    if output is None:
        _show(findings)
    else:
        from spytriage.evidence import write_records

        write_records(findings, output)
        click.echo(
            _("Written to {folder}. Delete it when you are done.").format(folder=printable(str(output))), err=True
        )


def _warn(findings: Sequence[SealedFinding]) -> None:
    """Say loudly what comes, and on a terminal wait for a yes."""
    count = sum(len(finding.records) for finding in findings)
    told = ngettext(
        "The evidence belongs to the report. What follows is {count} raw record of the phone.",
        "The evidence belongs to the report. What follows is {count} raw records of the phone.",
        count,
    )
    click.echo(f"\n!!! {told.format(count=count)}", err=True)
    click.echo(_("!!! Other people are in it who were not asked. Do not copy, forward or photograph it."), err=True)
    cut = sum(finding.cut_fields for finding in findings)
    if cut:
        told = ngettext(
            "!!! {count} value was too long to be kept and is only marked.",
            "!!! {count} values were too long to be kept and are only marked.",
            cut,
        )
        click.echo(told.format(count=cut), err=True)
    click.echo("", err=True)
    if sys.stdin.isatty() and sys.stdout.isatty():
        click.pause(_("Press a key to go on, Ctrl-C to stop."), err=True)


def _show(findings: Sequence[SealedFinding]) -> None:
    """Print the records as JSON that does nothing to the terminal."""
    from spytriage.jsontext import readable

    shown = [
        {"ref": f.ref, "id": f.id, "module": f.module, "records": [dict(record) for record in f.records]}
        for f in findings
    ]
    sys.stdout.buffer.write(readable(shown))
    sys.stdout.buffer.flush()
