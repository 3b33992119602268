"""`spytriage consent`: write down what a person agrees to, and read it again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import click

from spytriage.atomic import require_free
from spytriage.cli.options import PATH, checked_on, language_option, yes_or_no
from spytriage.consent import Consent, Grant, parse_day, read_consent
from spytriage.errors import SpytriageError
from spytriage.i18n import _
from spytriage.statements import consent_opening, consent_question, consent_text
from spytriage.text import printable


@click.group(
    "consent",
    help=_(
        "Write down what a person agrees to. Without a consent record nothing is checked.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage consent new -o K-014.yaml\n"
        "  spytriage consent new -o K-014.yaml --grant analyse --grant share-redacted --keep-until 2027-01-31\n"
        "  spytriage consent show K-014.yaml"
    ),
)
@language_option()
def group() -> None:
    """Hold the commands below."""


@group.command(
    "new",
    help=_(
        "Ask for consent and write a record.\n\n"
        "Asks each question in turn: who was asked, and a yes or no for each use. With a --grant it asks nothing: "
        "give --grant only for what both the data owner (who used the phone) and the device owner agreed to. "
        "No name is written; keep the signed form elsewhere and note its reference here."
    ),
)
@click.option("--output", "-o", required=True, type=PATH, metavar="FILE", help=_("File to write."))
@click.option(
    "--grant",
    "grants",
    multiple=True,
    type=click.Choice([grant.value for grant in Grant]),
    help=_("What is agreed to; give it once for each."),
)
@click.option("--keep-until", metavar="DATE", help=_("Delete everything after this day (YYYY-MM-DD)."))
@click.option("--form-reference", metavar="TEXT", help=_("Code of the signed form that is kept elsewhere."))
@language_option()
def new(output: Path, grants: tuple[str, ...], keep_until: str | None, form_reference: str | None) -> None:
    """Write a consent record."""
    require_free(output)
    until = parse_day(keep_until) if keep_until else None
    if grants:
        granted = frozenset(Grant(grant) for grant in grants)
        consent = Consent(True, True, granted, until, form_reference or "", checked_on())
    else:
        consent = ask(until, form_reference)
    consent.write(output)
    click.echo(_("Consent record written: {path}").format(path=printable(str(output))))


@group.command("show", help=_("Show a consent record."))
@click.argument("file", type=PATH)
@language_option()
def show(file: Path) -> None:
    """Print a consent record."""
    summary = read_consent(file).summary()
    for name in summary.__dataclass_fields__:
        click.echo(f"{consent_text(name)}: {_in_words(getattr(summary, name))}")


def consent_for(file: Path | None) -> Consent:
    """Return the consent record of a check: from a file, or else by asking on the terminal.

    Raises:
        SpytriageError: there is neither a file nor a terminal, or the file is no record.
    """
    if file is not None:
        return read_consent(file)
    if sys.stdin is None or not sys.stdin.isatty():
        raise SpytriageError(
            _("There is no consent record, and nothing is checked without one."),
            hint=_("Make one with `spytriage consent new -o FILE`, then give it with --consent FILE."),
        )
    return ask()


def ask(keep_until: date | None = None, form_reference: str | None = None) -> Consent:
    """Ask for consent on the terminal, question by question; nothing is assumed."""
    click.echo(consent_opening(), err=True)
    data_owner = yes_or_no(consent_question("data_owner_asked"))
    device_owner = yes_or_no(consent_question("device_owner_asked"))
    grants = frozenset(grant for grant in Grant if yes_or_no(consent_question(grant.name.lower())))
    record = Consent(data_owner, device_owner, grants, keep_until, form_reference or "", checked_on())
    if keep_until is None:
        question = _("Keep the report until (YYYY-MM-DD, empty: not decided)")
        record = _asked(question, lambda day: replace(record, keep_until=parse_day(day) if day else None))
    if form_reference is None:
        question = _("Reference of the signed form, a code without names (empty: none)")
        record = _asked(question, lambda code: replace(record, form_reference=code))
    return record


def _asked(question: str, answered: Callable[[str], Consent]) -> Consent:
    """Ask until the answer will do: whoever writes 31/01/2027 must not lose the answers before it."""
    while True:
        answer = click.prompt(question, default="", show_default=False, err=True)
        try:
            return answered(answer.strip())
        except SpytriageError as error:
            click.echo(f"{error.message}\n{error.hint}", err=True)


def _in_words(value: bool | date | str | None) -> str:
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    return str(value) if value else "–"
