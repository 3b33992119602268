"""Holding rows back changes no alert and no line of the ledger: each module runs with its sieve and as MVT has it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.demo import DemoPhone
from spytriage.findings import time_of, was_sent
from spytriage.indicators.kept import reduced
from spytriage.indicators.matcher import SetMatcher
from spytriage.models import CoverageState, Observable
from spytriage.scan import observing, sieves
from spytriage.scan.observing import Recorder
from tests.scan.conftest import Ran
from tests.scan.side_by_side import CASES, INDICATORS, WHOLE, database_of, fill, told


def test_every_sieve_is_compared() -> None:
    assert set(CASES) == set(sieves.SIEVES)


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_sieve_holds_back_nothing_that_mvt_has_an_alert_for(
    ran: Callable[..., Ran], phone: Path, written_phone: tuple[Path, DemoPhone], module: str, data: st.DataObject
) -> None:
    place, strategy = CASES[module]
    database = database_of(phone, place)
    shutil.copyfile(database_of(written_phone[0], place), database)
    fill(database, data.draw(strategy))

    ours, theirs = ran(phone, module, ours=True), ran(phone, module, ours=False)

    assert [told(alert) for alert in ours[0]] == [told(alert) for alert in theirs[0]]
    assert ours[1] == theirs[1]


@pytest.mark.slow
@pytest.mark.parametrize("module", sorted(CASES))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_looked_up_is_taken_down_of_rows_that_are_let_go_of_too(
    ran: Callable[..., Ran],
    seen: list[Observable],
    phone: Path,
    written_phone: tuple[Path, DemoPhone],
    module: str,
    data: st.DataObject,
) -> None:
    place, strategy = CASES[module]
    database = database_of(phone, place)
    shutil.copyfile(database_of(written_phone[0], place), database)
    fill(database, data.draw(strategy))

    found = {}
    for ours in (True, False):
        seen.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(observing, "_RECORDS_AT_A_TIME", 2)
            alerts, line = ran(phone, module, ours=ours, recorder=Recorder(reduced, time_of, was_sent))
        found[ours] = [told(alert) for alert in alerts], line, {_kept(one) for one in seen}

    assert found[True][:2] == found[False][:2]
    if found[True][1].state is not CoverageState.FAILED:
        assert found[True][2] == found[False][2]


def _kept(one: Observable) -> tuple[Any, ...]:
    return one.look_up, one.value, one.day, one.count, one.sent


def test_records_that_only_later_checks_need_are_not_held(
    ran: Callable[..., Ran], seen: list[Observable], phone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observing, "_RECORDS_AT_A_TIME", 100)
    paths = [(10_000 + number, "HomeDomain", f"Media/{number}.heic", 1, None) for number in range(1_000)]
    fill(phone / "Manifest.db", {"Files(fileID, domain, relativePath, flags, file)": paths})
    held: list[int] = []
    looks_at = observing.Aside.look_at_rest

    def look_at_rest(aside: observing.Aside) -> None:
        held.append(len(aside._records))
        looks_at(aside)

    monkeypatch.setattr(observing.Aside, "look_at_rest", look_at_rest)
    _alerts, line = ran(phone, "Manifest", ours=True, recorder=Recorder(reduced, time_of, was_sent))

    assert max(held) == 100
    assert line.records is not None
    assert line.records > 1_000
    assert {"/Media/0.heic", "/Media/999.heic"} <= {one.value for one in seen}


def test_a_path_in_the_manifest_may_hold_a_host(ran: Callable[..., Ran], phone: Path) -> None:
    paths = [(1000 + number, "HomeDomain", path, 1, None) for number, path in enumerate(WHOLE)]
    fill(phone / "Manifest.db", {"Files(fileID, domain, relativePath, flags, file)": paths})

    ours, theirs = ran(phone, "Manifest", ours=True), ran(phone, "Manifest", ours=False)

    assert [told(alert) for alert in ours[0]] == [told(alert) for alert in theirs[0]]
    assert len(ours[0]) >= 3
    assert ours[1] == theirs[1]


def test_the_rows_that_were_read_are_told_while_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieves, "_TOLD_EVERY_SECONDS", 0)
    told: list[int] = []
    with closing(sqlite3.connect(":memory:")) as database:
        numbers = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n LIMIT 5000) SELECT * FROM n"
        cursor = database.execute(numbers)
        rows_read = sieves.Rows("TCC", SetMatcher(INDICATORS), told.append)

        assert len(list(rows_read.flow(cursor, cursor.__next__))) == 5000

    assert told == [2048, 4096]
    assert rows_read.held_back == 0


def test_a_query_without_the_columns_that_a_sieve_looks_at_is_not_sieved() -> None:
    with closing(sqlite3.connect(":memory:")) as database:
        cursor = database.execute("SELECT 'nothing of note' AS body")
        rows_read = sieves.Rows("SMS", SetMatcher(INDICATORS), print)

        assert list(rows_read.flow(cursor, cursor.__next__)) == [("nothing of note",)]
