"""What is measured is what it is said to be: made phones, the comparison of alerts, costs, tables."""

from __future__ import annotations

import json
import plistlib
import random
import shutil
import sqlite3
import sys
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from benchmarks import compare, tables
from benchmarks.limit import read
from benchmarks.measure import CommandError, run
from benchmarks.phones import PASSWORD, Phone, Size, _Template, write_phone

from spytriage.demo.backup_format import BackupFile, mbfile
from spytriage.indicators.data import data_file
from tests.tools import digest_of, run_mvt

SIZE = Size(files=400, messages=300, visits=300, interactions=700)
ROUNDS = (1_000, 10)
ALERT = ("sms", "CRITICAL", "free-news-alert.example", "")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Phone]:
    folder = tmp_path_factory.mktemp("made") / "phone"
    return folder, write_phone(folder, SIZE)


# --- Phones -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_one_seed_is_one_phone(tmp_path: Path, password: str) -> None:
    for name in ("one", "other"):
        write_phone(tmp_path / name, SIZE, password=password, rounds=ROUNDS)
    write_phone(tmp_path / "next", SIZE, seed=2022, password=password, rounds=ROUNDS)

    assert digest_of(tmp_path / "one") == digest_of(tmp_path / "other") != digest_of(tmp_path / "next")


def test_mvt_reads_every_artefact_and_as_much_of_it_as_was_asked_for(made: tuple[Path, Phone], tmp_path: Path) -> None:
    folder, phone = made

    mvt = run_mvt(folder, [data_file("demo.stix2"), data_file("pegasus-core.stix2")], tmp_path)

    assert mvt["errors"] == []
    assert min(mvt["modules"].values()) > 0
    assert mvt["modules"]["Manifest"] == phone.files
    assert mvt["modules"]["SMS"] == SIZE.messages
    assert mvt["modules"]["SafariHistory"] == SIZE.visits
    assert mvt["modules"]["InteractionC"] == SIZE.interactions
    found = Counter(alert["module"] for alert in mvt["alerts"] if alert["indicator"])
    assert {"sms", "whatsapp", "safari_history", "manifest", "datausage", "tcc", "applications"} <= set(found)


def test_the_manifest_names_every_stored_file_and_no_other(made: tuple[Path, Phone]) -> None:
    folder, phone = made
    with closing(sqlite3.connect(folder / "Manifest.db")) as manifest:
        listed = dict(manifest.execute("SELECT fileID, flags FROM Files").fetchall())

    stored = {path.name for path in folder.glob("??/*")}

    assert stored == {file_id for file_id, flags in listed.items() if flags == 1}
    assert len(listed) == phone.files
    assert sum(flags != 2 for flags in listed.values()) == SIZE.files


@pytest.mark.parametrize("key", [b"", random.Random(1).randbytes(44)])
@pytest.mark.parametrize("path", ["Media/DCIM/100APPLE/IMG_0001.HEIC", "a", "x" * 300, "Library/\x02'.txt"])
def test_an_entry_made_from_a_template_is_the_one_that_the_demo_writes(path: str, key: bytes) -> None:
    stamp = datetime(2024, 5, 6, 7, 8, 9, tzinfo=UTC)
    file = BackupFile("HomeDomain", path, bytes(70_000), stamp)

    filled = _Template(len(path), is_folder=False, has_key=bool(key)).filled(
        path, 123_456, int(stamp.timestamp()), 70_000, key
    )

    assert plistlib.loads(filled) == plistlib.loads(mbfile(file, 123_456, key))


# --- The comparison -----------------------------------------------------------------------------------------------


def test_the_same_alerts_are_no_difference() -> None:
    assert compare.differences({ALERT: 2}, {ALERT: 2}, {}) == []


@pytest.mark.parametrize(
    ("ours", "beyond"),
    [
        ({}, {}),
        ({ALERT: 1}, {}),
        ({ALERT: 3}, {}),
        ({ALERT: 2, ("tcc", "CRITICAL", "demospyd", ""): 1}, {}),
        ({("sms", "LOW", "free-news-alert.example", ""): 2}, {}),
        ({ALERT: 2}, {("SMS", "free-news-alert.example"): 1}),
        ({ALERT: 2}, {("BackupInfo", "org.example.demospy"): 1}),
    ],
)
def test_an_alert_that_lacks_or_is_one_too_many_is_noticed(ours: Any, beyond: Any) -> None:
    assert compare.differences({ALERT: 2}, ours, beyond) != []


def test_what_only_spytriage_looks_at_is_expected_of_it() -> None:
    more = {ALERT: 3, ("backup_info", "CRITICAL", "org.example.demospy", ""): 1}
    beyond = {("SMS", "free-news-alert.example"): 1, ("BackupInfo", "org.example.demospy"): 1}

    assert compare.differences({ALERT: 2}, more, beyond) == []


@pytest.mark.slow
def test_both_check_a_phone_and_a_lost_message_is_noticed(made: tuple[Path, Phone], tmp_path: Path) -> None:
    folder, phone = made
    work, robbed = tmp_path / "work", tmp_path / "robbed"
    work.mkdir()
    (tmp_path / "other").mkdir()
    checks = compare.Checks(folder, work, encrypted=False, jobs=None)
    mvt, ours = checks.mvt(), checks.spytriage()
    shutil.copytree(folder, robbed)
    (robbed / "3d" / "3d0d7e5fb2ce288813306e4d4636395e047a3d28").unlink()  # sms.db

    assert compare.differences(mvt.alerts, ours.alerts, phone.beyond_mvt) == []
    assert set(ours.notes["modules"]) >= set(mvt.notes["modules"]) >= {"SMS", "Manifest"}
    with pytest.raises(SystemExit, match="SMS"):
        compare.Checks(robbed, tmp_path / "other", encrypted=False, jobs=None).spytriage()


@pytest.mark.slow
def test_a_phone_too_large_for_mvt_is_measured_without_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(compare.SIZES, "huge", SIZE)
    monkeypatch.setattr(compare, "WORK", tmp_path / "work")
    monkeypatch.setattr(compare, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(compare, "rewrite", lambda: None)  # of the project's own README
    monkeypatch.setattr(sys, "argv", ["compare", "--size", "huge", "--without-mvt"])

    compare.main()

    found = json.loads((tmp_path / "results" / "huge.json").read_text())
    assert "MVT was not run." in tables.sections({"huge": found})
    tables.draw([found], tmp_path / "plot.svg")
    assert found["spytriage"]["memory"] < 400e6
    assert not list((tmp_path / "work").iterdir())


# --- Costs --------------------------------------------------------------------------------------------------------


def test_the_memory_and_the_work_of_a_process_of_a_process_count(tmp_path: Path) -> None:
    work = "import time; held = bytearray(b'x' * 120_000_000); end = time.process_time() + 0.4\n"
    work += "while time.process_time() < end: pass"
    both = (
        f"import subprocess, sys; held = bytearray(b'x' * 60_000_000); subprocess.run([sys.executable, '-c', {work!r}])"
    )

    cost = run([sys.executable, "-c", both], tmp_path)

    assert cost.cpu > 0.4
    assert 180e6 < cost.memory < 400e6


def test_what_a_command_leaves_behind_is_counted(tmp_path: Path) -> None:
    left = tmp_path / "left"
    left.mkdir()

    cost = run([sys.executable, "-c", f"open({str(left / 'x')!r}, 'wb').write(bytes(5_000_000))"], tmp_path, left=left)

    assert cost.left == 5_000_000


def test_a_command_that_fails_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no such thing"):
        run([sys.executable, "-c", "raise SystemExit('no such thing')"], tmp_path)


def test_the_limit_reads_every_row(made: tuple[Path, Phone]) -> None:
    folder, phone = made

    rows = {name: read(folder / name) for name in phone.databases}

    assert rows["Manifest.db"] == phone.files
    assert rows["3d/3d0d7e5fb2ce288813306e4d4636395e047a3d28"] > 2 * SIZE.messages  # sms.db, with its joins


# --- Tables -------------------------------------------------------------------------------------------------------

COST = {
    "wall": 10.0,
    "cpu": 9.0,
    "memory": 200_000_000,
    "written": 0,
    "left": 1_000,
    "scan": 8.0,
    "modules": {"SMS": 2.0},
}
RESULT: dict[str, Any] = {
    "command": "python -m benchmarks.compare --size middling", "size": "middling", "encrypted": False, "jobs": None,
    "machine": {"cores": 2, "system": "Linux", "python": "3.11.7", "sqlite": "3.40.1", "mvt": "2026.10.26", "load": 1},
    "phone": {"files": 1_000, "messages": 1, "visits": 1, "interactions": 1, "entries": 1, "bytes": 5_000_000},
    "alerts": {"same": 7, "beyond_mvt": 1}, "key_seconds": None, "first_line_seconds": None,
    "limit": {"wall": 1.0, "cpu": 0.9}, "spytriage": COST,
    "mvt": {**COST, "wall": 125.0, "modules": {"SMS": 60.0, "Manifest": 40.0}},
}  # fmt: skip


def test_tables_are_written_between_the_markers_and_again_the_same(tmp_path: Path) -> None:
    readme, results, plot = tmp_path / "README.md", tmp_path / "results", tmp_path / "plot.svg"
    results.mkdir()
    (results / "middling.json").write_text(json.dumps(RESULT))
    readme.write_text(f"above\n{tables.BEGIN}old{tables.END}below\n")

    tables.rewrite(readme, results, plot)
    first = readme.read_text(), plot.read_bytes()
    tables.rewrite(readme, results, plot)

    assert (readme.read_text(), plot.read_bytes()) == first
    assert first[0].startswith("above\n")
    assert first[0].endswith("below\n")
    assert "old" not in first[0]
    assert "| wall time | 10 s | 125 s | 12.5 |" in first[0]
    assert "the same 7 alerts" in first[0]


def test_the_tables_of_the_readme_are_those_of_the_results(tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    shutil.copy(tables.README, readme)

    tables.rewrite(readme, tables.RESULTS, tmp_path / "plot.svg")

    assert readme.read_text() == tables.README.read_text()


def test_results_name_no_place_of_the_machine_they_were_made_on() -> None:
    kept = [path.read_text() for path in tables.RESULTS.glob("*.json")]

    assert kept
    assert not [text for text in kept if '"/' in text or "/home" in text or "/tmp" in text]
    assert tables.PLOT.stat().st_size < 150_000
