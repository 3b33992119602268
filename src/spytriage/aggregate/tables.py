"""Counts cases by period, region and sector, and says how the counts add up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from spytriage.aggregate.cases import Case, Collected, LeftOut
from spytriage.aggregate.suppression import Equation, suppress
from spytriage.finding_kinds import Trace
from spytriage.models import Outcome

DEFAULT_K = 5
DIMENSIONS = ("period", "region", "sector")
_ALL = ""


@dataclass(frozen=True, slots=True, order=True)
class Cell:
    """What a count is of.

    Attributes:
        measure: "phones", "people", "outcome", "trace" or "family".
        item: the outcome, trace or family; "" of phones and people.
        dimension: "period", "region", "sector"; "" of a total.
        value: of the dimension.
    """

    measure: str
    item: str = _ALL
    dimension: str = _ALL
    value: str = _ALL


_Equation: TypeAlias = Equation[Cell]


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts that may be published.

    Attributes:
        counts: by cell; None where the count is hidden.
        k: the smallest count that is shown.
        left_out: reports that are not counted, by reason.
    """

    counts: Mapping[Cell, int | None]
    k: int
    left_out: Mapping[LeftOut, int]


def count(collected: Collected, k: int = DEFAULT_K) -> Statistics:
    """Count the cases, and hide every count below `k` with whatever would give it away."""
    counts = _counts(collected.cases)
    hidden = suppress(counts, list(equations(counts)), k)
    if Cell("outcome", Outcome.MATCH) in hidden or Cell("phones") in hidden:
        hidden |= {cell for cell in counts if cell.measure == "people"}  # nearly the same numbers
    shown = {cell: None if cell in hidden else number for cell, number in sorted(counts.items())}
    return Statistics(shown, k, collected.left_out)


def _counts(cases: Sequence[Case]) -> dict[Cell, int]:
    found: Counter[Cell] = Counter()
    for case in cases:
        for measure, item in _marks(case):
            found[Cell(measure, item)] += 1
            for dimension in DIMENSIONS:
                found[Cell(measure, item, dimension, case.place(dimension))] += 1
    if cases and all(case.person for case in cases):
        found[Cell("people")] = len({case.person for case in cases})
        found[Cell("people", Outcome.MATCH)] = len({c.person for c in cases if c.outcome is Outcome.MATCH})
    # A table has a cell for each of its rows and columns: one that is not there would say that its count is zero.
    items = {(cell.measure, cell.item) for cell in found if cell.measure != "people"}
    items |= {("outcome", outcome) for outcome in Outcome} | {("trace", trace) for trace in Trace} | {("phones", _ALL)}
    places = {(cell.dimension, cell.value) for cell in found}
    return dict(found) | {Cell(*item, *place): found[Cell(*item, *place)] for item in items for place in places}


def _marks(case: Case) -> Iterator[tuple[str, str]]:
    yield "phones", _ALL
    yield "outcome", case.outcome
    yield from (("trace", trace) for trace in case.traces)
    yield from (("family", family) for family in case.families)


def equations(counts: Mapping[Cell, int]) -> Iterator[_Equation]:
    """Give what everybody knows about the tables: the values of a dimension add up, and so do the outcomes."""
    cells = sorted(cell for cell in counts if cell.measure != "people")
    for cell in cells:
        if not cell.dimension:
            for dimension in DIMENSIONS:
                parts = [part for part in cells if part.dimension == dimension and _same_mark(part, cell)]
                if parts:
                    yield Equation(cell, tuple(parts))
        if cell.measure == "phones":
            yield Equation(cell, tuple(Cell("outcome", item, cell.dimension, cell.value) for item in Outcome))


def _same_mark(one: Cell, other: Cell) -> bool:
    return (one.measure, one.item) == (other.measure, other.item)
