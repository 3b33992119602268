"""The summary on a terminal: the same story, short, and inert."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console
from tests.report import samples

from spytriage.finding_kinds import KINDS, FindingId, Level, Trace
from spytriage.i18n import LANGUAGES, using_language
from spytriage.models import CoverageState, Limit, LimitId, Outcome, Report
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
    words = texts.outcome_texts(report.outcome, report.source)
    assert printed.startswith(f"{report.outcome} {words.headline}")
    assert words.not_meaning in printed
    places = [printed.index(f" {title} ") for title in ("What was checked", "Findings", "Limits", "What to do now")]
    assert places == sorted(places)
    for step in words.next_steps:
        assert step in printed
    assert printed.endswith("out/report.html (not signed)")


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_report_fits_forty_lines_of_eighty_columns(language: str) -> None:
    with using_language(language):
        for report in samples.EVERY_OUTCOME:
            lines = _printed(report).splitlines()
            assert len(lines) <= 40, report.outcome
            assert max(map(cell_len, lines)) <= 80


def test_a_limit_that_nobody_may_miss_is_told_however_little_room_there_is() -> None:
    consent = Limit(LimitId.NO_SHARING_CONSENT)
    with using_language("es"):
        assert texts.limit_text(consent) in _words(
            _printed(replace(samples.MATCH, limits=(*samples.MATCH.limits, consent)))
        )


def test_a_day_that_cannot_be_right_is_no_day_of_a_finding() -> None:
    days = (date(1970, 1, 1), date(2019, 5, 14), date(2099, 1, 1))
    findings = [samples.finding(FindingId.SITE_VISITED, "SafariHistory", samples.DOMAIN, day=day) for day in days]
    assert "(2019-05-14)" in _words(_printed(samples.report(Outcome.MATCH, findings)))


def test_values_are_set_apart_where_the_writing_runs_from_right_to_left() -> None:
    with using_language("ar"):
        printed = _printed(samples.MATCH)
        assert "\u2068roleaboutd\u2069" in printed
        assert printed.count("\u2068") == printed.count("\u2069")
    assert "\u2068" not in _printed(samples.MATCH)


def test_the_screen_speaks_the_language_of_the_person_alone() -> None:
    with using_language("es", "en"):
        both = _printed(samples.NO_MATCH)
    with using_language("es"):
        assert both == _printed(samples.NO_MATCH)


def test_every_gap_is_told_with_its_reason_and_checked_modules_are_counted() -> None:
    printed = _words(_printed(samples.INCONCLUSIVE))
    assert f"{texts.phrase(samples.modules(gaps=True)[18].state)} (it is damaged): sms.db" in printed
    assert "): WhatsApp ChatStorage.sqlite" in printed
    checked = sum(module.state is CoverageState.CHECKED for module in samples.modules(gaps=True))
    assert f"checked: {checked} " in printed


def test_findings_are_grouped_with_counts_and_the_rest_is_counted() -> None:
    printed = _words(_printed(samples.large()))
    assert "3334 × " in printed
    assert "+ 498" in printed
    kinds = [samples.finding(kind, "Manifest") for kind in FindingId]
    printed = _words(_printed(samples.report(Outcome.MATCH, kinds)))
    left = re.search(r"(\d+) more kinds of finding", printed)
    assert left
    assert printed.count(" × ") + int(left[1]) == len(kinds)


def test_what_is_shown_first_weighs_most_and_the_rest_has_a_place() -> None:
    kinds = [samples.finding(kind, "Manifest") for kind in FindingId]
    printed = _words(_printed(samples.report(Outcome.MATCH, kinds)))
    rest = re.search(r"(\d+) more kinds of finding, less strong than these, stand in report\.html\.", printed)
    assert rest
    told = printed[: rest.start()].rsplit(" Findings ", 1)[1]
    strongest = sorted((kind.trace for kind in KINDS.values()), key=list(Trace).index)
    assert re.findall(r"(\w+) 1 × ", told) == strongest[: len(kinds) - int(rest[1])]


def test_a_warning_from_apple_stands_before_ordinary_anomalies() -> None:
    ordinary = [samples.finding(kind.id, "Manifest") for kind in KINDS.values()
                if kind.trace is Trace.ANOMALY and kind.level is Level.LOW][:9]  # fmt: skip
    warning = samples.finding(FindingId.APPLE_THREAT_NOTIFICATION, "SMS")
    printed = _words(_printed(samples.report(Outcome.NO_MATCH, [*ordinary, warning])))
    assert "more kinds of finding" in printed
    assert " Findings notice 1 × A message looks like a threat notification from Apple" in printed


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
