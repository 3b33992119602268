"""The summary on a terminal: the same story, short, and inert."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from tests.report import samples

from spytriage.finding_kinds import FindingId
from spytriage.models import CoverageState, Outcome, Report
from spytriage.report import texts
from spytriage.report.terminal import print_summary


def _printed(report: Report, output: Path | None = Path("out"), *, terminal: bool = False, width: int = 80) -> str:
    console = Console(
        file=io.StringIO(), width=width, force_terminal=terminal, color_system="standard" if terminal else None
    )
    print_summary(report, output, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def _words(printed: str) -> str:
    return " ".join(printed.split())


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_outcome_comes_first_then_coverage_findings_limits_and_next_steps(report: Report) -> None:
    printed = _words(_printed(report))
    words = texts.outcome_texts(report.outcome)
    assert printed.startswith(f"{report.outcome} {words.headline}")
    assert words.not_meaning in printed
    places = [printed.index(f" {title} ") for title in ("What was checked", "Findings", "Limits", "What to do now")]
    assert places == sorted(places)
    for step in words.next_steps:
        assert step in printed
    assert printed.endswith("out/report.html (not signed)")


def test_an_ordinary_report_fits_forty_lines_of_eighty_columns() -> None:
    ordinary = replace(samples.MATCH, findings=samples.FINDINGS[:3], demo=False)
    for report in (ordinary, samples.SUSPICIOUS, samples.NO_MATCH, samples.INCONCLUSIVE):
        lines = _printed(report).splitlines()
        assert len(lines) <= 42, report.outcome
        assert max(len(line) for line in lines) <= 80


def test_every_gap_is_told_with_its_reason_and_checked_modules_are_counted() -> None:
    printed = _words(_printed(samples.INCONCLUSIVE))
    assert f"{texts.state_text(samples.modules(gaps=True)[18].state)} (it is damaged): sms.db" in printed
    assert "): WhatsApp ChatStorage.sqlite" in printed
    checked = sum(module.state is CoverageState.CHECKED for module in samples.modules(gaps=True))
    assert re.search(rf"checked {checked} \d+", printed)


def test_findings_are_grouped_with_counts_and_the_rest_is_counted() -> None:
    printed = _words(_printed(samples.large()))
    assert "3334 × " in printed
    assert "+ 498" in printed
    kinds = [samples.finding(kind, "Manifest") for kind in FindingId]
    assert f"{len(kinds) - 8} more kinds of finding" in _words(_printed(samples.report(Outcome.MATCH, kinds)))


def test_limits_that_are_not_told_are_counted() -> None:
    printed = _words(_printed(samples.MATCH))
    told = [limit for limit in samples.MATCH.limits if texts.limit_text(limit) in printed]
    assert f"{len(samples.MATCH.limits) - len(told)} more limits" in printed
    assert told


def test_without_a_written_report_no_place_is_named() -> None:
    assert "report.html" not in _printed(samples.NO_MATCH, None)


@pytest.mark.parametrize("terminal", [False, True])
def test_a_hostile_set_and_path_do_nothing_to_the_terminal(terminal: bool) -> None:
    report, _objects = samples.hostile()
    for found in report.findings:  # one at a time: only the first values of a kind are shown
        single = replace(report, findings=(found,))
        printed = _printed(single, Path("/x/\x1b[31m[bold]y"), terminal=terminal, width=400)
        plain = re.sub(r"\x1b\[[0-9;]*m", "", printed) if terminal else printed
        assert not set(plain) & set("\x1b\x9b\x00\x07\r\u202e\u2066\u200b")
        assert "\\x1b[31m[bold]y" in plain
    markup = next(found for found in report.findings if "[bold red]" in found.indicators[0].value)
    assert "[bold red]markup[/bold red]" in _printed(replace(report, findings=(markup,)), width=400)


def test_colours_are_left_out_when_the_output_is_no_terminal() -> None:
    assert "\x1b" not in _printed(samples.MATCH)
    assert "\x1b" in _printed(samples.MATCH, terminal=True)


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_no_outcome_is_green(report: Report) -> None:
    assert not re.search(r"\x1b\[[0-9;]*\b(32|42|92|102)\b", _printed(report, terminal=True))
