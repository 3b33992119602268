"""Rows that only a write-ahead log holds are seen, which MVT never does."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from spytriage.models import CoverageState, IndicatorIndex, Reason, ScanResult
from tests.tools import SMS, Opened, digest_of, keys_of, state_of, stored

Scan = Callable[..., ScanResult]
WAL = (SMS[0], SMS[1] + "-wal")


@pytest.fixture(params=["in-clear", "encrypted"])
def backup(request: pytest.FixtureRequest) -> Opened:
    """A phone of each kind, to be changed."""
    if request.param == "encrypted":
        sealed: Opened = request.getfixturevalue("sealed")
        return sealed
    return Opened(request.getfixturevalue("phone"), None)


def wal_with(backup: Opened, text: str, tmp_path: Path) -> bytes:
    """Return a WAL of the messages that holds one message more; the database itself stays as it was."""
    path = tmp_path / "sms.db"
    path.write_bytes(backup.read(SMS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        backup.write(SMS, path.read_bytes())
        connection.execute("UPDATE message SET text = ? WHERE ROWID = (SELECT MIN(ROWID) FROM message)", (text,))
        connection.commit()
        return path.with_name("sms.db-wal").read_bytes()


def scanned(run_scan: Scan, backup: Opened) -> ScanResult:
    return run_scan(backup.folder, keys=keys_of(backup.folder) if backup.seal else None)


def hits(result: ScanResult) -> int:
    return sum(1 for alert in result.alerts if alert.module == "SMS" and "wal-only" in str(alert.event))


def test_a_link_that_only_the_log_holds_is_found(
    run_scan: Scan, backup: Opened, demo_index: IndicatorIndex, tmp_path: Path
) -> None:
    domain = next(i.value for i in demo_index.indicators if i.type == "domain")
    wal = wal_with(backup, f"mira https://{domain}/wal-only", tmp_path)
    assert hits(scanned(run_scan, backup)) == 0

    backup.write(WAL, wal)
    before = digest_of(backup.folder)
    result = scanned(run_scan, backup)

    assert hits(result) == 1
    assert not any(line.state.is_gap for line in result.modules)
    assert digest_of(backup.folder) == before


def test_a_log_that_the_manifest_calls_a_folder_is_applied_all_the_same(
    run_scan: Scan, backup: Opened, demo_index: IndicatorIndex, tmp_path: Path
) -> None:
    domain = next(i.value for i in demo_index.indicators if i.type == "domain")
    backup.write(WAL, wal_with(backup, f"mira https://{domain}/wal-only", tmp_path))
    with backup.manifest() as manifest:
        manifest.execute("UPDATE Files SET flags = 2 WHERE relativePath = ?", (WAL[1],))

    assert hits(scanned(run_scan, backup)) == 1


@pytest.mark.parametrize(("beginning", "is_gap"), [("d9d505f920a163d7", True), ("0000000000000000", False)])
def test_a_change_that_did_not_end_leaves_its_database_partly_read(
    run_scan: Scan, backup: Opened, beginning: str, is_gap: bool
) -> None:
    """A rollback journal holds what its database held before: rows that the change took away are in it alone."""
    backup.write((SMS[0], f"{SMS[1]}-journal"), bytes.fromhex(beginning) + bytes(1016))

    line = state_of(scanned(run_scan, backup), "SMS")

    assert line.reason is (Reason.PARTLY_READ if is_gap else None)


@pytest.mark.parametrize("content", [b"x", os.urandom(5000), bytes(5000)], ids=["short", "random", "zeros"])
def test_a_damaged_log_leaves_its_database_partly_read(run_scan: Scan, backup: Opened, content: bytes) -> None:
    backup.write(WAL, content)

    line = state_of(scanned(run_scan, backup), "SMS")

    assert (line.state, line.reason, line.detail) == (CoverageState.UNREADABLE, Reason.PARTLY_READ, "read 1 of 2")
    assert line.records


def test_a_log_that_breaks_off_is_told_and_what_comes_before_is_read(
    run_scan: Scan, backup: Opened, demo_index: IndicatorIndex, tmp_path: Path
) -> None:
    domain = next(i.value for i in demo_index.indicators if i.type == "domain")
    path = tmp_path / "sms.db"
    path.write_bytes(backup.read(SMS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        backup.write(SMS, path.read_bytes())
        whole = []
        for change in (f"https://{domain}/wal-only", "later"):
            connection.execute("UPDATE message SET text = text || ? WHERE ROWID = 1", (f" {change}",))
            connection.commit()
            whole.append(path.with_name("sms.db-wal").read_bytes())
    damaged = bytearray(whole[1])
    damaged[len(whole[0]) + 100] ^= 1  # in the first frame of the second change
    backup.write(WAL, bytes(damaged))

    result = scanned(run_scan, backup)

    line = state_of(result, "SMS")
    assert hits(result) == 1
    assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.PARTLY_READ)


def test_frames_of_an_earlier_round_are_no_damage(run_scan: Scan, backup: Opened, tmp_path: Path) -> None:
    path = tmp_path / "sms.db"
    path.write_bytes(backup.read(SMS))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        for _round in range(2):
            rows = 30 if not _round else 1  # the second round overwrites the beginning only
            connection.execute(f"UPDATE message SET subject = hex(zeroblob(500)) WHERE ROWID <= {rows}")
            connection.commit()
            if not _round:
                connection.execute("PRAGMA wal_checkpoint(FULL)")
                backup.write(SMS, path.read_bytes())
        backup.write(WAL, path.with_name("sms.db-wal").read_bytes())

    assert not any(line.state.is_gap for line in scanned(run_scan, backup).modules)


def test_a_log_that_is_missing_leaves_its_database_partly_read(run_scan: Scan, backup: Opened, tmp_path: Path) -> None:
    backup.write(WAL, wal_with(backup, "text", tmp_path))
    stored(backup.folder, WAL).unlink()

    line = state_of(scanned(run_scan, backup), "SMS")

    assert (line.state, line.reason) == (CoverageState.UNREADABLE, Reason.PARTLY_READ)


def test_an_empty_log_is_none(run_scan: Scan, backup: Opened) -> None:
    backup.write(WAL, b"")

    assert state_of(scanned(run_scan, backup), "SMS").state is CoverageState.CHECKED
