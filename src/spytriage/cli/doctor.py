"""`spytriage doctor`: does this machine leave traces, and is everything in order?"""

from __future__ import annotations

import json
from pathlib import Path

import click

from spytriage.cli.options import PATH, language_option
from spytriage.i18n import _


@click.command(
    "doctor",
    help=_(
        "Tell whether this machine leaves traces of a check, and whether everything is in order.\n\n"
        "Looks at swap, core dumps, storage in memory, disk encryption, what the system keeps the evidence and the "
        "network apart by, the clock, MVT, the indicator sets, and what a run that was stopped has left behind. "
        "In the folders DIR it looks for cases that have to be deleted by now. "
        "Changes nothing. Exit code: 0 when there is nothing to do, 1 otherwise.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage doctor\n"
        "  spytriage doctor cases/                  also what is overdue there\n"
        "  spytriage doctor --json"
    ),
)
@click.argument("folders", nargs=-1, type=PATH, metavar="[DIR]...")
@click.option("--json", "as_json", is_flag=True, help=_("Print JSON and nothing else."))
@language_option()
def command(folders: tuple[Path, ...], as_json: bool) -> int:
    """Print the diagnoses; the exit code says whether there is something to do."""
    from spytriage.doctor import State, diagnose, leftovers, look_for_overdue
    from spytriage.scan import left_behind

    diagnoses = (*diagnose(), leftovers(left_behind()), *(look_for_overdue(folders) if folders else ()))
    if as_json:
        rows = [{"id": d.id, "state": d.state.value, "word": d.word, "values": dict(d.values)} for d in diagnoses]
        click.echo(json.dumps({"checks": rows}, indent=2))
    else:
        marks = {State.OK: "+", State.PROBLEM: "!", State.UNKNOWN: "?"}
        for diagnosis in diagnoses:
            click.echo(f"{marks[diagnosis.state]} {diagnosis.sentence}")
            if diagnosis.advice:
                click.echo(f"    {diagnosis.advice}")
    return int(any(diagnosis.state is State.PROBLEM for diagnosis in diagnoses))
