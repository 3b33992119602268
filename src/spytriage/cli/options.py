"""Options and small helpers that commands share."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import click

from spytriage.consent import today
from spytriage.errors import SpytriageError
from spytriage.i18n import LANGUAGES, _
from spytriage.models import Tlp

PATH = click.Path(path_type=Path)
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def language_option() -> Decorator:
    """Accept --lang after the command's name too; the program has read it already."""
    return click.option(
        "--lang",
        metavar="LANG",
        expose_value=False,
        help=_(
            "Language of the screen and the report: {languages}; two with a comma between for a report in both."
        ).format(languages=", ".join(LANGUAGES)),
    )


def output_option(help_text: str, default: Path | None = None) -> Decorator:
    """Accept --output."""
    return click.option("--output", "-o", type=PATH, default=default, metavar="DIR", help=help_text)


def set_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept --indicators and --set, as `indicator_paths` and `set_names`."""
    paths = click.option(
        "--indicators",
        "-i",
        "indicator_paths",
        multiple=True,
        type=PATH,
        metavar="FILE|DIR",
        help=_("Look for the indicators of this STIX file, or of all in this folder, and no others. Repeatable."),
    )
    names = click.option(
        "--set",
        "set_names",
        multiple=True,
        metavar="NAME",
        help=_("Look for the indicators of this installed set, and no others. Repeatable."),
    )
    return paths(names(function))


def sealing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept --seal-to and --keep-observables, as `recipients` and `keep_observables`."""
    seal = click.option(
        "--seal-to",
        "recipients",
        multiple=True,
        metavar="RECIPIENT",
        help=_(
            "Seal the records behind the findings for this key (age1…, or 'ssh-ed25519 …'), in evidence.age. "
            "Needs the consent share-sealed. Repeatable."
        ),
    )
    keep = click.option(
        "--keep-observables",
        is_flag=True,
        help=_(
            "Keep what was looked up, without any message, in observables.age for the keys of --seal-to, so that "
            "`spytriage recheck` can look for newer indicators. Needs the consent keep-observables."
        ),
    )
    return seal(keep(function))


def printing_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Accept --json and --quiet."""
    quiet = click.option("--quiet", "-q", is_flag=True, help=_("Print nothing; the exit code tells the outcome."))
    as_json = click.option("--json", "as_json", is_flag=True, help=_("Print report.json and nothing else."))
    return as_json(quiet(function))


def jobs_option() -> Decorator:
    """Accept --jobs."""
    return click.option(
        "--jobs",
        type=click.IntRange(min=1),
        default=os.cpu_count() or 1,
        metavar="N",
        help=_("Read an iPhone backup with this many processes. Default: as many as the computer has cores."),
    )


def tlp_option() -> Decorator:
    """Accept --tlp."""
    return click.option(
        "--tlp",
        type=click.Choice([level.value for level in Tlp]),
        default=Tlp.AMBER_STRICT.value,
        show_default=True,
        help=_("Who the report may be passed on to, in the words of the Traffic Light Protocol 2.0."),
    )


def yes_or_no(question: str) -> bool:
    """Ask a question until it is answered with the letter for yes or no of the language in use; nothing is assumed."""
    # Click's own confirm() takes y and n only; a Spanish speaker types s.
    letters = _("y/n")
    yes, no = letters.split("/")
    while True:
        answer = click.prompt(f"{question} [{letters}]", prompt_suffix=" ", err=True).strip().casefold()
        if answer[:1] in {yes, no}:
            return bool(answer[:1] == yes)


def checked_on() -> date:
    """Return the day of the check (UTC).

    SOURCE_DATE_EPOCH (seconds since 1970, as in reproducible builds) stands in for the clock, so that a report can be
    made again byte for byte.

    Raises:
        SpytriageError: SOURCE_DATE_EPOCH is no such number.
    """
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if not epoch:
        return today()
    try:
        return datetime.fromtimestamp(int(epoch), UTC).date()
    except (ValueError, OverflowError, OSError) as error:
        raise SpytriageError(
            _("SOURCE_DATE_EPOCH is not a number of seconds."), hint=_("Unset it to use today's date.")
        ) from error
