"""report.html: one inert file that tells coverage before findings."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest
from tests.report import samples

from spytriage.finding_kinds import KINDS, FindingId
from spytriage.i18n import using_language
from spytriage.models import CoverageState, IndicatorType, Limit, LimitId, MatchRule, Outcome, Report
from spytriage.report import texts, to_html

# fmt: off
ALLOWED_TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "footer", "main", "nav", "section", "article",
    "h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "div", "dt", "dd", "table", "caption", "thead", "tbody", "tr",
    "th", "td", "a", "b", "code", "bdi", "span", "time", "cite",
}
ALLOWED_ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "aria-label", "aria-labelledby", "href",
    "scope", "colspan", "data-label", "datetime",
}
# fmt: on


class _Page(HTMLParser):
    """Everything of a page that a browser could act on."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.comments: list[str] = []
        self.open: list[str] = []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)


def _page(report: Report) -> _Page:
    page = _Page(to_html(report).decode("utf-8"))
    assert page.open == []
    return page


def _text(report: Report) -> str:
    return " ".join(" ".join(_page(report).text).split())


def _assert_inert(page: _Page) -> None:
    assert {tag for tag, _ in page.tags} <= ALLOWED_TAGS
    assert {name for _, attributes in page.tags for name in attributes} <= ALLOWED_ATTRIBUTES
    targets = [attributes["href"] for _, attributes in page.tags if "href" in attributes]
    assert targets
    assert all(target and target.startswith("#") for target in targets)
    assert page.comments == []


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_page_of_each_outcome_has_only_inert_parts_and_no_address_to_load(report: Report) -> None:
    _assert_inert(_page(report))
    source = to_html(report).decode("utf-8")
    assert not re.search(r"https?:|@import|url\(|\bon\w+=|<script", source)


def test_the_policy_forbids_everything_but_the_one_style() -> None:
    source = to_html(samples.MATCH).decode("utf-8")
    style = re.search(r"<style>(.*?)</style>", source, re.DOTALL)
    assert style
    digest = base64.b64encode(hashlib.sha256(style.group(1).encode()).digest()).decode()
    policies = [tag["content"] for name, tag in _page(samples.MATCH).tags if tag.get("http-equiv")]
    assert policies == [f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"]
    assert source.index("Content-Security-Policy") < source.index("<style>")


def test_a_hostile_set_stays_text() -> None:
    report, _objects = samples.hostile()
    page = _page(report)
    _assert_inert(page)
    source = to_html(report).decode("utf-8")
    assert not set(source) & set("\x1b\x9b\x00\u202e\u2066\u200b\r")
    shown = " ".join(page.text)
    assert "<script>alert(1)</script>" in shown
    assert "{{ 7 * 7 }}" in shown
    assert "[bold red]markup" in shown
    assert "evil\\u202egpj[.]exe" in shown
    assert len(source) < 300_000


def test_values_of_sets_are_isolated_from_the_direction_of_the_text_around_them() -> None:
    source = to_html(samples.MATCH).decode("utf-8")
    assert '<bdi><code class="value">roleaboutd</code></bdi>' in source
    assert source.count("<bdi>") == source.count("</bdi>")


def test_domains_and_addresses_are_written_so_that_nothing_makes_them_links() -> None:
    source = to_html(samples.MATCH).decode("utf-8")
    assert "bad[.]example[.]org" in source
    assert "lookup[@]example[.]org" in source
    assert "bad.example.org" not in source
    link = samples.indicator(IndicatorType.URL, "https://bad.example.org/x")
    report = samples.report(Outcome.MATCH, [samples.finding(FindingId.LINK_RECEIVED, "SMS", link)])
    assert "https[://]bad[.]example[.]org/x" in _text(report)


@pytest.mark.parametrize("report", samples.EVERY_OUTCOME, ids=lambda report: report.outcome)
def test_the_outcome_stands_first_and_coverage_above_findings(report: Report) -> None:
    source = to_html(report).decode("utf-8")
    places = [source.index(mark) for mark in ('<h1 id="outcome"', 'id="limits"', 'id="coverage"', 'id="findings"')]
    assert places == sorted(places)
    text = _text(report)
    words = texts.outcome_texts(report.outcome)
    for sentence in (words.headline, words.meaning, words.not_meaning, *words.next_steps):
        assert sentence in text


def test_every_gap_is_in_the_coverage_table_with_its_reason_before_what_was_checked() -> None:
    text = _text(samples.INCONCLUSIVE)
    gap = text.index("sms.db SMS – it is damaged DatabaseError")
    assert gap < text.index("Safari History.db SafariHistory")
    for state in CoverageState:
        if any(module.state is state for module in samples.INCONCLUSIVE.modules):
            assert texts.state_text(state) in text.lower()


def test_a_finding_tells_everything_that_a_reviewer_may_see() -> None:
    text = _text(samples.report(Outcome.MATCH, [samples.FINDINGS[1]]))
    words = texts.finding_text(FindingId.LINK_RECEIVED)
    expected = [
        words.title, words.seen, words.meaning, words.next_step,
        *(texts.benign_text(benign) for benign in KINDS[FindingId.LINK_RECEIVED].benign),
        "2019-05-14", "sms.db", "Pegasus", "pegasus-core", texts.rule_text(MatchRule.SUBDOMAIN),
        "Level high", "Level in MVT critical", "2 artefacts, 2 types of indicator",
        "SMS", "contact-K7QF2M", "guid", "4 fields that no policy names",
    ]  # fmt: skip
    for part in expected:
        assert part in text, part


def test_the_anomaly_that_makes_an_outcome_suspicious_names_who_described_it() -> None:
    assert KINDS[FindingId.CALENDAR_EXPLOIT_PATTERN].source in _text(samples.SUSPICIOUS)


def test_sets_method_consent_and_redaction_are_told() -> None:
    text = _text(samples.MATCH)
    for part in (
        samples.CORE.sha256, samples.CORE.publisher, "94 in the set, 92 used", "unsupported-operator",
        "2026.10.26", "WS-07", "2027-01-31", "Policy review", "b2" * 32, "Fields withheld 31", "d1" * 32,
        texts.limit_text(Limit(LimitId.OPERATOR_KNOWS)),
    ):  # fmt: skip
        assert part in text, part


def test_every_limit_is_told() -> None:
    text = _text(samples.MATCH)
    for limit in samples.MATCH.limits:
        assert texts.limit_text(limit) in text


def test_a_demonstration_says_so_and_a_real_report_does_not() -> None:
    demo = texts.limit_text(Limit(LimitId.DEMO))
    assert demo in _text(samples.MATCH)
    assert demo not in _text(replace(samples.MATCH, demo=False, limits=()))


def test_ten_thousand_findings_make_a_page_that_can_be_read_and_counts_the_rest() -> None:
    report = samples.large()
    source = to_html(report).decode("utf-8")
    assert len(source) < 300_000
    shown = source.count('<li class="observation">')
    left = sum(int(count) for count in re.findall(r"(\d+) more findings of this kind", source))
    assert shown <= 200
    assert shown + left == len(report.findings)


def test_two_hundred_findings_are_all_shown() -> None:
    source = to_html(samples.large(200)).decode("utf-8")
    assert source.count('<li class="observation">') == 200
    assert "of this kind" not in source


def test_the_page_is_in_the_language_in_use_and_the_same_bytes_each_time() -> None:
    with using_language("es"):
        spanish = to_html(samples.MATCH)
    assert b'<html lang="es">' in spanish
    assert b'<html lang="en">' in to_html(samples.MATCH)
    assert to_html(samples.MATCH) == to_html(samples.MATCH)


def test_headings_do_not_skip_a_level_and_ids_are_unique() -> None:
    page = _page(samples.MATCH)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes["aria-labelledby"] for _, attributes in page.tags if "aria-labelledby" in attributes}
    linked = {str(attributes["href"])[1:] for _, attributes in page.tags if "href" in attributes}
    assert named | linked <= set(ids)


def _contrast(first: str, second: str) -> float:
    def luminance(colour: str) -> float:
        digits = colour if len(colour) == 6 else "".join(digit * 2 for digit in colour)
        parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    lighter, darker = sorted((luminance(first), luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_every_pair_of_colours_has_enough_contrast_and_none_is_green() -> None:
    style = to_html(samples.MATCH).decode("utf-8").split("<style>")[1].split("</style>")[0]
    light, dark = style.split("prefers-color-scheme: dark")[0], style.split("prefers-color-scheme: dark")[1]
    for scheme in (light, dark.split("* {")[0]):
        colours = {
            name: re.findall(rf"--{name}: #([0-9a-f]+)", scheme)
            for name in ("ink", "soft", "paper", "shade", "accent", "accent-paper")
        }
        for text in (*colours["ink"], *colours["soft"], *colours["accent"]):
            for ground in (*colours["paper"], *colours["shade"], *colours["accent-paper"]):
                assert _contrast(text, ground) >= 4.5, (text, ground)
        for colour in colours["accent"]:
            red, green, blue = (int(colour[place : place + 2], 16) for place in (0, 2, 4))
            assert green <= max(red, blue), colour
