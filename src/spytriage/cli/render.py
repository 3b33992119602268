"""`spytriage report`: make the renderings of a report again from report.json alone."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from spytriage.cli.options import PATH, language_option
from spytriage.errors import SpytriageError
from spytriage.i18n import _

_FORMATS = ("html", "pdf", "md", "stix", "csv", "timesketch", "jsonl")


@click.group(
    "report",
    help=_(
        "Make other renderings of a report.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage report render spytriage-report/report.json --format html -o again.html\n"
        "  spytriage report render spytriage-report/report.json --format pdf --lang es,en -o report.pdf\n"
        "  spytriage report render spytriage-report/report.json --format csv -o report.csv"
    ),
)
@language_option()
def group() -> None:
    """Hold the commands below."""


@group.command(
    "render",
    help=_(
        "Render REPORT.json again. html and stix give the bytes that were written with it, when language and version "
        "are the same.\n\n"
        "pdf needs WeasyPrint: pip install 'spytriage[pdf]'. md is for a ticket, csv for a spreadsheet. timesketch and "
        "jsonl are timelines with the columns that Timesketch reads, as CSV and JSON; a day stands for the time, which "
        "is withheld."
    ),
)
@click.argument("report", metavar="REPORT.json", type=PATH)
@click.option("--format", "form", required=True, type=click.Choice(_FORMATS), help=_("What to make."))
@click.option("--output", "-o", type=PATH, metavar="FILE", help=_("File to write. Default: the screen."))
@language_option()
def render(report: Path, form: str, output: Path | None) -> None:
    """Render a report."""
    from spytriage.atomic import write_new_file
    from spytriage.report import RENDERERS, from_json, to_pdf
    from spytriage.report.read import LARGEST_REPORT

    try:
        with report.open("rb") as handle:
            data = handle.read(LARGEST_REPORT + 1)
    except OSError as error:
        raise SpytriageError(
            _("The report cannot be read."), path=report, hint=_("Give the report.json of a hand-off.")
        ) from error
    rendered = {**RENDERERS, "pdf": to_pdf}[form](from_json(data))
    if output:
        write_new_file(output, rendered)
    else:
        sys.stdout.buffer.write(rendered)
        sys.stdout.buffer.flush()
