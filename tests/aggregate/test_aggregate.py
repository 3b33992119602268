"""Statistics for publication: who is counted, what is left out, and what the files say."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from spytriage.aggregate import collect, count, to_csv, to_html, to_json
from spytriage.aggregate.cases import Case, Collected, LeftOut
from spytriage.aggregate.tables import Cell
from spytriage.errors import SpytriageError
from spytriage.finding_kinds import Trace
from spytriage.handoff import pack, read_handoff
from spytriage.models import Outcome, Report
from spytriage.report import write_report
from tests.report import samples

Write = Callable[..., Path]
REAL = replace(samples.MATCH, demo=False)


@pytest.fixture
def hand_off(tmp_path: Path) -> Write:
    """Write a report that may be counted, and what stands beside it."""
    (tmp_path / "reports").mkdir()

    def write(name: str, report: Report = REAL, aggregate: bool = True, beside: str = "") -> Path:
        folder = tmp_path / "reports" / name
        allowed = replace(report, consent=replace(report.consent, aggregate=aggregate))
        write_report(allowed, samples.OBJECTS, folder)
        if beside:
            folder.with_name(f"{name}.yaml").write_text(beside)
        return folder

    return write


def run(reports: Path, output: Path) -> subprocess.CompletedProcess[str]:
    # In a process of its own: the command shuts the network off for good where it runs.
    command = [sys.executable, "-m", "spytriage", "aggregate", str(reports), "-o", str(output)]
    return subprocess.run(command, env=os.environ | {"LANG": "C.UTF-8"}, capture_output=True, text=True, check=False)


def test_only_reports_whose_consent_allows_it_are_counted(hand_off: Write) -> None:
    found = collect([hand_off("K-014"), hand_off("K-015", aggregate=False)])
    assert len(found.cases) == 1
    assert found.left_out == {LeftOut.NO_CONSENT: 1}


def test_an_invented_phone_is_never_counted(hand_off: Write) -> None:
    assert collect([hand_off("K-014", samples.MATCH)]).left_out == {LeftOut.DEMO: 1}


def test_a_report_that_was_changed_is_not_counted(hand_off: Write) -> None:
    folder = hand_off("K-014")
    report = folder / "report.json"
    report.write_text(report.read_text().replace('"outcome": "match"', '"outcome": "no-match"', 1))
    (other := hand_off("K-015") / "report.json").write_text("[")
    found = collect([folder, other.parent])
    assert not found.cases
    assert found.left_out == {LeftOut.UNREADABLE: 2}


def test_a_report_without_its_manifest_is_left_out_and_said_to_be(hand_off: Write) -> None:
    folder = hand_off("K-014")
    (folder / "manifest.json").unlink()
    assert collect([folder]).left_out == collect([folder.parent]).left_out == {LeftOut.UNREADABLE: 1}


def test_the_same_phone_counts_once_and_its_latest_report_counts(hand_off: Write) -> None:
    later = replace(samples.NO_MATCH, tool=replace(samples.NO_MATCH.tool, checked_on=date(2026, 12, 1)))
    paths = [hand_off("new", later, beside="phone: P-7\n"), hand_off("old", beside="phone: P-7\n"), hand_off("other")]
    found = collect(paths)
    assert sorted(case.outcome for case in found.cases) == [Outcome.MATCH, Outcome.NO_MATCH]
    assert found.left_out == {LeftOut.SAME_PHONE: 1}


def test_folders_and_zips_are_found_below_a_folder(hand_off: Write, tmp_path: Path) -> None:
    folder = hand_off("K-014", beside="region: North\nsector: law\nperiod: 2026\n")
    (tmp_path / "reports" / "K-015.zip").write_bytes(pack(read_handoff(folder)))
    (tmp_path / "reports" / "K-015.yaml").write_text("region: South\n")
    found = collect([tmp_path / "reports"])
    assert {(case.region, case.sector, case.period) for case in found.cases} == {
        ("North", "law", "2026"), ("South", "not-given", "2026-Q4"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    ["region", "- region", "region: [a]", "name: Ana", "region: '<b>'", "region: " + "x" * 61, "{{", "region: ''"],
)
def test_a_file_beside_a_report_that_is_not_understood_stops_the_count(hand_off: Write, text: str) -> None:
    with pytest.raises(SpytriageError, match="does not say where a report belongs"):
        collect([hand_off("K-014", beside=text)])


def test_what_is_written_holds_no_small_count_and_no_name(hand_off: Write, tmp_path: Path) -> None:
    for number in range(7):
        hand_off(f"K-{number}", beside=f"region: {'North' if number < 5 else 'South'}\nperson: p{number}\n")
    done = run(tmp_path / "reports", tmp_path / "out")
    assert done.returncode == 0, done.stderr

    statistics = json.loads((tmp_path / "out" / "aggregate.json").read_text())
    counts = [cell["count"] for cell in statistics["counts"]]
    assert min(number for number in counts if number is not None) >= 5
    rows = list(csv.reader((tmp_path / "out" / "aggregate.csv").read_text().splitlines()))
    assert rows[0] == ["measure", "item", "dimension", "value", "count"]
    assert not [row for row in rows[1:] if row[4] and int(row[4]) < 5]
    written = "".join(path.read_text() for path in (tmp_path / "out").iterdir())
    assert "K-1" not in written
    assert "p1" not in written


def test_nothing_to_count_is_an_error_and_writes_nothing(hand_off: Write, tmp_path: Path) -> None:
    done = run(hand_off("K-014", aggregate=False), tmp_path / "out")
    assert done.returncode == 1
    assert "No report here may be counted" in done.stderr
    assert not (tmp_path / "out").exists()


def test_the_page_escapes_what_sets_and_files_say_and_asks_nobody() -> None:
    page = to_html(count(Collected((hostile(),) * 9, {LeftOut.DEMO: 1}))).decode()
    assert "<img" not in page
    assert "&lt;img" in page
    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page


def test_the_table_for_spreadsheets_holds_no_formula() -> None:
    assert b",=cmd" not in to_csv(count(Collected((hostile(),) * 9, {})))


def test_the_same_reports_give_the_same_bytes(hand_off: Write) -> None:
    paths = [hand_off("K-014"), hand_off("K-015", samples.NO_MATCH)]
    assert to_json(count(collect(paths))) == to_json(count(collect(paths[::-1])))


def test_people_are_counted_when_every_case_names_one_and_hidden_with_the_phones() -> None:
    cases = tuple(
        replace(hostile(), person=f"p{number // 2}", outcome=list(Outcome)[number // 20]) for number in range(80)
    )
    assert count(Collected(cases, {})).counts[Cell("people")] == 40
    assert count(Collected(cases, {})).counts[Cell("people", Outcome.MATCH)] == 10
    one_outcome = count(Collected(cases[:20], {})).counts  # everybody was a target: the number is hidden
    assert one_outcome[Cell("people", Outcome.MATCH)] is None
    assert Cell("people") not in count(Collected((*cases, hostile()), {})).counts


def hostile() -> Case:
    families = frozenset({"=cmd|' /C calc'!A0", "<img src=x onerror=alert(1)>"})
    return Case("2026-Q1", "north", "law", "", "", Outcome.MATCH, frozenset({Trace.RAN}), families, "2026-05-04")


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(SpytriageError, match="nothing here"):
        collect([tmp_path / "none"])
