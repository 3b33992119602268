"""Whatever a set or a forged report says, no rendering gives orders to what shows it."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt
from rich.console import Console
from tests.report import samples
from tests.ways_out import hostile
from tests.ways_out.vectors import EVERYTHING, MARKUP, STEERING, unprintable

from spytriage.models import Report
from spytriage.report import RENDERERS, to_json
from spytriage.report.terminal import summary

MADE = (hostile.of_a_set, hostile.forged)


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_no_rendering_holds_a_character_that_steers(make: Callable[[str], Report], text: str) -> None:
    report = make(text)
    for name, render in RENDERERS.items():
        assert not unprintable(render(report).decode("utf-8-sig")), name  # a table begins with a byte order mark
    assert not unprintable(to_json(report).decode("utf-8"))


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_the_terminal_is_given_no_order_but_our_own_colours(make: Callable[[str], Report], text: str) -> None:
    shown = io.StringIO()
    Console(file=shown, force_terminal=True, width=300).print(summary(make(text), None))
    assert not unprintable(re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue()))


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.seen: set[str] = set()
        self.attributes: set[tuple[str, str]] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {(name, tag) for name, _value in attrs}


def _tags(source: str) -> _Tags:
    parser = _Tags()
    parser.feed(source)
    parser.close()
    return parser


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", MARKUP, ids=ascii)
def test_a_page_has_no_tag_and_no_attribute_that_an_honest_one_lacks(make: Callable[[str], Report], text: str) -> None:
    honest, page = (_tags(RENDERERS["html"](report).decode()) for report in (hostile.of_a_set("x"), make(text)))
    every = _tags(RENDERERS["html"](samples.MATCH).decode())
    assert page.seen <= honest.seen | every.seen
    assert page.attributes <= honest.attributes | every.attributes


@pytest.mark.parametrize("make", MADE)
@pytest.mark.parametrize("text", MARKUP, ids=ascii)
def test_markdown_becomes_no_link_image_or_tag(make: Callable[[str], Report], text: str) -> None:
    source = RENDERERS["md"](make(text)).decode()
    page = MarkdownIt("commonmark", {"html": True}).enable(["table"]).render(source)
    seen = _tags(page).seen
    assert seen <= {"h1", "h2", "h3", "p", "ol", "ul", "li", "code", "table", "thead", "tbody", "tr", "th", "td"}


@pytest.mark.parametrize("text", EVERYTHING, ids=ascii)
def test_a_json_line_of_a_timeline_stays_one_line(text: str) -> None:
    lines = RENDERERS["jsonl"](hostile.of_a_set(text)).splitlines()
    assert len(lines) == len(hostile.of_a_set(text).findings)
    assert all(isinstance(json.loads(line), dict) for line in lines)


@pytest.mark.parametrize("text", STEERING, ids=ascii)
def test_a_forged_report_holds_an_odd_character_in_no_place_but_those_of_a_set(text: str) -> None:
    """Names of modules, versions, digests and references are written by programs: text that none writes is refused."""
    report = hostile.forged(text)
    for value in (
        *(part for module in report.modules for part in (module.name, module.detail)),
        *(loaded.sha256 for loaded in report.sets),
        *vars_of(report.tool), *vars_of(report.redaction), *vars_of(report.consent), *vars_of(report.source),
    ):  # fmt: skip
        assert not unprintable(str(value)), ascii(value)


def vars_of(part: object) -> list[object]:
    return [getattr(part, name) for name in type(part).__slots__]  # type: ignore[attr-defined]
