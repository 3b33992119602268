"""The report as a table for a spreadsheet: nobody takes an empty list for an answer."""

from __future__ import annotations

import csv
import io

import pytest
from tests.report import samples

from spytriage.i18n import using_language
from spytriage.models import Report
from spytriage.report import texts
from spytriage.report.table import COLUMNS, to_csv


def rows_of(report: Report) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(to_csv(report).decode("utf-8-sig"))))


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_outcome_and_what_was_checked_stand_above_the_findings(report: Report) -> None:
    rows = rows_of(report)
    assert [row["row"] for row in rows] == [
        "outcome",
        *["coverage"] * len(report.modules),
        *["limit"] * len(report.told_limits),
        *["finding"] * len(report.findings),
    ]
    assert rows[0]["id"] == report.outcome
    assert texts.outcome_texts(report.outcome, report.source).not_meaning in rows[0]["title"]
    gaps = [row for row in rows if row["row"] == "coverage" and row["id"] in {"unreadable", "failed", "not-run"}]
    assert len(gaps) == sum(module.state.is_gap for module in report.modules)
    assert gaps == rows[1 : len(gaps) + 1]


def test_a_finding_has_its_number_its_day_and_its_indicator() -> None:
    row = next(row for row in rows_of(samples.MATCH) if row["id"] == "link-received")
    assert set(row) == set(COLUMNS)
    assert (row["day"], row["trace"], row["level"], row["mvt_level"]) == ("2019-05-14", "received", "high", "critical")
    assert (row["indicators"], row["sets"], row["families"]) == ("bad[.]example[.]org", "pegasus-core", "Pegasus")
    assert (row["rule"], row["records"], row["artefact"]) == ("subdomain", "1", "sms.db")
    assert row["ref"].startswith("F")


def test_ids_are_the_same_in_every_language_and_titles_are_not() -> None:
    english = rows_of(samples.MATCH)
    with using_language("es"):
        spanish = rows_of(samples.MATCH)
    told = {"title", "next_step"}
    for one, other in zip(english, spanish, strict=True):
        assert {name: one[name] for name in COLUMNS if name not in told} == {
            name: other[name] for name in COLUMNS if name not in told
        }
    assert english[0]["title"] != spanish[0]["title"]


def test_a_hostile_set_makes_no_row_and_no_formula() -> None:
    report, _objects = samples.hostile()
    table = to_csv(report).decode("utf-8-sig")
    assert len(table.splitlines()) == 1 + len(rows_of(report))
    assert not [cell for row in csv.reader(io.StringIO(table)) for cell in row if cell.startswith(("=", "+", "-", "@"))]
