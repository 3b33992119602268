"""Hides small counts in tables with totals, and as many others as it takes that no hidden one can be worked out.

A count below k may point at a person (primary suppression). It is not enough to leave it out: whoever knows a total and
the other parts subtracts. So further cells are hidden (complementary suppression) until three things hold for what is
left, taken all together, because tables share totals:

1. No equation has one hidden member only.
2. What is hidden under a known total comes to k or more: were it less, each hidden part would be known to be small,
   and with a sum of zero to be zero.
3. No combination of equations gives away a hidden cell: in the system of all equations, solved for the hidden cells,
   none is determined.

Source of the terms and of the attack: Hundepool et al., Statistical Disclosure Control, Wiley 2012, chapter 4.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Equation(Generic[Key]):
    """A total that is the sum of its parts; everybody knows that it is."""

    total: Key
    parts: tuple[Key, ...]

    @property
    def members(self) -> tuple[Key, ...]:
        """Return the total and its parts."""
        return (self.total, *self.parts)


def suppress(counts: Mapping[Key, int], equations: Sequence[Equation[Key]], k: int) -> frozenset[Key]:
    """Return the cells to hide.

    Args:
        counts: every cell, 0 or more.
        equations: how they add up; each holds for `counts`.
        k: the smallest count that may be shown.
    """
    hidden = {key for key, value in counts.items() if value < k}
    while True:
        more = set(_thin(counts, equations, hidden, k)) or set(_given_away(counts, equations, hidden))
        if not more:
            return frozenset(hidden)
        hidden |= more


def _thin(counts: Mapping[Key, int], equations: Sequence[Equation[Key]], hidden: set[Key], k: int) -> Iterator[Key]:
    """Give a cell to hide for each equation whose hidden members are too few, or too small together."""
    taken: set[Key] = set()
    for equation in equations:
        covered = [key for key in equation.members if key in hidden or key in taken]
        if not covered:
            continue
        parts = [key for key in covered if key != equation.total]
        small = equation.total not in covered and sum(counts[key] for key in parts) < k
        if (len(covered) == 1 or small) and (extra := _cheapest(counts, equation, hidden | taken)) is not None:
            taken.add(extra)
            yield extra


def _cheapest(counts: Mapping[Key, int], equation: Equation[Key], hidden: set[Key]) -> Key | None:
    """Return the smallest part that is still shown, or the total: the least that readers lose."""
    shown = [key for key in equation.parts if key not in hidden]
    if shown:
        return min(shown, key=lambda key: (counts[key], str(key)))
    return equation.total if equation.total not in hidden else None


def _given_away(counts: Mapping[Key, int], equations: Sequence[Equation[Key]], hidden: set[Key]) -> Iterator[Key]:
    """Give a cell to hide for the first hidden cell that the equations together determine."""
    for key in determined(equations, hidden):
        of_it = [equation for equation in equations if key in equation.members]
        choices = {_cheapest(counts, equation, hidden) for equation in of_it} - {None}
        if choices:
            yield min((choice for choice in choices if choice is not None), key=lambda cell: (counts[cell], str(cell)))
            return


def determined(equations: Iterable[Equation[Key]], hidden: set[Key]) -> list[Key]:
    """Return the hidden cells whose value follows from the equations and the cells that are shown.

    The equations are brought into reduced row echelon form over the hidden cells: a cell is determined when a row
    holds it alone.
    """
    pivots: dict[Key, dict[Key, Fraction]] = {}
    holders: dict[Key, set[Key]] = defaultdict(set)  # in which pivot rows a cell stands
    for equation in equations:
        row = {key: Fraction(1) for key in equation.parts if key in hidden}
        if equation.total in hidden:
            row[equation.total] = Fraction(-1)
        for key in [key for key in row if key in pivots]:
            _add(row, pivots[key], -row[key])
        if row:
            _take_in(row, pivots, holders)
    return [key for key, row in pivots.items() if len(row) == 1]


def _take_in(row: dict[Key, Fraction], pivots: dict[Key, dict[Key, Fraction]], holders: dict[Key, set[Key]]) -> None:
    """Make a row the one of a new pivot, and take that pivot out of all others."""
    pivot = min(row, key=lambda key: (len(holders[key]), str(key)))
    scale = 1 / row[pivot]
    row = {key: value * scale for key, value in row.items()}
    for other in list(holders[pivot]):
        changed = pivots[other]
        _add(changed, row, -changed[pivot])
        for key in row:
            (holders[key].add if key in changed else holders[key].discard)(other)
    pivots[pivot] = row
    for key in row:
        holders[key].add(pivot)


def _add(row: dict[Key, Fraction], other: Mapping[Key, Fraction], times: Fraction) -> None:
    for key, value in other.items():
        total = row.get(key, Fraction(0)) + times * value
        if total:
            row[key] = total
        else:
            row.pop(key, None)
