"""No hidden count can be worked out of what is shown, by whatever way the tables add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spytriage.aggregate.cases import Case, Collected
from spytriage.aggregate.suppression import Equation, suppress
from spytriage.aggregate.tables import DEFAULT_K, Cell, _counts, count, equations
from spytriage.finding_kinds import Trace
from spytriage.models import Outcome

CASES = st.lists(
    st.builds(
        Case,
        period=st.sampled_from(["2026-Q1", "2026-Q2", "2026-Q3"]),
        region=st.sampled_from(["north", "south", "coast", "capital"]),
        sector=st.sampled_from(["journalism", "law"]),
        phone=st.just(""),
        person=st.just(""),
        outcome=st.sampled_from(Outcome),
        traces=st.frozensets(st.sampled_from([Trace.RECEIVED, Trace.CONTACTED, Trace.RAN]), max_size=2),
        families=st.frozensets(st.sampled_from(["Pegasus", "Predator"]), max_size=1),
        checked_on=st.just("2026-05-04"),
    ),
    min_size=1,
    max_size=120,
)


def free(system: list[Equation[Cell]], hidden: set[Cell]) -> dict[Cell, bool]:
    """Say of each hidden cell whether the equations leave it open: whether some solution of the homogeneous system
    moves it. By singular values, not by the elimination of the program."""
    order = sorted(hidden)
    place = {cell: number for number, cell in enumerate(order)}
    rows = []
    for equation in system:
        row = np.zeros(len(order))
        for cell in equation.parts:
            if cell in place:
                row[place[cell]] += 1
        if equation.total in place:
            row[place[equation.total]] -= 1
        rows.append(row)
    _left, singular, right = np.linalg.svd(np.array(rows))
    rank = int((singular > 1e-9).sum())
    null_space = right[rank:]
    return {cell: bool(np.abs(null_space[:, place[cell]]).max(initial=0.0) > 1e-9) for cell in order}


@settings(max_examples=150, deadline=None)
@given(CASES, st.integers(2, 8))
def test_no_hidden_cell_is_determined_by_all_tables_together(cases: list[Case], k: int) -> None:
    counts = _counts(cases)
    system = list(equations(counts))
    hidden = set(suppress(counts, system, k))

    assert all(free(system, hidden).values())
    assert {cell for cell, number in counts.items() if number < k} <= hidden


@settings(max_examples=150, deadline=None)
@given(CASES, st.integers(2, 8))
def test_what_is_hidden_under_a_known_total_is_not_known_to_be_small(cases: list[Case], k: int) -> None:
    counts = _counts(cases)
    system = list(equations(counts))
    hidden = suppress(counts, system, k)

    for equation in system:
        parts = [cell for cell in equation.parts if cell in hidden]
        if parts and equation.total not in hidden:
            assert sum(counts[cell] for cell in parts) >= k


@given(CASES)
@settings(max_examples=50, deadline=None)
def test_the_equations_hold_for_every_table(cases: list[Case]) -> None:
    counts = _counts(cases)
    for equation in equations(counts):
        assert counts[equation.total] == sum(counts[cell] for cell in equation.parts)


def test_a_hidden_cell_takes_a_second_one_along() -> None:
    counts = {"all": 30, "a": 3, "b": 12, "c": 15}
    assert suppress(counts, [Equation("all", ("a", "b", "c"))], 5) == {"a", "b"}


def test_zeros_alone_under_a_known_total_are_not_left_for_the_reader_to_see() -> None:
    # Everybody in the region was a target: then so was whoever is known to be from there.
    counts = {"all": 9, "match": 9, "no-match": 0, "inconclusive": 0}
    hidden = suppress(counts, [Equation("all", ("match", "no-match", "inconclusive"))], 5)
    assert "match" in hidden or "all" in hidden


def test_a_cell_that_two_tables_give_away_together_is_noticed() -> None:
    # Each row and column of the square hides two, and yet a and d follow: a+b, c+d, a+c are known, and so is b+c.
    system = [
        Equation("r1", ("a", "b")),
        Equation("r2", ("c", "d")),
        Equation("c1", ("a", "c")),
        Equation("x", ("b", "c")),
    ]
    counts = {"a": 2, "b": 6, "c": 7, "d": 8, "r1": 8, "r2": 15, "c1": 9, "x": 13}
    hidden = suppress(counts, system, 5)
    assert any(total in hidden for total in ("r1", "r2", "c1", "x"))


def test_large_counts_are_all_shown() -> None:
    cases = [case(outcome) for outcome in Outcome for _number in range(DEFAULT_K)]
    shown = count(Collected(tuple(cases), {})).counts
    assert all(number is not None for cell, number in shown.items() if cell.measure in {"phones", "outcome"})


@pytest.mark.slow
def test_fifteen_thousand_cases_are_counted_quickly_enough_to_be_tested() -> None:
    regions = [f"region {number}" for number in range(32)]
    cases = [
        case(list(Outcome)[number % 4], regions[number * 7 % 32], f"20{20 + number % 6}-Q{number % 4 + 1}")
        for number in range(15_000)
    ]
    shown = count(Collected(tuple(cases), {})).counts
    assert shown[Cell("phones")] == 15_000


def case(outcome: Outcome, region: str = "north", period: str = "2026-Q1") -> Case:
    return Case(period, region, "law", "", "", outcome, frozenset(), frozenset(), "2026-05-04")
