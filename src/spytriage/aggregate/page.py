"""Statistics as JSON, as a table for spreadsheets, and as a page that makes no request and runs no script."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from spytriage.aggregate.cases import NOT_GIVEN, LeftOut
from spytriage.aggregate.tables import DIMENSIONS, Cell, Statistics
from spytriage.finding_kinds import Trace
from spytriage.i18n import _, current_language, deferred, direction, language_tag, ngettext
from spytriage.jsontext import canonical
from spytriage.models import Outcome
from spytriage.pages import environment, styled
from spytriage.text import csv_table, printable

if TYPE_CHECKING:
    import jinja2

_TEMPLATES = Path(__file__).parent / "templates"
_COLUMNS = ("measure", "item", "dimension", "value", "count")
SCHEMA_VERSION = 1

_MEASURES = {
    "outcome": deferred("Phones by outcome"),
    "trace": deferred("Phones with a published indicator, by kind of trace"),
    "family": deferred("Phones with a published indicator, by whom it is published for"),
}
_DIMENSION_WORDS = {"period": deferred("By period"), "region": deferred("By region"), "sector": deferred("By sector")}
_LEFT_OUT = {
    LeftOut.NO_CONSENT: deferred("no consent to be counted"),
    LeftOut.UNREADABLE: deferred("not a report, or changed since it was written"),
    LeftOut.DEMO: deferred("an invented phone"),
    LeftOut.SAME_PHONE: deferred("another report of the same phone is counted"),
}


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table on the page: its name, and for each column a count (None: hidden) and the width of a bar."""

    name: str
    counts: tuple[int | None, ...]
    widths: tuple[int, ...]  # percent of the table's largest count


@dataclass(frozen=True, slots=True)
class _Table:
    title: str
    columns: tuple[str, ...]
    rows: tuple[_Row, ...]


def to_json(statistics: Statistics) -> bytes:
    """Return aggregate.json: canonical JSON; a hidden count is null."""
    return canonical({
        "schema_version": SCHEMA_VERSION,
        "k": statistics.k,
        "counts": list(_counts(statistics)),
        "left_out": {reason.value: statistics.left_out.get(reason, 0) for reason in LeftOut},
    })  # fmt: skip


def to_csv(statistics: Statistics) -> bytes:
    """Return aggregate.csv: one line a count; a hidden one is empty."""
    return csv_table(_COLUMNS, _counts(statistics)).encode()


def _counts(statistics: Statistics) -> Iterator[dict[str, str | int | None]]:
    for cell, number in statistics.counts.items():
        yield dict(zip(_COLUMNS, (cell.measure, cell.item, cell.dimension, cell.value, number), strict=True))


def to_html(statistics: Statistics) -> bytes:
    """Return aggregate.html in the current language."""
    page = _environment().get_template("aggregate.html.jinja")
    return page.render(
        language=language_tag(current_language()),
        direction=direction(current_language()),
        **styled(_TEMPLATES / "aggregate.css"),
        k=statistics.k,
        phones=statistics.counts.get(Cell("phones")),
        matched=statistics.counts.get(Cell("outcome", Outcome.MATCH)),
        people=statistics.counts.get(Cell("people")),
        people_matched=statistics.counts.get(Cell("people", Outcome.MATCH)),
        sections=[(_(title), list(_tables(statistics, measure))) for measure, title in _MEASURES.items()],
        left_out=[(_(_LEFT_OUT[reason]), number) for reason, number in sorted(statistics.left_out.items())],
    ).encode()


@cache
def _environment() -> jinja2.Environment:
    return environment(_TEMPLATES, {}, _=_, ngettext=ngettext)


def _tables(statistics: Statistics, measure: str) -> Iterator[_Table]:
    """Give a table for each dimension: its values down, the items of the measure across."""
    items = _items(statistics, measure)
    if not items:
        return
    for dimension in DIMENSIONS:
        values = sorted({cell.value for cell in statistics.counts if cell.dimension == dimension})
        rows = [_row(statistics, measure, items, dimension, value) for value in values]
        columns = tuple(printable(item) for item in items)
        if rows:
            rows.append(_row(statistics, measure, items, "", ""))
            yield _Table(_(_DIMENSION_WORDS[dimension]), columns, tuple(rows))


def _items(statistics: Statistics, measure: str) -> list[str]:
    order = [*Outcome, *Trace]  # strongest first; families by name
    found = {cell.item for cell in statistics.counts if cell.measure == measure}
    return sorted(found, key=lambda item: (order.index(item) if item in order else len(order), item))


def _row(statistics: Statistics, measure: str, items: list[str], dimension: str, value: str) -> _Row:
    counts = tuple(statistics.counts.get(Cell(measure, item, dimension, value)) for item in items)
    largest = max((number or 0 for cell, number in statistics.counts.items() if cell.measure == measure), default=0)
    name = _("all") if not dimension else _("not given") if value == NOT_GIVEN else printable(value)
    return _Row(name, counts, tuple(round(100 * (number or 0) / max(1, largest)) for number in counts))
