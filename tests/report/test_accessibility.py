"""report.html for everybody: WCAG 2.2 AA as far as axe-core can tell, narrow screens, large text, print."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.report import samples

from spytriage.i18n import using_language
from spytriage.models import Limit, LimitId, Report
from spytriage.report import to_html

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WCAG_22_AA = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
]

ONE = [("en",), ("es",), ("pt_BR",), ("fr",), ("ar",)]
LANGUAGES = [*ONE, ("es", "en"), ("ar", "en")]
OUTCOMES = pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
IN_LANGUAGES = pytest.mark.parametrize("languages", LANGUAGES, ids=",".join)


@pytest.fixture(scope="module")
def playwright() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browser(playwright: Any) -> Iterator[Any]:
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    yield started
    started.close()


@pytest.fixture
def large_text(playwright: Any) -> Iterator[Any]:
    """A browser whose user has set the size of text to 32 pixels: twice the usual one."""
    flags = ["--no-sandbox", "--blink-settings=defaultFontSize=32,defaultFixedFontSize=26"]
    started = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
    yield started
    started.close()


class Opened:
    """Opens a report in a window of its own."""

    def __init__(self, browser: Any, folder: Path) -> None:
        self.browser, self.folder = browser, folder

    def __call__(self, report: Report, languages: tuple[str, ...], width: int = 1000, **window: Any) -> Any:
        with using_language(*languages):
            (self.folder / "report.html").write_bytes(to_html(report))
        page = self.browser.new_page(viewport={"width": width, "height": 900}, **window)
        page.goto((self.folder / "report.html").as_uri())
        return page


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Opened:
    return Opened(browser, tmp_path)


def problems_of(page: Any, *rules: str) -> list[str]:
    """Return what axe-core holds against a page: by these rules, or by all of WCAG 2.2 AA."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"runOnly": list(rules) or WCAG_22_AA}).response
    assert found["passes"], "axe looked at nothing"
    return [f"{problem['id']}: {node['html']}" for problem in found["violations"] for node in problem["nodes"]]


def test_axe_finds_a_fault_that_is_there(opened: Opened) -> None:
    page = opened(samples.MATCH, ("en",))
    page.evaluate("document.querySelector('.strip').removeAttribute('aria-label')")
    assert any("svg-img-alt" in problem for problem in problems_of(page))


@IN_LANGUAGES
@OUTCOMES
def test_axe_reports_nothing_in_light_nor_in_dark(opened: Opened, report: Report, languages: tuple[str, ...]) -> None:
    page = opened(report, languages)
    assert problems_of(page) == []
    page.emulate_media(color_scheme="dark")
    assert problems_of(page, "color-contrast") == []
    page.close()


def test_axe_reports_nothing_on_a_large_or_hostile_or_unshared_report(opened: Opened) -> None:
    unshared = replace(samples.NO_MATCH, limits=(Limit(LimitId.NO_SHARING_CONSENT), *samples.NO_MATCH.limits))
    for report in (samples.large(), samples.hostile()[0], unshared):
        page = opened(report, ("en",))
        assert problems_of(page) == []
        page.close()


@IN_LANGUAGES
@OUTCOMES
def test_nothing_is_cut_off_on_a_narrow_phone(opened: Opened, report: Report, languages: tuple[str, ...]) -> None:
    page = opened(report, languages, 320)
    assert _sideways(page) == []
    page.close()


@IN_LANGUAGES
def test_axe_reports_nothing_on_a_narrow_phone(opened: Opened, languages: tuple[str, ...]) -> None:
    assert problems_of(opened(samples.MATCH, languages, 320)) == []


@IN_LANGUAGES
def test_nothing_is_cut_off_at_twice_the_size_nor_on_a_tablet(opened: Opened, languages: tuple[str, ...]) -> None:
    zoomed = opened(samples.MATCH, languages, 640, device_scale_factor=2)  # a window of 1280 pixels at 200 %
    assert _sideways(zoomed) == []
    assert _sideways(opened(samples.MATCH, languages, 760)) == []


def test_nothing_is_cut_off_for_who_reads_at_twice_the_size_of_text(large_text: Any, tmp_path: Path) -> None:
    for languages in LANGUAGES:
        for width in (640, 1280):
            page = Opened(large_text, tmp_path)(samples.MATCH, languages, width)
            assert _sideways(page) == [], (languages, width)
            page.close()


def test_a_hostile_report_does_not_widen_a_narrow_phone(opened: Opened) -> None:
    assert _sideways(opened(samples.hostile()[0], ("en",), 320)) == []


def _sideways(page: Any) -> list[str]:
    """Return what sticks out of the window, when there is something to scroll to sideways."""
    return list(
        page.evaluate(
            """() => document.documentElement.scrollWidth <= innerWidth ? [] :
               [...document.querySelectorAll('body *')].filter(e => e.getBoundingClientRect().right > innerWidth
                 || e.getBoundingClientRect().left < 0).map(e => e.outerHTML.slice(0, 80))"""
        )
    )


@pytest.mark.parametrize("paper", ["A4", "Letter"])
def test_paper_cuts_no_row_and_loses_no_word(opened: Opened, paper: str) -> None:
    pages = printed(opened(samples.MATCH, ("en",)), paper)
    assert "What to do now" in pages[0]
    assert "smex.org/helpdesk" in pages[0]
    assert "What was checked" in pages[1]
    rows = [f"{module.name} {module.records}" for module in samples.MATCH.modules if module.records is not None]
    assert rows
    assert all(sum(row in one for one in pages) == 1 for row in rows)


@pytest.mark.parametrize("paper", ["A4", "Letter"])
@pytest.mark.parametrize("languages", ONE, ids=",".join)
def test_what_is_for_the_person_fits_on_one_sheet(opened: Opened, paper: str, languages: tuple[str, ...]) -> None:
    for report in samples.EVERY_OUTCOME:
        page = opened(report, languages)
        assert "smex.org/helpdesk" in printed(page, paper)[0], report.outcome
        page.close()


def test_the_title_of_a_finding_is_not_cut_in_two(opened: Opened) -> None:
    page = opened(samples.MATCH, ("es", "en"))
    page.emulate_media(media="print")
    titles = page.evaluate(
        "[...document.querySelectorAll('article > header')].map(e => getComputedStyle(e).breakInside)"
    )
    assert titles
    assert set(titles) == {"avoid"}


def printed(page: Any, paper: str) -> list[str]:
    """Return the text of each sheet of paper, in one line."""
    import io
    import warnings

    from pypdf import PdfReader

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sheets = PdfReader(io.BytesIO(page.pdf(format=paper))).pages
        return [" ".join(sheet.extract_text().split()) for sheet in sheets]
