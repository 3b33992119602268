"""Reports full of markup, opened in a real browser that listens for whatever they try.

With the page's own Content-Security-Policy, and without it: the escaping has to hold by itself.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.report.test_addendum import addendum_of
from tests.ways_out import hostile
from tests.ways_out.test_other_outputs import counted
from tests.ways_out.vectors import EVERYTHING, MARKUP

from spytriage.report import RENDERERS
from spytriage.report.addendum import render_addendum

playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (a development dependency)")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on PATH (Debian: apt-get install chromium)"),
]
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# What a page that is opened by a person meets: the pointer over everything, each thing that takes the focus, a print.
_MEETS = """() => {
    for (const element of document.querySelectorAll('*')) {
        for (const name of ['mouseover', 'mouseenter', 'mousemove', 'pointerover', 'focus', 'toggle', 'error', 'load'])
            element.dispatchEvent(new Event(name, {bubbles: false}));
        if (element.focus) element.focus();
    }
}"""


def _addendum(text: str) -> bytes:
    return render_addendum(addendum_of(hostile.forged(text)), None)["addendum.html"]


def _statistics(text: str) -> bytes:
    return counted(text)["html"]


@dataclass
class Watched:
    """A tab that writes down what a page does beside being shown."""

    page: playwright.Page
    did: list[str] = field(default_factory=list)

    def open(self, path: Path) -> list[str]:
        """Open a page, do to it what people do, and return what it tried."""
        self.did.clear()
        try:
            self.page.goto(path.as_uri(), wait_until="load")
            self.page.evaluate(_MEETS)
            self.page.emulate_media(media="print")
            self.page.emulate_media(media="screen")
            self.page.wait_for_timeout(50)
        except playwright.Error as error:  # the page led away, or took the browser down
            self.did.append(f"error {error}")
        return [what for what in self.did if what != f"request {path.as_uri()}"]


@pytest.fixture(scope="module")
def browser() -> Iterator[playwright.Browser]:
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield opened
        opened.close()


@pytest.fixture
def tab(browser: playwright.Browser) -> Iterator[Watched]:
    context = browser.new_context(offline=True)
    context.add_init_script("for (const name of ['alert', 'confirm', 'prompt', 'print']) window[name] = () => "
                            "console.log('ran')")  # fmt: skip
    watched = Watched(context.new_page())
    page, did = watched.page, watched.did
    page.on("request", lambda request: did.append(f"request {request.url}"))
    page.on("dialog", lambda dialog: (did.append(f"dialog {dialog.message}"), dialog.dismiss()))
    page.on("console", lambda message: did.append(f"console {message.text}"))
    page.on("pageerror", lambda error: did.append(f"error {error}"))
    page.on("popup", lambda popup: did.append("popup"))
    page.on("frameattached", lambda frame: did.append("frame"))
    page.on("worker", lambda worker: did.append("worker"))
    page.on("websocket", lambda socket: did.append("websocket"))
    yield watched
    context.close()


def test_a_page_with_the_same_texts_unescaped_is_noticed(tab: Watched, tmp_path: Path) -> None:
    """The listener hears: most of these texts do something when nothing escapes them."""
    page = tmp_path / "page.html"
    heard = 0
    for text in MARKUP[:48]:
        page.write_text(f"<!DOCTYPE html><meta charset=utf-8><p>{text}</p>", encoding="utf-8", errors="replace")
        heard += bool(tab.open(page))
    assert heard > 25


@pytest.mark.parametrize("policy", [True, False], ids=["with its policy", "without its policy"])
@pytest.mark.parametrize("make", [hostile.of_a_set, hostile.forged])
def test_a_report_runs_nothing_and_asks_for_nothing(
    tab: Watched, tmp_path: Path, make: Callable[[str], object], policy: bool
) -> None:
    page = tmp_path / "report.html"
    for text in EVERYTHING:
        source = RENDERERS["html"](make(text)).decode()  # type: ignore[arg-type]
        assert len(_POLICY.findall(source)) == 1
        page.write_text(source if policy else _POLICY.sub("", source), encoding="utf-8")
        assert tab.open(page) == [], ascii(text)
        assert tab.page.locator("script, img, iframe, object, embed, form, base, link, video").count() == 0
        assert tab.page.locator("svg:not([width][height]), svg :not(rect, line, circle, text)").count() == 0
        links = tab.page.eval_on_selector_all("a", "found => found.map(a => a.getAttribute('href'))")
        assert all(re.fullmatch(r"#[a-z]+", link) for link in links), ascii(text)


@pytest.mark.parametrize("make", [_addendum, _statistics])
def test_no_other_page_runs_anything_or_asks_for_it(tab: Watched, tmp_path: Path, make: Callable[[str], bytes]) -> None:
    page = tmp_path / "page.html"
    for text in MARKUP:
        source = make(text).decode()
        assert len(_POLICY.findall(source)) == 1
        page.write_text(_POLICY.sub("", source), encoding="utf-8")
        assert tab.open(page) == [], ascii(text)
        assert tab.page.locator("script, img, iframe, object, embed, form, base, link, video, a").count() == 0


def test_markdown_shown_as_a_page_runs_nothing_and_asks_for_nothing(tab: Watched, tmp_path: Path) -> None:
    from markdown_it import MarkdownIt

    page = tmp_path / "report.html"
    for text in MARKUP:
        shown = MarkdownIt("commonmark", {"html": True}).render(RENDERERS["md"](hostile.forged(text)).decode())
        page.write_text(f"<!DOCTYPE html><meta charset=utf-8>{shown}", encoding="utf-8")
        assert tab.open(page) == [], ascii(text)
