"""`spytriage indicators`: what is looked for, where it comes from, and how old it is."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence, Set
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from spytriage.cli.options import PATH, checked_on, language_option, yes_or_no
from spytriage.i18n import _, ngettext
from spytriage.text import printable

if TYPE_CHECKING:
    from rich.table import Table

    from spytriage.indicators.bundle import Bundle
    from spytriage.indicators.catalogue import CatalogueEntry
    from spytriage.indicators.diff import Difference
    from spytriage.indicators.lint import Verdict
    from spytriage.indicators.store import Candidate, Record

_WIDEST = 1000
_SHOWN = 20
"""How many lines of a difference are shown of each kind, unless all are asked for."""


@click.group(
    "indicators",
    help=_(
        "See, install and make the sets of indicators that phones are checked against.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage indicators list               what is installed, what else is known, how old it is\n"
        "  spytriage indicators update             fetch every pinned set (the only command that uses the network)\n"
        "  spytriage indicators export kit.zip     take all sets to a machine without network\n"
        "  spytriage indicators import kit.zip     and install them there\n"
        "  spytriage indicators lint my-set.stix2  see what is wrong with a set"
    ),
)
@language_option()
def group() -> None:
    """Hold the commands below."""


@group.command(
    "list",
    help=_(
        "List the installed sets, and those that are known and not installed.\n\n"
        "Age counts from the day on which the catalogue pinned a set; from its import when it is not pinned. A narrow "
        "terminal leaves out families and publishers; for another program there is a line for each set, with tabs.\n\n"
        "\b\n"
        "Example:\n"
        "  spytriage indicators list"
    ),
)
@language_option()
def list_command() -> None:
    """Print the installed and known sets, and what to do about them."""
    from spytriage.indicators.store import records

    installed = records()
    headings = (_("Set"), _("Family"), _("Publisher"), _("Usable/all"), _("Days old"), _("State"))
    _print_list(headings, [_embedded_row(), *map(_installed_row, installed), *_known_rows(installed)])
    for line in _advice(installed):
        click.echo(line)


@group.command(
    "show",
    help=_(
        "Show one set: where it comes from, what it holds, what of it cannot be matched and why.\n\n"
        "SET is a name that `list` shows.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage indicators show pegasus-core\n"
        "  spytriage indicators show pegasus --all"
    ),
)
@click.argument("name", metavar="SET")
@click.option("--all", "show_all", is_flag=True, help=_("List every indicator too."))
@language_option()
def show(name: str, show_all: bool) -> None:
    """Print one set."""
    from spytriage.indicators.catalogue import entry_named
    from spytriage.indicators.store import is_installed, read_set

    known = entry_named(name)
    if known is not None and not is_installed(name):
        facts: list[tuple[object, object]] = [
            (_("Set"), name),
            (_("Title"), known.title),
            (_("Publisher"), known.publisher),
        ]
        _print_table(("", ""), facts + _origin(known))
        click.echo(_("Not installed. Run `spytriage indicators update {name}` to install it.").format(name=name))
        return
    bundle = read_set(name, checked_on())
    _print_table(("", ""), _facts(bundle))
    for entry in bundle.set.unusable:
        click.echo(_("not matched: {pattern} ({reason})").format(pattern=entry.pattern, reason=_reason(entry.reason)))
    if show_all:
        for indicator in bundle.indicators:
            click.echo(f"{indicator.type.value}\t{printable(indicator.value)}")


@group.command(
    "lint",
    help=_(
        "Find everything that is wrong with STIX bundles. Exit code 1 when there are errors; warnings are none.\n\n"
        "\b\n"
        "Example:\n"
        "  spytriage indicators lint my-set.stix2 other.stix2"
    ),
)
@click.argument("files", nargs=-1, required=True, type=PATH, metavar="FILE...")
@language_option()
def lint_command(files: tuple[Path, ...]) -> int:
    """Print every problem; the exit code tells whether there were errors."""
    from spytriage.indicators.lint import lint

    verdicts = [lint(path) for path in files]
    for verdict in verdicts:
        _print_verdict(verdict)
    return int(any(verdict.errors for verdict in verdicts))


@group.command(
    "build",
    help=_(
        "Make a STIX bundle from a facts file in YAML. The same facts give the same bytes.\n\n"
        "The format is described at the head of indicators/pegasus-core.yaml.\n\n"
        "\b\n"
        "Example:\n"
        "  spytriage indicators build my-set.yaml -o my-set.stix2"
    ),
)
@click.argument("facts", type=PATH, metavar="YAML")
@click.option("--output", "-o", required=True, type=PATH, metavar="STIX2", help=_("New file for the bundle."))
@language_option()
def build(facts: Path, output: Path) -> None:
    """Write a bundle."""
    from spytriage.atomic import write_new_file
    from spytriage.indicators.build import build_bundle, read_facts

    data = build_bundle(read_facts(facts))
    write_new_file(output, data, mode=0o644)
    click.echo(_("Written: {path}").format(path=printable(str(output))))


@group.command(
    "import",
    help=_(
        "Install sets from bundles, folders or zips, without network: all of them, or none if one cannot be read.\n\n"
        "A set whose bytes the catalogue pins is recognised; any other is recorded as unlisted.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage indicators import pegasus.stix2\n"
        "  spytriage indicators import kit.zip"
    ),
)
@click.argument("paths", nargs=-1, required=True, type=PATH, metavar="FILE|DIR|ZIP...")
@language_option()
def import_command(paths: tuple[Path, ...]) -> None:
    """Install sets from files."""
    from spytriage.indicators.kit import import_sets

    _print_installed(import_sets(paths, checked_on()))


@group.command(
    "update",
    help=_(
        "Fetch sets from where they are published. This is the only command that uses the network.\n\n"
        "Without --unpinned, only the version that the catalogue pins by its SHA-256 is taken.\n\n"
        "\b\n"
        "Examples:\n"
        "  spytriage indicators update\n"
        "  spytriage indicators update pegasus predator\n"
        "  spytriage indicators update --unpinned stalkerware"
    ),
)
@click.argument("names", nargs=-1, metavar="[SET]...")
@click.option(
    "--unpinned", is_flag=True, help=_("Take what is published today, verified by nothing, after showing what changed.")
)
@click.option("--yes", "-y", is_flag=True, help=_("Do not ask before an unpinned set is installed."))
@language_option()
def update(names: tuple[str, ...], unpinned: bool, yes: bool) -> None:
    """Fetch and install sets, one after the other."""
    from spytriage.indicators.store import install
    from spytriage.indicators.update import fetch_pinned, fetch_unpinned

    for fetched in (fetch_unpinned if unpinned else fetch_pinned)(names):
        if fetched.candidate is None:
            click.echo(_("{name}: nothing new").format(name=fetched.name))
        elif not unpinned or _agreed(fetched.candidate, yes):
            _print_installed(install([fetched.candidate], checked_on()))


@group.command(
    "export",
    help=_(
        "Write all installed sets, with their hashes, into one zip for a machine without network.\n\n"
        "\b\n"
        "Example:\n"
        "  spytriage indicators export kit.zip"
    ),
)
@click.argument("output", type=PATH, metavar="KIT.zip")
@language_option()
def export(output: Path) -> None:
    """Write a kit."""
    from spytriage.indicators.kit import export_kit

    count = len(export_kit(output))
    text = ngettext("{count} set written to {path}", "{count} sets written to {path}", count)
    click.echo(text.format(count=count, path=printable(str(output))))


@group.command(
    "diff",
    help=_(
        "Show what changed between two versions of a set: added, withdrawn, and named otherwise.\n\n"
        "\b\n"
        "Example:\n"
        "  spytriage indicators diff pegasus-2024.stix2 pegasus-2026.stix2"
    ),
)
@click.argument("old", type=PATH, metavar="OLD")
@click.argument("new", type=PATH, metavar="NEW")
@click.option("--all", "show_all", is_flag=True, help=_("Show every change, not only the first of each kind."))
@language_option()
def diff(old: Path, new: Path, show_all: bool) -> None:
    """Print a difference."""
    from spytriage.indicators.diff import compare
    from spytriage.indicators.sets import read_file

    _print_difference(compare(read_file(old, checked_on()), read_file(new, checked_on())), None if show_all else _SHOWN)


# --- What is printed ----------------------------------------------------------------------------------------------


def _print_list(headings: Sequence[Any], rows: Sequence[Sequence[Any]]) -> None:
    """Print the sets: for a program a line each, for a person a table in which no name is broken in two."""
    from rich.console import Console

    if not sys.stdout.isatty():
        for row in (headings, *rows):
            click.echo("\t".join(printable(str(cell)) for cell in row))
        return
    console, table = Console(), _table(headings, rows, {0, 3, 4})
    if console.measure(table, options=console.options.update(width=_WIDEST)).maximum > console.width:
        headings, *rows = ((row[0], *row[3:]) for row in (headings, *rows))
        table = _table(headings, rows, {0, 1, 2})
    console.print(table)


def _print_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    from rich.console import Console

    Console().print(_table(headings, rows, {0}))


def _table(headings: Sequence[str], rows: Iterable[Sequence[object]], unbroken: Set[int]) -> Table:
    """Return a table; a name or a number that is broken in two cannot be typed or compared."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=any(headings))
    for place, heading in enumerate(headings):
        table.add_column(heading, overflow="fold", no_wrap=place in unbroken)
    for row in rows:
        # Text, not markup: names of sets and families are written by whoever published them.
        table.add_row(*(Text(printable(str(cell))) for cell in row))
    return table


def _embedded_row() -> tuple[object, ...]:
    from spytriage.indicators.sets import read_embedded

    embedded = read_embedded(checked_on()).set
    families = ", ".join(embedded.families)
    return (embedded.name, families, embedded.publisher, f"{embedded.usable}/{embedded.total}", "", _("embedded"))


def _installed_row(record: Record) -> tuple[object, ...]:
    state = _("pinned") if record.catalogued else _("newer than the pin") if record.official else _("unlisted")
    usable = f"{record.usable}/{record.total}"
    return (record.name, record.family, record.publisher, usable, record.age(checked_on()), state)


def _known_rows(installed: Sequence[Record]) -> list[tuple[object, ...]]:
    from spytriage.indicators.catalogue import catalogue

    names = {record.name for record in installed}
    states = {True: _("not installed"), False: _("not installed, not pinned")}
    return [
        (entry.name, entry.family or "", entry.publisher, entry.total or "", "", states[entry.sha256 is not None])
        for entry in catalogue()
        if entry.name not in names
    ]


def _advice(installed: Sequence[Record]) -> list[str]:
    from spytriage.indicators.sets import FULL_PEGASUS
    from spytriage.indicators.store import OLD_AFTER_DAYS

    old = [record.name for record in installed if record.age(checked_on()) > OLD_AFTER_DAYS]
    lines = []
    if old:
        text = _("Older than {days} days: {names}. Run `spytriage indicators update`, or import a newer kit.")
        lines.append(text.format(days=OLD_AFTER_DAYS, names=", ".join(old)))
    if FULL_PEGASUS not in {record.name for record in installed if record.catalogued or record.official}:
        lines.append(_("The full Pegasus set is not installed. Run `spytriage indicators update pegasus`."))
    return lines


def _facts(bundle: Bundle) -> list[tuple[object, object]]:
    from collections import Counter

    from spytriage.indicators.catalogue import entry_of

    found = bundle.set
    counts = Counter(indicator.type.value for indicator in bundle.indicators)
    rows: list[tuple[object, object]] = [
        (_("Set"), found.name),
        (_("Title"), found.title),
        (_("Publisher"), found.publisher),
        (_("Families"), ", ".join(found.families)),
        (_("SHA-256"), found.sha256),
        (_("Indicators"), found.total),
        (_("Usable"), found.usable),
        (_("Not matched"), len(found.unusable)),
        *counts.most_common(),
    ]
    entry = entry_of(found.sha256)
    return rows + _origin(entry) if entry else rows


def _origin(entry: CatalogueEntry) -> list[tuple[object, object]]:
    """Return what the catalogue says of where a set comes from."""
    return [
        (_("Published in"), f"{entry.repository}, {entry.path}"),
        (_("Licence"), entry.licence or _("not looked at")),
        (_("Pinned version"), entry.commit or _("not pinned")),
        (_("Pinned on"), entry.pinned_on or ""),
    ]


def _reason(word: str) -> str:
    from spytriage.indicators.lint import REASONS

    return _(REASONS[word][1])


def _print_verdict(verdict: Verdict) -> None:
    for problem in verdict.problems:
        place = ":".join(str(part) for part in (printable(str(verdict.path)), problem.line) if part)
        click.echo(" ".join(filter(None, (f"{place}:", problem.severity.value, problem.object_id, problem.text))))
    if verdict.bundle is not None:
        found = verdict.bundle.set
        text = _("{path}: {total} indicators, {usable} usable, {unusable} not matched; errors: {errors}")
        numbers = {"total": found.total, "usable": found.usable, "unusable": len(found.unusable)}
        click.echo(text.format(path=printable(str(verdict.path)), errors=verdict.errors, **numbers))


def _print_installed(installed: Sequence[Record]) -> None:
    if not installed:
        click.echo(_("Nothing to install: the embedded set is always there."))
    for record in installed:
        text = (
            _("Installed: {name}, the version that the catalogue pins")
            if record.catalogued
            else _("Installed: {name}, not in the catalogue: recorded as unlisted")
        )
        click.echo(text.format(name=record.name))
        # On a line of its own: a number beside the name of a spyware has been taken for an infection.
        click.echo(_("  usable indicators: {usable} of {total}").format(usable=record.usable, total=record.total))


def _agreed(candidate: Candidate, yes: bool) -> bool:
    """Show what an unpinned version changes, and ask."""
    from spytriage.indicators.diff import compare
    from spytriage.indicators.store import is_installed, read_set

    name = candidate.bundle.set.name
    click.echo(f"{name}:")
    if is_installed(name):
        _print_difference(compare(read_set(name, checked_on()), candidate.bundle), _SHOWN)
    else:
        click.echo(_("  new: {usable} usable indicators").format(usable=candidate.bundle.set.usable))
    return yes or yes_or_no(_("Nobody has verified this version. Install it?"))


def _print_difference(difference: Difference, limit: int | None) -> None:
    if difference.is_empty:
        click.echo(_("Both look for the same."))
    changed = [
        f"{kind}\t{value}\t{', '.join(old)} → {', '.join(new)}" for (kind, value), old, new in difference.changed
    ]
    for heading, lines in (
        (_("added"), ["\t".join(key) for key in difference.added]),
        (_("withdrawn"), ["\t".join(key) for key in difference.withdrawn]),
        (_("named otherwise"), changed),
    ):
        if lines:
            click.echo(f"{heading}: {len(lines)}")
        for line in lines[:limit]:
            click.echo("  " + "\t".join(printable(part) for part in line.split("\t")))
        if limit is not None and len(lines) > limit:
            click.echo("  …")
    if difference.unusable[0] != difference.unusable[1]:
        click.echo(
            _("not matched: {before} before, {after} now").format(
                before=difference.unusable[0], after=difference.unusable[1]
            )
        )
