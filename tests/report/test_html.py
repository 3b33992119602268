"""report.html: one inert file that tells coverage before findings."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from dataclasses import fields, replace
from datetime import date
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup
from tests.report import samples

from spytriage.finding_kinds import KINDS, FindingId, Trace
from spytriage.i18n import using_language
from spytriage.models import (
    CoverageState,
    IndicatorType,
    Limit,
    LimitId,
    MatchRule,
    Outcome,
    Report,
    Term,
    UnusableIndicator,
)
from spytriage.report import from_json, said, texts, to_html, to_json
from spytriage.report import html as html_module
from spytriage.report.arrange import TimelineRow
from spytriage.report.help_lines import help_lines
from spytriage.report.html import LARGEST_PAGE
from spytriage.report.pictures import timeline_picture

# fmt: off
ALLOWED_TAGS = {
    "html", "head", "meta", "title", "style", "body", "header", "footer", "main", "nav", "section", "article",
    "h1", "h2", "h3", "p", "ul", "ol", "li", "dl", "div", "dt", "dd", "table", "caption", "thead", "tbody", "tr",
    "th", "td", "a", "b", "br", "code", "bdi", "span", "time", "cite", "figure", "figcaption",
    "svg", "rect", "line", "circle", "text",
}
ALLOWED_ATTRIBUTES = {
    "lang", "charset", "http-equiv", "content", "name", "class", "id", "aria-label", "aria-labelledby", "href",
    "scope", "colspan", "data-label", "datetime", "dir", "data-languages", "role", "aria-hidden", "focusable",
    "width", "height", "x", "y", "x1", "y1", "x2", "y2", "cx", "cy", "r", "fill", "stroke", "text-anchor", "font-size",
}
VOID = {"meta", "br"}
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
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

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
    assert len(re.findall(r"<bdi[ >]", source)) == source.count("</bdi>")


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
    marks = (
        "outcome",
        "coverage",
        "findings",
        "timeline",
        "sets",
        "method",
        "limits",
        "custody",
        "consent",
        "redaction",
    )
    places = [source.index(f'id="{mark}"') for mark in marks]
    assert places == sorted(places)
    text = _text(report)
    words = texts.outcome_texts(report.outcome, report.source)
    for sentence in (words.headline, words.meaning, words.not_meaning, *words.next_steps):
        assert sentence in text


def test_every_gap_is_in_the_coverage_table_with_its_reason_before_what_was_checked() -> None:
    text = _text(samples.INCONCLUSIVE)
    gap = text.index("sms.db SMS – it is damaged DatabaseError")
    assert gap < text.index("Safari History.db SafariHistory")
    for state in CoverageState:
        if any(module.state is state for module in samples.INCONCLUSIVE.modules):
            assert texts.phrase(state) in text.lower()


def test_a_finding_tells_everything_that_a_reviewer_may_see() -> None:
    text = _text(samples.report(Outcome.MATCH, [samples.FINDINGS[1]]))
    words = texts.finding_text(FindingId.LINK_RECEIVED)
    expected = [
        words.title, words.seen, words.meaning, words.next_step,
        *(texts.phrase(benign) for benign in KINDS[FindingId.LINK_RECEIVED].benign),
        "2019-05-14", "sms.db", "Pegasus", "pegasus-core", texts.phrase(MatchRule.SUBDOMAIN),
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
        samples.CORE.sha256, samples.CORE.publisher, "backup of an iPhone or iPad", "94 in the set, 92 used",
        "unsupported-operator", "2026.10.26", "WS-07", "2027-01-31", "Policy review", "b2" * 32, "Fields withheld 31",
        "d1" * 32,
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
    assert b'<html lang="es" dir="ltr" data-languages="es">' in spanish
    assert b'<html lang="en" dir="ltr" data-languages="en">' in to_html(samples.MATCH)
    assert to_html(samples.MATCH) == to_html(samples.MATCH)


def test_the_first_page_says_whom_to_ask_and_how() -> None:
    first = to_html(samples.NO_MATCH).decode("utf-8").split("<nav")[0]
    for line in help_lines():
        assert line.organisation in html.unescape(first)
        assert f"<bdi>{line.contact}</bdi>" in first
        assert texts.serves_text(line.serves) in first


def test_the_first_page_names_what_was_not_looked_for_and_whether_it_may_be_shared() -> None:
    limit = Limit(LimitId.NO_SHARING_CONSENT)
    first = (
        to_html(replace(samples.NO_MATCH, limits=(*samples.NO_MATCH.limits, limit))).decode("utf-8").split("<nav")[0]
    )
    assert texts.limit_text(limit) in first
    assert texts.limit_text(samples.CORE_ONLY) in first


# --- Two languages, and writing from right to left -----------------------------------------------------------


def test_a_page_in_two_languages_says_everything_in_both_the_persons_first() -> None:
    with using_language("es", "en"):
        page = _page(samples.MATCH)
        source = to_html(samples.MATCH).decode("utf-8")
    _assert_inert(page)
    assert '<html lang="es" dir="ltr" data-languages="es,en">' in source
    said = " ".join(" ".join(page.text).split())
    for language in ("es", "en"):
        with using_language(language):
            for outcome in (
                texts.outcome_texts(Outcome.MATCH, samples.MATCH.source),
                texts.finding_text(FindingId.PROCESS_RAN),
            ):
                sentences = (getattr(outcome, field.name) for field in fields(outcome))
                assert all(sentence in said for sentence in sentences if isinstance(sentence, str))
            for limit in samples.MATCH.limits:
                assert texts.limit_text(limit) in said
    assert said.index("Se encontró un indicador") < said.index("A published indicator was found")
    also = {(tag["lang"], tag["dir"]) for _name, tag in page.tags if tag.get("class") == "also"}
    assert also == {("en", "ltr")}


def test_what_is_the_same_in_both_languages_stands_there_once() -> None:
    with using_language("es", "en"):
        assert str(Markup.escape(said.in_each_language(texts.term_text, Term.WHATSAPP))) == "WhatsApp"
        assert said.in_each_language(texts.term_text, 12).paragraph == "<p>12</p>"


def test_text_of_the_second_language_is_escaped_too() -> None:
    both = said.Said((("en", "<b>"), ("es", "</div><script>")))
    for rendered in (both.__html__(), both.lines, both.paragraph, both.item, (both % {}).paragraph):
        assert "<b>" not in rendered
        assert "<script" not in rendered


def test_a_page_from_right_to_left_sets_values_apart_and_mirrors_the_time_axis() -> None:
    with using_language("ar", "en"):
        mirrored = to_html(samples.MATCH).decode("utf-8")
        page = _page(samples.MATCH)
        signed = to_html(replace(samples.MATCH, signer="0123456789ABCDEF")).decode("utf-8")
    _assert_inert(page)
    assert '<html lang="ar" dir="rtl" data-languages="ar,en">' in mirrored
    assert '<bdi><code class="value">roleaboutd</code></bdi>' in mirrored
    assert "\u20680123456789ABCDEF\u2069" in signed
    places = re.compile(r'<circle cx="([\d.]+)%"')
    plain = places.findall(to_html(samples.MATCH).decode("utf-8"))
    assert [round(100 - float(place), 1) for place in places.findall(mirrored)] == [float(place) for place in plain]
    codes = [tag for name, tag in page.tags if name == "code" and tag.get("class") != "value"]
    assert codes
    assert all(tag.get("dir") == "ltr" for tag in codes)


@pytest.mark.parametrize("rule", [r"(margin|padding|border)-(left|right)", r"text-align: (left|right)", r"\bfloat:"])
def test_the_style_knows_no_left_and_right(rule: str) -> None:
    assert not re.search(rule, (Path(html_module.__file__).parent / "templates" / "report.css").read_text("utf-8"))


# --- Pictures -------------------------------------------------------------------------------------------------


def test_the_timeline_draws_each_trace_and_says_it_in_words_too() -> None:
    page = _page(samples.MATCH)
    labels = [str(tag["aria-label"]) for name, tag in page.tags if name == "svg" and tag.get("role") == "img"]
    strip, *lanes = labels
    assert "checked: 22" in strip
    dated = [finding for finding in samples.FINDINGS if finding.day]
    assert len(lanes) == len({finding.trace for finding in dated})
    assert lanes[0] == f"{texts.phrase(Trace.RAN)}: 3 ×, 2019-05-14 – 2019-05-14"
    svgs = [tag for name, tag in page.tags if name == "svg"]
    assert all(tag.get("role") == "img" or tag.get("aria-hidden") == "true" for tag in svgs)


def test_the_strip_has_a_cell_for_each_part_and_tells_gaps_apart_without_colour() -> None:
    strip = re.search(r'<svg class="strip".*?</svg>', to_html(samples.INCONCLUSIVE).decode("utf-8"), re.DOTALL)
    assert strip
    cells = re.findall(r'<rect class="(\w+)" x="([\d.]+)%" y="(\d+)"', strip[0])
    assert len(cells) == len(samples.INCONCLUSIVE.modules)
    assert [name for name, _x, _y in cells[:2]] == ["gap", "gap"]
    assert len({y for _name, _x, y in cells}) == len({name for name, _x, _y in cells})
    assert len({x for _name, x, _y in cells}) == len(cells)


def test_days_that_cannot_be_right_are_told_and_do_not_stretch_the_axis() -> None:
    days = (date(1, 1, 1), date(1970, 1, 1), date(2019, 5, 14), date(2020, 5, 14), date(9999, 12, 31))
    findings = [samples.finding(FindingId.SITE_VISITED, "SafariHistory", samples.DOMAIN, day=day) for day in days]
    report = samples.report(Outcome.MATCH, findings)
    text = _text(report)
    for day in days:
        doubtful = day.year not in (2019, 2020)
        assert (f"{day} (this day cannot be right)" in text) == doubtful, day
    assert "3 findings are not drawn: their days cannot be right." in text
    axis = re.search(r'<p class="axis">(.*?)</p>', to_html(report).decode("utf-8"), re.DOTALL)
    assert axis
    assert re.findall(r">([\d-]+)<", axis[1]) == ["2019-05-14", "2020-05-14"]


def test_no_picture_is_drawn_without_a_day_that_can_be_right() -> None:
    finding = samples.finding(FindingId.SITE_VISITED, "SafariHistory", samples.DOMAIN, day=date(2100, 1, 1))
    source = to_html(samples.report(Outcome.MATCH, [finding])).decode("utf-8")
    assert "<figure" not in source
    assert "<circle" not in source


@given(st.lists(st.tuples(st.dates(), st.sampled_from(Trace), st.integers(1, 10_000)), max_size=30), st.booleans())
def test_every_mark_lies_on_the_picture_and_no_finding_is_lost(
    made: list[tuple[date, Trace, int]], mirrored: bool
) -> None:
    rows = [TimelineRow(day, 0, FindingId.SITE_VISITED, "sms.db", trace, count) for day, trace, count in made]
    picture = timeline_picture(rows, date(2026, 11, 21), mirrored=mirrored)
    drawn = sum(lane.count for lane in picture.lanes) + picture.left_out if picture else None
    assert drawn is None or drawn == sum(row.count for row in rows)
    for lane in picture.lanes if picture else ():
        assert all(1 <= float(mark.place.rstrip("%")) <= 99 and 4 <= mark.radius <= 8 for mark in lane.marks)
        assert len({mark.place for mark in lane.marks}) == len(lane.marks) <= 121


# --- Size -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("languages", [("en",), ("es", "en")])
def test_a_page_never_grows_beyond_what_travels(languages: tuple[str, ...]) -> None:
    wide = "w" * 250
    findings = [
        samples.finding(
            FindingId.SITE_VISITED, "SafariHistory",
            *(samples.indicator(IndicatorType.DOMAIN, f"{number}.{place}.{wide}", set=wide) for place in range(5)),
        )
        for number in range(150)
    ]  # fmt: skip
    unusable = tuple(UnusableIndicator("x", wide, "unsupported-type") for _ in range(200))
    report = samples.report(Outcome.MATCH, findings, sets=(replace(samples.CORE, unusable=unusable),) * 60)
    with using_language(*languages):
        source = to_html(report)
    assert len(source) <= LARGEST_PAGE
    shown = source.count(b'<li class="observation">')
    assert shown > 0
    with using_language(*languages):
        assert f"{150 - shown} ".encode() in source


def test_headings_do_not_skip_a_level_and_ids_are_unique() -> None:
    page = _page(samples.MATCH)
    levels = [int(tag[1]) for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert levels.count(1) == 1
    assert all(later <= earlier + 1 for earlier, later in pairwise(levels))
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {str(attributes["aria-labelledby"]) for _, attributes in page.tags if "aria-labelledby" in attributes}
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
            for name in ("ink", "soft", "paper", "shade", "accent", "accent-paper", "mark", "faint")
        }
        for mark in (*colours["mark"], *colours["faint"]):  # pictures: WCAG 2.2, 1.4.11
            assert all(_contrast(mark, ground) >= 3 for ground in colours["paper"]), mark
        for text in (*colours["ink"], *colours["soft"], *colours["accent"]):
            for ground in (*colours["paper"], *colours["shade"], *colours["accent-paper"]):
                assert _contrast(text, ground) >= 4.5, (text, ground)
        for colour in (*colours["accent"], *colours["mark"]):
            red, green, blue = (int(colour[place : place + 2], 16) for place in (0, 2, 4))
            assert green <= max(red, blue), colour


@pytest.mark.parametrize(
    ("kind", "said"), [("android-bugreport", "this bug report"), ("of-a-later-version", "the files that were checked")]
)
def test_a_report_that_is_rendered_again_speaks_of_its_own_kind_of_source(kind: str, said: str) -> None:
    report = replace(samples.MATCH, source=replace(samples.MATCH.source, kind=kind))
    page = to_html(from_json(to_json(report))).decode("utf-8")
    assert f"A published indicator was found in {said}." in page
    assert "this backup" not in page
    assert "· not encrypted" not in page
