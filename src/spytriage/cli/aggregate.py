"""`spytriage aggregate`: counts over many reports, for publication."""

from __future__ import annotations

from pathlib import Path

import click

from spytriage.cli.options import PATH, language_option, output_option
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.text import printable


@click.command(
    "aggregate",
    help=_(
        "Count phones over many reports by period, region and sector, for publication.\n\n"
        "REPORTS are folders or zips that `check` and `pack` wrote, or folders of them. Only reports with the consent "
        "to be counted are; how many were not, and why, is said. Beside a report K-014 a file K-014.yaml may give "
        "period, region, sector, and codes for phone and person: reports with one code for the phone count once. "
        "Counts below the smallest that may be shown are hidden, and so is whatever would give them away.\n\n"
        "Writes aggregate.json, aggregate.csv and aggregate.html.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage aggregate reports/ -o statistics\n"
        "  spytriage aggregate reports/*.zip -o statistics --smallest 10"
    ),
)
@click.argument("reports", nargs=-1, required=True, type=PATH, metavar="REPORTS...")
@output_option(_("New folder for the statistics."), default=Path("spytriage-statistics"))
@click.option(
    "--smallest",
    type=click.IntRange(min=2),
    default=5,
    show_default=True,
    help=_("The smallest count that is shown."),
)
@language_option()
def command(reports: tuple[Path, ...], output: Path, smallest: int) -> int:
    """Count reports and write the statistics."""
    from spytriage.aggregate import collect, count, to_csv, to_html, to_json
    from spytriage.atomic import put_folder_in_place
    from spytriage.report import require_unused
    from spytriage.scan import forbid_network

    forbid_network()
    output = require_unused(output)
    collected = collect(reports)
    if not collected.cases:
        raise SpytriageError(
            _("No report here may be counted."),
            hint=_("Only reports of real phones with the consent to be counted in statistics are."),
        )
    statistics = count(collected, smallest)
    files = {
        "aggregate.json": to_json(statistics),
        "aggregate.csv": to_csv(statistics),
        "aggregate.html": to_html(statistics),
    }
    try:
        put_folder_in_place(files, output)
    except OSError as error:
        raise SpytriageError(
            _("The statistics could not be written."),
            path=output,
            hint=_("Give --output a new folder with space left."),
        ) from error
    left_out = sum(statistics.left_out.values())
    click.echo(
        _("Reports counted: {counted}. Left out: {left_out}.").format(counted=len(collected.cases), left_out=left_out)
    )
    click.echo(_("Statistics: {path}").format(path=printable(str(output / "aggregate.html"))))
    return 0
