"""Damaged databases are read as far as they can be, and what was recovered is counted."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from spytriage.models import CoverageState, IndicatorIndex, Reason, ScanResult
from spytriage.scan.recover import is_damaged, recover
from tests.faults.faults import leaves, page_size
from tests.tools import SMS, edited, state_of, stored

Scan = Callable[..., ScanResult]
_ROWS = 3000


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("database") / "x.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE message (ROWID INTEGER PRIMARY KEY AUTOINCREMENT, text TEXT, date INTEGER)")
        database.execute('CREATE TABLE [odd "name] ([a b], rowid)')
        database.execute("CREATE TABLE keyed (k TEXT PRIMARY KEY, v) WITHOUT ROWID")
        database.execute("CREATE INDEX by_date ON message (date)")
        database.execute("CREATE VIEW seen AS SELECT * FROM message")
        database.executemany(
            "INSERT INTO message (text, date) VALUES (?, ?)", ((f"hola {n} " * 9, n) for n in range(_ROWS))
        )
        database.execute('INSERT INTO [odd "name] VALUES (1, 2)')
        database.commit()
    return path.read_bytes()


def recovered(content: bytes, folder: Path) -> list[tuple[int, str]]:
    (folder / "damaged.db").write_bytes(content)
    (folder / "new.db").unlink(missing_ok=True)
    recover(folder / "damaged.db", folder / "new.db")
    with closing(sqlite3.connect(folder / "new.db")) as database:
        return database.execute("SELECT ROWID, text FROM message").fetchall()


def test_a_sound_database_is_copied_whole(sound: bytes, tmp_path: Path) -> None:
    assert len(recovered(sound, tmp_path)) == _ROWS
    with closing(sqlite3.connect(tmp_path / "new.db")) as database:
        assert database.execute('SELECT * FROM [odd "name]').fetchall() == [(1, 2)]
        assert {kind for (kind,) in database.execute("SELECT type FROM sqlite_master")} == {"table"}
    assert not is_damaged(tmp_path / "damaged.db")


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_of_one_that_breaks_off_what_is_there_is_read(sound: bytes, tmp_path: Path, share: float) -> None:
    rows = recovered(sound[: int(len(sound) * share)], tmp_path)

    assert is_damaged(tmp_path / "damaged.db")
    assert len(rows) > _ROWS * share * 0.7


def test_a_page_that_cannot_be_read_costs_its_own_rows(sound: bytes, tmp_path: Path) -> None:
    place, size = leaves(sound)[7], page_size(sound)

    rows = recovered(sound[:place] + b"\xa5" * size + sound[place + size :], tmp_path)

    assert is_damaged(tmp_path / "damaged.db")
    assert _ROWS - 60 < len(rows) < _ROWS
    assert rows[0][0] == 1
    assert rows[-1][0] == _ROWS


def test_a_page_whose_first_row_lies_elsewhere_costs_that_row(sound: bytes, tmp_path: Path) -> None:
    """SQLite can tell the number of such a row and not what is in it."""
    place = leaves(sound)[0] + 8

    rows = recovered(sound[:place] + b"\xff\xff" + sound[place + 2 :], tmp_path)

    assert is_damaged(tmp_path / "damaged.db")
    assert {number for number, _text in rows} >= set(range(2, _ROWS + 1))


def test_a_page_that_still_parses_and_has_lost_its_rows_is_noticed(sound: bytes, tmp_path: Path) -> None:
    place = leaves(sound)[7]
    (tmp_path / "x.db").write_bytes(sound[: place + 3] + b"\x00\x00" + sound[place + 5 :])

    assert is_damaged(tmp_path / "x.db")


@pytest.mark.parametrize("loses_rows", [False, True])
def test_an_order_of_letters_that_sqlite_does_not_know_hides_no_damage(tmp_path: Path, *, loses_rows: bool) -> None:
    path = tmp_path / "x.db"
    with closing(sqlite3.connect(path)) as database:
        database.create_collation("of_apple", lambda one, other: (one > other) - (one < other))
        database.execute("CREATE TABLE message (text TEXT)")
        database.execute("CREATE INDEX by_text ON message (text COLLATE of_apple)")
        database.executemany("INSERT INTO message VALUES (?)", ((f"hola {n} " * 9,) for n in range(_ROWS)))
        database.commit()
    content = bytearray(path.read_bytes())
    if loses_rows:
        place = leaves(bytes(content))[1]
        content[place + 3 : place + 5] = b"\x00\x01"
    path.write_bytes(content)

    assert is_damaged(path) is loses_rows


def test_what_is_no_database_is_no_damaged_one(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"bplist00" * 600)

    assert not is_damaged(tmp_path / "x.db")
    with pytest.raises(sqlite3.Error):
        recover(tmp_path / "x.db", tmp_path / "new.db")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(flips=st.lists(st.tuples(st.integers(100, 200_000), st.integers(1, 255)), min_size=1, max_size=40))
def test_no_change_of_bytes_makes_it_fail_otherwise_or_invents_rows(
    sound: bytes, tmp_path: Path, flips: list[tuple[int, int]]
) -> None:
    content = bytearray(sound)
    for place, change in flips:
        content[place % len(content)] ^= change

    try:
        rows = recovered(bytes(content), tmp_path)
    except sqlite3.Error:
        return
    assert len(rows) <= _ROWS + len(flips)


class TestInABackup:
    def test_matches_among_the_recovered_rows_are_reported_with_how_many_there_were(
        self, run_scan: Scan, phone: Path
    ) -> None:
        with edited(phone, SMS) as database:
            database.executemany(
                "INSERT INTO message (guid, text, date) VALUES (?, ?, 1)", ((f"x{n}", "hola " * 60) for n in range(200))
            )
        content = stored(phone, SMS).read_bytes()
        place, size = leaves(content)[-1], page_size(content)
        stored(phone, SMS).write_bytes(content[:place] + b"\xa5" * size + content[place + size :])

        result = run_scan(phone)

        line = state_of(result, "SMS")
        assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.PARTLY_RECOVERED)
        assert line.detail.startswith("recovered ")
        assert "free-news-alert.example" in {i.value for a in result.alerts if a.match for i in a.match.indicators}

    def test_a_text_that_is_no_utf8_costs_its_own_row_and_is_told(
        self, run_scan: Scan, phone: Path, demo_index: IndicatorIndex
    ) -> None:
        with edited(phone, SMS) as database:
            database.execute("UPDATE message SET text = CAST(x'ff41' AS TEXT) WHERE ROWID = 1")

        result = run_scan(phone)

        assert state_of(result, "SMS").state is CoverageState.UNREADABLE
        assert any(alert.module == "SMS" and alert.match for alert in result.alerts)
