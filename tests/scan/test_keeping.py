"""What modules looked up is one table in the end: each value once, however and in whatever order it came."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spytriage.models import CoverageState, LookUp, ModuleCoverage, Observable
from spytriage.scan import keeping
from spytriage.scan.keeping import Collected
from spytriage.scan.protocol import Observed, Planned
from spytriage.scan.supervisor import _Ledger

MODULES = ("Manifest", "SMS", "SafariHistory")


def seen(value: str, module: str = "SMS", day: date | None = None, count: int = 1) -> Observable:
    return Observable(LookUp.URL, value, module, day, count)


def collected(*messages: Observed) -> Collected:
    made = Collected()
    for message in messages:
        made.add(message)
    made.settle(MODULES)
    return made


def told(module: str) -> st.SearchStrategy[Observed]:
    observable = st.builds(
        Observable, st.sampled_from(LookUp), st.text("ab/\ud800é", max_size=3), st.just(module),
        st.none() | st.dates(), st.integers(0, 2**70), st.booleans(),
    )  # fmt: skip
    return st.builds(Observed, st.just(module), st.lists(observable, max_size=8).map(tuple), st.integers(0, 2))


def joined(messages: list[Observed]) -> list[Observable]:
    """What should come of messages: the same by the plainest means."""
    known: dict[tuple[int, str, str, bool], list[Observable]] = {}
    for message in messages:
        for one in message.observables:
            known.setdefault((MODULES.index(one.module), one.look_up, one.value, one.sent), []).append(one)
    return [
        Observable(
            LookUp(look_up), value, MODULES[module], min((one.day for one in same if one.day), default=None),
            min(sum(one.count for one in same), 2**63 - 1), sent,
        )
        for (module, look_up, value, sent), same in sorted(known.items(), key=lambda item: item[0])
    ]  # fmt: skip


@given(st.lists(st.sampled_from(MODULES).flatmap(told), max_size=12), st.integers(1, 4), st.randoms())
def test_each_value_is_one_row_whatever_order_it_came_in(
    messages: list[Observed], runs: int, order: random.Random
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keeping, "_BLOCK", 2)
        patch.setattr(keeping, "_MOST_RUNS", runs)
        first = collected(*messages)
        order.shuffle(messages)
        second = collected(*messages)
    assert list(first) == list(second) == joined(messages)
    assert first.left_out == second.left_out == +Counter({
        module: sum(message.left_out for message in messages if message.module == module) for module in MODULES
    })  # fmt: skip


def test_it_can_be_gone_through_again() -> None:
    made = collected(Observed("SMS", (seen("b"), seen("a"))), Observed("Manifest", (seen("c", "Manifest"),)))
    assert [one.value for one in made] == [one.value for one in made] == ["c", "a", "b"]


def test_the_first_day_stands_and_look_ups_are_added_up() -> None:
    days = (date(2024, 3, 2), None, date(2023, 12, 31), date(2024, 1, 1))
    made = collected(*(Observed("SMS", (seen("x", day=day, count=2),)) for day in days))
    assert list(made) == [seen("x", day=date(2023, 12, 31), count=8)]


@pytest.mark.parametrize(("name", "most"), [("MOST_VALUES", 2), ("MOST_TEXT", 3)])
def test_what_exceeds_the_bounds_of_a_module_is_counted(monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    monkeypatch.setattr(keeping, name, most)
    made = collected(
        Observed("SMS", (seen("aa"), seen("b"), seen("cc"), seen("dd"))),
        Observed("SMS", (seen("aa"),), 4),
        Observed("SafariHistory", (seen("x", "SafariHistory"),)),
    )
    assert [(one.value, one.count) for one in made] == [("aa", 2), ("b", 1), ("x", 1)]
    assert made.left_out == {"SMS": 6}


@pytest.mark.parametrize("last", MODULES)
def test_what_exceeds_the_bounds_of_a_phone_is_the_same_whoever_ends_last(
    monkeypatch: pytest.MonkeyPatch, last: str
) -> None:
    monkeypatch.setattr(keeping, "MOST_VALUES_OF_A_PHONE", 3)
    messages = [Observed(module, (seen("a", module), seen("b", module))) for module in MODULES]
    made = collected(*sorted(messages, key=lambda message: message.module == last))
    assert [(one.module, one.value) for one in made] == [("Manifest", "a"), ("Manifest", "b"), ("SMS", "a")]
    assert made.left_out == {"SMS": 1, "SafariHistory": 2}


def test_a_value_costs_no_more_memory_than_its_text() -> None:
    rng, day = random.Random(7), date(2024, 1, 1)
    tracemalloc.start()
    try:
        made, values = Collected(), 0
        for _run in range(20):
            days = [day + timedelta(rng.randrange(2_000)) for _ in range(2_000)]
            made.add(Observed("SMS", tuple(seen(f"/Media/IMG_{rng.randrange(10**8)}.HEIC", day=day) for day in days)))
        made.settle(MODULES)
        values = sum(1 for _ in made)
        held, _peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert values > 30_000
    assert held / values < 50


class TestTheLedger:
    def ledger(self) -> _Ledger:
        ledger = _Ledger(plan=Planned((("SMS",),), {}, ("SMS",), "1"))
        ledger.coverage["SMS"] = ModuleCoverage("SMS", CoverageState.CHECKED, 1)
        return ledger

    def test_has_what_came(self) -> None:
        ledger = self.ledger()
        ledger.observed.add(Observed("SMS", (seen("a"), seen("a")), 4))
        kept = ledger.result(keep=True).kept
        assert kept is not None
        assert (list(kept.observables), kept.left_out) == ([seen("a", count=2)], {"SMS": 4})

    def test_keeps_nothing_unless_asked(self) -> None:
        assert self.ledger().result().kept is None
