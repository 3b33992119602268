"""What the two pictures of report.html show: which day has findings of which trace, and what was checked.

The page draws them as SVG of a few circles and lines, with sizes in per cent, so that they follow the width of a phone
and of paper while their words, which are HTML, keep their size. The libraries that draw such pictures (matplotlib,
pygal, Vega) give a file with fonts, styles or a script of its own, which the policy of the page forbids, and which
follows neither the reader's colours nor their font size. Both pictures are told in words too: each row has a text, and
a table with everything stands below.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from spytriage.finding_kinds import Trace
from spytriage.report.arrange import TimelineRow, can_be_right

_COLUMNS = 120  # places on the time axis: days closer than that share a mark
_MARGIN = 1.5  # per cent left free at both ends, so that no mark is cut
_MOST_YEARS = 8  # labelled on the axis


@dataclass(frozen=True, slots=True)
class Mark:
    """The findings of one place of a row."""

    place: str  # per cent of the width
    radius: int  # pixels; grows with the number of findings


@dataclass(frozen=True, slots=True)
class Lane:
    """One kind of trace."""

    trace: Trace
    count: int
    first: date
    last: date
    marks: tuple[Mark, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """The rows of the picture, strongest trace first, on one axis."""

    first: date
    last: date
    lanes: tuple[Lane, ...]
    years: tuple[tuple[str, str], ...]  # per cent of the width and the year that begins there
    left_out: int  # findings with a day that cannot be right: they would stretch the axis


def timeline_picture(rows: Iterable[TimelineRow], checked_on: date, *, mirrored: bool) -> Timeline | None:
    """Return what to draw of a timeline, None when no day can be drawn.

    Args:
        rows: the dated findings.
        checked_on: the day of the check.
        mirrored: whether time runs from right to left, as in the writing around it.
    """
    rows = tuple(rows)
    drawn = tuple(row for row in rows if can_be_right(row.day, checked_on))
    if not drawn:
        return None
    first, last = min(row.day for row in drawn), max(row.day for row in drawn)

    def place(day: date) -> str:
        part = (day - first).days / (last - first).days if last > first else 0.5
        column = round(part * _COLUMNS) / _COLUMNS
        per_cent = _MARGIN + (100 - 2 * _MARGIN) * (1 - column if mirrored else column)
        return f"{per_cent:.1f}%"

    years = [date(year, 1, 1) for year in range(first.year + 1, last.year + 1)]
    step = math.ceil(len(years) / _MOST_YEARS) or 1
    return Timeline(
        first=first,
        last=last,
        lanes=tuple(
            _lane(trace, [(place(row.day), row) for row in drawn if row.trace is trace])
            for trace in Trace
            if any(row.trace is trace for row in drawn)
        ),
        years=tuple((place(day), str(day.year)) for day in years[::step]),
        left_out=sum(row.count for row in rows) - sum(row.count for row in drawn),
    )


def _lane(trace: Trace, placed: list[tuple[str, TimelineRow]]) -> Lane:
    counts: Counter[str] = Counter()
    for place, row in placed:
        counts[place] += row.count
    return Lane(
        trace=trace,
        count=sum(counts.values()),
        first=min(row.day for _place, row in placed),
        last=max(row.day for _place, row in placed),
        marks=tuple(Mark(place, 4 + min(4, int(math.log2(count)))) for place, count in counts.items()),
    )
